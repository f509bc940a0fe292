"""What stands around every page: the menu of each role, Ctrl+K, help, messages, the end of a session, no network."""

import re
from collections.abc import Callable
from typing import Any, Final

import pytest
from playwright.sync_api import Page, Route, expect

from e2e.conftest import Served, Watch

pytestmark = pytest.mark.browser

type Desk = Callable[..., Page]
type Make = Callable[..., dict[str, Any]]

#: Every page of the menu that is somebody's alone, and whose.
PAGES: Final = {
    "Orders": ("/orders/", {"viewer", "operator", "manager", "admin"}),
    "Customers": ("/customers/", {"viewer", "operator", "manager", "admin"}),
    "Price lists": ("/products/price-lists", {"viewer", "operator", "manager", "admin"}),
    "Products": ("/products/", {"viewer", "operator", "manager", "admin"}),
    "Adjust stock": ("/products/adjust", {"manager", "admin"}),
    "Ran low lately": ("/notices", {"viewer", "operator", "manager", "admin"}),
    "Users": ("/users/", {"manager", "admin"}),
    "Activity": ("/activity", {"manager", "admin"}),
    "Import": ("/import/", {"manager", "admin"}),
    "Webhooks": ("/webhooks/", {"admin"}),
}


@pytest.mark.parametrize("role", ["viewer", "operator", "manager", "admin"])
def test_a_role_sees_the_pages_it_may_open_and_only_those_open(
    desk: Desk, watch: Watch, role: str
) -> None:
    watch.expect("status of 403")
    page = desk(role)
    page.goto("/")
    menu = page.get_by_role("navigation", name="Main")
    links = {
        link.inner_text().strip(): link.get_attribute("href") or ""
        for link in menu.get_by_role("link").all()
    }
    assert {label: href for label, href in links.items() if label in PAGES} == {
        label: path for label, (path, roles) in PAGES.items() if role in roles
    }
    for label, href in links.items():
        if href.startswith("/docs"):
            continue  # for programs: test_pages.py reads them
        page.goto(href)
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        expect(menu.locator("[aria-current=page]")).to_have_text(re.compile(rf"^\s*{label}\s*$"))
    for path, roles in PAGES.values():
        assert (path, page.request.get(path).status) == (path, 200 if role in roles else 403)
        if role not in roles:
            page.goto(path)
            expect(page.get_by_role("heading", level=1)).to_have_text("Not for your role")
            # In place: the menu is still there to go on with.
            expect(menu).to_be_visible()


def test_ctrl_k_leads_to_pages_products_customers_and_actions(
    desk: Desk, make_product: Make, make_customer: Make
) -> None:
    make_product("KAY-1", name="Kayaque azul")
    make_customer("Kayak Aluguel")
    page = desk()
    page.goto("/")
    page.keyboard.press("Control+k")
    palette = page.get_by_role("dialog", name="Go to")
    expect(palette.get_by_role("option").first).to_have_attribute("aria-selected", "true")
    page.keyboard.type("kaya")
    # Two fit "kay" as well, the product with that code first.
    expect(palette.locator(".palette-choices")).to_have_attribute("data-typed", "kaya")
    expect(palette.get_by_role("option")).to_have_count(2)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Kayaque azul")
    page.wait_for_load_state()  # the scripts come last
    page.keyboard.press("Control+k")
    page.keyboard.type("new cust")
    expect(palette.get_by_role("option")).to_have_count(1)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("New customer")
    page.wait_for_load_state()
    page.keyboard.press("Control+k")
    page.keyboard.press("Escape")
    expect(palette).to_be_hidden()


@pytest.fixture
def late(page: Page) -> Callable[[str], None]:
    """Holds what the palette asks from now on; called, lets it be answered up to what was typed."""
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    def answer(typed: str) -> None:
        while not any(route.request.url.endswith(f"q={typed}") for route in held):
            page.wait_for_timeout(10)
        while held:
            held.pop(0).continue_()

    page.route(re.compile(r"/palette\?q=."), hold)
    return answer


