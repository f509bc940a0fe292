"""Cursors: they walk every list in every order, once each row; made-up ones are refused, never a crash."""

import base64
import json
import re
from datetime import date
from decimal import Decimal
from typing import Any, Final

import pytest
from django.db.models.query import ValuesListIterable
from django.utils import timezone

from accounts.models import User
from catalog.models import PriceList, Product, StockMovement
from catalog.services import adjust_stock, change_prices, create_price_list
from customers.models import Customer
from erp_site.api import api as the_api
from erp_site.core import clock, counting, outbox, pagination
from erp_site.core.models import Event
from erp_site.core.pagination import fetch_related, rows_of
from erp_site.core.webhooks import create_webhook
from erp_site.testing import Answer, Api
from orders.models import Order, OrderHistory
from orders.services import add_note, amend_order, change_status
from orders.states import OrderStatus

pytestmark = pytest.mark.django_db

DOCUMENT: Final = json.loads(json.dumps(the_api.get_openapi_schema()))
#: (path, every sort it takes; None where the order is fixed) of each list.
LISTS: Final = [
    pytest.param(
        path.removeprefix("/api/v1"),
        next(
            (it["schema"]["enum"] for it in methods["get"]["parameters"] if it["name"] == "sort"),
            [None],
        ),
        id=methods["get"]["operationId"],
    )
    for path, methods in DOCUMENT["paths"].items()
    if "get" in methods and any(it["name"] == "cursor" for it in methods["get"]["parameters"])
]


@pytest.fixture
def ids(admin: User, make_user: Any, make_product: Any, make_customer: Any, place: Any) -> Any:
    """Seven of each kind, many alike in all that they can be sorted by."""
    products = [
        make_product(f"P-{n}", name=("Same", "same", "Éter", "zz")[n % 4], price=f"{n % 2 + 1}.00")
        for n in range(7)
    ]
    customers = [make_customer(("Same", "same", "Éter")[n % 3]) for n in range(7)]
    orders = [place((products[0], 1)) for _ in range(7)]
    for n in range(7):
        make_user("viewer", name=("Same", "same")[n % 2])
        adjust_stock(actor=admin, product_id=products[0].pk, delta=1, reason="found", note="")
        add_note(actor=admin, order_id=orders[0].pk, text="Same")
        amend_order(actor=admin, order_id=orders[0].pk, notes=f"{n}")
        create_webhook(actor=admin, url="https://a.example")
    price_lists = [create_price_list(actor=admin, name=f"List {n}") for n in range(7)]
    prices = {product.pk: Decimal(1) for product in products}
    change_prices(actor=admin, price_list_id=price_lists[0].pk, prices=prices)
    for status in (OrderStatus.CONFIRMED, OrderStatus.PICKED, OrderStatus.SHIPPED):
        change_status(actor=admin, order_id=orders[0].pk, to=status)
    moment = timezone.now()
    for kind in (Product, PriceList, Customer, Order, StockMovement):
        kind._base_manager.update(created_at=moment)
    for kind in (Product, PriceList, Customer, Order):
        kind._base_manager.update(updated_at=moment)
    outbox.publish(())
    return {
        "order_id": orders[0].pk,
        "product_id": products[0].pk,
        "customer_id": customers[0].pk,
        "price_list_id": price_lists[0].pk,
    }


def read(api: Api, path: str, sort: str | None, **query: Any) -> Answer:
    return api.get(path, **(query | ({"sort": sort} if sort else {})))


def key(row: dict[str, Any]) -> Any:
    return next(row[name] for name in ("id", "seq", "product_id", "version") if name in row)


@pytest.mark.parametrize(("path", "sorts"), LISTS)
def test_cursors_and_pages_walk_each_list_in_each_order_once(
    api: Api, ids: dict[str, int], path: str, sorts: list[str | None], subtests: pytest.Subtests
) -> None:
    path = path.format(**ids)
    for sort in sorts:
        whole = [key(row) for row in read(api, path, sort, limit=100).body["items"]]
        assert len(set(whole)) == len(whole)
        for limit in (1, 3, len(whole) or 1):
            with subtests.test(sort=sort, limit=limit):
                by_cursor: list[Any] = []
                cursor: dict[str, str] = {}
                while True:
                    page = read(api, path, sort, limit=limit, **cursor).body
                    by_cursor += [key(row) for row in page["items"]]
                    if page["next_cursor"] is None:
                        break
                    cursor = {"cursor": page["next_cursor"]}
                by_page: list[Any] = []
                for number in range(1, len(whole) + 2):
                    body = read(api, path, sort, limit=limit, page=number).body
                    assert (body["page"], body["count"]) == (number, len(whole))
                    by_page += [key(row) for row in body["items"]]
                assert by_cursor == whole
                assert by_page == whole


