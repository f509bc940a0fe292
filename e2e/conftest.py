"""A browser, a served product, and a watch on everything the pages say and ask for behind the reader's back."""

import re
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from secrets import token_hex
from typing import Any, Final

import httpx
import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Playwright,
    Request,
    Route,
    WebError,
    expect,
)

from e2e.chromium import NOTICE, find
from e2e.server import ADMIN, PASSWORD, Site
from erp_site.core import gtin, taxid

AXE: Final = (Path(__file__).parent / "vendor" / "axe.min.js").read_text()
#: WCAG 2.2 AA and what axe's authors advise beyond it.
RULES: Final = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
#: Chromium in a container: no sandbox of its own, and no calls home.
ARGUMENTS: Final = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # There is no other host than this one.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1",
]
ROLES: Final = ("viewer", "operator", "manager")
#: A machine that does other things as well is slow, not broken.
expect.set_options(timeout=20_000)


@pytest.fixture(scope="session")
def browser_type_launch_args(playwright: Playwright) -> dict[str, Any]:
    path = find(playwright.chromium.executable_path)
    if path is None:
        pytest.fail(NOTICE)
    return {"executable_path": path, "args": ARGUMENTS}


@dataclass
class Served:
    """The product at work, with one person a role."""

    url: str
    emails: dict[str, str]
    log: Path
    """What it prints, mails included."""
    password: str = PASSWORD
    _token: str = ""
    _token_until: float = 0

    @contextmanager
    def api(self, role: str = "admin") -> Iterator[httpx.Client]:
        """/api/v1 as somebody of this role."""
        # The site speaks plain HTTP: reading the authorities of TLS would take longer than most calls.
        with httpx.Client(base_url=f"{self.url}/api/v1", timeout=30, verify=False) as client:
            token = self._token_of_admin(client) if role == "admin" else self._sign_in(client, role)
            client.headers["Authorization"] = f"Bearer {token}"
            yield client

    def _token_of_admin(self, client: httpx.Client) -> str:
        """It lives for five minutes, and no journey ends it: this admin only sets scenes, several in each."""
        if time.monotonic() > self._token_until:
            self._token = self._sign_in(client, "admin")
            self._token_until = time.monotonic() + 180
        return self._token

    def _sign_in(self, client: httpx.Client, role: str) -> str:
        body = {"email": self.emails[role], "password": self.password}
        answer = client.post("/auth/jwt/login", json=body).raise_for_status()
        return str(answer.json()["access_token"])


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """`manage.py serve` on an empty SQLite database, for the whole run (one for each process of pytest-xdist)."""
    folder = tmp_path_factory.mktemp("served")
    variables = {"WEB_WORKERS": "1", "WEBHOOK_NETWORKS": "127.0.0.0/8"}
    with Site(folder, f"sqlite:///{folder}/erp.sqlite3", **variables) as site:
        # A passkey belongs to a name: it cannot be made for an address of numbers.
        url = site.url.replace("127.0.0.1", "localhost")
        found = Served(url, {"admin": ADMIN}, site.log)
        with found.api() as api:
            for role in ROLES:
                found.emails[role] = f"{role}@example.com"
                body = {"name": role.title(), "email": found.emails[role], "role": role}
                api.post("/auth/users", json={**body, "password": PASSWORD}).raise_for_status()
        yield found


@pytest.fixture
def make_person(served: Served) -> Callable[..., str]:
    """The e-mail address of a new person, for a test that changes who they are."""

    def make(name: str, role: str = "operator") -> str:
        email = f"{name.lower()}@example.com"
        with served.api() as api:
            body = {"name": name, "email": email, "role": role, "password": served.password}
            api.post("/auth/users", json=body).raise_for_status()
        return email

    return make


