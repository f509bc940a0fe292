"""Journeys through the list of orders and the page of one: found, moved on, printed, by two people at once."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from e2e.conftest import Served, Watch
from erp_site.core import clock

pytestmark = pytest.mark.browser

type Desk = Callable[..., Page]
type Make = Callable[..., dict[str, Any]]
type SignIn = Callable[..., None]

PHONE = {"width": 390, "height": 844}


def status(page: Page) -> Any:
    """What the page of an order says it is."""
    return page.locator("h1 .status")


def back(page: Page) -> None:
    """The browser's Back between two states of one page, which htmx answers with a reload."""
    with page.expect_event("load"):
        page.evaluate("history.back()")


def available(served: Served, product: dict[str, Any]) -> int:
    with served.api() as api:
        return int(api.get(f"/products/{product['id']}").raise_for_status().json()["available"])


def test_from_pending_to_delivered_by_two_roles_and_one_key(
    desk: Desk, elsewhere: Page, make_product: Make, make_customer: Make, place: Make, served: Served
) -> None:  # fmt: skip
    product = make_product("WAY-1", on_hand=10)
    order = place(make_customer("All The Way"), (product, 4))
    operator, manager = desk("operator"), desk("manager", elsewhere)
    steps = [
        (operator, "Confirm", "Confirmed"),
        (manager, "Mark as picked", "Picked"),
        (operator, "Ship", "Shipped"),
        (manager, "Mark as delivered", "Delivered"),
    ]
    for page, button, reached in steps:
        page.goto(f"/orders/{order['id']}")
        primary = page.locator(".actions .btn-primary")
        expect(primary).to_contain_text(button)
        page.keyboard.press("a")
        expect(status(page)).to_have_text(reached)
        expect(page.locator(".toast-line").last).to_contain_text(f"{order['number']}: {reached}.")
        expect(page.locator(".flow [aria-current=step]")).to_contain_text(reached)
    expect(manager.locator(".actions .btn-primary")).to_have_count(0)
    timeline = manager.locator(".timeline")
    expect(timeline).to_contain_text("English Manager set it to Delivered")
    expect(timeline).to_contain_text("English Operator set it to Shipped")
    with served.api() as api:
        stock = api.get(f"/products/{product['id']}").json()
    assert (stock["on_hand"], stock["reserved"]) == (6, 0)


def test_cancelling_asks_why_and_returns_the_stock(
    desk: Desk, elsewhere: Page, make_product: Make, make_customer: Make, place: Make, served: Served
) -> None:  # fmt: skip
    product = make_product("CANCEL-1", on_hand=10)
    order = place(make_customer("Changed Mind"), (product, 4))
    assert available(served, product) == 6
    operator, page = desk("operator", elsewhere), desk("manager")
    for each in (operator, page):
        each.goto(f"/orders/{order['id']}")
    expect(operator.get_by_role("button", name="Cancel order")).to_have_count(0)
    page.get_by_role("button", name="Cancel order…").click()
    question = page.locator("#cancel")
    question.get_by_role("button", name="Cancel order").click()
    expect(question.locator(".errorlist")).to_have_text("Say why the order is cancelled.")
    expect(question.get_by_label("Reason")).to_be_visible()
    question.get_by_label("Reason").fill("Bought elsewhere")
    question.get_by_role("button", name="Cancel order").click()
    expect(status(page)).to_have_text("Cancelled")
    expect(page.locator(".timeline blockquote")).to_have_text("Bought elsewhere")
    assert available(served, product) == 10


def test_a_question_with_a_field_takes_what_is_typed_and_no_key_of_the_page(
    desk: Desk, make_product: Make, make_customer: Make, place: Make
) -> None:
    order = place(make_customer("Typed Reason"), (make_product("CANCEL-2"), 1))
    page = desk("manager")
    page.goto(f"/orders/{order['id']}")
    page.keyboard.press("c")
    reason = page.locator("#cancel").get_by_label("Reason")
    expect(reason).to_be_focused()
    page.keyboard.type("a late supplier")
    expect(reason).to_have_value("a late supplier")
    # Beside the field the letters are not the page's keys either, while it asks.
    page.keyboard.press("Tab")
    page.keyboard.press("a")
    page.keyboard.press("e")
    expect(status(page)).to_have_text("Pending")
    page.keyboard.press("Escape")
    expect(reason).to_be_hidden()
    page.keyboard.press("e")
    page.wait_for_url("**/amend")


def test_of_two_people_at_one_order_the_second_is_told_what_the_first_did(
    desk: Desk, elsewhere: Page, make_product: Make, make_customer: Make, place: Make, served: Served
) -> None:  # fmt: skip
    product = make_product("BOTH-1")
    order = place(make_customer("Both At Once"), (product, 4))
    operator, manager = desk("operator"), desk("manager", elsewhere)
    for page in (operator, manager):
        page.goto(f"/orders/{order['id']}")
    operator.keyboard.press("a")
    expect(status(operator)).to_have_text("Confirmed")
    # The manager still sees a pending order. Cancelling a confirmed one would be allowed, but was not meant.
    manager.get_by_role("button", name="Cancel order…").click()
    manager.get_by_label("Reason").fill("Not paid")
    manager.locator("#cancel").get_by_role("button", name="Cancel order").click()
    expect(manager.get_by_role("alert")).to_have_text(
        "English Operator has meanwhile set this order to “Confirmed”. Nothing was changed."
    )
    expect(status(manager)).to_have_text("Confirmed")
    assert available(served, product) == 6


