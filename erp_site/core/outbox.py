"""The relay: gives committed events their place in the feed and brings them to the consumers.

Business transactions only write Event rows. Any number of relays, threads or processes, share the rest:

- `publish` numbers the events that have no position yet and writes one open Delivery for each consumer;
- `claim` leases deliveries to one relay: of an aggregate always the oldest open ones, so that a consumer
  sees each aggregate in sequence;
- the relay calls the consumer, outside any transaction, and `settle` writes down what came of it.

A relay that dies leaves leases behind, which expire: everything is delivered at least once.
"""

import logging
import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from multiprocessing.util import Finalize
from typing import Final, NamedTuple
from uuid import UUID

import structlog
from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection, connections
from django.db.models import Count, Max, Q, QuerySet
from redis.exceptions import RedisError

from . import clock, consumers, metrics, redis
from .consumers import Consumer, Unavailable
from .errors import Busy
from .models import Delivery, Event, Feed
from .schema import missing_migrations
from .statements import Assign, Insert, Query
from .transactions import retrying_atomic

log = structlog.get_logger(__name__)

POLL: Final = 0.5  # seconds between two looks when nobody wakes the relay
BATCH: Final = 200  # events published at once, and the most deliveries claimed at once
FIRST_CLAIM: Final = 20  # deliveries, while a consumer's pace is not known
STRIDE: Final = (
    0.5  # seconds that a claim should keep a consumer busy; more would keep it from other relays
)
PAGE: Final = 500  # open deliveries read by one query
MOST_PAGES: Final = 20  # of a look past what is closed, and batches published in one go
TURN: Final = 5.0  # seconds that a consumer gets before the others have theirs
LEASE: Final = timedelta(seconds=30)  # a turn, and the longest that a consumer's last call may take
FIRST_BACK_OFF: Final = 1.0  # seconds, doubled with each failure
LONGEST_BACK_OFF: Final = 600.0  # seconds
LONGEST_PAUSE: Final = 30.0  # seconds, of a consumer whose other side is away
LONGEST_OUTAGE_PAUSE: Final = 5.0  # seconds between two attempts to reach the database
KEEP_DONE: Final = timedelta(days=7)
PRUNE_EVERY: Final = 600.0  # seconds
PRUNE_BATCH: Final = 1000
WAKE_CHANNEL: Final = "erp:wake"
RING_PAUSE: Final = 0.02  # seconds between two wake-ups sent to other processes
FEED_ID: Final = 1

State = Delivery.State

# --- publishing


def publish(listeners: Sequence[Consumer]) -> int:
    """Give every committed event without a position the next one, and fan it out. Returns how many."""
    total = 0
    for _ in range(MOST_PAGES):
        if not Event.objects.filter(position=None).exists():
            break
        published = _publish_batch(listeners)
        if not published:  # another relay is at it, and goes on until nothing is left
            break
        total += published
    if total:
        _ring()  # the webhooks' relay, which looked when the events were written and not yet published
    return total


@retrying_atomic
def _publish_batch(listeners: Sequence[Consumer]) -> int:
    feed = _locked_feed()
    if feed is None:
        return 0
    # An aggregate's events are inserted under its row's lock, so the order of ids is their sequence.
    waiting = [pk for (pk,) in unpublished()]
    columns = Event.objects.only("pk", "type", "aggregate", "aggregate_id")
    events = list(columns.filter(pk__in=waiting).order_by("pk")) if waiting else []
    if not events:
        return 0
    everybody = [*listeners, *consumers.added()]
    now = clock.now()
    positions = {event.pk: at for at, event in enumerate(events, feed.last_position + 1)}
    _assign_positions.later({"position": positions}, list(positions))
    deliveries = [
        (
            event.pk, consumer.name, State.OPEN, event.aggregate, event.aggregate_id, positions[event.pk], 0, now,
            None, "", None,
        )
        for event in events
        for consumer in everybody
        if consumer.wants(event)
    ]  # fmt: skip
    if deliveries:
        _insert_deliveries.later(deliveries)
    _assign_feed.later({"last_position": {feed.pk: feed.last_position + len(events)}}, [feed.pk])
    return len(events)


