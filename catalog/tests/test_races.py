"""Two people at the same moment, on real threads and connections."""

import itertools
import threading
from collections.abc import Callable, Iterator
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from django.db import IntegrityError, connection

from accounts.models import User
from catalog.models import (
    ListedPrice,
    PriceList,
    Product,
    ProductWord,
    Repricing,
    StockLevel,
    StockMovement,
)
from catalog.services import (
    InsufficientStock,
    PriceListInUse,
    ProductInUse,
    adjust_stock,
    change_prices,
    copy_price_list,
    create_price_list,
    create_product,
    delete_price_list,
    delete_product,
    reprice_list,
    update_price_list,
    update_product,
)
from customers.models import Customer
from customers.services import update_customer
from erp_site.core.errors import Duplicate, NotFound
from erp_site.core.models import Event
from erp_site.testing import in_parallel, level_of
from orders.models import Order
from orders.services import NewItem, place_order
from orders.tests.test_races import LOCK, meeting, meeting_after, only_with_row_locks

pytestmark = pytest.mark.django_db(transaction=True)


def test_one_of_many_takes_a_sku(manager: User) -> None:
    def create() -> Product:
        return create_product(
            actor=manager, sku="same", name="Parafuso", price=Decimal(1), on_hand=5
        )

    results = in_parallel(*[create] * 8)
    refused = [result.facts for result in results if isinstance(result, Duplicate)]
    assert refused == [{"field": "sku"}] * 7
    assert (Product.all_objects.count(), StockMovement.objects.count()) == (1, 1)
    assert level_of(Product.objects.get()).on_hand == 5


@pytest.fixture
def without_the_unique_key(transactional_db: None) -> Iterator[None]:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE catalog_product DROP INDEX product_sku_unique")
        yield
        for model in (ProductWord, StockLevel):
            model.objects.all().delete()
        cursor.execute("DELETE FROM catalog_product")
        cursor.execute(
            "ALTER TABLE catalog_product ADD UNIQUE INDEX product_sku_unique (sku, live)"
        )


@only_with_row_locks
@pytest.mark.usefixtures("without_the_unique_key")
def test_control_without_the_unique_key_all_take_the_same_sku(manager: User) -> None:
    create = partial(create_product, actor=manager, sku="same", name="Parafuso", price=Decimal(1))
    in_parallel(*[create] * 4)
    assert Product.objects.filter(sku="SAME").count() == 4


def test_parallel_adjustments_all_count(
    manager: User, make_product: Callable[..., Product]
) -> None:
    product = make_product(on_hand=0)

    def receive() -> None:
        adjust_stock(actor=manager, product_id=product.pk, delta=1, reason="received")

    in_parallel(*[receive] * 10)
    level = level_of(product)
    assert (level.on_hand, level.event_seq) == (10, 10)
    balances = StockMovement.objects.order_by("pk").values_list("on_hand_after", flat=True)
    assert list(balances) == list(range(1, 11))


@pytest.mark.parametrize(
    ("change", "after"),
    [
        ({"delta": 5}, 10),
        ({"delta": -5}, 0),  # again, it would be too little
        (
            {"on_hand": 7, "expected_on_hand": 5},
            7,
        ),  # again, it would be another figure than expected
    ],
)
def test_one_key_adjusts_once_however_many_send_it(
    manager: User, make_product: Callable[..., Product], change: dict[str, Any], after: int
) -> None:
    product = make_product(on_hand=5)

    def adjust() -> Product:
        return adjust_stock(
            actor=manager,
            product_id=product.pk,
            reason="counted",
            idempotency_key="k",
            **change,
        )

    results = meeting(adjust, "catalog_stockmovement", "key_hash", times=4)
    assert [type(result) for result in results] == [Product] * 4
    assert (level_of(product).on_hand, StockMovement.objects.count()) == (after, 2)


def test_a_product_is_either_deleted_or_reserved(
    manager: User, operator: User, customer: Customer, make_product: Callable[..., Product]
) -> None:
    """The last piece is taken away, then one deletes the product while another orders what has just arrived."""
    for number in range(5):
        product = make_product(on_hand=0)

        def order(pk: int = product.pk, number: int = number) -> None:
            adjust_stock(actor=manager, product_id=pk, delta=1, reason="received")
            place_order(
                actor=operator,
                customer_id=customer.pk,
                items=[NewItem(pk, 1)],
                idempotency_key=f"race-{number}",
            )

        def delete(pk: int = product.pk) -> None:
            delete_product(actor=manager, product_id=pk)

        placed, deleted = in_parallel(order, delete)
        level = level_of(product)
        if Product.objects.filter(pk=product.pk).exists():
            assert (level.on_hand, level.reserved, placed) == (1, 1, None)
            assert isinstance(deleted, ProductInUse)
        else:
            assert (level.on_hand, level.reserved, deleted) == (0, 0, None)
            assert isinstance(placed, NotFound)
        orders = Order.objects.filter(items__product=product)
        assert orders.count() == level.reserved


