"""The floor: the statements of one order, as the product itself sends them, in a loop over the bare driver.

`capture` places one order in the product and writes down its statements. `Floor` runs them again, with ids,
keys and balances of its own in their places, from as many processes as the product has threads: what is left
between the two is what the product's Python and HTTP cost.
"""

import hashlib
import json
import random
import sqlite3
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from multiprocessing import get_context
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import psutil

from e2e.load.client import Result
from e2e.load.shop import Shop
from e2e.server import ADMIN

LINES: Final = 5
#: A deadlock, a wait that was too long, SQLite's one writer.
AGAIN: Final = {1213, 1205, "database is locked"}

#: Run in the product: one order of the last products, and its statements with the values' parts in them named.
CAPTURE: Final = f"""
import json, datetime, decimal, uuid
from django.db import connection
from accounts.models import User
from catalog.models import StockLevel
from customers.models import Customer
from erp_site.core.models import Event
from orders.models import item_id
from orders.services import NewItem, place_order
actor = User.objects.get(email="{ADMIN}")
levels = list(StockLevel.objects.order_by("-product_id")[:{LINES}])[::-1]
customer = Customer.objects.order_by("-pk").first()
def place(key, *quantities):
    items = [NewItem(level.product_id, q) for level, q in zip(levels, quantities)]
    return place_order(actor=actor, customer_id=customer.pk, items=items, idempotency_key=key).order
tag = uuid.uuid4().hex
# Balances that are nothing else: each is found again among the values of the captured statements.
place(tag + "-before", *(500_001 + 111 * n for n in range({LINES})))
for level in levels: level.refresh_from_db()
statements = []
def note(execute, sql, params, many, context):
    result = execute(sql, params, many, context)
    statements.append([sql, list(params or ())])
    return result
with connection.execute_wrapper(note):
    order = place(tag, *(11 + n for n in range({LINES})))
statements = [each for each in statements if not each[0].startswith(("BEGIN", "SAVEPOINT", "RELEASE"))]
names = {{str(order.pk): "order", order.number: "number", tag: "key", order.key_hash: "key_hash"}}
for n, level in enumerate(levels):
    names[str(level.product_id)] = f"product{{n}}"
    names.setdefault(str(level.pk), f"level{{n}}")
    names[str(level.reserved + 11 + n)] = f"reserved{{n}}"
    names[str(item_id(order.pk, n))] = f"item{{n}}"
for n, event in enumerate(Event.objects.filter(aggregate="order", aggregate_id=order.pk).order_by("sequence")):
    names[str(event.uid)] = f"uid{{n}}"
    names[event.uid.hex] = f"hex{{n}}"
def plain(value):
    if isinstance(value, uuid.UUID):
        value = str(value)
    if isinstance(value, (int, str)) and not isinstance(value, bool) and str(value) in names:
        return ["name", names[str(value)]]
    if isinstance(value, decimal.Decimal):
        return ["decimal", str(value)]
    if isinstance(value, (datetime.datetime, datetime.date)):
        return ["value", str(value)]
    return ["value", value]
print("FLOOR" + json.dumps([[sql, [plain(v) for v in values]] for sql, values in statements]))
"""


@dataclass(frozen=True)
class Statement:
    """One statement, and its values: each a constant, or the name of one that differs from order to order."""

    sql: str
    values: list[tuple[bool, Any]]

    @property
    def locks(self) -> bool:
        return self.sql.endswith("FOR UPDATE")


def capture(shop: Shop) -> list[Statement]:
    """The statements of one order of five lines, BEGIN and COMMIT apart."""
    done = shop.site.manage("shell", "-v", "0", "-c", CAPTURE)
    line = next((one for one in done.stdout.splitlines() if one.startswith("FLOOR")), None)
    if line is None:
        raise RuntimeError(done.stdout + done.stderr)
    exact = Decimal if shop.site.engine == "mysql" else str  # as Django hands them to each driver
    return [
        Statement(
            sql,
            [
                (kind == "name", exact(value) if kind == "decimal" else value)
                for kind, value in values
            ],
        )
        for sql, values in json.loads(line[5:])
    ]


def stock_first(statements: Sequence[Statement]) -> list[Statement]:
    """The same work in the order that comes to mind first: lock the stock, then write the order."""
    late = {"catalog_stocklevel"}
    first = [
        s
        for s in statements
        if s.locks or (s.sql.startswith("UPDATE") and any(t in s.sql for t in late))
    ]
    return [*first, *(s for s in statements if s not in first)]


