"""Accounts: who makes them, who changes them, and what is written down about it."""

import threading
import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from allauth.account.models import EmailAddress
from allauth.idp.oidc.models import Client as OAuthClient
from allauth.mfa.utils import is_mfa_enabled
from allauth.usersessions.models import UserSession
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction
from django.test import Client

from accounts import services
from accounts.models import User, UserWord
from accounts.roles import Permission, Role
from accounts.signals import user_changed
from erp_site.core.errors import Denied
from erp_site.core.models import Event
from erp_site.testing import PASSWORD, Api, in_parallel, second_factor

pytestmark = pytest.mark.django_db
type MakeUser = Callable[..., User]
type ApiAs = Callable[[User | None], Api]
NEW = {"email": "new@example.com", "name": "New Person", "password": "a-long-password"}


def events(user: User) -> list[tuple[int, str, Any]]:
    rows = Event.objects.filter(aggregate="user", aggregate_id=user.pk).order_by("sequence")
    return list(rows.values_list("sequence", "type", "payload"))


class TestRegistration:
    def test_open_registration_makes_an_active_viewer(self, anonymous: Api, settings: Any) -> None:
        settings.REGISTRATION = "open"
        answer = anonymous.post("/auth/register", {**NEW, "email": " New@Example.COM "})
        assert answer.status == 201
        user = User.objects.get()
        assert answer.body == {
            "id": user.pk,
            "email": "new@example.com",
            "name": "New Person",
            "role": "viewer",
            "is_active": True,
            "language": "pt-br",
            "last_login": None,
            "created_at": user.created_at.isoformat().replace("+00:00", "Z"),
        }
        login = anonymous.post(
            "/auth/jwt/login", {"email": NEW["email"], "password": NEW["password"]}
        )
        assert login.status == 200
        address = EmailAddress.objects.get()
        assert (address.user, address.email, address.primary) == (user, "new@example.com", True)

    def test_with_approval_the_account_waits_for_a_manager(
        self, anonymous: Api, api_as: ApiAs, manager: User, settings: Any
    ) -> None:
        settings.REGISTRATION = "approval"
        answer = anonymous.post("/auth/register", NEW)
        assert (answer.status, answer.body["is_active"]) == (201, False)
        credentials = {"email": NEW["email"], "password": NEW["password"]}
        assert anonymous.post("/auth/jwt/login", credentials).code == "account_inactive"
        api_as(manager).patch(f"/auth/users/{answer.body['id']}", {"is_active": True})
        assert anonymous.post("/auth/jwt/login", credentials).status == 200

    @pytest.mark.parametrize("body", [NEW, {}, {"email": 1, "role": "admin"}, "{", "[]", None])
    def test_closed_registration_is_403_whatever_is_sent(
        self, anonymous: Api, settings: Any, body: Any
    ) -> None:
        settings.REGISTRATION = "closed"
        answer = anonymous.post("/auth/register", body)
        assert (answer.status, answer.code) == (403, "registration_closed")
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert not User.objects.exists()

    def test_a_taken_address_is_409(self, anonymous: Api, viewer: User, settings: Any) -> None:
        settings.REGISTRATION = "open"
        answer = anonymous.post("/auth/register", {**NEW, "email": viewer.email.upper()})
        assert (answer.status, answer.code, answer.body["field"]) == (409, "duplicate", "email")
        assert User.objects.count() == 1

    @pytest.mark.parametrize(
        ("change", "pointer"),
        [
            ({"email": "nobody"}, "/email"),
            ({"email": "jos\u00e9@example.com"}, "/email"),
            ({"email": "a@ex\u00e4mple.com"}, "/email"),
            ({"email": "a\u0000@example.com"}, "/email"),
            ({"email": 1}, "/email"),
            ({"email": f"{'a' * 250}@example.com"}, "/email"),
            ({"name": " "}, "/name"),
            ({"name": None}, "/name"),
            ({"name": "x" * 256}, "/name"),
            ({"password": "short"}, "/password"),
            ({"password": "1234567890"}, "/password"),
            ({"password": "new@example.com"}, "/password"),
            ({"password": "x" * 129}, "/password"),
            ({"role": "admin"}, "/role"),
        ],
    )
    def test_bad_input_is_422_and_names_the_field(
        self, anonymous: Api, settings: Any, change: dict[str, Any], pointer: str
    ) -> None:
        settings.REGISTRATION = "open"
        answer = anonymous.post("/auth/register", {**NEW, **change})
        assert (answer.status, answer.code) == (422, "validation_error")
        assert {error["pointer"] for error in answer.body["errors"]} == {pointer}
        assert not User.objects.exists()

    def test_the_registration_is_an_event_of_the_new_user(
        self, anonymous: Api, settings: Any
    ) -> None:
        settings.REGISTRATION = "open"
        anonymous.post("/auth/register", NEW)
        user = User.objects.get()
        described = {
            "email": user.email,
            "name": user.name,
            "role": "viewer",
            "is_active": True,
            "discount_limit": "0.00",
        }
        assert events(user) == [(1, "user.created", described)]
        assert Event.objects.get().actor_id == user.pk

    def test_the_page_registers_and_signs_in(self, client: Client, settings: Any) -> None:
        settings.REGISTRATION = "open"
        response = client.post("/accounts/signup/", NEW)
        assert (response.status_code, response["Location"]) == (302, "/")
        assert client.session["_auth_user_id"] == str(User.objects.get().pk)

    def test_the_page_keeps_what_was_typed(
        self, client: Client, viewer: User, settings: Any
    ) -> None:
        settings.REGISTRATION = "open"
        response = client.post("/accounts/signup/", {**NEW, "email": viewer.email})
        assert response.status_code == 422
        assert response.context["form"].errors.keys() == {"email"}
        assert response.context["form"]["name"].value() == "New Person"
        response = client.post("/accounts/signup/", {**NEW, "password": "short"})
        assert response.context["form"].errors.keys() == {"password"}

    def test_the_page_says_when_a_manager_must_approve_or_registration_is_closed(
        self, client: Client, settings: Any
    ) -> None:
        settings.REGISTRATION = "approval"
        response = client.post("/accounts/signup/", NEW)
        assert response["Location"] == "/accounts/signup/done/"
        assert "_auth_user_id" not in client.session
        settings.REGISTRATION = "closed"
        assert client.get("/accounts/signup/").status_code == 403


