"""Changing orders that are not picked yet: the lines with their stock, and the rest; by the service and the API."""

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from catalog.models import Product, StockMovement, Warehouse
from catalog.services import InsufficientStock, update_product
from customers.models import Customer
from customers.services import update_customer
from erp_site import integrity
from erp_site.core.errors import Denied, Invalid, NotFound, StaleVersion
from erp_site.core.models import Event
from erp_site.testing import Api, level_of, record_counts
from orders.models import Order, OrderAmendment, OrderHistory, item_id
from orders.queries import get_order, read_whole_order
from orders.schemas import OrderOut
from orders.services import (
    InactiveCustomer,
    InactiveProduct,
    NewItem,
    NotAmendable,
    PriceChanged,
    amend_order,
    change_status,
    delete_order,
)
from orders.signals import order_amended
from orders.states import AMENDABLE, HOLDS_STOCK, OrderStatus

pytestmark = pytest.mark.django_db
S = OrderStatus

#: SELECT order FOR UPDATE, lines, customer FOR SHARE, products, held levels, levels FOR UPDATE; twice
#: UPDATE levels and INSERT movements (taken, given back); DELETE and INSERT lines; INSERT amendment and events; UPDATE
#: order; SELECT order.
STATEMENTS_TO_AMEND = 16

type Lines = list[tuple[Product, int]]


@pytest.fixture
def amend(operator: User) -> Callable[..., Order]:
    def make(order: Order, lines: Lines | None = None, **fields: Any) -> Order:
        if lines is not None:
            fields["items"] = [NewItem(product.pk, quantity) for product, quantity in lines]
        return amend_order(**{"actor": operator, "order_id": order.pk, **fields})

    return make


def stock(*products: Product) -> list[tuple[int, int]]:
    return [(level.on_hand, level.reserved) for level in map(level_of, products)]


def lines(order: Order) -> list[tuple[int, int, Decimal, Decimal]]:
    columns = ("product_id", "quantity", "unit_price", "subtotal")
    return list(order.items.order_by("pk").values_list(*columns))


def walk(order: Order, manager: User, to: OrderStatus) -> None:
    """Move the order to this state by the shortest way."""
    ways: dict[OrderStatus, list[OrderStatus]] = {S.CANCELLED: [S.CANCELLED]}
    ahead = [S.CONFIRMED, S.PICKED, S.SHIPPED, S.DELIVERED]
    ways |= {status: ahead[: index + 1] for index, status in enumerate(ahead)}
    for step in ways.get(to, []):
        change_status(actor=manager, order_id=order.pk, to=step)


def test_an_amendment_takes_and_gives_back_exactly_what_the_lines_differ_by(
    make_product: Callable[..., Product],
    place: Callable[..., Order],
    amend: Callable[..., Order],
    operator: User,
) -> None:
    more, less, gone, same, new = (make_product(price=f"{n}.50") for n in range(1, 6))
    order = place((more, 2), (less, 5), (gone, 3), (same, 1))
    amended = amend(order, [(new, 4), (same, 1), (less, 1), (more, 10)], reason="By phone")
    assert (amended.version, amended.items_count, amended.total) == (
        2,
        4,
        Decimal("15.00") + Decimal("2.50") + Decimal("4.50") + 4 * Decimal("5.50"),
    )
    assert lines(order) == [
        (more.pk, 10, Decimal("1.50"), Decimal("15.00")),
        (less.pk, 1, Decimal("2.50"), Decimal("2.50")),
        (same.pk, 1, Decimal("4.50"), Decimal("4.50")),
        (new.pk, 4, Decimal("5.50"), Decimal("22.00")),
    ]
    assert stock(more, less, gone, same, new) == [(10, 10), (10, 1), (10, 0), (10, 1), (10, 4)]
    moved = StockMovement.objects.filter(reference=order.number).order_by("pk")[4:]
    assert [
        (it.level.product_id, it.kind, it.delta_on_hand, it.delta_reserved, it.reserved_after, it.actor_id)
        for it in moved
    ] == [
        (more.pk, "reserved", 0, 8, 10, operator.pk),
        (new.pk, "reserved", 0, 4, 4, operator.pk),
        (less.pk, "released", 0, -4, 1, operator.pk),
        (gone.pk, "released", 0, -3, 0, operator.pk),
    ]  # fmt: skip
    assert dict(integrity.inspect().examples) == {}


