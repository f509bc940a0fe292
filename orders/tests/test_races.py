"""Orders under real threads and real transactions, each race beside the damage it does without its lock."""

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

import pytest
from django.db import connection
from django.db.models import Sum

from accounts.models import User
from catalog.models import Product, StockLevel, StockMovement
from catalog.services import InsufficientStock
from customers.models import Customer
from customers.services import CustomerInUse, delete_customer, update_customer
from erp_site import integrity
from erp_site.core import idempotency
from erp_site.core.errors import NotFound
from erp_site.testing import in_parallel, level_of
from orders.models import Order, OrderHistory, OrderItem, OrderNote
from orders.services import (
    IllegalTransition,
    InactiveCustomer,
    NewItem,
    NotAmendable,
    add_note,
    amend_order,
    change_status,
    delete_order,
    place_order,
)
from orders.states import OrderStatus

pytestmark = pytest.mark.django_db(transaction=True)

only_with_row_locks = pytest.mark.skipif(
    connection.vendor == "sqlite",
    reason="SQLite has one writer at a time (BEGIN IMMEDIATE): there is no row lock to take away",
)


LOCK: Final = re.compile(" FOR UPDATE| LOCK IN SHARE MODE")


@contextmanager
def meeting_after(
    *fragments: str, barrier: threading.Barrier, without_lock: bool = False
) -> Iterator[None]:
    """Everybody waits (half a second at most) after the SELECT that contains all `fragments`.

    `without_lock` takes the lock out of it: the control that shows what the lock is for.
    """

    def wrapper(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
        if not sql.startswith("SELECT") or not all(part in sql for part in fragments):
            return execute(sql, *rest)
        result = execute(LOCK.sub("", sql) if without_lock else sql, *rest)
        # Broken when the others wait for our lock, as they should.
        with suppress(threading.BrokenBarrierError):
            barrier.wait(timeout=0.5)
        return result

    with connection.execute_wrapper(wrapper):
        yield


def meeting(
    job: Callable[[], Any], *fragments: str, times: int = 2, without_lock: bool = False
) -> list[Any]:
    """Run `job` in several threads that meet after the SELECT with these fragments."""
    barrier = threading.Barrier(times)

    def run() -> Any:
        with meeting_after(*fragments, barrier=barrier, without_lock=without_lock):
            return job()

    return in_parallel(*[run] * times)


def meeting_unlocked(job: Callable[[], Any]) -> None:
    """Run `job` twice, without the order's lock, until both know what the order holds: the control of that lock."""
    here, there = threading.Barrier(2), threading.Barrier(2)

    def run() -> Any:
        unlocked = meeting_after("orders_order`", "FOR UPDATE", barrier=here, without_lock=True)
        with unlocked, meeting_after("SUM(", "catalog_stockmovement", barrier=there):
            return job()

    in_parallel(run, run)


def without_unique_key(
    table: str, name: str, columns: str, *, foreign_key: str = ""
) -> Iterator[None]:
    """The table without one unique key, as a fixture: the control that shows what the key is for."""
    with connection.cursor() as cursor:
        if foreign_key:
            cursor.execute(f"ALTER TABLE {table} ADD INDEX for_foreign_key ({foreign_key})")
        cursor.execute(f"ALTER TABLE {table} DROP INDEX {name}")
    yield
    with connection.cursor() as cursor:
        for emptied in (
            "orders_orderamendment",
            "orders_orderhistory",
            "orders_orderitem",
            "orders_order",
            "core_event",
        ):
            cursor.execute(f"DELETE FROM {emptied}")
        cursor.execute(f"ALTER TABLE {table} ADD UNIQUE INDEX {name} ({columns})")
        if foreign_key:
            cursor.execute(f"ALTER TABLE {table} DROP INDEX for_foreign_key")


def two_orders_of_eight(
    product: Product, customer: Customer, operator: User, *, without_lock: bool
) -> list[Any]:
    keys = iter("ab")

    def job() -> Any:
        return place_order(
            actor=operator,
            customer_id=customer.pk,
            items=[NewItem(product.pk, 8)],
            idempotency_key=next(keys),
        )

    return meeting(job, "catalog_stocklevel", "FOR UPDATE", without_lock=without_lock)


def test_two_orders_of_eight_share_ten_units_only_once(
    product: Product, customer: Customer, operator: User
) -> None:
    results = two_orders_of_eight(product, customer, operator, without_lock=False)
    refused = [r for r in results if isinstance(r, InsufficientStock)]
    assert [r.facts["items"][0]["available"] for r in refused] == [2]
    assert (Order.objects.count(), level_of(product).available) == (1, 2)


@only_with_row_locks
def test_control_without_the_level_lock_sixteen_of_ten_are_sold(
    product: Product, customer: Customer, operator: User
) -> None:
    two_orders_of_eight(product, customer, operator, without_lock=True)
    assert (Order.objects.count(), level_of(product).reserved) == (2, 8)
    assert sum(OrderItem.objects.values_list("quantity", flat=True)) == 16


def test_one_key_many_times_is_one_order(
    product: Product, customer: Customer, operator: User
) -> None:
    def job() -> Any:
        return place_order(
            actor=operator,
            customer_id=customer.pk,
            items=[NewItem(product.pk, 1)],
            idempotency_key="same",
        )

    results = in_parallel(*[job] * 12)
    assert sorted(r.replayed for r in results) == [False] + [True] * 11
    assert {r.order.pk for r in results} == {Order.objects.get().pk}
    assert level_of(product).reserved == 1


@pytest.fixture
def no_unique_key() -> Iterator[None]:
    yield from without_unique_key("orders_order", "key_hash", "key_hash")


@only_with_row_locks
def test_control_without_the_unique_key_one_key_books_twice(
    product: Product, customer: Customer, operator: User, no_unique_key: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    # Without its hint, or the second would look for the order before its transaction too, and find it there by luck.
    monkeypatch.setattr(idempotency, "seen_before", lambda _: False)

    def job() -> Any:
        return place_order(
            actor=operator,
            customer_id=customer.pk,
            items=[NewItem(product.pk, 1)],
            idempotency_key="same",
        )

    meeting(job, "orders_order", "`key_hash` = ")
    assert (Order.objects.count(), level_of(product).reserved) == (2, 2)


def test_cancelling_six_times_returns_the_stock_once(
    product: Product, place: Callable[..., Order], manager: User
) -> None:
    order = place((product, 4))
    place((product, 4))

    def patch() -> Any:
        return change_status(actor=manager, order_id=order.pk, to=OrderStatus.CANCELLED)

    def delete() -> Any:
        return delete_order(actor=manager, order_id=order.pk)

    results = in_parallel(patch, delete, patch, delete, patch, delete)
    unexpected = [
        r for r in results if isinstance(r, Exception) and not isinstance(r, IllegalTransition)
    ]
    assert (unexpected, level_of(product).reserved) == ([], 4)
    assert StockMovement.objects.filter(kind="released").count() == 1
    assert list(OrderHistory.objects.filter(order=order).values_list("seq", flat=True)) == [1, 2]


def test_one_key_moves_an_order_once_and_every_sender_gets_the_order(
    product: Product, place: Callable[..., Order], operator: User
) -> None:
    order = place((product, 4))

    def confirm() -> Order:
        return change_status(
            actor=operator, order_id=order.pk, to=OrderStatus.CONFIRMED, idempotency_key="k"
        )

    results = meeting(confirm, "orders_orderhistory", "key_hash", times=4)
    assert [getattr(result, "status", result) for result in results] == ["confirmed"] * 4
    assert OrderHistory.objects.filter(order=order).count() == 2


@pytest.fixture
def no_history_key() -> Iterator[None]:
    yield from without_unique_key(
        "orders_orderhistory", "order_history_gapless", "order_id, seq", foreign_key="order_id"
    )


@pytest.fixture
def no_event_key() -> Iterator[None]:
    yield from without_unique_key(
        "core_event", "event_sequence_unique", "aggregate, aggregate_id, sequence"
    )


@only_with_row_locks
def test_control_without_the_order_lock_two_cancels_return_the_stock_twice(
    product: Product,
    place: Callable[..., Order],
    manager: User,
    no_history_key: None,
    no_event_key: None,
) -> None:
    order = place((product, 4))
    place((product, 4))

    def job() -> Any:
        return change_status(actor=manager, order_id=order.pk, to=OrderStatus.CANCELLED)

    meeting_unlocked(job)
    assert StockMovement.objects.filter(kind="released").count() == 2
    assert level_of(product).reserved == 0  # the other order's four pieces are unprotected


def test_an_order_and_the_deletion_of_its_customer_exclude_each_other(
    product: Product, make_customer: Callable[..., Customer], operator: User, admin: User
) -> None:
    for round_ in range(5):
        customer = make_customer()

        def place(customer: Customer = customer, key: str = f"r{round_}") -> Any:
            return place_order(
                actor=operator,
                customer_id=customer.pk,
                items=[NewItem(product.pk, 1)],
                idempotency_key=key,
            )

        def delete(customer: Customer = customer) -> Any:
            return delete_customer(actor=admin, customer_id=customer.pk)

        placed, deleted = in_parallel(place, delete)
        assert isinstance(placed, NotFound) != isinstance(deleted, CustomerInUse), (placed, deleted)
        if isinstance(placed, NotFound):
            assert not Order.objects.filter(customer=customer).exists()


def test_a_note_sent_twice_at_once_is_written_once(
    product: Product, place: Callable[..., Order], operator: User
) -> None:
    order = place((product, 1))

    def note() -> OrderNote:
        return add_note(
            actor=operator, order_id=order.pk, text="Back door", idempotency_key="form-1"
        )

    notes = in_parallel(*[note] * 4)
    assert {each.pk for each in notes} == {OrderNote.objects.get().pk}


@only_with_row_locks
def test_control_without_the_customer_lock_an_order_outlives_its_customer(
    product: Product, customer: Customer, operator: User, admin: User
) -> None:
    server: Any = connection  # MySQL's has more to say of itself
    if server.mysql_is_mariadb or server.mysql_version < (9,):
        pytest.skip("the foreign key holds the customer's row as well")
    seen, gone = threading.Event(), threading.Event()

    def unlocked(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
        result = execute(LOCK.sub("", sql), *rest)
        if "SHARE MODE" in sql:
            seen.set()
            gone.wait(timeout=5)
        return result

    def place() -> Any:
        with connection.execute_wrapper(unlocked):
            return place_order(
                actor=operator,
                customer_id=customer.pk,
                items=[NewItem(product.pk, 1)],
                idempotency_key="a",
            )

    def delete() -> Any:
        seen.wait(timeout=5)
        delete_customer(actor=admin, customer_id=customer.pk)
        gone.set()

    in_parallel(place, delete)
    assert Order.objects.filter(customer__deleted_at__isnull=False).count() == 1


@only_with_row_locks  # elsewhere the deactivation waits for the whole order
def test_no_order_is_placed_for_a_customer_who_is_being_deactivated(
    product: Product, customer: Customer, operator: User, manager: User
) -> None:
    barrier = threading.Barrier(2)

    def place() -> Any:
        with meeting_after("customers_customer", barrier=barrier):
            return place_order(
                actor=operator,
                customer_id=customer.pk,
                items=[NewItem(product.pk, 1)],
                idempotency_key="k",
            )

    def deactivate() -> None:
        update_customer(actor=manager, customer_id=customer.pk, is_active=False)
        barrier.wait(timeout=5)  # committed, after the order has seen an active customer

    placed, _ = in_parallel(place, deactivate)
    assert isinstance(placed, InactiveCustomer)
    assert (Order.objects.count(), level_of(product).reserved) == (0, 0)


def amending(order: Order, product: Product, quantities: Iterator[int], operator: User) -> Any:
    """A job that amends the order to the next of these quantities."""

    def job() -> Any:
        items = [NewItem(product.pk, next(quantities))]
        return amend_order(actor=operator, order_id=order.pk, items=items)

    return job


def test_amendments_of_one_order_at_once_leave_what_the_last_one_asked_for(
    product: Product, place: Callable[..., Order], operator: User
) -> None:
    order = place((product, 1))
    job = amending(order, product, iter([2, 3, 4, 5, 6, 7]), operator)
    results = in_parallel(*[job] * 6)
    assert sorted(getattr(result, "version", result) for result in results) == [2, 3, 4, 5, 6, 7]
    line = OrderItem.objects.get()
    assert (line.quantity, level_of(product).reserved) == (line.quantity, line.quantity)
    assert dict(integrity.inspect().examples) == {}


@pytest.fixture
def no_amendment_key() -> Iterator[None]:
    yield from without_unique_key(
        "orders_orderamendment",
        "order_amendment_once",
        "order_id, version",
        foreign_key="order_id",
    )


@only_with_row_locks
def test_control_without_the_order_lock_two_amendments_reserve_twice(
    product: Product,
    place: Callable[..., Order],
    operator: User,
    no_amendment_key: None,
    no_event_key: None,
) -> None:
    order = place((product, 1))
    job = amending(order, product, iter([4, 5]), operator)
    meeting_unlocked(job)
    assert (OrderItem.objects.get().quantity, level_of(product).reserved) in {(4, 8), (5, 8)}


def test_an_order_that_is_amended_and_cancelled_at_once_gives_back_all_it_holds(
    product: Product, place: Callable[..., Order], manager: User
) -> None:
    for turn in range(5):
        order = place((product, 2), key=f"turn-{turn}")
        amend = amending(order, product, iter([5]), manager)

        def cancel(order: Order = order) -> Any:
            return change_status(actor=manager, order_id=order.pk, to=OrderStatus.CANCELLED)

        amended, cancelled = in_parallel(amend, cancel)
        assert isinstance(amended, (Order, NotAmendable)), amended
        assert cancelled.status == OrderStatus.CANCELLED
        assert level_of(product).reserved == 0
    assert dict(integrity.inspect().examples) == {}


def all_ten_and_eight_more(
    product: Product, customer: Customer, order: Order, operator: User, *, without_lock: bool
) -> list[Any]:
    """The order, which holds some of ten, is amended to all of them while another asks for eight."""
    barrier = threading.Barrier(2)

    def new() -> Any:
        return place_order(
            actor=operator,
            customer_id=customer.pk,
            items=[NewItem(product.pk, 8)],
            idempotency_key="other",
        )

    def met(job: Callable[[], Any]) -> Any:
        levels = ("catalog_stocklevel", "FOR UPDATE")
        with meeting_after(*levels, barrier=barrier, without_lock=without_lock):
            return job()

    amend = amending(order, product, iter([10]), operator)
    return in_parallel(lambda: met(amend), lambda: met(new))


def test_an_amendment_and_a_new_order_share_the_last_units_only_once(
    product: Product, customer: Customer, place: Callable[..., Order], operator: User
) -> None:
    order = place((product, 2))
    results = all_ten_and_eight_more(product, customer, order, operator, without_lock=False)
    refused = [result for result in results if isinstance(result, InsufficientStock)]
    assert (len(refused), level_of(product).reserved) == (1, 10)


@only_with_row_locks
def test_control_without_the_level_lock_an_amendment_takes_what_an_order_has(
    product: Product, customer: Customer, place: Callable[..., Order], operator: User
) -> None:
    order = place((product, 2))
    all_ten_and_eight_more(product, customer, order, operator, without_lock=True)
    assert sum(OrderItem.objects.values_list("quantity", flat=True)) == 18, "of ten"


def test_shuffled_orders_amendments_and_cancels_over_shared_products_leave_an_exact_ledger(
    make_product: Callable[..., Product], customer: Customer, operator: User, manager: User
) -> None:
    products = [make_product(on_hand=1000) for _ in range(6)]
    ways = [products, products[::-1], products[3:] + products[:3], products[::2] + products[1::2]]

    def worker(number: int) -> Callable[[], Any]:
        def run() -> Any:
            for turn in range(5):
                items = [NewItem(p.pk, 1 + turn) for p in ways[(number + turn) % 4]]
                order = place_order(
                    actor=operator,
                    customer_id=customer.pk,
                    items=items,
                    idempotency_key=f"{number}-{turn}",
                ).order
                amend_order(actor=operator, order_id=order.pk, items=items[::-1][:5])
                if turn % 2:
                    change_status(actor=manager, order_id=order.pk, to=OrderStatus.CANCELLED)
            return "done"

        return run

    assert in_parallel(*(worker(number) for number in range(8))) == ["done"] * 8
    held = OrderItem.objects.filter(order__status=OrderStatus.PENDING)
    kept = dict(held.order_by().values_list("product_id").annotate(Sum("quantity")))
    assert sum(kept.values()) == 8 * 5 * (1 + 3 + 5)
    assert list(StockLevel.objects.order_by("pk").values_list("product_id", "reserved")) == sorted(
        kept.items()
    )
    assert dict(integrity.inspect().examples) == {}
