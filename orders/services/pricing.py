"""What an order would cost now, and what is missing for it: what placing and amending orders begin with."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from django.db.models import FilteredRelation, Q, Subquery
from django.utils.translation import gettext as _

from accounts.roles import Permission
from catalog.models import StockLevel, available, price_for
from catalog.services import Line, shortage
from customers.models import Customer
from erp_site.core.errors import Conflict, Denied, Invalid, NotFound
from erp_site.core.money import CENT, CURRENCY, LARGEST, LARGEST_PRICE, to_cents
from erp_site.core.statements import Query, together
from orders.models import LARGEST_QUANTITY, MOST_ITEMS

if TYPE_CHECKING:
    from accounts.models import User


class InactiveCustomer(Conflict):
    code = "inactive_customer"
    title = "Inactive customer"


class InactiveProduct(Conflict):
    """`items` names the products that are not sold at present."""

    code = "inactive_product"
    title = "Inactive product"


class PriceChanged(Conflict):
    """`items` names the products that cost the customer another price now than the one that was seen."""

    code = "price_changed"
    title = "Price changed"


class PriceTooLow(Denied):
    """`items` names the products whose agreed price is lower than this person may go, and how low they may."""

    code = "price_too_low"
    title = "Price too low"


class NewItem(NamedTuple):
    """What the caller wants: a product and a number of pieces, at the customer's price or at one agreed upon."""

    product_id: int
    quantity: int
    agreed_price: Decimal | None = None  # in reais


class PricedItem(NamedTuple):
    """A wanted product with the price and the names of this moment."""

    line: Line
    quantity: int
    list_price: Decimal
    """What a piece costs this customer, unless another price is agreed upon."""
    unit_price: Decimal
    subtotal: Decimal
    available: int

    @property
    def kept_list_price(self) -> Decimal | None:
        """As OrderItem keeps it."""
        return None if self.unit_price == self.list_price else self.list_price


@dataclass(frozen=True, slots=True)
class Quote:
    """What an order would be, and what is missing for it."""

    items: list[PricedItem]
    total: Decimal
    shortages: list[dict[str, Any]] = field(default_factory=list)
    currency: str = CURRENCY


_CUSTOMER: Final = ("id", "name", "address", "is_active")


def _customer_of(pk: Any) -> Any:
    return Customer.objects.filter(pk=pk).values_list(*_CUSTOMER)


customer_to_order: Final = Query(_customer_of)
customer_held: Final = Query(_customer_of, shared=True)


def _products_for(customer_id: Any, *product_ids: Any) -> Any:
    """With the price of its own that each has on the customer's list, and what that list takes off all others.

    All of one statement: asked for in two, the discount of one list could meet the prices of the next.
    """
    theirs = Customer.objects.filter(pk=customer_id)
    listed = FilteredRelation(
        "product__listed_prices",
        condition=Q(
            product__listed_prices__price_list=Subquery(theirs.values("price_list_id")[:1])
        ),
    )
    return (
        StockLevel.objects.alias(listed=listed)
        .filter(product__id__in=product_ids, product__deleted_at=None, warehouse__is_default=True)
        .values_list(
            "pk", "product_id", "product__sku", "product__name", "product__is_active", "on_hand", "reserved",
            "product__price", "listed__price", Subquery(theirs.values("price_list__discount")[:1]),
        )
    )  # fmt: skip


products_to_order: Final = Query(_products_for)


def price_order(*, actor: "User", customer_id: int, items: Iterable[NewItem]) -> Quote:
    """What this order would cost now, and every shortage. Changes nothing and locks nothing.

    Raises:
        Denied, PriceTooLow, NotFound, InactiveCustomer, InactiveProduct, Invalid.
    """
    if not actor.has_perm(Permission.PLACE_ORDER):
        raise Denied(_("Your role may not place orders."))
    items = list(items)
    wanted = merge(items)
    require_sensible(items)
    customers, products = together(
        customer_to_order.of(customer_id),
        products_to_order.of(customer_id, *(item.product_id for item in wanted)),
    )
    orderable_customer(customer_id, customers)
    priced, total = price_items(wanted, products)
    require_may_agree(actor, priced)
    shortages = [
        shortage(item.line, requested=item.quantity, available=item.available)
        for item in priced
        if item.quantity > item.available
    ]
    return Quote(priced, total, shortages)