def test_an_amendment_is_written_down_for_people_and_told_to_other_systems(
    make_product: Callable[..., Product],
    place: Callable[..., Order],
    amend: Callable[..., Order],
    operator: User,
) -> None:
    coffee, sugar = make_product("COFFEE", price="2.00"), make_product("SUGAR", price="1.00")
    order = place((coffee, 2), (sugar, 3), delivery_address="Rua A, 1", notes="Ring")
    amend(
        order,
        [(coffee, 5)],
        due_date=date(2026, 12, 24),
        delivery_address="Rua B, 2",
        notes="Ring twice",
        reason="The customer called",
    )
    written = OrderAmendment.objects.get()
    assert (written.order_id, written.version, written.actor_id) == (order.pk, 2, operator.pk)
    assert written.reason == "The customer called"
    assert written.changes == {
        "notes": ["Ring", "Ring twice"],
        "due_date": [None, "2026-12-24"],
        "delivery_address": ["Rua A, 1", "Rua B, 2"],
        "total": ["7.00", "10.00"],
    }
    requantified = [
        {"product_id": coffee.pk, "sku": "COFFEE", "name": coffee.name, "from": 2, "to": 5},
        {"product_id": sugar.pk, "sku": "SUGAR", "name": sugar.name, "from": 3, "to": 0},
    ]
    assert written.items == requantified
    told = Event.objects.filter(aggregate="order", sequence__gt=2).order_by("sequence")
    assert [(it.type, it.sequence, it.actor_id) for it in told] == [
        ("order.amended", 3, operator.pk),
        ("stock.reserved", 4, operator.pk),
        ("stock.released", 5, operator.pk),
    ]
    assert [it.payload for it in told] == [
        {
            "number": order.number,
            "version": 2,
            "reason": "The customer called",
            "fields": ["notes", "due_date", "delivery_address", "total", "items"],
            "changes": {"due_date": [None, "2026-12-24"], "total": ["7.00", "10.00"]},
            "item_changes": requantified,
            "total": "10.00",
            "items": [
                {
                    "product_id": coffee.pk,
                    "sku": "COFFEE",
                    "quantity": 5,
                    "unit_price": "2.00",
                    "subtotal": "10.00",
                }
            ],
        },
        {
            "number": order.number,
            "items": [{"product_id": coffee.pk, "sku": "COFFEE", "quantity": 3}],
        },
        {
            "number": order.number,
            "items": [{"product_id": sugar.pk, "sku": "SUGAR", "quantity": 3}],
        },
    ]
    assert OrderHistory.objects.filter(order=order).count() == 1, "no step of its life"


def test_the_rest_of_an_order_changes_without_its_lines(
    product: Product, place: Callable[..., Order], amend: Callable[..., Order]
) -> None:
    order = place((product, 2), customer_reference="PO 1", due_date=date(2026, 12, 1))
    amended = amend(order, customer_reference="OC 5053/2026", due_date=None)
    assert (amended.customer_reference, amended.reference_code, amended.due_date) == (
        "OC 5053/2026",
        "50532026",
        None,
    )
    assert (stock(product), StockMovement.objects.filter(reference=order.number).count()) == (
        [(10, 2)],
        1,
    )


def test_what_is_the_same_already_is_no_change_even_with_an_old_version(
    product: Product, place: Callable[..., Order], amend: Callable[..., Order]
) -> None:
    order = place((product, 2), notes="Ring")
    amend(order, [(product, 3)], version=1)
    before = record_counts()
    again = amend(order, [(product, 1), (product, 2)], notes="Ring", version=1)
    assert (again.version, record_counts(), stock(product)) == (2, before, [(10, 3)])


def test_an_order_that_was_changed_meanwhile_is_left_alone(
    product: Product, place: Callable[..., Order], amend: Callable[..., Order]
) -> None:
    order = place((product, 2))
    amend(order, notes="Ring")
    with pytest.raises(StaleVersion) as refused:
        amend(order, [(product, 5)], version=1)
    assert refused.value.facts == {"current": {"status": "pending", "version": 2}}
    assert stock(product) == [(10, 2)]


def test_a_shortage_names_whole_lines_and_keeps_nothing(
    make_product: Callable[..., Product], place: Callable[..., Order], amend: Callable[..., Order]
) -> None:
    few, none, plenty = make_product(on_hand=5), make_product(on_hand=0), make_product()
    order = place((few, 3), (plenty, 9))
    before = record_counts()
    with pytest.raises(InsufficientStock) as refused:
        amend(order, [(few, 6), (none, 1), (plenty, 1)], notes="More")
    assert refused.value.facts["items"] == [
        {"product_id": few.pk, "sku": few.sku, "requested": 6, "available": 5},
        {"product_id": none.pk, "sku": none.sku, "requested": 1, "available": 0},
    ]
    assert (record_counts(), stock(few, none, plenty)) == (before, [(5, 3), (0, 0), (10, 9)])
    assert (get_order(order.pk).notes, get_order(order.pk).version) == ("", 1)


