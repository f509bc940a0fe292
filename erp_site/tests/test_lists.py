"""Lists read by their indexes: the plan of every query, on 5,000 orders, so that planners have something to choose."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.models import Count
from django.db.models.fields.related_lookups import RelatedIn
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from catalog.models import PriceList
from customers.models import Customer
from e2e.load.lists import Facts, every_case
from erp_site.core import clock, search
from erp_site.core.events import Aggregate, EventType, types_of
from erp_site.core.models import Event
from erp_site.core.outbox import BATCH, unpublished
from erp_site.demo import LOGINS, load
from orders import filters
from orders.models import Order, OrderItem
from orders.queries import SHOWN_BESIDE, creation_of_those_due, reserving
from orders.states import HOLDS_STOCK

ORDERS: Final = 5000


@pytest.fixture(scope="module")
def filled(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """5,000 orders and what belongs to them, for this module; with the statistics that a server gathers in time."""
    with django_db_blocker.unblock():
        load.fill(ORDERS, products=1000, seed=1)
        wholesale = PriceList.objects.create(pk=1, name="Atacado")
        Customer.objects.filter(pk__lte=100).update(price_list=wholesale)
        load.analyse()
        yield
        call_command("flush", interactive=False, verbosity=0)


@pytest.fixture
def reader(filled: None, db: None) -> Client:
    client = Client()
    admin = User.objects.get(email=next(iter(LOGINS.values())))
    client.force_login(admin, backend="accounts.backends.RoleBackend")
    return client


@dataclass(frozen=True)
class Step:
    """How one table is read. No index: all of it, row by row."""

    table: str
    index: str | None
    is_covered: bool
    """All that is asked for stands in the index."""


@dataclass(frozen=True)
class Plan:
    sql: str
    steps: list[Step]
    sorts: bool
    """Rows are sorted after they were read."""

    @property
    def counts(self) -> bool:
        return self.sql.startswith("SELECT COUNT(")


def explain(sql: str) -> Plan:
    """What the database would do, in words that fit all three."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("EXPLAIN QUERY PLAN " + sql)
            return _plan_of_sqlite(sql, [row[3] for row in cursor.fetchall()])
        cursor.execute("EXPLAIN FORMAT=TRADITIONAL " + sql)
        names = [column[0] for column in cursor.description]
        rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    extras = [(row["Extra"] or "").replace("Using index condition", "") for row in rows]
    steps = [
        Step(row["table"], row["key"], "Using index" in extra)
        for row, extra in zip(rows, extras, strict=True)
        if row["table"] and not row["table"].startswith("<")
    ]
    return Plan(sql, steps, any("filesort" in extra for extra in extras))


def _plan_of_sqlite(sql: str, lines: list[str]) -> Plan:
    steps = []
    for line in lines:
        if not line.startswith(("SCAN", "SEARCH")):
            continue
        index = "PRIMARY" if "PRIMARY KEY" in line else None
        if "INDEX " in line:
            index = line.split("INDEX ")[1].split()[0]
        steps.append(Step(line.split()[1], index, "COVERING INDEX" in line))
    return Plan(sql, steps, any("TEMP B-TREE" in line for line in lines))


def plans(client: Client, url: str, table: str) -> list[Plan]:
    """How the pages of `table` that `url` asks for are counted and found.

    Rows by their ids are left out, and what is asked first: which ids a search means.
    """
    with CaptureQueriesContext(connection) as queries:
        response = client.get(url)
    assert response.status_code == 200, response.content
    quoted = connection.ops.quote_name(table)
    asked = [query["sql"] for query in queries if f"FROM {quoted} WHERE" in query["sql"]]
    return [explain(sql) for sql in asked if " LIMIT " in sql and " DISTINCT " not in sql]


@dataclass(frozen=True)
class Asked:
    """A question to a list, and the index (one of some: "a|b") that has the answer in its order.

    Where a filter leaves few rows, `few` names the indexes that find these; then they may be sorted.
    """

    url: str
    index: str
    few: tuple[str, ...] = ()
    is_covered: bool = True

    def __str__(self) -> str:
        return self.url


