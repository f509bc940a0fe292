"""Which products a list shows: one FilterSet for the page and the API."""

import django_filters
from django.db.models import QuerySet, Value
from django.utils.translation import gettext_lazy as _

from erp_site.core.filtering import FlagFilter, IdFilter, ListFilter, MoneyFilter
from erp_site.core.money import LARGEST_PRICE
from erp_site.core.search import matching, prefixed

from . import queries
from .models import ListedPrice, PriceList, Product, ProductWord, StockMovement


class ProductFilter(ListFilter):
    """Every filter of the list of products."""

    search = django_filters.CharFilter(method="filter_search", max_length=200, label=_("Search"))
    name = django_filters.CharFilter(method="filter_name", max_length=200, label=_("Name"))
    sku = django_filters.CharFilter(method="filter_sku", max_length=64, label="SKU")
    is_active = FlagFilter("is_active", label=_("Sold"))
    price_min = MoneyFilter(
        "price", "gte", min_value=0, max_value=LARGEST_PRICE, label=_("Price from")
    )
    price_max = MoneyFilter(
        "price", "lte", min_value=0, max_value=LARGEST_PRICE, label=_("Price to")
    )
    low_stock = FlagFilter(method="filter_low_stock", label=_("Low stock"))

    spans = (("price_min", "price_max"),)

    class Meta:
        model = Product
        fields: list[str] = []

    def filter_search(
        self, queryset: QuerySet[Product], name: str, value: str
    ) -> QuerySet[Product]:
        """By beginnings of words of the SKU, the GTIN and the name."""
        return queries.search(queryset, value)

    def filter_name(self, queryset: QuerySet[Product], name: str, value: str) -> QuerySet[Product]:
        """By beginnings of words of the name alone."""
        return matching(queryset, ProductWord, value)

    def filter_sku(self, queryset: QuerySet[Product], name: str, value: str) -> QuerySet[Product]:
        """By the beginning of the SKU, in any case."""
        return queryset.filter(prefixed("sku", value.strip().upper()))

    def filter_low_stock(
        self, queryset: QuerySet[Product], name: str, value: bool
    ) -> QuerySet[Product]:
        """Those with no more than their threshold available, or (false) all others."""
        return queries.low_stock(queryset, low=value)


class PriceListFilter(ListFilter):
    """Which price lists a list of them shows."""

    search = django_filters.CharFilter(method="filter_search", max_length=200, label=_("Search"))

    class Meta:
        model = PriceList
        fields: list[str] = []

    def filter_search(
        self, queryset: QuerySet[PriceList], name: str, value: str
    ) -> QuerySet[PriceList]:
        """By what the name contains."""
        return queries.search_price_lists(queryset, value)


class ListedFilter(ListFilter):
    """Which products a price list shows of those that have a price there."""

    search = django_filters.CharFilter(method="filter_search", max_length=200, label=_("Search"))

    class Meta:
        model = Product
        fields: list[str] = []

    filter_search = ProductFilter.filter_search


class PriceFilter(ListFilter):
    """Which prices a file of them has."""

    price_list_id = IdFilter("price_list_id", label=_("Price list"))

    class Meta:
        model = ListedPrice
        fields: list[str] = []


class PricedFilter(ListFilter):
    """By which price list the products that are sold are priced: all of them, by none at their ordinary prices."""

    price_list_id = IdFilter(method="filter_price_list", label=_("Price list"))

    class Meta:
        model = Product
        fields: list[str] = []

    def filter_price_list(
        self, queryset: QuerySet[Product], name: str, value: int
    ) -> QuerySet[Product]:
        """Raises NotFound if there is no such list."""
        return queryset.annotate(priced_by=Value(queries.get_price_list(value).pk))


class MovementFilter(ListFilter):
    """What a product's ledger shows."""

    kind = django_filters.ChoiceFilter(choices=StockMovement.Kind.choices, label=_("Kind"))

    class Meta:
        model = StockMovement
        fields: list[str] = []
