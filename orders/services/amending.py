"""Amending an order that is not picked yet: other quantities, other products, another day or address."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypedDict, Unpack

from django.utils.translation import gettext as _

from accounts.roles import Permission
from catalog.models import StockMovement
from catalog.services import (
    Delta,
    InsufficientStock,
    Line,
    StockChange,
    insufficient,
    locking,
    move_stock,
)
from erp_site.core.errors import Conflict, Denied, Invalid, StaleVersion
from erp_site.core.money import LARGEST, to_cents
from erp_site.core.search import as_code
from erp_site.core.statements import together
from erp_site.core.transactions import retrying_atomic
from orders.models import ITEM_IDS_EACH, Order, OrderItem, item_id
from orders.queries import read_order
from orders.signals import AmendedLine, order_amended
from orders.states import AMENDABLE, OrderStatus

from .moving import held_levels, locked_order, save_order
from .pricing import (
    NewItem,
    customer_held,
    merge,
    orderable_customer,
    price_items,
    products_to_order,
    require_may_agree,
    require_prices,
    require_sensible,
)

if TYPE_CHECKING:
    from accounts.models import User


class NotAmendable(Conflict):
    """The order's goods stand packed, or it is over; `amendable` says in which states it could be changed."""

    code = "not_amendable"
    title = "Not amendable"


class OrderFields(TypedDict, total=False):
    """What of an order may be changed. `items` are all the lines that it is to have."""

    items: Sequence[NewItem]
    notes: str
    due_date: date | None
    customer_reference: str
    delivery_address: str


_HEAD: Final = ("notes", "due_date", "customer_reference", "delivery_address")


@retrying_atomic
def amend_order(
    *,
    actor: "User",
    order_id: int,
    version: int | None = None,
    reason: str = "",
    prices: Mapping[int, Decimal] | None = None,
    **given: Unpack[OrderFields],
) -> Order:
    """Change the fields given, and only those, in one step with the stock that this takes or gives back.

    A line that stays keeps its price unless another is agreed upon; a new one costs what it costs today, or what is
    agreed. What is the same already is no change, whatever the version: sent again, nothing happens.

    Args:
        version: the one the caller saw; an order that somebody has changed since is then left alone.
        reason: why, for those who read it later.
        prices: by product, what the customer was told that new lines cost; refused if one costs something else.

    Raises:
        Denied, PriceTooLow, NotFound (order or product), NotAmendable, StaleVersion, InactiveCustomer and
        InactiveProduct (they get no more), PriceChanged, InsufficientStock (with every short line), Invalid, Busy.
    """
    if not actor.has_perm(Permission.AMEND_ORDER):
        raise Denied(_("Your role may not change orders."))
    order = locked_order(order_id)
    require_amendable(order, actor)
    fields: dict[str, tuple[Any, Any]] = {
        name: (getattr(order, name), given[name])
        for name in _HEAD
        if name in given and given[name] != getattr(order, name)
    }
    items = list(OrderItem.objects.filter(order=order).order_by("pk"))
    wanted = _wanted(given, items)
    if not fields and wanted is None:
        return read_order(order_id)
    if version is not None and version != order.version:
        current = {"status": order.status, "version": order.version}
        raise StaleVersion(_("The order was changed meanwhile."), current=current)
    for name, (_was, now) in fields.items():
        setattr(order, name, now)
    order.reference_code = as_code(order.customer_reference)
    lines: list[AmendedLine] = []
    taken: list[StockChange] = []
    if wanted is not None:
        revised = _revise(order, items, wanted, prices or {})
        require_may_agree(actor, (it for it in revised if _is_agreed_anew(it)))
        taken = _move_stock(order, revised, actor=actor)
        was = order.total
        items = _write_lines(order, items, revised)
        if order.total != was:
            fields["total"] = (was, order.total)
        lines = [
            AmendedLine(*it.line[1:], it.was, it.now, it.price_was, it.unit_price) for it in revised
        ]
    order_amended.send(
        sender=Order, order=order, items=items, fields=fields, lines=lines, changes=taken, actor=actor, reason=reason
    )  # fmt: skip
    save_order(order, "total", "items_count", "reference_code", *_HEAD)
    return read_order(order_id)


def require_amendable(order: Order, actor: "User") -> None:
    """Refuse an order that is not to be changed any more, or not by this role.

    Raises:
        NotAmendable, Denied.
    """
    status = OrderStatus(order.status)
    permission = AMENDABLE.get(status)
    if permission is None:
        raise NotAmendable(
            _("%(number)s is %(status)s and can no longer be changed.")
            % {"number": order.number, "status": status.label},
            order_status=status.value,
            amendable=[each.value for each in AMENDABLE],
        )
    if not actor.has_perm(permission):
        raise Denied(
            _("%(number)s is %(status)s: your role may no longer change it.")
            % {"number": order.number, "status": status.label}
        )


def _wanted(given: OrderFields, items: Iterable[OrderItem]) -> list[NewItem] | None:
    """The lines that the order is to have, if others than it has."""
    if "items" not in given:
        return None
    wanted = merge(given["items"])
    require_sensible(given["items"])
    present = {item.product_id: item for item in items}
    is_same = present.keys() == {it.product_id for it in wanted} and all(
        it.quantity == present[it.product_id].quantity
        and it.agreed_price in {None, present[it.product_id].unit_price}
        for it in wanted
    )
    return None if is_same else wanted


class _Revision(NamedTuple):
    """A line whose quantity or price changes; a quantity of 0 is no line, before or after."""

    line: Line
    was: int
    now: int
    price_was: Decimal
    """Of a new line what the customer pays where nothing else is agreed upon."""
    unit_price: Decimal
    list_price: Decimal
    """What the customer pays where nothing else is agreed upon: of the moment when the line came to the order."""


