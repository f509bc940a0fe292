"""What can be done to price lists and the prices on them. The only writer of both."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypedDict, Unpack, cast

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from accounts.roles import Permission
from catalog.models import MOST_PRICES, ListedPrice, PriceList, Product
from catalog.queries import missing_price_list, price_list_named, price_list_record
from catalog.signals import (
    price_list_created,
    price_list_deleted,
    price_list_updated,
    prices_changed,
)
from erp_site.core import clock
from erp_site.core.errors import (
    Conflict,
    Denied,
    Duplicate,
    FieldError,
    Invalid,
    NotFound,
    StaleVersion,
)
from erp_site.core.money import CENT
from erp_site.core.search import words
from erp_site.core.statements import Query
from erp_site.core.transactions import is_duplicate, retrying_atomic
from erp_site.core.validation import assign, discount_errors, field_errors, refuse

if TYPE_CHECKING:
    from accounts.models import User

#: Asked before a price list is deleted, under its lock: does anybody still buy by it? The apps above add their answer
#: when they are ready, since this one may not know them.
IN_USE_CHECKS: Final[list[Callable[[PriceList], bool]]] = []


class PriceListInUse(Conflict):
    """Somebody still buys by the price list."""

    code = "price_list_in_use"
    title = "Price list in use"


class PriceListFields(TypedDict, total=False):
    """What people may write."""

    name: str
    discount: Decimal


class PriceChange(NamedTuple):
    """What one product cost on the list, and what it costs there now; None is no price of its own."""

    product_id: int
    sku: str
    was: Decimal | None
    now: Decimal | None


_STORED: Final[Mapping[str, Callable[[Any], Any]]] = {"name": str.strip, "discount": Decimal}


@retrying_atomic
def create_price_list(*, actor: "User", name: str, discount: Decimal = Decimal(0)) -> PriceList:
    """Add a price list.

    Args:
        discount: what it takes off products without a price of their own on it, in percent, from 0 to 99.99.

    Raises:
        Denied: the role may not.
        Invalid: naming every wrong field.
        Duplicate: a living price list has this name, in whatever case and accents.
    """
    require_lists(actor)
    price_list = PriceList(event_seq=1)
    _write(price_list, PriceListFields(name=name, discount=discount))
    price_list.created_at = price_list.updated_at = clock.now()
    _save(price_list)
    price_list_created.send(sender=PriceList, price_list=price_list, actor=actor)
    return price_list


@retrying_atomic
def update_price_list(
    *,
    actor: "User",
    price_list_id: int,
    version: int | None = None,
    **given: Unpack[PriceListFields],
) -> PriceList:
    """Change the fields given, and only those. What is the same already is no change; orders keep what was agreed upon.

    Raises:
        Denied, NotFound, Invalid, Duplicate: as for a new one.
        StaleVersion: `version` is given and is not the present one; `current` is the list as it is now.
    """
    require_lists(actor)
    price_list = locked_list(price_list_id)
    if version is not None and version != price_list.version:
        raise StaleVersion(
            _("The price list was changed meanwhile."), current=price_list_record(price_list)
        )
    changed = _write(price_list, given)
    if not changed:
        return price_list
    price_list.version += 1
    price_list.updated_at = clock.now()
    price_list.next_sequence()
    _save(price_list, [*changed, "version", "updated_at", "event_seq"])
    price_list_updated.send(sender=PriceList, price_list=price_list, changed=changed, actor=actor)
    return price_list


@retrying_atomic
def change_prices(
    *, actor: "User", price_list_id: int, prices: Mapping[int, Decimal | None]
) -> list[PriceChange]:
    """Give these products a price of their own on the list, or (None) take it from them; all or none.

    Answers what that changed: what is the same already is no change. The list's version counts edits of its name and
    discount, not these.

    Args:
        prices: in reais, by product, at most MOST_PRICES of them.

    Raises:
        Denied, NotFound (the list, or products), Invalid (naming each wrong price).
    """
    require_lists(actor)
    _require_prices(prices)
    price_list = locked_list(price_list_id)
    known = dict(Product.objects.filter(pk__in=prices).values_list("pk", "sku"))
    if absent := [product_id for product_id in prices if product_id not in known]:
        named = ", ".join(map(str, absent))
        raise NotFound(_("There is no such product: %(ids)s.") % {"ids": named}, product_ids=absent)
    present = {it.product_id: it for it in price_list.prices.filter(product__in=prices)}
    changes = []
    for product_id, now in prices.items():
        was = present[product_id].price if product_id in present else None
        if now != was:
            changes.append(PriceChange(product_id, known[product_id], was, now))
    if not changes:
        return []
    touched = [change.product_id for change in changes]
    price_list.prices.filter(product__in=touched).delete()
    ListedPrice.objects.bulk_create(
        ListedPrice(price_list=price_list, product_id=change.product_id, price=change.now)
        for change in changes
        if change.now is not None
    )
    price_list.updated_at = clock.now()
    price_list.next_sequence()
    price_list.save(update_fields=["updated_at", "event_seq"])
    prices_changed.send(sender=PriceList, price_list=price_list, changes=changes, actor=actor)
    return changes


@retrying_atomic
def delete_price_list(*, actor: "User", price_list_id: int) -> None:
    """Take a price list out of use; its name is free again, and its prices stay for those who look back.

    Raises:
        Denied, NotFound: as above.
        PriceListInUse: customers buy by it.
    """
    require_lists(actor)
    # Without this lock a customer could be given the list between the check and the deletion: `hold_price_list`.
    price_list = locked_list(price_list_id)
    if any(in_use(price_list) for in_use in IN_USE_CHECKS):
        raise PriceListInUse(
            _("Customers buy by %(name)s: give them another price list first.")
            % {"name": price_list.name},
            price_list_id=price_list.pk,
        )
    price_list.mark_deleted(clock.now())
    price_list.next_sequence()
    price_list.save(update_fields=["deleted_at", "live", "event_seq"])
    price_list_deleted.send(sender=PriceList, price_list=price_list, actor=actor)


@retrying_atomic
def upsert_price(*, actor: "User", price_list: str, sku: str, price: Decimal) -> str:
    """One row of a file: what the product with this SKU costs on the living price list of this name.

    Answers "created", "updated" or "unchanged". Raises what changing prices raises, and Invalid for a name or a SKU
    that there is not.
    """
    found = price_list_named(price_list)
    wanted = sku.strip().upper()
    product = Product.objects.filter(sku=wanted).first()
    if product and product.sku != wanted:  # to MySQL and MariaDB "CAFÉ" is "CAFE"
        product = None
    errors = []
    if found is None:
        detail = _("There is no price list of this name.")
        errors.append(FieldError(pointer="/price_list", code="not_found", detail=detail))
    if product is None:
        detail = _("There is no product with this SKU.")
        errors.append(FieldError(pointer="/sku", code="not_found", detail=detail))
    refuse(errors + _wrong_price(price))
    prices = {cast("Product", product).pk: price}
    changes = change_prices(actor=actor, price_list_id=cast("PriceList", found).pk, prices=prices)
    if not changes:
        return "unchanged"
    return "created" if changes[0].was is None else "updated"


_held: Final = Query(
    lambda price_list_id: PriceList.objects.filter(pk=price_list_id).values_list("pk"), shared=True
)


def hold_price_list(price_list_id: int) -> None:
    """Nobody deletes this price list until the transaction ends.

    Raises:
        NotFound: somebody has.
    """
    if not _held(price_list_id):
        raise missing_price_list(price_list_id)


def require_lists(actor: "User") -> None:
    """May they change price lists?"""
    if not actor.has_perm(Permission.CHANGE_PRICE_LISTS):
        raise Denied(_("Your role may not change price lists."))


def locked_list(price_list_id: int) -> PriceList:
    """The living list; nobody else changes it or its prices until the transaction ends."""
    price_list = PriceList.objects.select_for_update().filter(pk=price_list_id).first()
    if price_list is None:
        raise missing_price_list(price_list_id)
    return price_list


def _require_prices(prices: Mapping[int, Decimal | None]) -> None:
    if len(prices) > MOST_PRICES:
        raise Invalid.field(
            "/prices",
            "too_long",
            _("At most %(most)s prices are changed at once.") % {"most": MOST_PRICES},
        )
    errors = []
    for index, price in enumerate(prices.values()):
        wrong = [] if price is None else _wrong_price(price)
        errors += [FieldError(**{**each, "pointer": f"/prices/{index}/price"}) for each in wrong]
    refuse(errors)


def _wrong_price(price: Decimal) -> list[FieldError]:
    wrong = field_errors(ListedPrice(price=price), ["price"])
    if not wrong and price < CENT:
        detail = _("A price is at least 0.01.")
        wrong = [FieldError(pointer="/price", code="money_too_small", detail=detail)]
    return wrong


def _write(price_list: PriceList, given: PriceListFields) -> dict[str, list[Any]]:
    """Put the values on the list, normalised and checked; what changed, as [old, new]."""
    changed = assign(price_list, given, _STORED)
    errors = field_errors(price_list, given.keys() - {"discount"})
    if "name" in given and not errors and not words(price_list.name):
        # By its letters and digits it is found and told from others: of "★" and "—" nothing is left.
        detail = _("A name has a letter or a digit.")
        errors.append(FieldError(pointer="/name", code="no_words", detail=detail))
    if "discount" in given:
        errors += discount_errors(price_list, "discount")
    refuse(errors)
    return changed


def _save(price_list: PriceList, fields: list[str] | None = None) -> None:
    try:
        with transaction.atomic():
            price_list.save(force_insert=fields is None, update_fields=fields)
    except IntegrityError as error:
        if is_duplicate(error, "price_list_name_unique", "catalog_pricelist.sorted_name"):
            raise Duplicate(_("Another price list has this name."), field="name") from error
        raise
