"""A busy day at the desk: clients order, change their mind and cancel while things break; and the audit afterwards."""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from e2e.faults.desk import Desk, Lines, Weather, crowd, insist, new_key

CLIENTS: Final = 16
REPLAYED: Final = 100  # orders whose request is sent once more at the end
PUBLISHED_WITHIN: Final = 60.0  # seconds, under the worst of conditions


@dataclass
class Acknowledged:
    """An order the site has confirmed to a client."""

    id: int
    key: str
    lines: Lines
    """As it was placed, which its key stands for."""
    amended: Lines
    """As it is now."""
    deleted: bool

    @property
    def events(self) -> int:
        """How many the feed has of it: two of its beginning, up to three of its amendment, four of its end."""
        was, now = Counter(dict(self.lines)), Counter(dict(self.amended))
        amending = (was != now) + bool(now - was) + bool(was - now)
        return 2 + amending + (4 if self.deleted else 0)


@dataclass
class Trade:
    """What clients were told while they traded."""

    desk: Desk
    customer: int
    products: list[int]
    weather: Weather = field(default_factory=Weather)
    orders: list[Acknowledged] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def going_on(self) -> Iterator[None]:
        """The clients trade while the block runs, and end with an answer to their last request each."""
        with ThreadPoolExecutor(CLIENTS) as pool:
            clients = [pool.submit(self._client) for _ in range(CLIENTS)]
            try:
                yield
            finally:
                self._stop.set()
            for client in clients:
                client.result()

    def wait_for(self, orders: int, seconds: float) -> float:
        """Until so many more orders are acknowledged; how long that took, in seconds."""
        began, wanted = time.monotonic(), len(self.orders) + orders
        while len(self.orders) < wanted:
            assert time.monotonic() - began < seconds, f"no {orders} orders in {seconds} s"
            time.sleep(0.01)
        return time.monotonic() - began

    def _client(self) -> None:
        while not self._stop.is_set():
            self.orders.append(self._deal())
            time.sleep(random.uniform(0, 0.05))

    def _deal(self) -> Acknowledged:
        key = new_key()
        lines = self._any_lines()
        placed = insist(lambda: self.desk.place(self.customer, lines, key), self.weather)
        assert placed.status_code in {200, 201}, placed.text
        if placed.status_code == 200:
            self.weather.add("booked, but cut off before the answer")
        order = int(placed.json()["id"])
        amended = self._any_lines() if random.random() < 0.25 else lines
        if amended != lines:
            answer = insist(lambda: self.desk.amend(order, amended), self.weather)
            assert answer.status_code == 200, answer.text
        deleted = random.random() < 0.25
        if deleted:
            answer = insist(lambda: self.desk.delete(order), self.weather)
            assert answer.status_code == 200, answer.text
        return Acknowledged(order, key, lines, amended, deleted)

    def _any_lines(self) -> Lines:
        chosen = random.sample(self.products, random.randint(1, len(self.products)))
        return [(product, random.randint(1, 3)) for product in chosen]

    # --- the audit

    def assert_exact(self) -> None:
        """Every acknowledged order is there once, no other is, and the stock is what they make it."""
        living = {
            row["id"]: row["idempotency_key"]
            for row in self.desk.pages("/orders", customer_id=self.customer)
        }
        assert living == {order.id: order.key for order in self.orders if not order.deleted}
        assert len({order.id for order in self.orders}) == len(self.orders)
        reserved = dict.fromkeys(self.products, 0)
        for order in self.orders:
            for product, quantity in order.amended if not order.deleted else ():
                reserved[product] += quantity
        assert {product: self.desk.stock(product)[1] for product in self.products} == reserved
        assert {product: self.desk.ledger(product)[1] for product in self.products} == reserved
        self._assert_replayed()
        self._assert_published()

    def _assert_replayed(self) -> None:
        """The same requests again book nothing."""

        def again(order: Acknowledged) -> Callable[[], tuple[int, int]]:
            def send() -> tuple[int, int]:
                answer = self.desk.place(self.customer, order.lines, order.key)
                return answer.status_code, answer.json()["id"]

            return send

        some = random.sample(self.orders, min(REPLAYED, len(self.orders)))
        assert crowd(4, [again(order) for order in some]).results == [
            (200, order.id) for order in some
        ]

    def _assert_published(self) -> None:
        """Each order's events reach the feed, each once, in their sequence."""
        wanted = {order.id: list(range(1, order.events + 1)) for order in self.orders}
        seen: dict[int, list[int]] = {order: [] for order in wanted}
        position = 0
        deadline = time.monotonic() + PUBLISHED_WITHIN
        while seen != wanted and time.monotonic() < deadline:
            for event in self.desk.pages("/events", after=position):
                position = event["position"]
                if event["aggregate"] == "order" and event["aggregate_id"] in seen:
                    seen[event["aggregate_id"]].append(event["sequence"])
            time.sleep(0.2)
        assert seen == wanted

    def __str__(self) -> str:
        deleted = sum(order.deleted for order in self.orders)
        amended = sum(order.amended != order.lines for order in self.orders)
        happened = "".join(
            f", {count} x {what}" for what, count in sorted(self.weather.happened.items())
        )
        return f"{len(self.orders)} orders acknowledged, {amended} of them amended, {deleted} cancelled{happened}"


def open_trade(desk: Desk) -> Trade:
    products = [desk.make_product(on_hand=1_000_000) for _ in range(4)]
    return Trade(desk, desk.make_customer(), products)
