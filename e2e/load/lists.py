"""Do lists feel a million orders? Every list, filter and sort on a small and a large database, turn by turn.

    python -m e2e.load.lists small=mysql://root@127.0.0.1/lists_10k large=mysql://root@127.0.0.1/lists_1m

Both databases are filled by `manage.py seed_load`. Each has one process of the product, which answers through Django's
test client: all of the product but the HTTP server, whose noise would be larger than most differences. Turn by turn
each process answers the same question about its own data, so whatever else the machine does hits both alike.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

if TYPE_CHECKING:
    from django.db.models import Model
    from django.test import Client

SAMPLES: Final = 20  # different questions of one kind
GOAL: Final = 1.2
GOALS: Final = {"search": 2.0, "dashboard": 1.5}
CPU_GOAL: Final = 12  # ms

type Ask = Callable[["Facts"], str]


@dataclass
class Facts:
    """What one database has to ask for: rows drawn at random from all of it."""

    random: Random = field(default_factory=lambda: Random(7))
    orders: list[Any] = field(default_factory=list)
    customers: list[Any] = field(default_factory=list)
    products: list[Any] = field(default_factory=list)
    users: list[Any] = field(default_factory=list)
    events: list[Any] = field(default_factory=list)
    biggest: list[int] = field(default_factory=list)
    """The customers with the most orders."""

    @classmethod
    def read(cls) -> "Facts":
        from accounts.models import User  # noqa: PLC0415 -- after django.setup()
        from catalog.models import Product  # noqa: PLC0415
        from customers.models import Customer  # noqa: PLC0415
        from erp_site.core.models import Event  # noqa: PLC0415
        from orders.models import Order  # noqa: PLC0415

        facts = cls()

        def some(model: type["Model"]) -> list[Any]:
            last = model._base_manager.latest("pk").pk
            wanted = [facts.random.randint(1, last) for _ in range(SAMPLES * 3)]
            found = list(model._default_manager.filter(pk__in=wanted))
            facts.random.shuffle(found)
            return found[:SAMPLES]

        facts.orders, facts.customers, facts.products = some(Order), some(Customer), some(Product)
        facts.events, facts.users = some(Event), list(User.objects.all())
        facts.biggest = list(range(1, SAMPLES + 1))
        return facts

    def order(self) -> Any:
        return self.random.choice(self.orders)

    def customer(self) -> Any:
        return self.random.choice(self.customers)

    def product(self) -> Any:
        return self.random.choice(self.products)

    def day(self) -> str:
        """A day on which orders were placed."""
        return f"{self.order().created_at:%Y-%m-%d}"

    def today(self) -> str:
        from erp_site.core import clock  # noqa: PLC0415

        return f"{clock.today():%Y-%m-%d}"


@dataclass(frozen=True)
class Case:
    """One kind of question: where it belongs, what it is, and how it is asked."""

    group: str
    name: str
    ask: Ask
    goal: float = GOAL


def every_case() -> Iterator[Case]:
    yield from _orders("api: orders", "/api/v1/orders")
    yield from _orders("page: orders", "/orders/")
    yield from _cursors()
    yield from _products("api: products", "/api/v1/products")
    yield from _products("page: products", "/products/")
    yield from _customers("api: customers", "/api/v1/customers")
    yield from _customers("page: customers", "/customers/")
    yield from _of_one()
    yield from _users("api: users", "/api/v1/auth/users")
    yield from _users("page: users", "/users/")
    yield _case("page: users", "/users/", "by time", sort="-created_at")
    yield from _events()
    yield from _activity()
    yield _case("page: dashboard", "/", "dashboard", GOALS["dashboard"])


def _case(group: str, path: str, label: str, goal: float = GOAL, /, **query: Any) -> Case:
    """`query`: plain values, or functions of the facts."""

    def ask(facts: Facts) -> str:
        asked = {key: value(facts) if callable(value) else value for key, value in query.items()}
        return f"{path}?{urlencode(asked, doseq=True)}" if asked else path

    return Case(group, label, ask, goal)


def _orders(group: str, path: str) -> Iterator[Case]:
    def month(facts: Facts) -> dict[str, str]:
        order = facts.order()
        first, last = order.created_at, order.created_at + timedelta(days=30)
        return {"from": f"{first:%Y-%m-%d}", "to": f"{last:%Y-%m-%d}"}

    def ask(label: str, goal: float = GOAL, /, **query: Any) -> Case:
        def url(facts: Facts) -> str:
            span = month(facts)
            asked: dict[str, Any] = {}
            for key, value in query.items():
                given = value(facts) if callable(value) else value
                asked[key] = span.get(given, given) if isinstance(given, str) else given
            return f"{path}?{urlencode(asked, doseq=True)}" if asked else path

        return Case(group, label, url, goal)

    search = GOALS["search"]
    yield ask("all")
    for sort in ("created_at", "-updated_at", "updated_at"):
        yield ask(f"sort={sort}", sort=sort)
    yield ask("page 20", page=20)
    for status in ("pending", "confirmed", "shipped", "delivered", "cancelled"):
        yield ask(f"status={status}", status=status)
    yield ask("status=pending, oldest first", status="pending", sort="created_at")
    yield ask("status=pending, latest change", status="pending", sort="-updated_at")
    yield ask("status=delivered, latest change", status="delivered", sort="-updated_at")
    yield ask("status of two", status=["pending", "confirmed"])
    yield ask("status of two, oldest first", status=["pending", "confirmed"], sort="created_at")
    yield ask("status of five", status=["pending", "confirmed", "picked", "shipped", "delivered"])
    yield ask("customer", customer_id=lambda it: it.customer().pk)
    yield ask(
        "customer, latest change", customer_id=lambda it: it.customer().pk, sort="-updated_at"
    )
    yield ask("customer with most orders", customer_id=lambda it: it.random.choice(it.biggest[:5]))
    yield ask("created in a month", created_from="from", created_to="to")
    yield ask("created on a day", created_from="from", created_to="from")
    yield ask("created from", created_from="from")
    yield ask("created to", created_to="to")
    yield ask(
        "created in a month, latest change",
        created_from="from",
        created_to="to",
        sort="-updated_at",
    )
    yield ask("due in a month", due_from="from", due_to="to")
    yield ask("due on a day", due_from="from", due_to="from")
    yield ask("due from", due_from="from")
    yield ask("due to", due_to="to")
    yield ask("late", late="true")
    yield ask("late, oldest first", late="true", sort="created_at")
    yield ask("not late", late="false")
    yield ask("updated since", updated_since="from")
    yield ask("updated since, by change", updated_since="from", sort="updated_at")
    yield ask("updated today", updated_since=Facts.today)
    yield ask("status and month", status="delivered", created_from="from", created_to="to")
    yield ask("cancelled and month", status="cancelled", created_from="from", created_to="to")
    yield ask("pending and month", status="pending", created_from="from", created_to="to")
    yield ask("status and customer", status="delivered", customer_id=lambda it: it.customer().pk)
    yield ask("cancelled and customer", status="cancelled", customer_id=lambda it: it.customer().pk)
    yield ask(
        "customer and month",
        customer_id=lambda it: it.customer().pk,
        created_from="from",
        created_to="to",
    )
    yield ask("late and customer", late="true", customer_id=lambda it: it.customer().pk)
    yield ask("late and status", late="true", status="shipped")
    yield ask("status and due in a month", status="shipped", due_from="from", due_to="to")
    yield ask("number", search=lambda it: it.order().number)
    yield ask("name: rare word", search, search=lambda it: _word(it, -1))
    yield ask("name: whole", search, search=lambda it: it.customer().name)
    yield ask("name: frequent word", search, search="silva")
    yield ask("name: two letters", search, search=lambda it: it.customer().name.split()[1][:2])
    yield ask("CPF/CNPJ", search, search=lambda it: it.customer().cpf_cnpj)
    yield ask("beginning of a CPF/CNPJ", search, search=lambda it: it.customer().cpf_cnpj[:6])
    yield ask("reference", search=lambda it: f"OC {1000 + it.order().pk // 3}")
    yield ask("name and status", search, search=lambda it: it.customer().name, status="delivered")
    yield ask("frequent word and status", search, search="silva", status="pending")
    yield ask(
        "frequent word and month",
        search,
        search="silva",
        created_from="from",
        created_to="to",
    )


def _word(facts: Facts, place: int) -> str:
    return str(facts.customer().name.split()[place])


def _cursors() -> Iterator[Case]:
    """From anywhere in the list on, as a program that walks all of it."""

    def at(path: str, pick: Callable[[Facts], Any], sort: str, **query: Any) -> Ask:
        column = {"name": "sorted_name"}.get(sort, sort)

        def ask(facts: Facts) -> str:
            from erp_site.core.pagination import cursor_after  # noqa: PLC0415

            row = pick(facts)
            asked = {
                "cursor": cursor_after(row, column),
                "sort": sort,
            }
            asked |= {key: value(row) if callable(value) else value for key, value in query.items()}
            return f"{path}?{urlencode(asked)}"

        return ask

    orders = "/api/v1/orders"
    for sort in ("-created_at", "created_at", "-updated_at", "updated_at"):
        yield Case("api: orders by cursor", sort, at(orders, Facts.order, sort))
        yield Case(
            "api: orders by cursor", f"status, {sort}",
            at(orders, Facts.order, sort, status=lambda row: row.status),
        )  # fmt: skip
        yield Case(
            "api: orders by cursor", f"customer, {sort}",
            at(orders, Facts.order, sort, customer_id=lambda row: row.customer_id),
        )  # fmt: skip
    for sort in ("name", "-created_at", "updated_at"):
        ask = at("/api/v1/customers", Facts.customer, sort)
        yield Case("api: customers by cursor", sort, ask)
    for sort in ("name", "sku", "-price", "-created_at", "updated_at"):
        yield Case("api: products by cursor", sort, at("/api/v1/products", Facts.product, sort))


def _products(group: str, path: str) -> Iterator[Case]:
    def ask(label: str, /, **query: Any) -> Case:
        return _case(group, path, label, **query)

    yield ask("all")
    for sort in ("-name", "sku", "-price", "-created_at", "-updated_at"):
        yield ask(f"sort={sort}", sort=sort)
    yield ask("page 4", page=4)
    yield ask("is_active=true", is_active="true")
    yield ask("is_active=false", is_active="false")
    yield ask("low_stock=true", low_stock="true")
    yield ask("low_stock=false", low_stock="false")
    yield ask("price range", price_min="50", price_max="60")
    yield ask("price range, by price", price_min="50", price_max="60", sort="price")
    yield ask("sku", sku=lambda it: it.product().sku[:6])
    yield ask("name", name=lambda it: it.product().name.split()[0])
    yield ask("search", search=lambda it: it.product().name.split()[0])
    yield ask("search two words", search=lambda it: " ".join(it.product().name.split()[:2]))
    yield ask("search and active", search=lambda it: it.product().name.split()[0], is_active="true")


def _customers(group: str, path: str) -> Iterator[Case]:
    def ask(label: str, goal: float = GOAL, /, **query: Any) -> Case:
        return _case(group, path, label, goal, **query)

    search = GOALS["search"]
    yield ask("all")
    for sort in ("-name", "-created_at", "-updated_at"):
        yield ask(f"sort={sort}", sort=sort)
    yield ask("page 4", page=4)
    yield ask("is_active=true", is_active="true")
    yield ask("is_active=false", is_active="false")
    yield ask("created from", created_from=lambda it: f"{it.customer().created_at:%Y-%m-%d}")
    yield ask("email", email=lambda it: it.customer().email[:9])
    yield ask("cpf_cnpj", cpf_cnpj=lambda it: it.customer().cpf_cnpj)
    yield ask("name", search, name=lambda it: _word(it, 1))
    yield ask("search: rare word", search, search=lambda it: _word(it, -1))
    yield ask("search: frequent word", search, search="silva")
    yield ask(
        "search: two words", search, search=lambda it: " ".join(it.customer().name.split()[:2])
    )
    yield ask("search: two letters", search, search=lambda it: _word(it, 0)[:2])
    yield ask("search and active", search, search="silva", is_active="true")


def _of_one() -> Iterator[Case]:
    yield Case("api: one order", "order", lambda it: f"/api/v1/orders/{it.order().pk}")
    yield Case("api: one order", "history", lambda it: f"/api/v1/orders/{it.order().pk}/history")
    yield Case("api: one order", "notes", lambda it: f"/api/v1/orders/{it.order().pk}/notes")
    yield Case(
        "api: one product", "movements", lambda it: f"/api/v1/products/{it.product().pk}/movements"
    )
    yield Case(
        "api: one product", "movements, oldest first",
        lambda it: f"/api/v1/products/{it.product().pk}/movements?sort=created_at",
    )  # fmt: skip
    yield Case(
        "api: one product",
        "movements, page 3",
        lambda it: f"/api/v1/products/{it.product().pk}/movements?page=3",
    )
    yield Case("page: one order", "order", lambda it: f"/orders/{it.order().pk}")
    yield Case("page: one product", "product", lambda it: f"/products/{it.product().pk}")
    yield Case("page: one product", "bestseller", lambda it: f"/products/{it.random.randint(1, 5)}")
    yield Case("page: one customer", "customer", lambda it: f"/customers/{it.customer().pk}")
    yield Case(
        "page: one customer",
        "with most orders",
        lambda it: f"/customers/{it.random.choice(it.biggest[:5])}",
    )
    yield Case("page: order entry", "form", lambda it: f"/orders/new?customer={it.customer().pk}")
    yield Case(
        "page: order entry",
        "products",
        lambda it: f"/orders/new/products?code={it.product().name.split()[0][:3]}",
    )
    yield Case(
        "page: order entry", "customers", lambda it: f"/orders/new/customers?customer_search={_word(it, 0)[:4]}",
        GOALS["search"],
    )  # fmt: skip
    yield Case(
        "page: palette", "a word", lambda it: f"/palette?q={_word(it, 1)[:4]}", GOALS["search"]
    )


def _users(group: str, path: str) -> Iterator[Case]:
    yield _case(group, path, "all")
    yield _case(group, path, "role", role="manager")
    yield _case(group, path, "is_active", is_active="true")
    yield _case(group, path, "search", search="pessoa1")


def _events() -> Iterator[Case]:
    group, path = "api: events", "/api/v1/events"
    yield _case(group, path, "first page")
    yield _case(group, path, "after", after=lambda it: it.random.choice(it.events).position)
    yield _case(group, path, "one type", types="order.placed")
    yield _case(
        group,
        path,
        "one type, after",
        types="order.placed",
        after=lambda it: it.random.choice(it.events).position,
    )
    yield _case(
        group,
        path,
        "rare type, after",
        types="stock.low",
        after=lambda it: it.random.choice(it.events).position,
    )
    yield _case(
        group, path, "three types, after", types="order.placed,order.cancelled,stock.low",
        after=lambda it: it.random.choice(it.events).position,
    )  # fmt: skip


def _activity() -> Iterator[Case]:
    group, path = "page: activity", "/activity"
    yield _case(group, path, "all")
    yield _case(group, path, "oldest first", sort="created_at")
    yield _case(group, path, "page 20", page=20)
    yield _case(group, path, "one type", type="order.placed")
    yield _case(group, path, "rare type", type="order.deleted")
    yield _case(group, path, "two types", type=["order.cancelled", "stock.low"])
    yield _case(group, path, "one record", aggregate="order", aggregate_id=lambda it: it.order().pk)
    yield _case(group, path, "kind of record", aggregate="customer")
    yield _case(group, path, "one person", actor_id=lambda it: it.random.choice(it.users[:5]).pk)
    yield _case(
        group, path, "one month", created_from=lambda it: it.day(), created_to=lambda it: it.day()
    )
    yield _case(group, path, "from a day", created_from=lambda it: it.day())
    yield _case(
        group, path, "person and type", actor_id=lambda it: it.users[0].pk, type="order.cancelled"
    )
    yield _case("page: notices", "/notices", "all")
    yield _case("page: notices", "/notices/bell", "bell")


# --- one process of the product


def serve() -> None:
    """Answer the parent's questions, a line each."""
    os.environ |= {
        "DJANGO_SETTINGS_MODULE": "erp_site.settings",
        "RATE_LIMIT": "off",
        "RELAY": "off",
    }
    import django  # noqa: PLC0415

    django.setup()
    from django.test import Client  # noqa: PLC0415

    from accounts.models import User  # noqa: PLC0415
    from accounts.roles import Role  # noqa: PLC0415
    from erp_site.demo import LOGINS  # noqa: PLC0415

    client = Client(SERVER_NAME="localhost")
    admin = User.objects.get(email=LOGINS[Role.ADMIN])
    client.force_login(admin, backend="accounts.backends.RoleBackend")
    facts, cases = Facts.read(), list(every_case())
    asked = [[case.ask(facts) for _ in range(SAMPLES)] for case in cases]
    print(json.dumps({"orders": _count(), "engine": _engine()}), flush=True)
    for line in sys.stdin:
        number, turn = json.loads(line)
        print(json.dumps(_answer(client, asked[number][turn % SAMPLES])), flush=True)


