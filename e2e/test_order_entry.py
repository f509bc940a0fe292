"""Journeys through order entry, the screen that must be as fast as the hands on it."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from e2e.conftest import Served, Watch, lose

pytestmark = pytest.mark.browser

type Desk = Callable[..., Page]
type Make = Callable[..., dict[str, Any]]

ORDER = re.compile(r"/orders/\d+$")


def scan(page: Page, code: str) -> None:
    """What a scanner does: the code as keys, then Enter."""
    page.keyboard.type(code)
    page.keyboard.press("Enter")


def begin(page: Page, customer: dict[str, Any]) -> None:
    """A new order for this customer, by keyboard."""
    page.goto("/orders/new")
    expect(page.locator("#customer-search")).to_be_focused()
    page.keyboard.type(customer["name"])
    expect(page.get_by_role("option", name=re.compile(customer["name"]))).to_be_visible()
    page.keyboard.press("Enter")
    expect(page.locator(".picked")).to_be_visible()
    expect(page.locator("#code")).to_be_focused()


def paste(page: Page, text: str) -> None:
    """Into the field of codes, as from a spreadsheet."""
    page.locator("#code").evaluate(
        """(field, text) => {
            const clipboardData = new DataTransfer();
            clipboardData.setData("text", text);
            field.dispatchEvent(new ClipboardEvent("paste", {clipboardData, bubbles: true, cancelable: true}));
        }""",
        text,
    )


@contextmanager
def unanswered(page: Page) -> Iterator[list[Route]]:
    """What the form sends meanwhile is answered only afterwards, one after the other."""
    held: list[Route] = []
    is_over = False

    def hold(route: Route) -> None:
        if route.request.method == "POST" and not is_over:
            held.append(route)
        else:
            route.fallback()

    page.route("**/orders/new", hold)
    yield held
    until_sent(page, held)
    is_over = True
    for route in held:
        route.fulfill(response=route.fetch())


def until_sent(page: Page, held: list[Route]) -> None:
    while not held:
        page.wait_for_timeout(10)


def lines(page: Page) -> list[tuple[str, str]]:
    """SKU and quantity of each line."""
    return [
        (row.locator(".hint").first.inner_text(), row.locator("[name=quantity]").input_value())
        for row in page.locator("#lines > .line").all()
    ]


def orders_of(served: Served, customer: dict[str, Any]) -> list[dict[str, Any]]:
    with served.api() as api:
        found = api.get("/orders", params={"customer_id": customer["id"]}).raise_for_status()
        return list(found.json()["items"])


def test_what_is_typed_before_the_page_is_ready_is_looked_up(
    desk: Desk, make_customer: Make, type_too_early: Callable[..., None]
) -> None:
    make_customer("Fast Hands")
    page = desk("operator")
    type_too_early(page, "#customer-search", "fast ha")
    page.goto("/orders/new")
    expect(page.get_by_role("option", name="Fast Hands")).to_be_visible()


def test_what_is_scanned_before_the_page_is_ready_waits_for_its_quantity(
    desk: Desk, make_customer: Make, make_product: Make, type_too_early: Callable[..., None]
) -> None:
    customer, product = make_customer("Fast Scanner"), make_product("EARLY-SCAN")
    page = desk("operator")
    type_too_early(page, "#code", product["gtin"])
    page.add_init_script(
        """
        document.addEventListener("DOMContentLoaded", () => {
          const enter = { key: "Enter", bubbles: true, cancelable: true };
          document.querySelector("#code").dispatchEvent(new KeyboardEvent("keydown", enter));
        });
        """
    )
    page.goto(f"/orders/new?customer={customer['id']}")
    expect(page.get_by_label("Quantity of EARLY-SCAN")).to_be_focused()


def test_prices_are_agreed_upon_by_keyboard(
    desk: Desk,
    make_product: Make,
    make_customer: Make,
    served: Served,
    complaints: Callable[[Page], list[str]],
) -> None:
    """As a share, as a price, too low to be agreed upon, and with a scanner where a price was expected."""
    customer = make_customer("Haggling Foods")
    first, second, third = (make_product(f"HAGGLE-{n}", price="10.00") for n in (1, 2, 3))
    make_product("HAGGLE-8", gtin="96385074")
    make_product("R-10")
    page = desk("seller")
    begin(page, customer)
    scan(page, first["sku"])
    expect(page.get_by_label("Quantity of HAGGLE-1")).to_be_focused()
    page.keyboard.type("3")
    page.keyboard.press("Tab")
    price = page.get_by_label("Price of HAGGLE-1")
    expect(price).to_be_focused()
    page.keyboard.type("5%")
    row = page.locator("#lines > .line").first
    expect(row.locator("[data-subtotal]")).to_have_text("R$ 28.50")
    expect(row).to_contain_text("R$ 10.00 \N{MINUS SIGN}5 %")
    page.keyboard.press("Enter")
    expect(price).to_have_value("9.50")

    scan(page, second["sku"])
    expect(page.get_by_label("Quantity of HAGGLE-2")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.type("8,99")
    low = page.get_by_label("Price of HAGGLE-2")
    expect(low).to_have_attribute("aria-invalid", "true")
    expect(page.locator("#lines > .line").nth(1)).to_contain_text("you may go down to R$ 9.00")
    assert complaints(page) == []
    page.keyboard.press("Control+Enter")
    expect(page.locator("#problems")).to_contain_text(
        "A lower price than you may agree upon: HAGGLE-2."
    )
    expect(low).to_be_focused()
    expect(low).to_have_value("8.99")
    page.keyboard.press("Control+a")
    page.keyboard.type("10%")
    page.keyboard.press("Enter")
    expect(low).to_have_value("9.00")

    # A scan that meets the field of a price is a scan, the short codes too.
    for code, label in ((third["gtin"], "HAGGLE-3"), ("96385074", "HAGGLE-8"), ("R-10", "R-10")):
        low.focus()
        scan(page, code)
        expect(page.get_by_label(f"Quantity of {label}")).to_be_focused()
        expect(low).to_have_value("9.00")
        page.keyboard.press("Control+Delete") if code != third["gtin"] else None
    page.get_by_label("Price of HAGGLE-3").fill("12.50")
    expect(page.locator("#lines > .line").nth(2)).to_contain_text("above the customer's price")
    page.get_by_label("Price of HAGGLE-3").fill("cheap")
    expect(page.locator("#lines > .line").nth(2)).to_contain_text("Write a price like 8.90")
    assert complaints(page) == []
    page.get_by_label("Price of HAGGLE-3").fill("")
    page.keyboard.press("Control+ArrowDown")
    expect(page.get_by_label("Due date")).to_be_focused()
    page.keyboard.press("Control+ArrowUp")
    expect(page.locator("#code")).to_be_focused()

    page.reload()
    expect(page.get_by_label("Price of HAGGLE-1")).to_have_value("9.50")
    page.keyboard.press("Control+Enter")
    page.wait_for_url(ORDER)
    expect(page.locator(".order-items")).to_contain_text("\N{MINUS SIGN}10 % of R$ 10.00")
    taken_off = page.get_by_role("row", name="Discount, in the prices above R$ 2.50")
    expect(taken_off).to_be_visible()
    [order] = orders_of(served, customer)
    assert order["total"] == "47.50"

    page.keyboard.press("e")
    page.wait_for_url("**/amend")
    page.get_by_label("Price of HAGGLE-1").fill("")
    page.keyboard.press("Control+Enter")
    page.wait_for_url(ORDER)
    expect(page.locator(".timeline")).to_contain_text(
        "Product HAGGLE-1 (HAGGLE-1), price: R$ 9.50 → R$ 10.00"
    )


def test_the_hands_are_at_the_price_that_was_refused_and_never_on_the_bin(
    desk: Desk, make_product: Make, make_customer: Make, served: Served
) -> None:
    customer = make_customer("Firm Foods")
    for number in (1, 2):
        make_product(f"FIRM-{number}", price="10.00")
    page = desk("seller")
    begin(page, customer)
    for number in (1, 2):
        scan(page, f"FIRM-{number}")
        expect(page.get_by_label(f"Quantity of FIRM-{number}")).to_be_focused()
        page.keyboard.press("Enter")
    page.get_by_label("Price of FIRM-2").fill("8.00")
    page.keyboard.press("Tab")
    expect(page.locator("#code, #pasted, summary").and_(page.locator(":focus"))).to_be_visible()
    page.keyboard.press("Shift+Tab")
    expect(page.get_by_label("Price of FIRM-2")).to_be_focused()
    page.locator("[data-place]").click()
    expect(page.locator("#problems")).to_be_visible()
    expect(page.get_by_label("Price of FIRM-2")).to_be_focused()

    # So much off the whole order, by Enter in its field; then one line of it at another price.
    page.get_by_label("Discount on all lines (%)").fill("10")
    page.keyboard.press("Enter")
    expect(page.get_by_label("Price of FIRM-1")).to_have_value("9.00")
    expect(page.get_by_label("Price of FIRM-2")).to_have_value("9.00")
    expect(page.locator("[data-total]")).to_have_text("R$ 18.00")
    page.get_by_label("Price of FIRM-1").fill("95")
    page.keyboard.press("Control+Enter")
    expect(page.locator("#problems")).to_contain_text("FIRM-1 at R$ 95.00 is far above R$ 10.00.")
    page.get_by_label("Price of FIRM-1").fill("9.50")
    page.keyboard.press("Control+Enter")
    page.wait_for_url(ORDER)
    [order] = orders_of(served, customer)
    assert order["total"] == "18.50"


def test_who_may_not_agree_reads_the_sums_at_the_agreed_prices(
    desk: Desk, make_product: Make, make_customer: Make, served: Served
) -> None:
    customer, product = make_customer("Haggled For"), make_product("HAGGLED-1", price="10.00")
    with served.api() as api:
        body = {
            "customer_id": customer["id"],
            "items": [{"product_id": product["id"], "quantity": 8, "agreed_price": "5.00"}],
            "idempotency_key": "haggled-1",
        }
        order = api.post("/orders", json=body).raise_for_status().json()
    page = desk("operator")
    page.goto(f"/orders/{order['id']}/amend")
    expect(page.locator("[data-total]")).to_have_text("R$ 40.00")
    page.get_by_label("Quantity of HAGGLED-1").fill("6")
    expect(page.locator("[data-total]")).to_have_text("R$ 30.00")
    row = page.locator("#lines > .line")
    problem = row.locator("[data-price-problem]")
    expect(problem).to_be_hidden()
    page.get_by_label("Quantity of HAGGLED-1").fill("9")
    expect(problem).to_be_visible()
    page.keyboard.press("Control+Enter")
    expect(page.locator("#problems")).to_contain_text("A lower price than you may agree upon")
    expect(problem).to_be_visible()
    expect(problem).to_contain_text("you may go down to R$ 10.00")
    page.get_by_label("Quantity of HAGGLED-1").fill("6")
    page.keyboard.press("Control+Enter")
    page.wait_for_url(ORDER)
    expect(page.locator(".order-items tfoot")).to_contain_text("R$ 30.00")


def test_ten_lines_by_keyboard_alone(
    desk: Desk, make_product: Make, make_customer: Make, served: Served
) -> None:
    customer = make_customer("Padaria Ten Lines")
    products = [make_product(f"TEN-{number}", price="2.50", on_hand=99) for number in range(10)]
    page = desk("operator")
    page.goto("/")
    page.keyboard.press("n")
    page.wait_for_url("**/orders/new")
    page.keyboard.type("padaria ten")
    expect(page.get_by_role("option", name="Padaria Ten Lines")).to_be_visible()
    page.keyboard.press("Enter")
    for number, product in enumerate(products, start=1):
        expect(page.locator("#code")).to_be_focused()
        if number % 3 == 0:  # by words, with what is known of it in the list
            page.keyboard.type(f"product ten {number - 1}")
            option = page.get_by_role("option", name=product["sku"])
            expect(option).to_contain_text("99 available")
            expect(option).to_contain_text("R$ 2.50")
            page.keyboard.press("Enter")
        else:
            scan(page, product["gtin"] if number % 2 else product["sku"])
        quantity = page.get_by_label(f"Quantity of {product['sku']}")
        expect(quantity).to_be_focused()
        page.keyboard.type(str(number))  # it is selected, so that this replaces it
        expect(quantity).to_have_value(str(number))
        page.keyboard.press("Enter")
    expect(page.locator("[data-total]")).to_have_text("R$ 137.50")
    expect(page.locator("[data-piece-count]")).to_have_text("55")
    page.keyboard.press("Control+Enter")
    page.wait_for_url(ORDER)
    expect(page.get_by_role("heading", level=1)).to_contain_text("Pending")
    [order] = orders_of(served, customer)
    assert (order["items_count"], order["total"]) == (10, "137.50")


def test_a_quantity_with_a_mark_for_thousands_is_no_code(
    desk: Desk, make_product: Make, make_customer: Make
) -> None:
    customer, product = (
        make_customer("Padaria Thousands"),
        make_product("THOU-1", price="2.00", on_hand=5000),
    )
    page = desk("operator")
    page.goto(f"/orders/new?customer={customer['id']}")
    scan(page, product["sku"])
    quantity = page.get_by_label("Quantity of THOU-1")
    expect(quantity).to_be_focused()
    page.keyboard.type("1,200")
    page.keyboard.press("Enter")
    expect(page.locator("#code")).to_be_focused()
    expect(quantity).to_have_value("1,200")
    expect(page.locator("[data-total]")).to_have_text("R$ 2,400.00")
    page.keyboard.press("Control+Enter")
    page.wait_for_url(ORDER)
    expect(page.locator("main")).to_contain_text("R$ 2,400.00")


def test_a_customer_is_found_by_tax_id_and_by_email(desk: Desk, make_customer: Make) -> None:
    customer = make_customer("Mercado Found Twice")
    page = desk("operator")
    for words in (customer["cpf_cnpj"], customer["email"]):
        page.goto("/orders/new")
        scan(page, words)  # faster than the list of what fits: the server finds the one it means
        expect(page.locator(".picked")).to_contain_text("Mercado Found Twice")


def test_scans_faster_than_the_answers_all_arrive_and_no_code_becomes_a_quantity(
    desk: Desk, make_product: Make, make_customer: Make, watch: Watch
) -> None:
    first, second, third = (make_product(f"FAST-{number}", on_hand=99) for number in range(3))
    page = desk("operator")
    begin(page, make_customer("Fast Scans"))
    for product in (first, second, first, third, first):
        scan(page, product["gtin"])
    expect(page.get_by_label("Quantity of FAST-0")).to_have_value("3")
    expect(page.locator("#lines > .line")).to_have_count(3)
    quantity = page.get_by_label("Quantity of FAST-1")
    quantity.fill("7")
    quantity.blur()
    quantity.focus()
    scan(page, third["gtin"])
    expect(page.get_by_label("Quantity of FAST-2")).to_have_value("2")
    assert lines(page) == [("FAST-0", "3"), ("FAST-1", "7"), ("FAST-2", "2")]
    page.locator("#code").focus()
    scan(page, "0000000000")
    expect(page.locator("#scan-problem")).to_have_text("No product has the code “0000000000”.")
    expect(page.locator("#code")).to_have_value("0000000000")
    scan(page, second["gtin"])  # over what was not found
    expect(page.get_by_label("Quantity of FAST-1")).to_have_value("8")


def test_the_same_words_typed_again_open_the_list_again(
    desk: Desk, make_product: Make, make_customer: Make
) -> None:
    for number in range(2):
        make_product(f"AGAIN-{number}", name=f"Retyped number {number}")
    page = desk("operator")
    begin(page, make_customer("Types It Again"))
    first = page.get_by_role("option", name="AGAIN-0")
    for count in ("1", "2"):
        page.keyboard.type("retyped")
        expect(first).to_be_visible()
        page.keyboard.press("Enter")
        expect(page.get_by_label("Quantity of AGAIN-0")).to_have_value(count)
        expect(page.get_by_label("Quantity of AGAIN-0")).to_be_focused()
        page.keyboard.press("Enter")
    page.keyboard.type("retyped")
    expect(first).to_be_visible()
    page.keyboard.press("Escape")
    expect(first).to_be_hidden()
    page.keyboard.press("ArrowDown")
    expect(first).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("Control+A")
    page.keyboard.type("retyped")
    expect(first).to_be_visible()


def test_enter_before_the_list_is_there_opens_it_or_takes_the_one_that_fits(
    desk: Desk, make_product: Make, make_customer: Make
) -> None:
    for number in range(2):
        make_product(f"HASTE-{number}", name=f"Hasty number {number}")
    make_product("ALONE-1", name="Hurried and alone")
    page = desk("operator")
    begin(page, make_customer("In Haste"))
    scan(page, "hasty")
    first, second = (page.get_by_role("option", name=f"HASTE-{number}") for number in range(2))
    expect(first).to_have_attribute("aria-selected", "true")
    expect(page.locator("#code")).to_have_value("hasty")
    expect(page.locator("#code")).to_have_attribute("aria-expanded", "true")
    expect(page.locator("#scan-problem")).to_be_hidden()
    assert lines(page) == []
    page.keyboard.press("ArrowDown")
    page.wait_for_timeout(300)  # what was asked for while typing is answered by now
    expect(second).to_have_attribute("aria-selected", "true")
    page.keyboard.press("Enter")
    expect(page.get_by_label("Quantity of HASTE-1")).to_be_focused()
    page.keyboard.press("Enter")
    scan(page, "hurried")
    expect(page.get_by_label("Quantity of ALONE-1")).to_be_focused()
    page.keyboard.press("Enter")
    with unanswered(page) as held:
        scan(page, "hasty")
        until_sent(page, held)
        page.keyboard.type("HASTE")
    problem = page.locator("#scan-problem")
    expect(problem).to_have_text("Several products fit “hasty”: choose one.")
    page.keyboard.type("-0")  # nothing of what was typed meanwhile is lost
    expect(problem).to_be_hidden()
    page.keyboard.press("Enter")
    expect(page.get_by_label("Quantity of HASTE-0")).to_be_focused()
    assert lines(page) == [("HASTE-1", "1"), ("ALONE-1", "1"), ("HASTE-0", "1")]


def test_the_list_closes_as_its_field_is_left_and_the_button_does_what_enter_does(
    desk: Desk, make_product: Make, make_customer: Make
) -> None:
    for number in range(2):
        make_product(f"LEAVE-{number}", name=f"Leaving number {number}")
    page = desk("operator")
    begin(page, make_customer("Leaves It"))
    first, add = page.get_by_role("option", name="LEAVE-0"), page.locator("[data-add]")
    page.keyboard.type("leaving")
    expect(first).to_be_visible()
    page.keyboard.press("Tab")
    expect(add).to_be_focused()
    expect(first).to_be_hidden()
    expect(page.locator("#code")).to_have_attribute("aria-expanded", "false")
    page.keyboard.press("Enter")
    expect(first).to_be_visible()
    expect(page.locator("#code")).to_be_focused()
    expect(page.locator("#scan-problem")).to_be_hidden()
    page.keyboard.press("Enter")
    expect(page.get_by_label("Quantity of LEAVE-0")).to_be_focused()
    page.locator("#code").fill("LEAVE-1")
    add.click()
    expect(page.get_by_label("Quantity of LEAVE-1")).to_be_focused()
    expect(page.locator("#code")).to_have_value("")
    assert lines(page) == [("LEAVE-0", "1"), ("LEAVE-1", "1")]


def test_a_shortage_is_seen_while_typing_explained_on_submit_and_resolved_in_one_click(
    desk: Desk, make_product: Make, make_customer: Make, served: Served
) -> None:
    customer = make_customer("Short Of Things")
    few, none, enough = (
        make_product(sku, on_hand=on_hand)
        for sku, on_hand in (("FEW-1", 5), ("NONE-1", 0), ("ENOUGH-1", 50))
    )
    page = desk("operator")
    begin(page, customer)
    for product, count in ((few, "8"), (none, "1"), (enough, "20")):
        scan(page, product["sku"])
        expect(page.get_by_label(f"Quantity of {product['sku']}")).to_be_focused()
        scan(page, count)
    expect(page.get_by_role("row", name="FEW-1")).to_contain_text("only 5 available")
    expect(page.locator("[data-short-note]")).to_be_visible()
    paste(page, "UNKNOWN;1")  # which taking what is available does not mend
    alert = page.locator("#problems")
    expect(alert).to_contain_text("UNKNOWN")
    expect(alert.get_by_role("button")).to_have_count(0)
    page.get_by_label("One product a line").fill("")
    page.keyboard.press("Control+Enter")
    expect(alert).to_contain_text("FEW-1: 8 requested, 5 available")
    expect(alert).to_contain_text("NONE-1: 1 requested, 0 available")
    expect(page.get_by_label("Quantity of FEW-1")).to_be_focused()
    assert (lines(page)[0], orders_of(served, customer)) == (("FEW-1", "8"), [])
    page.get_by_role("button", name="Take 5").click()
    expect(page.get_by_label("Quantity of FEW-1")).to_have_value("5")
    alert.get_by_role("button", name="Take what is available").click()
    assert lines(page) == [("FEW-1", "5"), ("ENOUGH-1", "20")]
    expect(page.locator("[data-short-note]")).to_be_hidden()
    page.keyboard.press("Control+Enter")
    page.wait_for_url(ORDER)
    assert [order["total"] for order in orders_of(served, customer)] == ["250.00"]


def test_a_double_click_is_one_order_and_back_does_not_place_another(
    desk: Desk, make_product: Make, make_customer: Make, served: Served
) -> None:
    customer, product = make_customer("Double Click"), make_product("DOUBLE-1")
    page = desk("operator")
    begin(page, customer)
    scan(page, product["sku"])
    expect(page.get_by_label("Quantity of DOUBLE-1")).to_be_focused()
    page.get_by_role("button", name="Place order").dblclick()
    page.wait_for_url(ORDER)
    expect(page.locator(".toast-line")).to_contain_text("is placed")
    page.go_back()
    expect(page.locator("#lines > .line")).to_have_count(0)
    page.get_by_role("button", name="Place order").click()
    expect(page.locator("#problems")).to_have_text("Add at least one product.")
    assert len(orders_of(served, customer)) == 1


def test_a_lost_answer_and_a_reload_are_the_same_order_when_sent_again(
    desk: Desk, make_product: Make, make_customer: Make, served: Served, watch: Watch
) -> None:
    watch.expect("ERR_FAILED|Failed to fetch")
    customer, product = make_customer("Lost Answer"), make_product("LOST-1")
    page = desk("operator")
    page.route("**/orders/new", lose)
    begin(page, customer)
    scan(page, product["sku"])
    expect(page.get_by_label("Quantity of LOST-1")).to_be_focused()
    scan(page, "3")
    page.get_by_label("Customer reference").fill("PO 7")

    page.keyboard.press("Control+Enter")
    expect(page.locator(".toast-line")).to_contain_text("the order is not placed twice")
    assert len(orders_of(served, customer)) == 1
    page.unroute("**/orders/new")
    page.reload()
    expect(page.get_by_label("Quantity of LOST-1")).to_have_value("3")
    expect(page.get_by_label("Customer reference")).to_have_value("PO 7")
    page.keyboard.press("Control+Enter")
    page.wait_for_url(ORDER)
    expect(page.locator(".toast-line")).to_contain_text("was already placed")
    assert len(orders_of(served, customer)) == 1


def test_an_order_that_was_left_is_offered_again_and_one_that_was_placed_is_not(
    desk: Desk, make_product: Make, make_customer: Make
) -> None:
    product = make_product("LEFT-1")
    page = desk("operator")
    begin(page, make_customer("Left Alone"))
    scan(page, product["sku"])
    expect(page.get_by_label("Quantity of LEFT-1")).to_be_focused()
    page.get_by_role("link", name="Customers").click()
    page.wait_for_url("**/customers/")
    page.goto("/orders/new")
    page.get_by_role("button", name="Go on with it").click()
    expect(page.get_by_label("Quantity of LEFT-1")).to_have_value("1")
    expect(page.locator(".picked")).to_contain_text("Left Alone")
    page.get_by_role("button", name="Place order").click()
    page.wait_for_url(ORDER)
    page.goto("/orders/new")
    expect(page.locator("#customer-search")).to_be_focused()
    expect(page.locator("#draft")).to_be_hidden()


def test_an_order_begun_without_a_line_is_offered_again(desk: Desk, make_customer: Make) -> None:
    page = desk("operator")
    page.goto("/orders/new")
    page.get_by_label("Customer reference").fill("PO 77")
    page.get_by_label("Notes").fill("Ring twice")
    page.goto("/orders/")
    page.goto("/orders/new")
    page.get_by_role("button", name="Go on with it").click()
    expect(page.get_by_label("Customer reference")).to_have_value("PO 77")
    expect(page.get_by_label("Notes")).to_have_value("Ring twice")
    begin(page, make_customer("Nothing Else"))
    page.goto("/orders/new")
    expect(page.locator("#draft")).to_contain_text("Nothing Else")
    page.get_by_role("button", name="Discard it").click()
    expect(page.locator("#draft")).not_to_contain_text("Nothing Else")


def test_a_new_customer_half_typed_is_there_after_a_reload(desk: Desk) -> None:
    page = desk("manager")
    page.goto("/orders/new")
    page.get_by_text("New customer").click()
    page.get_by_label("Name", exact=True).fill("Half A Name")
    page.reload()
    expect(page.get_by_label("Name", exact=True)).to_be_visible()
    expect(page.get_by_label("Name", exact=True)).to_have_value("Half A Name")


def test_a_new_customer_that_is_refused_leaves_the_hands_at_the_first_mistake(desk: Desk) -> None:
    page = desk("manager")
    page.goto("/orders/new")
    page.keyboard.type("Wrong Number")
    expect(page.get_by_role("option", name="New customer")).to_be_visible()
    page.keyboard.press("Enter")
    expect(page.get_by_label("CPF/CNPJ")).to_be_focused()
    page.keyboard.type("111.222.333-44")
    page.keyboard.press("Tab")
    expect(page.get_by_label("E-mail")).to_be_focused()
    page.keyboard.type("wrong@example.com")
    page.keyboard.press("Enter")
    expect(page.locator(".new-customer .errorlist")).to_have_text("Not a valid CPF or CNPJ.")
    expect(page.get_by_label("CPF/CNPJ")).to_be_focused()


def test_a_removed_line_stays_removed_after_a_reload(
    desk: Desk, make_product: Make, make_customer: Make, place: Make
) -> None:
    customer = make_customer("Removed Lines")
    one, two = make_product("GONE-1"), make_product("GONE-2")
    past = place(customer, (one, 1), (two, 2))
    page = desk("operator")
    begin(page, customer)
    scan(page, one["sku"])
    page.get_by_role("button", name="Remove GONE-1").click()
    page.reload()
    expect(page.locator(".picked")).to_contain_text("Removed Lines")
    expect(page.locator("#lines > .line")).to_have_count(0)
    page.goto(f"/orders/new?repeat={past['id']}")
    page.get_by_role("button", name="Remove GONE-1").click()
    page.reload()
    expect(page.locator("#lines > .line")).to_have_count(1)
    assert lines(page) == [("GONE-2", "2")]


def test_what_happens_before_the_page_is_shown_takes_no_drafts_place(
    desk: Desk, make_customer: Make
) -> None:
    """A part of the page that is loaded by itself may arrive sooner than the page is shown; so may what is typed."""
    page = desk("operator")
    begin(page, make_customer("Shown Late"))
    page.add_init_script(
        "addEventListener('DOMContentLoaded', () =>"
        " document.querySelector('#entry').dispatchEvent(new Event('change', { bubbles: true })))"
    )
    page.reload()
    expect(page.locator(".picked")).to_contain_text("Shown Late")
    page.add_init_script(
        "addEventListener('DOMContentLoaded', () =>"
        " { document.querySelector('[name=notes]').value = 'Typed early'; })"
    )
    page.goto("/orders/new")
    page.get_by_role("button", name="Go on with it").click()
    expect(page.locator(".picked")).to_contain_text("Shown Late")
    page.get_by_role("button", name="Go on with it").click()
    expect(page.get_by_label("Notes")).to_have_value("Typed early")


def test_an_order_repeated_from_the_past_leaves_the_one_that_was_begun(
    desk: Desk, make_product: Make, make_customer: Make, place: Make
) -> None:
    one, two = make_product("BEGUN-1"), make_product("BEGUN-2")
    past = place(make_customer("Of The Past"), (two, 2))
    page = desk("operator")
    begin(page, make_customer("Of Today"))
    scan(page, one["sku"])
    expect(page.get_by_label("Quantity of BEGUN-1")).to_be_focused()
    page.goto(f"/orders/{past['id']}")
    page.get_by_role("link", name="Duplicate").click()
    page.get_by_label("Quantity of BEGUN-2").fill("5")
    page.get_by_label("Customer reference").focus()
    expect(page.locator("#draft")).to_contain_text("Of Today")
    page.get_by_role("button", name="Go on with it").click()
    expect(page.get_by_label("Quantity of BEGUN-1")).to_have_value("1")
    expect(page.locator("#draft")).to_contain_text("Of The Past")
    page.get_by_role("button", name="Place order").click()
    page.wait_for_url(ORDER)
    page.goto("/orders/new")
    page.get_by_role("button", name="Go on with it").click()
    expect(page.get_by_label("Quantity of BEGUN-2")).to_have_value("5")
    expect(page.locator("#draft")).to_be_hidden()


def test_codes_scanned_without_a_network_wait_and_are_added_later(
    desk: Desk, make_product: Make, make_customer: Make, watch: Watch
) -> None:
    watch.expect("ERR_INTERNET_DISCONNECTED|Failed to fetch")
    one, two = make_product("WAIT-1"), make_product("WAIT-2")
    page = desk("operator")
    begin(page, make_customer("Without A Network"))
    page.context.set_offline(True)
    for product in (one, two, one):
        scan(page, product["gtin"])
        page.wait_for_timeout(200)  # each is looked up as well, also in vain
    expect(page.locator(".toast-line")).to_have_count(1)
    expect(page.locator(".toast-line")).to_contain_text("waits under “Paste lines”")
    waiting = page.get_by_label("One product a line")
    expect(waiting).to_be_visible()
    expect(waiting).to_have_value("\n".join(each["gtin"] for each in (one, two, one)))
    page.context.set_offline(False)
    page.get_by_role("button", name="Place order").click()
    expect(page.locator("#problems")).to_contain_text("The pasted lines are not in the order yet")
    page.get_by_role("button", name="Add the lines").click()
    expect(page.get_by_label("Quantity of WAIT-1")).to_have_value("2")
    assert lines(page) == [("WAIT-1", "2"), ("WAIT-2", "1")]
    expect(waiting).to_have_value("")


def test_lines_are_pasted_where_codes_are_typed_and_what_is_unknown_stays(
    desk: Desk, make_product: Make, make_customer: Make
) -> None:
    for number in range(3):
        make_product(f"PASTE-{number}", on_hand=500)
    page = desk("operator")
    begin(page, make_customer("Pasted Lines"))
    paste(page, "PASTE-0;24\npaste-1\t300,00\nUNKNOWN;1\nPASTE-2")
    expect(page.locator("#problems")).to_have_text("No product has the code “UNKNOWN”.")
    expect(page.get_by_label("One product a line")).to_have_value("UNKNOWN;1")
    assert lines(page) == [("PASTE-0", "24"), ("PASTE-1", "300"), ("PASTE-2", "1")]
    paste(page, "PASTE-2;2\nUNHEARD;3")  # what waits from the first list stays
    expect(page.locator("#problems")).to_contain_text("UNHEARD")
    expect(page.get_by_label("One product a line")).to_have_value("UNKNOWN;1\nUNHEARD;3")
    assert lines(page)[2] == ("PASTE-2", "3")


def test_what_is_done_while_the_form_is_replaced_stays_done(
    desk: Desk, make_product: Make, make_customer: Make
) -> None:
    for number in range(4):
        make_product(f"MEANWHILE-{number}", on_hand=99)
    page = desk("operator")
    begin(page, make_customer("Meanwhile"))
    for number in range(2):
        scan(page, f"MEANWHILE-{number}")
        expect(page.get_by_label(f"Quantity of MEANWHILE-{number}")).to_be_focused()
        page.keyboard.press("Enter")
    waiting = page.get_by_label("One product a line")
    with unanswered(page) as held:
        paste(page, "MEANWHILE-0;5\nMEANWHILE-2;3")
        until_sent(page, held)
        page.get_by_label("Quantity of MEANWHILE-0").fill("7")
        page.get_by_role("button", name="Remove MEANWHILE-1").click()
        page.get_by_label("Due date").fill("2999-02-02")
        page.get_by_label("Customer reference").fill("PO 5")
        page.get_by_label("Delivery address").fill("Rua A, 1")
        waiting.press("Control+End")
        waiting.press_sequentially("\nUNKNOWN;1")
        page.locator("#code").focus()
        scan(page, "MEANWHILE-3")
        page.get_by_label("Notes").fill("Ring twice")
    expect(page.get_by_label("Quantity of MEANWHILE-3")).to_have_value("1")
    assert lines(page) == [
        ("MEANWHILE-0", "7"),
        ("MEANWHILE-2", "3"),
        ("MEANWHILE-3", "1"),
    ]
    expect(page.locator("[data-piece-count]")).to_have_text("11")
    expect(page.get_by_label("Due date")).to_have_value("2999-02-02")
    expect(page.get_by_label("Customer reference")).to_have_value("PO 5")
    expect(page.get_by_label("Delivery address")).to_have_value("Rua A, 1")
    expect(waiting).to_have_value("UNKNOWN;1")
    expect(page.get_by_label("Notes")).to_have_value("Ring twice")


def test_the_hands_stay_where_they_are_when_the_form_is_replaced(
    desk: Desk, make_product: Make, make_customer: Make
) -> None:
    make_product("HANDS-1")
    page = desk("operator")
    begin(page, make_customer("Hands Stay"))
    notes = page.get_by_label("Notes")
    with unanswered(page) as held:
        paste(page, "HANDS-1\nUNKNOWN;1")
        until_sent(page, held)
        notes.press_sequentially("Ring tice")
        for _letter in "ice":
            page.keyboard.press("ArrowLeft")
    expect(page.locator("#problems")).to_be_visible()
    expect(notes).to_be_focused()
    page.keyboard.type("w")
    expect(notes).to_have_value("Ring twice")


def test_what_is_scanned_and_typed_as_a_customer_is_chosen_arrives(
    desk: Desk, make_product: Make, make_customer: Make
) -> None:
    customer = make_customer("Chosen And On")
    for number in range(2):
        make_product(f"AND-ON-{number}")
    page = desk("operator")
    page.goto("/orders/new")
    page.locator("#customer-search").press_sequentially(customer["name"])
    expect(page.get_by_role("option", name="Chosen And On")).to_be_visible()
    with unanswered(page):
        page.keyboard.press("Enter")
        scan(page, "AND-ON-0")
        page.keyboard.type("AND-ON")
    expect(page.locator(".picked")).to_contain_text("Chosen And On")
    page.keyboard.type("-1")
    expect(page.get_by_label("Quantity of AND-ON-0")).to_have_value("1")
    expect(page.locator("#code")).to_have_value("AND-ON-1")
    page.keyboard.press("Enter")
    expect(page.get_by_label("Quantity of AND-ON-1")).to_be_focused()
    assert lines(page) == [("AND-ON-0", "1"), ("AND-ON-1", "1")]


def test_a_scan_answered_before_the_form_is_replaced_is_no_line_lost(
    desk: Desk, make_product: Make, make_customer: Make
) -> None:
    for number in range(2):
        make_product(f"OVERTAKEN-{number}")
    page = desk("operator")
    begin(page, make_customer("Outrun"))
    with unanswered(page):
        for number in range(2):
            scan(page, f"OVERTAKEN-{number}")
        paste(page, "OVERTAKEN-0;4")
    expect(page.get_by_label("Quantity of OVERTAKEN-0")).to_have_value("5")
    expect(page.get_by_label("Quantity of OVERTAKEN-1")).to_have_value("1")


def test_what_is_typed_while_a_draft_comes_back_is_not_overwritten(
    desk: Desk, make_product: Make, make_customer: Make
) -> None:
    product = make_product("COMES-BACK")
    page = desk("operator")
    begin(page, make_customer("Comes Back"))
    scan(page, product["sku"])
    expect(page.get_by_label("Quantity of COMES-BACK")).to_be_focused()
    page.get_by_label("Notes").fill("Ring twice")
    with unanswered(page) as held:
        page.reload()
        until_sent(page, held)
        page.get_by_label("Customer reference").press_sequentially("PO 8")
    expect(page.get_by_label("Quantity of COMES-BACK")).to_have_value("1")
    expect(page.get_by_label("Customer reference")).to_have_value("PO 8")
    expect(page.get_by_label("Customer reference")).to_be_focused()
    expect(page.get_by_label("Notes")).to_have_value("Ring twice")


def test_a_new_customer_is_added_and_a_past_order_repeated_without_leaving(
    desk: Desk, make_product: Make, make_customer: Make, place: Make
) -> None:
    one, two = make_product("STAY-1"), make_product("STAY-2")
    old = make_customer("Old Friend")
    past = place(old, (one, 2), (two, 4))
    page = desk("manager")
    page.goto("/orders/new")
    page.locator("#code").focus()
    scan(page, one["sku"])
    expect(page.get_by_label("Quantity of STAY-1")).to_be_focused()
    page.get_by_label("Customer reference").fill("PO 9")
    page.locator("#customer-search").fill("Bistrô da Hora")
    expect(page.get_by_text("Nothing fits “Bistrô da Hora”.")).to_be_visible()
    page.keyboard.press("Enter")
    expect(page.get_by_label("Name", exact=True)).to_have_value("Bistrô da Hora")
    expect(page.get_by_label("CPF/CNPJ")).to_be_focused()
    page.get_by_label("CPF/CNPJ").fill(old["cpf_cnpj"])
    expect(page.locator("#tax-id-check")).to_contain_text("Old Friend has it already.")
    page.get_by_label("CPF/CNPJ").fill("935.411.347-81")
    expect(page.locator("#tax-id-check")).to_contain_text("its check digits are wrong")
    page.get_by_label("E-mail").fill("bistro@example.com")
    page.keyboard.press("Enter")
    expect(page.locator(".new-customer .errorlist")).to_be_visible()
    page.get_by_label("CPF/CNPJ").fill("935.411.347-80")
    page.keyboard.press("Enter")
    expect(page.locator(".picked")).to_contain_text("Bistrô da Hora")
    assert (lines(page), page.get_by_label("Customer reference").input_value()) == (
        [("STAY-1", "1")],
        "PO 9",
    )
    page.get_by_role("button", name="Change").click()
    expect(page.locator("#customer-search")).to_be_focused()
    scan(page, old["cpf_cnpj"])
    page.get_by_role("button", name=f"Repeat {past['number']}").click()
    expect(page.get_by_label("Quantity of STAY-2")).to_have_value("4")
    assert lines(page) == [("STAY-1", "3"), ("STAY-2", "4")]


def test_a_past_order_shows_its_total_clear_of_its_button(
    desk: Desk, make_product: Make, make_customer: Make, place: Make
) -> None:
    customer = make_customer("Past Total")
    past = place(customer, (make_product("TOTAL-1", price="9999.99", on_hand=99), 90))
    page = desk("operator")
    page.goto(f"/orders/new?customer={customer['id']}")
    line = page.get_by_role("listitem").filter(has_text=past["number"])
    total = line.locator(".num").evaluate(
        """cell => {
          const words = document.createRange();
          words.selectNodeContents(cell);
          return words.getBoundingClientRect().right;
        }"""
    )
    button = line.get_by_role("button", name="Repeat").bounding_box()
    assert button is not None
    assert total < button["x"]


def test_a_long_address_leaves_the_button_beside_it_its_width(
    desk: Desk, make_customer: Make
) -> None:
    address = "Rua Bernardino de Campos, 1317 - Centro, Ribeirão Preto/SP, 14015-130"
    customer = make_customer("Long Address", address=address)
    page = desk("operator")
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"/orders/new?customer={customer['id']}")
    padding = page.get_by_role("button", name="Change").evaluate(
        """button => {
          const words = document.createRange();
          words.selectNodeContents(button);
          return button.clientWidth - words.getBoundingClientRect().width;
        }"""
    )
    assert padding >= 16


def test_the_end_of_the_session_loses_no_line(
    desk: Desk, make_product: Make, make_customer: Make, served: Served, watch: Watch, staff: dict[str, str]
) -> None:  # fmt: skip
    watch.expect("status of 401")
    customer = make_customer("Session Ends")
    one, two = make_product("ENDS-1"), make_product("ENDS-2")
    page = desk("operator")
    begin(page, customer)
    scan(page, one["sku"])
    expect(page.get_by_label("Quantity of ENDS-1")).to_be_focused()
    page.context.clear_cookies(name="sessionid")
    page.keyboard.press("Control+Enter")
    dialog = page.get_by_role("dialog", name="Your session has ended")
    expect(dialog).to_be_visible()
    with page.expect_popup() as popup:
        dialog.get_by_role("link", name="Sign in again").click()
    tab = popup.value
    tab.get_by_label("E-mail").fill(staff["operator"])
    tab.locator("input[name=password]").fill(served.password)
    tab.locator("input[name=password]").press("Enter")
    expect(tab.get_by_role("heading", level=1)).to_be_visible()
    page.bring_to_front()
    page.evaluate("dispatchEvent(new Event('focus'))")
    expect(dialog).to_be_hidden()
    page.locator("#code").focus()
    scan(page, two["sku"])
    expect(page.get_by_label("Quantity of ENDS-2")).to_be_focused()
    page.keyboard.press("Control+Enter")
    page.wait_for_url(ORDER)
    assert [order["items_count"] for order in orders_of(served, customer)] == [2]


def test_of_two_browsers_one_gets_the_last_unit_and_the_other_is_told(
    desk: Desk, elsewhere: Page, make_product: Make, make_customer: Make, served: Served
) -> None:
    customer, last = make_customer("Last Unit"), make_product("LAST-1", on_hand=1)
    here, there = desk("operator"), desk("manager", elsewhere)
    for page in (here, there):
        begin(page, customer)
        scan(page, last["sku"])
        expect(page.get_by_label("Quantity of LAST-1")).to_be_focused()
        expect(page.locator("[data-short-note]")).to_be_hidden()
    here.keyboard.press("Control+Enter")
    here.wait_for_url(ORDER)
    there.keyboard.press("Control+Enter")
    expect(there.locator("#problems")).to_contain_text("LAST-1: 1 requested, 0 available")
    there.get_by_role("button", name="Remove the line").click()
    expect(there.locator("#lines > .line")).to_have_count(0)
    assert len(orders_of(served, customer)) == 1


def test_without_javascript_an_order_is_entered_corrected_and_placed_by_buttons(
    no_script: Page, sign_in: Callable[..., None], staff: dict[str, str], make_product: Make,
    make_customer: Make, served: Served,
) -> None:  # fmt: skip
    page = no_script
    customer = make_customer("Plain Forms")
    make_product("BUTTONS-1", name="Product of buttons, for those who press them", on_hand=5)
    make_product("BUTTONS-2")
    sign_in(page, staff["operator"])
    page.goto("/orders/new")
    page.get_by_role("combobox", name="Customer").fill("plain forms")
    page.get_by_role("button", name="Find").click()
    expect(page.locator(".picked")).to_contain_text("Plain Forms")
    page.locator("#code").fill("product buttons")
    page.get_by_role("button", name="Add", exact=True).click()
    choices = page.get_by_role("group", name="Which one?")
    expect(choices).to_contain_text("BUTTONS-1 · R$ 10.00 · 5 available")
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    choices.get_by_role("button", name="BUTTONS-1").click()
    page.get_by_label("Quantity of BUTTONS-1").fill("9")
    page.get_by_label("Customer reference").fill("PO 1")
    page.get_by_role("button", name="Place order").click()
    expect(page.locator("#problems")).to_contain_text("BUTTONS-1: 9 requested, 5 available")
    expect(page.get_by_label("Customer reference")).to_have_value("PO 1")
    page.get_by_role("button", name="Take 5").click()
    expect(page.get_by_label("Quantity of BUTTONS-1")).to_have_value("5")
    page.get_by_role("button", name="Place order").click()
    page.wait_for_url(ORDER)
    [order] = orders_of(served, customer)
    assert (order["total"], order["customer_reference"]) == ("50.00", "PO 1")


def test_a_due_date_that_has_passed_is_told_at_once_and_taken(
    desk: Desk, make_product: Make, make_customer: Make, served: Served, complaints: Callable[..., Any],
) -> None:  # fmt: skip
    customer = make_customer("Late Entry")
    make_product("LATE-DAY")
    page = desk("operator")
    begin(page, customer)
    scan(page, "LATE-DAY")
    told = page.get_by_text("This day has passed")
    expect(told).to_be_hidden()
    page.get_by_label("Due date").fill("2020-02-02")
    expect(told).to_be_visible()
    assert complaints(page) == []
    page.reload()  # the draft comes back, and what is to be said of it
    expect(told).to_be_visible()
    page.get_by_label("Due date").fill("2999-02-02")
    expect(told).to_be_hidden()
    page.get_by_label("Due date").fill("2020-02-02")
    page.get_by_role("button", name="Place order").click()
    page.wait_for_url(ORDER)
    assert [order["due_date"] for order in orders_of(served, customer)] == ["2020-02-02"]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_state_of_the_form_is_accessible(
    desk: Desk, make_product: Make, make_customer: Make, place: Make,
    complaints: Callable[[Page], list[str]], theme: str,
) -> None:  # fmt: skip
    customer = make_customer(f"Acessível {theme}")
    product = make_product(f"AXE-{theme}", on_hand=3)
    place(customer, (product, 1))
    page = desk("manager")
    page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
    found = {}
    page.goto("/orders/new")
    found["blank"] = complaints(page)
    page.locator("#customer-search").fill("nobody at all")
    expect(page.get_by_text("Nothing fits “nobody at all”.")).to_be_visible()
    found["no customer"] = complaints(page)
    page.get_by_role("option", name="New customer").click()
    page.get_by_role("button", name="Add customer").click()
    expect(page.locator(".new-customer .errorlist").first).to_be_visible()
    found["a customer refused"] = complaints(page)
    begin(page, customer)
    page.keyboard.type(product["sku"])
    expect(page.get_by_role("option", name=product["sku"])).to_be_visible()
    found["products"] = complaints(page)
    page.keyboard.press("Enter")
    expect(page.get_by_label(f"Quantity of {product['sku']}")).to_be_focused()
    scan(page, "7")
    scan(page, "unknown")
    expect(page.locator("#scan-problem")).to_be_visible()
    found["unknown and short"] = complaints(page)
    page.keyboard.press("Control+Enter")
    expect(page.locator("#problems")).to_be_visible()
    found["refused"] = complaints(page)
    page.reload()
    expect(page.locator("#lines > .line")).to_have_count(1)
    page.goto("/orders/new")
    expect(page.locator("#draft")).to_be_visible()
    found["a draft"] = complaints(page)
    page.set_viewport_size({"width": 390, "height": 844})
    page.get_by_role("button", name="Go on with it").click()
    expect(page.locator("#lines > .line")).to_have_count(1)
    found["on the phone"] = complaints(page)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert {state: said for state, said in found.items() if said} == {}


@pytest.mark.parametrize("waits", [False, True], ids=["at once", "with the list open"])
def test_a_barcode_of_two_products_lets_the_person_choose(
    desk: Desk, make_customer: Make, make_product: Make, waits: bool
) -> None:
    name = f"TWIN-{'SLOW' if waits else 'FAST'}"
    one = make_product(f"{name}-A")
    make_product(f"{name}-B", gtin=one["gtin"])
    page = desk("operator")
    begin(page, make_customer(f"Twins {waits}"))
    page.keyboard.type(one["gtin"])
    if waits:
        expect(page.locator("#product-options [role=option]")).to_have_count(2)
    page.keyboard.press("Enter")
    problem = page.locator("#scan-problem")
    expect(problem).to_have_text(f"Several products fit “{one['gtin']}”: choose one.")
    choices = page.locator("#product-options [role=option]")
    expect(choices).to_have_count(2)
    expect(choices.first).to_be_visible()
    page.keyboard.press("Enter")  # none is marked, so none is taken
    expect(choices.first).to_be_visible()
    assert lines(page) == []
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.locator("#lines > .line")).to_have_count(1)
    assert lines(page) == [(f"{name}-B", "1")]
    expect(problem).to_be_hidden()


def test_an_inactive_customer_is_shown_and_not_taken(desk: Desk, make_customer: Make) -> None:
    gone = make_customer("Gone Away", is_active=False)
    page = desk("manager")
    page.goto("/orders/new")
    page.locator("#customer-search").press_sequentially("gone aw")
    shown = page.locator("#customer-options [role=option]")
    expect(shown).to_have_count(1)
    expect(shown).to_contain_text("Gone Away Inactive")
    expect(shown).to_have_attribute("aria-disabled", "true")
    shown.click(force=True)
    page.locator("#customer-search").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    button = page.locator(f"button[name=customer][value='{gone['id']}']")
    expect(button).to_be_disabled()
    expect(page.locator(".picked")).to_have_count(0)