@pytest.fixture(scope="session")
def staff(served: Served) -> dict[str, str]:
    """One more person of each role, who reads English, and a seller who may take 10 % off: their e-mail addresses."""
    wanted: dict[str, dict[str, str]] = {role: {"role": role} for role in (*ROLES, "admin")}
    wanted["seller"] = {"role": "operator", "discount_limit": "10.00"}
    emails = {who: f"english.{who}@example.com" for who in wanted}
    for who, email in emails.items():
        with served.api() as api:
            body = {"name": f"English {who.title()}", "email": email, **wanted[who]}
            api.post("/auth/users", json={**body, "password": served.password}).raise_for_status()
        served.emails[email] = email
        with served.api(email) as api:
            api.patch("/auth/me", json={"language": "en"}).raise_for_status()
    return emails


@pytest.fixture
def desk(page: Page, served: Served, staff: dict[str, str]) -> Callable[..., Page]:
    """The browser of somebody of this role, in English, who is signed in.

    By one request instead of two pages: how people sign in is a journey of its own (`sign_in`).
    """

    def sit_down(role: str = "manager", at: Page = page) -> Page:
        token = at.request.get("/api/v1/auth/csrf").json()["csrf_token"]
        answer = at.request.post(
            "/api/v1/auth/session/login",
            data={"email": staff[role], "password": served.password},
            headers={"X-CSRFToken": token},
        )
        assert answer.ok, answer.text()
        return at

    return sit_down


@pytest.fixture
def make_product(served: Served) -> Callable[..., dict[str, Any]]:
    """A product as the API answers it: ten pieces at 10.00, with a barcode."""

    def make(sku: str, **fields: Any) -> dict[str, Any]:
        # Each worker has its own site, each SKU its own barcode.
        body = f"{zlib.crc32(sku.encode()):012}"[-12:]
        wanted = {"sku": sku, "name": f"Product {sku}", "price": "10.00", "on_hand": 10}
        with served.api() as api:
            sent = {**wanted, "gtin": body + gtin.check_digit(body), **fields}
            answer = api.post("/products", json=sent).raise_for_status()
        return dict(answer.json())

    return make


@pytest.fixture
def make_customer(served: Served) -> Callable[..., dict[str, Any]]:
    """A customer as the API answers it, with a valid invented CNPJ."""

    def make(name: str, **fields: Any) -> dict[str, Any]:
        root = f"E{zlib.crc32(name.encode()):011}"[-12:]
        wanted = {
            "name": name,
            "cpf_cnpj": root + taxid.cnpj_check_digits(root),
            "email": f"buyer.{root.lower()}@example.com",
        }
        with served.api() as api:
            answer = api.post("/customers", json={**wanted, **fields}).raise_for_status()
        return dict(answer.json())

    return make


@dataclass
class Watch:
    """What went wrong unseen: console errors (a CSP violation is one), uncaught exceptions, calls to other hosts.

    A form that comes back with mistakes is a 422, which Chromium puts in the console: that is no error here.
    """

    allowed: list[str] = field(default_factory=lambda: ["status of 422"])
    wrong: list[str] = field(default_factory=list)

    def expect(self, pattern: str) -> None:
        """An error that belongs to the journey, such as the 404 it provokes."""
        self.allowed.append(pattern)

    def note(self, what: str) -> None:
        if not any(re.search(pattern, what) for pattern in self.allowed):
            self.wrong.append(what)


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def browser_context_args(served: Served) -> dict[str, Any]:
    return {"base_url": served.url, "locale": "en-US", "viewport": {"width": 1280, "height": 800}}


@pytest.fixture
def context(context: BrowserContext, served: Served, watch: Watch) -> Iterator[BrowserContext]:
    """pytest-playwright's context under watch."""
    watch_context(context, served, watch)
    yield context
    assert watch.wrong == []