def test_notes_are_added_by_everyone_who_works_here_and_read_by_all(
    desk: Desk, make_product: Make, make_customer: Make, place: Make
) -> None:
    order = place(make_customer("With Notes"), (make_product("NOTE-1"), 1))
    page = desk("operator")
    page.goto(f"/orders/{order['id']}")
    page.get_by_label("Note", exact=True).fill(" ")
    page.get_by_role("button", name="Add note").click()
    expect(page.locator(".comment .errorlist")).to_be_visible()
    page.get_by_label("Note", exact=True).fill("Back door, after three")
    page.get_by_role("button", name="Add note").click()
    note = page.locator(".timeline li").first
    expect(note).to_contain_text("English Operator wrote")
    expect(note.locator("blockquote")).to_have_text("Back door, after three")
    expect(page.get_by_label("Note", exact=True)).to_have_value("")
    page.get_by_role("link", name="Duplicate").click()
    expect(page.get_by_label("Quantity of NOTE-1")).to_have_value("1")


def test_a_note_that_is_being_written_stays_when_the_order_moves_on(
    desk: Desk, make_product: Make, make_customer: Make, place: Make
) -> None:
    order = place(make_customer("Half A Note"), (make_product("HALF-1"), 1))
    page = desk("manager")
    page.goto(f"/orders/{order['id']}")
    note = page.get_by_label("Note", exact=True)
    note.fill("Back door, after")
    key = page.locator(".comment [name=idempotency_key]").input_value()
    page.get_by_role("button", name="Confirm").click()
    expect(status(page)).to_have_text("Confirmed")
    expect(note).to_have_value("Back door, after")
    # The same note as before: sent already, with the answer lost, it is still written once.
    assert page.locator(".comment [name=idempotency_key]").input_value() == key
    # The hands are back in the note before the answer comes.
    page.evaluate(
        """document.addEventListener("htmx:before:request", () => {
          document.querySelector(".comment textarea").focus();
        }, { once: true })"""
    )
    page.get_by_role("button", name="Mark as picked").click()
    expect(status(page)).to_have_text("Picked")
    expect(note).to_be_focused()
    page.keyboard.type(" three")
    page.get_by_role("button", name="Add note").click()
    expect(page.locator(".timeline blockquote")).to_have_text("Back door, after three")
    expect(note).to_have_value("")
    assert page.locator(".comment [name=idempotency_key]").input_value() != key


def test_the_list_by_keyboard_and_from_record_to_record(
    desk: Desk, make_product: Make, make_customer: Make, place: Make
) -> None:
    customer, product = make_customer("Key Walkers"), make_product("KEYS-1")
    first, second, third = (place(customer, (product, 1)) for _ in range(3))
    other = place(make_customer("Somebody Else"), (product, 1))
    page = desk("operator")
    page.goto("/orders/")
    page.keyboard.press("/")
    expect(page.locator("#q")).to_be_focused()
    page.keyboard.type("key walk")
    expect(page.locator("[data-row]")).to_have_count(3)
    expect(page).to_have_url(re.compile(r"\?search=key\+walk$"))
    page.keyboard.press("Enter")
    expect(page.locator("#q")).not_to_be_focused()
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("k")
    page.keyboard.press("x")
    expect(page.locator("[data-bulk-count]")).to_have_text("1")
    expect(page.get_by_label(f"Select {third['number']}")).to_be_checked()
    page.keyboard.press("x")
    expect(page.locator("[data-bulk]")).to_be_hidden()
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/orders/{second['id']}")
    page.keyboard.press("]")  # down the list one came from, not by number
    page.wait_for_url(f"**/orders/{first['id']}")
    expect(page.get_by_role("link", name="Next order")).to_have_count(0)
    page.keyboard.press("[")
    page.wait_for_url(f"**/orders/{second['id']}")
    page.get_by_label("Where you are").get_by_role("link", name="Orders").click()
    page.wait_for_url("**/orders/?search=key+walk")
    expect(page.get_by_text(other["number"])).to_have_count(0)
    page.keyboard.press("?")
    sheet = page.get_by_role("dialog", name="Keyboard")
    for words in ("Next and previous row", "Open the row", "Select the row", "New order"):
        expect(sheet).to_contain_text(words)
    page.keyboard.press("Escape")
    page.keyboard.press("n")
    expect(page).to_have_url(re.compile("/orders/new$"))


def test_of_two_answers_close_together_the_newer_stays(
    desk: Desk, make_product: Make, make_customer: Make, place: Make
) -> None:
    product = make_product("CLOSE-1")
    place(make_customer("First Words"), (product, 1))
    second = place(make_customer("Second Words"), (product, 1))
    page = desk("operator")
    page.goto("/orders/")
    # The next search leaves while the answer to the one before is being put in: it can no longer be held back.
    page.evaluate(
        """document.addEventListener("htmx:before:swap", function next(event) {
          if (event.detail.ctx.target.id !== "results") return;
          document.removeEventListener("htmx:before:swap", next);
          document.querySelector("#q").value = "second words";
          document.querySelector("#filters").requestSubmit();
        })"""
    )
    page.locator("#q").fill("first words")
    expect(page).to_have_url(re.compile(r"search=second\+words"))
    expect(page.locator("[data-row]")).to_have_count(1)
    expect(page.locator("[data-row]")).to_contain_text(second["number"])