@only_with_row_locks
def test_control_without_the_level_lock_a_deleted_product_has_stock(
    manager: User, make_product: Callable[..., Product]
) -> None:
    product = make_product(on_hand=0)
    barrier = threading.Barrier(2)

    def meet(job: Callable[[], object]) -> object:
        with meeting_after("catalog_stocklevel", barrier=barrier, without_lock=True):
            return job()

    receive = partial(
        adjust_stock, actor=manager, product_id=product.pk, delta=1, reason="received"
    )
    delete = partial(delete_product, actor=manager, product_id=product.pk)
    in_parallel(partial(meet, receive), partial(meet, delete))
    assert (Product.objects.filter(pk=product.pk).exists(), level_of(product).on_hand) == (False, 1)


def test_edits_of_a_product_and_of_its_stock_do_not_block_each_other(
    manager: User, operator: User, customer: Customer, product: Product
) -> None:
    edits: list[Callable[[], object]] = []
    for number in range(4):
        edits += [
            partial(update_product, actor=manager, product_id=product.pk, name=f"Name {number}"),
            partial(adjust_stock, actor=manager, product_id=product.pk, delta=1, reason="found"),
            partial(
                place_order,
                actor=operator,
                customer_id=customer.pk,
                items=[NewItem(product.pk, 1)],
                idempotency_key=f"k-{number}",
            ),
        ]
    results = in_parallel(*edits)
    assert [result for result in results if isinstance(result, Exception)] == []
    product.refresh_from_db()
    level = level_of(product)
    assert (product.version, level.on_hand, level.reserved) == (5, 14, 4)


def test_more_than_there_is_cannot_be_taken_away_at_once(
    manager: User, make_product: Callable[..., Product]
) -> None:
    product = make_product(on_hand=10)

    def lose() -> None:
        adjust_stock(actor=manager, product_id=product.pk, delta=-8, reason="lost")

    results = in_parallel(lose, lose)
    short = [result for result in results if isinstance(result, InsufficientStock)]
    assert [error.facts["items"] for error in short] == [
        [{"product_id": product.pk, "sku": product.sku, "requested": 8, "available": 2}]
    ]
    assert level_of(product).on_hand == 2


type Job = Callable[[], object]


@pytest.fixture
def threshold_and_order(
    manager: User, operator: User, customer: Customer, make_product: Callable[..., Product]
) -> tuple[Job, Job]:
    """Of ten that are there: to buy at five, and an order of six. Neither alone makes the product low."""
    product = make_product(on_hand=10)
    return (
        partial(update_product, actor=manager, product_id=product.pk, low_stock_threshold=5),
        partial(
            place_order,
            actor=operator,
            customer_id=customer.pk,
            items=[NewItem(product.pk, 6)],
            idempotency_key="race",
        ),
    )


