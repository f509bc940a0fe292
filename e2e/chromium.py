"""The Chromium that the journeys drive: `python -m e2e.chromium` prints its path, getting one where it can.

It exits with 1 and says what to do where there is none.
"""

import os
import shutil
import subprocess
import sys
from contextlib import suppress
from typing import Final

from playwright.sync_api import sync_playwright

NAMES: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PATIENCE: Final = 300  # seconds for a download
NOTICE: Final = """
######################################################################################
##  NO BROWSER: THE BROWSER JOURNEYS DID NOT RUN.                                   ##
##  There is no Chromium here, and none could be had. One of these helps:           ##
##    Debian          apt-get install chromium                                      ##
##    Fedora          dnf install chromium                                          ##
##    anywhere        .venv/bin/playwright install --with-deps chromium             ##
##    another place   CHROMIUM=/path/to/chromium                                    ##
##  Then: make e2e                                                                  ##
######################################################################################
"""


def find(own: str) -> str | None:
    """$CHROMIUM, the system's, or Playwright's `own`; None where none of them starts.

    One that is there may still not start: Ubuntu's asks for snap, Playwright's for libraries of the system.
    """
    named = os.environ.get("CHROMIUM")
    candidates = [named] if named else [*filter(None, map(shutil.which, NAMES)), own]
    return next((path for path in candidates if _starts(path)), None)


def get() -> None:
    """Install one: on Debian from its packages, as root; elsewhere Playwright's own, for this user."""
    print("Installing a Chromium for the browser journeys (once) ...", file=sys.stderr)
    if os.geteuid() == 0 and shutil.which("apt-get"):
        _run("apt-get", "-qq", "update")
        _run("apt-get", "-qq", "install", "-y", "--no-install-recommends", "chromium")
        if any(map(shutil.which, NAMES)):
            return
    _run(sys.executable, "-m", "playwright", "install", "chromium")


def _starts(path: str) -> bool:
    try:
        command = [path, "--version"]
        return subprocess.run(command, check=False, capture_output=True, timeout=60).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def _run(*command: str) -> None:
    """Try it: whether it helped is seen by what is there afterwards."""
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    with suppress(OSError, subprocess.TimeoutExpired):
        subprocess.run(command, check=False, env=environment, capture_output=True, timeout=PATIENCE)


def main() -> int:
    with sync_playwright() as playwright:
        own = playwright.chromium.executable_path
    path = find(own)
    if path is None and not os.environ.get("CHROMIUM"):
        get()
        path = find(own)
    if path is None:
        print(NOTICE, file=sys.stderr)
        return 1
    print(f"Browser: {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