def test_the_walk_goes_over_the_end_of_a_page_in_the_order_of_the_list(
    desk: Desk, make_product: Make, make_customer: Make, place: Make
) -> None:
    customer, product = make_customer("Long Walkers"), make_product("WALK-1", on_hand=100)
    orders = [place(customer, (product, 1)) for _ in range(27)]
    page = desk("operator")
    page.goto("/orders/?search=long+walk&sort=created_at")  # a page has 25 rows
    page.get_by_role("link", name=orders[23]["number"]).click()
    page.wait_for_url(f"**/orders/{orders[23]['id']}")
    for order in orders[24:]:
        expect(page.get_by_role("link", name="Next order")).to_be_visible()
        page.keyboard.press("]")
        page.wait_for_url(f"**/orders/{order['id']}")
    expect(page.get_by_role("link", name="Next order")).to_have_count(0)
    back = page.get_by_label("Where you are").get_by_role("link", name="Orders")
    expect(back).to_have_attribute("href", re.compile("page=2"))
    back.click()
    page.get_by_role("link", name=orders[25]["number"]).click()
    page.wait_for_url(f"**/orders/{orders[25]['id']}")
    for order in (orders[24], orders[23]):
        expect(page.get_by_role("link", name="Previous order")).to_be_visible()
        page.keyboard.press("[")
        page.wait_for_url(f"**/orders/{order['id']}")


def test_enter_pressed_once_too_often_moves_no_order(
    desk: Desk, make_product: Make, make_customer: Make, place: Make
) -> None:
    order = place(make_customer("Heavy Fingers"), (make_product("ENTER-1"), 1))
    page = desk("operator")
    page.goto("/orders/?search=heavy")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/orders/{order['id']}")
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    page.reload()
    expect(status(page)).to_have_text("Pending")


@pytest.mark.parametrize(
    "second",
    [
        "document.body.dispatchEvent(new KeyboardEvent('keydown', { key: 'a', bubbles: true }))",
        "document.elementFromPoint(...spot).click()",
    ],
    ids=["key", "pointer"],
)
def test_a_double_press_moves_an_order_one_step(
    desk: Desk, make_product: Make, make_customer: Make, place: Make, second: str
) -> None:
    way = "key" if "keydown" in second else "pointer"
    order = place(make_customer(f"Double {way}"), (make_product(f"DOUBLE-{way}"), 1))
    page = desk("manager")
    page.goto(f"/orders/{order['id']}")
    pressed = page.locator("[data-key=a]")
    box = pressed.bounding_box()
    assert box is not None
    # The second half comes right after the answer, when the request holds nothing back any more: on its own in the
    # page, for what is seen from here may be seen too late.
    page.evaluate(
        """spot => document.addEventListener("htmx:after:swap", () => setTimeout(() => {
          PRESS;
          document.body.dataset.pressed = "twice";
        }, 180), { once: true })""".replace("PRESS", second),
        [box["x"] + box["width"] / 2, box["y"] + box["height"] / 2],
    )
    taken: list[str] = []
    page.on("request", lambda request: taken.append(str(request.post_data or "")))
    page.keyboard.press("a")
    expect(page.locator("body")).to_have_attribute("data-pressed", "twice")
    pressed.click()  # after that moment a press is a step again
    expect(status(page)).to_have_text("Picked")
    assert re.findall("status=([a-z]+)", " ".join(taken)) == ["confirmed", "picked"]


@pytest.mark.parametrize("way", ["pointer", "key", "Enter"])
def test_late_presses_on_a_slow_line_move_an_order_one_step(
    desk: Desk, make_product: Make, make_customer: Make, place: Make, way: str
) -> None:
    order = place(make_customer(f"Late {way}"), (make_product(f"LATE-{way}"), 1))
    page = desk("manager")
    page.goto(f"/orders/{order['id']}")
    # The line is slow inside the page, so that the hands outside are not held up with it.
    page.evaluate(
        """() => {
          const send = window.fetch;
          window.fetch = async (...asked) => {
            const answer = await send(...asked);
            await new Promise((go) => setTimeout(go, 800));
            return answer;
          };
        }"""
    )
    taken: list[str] = []
    page.on("request", lambda request: taken.append(str(request.post_data or "")))
    button = page.locator("[data-key=a]")
    box = button.bounding_box()
    assert box is not None
    spot = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    button.focus()

    def press() -> None:
        if way == "pointer":
            page.mouse.click(*spot)  # as hands do, who wait for no button
        else:
            page.keyboard.press("a" if way == "key" else "Enter")

    for _ in range(3):
        press()
        page.wait_for_timeout(900)
    expect(status(page)).to_have_text("Confirmed")
    page.wait_for_timeout(800)
    if way == "Enter":
        button.focus()
    press()
    expect(status(page)).to_have_text("Picked")
    assert re.findall("status=([a-z]+)", " ".join(taken)) == ["confirmed", "picked"]


