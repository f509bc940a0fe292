"""Nothing is sold twice: crowds at the same shelf, over HTTP."""

import random
import time
from collections.abc import Callable

import httpx
import pytest

from e2e.faults.desk import Desk, Lines, at_once, crowd, new_key, outcomes
from e2e.server import Site

load = pytest.mark.load


def shortage(
    product: int, requested: int, available: int, answer: httpx.Response
) -> dict[str, object]:
    """What the answer should say of a short product; its sku is not the point here."""
    sku = {item["product_id"]: item["sku"] for item in answer.json()["items"]}[product]
    return {"product_id": product, "sku": sku, "requested": requested, "available": available}


@pytest.mark.parametrize("rounds", [3, pytest.param(50, marks=load)])
def test_of_two_parallel_orders_of_eight_ten_units_fill_one(
    desk: Desk, customer: int, rounds: int
) -> None:
    for _ in range(rounds):
        product = desk.make_product(on_hand=10)

        def order(product: int = product) -> httpx.Response:
            return desk.place(customer, [(product, 8)], new_key())

        answers = at_once(order, order)
        assert outcomes(answers) == {"201": 1, "409 insufficient_stock": 1}
        (refused,) = (answer for answer in answers if answer.status_code == 409)
        assert refused.json()["items"] == [shortage(product, 8, 2, refused)]
        assert desk.stock(product) == (10, 8, 2)


def test_one_short_item_keeps_every_item_from_being_reserved(desk: Desk, customer: int) -> None:
    plenty, short, none = (desk.make_product(on_hand) for on_hand in (10, 2, 0))
    refused = desk.place(customer, [(plenty, 5), (short, 3), (none, 1)], new_key())
    assert outcomes([refused]) == {"409 insufficient_stock": 1}
    assert refused.json()["items"] == [
        shortage(short, 3, 2, refused),
        shortage(none, 1, 0, refused),
    ]
    assert [desk.stock(product) for product in (plenty, short, none)] == [
        (10, 0, 10),
        (2, 0, 2),
        (0, 0, 0),
    ]


def test_a_product_named_twice_is_one_item_with_the_sum(desk: Desk, customer: int) -> None:
    product = desk.make_product(on_hand=10)
    refused = desk.place(customer, [(product, 6), (product, 6)], new_key())
    assert refused.json()["items"] == [shortage(product, 12, 10, refused)]
    placed = desk.place(customer, [(product, 4), (product, 4)], new_key())
    assert [item["quantity"] for item in placed.json()["items"]] == [8]
    assert desk.stock(product) == (10, 8, 2)


@pytest.mark.parametrize(("attempts", "units"), [(320, 32), pytest.param(5000, 500, marks=load)])
def test_a_flood_of_orders_sells_exactly_what_there_is(
    desk: Desk, customer: int, attempts: int, units: int, report: Callable[[str], None]
) -> None:
    product = desk.make_product(on_hand=units)

    def order() -> httpx.Response:
        return desk.place(customer, [(product, 1)], new_key())

    flood = crowd(32, [order] * attempts)
    assert outcomes(flood.results) == {"201": units, "409 insufficient_stock": attempts - units}
    assert (desk.stock(product), desk.ledger(product)) == ((units, units, 0), (units, units))
    report(f"{attempts} attempts by 32 clients, {units} sold: {flood}")


@pytest.mark.parametrize("rounds", [3, pytest.param(50, marks=load)])
def test_six_parallel_cancellations_return_the_stock_once(
    desk: Desk, customer: int, rounds: int
) -> None:
    product = desk.make_product(on_hand=10 * rounds)
    for done in range(rounds):
        order = desk.place(customer, [(product, 4)], new_key()).json()["id"]
        kept = desk.place(customer, [(product, 4)], new_key()).json()["id"]

        def patch(order: int = order) -> httpx.Response:
            return desk.move(order, "cancelled")

        def delete(order: int = order) -> httpx.Response:
            return desk.delete(order)

        answers = at_once(patch, delete, patch, delete, patch, delete)
        assert outcomes(answers[1::2]) == {"200": 3}, "DELETE answers the same however often"
        patched = outcomes(answers[::2])
        assert patched["200"] <= 1, "only one PATCH can have cancelled it"
        assert patched["200"] + patched["409 illegal_transition"] == 3, patched
        assert desk.stock(product)[1] == 4 * (done + 1)
        steps = [step["to_status"] for step in desk.pages(f"/orders/{order}/history")]
        assert (steps, kept) == (["pending", "cancelled"], kept)
    assert desk.ledger(product) == (10 * rounds, 4 * rounds)


