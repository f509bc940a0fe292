"""Claiming: deliveries are leased to one relay, in sequence, and what came of them is written down."""

import random
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, NamedTuple

import structlog
from django.db.models import Q

from erp_site.core import clock
from erp_site.core.consumers import Consumer, Unavailable
from erp_site.core.models import Delivery
from erp_site.core.transactions import retrying_atomic

log = structlog.get_logger(__name__)

PAGE: Final = 500  # open deliveries read by one query
MOST_PAGES: Final = 20  # of a look past what is closed
LEASE: Final = timedelta(seconds=30)  # a turn, and the longest that a consumer's last call may take
FIRST_BACK_OFF: Final = 1.0  # seconds, doubled with each failure
LONGEST_BACK_OFF: Final = 600.0  # seconds

State = Delivery.State


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
            last_error=told(error),
            finished_at=now if dead else None,
        )
    if len(done) + len(outcome.failed) < len(claim.parcels):
        ours.filter(pk__in=[parcel.pk for parcel in claim.parcels]).update(leased_until=None)


def back_off(attempts: int) -> float:
    """Seconds until the next try: a random part ("full jitter") of 1 s, 2 s, 4 s ... 10 minutes."""
    longest = min(LONGEST_BACK_OFF, FIRST_BACK_OFF * 2 ** min(attempts - 1, 30))
    return random.uniform(0, longest)  # noqa: S311 -- jitter, not a secret


def told(error: Exception) -> str:
    """An error in as few words as a row keeps of it."""
    text = f"{type(error).__name__}: {error}"
    return text.encode("utf-8", "replace").decode()[:500]
