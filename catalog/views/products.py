"""The pages of products: the list, one product with its ledger, and its form."""

from functools import partial
from typing import Any

from django.contrib import messages
from django.http import HttpResponse, HttpResponseBadRequest
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import pgettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.auth import SignedIn, require
from accounts.roles import Permission
from catalog import queries, services
from catalog.filters import MovementFilter, ProductFilter
from catalog.forms import NewProductForm, ProductForm
from catalog.models import Product, is_low
from erp_site.core import sections
from erp_site.core.editing import edit
from erp_site.core.errors import Duplicate, Invalid
from erp_site.core.events import Aggregate
from erp_site.core.htmx import is_partial, tell_undoable
from erp_site.core.listing import listing


def row(product: Product) -> dict[str, Any]:
    """A product with its stock, and whether it is time to buy."""
    record = queries.as_record(product)
    low = is_low(record["on_hand"], record["reserved"], record["low_stock_threshold"])
    return {**record, "is_low": low}


@require_safe
@require(Permission.VIEW_PRODUCTS)
def product_list(request: SignedIn) -> HttpResponse:
    """All products, filtered by the address; htmx asks for the results alone."""
    found = listing(request, ProductFilter, queries.products(), sorts=queries.SORTS, default="name")
    context: dict[str, Any] = {"listing": found, "products": [row(it) for it in found.rows]}
    if is_partial(request):
        return render(request, "catalog/product_list.html#results", context)
    counts = queries.tab_counts()
    context["tabs"] = [
        {"label": _("All"), "query": "", "is_here": not found.filters},
        {
            "label": _("Low stock"),
            "query": "low_stock=true",
            "count": counts["low_stock"],
            "is_here": found.filters == {"low_stock": ["true"]},
            "is_hot": True,
        },
        {
            "label": pgettext("several", "Inactive"),
            "query": "is_active=false",
            "count": counts["inactive"],
            "is_here": found.filters == {"is_active": ["false"]},
        },
    ]
    return render(request, "catalog/product_list.html", context)


@require_safe
@require(Permission.VIEW_PRODUCTS)
def product_detail(request: SignedIn, product_id: int) -> HttpResponse:
    """One product; htmx turns the pages of its ledger alone."""
    product = queries.get_product(product_id)
    if is_partial(request):
        return render(request, "catalog/product_detail.html#ledger", _ledger(request, product))
    return _show(request, product)


def _ledger(request: SignedIn, product: Product) -> dict[str, Any]:
    return {
        "product": product,
        "listing": listing(
            request,
            MovementFilter,
            queries.movements(product),
            sorts=queries.MOVEMENT_SORTS,
            default="-created_at",
        ),
    }


def _show(
    request: SignedIn, product: Product, *, problem: str = "", status: int = 200
) -> HttpResponse:
    context = {
        **_ledger(request, product),
        "record": row(product),
        "prices": queries.prices_of(product),
        "sections": sections.of("catalog:detail", product.pk, request.user),
        "problem": problem,
    }
    return render(request, "catalog/product_detail.html", context, status=status)


@require_http_methods(["GET", "HEAD", "POST"])
@require(Permission.CHANGE_PRODUCTS)
def product_new(request: SignedIn) -> HttpResponse:
    form = NewProductForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        typed = {name: value for name, value in form.cleaned_data.items() if name != "version"}
        try:
            product = services.create_product(actor=request.user, **typed)
        except (Duplicate, Invalid) as refusal:
            form.add_refusal(refusal)
        else:
            messages.success(request, _("%(sku)s is added.") % {"sku": product.sku})
            _tell_shared_gtin(request, product)
            return redirect("catalog:detail", product.pk)
    context = {"form": form, "product": None}
    return render(request, "catalog/product_form.html", context, status=422 if form.errors else 200)


def _tell_shared_gtin(request: SignedIn, product: Product) -> None:
    """Some makers give several articles one barcode, so it is saved; more often it is a slip."""
    if skus := queries.others_of_gtin(product):
        text = _(
            "GTIN %(gtin)s is that of %(skus)s, too: who scans it is asked which one is meant."
        )
        messages.warning(request, text % {"gtin": product.gtin, "skus": ", ".join(skus)})


@require_http_methods(["GET", "HEAD", "POST"])
@require(Permission.CHANGE_PRODUCTS)
def product_edit(request: SignedIn, product_id: int) -> HttpResponse:
    """Change a product, see `core.editing`."""
    product = queries.get_product(product_id)
    save = partial(services.update_product, actor=request.user, product_id=product_id)
    edited = edit(request, ProductForm, Aggregate.PRODUCT, queries.as_record(product), save)
    if edited.saved:
        messages.success(request, _("The changes are saved."))
        _tell_shared_gtin(request, edited.saved)
        return redirect("catalog:detail", product_id)
    context = {"product": product, **edited.context}
    return render(request, "catalog/product_form.html", context, status=edited.status)


@require_POST
@require(Permission.CHANGE_PRODUCTS)
def product_activity(request: SignedIn, product_id: int) -> HttpResponse:
    """Sell it, or sell it no more."""
    wanted = request.POST.get("is_active")
    if wanted not in {"true", "false"}:
        return HttpResponseBadRequest()
    product = services.update_product(
        actor=request.user, product_id=product_id, is_active=wanted == "true"
    )
    message = _("%(sku)s is sold again.") if product.is_active else _("%(sku)s is no longer sold.")
    tell_undoable(
        request,
        message % {"sku": product.sku},
        reverse("catalog:activity", args=[product_id]),
        is_active="false" if product.is_active else "true",
    )
    return redirect("catalog:detail", product_id)


@require_POST
@require(Permission.CHANGE_PRODUCTS)
def product_delete(request: SignedIn, product_id: int) -> HttpResponse:
    """Take it out of the lists; while there is stock of it, the page says so instead."""
    product = queries.get_product(product_id)
    try:
        services.delete_product(actor=request.user, product_id=product_id)
    except services.ProductInUse as refusal:
        return _show(request, product, problem=refusal.message, status=refusal.status)
    messages.success(request, _("%(sku)s is deleted.") % {"sku": product.sku})
    return redirect("catalog:list")
