"""Journeys through the front page, signing in, one's own account, and the API's reference."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from e2e.conftest import Served, Watch, watch_context
from erp_site.testing import code_of

pytestmark = pytest.mark.browser

OPEN_PAGES = [
    "/",
    "/docs/errors",
    "/accounts/login/",
    "/accounts/signup/",
    "/accounts/signup/done/",
    "/accounts/inactive/",
    "/accounts/password/reset/",
    "/accounts/password/reset/done/",
]
OWN_PAGES = [
    "/",
    "/docs/errors",
    "/accounts/profile/",
    "/accounts/password/change/",
    "/accounts/2fa/",
    "/accounts/2fa/webauthn/",
    "/accounts/sessions/",
    "/accounts/logout/",
]
PHONE = {"width": 360, "height": 740}

type SignIn = Callable[..., None]


def test_in_by_keyboard_another_language_the_dark_theme_and_out(page: Page, served: Served) -> None:
    page.goto("/")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    page.get_by_role("banner").get_by_role("link", name="Sign in").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_label("E-mail")).to_be_focused()
    page.keyboard.type(served.emails["viewer"])
    page.keyboard.press("Tab")
    page.keyboard.type(served.password)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Olá, Viewer")

    page.get_by_role("button", name="Idioma e tema").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="English")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Hello, Viewer")
    expect(page.locator("html")).to_have_attribute("lang", "en")

    page.get_by_role("button", name="Language and theme").focus()
    page.keyboard.press("Enter")
    page.get_by_role("radio", name="Auto").focus()
    page.keyboard.press("ArrowLeft")
    expect(page.locator("html")).to_have_attribute("data-bs-theme", "dark")
    page.keyboard.press("Escape")
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-bs-theme", "dark")

    # The bell has its answer: signed out, it would be refused one.
    page.wait_for_load_state("networkidle")
    page.get_by_role("button", name="Sign out").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("banner").get_by_role("link", name="Sign in")).to_be_visible()
    page.goto("/accounts/profile/")
    expect(page).to_have_url(re.compile(r"/accounts/login/\?next="))


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_theme_is_there_before_the_first_paint(
    browser: Browser, served: Served, theme: str
) -> None:
    with browser.new_context(base_url=served.url, color_scheme=theme) as context:  # type: ignore[arg-type]
        page = context.new_page()
        page.add_init_script(
            """new MutationObserver((_, observer) => {
                if (!document.body) return;
                window.themeAtBody = document.documentElement.dataset.bsTheme;
                observer.disconnect();
            }).observe(document, {childList: true, subtree: true});"""
        )
        page.goto("/accounts/login/")
        assert page.evaluate("window.themeAtBody") == theme


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_page_is_accessible(
    page: Page,
    sign_in: SignIn,
    complaints: Callable[[Page], list[str]],
    theme: str,
) -> None:
    page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]  # "light" or "dark"
    found = {}
    for path in OPEN_PAGES:
        page.goto(path)
        found[path] = complaints(page)
    sign_in(page)
    for path in OWN_PAGES:
        page.goto(path)
        found[f"{path} signed in"] = complaints(page)
    page.goto("/")
    page.get_by_role("button", name=re.compile("Language and theme|Idioma e tema")).click()
    found["the menu of language and theme"] = complaints(page)
    assert {place: said for place, said in found.items() if said} == {}


def test_nothing_is_wider_than_a_phone_and_the_menu_opens_over_the_page(
    page: Page, sign_in: SignIn
) -> None:
    page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    sign_in(page, "viewer")
    wide = []
    for path in [*OWN_PAGES, "/docs"]:
        page.goto(path)
        if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            wide.append(path)
    assert wide == []
    page.goto("/accounts/sessions/")
    menu = page.get_by_role("navigation")
    expect(menu).to_be_hidden()
    page.locator("[popovertarget=side]").click()
    expect(menu).to_be_visible()
    expect(menu.locator("[aria-current=page]")).to_have_attribute("href", "/accounts/sessions/")
    page.keyboard.press("Escape")
    expect(menu).to_be_hidden()


def test_without_javascript_people_sign_in_change_the_language_and_sign_out(
    browser: Browser, served: Served, sign_in: SignIn, watch: Watch
) -> None:
    context = browser.new_context(base_url=served.url, java_script_enabled=False, locale="en-US")
    watch_context(context, served, watch)
    page = context.new_page()
    page.goto("/accounts/login/")
    expect(page.get_by_role("button", name="Sign in with a passkey")).to_be_hidden()
    sign_in(page, "manager")
    page.get_by_role("button", name=re.compile("Language and theme|Idioma e tema")).click()
    page.get_by_role("button", name="Português").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Olá, Manager")
    page.get_by_role("button", name="Sair").click()
    expect(page.get_by_role("link", name="Entrar").first).to_be_visible()
    context.close()
    assert watch.wrong == []


def test_a_wrong_password_says_so_beside_what_was_typed(page: Page, served: Served) -> None:
    page.goto("/accounts/login/")
    page.get_by_label("E-mail").fill(served.emails["viewer"])
    page.locator("input[name=password]").fill("not the password")
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.locator(".errorlist")).to_contain_text("is wrong")
    expect(page.get_by_label("E-mail")).to_have_value(served.emails["viewer"])


def test_a_new_person_registers_and_their_role_is_viewer(page: Page) -> None:
    page.goto("/accounts/signup/")
    page.get_by_label("Name").fill("Rita Nova")
    page.get_by_label("E-mail").fill("rita@example.com")
    page.locator("input[name=password]").fill("short")
    page.get_by_role("button", name="Create the account").click()
    expect(page.locator(".errorlist")).to_contain_text("at least 10 characters")
    expect(page.get_by_label("Name")).to_have_value("Rita Nova")
    page.locator("input[name=password]").fill("a-very-long-password")
    page.get_by_role("button", name="Create the account").click()
    expect(page.get_by_role("complementary")).to_contain_text(
        re.compile("Rita Nova.*(Viewer|Consulta)")
    )


def set_up_the_app(page: Page, served: Served) -> None:
    """Whoever is signed in has an authenticator app from now on."""
    page.goto("/accounts/2fa/totp/activate/")
    page.locator("input[name=password]").fill(served.password)
    page.keyboard.press("Enter")
    secret = page.locator("#authenticator_secret").input_value()
    page.locator("input[name=code]").fill(code_of(secret))
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("/accounts/2fa/(recovery-codes/)?$"))


def test_a_code_of_the_authenticator_app_is_the_second_step(
    page: Page, served: Served, sign_in: SignIn, make_person: Callable[..., str]
) -> None:
    email = make_person("Teo")
    sign_in(page, email)
    set_up_the_app(page, served)
    page.goto("/accounts/2fa/recovery-codes/")
    recovery = page.locator("#recovery_codes").input_value().split()
    assert len(recovery) == 10
    page.locator(".side form button").click()
    page.wait_for_url(f"{served.url}/")
    page.goto("/accounts/login/")
    page.get_by_label("E-mail").fill(email)
    page.locator("input[name=password]").fill(served.password)
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("/accounts/2fa/authenticate/"))
    page.locator("input[name=code]").fill(recovery[0])
    page.keyboard.press("Enter")
    page.wait_for_url(f"{served.url}/")
    expect(page.locator(".side")).to_contain_text("Teo")


def test_who_lost_the_phone_is_let_in_by_a_manager(
    page: Page,
    elsewhere: Page,
    served: Served,
    sign_in: SignIn,
    make_person: Callable[..., str],
    staff: dict[str, str],
    complaints: Callable[[Page], list[str]],
) -> None:
    email = make_person("Lia")
    sign_in(page, email)
    set_up_the_app(page, served)

    sign_in(elsewhere, staff["manager"])
    elsewhere.goto(f"/users/?search={email}")
    elsewhere.locator("[data-row] a").click()
    elsewhere.get_by_role("button", name="Remove the second step").click()
    question = elsewhere.locator("#second-step")
    expect(question).to_be_visible()
    assert complaints(elsewhere) == []
    question.get_by_role("button", name="Remove the second step").click()
    expect(elsewhere.locator("#toasts")).to_contain_text("signs in with the password alone")
    expect(elsewhere.get_by_role("button", name="Remove the second step")).to_have_count(0)

    page.goto("/orders/")
    expect(page).to_have_url(re.compile("/accounts/login/"))  # signed out as well
    sign_in(page, email)
    expect(page.locator(".side")).to_contain_text("Lia")


def test_a_passkey_signs_in_without_a_password(
    page: Page, served: Served, sign_in: SignIn, make_person: Callable[..., str]
) -> None:
    devices = page.context.new_cdp_session(page)
    devices.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    devices.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    sign_in(page, make_person("Paz"))
    page.goto("/accounts/2fa/webauthn/add/")
    if "reauthenticate" in page.url:
        page.locator("input[name=password]").fill(served.password)
        page.keyboard.press("Enter")
    page.locator("input[name=name]").fill("Notebook")
    page.locator("input[name=passwordless]").check()
    page.locator("#mfa_webauthn_add").click()
    # Not the page it is on: leaving that too early would abort what the button sends.
    page.wait_for_url(re.compile(r"/accounts/2fa/(webauthn|recovery-codes)/(?!add)"))
    page.goto("/accounts/2fa/webauthn/")
    expect(page.get_by_role("row").nth(1)).to_contain_text("Notebook")
    page.locator(".side form button").click()
    page.wait_for_url(f"{served.url}/")
    page.goto("/accounts/login/")
    page.locator("#passkey_login").click()
    page.wait_for_url(f"{served.url}/")
    expect(page.locator(".side")).to_contain_text("Paz")


def test_signing_out_everywhere_else_ends_the_other_browser(
    browser: Browser, page: Page, served: Served, sign_in: SignIn, make_person: Callable[..., str]
) -> None:
    email = make_person("Sol")
    with browser.new_context(base_url=served.url) as elsewhere:
        other = elsewhere.new_page()
        sign_in(other, email)
        sign_in(page, email)
        page.goto("/accounts/sessions/")
        expect(page.get_by_role("row")).to_have_count(3)
        page.locator("main form button").click()
        expect(page.get_by_role("row")).to_have_count(2)
        other.goto("/accounts/profile/")
        expect(other).to_have_url(re.compile("/accounts/login/"))


@pytest.fixture
def reference(page: Page, watch: Watch) -> Callable[[str], Locator]:
    """Opens an operation of /docs, by tag and operation."""
    # Swagger UI says so of every operation with an underscore in its name.
    watch.expect("escaping deep link whitespace")

    def open_at(operation: str) -> Locator:
        page.goto(f"/docs#/{operation}")
        return page.locator(f"#operations-{operation.replace('/', '-')}")

    return open_at


def test_try_it_out_calls_the_api_as_the_signed_in_person(
    page: Page, reference: Callable[[str], Locator], served: Served, sign_in: SignIn
) -> None:
    sign_in(page, "manager")
    block = reference("Authentication/get_me")
    block.get_by_role("button", name="Execute").click()
    expect(block.locator(".live-responses-table .response-col_status").nth(1)).to_have_text(
        re.compile("^200")
    )
    expect(block.locator(".live-responses-table")).to_contain_text(served.emails["manager"])


def test_try_it_out_changes_things_with_the_csrf_token_it_fetches(
    page: Page, reference: Callable[[str], Locator], sign_in: SignIn
) -> None:
    sign_in(page, "manager")
    block = reference("Customers/create_customer")
    block.locator("textarea.body-param__text").fill(
        '{"name": "Padaria Central", "cpf_cnpj": "529.982.247-25", "email": "padaria@example.com"}'
    )
    block.get_by_role("button", name="Execute").click()
    expect(block.locator(".live-responses-table .response-col_status").nth(1)).to_have_text(
        re.compile("^201")
    )


def test_try_it_out_sends_the_bearer_token_and_leaves_the_cookie_at_home(
    page: Page, reference: Callable[[str], Locator], served: Served, sign_in: SignIn
) -> None:
    with served.api("viewer") as api:
        token = api.headers["Authorization"].removeprefix("Bearer ")
    sign_in(page, "manager")
    block = reference("Authentication/get_me")
    page.get_by_role("button", name="Authorize").first.click()
    page.locator(".auth-container input").first.fill(token)
    page.locator(".auth-container").get_by_role("button", name="Apply credentials").first.click()
    page.get_by_role("button", name="Close").first.click()
    block.get_by_role("button", name="Execute").click()
    expect(block.locator(".live-responses-table")).to_contain_text(served.emails["viewer"])


def test_a_problem_leads_to_its_explanation(page: Page, served: Served) -> None:
    with served.api() as api:
        problem = api.get("/orders/999999").json()
    page.goto(problem["type"])
    expect(page.locator(":target h3")).to_have_text("not_found")


def test_a_missing_page_says_so_and_leads_home(page: Page, watch: Watch) -> None:
    watch.expect("404")
    page.goto("/nothing-here")
    expect(page.get_by_role("heading", level=1)).to_have_text("Page not found")
    page.get_by_role("link", name="Go to the home page").click()
    expect(page).to_have_url(re.compile("/$"))
