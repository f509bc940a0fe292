"""Journeys with the people who sign in: making accounts, roles, keeping people out, links for passwords."""

import quopri
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from e2e.conftest import Served, Watch, watch_context

pytestmark = pytest.mark.browser

type Desk = Callable[..., Page]


@pytest.fixture
def other(browser: Browser, served: Served, watch: Watch) -> Iterator[Page]:
    """A page of somebody else's browser."""
    with browser.new_context(base_url=served.url, locale="en-US") as context:
        watch_context(context, served, watch)
        yield context.new_page()
    assert watch.wrong == []


def mailed_link(log: Path, email: str) -> str:
    """The address in the last mail to somebody."""
    mail = log.read_bytes().rpartition(f"To: {email}".encode())[2]
    text = quopri.decodestring(mail).decode(errors="replace")
    found = re.search(r"https?://\S+/accounts/password/reset/key/\S+", text)
    assert found, text[:2000]
    return found[0]


def test_an_account_is_made_its_role_changed_and_deactivated_out_at_the_next_request(
    desk: Desk, other: Page, served: Served, sign_in: Callable[..., None]
) -> None:
    page = desk("admin")
    page.goto("/users/")
    page.keyboard.press("n")
    page.get_by_label("Name").fill("Nina Nova")
    page.get_by_label("E-mail").fill("nina@example.com")
    page.get_by_label("Role", exact=True).select_option("viewer")
    page.locator("input[name=password]").fill("short")
    page.get_by_role("button", name="Create the account").click()
    expect(page.locator(".errorlist")).to_contain_text("10")
    expect(page.get_by_label("Name")).to_have_value("Nina Nova")
    page.locator("input[name=password]").fill(served.password)
    page.get_by_role("button", name="Create the account").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Nina Nova")
    expect(page.locator(".toast-line")).to_contain_text("Nina Nova can sign in.")

    sign_in(other, "nina@example.com")
    other.goto("/products/new")
    expect(other.get_by_role("heading", level=1)).to_have_text("Not for your role")

    page.get_by_label("Role", exact=True).select_option("manager")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator(".toast-line")).to_contain_text("The changes are saved.")
    other.goto("/products/new")
    expect(other.get_by_role("heading", level=1)).to_have_text("New product")

    page.get_by_role("button", name="Deactivate").click()
    page.locator("#deactivate").get_by_role("button", name="Deactivate").click()
    expect(page.locator(".toast-line").last).to_contain_text("Nina Nova is signed out.")
    other.goto("/products/")
    expect(other).to_have_url(re.compile("/accounts/login/"))
    expect(page.get_by_role("region", name="History")).to_contain_text("Deactivated")


@pytest.fixture(autouse=True)
def refused(watch: Watch) -> None:
    """Some of these journeys end at a closed door."""
    watch.expect("status of 403")


def test_who_is_invited_sets_a_password_by_the_mailed_link_once(
    desk: Desk, other: Page, served: Served
) -> None:
    page = desk()
    page.goto("/users/new")
    page.get_by_label("Name").fill("Ivo Convidado")
    page.get_by_label("E-mail").fill("ivo@example.com")
    page.get_by_label("Role", exact=True).select_option("operator")
    page.get_by_role("button", name="Create the account").click()
    expect(page.locator(".toast-line")).to_contain_text("a mail with a link")
    link = mailed_link(served.log, "ivo@example.com")
    other.goto(link)
    other.locator("input[name=password1]").fill("brand-new-password")
    other.locator("input[name=password2]").fill("brand-new-password")
    other.get_by_role("button", name="Save the new password").click()
    other.goto("/accounts/login/")
    other.get_by_label("E-mail").fill("ivo@example.com")
    other.locator("input[name=password]").fill("brand-new-password")
    other.keyboard.press("Enter")
    other.wait_for_url(f"{served.url}/")
    other.goto(link)
    expect(other.get_by_role("heading", level=1)).to_contain_text(
        re.compile("does not work any more|não funciona mais")
    )


def test_a_manager_mails_a_link_and_sets_a_password_that_signs_out(
    desk: Desk, other: Page, served: Served, sign_in: Callable[..., None],
    make_person: Callable[..., str],
) -> None:  # fmt: skip
    email = make_person("Rosa")
    sign_in(other, email)
    page = desk()
    page.goto("/users/?search=rosa")
    page.get_by_role("link", name="Rosa").click()
    page.get_by_role("button", name="Mail a password link").click()
    expect(page.locator(".toast-line")).to_contain_text(f"A link is on its way to {email}.")
    assert mailed_link(served.log, email).startswith("http")
    other.goto("/orders/")
    expect(other).to_have_url(re.compile("/orders/$"))  # the old password holds until then
    page.locator("input[name=password]").fill("set-by-the-manager")
    page.get_by_role("button", name="Set the password").click()
    expect(page.locator(".toast-line").last).to_contain_text("is signed out")
    other.goto("/orders/")
    expect(other).to_have_url(re.compile("/accounts/login/"))


def test_nobody_locks_everybody_out(desk: Desk, served: Served, staff: dict[str, str]) -> None:
    with served.api(staff["admin"]) as api:
        me = api.get("/auth/me").json()["id"]
    page = desk("admin")
    page.goto(f"/users/{me}")
    expect(page.get_by_text("This is you.")).to_be_visible()
    expect(page.get_by_role("button", name="Deactivate")).to_have_count(0)
    assert page.get_by_label("Role", exact=True).locator("option").all_inner_texts() == [
        "Administrator"
    ]
    token = page.locator("main input[name=csrfmiddlewaretoken]").first.input_value()
    answer = page.request.post(
        f"/users/{me}/activity",
        form={"is_active": "false", "csrfmiddlewaretoken": token},
        headers={"Referer": served.url},
    )
    assert answer.status == 403
    with served.api(staff["admin"]) as api:
        assert api.get("/auth/me").json()["is_active"] is True


def test_a_manager_sees_who_may_do_what_and_leaves_administrators_alone(
    desk: Desk, staff: dict[str, str], served: Served
) -> None:
    with served.api(staff["admin"]) as api:
        administrator = api.get("/auth/me").json()["id"]
    page = desk()
    page.goto("/users/")
    table = page.get_by_role("group", name="What each role may do")
    cancel = table.get_by_role("row", name="Cancel orders")
    assert [text.strip() for text in cancel.get_by_role("cell").all_inner_texts()] == [
        "·\nno", "·\nno", "yes", "yes",
    ]  # fmt: skip
    page.goto("/users/new")
    offered = page.get_by_label("Role", exact=True).locator("option").all_inner_texts()
    assert "Administrator" not in offered
    page.goto(f"/users/{administrator}")
    expect(page.get_by_text("Only an administrator changes")).to_be_visible()
    expect(page.locator("main form")).to_have_count(0)


def test_without_javascript_an_account_is_made_and_deactivated(
    no_script: Page, desk: Desk, served: Served
) -> None:
    page = desk("manager", no_script)
    page.goto("/users/new")
    page.get_by_label("Name").fill("Sem Script")
    page.get_by_label("E-mail").fill("sem.script@example.com")
    page.locator("input[name=password]").fill(served.password)
    page.get_by_role("button", name="Create the account").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Sem Script")
    page.get_by_role("button", name="Deactivate").click()
    page.locator("#deactivate").get_by_role("button", name="Deactivate").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Inactive")


@pytest.mark.parametrize("path", ["/users/new", "/customers/new", "/products/new"])
def test_a_new_record_begins_at_its_first_field(desk: Desk, path: str) -> None:
    page = desk()
    page.goto(path)
    expect(page.get_by_label("Name")).to_be_focused()
