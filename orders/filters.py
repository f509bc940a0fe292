"""Which orders a list shows: one FilterSet for the page and the API."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any, Final

import django_filters
from django.db import connection
from django.db.models import Q, QuerySet
from django.utils.translation import gettext_lazy as _

from accounts.roles import Permission
from customers.models import CustomerWord
from customers.queries import ids_by_tax_id
from erp_site.core import clock, search, taxid
from erp_site.core.filtering import (
    DayFilter,
    FlagFilter,
    FromFilter,
    IdFilter,
    ListFilter,
    ToFilter,
)
from erp_site.core.pagination import of_short_span

from . import queries
from .models import Order
from .states import FINAL, OPEN, OrderStatus

#: The columns that a span of time is asked of, and the filters of its ends.
_SPANS: Final = (
    ("due_date", "due_from", "due_to"),
    ("created_at", "created_from", "created_to"),
)
#: So many days' orders may be sorted.
SHORT: Final = timedelta(days=62)
#: In which there is no order.
NO_STATUS: Final = "-"
#: So many customers' orders are looked for by customer; with more, most pages of orders have one of theirs.
MOST_CUSTOMERS: Final = 500


class OrderFilter(ListFilter):
    """Every filter of the list of orders. Names are the contract's."""

    status = django_filters.MultipleChoiceFilter(
        choices=OrderStatus.choices, method="filter_status", label=_("Status")
    )
    customer_id = IdFilter("customer_id", label=_("Customer"))
    created_from = FromFilter("created_at", label=_("Created from"))
    created_to = ToFilter("created_at", label=_("Created to"))
    due_from = DayFilter(method="filter_due_from", label=_("Due from"))
    due_to = DayFilter(method="filter_due_to", label=_("Due to"))
    late = FlagFilter(method="filter_late", label=_("Only late ones"))
    updated_since = FromFilter("updated_at", label=_("Changed since"))
    search = django_filters.CharFilter(method="filter_search", max_length=200, label=_("Search"))

    spans = tuple((first, last) for _column, first, last in _SPANS)

    class Meta:
        model = Order
        fields: list[str] = []

    def filter_queryset(self, queryset: QuerySet[Order]) -> QuerySet[Order]:
        found: QuerySet[Order] = super().filter_queryset(queryset)
        wanted = self.form.cleaned_data
        short = self._short_spans()
        if self._begins_elsewhere(short):
            first, last = queries.creation_of_those_due(wanted["due_from"], wanted["due_to"])
            if first is None:
                return found.none()
            found = found.filter(created_at__gte=first, created_at__lte=last)
            if short:
                short.append("created_at")
        return of_short_span(found, *short) if short else found

    def _short_spans(self) -> list[str]:
        """The columns of which a span is wanted that few orders lie in."""
        wanted = self.form.cleaned_data
        return [
            column
            for column, first, last in _SPANS
            if wanted[first] and wanted[last] and wanted[last] - wanted[first] <= SHORT
        ]

    def _begins_elsewhere(self, short: Sequence[str]) -> bool:
        """Would a list sorted by creation go past half a million orders before it comes to those that are due then?

        That took a second. Where they begin is known soon but on SQLite, which looks at each order of the span. One
        customer's orders are few.
        """
        if self.form.cleaned_data["customer_id"]:
            return False
        if "due_date" in short:
            return True
        oldest_first = self.data.get("sort") == "created_at"
        reached_last = self.form.cleaned_data["due_from" if oldest_first else "due_to"]
        return bool(reached_last) and connection.vendor == "mysql"

    def filter_status(
        self, queryset: QuerySet[Order], name: str, value: list[str]
    ) -> QuerySet[Order]:
        """In one of these states; none named, in any."""
        if not value:
            return queryset
        wanted = self.form.cleaned_data
        if len(value) == 1 and wanted["created_from"] and wanted["created_to"]:
            # MariaDB would go through all orders of this one state, although the index says where the span begins.
            value = [*value, NO_STATUS]
        return queryset.filter(status__in=value)

    def filter_due_from(self, queryset: QuerySet[Order], name: str, value: date) -> QuerySet[Order]:
        """Due on this day or later."""
        return queryset.filter(queries.ANY_STATUS, due_date__gte=value)

    def filter_due_to(self, queryset: QuerySet[Order], name: str, value: date) -> QuerySet[Order]:
        """Due on this day or earlier."""
        return queryset.filter(queries.ANY_STATUS, due_date__lte=value)

    def filter_late(
        self, queryset: QuerySet[Order], name: str, value: bool | None
    ) -> QuerySet[Order]:
        """Open past the due date."""
        if value is None:
            return queryset
        today = clock.today()
        if value:
            return queryset.filter(status__in=sorted(OPEN), due_date__lt=today)
        return queryset.filter(
            Q(status__in=sorted(FINAL)) | Q(due_date=None) | Q(due_date__gte=today)
        )

    def filter_search(self, queryset: QuerySet[Order], name: str, value: str) -> QuerySet[Order]:
        """By number, by the beginning of the customer's reference, by words of the customer's name, or by CPF/CNPJ for
        those who may see it; digits alone begin one where they are nothing else."""
        text = value.strip()
        if not text:
            return queryset
        number = queries.number_in(text)
        if number and queries.is_our_number(text):
            return queryset.filter(pk=number)
        by_tax_id = Q()
        if self._may_see_tax_ids():
            by_tax_id = self._of_customers(ids_by_tax_id(text))
        if by_tax_id and ("." in text or taxid.is_valid(taxid.normalise(text))):
            return queryset.filter(by_tax_id)
        matches = _any_of(
            "pk",
            Order.all_objects.filter(pk=number).values_list("pk", flat=True) if number else None,
            queries.ids_by_reference(text),
            most=queries.MOST_REFERENCES,
            lookup="among",
        )
        matches |= self._of_customers(search.owners(CustomerWord, text))
        # Not all three at once: what begins so by chance would cost a row to be read for each order of those customers.
        matches = matches or by_tax_id
        return queryset.filter(matches) if matches else queryset.none()

    def _of_customers(self, found: "QuerySet[Any, int] | None") -> Q:
        lookup = "along" if "created_at" in self._short_spans() else "among"
        return _any_of("customer_id", found, most=MOST_CUSTOMERS, lookup=lookup)

    def _may_see_tax_ids(self) -> bool:
        user: Any = getattr(self.request, "user", None)
        return bool(user and user.has_perm(Permission.VIEW_TAX_IDS))


def _any_of(column: str, *found: "QuerySet[Any, int] | None", most: int, lookup: str) -> Q:
    """`column` is one of the ids: by themselves where these are few."""
    few: set[int] = set()
    matches = Q()
    for each in found:
        ids = [] if each is None else list(each.distinct()[: most + 1])
        if len(ids) > most:
            matches |= Q(**{f"{column}__{lookup}": each})
        else:
            few.update(ids)
    return matches | Q(**{f"{column}__in": sorted(few)}) if few else matches
