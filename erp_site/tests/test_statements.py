"""The hot path's own SQL, held against the ORM: what it writes and reads is what the ORM writes and reads."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
import uuid_utils.compat
from django.db import IntegrityError, connection, models, transaction
from django.db.transaction import TransactionManagementError
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from catalog.models import Product, ProductWord, StockLevel, StockMovement
from customers.models import Customer
from erp_site.core.models import Delivery, Event, ImportJob, ImportRow
from erp_site.core.statements import Assign, Insert, Query, RowCount
from erp_site.testing import level_of
from orders.models import Order, OrderHistory, OrderItem
from orders.queries import (
    get_order,
    read_order,
    read_page,
    read_whole_order,
    whole_order_of_key,
    with_lines,
)
from orders.services import add_note, delete_order

pytestmark = pytest.mark.django_db

MOMENT = datetime(2026, 11, 26, 12, 0, 0, 123456, tzinfo=UTC)
AWKWARD = "Açúcar 100% 'dúzia' \\ \" ; -- 🍬"


@contextmanager
def past_the_log() -> Iterator[None]:
    yield


@contextmanager
def through_the_log() -> Iterator[None]:
    with CaptureQueriesContext(connection) as queries:
        yield
    assert len(queries) > 0


@pytest.fixture(params=[past_the_log, through_the_log])
def either_way(request: pytest.FixtureRequest) -> Any:
    """Past Django's cursor, as in production, and through it, as where statements are counted."""
    return request.param


def columns(model: type[models.Model]) -> list[str]:
    return [
        field.attname
        for field in model._meta.concrete_fields
        if not isinstance(field, models.AutoField)
    ]


@pytest.fixture
def rows(
    place: Callable[..., Order],
    make_product: Callable[..., Product],
    product: Product,
    operator: User,
    customer: Customer,
) -> dict[type[models.Model], list[dict[str, Any]]]:
    """Two rows of each model that the hot path writes: full of awkward values, and as empty as may be."""
    order = place((product, 1))
    level = level_of(product)
    job = ImportJob.objects.create(
        kind="products", owner=operator, file_name="p.csv", header=[], sample=[], total=2, created_at=MOMENT
    )  # fmt: skip
    common = {"actor_id": operator.pk, "request_id": "r-1", "created_at": MOMENT}
    bare = {"actor_id": None, "request_id": "", "created_at": MOMENT}
    new = {
        "deleted_at": None, "event_seq": 2, "customer_id": customer.pk, "status": "pending",
        "total": Decimal("9999999999999.99"), "items_count": 1, "notes": AWKWARD, "due_date": MOMENT.date(),
        "customer_reference": AWKWARD[:20], "reference_code": "c" * 40, "delivery_address": AWKWARD,
        "idempotency_key": "k", "version": 1, "fingerprint": "f" * 64, "created_by_id": operator.pk,
        "created_at": MOMENT, "updated_at": MOMENT,
    }  # fmt: skip
    return {
        Order: [
            {**new, "key_hash": "a" * 64},
            {**new, "key_hash": "b" * 64, "deleted_at": MOMENT, "due_date": None, "created_by_id": None,
             "notes": "", "total": Decimal("0.01")},
        ],
        OrderItem: [
            {"id": 10**12 + n, "order_id": order.pk, "product_id": make_product().pk, "sku": "S", "name": AWKWARD,
             "quantity": 10**6, "unit_price": Decimal("99999999.99"), "subtotal": Decimal("0.10"),
             "list_price": price}
            for n, price in ((1, None), (2, Decimal("0.01")))
        ],
        StockMovement: [
            {"level_id": level.pk, "kind": "adjusted", "delta_on_hand": -(10**12), "delta_reserved": 0,
             "on_hand_after": 10**12, "reserved_after": 7, "reason": "counted", "note": AWKWARD, "reference": "",
             "key_hash": "c" * 64, "fingerprint": "f" * 64, **common},
            {"level_id": level.pk, "kind": "opening", "delta_on_hand": 1, "delta_reserved": 0,
             "on_hand_after": 1, "reserved_after": 0, "reason": "", "note": "", "reference": "",
             "key_hash": None, "fingerprint": "", **bare},
        ],
        OrderHistory: [
            {"order_id": order.pk, "seq": 2, "from_status": "pending", "to_status": "confirmed", "note": AWKWARD,
             "key_hash": "d" * 64, "fingerprint": "f" * 64, **common},
            {"order_id": order.pk, "seq": 3, "from_status": None, "to_status": "picked", "note": "",
             "key_hash": None, "fingerprint": "", **bare},
        ],
        Event: [
            {"uid": uuid_utils.compat.uuid7(), "type": "order.placed", "aggregate": "order", "aggregate_id": 10**9,
             "sequence": 1, "payload": {"name": AWKWARD, "n": [1, None, True, 2.5, {}]}, "position": None, **common},
            {"uid": uuid_utils.compat.uuid7(), "type": "stock.low", "aggregate": "stock", "aggregate_id": 10**9,
             "sequence": 1, "payload": {}, "position": 10**9, **bare},
        ],
        Delivery: [
            {"event_id": Event.objects.earliest("pk").pk, "consumer": f"c{n}", "state": "open", "aggregate": "order",
             "aggregate_id": 10**9, "position": 10**9, "attempts": n, "due_at": MOMENT,
             "leased_until": MOMENT if n else None, "last_error": AWKWARD, "finished_at": None if n else MOMENT}
            for n in (0, 1)
        ],
        ProductWord: [{"owner_id": product.pk, "word": word} for word in ("a" * 40, ".0")],
        ImportRow: [
            {"job_id": job.pk, "number": 2, "outcome": "failed",
             "problems": [{"column": AWKWARD, "value": "1,5", "message": AWKWARD}]},
            {"job_id": job.pk, "number": 3, "outcome": "created", "problems": []},
        ],
    }  # fmt: skip


