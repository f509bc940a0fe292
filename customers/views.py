"""The pages of customers: the list, one customer with their orders, and the form."""

from collections.abc import Mapping
from functools import partial
from typing import Any, Final
from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpResponse, HttpResponseBadRequest
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.utils.translation import pgettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.auth import SignedIn, require
from accounts.roles import Permission
from catalog.models import PriceList
from catalog.queries import get_price_list, price_list_choices
from erp_site.core import sections, taxid
from erp_site.core.editing import edit
from erp_site.core.errors import Duplicate, Invalid, NothingNamed
from erp_site.core.events import Aggregate
from erp_site.core.htmx import is_partial, tell_undoable
from erp_site.core.listing import listing
from erp_site.core.paths import record_id

from . import queries, services
from .filters import CustomerFilter
from .forms import CustomerForm
from .models import Customer

CPF, CNPJ = 11, 14
#: Customers to choose from, where words fit several.
MOST_OPTIONS: Final = 8


@require_safe
@require(Permission.VIEW_CUSTOMERS)
def customer_list(request: SignedIn) -> HttpResponse:
    """All customers, filtered by the address; htmx asks for the results alone."""
    found = listing(
        request,
        CustomerFilter,
        queries.customers_with_lists(),
        sorts=queries.SORTS,
        default="name",
    )
    context: dict[str, Any] = {"listing": found}
    if is_partial(request):
        return render(request, "customers/customer_list.html#results", context)
    context["price_lists"] = price_list_choices()
    context["tabs"] = [
        {"label": label, "query": query, "is_here": found.filters == filters}
        for label, query, filters in (
            (_("All"), "", {}),
            (pgettext("several", "Active"), "is_active=true", {"is_active": ["true"]}),
            (pgettext("several", "Inactive"), "is_active=false", {"is_active": ["false"]}),
        )
    ]
    return render(request, "customers/customer_list.html", context)


@require_safe
@require(Permission.VIEW_CUSTOMERS)
def customer_detail(request: SignedIn, customer_id: int) -> HttpResponse:
    return _show(request, queries.get_customer(customer_id))


def _show(
    request: SignedIn, customer: Customer, *, problem: str = "", status: int = 200
) -> HttpResponse:
    context = {
        "customer": customer,
        "sections": sections.of("customers:detail", customer.pk, request.user),
        "problem": problem,
    }
    return render(request, "customers/customer_detail.html", context, status=status)


@require_http_methods(["GET", "HEAD", "POST"])
@require(Permission.CHANGE_CUSTOMERS)
def customer_new(request: SignedIn) -> HttpResponse:
    """A new customer; whoever came from an order (`?next=`) goes back to it with them chosen."""
    way_back = _way_back(request)
    form = CustomerForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        typed = {name: value for name, value in form.cleaned_data.items() if name != "version"}
        try:
            customer = services.create_customer(actor=request.user, **typed)
        except (Duplicate, Invalid, NothingNamed) as refusal:
            form.add_refusal(refusal)
        else:
            messages.success(request, _("%(name)s is added.") % {"name": customer.name})
            if way_back:
                mark = "&" if "?" in way_back else "?"
                return redirect(f"{way_back}{mark}{urlencode({'customer': customer.pk})}")
            return redirect("customers:detail", customer.pk)
    context = {"form": form, "customer": None, "next": way_back}
    return render(
        request, "customers/customer_form.html", context, status=422 if form.errors else 200
    )


def _way_back(request: SignedIn) -> str:
    """Where `next` leads, if that is a page of ours."""
    wanted = request.POST.get("next") or request.GET.get("next", "")
    is_ours = wanted.startswith("/") and url_has_allowed_host_and_scheme(wanted, allowed_hosts=None)
    return wanted if is_ours else ""


@require_http_methods(["GET", "HEAD", "POST"])
@require(Permission.CHANGE_CUSTOMERS)
def customer_edit(request: SignedIn, customer_id: int) -> HttpResponse:
    """Change a customer, see `core.editing`."""
    customer = queries.get_customer(customer_id)
    record = queries.as_record(customer, request.user)
    save = partial(services.update_customer, actor=request.user, customer_id=customer_id)
    edited = edit(request, CustomerForm, Aggregate.CUSTOMER, record, save)
    if edited.saved:
        messages.success(request, _("The changes are saved."))
        return redirect("customers:detail", customer_id)
    context = {"customer": customer, **edited.context}
    return render(request, "customers/customer_form.html", context, status=edited.status)


