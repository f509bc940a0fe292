"""Reading customers."""

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from accounts.roles import Permission
from catalog.models import PriceList
from erp_site.core import taxid
from erp_site.core.errors import NotFound
from erp_site.core.pagination import rows_of
from erp_site.core.search import fold, matching_or, prefixed

from .models import Customer, CustomerWord

if TYPE_CHECKING:
    from accounts.models import User

#: The beginning of a CPF or CNPJ as people type it: a digit somewhere, and letters only without spaces.
_TAX_ID: Final = re.compile(r"(?=.*[0-9])([0-9A-Za-z./-]+|[0-9./\s-]+)")

#: Fewer digits, without a point, are rather the number of something.
_SHORTEST_TAX_ID: Final = 5

#: What a list may be sorted by: the public name and its column.
SORTS: Final = {"name": "sorted_name", "created_at": "created_at", "updated_at": "updated_at"}


def customers() -> QuerySet[Customer]:
    """The living ones."""
    return Customer.objects.all()


def customers_with_lists() -> QuerySet[Customer]:
    """The same with their price lists in one more query, so that sorting keeps its index."""
    return customers().prefetch_related("price_list")


def get_customer(customer_id: int) -> Customer:
    """Raises NotFound, for a deleted one too."""
    customer = customers().filter(pk=customer_id).first()
    if customer is None:
        raise missing(customer_id)
    return customer


def is_any_tax_id(tax_ids: Iterable[str]) -> bool:
    """Is one of these the CPF or CNPJ of a living customer?"""
    return Customer.objects.filter(cpf_cnpj__in=map(taxid.normalise, tax_ids)).exists()


def price_list_of(customer_id: int) -> PriceList | None:
    """By which list this customer buys; None: at ordinary prices."""
    return PriceList.objects.filter(customers=customer_id).first()


def anybody_buys_by(price_list: PriceList) -> bool:
    """Has a living customer this price list?"""
    return customers().filter(price_list=price_list).exists()


def missing(customer_id: int) -> NotFound:
    """The refusal that names this customer."""
    return NotFound(_("There is no such customer."), customer_id=customer_id)


def as_record(customer: Customer, reader: "User") -> dict[str, Any]:
    """The customer as `reader` may see it: the one place that hides tax ids."""
    sees_tax_ids = reader.has_perm(Permission.VIEW_TAX_IDS)
    return {
        "id": customer.pk,
        "name": customer.name,
        "cpf_cnpj": customer.cpf_cnpj if sees_tax_ids else taxid.masked(customer.cpf_cnpj),
        "email": customer.email,
        "phone": customer.phone,
        "address": customer.address,
        "is_active": customer.is_active,
        "price_list_id": customer.price_list_id,
        "version": customer.version,
        "created_at": customer.created_at,
        "updated_at": customer.updated_at,
    }


def search(queryset: QuerySet[Customer], text: str, *, by_tax_id: bool) -> QuerySet[Customer]:
    """By beginnings of words of the name, or the beginning of the e-mail or (if allowed) of the CPF or CNPJ."""
    text = text.strip()
    if not text:
        return queryset
    keys = prefixed("email", text.lower())
    if by_tax_id and _TAX_ID.fullmatch(text):
        keys |= prefixed("cpf_cnpj", taxid.normalise(text))
    return matching_or(queryset, CustomerWord, text, keys)


def find_customers(
    reader: "User", text: str, *, limit: int, with_inactive: bool = False
) -> list[Customer]:
    """What a person at the order desk means: active customers by words of the name, e-mail, CPF or CNPJ.

    Those whose name begins with the text come first. Where these are enough the others are not looked for: of fifty
    thousand customers two thousand are a "Padaria", and all come before the first "Restaurante" in the list. The
    inactive come last, if they are wanted and there is room: one statement more, whether there are any or not.
    """
    active = customers().filter(is_active=True)
    order = ["sorted_name", "id"]
    first = rows_of(active.filter(prefixed("sorted_name", fold(text.strip()))), order, 0, limit)
    if len(first) == limit:
        return first
    living = customers() if with_inactive else active
    found = search(living, text, by_tax_id=reader.has_perm(Permission.VIEW_TAX_IDS))
    others = rows_of(found.filter(is_active=True), order, 0, limit)
    meant = [*first, *(each for each in others if each not in first)][:limit]
    if not with_inactive or len(meant) == limit:
        return meant
    # Asked for apart, since no index sorts by both; they are few, so whole rows may be sorted.
    return [*meant, *found.filter(is_active=False).order_by(*order)[: limit - len(meant)]]


def ids_by_tax_id(text: str) -> "QuerySet[Customer, int] | None":
    """Whose CPF or CNPJ begins so, deleted ones too; None if this is no such beginning. For those who may see them."""
    if not _TAX_ID.fullmatch(text) or (text.isdigit() and len(text) < _SHORTEST_TAX_ID):
        return None
    begins_so = prefixed("cpf_cnpj", taxid.normalise(text))
    return Customer.all_objects.filter(begins_so).values_list("pk", flat=True)


def with_tax_id(tax_id: str) -> Customer | None:
    """The living customer with this normalised CPF or CNPJ."""
    return customers().filter(cpf_cnpj=tax_id).first()