def _asked(path: str, *rows: tuple[Any, ...]) -> list[Asked]:
    return [Asked(f"{path}?{query}", *rest) for query, *rest in rows]


#: {first} and {last} are those of a month in the middle of the data.
MONTH: Final = "created_from={first}&created_to={last}"
DUE: Final = ("order_by_status_due",)
_ORDERS: Final[tuple[tuple[Any, ...], ...]] = (
    ("", "order_by_created"),
    ("sort=created_at", "order_by_created"),
    ("sort=-updated_at", "order_by_updated"),
    ("sort=updated_at", "order_by_updated"),
    ("page=20", "order_by_created"),
    ("status=pending", "order_by_status_created"),
    ("status=pending&sort=created_at", "order_by_status_created"),
    ("status=delivered", "order_by_status_created"),
    ("status=delivered&sort=-updated_at", "order_by_status_updated"),
    ("status=pending&status=confirmed", "order_by_status_created"),
    ("status=pending&status=delivered&sort=updated_at", "order_by_status_updated"),
    ("customer_id=1", "order_by_customer_created"),
    ("customer_id=77&sort=created_at", "order_by_customer_created"),
    ("customer_id=1&sort=-updated_at", "order_by_customer_updated"),
    (MONTH, "order_by_created"),
    ("created_from={first}", "order_by_created"),
    ("created_to={first}", "order_by_created"),
    (f"{MONTH}&sort=updated_at", "", ("order_by_created",)),
    ("due_from={first}&due_to={last}", "order_by_created", DUE),
    ("due_from={first}", "order_by_created", DUE),
    ("due_to={first}", "order_by_created", DUE),
    ("late=true", "order_by_created", DUE),
    ("late=false", "order_by_created"),
    ("updated_since={first}", "order_by_created", ("order_by_updated",)),
    ("updated_since={first}&sort=updated_at", "order_by_updated"),
    (f"status=delivered&{MONTH}", "order_by_created", ("order_by_status_created",)),
    (f"status=cancelled&{MONTH}", "order_by_created", ("order_by_status_created",)),
    (f"customer_id=1&{MONTH}", "order_by_customer_created"),
    ("status=cancelled&customer_id=1", "order_by_status_created", ("order_by_customer_created",)),
    ("late=true&customer_id=1", "order_by_customer_created", DUE),
    ("status=delivered&due_from={first}&due_to={last}", "order_by_status_created", DUE),
    ("search=silva", "order_by_created", ("order_by_customer_created",)),
    (
        "search=silva&status=delivered",
        "order_by_status_created|order_by_created",
        ("order_by_customer_created",),
    ),
    ("search=PED-000123", "PRIMARY", (), False),
    ("search=OC 1233/2", "PRIMARY", ("PRIMARY",), False),
    ("search=1233&status=delivered", "PRIMARY|order_by_status_created", ("PRIMARY",), False),
)
_PRODUCTS: Final[tuple[tuple[Any, ...], ...]] = (
    ("", "product_by_name"),
    ("sort=-name", "product_by_name"),
    ("sort=sku", "product_by_sku"),
    ("sort=-price", "product_by_price"),
    ("sort=created_at", "product_by_created"),
    ("sort=-updated_at", "product_by_updated"),
    ("is_active=true", "product_by_active"),
    ("is_active=false", "product_by_active"),
    ("low_stock=true", "product_by_name"),
    ("price_min=50&price_max=60", "product_by_name", ("product_by_price",), False),
    ("price_min=50&price_max=60&sort=price", "product_by_price"),
)
_CUSTOMERS: Final[tuple[tuple[Any, ...], ...]] = (
    ("", "customer_by_name"),
    ("sort=-name", "customer_by_name"),
    ("sort=-created_at", "customer_by_created"),
    ("sort=updated_at", "customer_by_updated"),
    ("is_active=true", "customer_by_active"),
    ("is_active=false", "customer_by_active"),
    ("price_list_id=1", "customer_by_price_list"),
    ("created_from={first}", "customer_by_name", ("customer_by_created",), False),
    ("email=compras11", "customer_by_name", ("customer_by_email",), False),
)
_ACTIVITY: Final[tuple[tuple[Any, ...], ...]] = (
    ("type=order.placed", "event_by_type"),
    ("type=order.deleted&sort=created_at", "event_by_type"),
    ("type=order.cancelled&type=stock.low", "event_by_type"),
    ("actor_id=2", "event_by_actor"),
    (MONTH, "event_by_time"),
    ("actor_id=2&type=order.cancelled", "event_by_actor", ("event_by_type",), False),
)
_FEED: Final[tuple[tuple[Any, ...], ...]] = (
    ("", "event_unpublished|position"),
    ("after=5000", "event_unpublished|position"),
    # Every fifth event is one of these: MySQL goes along the feed then, and is soon there.
    ("types=order.placed", "event_feed_of_type|position", (), False),
    (
        "types=order.placed,stock.low&after=5000",
        "event_feed_of_type|position",
        ("event_by_type",),
        False,
    ),
    ("types=order.deleted", "event_feed_of_type", ("event_by_type",)),
    ("types=order.deleted,product.deleted", "event_feed_of_type", ("event_by_type",)),
)
LISTS: Final = [
    *((asked, "orders_order") for asked in _asked("/api/v1/orders", *_ORDERS)),
    *((asked, "orders_order") for asked in _asked("/orders/", *_ORDERS)),
    *((asked, "catalog_product") for asked in _asked("/api/v1/products", *_PRODUCTS)),
    *((asked, "catalog_product") for asked in _asked("/products/", *_PRODUCTS)),
    *((asked, "customers_customer") for asked in _asked("/api/v1/customers", *_CUSTOMERS)),
    *((asked, "customers_customer") for asked in _asked("/customers/", *_CUSTOMERS)),
    *((asked, "core_event") for asked in _asked("/activity", *_ACTIVITY)),
    *((asked, "core_event") for asked in _asked("/api/v1/events", *_FEED)),
    *(
        (asked, "catalog_stockmovement")
        for asked in _asked(
            "/api/v1/products/1/movements",
            ("", "movement_of_level"),
            ("sort=created_at", "movement_of_level"),
        )
    ),
]