ODD: Final = [
    None, True, 0, -1, 1.5, 2**63 - 1, 2**63, -(2**70), 1e400, "", "x", "x" * 1000, "\x00", "\U0010ffff",
    "NaN", "Infinity", "-1", "1E+400", "0.001", "99999999999999999999", [], {}, [1], {"a": 1},
    "0001-01-01T00:00:00+00:00", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00",
    "2026-11-23", "2026-11-23T00:00:00", "2026-02-30T00:00:00Z", "10:00",
]  # fmt: skip


def made_up(*parts: Any) -> str:
    text = json.dumps(list(parts)).replace("Infinity", "1e999")
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


@pytest.mark.parametrize(("path", "sorts"), LISTS)
def test_a_made_up_cursor_is_refused_by_name_or_harmless(
    api: Api, ids: dict[str, int], path: str, sorts: list[str | None], subtests: pytest.Subtests
) -> None:
    path = path.format(**ids)
    for sort in sorts:
        genuine = read(api, path, sort, limit=1).body["next_cursor"]
        parts = json.loads(base64.urlsafe_b64decode(genuine + "=="))
        tries = [made_up(parts[0], odd, parts[2]) for odd in ODD]
        tries += [made_up(parts[0], parts[1], odd) for odd in ODD]
        if sort == sorts[0]:  # read before anything that depends on the sort
            tries += [made_up(odd, *parts[1:]) for odd in ODD]
        tries += [made_up(*parts, 1), made_up(*parts[:2]), made_up(), "=", "é", genuine + "A"]
        for cursor in tries:
            with subtests.test(sort=sort, cursor=cursor[:60]):
                answer = read(api, path, sort, cursor=cursor)
                assert answer.status in {200, 422}, answer.body
                if answer.status == 422:
                    assert [it["pointer"] for it in answer.body["errors"]] == ["cursor"]


def test_a_cursor_of_another_sort_or_list_is_refused(api: Api, ids: dict[str, int]) -> None:
    cursor = api.get("/products", sort="price", limit=1).body["next_cursor"]
    for path, sort in (("/products", "name"), ("/products", "-price"), ("/orders", "created_at")):
        answer = api.get(path, sort=sort, cursor=cursor)
        assert [it["code"] for it in answer.body["errors"]] == ["invalid_cursor"]


SIZE: Final = 2


@pytest.fixture
def long_lists(
    monkeypatch: pytest.MonkeyPatch, admin: User, product: Product, place: Any
) -> list[int]:
    """Orders of three statuses, newest first, of which eight are counted and few are read at once."""
    monkeypatch.setattr(counting, "COUNT_CAP", 8)
    monkeypatch.setattr(pagination, "MERGED", 1)
    orders = [place((product, 1)) for _ in range(10)]
    for order in orders[::3]:
        change_status(actor=admin, order_id=order.pk, to=OrderStatus.CONFIRMED)
    change_status(actor=admin, order_id=orders[1].pk, to=OrderStatus.CANCELLED)
    outbox.publish(())
    return [order.pk for order in reversed(orders)]


