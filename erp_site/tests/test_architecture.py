"""The house rules a machine can check: same file names, one direction of imports, no back doors, no lost history."""

import ast
import io
import tomllib
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Final

import pytest
from django.apps import apps
from django.conf import settings
from django.core.management import call_command
from django.db import models
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
FACTS: Final = {"Event", "StockMovement", "OrderHistory", "OrderItem", "OrderNote", "Order"}


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


def test_nobody_but_its_one_writer_creates_a_fact() -> None:
    """Event rows are written by `events.record`, movements by the stock services."""
    writers = {"Event": {"erp_site/core/events.py"}, "StockMovement": {"catalog/services/stock.py"}}
    for model, allowed in writers.items():
        made = {
            str(file.relative_to(ROOT))
            for file in sources()
            for call in calls(file)
            if call in {model, f"{model}.objects.create", f"{model}.objects.bulk_create"}
        }
        assert made - allowed == set(), model


def calls(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func)


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


def test_nothing_says_print_or_todo() -> None:
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
