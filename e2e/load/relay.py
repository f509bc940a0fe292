"""The relay under load: does it keep up with placing, and what do two of them do?"""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Final

from e2e.load.floor import Driver
from e2e.load.shop import Shop
from e2e.server import ROOT

LOOK: Final = 0.05  # seconds between two looks
PATIENCE: Final = 120  # seconds for a backlog to be worked off
#: The oldest event that has not reached everybody: without its place in the feed, or under way to a consumer.
OLDEST: Final = (
    "SELECT MIN(created_at) FROM (SELECT created_at FROM core_event WHERE position IS NULL "
    "UNION ALL SELECT e.created_at FROM core_delivery d JOIN core_event e ON e.id = d.event_id "
    "WHERE d.state = 'open') waiting"
)


WAITING: Final = (
    "SELECT (SELECT COUNT(*) FROM core_event WHERE position IS NULL) "
    "+ (SELECT COUNT(DISTINCT event_id) FROM core_delivery WHERE state = 'open')"
)
CONNECTIONS: Final = "SELECT COUNT(*) FROM information_schema.processlist WHERE db = DATABASE()"
STARTED: Final = 1.0  # seconds from a relay's first connection until it waits for work


@contextmanager
def relays(shop: Shop, number: int) -> Iterator[None]:
    """So many relay processes beside the site's workers."""
    processes = [
        subprocess.Popen(
            [sys.executable, "manage.py", "relay_events"],
            cwd=ROOT,
            env=os.environ | shop.site.environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for _ in range(number)
    ]
    try:
        yield
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait(30)


class Watch:
    """How late the oldest waiting event is, looked at again and again on a connection of its own."""

    def __init__(self, database_url: str) -> None:
        self.cursor = Driver(database_url).connection.cursor()
        self.lags: list[float] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def lag(self) -> float:
        """Seconds; 0 when nothing waits."""
        self.cursor.execute(OLDEST)
        (oldest,) = self.cursor.fetchone()
        if oldest is None:
            return 0.0
        when = oldest if isinstance(oldest, datetime) else datetime.fromisoformat(oldest)
        return (datetime.now(UTC) - when.replace(tzinfo=UTC)).total_seconds()

    def _run(self) -> None:
        while not self._stop.wait(LOOK):
            self.lags.append(self.lag())

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join()

    def percentile(self, share: float) -> float:
        ordered: Sequence[float] = sorted(self.lags)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def work_off(shop: Shop, database_url: str, number: int) -> float:
    """Events a second that so many relays bring to all their consumers, from the first one to the last.

    All of them are up, and look for work, before the first event may be published: their start is not measured.
    """
    watching, holding = Driver(database_url).connection, Driver(database_url).connection
    cursor, holder = watching.cursor(), holding.cursor()

    def figure(query: str) -> int:
        cursor.execute(query)
        return int(cursor.fetchone()[0])

    holder.execute("BEGIN")
    holder.execute("SELECT id FROM core_feed FOR UPDATE")  # nobody publishes now
    holder.fetchall()
    backlog, others = figure(WAITING), figure(CONNECTIONS)
    deadline = time.monotonic() + PATIENCE
    with relays(shop, number):
        while figure(CONNECTIONS) < others + number:
            time.sleep(LOOK)
        time.sleep(STARTED)
        holder.execute("ROLLBACK")
        while figure(WAITING) >= backlog:
            time.sleep(0.005)
        began = time.monotonic()
        while left := figure(WAITING):
            if time.monotonic() > deadline:
                raise TimeoutError(f"{left} of {backlog} events are left")
            time.sleep(LOOK)
        seconds = time.monotonic() - began
    watching.close()
    holding.close()
    return backlog / seconds
