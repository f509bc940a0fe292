"""What can be done to orders: price, place, amend, move on, delete, annotate. The only writers of an order."""

from .amending import NotAmendable, amend_order, require_amendable
from .moving import IllegalTransition, change_status, delete_order
from .notes import add_note
from .placing import PLACE, Placement, place_order
from .pricing import (
    InactiveCustomer,
    InactiveProduct,
    NewItem,
    PriceChanged,
    PricedItem,
    PriceTooLow,
    Quote,
    merge,
    price_order,
)
from .saved_views import delete_view, save_view

__all__ = [
    "PLACE",
    "IllegalTransition",
    "InactiveCustomer",
    "InactiveProduct",
    "NewItem",
    "NotAmendable",
    "Placement",
    "PriceChanged",
    "PriceTooLow",
    "PricedItem",
    "Quote",
    "add_note",
    "amend_order",
    "change_status",
    "delete_order",
    "delete_view",
    "merge",
    "place_order",
    "price_order",
    "require_amendable",
    "save_view",
]
