"""How close is placing an order to the statements it consists of? `make bench` asks, and writes docs/performance.md.

    python -m e2e.load.placing [--rounds 5] [--seconds 4] [--out docs] [--only sqlite]

Every figure is a ratio of two things measured turn by turn in one run, so that a slow or busy machine slows
both: quote the ratios, not the rates. Each database is empty at first and is made by the product itself.
"""

import argparse
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import psutil

from e2e.load import client, relay
from e2e.load.floor import Floor, Statement, capture, stock_first
from e2e.load.network import SlowNetwork
from e2e.load.shop import Shop, site_for
from e2e.server import ROOT, MariaDB, Redis

CLIENTS: Final = 8
CROWD: Final = 64
DELAY: Final = 0.0005  # seconds added to each round trip: a database across a network
PACKAGES: Final = ("Django", "django-ninja", "granian", "mysqlclient", "redis")


@dataclass
class Row:
    """One figure of the report, with the goal that the project has set itself."""

    name: str
    values: list[float]
    goal: str
    met: Callable[[float], bool]
    detail: str = ""

    def line(self) -> str:
        middle = statistics.median(self.values)
        spread = f"{min(self.values):.2f} to {max(self.values):.2f}"
        verdict = "yes" if self.met(middle) else "no"
        return f"| {self.name} | **{middle:.2f}** | {spread} | {self.goal} | {verdict} | {self.detail} |"


@dataclass
class Engine:
    """One engine's part of the report."""

    name: str
    rows: list[Row] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)
    """Orders a second, of each round."""
    stages: dict[str, list[float]] = field(default_factory=dict)
    capacity: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(
        self,
        name: str,
        values: list[float],
        goal: str,
        met: Callable[[float], bool],
        detail: str = "",
    ) -> None:
        self.rows.append(Row(name, values, goal, met, detail))
        print(self.rows[-1].line(), flush=True)


def at_least(goal: float) -> tuple[str, Callable[[float], bool]]:
    return f"at least {goal}", lambda value: value >= goal


def at_most(goal: float) -> tuple[str, Callable[[float], bool]]:
    return f"at most {goal}", lambda value: value <= goal


