"""Journeys through the log: who did what, to which record."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from e2e.conftest import Served

pytestmark = pytest.mark.browser

type Desk = Callable[..., Page]
type Make = Callable[..., dict[str, Any]]


@pytest.fixture
def leave_traces(
    make_product: Make, served: Served, staff: dict[str, str]
) -> Callable[[str], None]:
    """A product that a manager has received more of, at another price."""

    def leave(sku: str) -> None:
        product = make_product(sku, on_hand=12)
        path = f"/products/{product['id']}"
        with served.api(staff["manager"]) as api:
            received = {"delta": 8, "reason": "received"}
            api.patch(f"{path}/stock", json=received).raise_for_status()
            price = {"price": "11.00", "version": product["version"]}
            api.patch(path, json=price).raise_for_status()

    return leave


def test_the_log_is_filtered_by_person_kind_and_record_and_each_row_leads_there(
    desk: Desk, leave_traces: Callable[[str], None]
) -> None:
    leave_traces("TRACE-1")
    page = desk("admin")
    page.goto("/activity")
    rows = page.locator("#events tbody tr")
    page.get_by_label("Person").select_option(label="English Manager")
    expect(page).to_have_url(re.compile("actor_id="))
    page.locator("summary", has_text="What happened").click()
    page.get_by_role("checkbox", name="Stock adjusted").check()
    expect(page).to_have_url(re.compile("type=stock.adjusted"))
    expect(page.get_by_role("checkbox", name="Stock adjusted")).to_be_visible()  # it stays open
    page.keyboard.press("Escape")
    expect(rows.first).to_contain_text("TRACE-1")
    expect(rows.first).to_contain_text("+8 → 20 on hand · Received")
    assert {row.split("\n")[0] for row in rows.locator("td.grow").all_inner_texts()} == {
        "Stock adjusted"
    }

    rows.first.get_by_role("button", name="Details").click()
    details = page.locator(".facts-menu:popover-open")
    payload = json.loads(details.locator("pre").inner_text())
    assert (payload["delta"], payload["on_hand"]) == (8, 20)
    details.get_by_role("link", name="All that happened to it").click()
    expect(page.get_by_text("Only what happened to one record.")).to_be_visible()
    page.go_back()
    expect(page).to_have_url(re.compile("type=stock.adjusted"))
    rows.first.get_by_role("link", name="TRACE-1").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Product TRACE-1")


def test_nothing_found_says_so_and_clears(desk: Desk) -> None:
    page = desk()
    page.goto("/activity?created_to=2001-01-01")
    expect(page.get_by_role("heading", name="Nothing fits these filters")).to_be_visible()
    page.get_by_role("link", name="Clear the filters").click()
    expect(page.locator("#events tbody tr").first).to_be_visible()


def test_without_javascript_the_log_is_filtered(
    no_script: Page, desk: Desk, leave_traces: Callable[[str], None]
) -> None:
    leave_traces("TRACE-2")
    page = desk("manager", no_script)
    page.goto("/activity")
    page.get_by_label("About").select_option("product")
    page.get_by_role("button", name="Filter").click()
    expect(page).to_have_url(re.compile("aggregate=product"))
    row = page.locator("#events tbody tr", has_text="TRACE-2").first
    expect(row).to_contain_text("Product changed")
    row.get_by_role("button", name="Details").click()
    expect(page.locator(".facts-menu:popover-open")).to_contain_text("product.updated")