def test_back_from_an_order_shows_the_whole_page_of_the_list(
    browser: Browser,
    served: Served,
    sign_in: SignIn,
    make_product: Make,
    make_customer: Make,
    place: Make,
) -> None:
    """htmx was answered with the rows alone at this address, and browsers keep what they were answered.

    In a context that nothing guards: a guard switches the browser's cache off.
    """
    order = place(make_customer("Back to the List"), (make_product("BACK-1"), 1))
    with browser.new_context(base_url=served.url, locale="en-US") as context:
        page = context.new_page()
        sign_in(page, "operator")
        page.goto("/orders/")
        page.locator("#q").press_sequentially("back to the list", delay=20)
        expect(page.locator("[data-row]")).to_have_count(1)
        expect(page).to_have_url(re.compile(r"search=back\+to\+the\+list"))
        page.get_by_role("link", name=order["number"]).click()
        page.wait_for_url(f"**/orders/{order['id']}")
        page.go_back()
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        expect(page.locator("#q")).to_have_value("back to the list")
        expect(page.locator("[data-row]")).to_have_count(1)


def test_all_that_are_ticked_before_the_page_listens_are_selected(
    desk: Desk, make_product: Make, make_customer: Make, place: Make
) -> None:
    customer, product = make_customer("Ticked Early"), make_product("EARLY-1")
    for _ in range(2):
        place(customer, (product, 1))
    page = desk("manager")
    page.add_init_script("""
        document.addEventListener("readystatechange", () => {
          if (document.readyState === "interactive") document.querySelector("[data-check-all]")?.click();
        }, { once: true });
    """)
    page.goto(f"/orders/?customer_id={customer['id']}")
    expect(page.get_by_label("Select all on this page")).to_be_checked()
    expect(page.locator("input[name=ids]:checked")).to_have_count(2)


def test_the_focus_stays_where_the_hands_are(
    desk: Desk, make_product: Make, make_customer: Make, place: Make
) -> None:
    customer, product = make_customer("Focus and Sons"), make_product("FOCUS-1", on_hand=999)
    orders = [place(customer, (product, 1)) for _ in range(26)]
    page = desk("manager")
    page.goto(f"/orders/?customer_id={customer['id']}")
    page.get_by_role("link", name="Date").focus()
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("sort=created_at"))
    expect(page.get_by_role("link", name="Date")).to_be_focused()
    page.get_by_role("link", name="Next page").focus()
    page.keyboard.press("Enter")
    expect(page.locator("[data-row]")).to_have_count(1)
    expect(page.locator("#results")).to_be_focused()
    assert page.evaluate("scrollY") == 0
    page.goto(f"/orders/{orders[0]['id']}")
    page.locator("[data-key=a]").focus()
    page.keyboard.press("Enter")
    expect(status(page)).to_have_text("Confirmed")
    expect(page.get_by_role("heading", level=1)).to_be_focused()
    # Refused, the question is where it was, and asks again.
    page.get_by_role("button", name="Cancel order…").click()
    before = page.locator("#cancel").bounding_box()
    page.get_by_role("button", name="Cancel order", exact=True).click()
    expect(page.get_by_label("Reason")).to_be_focused()
    after = page.locator("#cancel").bounding_box()
    assert before is not None
    assert after is not None
    assert (after["x"], after["y"]) == (before["x"], before["y"])


def test_filters_stand_in_the_address_and_back_undoes_one_at_a_time(
    desk: Desk, make_product: Make, make_customer: Make, place: Make
) -> None:
    customer, product = make_customer("Address Bar"), make_product("ADDR-1", price="7.00")
    pending, moved = place(customer, (product, 1)), place(customer, (product, 2))
    page = desk("operator")
    page.goto(f"/orders/{moved['id']}")
    page.keyboard.press("a")
    expect(status(page)).to_have_text("Confirmed")
    page.goto("/orders/")
    page.locator("#q").press_sequentially("address bar", delay=20)
    expect(page.locator(".list-foot")).to_contain_text("sum R$ 21.00")
    page.get_by_text("Status", exact=True).first.click()
    page.get_by_role("checkbox", name="Pending").check()
    expect(page.locator(".list-foot")).to_contain_text("sum R$ 7.00")
    expect(page.locator("[data-row]")).to_contain_text(pending["number"])
    expect(page).to_have_url(re.compile(r"/orders/\?search=address\+bar&status=pending$"))
    page.keyboard.press("Escape")
    page.get_by_role("link", name="Date").click()
    expect(page).to_have_url(re.compile("sort=created_at"))
    back(page)
    expect(page).to_have_url(re.compile(r"status=pending$"))
    back(page)
    expect(page).to_have_url(re.compile(r"/orders/\?search=address\+bar$"))
    expect(page.locator("[data-row]")).to_have_count(2)
    expect(page.locator("#q")).to_have_value("address bar")
    back(page)
    expect(page).to_have_url(re.compile("/orders/$"))
    expect(page.locator("#q")).to_have_value("")
    page.goto(f"/orders/?customer_id={customer['id']}")
    page.locator("#q").press_sequentially(moved["number"], delay=20)
    expect(page.locator("[data-row]")).to_have_count(1)
    expect(page.locator(".chips")).to_contain_text("Customer: Address Bar")
    page.goto(f"/orders/?search={customer['cpf_cnpj']}")
    expect(page.locator("[data-row]")).to_have_count(2)