def merge(items: Iterable[NewItem]) -> list[NewItem]:
    """One item a product, with the sum and the price agreed upon, in the order of first mention.

    Raises:
        Invalid: no item, or too many, or two prices for one product.
    """
    sums: dict[int, int] = {}
    agreed: dict[int, Decimal | None] = {}
    for index, item in enumerate(items):
        if index >= MOST_ITEMS:
            raise Invalid.field(
                "/items",
                "too_long",
                _("An order has at most %(most)s items.") % {"most": MOST_ITEMS},
            )
        sums[item.product_id] = sums.get(item.product_id, 0) + item.quantity
        if agreed.setdefault(item.product_id, item.agreed_price) != item.agreed_price:
            raise Invalid.field(
                f"/items/{index}/agreed_price",
                "conflicting",
                _("A product has one price in an order, however often it is named."),
            )
    if not sums:
        raise Invalid.field("/items", "too_short", _("An order has at least one item."))
    return [NewItem(pk, quantity, agreed[pk]) for pk, quantity in sums.items()]


def require_sensible(items: Iterable[NewItem]) -> None:
    """Raises Invalid for the item with which its product's quantity is out of range, or whose price is none: after
    the key was looked up."""
    sums: dict[int, int] = {}
    for index, item in enumerate(items):
        sums[item.product_id] = sums.get(item.product_id, 0) + item.quantity
        if item.quantity < 1 or sums[item.product_id] > LARGEST_QUANTITY:
            raise Invalid.field(
                f"/items/{index}/quantity",
                "out_of_range",
                _("A quantity is between 1 and 1,000,000."),
            )
        if item.agreed_price is not None and not _is_price(item.agreed_price):
            raise Invalid.field(
                f"/items/{index}/agreed_price",
                "out_of_range",
                _("A price is between 0.01 and 99,999,999.99, with two decimals at most."),
            )


def _is_price(price: Decimal) -> bool:
    return CENT <= price <= LARGEST_PRICE and price == to_cents(price)


def orderable_customer(customer_id: int, rows: Iterable[Sequence[Any]]) -> Customer:
    for row in rows:
        customer = Customer.from_db(None, _CUSTOMER, row[: len(_CUSTOMER)])
        if not customer.is_active:
            raise InactiveCustomer(
                _("%(name)s is inactive.") % {"name": customer.name}, customer_id=customer_id
            )
        return customer
    raise NotFound(_("There is no such customer."), customer_id=customer_id)


def price_items(
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
    if inactive := [row for row in rows if not row[4]]:
        raise InactiveProduct(
            _("Not sold at present: %(skus)s.") % {"skus": ", ".join(row[2] for row in inactive)},
            items=[{"product_id": row[1], "sku": row[2]} for row in inactive],
        )
    priced = []
    for item, row in zip(wanted, rows, strict=True):
        listed = price_for(*row[7:])
        price = listed if item.agreed_price is None else item.agreed_price
        priced.append(
            PricedItem(
                line=Line(*row[:4]),
                quantity=item.quantity,
                list_price=listed,
                unit_price=price,
                subtotal=to_cents(price * item.quantity),
                available=available(*row[5:7]),
            )
        )
    total = sum((item.subtotal for item in priced), Decimal(0))
    if total > LARGEST:
        raise Invalid.field("/items", "total_too_large", _("The total is larger than can be kept."))
    return priced, total


class Agreed(Protocol):
    """A line at the price that people agreed upon, beside what the customer pays elsewhere."""

    @property
    def line(self) -> Line: ...
    @property
    def list_price(self) -> Decimal: ...
    @property
    def unit_price(self) -> Decimal: ...


def require_may_agree(actor: "User", lines: Iterable[Agreed]) -> None:
    """Refuse lines at a price lower than this person may go.

    Raises:
        PriceTooLow: naming every such product.
    """
    too_low = [
        {
            "product_id": it.line.product_id,
            "sku": it.line.sku,
            "agreed_price": it.unit_price,
            "list_price": it.list_price,
            "lowest_price": lowest,
        }
        for it in lines
        # The first says nothing that the second does not, but it is quick to say of nearly all lines.
        if it.unit_price < it.list_price
        and it.unit_price < (lowest := actor.lowest_price(it.list_price))
    ]
    if too_low:
        named = ", ".join(str(it["sku"]) for it in too_low)
        raise PriceTooLow(
            _("A lower price than you may agree upon: %(skus)s.") % {"skus": named}, items=too_low
        )


def require_prices(priced: Iterable[PricedItem], seen: Mapping[int, Decimal]) -> None:
    changed = [
        item
        for item in priced
        if seen.get(item.line.product_id, item.list_price) != item.list_price
    ]
    if changed:
        named = ", ".join(item.line.sku for item in changed)
        raise PriceChanged(
            _("Another price than before: %(skus)s.") % {"skus": named},
            items=[
                {
                    "product_id": item.line.product_id,
                    "sku": item.line.sku,
                    "unit_price": item.list_price,
                }
                for item in changed
            ],
        )
