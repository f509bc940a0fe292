"""Placing, moving and deleting orders, one thread at a time."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from importlib import import_module

import pytest
from django.apps import apps
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from catalog.models import Product, StockLevel, StockMovement, Warehouse
from catalog.services import InsufficientStock, adjust_stock, update_product
from customers.models import Customer
from customers.services import update_customer
from erp_site.core import clock
from erp_site.core.errors import Denied, IdempotencyKeyReused, Invalid, NotFound
from erp_site.core.models import Event
from erp_site.testing import level_of
from orders.models import Order, OrderHistory, OrderItem
from orders.services import (
    IllegalTransition,
    InactiveCustomer,
    InactiveProduct,
    NewItem,
    add_note,
    change_status,
    delete_order,
    place_order,
    price_order,
)
from orders.signals import order_placed, order_status_changed
from orders.states import HOLDS_STOCK, TRANSITIONS, OrderStatus, StockEffect

pytestmark = pytest.mark.django_db
S = OrderStatus

#: SELECT key, customer, products; INSERT order; SELECT customer again, levels FOR UPDATE; UPDATE levels;
#: INSERT movements, items, history, events.
STATEMENTS_TO_PLACE = 11


def test_place_order_reserves_and_writes_the_whole_story(
    make_product: Callable[..., Product], place: Callable[..., Order], operator: User
) -> None:
    coffee, sugar = make_product(price="18.90"), make_product(price="4.79", on_hand=5)
    order = place((coffee, 2), (sugar, 5), notes="Ring twice")
    assert (order.status, order.total, order.items_count, order.number) == (
        S.PENDING,
        Decimal("61.75"),
        2,
        f"PED-{order.pk:06d}",
    )
    assert list(
        order.items.order_by("pk").values_list("sku", "quantity", "unit_price", "subtotal")
    ) == [
        (coffee.sku, 2, Decimal("18.90"), Decimal("37.80")),
        (sugar.sku, 5, Decimal("4.79"), Decimal("23.95")),
    ]
    assert [(level_of(p).on_hand, level_of(p).reserved) for p in (coffee, sugar)] == [
        (10, 2),
        (5, 5),
    ]
    assert list(
        StockMovement.objects.filter(reference=order.number)
        .order_by("level_id")
        .values_list(
            "kind", "delta_on_hand", "delta_reserved", "on_hand_after", "reserved_after", "actor_id"
        )
    ) == [("reserved", 0, 2, 10, 2, operator.pk), ("reserved", 0, 5, 5, 5, operator.pk)]
    assert list(
        OrderHistory.objects.values_list("seq", "from_status", "to_status", "actor_id")
    ) == [(1, None, "pending", operator.pk)]
    events = (
        Event.objects.filter(aggregate="order")
        .order_by("pk")
        .values_list("type", "sequence", "aggregate_id")
    )
    assert list(events) == [("order.placed", 1, order.pk), ("stock.reserved", 2, order.pk)]
    order.refresh_from_db()
    assert order.event_seq == 2


@pytest.mark.parametrize("count", [1, 3, 50])
def test_the_number_of_statements_to_place_an_order_does_not_grow(
    make_product: Callable[..., Product], place: Callable[..., Order], count: int
) -> None:
    products = [make_product() for _ in range(count)]
    place((products[0], 1))  # content of process-wide caches
    with CaptureQueriesContext(
        connection,
    ) as queries:
        place(*((product, 1) for product in products))
    statements = [q["sql"] for q in queries if not q["sql"].startswith(("SAVEPOINT", "RELEASE"))]
    assert len(statements) == STATEMENTS_TO_PLACE, statements


def test_a_product_named_twice_becomes_one_line_with_the_sum(
    product: Product, place: Callable[..., Order]
) -> None:
    order = place((product, 4), (product, 4))
    assert list(order.items.values_list("product_id", "quantity")) == [(product.pk, 8)]


def test_six_and_six_of_ten_are_refused_together(
    product: Product, place: Callable[..., Order]
) -> None:
    with pytest.raises(InsufficientStock) as refused:
        place((product, 6), (product, 6))
    assert refused.value.facts == {
        "items": [{"product_id": product.pk, "sku": product.sku, "requested": 12, "available": 10}]
    }
    assert (level_of(product).reserved, Order.objects.count()) == (0, 0)


def test_a_shortage_names_every_short_line_and_keeps_nothing(
    make_product: Callable[..., Product], place: Callable[..., Order]
) -> None:
    plenty, few, none = make_product(), make_product(on_hand=2), make_product(on_hand=0)
    before = Event.objects.count()
    with pytest.raises(InsufficientStock) as refused:
        place((plenty, 1), (few, 3), (none, 1))
    assert refused.value.facts["items"] == [
        {"product_id": few.pk, "sku": few.sku, "requested": 3, "available": 2},
        {"product_id": none.pk, "sku": none.sku, "requested": 1, "available": 0},
    ]
    assert [level_of(p).reserved for p in (plenty, few, none)] == [0, 0, 0]
    assert (Order.objects.count(), OrderItem.objects.count(), Event.objects.count()) == (
        0,
        0,
        before,
    )


def test_the_same_key_replays_the_order_as_it_is_now(
    product: Product, place: Callable[..., Order], manager: User
) -> None:
    order = place((product, 1), key="k")
    change_status(actor=manager, order_id=order.pk, to=S.CONFIRMED)
    again = place((product, 1), key="k")
    assert (again.pk, again.status, Order.objects.count(), level_of(product).reserved) == (
        order.pk,
        S.CONFIRMED,
        1,
        1,
    )


def test_the_same_key_with_another_request_is_refused(
    product: Product, place: Callable[..., Order]
) -> None:
    place((product, 1), key="k")
    with pytest.raises(IdempotencyKeyReused):
        place((product, 2), key="k")
    assert level_of(product).reserved == 1


def test_keys_differ_by_case_and_by_user(
    product: Product, place: Callable[..., Order], manager: User
) -> None:
    orders = {
        place((product, 1), key="k").pk,
        place((product, 1), key="K").pk,
        place((product, 1), key="k", actor=manager).pk,
    }
    assert len(orders) == 3


def test_a_refused_attempt_binds_nothing(
    product: Product, place: Callable[..., Order], manager: User
) -> None:
    with pytest.raises(InsufficientStock):
        place((product, 11), key="k")
    adjust_stock(actor=manager, product_id=product.pk, delta=5, reason="received")
    assert place((product, 3), key="k").total == Decimal("30.00")


def test_a_replay_is_found_before_the_customer_is_looked_at(
    product: Product, place: Callable[..., Order], customer: Customer, admin: User
) -> None:
    order = place((product, 1), key="k")
    update_customer(actor=admin, customer_id=customer.pk, is_active=False)
    assert place((product, 1), key="k").pk == order.pk
    with pytest.raises(InactiveCustomer):
        place((product, 1), key="k2")


def test_inactive_and_unknown_products_are_named(
    make_product: Callable[..., Product], place: Callable[..., Order], admin: User
) -> None:
    sold, unsold = make_product(), make_product()
    update_product(actor=admin, product_id=unsold.pk, is_active=False)
    with pytest.raises(InactiveProduct) as refused:
        place((sold, 1), (unsold, 1))
    assert refused.value.facts["items"] == [{"product_id": unsold.pk, "sku": unsold.sku}]
    unsold.pk = 999_999
    with pytest.raises(NotFound) as missing:
        place((sold, 1), (unsold, 1))
    assert missing.value.facts == {"product_ids": [999_999]}
    assert level_of(sold).reserved == 0


def test_the_delivery_address_is_that_of_the_moment(
    product: Product, place: Callable[..., Order], customer: Customer, admin: User
) -> None:
    update_customer(actor=admin, customer_id=customer.pk, address="Rua Velha, 1")
    order = place((product, 1))
    update_customer(actor=admin, customer_id=customer.pk, address="Rua Nova, 2")
    order.refresh_from_db()
    assert order.delivery_address == "Rua Velha, 1"
    assert place((product, 1), delivery_address="Doca 3").delivery_address == "Doca 3"


def test_a_viewer_may_not_place_an_order(
    product: Product, place: Callable[..., Order], viewer: User
) -> None:
    with pytest.raises(Denied):
        place((product, 1), actor=viewer)
    assert Order.objects.count() == 0


def test_a_total_beyond_what_is_kept_is_refused(
    make_product: Callable[..., Product], place: Callable[..., Order]
) -> None:
    gold = make_product(price="99999999.99", on_hand=1_000_000)
    with pytest.raises(Invalid) as refused:
        place((gold, 1_000_000))
    assert refused.value.facts["errors"][0]["code"] == "total_too_large"


def test_low_stock_is_announced_once_when_it_is_reached(
    make_product: Callable[..., Product], place: Callable[..., Order]
) -> None:
    product = make_product(on_hand=10, low_stock_threshold=5)
    place((product, 4))
    place((product, 1))
    place((product, 1))
    low = Event.objects.filter(type="stock.low")
    assert [(e.aggregate, e.aggregate_id, e.payload["available"]) for e in low] == [
        ("stock", level_of(product).pk, 5)
    ]
    assert low[0].sequence == level_of(product).event_seq


def test_a_dry_run_prices_and_lists_shortages_and_changes_nothing(
    make_product: Callable[..., Product], customer: Customer, operator: User
) -> None:
    product = make_product(price="3.33", on_hand=2)
    quote = price_order(actor=operator, customer_id=customer.pk, items=[NewItem(product.pk, 3)])
    assert (quote.total, quote.shortages) == (
        Decimal("9.99"),
        [{"product_id": product.pk, "sku": product.sku, "requested": 3, "available": 2}],
    )
    assert (Order.objects.count(), level_of(product).reserved) == (0, 0)


def advance(order: Order, to: OrderStatus, actor: User) -> None:
    """Along the table, by the shortest way."""
    straight = [S.CONFIRMED, S.PICKED, S.SHIPPED, S.DELIVERED]
    way = (
        [S.CANCELLED]
        if to is S.CANCELLED
        else straight[: straight.index(to) + 1]
        if to in straight
        else []
    )
    for step in way:
        change_status(actor=actor, order_id=order.pk, to=step)


@pytest.mark.parametrize("was", S)
@pytest.mark.parametrize("to", S)
def test_every_pair_of_states_does_what_the_table_says(
    was: OrderStatus, to: OrderStatus, product: Product, place: Callable[..., Order], admin: User
) -> None:
    order = place((product, 4))
    advance(order, was, admin)
    before, steps = level_of(product), OrderHistory.objects.count()
    transition = TRANSITIONS.get((was, to))
    if transition is None:
        with pytest.raises(IllegalTransition) as refused:
            change_status(actor=admin, order_id=order.pk, to=to)
        assert refused.value.facts["from"] == was.value
        assert refused.value.facts["allowed"] == [b.value for a, b in TRANSITIONS if a == was]
        assert (
            level_of(product).on_hand,
            level_of(product).reserved,
            OrderHistory.objects.count(),
        ) == (
            before.on_hand,
            before.reserved,
            steps,
        )
        return
    moved = change_status(actor=admin, order_id=order.pk, to=to, note="because")
    effect = {StockEffect.NONE: (0, 0), StockEffect.RELEASE: (0, -4), StockEffect.SHIP: (-4, -4)}[
        transition.stock
    ]
    after = level_of(product)
    assert (after.on_hand - before.on_hand, after.reserved - before.reserved) == effect
    last = OrderHistory.objects.order_by("seq").last()
    assert last is not None
    assert (last.seq, last.from_status, last.to_status, last.note) == (
        steps + 1,
        was,
        to,
        "because",
    )
    assert (moved.status, after.reserved) == (to, 4 if to in HOLDS_STOCK else 0)
    sequences = (
        Event.objects.filter(aggregate="order")
        .order_by("sequence")
        .values_list("sequence", flat=True)
    )
    moved.refresh_from_db()
    assert list(sequences) == list(range(1, moved.event_seq + 1))


@pytest.mark.parametrize(("was", "to"), TRANSITIONS)
def test_every_transition_asks_for_its_permission(
    was: OrderStatus,
    to: OrderStatus,
    product: Product,
    place: Callable[..., Order],
    people: dict[str, User],
    admin: User,
) -> None:
    for user in people.values():
        order = place((product, 1), key=f"{was}-{to}-{user.role}")
        advance(order, was, admin)
        if user.has_perm(TRANSITIONS[was, to].permission):
            assert change_status(actor=user, order_id=order.pk, to=to).status == to
        else:
            with pytest.raises(Denied):
                change_status(actor=user, order_id=order.pk, to=to)


def test_a_status_key_makes_one_step(
    product: Product, place: Callable[..., Order], manager: User
) -> None:
    order = place((product, 1))
    for _ in range(2):
        again = change_status(actor=manager, order_id=order.pk, to=S.CONFIRMED, idempotency_key="s")
    assert (again.status, OrderHistory.objects.count()) == (S.CONFIRMED, 2)
    with pytest.raises(IdempotencyKeyReused):
        change_status(actor=manager, order_id=order.pk, to=S.PICKED, idempotency_key="s")


def test_delete_cancels_returns_stock_and_hides(
    product: Product, place: Callable[..., Order], manager: User
) -> None:
    order = place((product, 4), key="k")
    for _ in range(2):
        gone = delete_order(actor=manager, order_id=order.pk)
    assert (gone.status, gone.deleted_at is not None, level_of(product).reserved) == (
        S.CANCELLED,
        True,
        0,
    )
    assert (Order.objects.count(), Order.all_objects.count(), OrderHistory.objects.count()) == (
        0,
        1,
        2,
    )
    assert place((product, 4), key="k").pk == order.pk


@pytest.mark.parametrize("steps", [[S.CANCELLED], [S.CONFIRMED, S.PICKED, S.SHIPPED]])
def test_stock_is_given_back_or_leaves_where_it_was_reserved(
    product: Product,
    make_product: Callable[..., Product],
    place: Callable[..., Order],
    manager: User,
    steps: list[OrderStatus],
) -> None:
    other = make_product(on_hand=5)
    order = place((product, 4), (other, 2))
    there = [level_of(product), level_of(other)]
    Warehouse.objects.update(is_default=None)
    moved = Warehouse.objects.create(code="NEW", name="New", is_default=True)
    StockLevel.objects.create(warehouse=moved, product=other, on_hand=9, reserved=9)
    on_hand = [level.on_hand for level in there]
    for step in steps:
        change_status(actor=manager, order_id=order.pk, to=step)
    for level in there:
        level.refresh_from_db()
    left = [4, 2] if S.SHIPPED in steps else [0, 0]
    assert [level.reserved for level in there] == [0, 0]
    assert [was - level.on_hand for was, level in zip(on_hand, there, strict=True)] == left
    assert StockLevel.objects.get(warehouse=moved).reserved == 9


def test_delete_is_refused_from_picked_on(
    product: Product, place: Callable[..., Order], manager: User
) -> None:
    order = place((product, 4))
    advance(order, S.PICKED, manager)
    with pytest.raises(IllegalTransition):
        delete_order(actor=manager, order_id=order.pk)
    assert (Order.objects.count(), level_of(product).reserved) == (1, 4)


@pytest.mark.parametrize("signal", [order_placed, order_status_changed])
def test_what_cannot_be_recorded_did_not_happen(
    signal: object, product: Product, place: Callable[..., Order], manager: User
) -> None:
    order = place((product, 1)) if signal is order_status_changed else None

    def attempt() -> None:
        if order:
            change_status(actor=manager, order_id=order.pk, to=S.CANCELLED)
        else:
            place((product, 1))

    def fail(**kwargs: object) -> None:
        raise RuntimeError("the disk is full")

    signal.connect(fail)  # type: ignore[attr-defined]
    try:
        with pytest.raises(RuntimeError), transaction.atomic():
            attempt()
    finally:
        signal.disconnect(fail)  # type: ignore[attr-defined]
    assert level_of(product).reserved == (1 if order else 0)
    assert Order.objects.filter(status=S.PENDING).count() == (1 if order else 0)
    assert OrderHistory.objects.count() == (1 if order else 0)


def test_late_is_open_past_the_due_date(
    product: Product, place: Callable[..., Order], manager: User
) -> None:
    yesterday = clock.today() - timedelta(days=1)
    late, done = place((product, 1), due_date=yesterday), place((product, 1), due_date=yesterday)
    today = place((product, 1), due_date=clock.today())
    advance(done, S.DELIVERED, manager)
    done.refresh_from_db()
    assert [order.is_late for order in (late, done, today)] == [True, False, False]


def test_notes_are_added_by_those_who_may(
    product: Product, place: Callable[..., Order], operator: User, viewer: User
) -> None:
    order = place((product, 1))
    add_note(actor=operator, order_id=order.pk, text="Back door")
    with pytest.raises(Denied):
        add_note(actor=viewer, order_id=order.pk, text="Hello")
    with pytest.raises(NotFound):
        add_note(actor=operator, order_id=order.pk + 1, text="Hello")
    assert list(order.note_rows.values_list("text", "actor_id")) == [("Back door", operator.pk)]


def test_place_order_needs_items(customer: Customer, operator: User) -> None:
    with pytest.raises(Invalid):
        place_order(actor=operator, customer_id=customer.pk, items=[], idempotency_key="k")


def test_a_migration_makes_orders_that_were_there_before_found_by_their_reference(
    place: Callable[..., Order], product: Product
) -> None:
    orders = [place((product, 1), customer_reference=text) for text in ("OC 12/26", "", "Ana")]
    Order.objects.update(reference_code="")
    import_module("orders.migrations.0005_reference_code").fill(apps, None)
    codes = [Order.objects.get(pk=order.pk).reference_code for order in orders]
    assert codes == ["1226", "", ""]