def test_a_span_of_days_is_chosen_by_its_name_and_given_up_again(
    desk: Desk, make_product: Make, make_customer: Make, place: Make
) -> None:
    today = clock.today()
    customer, product = make_customer("By Its Name"), make_product("SPAN-1")
    order = place(customer, (product, 1), due_date=f"{today + timedelta(days=1)}")
    page = desk("operator")
    page.goto(f"/orders/?customer_id={customer['id']}")
    dates = page.locator("details", has_text="Created from")
    dates.locator("summary").click()
    created = page.get_by_role("group", name="Created from")
    created.get_by_role("link", name="Last month").click()
    expect(page.locator("[data-row]")).to_have_count(0)
    expect(dates.locator("[name=created_from]")).to_have_value(re.compile("-01$"))
    expect(dates.locator("summary")).to_have_class(re.compile("is-on"))
    created.get_by_role("link", name="Today").click()
    expect(page.locator("[data-row]")).to_contain_text(order["number"])
    expect(page).to_have_url(re.compile(f"created_from={today}&created_to={today}"))
    expect(created.locator("[aria-current]")).to_have_text("Today")
    due = page.get_by_role("group", name="Due from")
    due.get_by_role("link", name="Tomorrow").click()
    expect(page).to_have_url(re.compile("due_from="))
    expect(page.locator("[data-row]")).to_have_count(1)
    created.get_by_role("link", name="Today").click()
    expect(page).not_to_have_url(re.compile("created_from="))
    expect(created.locator("[aria-current]")).to_have_count(0)
    # The page stayed open over night.
    created.get_by_role("link", name="Today").evaluate(
        "link => (link.dataset.first = '2020-02-02')"
    )
    page.keyboard.press("Escape")
    page.evaluate("() => (Date.prototype.toDateString = () => 'another day')")
    dates.locator("summary").click()
    expect(created.get_by_role("link", name="Today")).to_have_attribute("data-first", f"{today}")


def test_a_view_is_saved_under_a_name_shared_and_forgotten(
    desk: Desk, elsewhere: Page, make_product: Make, make_customer: Make, place: Make
) -> None:
    place(make_customer("Viewed Often"), (make_product("VIEW-1"), 1))
    page = desk("operator")
    page.goto("/orders/")
    expect(page.get_by_role("button", name="Save view")).to_have_count(0)
    page.locator("#q").press_sequentially("viewed", delay=20)
    page.get_by_role("button", name="Save view").first.click()
    page.get_by_label("Name", exact=True).fill("Often looked at")
    page.get_by_label("Share it with everybody").check()
    page.locator("#save-view-form").get_by_role("button").click()
    expect(page.locator(".tab[aria-current]")).to_contain_text("Often looked at")
    other = desk("viewer", elsewhere)
    other.goto("/orders/")
    other.get_by_role("link", name="Often looked at").click()
    expect(other.locator("[data-row]")).to_have_count(1)
    expect(other.locator("#q")).to_have_value("viewed")
    expect(other.get_by_role("button", name="Forget the view")).to_have_count(0)
    page.get_by_role("button", name="Forget the view Often looked at").click()
    expect(page.get_by_role("link", name="Often looked at")).to_have_count(0)


def test_a_view_of_a_name_that_is_taken_is_asked_about_with_the_name_as_typed(desk: Desk) -> None:
    page = desk("operator")
    for query in ("status=pending", "status=confirmed"):
        page.goto(f"/orders/?{query}")
        page.get_by_role("button", name="Save view").first.click()
        page.get_by_label("Name", exact=True).fill("Twice")
        page.keyboard.press("Enter")
        if query == "status=pending":
            expect(page.locator(".tab[aria-current]", has_text="Twice")).to_be_visible()
    expect(page.locator("#save-view .errorlist")).to_contain_text("You have a view of this name")
    expect(page.get_by_label("Name", exact=True)).to_be_focused()
    expect(page.get_by_label("Name", exact=True)).to_have_value("Twice")
    page.get_by_role("button", name="Replace “Twice”").click()
    expect(page.locator(".tab[aria-current]", has_text="Twice")).to_be_visible()
    expect(page.get_by_role("link", name="Twice")).to_have_attribute(
        "href", "/orders/?status=confirmed"
    )
    page.get_by_role("button", name="Forget the view Twice").click()
    expect(page.get_by_role("link", name="Twice")).to_have_count(0)


