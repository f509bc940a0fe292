"""Which users a list shows: one FilterSet for the page and the API."""

import django_filters
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from erp_site.core import search
from erp_site.core.filtering import FlagFilter, ListFilter

from . import queries
from .models import User, UserWord
from .roles import Role


class UserFilter(ListFilter):
    """Every filter of the list of users."""

    search = django_filters.CharFilter(method="filter_search", max_length=200, label=_("Search"))
    role = django_filters.ChoiceFilter(choices=Role.choices, label=_("Role"))
    is_active = FlagFilter("is_active", label=_("Active"))
    waiting = FlagFilter(method="filter_waiting", label=_("To approve"))

    class Meta:
        model = User
        fields: list[str] = []

    def filter_search(self, queryset: QuerySet[User], name: str, value: str) -> QuerySet[User]:
        """By beginnings of words of the name and of the e-mail address."""
        return search.matching(queryset, UserWord, value)

    def filter_waiting(self, queryset: QuerySet[User], name: str, value: bool) -> QuerySet[User]:
        """Those who registered and wait to be let in, or (false) all others."""
        waiting = queries.waiting_users().values("pk")
        return queryset.filter(pk__in=waiting) if value else queryset.exclude(pk__in=waiting)
