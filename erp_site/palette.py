"""Ctrl+K: one field that leads anywhere. Actions, pages and records that fit what is typed, as the role allows."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_safe

from accounts.auth import SignedIn
from accounts.menu import NavItem, menu_for
from accounts.roles import Permission
from catalog.queries import as_record, find_price_lists, find_products
from customers.queries import find_customers
from erp_site.core.htmx import is_partial
from erp_site.core.search import words
from erp_site.templatetags.formats import money, tax_id, whole
from orders.queries import find_orders, number_in

#: Of each kind of record.
MOST: Final = 5
LONGEST: Final = 100

#: What can be begun from anywhere.
ACTIONS: Final = (
    NavItem(
        gettext_lazy("New order"), "orders:new", icon="plus", permission=Permission.PLACE_ORDER
    ),
    NavItem(
        gettext_lazy("New customer"),
        "customers:new",
        icon="plus",
        permission=Permission.CHANGE_CUSTOMERS,
    ),
    NavItem(
        gettext_lazy("New product"),
        "catalog:new",
        icon="plus",
        permission=Permission.CHANGE_PRODUCTS,
    ),
    NavItem(
        gettext_lazy("New price list"),
        "catalog:price_list_new",
        icon="plus",
        permission=Permission.CHANGE_PRICE_LISTS,
    ),
    NavItem(gettext_lazy("New user"), "users:new", icon="plus", permission=Permission.MANAGE_USERS),
)


@dataclass(frozen=True, slots=True)
class Choice:
    """One line of the palette."""

    label: str | Promise
    url: str
    icon: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    title: str
    choices: list[Choice]


def fits(label: str, typed: str) -> bool:
    """Does every word typed begin a word of the label, accents and case apart?"""
    have = words(label)
    return all(any(word.startswith(term) for word in have) for term in words(typed))


def groups(request: SignedIn, typed: str) -> list[Group]:
    """Everything that fits: without words, actions and pages alone; the records after, exact ones first."""
    user = request.user
    actions = [item for item in ACTIONS if item.permission and user.has_perm(item.permission)]
    pages = [item for group in menu_for(user) for item in group.items]
    found = [
        Group(_("Actions"), _offered(actions, typed)),
        Group(_("Pages"), _offered(pages, typed)),
    ]
    if words(typed):
        records = _records(request, typed)
        found = (
            [*records, *found]
            if any(character.isdigit() for character in typed)
            else [*found, *records]
        )
    return [group for group in found if group.choices]


def _offered(items: Iterable[NavItem], typed: str) -> list[Choice]:
    return [
        Choice(item.label, item.url, item.icon) for item in items if fits(str(item.label), typed)
    ]


def _records(request: SignedIn, typed: str) -> list[Group]:
    user = request.user
    found = []
    if user.has_perm(Permission.VIEW_ORDERS):
        found.append(Group(_("Orders"), _orders(typed)))
    if user.has_perm(Permission.VIEW_CUSTOMERS):
        customers = [
            Choice(
                customer.name,
                reverse("customers:detail", args=[customer.pk]),
                "users",
                tax_id(customer.cpf_cnpj, user),
            )
            for customer in find_customers(user, typed, limit=MOST)
        ]
        found.append(Group(_("Customers"), customers))
    if user.has_perm(Permission.VIEW_PRODUCTS):
        records = [as_record(product) for product in find_products(typed, limit=MOST)]
        products = [
            Choice(
                record["name"],
                reverse("catalog:detail", args=[record["id"]]),
                "package",
                f"{record['sku']} · {money(record['price'])} · "
                + _("%(count)s available") % {"count": whole(record["available"])},
            )
            for record in records
        ]
        group = Group(_("Products"), products)
        # "CABO-10" is a product before it is the beginning of some customer's reference that reads "OC 10".
        code = typed.strip().upper()
        by_code = number_in(code) is None and any(it["sku"].startswith(code) for it in records)
        found.insert(0 if by_code else len(found), group)
        price_lists = [
            Choice(each.name, reverse("catalog:price_list", args=[each.pk]), "tag")
            for each in find_price_lists(typed, limit=MOST)
        ]
        found.append(Group(_("Price lists"), price_lists))
    return found


def _orders(typed: str) -> list[Choice]:
    return [
        Choice(
            f"{order.number} · {order.customer.name}",
            reverse("orders:detail", args=[order.pk]),
            "shopping-cart",
            " · ".join(
                filter(
                    None,
                    [
                        order.customer_reference,
                        order.get_status_display(),
                        money(order.total),
                    ],
                )
            ),
        )
        for order in find_orders(typed, limit=MOST)
    ]


@require_safe
def palette(request: SignedIn) -> HttpResponse:
    """The field with what fits it; htmx asks for the lines alone."""
    typed = request.GET.get("q", "")[:LONGEST]
    context = {"typed": typed, "groups": groups(request, typed)}
    template = "palette.html#choices" if is_partial(request) else "palette.html"
    return render(request, template, context)