def test_lines_keep_the_price_that_was_agreed_upon_and_new_ones_cost_todays(
    make_product: Callable[..., Product],
    place: Callable[..., Order],
    amend: Callable[..., Order],
    manager: User,
) -> None:
    old, new = make_product(price="10.00"), make_product(price="10.00")
    order = place((old, 1))
    for product in (old, new):
        update_product(actor=manager, product_id=product.pk, price=Decimal("12.00"))
    with pytest.raises(PriceChanged) as refused:
        amend(order, [(old, 2), (new, 1)], prices={old.pk: Decimal(10), new.pk: Decimal(10)})
    assert [it["sku"] for it in refused.value.facts["items"]] == [new.sku]
    amend(order, [(old, 2), (new, 1)], prices={new.pk: Decimal(12)})
    assert [(price, subtotal) for *_, price, subtotal in lines(order)] == [
        (Decimal("10.00"), Decimal("20.00")),
        (Decimal("12.00"), Decimal("12.00")),
    ]


@pytest.mark.parametrize("status", [s for s in S if s not in AMENDABLE])
def test_from_picked_on_an_order_stays_as_it_is(
    product: Product,
    place: Callable[..., Order],
    amend: Callable[..., Order],
    manager: User,
    status: OrderStatus,
) -> None:
    order = place((product, 2))
    walk(order, manager, status)
    before = record_counts()
    with pytest.raises(NotAmendable) as refused:
        amend(order, [(product, 1)], actor=manager)
    assert refused.value.facts == {"order_status": status, "amendable": ["pending", "confirmed"]}
    assert record_counts() == before


def test_what_may_be_amended_still_holds_its_stock() -> None:
    assert set(AMENDABLE) < HOLDS_STOCK


def test_a_deleted_order_is_not_amended(
    product: Product, place: Callable[..., Order], amend: Callable[..., Order], manager: User
) -> None:
    order = place((product, 2))
    delete_order(actor=manager, order_id=order.pk)
    with pytest.raises(NotAmendable):
        amend(order, notes="Too late", actor=manager)


def test_a_confirmed_order_is_amended_by_managers_alone(
    product: Product,
    place: Callable[..., Order],
    amend: Callable[..., Order],
    manager: User,
    viewer: User,
) -> None:
    order = place((product, 2))
    with pytest.raises(Denied):
        amend(order, [(product, 1)], actor=viewer)
    walk(order, manager, S.CONFIRMED)
    with pytest.raises(Denied):
        amend(order, [(product, 1)])
    amended = amend(order, [(product, 1)], actor=manager)
    assert (amended.status, stock(product)) == ("confirmed", [(10, 1)])


def test_who_is_inactive_gets_no_more_but_may_take_less(
    make_product: Callable[..., Product],
    customer: Customer,
    place: Callable[..., Order],
    amend: Callable[..., Order],
    manager: User,
) -> None:
    sold, dropped = make_product(), make_product()
    order = place((sold, 2), (dropped, 2))
    update_product(actor=manager, product_id=dropped.pk, is_active=False)
    with pytest.raises(InactiveProduct):
        amend(order, [(sold, 2), (dropped, 3)])
    amend(order, [(sold, 3), (dropped, 1)])
    update_customer(actor=manager, customer_id=customer.pk, is_active=False)
    with pytest.raises(InactiveCustomer):
        amend(order, [(sold, 4), (dropped, 1)])
    amend(order, [(sold, 1)])
    assert stock(sold, dropped) == [(10, 1), (10, 0)]


@pytest.mark.parametrize(
    ("items", "error"),
    [
        ([], Invalid),
        ([(1, 0)], Invalid),
        ([(1, 1_000_001)], Invalid),
        ([(999_999, 1)], NotFound),
    ],
)
def test_lines_that_no_order_may_have_are_refused(
    product: Product,
    place: Callable[..., Order],
    operator: User,
    items: list[tuple[int, int]],
    error: type[Exception],
) -> None:
    order = place((product, 2))
    wanted = [NewItem(product.pk if pk == 1 else pk, quantity) for pk, quantity in items]
    with pytest.raises(error):
        amend_order(actor=operator, order_id=order.pk, items=wanted)
    assert (stock(product), get_order(order.pk).version) == ([(10, 2)], 1)


