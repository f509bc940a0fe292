"""The discount limit: who gives it, what it lets them agree upon, and what is written down about it."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

import pytest
from django.db import DatabaseError, connection, transaction
from django.test import Client

from accounts.models import User
from accounts.roles import ROLE_PERMISSIONS, Permission, Role
from accounts.services import OwnAccount, create_user, update_user
from erp_site.core.errors import Denied, Invalid
from erp_site.core.models import Event
from erp_site.testing import PASSWORD, Api, text_of

D = Decimal
NONE = D(0)
pytestmark = pytest.mark.django_db
type MakeUser = Callable[..., User]
type ApiAs = Callable[[User | None], Api]
NEW: Final[dict[str, Any]] = {"email": "nina@example.com", "name": "Nina", "role": "operator"}
OUT_OF_RANGE = "A discount is from 0 to 99.99 percent, with two decimals at most."


def limit_of(user: User) -> Decimal:
    return User.objects.values_list("discount_limit", flat=True).get(pk=user.pk)


def facts(user: User) -> list[tuple[str, Any, int | None]]:
    found = Event.objects.filter(aggregate="user", aggregate_id=user.pk).order_by("sequence")
    return list(found.values_list("type", "payload", "actor_id"))


class TestWhatItAllows:
    @pytest.mark.parametrize(
        ("role", "limit", "price", "lowest"),
        [
            ("operator", "0", "10.00", "10.00"),
            ("operator", "5", "10.00", "9.50"),
            ("operator", "7.50", "0.99", "0.92"),  # half a cent and more goes up
            ("operator", "50", "0.01", "0.01"),  # nothing is given away
            ("operator", "99.99", "10.00", "0.01"),
            ("viewer", "5", "10.00", "9.50"),
            ("manager", "0", "10.00", "0.01"),
            ("manager", "5", "10.00", "0.01"),
            ("admin", "0", "99999999.99", "0.01"),
        ],
    )
    def test_the_lowest_price_is_the_customers_less_the_limit_or_a_cent(
        self, role: str, limit: str, price: str, lowest: str
    ) -> None:
        found = User(role=role, discount_limit=D(limit)).lowest_price(D(price))
        assert (found, found.as_tuple().exponent) == (D(lowest), -2)

    @pytest.mark.parametrize(
        ("role", "limit", "may"),
        [
            ("viewer", "5", False),  # places no orders
            ("operator", "0", False),
            ("operator", "0.01", True),
            ("manager", "0", True),
            ("admin", "0", True),
        ],
    )
    def test_prices_are_agreed_upon_by_those_with_a_limit_and_those_without_one(
        self, role: str, limit: str, may: bool
    ) -> None:
        assert User(role=role, discount_limit=D(limit)).may_agree_on_prices is may

    def test_who_is_deactivated_agrees_upon_nothing(self) -> None:
        gone = User(role="admin", is_active=False, discount_limit=D(5))
        assert (gone.may_agree_on_prices, gone.lowest_price(D(10))) == (False, D("9.50"))

    def test_any_price_is_for_managers_and_administrators(self) -> None:
        allowed = {
            role
            for role, permissions in ROLE_PERMISSIONS.items()
            if Permission.AGREE_ON_ANY_PRICE in permissions
        }
        assert allowed == {Role.MANAGER, Role.ADMIN}
        assert Permission.AGREE_ON_ANY_PRICE.value == "orders.agree_on_any_price"


class TestTheDatabase:
    def test_code_that_does_not_know_the_limit_goes_on_making_users(self, viewer: User) -> None:
        """As a machine does that is upgraded later."""
        known = [
            connection.ops.quote_name(str(field.column))
            for field in User._meta.concrete_fields
            if field.column not in {"id", "email", "discount_limit"}
        ]
        columns = ", ".join(known)
        with connection.cursor() as cursor:
            cursor.execute(
                f"INSERT INTO accounts_user (email, {columns}) SELECT 'old@example.com', {columns} FROM accounts_user"
            )
        assert limit_of(User.objects.get(email="old@example.com")) == 0

    @pytest.mark.parametrize("limit", ["-0.01", "100"])
    def test_it_keeps_no_limit_that_is_none(self, operator: User, limit: str) -> None:
        with (
            pytest.raises(DatabaseError),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute("UPDATE accounts_user SET discount_limit = %s", [limit])
        assert limit_of(operator) == 0


class TestServices:
    def test_a_new_user_has_the_limit_given_and_it_is_told(self, manager: User) -> None:
        nina = create_user(actor=manager, **NEW, discount_limit=D("7.5"))
        assert limit_of(nina) == D("7.50")
        ((kind, payload, actor),) = facts(nina)
        assert (kind, payload["discount_limit"], actor) == ("user.created", "7.50", manager.pk)

    def test_without_one_a_new_user_agrees_upon_nothing(self, manager: User) -> None:
        nina = create_user(actor=manager, **NEW)
        assert (limit_of(nina), facts(nina)[0][1]["discount_limit"]) == (NONE, "0.00")

    def test_a_change_is_told_with_what_it_was_and_the_same_is_none(
        self, manager: User, operator: User
    ) -> None:
        for limit in (D(5), D("5.00"), None, D("7.5"), D(0)):
            update_user(actor=manager, user_id=operator.pk, discount_limit=limit)
        assert limit_of(operator) == 0
        assert facts(operator) == [
            ("user.updated", {"changed": {"discount_limit": pair}}, manager.pk)
            for pair in (["0.00", "5.00"], ["5.00", "7.50"], ["7.50", "0.00"])
        ]

    @pytest.mark.parametrize("limit", ["-0.01", "100", "1000", "7.555", "NaN"])
    def test_a_limit_is_less_than_everything(
        self, manager: User, operator: User, limit: str
    ) -> None:
        for attempt in (
            lambda: create_user(actor=manager, **NEW, discount_limit=D(limit)),
            lambda: update_user(actor=manager, user_id=operator.pk, discount_limit=D(limit)),
        ):
            with pytest.raises(Invalid) as refused:
                attempt()
            (error,) = refused.value.facts["errors"]
            assert (error["pointer"], error["code"]) == ("/discount_limit", "out_of_range")
        assert (limit_of(operator), facts(operator), User.objects.count()) == (NONE, [], 2)

    def test_every_wrong_field_of_a_new_user_is_named(self, manager: User) -> None:
        wrong: dict[str, Any] = {"email": "nobody", "name": " ", "discount_limit": D(100)}
        with pytest.raises(Invalid) as refused:
            create_user(actor=manager, **wrong)
        pointers = {error["pointer"] for error in refused.value.facts["errors"]}
        assert pointers == {"/email", "/name", "/discount_limit"}

    @pytest.mark.parametrize("role", ["manager", "admin"])
    def test_nobody_gives_themselves_another(self, make_user: MakeUser, role: str) -> None:
        user = make_user(role)
        with pytest.raises(OwnAccount):
            update_user(actor=user, user_id=user.pk, discount_limit=D(5))
        assert (limit_of(user), facts(user)) == (NONE, [])

    def test_it_is_given_by_those_who_may_manage_the_user(
        self, operator: User, manager: User, admin: User, viewer: User
    ) -> None:
        for actor, user in ((operator, viewer), (viewer, operator), (manager, admin)):
            with pytest.raises(Denied):
                update_user(actor=actor, user_id=user.pk, discount_limit=D(5))
            assert (limit_of(user), facts(user)) == (NONE, [])
        update_user(actor=admin, user_id=manager.pk, discount_limit=D(5))
        assert limit_of(manager) == 5

    def test_a_managers_figure_counts_when_they_are_an_operator_again(
        self, admin: User, manager: User
    ) -> None:
        update_user(actor=admin, user_id=manager.pk, discount_limit=D(5))
        manager.refresh_from_db()
        assert manager.lowest_price(D(10)) == D("0.01")
        update_user(actor=admin, user_id=manager.pk, role="operator")
        manager.refresh_from_db()
        assert manager.lowest_price(D(10)) == D("9.50")


class TestApi:
    def test_it_is_given_with_a_new_account_and_changed_later(
        self, api_as: ApiAs, manager: User
    ) -> None:
        api = api_as(manager)
        made = api.post("/auth/users", {**NEW, "discount_limit": "5"})
        assert (made.status, made.body["discount_limit"]) == (201, "5.00")
        path = f"/auth/users/{made.body['id']}"
        changed = api.patch(path, {"discount_limit": "7.5"})
        assert (changed.status, changed.body["discount_limit"]) == (200, "7.50")
        assert api.patch(path, {"name": "Nina Nova"}).body["discount_limit"] == "7.50"
        assert api.get(path).body["discount_limit"] == "7.50"
        found = api.get("/auth/users", search="nina").body["items"]
        assert [user["discount_limit"] for user in found] == ["7.50"]

    def test_who_is_given_none_has_none(self, api: Api) -> None:
        assert "discount_limit" not in api.post("/auth/users", NEW).body

    def test_people_read_their_own_wherever_they_sign_in(
        self, api_as: ApiAs, anonymous: Api, make_user: MakeUser
    ) -> None:
        user = make_user("operator", discount_limit=D(5))
        assert api_as(user).get("/auth/me").body["discount_limit"] == "5.00"
        me = api_as(user).patch("/auth/me", {"name": "Oto"})
        assert (me.body["name"], me.body["discount_limit"]) == ("Oto", "5.00")
        credentials = {"email": user.email, "password": PASSWORD}
        by_token = anonymous.post("/auth/jwt/login", credentials).body
        bearer = {"Authorization": f"Bearer {by_token['access_token']}"}
        assert anonymous("get", "/auth/me", headers=bearer).body["discount_limit"] == "5.00"
        by_cookie = anonymous.post("/auth/session/login", credentials).body
        assert [it["user"]["discount_limit"] for it in (by_token, by_cookie)] == ["5.00"] * 2

    @pytest.mark.parametrize(
        ("limit", "code"),
        [
            ("100", "out_of_range"),
            ("99999999.99", "out_of_range"),
            ("-1", "money_format"),
            ("7.555", "money_format"),
            ("7,5", "money_format"),
            ("", "money_format"),
            (7.5, "money_type"),
            (None, "money_type"),
        ],
    )
    def test_other_limits_are_refused_by_name(
        self, api: Api, operator: User, limit: object, code: str
    ) -> None:
        body = {"discount_limit": limit}
        for answer in (
            api.post("/auth/users", NEW | body),
            api.patch(f"/auth/users/{operator.pk}", body),
        ):
            assert answer.status == 422
            (error,) = answer.body["errors"]
            assert (error["pointer"], error["code"]) == ("/discount_limit", code)
        assert (limit_of(operator), User.objects.count()) == (NONE, 2)


def opened(desk: Client, user: User) -> dict[str, Any]:
    """What a browser would send of the page of this user, if nothing was typed."""
    form = desk.get(f"/users/{user.pk}").context["form"]
    shown = {bound.name: bound.field.prepare_value(bound.value()) for bound in form}
    return {**shown, **{f"initial-{name}": value for name, value in shown.items()}}


class TestPages:
    def test_who_was_overtaken_changes_only_what_they_typed(
        self, desk: Client, operator: User
    ) -> None:
        form = opened(desk, operator)
        User.objects.filter(pk=operator.pk).update(discount_limit=D("7.5"), role="manager")
        page = desk.get(f"/users/{operator.pk}").content.decode()
        assert '<input type="hidden" name="initial-discount_limit" value="7.5"' in page
        desk.post(f"/users/{operator.pk}", {**form, "name": "Oto"})
        operator.refresh_from_db()
        assert (operator.name, operator.role, operator.discount_limit) == (
            "Oto",
            "manager",
            D("7.50"),
        )

    @pytest.fixture
    def desk(self, desk_of: Callable[[User], Client], manager: User) -> Client:
        return desk_of(manager)

    @pytest.mark.parametrize(
        ("language", "typed", "limit"),
        [
            ("pt-br", "7,5", "7.50"),
            ("pt-br", "7,5 %", "7.50"),
            ("en", "12%", "12"),
            ("en", "", "0"),
        ],
    )
    def test_it_is_read_as_people_write_it(
        self, desk: Client, manager: User, operator: User, language: str, typed: str, limit: str
    ) -> None:
        User.objects.filter(pk=manager.pk).update(language=language)
        User.objects.filter(pk=operator.pk).update(discount_limit=D(50))
        desk.post("/users/new", {**NEW, "password": PASSWORD, "discount_limit": typed})
        changed = {**opened(desk, operator), "discount_limit": typed}
        assert desk.post(f"/users/{operator.pk}", changed).status_code == 302
        nina = User.objects.get(email="nina@example.com")
        assert (limit_of(nina), limit_of(operator)) == (D(limit), D(limit))

    @pytest.mark.parametrize(
        ("typed", "message"),
        [
            ("100", OUT_OF_RANGE),
            ("-1", OUT_OF_RANGE),
            ("half", "Write a percentage like 7 or 7.5."),
            ("7.555", "A percentage has at most two decimals."),
        ],
    )
    def test_a_refused_form_says_where_and_keeps_what_was_typed(
        self, desk: Client, operator: User, typed: str, message: str
    ) -> None:
        body = {"name": "Another", "role": "viewer", "discount_limit": typed}
        for path, sent in ((f"/users/{operator.pk}", body), ("/users/new", NEW | body)):
            response = desk.post(path, sent)
            assert response.status_code == 422
            form = response.context["form"]
            assert form.errors == {"discount_limit": [message]}
            assert {name: form[name].value() for name in body} == body
        operator.refresh_from_db()
        assert (operator.role, operator.discount_limit, User.objects.count()) == (
            "operator",
            NONE,
            2,
        )

    @pytest.mark.parametrize("role", ["operator", "manager"])
    def test_the_present_one_stands_in_the_field(
        self, desk: Client, make_user: MakeUser, role: str
    ) -> None:
        user = make_user(role, discount_limit=D("7.50"))
        field = desk.get(f"/users/{user.pk}").context["form"]["discount_limit"]
        assert (field.label, 'value="7.5"' in str(field)) == ("Discount limit (%)", True)
        assert "disabled" not in str(field)
        assert "Discount limit (%) (optional)" in text_of(desk.get(f"/users/{user.pk}"))
        assert 'value="0"' in str(desk.get("/users/new").context["form"]["discount_limit"])

    def test_ones_own_is_shown_and_stays(self, desk: Client, manager: User) -> None:
        User.objects.filter(pk=manager.pk).update(discount_limit=D(5))
        path = f"/users/{manager.pk}"
        page = desk.get(path)
        field = str(page.context["form"]["discount_limit"])
        assert ('value="5"' in field, "disabled" in field) == (True, True)
        assert "(optional)" not in text_of(page)
        typed = {"name": "Marcos", "role": "manager", "discount_limit": "50"}
        assert desk.post(path, typed).status_code == 302
        manager.refresh_from_db()
        assert (manager.name, manager.discount_limit) == ("Marcos", D(5))

    @pytest.mark.parametrize(
        ("language", "told"),
        [
            ("en", "Changed: discount limit 0 % → 7.5 %"),
            ("pt-br", "Alterado: desconto máximo 0 % → 7,5 %"),
        ],
    )
    def test_the_history_of_a_user_says_from_what_to_what(
        self, desk: Client, manager: User, operator: User, language: str, told: str
    ) -> None:
        User.objects.filter(pk=manager.pk).update(language=language)
        update_user(actor=manager, user_id=operator.pk, discount_limit=D("7.5"))
        assert told in text_of(desk.get(f"/users/{operator.pk}"))

    def test_operators_with_a_limit_read_it_in_their_profile(
        self, desk_of: Callable[[User], Client], make_user: MakeUser
    ) -> None:
        shown = {
            (role, limit): "Discount limit"
            in text_of(desk_of(make_user(role, discount_limit=D(limit))).get("/accounts/profile/"))
            for role, limit in (
                ("viewer", 5),
                ("operator", 0),
                ("operator", 5),
                ("manager", 5),
            )
        }
        assert [key for key, is_shown in shown.items() if is_shown] == [("operator", 5)]
