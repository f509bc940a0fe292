"""Journeys with customers: a CPF or CNPJ is checked as it is typed, nothing typed is lost, viewers see no numbers."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from e2e.conftest import Served, Watch
from erp_site.core import taxid

pytestmark = pytest.mark.browser

type Desk = Callable[..., Page]
type Make = Callable[..., dict[str, Any]]


def test_a_wrong_cpf_is_said_while_it_is_typed_and_keeps_all_that_was_typed(
    desk: Desk, make_customer: Make
) -> None:
    taken = make_customer("Taken Foods")
    page = desk()
    page.goto("/customers/")
    page.keyboard.press("n")
    page.wait_for_url("**/customers/new")
    page.get_by_label("Name").fill("Mercado São João")
    number, check = page.get_by_label("CPF/CNPJ"), page.locator("#tax-id-check")
    number.press_sequentially("111.444.777-3")
    expect(check).to_contain_text("10 places")
    number.press_sequentially("6")
    expect(check).to_contain_text("its check digits are wrong")
    number.fill(taken["cpf_cnpj"])
    expect(check).to_contain_text("Taken Foods has it already.")
    number.fill("111.444.777-36")
    page.get_by_label("E-mail").fill("compras@saojoao.example")
    page.get_by_label("Phone").fill("(11) 5550-1234")
    page.get_by_label("Address").fill("Rua das Flores, 1")
    # Without waiting for the check: the form is what refuses.
    page.get_by_role("button", name="Add customer").click()
    expect(page.locator("ul.errorlist")).to_contain_text("CPF or CNPJ")
    expect(number).to_have_value("111.444.777-36")
    expect(number).to_be_focused()
    expect(page.get_by_label("Name")).to_have_value("Mercado São João")
    expect(page.get_by_label("E-mail")).to_have_value("compras@saojoao.example")
    expect(page.get_by_label("Phone")).to_have_value("(11) 5550-1234")
    expect(page.get_by_label("Address")).to_have_value("Rua das Flores, 1")
    number.fill("11144477735")
    expect(check).to_contain_text("CPF 111.444.777-35")
    page.get_by_label("E-mail").focus()
    expect(number).to_have_value("111.444.777-35")
    page.get_by_role("button", name="Add customer").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Mercado São João")
    expect(page.locator(".page-head")).to_contain_text("111.444.777-35")


def test_a_cpf_typed_before_the_page_is_ready_is_checked(
    desk: Desk, type_too_early: Callable[..., None]
) -> None:
    page = desk()
    type_too_early(page, "input[name$=cpf_cnpj]", "111.444.777-36")
    page.goto("/customers/new")
    expect(page.locator("#tax-id-check")).to_contain_text("its check digits are wrong")


def test_after_a_corrected_number_tab_goes_to_the_next_field(
    desk: Desk, make_customer: Make
) -> None:
    taken = make_customer("Has It Already")["cpf_cnpj"]
    page = desk()
    page.goto("/customers/new")
    number = page.get_by_label("CPF/CNPJ")
    number.press_sequentially(taken)
    expect(page.locator("#tax-id-check").get_by_role("link", name="Open")).to_be_visible()
    number.press("Control+a")
    page.keyboard.type("11222333000181")
    page.keyboard.press("Tab")  # before the answer is there
    expect(page.get_by_label("E-mail")).to_be_focused()
    expect(page.locator("#tax-id-check")).to_contain_text("11.222.333/0001-81")
    expect(page.get_by_label("E-mail")).to_be_focused()


def test_customers_are_found_by_number_and_words_and_show_their_orders(
    desk: Desk, make_customer: Make, make_product: Make, served: Served
) -> None:
    customer, product = make_customer("Empório Vinhedo"), make_product("VINHO-1", price="80.00")
    with served.api() as api:
        body = {
            "customer_id": customer["id"],
            "items": [{"product_id": product["id"], "quantity": 2}],
        }
        answer = api.post("/orders", json=body, headers={"Idempotency-Key": "vinhedo-1"})
    number = answer.raise_for_status().json()["number"]
    page = desk("operator")
    page.goto("/customers/")
    page.get_by_label("Search customers").fill(taxid.formatted(customer["cpf_cnpj"]))
    expect(page).to_have_url(re.compile("search="))
    expect(page.locator("[data-row]")).to_have_count(1)
    page.get_by_label("Search customers").fill("vinhedo empor")
    expect(page).to_have_url(re.compile("search=vinhedo"))
    expect(page.locator("[data-row]")).to_have_count(1)
    page.locator("[data-row] a").click()
    orders = page.get_by_role("region", name="Orders")
    expect(orders).to_contain_text("R$ 160.00")
    expect(orders.get_by_role("link", name=number)).to_be_visible()
    page.get_by_role("link", name="New order").click()
    expect(page.locator("main")).to_contain_text("Empório Vinhedo")
    page.go_back()
    expect(page.get_by_role("heading", level=1)).to_have_text("Empório Vinhedo")


def test_a_viewer_reads_customers_without_their_numbers_and_without_buttons(
    desk: Desk, make_customer: Make
) -> None:
    customer = make_customer("Masked Foods")
    whole, masked = (
        taxid.formatted(customer["cpf_cnpj"]),
        taxid.formatted(taxid.masked(customer["cpf_cnpj"])),
    )
    page = desk("viewer")
    page.goto("/customers/?search=masked")
    expect(page.locator("[data-row]")).to_contain_text(masked)
    page.locator("[data-row] a").click()
    expect(page.locator(".page-head")).to_contain_text(masked)
    assert whole not in page.content()
    assert customer["cpf_cnpj"] not in page.content()
    for name in ("Edit", "Deactivate", "Delete", "New order"):
        expect(page.locator("main").get_by_text(name, exact=True)).to_have_count(0)


def test_an_overtaken_edit_shows_what_differs_and_is_saved_knowingly(
    desk: Desk, make_customer: Make, served: Served, watch: Watch
) -> None:
    watch.expect("409")
    customer = make_customer("Overtaken Foods", phone="1111-1111")
    page = desk()
    page.goto(f"/customers/{customer['id']}/edit")
    page.get_by_label("Phone").fill("3333-3333")
    with served.api() as someone:
        change = {"phone": "2222-2222", "address": "Rua B, 2", "version": customer["version"]}
        someone.patch(f"/customers/{customer['id']}", json=change).raise_for_status()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert")).to_contain_text("Phone: now “2222-2222”, yours “3333-3333”")
    expect(page.get_by_role("alert")).to_contain_text("newer value in this form: Address.")
    page.get_by_role("button", name="Save with my values").click()
    expect(page.locator(".facts")).to_contain_text("3333-3333")
    expect(page.locator(".facts")).to_contain_text("Rua B, 2")


def test_deleting_asks_first_and_deactivating_can_be_undone(
    desk: Desk, make_customer: Make
) -> None:
    customer = make_customer("Goodbye Foods")
    page = desk()
    page.goto(f"/customers/{customer['id']}")
    page.get_by_role("button", name="Deactivate").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Inactive")
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_role("heading", level=1)).not_to_contain_text("Inactive")
    page.get_by_role("button", name="Delete").click()
    question = page.locator("#delete")
    expect(question).to_contain_text("Delete Goodbye Foods?")
    page.keyboard.press("Escape")
    expect(question).to_be_hidden()
    page.get_by_role("button", name="Delete").click()
    question.get_by_role("button", name="Delete").click()
    expect(page.locator(".toast-line")).to_contain_text("Goodbye Foods is deleted.")
    expect(page.get_by_role("heading", level=1)).to_have_text("Customers")


def test_without_javascript_a_customer_is_added_found_and_changed(
    no_script: Page, desk: Desk
) -> None:
    page = desk("manager", no_script)
    page.goto("/customers/new")
    page.get_by_label("Name").fill("Padaria Sem Script")
    page.get_by_label("CPF/CNPJ").fill("168.995.350-00")
    page.get_by_label("E-mail").fill("padaria@semscript.example")
    page.get_by_role("button", name="Add customer").click()
    expect(page.locator("ul.errorlist")).to_contain_text("CPF or CNPJ")
    page.get_by_label("CPF/CNPJ").fill("168.995.350-09")
    page.get_by_role("button", name="Add customer").click()
    page.goto("/customers/")
    page.get_by_label("Search customers").fill("sem script")
    page.get_by_role("button", name="Filter").click()
    page.get_by_role("link", name="Padaria Sem Script").click()
    page.get_by_role("link", name="Edit").click()
    page.get_by_label("Phone").fill("5550-1234")
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".facts")).to_contain_text("5550-1234")
