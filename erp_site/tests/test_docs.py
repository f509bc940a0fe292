"""The generated documents: as committed, as served, and complete."""

import json
import re
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.utils import translation

from accounts.roles import ROLE_PERMISSIONS, Permission, Role
from erp_site.management.commands.write_docs import documents
from erp_site.testing import Api
from orders.states import TRANSITIONS, OrderStatus


@pytest.fixture(scope="module")
def made() -> dict[str, str]:
    return documents()


def rows(document: str, heading: str) -> list[list[str]]:
    """The cells of the table under this heading, without the marks of code."""
    section = document.split(f"## {heading}\n")[1].split("\n## ", maxsplit=1)[0]
    lines = [line for line in section.splitlines() if line.startswith("|")][2:]
    return [[cell.strip(" `") for cell in line.strip("|").split("|")] for line in lines]


def test_the_committed_documents_are_those_of_the_code() -> None:
    call_command("write_docs", check=True)


def test_the_document_is_the_one_that_is_served(made: dict[str, str], anonymous: Api) -> None:
    assert json.loads(made["openapi.json"]) == anonymous.get("/openapi.json").body


def test_documents_are_english_whatever_the_site_speaks(made: dict[str, str]) -> None:
    with translation.override("pt-br"):
        assert documents() == made


def test_the_diagram_has_every_step(made: dict[str, str]) -> None:
    edges = re.findall(r"^    (\w+) --> (\w+): (\w+)$", made["order-states.md"], re.MULTILINE)
    assert edges == [(was, to, it.verb) for (was, to), it in TRANSITIONS.items()]


def test_the_tables_have_every_state_and_every_transition(made: dict[str, str]) -> None:
    document = made["order-states.md"]
    assert [row[0] for row in rows(document, "States")] == list(OrderStatus)
    assert [(row[0], row[1]) for row in rows(document, "Transitions")] == list(TRANSITIONS)


def test_the_table_of_permissions_is_the_policy(made: dict[str, str]) -> None:
    assert rows(made["roles.md"], "Permissions") == [
        [permission, *("yes" if permission in ROLE_PERMISSIONS[role] else "-" for role in Role)]
        for permission in Permission
    ]


def test_the_table_of_operations_has_every_operation(made: dict[str, str]) -> None:
    paths = json.loads(made["openapi.json"])["paths"]
    table = {row[0]: row[1:] for row in rows(made["roles.md"], "API operations")}
    assert list(table) == [f"{method.upper()} {path}" for path in paths for method in paths[path]]
    assert table["POST /api/v1/orders"] == ["orders.place_order", "-", "yes", "yes", "yes", "yes"]
    assert table["POST /api/v1/auth/password"] == ["signed in", "yes", "yes", "yes", "yes", "-"]
    assert table["GET /api/v1/auth/csrf"] == ["nothing", "yes", "yes", "yes", "yes", "-"]


def test_check_shows_what_is_out_of_date_and_fails(tmp_path: Path) -> None:
    call_command("write_docs", folder=tmp_path, stdout=StringIO())
    file = tmp_path / "roles.md"
    file.write_text(file.read_text().replace("# Roles\n", "# Rolls\n"))
    out = StringIO()
    with pytest.raises(CommandError) as failed:
        call_command("write_docs", check=True, folder=tmp_path, stdout=out)
    assert str(failed.value) == "Out of date: roles.md. Run: make docs"
    assert out.getvalue().splitlines()[:5] == [
        "--- roles.md",
        "+++ roles.md (new)",
        "@@ -1,2 +1,2 @@",
        "-# Rolls",
        "+# Roles",
    ]


def test_a_long_difference_is_cut(tmp_path: Path) -> None:
    out = StringIO()
    with pytest.raises(CommandError):
        call_command("write_docs", check=True, folder=tmp_path, stdout=out)
    assert "... and " in out.getvalue()
    assert list(tmp_path.iterdir()) == []


def test_writing_says_what_it_wrote_and_writes_once(tmp_path: Path) -> None:
    said = []
    for _ in range(2):
        out = StringIO()
        call_command("write_docs", folder=tmp_path / "docs", stdout=out)
        said.append(out.getvalue())
    assert said == ["Written: order-states.md\nWritten: roles.md\nWritten: openapi.json\n", ""]