#: The ids of the next events to publish. Where many wait, MariaDB left to itself goes through all events from the
#: first one, and MySQL sorts those that wait: for each batch again.
unpublished: Final = Query(
    lambda: Event.objects.filter(position=None).order_by("pk").values_list("pk")[:BATCH],
    index="event_unpublished",
)
_assign_positions: Final = Assign(Event)
_assign_feed: Final = Assign(Feed)
_DELIVERY: Final = (
    "event_id", "consumer", "state", "aggregate", "aggregate_id", "position", "attempts", "due_at", "leased_until",
    "last_error", "finished_at",
)  # fmt: skip
_insert_deliveries: Final = Insert(Delivery, *_DELIVERY)


def _locked_feed() -> Feed | None:
    """The one row, locked, or None while another relay has it.

    Without this lock two relays give positions at once, and a reader of the feed passes over the
    lower ones that commit later.
    """
    feed = Feed.objects.select_for_update(skip_locked=True).filter(pk=FEED_ID).first()
    if feed is None and not Feed.objects.filter(pk=FEED_ID).exists():
        last = Event.objects.aggregate(last=Max("position"))["last"] or 0
        made, is_ours = Feed.objects.get_or_create(pk=FEED_ID, defaults={"last_position": last})
        feed = made if is_ours else None
    return feed


# --- claiming and settling


class Parcel(NamedTuple):
    """An open delivery as a relay reads it."""

    pk: int
    event_id: int
    aggregate: str
    aggregate_id: int
    position: int
    attempts: int
    due_at: datetime
    leased_until: datetime | None

    @property
    def source(self) -> tuple[str, int]:
        """Whose sequence it belongs to."""
        return self.aggregate, self.aggregate_id

    def is_free(self, now: datetime) -> bool:
        return self.due_at <= now and (self.leased_until is None or self.leased_until <= now)


@dataclass(frozen=True, slots=True)
class Claim:
    """Deliveries leased to this relay, by position; `lease` is also the proof that they still are."""

    lease: datetime
    parcels: list[Parcel]


@dataclass(slots=True)
class Outcome:
    """What came of a claim. What is in none of the lists was not tried."""

    done: list[Parcel] = field(default_factory=list)
    failed: list[tuple[Parcel, Exception]] = field(default_factory=list)
    unavailable: Unavailable | None = None


def claim(consumer: Consumer, size: int) -> Claim | None:
    """Lease up to `size` deliveries that this consumer may get now.

    None if there is nothing; an empty claim if other relays were faster.
    """
    runs = _deliverable(consumer.name, clock.now(), size)
    return _lease(runs) if runs else None


def _deliverable(consumer: str, now: datetime, size: int) -> list[list[Parcel]]:
    """For each aggregate that may go on, its oldest open deliveries in sequence; `size` deliveries in all.

    Reads by position from the oldest, so the first delivery seen of an aggregate is its oldest open one.
    If that is leased or waits for another try, the aggregate is closed to everybody.
    """
    runs: dict[tuple[str, int], list[Parcel]] = {}
    closed: set[tuple[str, int]] = set()
    count = position = 0
    for _ in range(MOST_PAGES):
        page = [
            Parcel(*row)
            for row in Delivery.objects.filter(
                state=State.OPEN, consumer=consumer, position__gt=position
            )
            .order_by("position")
            .values_list(*Parcel._fields)[:PAGE]
        ]
        for parcel in page:
            if parcel.source in closed:
                continue
            if not parcel.is_free(now):
                closed.add(parcel.source)
                continue
            runs.setdefault(parcel.source, []).append(parcel)
            count += 1
            if count == size:
                return list(runs.values())
        if len(page) < PAGE:
            break
        position = page[-1].position
    return list(runs.values())


