"""Publishing: committed events get their place in the feed, and each consumer an open delivery."""

from collections.abc import Sequence
from typing import Final

from django.db.models import Max

from erp_site.core import clock, consumers
from erp_site.core.consumers import Consumer
from erp_site.core.models import Delivery, Event, Feed
from erp_site.core.statements import Assign, Insert, Query
from erp_site.core.transactions import retrying_atomic

from .waking import ring

BATCH: Final = 200  # events published at once, and the most deliveries claimed at once
MOST_BATCHES: Final = 20  # published in one go
FEED_ID: Final = 1

State = Delivery.State


def publish(listeners: Sequence[Consumer]) -> int:
    """Give every committed event without a position the next one, and fan it out. Returns how many."""
    total = 0
    for _ in range(MOST_BATCHES):
        if not Event.objects.filter(position=None).exists():
            break
        published = _publish_batch(listeners)
        if not published:  # another relay is at it, and goes on until nothing is left
            break
        total += published
    if total:
        ring()  # the webhooks' relay, which looked when the events were written and not yet published
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
