"""Lists read by their indexes: the plan of every query of every list, filter and sort, on data that planners believe in."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import pytest
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from erp_site.demo import load

ORDERS: Final = 5000


@pytest.fixture(scope="module")
def filled(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """A database with 5,000 orders and what belongs to them, for this module; statistics as a server gathers them."""
    with django_db_blocker.unblock():
        load.fill(ORDERS, products=1000, seed=1)
        load.analyse()
        yield
        call_command("flush", interactive=False, verbosity=0)


@pytest.fixture
def admin_client(filled: None, db: None) -> Client:
    client = Client()
    client.force_login(
        User.objects.get(email="admin@example.com"), backend="accounts.backends.RoleBackend"
    )
    return client


@dataclass(frozen=True)
class Step:
    """How one table is read."""

    table: str
    index: str | None
    covering: bool
    whole: bool
    """Every row of the table, by no index."""


@dataclass(frozen=True)
class Plan:
    sql: str
    steps: list[Step]
    sorts: bool
    """Rows are sorted after they were read."""


def explain(sql: str) -> Plan:
    """What the database would do, in words that all three have in common."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("EXPLAIN QUERY PLAN " + sql)
            lines = [row[3] for row in cursor.fetchall()]
            steps = [
                Step(
                    table=line.split()[1],
                    index=line.split("INDEX ")[1].split()[0] if "INDEX " in line
                    else "PRIMARY" if "PRIMARY KEY" in line else None,
                    covering="COVERING INDEX" in line,
                    whole=line.startswith("SCAN") and "INDEX" not in line,
                )
                for line in lines
                if line.startswith(("SCAN", "SEARCH"))
            ]  # fmt: skip
            return Plan(sql, steps, any("TEMP B-TREE" in line for line in lines))
        cursor.execute("EXPLAIN " + sql)
        names = [column[0] for column in cursor.description]
        rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    steps = [
        Step(
            table=row["table"],
            index=row["key"],
            covering="Using index" in (row["Extra"] or "").replace("Using index condition", ""),
            whole=row["type"] == "ALL",
        )
        for row in rows
        if row["table"] and not row["table"].startswith("<")
    ]
    return Plan(sql, steps, any("filesort" in (row["Extra"] or "") for row in rows))


def list_queries(client: Client, url: str, table: str) -> list[Plan]:
    """The plans of what `url` asks of the list's table, except for rows by id."""
    with CaptureQueriesContext(
        connection,
    ) as queries:
        response = client.get(url)
    assert response.status_code == 200, response.content
    mine = [
        it["sql"]
        for it in queries
        if f"FROM `{table}`".replace("`", connection.ops.quote_name("x")[0]) in it["sql"]
    ]
    return [explain(sql) for sql in mine if " IN (" not in sql.split("WHERE")[-1] or "LIMIT" in sql]


def test_show(admin_client: Client) -> None:
    urls = {
        "orders_order": [
            "",
            "sort=created_at",
            "sort=-updated_at",
            "page=20",
            "status=pending",
            "status=delivered",
            "status=pending&sort=created_at",
            "status=delivered&sort=-updated_at",
            "status=pending&status=confirmed",
            "status=pending&status=confirmed&sort=updated_at",
            "customer_id=1",
            "customer_id=77",
            "customer_id=77&sort=-updated_at",
            "created_from=2026-03-01&created_to=2026-03-31",
            "created_from=2026-03-01",
            "created_to=2026-03-01",
            "created_from=2026-03-01&created_to=2026-03-01&sort=updated_at",
            "due_from=2026-03-01&due_to=2026-03-31",
            "due_from=2026-03-01",
            "due_to=2026-03-01",
            "late=true",
            "late=true&sort=updated_at",
            "late=false",
            "updated_since=2026-03-01",
            "updated_since=2026-11-20",
            "updated_since=2026-03-01&sort=updated_at",
            "status=delivered&created_from=2026-03-01&created_to=2026-03-31",
            "status=cancelled&customer_id=1",
            "customer_id=1&created_from=2026-03-01&created_to=2026-03-31",
            "late=true&customer_id=1",
            "status=shipped&due_from=2026-03-01&due_to=2026-03-31",
            "search=silva",
            "search=PED-000123",
            "search=silva&status=delivered",
            "search=p",
        ],
        "customers_customer": [
            "",
            "sort=-name",
            "sort=-created_at",
            "sort=updated_at",
            "is_active=true",
            "is_active=false",
            "created_from=2026-03-01",
            "email=compras1",
            "name=silva",
            "search=silva",
            "cpf_cnpj=9",
            "is_active=true&sort=updated_at",
        ],
        "catalog_product": [
            "",
            "sort=sku",
            "sort=-price",
            "sort=created_at",
            "sort=-updated_at",
            "is_active=true",
            "is_active=false",
            "low_stock=true",
            "low_stock=false",
            "price_min=50&price_max=60",
            "price_min=50&price_max=60&sort=price",
            "sku=ARR",
            "name=arroz",
            "search=arroz",
        ],
    }
    paths = {
        "orders_order": "/api/v1/orders",
        "customers_customer": "/api/v1/customers",
        "catalog_product": "/api/v1/products",
    }
    for table, queries in urls.items():
        for query in queries:
            print(f"{paths[table]}?{query}")
            for plan in list_queries(admin_client, f"{paths[table]}?{query}", table):
                kind = "count" if "COUNT(" in plan.sql else "ids"
                print(
                    "   ",
                    kind,
                    "SORTS" if plan.sorts else "",
                    [
                        (s.table, s.index, "cov" if s.covering else "", "WHOLE" if s.whole else "")
                        for s in plan.steps
                    ],
                )
