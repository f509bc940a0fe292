"""The house rules a machine can check: same file names, one direction of imports, no back doors, no lost history."""

import ast
import io
import tomllib
from collections.abc import Iterator, Sequence
from importlib import metadata
from pathlib import Path
from typing import Final

import pytest
from django.apps import apps
from django.conf import settings
from django.core.management import call_command
from django.db import models
from django.db.migrations import AddField, CreateModel, Migration, SeparateDatabaseAndState
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations.base import Operation
from django.urls import URLPattern, URLResolver, get_resolver
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT: Final = Path(settings.BASE_DIR)
APPS: Final = ("accounts", "catalog", "customers", "orders")
#: Every app uses the same file names, so that a stranger knows where to look.
COMMON: Final = {
    "__init__", "apps", "models", "services", "queries", "signals", "receivers", "forms", "filters",
    "views", "urls", "schemas", "api",
}  # fmt: skip
#: What one app alone needs, and why.
OWN: Final = {
    "accounts": {
        "roles",  # the policy
        "menu",
        "auth",  # the ways into the API
        "headless", "adapter", "backends", "tokens", "hashers",  # seams to allauth and Django
    },
    "orders": {"states"},  # the life of an order
}  # fmt: skip
#: Facts: rows that are added and never changed or lost with something else.
FACTS: Final = {
    "Event",
    "StockMovement",
    "OrderHistory",
    "OrderItem",
    "OrderAmendment",
    "OrderNote",
    "Order",
}

#: Columns of migrations that the versions before them cannot write beside: those stop first. No new one comes here.
OLD_CODE_STOPS: Final = {
    "accounts.0002_sorted_name: user.sorted_name",
    "catalog.0003_sorted_name: product.sorted_name",
    "customers.0003_sorted_name: customer.sorted_name",
    "orders.0005_reference_code: order.reference_code",
}


def modules(app: str) -> set[str]:
    """Modules and packages of the app's folder, tests and migrations apart."""
    found = {it.stem for it in (ROOT / app).glob("*.py")}
    found |= {it.parent.name for it in (ROOT / app).glob("*/__init__.py")}
    return found - {"tests", "migrations", "management", "templatetags"}


def sources() -> Iterator[Path]:
    for package in (*APPS, "erp_site"):
        for file in (ROOT / package).rglob("*.py"):
            if not {"tests", "migrations"} & set(file.parts):
                yield file


def our_models() -> list[type[models.Model]]:
    return [it for label in (*APPS, "core") for it in apps.get_app_config(label).get_models()]


@pytest.mark.parametrize("app", APPS)
def test_every_app_uses_the_same_file_names(app: str) -> None:
    assert modules(app) - COMMON - OWN.get(app, set()) == set()
    assert {"apps", "models", "services", "queries", "schemas", "api", "filters"} - modules(
        app
    ) == set()


def test_there_is_no_admin_beside_the_services() -> None:
    assert [it for it in settings.INSTALLED_APPS if "admin" in it] == []
    assert [file for file in sources() if "django.contrib.admin" in file.read_text()] == []
    assert [it for it in addresses() if "admin" in it] == []


def addresses() -> list[str]:
    def walk(patterns: list[URLPattern | URLResolver], prefix: str) -> Iterator[str]:
        for pattern in patterns:
            path = prefix + str(pattern.pattern)
            if isinstance(pattern, URLResolver):
                yield from walk(pattern.url_patterns, path)
            else:
                yield path

    return list(walk(get_resolver().url_patterns, ""))


