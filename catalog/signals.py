"""What the catalog announces, inside the transaction that does it. Receivers record; they never decide."""

from django.dispatch import Signal

stock_adjusted = Signal()  # change: services.stock.StockChange, actor, reason
product_created = Signal()  # product, actor
product_updated = Signal()  # product, changed: dict[str, [old, new]], actor
product_deleted = Signal()  # product, actor