class Bench:
    """Everything that is measured on one engine."""

    def __init__(self, shop: Shop, database_url: str, *, rounds: int, seconds: float) -> None:
        self.shop, self.url, self.rounds, self.seconds = shop, database_url, rounds, seconds
        self.is_mysql = shop.site.engine == "mysql"
        # One process on SQLite: the product has one there, with as many threads.
        self.threads = 8 if self.is_mysql else 4
        self.engine = Engine("MariaDB or MySQL with Redis" if self.is_mysql else "SQLite")

    def place(self, clients: int = CLIENTS, **options: Any) -> client.Result:
        shop = self.shop
        requests = (shop.token(), shop.products, shop.customers)
        result = client.load(
            shop.site.port, clients, self.seconds, client.orders, *requests, **options
        )
        if set(result.statuses) - {201, 200}:
            raise RuntimeError(f"not every order was placed: {result.statuses}")
        return result

    def run(self) -> Engine:
        statements = capture(self.shop)
        self.engine.notes.append(
            f"An order of five lines: {len(statements)} statements between BEGIN and COMMIT."
        )
        self.place()  # everybody's caches
        if self.is_mysql:
            self.relays()
        self.engine.stages = self.shop.stages()
        with self.floor(statements) as floor:
            self.against_the_floor(floor)
        self.replays()
        if self.is_mysql:
            self.outside_the_database()
            self.hot_product()
            self.pages()
        self.memory()
        self.engine.notes.append(f"Afterwards: {self.shop.integrity()}")
        return self.engine

    @contextmanager
    def floor(self, statements: Sequence[Statement], **options: Any) -> Iterator[Floor]:
        floor = Floor(self.shop, self.url, statements, self.threads, **options)
        try:
            floor.run(1)
            yield floor
        finally:
            floor.close()

    def against_the_floor(self, floor: Floor) -> None:
        rates, costs, slowest, shown = [], [], [], ""
        for _ in range(self.rounds):
            bare = floor.run(self.seconds)
            before = self.shop.cost()
            ours = self.place()
            cost = self.shop.cost() - before
            count, bare_count = ours.statuses[201], bare.result.statuses[201]
            rates.append(ours.rate / bare.result.rate)
            self.engine.rates.append(ours.rate)
            bare_cost = (bare.client_time + bare.database_time) / bare_count
            costs.append(bare_cost / ((cost.product + cost.database) / count))
            slowest.append(ours.percentile(0.99))
            shown = (
                f"last round: {ours.rate:.0f}/s of {bare.result.rate:.0f}/s; p50 {ours.percentile(0.5):.1f} ms, "
                f"p99 {ours.percentile(0.99):.1f} ms"
            )
        self.engine.add("orders: throughput / floor, 8 clients", rates, *at_least(0.70), shown)
        detail = f"ours {1000 * (cost.product + cost.database) / count:.2f} ms, floor {1000 * bare_cost:.2f} ms"
        self.engine.add("orders: processor time, floor / ours", costs, *at_least(0.75), detail)
        if not self.is_mysql:
            self.engine.add("orders: p99, ms", slowest, *at_most(50))

    def replays(self) -> None:
        values, shown = [], ""
        for number in range(self.rounds):
            first = self.place()
            again = self.place(key=_Same(f"replay-{number}"))
            values.append(again.rate / first.rate)
            shown = f"{again.rate:.0f}/s of {first.rate:.0f}/s"
        self.engine.add("the same order again / placing one", values, *at_least(3), shown)

    def outside_the_database(self) -> None:
        """A body that is refused for a quantity of 0: parsed, signed in, limited, validated, answered, and no more."""
        values = []
        shop = self.shop
        for _ in range(self.rounds):
            before = shop.cost()
            result = client.load(
                shop.site.port, CLIENTS, self.seconds, _refused, shop.token(), shop.products
            )
            values.append(1000 * (shop.cost() - before).product / result.statuses[422])
        self.engine.add("before the order itself: processor ms of a request", values, *at_most(0.6))

    def hot_product(self) -> None:
        values, waits, shown = [], [], ""
        hot = self.shop.products[0]
        retries = self.shop.site.retries()
        for _ in range(self.rounds):
            few, many = self.place(hot=hot), self.place(CROWD, hot=hot)
            values.append(many.rate / few.rate)
            waits.append(many.percentile(0.99) / (1000 * CROWD / many.rate))
            shown = f"{many.rate:.0f}/s with {CROWD} clients, {few.rate:.0f}/s with {CLIENTS}"
        detail = f"{self.shop.site.retries() - retries} transactions begun again"
        self.engine.add(
            "one product in every order: 64 clients / 8 clients", values, *at_least(0.95), shown
        )
        self.engine.add("the same: p99 / (clients / throughput)", waits, *at_most(1.6), detail)

    def far_away(self) -> Engine:
        """The whole product against its own statements, one by one, in the order of locks that comes to mind first.

        The bench's database is at the end of a SlowNetwork, for both.
        """
        statements = capture(self.shop)
        hot = self.shop.products[0]
        values, shown = [], ""
        with self.floor(stock_first(statements), hot=hot) as early:  # noqa: SIM117 -- side by side
            with self.floor(statements, hot=hot) as late:
                for _ in range(self.rounds):
                    ours = self.place(hot=hot)
                    first, last = early.run(self.seconds).result, late.run(self.seconds).result
                    values.append(ours.rate / first.rate)
                    shown = (
                        f"{ours.rate:.0f}/s of {first.rate:.0f}/s; the bare statements one by one, stock locked late: "
                        f"{last.rate:.0f}/s"
                    )
        name = (
            "one hot product, 0.5 ms more a round trip: ours / bare statements, stock locked first"
        )
        self.engine.add(name, values, *at_least(2), shown)
        return self.engine

    def relays(self) -> None:
        """Relays in processes of their own, beside as many web processes as ever."""
        relay.work_off(self.shop, self.url, 2)
        ratios, late, shown, behind = [], [], "", ""
        for _ in range(self.rounds):
            rates = []
            for number in (1, 2):
                for _ in range(2):
                    self.place()
                rates.append(relay.work_off(self.shop, self.url, number))
            ratios.append(rates[1] / rates[0])
            shown = f"{rates[0]:.0f}/s with one, {rates[1]:.0f}/s with two"
            with relay.relays(self.shop, 1), relay.Watch(self.url) as watch:
                time.sleep(2)  # the process starts
                watch.lags.clear()
                placed = self.place()
                late.append(watch.percentile(0.99))
            behind = f"{2 * placed.statuses[201] / placed.seconds:.0f} events/s came in"
        name = "one relay beside placing at full rate: lag p99, seconds"
        self.engine.add(name, late, *at_most(2), behind)
        name = "events a second, two relays / one"
        self.engine.add(name, ratios, *at_least(1.6), shown)

    def pages(self) -> None:
        """What the pages that a desk has open all day take of the processor: the product's own part."""
        shop, cookie = self.shop, self.shop.cookie()
        codes = [f"BENCH-{n:05d}" for n in range(200, 300)]
        orders = [f"/orders/{pk}" for pk in shop.orders(50)]
        asked: dict[str, tuple[Callable[..., client.Requests], Sequence[Any]]] = {
            "the list of orders": (client.pages, [["/orders/"], cookie]),
            "an order": (client.pages, [orders, cookie]),
            "order entry, the first line": (client.lines_added, [codes, [], cookie]),
            "order entry, the 200th line": (
                client.lines_added,
                [codes, shop.products[:199], cookie],
            ),
        }
        costs: dict[str, list[float]] = {name: [] for name in asked}
        for _ in range(self.rounds):
            for name, (make, arguments) in asked.items():
                before = shop.cost()
                result = client.load(shop.site.port, CLIENTS, self.seconds, make, *arguments)
                if set(result.statuses) != {200}:
                    raise RuntimeError(f"{name}: {result.statuses}")
                costs[name].append(1000 * (shop.cost() - before).product / result.statuses[200])
        for name, values in costs.items():
            self.engine.add(f"page, {name}: processor ms", values, *at_most(12))

    def memory(self) -> None:
        def largest() -> float:
            return max(worker.memory_info().rss for worker in self.shop.site.workers()) / 2**20

        before = largest()
        self.place()
        self.engine.add("memory of the largest worker, MiB", [before, largest()], *at_most(150))

    def capacity(self) -> str:
        """What these web processes answer in a second, each kind of request alone: a row of docs/capacity.md."""
        shop = self.shop
        ids = shop.orders(50)
        token, cookie = shop.token(), shop.cookie()
        reading = [
            (client.reads, [f"/api/v1/orders/{pk}" for pk in ids], token),
            (client.reads, ["/api/v1/orders?limit=25"], token),
            (client.pages, [f"/orders/{pk}" for pk in ids], cookie),
            (client.pages, ["/orders/"], cookie),
        ]
        results = [self.place()]
        for make, paths, who in reading:
            results.append(client.load(shop.site.port, CLIENTS, self.seconds, make, paths, who))
        if any(set(result.statuses) - {200, 201} for result in results):
            raise RuntimeError([result.statuses for result in results])
        cells = [f"{result.rate:.0f}/s, {result.percentile(0.99):.0f} ms" for result in results]
        return " | ".join(cells)


