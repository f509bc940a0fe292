"""The life of an order as one table. Service, buttons, the API's 409, the docs diagram and tests read it."""

from dataclasses import dataclass
from enum import Enum

from django.db import models
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from accounts.roles import Permission


class OrderStatus(models.TextChoices):
    PENDING = "pending", _("Pending")
    CONFIRMED = "confirmed", _("Confirmed")
    PICKED = "picked", _("Picked")
    SHIPPED = "shipped", _("Shipped")
    DELIVERED = "delivered", _("Delivered")
    CANCELLED = "cancelled", _("Cancelled")


class StockEffect(Enum):
    """What a transition does to the stock that the order reserved when it was placed."""

    NONE = "none"
    RELEASE = "release"
    SHIP = "ship"


@dataclass(frozen=True, slots=True)
class Transition:
    """An edge: its verb (a stable name), the button's label, who may take it, what happens to stock."""

    verb: str
    label: str | Promise
    permission: Permission
    stock: StockEffect = StockEffect.NONE


S = OrderStatus
TRANSITIONS: dict[tuple[OrderStatus, OrderStatus], Transition] = {
    (S.PENDING, S.CONFIRMED): Transition("confirm", _("Confirm"), Permission.ADVANCE_ORDER),
    (S.PENDING, S.CANCELLED): Transition(
        "cancel", _("Cancel order"), Permission.CANCEL_ORDER, stock=StockEffect.RELEASE
    ),
    (S.CONFIRMED, S.PICKED): Transition("pick", _("Mark as picked"), Permission.ADVANCE_ORDER),
    (S.CONFIRMED, S.CANCELLED): Transition(
        "cancel", _("Cancel order"), Permission.CANCEL_ORDER, stock=StockEffect.RELEASE
    ),
    (S.PICKED, S.SHIPPED): Transition(
        "ship", _("Ship"), Permission.ADVANCE_ORDER, stock=StockEffect.SHIP
    ),
    (S.SHIPPED, S.DELIVERED): Transition(
        "deliver", _("Mark as delivered"), Permission.ADVANCE_ORDER
    ),
}

#: From here nothing goes on.
FINAL: frozenset[OrderStatus] = frozenset(S) - {was for was, _to in TRANSITIONS}
#: Still to be brought to an end; an open order past its due date is late.
OPEN: frozenset[OrderStatus] = frozenset(S) - FINAL
#: The order holds a reservation of its items.
HOLDS_STOCK: frozenset[OrderStatus] = frozenset({S.PENDING, S.CONFIRMED, S.PICKED})
#: While the lines, the day and the address of an order may still be changed, and by whom: once it is picked its goods
#: stand packed. What was confirmed was agreed upon.
AMENDABLE: dict[OrderStatus, Permission] = {
    S.PENDING: Permission.AMEND_ORDER,
    S.CONFIRMED: Permission.AMEND_CONFIRMED_ORDER,
}


def transitions_from(status: str) -> dict[OrderStatus, Transition]:
    """Where an order of this status may go, in the table's order."""
    return {to: transition for (was, to), transition in TRANSITIONS.items() if was == status}