@pytest.mark.parametrize(
    ("asked", "table"), [pytest.param(*pair, id=str(pair[0])) for pair in LISTS]
)
def test_a_list_finds_its_rows_in_an_index_and_counts_in_one(
    reader: Client, asked: Asked, table: str
) -> None:
    first = clock.today() - timedelta(days=240)
    last = first + timedelta(days=30)
    found = plans(reader, asked.url.format(first=first, last=last), table)
    assert {plan.counts for plan in found} == {True, False}
    for plan in found:
        steps = {step.table: step for step in plan.steps}
        assert [step.table for step in plan.steps if step.index is None and "_" in step.table] == []
        if plan.counts:
            assert steps[table].is_covered or not asked.is_covered, plan
            continue
        allowed = asked.few if plan.sorts else (*asked.index.split("|"), *asked.few)
        assert steps[table].index in {*allowed, _of_sqlite(table, steps[table])}, plan
        assert steps[table].is_covered or not asked.is_covered, plan


def _of_sqlite(table: str, step: Step) -> str | None:
    """Its own name for a UNIQUE, where ours is that of the constraint."""
    return step.index if (step.index or "").startswith(f"sqlite_autoindex_{table}") else ""


@pytest.mark.parametrize("word", ["silva", "padaria silva", "s"])
def test_words_are_found_in_the_index_of_words(reader: Client, word: str) -> None:
    for path, table in (
        ("/api/v1/customers", "customers_customer"),
        ("/api/v1/products", "catalog_product"),
    ):
        for plan in plans(reader, f"{path}?search={word}", table):
            assert [step for step in plan.steps if step.index is None and "_" in step.table] == []


