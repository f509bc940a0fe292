"""What orders announce, inside the transaction that does it. Receivers record; they never decide."""

from django.dispatch import Signal

order_placed = Signal()  # order, lines, changes: list[StockChange], actor
order_status_changed = (
    Signal()
)  # order, was, transition, items, history_seq, actor, note, key_hash, fingerprint
order_deleted = Signal()  # order, actor
