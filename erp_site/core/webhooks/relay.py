"""Who brings webhooks their events: as the relay does its consumers, but each by itself, for some are slow."""

import threading
import time
from collections.abc import Callable
from multiprocessing.util import Finalize
from typing import Final

import structlog
from django.db import connections

from erp_site.core import consumers, outbox
from erp_site.core.consumers import Consumer
from erp_site.core.outbox import POLL, Relay

log = structlog.get_logger(__name__)

#: Seconds that an end waits for messages under way. What is cut off is sent again by whoever finds it.
FAREWELL: Final = 2.0
#: Seconds between two looks at least: under load the bell rings all the time.
BREATH: Final = 0.05


class WebhookRelay(Relay):
    """Gives each webhook its turns in a thread of its own: one that does not answer keeps no other waiting.

    Publishing is the other relay's; this one looks for what is published.
    """

    def __init__(self, stop: threading.Event, *, poll: float = POLL) -> None:
        super().__init__(stop, (), poll=poll)
        self._turns: dict[str, threading.Thread] = {}
        self._looked_at = -BREATH

    def run(self, *, once: bool = False) -> None:
        """As any relay; at the end it waits for the messages under way."""
        try:
            super().run(once=once)
        finally:
            self.farewell(FAREWELL)

    def round(self) -> bool:
        """Begin a turn for each webhook that is not having one. False: they ring when there is more to do."""
        time.sleep(max(0.0, self._looked_at + BREATH - time.monotonic()))
        self._looked_at = time.monotonic()
        # A thread, and a connection to the database, only for whom something waits.
        waiting = outbox.waiting()
        for consumer in consumers.added() if waiting else ():
            turn = self._turns.get(consumer.name)
            if consumer.name not in waiting or self._is_paused(consumer) or self.stop.is_set():
                continue
            if turn and turn.is_alive():
                continue
            self._turns[consumer.name] = turn = threading.Thread(
                target=self._turn, args=[consumer], name=consumer.name, daemon=True
            )
            turn.start()
        return False

    def farewell(self, seconds: float) -> None:
        """Wait for the messages under way."""
        deadline = time.monotonic() + seconds
        for turn in list(self._turns.values()):
            turn.join(max(0.0, deadline - time.monotonic()))

    def _turn(self, consumer: Consumer) -> None:
        try:
            if self.deliver(consumer):
                # Perhaps there is more. The next turn knows what has been changed of the webhook meanwhile.
                self._bell.set()
        except Exception as error:  # noqa: BLE001 -- the round itself tells when the database is away
            log.warning("webhook_turn_failed", consumer=consumer.name, error=str(error))
        finally:
            connections.close_all()  # this thread's own

    def drain(self) -> None:
        """Deliver in this thread, until nothing is left that can be done now."""
        while any(
            self.deliver(consumer)
            for consumer in consumers.added()
            if not self._is_paused(consumer) and not self.stop.is_set()
        ):
            pass


def drain(stop: threading.Event) -> None:
    """Bring all webhooks what is published, until nothing is left that can be done now."""
    WebhookRelay(stop).drain()


def start_thread() -> Callable[[], None]:
    """The webhooks' relay as a daemon thread of this process; call what is returned to end it between two messages."""
    stop = threading.Event()

    def work() -> None:
        try:
            WebhookRelay(stop).run()
        finally:
            connections.close_all()  # this thread's own

    def end() -> None:
        stop.set()
        outbox.wake()
        thread.join(timeout=FAREWELL + BREATH)

    thread = threading.Thread(target=work, name="webhooks", daemon=True)
    thread.start()
    # Not atexit: a worker forked by multiprocessing runs these alone.
    Finalize(None, end, exitpriority=100)
    return end
