"""What orders announce, inside the transaction that does it. Receivers record; they never decide."""

from typing import NamedTuple

from django.dispatch import Signal


class Requantified(NamedTuple):
    """A line of an order whose quantity is another one now; 0 is no line, before or after."""

    product_id: int
    sku: str
    name: str
    was: int
    now: int


order_placed = Signal()  # order, lines, changes: list[StockChange], actor
order_amended = (
    Signal()
)  # order, items, fields: {name: (was, now)}, lines: list[Requantified], changes, actor, reason
order_status_changed = (
    Signal()
)  # order, was, transition, items, history_seq, actor, note, key_hash, fingerprint
order_deleted = Signal()  # order, actor