def _is_agreed_anew(it: _Revision) -> bool:
    """Whether somebody stands for its price now: of more pieces, as of a lower price."""
    return it.now > it.was or it.unit_price < it.price_was


def _revise(
    order: Order,
    items: Iterable[OrderItem],
    wanted: Sequence[NewItem],
    prices: Mapping[int, Decimal],
) -> list[_Revision]:
    """What becomes of each line that does not stay as it is. What is ordered beyond what was promised is ordered anew:
    the customer and the product must be such that one may."""
    present = {item.product_id: item for item in items}
    more = [
        it for it in wanted
        if it.product_id not in present or it.quantity > present[it.product_id].quantity
    ]  # fmt: skip
    offers = {}
    if more:
        # Without this lock the customer could be deactivated between this look and the commit.
        held, products = together(
            customer_held.of(order.customer_id),
            products_to_order.of(order.customer_id, *(it.product_id for it in more)),
        )
        orderable_customer(order.customer_id, held)
        priced, _total = price_items(more, products)
        require_prices([it for it in priced if it.line.product_id not in present], prices)
        offers = {it.line.product_id: it for it in priced}
    # Where the line's pieces are held, which need not be where orders reserve now.
    held = {product_id: level_id for level_id, product_id, _pieces in held_levels(order)}
    asked = {it.product_id: it for it in wanted}
    revised = []
    for product_id in present | asked:
        item, asks = present.get(product_id), asked.get(product_id)
        now = asks.quantity if asks else 0
        if item is None:
            offer = offers[product_id]
            listed = offer.list_price
            revised.append(_Revision(offer.line, 0, now, listed, offer.unit_price, listed))
            continue
        price = asks.agreed_price if asks and asks.agreed_price is not None else item.unit_price
        if (now, price) != (item.quantity, item.unit_price):
            line = Line(held[product_id], product_id, item.sku, item.name)
            listed = item.list_price or item.unit_price
            revised.append(_Revision(line, item.quantity, now, item.unit_price, price, listed))
    return revised


def _move_stock(order: Order, revised: Iterable[_Revision], *, actor: "User") -> list[StockChange]:
    """Take and give back what the lines differ by; answers what was taken."""
    more = [Delta(it.line, reserved=it.now - it.was) for it in revised if it.now > it.was]
    less = [Delta(it.line, reserved=it.now - it.was) for it in revised if it.now < it.was]
    if not more and not less:
        return []
    # All levels at once, in one order: locked in two turns, this and a new order could wait for each other.
    levels = {row[0]: row for row in locking(it.line.level_id for it in (*more, *less)).run()}

    def move(kind: StockMovement.Kind, deltas: Sequence[Delta]) -> list[StockChange]:
        locked = [levels[pk] for pk in sorted(it.line.level_id for it in deltas)]
        return move_stock(
            actor=actor, kind=kind, deltas=deltas, reference=order.number, locked=locked
        )

    try:
        taken = move(StockMovement.Kind.RESERVED, more) if more else []
    except InsufficientStock as short:
        raise _in_whole_lines(short, revised) from None
    if less:
        move(StockMovement.Kind.RELEASED, less)
    return taken


def _in_whole_lines(short: InsufficientStock, revised: Iterable[_Revision]) -> InsufficientStock:
    """Who asks for 12 in place of 10 has asked for 12, and 10 of them are held already."""
    asked = {it.line.product_id: it for it in revised}
    return insufficient(
        [
            {
                **each,
                "requested": asked[each["product_id"]].now,
                "available": asked[each["product_id"]].was + each["available"],
            }
            for each in short.facts["items"]
        ]
    )


def _write_lines(
    order: Order, items: Iterable[OrderItem], revised: Iterable[_Revision]
) -> list[OrderItem]:
    """Write the lines that differ anew, and the order's sums; answers all lines as they are now."""
    lines = {item.product_id: item for item in items}
    gone = [lines.pop(it.line.product_id).pk for it in revised if it.now == 0]
    free = _free_ids(order, [item.pk for item in lines.values()], gone)
    written = []
    for it in revised:
        item = lines.get(it.line.product_id)
        if it.now and item is None:
            item = OrderItem(
                id=next(free), order=order, product_id=it.line.product_id, sku=it.line.sku, name=it.line.name
            )  # fmt: skip
        if item:
            item.quantity, item.unit_price = it.now, it.unit_price
            item.list_price = None if it.unit_price == it.list_price else it.list_price
            item.subtotal = to_cents(it.unit_price * it.now)
            lines[item.product_id] = item
            written.append(item)
    order.items_count = len(lines)
    order.total = sum((item.subtotal for item in lines.values()), Decimal(0))
    if order.total > LARGEST:
        raise Invalid.field("/items", "total_too_large", _("The total is larger than can be kept."))
    OrderItem.objects.filter(pk__in=[*gone, *(item.pk for item in written)]).delete()
    OrderItem.objects.bulk_create(written)
    return sorted(lines.values(), key=lambda item: item.pk)


def _free_ids(order: Order, kept: Sequence[int], gone: Sequence[int]) -> Iterator[int]:
    """Ids for new lines: behind all others while there is room, then wherever one was taken away."""
    last = max([*kept, *gone])
    ids = set(range(item_id(order.pk, 0), item_id(order.pk, ITEM_IDS_EACH))) - set(kept)
    return iter(sorted(ids, key=lambda pk: (pk in gone, pk < last, pk)))
