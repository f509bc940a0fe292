"""What can be done to orders: place, price, move on, delete, annotate. The only writers of an order's status."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from django.db.models import Max
from django.utils.translation import gettext as _

from accounts.roles import Permission
from catalog.models import StockLevel, StockMovement, available
from catalog.services import Delta, Line, locking, move_stock, shortage
from customers.models import Customer
from erp_site.core import clock, idempotency, request_id
from erp_site.core.errors import (
    Conflict,
    Denied,
    Duplicate,
    IdempotencyKeyReused,
    Invalid,
    NotFound,
    StaleVersion,
)
from erp_site.core.money import CURRENCY, LARGEST, to_cents
from erp_site.core.search import as_code
from erp_site.core.statements import Insert, Query, together
from erp_site.core.transactions import retrying_atomic

from .models import (
    LARGEST_QUANTITY,
    MOST_ITEMS,
    Order,
    OrderHistory,
    OrderItem,
    OrderNote,
    SavedView,
    item_id,
)
from .queries import (
    OrderLine,
    asking_for_key,
    first_order,
    lines_of,
    missing,
    read_order,
    require_order,
    whole_order_of_key,
)
from .signals import order_deleted, order_placed, order_status_changed
from .states import TRANSITIONS, OrderStatus, StockEffect, Transition, transitions_from

if TYPE_CHECKING:
    from accounts.models import User

PLACE: Final = "order.place"
CHANGE_STATUS: Final = "order.status"
ADD_NOTE: Final = "order.note"
#: order.placed and stock.reserved: the order is inserted with its event counter already there.
EVENTS_WHEN_PLACED: Final = 2

Kind = StockMovement.Kind


class IllegalTransition(Conflict):
    """The order's state does not lead there; `allowed` says where it does."""

    code = "illegal_transition"
    title = "Illegal transition"


class InactiveCustomer(Conflict):
    code = "inactive_customer"
    title = "Inactive customer"


class InactiveProduct(Conflict):
    """`items` names the products that are not sold at present."""

    code = "inactive_product"
    title = "Inactive product"


class PriceChanged(Conflict):
    """`items` names the products that cost another price now than the one that was agreed upon."""

    code = "price_changed"
    title = "Price changed"


class NewItem(NamedTuple):
    """What the caller wants: a product and a number of pieces."""

    product_id: int
    quantity: int


class Placement(NamedTuple):
    """The order with its lines, and whether this key had already placed it."""

    order: Order
    lines: Sequence[OrderLine]
    replayed: bool


class PricedItem(NamedTuple):
    """A wanted product with the price and the names of this moment."""

    line: Line
    quantity: int
    unit_price: Decimal
    subtotal: Decimal
    available: int


@dataclass(frozen=True, slots=True)
class Quote:
    """What an order would be, and what is missing for it."""

    items: list[PricedItem]
    total: Decimal
    shortages: list[dict[str, Any]] = field(default_factory=list)
    currency: str = CURRENCY


def place_order(
    *,
    actor: "User",
    customer_id: int,
    items: Iterable[NewItem],
    idempotency_key: str,
    notes: str = "",
    due_date: date | None = None,
    customer_reference: str = "",
    delivery_address: str | None = None,
    prices: Mapping[int, Decimal] | None = None,
    seen_before: bool | None = None,
) -> Placement:
    """Reserve the stock and book the order, once for each key of this actor.

    The same key with the same request answers with the same order as it is now; concurrent duplicates
    wait for the first and then do the same. A refused attempt keeps nothing, its key included.

    Args:
        items: quantities in whole pieces; a product named twice becomes one line with the sum.
        delivery_address: the customer's address of this moment when not given.
        prices: by product, what the customer was told each piece costs; the order is refused if one has changed.
        seen_before: what Redis has said of the key, if it was asked already.

    Raises:
        Denied, NotFound (customer or product), InactiveCustomer, InactiveProduct, PriceChanged,
        InsufficientStock (with every short line), IdempotencyKeyReused, Invalid, Busy.
    """
    if not actor.has_perm(Permission.PLACE_ORDER):
        raise Denied(_("Your role may not place orders."))
    items = list(items)
    wanted = merge(items)
    key_hash = idempotency.key_hash(actor.pk, PLACE, idempotency_key)
    fingerprint = idempotency.fingerprint(
        {
            "customer_id": customer_id,
            "items": [[item.product_id, item.quantity] for item in wanted],
            "notes": notes,
            "due_date": due_date.isoformat() if due_date else None,
            "customer_reference": customer_reference,
            "delivery_address": delivery_address,
        }
    )
    # Redis is only a hint that it is worth looking: the row decides, and no transaction is needed to read it.
    if seen_before is None:
        seen_before = idempotency.seen_before(key_hash)
    if seen_before and (used := whole_order_of_key(key_hash)):
        return _replay(fingerprint, *used)
    return _place(
        actor=actor,
        customer_id=customer_id,
        items=items,
        wanted=wanted,
        idempotency_key=idempotency_key,
        key_hash=key_hash,
        fingerprint=fingerprint,
        notes=notes,
        due_date=due_date,
        customer_reference=customer_reference,
        delivery_address=delivery_address,
        prices=prices or {},
    )


