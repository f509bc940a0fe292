"""Journeys through webhooks: another system is told, does not answer, and is told all of it later."""

import json
import re
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from standardwebhooks import Webhook

from e2e.conftest import Served

pytestmark = pytest.mark.browser

type Desk = Callable[..., Page]
type Make = Callable[..., dict[str, Any]]

PHONE = {"width": 390, "height": 844}


class System:
    """Another system, that answers with `status` and keeps what it takes."""

    def __init__(self) -> None:
        self.status = 204
        self.taken: list[tuple[dict[str, str], bytes]] = []
        system = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(system.status)
                self.end_headers()
                if system.status == 204:
                    system.taken.append((dict(self.headers), body))

            def log_message(self, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/erp"

    def told(self) -> list[str]:
        return [json.loads(body)["type"] for _headers, body in self.taken]


@pytest.fixture
def system() -> Iterator[System]:
    system = System()
    threading.Thread(target=system.server.serve_forever, args=[0.05], daemon=True).start()
    yield system
    system.server.shutdown()
    system.server.server_close()


def test_a_webhook_is_added_tested_and_told_what_it_missed(
    desk: Desk, served: Served, system: System, make_product: Make
) -> None:
    page = desk("admin")
    page.goto("/webhooks/")
    page.keyboard.press("n")
    page.wait_for_url("**/webhooks/new")
    page.get_by_label("Address").fill("erp.example.com")
    page.keyboard.press("Enter")
    expect(page.get_by_label("Address")).to_be_visible()  # the browser itself asks for a whole one
    page.get_by_label("Address").fill(system.url)
    page.get_by_label("Stock adjusted").check()
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"/webhooks/\d+$"))

    page.get_by_role("button", name="Show the secret").click()
    secret = page.get_by_label("Signing secret").input_value()
    page.get_by_role("button", name="Send a test").click()
    rows = page.locator("#deliveries tbody tr")
    expect(rows.first).to_contain_text("Webhook tested")
    expect(rows.first).to_contain_text("Delivered")  # without a word to the page
    headers, body = system.taken[0]
    assert Webhook(secret).verify(body, headers)["type"] == "webhook.tested"

    system.status = 500
    product = make_product("HOOKED-1")
    with served.api() as api:
        change = {"delta": 5, "reason": "received"}
        api.patch(f"/products/{product['id']}/stock", json=change).raise_for_status()
    page.reload()
    expect(rows.first).to_contain_text("Waits")
    expect(page.locator("#deliveries .note")).to_contain_text("HTTP 500")
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    system.status = 204
    expect(rows.first).to_contain_text("Delivered", timeout=20_000)
    expect(page.locator("#deliveries .note")).to_have_count(0)
    assert system.told() == ["webhook.tested", "stock.adjusted"]

    here = page.url.removesuffix("/secret")
    page.get_by_role("button", name="Delete").click()
    page.locator("#delete").get_by_role("button", name="Delete").click()
    page.wait_for_url("**/webhooks/")
    assert page.request.get(here).status == 404


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_their_pages_are_accessible_and_fit_a_phone(
    desk: Desk, system: System, complaints: Callable[[Page], list[str]], theme: str
) -> None:
    page = desk("admin")
    page.emulate_media(color_scheme=theme, reduced_motion="reduce")  # type: ignore[arg-type]
    page.goto("/webhooks/new")
    page.get_by_label("Address").fill(system.url)
    page.get_by_label("Description").fill("The fiscal system in the other building")
    assert complaints(page) == []
    page.get_by_role("button", name="Add the webhook").click()
    page.wait_for_url(re.compile(r"/webhooks/\d+$"))
    page.get_by_role("button", name="Send a test").click()
    expect(page.locator("#deliveries tbody tr").first).to_contain_text("Delivered")
    page.get_by_role("button", name="Show the secret").click()
    here = page.url.removesuffix("/secret")
    assert complaints(page) == []
    page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    for path in (page.url, f"{here}/edit", "/webhooks/", here):
        if path != page.url:
            page.goto(path)
        assert complaints(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"], path