@dataclass
class _Same:
    """The key of every request of a run: one order, asked for again and again. Its body must not change either."""

    key: str

    def __call__(self, number: int) -> str:
        return self.key


def _refused(token: str, products: Sequence[int]) -> client.Requests:
    items = [{"product_id": each, "quantity": 0} for each in products[:5]]
    body = {"customer_id": 1, "items": items}
    while True:
        yield client.request("POST", "/api/v1/orders", token, body, Idempotency_Key="refused")


def machine() -> list[str]:
    processor = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    memory = psutil.virtual_memory().total / 2**30
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    load = ", ".join(f"{value:.1f}" for value in psutil.getloadavg())
    return [
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC; {psutil.cpu_count()} cores of {processor}, {memory:.0f} GiB;",
        f"Python {platform.python_version()}, {packages}. Load of the machine at the end: {load}.",
    ]


def report(engines: Sequence[Engine], *, rounds: int, seconds: float) -> str:
    lines = [
        "# Performance",
        "",
        "Written by `make bench`. Clients, product and database share one machine. Each figure is measured turn by",
        f"turn, {rounds} rounds of {seconds:g} s each: the median, and the smallest and the largest round.",
        "**The floor** is a loop over the bare driver, in as many processes as the product has threads, that runs the",
        "statements which the product itself sends for one order of five lines, one by one. (On MariaDB and MySQL the",
        "product sends them in three round trips, which is part of what it gains on the floor.)",
        "What lists cost is in [lists.md](lists.md), by `make bench-lists`.",
        "",
        *machine(),
    ]
    for engine in engines:
        lines += ["", f"## {engine.name}", ""]
        lines += ["| Figure | Median | Rounds | Goal | Met | |", "|---|---|---|---|---|---|"]
        lines += [row.line() for row in engine.rows]
        lines += ["", *(f"- {note}" for note in engine.notes)]
        lines += ["", f"### Where the time of one order goes: {engine.name}", ""]
        lines += ["One thread, no server around it, milliseconds.", ""]
        lines += ["| Stage | Wall | Processor |", "|---|---|---|"]
        lines += [
            f"| {stage} | {wall:.2f} | {processor:.2f} |"
            for stage, (wall, processor) in engine.stages.items()
        ]
        wall, processor = (sum(each) for each in zip(*engine.stages.values(), strict=True))
        lines += [f"| **Together** | **{wall:.2f}** | **{processor:.2f}** |"]
    return "\n".join(lines) + "\n"