@retrying_atomic
def _place(
    *,
    actor: "User",
    customer_id: int,
    items: Sequence[NewItem],
    wanted: Sequence[NewItem],
    idempotency_key: str,
    key_hash: str,
    fingerprint: str,
    notes: str,
    due_date: date | None,
    customer_reference: str,
    delivery_address: str | None,
    prices: Mapping[int, Decimal],
) -> Placement:
    known, customers, products = together(
        asking_for_key(key_hash),
        _customer_to_order.of(customer_id),
        _products_to_order.of(*(item.product_id for item in wanted)),
    )
    if used := first_order(known):
        return _replay(fingerprint, used, lines_of(used.pk))
    _require_quantities(items)
    customer = _orderable_customer(customer_id, customers)
    priced, total = _price(wanted, products)
    if prices:
        _require_prices(priced, prices)
    now = clock.now()
    order = Order(
        customer=customer,
        status=OrderStatus.PENDING,
        total=total,
        items_count=len(priced),
        notes=notes,
        due_date=due_date,
        customer_reference=customer_reference,
        reference_code=as_code(customer_reference),
        delivery_address=customer.address if delivery_address is None else delivery_address,
        idempotency_key=idempotency_key,
        key_hash=key_hash,
        fingerprint=fingerprint,
        event_seq=EVENTS_WHEN_PLACED,
        created_by=actor,
        created_at=now,
        updated_at=now,
    )
    # The order first: a duplicate of the key waits here, before it holds any stock, and then replays.
    # Without the lock on its customer an order could outlive them: a deletion or deactivation that was under way is
    # visible then, one that comes later waits and will see this order. The INSERT's foreign key holds the row too,
    # but not on every server: MySQL 9 lets go of it.
    # Stock last: whom many wait for is held only while the rest is written, which takes one more round trip.
    order.pk, held, levels = together(
        _insert_order.of([[getattr(order, name) for name in _ORDER]]),
        _customer_held.of(customer_id),
        locking(item.line.level_id for item in priced),
    )
    if held != customers:
        _orderable_customer(customer_id, held)
    changes = move_stock(
        actor=actor,
        kind=Kind.RESERVED,
        deltas=[Delta(item.line, reserved=item.quantity) for item in priced],
        reference=order.number,
        locked=levels,
    )
    lines = [
        OrderLine(
            item_id(order.pk, index), item.line.product_id, item.line.sku, item.line.name,
            item.quantity, item.unit_price, item.subtotal,
        )
        for index, item in enumerate(priced)
    ]  # fmt: skip
    _insert_items.later([(order.pk, *line) for line in lines])
    order_placed.send(sender=Order, order=order, lines=lines, changes=changes, actor=actor)
    return Placement(order, lines, replayed=False)


_ORDER: Final = (
    "deleted_at", "event_seq", "customer_id", "status", "total", "items_count", "notes", "due_date",
    "customer_reference", "reference_code", "delivery_address", "idempotency_key", "key_hash", "fingerprint",
    "version", "created_by_id", "created_at", "updated_at",
)  # fmt: skip
_insert_order: Final = Insert(Order, *_ORDER)
_insert_items: Final = Insert(OrderItem, "order_id", *OrderLine._fields)


def _customer_of(pk: Any) -> Any:
    return Customer.objects.filter(pk=pk).values_list("id", "name", "address", "is_active")


_customer_to_order: Final = Query(_customer_of)
_customer_held: Final = Query(_customer_of, shared=True)
_products_to_order: Final = Query(
    lambda *product_ids: StockLevel.objects.filter(
        product__id__in=product_ids, product__deleted_at=None, warehouse__is_default=True
    ).values_list(
        "pk", "product_id", "product__sku", "product__name", "product__price", "product__is_active",
        "on_hand", "reserved",
    )
)  # fmt: skip