def test_selected_orders_move_together_and_the_refused_one_says_why(
    desk: Desk, make_product: Make, make_customer: Make, place: Make, served: Served
) -> None:
    customer, product = make_customer("Many Together"), make_product("MANY-1")
    ready, late, picked = (place(customer, (product, 1)) for _ in range(3))
    with served.api() as api:
        for order, *steps in ((late, "cancelled"), (picked, "confirmed", "picked")):
            for step in steps:
                api.patch(f"/orders/{order['id']}/status", json={"status": step})
    page = desk("manager")
    page.goto("/orders/?search=many+together")
    page.get_by_label(f"Select {picked['number']}").check()
    bar = page.get_by_role("toolbar")
    expect(bar.get_by_role("button", name="Ship")).to_be_visible()
    expect(bar.get_by_role("button", name="Confirm")).to_be_hidden()
    page.get_by_label("Select all on this page").check()
    with page.expect_download() as download:
        bar.get_by_role("button", name="CSV").click()
    assert download.value.suggested_filename.endswith(".csv")
    bar.get_by_role("button", name="Confirm").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("1 of 3 orders moved.")
    expect(page.get_by_role("row", name=ready["number"])).to_contain_text("Confirmed")
    expect(page.get_by_role("row", name=late["number"])).to_contain_text(
        f"{late['number']} is Cancelled and cannot become Confirmed."
    )
    page.get_by_role("link", name="Back to the list").click()
    expect(page.locator("[data-row]")).to_have_count(3)
    page.get_by_label("Select all on this page").check()
    page.get_by_role("button", name="Pick lists").click()
    expect(page.locator(".sheet")).to_have_count(3)
    page.goto(f"/orders/?search={ready['number']}")
    page.get_by_label(f"Select {ready['number']}").check()
    page.get_by_role("button", name="Cancel…").click()
    page.get_by_label("Reason").fill("Closed down")
    page.get_by_role("button", name="Cancel orders").click()
    expect(page.get_by_role("row", name=ready["number"])).to_contain_text("Cancelled")


def test_cancelling_ticked_orders_without_a_reason_asks_for_it_and_keeps_them_ticked(
    desk: Desk, make_product: Make, make_customer: Make, place: Make
) -> None:
    customer, product = make_customer("Without A Reason"), make_product("REASON-1")
    orders = [place(customer, (product, 1)) for _ in range(3)]
    page = desk("manager")
    page.goto(f"/orders/?customer_id={customer['id']}")
    page.get_by_label("Select all on this page").check()
    page.get_by_role("button", name="Cancel…").click()
    reason = page.get_by_label("Reason")
    for empty in ("", "  "):
        reason.fill(empty)
        page.get_by_role("button", name="Cancel orders").click()
        expect(reason).to_be_focused()
        said = reason.evaluate("field => field.validationMessage")
        assert said == "Say why the order is cancelled."
        expect(page.locator("input[name=ids]:checked")).to_have_count(3)
    expect(reason).to_have_attribute("maxlength", "2000")
    # What asks for no reason goes on without one.
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Confirm").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("3 of 3 orders moved.")
    page.get_by_role("link", name="Back to the list").click()
    page.get_by_label(f"Select {orders[0]['number']}").check()
    page.get_by_role("button", name="Cancel…").click()
    page.get_by_role("button", name="Cancel orders").click()
    expect(reason).to_be_focused()
    reason.fill("Closed down")
    page.get_by_role("button", name="Cancel orders").click()
    expect(page.get_by_role("row", name=orders[0]["number"])).to_contain_text("Cancelled")


def test_the_bar_of_ticked_orders_covers_nothing_under_a_short_list_and_keeps_its_papers_together(
    desk: Desk, make_product: Make, make_customer: Make, place: Make, served: Served
) -> None:
    customer, product = make_customer("Short Lists Ltd"), make_product("SHORT-LIST")
    orders = [place(customer, (product, 1)) for _ in range(8)]
    page = desk("manager")
    with served.api() as api:
        for order, steps in zip(orders, range(4), strict=False):
            for status in ("confirmed", "picked", "shipped")[:steps]:
                path = f"/orders/{order['id']}/status"
                api.patch(path, json={"status": status}).raise_for_status()
    for height in range(620, 860, 40):
        page.set_viewport_size({"width": 1280, "height": height})
        page.goto(f"/orders/?customer_id={customer['id']}")
        for order in orders[:4]:
            page.get_by_label(f"Select {order['number']}").check()
        bar = page.locator("[data-bulk]").bounding_box()
        export = page.locator(".export > summary").bounding_box()
        assert bar is not None
        assert export is not None
        assert bar["y"] + bar["height"] <= min(export["y"], height)
        middles = page.locator(".bulk-papers > button").evaluate_all(
            "all => all.map((each) => each.getBoundingClientRect()).map(({ top, bottom }) => top + bottom)"
        )
        assert (len(middles), max(middles) - min(middles) < 2) == (4, True)