@pytest.mark.parametrize(
    ("text", "index"),
    [
        ("oc 1233", "order_by_reference"),
        ("1", "order_by_reference"),
        ("99900", "customer_cpf_cnpj_unique"),
        ("99.9", "customer_cpf_cnpj_unique"),
    ],
)
def test_references_and_tax_ids_are_found_in_their_indexes(
    reader: Client, text: str, index: str
) -> None:
    with CaptureQueriesContext(connection) as queries:
        assert reader.get(f"/api/v1/orders?search={text}").status_code == 200
    asked = [query["sql"] for query in queries if " DISTINCT " in query["sql"]]
    steps = [step for sql in asked for step in explain(sql).steps]
    assert all(step.index for step in steps), steps
    covered = {step.index for step in steps if step.is_covered}
    assert index in covered or "sqlite_autoindex_customers_customer_1" in covered, steps


@pytest.mark.parametrize("query", ["", "&page=2", "&sort=created_at"])
def test_orders_of_a_frequent_reference_are_the_same_along_the_list(
    reader: Client, monkeypatch: pytest.MonkeyPatch, query: str
) -> None:
    url = f"/api/v1/orders?search=oc 123&limit=5{query}"
    one_by_one = reader.get(url).json()
    assert one_by_one["count"] == 12
    monkeypatch.setattr("orders.queries.MOST_REFERENCES", 10)
    assert reader.get(url).json() == one_by_one
    found = {plan.counts: plan for plan in plans(reader, url, "orders_order")}
    assert not found[False].sorts
    assert " OR " not in found[True].sql


@pytest.mark.parametrize("query", ["", "&page=3", "&sort=created_at"])
def test_rows_of_a_frequent_word_are_looked_up_along_the_list(
    reader: Client, monkeypatch: pytest.MonkeyPatch, query: str
) -> None:
    """Not sorted out of all that have it; and they are those that are found by their customers one by one."""
    url = f"/api/v1/orders?search=silva{query}"
    monkeypatch.setattr(filters, "MOST_CUSTOMERS", 10**6)
    one_by_one = reader.get(url).json()
    monkeypatch.setattr(filters, "MOST_CUSTOMERS", 1)
    found = {plan.counts: plan for plan in plans(reader, url, "orders_order")}
    assert reader.get(url).json() == one_by_one
    assert not found[False].sorts
    assert [step.index for step in found[False].steps if step.table == "orders_order"] == [
        "order_by_created"
    ]
    # The count begins with the customers; those of a month are counted along the list too.
    assert " OR " not in found[True].sql
    first = clock.today() - timedelta(days=240)
    url += f"&created_from={first}&created_to={first + timedelta(days=30)}"
    found = {plan.counts: plan for plan in plans(reader, url, "orders_order")}
    for plan in found.values():
        assert [step.index for step in plan.steps if step.table == "orders_order"] == [
            "order_by_created"
        ]
    in_that_month = reader.get(url).json()
    monkeypatch.setattr(filters, "MOST_CUSTOMERS", 10**6)
    assert reader.get(url).json() == in_that_month


def test_rows_of_a_frequent_word_without_that_are_sorted_out_of_all(
    reader: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filters, "MOST_CUSTOMERS", 1)
    monkeypatch.setattr(search.RelatedAmong, "as_sql", RelatedIn.as_sql)
    found = plans(reader, "/api/v1/orders?search=silva", "orders_order")
    assert [plan.sorts for plan in found if not plan.counts] == [True]


