"""Record what happened to orders: history for people, events for systems. Inside the service's transaction;
if this cannot be written, the change did not happen."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from django.dispatch import receiver

from catalog.receivers import low_stock_facts
from catalog.services import StockChange
from erp_site.core import clock, events, request_id
from erp_site.core.events import Actor, Aggregate, EventType, Fact
from erp_site.core.money import to_text
from erp_site.core.statements import Insert

from .models import Order, OrderHistory, OrderItem
from .queries import OrderLine
from .signals import order_deleted, order_placed, order_status_changed
from .states import OrderStatus, StockEffect, Transition


def _fact(order: Order, kind: EventType, payload: dict[str, Any]) -> Fact:
    """The next event of this order. The service saves the order's counter after the signal."""
    return Fact(
        kind, Aggregate.ORDER, order.pk, order.next_sequence(), {"number": order.number, **payload}
    )


def _lines(items: Iterable[OrderItem | OrderLine]) -> list[dict[str, Any]]:
    return [
        {"product_id": item.product_id, "sku": item.sku, "quantity": item.quantity}
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
    reserved = _lines(lines)
    placed = {
        "number": order.number,
        "customer_id": order.customer_id,
        "status": order.status,
        "total": to_text(order.total),
        "items": [
            {
                **each,
                "unit_price": to_text(line.unit_price),
                "subtotal": to_text(line.subtotal),
            }
            for each, line in zip(reserved, lines, strict=True)
        ],
    }
    events.record(
        [
            Fact(EventType.ORDER_PLACED, Aggregate.ORDER, order.pk, 1, placed),
            Fact(
                EventType.STOCK_RESERVED,
                Aggregate.ORDER,
                order.pk,
                order.event_seq,
                {"number": order.number, "items": reserved},
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


@receiver(order_deleted, dispatch_uid="orders.record_deleted")
def record_deleted(sender: type[Order], *, order: Order, actor: Actor | None, **_: Any) -> None:
    """order.deleted: the order has left the lists."""
    events.record([_fact(order, EventType.ORDER_DELETED, {"status": order.status})], actor=actor)