@require_POST
@require(Permission.CHANGE_CUSTOMERS)
def tax_id_check(request: SignedIn) -> HttpResponse:
    """What the CPF or CNPJ typed so far is: too short to say, wrong, taken, or right."""
    # Where the form is a part of another, its field has a prefix.
    name = next((name for name in request.POST if name.endswith("cpf_cnpj")), "cpf_cnpj")
    tax_id = taxid.normalise(request.POST.get(name, ""))[:32]
    context: dict[str, Any] = {"length": len(tax_id)}
    if len(tax_id) not in {CPF, CNPJ}:
        context["state"] = "" if not tax_id else "short" if len(tax_id) < CNPJ else "wrong"
    elif not taxid.is_valid(tax_id):
        # Eleven places may still become a CNPJ.
        context["state"] = "short" if len(tax_id) == CPF else "wrong"
    else:
        holder = queries.with_tax_id(tax_id)
        is_own = holder is not None and str(holder.pk) == request.GET.get("customer", "")
        context |= {
            "state": "taken" if holder and not is_own else "right",
            "holder": holder,
            "kind": "CPF" if len(tax_id) == CPF else "CNPJ",
            "formatted": taxid.formatted(tax_id),
        }
    return render(request, "customers/_tax_id.html#check", context)


@require_POST
@require(Permission.CHANGE_CUSTOMERS)
def customer_activity(request: SignedIn, customer_id: int) -> HttpResponse:
    """Take orders from them, or no more."""
    wanted = request.POST.get("is_active")
    if wanted not in {"true", "false"}:
        return HttpResponseBadRequest()
    customer = services.update_customer(
        actor=request.user, customer_id=customer_id, is_active=wanted == "true"
    )
    # Not in the words in which an order for an inactive customer is refused.
    message = (
        _("%(name)s is active again.") if customer.is_active else _("%(name)s is deactivated.")
    )
    tell_undoable(
        request,
        message % {"name": customer.name},
        reverse("customers:activity", args=[customer_id]),
        is_active="false" if customer.is_active else "true",
    )
    return redirect("customers:detail", customer_id)


@require_POST
@require(Permission.CHANGE_CUSTOMERS)
def customer_delete(request: SignedIn, customer_id: int) -> HttpResponse:
    """Take them out of the lists; while an order is open, the page says so instead."""
    customer = queries.get_customer(customer_id)
    try:
        services.delete_customer(actor=request.user, customer_id=customer_id)
    except services.CustomerInUse as refusal:
        return _show(request, customer, problem=refusal.message, status=refusal.status)
    messages.success(request, _("%(name)s is deleted.") % {"name": customer.name})
    return redirect("customers:list")


@require_http_methods(["GET", "HEAD", "POST"])
@require(Permission.CHANGE_CUSTOMERS)
def price_list_customers(request: SignedIn, price_list_id: int) -> HttpResponse:
    """Give a price list to one customer after another, each found by words."""
    price_list = get_price_list(price_list_id)
    names = dict(price_list_choices())
    if request.method == "POST":
        return _give(request, price_list, names)
    text = request.GET.get("search", "").strip()
    found = queries.find_customers(request.user, text, limit=MOST_OPTIONS) if text else []
    rows = [(customer, names.get(customer.price_list_id or 0, "")) for customer in found]
    context = {"price_list": price_list, "typed": text, "rows": rows}
    return render(request, "customers/price_list_customers.html", context)


def _give(request: SignedIn, price_list: PriceList, names: Mapping[int, str]) -> HttpResponse:
    """The list to this customer; or, to undo that, the one that they had (`price_list_id`), if any."""
    customer = queries.get_customer(record_id(request.POST.get("customer", "")) or 0)
    was, wanted = customer.price_list_id, record_id(request.POST.get("price_list_id", ""))
    if "price_list_id" not in request.POST:
        wanted = price_list.pk
    services.update_customer(actor=request.user, customer_id=customer.pk, price_list_id=wanted)
    message = _("%(name)s pays ordinary prices now.")
    if wanted:
        message = _("%(name)s buys by %(price_list)s now.")
    message %= {"name": customer.name, "price_list": names.get(wanted or 0, "")}
    url = reverse("customers:price_list", args=[price_list.pk])
    if was == wanted:
        messages.success(request, message)
    else:
        held = {"customer": str(customer.pk), "price_list_id": str(was or "")}
        tell_undoable(request, message, url, **held)
    return redirect(url)