@pytest.fixture
def rows_read(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What came out of the database as tuples: the keys that pages are merged from."""
    read: list[Any] = []
    genuine = ValuesListIterable.__iter__

    def reading(self: Any) -> Any:
        for row in genuine(self):
            read.append(row)
            yield row

    monkeypatch.setattr(ValuesListIterable, "__iter__", reading)
    return read


LONG: Final = [
    ("/orders", {}),
    ("/orders", {"status": ["pending", "confirmed"]}),
    ("/orders", {"status": ["pending", "confirmed", "cancelled"], "sort": "created_at"}),
    ("/events", {}),
    ("/events", {"types": ["order.placed", "stock.reserved"]}),
]


@pytest.mark.parametrize(("path", "query"), LONG)
def test_numbered_pages_end_with_what_is_counted_and_the_cursor_goes_on(
    api: Api, long_lists: list[int], path: str, query: dict[str, Any]
) -> None:
    first = api.get(path, limit=100, **query)
    assert first.body["count_capped"]
    whole = [key(row) for row in first.body["items"]]
    by_page = []
    for page in range(1, 5):
        answer = api.get(path, limit=SIZE, page=page, **query)
        by_page += [key(row) for row in answer.body["items"]]
        goes_on = f"page={page + 1}" if page < 4 else f"cursor={answer.body['next_cursor']}"
        assert re.search(rf'[?&]{re.escape(goes_on)}>; rel="next"', answer.headers["Link"])
    assert by_page == whole[:8]
    for page in (5, 10**9):
        refused = api.get(path, limit=SIZE, page=page, **query)
        assert refused.status == 422
        assert [(it["pointer"], it["code"]) for it in refused.body["errors"]] == [
            ("page", "page_too_far")
        ]
        assert "next_cursor" in refused.body["detail"]
    rest, cursor = [], answer.body["next_cursor"]
    while cursor:
        answer = api.get(path, limit=SIZE, cursor=cursor, **query)
        rest += [key(row) for row in answer.body["items"]]
        cursor = answer.body["next_cursor"]
    assert by_page + rest == whole


def test_a_page_far_beyond_several_values_reads_no_rows(
    api: Api, long_lists: list[int], rows_read: list[Any]
) -> None:
    api.get("/orders", status=["pending", "confirmed"], limit=SIZE)
    rows_read.clear()
    api.get("/orders", status=["pending", "confirmed"], limit=SIZE, page=10**7)
    assert [row for row in rows_read if isinstance(row, tuple) and len(row) == 3] == []


def test_a_page_is_merged_from_what_is_needed_of_each_value(
    long_lists: list[int], rows_read: list[Any]
) -> None:
    """Not from `stop` rows of every value: of twenty types of event a hundred pages are 200,000 rows."""
    statuses = ("status", list(OrderStatus))
    for ordering, whole in ((["-created_at", "-id"], long_lists), (["id", "id"], long_lists[::-1])):
        for start in range(len(whole)):
            rows_read.clear()
            found = rows_of(Order.objects.all(), ordering, start, start + SIZE, split=statuses)
            assert [order.pk for order in found] == whole[start : start + SIZE]
            merged = [row for row in rows_read if isinstance(row, tuple) and len(row) == 3]
            assert len(merged) <= start + SIZE + 3 * pagination.MERGED


def test_what_belongs_to_rows_is_fetched_as_django_prefetches_it(
    place: Any, product: Product, operator: User, django_assert_num_queries: Any
) -> None:
    for _ in range(3):
        place((product, 1))
    Order.objects.filter(pk=Order.objects.latest("pk").pk).update(created_by=None)
    rows = list(Order.objects.order_by("pk"))
    with django_assert_num_queries(3):
        fetch_related(rows, ["customer", "created_by", "items"])
    with django_assert_num_queries(0):
        fetched = [(row.customer, row.created_by, list(row.items.all())) for row in rows]
    assert fetched == [
        (row.customer, row.created_by, list(row.items.all()))
        for row in Order.objects.order_by("pk")
    ]
    assert [author for _, author, _ in fetched] == [operator, operator, None]


def test_rows_of_a_list_are_those_that_the_orm_reads(
    place: Any, product: Product, operator: User, subtests: pytest.Subtests
) -> None:
    for _ in range(3):
        place((product, 1))
    Order.objects.filter(pk=Order.objects.latest("pk").pk).update(
        created_by=None, due_date=date(2026, 2, 28), deleted_at=clock.now()
    )

    def state(row: Any) -> dict[str, Any]:
        return {
            name: getattr(row, name) for name in (it.attname for it in row._meta.concrete_fields)
        }

    for model in (Order, Customer, Product, User, Event, StockMovement, OrderHistory):
        expected = list(model._base_manager.order_by("-pk"))
        ordered = model._base_manager.all()
        with subtests.test(model=model.__name__):
            found = rows_of(ordered, ["-pk"], 0, 1000)
            assert [state(row) for row in found] == [state(row) for row in expected]
            assert all((row._state.adding, row._state.db) == (False, "default") for row in found)
            assert not any(row.get_deferred_fields() for row in found)