def _answer(client: "Client", url: str) -> dict[str, Any]:
    reads = _reads()
    before, cpu = time.perf_counter(), time.process_time()
    response = client.get(url)
    ms, cpu_ms = (time.perf_counter() - before) * 1e3, (time.process_time() - cpu) * 1e3
    reads = _reads() - reads
    if response.status_code != 200:
        raise SystemExit(f"{url}: {response.status_code} {response.content[:500]!r}")
    return {"ms": ms, "cpu": cpu_ms, "reads": reads, "url": url}


def _reads() -> int:
    """How many rows and index entries this connection has read so far: the work, whatever the machine does besides."""
    from django.db import connection  # noqa: PLC0415

    if connection.vendor == "sqlite":
        return 0
    with connection.cursor() as cursor:
        cursor.execute("SHOW SESSION STATUS LIKE 'Handler_read%'")
        return sum(int(value) for _, value in cursor.fetchall())


def _count() -> int:
    from orders.models import Order  # noqa: PLC0415

    return Order.all_objects.count()


def _engine() -> str:
    from django.db import connection  # noqa: PLC0415

    if connection.vendor == "sqlite":
        import sqlite3  # noqa: PLC0415

        return f"SQLite {sqlite3.sqlite_version}"
    with connection.cursor() as cursor:
        cursor.execute("SELECT VERSION(), @@innodb_buffer_pool_size DIV 1048576")
        return "{} with a buffer pool of {} MiB".format(*cursor.fetchone())


