"""Which orders a list shows: one FilterSet for the page and the API."""

import re
from typing import Any, Final

import django_filters
from django.db.models import Q, QuerySet

from accounts.roles import Permission
from customers.models import Customer, CustomerWord
from erp_site.core import clock, search, taxid
from erp_site.core.filtering import FlagFilter, FromFilter, IdFilter, ToFilter

from .models import Order
from .states import OPEN, OrderStatus

_NUMBER: Final = re.compile(r"(?:PED-)?0*([1-9][0-9]{0,17})", re.IGNORECASE)


class OrderFilter(django_filters.FilterSet):
    """Every filter of the list of orders. Names are the contract's."""

    status = django_filters.MultipleChoiceFilter(choices=OrderStatus.choices)
    customer_id = IdFilter("customer_id")
    created_from = FromFilter("created_at")
    created_to = ToFilter("created_at")
    due_from = django_filters.DateFilter("due_date", lookup_expr="gte")
    due_to = django_filters.DateFilter("due_date", lookup_expr="lte")
    late = FlagFilter(method="filter_late")
    updated_since = FromFilter("updated_at")
    search = django_filters.CharFilter(method="filter_search", max_length=200)

    class Meta:
        model = Order
        fields: list[str] = []

    def filter_late(
        self, queryset: QuerySet[Order], name: str, value: bool | None
    ) -> QuerySet[Order]:
        """Open past the due date."""
        if value is None:
            return queryset
        late = Q(status__in=sorted(OPEN), due_date__lt=clock.today())
        return (
            queryset.filter(late)
            if value
            else queryset.exclude(pk__in=Order.objects.filter(late).values("pk"))
        )

    def filter_search(self, queryset: QuerySet[Order], name: str, value: str) -> QuerySet[Order]:
        """By number, by words of the customer's name, or by CPF/CNPJ for those who may see it."""
        text = value.strip()
        matches = Q(
            customer_id__in=search.matching(Customer.all_objects.all(), CustomerWord, text).values(
                "pk"
            )
        )
        if number := _NUMBER.fullmatch(text):
            matches |= Q(pk=int(number[1]))
        if self._may_see_tax_ids() and taxid.is_valid(tax_id := taxid.normalise(text)):
            matches |= Q(customer_id__in=Customer.all_objects.filter(cpf_cnpj=tax_id).values("pk"))
        return queryset.filter(matches)

    def _may_see_tax_ids(self) -> bool:
        user: Any = getattr(self.request, "user", None)
        return bool(user and user.has_perm(Permission.VIEW_TAX_IDS))