def one_within_the_other(
    outer: Job, inner: Job, *fragments: str, without_lock: bool = False
) -> list[Any]:
    """What both come to if all of `inner` comes after the SELECT of `outer` with these fragments.

    Where `inner` must wait for `outer`, that one goes on after a second.
    """
    has_read, is_done = threading.Event(), threading.Event()

    def wrapper(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
        if not sql.startswith("SELECT") or not all(part in sql for part in fragments):
            return execute(sql, *rest)
        result = execute(LOCK.sub("", sql) if without_lock else sql, *rest)
        has_read.set()
        is_done.wait(1)
        return result

    def begin() -> Any:
        with connection.execute_wrapper(wrapper):
            return outer()

    def come_between() -> Any:
        assert has_read.wait(30)
        try:
            return inner()
        finally:
            is_done.set()

    return in_parallel(begin, come_between)


def told_of_running_low(
    outer: Job, inner: Job, *fragments: str, without_lock: bool = False
) -> list[Any]:
    """What is said to be left when one comes within the other."""
    results = one_within_the_other(outer, inner, *fragments, without_lock=without_lock)
    assert [result for result in results if isinstance(result, Exception)] == []
    return list(Event.objects.filter(type="stock.low").values_list("payload__available", flat=True))


def test_an_order_knows_a_threshold_that_was_raised_while_it_read_the_products(
    threshold_and_order: tuple[Job, Job],
) -> None:
    threshold, order = threshold_and_order
    assert told_of_running_low(order, threshold, "catalog_product", "INNER JOIN") == [4]


def test_a_threshold_that_is_raised_waits_for_orders_and_they_for_it(
    threshold_and_order: tuple[Job, Job],
) -> None:
    threshold, order = threshold_and_order
    assert told_of_running_low(threshold, order, "catalog_stocklevel") == [4]


@only_with_row_locks
def test_control_without_the_level_lock_nobody_is_told_of_the_threshold(
    threshold_and_order: tuple[Job, Job],
) -> None:
    threshold, order = threshold_and_order
    assert told_of_running_low(threshold, order, "catalog_stocklevel", without_lock=True) == []


@pytest.fixture
def price_list(manager: User) -> PriceList:
    return create_price_list(actor=manager, name="Atacado")


def given_and_deleted(
    manager: User, price_list: PriceList, customer: Customer, *, without_lock: bool = False
) -> tuple[list[Any], bool, int | None]:
    """The list is deleted while a customer gets it: what both come to, whether it lives, and what the customer has."""
    give = partial(
        update_customer, actor=manager, customer_id=customer.pk, price_list_id=price_list.pk
    )
    delete = partial(delete_price_list, actor=manager, price_list_id=price_list.pk)
    results = one_within_the_other(give, delete, "catalog_pricelist", without_lock=without_lock)
    customer.refresh_from_db()
    lives = PriceList.objects.filter(pk=price_list.pk).exists()
    return results, lives, customer.price_list_id


def test_a_price_list_is_either_deleted_or_given(
    manager: User, price_list: PriceList, customer: Customer
) -> None:
    results, lives, given = given_and_deleted(manager, price_list, customer)
    assert isinstance(results[1], PriceListInUse), results
    assert (lives, given) == (True, price_list.pk)


@only_with_row_locks
def test_control_without_the_lock_on_the_list_a_customer_buys_by_a_deleted_one(
    manager: User, price_list: PriceList, customer: Customer
) -> None:
    results, lives, given = given_and_deleted(manager, price_list, customer, without_lock=True)
    assert results[1] is None, results
    assert (lives, given) == (False, price_list.pk)


def pricing(manager: User, price_list: PriceList, product: Product) -> Job:
    """Each call of it another price."""
    prices = map(Decimal, itertools.count(1))
    return lambda: change_prices(
        actor=manager, price_list_id=price_list.pk, prices={product.pk: next(prices)}
    )


def test_prices_that_are_changed_at_once_follow_each_other(
    manager: User, price_list: PriceList, product: Product
) -> None:
    """What each says it was is what the one before made it."""
    results = in_parallel(*[pricing(manager, price_list, product)] * 6)
    assert [result for result in results if isinstance(result, Exception)] == []
    told = Event.objects.filter(aggregate="price_list").order_by("sequence")
    prices = [event.payload["prices"][0] for event in told[1:]]
    assert [each["from"] for each in prices] == [None, *(each["to"] for each in prices[:-1])]
    assert ListedPrice.objects.get().price == Decimal(prices[-1]["to"])


def raising(manager: User, price_list: PriceList, **more: Any) -> Job:
    return partial(
        reprice_list, actor=manager, price_list_id=price_list.pk, percent=Decimal(50), **more
    )


@pytest.fixture
def listed(manager: User, price_list: PriceList, product: Product) -> Product:
    """Ten on the list."""
    prices = {product.pk: Decimal(10)}
    change_prices(actor=manager, price_list_id=price_list.pk, prices=prices)
    return product


def raised_and_changed(
    manager: User, price_list: PriceList, product: Product, *, without_lock: bool = False
) -> list[Any]:
    """A price is typed after the list was read to raise all prices."""
    change = partial(
        change_prices, actor=manager, price_list_id=price_list.pk, prices={product.pk: Decimal(4)}
    )
    return one_within_the_other(
        raising(manager, price_list), change, "catalog_pricelist", "FOR UPDATE",
        without_lock=without_lock,
    )  # fmt: skip


def test_a_price_that_is_typed_while_all_are_raised_waits_for_that(
    manager: User, price_list: PriceList, listed: Product
) -> None:
    """On SQLite, which has no locks on rows, one transaction follows the other anyway."""
    if connection.vendor == "mysql":
        results = raised_and_changed(manager, price_list, listed)
    else:
        change = partial(
            change_prices,
            actor=manager,
            price_list_id=price_list.pk,
            prices={listed.pk: Decimal(4)},
        )
        results = in_parallel(raising(manager, price_list), change)
    assert [result for result in results if isinstance(result, Exception)] == []
    told = Event.objects.filter(aggregate="price_list").order_by("sequence")
    steps = [(it["from"], it["to"]) for event in told[1:] for it in event.payload["prices"]]
    assert steps in (
        [(None, "10.00"), ("10.00", "15.00"), ("15.00", "4.00")],
        [(None, "10.00"), ("10.00", "4.00"), ("4.00", "6.00")],
    )
    assert ListedPrice.objects.get().price == Decimal(steps[-1][1])


@only_with_row_locks
def test_control_without_the_lock_on_the_list_a_raise_and_a_typed_price_collide(
    manager: User, price_list: PriceList, listed: Product
) -> None:
    """Only the unique key of what is told is left to object, as a crash."""
    overtaken, _ = raised_and_changed(manager, price_list, listed, without_lock=True)
    assert isinstance(overtaken, IntegrityError), overtaken


@pytest.mark.parametrize("without_lock", [False, pytest.param(True, marks=only_with_row_locks)])
def test_one_key_raises_all_prices_once_however_many_send_it(
    manager: User, price_list: PriceList, listed: Product, without_lock: bool
) -> None:
    """Where they do not even wait for each other, the unique key is left."""
    job = raising(manager, price_list, idempotency_key="k")
    results = meeting(
        job, "catalog_pricelist", "FOR UPDATE", times=4, without_lock=without_lock
    ) if connection.vendor == "mysql" else in_parallel(*[job] * 4)  # fmt: skip
    if not without_lock:
        assert [type(result) for result in results] == [Repricing] * 4
    assert (ListedPrice.objects.get().price, Repricing.objects.count()) == (Decimal(15), 1)


@only_with_row_locks
def test_control_without_a_key_each_raises_all_prices(
    manager: User, price_list: PriceList, listed: Product
) -> None:
    in_parallel(*[raising(manager, price_list)] * 2)
    assert ListedPrice.objects.get().price == Decimal("22.50")


@only_with_row_locks
def test_control_without_the_lock_on_the_list_prices_collide(
    manager: User, price_list: PriceList, product: Product
) -> None:
    """Only the unique key of what is told is left to object, as a crash."""
    job = pricing(manager, price_list, product)
    overtaken, _ = one_within_the_other(
        job, job, "catalog_pricelist", "FOR UPDATE", without_lock=True
    )
    assert isinstance(overtaken, IntegrityError), overtaken


def copied_and_changed(
    manager: User, price_list: PriceList, product: Product, *, without_lock: bool = False
) -> tuple[Decimal, Decimal]:
    """The discount and the price that the copy gets while both are raised on the list."""

    def change() -> None:
        update_price_list(actor=manager, price_list_id=price_list.pk, discount=Decimal(20))
        dear = {product.pk: Decimal(20)}
        change_prices(actor=manager, price_list_id=price_list.pk, prices=dear)

    copy = partial(copy_price_list, actor=manager, price_list_id=price_list.pk, name="Copy")
    results = one_within_the_other(
        copy, change, "catalog_pricelist", "FOR UPDATE", without_lock=without_lock
    )
    assert [result for result in results if isinstance(result, Exception)] == []
    made = PriceList.objects.get(name="Copy")
    return made.discount, made.prices.get().price


@only_with_row_locks
def test_a_copy_is_of_one_moment(manager: User, price_list: PriceList, listed: Product) -> None:
    assert copied_and_changed(manager, price_list, listed) == (Decimal(0), Decimal(10))


@only_with_row_locks
def test_control_without_the_lock_on_the_list_a_copy_is_of_two_moments(
    manager: User, price_list: PriceList, listed: Product
) -> None:
    found = copied_and_changed(manager, price_list, listed, without_lock=True)
    assert found == (Decimal(0), Decimal(20))


def test_one_of_many_takes_the_name_of_a_price_list(manager: User) -> None:
    results = in_parallel(*[partial(create_price_list, actor=manager, name="Atacado")] * 8)
    refused = [result.facts for result in results if isinstance(result, Duplicate)]
    assert refused == [{"field": "name"}] * 7
    assert (PriceList.all_objects.count(), Event.objects.count()) == (1, 1)


@pytest.fixture
def without_unique_names(transactional_db: None) -> Iterator[None]:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE catalog_pricelist DROP INDEX price_list_name_unique")
        yield
        cursor.execute("DELETE FROM catalog_pricelist")
        cursor.execute(
            "ALTER TABLE catalog_pricelist ADD UNIQUE INDEX price_list_name_unique (sorted_name, live)"
        )


@only_with_row_locks
@pytest.mark.usefixtures("without_unique_names")
def test_control_without_the_unique_key_all_take_the_same_name(manager: User) -> None:
    in_parallel(*[partial(create_price_list, actor=manager, name="Atacado")] * 4)
    assert PriceList.objects.filter(name="Atacado").count() == 4