def test_frequent_words_of_customers_find_the_same_along_the_list(
    reader: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    urls = ["/api/v1/customers?search=silva", "/api/v1/customers?search=silva&sort=-created_at"]
    one_by_one = [reader.get(url).json() for url in urls]
    monkeypatch.setattr(search, "_FEW", 2)
    assert [reader.get(url).json() for url in urls] == one_by_one
    for plan in plans(reader, urls[0], "customers_customer"):
        assert (" OR " in plan.sql) is ("ORDER BY" in plan.sql)


@pytest.mark.parametrize("sort", ["created_at", "-created_at", "-updated_at"])
@pytest.mark.parametrize(
    "span", ["due_to={first}", "due_from={last}", "due_from={first}&due_to={last}", "due_to=2001-01-01"]
)  # fmt: skip
def test_those_due_are_the_same_wherever_the_list_begins(
    reader: Client, monkeypatch: pytest.MonkeyPatch, span: str, sort: str
) -> None:
    first = clock.today() - timedelta(days=240)
    # Two that were due before they were placed: no rule keeps the dates apart.
    odd = Order.objects.order_by("-pk").values_list("pk", flat=True)[:2]
    Order.objects.filter(pk__in=list(odd)).update(due_date=first - timedelta(days=1))
    url = f"/api/v1/orders?{span}&sort={sort}".format(first=first, last=first + timedelta(days=30))
    found = reader.get(url).json()
    monkeypatch.setattr(filters.OrderFilter, "_begins_elsewhere", lambda *_: False)
    assert reader.get(url).json() == found
    assert found["count"] > 100 or "2001" in span


@pytest.mark.skipif(
    "connection.vendor == 'sqlite'", reason="SQLite knows no such leaps: no loose index scan"
)
def test_where_those_due_begin_is_found_by_leaps_over_the_due_dates(filled: None, db: None) -> None:
    with CaptureQueriesContext(connection) as queries:
        creation_of_those_due(None, clock.today())
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN FORMAT=TRADITIONAL {queries[0]['sql']}")
        assert "Using index for group-by" in str(cursor.fetchall())


def test_what_holds_a_product_is_found_by_indexes_alone(filled: None, db: None) -> None:
    """Not by a look at every order the product was ever on: that is hundreds of places in a large table."""
    lines = OrderItem.objects.values("product_id").annotate(n=Count("pk"))
    holding = lines.filter(order__status__in=HOLDS_STOCK, order__deleted_at=None)
    for row in (*lines.order_by("-n")[:3], *holding.order_by("-n")[:3], *holding.order_by("n")[:3]):
        product_id = row["product_id"]
        with CaptureQueriesContext(connection) as queries:
            found = reserving(product_id)
        all_lines = OrderItem.objects.filter(
            product_id=product_id, order__status__in=HOLDS_STOCK, order__deleted_at=None
        ).order_by("-order_id")
        assert found["items"] == list(all_lines[:SHOWN_BESIDE])
        assert found["more"] is (all_lines.count() > SHOWN_BESIDE)
        if not found["items"]:
            assert len(queries) == 1, "nothing is looked for where nothing is held"
            continue
        steps = explain(queries[1]["sql"]).steps
        # SQLite's index has not got the line's id, which is no row id there.
        assert all(
            step.index and (step.is_covered or connection.vendor == "sqlite") for step in steps
        ), steps


def test_every_question_that_lists_are_measured_with_is_answered(reader: Client) -> None:
    facts = Facts.read()
    asked = [case.ask(facts) for case in every_case()]
    refused = [url for url in asked if reader.get(url).status_code != 200]
    assert (refused, len(asked) > 200) == ([], True)


def test_unpublished_events_are_found_in_their_order(filled: None, db: None) -> None:
    """However many wait: a relay that comes back after a day must not sort them for each batch, nor go past others."""
    Event.objects.filter(position__gt=ORDERS).update(position=None)
    plan = explain(unpublished.of().sql)
    assert not plan.sorts
    (step,) = plan.steps
    assert step.is_covered
    assert step.index in {"event_unpublished", _of_sqlite("core_event", step)}, plan
    first = Event.objects.filter(position=None).order_by("pk").values_list("pk")
    assert list(unpublished()) == list(first[:BATCH])


def test_every_type_of_event_is_of_one_kind_of_record() -> None:
    """The page of one kind of record is merged from these types."""
    assert sorted(kind for it in Aggregate for kind in types_of(it)) == sorted(EventType)
