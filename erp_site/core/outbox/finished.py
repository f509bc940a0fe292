"""Finished deliveries: the done ones are deleted after a week, the dead ones wait until somebody revives them."""

from datetime import datetime, timedelta
from typing import Final

from django.db.models import QuerySet

from erp_site.core import clock
from erp_site.core.models import Delivery
from erp_site.core.transactions import retrying_atomic

from .standing import consumers_with
from .waking import wake

KEEP_DONE: Final = timedelta(days=7)
PRUNE_BATCH: Final = 1000

State = Delivery.State


def prune() -> int:
    """Delete deliveries done more than a week ago; events and dead letters stay. Returns how many."""
    before = clock.now() - KEEP_DONE
    total = 0
    for name in consumers_with(State.DONE):
        while deleted := _prune_batch(name, before):
            total += deleted
    return total


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
