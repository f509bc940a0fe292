"""Journeys through the first page of those who work here."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser

type Desk = Callable[..., Page]
type Make = Callable[..., dict[str, Any]]


def test_each_figure_leads_to_the_list_behind_it(
    desk: Desk, make_product: Make, make_customer: Make, place: Make
) -> None:
    low = make_product("DASH-1", on_hand=3, low_stock_threshold=5)
    order = place(make_customer("Dash Board"), (low, 1), due_date="2020-02-02")
    page = desk("operator")
    page.goto("/")
    for tile in ("Late", "To confirm", "Running low"):
        link = page.locator(".tile", has_text=tile)
        count = link.locator(".tile-count").inner_text()
        link.click()
        expect(page.locator(".list-foot")).to_contain_text(f"of {count}")
        page.go_back()
    feed = page.get_by_role("region", name="Latest activity")
    expect(feed.get_by_role("link", name=order["number"])).to_be_visible()
    page.get_by_text("The same as a table").click()
    table = page.get_by_role("table", name="Orders and revenue by day")
    today = table.locator("tbody tr").first
    orders, revenue = today.locator("td.num").all_inner_texts()
    figures = page.locator(".chart figcaption")
    expect(figures.first).to_contain_text(f"Today {orders}")
    expect(figures.last).to_contain_text(f"Today {revenue}")
    today.get_by_role("link").click()
    expect(page.locator(".list-foot")).to_contain_text(f"sum {revenue}")


def test_a_viewer_reads_and_is_offered_nothing_to_do(desk: Desk) -> None:
    page = desk("viewer")
    page.goto("/")
    expect(page.get_by_role("heading", name="Where things stand")).to_be_visible()
    expect(page.get_by_role("link", name="New order")).to_have_count(0)
    page.keyboard.press("n")
    expect(page).to_have_url(re.compile("/$"))


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("role", ["viewer", "manager"])
def test_the_dashboard_is_accessible_and_fits_a_phone(
    desk: Desk, complaints: Callable[[Page], list[str]], role: str, theme: str
) -> None:
    page = desk(role)
    page.goto("/")
    page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
    page.get_by_text("The same as a table").click()
    assert complaints(page) == []
    page.set_viewport_size({"width": 390, "height": 844})
    assert complaints(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