def test_cancelling_gives_back_what_the_amended_order_holds_and_shipping_takes_it(
    make_product: Callable[..., Product],
    place: Callable[..., Order],
    amend: Callable[..., Order],
    manager: User,
) -> None:
    first, second, third = make_product(), make_product(), make_product()
    cancelled, shipped = place((first, 2), (second, 2)), place((first, 1), (second, 1))
    for order in (cancelled, shipped):
        amend(order, [(first, 4), (third, 3)])
        amend(order, [(first, 3), (second, 1), (third, 3)])
    walk(cancelled, manager, S.CANCELLED)
    assert stock(first, second, third) == [(10, 3), (10, 1), (10, 3)]
    walk(shipped, manager, S.SHIPPED)
    assert stock(first, second, third) == [(7, 0), (9, 0), (7, 0)]
    assert dict(integrity.inspect().examples) == {}


def test_more_of_a_line_is_reserved_where_the_line_is_held(
    product: Product,
    place: Callable[..., Order],
    amend: Callable[..., Order],
    make_product: Callable[..., Product],
) -> None:
    order = place((product, 2))
    here = level_of(product).pk
    Warehouse.objects.update(is_default=None)
    Warehouse.objects.create(code="B", name="B", is_default=True)
    new = make_product()
    amend(order, [(product, 1), (new, 1)])
    moved = StockMovement.objects.filter(reference=order.number).order_by("pk")
    assert [(it.level_id == here, it.delta_reserved) for it in moved] == [
        (True, 2),
        (False, 1),
        (True, -1),
    ]


def test_a_line_keeps_its_id_and_a_new_one_takes_none_that_was_used_while_there_is_room(
    make_product: Callable[..., Product], place: Callable[..., Order], amend: Callable[..., Order]
) -> None:
    products = [make_product() for _ in range(4)]
    order = place(*((product, 1) for product in products[:3]))
    amend(order, [(products[1], 2), (products[3], 1)])
    ids = list(order.items.order_by("pk").values_list("pk", "product_id"))
    assert ids == [(item_id(order.pk, 1), products[1].pk), (item_id(order.pk, 3), products[3].pk)]


def test_all_two_hundred_lines_can_be_changed_for_others_twice(
    make_product: Callable[..., Product], place: Callable[..., Order], amend: Callable[..., Order]
) -> None:
    some, others = ([make_product() for _ in range(200)] for _ in range(2))
    order = place(*((product, 1) for product in some))
    amend(order, [(product, 1) for product in others])
    amend(order, [(product, 1) for product in some])
    found = list(order.items.order_by("pk").values_list("pk", flat=True))
    assert len(found) == 200
    assert item_id(order.pk, 0) <= found[0] < found[-1] < item_id(order.pk + 1, 0)


@pytest.mark.parametrize("count", [1, 10])
def test_the_number_of_statements_to_amend_an_order_does_not_grow(
    make_product: Callable[..., Product],
    place: Callable[..., Order],
    amend: Callable[..., Order],
    count: int,
) -> None:
    products = [make_product() for _ in range(4 * count)]
    more, less, gone, new = (products[n * count : (n + 1) * count] for n in range(4))
    order = place(*((product, 2) for product in (*more, *less, *gone)))
    wanted = [*((it, 3) for it in more), *((it, 1) for it in less), *((it, 1) for it in new)]
    with CaptureQueriesContext(connection) as queries:
        amend(order, wanted)
    statements = [q["sql"] for q in queries if not q["sql"].startswith(("SAVEPOINT", "RELEASE"))]
    assert len(statements) == STATEMENTS_TO_AMEND, "\n".join(statements)


def test_without_its_amendment_written_down_nothing_is_changed(
    product: Product, place: Callable[..., Order], amend: Callable[..., Order]
) -> None:
    def fail(**_: Any) -> None:
        raise RuntimeError("cannot be written")

    order = place((product, 2))
    order_amended.connect(fail)
    try:
        with pytest.raises(RuntimeError):
            amend(order, [(product, 5)])
    finally:
        order_amended.disconnect(fail)
    assert (stock(product), get_order(order.pk).version) == ([(10, 2)], 1)
    assert OrderAmendment.objects.count() == 0


def test_a_product_that_an_amendment_makes_low_is_told_once(
    make_product: Callable[..., Product], place: Callable[..., Order], amend: Callable[..., Order]
) -> None:
    product = make_product(on_hand=10, low_stock_threshold=5)
    order = place((product, 1))
    amend(order, [(product, 6)])
    amend(order, [(product, 7)])
    assert Event.objects.filter(type="stock.low").count() == 1