class TestManagement:
    def test_a_manager_makes_an_operator(self, api_as: ApiAs, manager: User) -> None:
        answer = api_as(manager).post("/auth/users", {**NEW, "role": "operator"})
        assert (answer.status, answer.body["role"]) == (201, "operator")
        assert answer.headers["Location"] == f"/api/v1/auth/users/{answer.body['id']}"
        user = User.objects.get(pk=answer.body["id"])
        assert user.check_password(NEW["password"])
        assert EmailAddress.objects.get(user=user).verified is True
        assert events(user)[0][:2] == (1, "user.created")
        assert Event.objects.get().actor_id == manager.pk

    def test_without_a_password_nobody_can_sign_in_yet(self, api: Api) -> None:
        body = {"email": NEW["email"], "name": NEW["name"], "role": "operator"}
        answer = api.post("/auth/users", body)
        assert answer.status == 201
        assert not User.objects.get(pk=answer.body["id"]).has_usable_password()

    def test_whoever_makes_an_account_says_its_role(self, api: Api) -> None:
        answer = api.post("/auth/users", NEW)
        missing = {"pointer": "/role", "code": "missing", "detail": "Field required"}
        assert (answer.status, answer.body["errors"]) == (422, [missing])
        assert not User.objects.filter(email=NEW["email"]).exists()

    @pytest.mark.parametrize("role", ["viewer", "operator"])
    def test_others_make_and_see_nobody(
        self, api_as: ApiAs, make_user: MakeUser, role: str
    ) -> None:
        api = api_as(make_user(role))
        assert api.post("/auth/users", NEW).code == "forbidden"
        assert api.get("/auth/users").code == "forbidden"
        assert User.objects.count() == 1

    def test_a_manager_neither_makes_nor_touches_an_administrator(
        self, api_as: ApiAs, manager: User, admin: User, viewer: User
    ) -> None:
        api = api_as(manager)
        assert api.post("/auth/users", {**NEW, "role": "admin"}).code == "forbidden"
        assert api.patch(f"/auth/users/{admin.pk}", {"name": "X"}).code == "forbidden"
        assert api.patch(f"/auth/users/{viewer.pk}", {"role": "admin"}).code == "forbidden"
        viewer.refresh_from_db()
        assert (viewer.role, User.objects.count()) == (Role.VIEWER, 3)

    def test_a_manager_promotes_up_to_manager(
        self, api_as: ApiAs, manager: User, viewer: User
    ) -> None:
        answer = api_as(manager).patch(f"/auth/users/{viewer.pk}", {"role": "manager"})
        assert (answer.status, answer.body["role"]) == (200, "manager")

    @pytest.mark.parametrize(
        "change",
        [
            {"role": "viewer"},
            {"is_active": False},
            {"password": "a-long-password"},
            {"discount_limit": "5.00"},
        ],
    )
    def test_nobody_changes_their_own_role_activity_password_or_limit_here(
        self, api: Api, admin: User, change: dict[str, Any]
    ) -> None:
        answer = api.patch(f"/auth/users/{admin.pk}", change)
        assert (answer.status, answer.code) == (403, "own_account")
        admin.refresh_from_db()
        assert (admin.role, admin.is_active, admin.discount_limit) == (Role.ADMIN, True, Decimal(0))
        assert admin.check_password(PASSWORD)

    def test_sending_ones_own_present_values_changes_nothing(self, api: Api, admin: User) -> None:
        answer = api.patch(f"/auth/users/{admin.pk}", {
            "role": "admin", "is_active": True, "discount_limit": "0",
        })  # fmt: skip
        assert answer.status == 200
        assert events(admin) == []

    def test_each_kind_of_change_is_an_event_in_sequence(
        self, api: Api, admin: User, viewer: User
    ) -> None:
        api.patch(f"/auth/users/{viewer.pk}", {"name": "New", "role": "operator"})
        api.patch(f"/auth/users/{viewer.pk}", {"is_active": False, "password": "a-long-password"})
        api.patch(f"/auth/users/{viewer.pk}", {"is_active": True})
        assert events(viewer) == [
            (1, "user.updated", {"changed": {"name": ["Viewer 1", "New"]}}),
            (2, "user.role_changed", {"from": "viewer", "to": "operator"}),
            (3, "user.deactivated", {}),
            (4, "user.password_changed", {}),
            (5, "user.activated", {}),
        ]
        assert set(Event.objects.values_list("actor", flat=True)) == {admin.pk}
        viewer.refresh_from_db()
        assert viewer.event_seq == 5

    def test_if_the_event_cannot_be_written_nothing_changes(
        self, admin: User, viewer: User
    ) -> None:
        taken = {"aggregate": "user", "aggregate_id": viewer.pk, "sequence": 1}
        Event.objects.create(
            uid=uuid4(), type="user.updated", created_at=viewer.created_at, **taken
        )
        with pytest.raises(IntegrityError), transaction.atomic():
            services.update_user(actor=admin, user_id=viewer.pk, role="manager")
        viewer.refresh_from_db()
        assert viewer.role == Role.VIEWER

    def test_a_missing_user_is_404(self, api: Api) -> None:
        assert api.get("/auth/users/999").status == 404
        assert api.patch("/auth/users/999", {"name": "X"}).status == 404

    def test_services_refuse_those_the_api_would_have_refused(
        self, viewer: User, operator: User
    ) -> None:
        with pytest.raises(Denied):
            services.create_user(actor=operator, email="x@example.com", name="X")
        with pytest.raises(Denied):
            services.update_user(actor=operator, user_id=viewer.pk, name="X")

    def test_an_actor_who_lost_the_right_meanwhile_is_refused(
        self, manager: User, viewer: User
    ) -> None:
        User.objects.filter(pk=manager.pk).update(role=Role.VIEWER)
        assert manager.has_perm(Permission.MANAGE_USERS)  # as read before
        with pytest.raises(Denied):
            services.update_user(actor=manager, user_id=viewer.pk, name="X")


