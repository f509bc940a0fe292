"""Journeys with files: a spreadsheet of Windows comes in, its result goes out, and lists leave as files."""

import csv
import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Download, Page, expect

from e2e.conftest import Served

pytestmark = pytest.mark.browser

type Desk = Callable[..., Page]
type Make = Callable[..., dict[str, Any]]


def download(page: Page, link: str) -> Download:
    with page.expect_download() as found:
        page.get_by_role("link", name=link).click()
    return found.value


def rows_of(file: Download, encoding: str = "utf-8-sig") -> list[list[str]]:
    text = Path(file.path()).read_bytes().decode(encoding)
    return list(csv.reader(io.StringIO(text, newline=""), delimiter=";"))


def upload(page: Page, name: str, content: bytes, kind: str = "Products") -> None:
    page.get_by_label(kind, exact=True).check()
    page.get_by_label("File", exact=True).set_input_files(
        {"name": name, "mimeType": "text/csv", "buffer": content}
    )
    page.get_by_role("button", name="Continue").click()


def test_2000_rows_with_30_bad_ones_are_mapped_checked_applied_and_accounted_for(
    desk: Desk, served: Served
) -> None:
    rows = [f"IMP-{n};Peça nº {n};1.{n % 1000:03},90;{n}" for n in range(2000)]
    for n in range(30):
        rows[n * 66] = f"IMP-{n * 66};Peça sem preço;um real;1"
    # As Excel saves CSV in Brazil: semicolons, Windows-1252, decimal commas.
    content = ("Ref.;Descrição do item;Valor (R$);Estoque\r\n" + "\r\n".join(rows)).encode("cp1252")
    page = desk()
    page.goto("/products/")
    page.get_by_role("main").get_by_role("link", name="Import").click()
    upload(page, "tabela.csv", content)
    # The file's own names say nothing: the person does.
    expect(page.get_by_role("region", name="The first rows of the file")).to_contain_text(
        "Peça nº 1"
    )
    page.get_by_label("SKU").select_option(label="Ref.")
    page.get_by_label("Name").select_option(label="Descrição do item")
    page.get_by_label("Price").select_option(label="Valor (R$)")
    page.get_by_label("Opening stock").select_option(label="Estoque")
    page.get_by_role("button", name="Check the rows").click()
    expect(page.get_by_role("progressbar")).to_be_visible()
    outcome = page.locator("#outcome")
    expect(outcome).to_have_text(re.compile("some rows have errors"), timeout=300_000)
    figures = page.locator("dl.figures dd")
    expect(figures).to_have_text(["1,970", "0", "0", "30"])
    expect(page.locator("#problem-rows tbody tr")).to_have_count(30)
    expect(page.locator("#problem-rows tbody tr").nth(1)).to_contain_text("um real")
    with served.api() as api:
        assert api.get("/products", params={"search": "peça"}).json()["items"] == []
    page.get_by_role("button", name="Import 1,970 rows").click()
    expect(page.get_by_role("progressbar")).to_be_visible()
    expect(outcome).to_have_text(re.compile("Imported"), timeout=300_000)
    expect(figures).to_have_text(["1,970", "0", "0", "30"])

    header, *wrong = rows_of(download(page, "Errors, CSV"))
    assert header == ["Ref.", "Descrição do item", "Valor (R$)", "Estoque", "Result", "Error"]
    assert len(wrong) == 30
    assert wrong[1] == [
        "IMP-66", "Peça sem preço", "um real", "1", "Not imported",
        "Valor (R$): Not a number like 1.234,56.",
    ]  # fmt: skip
    _, *every = rows_of(download(page, "All rows, CSV"))
    assert [sum(row[4] == said for row in every) for said in ("Created", "Not imported")] == [
        1970,
        30,
    ]
    page.goto("/products/?search=IMP-1234")
    expect(page.locator("[data-row]")).to_contain_text("R$ 1,234.90")


def test_a_list_leaves_as_it_is_shown_and_comes_back_changed(
    desk: Desk, make_product: Make
) -> None:
    make_product("OUT-1", name="=HYPERLINK(1)", price="1234.50", low_stock_threshold=50)
    make_product("OUT-2", name="Outro", is_active=False)
    page = desk()
    page.goto("/products/")
    page.get_by_label("Search products").fill("OUT")
    expect(page).to_have_url(re.compile("search=OUT"))
    expect(page.locator("[data-row]")).to_have_count(2)
    page.get_by_role("checkbox", name="Low stock").check()
    expect(page.locator("[data-row]")).to_have_count(1)
    page.get_by_text("Export", exact=True).click()
    header, *rows = rows_of(download(page, "CSV for old systems"), "cp1252")
    assert [(row[0], row[2], row[4]) for row in rows] == [("OUT-1", "'=HYPERLINK(1)", "1234,50")]

    rows[0][4] = "99,50"
    text = "\r\n".join(";".join(row) for row in (header, *rows))
    page.goto("/import/")
    upload(page, "out.csv", text.encode())
    page.get_by_role("button", name="Check the rows").click()
    page.get_by_role("button", name="Import 1 row").click()
    expect(page.locator("#outcome")).to_have_text(re.compile("Imported"), timeout=60_000)
    page.goto("/products/?search=OUT-1")
    expect(page.locator("[data-row]")).to_contain_text("R$ 99.50")
    expect(page.locator("[data-row]")).to_contain_text("=HYPERLINK(1)")


def test_without_javascript_a_file_is_imported_and_an_unreadable_one_refused(
    no_script: Page, desk: Desk
) -> None:
    page = desk("manager", no_script)
    page.goto("/import/?kind=customers")
    expect(page.get_by_label("Customers", exact=True)).to_be_checked()
    upload(page, "empty.csv", b"\n", kind="Customers")
    expect(page.locator("ul.errorlist")).to_be_visible()
    content = "CNPJ;Nome;E-mail\r\n217.653.849-82;José Sem Script;jose@semscript.example\r\n"
    upload(page, "clientes.csv", content.encode("cp1252"), kind="Customers")
    page.get_by_role("button", name="Check the rows").click()
    # The page asks again by itself, by a refresh.
    page.get_by_role("button", name="Import 1 row").click(timeout=60_000)
    expect(page.locator("#outcome")).to_have_text(re.compile("Imported"), timeout=60_000)
    page.goto("/customers/?search=sem+script+jose")
    expect(page.locator("[data-row]")).to_contain_text("José Sem Script")
