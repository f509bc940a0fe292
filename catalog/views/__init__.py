"""The pages of products and stock."""

from .products import (
    product_activity,
    product_delete,
    product_detail,
    product_edit,
    product_list,
    product_new,
)
from .stock import stock_adjust, stock_undo

__all__ = [
    "product_activity",
    "product_delete",
    "product_detail",
    "product_edit",
    "product_list",
    "product_new",
    "stock_adjust",
    "stock_undo",
]
