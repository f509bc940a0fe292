"""What the catalog announces, inside the transaction that does it. Receivers record; they never decide."""

from django.dispatch import Signal

stock_adjusted = Signal()  # change: services.stock.StockChange, actor, reason
product_created = Signal()  # product, on_hand, actor
# product, changed: dict[str, [old, new]], actor; measured: list[services.stock.StockChange], what a new threshold made
# of the product's levels.
product_updated = Signal()
product_deleted = Signal()  # product, actor
price_list_created = Signal()  # price_list, actor
price_list_updated = Signal()  # price_list, changed: dict[str, [old, new]], actor
# price_list, changes: list[services.price_lists.PriceChange], actor; percent, if all prices were changed by one.
prices_changed = Signal()
price_list_deleted = Signal()  # price_list, actor