class TestLists:
    @pytest.fixture
    def crowd(self, make_user: MakeUser, admin: User) -> None:
        make_user("viewer", "ana.lima@example.com", name="Ana Lima")
        make_user("operator", "bruno@pedidos.test", name="Bruno Conceição")
        make_user("operator", "carla@example.com", name="Carla Souza", is_active=False)

    def found(self, api: Api, **query: Any) -> list[str]:
        answer = api.get("/auth/users", **query)
        assert answer.status == 200, answer.body
        assert answer.body["count"] == len(answer.body["items"])
        return [user["name"] for user in answer.body["items"]]

    def test_users_are_listed_by_name(self, api: Api, crowd: None) -> None:
        names = ["Admin 0", "Ana Lima", "Bruno Conceição", "Carla Souza"]
        assert self.found(api) == names
        assert self.found(api, sort="-name") == names[::-1]

    @pytest.mark.parametrize(
        ("query", "names"),
        [
            ({"search": "lim"}, ["Ana Lima"]),
            ({"search": "CONCEICAO"}, ["Bruno Conceição"]),
            ({"search": "pedidos"}, ["Bruno Conceição"]),
            ({"search": "ana.lima@example.com"}, ["Ana Lima"]),
            ({"search": "ima"}, []),
            ({"role": "operator"}, ["Bruno Conceição", "Carla Souza"]),
            ({"role": "operator", "is_active": "true"}, ["Bruno Conceição"]),
            ({"is_active": "false"}, ["Carla Souza"]),
        ],
    )
    def test_filters_combine(
        self, api: Api, crowd: None, query: dict[str, str], names: list[str]
    ) -> None:
        assert self.found(api, **query) == names

    @pytest.mark.parametrize(
        "query",
        [
            {"role": "boss"},
            {"is_active": "1"},
            {"sort": "password"},
            {"unknown": "x"},
            {"limit": 0},
        ],
    )
    def test_an_unknown_filter_or_value_is_422(self, api: Api, query: dict[str, Any]) -> None:
        assert api.get("/auth/users", **query).code == "validation_error"

    def test_cursors_walk_through_everybody(self, api: Api, crowd: None) -> None:
        first = api.get("/auth/users", limit=3).body
        second = api.get("/auth/users", limit=3, cursor=first["next_cursor"]).body
        names = [user["name"] for page in (first, second) for user in page["items"]]
        assert names == ["Admin 0", "Ana Lima", "Bruno Conceição", "Carla Souza"]
        assert second["next_cursor"] is None

    def test_a_renamed_user_is_found_by_the_new_name(self, api: Api, viewer: User) -> None:
        api.patch(f"/auth/users/{viewer.pk}", {"name": "Zélia"})
        assert self.found(api, search="zel") == ["Zélia"]
        assert not UserWord.objects.filter(owner=viewer, word="1").exists()

    @pytest.mark.parametrize("people", [1, 3])
    def test_the_number_of_queries_does_not_grow(
        self, api: Api, make_user: MakeUser, people: int, django_assert_num_queries: Any
    ) -> None:
        for _ in range(people):
            make_user()
        with django_assert_num_queries(5):  # session, user, count, ids, rows
            api.get("/auth/users")