CAPACITY: Final = """# Capacity

Written by `make bench` ([performance](performance.md) has the ratios). What one machine answers with everything on
it: web processes, database, Redis, and the {clients} clients that ask, each waiting for its answer. Each cell is one
kind of request alone: answers a second, and what 99 of 100 were faster than.

{machine}

| | POST an order of five lines | GET an order | GET a list of 25 | the page of an order | the page of the list |
|---|---|---|---|---|---|
{rows}

A desk of twenty people who each place an order a minute and open a page every five seconds asks for one order every
three seconds and for four pages a second.

## What to add next

1. **Processor**: it is what runs out first. `WEB_WORKERS` is one for each core (SQLite always has one
   process, and so has MySQL without Redis).
   Placing an order costs about as much in the database as in Python, so the first step is the database on a machine
   of its own, the second is more web machines behind one address: they share nothing but MySQL and Redis.
2. **Threads**: `WEB_THREADS` is 4 for each process. Each holds one database connection; about four connections for
   each core of the database keep a product that everybody orders flat, more only wait for one another.
3. **Relay**: `RELAY=thread` is enough until `erp_outbox_lag_seconds` in `/metrics` grows; then `RELAY=off` and
   `manage.py relay_events` beside the web processes, two of them if need be.
4. **Memory and disk**: each web process needs about {memory:.0f} MiB. A million orders with their lines, histories,
   movements and events take 8 GB of disk, half of it indexes. Lists stay quick with 128 MB of InnoDB's buffer pool,
   since each reads the front of one index, and are quicker with the 512 MB that docker-compose.yml gives to MySQL; 1 GB
   holds all indexes of the orders' table (0.8 GB).
5. **Redis** holds rate limits, key hints and the stream: 256 MB are plenty (docker-compose.yml lets it have 512), and
   losing it loses no order.
6. **From SQLite to MySQL** when a second machine is wanted, or more than one web process: the embedded default takes
   its orders one after the other.
"""


def capacity_page(engines: Sequence[Engine]) -> str:
    memory = max(max(row.values) for engine in engines for row in engine.rows if "MiB" in row.name)
    rows = "\n".join(row for engine in engines for row in engine.capacity)
    return CAPACITY.format(clients=CLIENTS, machine="\n".join(machine()), rows=rows, memory=memory)


@contextmanager
def database(folder: Path, wanted: str | None) -> Iterator[str]:
    """The address given, or a MariaDB of its own with a server's defaults (every commit is flushed)."""
    if wanted:
        yield wanted
        return
    with MariaDB(folder) as server:
        yield server.url("erp_bench")


def measured(folder: Path, url: str, redis_url: str, *, rounds: int, seconds: float) -> Engine:
    """Everything about one engine; then once more with one and with two web processes, for the page of capacity."""
    with site_for(folder, url, redis_url) as site:
        engine = Bench(Shop(site).stock_up(), url, rounds=rounds, seconds=seconds).run()
    if redis_url:
        with (
            SlowNetwork(folder, url, DELAY) as way,
            site_for(folder / "far", way.url, redis_url) as site,
        ):
            bench = Bench(Shop(site).stock_up(), way.url, rounds=rounds, seconds=seconds)
            engine.rows += bench.far_away().rows
    for workers in (1, 2) if redis_url else (1,):
        with site_for(folder, url, redis_url, WEB_WORKERS=str(workers)) as site:
            bench = Bench(Shop(site).stock_up(), url, rounds=rounds, seconds=seconds)
            bench.place()
            processes = f"{workers} web process{'es' if workers > 1 else ''}"
            engine.capacity.append(f"| {engine.name}, {processes} | {bench.capacity()} |")
    return engine


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--mysql", help="an empty database of a server on this machine")
    parser.add_argument("--only", choices=["mysql", "sqlite"])
    parser.add_argument("--out", type=Path, default=ROOT / "docs", help="the folder")
    options = parser.parse_args()
    how = {"rounds": options.rounds, "seconds": options.seconds}
    engines = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if options.only != "sqlite":
            with database(folder, options.mysql) as url, Redis(folder) as redis:
                engines.append(measured(folder / "mysql", url, redis.url, **how))
        if options.only != "mysql":
            url = f"sqlite:///{folder}/bench.sqlite3"
            engines.append(measured(folder / "sqlite", url, "", **how))
    if len(engines) == 2:
        mysql, sqlite = engines
        ratios = [ours / theirs for ours, theirs in zip(sqlite.rates, mysql.rates, strict=True)]
        sqlite.add("orders: rate / MariaDB's", ratios, *at_least(0.9))
    (options.out / "performance.md").write_text(report(engines, **how))
    (options.out / "capacity.md").write_text(capacity_page(engines))
    print(f"Written: {options.out}/performance.md and capacity.md")


if __name__ == "__main__":
    main()