class Driver:
    """A connection of the bare driver, set up as the product sets up its own."""

    def __init__(self, database_url: str) -> None:
        parts = urlsplit(database_url)
        self.is_mysql = parts.scheme == "mysql"
        if self.is_mysql:
            import MySQLdb  # type: ignore[import-untyped]  # noqa: PLC0415 -- compiled, and not there where only SQLite is measured

            self.connection: Any = MySQLdb.connect(
                host=parts.hostname, port=parts.port or 3306, user=unquote(parts.username or ""),
                passwd=unquote(parts.password or ""), db=unquote(parts.path.lstrip("/")), charset="utf8mb4",
                autocommit=True,
            )  # fmt: skip
            self.connection.query("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
            self.errors: tuple[type[Exception], ...] = (MySQLdb.OperationalError,)
        else:
            path = unquote(parts.path[1:])
            self.connection = sqlite3.connect(path, timeout=30, isolation_level=None)
            for pragma in ("journal_mode=WAL", "synchronous=FULL", "cache_size=-32768"):
                self.connection.execute(f"PRAGMA {pragma}")
            self.errors = (sqlite3.OperationalError,)

    def begin(self) -> None:
        if self.is_mysql:
            self.connection.query("BEGIN")
        else:
            self.connection.execute("BEGIN IMMEDIATE")

    def commit(self) -> None:
        if self.is_mysql:
            self.connection.commit()
        else:
            self.connection.execute("COMMIT")

    def rollback(self) -> None:
        if self.is_mysql:
            self.connection.rollback()
        elif self.connection.in_transaction:
            self.connection.execute("ROLLBACK")


class Replay:
    """Places orders by the captured statements."""

    def __init__(
        self,
        database_url: str,
        statements: Sequence[Statement],
        actor: int,
        levels: dict[int, int],
        hot: int | None,
    ) -> None:
        self.driver = Driver(database_url)
        mark = "%s" if self.driver.is_mysql else "?"
        self.statements = [(s.sql.replace("%s", mark), s.values, s.locks) for s in statements]
        self.actor = actor
        self.levels = levels
        self.products = list(levels)
        self.hot = hot
        self.made = 0

    def order(self) -> None:
        chosen = random.sample(self.products, LINES)
        if self.hot is not None and self.hot not in chosen:
            chosen[0] = self.hot
        chosen.sort(key=self.levels.__getitem__)
        names: dict[str, Any] = {"key": uuid.uuid4().hex}
        names["key_hash"] = hashlib.sha256(
            f"{self.actor}|order.place|{names['key']}".encode()
        ).hexdigest()
        for n, product in enumerate(chosen):
            names[f"product{n}"], names[f"level{n}"] = product, self.levels[product]
        for n in range(2):
            uid = uuid.uuid4()
            names[f"uid{n}"], names[f"hex{n}"] = str(uid), uid.hex
        cursor = self.driver.connection.cursor()
        self.driver.begin()
        try:
            for sql, values, _ in self.statements:
                cursor.execute(sql, [names[value] if named else value for named, value in values])
                if sql.startswith("SELECT"):
                    rows = cursor.fetchall()
                    if "event_seq" in sql and "key_hash" not in sql:
                        for n, row in enumerate(rows):
                            names[f"reserved{n}"] = row[2] + 11 + n
                elif "orders_order" in sql and "order" not in names:
                    order = names["order"] = cursor.lastrowid
                    names["number"] = f"PED-{order:06d}"
                    names |= {f"item{n}": order * 256 + n for n in range(LINES)}
            self.driver.commit()
        except BaseException:
            self.driver.rollback()
            raise
        finally:
            cursor.close()

    def run(self, seconds: float) -> tuple[list[float], float, int]:
        """Latencies, processor seconds of this process, and orders begun again because of a deadlock."""
        latencies: list[float] = []
        again = 0
        used = time.process_time()
        end = time.perf_counter() + seconds
        while (began := time.perf_counter()) < end:
            while True:
                try:
                    self.order()
                    break
                except self.driver.errors as error:
                    if error.args[0] not in AGAIN:
                        raise
                    again += 1
            latencies.append(time.perf_counter() - began)
        return latencies, time.process_time() - used, again


def _work(pipe: Any, *arguments: Any) -> None:
    replay = Replay(*arguments)
    pipe.send("ready")
    while (seconds := pipe.recv()) is not None:
        pipe.send(replay.run(seconds))


@dataclass
class Measured:
    """What came of one round."""

    result: Result
    client_time: float  # processor seconds of the looping processes
    database_time: float
    again: int


class Floor:
    """Processes that do nothing but run the statements of orders."""

    def __init__(
        self,
        shop: Shop,
        database_url: str,
        statements: Sequence[Statement],
        processes: int,
        *,
        hot: int | None = None,
    ) -> None:
        self.shop = shop
        context = get_context("spawn")
        self.pipes: list[Any] = []
        self.processes = []
        for _ in range(processes):
            ours, theirs = context.Pipe()
            process = context.Process(
                target=_work,
                args=(theirs, database_url, statements, shop.actor, shop.levels, hot),
                daemon=True,
            )
            process.start()
            self.pipes.append(ours)
            self.processes.append(process)
        for pipe in self.pipes:
            pipe.recv()

    def run(self, seconds: float) -> Measured:
        before = _time_of(self.shop.database)
        began = time.perf_counter()
        for pipe in self.pipes:
            pipe.send(seconds)
        results = [pipe.recv() for pipe in self.pipes]
        result = Result(time.perf_counter() - began)
        result.latencies = [each for latencies, _, _ in results for each in latencies]
        result.statuses[201] = len(result.latencies)
        return Measured(
            result,
            sum(used for _, used, _ in results),
            _time_of(self.shop.database) - before,
            sum(again for _, _, again in results),
        )

    def close(self) -> None:
        for pipe, process in zip(self.pipes, self.processes, strict=True):
            pipe.send(None)
            process.join()


def _time_of(process: psutil.Process | None) -> float:
    if process is None:
        return 0.0
    times = process.cpu_times()
    return float(times.user + times.system)