class TestOneself:
    def test_me_shows_every_permission(self, api_as: ApiAs, people: dict[Role, User]) -> None:
        for user in people.values():
            answer = api_as(user).get("/auth/me")
            assert answer.status == 200
            assert answer.body["permissions"] == sorted(user.get_all_permissions())

    def test_name_and_language_can_be_changed(self, api_as: ApiAs, viewer: User) -> None:
        answer = api_as(viewer).patch("/auth/me", {"name": " Ana ", "language": "en"})
        assert (answer.status, answer.body["name"], answer.body["language"]) == (200, "Ana", "en")
        changed = {"name": ["Viewer 0", "Ana"], "language": ["pt-br", "en"]}
        assert events(viewer) == [(1, "user.updated", {"changed": changed})]

    @pytest.mark.parametrize("tag", ["pt-br", "pt-BR", "PT-BR", "Pt-Br"])
    def test_a_language_is_named_in_any_case(self, api_as: ApiAs, viewer: User, tag: str) -> None:
        User.objects.update(language="en")
        answer = api_as(viewer).patch("/auth/me", {"language": tag})
        assert (answer.status, answer.body["language"]) == (200, "pt-br")
        viewer.refresh_from_db()
        assert viewer.language == "pt-br"

    @pytest.mark.parametrize("tag", ["pt", "pt_BR", "pt-PT", "", " en", 1, None, ["en"]])
    def test_what_is_no_language_of_ours_is_refused(
        self, api_as: ApiAs, viewer: User, tag: Any
    ) -> None:
        answer = api_as(viewer).patch("/auth/me", {"language": tag})
        assert (answer.status, answer.body["errors"][0]["pointer"]) == (422, "/language")

    @pytest.mark.parametrize(
        "body",
        [
            {"role": "admin"},
            {"email": "x@example.com"},
            {"discount_limit": "50.00"},
            {"language": "fr"},
            {"name": None},
        ],
    )
    def test_nothing_else_can(self, api_as: ApiAs, viewer: User, body: dict[str, Any]) -> None:
        answer = api_as(viewer).patch("/auth/me", body)
        assert (answer.status, answer.body["errors"][0]["pointer"]) == (422, f"/{next(iter(body))}")

    @pytest.mark.parametrize(
        ("current", "new", "pointer"),
        [
            ("wrong", "another-password-1", "/current_password"),
            (PASSWORD, "short", "/new_password"),
            (PASSWORD, "password12", "/new_password"),
        ],
    )
    def test_a_wrong_or_weak_password_is_422_and_changes_nothing(
        self, api_as: ApiAs, viewer: User, current: str, new: str, pointer: str
    ) -> None:
        body = {"current_password": current, "new_password": new}
        answer = api_as(viewer).post("/auth/password", body)
        assert (answer.status, answer.body["errors"][0]["pointer"]) == (422, pointer)
        viewer.refresh_from_db()
        assert viewer.check_password(PASSWORD)