@retrying_atomic
def _lease(runs: list[list[Parcel]]) -> Claim:
    now = clock.now()
    # Whoever locks the oldest open delivery of an aggregate, while it is free, has those behind it too:
    # nobody else may take them before it. Without this lock two relays deliver the same run.
    free = set(
        Delivery.objects.select_for_update(skip_locked=True)
        .filter(Q(leased_until=None) | Q(leased_until__lte=now), state=State.OPEN, due_at__lte=now)
        .filter(pk__in=[run[0].pk for run in runs])
        .values_list("pk", flat=True)
    )
    parcels = [parcel for run in runs if run[0].pk in free for parcel in run]
    Delivery.objects.filter(pk__in=[parcel.pk for parcel in parcels]).update(
        leased_until=now + LEASE
    )
    return Claim(now + LEASE, sorted(parcels, key=lambda parcel: parcel.position))


@retrying_atomic
def settle(claim: Claim, consumer: Consumer, outcome: Outcome) -> None:
    """Write down what came of a claim: done in one UPDATE, the failed each on its own, the rest released."""
    now = clock.now()
    # A claim whose lease ran out may be another relay's by now: only what still has this lease is ours.
    ours = Delivery.objects.filter(leased_until=claim.lease)
    done = [parcel.pk for parcel in outcome.done]
    kept = ours.filter(pk__in=done).update(state=State.DONE, leased_until=None, finished_at=now)
    if kept != len(done):
        log.warning("lease_lost", consumer=consumer.name, deliveries=len(done) - kept)
    for parcel, error in outcome.failed:
        attempts = parcel.attempts + 1
        dead = attempts >= consumer.tries
        ours.filter(pk=parcel.pk).update(
            state=State.DEAD if dead else State.OPEN,
            attempts=attempts,
            due_at=now + timedelta(seconds=back_off(attempts)),
            leased_until=None,
            last_error=_told(error),
            finished_at=now if dead else None,
        )
    if len(done) + len(outcome.failed) < len(claim.parcels):
        ours.filter(pk__in=[parcel.pk for parcel in claim.parcels]).update(leased_until=None)


def back_off(attempts: int) -> float:
    """Seconds until the next try: a random part ("full jitter") of 1 s, 2 s, 4 s ... 10 minutes."""
    longest = min(LONGEST_BACK_OFF, FIRST_BACK_OFF * 2 ** min(attempts - 1, 30))
    return random.uniform(0, longest)  # noqa: S311 -- jitter, not a secret


def _told(error: Exception) -> str:
    text = f"{type(error).__name__}: {error}"
    return text.encode("utf-8", "replace").decode()[:500]


def prune() -> int:
    """Delete deliveries done more than a week ago; events and dead letters stay. Returns how many."""
    before = clock.now() - KEEP_DONE
    total = 0
    for name in _consumers_with(State.DONE):
        while deleted := _prune_batch(name, before):
            total += deleted
    return total


def _consumers_with(state: Delivery.State) -> Iterator[str]:
    """The names of those that have deliveries in this state: from one to the next, past all that each has."""
    name: str | None = ""
    while True:
        later = Delivery.objects.filter(state=state, consumer__gt=name)
        name = later.order_by("consumer").values_list("consumer", flat=True).first()
        if name is None:
            return
        yield name


@retrying_atomic
def _prune_batch(consumer: str, before: datetime) -> int:
    # By position, which is about the order of age: no index by time is needed, and none is scanned.
    oldest = (
        Delivery.objects.select_for_update(skip_locked=True)
        .filter(state=State.DONE, consumer=consumer)
        .order_by("position")
        .values_list("pk", "finished_at")[:PRUNE_BATCH]
    )
    old = [pk for pk, finished_at in oldest if finished_at and finished_at < before]
    return Delivery.objects.filter(pk__in=old).delete()[0]


# --- how it stands


