"""Moving an order on along the table of its states, and taking it out of the lists."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from django.db.models import Max, Sum
from django.utils.translation import gettext as _

from accounts.roles import Permission
from catalog.models import StockMovement
from catalog.services import Delta, Line, move_stock
from erp_site.core import clock, idempotency
from erp_site.core.errors import Conflict, Denied, IdempotencyKeyReused, StaleVersion
from erp_site.core.transactions import retrying_atomic
from orders.models import Order, OrderHistory, OrderItem
from orders.queries import missing, read_order
from orders.signals import order_deleted, order_status_changed
from orders.states import TRANSITIONS, OrderStatus, StockEffect, Transition, transitions_from

if TYPE_CHECKING:
    from accounts.models import User

CHANGE_STATUS: Final = "order.status"

Kind = StockMovement.Kind


class IllegalTransition(Conflict):
    """The order's state does not lead there; `allowed` says where it does."""

    code = "illegal_transition"
    title = "Illegal transition"


@retrying_atomic
def change_status(
    *,
    actor: "User",
    order_id: int,
    to: OrderStatus,
    note: str = "",
    version: int | None = None,
    idempotency_key: str | None = None,
) -> Order:
    """Move the order along one edge of TRANSITIONS, with its effect on stock, its history and its events.

    Args:
        version: the one the caller saw; an order that somebody has moved since is then left alone.

    Raises:
        NotFound, StaleVersion, IllegalTransition (the state), Denied (the role), IdempotencyKeyReused, Busy.
    """
    # Before the key is looked up: a duplicate waits here for the first, and then finds its key used.
    order = locked_order(order_id)
    key_hash, fingerprint = None, ""
    if idempotency_key is not None:
        key_hash = idempotency.key_hash(actor.pk, CHANGE_STATUS, idempotency_key)
        fingerprint = idempotency.fingerprint({"order_id": order_id, "status": to, "note": note})
        used = (
            OrderHistory.objects.filter(key_hash=key_hash)
            .values_list("fingerprint", flat=True)
            .first()
        )
        if used is not None:
            if used != fingerprint:
                raise IdempotencyKeyReused
            return read_order(order_id)
    if version is not None and version != order.version:
        current = {"status": order.status, "version": order.version}
        raise StaleVersion(_("The order was changed meanwhile."), current=current)
    transition = _allowed_transition(order, to)
    if not actor.has_perm(transition.permission):
        raise Denied(_("Your role may not do this: %(action)s.") % {"action": transition.label})
    _move(order, to, transition, actor=actor, note=note, key_hash=key_hash, fingerprint=fingerprint)
    save_order(order)
    return read_order(order_id)


@retrying_atomic
def delete_order(*, actor: "User", order_id: int, note: str = "") -> Order:
    """Cancel the order if it is still open for that, and take it out of the lists. Repeating changes nothing.

    Raises:
        Denied, NotFound, IllegalTransition (picked or later), Busy.
    """
    if not actor.has_perm(Permission.CANCEL_ORDER):
        raise Denied(_("Your role may not cancel orders."))
    order = locked_order(order_id)
    if order.deleted_at is None:
        if order.status != OrderStatus.CANCELLED:
            transition = _allowed_transition(order, OrderStatus.CANCELLED)
            _move(order, OrderStatus.CANCELLED, transition, actor=actor, note=note)
        order.deleted_at = clock.now()
        order_deleted.send(sender=Order, order=order, actor=actor)
        save_order(order)
    return read_order(order_id)


def locked_order(order_id: int) -> Order:
    """The order, deleted ones too, held until the transaction ends. Before its stock levels, everywhere.

    Raises:
        NotFound
    """
    # Without this lock two cancels return the stock twice.
    order = Order.all_objects.select_for_update().filter(pk=order_id).first()
    if order is None:
        raise missing(order_id)
    return order


def _allowed_transition(order: Order, to: OrderStatus) -> Transition:
    was = OrderStatus(order.status)
    transition = TRANSITIONS.get((was, to))
    if transition is None:
        message = _("%(number)s is %(was)s and cannot become %(to)s.")
        if was == to:
            message = _("%(number)s is %(was)s already.")
        raise IllegalTransition(
            message % {"number": order.number, "was": was.label, "to": OrderStatus(to).label},
            **{
                "from": was.value,
                "to": OrderStatus(to).value,
                "allowed": [s.value for s in transitions_from(was)],
            },
        )
    return transition


def _move(
    order: Order, to: OrderStatus, transition: Transition, *, actor: "User", note: str,
    key_hash: str | None = None, fingerprint: str = "",
) -> None:  # fmt: skip
    """The transition itself, on a locked order; the caller saves it."""
    was = OrderStatus(order.status)
    items = list(OrderItem.objects.filter(order=order).order_by("pk"))
    if transition.stock is not StockEffect.NONE:
        _move_reserved(order, items, transition.stock, actor=actor)
    order.status = to
    last = OrderHistory.objects.filter(order=order).aggregate(last=Max("seq"))["last"]
    order_status_changed.send(
        sender=Order, order=order, was=was, transition=transition, items=items, history_seq=last + 1,
        actor=actor, note=note, key_hash=key_hash, fingerprint=fingerprint,
    )  # fmt: skip


def _move_reserved(
    order: Order, items: Sequence[OrderItem], effect: StockEffect, *, actor: "User"
) -> None:
    """Give the order's reservation back, or let it leave the house."""
    named = {item.product_id: item for item in items}
    ship = effect is StockEffect.SHIP
    move_stock(
        actor=actor,
        kind=Kind.SHIPPED if ship else Kind.RELEASED,
        deltas=[
            Delta(
                Line(pk, product_id, named[product_id].sku, named[product_id].name),
                on_hand=-pieces if ship else 0,
                reserved=-pieces,
            )
            for pk, product_id, pieces in held_levels(order)
        ],
        reference=order.number,
    )


def held_levels(order: Order) -> list[tuple[int, int, int]]:
    """(level, product, pieces) of all that the order holds: where it was reserved, which need not be where orders
    reserve now."""
    moved = StockMovement.objects.filter(reference=order.number).values_list(
        "level_id", "level__product_id"
    )
    return list(
        moved.annotate(pieces=Sum("delta_reserved")).filter(pieces__gt=0).order_by("level_id")
    )


def save_order(order: Order, *fields: str) -> None:
    """Write the order as a newer version of itself; `fields` are those that changed beside its status."""
    order.version += 1
    order.updated_at = clock.now()
    order.save(
        update_fields=["status", "version", "updated_at", "deleted_at", "event_seq", *fields]
    )