class Server:
    """A process of the product on one database."""

    def __init__(self, url: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "e2e.load.lists", "--serve"],
            env=os.environ | {"DATABASE_URL": url},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.about = self.read()

    def read(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit("The product has ended; see above.")
        return dict(json.loads(line))

    def ask(self, number: int, turn: int) -> dict[str, Any]:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps([number, turn]) + "\n")
        self.process.stdin.flush()
        return self.read()

    def stop(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


# --- the comparison


def percentile(values: list[float], share: float) -> float:
    """The smallest value that at least this share of all does not exceed."""
    ranked = sorted(values)
    return ranked[max(0, -int(-len(ranked) * share // 1) - 1)]


def measure(small: Server, large: Server, *, rounds: int, only: str) -> list[dict[str, Any]]:
    cases = [
        (n, case) for n, case in enumerate(every_case()) if only in f"{case.group}, {case.name}"
    ]
    found: dict[int, tuple[list[dict[str, Any]], list[dict[str, Any]]]] = {
        n: ([], []) for n, _ in cases
    }
    for turn in range(-1, rounds):  # the first one warms up
        for number, _case in cases:
            for side, server in zip(found[number], (small, large), strict=True):
                answer = server.ask(number, turn % SAMPLES)
                if turn >= 0:
                    side.append(answer)
    return [_compared(case, *found[number]) for number, case in cases]


def _compared(
    case: Case, small: list[dict[str, Any]], large: list[dict[str, Any]]
) -> dict[str, Any]:
    figures = {
        f"{side}_{name}": percentile([it["ms"] for it in answers], share)
        for side, answers in (("small", small), ("large", large))
        for name, share in (("p50", 0.5), ("p95", 0.95))
    }
    return {
        "group": case.group,
        "case": case.name,
        **{name: round(value, 2) for name, value in figures.items()},
        "ratio_p50": round(figures["large_p50"] / figures["small_p50"], 2),
        "ratio": round(figures["large_p95"] / figures["small_p95"], 2),
        "goal": case.goal,
        "cpu": round(percentile([it["cpu"] for it in large], 0.5), 2),
        "small_reads": percentile([it["reads"] for it in small], 0.95),
        "large_reads": percentile([it["reads"] for it in large], 0.95),
        "slowest": max(large, key=lambda it: it["ms"])["url"],
    }


def report(about: list[dict[str, Any]], rounds: int, results: list[dict[str, Any]]) -> str:
    """docs/lists.md."""
    small, large = about
    kept = sum(it["ratio"] <= it["goal"] for it in results)
    machine = f"{large['engine']}, Python {platform.python_version()}, {os.cpu_count()} cores"
    lines = [
        f"# Lists: {large['orders']:,} orders against {small['orders']:,}",
        "",
        "Written by `make bench-lists`. Counts are exact up to 10,000, which both databases count where both have as",
        "many: that, and not finding the rows, is most of what a question costs more at the larger one.",
        "",
        (
            f"{machine}. Each line: {rounds} requests of {SAMPLES} different questions to each database, turn by turn, "
            "through Django's test client. Milliseconds; CPU is the product's own at the large one, "
            "rows read are those of the 95th percentile at both. "
            f"{kept} of {len(results)} keep their goal."
        ),
        "",
        "| List | Question | small p50 | p95 | large p50 | p95 | p50 x | p95 x | Goal | CPU | rows read |",
        "|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for it in results:
        mark = "" if it["ratio"] <= it["goal"] else " **missed**"
        small_ms = f"{it['small_p50']:.1f} | {it['small_p95']:.1f}"
        large_ms = f"{it['large_p50']:.1f} | {it['large_p95']:.1f}"
        ratios = f"{it['ratio_p50']:.2f} | {it['ratio']:.2f}{mark} | {it['goal']}"
        lines.append(
            f"| {it['group']} | {it['case']} | {small_ms} | {large_ms} | {ratios} | {it['cpu']:.1f} "
            f"| {it['small_reads']:,} / {it['large_reads']:,} |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--small", help="DATABASE_URL of the small database")
    parser.add_argument("--large", help="DATABASE_URL of the large database")
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--only", default="", help="cases whose list and question contain this")
    parser.add_argument("--out", type=Path, help="the file for the report, which is printed too")
    options = parser.parse_args()
    if options.serve:
        serve()
        return
    servers = [Server(options.small), Server(options.large)]
    about = [server.about for server in servers]
    results = measure(*servers, rounds=options.rounds, only=options.only)
    for server in servers:
        server.stop()
    text = report(about, options.rounds, results)
    if options.out:
        options.out.write_text(text)
    print(text)


if __name__ == "__main__":
    main()
