"""Record what happened to orders: history for people, events for systems. Inside the service's transaction;
if this cannot be written, the change did not happen."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any, Final

from django.dispatch import receiver

from catalog.receivers import low_stock_facts
from catalog.services import StockChange
from erp_site.core import clock, events, request_id
from erp_site.core.events import Actor, Aggregate, EventType, Fact
from erp_site.core.money import to_text
from erp_site.core.statements import Insert

from .models import Order, OrderAmendment, OrderHistory, OrderItem
from .queries import OrderLine
from .signals import (
    AmendedLine,
    order_amended,
    order_deleted,
    order_placed,
    order_status_changed,
)
from .states import OrderStatus, StockEffect, Transition


def _fact(order: Order, kind: EventType, payload: dict[str, Any]) -> Fact:
    """The next event of this order. The service saves the order's counter after the signal."""
    return Fact(
        kind, Aggregate.ORDER, order.pk, order.next_sequence(), {"number": order.number, **payload}
    )


def _line(product_id: int, sku: str, quantity: int) -> dict[str, Any]:
    return {"product_id": product_id, "sku": sku, "quantity": quantity}


def _lines(items: Iterable[OrderItem | OrderLine]) -> list[dict[str, Any]]:
    return [_line(item.product_id, item.sku, item.quantity) for item in items]


def _priced_lines(items: Iterable[OrderItem | OrderLine]) -> list[dict[str, Any]]:
    """`list_price` says what the customer pays elsewhere, where another price was agreed upon."""
    return [
        {
            **_line(item.product_id, item.sku, item.quantity),
            "unit_price": to_text(item.unit_price),
            "subtotal": to_text(item.subtotal),
            **({"list_price": to_text(item.list_price)} if item.list_price else {}),
        }
        for item in items
    ]


_HISTORY: Final = (
    "order_id", "seq", "from_status", "to_status", "actor_id", "note", "request_id", "created_at", "key_hash",
    "fingerprint",
)  # fmt: skip
_insert_history: Final = Insert(OrderHistory, *_HISTORY)


def _add_history(
    order: Order, *, seq: int, was: OrderStatus | None, actor: Actor | None, note: str = "",
    key_hash: str | None = None, fingerprint: str = "",
) -> None:  # fmt: skip
    actor_id = actor.pk if actor else None
    _insert_history.later(
        [
            (
                order.pk, seq, was, order.status, actor_id, note, request_id.current(), clock.now(), key_hash,
                fingerprint,
            )
        ]
    )  # fmt: skip


@receiver(order_placed, dispatch_uid="orders.record_placed")
def record_placed(
    sender: type[Order], *, order: Order, lines: Sequence[OrderLine], changes: Sequence[StockChange],
    actor: Actor | None, **_: Any,
) -> None:  # fmt: skip
    """The first row of history, order.placed, stock.reserved, and stock.low where it came to that.

    The order was inserted with these events counted, which saves an UPDATE of its counter.
    """
    _add_history(order, seq=1, was=None, actor=actor)
    placed = {
        "number": order.number,
        "customer_id": order.customer_id,
        "status": order.status,
        "total": to_text(order.total),
        "items": _priced_lines(lines),
    }
    events.record(
        [
            Fact(EventType.ORDER_PLACED, Aggregate.ORDER, order.pk, 1, placed),
            Fact(
                EventType.STOCK_RESERVED,
                Aggregate.ORDER,
                order.pk,
                order.event_seq,
                {"number": order.number, "items": _lines(lines)},
            ),
            *low_stock_facts(changes),
        ],
        actor=actor,
    )


@receiver(order_status_changed, dispatch_uid="orders.record_status")
def record_status(
    sender: type[Order], *, order: Order, was: OrderStatus, transition: Transition, items: Sequence[OrderItem],
    history_seq: int, actor: Actor | None, note: str, key_hash: str | None, fingerprint: str, **_: Any,
) -> None:  # fmt: skip
    """A row of history and the events of this transition, all in one INSERT each."""
    _add_history(
        order,
        seq=history_seq,
        was=was,
        actor=actor,
        note=note,
        key_hash=key_hash,
        fingerprint=fingerprint,
    )
    change = {"from": was, "to": order.status, "note": note}
    facts = [_fact(order, EventType.ORDER_STATUS_CHANGED, change)]
    if order.status == OrderStatus.CANCELLED:
        facts.append(_fact(order, EventType.ORDER_CANCELLED, change))
    if transition.stock is StockEffect.RELEASE:
        facts.append(_fact(order, EventType.STOCK_RELEASED, {"items": _lines(items)}))
    events.record(facts, actor=actor)


@receiver(order_amended, dispatch_uid="orders.record_amended")
def record_amended(
    sender: type[Order], *, order: Order, items: Sequence[OrderItem], fields: Mapping[str, tuple[Any, Any]],
    lines: Sequence[AmendedLine], changes: Sequence[StockChange], actor: Actor | None, reason: str, **_: Any,
) -> None:  # fmt: skip
    """The amendment as people read it, order.amended, and the stock that this took and gave back.

    Events leave the house: of notes and addresses they tell that they were changed, and not what they say.
    """
    differs = {name: [_plain(was), _plain(now)] for name, (was, now) in fields.items()}
    changed = [_changed(it) for it in lines]
    OrderAmendment.objects.create(
        order=order,
        version=order.version + 1,
        changes=differs,
        items=changed,
        reason=reason,
        actor_id=actor.pk if actor else None,
        request_id=request_id.current(),
        created_at=clock.now(),
    )
    amended = {
        "version": order.version + 1,
        "reason": reason,
        "fields": [*fields, *(["items"] if lines else [])],
        "changes": {name: differs[name] for name in differs if name not in _KEPT_INSIDE},
        "item_changes": changed,
        "total": to_text(order.total),
        "items": _priced_lines(items),
    }
    facts = [_fact(order, EventType.ORDER_AMENDED, amended)]
    for kind, sign in ((EventType.STOCK_RESERVED, 1), (EventType.STOCK_RELEASED, -1)):
        moved = [
            _line(it.product_id, it.sku, abs(it.now - it.was))
            for it in lines
            if (it.now - it.was) * sign > 0
        ]
        if moved:
            facts.append(_fact(order, kind, {"items": moved}))
    events.record([*facts, *low_stock_facts(changes)], actor=actor)


def _changed(line: AmendedLine) -> dict[str, Any]:
    """As OrderAmendment keeps it."""
    told: dict[str, Any] = {
        "product_id": line.product_id, "sku": line.sku, "name": line.name, "from": line.was, "to": line.now
    }  # fmt: skip
    if line.now and line.price_now != line.price_was:
        told["unit_price"] = [to_text(line.price_was), to_text(line.price_now)]
    return told


_KEPT_INSIDE: Final = {"notes", "delivery_address"}


def _plain(value: str | date | Decimal | None) -> str | None:
    if isinstance(value, Decimal):
        return to_text(value)
    return value.isoformat() if isinstance(value, date) else value


@receiver(order_deleted, dispatch_uid="orders.record_deleted")
def record_deleted(sender: type[Order], *, order: Order, actor: Actor | None, **_: Any) -> None:
    """order.deleted: the order has left the lists."""
    events.record([_fact(order, EventType.ORDER_DELETED, {"status": order.status})], actor=actor)
