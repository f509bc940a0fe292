"""The pages of products, price lists and stock."""

from .price_lists import (
    price_list_copy,
    price_list_delete,
    price_list_detail,
    price_list_edit,
    price_list_list,
    price_list_new,
    price_list_prices,
)
from .products import (
    product_activity,
    product_delete,
    product_detail,
    product_edit,
    product_list,
    product_new,
)
from .repricing import price_list_reprice, price_list_reprice_undo
from .stock import stock_adjust, stock_undo

__all__ = [
    "price_list_copy",
    "price_list_delete",
    "price_list_detail",
    "price_list_edit",
    "price_list_list",
    "price_list_new",
    "price_list_prices",
    "price_list_reprice",
    "price_list_reprice_undo",
    "product_activity",
    "product_delete",
    "product_detail",
    "product_edit",
    "product_list",
    "product_new",
    "stock_adjust",
    "stock_undo",
]
