"""Journeys of an order that is changed after it was placed: the customer has called again."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from e2e.conftest import Served, Watch, lose

pytestmark = pytest.mark.browser

type Desk = Callable[..., Page]
type Make = Callable[..., dict[str, Any]]

ORDER = re.compile(r"/orders/\d+$")


def read(served: Served, order: dict[str, Any]) -> dict[str, Any]:
    with served.api() as api:
        return dict(api.get(f"/orders/{order['id']}").raise_for_status().json())


def lines(order: dict[str, Any]) -> dict[str, int]:
    return {item["sku"]: item["quantity"] for item in order["items"]}


def edit(page: Page, order: dict[str, Any]) -> None:
    """From the order to its form, by key."""
    page.goto(f"/orders/{order['id']}")
    page.keyboard.press("e")
    page.wait_for_url("**/amend")
    expect(page.locator("#code")).to_be_focused()


def test_an_order_is_changed_by_keyboard_and_its_timeline_says_what_and_why(
    desk: Desk, make_product: Make, make_customer: Make, place: Make, served: Served
) -> None:
    more, gone, new = (make_product(f"AMEND{name}") for name in ("MORE", "GONE", "NEW"))
    order = place(make_customer("Called Again"), (more, 2), (gone, 1))
    page = desk("operator")
    edit(page, order)
    expect(page.get_by_role("heading", level=1)).to_contain_text(f"Edit {order['number']}")
    page.keyboard.type(new["sku"])
    page.keyboard.press("Enter")
    expect(page.get_by_label("Quantity of AMENDNEW")).to_be_focused()
    page.keyboard.type("3")
    page.keyboard.press("ArrowUp")
    expect(page.get_by_label("Quantity of AMENDGONE")).to_be_focused()
    page.keyboard.press("Control+Delete")
    expect(page.get_by_label("Quantity of AMENDGONE")).to_have_count(0)
    page.get_by_label("Quantity of AMENDMORE").focus()
    page.keyboard.type("5")
    expect(page.locator("[data-total]")).to_have_text(re.compile(r"80\.00$"))
    page.get_by_label("Reason for the change").fill("By phone")
    page.keyboard.press("Control+Enter")
    page.wait_for_url(ORDER)
    expect(page.locator(".toast-line")).to_contain_text(f"{order['number']} is changed.")
    changed = page.locator(".timeline > li").filter(has_text="changed the order")
    expect(changed).to_contain_text("English Operator")
    expect(changed.locator(".changes li")).to_have_text(
        [
            re.compile(r"\(AMENDMORE\): 2 → 5$"),
            re.compile(r"\(AMENDGONE\): 1 → —$"),
            re.compile(r"\(AMENDNEW\): — → 3$"),
            re.compile(r"^Total: .*30\.00 → .*80\.00$"),
        ]
    )
    expect(changed.locator("blockquote")).to_have_text("By phone")
    assert lines(read(served, order)) == {"AMENDMORE": 5, "AMENDNEW": 3}


def test_a_shortage_counts_what_the_order_holds_already(
    desk: Desk, make_product: Make, make_customer: Make, place: Make, served: Served
) -> None:
    product = make_product("AMENDSHORT", on_hand=10)
    order = place(make_customer("Wants All"), (product, 6))
    page = desk("operator")
    edit(page, order)
    quantity = page.get_by_label("Quantity of AMENDSHORT")
    short = page.locator("[data-short]")
    quantity.fill("10")
    expect(short).to_be_hidden()
    quantity.fill("11")
    expect(short).to_contain_text("only 10 available")
    page.keyboard.press("Control+Enter")
    expect(page.locator("#problems")).to_contain_text("AMENDSHORT: 11 requested, 10 available")
    page.locator("#problems").get_by_role("button", name="Take what is available").click()
    page.keyboard.press("Control+Enter")
    page.wait_for_url(ORDER)
    assert lines(read(served, order)) == {"AMENDSHORT": 10}


def test_of_two_who_change_an_order_the_second_sees_both_changes_and_saves_them(
    desk: Desk, elsewhere: Page, make_product: Make, make_customer: Make, place: Make, served: Served
) -> None:  # fmt: skip
    first, second = make_product("AMENDBOTH-1"), make_product("AMENDBOTH-2")
    order = place(make_customer("Two Callers"), (first, 1), (second, 1))
    operator, manager = desk("operator"), desk("manager", elsewhere)
    for page in (operator, manager):
        edit(page, order)
    operator.get_by_label("Quantity of AMENDBOTH-1").fill("5")
    operator.keyboard.press("Control+Enter")
    operator.wait_for_url(ORDER)
    manager.get_by_label("Quantity of AMENDBOTH-2").fill("7")
    manager.keyboard.press("Control+Enter")
    told = manager.get_by_role("alert")
    expect(told).to_contain_text("English Operator has meanwhile changed this")
    expect(told).to_be_focused()
    expect(told).to_contain_text("Already with the newer value in this form: AMENDBOTH-1")
    expect(manager.get_by_label("Quantity of AMENDBOTH-1")).to_have_value("5")
    expect(manager.get_by_label("Quantity of AMENDBOTH-2")).to_have_value("7")
    manager.keyboard.press("Control+Enter")
    manager.wait_for_url(ORDER)
    assert lines(read(served, order)) == {"AMENDBOTH-1": 5, "AMENDBOTH-2": 7}


def test_a_change_under_way_is_there_after_a_reload_and_not_offered_to_another_order(
    desk: Desk, make_product: Make, make_customer: Make, place: Make
) -> None:
    product = make_product("AMENDDRAFT")
    customer = make_customer("Draft Of Change")
    order, other = place(customer, (product, 1)), place(customer, (product, 2))
    page = desk("operator")
    edit(page, order)
    page.get_by_label("Quantity of AMENDDRAFT").fill("4")
    page.get_by_label("Notes").fill("Ring twice")
    page.reload()
    expect(page.get_by_label("Quantity of AMENDDRAFT")).to_have_value("4")
    expect(page.get_by_label("Notes")).to_have_value("Ring twice")
    edit(page, other)
    expect(page.get_by_label("Quantity of AMENDDRAFT")).to_have_value("2")
    expect(page.locator("#draft")).to_be_hidden()
    page.goto("/orders/new")
    expect(page.locator("#customer-search")).to_be_focused()
    expect(page.locator("#draft")).to_be_hidden()


def test_a_change_that_was_left_is_offered_when_the_form_is_opened_again(
    desk: Desk, make_product: Make, make_customer: Make, place: Make
) -> None:
    order = place(make_customer("Left And Back"), (make_product("AMENDLEFT"), 1))
    page = desk("operator")
    edit(page, order)
    page.get_by_label("Quantity of AMENDLEFT").fill("4")
    page.get_by_role("link", name="Leave it as it was").click()
    page.wait_for_url(ORDER)
    edit(page, order)
    expect(page.get_by_label("Quantity of AMENDLEFT")).to_have_value("1")
    expect(page.locator("#draft")).to_contain_text("A change that you began is still here.")
    page.get_by_role("button", name="Go on with it").click()
    expect(page.get_by_label("Quantity of AMENDLEFT")).to_have_value("4")
    page.reload()
    expect(page.get_by_label("Quantity of AMENDLEFT")).to_have_value("4")
    page.keyboard.press("Control+Enter")
    page.wait_for_url(ORDER)
    edit(page, order)
    expect(page.locator("#draft")).to_be_hidden()


def test_an_address_of_several_lines_stays_one_when_something_else_is_changed(
    desk: Desk, make_product: Make, make_customer: Make, place: Make, served: Served
) -> None:
    product = make_product("AMENDADDRESS")
    address = "Rua A, 1\nCentro\nOlinda"
    order = place(make_customer("Three Lines"), (product, 1), delivery_address=address)
    page = desk("operator")
    edit(page, order)
    page.get_by_label("Quantity of AMENDADDRESS").fill("4")
    page.keyboard.press("Control+Enter")
    page.wait_for_url(ORDER)
    found = read(served, order)
    assert (lines(found), found["delivery_address"]) == ({"AMENDADDRESS": 4}, address)


def test_whoever_goes_back_to_the_form_finds_the_order_of_now_in_it(
    desk: Desk, make_product: Make, make_customer: Make, place: Make, served: Served
) -> None:
    order = place(make_customer("Back Again"), (make_product("AMENDBACK"), 1))
    page = desk("operator")
    edit(page, order)
    page.get_by_label("Notes").fill("Mine")
    page.keyboard.press("Control+Enter")
    page.wait_for_url(ORDER)
    with served.api() as api:
        api.patch(f"/orders/{order['id']}", json={"notes": "Theirs"}).raise_for_status()
    page.go_back()
    page.wait_for_url("**/amend")
    expect(page.locator("#code")).to_be_focused()
    assert (page.locator("[name=version]").input_value(), page.get_by_label("Notes").input_value()) == (
        "3",
        "Theirs",
    )  # fmt: skip


def test_a_lost_answer_to_a_change_is_sent_again_without_harm(
    desk: Desk, make_product: Make, make_customer: Make, place: Make, served: Served, watch: Watch
) -> None:
    watch.expect("ERR_FAILED|Failed to fetch")
    product = make_product("AMENDLOST")
    order = place(make_customer("Lost Change"), (product, 1))
    page = desk("operator")
    page.route("**/amend", lose)
    edit(page, order)
    page.get_by_label("Quantity of AMENDLOST").fill("4")

    page.keyboard.press("Control+Enter")
    expect(page.locator(".toast-line")).to_contain_text("nothing is changed twice")
    page.unroute("**/amend")
    page.keyboard.press("Control+Enter")
    page.wait_for_url(ORDER)
    found = read(served, order)
    assert (lines(found), found["version"]) == ({"AMENDLOST": 4}, 2)


def test_without_javascript_an_order_is_changed_by_buttons(
    no_script: Page, sign_in: Callable[..., None], staff: dict[str, str], make_product: Make,
    make_customer: Make, place: Make, served: Served,
) -> None:  # fmt: skip
    page = no_script
    old, new = make_product("AMENDPLAIN-1"), make_product("AMENDPLAIN-2")
    order = place(make_customer("Plain Change"), (old, 1))
    sign_in(page, staff["operator"])
    page.goto(f"/orders/{order['id']}")
    page.get_by_role("link", name="Edit").click()
    page.locator("#code").fill(new["sku"])
    page.get_by_role("button", name="Add", exact=True).click()
    page.get_by_role("button", name="Remove AMENDPLAIN-1").click()
    page.get_by_label("Quantity of AMENDPLAIN-2").fill("99")
    page.get_by_role("button", name="Save the changes").click()
    expect(page.locator("#problems")).to_contain_text("99 requested, 10 available")
    page.get_by_label("Quantity of AMENDPLAIN-2").fill("2")
    page.get_by_role("button", name="Save the changes").click()
    page.wait_for_url(ORDER)
    assert lines(read(served, order)) == {"AMENDPLAIN-2": 2}


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_form_of_a_placed_order_and_what_was_changed_are_accessible(
    desk: Desk, make_product: Make, make_customer: Make, place: Make,
    complaints: Callable[[Page], list[str]], theme: str,
) -> None:  # fmt: skip
    product = make_product(f"AMENDAXE-{theme}")
    order = place(make_customer(f"Change in {theme}"), (product, 1))
    page = desk("manager")
    page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
    edit(page, order)
    found = {"opened": complaints(page)}
    page.get_by_label(f"Quantity of AMENDAXE-{theme}").fill("3")
    page.set_viewport_size({"width": 390, "height": 844})
    found["on the phone"] = complaints(page)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.get_by_role("button", name="Save the changes").click()
    page.wait_for_url(ORDER)
    expect(page.locator(".changes")).to_be_visible()
    found["changed"] = complaints(page)
    assert {state: said for state, said in found.items() if said} == {}
