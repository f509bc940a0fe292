"""The one writer of Event: facts are recorded in the transaction that makes them true."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, Protocol

import uuid_utils.compat
from django.db import transaction

from . import clock, outbox, request_id
from .models import Event
from .statements import Insert


class EventType(StrEnum):
    """Every kind of event there is; `GET /events?types=` takes these names."""

    ORDER_PLACED = "order.placed"
    ORDER_AMENDED = "order.amended"
    ORDER_STATUS_CHANGED = "order.status_changed"
    ORDER_CANCELLED = "order.cancelled"
    ORDER_DELETED = "order.deleted"
    STOCK_RESERVED = "stock.reserved"
    STOCK_RELEASED = "stock.released"
    STOCK_ADJUSTED = "stock.adjusted"
    STOCK_LOW = "stock.low"
    PRODUCT_CREATED = "product.created"
    PRODUCT_UPDATED = "product.updated"
    PRODUCT_DELETED = "product.deleted"
    PRICE_LIST_CREATED = "price_list.created"
    PRICE_LIST_UPDATED = "price_list.updated"
    PRICE_LIST_PRICES_CHANGED = "price_list.prices_changed"
    PRICE_LIST_DELETED = "price_list.deleted"
    CUSTOMER_CREATED = "customer.created"
    CUSTOMER_UPDATED = "customer.updated"
    CUSTOMER_DELETED = "customer.deleted"
    USER_CREATED = "user.created"
    USER_UPDATED = "user.updated"
    USER_ROLE_CHANGED = "user.role_changed"
    USER_ACTIVATED = "user.activated"
    USER_DEACTIVATED = "user.deactivated"
    USER_PASSWORD_CHANGED = "user.password_changed"
    USER_SECOND_FACTORS_REMOVED = "user.second_factors_removed"
    WEBHOOK_CREATED = "webhook.created"
    WEBHOOK_UPDATED = "webhook.updated"
    WEBHOOK_SECRET_CHANGED = "webhook.secret_changed"
    WEBHOOK_TESTED = "webhook.tested"
    WEBHOOK_DISABLED = "webhook.disabled"
    WEBHOOK_DELETED = "webhook.deleted"


class Aggregate(StrEnum):
    """Whose sequence an event belongs to."""

    ORDER = "order"
    STOCK = "stock"
    PRODUCT = "product"
    PRICE_LIST = "price_list"
    CUSTOMER = "customer"
    USER = "user"
    WEBHOOK = "webhook"


#: Stock that an order reserves or gives back is told with the order, all lines together.
_OF_ORDERS: Final = frozenset({EventType.STOCK_RESERVED, EventType.STOCK_RELEASED})


def types_of(aggregate: Aggregate) -> list[EventType]:
    """What can happen to it."""
    return [
        kind
        for kind in EventType
        if aggregate == (Aggregate.ORDER if kind in _OF_ORDERS else kind.partition(".")[0])
    ]


class Actor(Protocol):
    """Who does something. None stands for the system itself."""

    @property
    def pk(self) -> Any: ...


@dataclass(frozen=True, slots=True)
class Fact:
    """An event about to be recorded. `sequence` is the next of its aggregate, taken under that row's lock."""

    type: EventType
    aggregate: Aggregate
    aggregate_id: int
    sequence: int
    payload: dict[str, Any] = field(default_factory=dict)


def record(facts: Iterable[Fact], *, actor: Actor | None) -> None:
    """Append all facts in one INSERT. Must run inside the transaction that makes them true."""
    now, current_request = clock.now(), request_id.current()
    actor_id = actor.pk if actor else None
    _insert_events.later(
        [
            (
                uuid_utils.compat.uuid7(), fact.type, fact.aggregate, fact.aggregate_id, fact.sequence,
                fact.payload, actor_id, current_request, now, None,
            )
            for fact in facts
        ]
    )  # fmt: skip
    transaction.on_commit(outbox.wake, robust=True)


def as_record(event: Event) -> dict[str, Any]:
    """A published event as other systems get it: the same by `GET /events` and by webhook."""
    actor: Any = event.actor
    names = ("type", "aggregate", "aggregate_id", "sequence", "payload", "request_id", "created_at")
    return {
        "position": event.position,
        "id": event.uid,
        **{name: getattr(event, name) for name in names},
        "actor": actor and {"id": actor.pk, "name": actor.name},
    }


_EVENT: Final = (
    "uid", "type", "aggregate", "aggregate_id", "sequence", "payload", "actor_id", "request_id", "created_at",
    "position",
)  # fmt: skip
_insert_events: Final = Insert(Event, *_EVENT)
