"""The relay: a loop that publishes, delivers and waits, whatever the database and Redis do."""

import logging
import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.util import Finalize
from typing import Final

import structlog
from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection, connections

from erp_site.core import consumers, metrics
from erp_site.core.consumers import Consumer, Unavailable
from erp_site.core.errors import Busy
from erp_site.core.models import Event
from erp_site.core.schema import missing_migrations

from .claiming import FIRST_BACK_OFF, Outcome, Parcel, claim, settle, told
from .finished import prune
from .publishing import BATCH, publish
from .waking import POLL, bells, listen, ring

log = structlog.get_logger(__name__)

FIRST_CLAIM: Final = 20  # deliveries, while a consumer's pace is not known
STRIDE: Final = (
    0.5  # seconds that a claim should keep a consumer busy; more would keep it from other relays
)
TURN: Final = 5.0  # seconds that a consumer gets before the others have theirs
LONGEST_PAUSE: Final = 30.0  # seconds, of a consumer whose other side is away
LONGEST_OUTAGE_PAUSE: Final = 5.0  # seconds between two attempts to reach the database
PRUNE_EVERY: Final = 600.0  # seconds


@dataclass(slots=True)
class Pause:
    """A consumer whose other side is away is left alone, longer each time."""

    seconds: float
    until: float  # monotonic


