"""Journeys of a stock clerk: products, their ledger, and stock corrected by hand with a scanner."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from e2e.conftest import Served, Watch

pytestmark = pytest.mark.browser

PHONE = {"width": 390, "height": 844}

type Desk = Callable[..., Page]
type Make = Callable[..., dict[str, Any]]


def scan(page: Page, code: str) -> None:
    """What a scanner does: the code as keys, then Enter."""
    page.keyboard.type(code)
    page.keyboard.press("Enter")


def test_on_the_phone_from_scan_to_scan_the_figure_is_seen_before_it_is_done(
    desk: Desk, make_product: Make, page: Page
) -> None:
    page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    coffee, sugar = make_product("SCAN-1", on_hand=12), make_product("SCAN-2", on_hand=5)
    desk().goto("/products/adjust")
    scan(page, coffee["gtin"])
    expect(page.get_by_label("Quantity")).to_be_focused()
    page.keyboard.type("8")
    expect(page.locator("#preview .change")).to_have_text("12 → 20")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.keyboard.press("Enter")
    expect(page.locator(".toast-line")).to_contain_text("SCAN-1: 20 on hand.")
    # On to the next one without touching the screen.
    expect(page.get_by_label("Product", exact=True)).to_be_focused()
    scan(page, sugar["gtin"])
    page.get_by_text("Out", exact=True).click()
    page.get_by_label("Reason").select_option(label="Damaged")
    page.get_by_role("button", name="One more").click()
    page.get_by_role("button", name="One more").click()
    expect(page.locator("#preview .change")).to_have_text("5 → 3")
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".toast-line")).to_contain_text("SCAN-2: 3 on hand.")


def test_a_count_against_a_figure_that_someone_changed_says_so_and_keeps_the_count(
    desk: Desk, make_product: Make, served: Served, watch: Watch
) -> None:
    watch.expect("409")
    product = make_product("COUNT-1", on_hand=12)
    page = desk()
    page.goto(f"/products/adjust?product={product['id']}")
    page.get_by_text("Count", exact=True).click()
    expect(page.get_by_label("Reason")).to_have_value("counted")
    page.get_by_label("Quantity").fill("11")
    page.get_by_label("Note").fill("Second shelf")
    expect(page.locator("#preview .change")).to_have_text("12 → 11")
    with served.api() as someone:
        body = {"delta": -4, "reason": "damaged"}
        someone.patch(f"/products/{product['id']}/stock", json=body).raise_for_status()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert")).to_contain_text("Nothing was changed")
    expect(page.get_by_label("Quantity")).to_have_value("11")
    expect(page.get_by_label("Note")).to_have_value("Second shelf")
    expect(page.locator("#preview .change")).to_have_text("8 → 11")
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".toast-line")).to_contain_text("COUNT-1: 11 on hand.")
    expect(page).to_have_url(re.compile(rf"/products/{product['id']}$"))
    expect(page.locator(".ledger tbody tr")).to_have_count(3)
    expect(page.locator(".ledger tbody tr").first).to_contain_text("Second shelf")


def test_a_wrong_adjustment_is_undone_by_its_message(desk: Desk, make_product: Make) -> None:
    product = make_product("UNDO-1", on_hand=12)
    page = desk()
    page.goto(f"/products/{product['id']}")
    page.keyboard.press("a")
    page.get_by_label("Quantity").fill("80")
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".figures dd").first).to_have_text("92")
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(".toast-line")).to_contain_text("Undone. UNDO-1: 12 on hand.")
    expect(page.locator(".figures dd").first).to_have_text("12")


def test_what_is_promised_cannot_go_out_and_the_orders_that_hold_it_are_named(
    desk: Desk, make_product: Make, make_customer: Make, served: Served
) -> None:
    product, customer = make_product("HELD-1", on_hand=10), make_customer("Held Foods")
    with served.api() as api:
        body = {
            "customer_id": customer["id"],
            "items": [{"product_id": product["id"], "quantity": 7}],
        }
        order = api.post("/orders", json=body, headers={"Idempotency-Key": "held-1"})
    number = order.raise_for_status().json()["number"]
    page = desk()
    page.goto(f"/products/{product['id']}")
    reserved_by = page.get_by_role("region", name="Reserved by")
    expect(reserved_by).to_contain_text("Held Foods")
    page.goto(f"/products/adjust?product={product['id']}")
    page.get_by_text("Out", exact=True).click()
    page.get_by_label("Reason").select_option("lost")
    page.get_by_label("Quantity").fill("4")
    expect(page.locator("#preview")).to_contain_text("Never fewer than are reserved.")
    page.goto(f"/products/{product['id']}")
    reserved_by.get_by_role("link", name=number).click()
    expect(page.get_by_role("heading", level=1)).to_contain_text(number)


def test_words_typed_before_the_page_is_ready_are_searched(
    desk: Desk, make_product: Make, type_too_early: Callable[..., None]
) -> None:
    make_product("SOON-1", name="Cominho em grão")
    make_product("EARLY-2", name="Louro em folha")
    page = desk()
    type_too_early(page, "#q", "cominho")
    page.goto("/products/")
    expect(page.locator("[data-row]")).to_have_count(1)
    expect(page.locator("[data-row]")).to_contain_text("SOON-1")


def test_a_product_is_added_found_deactivated_and_activated_by_undo(desk: Desk) -> None:
    page = desk()
    page.goto("/products/")
    page.keyboard.press("n")
    page.get_by_label("Name").fill("Farinha de mandioca")
    page.get_by_label("SKU").fill("far-9")
    page.get_by_label("Price").fill("ten")
    page.get_by_label("On hand").fill("30")
    page.get_by_role("button", name="Add product").click()
    expect(page.locator(".errorlist")).to_have_text("Write an amount like 10 or 10.50.")
    expect(page.get_by_label("Price")).to_be_focused()
    expect(page.get_by_label("Name")).to_have_value("Farinha de mandioca")
    page.get_by_label("Price").fill("1,250.90")
    page.get_by_role("button", name="Add product").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Farinha de mandioca")
    expect(page.locator(".page-head")).to_contain_text("R$ 1,250.90")

    page.goto("/products/")
    page.keyboard.press("/")
    page.keyboard.type("farinha")
    expect(page).to_have_url(re.compile("search=farinha"))
    expect(page.locator("[data-row]")).to_have_count(1)
    page.keyboard.press("Escape")
    page.get_by_role("link", name="FAR-9").click()
    page.get_by_role("button", name="Deactivate").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Inactive")
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_role("heading", level=1)).not_to_contain_text("Inactive")


def test_an_edit_that_was_overtaken_says_by_whom_and_in_what_and_can_be_saved_anyway(
    desk: Desk, make_product: Make, served: Served, watch: Watch
) -> None:
    watch.expect("409")
    product = make_product("STALE-1", price="10.00")
    page = desk()
    page.goto(f"/products/{product['id']}/edit")
    page.get_by_label("Price").fill("12.50")
    with served.api() as someone:
        change = {"price": "11.00", "version": product["version"]}
        someone.patch(f"/products/{product['id']}", json=change).raise_for_status()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert")).to_contain_text("has meanwhile changed this")
    expect(page.get_by_role("alert")).to_contain_text("now “11.00”, yours “12.50”")
    expect(page.get_by_label("Price")).to_have_value("12.50")
    page.get_by_role("button", name="Save with my values").click()
    expect(page.locator(".page-head")).to_contain_text("R$ 12.50")


def test_without_javascript_stock_is_found_previewed_and_adjusted(
    no_script: Page, desk: Desk, make_product: Make
) -> None:
    product = make_product("PLAIN-1", on_hand=12)
    page = desk("manager", no_script)
    page.goto("/products/adjust")
    page.get_by_label("Product", exact=True).fill(product["gtin"])
    page.get_by_role("button", name="Find").click()
    page.get_by_label("Quantity").fill("8")
    page.get_by_role("button", name="Show what it will be").click()
    expect(page.locator("#preview .change")).to_have_text("12 → 20")
    expect(page.get_by_label("Quantity")).to_have_value("8")
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".toast-line")).to_contain_text("PLAIN-1: 20 on hand.")
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(".toast-line")).to_contain_text("Undone. PLAIN-1: 12 on hand.")
