"""What orders announce, inside the transaction that does it. Receivers record; they never decide."""

from decimal import Decimal
from typing import NamedTuple

from django.dispatch import Signal


class AmendedLine(NamedTuple):
    """A line of an order with another quantity (0 is no line, before or after) or another price, in reais."""

    product_id: int
    sku: str
    name: str
    was: int
    now: int
    price_was: Decimal
    price_now: Decimal


order_placed = Signal()  # order, lines, changes: list[StockChange], actor
order_amended = (
    Signal()
)  # order, items, fields: {name: (was, now)}, lines: list[AmendedLine], changes, actor, reason
order_status_changed = (
    Signal()
)  # order, was, transition, items, history_seq, actor, note, key_hash, fingerprint
order_deleted = Signal()  # order, actor
