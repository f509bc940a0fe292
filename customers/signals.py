"""What customers announce, inside the transaction that does it. Receivers record; they never decide."""

from django.dispatch import Signal

customer_created = Signal()  # customer, actor
customer_updated = Signal()  # customer, changed: dict[str, [old, new]], actor
customer_deleted = Signal()  # customer, actor
