"""Who may call what: every operation of the API, tried by everybody. A new operation needs a row here."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, Final

import pytest
from django.contrib.sessions.models import Session
from django.core.cache import cache
from django.db import transaction
from django.test import Client
from django.utils import timezone

from accounts.models import User
from accounts.roles import Permission, Role
from catalog.models import PriceList, Product
from catalog.services import create_price_list
from customers.models import Customer
from erp_site.api import api as the_api
from erp_site.core.models import Event, Webhook
from erp_site.core.webhooks import create_webhook
from erp_site.testing import PASSWORD, Answer, Api, code_of, second_factor
from orders.models import Order

ADDRESSES: Final[dict[str, tuple[str, str]]] = {
    operation["operationId"]: (method, path.removeprefix("/api/v1"))
    for path, methods in the_api.get_openapi_schema()["paths"].items()
    for method, operation in methods.items()
}
CALLERS: Final = ("anonymous", *Role.values, "deactivated", "expired")


class Shop:
    """What the calls are about."""

    def __init__(
        self, people: dict[Role, User], make_user: Any, product: Product, customer: Customer
    ) -> None:
        self.api = Api(Client(raise_request_exception=False))
        self.people = people
        self.make_user = make_user
        self.product = product
        self.customer = customer
        self.order: Order
        self.webhook: Webhook
        self.price_list: PriceList

    @property
    def ids(self) -> dict[str, int]:
        return {
            "order_id": self.order.pk,
            "product_id": self.product.pk,
            "customer_id": self.customer.pk,
            "user_id": self.make_user("viewer").pk,
            "webhook_id": self.webhook.pk,
            "price_list_id": self.price_list.pk,
        }

    def login(self, user: User) -> dict[str, Any]:
        return (
            Api(Client()).post("/auth/jwt/login", {"email": user.email, "password": PASSWORD}).body
        )

    def waiting_for_code(self, way: str) -> tuple[dict[str, Any], str]:
        """The answer to a right password of somebody with a second factor, and the code it asks for."""
        user = self.make_user("viewer")
        secret = second_factor(user)
        body = {"email": user.email, "password": PASSWORD}
        answer = self.api.post(f"/auth/{way}/login", body)
        return answer.body, code_of(secret)


Body = Callable[[Shop], dict[str, Any]]


@dataclass(frozen=True)
class Row:
    """One way to call an operation, and what each role is answered; nobody else gets in (401).

    `statuses` is one status for everybody, signed in or not, or one a role: viewer, operator, manager, admin.
    """

    operation: str
    statuses: int | tuple[int, int, int, int]
    body: Body | None = None
    by_cookie: bool = False

    def expected(self, caller: str) -> int:
        if isinstance(self.statuses, int):
            return self.statuses
        return self.statuses[Role.values.index(caller)] if caller in Role.values else 401


def second_factor_by_token(shop: Shop) -> dict[str, Any]:
    answer, code = shop.waiting_for_code("jwt")
    return {"session_token": answer["session_token"], "code": code}


def second_factor_by_cookie(shop: Shop) -> dict[str, Any]:
    return {"code": shop.waiting_for_code("session")[1]}


def credentials(shop: Shop) -> dict[str, Any]:
    return {"email": shop.people[Role.OPERATOR].email, "password": PASSWORD}


def account(shop: Shop) -> dict[str, Any]:
    return {"email": "new@example.com", "name": "New", "password": "a-long-password"}


def new_order(shop: Shop) -> dict[str, Any]:
    return {
        "customer_id": shop.customer.pk,
        "items": [{"product_id": shop.product.pk, "quantity": 1}],
        "idempotency_key": "a new one",
    }


def new_customer(shop: Shop) -> dict[str, Any]:
    return {"name": "Ana", "cpf_cnpj": "529.982.247-25", "email": "ana@example.com"}


def new_prices(shop: Shop) -> dict[str, Any]:
    return {"prices": [{"product_id": shop.product.pk, "price": "2.00"}]}


ALL = (200, 200, 200, 200)
MANAGERS = (403, 403, 200, 200)
ADMINS = (403, 403, 403, 200)
TABLE: Final = [
    # signing in and out
    Row("register", 201, account),
    Row("jwt_login", 200, credentials),
    Row("jwt_second_factor", 200, second_factor_by_token),
    Row(
        "jwt_refresh",
        200,
        lambda shop: {"refresh_token": shop.login(shop.people[Role.OPERATOR])["refresh_token"]},
    ),
    Row("jwt_logout", (204, 204, 204, 204)),
    Row("get_csrf", 200),
    Row("session_login", 200, credentials),
    Row("session_second_factor", 200, second_factor_by_cookie),
    Row("session_logout", (204, 204, 204, 204), by_cookie=True),
    # oneself
    Row("get_me", ALL),
    Row("update_me", ALL, lambda _shop: {"name": "Another Name"}),
    Row(
        "change_password",
        (204, 204, 204, 204),
        lambda _shop: {"current_password": PASSWORD, "new_password": "a-long-password"},
    ),
    # users
    Row("list_users", MANAGERS),
    Row("create_user", (403, 403, 201, 201), lambda shop: {**account(shop), "role": "manager"}),
    Row("create_user", (403, 403, 403, 201), lambda shop: {**account(shop), "role": "admin"}),
    Row("get_user", MANAGERS),
    Row("update_user", MANAGERS, lambda _shop: {"role": "operator"}),
    Row("update_user", (403, 403, 403, 200), lambda _shop: {"role": "admin"}),
    Row("update_user", MANAGERS, lambda _shop: {"is_active": False}),
    Row("update_user", MANAGERS, lambda _shop: {"discount_limit": "5.00"}),
    Row("remove_second_factors", (403, 403, 204, 204)),
    # customers
    Row("list_customers", ALL),
    Row("create_customer", (403, 403, 201, 201), new_customer),
    Row("get_customer", ALL),
    Row("update_customer", MANAGERS, lambda _shop: {"name": "Another Name"}),
    Row("delete_customer", (403, 403, 204, 204)),
    # products and stock
    Row("list_products", ALL),
    Row(
        "create_product",
        (403, 403, 201, 201),
        lambda _shop: {"sku": "NEW", "name": "New", "price": "1.00"},
    ),
    Row("get_product", ALL),
    Row("update_product", MANAGERS, lambda _shop: {"price": "2.00"}),
    Row("delete_product", (403, 403, 204, 204)),
    Row("adjust_stock", MANAGERS, lambda _shop: {"delta": 1, "reason": "found"}),
    Row("list_movements", ALL),
    # price lists
    Row("list_price_lists", ALL),
    Row("create_price_list", (403, 403, 201, 201), lambda _shop: {"name": "Retail"}),
    Row("get_price_list", ALL),
    Row("update_price_list", MANAGERS, lambda _shop: {"discount": "7.50"}),
    Row("delete_price_list", (403, 403, 204, 204)),
    Row("list_prices", ALL),
    Row("change_prices", MANAGERS, new_prices),
    Row("reprice_list", MANAGERS, lambda _shop: {"percent": "5.00"}),
    # orders
    Row("list_orders", ALL),
    Row("place_order", (403, 201, 201, 201), new_order),
    Row("get_order", ALL),
    Row("amend_order", (403, 200, 200, 200), lambda _shop: {"notes": "At the back door"}),
    Row("list_order_amendments", ALL),
    Row("change_order_status", (403, 200, 200, 200), lambda _shop: {"status": "confirmed"}),
    Row("change_order_status", MANAGERS, lambda _shop: {"status": "cancelled"}),
    Row("delete_order", MANAGERS),
    Row("list_order_history", ALL),
    Row("list_order_notes", ALL),
    Row("add_order_note", (403, 201, 201, 201), lambda _shop: {"text": "Ring twice"}),
    Row("list_events", MANAGERS),
    # webhooks
    Row("list_webhooks", ADMINS),
    Row("create_webhook", (403, 403, 403, 201), lambda _shop: {"url": "https://b.example"}),
    Row("get_webhook", ADMINS),
    Row("update_webhook", ADMINS, lambda _shop: {"description": "Other"}),
    Row("test_webhook", (403, 403, 403, 204)),
    Row("change_webhook_secret", ADMINS),
    Row("retry_webhook", ADMINS),
    Row("delete_webhook", (403, 403, 403, 204)),
]


@pytest.fixture
def shop(
    people: dict[Role, User],
    make_user: Any,
    make_product: Any,
    make_customer: Any,
    place: Any,
    settings: Any,
) -> Shop:
    settings.REGISTRATION = "open"
    shop = Shop(people, make_user, make_product(on_hand=0), make_customer())
    shop.order = place((make_product(on_hand=5), 1))
    shop.webhook = create_webhook(actor=people[Role.ADMIN], url="https://a.example")
    shop.price_list = create_price_list(actor=people[Role.ADMIN], name="Wholesale")
    return shop


def user_behind(shop: Shop, caller: str) -> User:
    return shop.people[Role(caller) if caller in Role.values else Role.ADMIN]


def identify(shop: Shop, caller: str, settings: Any) -> dict[str, str]:
    """The headers with which this caller comes, from then on what they claim to be."""
    if caller == "anonymous":
        return {}
    user = user_behind(shop, caller)
    if caller == "expired":
        settings.HEADLESS_JWT_ACCESS_TOKEN_EXPIRES_IN = -1
    token = shop.login(user)["access_token"]
    settings.HEADLESS_JWT_ACCESS_TOKEN_EXPIRES_IN = 300
    if caller == "deactivated":
        User.objects.filter(pk=user.pk).update(is_active=False)
    return {"Authorization": f"Bearer {token}"}


@contextmanager
def by_cookie(shop: Shop, caller: str) -> Iterator[None]:
    """The same with the session cookie."""
    if caller != "anonymous":
        shop.api.client.force_login(user_behind(shop, caller), "accounts.backends.RoleBackend")
        if caller == "expired":
            Session.objects.update(expire_date=timezone.now())
    yield
    shop.api.client.cookies.clear()


@contextmanager
def undone() -> Iterator[None]:
    """What happens inside leaves no trace."""
    savepoint = transaction.savepoint_create()
    try:
        yield
    finally:
        transaction.savepoint_rollback(savepoint)
        cache.clear()


def call(shop: Shop, row: Row, headers: dict[str, str]) -> Answer:
    method, path = ADDRESSES[row.operation]
    if row.operation in {"place_order", "delete_product"}:
        # What is sold needs stock; what is deleted may have none.
        shop.product.levels.update(on_hand=5 if row.operation == "place_order" else 0)
    body = row.body(shop) if row.body else None
    return shop.api(method, path.format(**shop.ids), body, headers=headers)


@pytest.mark.parametrize("caller", CALLERS)
def test_the_matrix(shop: Shop, caller: str, settings: Any, subtests: pytest.Subtests) -> None:
    headers = identify(shop, caller, settings)
    events = Event.objects.count()
    for index, row in enumerate(TABLE):
        with subtests.test(row=index, operation=row.operation), undone():
            cookie = by_cookie(shop, caller) if row.by_cookie else nullcontext()
            with cookie:
                answer = call(shop, row, {} if row.by_cookie else headers)
            assert answer.status == row.expected(caller), answer.body
            if answer.status in {401, 403}:
                assert answer.headers["Content-Type"] == "application/problem+json"
                assert Event.objects.count() == events


def test_every_operation_has_a_row() -> None:
    assert {row.operation for row in TABLE} == set(ADDRESSES)


def test_a_refusal_names_the_missing_permission(shop: Shop, api_as: Callable[[User], Api]) -> None:
    viewer = api_as(shop.people[Role.VIEWER])
    answer = viewer.post("/orders", new_order(shop))
    assert (answer.code, answer.body["permission"]) == ("forbidden", Permission.PLACE_ORDER)


@pytest.mark.parametrize("content", [b"{", b"[]", b'{"unknown": 1}'])
def test_the_role_is_asked_before_the_body_is_read(
    shop: Shop, api_as: Callable[[User], Api], content: bytes, subtests: pytest.Subtests
) -> None:
    viewer = api_as(shop.people[Role.VIEWER])
    # What a change of status needs depends on the status that the body names.
    refused = {row.operation for row in TABLE if row.body and row.expected(Role.VIEWER) == 403} - {
        "change_order_status"
    }
    assert len(refused) > 7
    for operation in sorted(refused):
        with subtests.test(operation=operation):
            method, path = ADDRESSES[operation]
            answer = viewer(method, path.format(**shop.ids) + "?unknown=1", content)
            assert (answer.status, answer.code) == (403, "forbidden")
