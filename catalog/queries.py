"""Reading products, their stock and its ledger."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final, NamedTuple

from django.db.models import (
    BigIntegerField,
    Count,
    F,
    OuterRef,
    Prefetch,
    Q,
    QuerySet,
    Subquery,
    Sum,
    Value,
)
from django.utils.translation import gettext as _

from erp_site.core.counting import figures, kept_until_something_happens
from erp_site.core.errors import NotFound
from erp_site.core.search import fold, matching, plain, prefixed, sorted_as, words

from .models import (
    ListedPrice,
    PriceList,
    Product,
    ProductWord,
    Repricing,
    StockLevel,
    StockMovement,
    available,
    price_for,
)

#: What a list may be sorted by: the public name and its column.
SORTS: Final = {
    "name": "sorted_name",
    "sku": "sku",
    "price": "price",
    "created_at": "created_at",
    "updated_at": "updated_at",
}
#: The same of price lists, and of the products on one.
PRICE_LIST_SORTS: Final = {
    "name": "sorted_name",
    "created_at": "created_at",
    "updated_at": "updated_at",
}
LISTED_SORTS: Final = {"name": "sorted_name", "sku": "sku"}
#: Of the prices of all lists, as they come in a file.
PRICE_SORTS: Final = {"id": "id"}
#: The ledger is append-only: the order of ids is the order of time.
MOVEMENT_SORTS: Final = {"created_at": "id"}


def products() -> QuerySet[Product]:
    """The living ones, with their stock in one more query, so that sorting keeps its index."""
    return Product.objects.prefetch_related("levels")


def get_product(product_id: int) -> Product:
    """Raises NotFound, for a deleted one too."""
    product = products().filter(pk=product_id).first()
    if product is None:
        raise missing(product_id)
    return product


def missing(product_id: int) -> NotFound:
    """The refusal that names this product."""
    return NotFound(_("There is no such product."), product_id=product_id)


def balances(product: Product) -> tuple[int, int]:
    """On hand and reserved, in all warehouses together."""
    levels = list(product.levels.all())
    return sum(it.on_hand for it in levels), sum(it.reserved for it in levels)


def as_record(product: Product) -> dict[str, Any]:
    """The product with its stock of all warehouses together."""
    on_hand, reserved = balances(product)
    return {
        "id": product.pk,
        "sku": product.sku,
        "gtin": product.gtin,
        "name": product.name,
        "description": product.description,
        "price": product.price,
        "is_active": product.is_active,
        "on_hand": on_hand,
        "reserved": reserved,
        "available": available(on_hand, reserved),
        "low_stock_threshold": product.low_stock_threshold,
        "version": product.version,
        "created_at": product.created_at,
        "updated_at": product.updated_at,
    }


def low_stock(queryset: QuerySet[Product], *, low: bool) -> QuerySet[Product]:
    """The products that are low, or those that are not: models.is_low as a condition, the same to the unit."""
    levels = StockLevel.objects.filter(product=OuterRef("pk")).order_by().values("product")
    promised = levels.annotate(free=Sum(F("on_hand") - F("reserved"))).values("free")
    is_low = Q(low_stock_threshold__isnull=False, low_stock_threshold__gte=Subquery(promised))
    return queryset.filter(is_low) if low else queryset.exclude(is_low)


def search(queryset: QuerySet[Product], text: str) -> QuerySet[Product]:
    """By beginnings of words of the SKU, the GTIN and the name, mixed as people type them."""
    return matching(queryset, ProductWord, text, codes=True)


def movements(product: Product) -> QuerySet[StockMovement]:
    """The product's ledger in all warehouses, with who did it. The levels by id: a join would sort by hand."""
    levels = [level.pk for level in product.levels.all()]
    return StockMovement.objects.filter(level_id__in=levels).prefetch_related("actor")


def get_products(product_ids: Iterable[int]) -> list[Product]:
    """These products with their stock, in no particular order; the deleted are missing."""
    return list(products().filter(pk__in=list(product_ids)))


def find_products(text: str, *, limit: int) -> list[Product]:
    """What a person at the order desk means: an exact SKU or GTIN first, then words, only what is sold.

    Of those with the words come first whose name begins with the first word: Enter takes the first one, and "sal" is
    "Sal refinado", not "Biscoito água e sal".
    """
    sold = products().filter(is_active=True)
    sku = text.strip().upper()
    gtin = text.strip() or None
    codes = sold.filter(Q(sku=sku) | Q(gtin=gtin)).order_by("pk")[:limit]
    # To MySQL and MariaDB "CAFÉ" is "CAFE", to SQLite it is not: here it is a word.
    meant = [product for product in codes if product.sku == sku or product.gtin == gtin]
    meant.sort(key=lambda product: product.sku != sku)
    found = search(sold.exclude(pk__in=[product.pk for product in meant]), text)
    found = found.order_by("sorted_name", "pk")
    for beginning in words(text)[:1]:
        meant += found.filter(prefixed("sorted_name", beginning))[: limit - len(meant)]
    if len(meant) < limit:
        meant += [product for product in found[:limit] if product not in meant]
    return meant[:limit]


