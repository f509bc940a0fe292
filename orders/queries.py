"""Reading orders. Lists never join the customer into the sorted query: ids first, then prefetch."""

from django.db.models import Prefetch, QuerySet
from django.utils.translation import gettext as _

from customers.models import Customer
from erp_site.core.errors import NotFound

from .models import Order, OrderHistory, OrderItem, OrderNote
from .states import OPEN


def order_rows() -> QuerySet[Order]:
    """Living orders for a list, each with its customer: two statements, whatever the number of rows."""
    return Order.objects.prefetch_related("customer", "created_by")


def get_order(order_id: int) -> Order:
    """One order with its lines, customer and author; a deleted one too, for its number still stands on paper.

    Raises:
        NotFound: there never was such an order.
    """
    order = (
        Order.all_objects.filter(pk=order_id)
        .select_related("customer", "created_by")
        .prefetch_related(Prefetch("items", OrderItem.objects.order_by("pk")))
        .first()
    )
    if order is None:
        raise NotFound(_("There is no such order."), order_id=order_id)
    return order


def history_of(order_id: int) -> QuerySet[OrderHistory]:
    """The steps of one order."""
    return OrderHistory.objects.filter(order_id=order_id).prefetch_related("actor")


def notes_of(order_id: int) -> QuerySet[OrderNote]:
    """The notes people wrote on one order."""
    return OrderNote.objects.filter(order_id=order_id).prefetch_related("actor")


def require_order(order_id: int) -> None:
    """Refuse an id that never was an order's.

    Raises:
        NotFound
    """
    if not Order.all_objects.filter(pk=order_id).exists():
        raise NotFound(_("There is no such order."), order_id=order_id)


def has_open_orders(customer: Customer) -> bool:
    """Is there an order of this customer that is not at its end?"""
    return Order.objects.filter(customer=customer, status__in=sorted(OPEN)).exists()
