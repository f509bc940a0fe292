"""What can be done to products. The only writer of them; their stock is stock.py's."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, TypedDict, Unpack

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from accounts.roles import Permission
from catalog.models import (
    LARGEST_STOCK,
    LARGEST_THRESHOLD,
    LONGEST_DESCRIPTION,
    Product,
    ProductWord,
    StockLevel,
    StockMovement,
    Warehouse,
)
from catalog.queries import as_record, missing
from catalog.signals import product_created, product_deleted, product_updated
from erp_site.core import clock, gtin
from erp_site.core.errors import Conflict, Denied, Duplicate, FieldError, StaleVersion
from erp_site.core.money import CENT
from erp_site.core.statements import Query
from erp_site.core.text import as_lines
from erp_site.core.transactions import is_duplicate, retrying_atomic
from erp_site.core.validation import assign, field_errors, refuse

from .stock import Delta, Line, locked_levels, measure_again, move_stock

if TYPE_CHECKING:
    from accounts.models import User


class ProductInUse(Conflict):
    """There is stock of it, or orders have reserved some; `on_hand` and `reserved` say how much."""

    code = "product_in_use"
    title = "Product in use"


class ProductFields(TypedDict, total=False):
    """What people may write, in any usual spelling."""

    sku: str
    name: str
    price: Decimal
    gtin: str
    description: str
    low_stock_threshold: int | None
    is_active: bool


#: How each field is stored: databases disagree about case, accents and spaces, so there is one spelling only.
_STORED: Final[Mapping[str, Callable[[Any], Any]]] = {
    "sku": lambda sku: sku.strip().upper(),
    "name": str.strip,
    "price": Decimal,
    "gtin": gtin.normalise,
    "description": lambda description: as_lines(description).strip(),
    "low_stock_threshold": lambda threshold: threshold,
    "is_active": bool,
}


@retrying_atomic
def create_product(
    *,
    actor: "User",
    sku: str,
    name: str,
    price: Decimal,
    gtin: str = "",
    description: str = "",
    low_stock_threshold: int | None = None,
    is_active: bool = True,
    on_hand: int = 0,
) -> Product:
    """Add a product with its stock level in the default warehouse.

    Args:
        price: in reais, at least 0.01.
        on_hand: the opening stock in whole pieces; it becomes the first movement.

    Raises:
        Denied: the role may not.
        Invalid: naming every wrong field; a GTIN is checked by its last digit.
        Duplicate: a living product has this SKU.
    """
    _require(actor)
    if on_hand and not actor.has_perm(Permission.ADJUST_STOCK):
        raise Denied(_("Your role may not adjust stock."))
    product = Product(event_seq=1)
    given = ProductFields(
        sku=sku,
        name=name,
        price=price,
        gtin=gtin,
        description=description,
        low_stock_threshold=low_stock_threshold,
        is_active=is_active,
    )
    _write(product, given, on_hand=on_hand)
    product.created_at = product.updated_at = clock.now()
    _save(product)
    _index(product, is_new=True)
    [(warehouse_id,)] = _default_warehouse()
    level = StockLevel.objects.create(product=product, warehouse_id=warehouse_id)
    if on_hand:
        line = Line(level.pk, product.pk, product.sku, product.name)
        move_stock(
            actor=actor,
            kind=StockMovement.Kind.OPENING,
            deltas=[Delta(line, on_hand=on_hand)],
        )
    product_created.send(sender=Product, product=product, on_hand=on_hand, actor=actor)
    return product


@retrying_atomic
def update_product(
    *, actor: "User", product_id: int, version: int | None = None, **given: Unpack[ProductFields]
) -> Product:
    """Change the fields given, and only those. What is the same already is no change; stock is not a field.

    A threshold that is raised to what is available, or above, makes the product run low as a movement does.

    Raises:
        Denied, NotFound, Invalid, Duplicate: as for a new one.
        StaleVersion: `version` is given and is not the present one; `current` is the product as it is now.
    """
    _require(actor)
    # Without these locks an order could take stock past the new threshold and not know of it, and nobody were told.
    levels = locked_levels(product_id) if "low_stock_threshold" in given else []
    product = _locked(product_id)
    if version is not None and version != product.version:
        raise StaleVersion(_("The product was changed meanwhile."), current=as_record(product))
    changed = _write(product, given)
    if not changed:
        return product
    product.version += 1
    product.updated_at = clock.now()
    product.next_sequence()
    _save(product, [*changed, "version", "updated_at", "event_seq"])
    if changed.keys() & {"sku", "gtin", "name"}:
        _index(product)
    measured = []
    if "low_stock_threshold" in changed:
        was, _now = changed["low_stock_threshold"]
        measured = measure_again(product, levels, before=was)
    product_updated.send(
        sender=Product, product=product, changed=changed, measured=measured, actor=actor
    )
    return product


@retrying_atomic
def delete_product(*, actor: "User", product_id: int) -> None:
    """Take a product out of the lists. Old orders keep its name and price, and its SKU is free again.

    Raises:
        Denied, NotFound: as above.
        ProductInUse: there is stock of it, or a reservation.
    """
    _require(actor)
    # Levels before the product, everywhere. Without these locks stock could arrive, or an order reserve some,
    # between the check and the deletion.
    levels = locked_levels(product_id)
    product = _locked(product_id)
    on_hand, reserved = (
        sum(getattr(level, it) for level in levels) for it in ("on_hand", "reserved")
    )
    if on_hand or reserved:
        raise ProductInUse(
            _("There is stock of %(sku)s: %(on_hand)s on hand, %(reserved)s reserved.")
            % {"sku": product.sku, "on_hand": on_hand, "reserved": reserved},
            on_hand=on_hand,
            reserved=reserved,
        )
    product.mark_deleted(clock.now())
    product.next_sequence()
    product.save(update_fields=["deleted_at", "live", "event_seq"])
    product_deleted.send(sender=Product, product=product, actor=actor)


@retrying_atomic
def upsert_product(*, actor: "User", sku: str, **given: Any) -> str:
    """One row of a file: change the living product with this SKU, or create it. Opening stock is for new ones only.

    Answers "created", "updated" or "unchanged". Raises what creating and changing raise.
    """
    product = Product.objects.filter(sku=_STORED["sku"](sku)).first()
    if product is None:
        refuse(
            [
                FieldError(
                    pointer=f"/{field}", code="missing", detail=_("A new product needs this.")
                )
                for field in ("name", "price")
                if field not in given
            ]
        )
        create_product(actor=actor, sku=sku, **given)
        return "created"
    given.pop("on_hand", None)
    version = product.version
    changed = update_product(actor=actor, product_id=product.pk, sku=sku, **given)
    return "unchanged" if changed.version == version else "updated"


def _require(actor: "User") -> None:
    if not actor.has_perm(Permission.CHANGE_PRODUCTS):
        raise Denied(_("Your role may not change products."))


def _locked(product_id: int) -> Product:
    product = Product.objects.select_for_update().filter(pk=product_id).first()
    if product is None:
        raise missing(product_id)
    return product


def _write(product: Product, given: ProductFields, *, on_hand: int = 0) -> dict[str, list[Any]]:
    """Put the values on the product, normalised and checked; what changed, as [old, new]."""
    changed = assign(product, given, _STORED)
    errors = field_errors(product, given)

    def wrong(field: str, code: str, detail: str) -> None:
        errors.append(FieldError(pointer=f"/{field}", code=code, detail=detail))

    # ASCII, because MySQL's collations take É for E where SQLite does not, and barcodes know no more anyway.
    if "sku" in given and not product.sku.isascii():
        wrong("sku", "not_ascii", _("A SKU has letters without accents, digits and signs only."))
    if "price" in given and product.price < CENT:
        wrong("price", "money_too_small", _("A price is at least 0.01."))
    if product.gtin and "gtin" in given and not gtin.is_valid(product.gtin):
        wrong(
            "gtin",
            "invalid_gtin",
            _("Not a valid GTIN: 8, 12, 13 or 14 digits, the last a check digit."),
        )
    # The database's TEXT knows no length, and Django asks only forms.
    if len(product.description) > LONGEST_DESCRIPTION:
        wrong("description", "max_length", _("At most 5,000 characters."))
    threshold = product.low_stock_threshold
    if threshold is not None and threshold > LARGEST_THRESHOLD:
        wrong("low_stock_threshold", "out_of_range", _("Out of range."))
    if not 0 <= on_hand <= LARGEST_STOCK:
        wrong("on_hand", "out_of_range", _("Out of range."))
    refuse(errors)
    return changed


def _save(product: Product, fields: list[str] | None = None) -> None:
    try:
        with transaction.atomic():
            product.save(force_insert=fields is None, update_fields=fields)
    except IntegrityError as error:
        if is_duplicate(error, "product_sku_unique", "catalog_product.sku"):
            raise Duplicate(_("Another product has this SKU."), field="sku") from error
        raise


_default_warehouse: Final = Query(
    lambda: Warehouse.objects.filter(is_default=True).values_list("pk")
)


def _index(product: Product, *, is_new: bool = False) -> None:
    codes = [product.sku, product.gtin]
    ProductWord.index(product.pk, product.name, codes=codes, is_new=is_new)