def test_an_answer_that_comes_late_does_not_take_the_choice_back(
    desk: Desk, make_product: Make, make_customer: Make, late: Callable[[str], None]
) -> None:
    make_product("SOLV-1", name="Diluente azul")
    make_customer("Diluent Aluguel")
    page = desk()
    page.goto("/")
    palette = page.get_by_role("dialog", name="Go to")
    page.keyboard.press("Control+k")
    page.keyboard.type("dilu")
    late("dilu")
    expect(palette.get_by_role("option")).to_have_count(2)
    page.keyboard.type("en")
    page.keyboard.press("ArrowDown")
    late("diluen")
    expect(palette.locator(".palette-choices")).to_have_attribute("data-typed", "diluen")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Diluente azul")


def test_enter_before_the_answer_leads_to_what_was_typed(
    desk: Desk, make_customer: Make, late: Callable[[str], None]
) -> None:
    make_customer("Enterprise Aluguel")
    page = desk()
    page.goto("/")
    palette = page.get_by_role("dialog", name="Go to")
    page.keyboard.press("Control+k")
    expect(palette.get_by_role("option", name="New order")).to_be_visible()
    page.keyboard.type("enterprise")
    page.keyboard.press("Enter")
    late("enterprise")
    expect(page.get_by_role("heading", level=1)).to_have_text("Enterprise Aluguel")


def test_what_is_asked_of_the_palette_before_htmx_listens_is_answered(
    desk: Desk, make_customer: Make, type_too_early: Callable[..., None]
) -> None:
    make_customer("Premature Aluguel")
    page = desk()
    page.add_init_script(
        "document.addEventListener('DOMContentLoaded',"
        " () => document.querySelector('[data-open-palette]').click())"
    )
    type_too_early(page, ".palette-field", "premat")
    page.goto("/products/")
    palette = page.get_by_role("dialog", name="Go to")
    expect(palette.get_by_role("option")).to_have_accessible_name(re.compile("Premature Aluguel"))


def test_on_a_phone_the_palette_tells_of_a_product_below_its_name(
    desk: Desk, make_product: Make
) -> None:
    make_product("BELOW-1", name="Belowname de arroz agulhinha tipo 1, pacote com 5 kg")
    page = desk()
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto("/")
    page.get_by_role("banner").get_by_role("link", name="Order, customer, product").click()
    page.keyboard.type("belowname")
    choice = page.get_by_role("option", name="Belowname")
    name, hint = choice.locator(".grow").bounding_box(), choice.locator(".hint").bounding_box()
    assert name is not None
    assert hint is not None
    assert (hint["x"], hint["y"] >= name["y"] + name["height"]) == (name["x"], True)


@pytest.mark.parametrize("width", [320, 360])
def test_the_top_of_the_narrowest_phones_has_room_for_all_of_it(desk: Desk, width: int) -> None:
    page = desk()
    page.set_viewport_size({"width": width, "height": 640})
    page.goto("/orders/new")
    top = page.locator(".top")
    parts = [top.get_by_role("button").first, top.locator(".brand"), top.locator(".go-to .icon")]
    parts += top.locator(".end").get_by_role("button").all()
    ends = []
    for part in parts:
        box = part.bounding_box()
        assert box is not None
        ends += [box["x"], box["x"] + box["width"]]
    assert ends == sorted(ends)
    assert ends[-1] <= width


def test_the_help_sheet_lists_the_keys_of_this_page_and_turns_them_off(desk: Desk) -> None:
    page = desk()
    page.goto("/products/")
    page.keyboard.press("?")
    sheet = page.get_by_role("dialog", name="Keyboard")
    expect(sheet.get_by_text("New product")).to_be_visible()
    expect(sheet.get_by_text("Place the order")).to_be_hidden()
    sheet.get_by_role("checkbox").uncheck()
    page.keyboard.press("Escape")
    page.keyboard.press("n")
    page.keyboard.press("?")
    expect(sheet).to_be_hidden()
    expect(page).to_have_url(re.compile("/products/$"))