class Relay:
    """One relay: publishes and delivers until it is told to stop, whatever the database and Redis do."""

    def __init__(
        self, stop: threading.Event, listeners: Sequence[Consumer], *, poll: float = POLL
    ) -> None:
        self.stop = stop
        self.listeners = listeners
        self.poll = poll
        self._bell = threading.Event()
        self._pauses: dict[str, Pause] = {}
        self._sizes: dict[str, int] = {}
        self._prune_at = time.monotonic() + random.uniform(0, PRUNE_EVERY)  # noqa: S311 -- spread, not secret
        self._outage: float | None = None

    def run(self, *, once: bool = False) -> None:
        """Work until `stop` is set; with `once`, until nothing is left that can be done now.

        Waits for the database and for its migrations instead of failing; says so once for each outage.
        """
        bells.add(self._bell)
        try:
            if settings.REDIS_URL and not once:
                listener = threading.Thread(
                    target=listen,
                    args=(settings.REDIS_URL, self._bell, self.stop),
                    name="relay-wake",
                    daemon=True,
                )
                listener.start()
            while not self.stop.is_set() and not self._survive(self._is_ready):
                self._wait(self.poll)
            while not self.stop.is_set():
                self._bell.clear()
                worked = self._survive(self.round)
                if worked or self._outage:
                    continue
                if once:
                    break
                self._wait(self.poll)
        finally:
            bells.discard(self._bell)

    def round(self) -> bool:
        """Publish what is new and give each consumer one turn. False: there was nothing to do."""
        worked = publish(self.listeners) > 0
        for consumer in self.listeners:
            if self.stop.is_set():
                break
            if self._is_paused(consumer) or not self.deliver(consumer):
                continue
            worked = True
            publish(self.listeners)  # a slow consumer does not hold up the feed
        if time.monotonic() >= self._prune_at:
            self._prune_at = time.monotonic() + PRUNE_EVERY
            prune()
        return worked

    def deliver(self, consumer: Consumer) -> bool:
        """One turn of one consumer. False: nothing is waiting that it may have now."""
        claimed = claim(consumer, self._sizes.get(consumer.name, FIRST_CLAIM))
        if claimed is None:
            return False
        began = time.monotonic()
        outcome = self._hand_over(consumer, claimed.parcels)
        if tried := len(outcome.done) + len(outcome.failed):
            pace = (time.monotonic() - began) / tried
            self._sizes[consumer.name] = max(1, min(BATCH, int(STRIDE / max(pace, 1e-6))))
        settle(claimed, consumer, outcome)
        self._report(consumer, outcome)
        return True

    def _hand_over(self, consumer: Consumer, parcels: Sequence[Parcel]) -> Outcome:
        """Call the consumer with event after event, for a turn at most; outside any transaction."""
        deadline = time.monotonic() + TURN
        events = Event.objects.in_bulk([parcel.event_id for parcel in parcels])
        outcome = Outcome()
        closed: set[tuple[str, int]] = set()
        for parcel in parcels:
            if self.stop.is_set() or time.monotonic() > deadline:
                break
            if parcel.source in closed:
                continue
            try:
                consumer.handle(events[parcel.event_id])
            except Unavailable as error:
                outcome.unavailable = error
                break
            except Exception as error:  # noqa: BLE001 -- whatever a consumer raises, the others go on
                outcome.failed.append((parcel, error))
                closed.add(parcel.source)
            else:
                outcome.done.append(parcel)
        return outcome

    def _report(self, consumer: Consumer, outcome: Outcome) -> None:
        metrics.DELIVERIES.labels(consumer.name, "done").inc(len(outcome.done))
        for parcel, error in outcome.failed:
            dead = parcel.attempts + 1 >= consumer.tries
            metrics.DELIVERIES.labels(consumer.name, "dead" if dead else "failed").inc()
            log.log(
                logging.ERROR if dead else logging.WARNING,
                "delivery_dead" if dead else "delivery_failed",
                consumer=consumer.name,
                event_id=parcel.event_id,
                attempt=parcel.attempts + 1,
                error=told(error),
            )
        if outcome.unavailable:
            self._pause(consumer, outcome.unavailable)
        elif outcome.done and consumer.name in self._pauses:
            del self._pauses[consumer.name]
            log.info("consumer_back", consumer=consumer.name)

    def _pause(self, consumer: Consumer, error: Unavailable) -> None:
        before = self._pauses.get(consumer.name)
        seconds = min(LONGEST_PAUSE, before.seconds * 2) if before else FIRST_BACK_OFF
        self._pauses[consumer.name] = Pause(seconds, time.monotonic() + seconds)
        if not before:
            log.warning("consumer_unavailable", consumer=consumer.name, error=str(error))

    def _is_paused(self, consumer: Consumer) -> bool:
        pause = self._pauses.get(consumer.name)
        return pause is not None and time.monotonic() < pause.until

    def _survive(self, work: Callable[[], bool]) -> bool:
        """Do it; when the database is away, or anything is wrong that we did not think of, wait and return False."""
        try:
            result = work()
        except Exception as error:
            connection.close()
            pause = self._outage or FIRST_BACK_OFF / 2
            if self._outage is None:
                if isinstance(error, (DatabaseError, InterfaceError, Busy)):
                    log.warning("relay_waits_for_database", error=str(error))
                else:
                    log.exception("relay_failed")
            self._outage = min(LONGEST_OUTAGE_PAUSE, pause * 2)
            self._wait(pause)
            return False
        if self._outage is not None:
            self._outage = None
            log.info("relay_goes_on")
        return result

    def _is_ready(self) -> bool:
        missing = missing_migrations()
        if missing:
            raise NotMigrated(f"{len(missing)} migrations are missing; run manage.py migrate")
        return True

    def _wait(self, seconds: float) -> None:
        """Until somebody wakes us, we are to stop (noticed within POLL), or the time is over.

        Never on `stop` itself: a signal handler sets it in this very thread, and would deadlock.
        """
        deadline = time.monotonic() + seconds
        while not self.stop.is_set() and (left := deadline - time.monotonic()) > 0:
            if self._bell.wait(min(left, POLL)):
                break


class NotMigrated(DatabaseError):
    """The database has not got the tables of this code yet."""


def run(stop: threading.Event, *, once: bool = False) -> None:
    """Relay for the registered consumers until `stop` is set (see Relay.run)."""
    Relay(stop, consumers.registered()).run(once=once)


def start_thread() -> threading.Thread:
    """The relay as a daemon thread of a serving process; it finishes its event when the process ends."""
    stop = threading.Event()

    def work() -> None:
        try:
            run(stop)
        finally:
            connections.close_all()  # this thread's own

    def end() -> None:
        stop.set()
        ring()
        thread.join(timeout=2)

    thread = threading.Thread(target=work, name="relay", daemon=True)
    thread.start()
    # Not atexit: a worker forked by multiprocessing runs these alone.
    Finalize(None, end, exitpriority=100)
    return thread
