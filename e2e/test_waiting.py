"""Journeys on a slow line: what was pressed says that it is at work, is sent once, and after a failure again."""

import json
import zlib
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from e2e.conftest import Watch
from erp_site.core import taxid

pytestmark = pytest.mark.browser

type Desk = Callable[..., Page]
type Make = Callable[..., dict[str, Any]]
type Hold = Callable[[Page, str], list[Route]]


@pytest.fixture
def hold() -> Hold:
    """What is posted there stays on the line until the test lets it go on."""
    held: list[Route] = []

    def act(page: Page, path: str) -> list[Route]:
        def keep(route: Route) -> None:
            if route.request.method == "POST":
                held.append(route)
            else:
                route.continue_()

        page.route(path, keep)
        return held

    return act


def is_at_work(button: Locator) -> None:
    """It says so to eyes and ears, and nothing has moved."""
    expect(button).to_have_attribute("aria-busy", "true")
    expect(button).to_have_css("cursor", "progress")
    ring = button.evaluate("it => getComputedStyle(it, '::after').content")
    assert ring == '""'


def is_at_rest(button: Locator) -> None:
    expect(button).not_to_have_attribute("aria-busy", "true")
    expect(button).not_to_have_css("cursor", "progress")


def test_a_step_on_a_slow_line_shows_that_it_is_being_taken(
    desk: Desk, hold: Hold, make_product: Make, make_customer: Make, place: Make
) -> None:
    order = place(make_customer("Slow Step"), (make_product("SLOW-1"), 1))
    page = desk("manager")
    page.goto(f"/orders/{order['id']}")
    held = hold(page, "**/status")
    button = page.get_by_role("button", name="Confirm")
    before = button.bounding_box()
    page.keyboard.press("a")
    is_at_work(button)
    assert button.bounding_box() == before
    assert button.is_enabled()  # the hands keep their place
    is_at_rest(page.get_by_role("button", name="Add note"))
    [route] = held
    route.continue_()
    expect(page.locator("h1 .status")).to_have_text("Confirmed")
    is_at_rest(page.get_by_role("button", name="Mark as picked"))


def test_a_fast_answer_shows_no_sign(
    desk: Desk, make_product: Make, make_customer: Make, place: Make
) -> None:
    order = place(make_customer("Fast Step"), (make_product("SWIFT-1"), 1))
    page = desk("manager")
    page.goto(f"/orders/{order['id']}")
    # Fast whatever else this machine does, and it changes nothing: the button stays.
    page.evaluate(
        """() => {
          const button = document.querySelector("[data-key=a]");
          window.fetch = async () => new Response(null, { status: 204 });
          new MutationObserver(() => (document.body.dataset.seen = "yes")).observe(button, { attributes: true });
        }"""
    )
    page.get_by_role("button", name="Confirm").click()
    page.wait_for_timeout(400)
    assert page.locator("body").get_attribute("data-seen") is None


@pytest.mark.parametrize("how", ["a lost answer", "an error", "a mistake"])
def test_after_a_failure_the_button_can_be_pressed_again(
    desk: Desk, hold: Hold, watch: Watch, make_product: Make, make_customer: Make, place: Make, how: str,
) -> None:  # fmt: skip
    watch.expect("ERR_FAILED|Failed to fetch|status of 500")
    order = place(
        make_customer(f"Again after {how}"), (make_product(f"AGAIN-{how[-4:].upper()}"), 1)
    )
    page = desk("manager")
    page.goto(f"/orders/{order['id']}")
    held = hold(page, "**/notes")
    note, button = (
        page.get_by_label("Note", exact=True),
        page.get_by_role("button", name="Add note"),
    )
    note.fill(" " if how == "a mistake" else "Ring twice")
    button.click()
    is_at_work(button)
    if how == "a lost answer":
        held[0].abort()
    elif how == "an error":
        held[0].fulfill(status=500)
    else:
        held[0].continue_()
    is_at_rest(button)
    note.fill("Ring twice")
    button.click()
    is_at_work(button)
    held[1].continue_()
    expect(page.locator(".timeline blockquote")).to_have_text("Ring twice")
    is_at_rest(button)


def test_a_file_that_is_fetched_leaves_the_button_at_rest(
    desk: Desk, make_product: Make, make_customer: Make, place: Make
) -> None:
    customer = make_customer("Fetched File")
    place(customer, (make_product("FILE-1"), 1))
    page = desk("manager")
    page.goto(f"/orders/?customer_id={customer['id']}")
    page.get_by_label("Select all on this page").check()
    button = page.get_by_role("toolbar").get_by_role("button", name="CSV")
    for _ in range(2):
        with page.expect_download():
            button.click()
    page.wait_for_timeout(300)
    is_at_rest(button)


