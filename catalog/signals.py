"""What the catalog announces, inside the transaction that does it. Receivers record; they never decide."""

from django.dispatch import Signal

stock_adjusted = Signal()  # change: services.stock.StockChange, actor, reason
product_created = Signal()  # product, on_hand, actor
# product, changed: dict[str, [old, new]], actor; measured: list[services.stock.StockChange], what a new threshold made
# of the product's levels.
product_updated = Signal()
product_deleted = Signal()  # product, actor