def find_by_codes(codes: Iterable[str]) -> dict[str, list[Product]]:
    """Products by SKU or GTIN, under the code in upper case: two statements, whatever the number of codes.

    Several where more than one that is sold has the GTIN: which of them is meant, only a person can say.
    """
    wanted = {code.strip().upper() for code in codes} - {""}
    by_sku: dict[str, Product] = {}
    by_gtin: dict[str, list[Product]] = defaultdict(list)
    for product in products().filter(Q(sku__in=wanted) | Q(gtin__in=wanted)).order_by("pk"):
        by_sku[product.sku] = product
        by_gtin[product.gtin].append(product)
    found = {}
    for code in wanted:
        if code in by_sku:
            found[code] = [by_sku[code]]
        elif code in by_gtin:
            found[code] = [it for it in by_gtin[code] if it.is_active] or by_gtin[code]
    return found


def is_any_sku(skus: Iterable[str]) -> bool:
    """Is one of these the SKU of a living product?"""
    return Product.objects.filter(sku__in=[sku.strip().upper() for sku in skus]).exists()


def is_shared_gtin(code: str, found: Sequence[Product]) -> bool:
    """Is the code the GTIN of several of these, and the SKU of none?"""
    is_sku = any(product.sku == code.upper() for product in found)
    return not is_sku and sum(product.gtin == code for product in found) > 1


def shared_by(code: str, found: Sequence[Product]) -> str:
    """The refusal of a code that several products have, where nobody is there to choose."""
    return _("“%(code)s” is the GTIN of %(skus)s: give the SKU instead.") % {
        "code": code,
        "skus": ", ".join(product.sku for product in found),
    }


def others_of_gtin(product: Product) -> list[str]:
    """The SKUs of the other living products with its GTIN, which a scan cannot tell from it."""
    if not product.gtin:
        return []
    others = Product.objects.filter(gtin=product.gtin).exclude(pk=product.pk)
    return list(others.order_by("sku").values_list("sku", flat=True))


def tab_counts() -> dict[str, int]:
    """How many products are low and how many are not sold, up to the cap."""
    return {
        "low_stock": count_low_stock(),
        "inactive": figures(Product.objects.filter(is_active=False)).count,
    }


def count_low_stock() -> int:
    """How many products are low, up to the cap. Every product is looked at for it, so not with each page."""
    low = low_stock(Product.objects.all(), low=True)
    return kept_until_something_happens("low_stock", lambda: figures(low).count)


def price_lists() -> QuerySet[PriceList]:
    """The living ones."""
    return PriceList.objects.all()


def get_price_list(price_list_id: int) -> PriceList:
    """Raises NotFound, for a deleted one too."""
    price_list = price_lists().filter(pk=price_list_id).first()
    if price_list is None:
        raise missing_price_list(price_list_id)
    return price_list


def price_list_named(name: str) -> PriceList | None:
    """The living list of this name, in whatever case and accents."""
    found = price_lists().filter(sorted_name=sorted_as(name.strip())).first()
    # What names are sorted by has no signs: "≥ 10 kg" must not mean "≤ 10 kg".
    return found if found and plain(found.name) == plain(name.strip()) else None


def search_price_lists(queryset: QuerySet[PriceList], text: str) -> QuerySet[PriceList]:
    """By what the name contains: they are few, and have no words kept apart."""
    wanted = fold(text.strip())
    if not wanted and text.strip():
        return queryset.none()  # signs alone, which no name is found by
    return queryset.filter(sorted_name__contains=wanted)


def find_price_lists(text: str, *, limit: int) -> list[PriceList]:
    """What a person means by these words, by name."""
    return list(search_price_lists(price_lists(), text).order_by("sorted_name")[:limit])


def missing_price_list(price_list_id: int) -> NotFound:
    """The refusal that names this price list."""
    return NotFound(_("There is no such price list."), price_list_id=price_list_id)


def price_list_record(price_list: PriceList) -> dict[str, Any]:
    """The price list without its prices, which may be many."""
    return {
        "id": price_list.pk,
        "name": price_list.name,
        "discount": price_list.discount,
        "version": price_list.version,
        "created_at": price_list.created_at,
        "updated_at": price_list.updated_at,
    }


class Extent(NamedTuple):
    """How far a price list reaches."""

    prices: int
    """The living products with a price of their own on it."""
    customers: int
    """The living customers who buy by it."""