def test_a_question_opens_at_its_button_with_room_around_it_on_every_screen(
    desk: Desk, make_product: Make, make_customer: Make, place: Make
) -> None:
    order = place(make_customer("Questions Ltd"), (make_product("ASK-1"), 1))
    page = desk("manager")
    found = {}
    for size in ({"width": 1280, "height": 800}, PHONE):
        page.set_viewport_size(size)  # type: ignore[arg-type]
        for path, opener, panel in (
            ("/orders/{id}", "[popovertarget=cancel]", "#cancel"),
            ("/orders/?search={number}", "[popovertarget=save-view]", "#save-view"),
            ("/orders/?search={number}", "[popovertarget=bulk-cancel]", "#bulk-cancel"),
            ("/orders/?search={number}", ".export > summary", ".export > .menu"),
        ):
            page.goto(path.format(**order))
            if panel == "#bulk-cancel":
                page.get_by_label(f"Select {order['number']}").check()
            button = page.locator(opener)
            button.click()
            at, box = button.bounding_box(), page.locator(panel).bounding_box()
            assert at is not None
            assert box is not None
            gap = max(box["y"] - at["y"] - at["height"], at["y"] - box["y"] - box["height"])
            margins = (box["x"], size["width"] - box["x"] - box["width"], box["y"])
            if gap > 24 or min(margins) < 8 or box["y"] + box["height"] > size["height"]:
                found[f"{panel} at {size['width']}"] = (at, box)
    assert found == {}


def test_paper_shows_the_lines_and_the_number_and_nothing_around_them(
    desk: Desk, make_product: Make, make_customer: Make, place: Make
) -> None:
    order = place(make_customer("On Paper"), (make_product("PAPER-1"), 3))
    page = desk("operator")
    page.goto(f"/orders/{order['id']}")
    page.keyboard.press("p")
    expect(page.get_by_role("img", name=f"QR code of {order['number']}")).to_be_visible()
    expect(page.locator(".sheet")).to_contain_text("PAPER-1")
    page.emulate_media(media="print", color_scheme="dark")
    for around in (".side", ".top", ".page-head"):
        expect(page.locator(around).first).to_be_hidden()
    expect(page.locator(".sheet h2")).to_have_css("color", "rgb(0, 0, 0)")


def test_each_order_begins_a_page_of_paper_and_a_long_one_goes_on_under_its_number(
    desk: Desk, make_product: Make, make_customer: Make, place: Make
) -> None:
    customer = make_customer("Long Paper", address="Rua das Flores, 100")
    products = [make_product(f"SHEET-{number:02}") for number in range(50)]
    long, short = (
        place(customer, *((each, 1) for each in some)) for some in (products, products[:9])
    )
    page = desk("operator")
    pages = {}
    for name, ids in {"short": [short], "both": [short, long]}.items():
        page.goto("/orders/print/slip?prices=true&" + "&".join(f"ids={each['id']}" for each in ids))
        pages[name] = len(re.findall(rb"/Type\s*/Page\b", page.pdf(format="A4")))
    assert pages == {"short": 1, "both": 3}
    page.emulate_media(media="print")
    expect(page.locator(".sheet .on-paper").last).to_be_visible()
    page.emulate_media(media="screen")
    expect(page.locator(".sheet .on-paper").last).to_be_hidden()
    # On a phone the table moves, not the page.
    page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]


def test_ctrl_k_leads_to_an_order_a_customer_a_product_and_a_page(
    desk: Desk, make_product: Make, make_customer: Make, place: Make
) -> None:
    customer, product = make_customer("Palette Reader"), make_product("PALETTE-1")
    order = place(customer, (product, 1))
    page = desk("operator")
    page.goto("/")
    for typed, found, address in (
        (str(order["id"]), order["number"], f"/orders/{order['id']}"),
        ("palette read", "Palette Reader", f"/customers/{customer['id']}"),
        ("palette-1", "Product PALETTE-1", f"/products/{product['id']}"),
        ("new order", "New order", "/orders/new"),
    ):
        page.keyboard.press("Control+k")
        expect(page.locator(".palette-field")).to_be_focused()
        page.keyboard.type(typed)
        expect(page.locator(".palette-choice[aria-selected=true]")).to_contain_text(found)
        page.keyboard.press("Enter")
        page.wait_for_url(f"**{address}")
    page.keyboard.press("Control+k")
    expect(page.locator(".palette-field")).to_be_focused()
    page.keyboard.type("users")
    expect(page.locator(".palette-choices")).to_contain_text("Nothing fits “users”.")


def test_the_end_of_the_session_is_said_in_place_of_the_list(
    desk: Desk, make_product: Make, make_customer: Make, place: Make, watch: Watch
) -> None:
    watch.expect("status of 401")
    place(make_customer("Ends Here"), (make_product("END-1"), 1))
    page = desk("operator")
    page.goto("/orders/?search=ends+here")
    page.context.clear_cookies(name="sessionid")
    page.locator("#q").fill("ends")
    expect(page.get_by_role("dialog", name="Your session has ended")).to_be_visible()
    expect(page.locator("[data-row]")).to_have_count(1)
    expect(page.locator("#results input[name=password]")).to_have_count(0)


def test_without_javascript_an_order_is_moved_noted_and_cancelled(
    no_script: Page, sign_in: Callable[..., None], staff: dict[str, str], make_product: Make,
    make_customer: Make, place: Make,
) -> None:  # fmt: skip
    page = no_script
    order = place(make_customer("No Scripts"), (make_product("NOJS-1"), 1))
    sign_in(page, staff["manager"])
    page.goto("/orders/")
    page.get_by_role("searchbox").fill("no scripts")
    page.get_by_role("button", name="Filter").click()
    page.get_by_role("link", name=order["number"]).click()
    page.get_by_role("button", name="Confirm").click()
    expect(status(page)).to_have_text("Confirmed")
    page.get_by_label("Note", exact=True).fill("Called them")
    page.get_by_role("button", name="Add note").click()
    expect(page.locator(".timeline")).to_contain_text("Called them")
    page.get_by_role("button", name="Cancel order…").click()
    page.locator("#cancel").get_by_role("button", name="Cancel order").click()
    expect(page.get_by_role("alert")).to_have_text("Say why the order is cancelled.")
    page.get_by_role("button", name="Cancel order…").click()
    page.get_by_label("Reason").fill("Bought elsewhere")
    page.locator("#cancel").get_by_role("button", name="Cancel order").click()
    expect(status(page)).to_have_text("Cancelled")


