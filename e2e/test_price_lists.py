"""Journeys with price lists: made by keyboard, changed in place, given to a customer; and without a script."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from e2e.conftest import Served

pytestmark = pytest.mark.browser

type Desk = Callable[..., Page]
type Make = Callable[..., dict[str, Any]]


def test_a_list_is_made_by_keyboard_and_given_to_a_customer(
    desk: Desk, make_product: Make, make_customer: Make, complaints: Callable[[Page], list[str]]
) -> None:
    for number in (1, 2, 3):
        make_product(f"LIST-{number}", price="10.00")
    scanned = make_product("LIST-4", price="20.00")
    customer = make_customer("Listed Foods")
    page = desk()
    page.goto("/products/price-lists")
    page.keyboard.press("n")
    page.wait_for_url("**/price-lists/new")
    expect(page.get_by_label("Name")).to_be_focused()
    page.keyboard.type("Resellers by keyboard")
    page.keyboard.press("Tab")
    page.keyboard.press("Control+a")
    page.keyboard.type("7.5")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Resellers by keyboard")
    expect(page.locator(".page-head")).to_contain_text("7.5 % off")

    # Code, Tab, price, Enter; and the hands are on the next code.
    code, rows = page.get_by_label("Barcode, SKU or words"), page.locator("[data-row]")
    for number, (typed, amount) in enumerate(
        [("list-1", "9"), ("LIST-2", "11.00"), (scanned["gtin"], "18.50")], start=1
    ):
        expect(code).to_be_focused()
        expect(code).to_have_value("")
        page.keyboard.type(typed)
        page.keyboard.press("Tab")
        page.keyboard.type(amount)
        page.keyboard.press("Enter")
        expect(rows).to_have_count(number)
    expect(rows.nth(2)).to_contain_text("LIST-4")
    expect(rows.nth(2)).to_contain_text("\N{MINUS SIGN}7.5 %")
    assert complaints(page) == []

    # A slip is named, and what was typed is there to be corrected.
    expect(code).to_be_focused()
    page.keyboard.type("LIST-33")
    page.keyboard.press("Tab")
    page.keyboard.type("8.00")
    page.keyboard.press("Enter")
    expect(page.locator(".set-price")).to_contain_text("No product has the code “LIST-33”.")
    expect(code).to_be_focused()
    expect(code).to_have_value("LIST-33")
    expect(page.get_by_label("Price (R$)", exact=True)).to_have_value("8.00")
    # The columns of the page that came back still sort.
    page.get_by_role("link", name="SKU").click()
    expect(page.locator("th[aria-sort]")).to_contain_text("SKU")
    expect(rows).to_have_count(3)

    price = page.get_by_label("Price of LIST-2 (R$)")
    price.fill("10.50")
    price.press("Enter")
    expect(rows.nth(1)).to_contain_text("+5 %")
    expect(page.get_by_label("Price of LIST-2 (R$)")).to_be_focused()
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_label("Price of LIST-2 (R$)")).to_have_value("11.00")
    page.get_by_role("button", name="Remove LIST-1 from the list").click()
    expect(rows).to_have_count(2)
    page.get_by_role("button", name="Undo").click()
    expect(rows).to_have_count(3)

    page.goto(f"/customers/{customer['id']}/edit")
    page.get_by_label("Price list").select_option("Resellers by keyboard")
    page.get_by_role("button", name="Save").click()
    page.locator(".facts").get_by_role("link", name="Resellers by keyboard").click()
    page.get_by_role("link", name="1 customer buys by it").click()
    expect(page.locator("[data-row]")).to_contain_text("Listed Foods")
    expect(page.get_by_label("Price list")).to_contain_text("Resellers by keyboard")


def test_all_prices_are_raised_once_and_lowered_again(
    desk: Desk, make_product: Make, served: Served, complaints: Callable[[Page], list[str]]
) -> None:
    """Without a minus sign, which many telephones do not have among their digits."""
    products = [make_product(f"RAISE-{number}", name=f"Raise {number}") for number in range(4)]
    with served.api() as api:
        found = api.post("/price-lists", json={"name": "Raised"}).raise_for_status().json()
        path = f"/price-lists/{found['id']}/prices"
        prices = [{"product_id": product["id"], "price": "9.99"} for product in products]
        api.patch(path, json={"prices": prices}).raise_for_status()
    page = desk("manager")
    page.goto(f"/products/price-lists/{found['id']}")
    page.get_by_role("link", name="Raise or lower all prices").click()
    percent = page.get_by_label("By (%)")
    percent.fill("-5")
    percent.press("Enter")
    expect(page.locator("form .errorlist")).to_contain_text("Write it without a sign")
    expect(percent).to_have_value("-5")
    percent.fill("7.5")
    percent.press("Enter")
    expect(page.get_by_role("heading", name="4 prices would rise by 7.5 %")).to_be_visible()
    rows = page.locator("tbody tr")
    expect(rows).to_have_count(3)
    expect(rows.first).to_contain_text("10.74")
    page.get_by_role("button", name="Raise 4 prices by").dblclick()
    expect(page.locator(".toast-line")).to_contain_text("4 prices are raised by 7.5 %.")
    price = page.get_by_label("Price of RAISE-0 (R$)")
    expect(price).to_have_value("10.74")
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(".toast-line")).to_contain_text("4 prices are as they were before.")
    expect(price).to_have_value("9.99")
    page.get_by_role("link", name="Raise or lower all prices").click()
    page.get_by_text("Lower", exact=True).click()
    percent.fill("50")
    page.get_by_role("button", name="Show what it does").click()
    page.get_by_role("button", name="Lower 4 prices by").click()
    expect(price).to_have_value("5.00")
    assert complaints(page) == []


def test_a_list_is_copied_and_the_copy_goes_its_own_way(
    desk: Desk, make_product: Make, served: Served, complaints: Callable[[Page], list[str]]
) -> None:
    product = make_product("COPIED-1", price="10.00")
    with served.api() as api:
        body = {"name": "To be copied", "discount": "7.50"}
        found = api.post("/price-lists", json=body).raise_for_status().json()
        prices = [{"product_id": product["id"], "price": "9.00"}]
        path = f"/price-lists/{found['id']}/prices"
        api.patch(path, json={"prices": prices}).raise_for_status()
    page = desk("manager")
    page.goto(f"/products/price-lists/{found['id']}")
    page.get_by_role("link", name="Copy this list").click()
    name = page.get_by_label("Name")
    expect(name).to_be_focused()
    expect(name).to_have_value("Copy of To be copied")
    name.fill("To be copied")
    name.press("Enter")
    expect(page.locator("form .errorlist")).to_have_text("Another price list has this name.")
    expect(name).to_have_value("To be copied")
    name.fill("A copy")
    name.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("A copy")
    expect(page.locator(".page-head")).to_contain_text("7.5 % off")
    price = page.get_by_label("Price of COPIED-1 (R$)")
    expect(price).to_have_value("9.00")
    price.fill("8.00")
    price.press("Enter")
    expect(page.locator(".toast-line")).to_contain_text("COPIED-1 costs R$ 8.00")
    page.goto(f"/products/price-lists/{found['id']}")
    expect(price).to_have_value("9.00")
    assert complaints(page) == []


def test_a_row_that_is_saved_stays_in_sight(desk: Desk, make_product: Make, served: Served) -> None:
    products = [make_product(f"LONG-{number:02}") for number in range(25)]
    with served.api() as api:
        found = api.post("/price-lists", json={"name": "A long list"}).raise_for_status().json()
        prices = [{"product_id": product["id"], "price": "5.00"} for product in products]
        path = f"/price-lists/{found['id']}/prices"
        api.patch(path, json={"prices": prices}).raise_for_status()
    page = desk("manager")
    page.goto(f"/products/price-lists/{found['id']}?sort=-sku")
    price = page.get_by_label("Price of LONG-08 (R$)")
    price.fill("4.00")
    price.press("Enter")
    expect(page.locator(".toast-line")).to_contain_text("LONG-08 costs R$ 4.00 on this list.")
    expect(price).to_be_focused()
    # The page may still be scrolling there.
    page.wait_for_function(
        "() => { const { y } = document.activeElement.getBoundingClientRect(); return y > 200 && y < 600 }"
    )
    expect(page.locator("th[aria-sort]")).to_contain_text("SKU")


def test_without_javascript_prices_are_set_changed_and_removed(
    no_script: Page, desk: Desk, make_product: Make
) -> None:
    make_product("SCRIPTLESS-1", price="10.00")
    page = desk("manager", no_script)
    page.goto("/products/price-lists/new")
    page.get_by_label("Name").fill("Without a script")
    page.get_by_role("button", name="Add price list").click()
    code = page.get_by_label("Barcode, SKU or words")
    expect(code).to_be_focused()
    code.fill("SCRIPTLESS-9")
    page.get_by_label("Price (R$)").fill("9.00")
    page.get_by_role("button", name="Set price").click()
    expect(page.locator(".set-price")).to_contain_text("No product has the code “SCRIPTLESS-9”.")
    code.fill("scriptless")
    page.get_by_role("button", name="Set price").click()
    expect(page.locator(".set-price")).to_contain_text(
        "“scriptless” is no code: choose the product"
    )
    page.get_by_role("button", name="SCRIPTLESS-1 ·").click()
    expect(page.locator(".toast-line")).to_contain_text("SCRIPTLESS-1 costs R$ 9.00 on this list.")
    page.get_by_role("button", name="Undo").click()
    code.fill("SCRIPTLESS-1")
    page.get_by_label("Price (R$)").fill("9.00")
    page.get_by_role("button", name="Set price").click()
    rows = page.locator("[data-row]")
    expect(rows).to_contain_text("\N{MINUS SIGN}10 %")
    page.get_by_label("Price of SCRIPTLESS-1 (R$)").fill("8.00")
    page.get_by_role("button", name="Save the price of SCRIPTLESS-1").click()
    expect(rows).to_contain_text("\N{MINUS SIGN}20 %")
    page.get_by_label("Search the products on this list").fill("scriptless")
    page.get_by_role("button", name="Filter").click()
    page.get_by_role("button", name="Remove SCRIPTLESS-1 from the list").click()
    expect(rows).to_have_count(0)
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_label("Price of SCRIPTLESS-1 (R$)")).to_have_value("8.00")