def test_a_reader_between_two_amendments_gets_an_order_and_lines_of_one_version(
    product: Product, place: Callable[..., Order], amend: Callable[..., Order]
) -> None:
    order = place((product, 2))
    quantities = iter([3, 4])
    busy = False

    def meanwhile(execute: Any, sql: str, *rest: Any) -> Any:
        nonlocal busy
        result = execute(sql, *rest)
        # The order has been read, its lines have not.
        if not busy and "key_hash" in sql and (quantity := next(quantities, None)):
            busy = True
            amend(order, [(product, quantity)])
            busy = False
        return result

    with connection.execute_wrapper(meanwhile):
        read, found = read_whole_order(order.pk)
    assert (read.version, read.total, [line.quantity for line in found]) == (3, Decimal(40), [4])


# --- the API


def patch(api: Api, order: Order, **body: Any) -> Any:
    return api("patch", f"/orders/{order.pk}", body)


def test_patch_answers_the_order_as_it_is_now(
    api_as: Callable[..., Api], operator: User, product: Product, place: Callable[..., Order]
) -> None:
    order = place((product, 2), notes="Ring")
    answer = patch(
        api_as(operator),
        order,
        items=[{"product_id": product.pk, "quantity": 5}],
        notes=None,
        due_date="2026-12-24",
        reason="By phone",
        version=1,
    )
    assert answer.status == 200
    assert OrderOut.model_validate(answer.body).model_dump(mode="json") == answer.body
    assert (answer.body["total"], answer.body["notes"], answer.body["due_date"]) == (
        "50.00",
        "",
        "2026-12-24",
    )
    assert [(it["quantity"], it["subtotal"]) for it in answer.body["items"]] == [(5, "50.00")]
    assert answer.body["version"] == 2
    amendments = api_as(operator).get(f"/orders/{order.pk}/amendments").body
    assert (amendments["count"], amendments["items"][0]["reason"]) == (1, "By phone")
    assert amendments["items"][0]["items"] == [
        {"product_id": product.pk, "sku": product.sku, "name": product.name, "from": 2, "to": 5}
    ]
    assert amendments["items"][0]["changes"]["notes"] == ["Ring", ""]


def test_patch_refuses_what_the_service_refuses_by_its_code(
    api_as: Callable[..., Api],
    operator: User,
    manager: User,
    product: Product,
    place: Callable[..., Order],
) -> None:
    order = place((product, 2))
    api = api_as(operator)
    assert patch(api, order, items=[{"product_id": product.pk, "quantity": 11}]).code == (
        "insufficient_stock"
    )
    assert patch(api, order, notes="Ring", version=7).code == "stale_version"
    assert patch(api, order, items=[]).status == 422
    assert patch(api, order, items=None).status == 422
    assert patch(api, order, status="confirmed").status == 422
    walk(order, manager, S.CONFIRMED)
    assert (patch(api, order, notes="Ring").status, patch(api, order, notes="").code) == (
        403,
        "forbidden",
    )
    walk(order, manager, S.CANCELLED)
    answer = patch(api_as(manager), order, notes="Ring")
    assert (answer.status, answer.code, answer.body["amendable"]) == (
        409,
        "not_amendable",
        ["pending", "confirmed"],
    )
    assert api.get("/orders/999999999/amendments").status == 404


def test_who_says_which_version_was_picked_picks_no_other(
    api_as: Callable[..., Api],
    operator: User,
    manager: User,
    product: Product,
    place: Callable[..., Order],
    amend: Callable[..., Order],
) -> None:
    order = place((product, 2))
    walk(order, manager, S.CONFIRMED)
    amend(order, [(product, 1)], actor=manager)
    api, path = api_as(operator), f"/orders/{order.pk}/status"
    refused = api("patch", path, {"status": "picked", "version": 2})
    assert (refused.status, refused.code, refused.body["current"]["version"]) == (
        409,
        "stale_version",
        3,
    )
    assert get_order(order.pk).status == "confirmed"
    picked = api("patch", path, {"status": "picked", "version": 3})
    assert (picked.status, picked.body["status"]) == (200, "picked")


def test_the_key_of_an_amended_order_still_leads_to_it(
    api_as: Callable[..., Api], operator: User, product: Product, customer: Customer
) -> None:
    api = api_as(operator)
    body = {
        "customer_id": customer.pk,
        "items": [{"product_id": product.pk, "quantity": 2}],
        "idempotency_key": "k",
    }
    placed = api("post", "/orders", body).body
    api("patch", f"/orders/{placed['id']}", {"items": [{"product_id": product.pk, "quantity": 3}]})
    again = api("post", "/orders", body)
    assert (again.status, again.body["id"], again.body["items"][0]["quantity"]) == (
        200,
        placed["id"],
        3,
    )