class TestFirstAdmin:
    def test_migrate_makes_the_first_admin_once(self, settings: Any, db: None) -> None:
        settings.ADMIN_EMAIL, settings.ADMIN_PASSWORD = "Boss@Example.com", "a-long-password"
        for _ in range(2):
            call_command("migrate", verbosity=0)
        boss = User.objects.get()
        assert (boss.email, boss.role, boss.is_active) == ("boss@example.com", Role.ADMIN, True)
        assert boss.check_password("a-long-password")
        assert Event.objects.get().actor_id is None

    def test_with_an_admin_there_it_makes_none(self, admin: User) -> None:
        assert services.bootstrap_admin(email="b@example.com", password="a-long-password") is None
        assert User.objects.get() == admin

    def test_an_existing_account_is_not_promoted(self, viewer: User) -> None:
        assert services.bootstrap_admin(email=viewer.email, password="a-long-password") is None
        viewer.refresh_from_db()
        assert viewer.role == Role.VIEWER

    def test_a_weak_password_stops_the_migration_with_a_sentence(
        self, settings: Any, db: None
    ) -> None:
        settings.ADMIN_EMAIL, settings.ADMIN_PASSWORD = "boss@example.com", "1234567890"
        with pytest.raises(CommandError, match="ADMIN_PASSWORD"):
            call_command("migrate", verbosity=0)
        assert not User.objects.exists()


class TestRescue:
    def test_the_command_lets_the_only_administrator_in(self, admin: User) -> None:
        second_factor(admin)
        call_command("remove_second_factors", admin.email.upper())
        assert not is_mfa_enabled(admin)
        event = Event.objects.get(type="user.second_factors_removed")
        assert (event.aggregate_id, event.actor) == (admin.pk, None)

    def test_an_address_without_account_is_said(self, db: None) -> None:
        with pytest.raises(CommandError, match=r"Não há|no such user"):
            call_command("remove_second_factors", "nobody@example.com")


