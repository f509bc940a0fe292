"""What can be done to products and their stock."""

from .low_stock import note_low_stock
from .products import ProductInUse, create_product, delete_product, update_product, upsert_product
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
    "Delta",
    "InsufficientStock",
    "Line",
    "ProductInUse",
    "StockChange",
    "StockChanged",
    "adjust_stock",
    "count_stock",
    "create_product",
    "delete_product",
    "insufficient",
    "locking",
    "move_stock",
    "note_low_stock",
    "shortage",
    "undo_adjustment",
    "update_product",
    "upsert_product",
]