@pytest.mark.django_db
def test_migrations_are_complete(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("makemigrations", check=True, dry_run=True, verbosity=1)
    assert capsys.readouterr().out == "No changes detected\n"


def refusing_columns(migration: Migration) -> set[str]:
    """Columns that this migration adds to a table that was there, and that an INSERT must name: older code does not."""
    made = {it.name_lower for it in migration.operations if isinstance(it, CreateModel)}
    return {
        f"{migration.app_label}.{migration.name}: {it.model_name}.{it.name}"
        for it in flat(migration.operations)
        if isinstance(it, AddField)
        and it.model_name_lower not in made
        and not it.field.many_to_many
        and not it.field.null
        and not it.field.has_db_default()
        and not it.field.generated
    }


def flat(operations: Sequence[Operation]) -> Iterator[Operation]:
    for operation in operations:
        if isinstance(operation, SeparateDatabaseAndState):
            yield from flat(operation.database_operations)
        else:
            yield operation


def test_a_new_column_lets_older_code_go_on_writing() -> None:
    """Else every INSERT of a machine that is not upgraded yet fails (MySQL's 1364): give the column a `db_default`."""
    migrations = MigrationLoader(None).disk_migrations
    ours = (it for (app, _), it in migrations.items() if app in (*APPS, "core"))
    assert set().union(*map(refusing_columns, ours)) == OLD_CODE_STOPS


def test_a_column_without_a_default_in_the_database_is_named() -> None:
    class Made(Migration):
        operations = (
            CreateModel("Fresh", [("id", models.AutoField(primary_key=True))]),
            AddField("Fresh", "of_a_new_table", models.IntegerField()),
            AddField("Order", "free", models.IntegerField(null=True)),
            AddField("Order", "given", models.IntegerField(db_default=0)),
            AddField("Order", "tags", models.ManyToManyField("orders.Order")),
            AddField("Order", "bare", models.IntegerField(default=0), preserve_default=False),
            SeparateDatabaseAndState([AddField("Order", "hidden", models.CharField(default=""))]),
        )

    named = refusing_columns(Made("0006_next", "orders"))
    assert named == {"orders.0006_next: Order.bare", "orders.0006_next: Order.hidden"}


@pytest.mark.parametrize("model", our_models(), ids=lambda it: it.__name__)
def test_no_fact_is_lost_with_what_it_is_about(model: type[models.Model]) -> None:
    if model.__name__ in FACTS:
        cascading = [
            field.name
            for field in model._meta.concrete_fields
            if field.remote_field and field.remote_field.on_delete is models.CASCADE
        ]
        assert cascading == []


def test_every_fact_is_a_model() -> None:
    assert FACTS - {it.__name__ for it in our_models()} == set()


@pytest.mark.parametrize("model", our_models(), ids=lambda it: it.__name__)
def test_money_and_moments_are_exact(model: type[models.Model]) -> None:
    """Money is Decimal, never float; time is a moment with a zone, never a text."""
    kinds = {type(field).__name__ for field in model._meta.concrete_fields}
    assert kinds & {"FloatField"} == set()


#: Who writes each kind of fact, and each figure that the ledger explains.
WRITERS: Final = {
    # The relay gives its position.
    "Event": {"erp_site/core/events.py", "erp_site/core/outbox/publishing.py"},
    "StockMovement": {"catalog/services/stock.py"},
    "StockLevel": {"catalog/services/stock.py", "catalog/services/products.py"},
    "Order": {"orders/services/placing.py"},
    "OrderItem": {"orders/services/placing.py", "orders/services/amending.py"},
    "OrderHistory": {"orders/receivers.py"},
    "OrderAmendment": {"orders/receivers.py"},
    "OrderNote": {"orders/services/notes.py"},
}


@pytest.mark.parametrize("model", WRITERS)
def test_nobody_but_its_one_writer_creates_a_fact(model: str) -> None:
    """By the ORM or past it (`Insert`, `Assign`). Demo data may write past them all to be quick."""
    ways = {
        f"{model}(", f"{model}.objects.create(", f"{model}.objects.bulk_create(", f"{model}.objects.get_or_create(",
        f"Insert({model},", f"Assign({model})",
    }  # fmt: skip
    made = {
        str(file.relative_to(ROOT))
        for file in sources()
        if "demo" not in file.parts
        for call in calls(file)
        if any(call.startswith(way) for way in ways)
    }
    assert made == WRITERS[model]


def calls(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            yield ast.unparse(node)


def test_every_dependency_is_locked_with_its_extras() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = {Requirement(each) for each in project["dependencies"]}
    for asked in list(wanted):
        wanted |= {
            needed
            for line in metadata.requires(asked.name) or ()
            for extra in asked.extras
            if (needed := Requirement(line)).marker
            and needed.marker.evaluate({"extra": extra})
            and not needed.marker.evaluate({"extra": ""})
        }
    lock = (ROOT / "requirements" / "base.txt").read_text(encoding="utf-8")
    locked = {
        canonicalize_name(line.partition("==")[0])
        for line in lock.splitlines()
        if line[:1].isalnum()
    }
    assert {canonicalize_name(each.name) for each in wanted} - locked == set()


def test_nothing_is_left_to_be_done() -> None:
    marks = ("TO" + "DO", "FIX" + "ME", "XX" + "X")
    assert [
        str(file.relative_to(ROOT))
        for file in sources()
        if any(mark in file.read_text(encoding="utf-8") for mark in marks)
    ] == []


@pytest.mark.django_db
def test_the_system_check_has_nothing_to_say() -> None:
    out = io.StringIO()
    call_command("check", databases=["default"], stdout=out, stderr=out)
    assert out.getvalue().startswith("System check identified no issues")