@pytest.mark.parametrize("width", [1280, 390])
def test_without_javascript_what_is_done_with_ticked_orders_opens_below_them(
    no_script: Page, desk: Desk, make_product: Make, make_customer: Make, place: Make, width: int
) -> None:
    order = place(make_customer(f"Wide {width}"), (make_product(f"TICK-{width}"), 1))
    page = desk("operator", no_script)
    page.set_viewport_size({"width": width, "height": 800})
    page.goto(f"/orders/?search=wide+{width}")
    bar = page.get_by_role("toolbar", name="With the selected orders")
    expect(bar).to_be_hidden()
    page.get_by_label(f"Select {order['number']}").check()
    expect(bar).to_contain_text("With the selected orders")
    box = bar.bounding_box()
    assert box is not None
    assert 0 <= box["x"] < box["x"] + box["width"] <= width
    bar.get_by_role("button", name="Confirm").click()
    expect(page.get_by_role("row", name=order["number"])).to_contain_text("Confirmed")


def test_without_javascript_ticked_orders_stay_ticked_while_a_reason_is_asked_for(
    no_script: Page, desk: Desk, make_product: Make, make_customer: Make, place: Make
) -> None:
    customer, product = make_customer("Ticks Stay"), make_product("TICKS-1")
    first, second, third = (place(customer, (product, 1)) for _ in range(3))
    page = desk("manager", no_script)
    page.goto(f"/orders/?customer_id={customer['id']}")
    for order in (first, second):
        page.get_by_label(f"Select {order['number']}").check()
    page.get_by_role("button", name="Cancel…").click()
    page.get_by_role("button", name="Cancel orders").click()
    expect(page.locator(".errorlist")).to_have_text("Say why the order is cancelled.")
    expect(page.locator("input[name=ids]:checked")).to_have_count(2)
    expect(page.get_by_label(f"Select {third['number']}")).to_have_count(0)
    page.get_by_label(f"Select {second['number']}").uncheck()
    page.get_by_label("Reason").fill("Closed down")
    page.get_by_role("button", name="Cancel orders").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("1 of 1 order moved.")
    expect(page.get_by_role("row", name=first["number"])).to_contain_text("Cancelled")
    page.get_by_role("link", name="Back to the list").click()
    expect(page.locator("[data-row]")).to_have_count(3)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_state_of_the_list_and_of_an_order_is_accessible(
    desk: Desk, make_product: Make, make_customer: Make, place: Make,
    complaints: Callable[[Page], list[str]], theme: str,
) -> None:  # fmt: skip
    customer, product = make_customer(f"Accessible {theme}"), make_product(f"ALLY-{theme}")
    orders = [place(customer, (product, 1), due_date="2020-02-02") for _ in range(2)]
    page = desk("manager")
    page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
    found = {}
    page.goto(f"/orders/?customer_id={customer['id']}")
    found["list"] = complaints(page)
    page.get_by_text("Status", exact=True).first.click()
    found["a filter"] = complaints(page)
    page.keyboard.press("Escape")
    page.get_by_text("Export").click()
    found["export"] = complaints(page)
    page.get_by_role("button", name="Save view").first.click()
    found["save view"] = complaints(page)
    page.keyboard.press("Escape")
    page.get_by_label("Select all on this page").check()
    page.get_by_role("button", name="Cancel…").click()
    found["a selection"] = complaints(page)
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Confirm").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("2 of 2 orders moved.")
    found["results"] = complaints(page)
    page.goto("/orders/?search=nobody&customer_id=nobody")
    found["nothing"] = complaints(page)
    page.goto(f"/orders/{orders[0]['id']}")
    found["order"] = complaints(page)
    page.get_by_role("button", name="Cancel order…").click()
    page.locator("#cancel").get_by_role("button", name="Cancel order").click()
    expect(page.locator("#cancel .errorlist")).to_be_visible()
    found["cancel refused"] = complaints(page)
    page.goto(f"/orders/{orders[0]['id']}")
    page.keyboard.press("?")
    found["help"] = complaints(page)
    page.keyboard.press("Escape")
    page.keyboard.press("Control+k")
    page.keyboard.type("accessible")
    expect(page.locator(".palette-choice[aria-selected=true]")).to_contain_text("Accessible")
    found["palette"] = complaints(page)
    page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    for path in (f"/orders/{orders[0]['id']}", "/orders/", f"/orders/{orders[0]['id']}/print/slip"):
        page.goto(path)
        found[f"{path} on the phone"] = complaints(page)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert {state: said for state, said in found.items() if said} == {}
