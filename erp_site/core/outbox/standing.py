"""How it stands: for whom something waits, since when, and how much."""

from collections.abc import Iterator
from uuid import UUID

from django.db.models import Count

from erp_site.core import clock, consumers
from erp_site.core.models import Delivery, Event

from .publishing import unpublished

State = Delivery.State


def waiting() -> set[str]:
    """The consumers for whom something is open: a look into an index for each of them, however much it is."""
    return set(consumers_with(State.OPEN))


def consumers_with(state: Delivery.State) -> Iterator[str]:
    """The names of those that have deliveries in this state: from one to the next, past all that each has."""
    name: str | None = ""
    while True:
        later = Delivery.objects.filter(state=state, consumer__gt=name)
        name = later.order_by("consumer").values_list("consumer", flat=True).first()
        if name is None:
            return
        yield name


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