def _replay(fingerprint: str, order: Order, lines: list[OrderLine]) -> Placement:
    """The order that this key has placed; refused when it was placed by another request."""
    if order.fingerprint != fingerprint:
        raise IdempotencyKeyReused(_("This idempotency key was used for another request."))
    return Placement(order, lines, replayed=True)


def price_order(*, actor: "User", customer_id: int, items: Iterable[NewItem]) -> Quote:
    """What this order would cost now, and every shortage. Changes nothing and locks nothing.

    Raises:
        Denied, NotFound, InactiveCustomer, InactiveProduct, Invalid.
    """
    if not actor.has_perm(Permission.PLACE_ORDER):
        raise Denied(_("Your role may not place orders."))
    items = list(items)
    wanted = merge(items)
    _require_quantities(items)
    customers, products = together(
        _customer_to_order.of(customer_id),
        _products_to_order.of(*(item.product_id for item in wanted)),
    )
    _orderable_customer(customer_id, customers)
    priced, total = _price(wanted, products)
    shortages = [
        shortage(item.line, requested=item.quantity, available=item.available)
        for item in priced
        if item.quantity > item.available
    ]
    return Quote(priced, total, shortages)


def merge(items: Iterable[NewItem]) -> list[NewItem]:
    """One item a product, with the sum, in the order of first mention.

    Raises:
        Invalid: no item, or too many.
    """
    sums: dict[int, int] = {}
    for index, item in enumerate(items):
        if index >= MOST_ITEMS:
            raise Invalid.field(
                "/items",
                "too_long",
                _("An order has at most %(most)s items.") % {"most": MOST_ITEMS},
            )
        sums[item.product_id] = sums.get(item.product_id, 0) + item.quantity
    if not sums:
        raise Invalid.field("/items", "too_short", _("An order has at least one item."))
    return [NewItem(product_id, quantity) for product_id, quantity in sums.items()]


def _require_quantities(items: Iterable[NewItem]) -> None:
    """Raises Invalid for the item with which its product's quantity is out of range: after the key was looked up."""
    sums: dict[int, int] = {}
    for index, item in enumerate(items):
        sums[item.product_id] = sums.get(item.product_id, 0) + item.quantity
        if item.quantity < 1 or sums[item.product_id] > LARGEST_QUANTITY:
            raise Invalid.field(
                f"/items/{index}/quantity",
                "out_of_range",
                _("A quantity is between 1 and 1,000,000."),
            )


def _orderable_customer(customer_id: int, rows: Iterable[Sequence[Any]]) -> Customer:
    for row in rows:
        customer = Customer.from_db(None, ["id", "name", "address", "is_active"], row)
        if not customer.is_active:
            raise InactiveCustomer(
                _("%(name)s is inactive.") % {"name": customer.name}, customer_id=customer_id
            )
        return customer
    raise NotFound(_("There is no such customer."), customer_id=customer_id)


def _price(
    wanted: Sequence[NewItem], products: Iterable[Sequence[Any]]
) -> tuple[list[PricedItem], Decimal]:
    """Every wanted item with its price, name and stock level, of which nothing is locked, and their sum."""
    found = {row[1]: row for row in products}
    missing = [item.product_id for item in wanted if item.product_id not in found]
    if missing:
        named = ", ".join(map(str, missing))
        raise NotFound(
            _("There is no such product: %(ids)s.") % {"ids": named}, product_ids=missing
        )
    rows = [found[item.product_id] for item in wanted]
    if inactive := [row for row in rows if not row[5]]:
        raise InactiveProduct(
            _("Not sold at present: %(skus)s.") % {"skus": ", ".join(row[2] for row in inactive)},
            items=[{"product_id": row[1], "sku": row[2]} for row in inactive],
        )
    priced = [
        PricedItem(
            line=Line(*row[:4]),
            quantity=item.quantity,
            unit_price=row[4],
            subtotal=to_cents(row[4] * item.quantity),
            available=available(*row[6:]),
        )
        for item, row in zip(wanted, rows, strict=True)
    ]
    total = sum((item.subtotal for item in priced), Decimal(0))
    if total > LARGEST:
        raise Invalid.field("/items", "total_too_large", _("The total is larger than can be kept."))
    return priced, total