@pytest.mark.django_db(transaction=True)
class TestRaces:
    def test_two_servers_make_one_first_admin(self) -> None:
        def migrate() -> User | None:
            return services.bootstrap_admin(email="boss@example.com", password="a-long-password")

        made = in_parallel(*[migrate] * 4)
        assert sorted(isinstance(user, User) for user in made) == [False, False, False, True]
        assert User.objects.count() == 1

    def test_of_racing_registrations_of_one_address_one_wins(self) -> None:
        def register() -> User:
            return services.register(
                email="new@example.com", name="New", password="a-long-password", active=True
            )

        results = in_parallel(*[register] * 6)
        assert sorted(type(result).__name__ for result in results) == ["Duplicate"] * 5 + ["User"]
        assert (User.objects.count(), EmailAddress.objects.count(), Event.objects.count()) == (
            1,
            1,
            1,
        )

    @pytest.fixture
    def two_admins(self, make_user: MakeUser) -> tuple[User, User]:
        return make_user("admin"), make_user("admin")

    @pytest.mark.parametrize("change", [{"role": "viewer"}, {"is_active": False}])
    def test_two_admins_removing_each_other_leave_one(
        self, two_admins: tuple[User, User], slow_changes: None, change: dict[str, Any]
    ) -> None:
        a, b = two_admins
        results = in_parallel(
            lambda: services.update_user(actor=a, user_id=b.pk, **change),
            lambda: services.update_user(actor=b, user_id=a.pk, **change),
        )
        assert sorted(type(result).__name__ for result in results) == ["Denied", "User"]
        assert User.objects.filter(role=Role.ADMIN, is_active=True).count() == 1

    def test_control_without_the_lock_no_admin_is_left(
        self, two_admins: tuple[User, User], slow_changes: None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from django.db.models import QuerySet

        a, b = two_admins
        monkeypatch.setattr(QuerySet, "select_for_update", lambda self: self)
        unlocked: Any = services.update_user.__wrapped__  # type: ignore[attr-defined]  # no transaction
        in_parallel(
            lambda: unlocked(actor=a, user_id=b.pk, role="viewer"),
            lambda: unlocked(actor=b, user_id=a.pk, role="viewer"),
        )
        assert User.objects.filter(role=Role.ADMIN, is_active=True).count() == 0

    @pytest.mark.parametrize("way", ["session", "jwt"])
    @pytest.mark.parametrize(
        ("change", "status"), [({"role": "operator"}, 200), ({"is_active": False}, 401)]
    )
    def test_who_signs_in_while_their_account_changes_waits_for_it(
        self, make_user: MakeUser, change: dict[str, Any], status: int, way: str
    ) -> None:  # fmt: skip
        """Longer than the database lets anybody wait for a row: it was answered with 503."""
        admin, user = make_user("admin"), make_user("viewer")
        is_changing = threading.Event()

        def hold(**_: Any) -> None:
            is_changing.set()
            time.sleep(1.5)

        def sign_in() -> int:
            api = Api(Client(raise_request_exception=False))
            if connection.vendor == "mysql":
                with connection.cursor() as cursor:
                    cursor.execute("SET innodb_lock_wait_timeout = 1")
            assert is_changing.wait(30)
            body = {"email": user.email, "password": PASSWORD}
            return api.post(f"/auth/{way}/login", body).status

        user_changed.connect(hold)
        try:
            changed, answered = in_parallel(
                lambda: services.update_user(actor=admin, user_id=user.pk, **change), sign_in
            )
        finally:
            user_changed.disconnect(hold)
        assert (type(changed), answered) == (User, status)
        # When they were last in is written with the session, or not at all.
        user.refresh_from_db()
        assert bool(user.last_login) == (status == 200)
        assert UserSession.objects.filter(user=user).count() == (status == 200)

    @pytest.fixture
    def slow_changes(self) -> Any:
        """Time between looking and writing, as a busy server has it."""

        def wait(**_: Any) -> None:
            time.sleep(0.3)

        user_changed.connect(wait)
        yield
        user_changed.disconnect(wait)


def test_a_machine_client_is_made_with_a_service_user(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("create_machine_client", "Warehouse scanner", role="operator")
    client_id, secret = (line.split("=", 1)[1] for line in capsys.readouterr().out.split())
    user = User.objects.get()
    assert (user.email, user.role) == ("warehouse-scanner@machine.invalid", Role.OPERATOR)
    assert not user.has_usable_password()
    client = OAuthClient.objects.get(pk=client_id, owner=user)
    assert client.check_secret(secret)
    assert secret not in client.secret
    with pytest.raises(CommandError):
        call_command("create_machine_client", "Warehouse scanner")
