"""The pictures of the README: the demo data, served and photographed in Chromium (make pictures).

python -m e2e.pictures writes docs/pictures/<name>-<theme>.webp.
"""

import base64
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Literal

from playwright.sync_api import Browser, Page, expect, sync_playwright

from accounts.roles import Role
from e2e.chromium import find
from e2e.conftest import ARGUMENTS
from e2e.server import ROOT, Site
from erp_site.demo import LOGINS, PASSWORD

FOLDER: Final = ROOT / "docs" / "pictures"
LARGEST: Final = 150_000  # bytes
QUALITY: Final = 82  # of 100
DESK: Final[Any] = {"width": 1280, "height": 800}
PHONE: Final[Any] = {"width": 390, "height": 844}
THEMES: Final[tuple[Literal["light", "dark"], ...]] = ("light", "dark")


def dashboard(page: Page) -> None:
    page.goto("/")


def orders(page: Page) -> None:
    page.goto("/orders/")
    for row in (1, 2, 4):
        page.locator("[data-row] input[name=ids]").nth(row).check()


def largest_pending(page: Page) -> str:
    """The address of an order that waits, with as many lines as any."""
    page.goto("/orders/?status=pending")
    rows = page.locator("[data-row]").all()
    best = max(rows, key=lambda row: int(row.locator("td.num").first.inner_text()))
    return best.locator("td.key a").get_attribute("href") or ""


def order_entry(page: Page) -> None:
    number = largest_pending(page).rpartition("/")[2]
    page.goto(f"/orders/new?repeat={number}")
    expect(page.locator(".lines tbody tr").first).to_be_visible()


def order(page: Page) -> None:
    page.goto(largest_pending(page))


def price_list(page: Page) -> None:
    page.goto("/products/price-lists")
    page.get_by_role("link", name="Atacado").click()
    expect(page.locator("#prices tbody tr").first).to_be_visible()


def stock(page: Page) -> None:
    page.goto("/products/adjust?code=ALI-0171")
    page.locator("input[name=quantity]").fill("24")
    expect(page.locator("#preview [data-after]")).not_to_have_text("?")
    page.evaluate("document.activeElement.blur()")


PICTURES: Final[dict[str, tuple[Callable[[Page], None], Any]]] = {
    "dashboard": (dashboard, DESK),
    "orders": (orders, DESK),
    "order-entry": (order_entry, DESK),
    "order": (order, DESK),
    "price-list": (price_list, DESK),
    "stock-phone": (stock, PHONE),
}


def save(page: Page, file: Path) -> None:
    """WebP, which is a third of the same picture as PNG."""
    session = page.context.new_cdp_session(page)
    answer = session.send("Page.captureScreenshot", {"format": "webp", "quality": QUALITY})
    data = base64.b64decode(answer["data"])
    if len(data) > LARGEST:
        raise SystemExit(f"{file.name} has {len(data)} bytes, more than {LARGEST}")
    file.write_bytes(data)


def take(browser: Browser, url: str) -> None:
    for theme in THEMES:
        with browser.new_context(
            base_url=url,
            locale="en-US",
            viewport=DESK,
            device_scale_factor=1.5,
            color_scheme=theme,
            reduced_motion="reduce",
        ) as context:
            page = context.new_page()
            page.goto("/accounts/login/")
            page.locator("input[name=login]").fill(LOGINS[Role.MANAGER])
            page.locator("input[name=password]").fill(PASSWORD)
            page.keyboard.press("Enter")
            page.wait_for_url(f"{url}/")
            page.locator("[popovertarget=display]").click()
            page.get_by_role("button", name="English").click()
            expect(page.locator("html")).to_have_attribute("lang", "en")
            for name, (show, viewport) in PICTURES.items():
                page.set_viewport_size(viewport)
                show(page)
                page.wait_for_load_state("networkidle")
                save(page, FOLDER / f"{name}-{theme}.webp")


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        path = find(playwright.chromium.executable_path)
        if path is None:
            raise SystemExit("Install chromium, or set CHROMIUM=/path/to/it.")
        # The demo has an administrator of its own, with a name.
        nobody = {"ADMIN_EMAIL": "", "ADMIN_PASSWORD": ""}
        url = f"sqlite:///{folder}/erp.sqlite3"
        site = Site(Path(folder), url, WEB_WORKERS="1", **nobody)
        for command in ("migrate", "seed_demo"):
            done = site.manage(command)
            if done.returncode:
                raise SystemExit(done.stderr)
        with site:
            browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
            take(browser, site.url)
            browser.close()


if __name__ == "__main__":
    main()
