"""The pages of orders."""

from .amend import order_amend
from .desk import (
    order_bulk,
    order_detail,
    order_list,
    order_note,
    order_print,
    order_status,
    view_delete,
    view_save,
)
from .entry import customer_options, order_new, product_options

__all__ = [
    "customer_options",
    "order_amend",
    "order_bulk",
    "order_detail",
    "order_list",
    "order_new",
    "order_note",
    "order_print",
    "order_status",
    "product_options",
    "view_delete",
    "view_save",
]
