"""What can be done to products and their stock."""

from .low_stock import note_low_stock
from .price_lists import (
    IN_USE_CHECKS,
    PriceChange,
    PriceListInUse,
    change_prices,
    create_price_list,
    delete_price_list,
    hold_price_list,
    update_price_list,
    upsert_price,
)
from .products import ProductInUse, create_product, delete_product, update_product, upsert_product
from .repricing import changes_by, copy_price_list, reprice_list, undo_repricing
from .stock import (
    Delta,
    InsufficientStock,
    Line,
    StockChange,
    StockChanged,
    adjust_stock,
    count_stock,
    insufficient,
    locking,
    move_stock,
    shortage,
    undo_adjustment,
)

__all__ = [
    "IN_USE_CHECKS",
    "Delta",
    "InsufficientStock",
    "Line",
    "PriceChange",
    "PriceListInUse",
    "ProductInUse",
    "StockChange",
    "StockChanged",
    "adjust_stock",
    "change_prices",
    "changes_by",
    "copy_price_list",
    "count_stock",
    "create_price_list",
    "create_product",
    "delete_price_list",
    "delete_product",
    "hold_price_list",
    "insufficient",
    "locking",
    "move_stock",
    "note_low_stock",
    "reprice_list",
    "shortage",
    "undo_adjustment",
    "undo_repricing",
    "update_price_list",
    "update_product",
    "upsert_price",
    "upsert_product",
]