def test_a_shipped_order_is_not_cancelled_and_its_stock_stays_away(
    desk: Desk, customer: int
) -> None:
    product = desk.make_product(on_hand=10)
    order = desk.place(customer, [(product, 4)], new_key()).json()["id"]
    steps = [desk.move(order, status) for status in ("confirmed", "picked", "shipped")]
    assert outcomes(steps) == {"200": 3}
    refused = [desk.move(order, "cancelled"), desk.delete(order)]
    assert outcomes(refused) == {"409 illegal_transition": 2}
    assert (desk.stock(product), desk.ledger(product)) == ((6, 0, 6), (6, 0))


@pytest.mark.parametrize("orders", [48, pytest.param(400, marks=load)])
def test_shuffled_orders_of_shared_products_leave_an_exact_ledger(
    site: Site, desk: Desk, customer: int, orders: int, report: Callable[[str], None]
) -> None:
    """Orders take the same six products in any sequence, half are cancelled: the classic recipe for deadlocks."""
    products = [desk.make_product(on_hand=10 * orders) for _ in range(6)]
    retries = site.retries()

    def job(number: int) -> Callable[[], list[httpx.Response]]:
        quantities = [random.randint(1, 5) for _ in products]
        lines: Lines = random.sample(list(zip(products, quantities, strict=True)), len(products))

        def run() -> list[httpx.Response]:
            placed = desk.place(customer, lines, new_key())
            if number % 2 or placed.status_code != 201:
                return [placed]
            order = placed.json()["id"]
            cancel = desk.move(order, "cancelled") if number % 4 else desk.delete(order)
            return [placed, cancel]

        return run

    shuffled = crowd(24, [job(number) for number in range(orders)])
    answers = [answer for result in shuffled.results for answer in result]
    assert outcomes(answers) == {"201": orders, "200": orders // 2}
    kept = dict.fromkeys(products, 0)
    for placed, *cancelled in shuffled.results:
        for item in placed.json()["items"] if not cancelled else ():
            kept[item["product_id"]] += item["quantity"]
    on_hand = 10 * orders
    assert [desk.stock(product)[:2] for product in products] == [
        (on_hand, kept[product]) for product in products
    ]
    assert [desk.ledger(product) for product in products] == [
        (on_hand, kept[product]) for product in products
    ]
    report(
        f"{orders} orders of six products by 24 clients, half cancelled: {shuffled}, {site.retries() - retries} retries"
    )


@load
def test_a_locked_shelf_is_503_after_the_retries_and_free_afterwards(
    site: Site, desk: Desk, customer: int, report: Callable[[str], None]
) -> None:
    """Somebody else holds the stock level's row (on SQLite: the one write lock) longer than anybody waits."""
    product, key = desk.make_product(on_hand=10), new_key()
    holder = site.holding(
        f"list(StockLevel.objects.select_for_update().filter(product_id={product}))"
    )
    try:
        began = time.monotonic()
        refused = desk.place(customer, [(product, 8)], key)
        waited = time.monotonic() - began
        read = desk.stock(product)
    finally:
        holder.communicate("\n")
    assert outcomes([refused]) == {"503 busy": 1}
    assert (refused.headers["Retry-After"], read) == ("2", (10, 0, 10))
    assert outcomes([desk.place(customer, [(product, 8)], key)]) == {"201": 1}
    assert desk.stock(product) == (10, 8, 2)
    report(f"refused after {waited:.1f} s")
