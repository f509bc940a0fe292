"""Nothing is booked twice: one idempotency key in many hands, over HTTP, whatever Redis does."""

import itertools
from collections.abc import Callable, Iterator

import httpx
import pytest

from e2e.faults.desk import Desk, administrator, at_once, crowd, new_key, outcomes
from e2e.server import Redis, Site

load = pytest.mark.load
PARALLEL = 50


def nothing() -> None:
    """A calm round."""


def one_key_many_times(
    desk: Desk, customer: int, product: int, half_way: Callable[[], None] = nothing
) -> float:
    """One order by 50 parallel requests with one key; `half_way` happens when half are answered. Slowest, in s."""
    key = new_key()
    answered = itertools.count(1)
    before = desk.stock(product)[1]

    def order() -> httpx.Response:
        answer = desk.place(customer, [(product, 1)], key)
        if next(answered) == PARALLEL // 2:
            half_way()
        return answer

    answers = at_once(*[order] * PARALLEL)
    assert outcomes(answers) == {"201": 1, "200 replayed": PARALLEL - 1}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert desk.stock(product)[1] == before + 1
    return max(answer.elapsed.total_seconds() for answer in answers)


@pytest.mark.parametrize("rounds", [2, pytest.param(20, marks=load)])
def test_fifty_parallel_requests_with_one_key_place_one_order(
    desk: Desk, customer: int, rounds: int, report: Callable[[str], None]
) -> None:
    product = desk.make_product(on_hand=rounds)
    slowest = max(one_key_many_times(desk, customer, product) for _ in range(rounds))
    report(
        f"{rounds} x {PARALLEL} requests, {rounds} orders, slowest answer {slowest * 1000:.0f} ms"
    )


@pytest.fixture
def desk_on_redis(site_with_redis: Site, redis: Redis) -> Iterator[Desk]:
    with administrator(site_with_redis) as desk:
        yield desk
    redis.resume()
    if not redis.answers():
        redis.start()


@pytest.mark.parametrize("rounds", [2, pytest.param(20, marks=load)])
@pytest.mark.parametrize("fault", ["stopped", "flushed", "hung"])
def test_one_key_places_one_order_whatever_redis_does(
    desk_on_redis: Desk, redis: Redis, fault: str, rounds: int, report: Callable[[str], None]
) -> None:
    """Every other round begins with a healthy Redis that fails half-way; the next finds it in that state."""
    desk = desk_on_redis
    customer, product = desk.make_customer(), desk.make_product(on_hand=rounds)
    strike, recover = {
        "stopped": (redis.stop, redis.start),
        "flushed": (redis.flush, nothing),
        "hung": (redis.hang, redis.resume),
    }[fault]
    slowest = 0.0
    for _ in range(rounds // 2):
        slowest = max(slowest, one_key_many_times(desk, customer, product, half_way=strike))
        slowest = max(slowest, one_key_many_times(desk, customer, product))
        recover()
    report(
        f"{rounds} x {PARALLEL} requests, {rounds} orders, slowest answer {slowest * 1000:.0f} ms"
    )


@pytest.mark.parametrize("rounds", [1, pytest.param(20, marks=load)])
def test_of_two_requests_that_share_a_key_one_books_and_the_other_is_refused(
    desk: Desk, customer: int, rounds: int
) -> None:
    for _ in range(rounds):
        product, key = desk.make_product(on_hand=10), new_key()

        def order(
            quantity: int, product: int = product, key: str = key
        ) -> Callable[[], httpx.Response]:
            return lambda: desk.place(customer, [(product, quantity)], key)

        answers = at_once(*[order(1), order(2)] * (PARALLEL // 2))
        by_request = sorted(
            (sorted(outcomes(answers[n::2]).items()) for n in (0, 1)), key=lambda each: each[0]
        )
        assert by_request == [
            [("200 replayed", PARALLEL // 2 - 1), ("201", 1)],
            [("422 idempotency_key_reused", PARALLEL // 2)],
        ]
        booked = next(n for n in (0, 1) if answers[n].status_code < 300) + 1
        assert desk.stock(product) == (10, booked, 10 - booked)


def test_a_key_is_the_same_in_header_and_in_body(desk: Desk, customer: int) -> None:
    product, key = desk.make_product(on_hand=10), new_key()
    lines = [(product, 2)]
    answers = [
        desk.place(customer, lines, key),
        desk.place_with_key_in_body(customer, lines, key),
        desk.place(customer, lines, f'"{key}"'),
        desk.place(customer, lines, key, idempotency_key=key),
        desk.place(customer, lines, key, idempotency_key=new_key()),
        desk.place(customer, [(product, 3)], key),
        desk.place(customer, lines, key, notes="Another request"),
    ]
    assert [*map(str, outcomes(answers).items())] == [
        "('201', 1)",
        "('200 replayed', 3)",
        "('400 idempotency_key_conflict', 1)",
        "('422 idempotency_key_reused', 2)",
    ]
    assert desk.stock(product) == (10, 2, 8)


def test_a_key_belongs_to_the_person_who_uses_it(site: Site, desk: Desk, customer: int) -> None:
    product, key = desk.make_product(on_hand=10), new_key()
    with Desk(site, desk.make_user("operator")) as other:
        answers = [each.place(customer, [(product, 1)], key) for each in (desk, other, desk, other)]
    assert [answer.status_code for answer in answers] == [201, 201, 200, 200]
    assert desk.stock(product) == (10, 2, 8)


def test_a_refused_attempt_leaves_its_key_free(desk: Desk, customer: int) -> None:
    product, key = desk.make_product(on_hand=0), new_key()

    def order() -> httpx.Response:
        return desk.place(customer, [(product, 5)], key)

    refused = crowd(20, [order] * 20).results
    assert outcomes(refused) == {"409 insufficient_stock": 20}
    assert desk.receive(product, 10).status_code == 200
    assert outcomes(at_once(*[order] * 20)) == {"201": 1, "200 replayed": 19}
    assert desk.stock(product) == (10, 5, 5)