def waiting() -> set[str]:
    """The consumers for whom something is open: a look into an index for each of them, however much it is."""
    return set(_consumers_with(State.OPEN))


def lag() -> float:
    """Seconds since the oldest event was written that is unpublished, or not yet with every consumer; 0.0 for none.

    A few index reads, however much is waiting.
    """
    first = Event.objects.filter(pk__in=[pk for (pk,) in unpublished()[:1]])
    oldest = [first.values_list("uid", flat=True).first()]
    for consumer in consumers.registered():
        waiting = Delivery.objects.filter(state=State.OPEN, consumer=consumer.name)
        oldest.append(waiting.order_by("position").values_list("event__uid", flat=True).first())
    times = [_written_at(uid) for uid in oldest if uid is not None]
    return max(0.0, clock.now().timestamp() - min(times)) if times else 0.0


def _written_at(uid: UUID) -> float:
    """When `events.record` made this UUIDv7 (RFC 9562), in seconds since the epoch.

    `created_at` is when it happened: of demo data some day of the last months, which is not how long it waits.
    """
    return (uid.int >> 80) / 1000


def counts(state: Delivery.State) -> dict[str, int]:
    """Deliveries in this state, by consumer."""
    rows = Delivery.objects.filter(state=state).order_by("consumer")
    return dict(rows.values_list("consumer").annotate(count=Count("pk")))


# --- dead letters


def dead_letters(consumer: str | None = None) -> QuerySet[Delivery]:
    """What consumers, or this one, refused too often, oldest first."""
    dead = Delivery.objects.filter(state=State.DEAD)
    if consumer:
        dead = dead.filter(consumer=consumer)
    return dead.order_by("consumer", "position")


def revive(dead: QuerySet[Delivery]) -> int:
    """Give these dead letters all their tries again, beginning now. Returns how many.

    Later events of the same record may have been delivered meanwhile: a consumer gets these after them.
    """
    revived = dead.order_by().update(
        state=State.OPEN, attempts=0, due_at=clock.now(), leased_until=None, finished_at=None
    )
    if revived:
        wake()
    return revived


# --- waking and waiting

_rang_at = 0.0  # monotonic seconds
#: One for each relay of this process.
_bells: Final[set[threading.Event]] = set()


def wake() -> None:
    """Tell the relays, after a commit, that there is something new. Never fails, and is only a hint: they look
    by themselves every POLL seconds. With a relay in this process nothing leaves it, and others are told at most
    once in RING_PAUSE: a relay that is awake looks again before it sleeps."""
    global _rang_at  # noqa: PLW0603 -- one bell rope for the process
    _ring()
    if _bells or time.monotonic() - _rang_at < RING_PAUSE:
        return
    if accelerator := redis.best_effort():
        _rang_at = time.monotonic()
        accelerator.command("PUBLISH", WAKE_CHANNEL, "")


def _ring() -> None:
    for bell in tuple(_bells):
        bell.set()


def _listen(url: str, bell: threading.Event, stop: threading.Event) -> None:
    """Ring the bell when another process calls `wake`."""
    while not stop.is_set():
        try:
            with redis.client(url, POLL * 4).pubsub(ignore_subscribe_messages=True) as channel:
                channel.subscribe(WAKE_CHANNEL)
                while not stop.is_set():
                    if channel.get_message(timeout=POLL):
                        bell.set()
        except RedisError:
            stop.wait(redis.PAUSE)


# --- the relay


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
        _bells.add(self._bell)
        try:
            if settings.REDIS_URL and not once:
                listener = threading.Thread(
                    target=_listen,
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
            _bells.discard(self._bell)

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
                error=_told(error),
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
        _ring()
        thread.join(timeout=2)

    thread = threading.Thread(target=work, name="relay", daemon=True)
    thread.start()
    # Not atexit: a worker forked by multiprocessing runs these alone.
    Finalize(None, end, exitpriority=100)
    return thread