def extents(price_lists: Iterable[PriceList]) -> dict[int, Extent]:
    """How far each of these reaches, by id: three statements, whatever their number."""
    ids = [each.pk for each in price_lists]
    listed = ListedPrice.objects.filter(price_list__in=ids)
    prices = dict(listed.values_list("price_list").annotate(Count("pk")))
    # Taken off all, which the index alone counts: of twenty lists with every product on them, MariaDB took five seconds
    # to look at each product of each, whether it lives.
    dead = listed.filter(product__deleted_at__isnull=False)
    dead_prices = dict(dead.values_list("price_list").annotate(Count("pk")))
    # Customers belong to the app above: known here by the name of the relation alone.
    bought_by = PriceList.objects.filter(pk__in=ids, customers__deleted_at=None)
    customers = dict(bought_by.values_list("pk").annotate(Count("customers")))
    return {
        pk: Extent(prices.get(pk, 0) - dead_prices.get(pk, 0), customers.get(pk, 0)) for pk in ids
    }


def price_list_choices() -> list[tuple[int, str]]:
    """Id and name of each living one, by name, to choose from."""
    return list(price_lists().order_by("sorted_name").values_list("pk", "name"))


def products_on(price_list: PriceList) -> QuerySet[Product]:
    """The living products with a price of their own on this list: the one in `on_list` of each."""
    theirs = Prefetch("listed_prices", queryset=price_list.prices.all(), to_attr="on_list")
    return Product.objects.filter(listed_prices__price_list=price_list).prefetch_related(theirs)


def listed_records(products: Iterable[Product]) -> list[dict[str, Any]]:
    """Products of `products_on`: their prices on the list, beside what they cost those without one.

    The prices are read after the products that have one: one taken away in between is on the list no more.
    """
    return [
        {
            "product_id": product.pk,
            "sku": product.sku,
            "name": product.name,
            "price": listed.price,
            "ordinary_price": product.price,
        }
        for product in products
        for listed in product.on_list  # type: ignore[attr-defined]  # products_on
    ]


def listed_prices() -> QuerySet[ListedPrice]:
    """All prices on all lists, each with its list and its product in two more queries, so that sorting keeps its index.

    Of deleted lists and products, too: whoever reads them leaves those out (`is_current`). Joined for that, MariaDB
    sorted the prices of all lists for each chunk of a file.
    """
    return ListedPrice.objects.prefetch_related("price_list", "product")


def is_current(listed: ListedPrice) -> bool:
    """Does anybody pay this price: are its list and its product still there?"""
    return listed.price_list.deleted_at is None and listed.product.deleted_at is None


def prices_on(price_list: PriceList | None, products: Iterable[Product]) -> Mapping[int, Decimal]:
    """By product, what a piece costs those who buy by this list (None: by none). One statement at most."""
    products = list(products)
    if price_list is None or not products:
        return {product.pk: product.price for product in products}
    listed = dict(price_list.prices.filter(product__in=products).values_list("product_id", "price"))
    return {
        product.pk: price_for(product.price, listed.get(product.pk), price_list.discount)
        for product in products
    }


def sold_products() -> QuerySet[Product]:
    """Those that can be ordered, in stock or not, `priced_by` no list yet."""
    sold = Product.objects.filter(is_active=True)
    return sold.annotate(priced_by=Value(None, output_field=BigIntegerField()))


def priced(products: Sequence[Product]) -> list[tuple[Product, Decimal]]:
    """Products of `sold_products` with what each costs on its list: two statements, whatever their number."""
    lists = {product.priced_by for product in products}  # type: ignore[attr-defined]  # sold_products
    price_list = get_price_list(pk) if (pk := next(iter(lists), None)) else None
    prices = prices_on(price_list, products)
    return [(product, prices[product.pk]) for product in products]


def own_prices(price_list: PriceList) -> list[tuple[int, int, str, Decimal]]:
    """All prices of living products on the list, by the products' names: (its id, product, SKU, price)."""
    prices = price_list.prices.filter(product__deleted_at=None)
    named = prices.order_by("product__sorted_name", "product")
    return list(named.values_list("pk", "product_id", "product__sku", "price"))


def latest_repricing(price_list: PriceList) -> Repricing | None:
    """When all its prices were raised or lowered last, unless that was undone."""
    latest = price_list.repricings.select_related("actor", "undoes").order_by("-pk").first()
    return None if latest is None or latest.undoes else latest


def repricing_record(repricing: Repricing) -> dict[str, Any]:
    """What was done to the prices."""
    return {
        "percent": repricing.percent,
        "prices_changed": repricing.prices,
        "created_at": repricing.created_at,
    }


def is_undone(repricing: Repricing) -> bool:
    """Was it taken back?"""
    return Repricing.objects.filter(undoes=repricing).exists()


def prices_of(product: Product) -> list[tuple[PriceList, Decimal]]:
    """What this product costs by each living list, by the names of the lists: two statements."""
    listed = dict(product.listed_prices.values_list("price_list_id", "price"))
    return [
        (each, price_for(product.price, listed.get(each.pk), each.discount))
        for each in price_lists().order_by("sorted_name")
    ]
