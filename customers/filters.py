"""Which customers a list shows: one FilterSet for the page and the API."""

import django_filters
from django.db.models import QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.roles import Permission
from erp_site.core import taxid
from erp_site.core.errors import Denied
from erp_site.core.filtering import FlagFilter, FromFilter, IdFilter, ListFilter, ToFilter
from erp_site.core.search import matching, prefixed

from . import queries
from .models import Customer, CustomerWord


class CustomerFilter(ListFilter):
    """Every filter of the list of customers. Needs the request: who asks decides about tax ids."""

    search = django_filters.CharFilter(
        method="filter_search", max_length=200, label=gettext_lazy("Search")
    )
    name = django_filters.CharFilter(
        method="filter_name", max_length=200, label=gettext_lazy("Name")
    )
    email = django_filters.CharFilter(
        method="filter_email", max_length=254, label=gettext_lazy("E-mail")
    )
    cpf_cnpj = django_filters.CharFilter(method="filter_cpf_cnpj", max_length=32, label="CPF/CNPJ")
    is_active = FlagFilter("is_active", label=gettext_lazy("Active"))
    price_list_id = IdFilter("price_list_id", label=gettext_lazy("Price list"))
    created_from = FromFilter("created_at", label=gettext_lazy("Customer since, from"))
    created_to = ToFilter("created_at", label=gettext_lazy("Customer since, to"))

    spans = (("created_from", "created_to"),)

    class Meta:
        model = Customer
        fields: list[str] = []

    @property
    def sees_tax_ids(self) -> bool:
        """May the reader see tax ids? Who may not, may not find out by guessing either."""
        return self.request.user.has_perm(Permission.VIEW_TAX_IDS)

    def filter_search(
        self, queryset: QuerySet[Customer], name: str, value: str
    ) -> QuerySet[Customer]:
        """By words of the name, the e-mail or the CPF/CNPJ: their beginnings."""
        return queries.search(queryset, value, by_tax_id=self.sees_tax_ids)

    def filter_name(
        self, queryset: QuerySet[Customer], name: str, value: str
    ) -> QuerySet[Customer]:
        """By beginnings of words of the name."""
        return matching(queryset, CustomerWord, value)

    def filter_email(
        self, queryset: QuerySet[Customer], name: str, value: str
    ) -> QuerySet[Customer]:
        """By the beginning of the e-mail."""
        return queryset.filter(prefixed("email", value.strip().lower()))

    def filter_cpf_cnpj(
        self, queryset: QuerySet[Customer], name: str, value: str
    ) -> QuerySet[Customer]:
        """By the beginning of the CPF or CNPJ, with or without punctuation.

        Raises:
            Denied: the reader may not see tax ids.
        """
        if not self.sees_tax_ids:
            raise Denied(_("Your role may not see tax ids."))
        prefix = taxid.normalise(value)
        return queryset.filter(prefixed("cpf_cnpj", prefix)) if prefix else queryset.none()