def test_a_session_that_ends_is_told_in_place_and_the_page_goes_on_after_signing_in(
    desk: Desk, served: Served, staff: dict[str, str], watch: Watch, sign_in: Callable[..., None]
) -> None:
    watch.expect("status of 401")
    page = desk()
    page.goto("/customers/new")
    page.get_by_label("Name").fill("Typed before the session ended")
    cookies = page.context.cookies()
    page.context.clear_cookies(name="sessionid")
    page.get_by_label("CPF/CNPJ").press_sequentially("529")
    told = page.get_by_role("dialog", name="Your session has ended")
    expect(told).to_be_visible()
    with page.expect_popup() as opened:
        told.get_by_role("link", name="Sign in again").click()
    tab = opened.value
    tab.get_by_label("E-mail").fill(staff["manager"])
    tab.locator("input[name=password]").fill(served.password)
    tab.keyboard.press("Enter")
    expect(tab.get_by_role("heading", level=1)).to_have_text("You are signed in")
    tab.close()
    page.bring_to_front()
    page.evaluate("window.dispatchEvent(new Event('focus'))")  # what returning to the tab does
    expect(told).to_be_hidden()
    expect(page.locator(".toast-line")).to_contain_text("Go on where you were.")
    assert page.context.cookies() != cookies
    expect(page.get_by_label("Name")).to_have_value("Typed before the session ended")
    page.get_by_label("CPF/CNPJ").fill("390.533.447-05")
    expect(page.locator("#tax-id-check")).to_contain_text("CPF 390.533.447-05")
    page.get_by_label("E-mail").fill("typed@before.example")
    page.get_by_role("button", name="Add customer").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Typed before the session ended")


def test_without_a_network_the_page_stays_and_says_so(desk: Desk, watch: Watch) -> None:
    watch.expect("ERR_INTERNET_DISCONNECTED|Failed to fetch")
    page = desk("viewer")
    page.goto("/products/")
    page.context.set_offline(True)
    expect(page.get_by_text("You are offline.")).to_be_visible()
    toast = page.locator(".toast-line")
    for words in ("another", "anything"):
        with page.expect_event("requestfailed", lambda request: "search=" in request.url):
            page.get_by_label("Search products").fill(words)
        expect(toast).to_contain_text("No connection to the server.")
    for width in (1280, 390):
        page.set_viewport_size({"width": width, "height": 800})
        told, band = toast.bounding_box(), page.locator("#offline").bounding_box()
        assert told is not None
        assert band is not None
        assert told["y"] + told["height"] <= band["y"]
    expect(page.get_by_label("Search products")).to_have_value("anything")
    page.context.set_offline(False)
    expect(page.get_by_text("You are offline.")).to_be_hidden()
    page.get_by_label("Search products").fill("nothing like this")
    expect(page.get_by_role("heading", name="No product fits these filters")).to_be_visible()


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (403, "Your role may not do this."),
        (404, "This is not there any more. Reload the page."),
        (500, "Something went wrong. Nothing was changed."),
    ],
)
def test_a_refused_fragment_is_told_in_place(
    desk: Desk, watch: Watch, status: int, said: str
) -> None:
    watch.expect(f"status of {status}")
    page = desk("viewer")
    page.goto("/products/")
    shown = page.locator("[data-row]").count()
    page.route("**/products/?search=*", lambda route: route.fulfill(status=status, body="Oops"))
    page.get_by_label("Search products").fill("x")
    expect(page.locator(".toast-line")).to_contain_text(said)
    expect(page.locator("[data-row]")).to_have_count(shown)


def test_a_missing_record_is_a_page_with_the_menu_around_it(desk: Desk, watch: Watch) -> None:
    watch.expect("status of 404")
    page = desk("viewer")
    for path in ("/products/999999", "/customers/999999", "/orders/999999"):
        page.goto(path)
        expect(page.get_by_role("heading", level=1)).to_have_text("Page not found")
        expect(page.get_by_role("navigation", name="Main")).to_be_visible()