def watch_context(context: BrowserContext, served: Served, watch: Watch) -> None:
    def on_console(message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            watch.note(f"console: {message.text} ({message.location.get('url')})")

    def on_error(error: WebError) -> None:
        watch.note(f"exception: {error.error.message}")

    def on_request(request: Request) -> None:
        if not request.url.startswith((f"{served.url}/", "data:", "blob:")):
            watch.note(f"another host: {request.url}")

    context.on("console", on_console)
    context.on("weberror", on_error)
    # Told, not routed: what is routed goes past the browser's cache, and each request by way of this process.
    context.on("request", on_request)


@pytest.fixture
def no_script(browser: Browser, served: Served, watch: Watch) -> Iterator[Page]:
    """A page of a browser that runs no JavaScript."""
    with browser.new_context(
        base_url=served.url, java_script_enabled=False, locale="en-US"
    ) as context:
        watch_context(context, served, watch)
        yield context.new_page()
    assert watch.wrong == []


@pytest.fixture
def sign_in(served: Served) -> Callable[..., None]:
    """Sign in on the page as people do."""

    def act(page: Page, who: str = "operator") -> None:
        page.goto("/accounts/login/")
        page.get_by_label("E-mail").fill(served.emails.get(who, who))
        page.locator("input[name=password]").fill(served.password)
        page.locator("input[name=password]").press("Enter")
        page.wait_for_url(f"{served.url}/")

    return act


@pytest.fixture
def type_too_early() -> Callable[..., None]:
    """Type into a field of the page that is gone to next, before htmx listens there.

    htmx starts in a task of its own. Here it is the last before the page is there, and the hands were faster.
    """

    def act(page: Page, selector: str, text: str) -> None:
        page.add_init_script(
            f"""
            const soon = window.setTimeout;
            window.setTimeout = (call, ...when) => {{
              const early = document.readyState === "interactive" && !when.length;
              return early ? addEventListener("load", call) : soon(call, ...when);
            }};
            document.addEventListener("DOMContentLoaded", () => {{
              document.querySelector({selector!r}).focus();
              document.execCommand("insertText", false, {text!r});
            }});
            """
        )

    return act


@pytest.fixture
def complaints() -> Callable[[Page], list[str]]:
    """What axe finds wrong with the page as it is now: rule, place, message."""

    def look(page: Page) -> list[str]:
        if not page.evaluate("'axe' in window"):
            page.evaluate(AXE)
        page.evaluate("scrollTo(0, 0)")  # what has slid half under the header is no small target
        # Violations alone: to describe what passed costs three times the search.
        options = {"runOnly": RULES, "resultTypes": ["violations"]}
        found = page.evaluate("options => axe.run(options)", options)
        return [
            f"{violation['id']}: {node['html'][:160]} {node['failureSummary'][:200]}"
            for violation in found["violations"]
            for node in violation["nodes"]
        ]

    return look


@pytest.fixture
def place(served: Served) -> Callable[..., dict[str, Any]]:
    """An order as the API answers it: (product, quantity) pairs for a customer."""

    def make(
        customer: dict[str, Any], *lines: tuple[dict[str, Any], int], **fields: Any
    ) -> dict[str, Any]:
        items = [{"product_id": product["id"], "quantity": quantity} for product, quantity in lines]
        body = {"customer_id": customer["id"], "items": items, "idempotency_key": token_hex(8)}
        with served.api() as api:
            answer = api.post("/orders", json=body | fields).raise_for_status()
        return dict(answer.json())

    return make


@pytest.fixture
def elsewhere(
    browser: Browser, browser_context_args: dict[str, Any], served: Served, watch: Watch
) -> Iterator[Page]:
    """A page of a second browser, with a session of its own."""
    with browser.new_context(**browser_context_args) as context:
        watch_context(context, served, watch)
        yield context.new_page()


def lose(route: Route) -> None:
    """For `page.route`, before the page is there: the server does what the last button asks, and nobody hears of it."""
    if "action=place" in (route.request.post_data or ""):
        route.fetch()
        route.abort()
    else:
        route.fallback()
