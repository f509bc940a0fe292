"""Placing an order: once for each key, and never more than there is."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Final, NamedTuple

from django.utils.translation import gettext as _

from accounts.roles import Permission
from catalog.models import StockMovement
from catalog.services import Delta, locking, move_stock
from erp_site.core import clock, idempotency
from erp_site.core.errors import Denied, IdempotencyKeyReused
from erp_site.core.money import to_text
from erp_site.core.search import as_code
from erp_site.core.statements import Insert, together
from erp_site.core.transactions import retrying_atomic
from orders.models import Order, OrderItem, item_id
from orders.queries import (
    OrderLine,
    asking_for_key,
    first_order,
    whole_order_of_key,
    with_lines,
)
from orders.signals import order_placed
from orders.states import OrderStatus

from .pricing import (
    NewItem,
    customer_held,
    customer_to_order,
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

PLACE: Final = "order.place"
#: order.placed and stock.reserved: the order is inserted with its event counter already there.
EVENTS_WHEN_PLACED: Final = 2


class Placement(NamedTuple):
    """The order with its lines, and whether this key had already placed it."""

    order: Order
    lines: Sequence[OrderLine]
    replayed: bool


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
        items: quantities in whole pieces; a product named twice becomes one line with the sum. A price agreed upon
            takes the place of the customer's, whatever becomes of that.
        delivery_address: the customer's address of this moment when not given.
        prices: by product, what the caller saw each piece cost this customer; refused if one has changed.
        seen_before: what Redis has said of the key, if it was asked already.

    Raises:
        Denied, PriceTooLow, NotFound (customer or product), InactiveCustomer, InactiveProduct, PriceChanged,
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
            "items": [_asked(item) for item in wanted],
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
        customer_to_order.of(customer_id),
        products_to_order.of(customer_id, *(item.product_id for item in wanted)),
    )
    if used := first_order(known):
        return _replay(fingerprint, *with_lines(used))
    require_sensible(items)
    customer = orderable_customer(customer_id, customers)
    priced, total = price_items(wanted, products)
    require_may_agree(actor, priced)
    if prices:
        require_prices(priced, prices)
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
        customer_held.of(customer_id),
        locking(item.line.level_id for item in priced),
    )
    if held != customers:
        orderable_customer(customer_id, held)
    changes = move_stock(
        actor=actor,
        kind=StockMovement.Kind.RESERVED,
        deltas=[Delta(item.line, reserved=item.quantity) for item in priced],
        reference=order.number,
        locked=levels,
    )
    lines = [
        OrderLine(
            item_id(order.pk, index), item.line.product_id, item.line.sku, item.line.name,
            item.quantity, item.unit_price, item.subtotal, item.kept_list_price,
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


def _asked(item: NewItem) -> list[int | str]:
    """What a fingerprint knows of it. Of an item at the customer's price as ever: orders are replayed for good."""
    product_id, quantity, price = item
    return [product_id, quantity] if price is None else [product_id, quantity, to_text(price)]


def _replay(fingerprint: str, order: Order, lines: list[OrderLine]) -> Placement:
    """The order that this key has placed; refused when it was placed by another request."""
    if order.fingerprint != fingerprint:
        raise IdempotencyKeyReused
    return Placement(order, lines, replayed=True)