WRITTEN = [Order, OrderItem, StockMovement, OrderHistory, Event, Delivery, ProductWord, ImportRow]


@pytest.mark.parametrize("model", WRITTEN)
def test_an_insert_writes_what_the_orm_writes(
    model: type[models.Model], rows: dict[type[models.Model], list[dict[str, Any]]], either_way: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    wanted, names = rows[model], columns(model)
    manager = model._base_manager
    with transaction.atomic():
        with either_way():
            Insert(model, *names)([[row[name] for name in names] for row in wanted])
        ours = list(manager.order_by("-pk").values_list(*names)[: len(wanted)])
        transaction.set_rollback(True)
    with transaction.atomic():
        manager.bulk_create([model(**row) for row in wanted])
        theirs = list(manager.order_by("-pk").values_list(*names)[: len(wanted)])
        transaction.set_rollback(True)
    assert ours == theirs
    assert ours == [tuple(row[name] for name in names) for row in reversed(wanted)]


def test_an_insert_of_one_row_answers_its_id(
    rows: dict[type[models.Model], list[dict[str, Any]]], either_way: Any
) -> None:
    names = columns(Order)
    with either_way():
        pk = Insert(Order, *names)([[rows[Order][0][name] for name in names]])
    assert Order.objects.get(pk=pk).key_hash == "a" * 64


def test_a_column_that_is_not_named_is_an_error_at_the_start() -> None:
    names = columns(OrderHistory)
    with pytest.raises(TypeError, match="fingerprint"):
        Insert(OrderHistory, *(name for name in names if name != "fingerprint"))
    with pytest.raises(TypeError, match="colour"):
        Insert(OrderHistory, *names, "colour")


def test_what_the_database_refuses_is_djangos_own_error(
    rows: dict[type[models.Model], list[dict[str, Any]]], either_way: Any
) -> None:
    names = columns(OrderHistory)
    row = [{**rows[OrderHistory][0], "seq": 1}[name] for name in names]
    with pytest.raises(IntegrityError), transaction.atomic(), either_way():
        Insert(OrderHistory, *names)([row])
    assert OrderHistory.objects.count() == 1


def test_a_broken_transaction_takes_no_more_statements(product: Product) -> None:
    prices = Query(lambda pk: Product.objects.filter(pk=pk).values_list("price"))
    with transaction.atomic():
        transaction.set_rollback(True)
        with pytest.raises(TransactionManagementError):
            prices(product.pk)
    assert prices(product.pk) == [(product.price,)]


def test_a_query_answers_what_the_orm_answers(
    make_product: Callable[..., Product], either_way: Any
) -> None:
    products = [make_product(price=f"{n}.50") for n in (1, 2, 3)]

    def build(*pks: Any) -> Any:
        return (
            Product.objects.filter(pk__in=pks, is_active=True)
            .order_by("-pk")
            .values_list("pk", "name", "price", "is_active", "created_at", "low_stock_threshold")
        )

    query = Query(build)
    for some in ([], products[:1], products[1:], products):
        pks = [product.pk for product in some]
        if pks:
            with either_way():
                answered = query(*pks)
            assert answered == list(build(*pks))


def test_a_query_compares_times(product: Product, either_way: Any) -> None:
    later = Query(lambda at: Product.objects.filter(created_at__gt=at).values_list("pk"))
    with either_way():
        assert later(product.created_at) == []
        assert later(product.created_at.replace(year=2020)) == [(product.pk,)]


def test_rows_are_counted_up_to_where_the_queryset_ends(
    place: Callable[..., Order], product: Product, either_way: Any
) -> None:
    for day in (1, 2, 3):
        place((product, 1), due_date=date(2026, 11, day))
    late = RowCount(lambda day: Order.objects.filter(due_date__lt=day).values_list("pk")[:2])
    with either_way():
        counted = [late(date(2026, 11, day)) for day in (1, 2, 3, 4)]
    assert counted == [0, 1, 2, 2]


def test_a_whole_order_is_read_as_the_orm_reads_it(
    place: Callable[..., Order],
    make_product: Callable[..., Product],
    django_assert_num_queries: Any,
) -> None:
    order_id = place((make_product(), 2), (make_product(), 1), notes=AWKWARD).pk
    order = get_order(order_id)
    with django_assert_num_queries(2):
        read, lines = with_lines(read_order(order_id))
        names = read.customer.name, read.created_by.name if read.created_by else None
    with django_assert_num_queries(2):
        assert read_whole_order(order_id) == (read, lines)
    with django_assert_num_queries(2):
        assert whole_order_of_key(order.key_hash) == (read, lines)
    every = [field.attname for field in Order._meta.concrete_fields]
    assert [getattr(read, name) for name in every] == [getattr(order, name) for name in every]
    assert names == (order.customer.name, order.created_by.name if order.created_by else None)
    fields = ("id", "product_id", "sku", "name", "quantity", "unit_price", "subtotal", "list_price")
    assert [tuple(line) for line in lines] == list(order.items.values_list(*fields).order_by("pk"))


def test_the_page_of_an_order_is_read_as_the_orm_reads_it(
    place: Callable[..., Order], product: Product, manager: User, either_way: Any
) -> None:
    def every_field(row: Any) -> list[Any]:
        return [getattr(row, field.attname) for field in row._meta.concrete_fields]

    order_id = place((product, 2), notes=AWKWARD).pk
    add_note(actor=manager, order_id=order_id, text=AWKWARD)
    delete_order(actor=manager, order_id=order_id)
    User.objects.filter(pk=manager.pk).update(name="")  # who has no name is called by their address
    models.QuerySet(OrderHistory).filter(seq=1).update(actor=None)
    order = get_order(order_id)
    with either_way():
        page = read_page(order_id, with_events=True)
    assert every_field(page.order) == every_field(order)
    assert every_field(page.order.customer) == every_field(order.customer)
    assert [line.id for line in page.lines] == [item.pk for item in order.items.all()]
    steps, events = (
        [row for it in page.timeline if (row := getattr(it, kind))] for kind in ("step", "event")
    )
    told = Event.objects.filter(aggregate="order", aggregate_id=order_id).order_by("-sequence")
    beyond = told.filter(type__in=["stock.reserved", "stock.released", "order.deleted"])
    assert [every_field(row) for row in events] == [every_field(row) for row in beyond]
    assert [every_field(row) for row in steps] == [
        every_field(row) for row in order.history.order_by("-seq")
    ]
    assert [(it.kind, it.text, str(it.actor)) for it in page.timeline if it.kind != "event"] == [
        ("step", "", manager.email),
        ("note", AWKWARD, manager.email),
        ("step", "", "None"),
    ]
    assert [it.kind for it in read_page(order_id).timeline] == ["step", "note", "step"]


def test_many_rows_get_values_of_their_own_in_one_statement(
    make_product: Callable[..., Product], django_assert_num_queries: Any
) -> None:
    one, two, three = (level_of(make_product(on_hand=10)) for _ in range(3))
    with django_assert_num_queries(1):
        Assign(StockLevel).later(
            {"on_hand": {one.pk: 20, two.pk: 30}, "reserved": {two.pk: 5}}, [one.pk, two.pk]
        )
    assert list(StockLevel.objects.order_by("pk").values_list("on_hand", "reserved")) == [
        (20, 0),
        (30, 5),
        (10, 0),
    ]
    assert three.pk == StockLevel.objects.order_by("pk").last().pk  # type: ignore[union-attr]
