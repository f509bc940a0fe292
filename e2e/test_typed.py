"""Journeys with a session that ends while something is typed: it is there again after signing in, for nobody else."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from e2e.conftest import Served, Watch

pytestmark = pytest.mark.browser

type Desk = Callable[..., Page]
type Make = Callable[..., dict[str, Any]]


@pytest.fixture
def sign_in_again(served: Served, staff: dict[str, str]) -> Callable[..., None]:
    """On the page that asks for it."""

    def act(page: Page, role: str = "manager") -> None:
        page.wait_for_url("**/accounts/login/**")
        page.get_by_label("E-mail").fill(staff[role])
        page.locator("input[name=password]").fill(served.password)
        page.locator("input[name=password]").press("Enter")
        page.wait_for_url(lambda url: "/accounts/login/" not in url)

    return act


def end_session(page: Page) -> None:
    page.context.clear_cookies(name="sessionid")


def kept(page: Page) -> str:
    return str(page.evaluate("sessionStorage.getItem('typed')"))


def test_a_new_customer_typed_when_the_session_ended_is_there_after_signing_in_until_it_is_added(
    desk: Desk, sign_in_again: Callable[..., None]
) -> None:
    page = desk()
    page.goto("/customers/new")
    page.get_by_label("Name").fill("Typed To The End")
    page.get_by_label("E-mail").fill("typed.end@example.com")
    page.get_by_label("Address").fill("Rua A, 1")
    end_session(page)
    page.get_by_role("button", name="Add customer").click()
    sign_in_again(page)
    expect(page.locator(".toast-line")).to_contain_text("What you typed is back")
    expect(page.get_by_label("Name")).to_have_value("Typed To The End")
    page.reload()
    expect(page.get_by_label("Address")).to_have_value("Rua A, 1")
    page.get_by_role("button", name="Add customer").click()
    expect(
        page.locator(".errorlist")
    ).to_be_visible()  # taken, and refused: it comes from the server now
    page.get_by_label("CPF/CNPJ").fill("246.813.579-28")
    page.get_by_role("button", name="Add customer").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Typed To The End")
    page.goto("/customers/new")
    expect(page.get_by_label("Name")).to_have_value("")
    assert kept(page) == "None"


def test_what_was_typed_is_shown_to_nobody_else_who_signs_in(
    desk: Desk, sign_in_again: Callable[..., None]
) -> None:
    page = desk()
    page.goto("/customers/new")
    page.get_by_label("Name").fill("Not Yours")
    end_session(page)
    page.get_by_role("button", name="Add customer").click()
    sign_in_again(page, "admin")
    expect(page.get_by_label("Name")).to_have_value("")
    assert kept(page) == "None"


def test_a_password_is_not_kept_and_is_asked_for_again(
    desk: Desk, sign_in_again: Callable[..., None]
) -> None:
    page = desk()
    page.goto("/users/new")
    page.get_by_label("Name").fill("Half Typed")
    page.get_by_label("E-mail").fill("half@example.com")
    page.get_by_label("Role", exact=True).select_option("operator")
    page.locator("input[name=password]").fill("a-secret-of-theirs")
    page.get_by_role("button", name="Show the password").click()
    end_session(page)
    page.get_by_role("button", name="Create the account").click()
    page.wait_for_url("**/accounts/login/**")
    assert "Half Typed" in kept(page)
    assert "a-secret-of-theirs" not in kept(page)
    sign_in_again(page)
    expect(page.locator(".toast-line")).to_contain_text("but for the password")
    expect(page.get_by_label("Role", exact=True)).to_have_value("operator")
    expect(page.locator("input[name=password]")).to_have_value("")
    expect(page.locator("input[name=password]")).to_be_focused()


def test_an_adjustment_comes_back_to_its_product_against_the_figure_that_was_seen(
    desk: Desk, sign_in_again: Callable[..., None], make_product: Make, served: Served, watch: Watch
) -> None:  # fmt: skip
    watch.expect("status of 409")
    product = make_product("TYPED-1", on_hand=10)
    page = desk()
    page.goto("/products/adjust")
    page.keyboard.type(product["sku"])
    page.keyboard.press("Enter")
    page.get_by_text("Count", exact=True).click()
    page.get_by_label("Quantity").fill("7")
    page.get_by_label("Note").fill("Shelf 3")
    end_session(page)
    page.get_by_role("button", name="Save").click()
    page.wait_for_url("**/accounts/login/**")
    with served.api() as api:
        body = {"delta": -1, "reason": "damaged"}
        api.patch(f"/products/{product['id']}/stock", json=body).raise_for_status()
    sign_in_again(page)
    page.wait_for_url("**/products/adjust?code=TYPED-1")
    expect(page.get_by_label("Quantity")).to_have_value("7")
    expect(page.get_by_label("Note")).to_have_value("Shelf 3")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert")).to_contain_text("Nothing was changed: count again")


def test_an_edit_that_comes_back_takes_what_somebody_changed_meanwhile_in_other_fields(
    desk: Desk, sign_in_again: Callable[..., None], make_customer: Make, served: Served, watch: Watch
) -> None:  # fmt: skip
    watch.expect("status of 409")
    customer = make_customer("Typed And Overtaken", phone="1111-1111")
    page = desk()
    page.goto(f"/customers/{customer['id']}/edit")
    page.get_by_label("Address").fill("Rua A, 1")
    end_session(page)
    page.get_by_role("button", name="Save").click()
    page.wait_for_url("**/accounts/login/**")
    with served.api() as api:
        body = {"phone": "2222-2222"}
        api.patch(f"/customers/{customer['id']}", json=body).raise_for_status()
    sign_in_again(page)
    page.wait_for_url("**/edit")
    expect(page.get_by_label("Address")).to_have_value("Rua A, 1")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert")).to_contain_text("saving keeps both changes")
    expect(page.get_by_label("Phone")).to_have_value("2222-2222")
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".facts")).to_contain_text("Rua A, 1")
    expect(page.locator(".facts")).to_contain_text("2222-2222")


def test_ticked_orders_are_ticked_again_on_the_list_they_were_on(
    desk: Desk, sign_in_again: Callable[..., None], make_product: Make, make_customer: Make, place: Make
) -> None:  # fmt: skip
    customer = make_customer("Marked Again")
    product = make_product("TWICE-1")
    place(customer, (product, 1))
    page = desk()
    page.goto("/orders/?search=marked")
    page.locator("input[name=ids]").check()
    page.get_by_role("button", name="Cancel…").click()
    page.get_by_label("Reason").fill("Bought elsewhere")
    end_session(page)
    page.get_by_role("button", name="Cancel orders").click()
    sign_in_again(page)
    page.wait_for_url("**/orders/?search=marked")
    expect(page.locator("input[name=ids]")).to_be_checked()
    page.get_by_role("button", name="Cancel…").click()
    expect(page.get_by_label("Reason")).to_have_value("Bought elsewhere")
    page.get_by_role("button", name="Cancel orders").click()
    expect(page.locator(".status-cancelled")).to_be_visible()


def test_a_form_older_than_the_sign_in_of_another_tab_comes_back_as_typed(
    desk: Desk, sign_in: Callable[..., None], staff: dict[str, str], watch: Watch
) -> None:
    watch.expect("status of 403")
    page = desk()
    page.goto("/products/new")
    page.get_by_label("SKU").fill("ROTATED-1")
    end_session(page)
    tab = page.context.new_page()
    sign_in(tab, staff["manager"])
    tab.close()
    page.get_by_role("button", name="Add product").click()
    expect(page.locator(".toast-line")).to_contain_text("What you typed is back")
    expect(page.get_by_label("SKU")).to_have_value("ROTATED-1")
    page.get_by_label("Name").fill("Rotated")
    page.get_by_label("Price").fill("1.00")
    page.get_by_role("button", name="Add product").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Rotated")


def test_a_note_older_than_the_sign_in_of_another_tab_is_sent_once_more(
    desk: Desk, sign_in: Callable[..., None], staff: dict[str, str], watch: Watch,
    make_product: Make, make_customer: Make, place: Make,
) -> None:  # fmt: skip
    watch.expect("status of 403")
    order = place(make_customer("Noted Twice"), (make_product("NOTED-1"), 1))
    page = desk()
    page.goto(f"/orders/{order['id']}")
    page.get_by_label("Note", exact=True).fill("Ring twice")
    end_session(page)
    tab = page.context.new_page()
    sign_in(tab, staff["manager"])
    tab.close()
    page.get_by_role("button", name="Add note").click()
    expect(page.locator(".toast-line")).to_contain_text("Do it once more.")
    expect(page.get_by_label("Note", exact=True)).to_have_value("Ring twice")
    page.get_by_role("button", name="Add note").click()
    expect(page.locator(".timeline")).to_contain_text("Ring twice")


def test_signing_out_forgets_what_was_put_back(
    desk: Desk, sign_in_again: Callable[..., None]
) -> None:
    page = desk()
    page.goto("/products/new")
    page.get_by_label("SKU").fill("FORGOTTEN-1")
    end_session(page)
    page.get_by_role("button", name="Add product").click()
    sign_in_again(page)
    expect(page.get_by_label("SKU")).to_have_value("FORGOTTEN-1")
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url(lambda url: "/products/" not in url)
    assert kept(page) == "None"