def _require_prices(priced: Iterable[PricedItem], agreed: Mapping[int, Decimal]) -> None:
    changed = [
        item
        for item in priced
        if agreed.get(item.line.product_id, item.unit_price) != item.unit_price
    ]
    if changed:
        named = ", ".join(item.line.sku for item in changed)
        raise PriceChanged(
            _("Another price than before: %(skus)s.") % {"skus": named},
            items=[
                {
                    "product_id": item.line.product_id,
                    "sku": item.line.sku,
                    "unit_price": item.unit_price,
                }
                for item in changed
            ],
        )


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
    order = _locked(order_id)
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
                raise IdempotencyKeyReused(_("This idempotency key was used for another request."))
            return read_order(order_id)
    if version is not None and version != order.version:
        current = {"status": order.status, "version": order.version}
        raise StaleVersion(_("The order was changed meanwhile."), current=current)
    transition = _allowed_transition(order, to)
    if not actor.has_perm(transition.permission):
        raise Denied(_("Your role may not do this: %(action)s.") % {"action": transition.label})
    _move(order, to, transition, actor=actor, note=note, key_hash=key_hash, fingerprint=fingerprint)
    _save(order)
    return read_order(order_id)


@retrying_atomic
def delete_order(*, actor: "User", order_id: int, note: str = "") -> Order:
    """Cancel the order if it is still open for that, and take it out of the lists. Repeating changes nothing.

    Raises:
        Denied, NotFound, IllegalTransition (picked or later), Busy.
    """
    if not actor.has_perm(Permission.CANCEL_ORDER):
        raise Denied(_("Your role may not cancel orders."))
    order = _locked(order_id)
    if order.deleted_at is None:
        if order.status != OrderStatus.CANCELLED:
            transition = _allowed_transition(order, OrderStatus.CANCELLED)
            _move(order, OrderStatus.CANCELLED, transition, actor=actor, note=note)
        order.deleted_at = clock.now()
        order_deleted.send(sender=Order, order=order, actor=actor)
        _save(order)
    return read_order(order_id)


def _locked(order_id: int) -> Order:
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
    quantities = {item.product_id: item for item in items}
    # Where it was reserved, which need not be where orders reserve now.
    levels = StockMovement.objects.filter(reference=order.number, kind=Kind.RESERVED).values_list(
        "level_id", "level__product_id"
    )
    ship = effect is StockEffect.SHIP
    move_stock(
        actor=actor,
        kind=Kind.SHIPPED if ship else Kind.RELEASED,
        deltas=[
            Delta(
                Line(pk, product_id, quantities[product_id].sku, quantities[product_id].name),
                on_hand=-quantities[product_id].quantity if ship else 0,
                reserved=-quantities[product_id].quantity,
            )
            for pk, product_id in levels
        ],
        reference=order.number,
    )


def _save(order: Order) -> None:
    order.version += 1
    order.updated_at = clock.now()
    order.save(update_fields=["status", "version", "updated_at", "deleted_at", "event_seq"])


@retrying_atomic
def add_note(
    *, actor: "User", order_id: int, text: str, idempotency_key: str | None = None
) -> OrderNote:
    """Write something on an order, for everybody who reads it; with a key once.

    Raises:
        Denied, NotFound, IdempotencyKeyReused.
    """
    if not actor.has_perm(Permission.ADD_ORDER_NOTE):
        raise Denied(_("Your role may not add notes."))
    require_order(order_id)
    key_hash = None
    if idempotency_key is not None:
        key_hash = idempotency.key_hash(actor.pk, ADD_NOTE, idempotency_key)
        if written := OrderNote.objects.filter(key_hash=key_hash).first():
            # Notes never change, so the note itself says what the key was used for.
            if (written.order_id, written.text) != (order_id, text):
                raise IdempotencyKeyReused(_("This idempotency key was used for another request."))
            return written
    return OrderNote.objects.create(
        order_id=order_id,
        text=text,
        actor=actor,
        request_id=request_id.current(),
        created_at=clock.now(),
        key_hash=key_hash,
    )


@retrying_atomic
def save_view(
    *, actor: "User", name: str, query: str, is_shared: bool = False, replace: bool = False
) -> SavedView:
    """Keep the filters of a list under a name.

    Raises:
        Duplicate: one's own view of that name has other filters, and `replace` does not say that it may go.
    """
    view, created = SavedView.objects.select_for_update().get_or_create(
        owner=actor, name=name.strip(), defaults={"query": query, "is_shared": is_shared}
    )
    if created:
        return view
    if view.query != query and not replace:
        raise Duplicate(_("You have a view of this name, with other filters."), field="name")
    view.query, view.is_shared = query, is_shared
    view.save(update_fields=["query", "is_shared"])
    return view


@retrying_atomic
def delete_view(*, actor: "User", view_id: int) -> None:
    """Forget one of one's own views.

    Raises:
        NotFound: there is none, or it is somebody else's.
    """
    if not SavedView.objects.filter(pk=view_id, owner=actor).delete()[0]:
        raise NotFound(_("There is no such view."))
