"""The pages of users: list, new account, one person."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from allauth.mfa.utils import is_mfa_enabled
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from accounts.roles import ROLE_PERMISSIONS, Permission, Role
from accounts.services import update_user
from erp_site.testing import second_factor

pytestmark = pytest.mark.django_db
NEW = {"name": "Nina", "email": "nina@example.com", "role": "operator", "password": ""}


@pytest.fixture
def desk(desk_of: Callable[[User], Client], manager: User) -> Client:
    return desk_of(manager)


def names(response: Any) -> list[str]:
    return [person.name for person in response.context["listing"].rows]


class TestList:
    def test_people_are_found_by_words_role_and_access(
        self, desk: Client, make_user: Callable[..., User]
    ) -> None:
        make_user("viewer", name="Vera Lima")
        make_user("operator", name="Oto Lima", is_active=False)
        assert names(desk.get("/users/?search=lima")) == ["Oto Lima", "Vera Lima"]
        assert names(desk.get("/users/?search=lima&role=viewer")) == ["Vera Lima"]
        assert names(desk.get("/users/?is_active=false")) == ["Oto Lima"]

    def test_the_role_table_is_the_policy_itself(self, desk: Client) -> None:
        table = desk.get("/users/").context["role_table"]
        assert len(table) == len(Permission)
        assert sum(sum(row["roles"]) for row in table) == sum(
            len(permissions) for permissions in ROLE_PERMISSIONS.values()
        )

    def test_who_waits_for_approval_is_counted_and_let_in(
        self, desk: Client, client: Client, settings: Any
    ) -> None:
        settings.REGISTRATION = "approval"
        typed = {"name": "Rita", "email": "rita@example.com", "password": "a-very-long-password"}
        assert client.post("/accounts/signup/", typed).status_code == 302
        page = desk.get("/users/?waiting=true")
        assert (names(page), page.context["waiting"]) == (["Rita"], 1)
        rita = User.objects.get(email="rita@example.com")
        desk.post(f"/users/{rita.pk}/activity", {"is_active": "true"})
        assert desk.get("/users/").context["waiting"] == 0
        rita.refresh_from_db()
        assert rita.is_active


class TestNew:
    def test_who_is_invited_gets_a_mail_and_no_password(
        self, desk: Client, mailoutbox: list[Any]
    ) -> None:
        response = desk.post("/users/new", NEW)
        nina = User.objects.get(email="nina@example.com")
        assert response["Location"] == f"/users/{nina.pk}"
        assert (nina.role, nina.has_usable_password()) == (Role.OPERATOR, False)
        (mail,) = mailoutbox
        assert mail.to == ["nina@example.com"]
        assert re.search(r"http://testserver/accounts/password/reset/key/\S+", mail.body)

    @pytest.mark.parametrize(
        ("changed", "wrong"),
        [
            ({"role": "admin"}, "role"),
            ({"email": "manager@example.com"}, "email"),
            ({"email": "nobody"}, "email"),
            ({"name": " "}, "name"),
            ({"password": "short"}, "password"),
        ],
    )
    def test_a_refused_form_says_where_and_keeps_what_was_typed(
        self, desk: Client, manager: User, changed: dict[str, str], wrong: str
    ) -> None:
        User.objects.filter(pk=manager.pk).update(email="manager@example.com")
        before = User.objects.count()
        response = desk.post("/users/new", NEW | changed)
        assert response.status_code == 422
        assert list(response.context["form"].errors) == [wrong]
        assert response.context["form"]["role"].value() == (NEW | changed)["role"]
        assert User.objects.count() == before


class TestOne:
    def test_name_and_role_are_changed_and_written_down(self, desk: Client, viewer: User) -> None:
        desk.post(f"/users/{viewer.pk}", {"name": "Vera", "role": "operator"})
        viewer.refresh_from_db()
        assert (viewer.name, viewer.role) == ("Vera", Role.OPERATOR)
        history = desk.get(f"/users/{viewer.pk}").context["history"]
        assert "user.role_changed" in {event.type for event in history}

    def test_who_is_kept_out_is_signed_out_at_once(self, desk: Client, viewer: User) -> None:
        theirs = Client()
        theirs.force_login(viewer, backend="accounts.backends.RoleBackend")
        assert theirs.get("/orders/").status_code == 200
        desk.post(f"/users/{viewer.pk}/activity", {"is_active": "false"})
        assert theirs.get("/orders/")["Location"] == "/accounts/login/?next=/orders/"

    def test_nobody_changes_their_own_role_or_access(self, desk: Client, manager: User) -> None:
        response = desk.post(f"/users/{manager.pk}/activity", {"is_active": "false"})
        assert response.status_code == 403
        desk.post(f"/users/{manager.pk}", {"name": manager.name, "role": "viewer"})
        manager.refresh_from_db()
        assert (manager.role, manager.is_active) == (Role.MANAGER, True)

    def test_a_lost_second_step_is_removed(self, desk: Client, viewer: User) -> None:
        remove = f'action="/users/{viewer.pk}/second-step"'
        assert remove not in desk.get(f"/users/{viewer.pk}").content.decode()
        second_factor(viewer)
        assert remove in desk.get(f"/users/{viewer.pk}").content.decode()
        assert desk.post(f"/users/{viewer.pk}/second-step").status_code == 302
        assert not is_mfa_enabled(viewer)

    @pytest.mark.parametrize("path", ["activity", "reset", "password", "second-step"])
    def test_a_manager_leaves_administrators_alone(
        self, desk: Client, admin: User, mailoutbox: list[Any], path: str
    ) -> None:
        second_factor(admin)
        body = {"is_active": "false", "password": "a-very-long-password"}
        assert desk.post(f"/users/{admin.pk}/{path}", body).status_code == 403
        before, is_active = admin.password, admin.is_active
        admin.refresh_from_db()
        assert (admin.password, admin.is_active, mailoutbox) == (before, is_active, [])
        assert is_mfa_enabled(admin)


@pytest.mark.parametrize("path", ["/users/", "/users/{}"])
def test_three_rows_cost_as_many_statements_as_one(
    desk: Client, make_user: Callable[..., User], admin: User, path: str
) -> None:
    person = make_user("viewer")
    update_user(actor=admin, user_id=person.pk, name="One")
    path = path.format(person.pk)
    desk.get(path)
    counts = []
    for name in ("Two", "Three"):
        with CaptureQueriesContext(connection) as queries:
            assert desk.get(path).status_code == 200
        counts.append(len(queries))
        for _more in range(2):
            make_user("viewer")
            update_user(actor=admin, user_id=person.pk, name=f"{name} {_more}")
    assert counts[0] == counts[1]