#: While a page is on its way to the next, nothing of it can be looked at from outside: it does by itself what it is
#: told, 300 ms apart, and what it was like after each is read on the next page.
SCRIPT = """async (acts) => {
  const button = document.querySelector("main form.card .btn-primary");
  const seen = [];
  for (const act of ["", ...acts]) {
    if (act === "press") button.click();
    if (act === "stop") stop();
    if (act === "show again") dispatchEvent(new PageTransitionEvent("pageshow", { persisted: true }));
    await new Promise((go) => setTimeout(go, 300));
    const { x, y, width, height } = button.getBoundingClientRect();
    const { content, animationName } = getComputedStyle(button, "::after");
    seen.push({ busy: button.ariaBusy === "true", box: [x, y, width, height], ring: [content, animationName] });
    sessionStorage.setItem("seen", JSON.stringify(seen));
  }
}"""


def act(page: Page, *acts: str) -> None:
    """Do so in the page, and let it go on without waiting for it."""
    page.evaluate(f"acts => void ({SCRIPT})(acts)", list(acts))
    page.wait_for_timeout(300 * len(acts) + 600)


def seen(page: Page) -> list[dict[str, Any]]:
    return list(json.loads(page.evaluate("sessionStorage.getItem('seen')")))


def begin_customer(page: Page, name: str) -> None:
    base = f"{zlib.crc32(name.encode()):09}"[-9:]  # nobody else's in this run
    tax_id = base + taxid.cpf_check_digits(base)
    page.goto("/customers/new")
    page.get_by_label("Name").fill(name)
    page.get_by_label("CPF/CNPJ").fill(tax_id)
    page.get_by_label("E-mail").fill(f"{tax_id}@example.com")


def test_a_plain_form_shows_that_it_is_being_sent_and_is_sent_once(desk: Desk, hold: Hold) -> None:
    page = desk("manager")
    begin_customer(page, "Sent Once")
    held = hold(page, "**/customers/new")
    act(page, "press", "press")
    assert len(held) == 1
    held[0].continue_()
    expect(page.get_by_role("heading", level=1)).to_have_text("Sent Once")
    before, during, after = seen(page)
    assert (before["busy"], during["busy"], after["busy"]) == (False, True, True)
    assert during["ring"] == ['""', "turn"]
    assert during["box"] == before["box"]


def test_a_page_that_was_stopped_can_be_sent_again(desk: Desk, hold: Hold) -> None:
    page = desk("manager")
    begin_customer(page, "Stopped Once")
    held = hold(page, "**/customers/new")
    act(page, "press", "stop", "press")
    assert len(held) == 2
    held[1].continue_()
    expect(page.get_by_role("heading", level=1)).to_have_text("Stopped Once")
    assert [look["busy"] for look in seen(page)] == [False, True, False, True]


def test_a_page_that_is_shown_again_after_back_is_at_rest(desk: Desk, hold: Hold) -> None:
    page = desk("manager")
    begin_customer(page, "Shown Again")
    held = hold(page, "**/customers/new")
    # Chromium under test keeps no page to go back to: what it would tell that page is told here.
    act(page, "press", "show again")
    held[0].continue_()
    expect(page.get_by_role("heading", level=1)).to_have_text("Shown Again")
    assert [look["busy"] for look in seen(page)] == [False, True, False]


def test_who_wants_no_motion_sees_points_instead_of_a_turning_ring(desk: Desk, hold: Hold) -> None:
    page = desk("manager")
    page.emulate_media(reduced_motion="reduce")
    begin_customer(page, "No Motion")
    held = hold(page, "**/customers/new")
    act(page, "press")
    held[0].continue_()
    expect(page.get_by_role("heading", level=1)).to_have_text("No Motion")
    assert seen(page)[-1]["ring"] == ['"• • •"', "none"]


@pytest.mark.parametrize("when", ["at once", "as it is answered"])
def test_a_view_that_is_saved_by_a_double_press_is_sent_once(
    desk: Desk, hold: Hold, when: str
) -> None:
    page = desk("operator")
    page.goto("/orders/?status=picked&sort=created_at")
    held = hold(page, "**/orders/views")
    page.get_by_role("button", name="Save view").first.click()
    page.get_by_label("Name", exact=True).fill(f"Twice {when}")
    button = page.locator("#save-view-form .btn-primary")
    if when == "at once":
        button.dblclick()
    else:
        # The answer leads to another page, which takes its time; the hands do not wait for it.
        page.evaluate(
            """() => document.addEventListener("htmx:finally:request", () => {
              document.querySelector("#save-view-form .btn-primary").click();
            }, { once: true })"""
        )
        button.click()
    page.wait_for_timeout(300)
    held[0].continue_()
    expect(page.locator(".tab[aria-current]", has_text=f"Twice {when}")).to_be_visible()
    assert len(held) == 1
    page.get_by_role("button", name=f"Forget the view Twice {when}").click()
    expect(page.get_by_role("link", name=f"Twice {when}")).to_have_count(0)
