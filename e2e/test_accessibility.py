"""axe, and the width of a phone, on pages with everything open that opens: stock, customers, users, log, imports."""

import re
from collections.abc import Callable
from typing import Any, Final

import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser

type Desk = Callable[..., Page]
type Make = Callable[..., dict[str, Any]]

PHONE: Final = {"width": 390, "height": 844}


def press(name: str) -> Callable[[Page], None]:
    return lambda page: page.get_by_role("main").get_by_role("button", name=name).first.click()


def unfold(text: str) -> Callable[[Page], None]:
    return lambda page: page.locator("summary", has_text=text).click()


def keys(*pressed: str) -> Callable[[Page], None]:
    def act(page: Page) -> None:
        for key in pressed:
            page.keyboard.press(key)
        expect(page.locator("dialog[open]")).to_be_visible()

    return act


def refused(button: str) -> Callable[[Page], None]:
    """A form sent empty, its mistakes named."""

    def act(page: Page) -> None:
        page.locator("main form").last.evaluate("form => form.noValidate = true")
        page.get_by_role("button", name=button).click()
        expect(page.locator("[aria-invalid=true]").first).to_be_visible()

    return act


def set_nothing(page: Page) -> None:
    """A price without a code, and both are asked for."""
    page.get_by_role("button", name="Set price").click()
    expect(page.locator(".set-price [aria-invalid=true]")).to_have_count(2)


def check_the_rows(page: Page) -> None:
    if page.get_by_role("button", name="Check the rows").is_visible():
        page.get_by_role("button", name="Check the rows").click()
    expect(page.locator("#problem-rows")).to_be_visible()


#: Address and what is opened there. "{product}" and the like are records that are there.
STATES: Final[list[tuple[str, Callable[[Page], None] | None]]] = [
    ("/orders/new", None),
    ("/products/", None),
    ("/products/", unfold("Filters")),
    ("/products/", unfold("Export")),
    ("/products/", keys("?")),
    ("/products/", keys("Control+k")),
    ("/products/?search=nothing-like-it", None),
    ("/products/{product}", press("Delete")),
    ("/products/{product}/edit", None),
    ("/products/new", refused("Add product")),
    ("/products/adjust", None),
    ("/products/adjust?code=AXE", None),
    ("/products/adjust?product={product}", refused("Save")),
    ("/products/price-lists", None),
    ("/products/price-lists?search=nothing-like-it", None),
    ("/products/price-lists/new", refused("Add price list")),
    ("/products/price-lists/{price_list}", press("Delete")),
    ("/products/price-lists/{price_list}", set_nothing),
    ("/products/price-lists/{price_list}/edit", None),
    ("/products/price-lists/{price_list}/copy", None),
    ("/products/price-lists/{price_list}/reprice?way=up&percent=5", None),
    ("/products/price-lists/{price_list}/reprice?way=up&percent=x", None),
    ("/customers/price-lists/{price_list}?search=axe", None),
    ("/customers/", unfold("Dates")),
    ("/customers/{customer}", press("Delete")),
    ("/customers/{customer}/edit", None),
    ("/customers/new", refused("Add customer")),
    ("/users/", None),
    ("/users/?waiting=true", None),
    ("/users/new", refused("Create the account")),
    ("/users/{user}", press("Deactivate")),
    ("/activity", unfold("What happened")),
    ("/activity", press("Details")),
    ("/notices", lambda page: page.get_by_role("button", name="Notices of low stock").click()),
    ("/import/", refused("Continue")),
    ("/import/{job}", None),
    ("/import/{job}", check_the_rows),
    ("/palette?q=axe", None),
]


@pytest.fixture
def records(
    make_product: Make,
    make_customer: Make,
    make_person: Callable[..., str],
    desk: Desk,
    served: Any,
) -> dict[str, Any]:
    """One of each, made once; the desk is a manager's."""
    page = desk()
    with served.api() as api:
        found = api.get("/products", params={"sku": "AXE-1"}).json()["items"]
        product = found[0] if found else make_product("AXE-1", low_stock_threshold=20)
        if not found:
            make_product("AXE-2", name="Axe with a handle of ash, 80 cm, in a box of twelve")
            make_customer("Axe Foods")
            make_person("Axel", "viewer")
            price_list = api.post("/price-lists", json={"name": "Axe", "discount": "5.00"}).json()
            prices = [{"product_id": product["id"], "price": "9.00"}]
            path = f"/price-lists/{price_list['id']}/prices"
            api.patch(path, json={"prices": prices}).raise_for_status()
        customer = api.get("/customers", params={"search": "axe"}).json()["items"][0]
        price_list = api.get("/price-lists", params={"search": "axe"}).json()["items"][0]
        user = api.get("/auth/users", params={"search": "axel"}).json()["items"][0]
    page.goto("/import/")
    page.get_by_label("File", exact=True).set_input_files(
        {"name": "x.csv", "mimeType": "text/csv", "buffer": b"SKU;Name;Price\nAXE-3;Three;x\n"}
    )
    page.get_by_role("button", name="Continue").click()
    page.wait_for_url(re.compile(r"/import/\d+$"))
    job = page.url.rpartition("/")[2]
    found = {"product": product, "customer": customer, "price_list": price_list, "user": user}
    return {"job": job, **{name: record["id"] for name, record in found.items()}}


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_page_is_accessible_with_what_opens_on_it(
    page: Page, records: dict[str, Any], complaints: Callable[[Page], list[str]], theme: str
) -> None:
    page.emulate_media(color_scheme=theme, reduced_motion="reduce")  # type: ignore[arg-type]
    found = {}
    for number, (path, act) in enumerate(STATES):
        page.goto(path.format(**records))
        if act:
            act(page)
            page.wait_for_load_state()  # of a form that came back, its styles
        found[f"{number}: {path}"] = complaints(page)
    assert {state: said for state, said in found.items() if said} == {}


def test_nothing_is_wider_than_a_phone_whatever_opens(page: Page, records: dict[str, Any]) -> None:
    page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    wide = []
    for path, act in STATES:
        page.goto(path.format(**records))
        if act:
            act(page)
            page.wait_for_load_state()  # of a form that came back, its styles
        if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            wide.append(path)
        # What opens is on the screen as a whole from left to right.
        for panel in page.locator(".menu:visible, dialog[open]").all():
            box = panel.bounding_box()
            assert box is not None
            if box["x"] < 0 or box["x"] + box["width"] > PHONE["width"]:
                wide.append(f"{path}: {box}")
    assert wide == []


def test_order_entry_fits_a_phone_in_the_longer_words_of_portuguese(
    page: Page, sign_in: Callable[..., None]
) -> None:
    page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    sign_in(page, "operator")
    page.goto("/orders/new")
    expect(page.get_by_role("heading", level=1)).to_have_text("Novo pedido")
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
