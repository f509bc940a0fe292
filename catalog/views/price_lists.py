"""The pages of price lists: all of them, one with its prices, and its form."""

from decimal import Decimal
from functools import partial
from typing import Any, Final

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.auth import SignedIn, require
from accounts.roles import Permission
from catalog import queries, services
from catalog.filters import ListedFilter, PriceListFilter
from catalog.forms import CopyForm, NewPriceForm, PriceForm, PriceListForm
from catalog.models import PriceList, Product
from erp_site.core.editing import edit
from erp_site.core.errors import Duplicate, Invalid
from erp_site.core.events import Aggregate
from erp_site.core.fields import grouped_amount
from erp_site.core.htmx import is_partial, tell_undoable
from erp_site.core.listing import listing
from erp_site.core.money import percent_change, to_text
from erp_site.core.paths import record_id

#: Characters of a name; the copy of a list with one as long has less of it in its own.
LONGEST_NAME: Final = 255


@require_safe
@require(Permission.VIEW_PRODUCTS)
def price_list_list(request: SignedIn) -> HttpResponse:
    """All price lists; htmx asks for the results alone."""
    found = listing(
        request,
        PriceListFilter,
        queries.price_lists(),
        sorts=queries.PRICE_LIST_SORTS,
        default="name",
    )
    extents = queries.extents(found.rows)
    context = {"listing": found, "rows": [(each, extents[each.pk]) for each in found.rows]}
    template = "catalog/price_list_list.html"
    return render(request, f"{template}#results" if is_partial(request) else template, context)


@require_safe
@require(Permission.VIEW_PRODUCTS)
def price_list_detail(request: SignedIn, price_list_id: int) -> HttpResponse:
    """One price list; htmx turns the pages of its prices alone."""
    price_list = queries.get_price_list(price_list_id)
    if is_partial(request):
        context = _prices(request, price_list)
        return render(request, "catalog/price_list_detail.html#prices", context)
    return _show(request, price_list)


def _row(record: dict[str, Any], form: PriceForm | None) -> dict[str, Any]:
    """A product of the list with what it costs there, and the form that changes it."""
    price, ordinary = record["price"], record["ordinary_price"]
    return {
        **record,
        "difference": percent_change(ordinary, price),
        # Named after the product: there is one in each row.
        "form": form or PriceForm(initial={"price": price}, auto_id=f"%s-{record['product_id']}"),
    }


def _prices(
    request: SignedIn, price_list: PriceList, refused: tuple[Product, PriceForm] | None = None
) -> dict[str, Any]:
    """The products with a price of their own; `refused` is the form of one row, with what was typed there."""
    found = listing(
        request,
        ListedFilter,
        queries.products_on(price_list),
        sorts=queries.LISTED_SORTS,
        default="name",
    )
    forms = {refused[0].pk: refused[1]} if refused else {}
    records = queries.listed_records(found.rows)
    rows = [_row(record, forms.get(record["product_id"])) for record in records]
    # Where the page goes on when a row is gone: at the one that comes in its place, or at the last that is left.
    for row, other in zip(rows, [*rows[1:], *rows[-2:-1]], strict=False):
        row["beside"] = other["form"]["price"].id_for_label
    return {"price_list": price_list, "listing": found, "rows": rows}


def _show(
    request: SignedIn,
    price_list: PriceList,
    *,
    form: NewPriceForm | None = None,
    refused: tuple[Product, PriceForm] | None = None,
    status: int = 200,
    **more: Any,
) -> HttpResponse:
    prices = _prices(request, price_list, refused)
    if refused and all(row["product_id"] != refused[0].pk for row in prices["rows"]):
        # Its row is gone meanwhile, or was searched away: what is wrong has no other place.
        [error, *_others] = refused[1].errors["price"]
        more["problem"] = f"{refused[0].sku}: {error}"
    context = {
        **prices,
        "extent": queries.extents([price_list])[price_list.pk],
        "form": form or NewPriceForm(auto_id="%s"),
        **more,
    }
    return render(request, "catalog/price_list_detail.html", context, status=status)


@require_http_methods(["GET", "HEAD", "POST"])
@require(Permission.CHANGE_PRICE_LISTS)
def price_list_new(request: SignedIn) -> HttpResponse:
    """A new price list, and on to its prices."""
    form = PriceListForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        typed = {name: value for name, value in form.cleaned_data.items() if name != "version"}
        try:
            price_list = services.create_price_list(actor=request.user, **typed)
        except (Duplicate, Invalid) as refusal:
            form.add_refusal(refusal)
        else:
            messages.success(
                request, _("The price list %(name)s is added.") % {"name": price_list.name}
            )
            return redirect(_at_code(price_list))
    context = {"form": form, "price_list": None}
    status = 422 if form.errors else 200
    return render(request, "catalog/price_list_form.html", context, status=status)


@require_http_methods(["GET", "HEAD", "POST"])
@require(Permission.CHANGE_PRICE_LISTS)
def price_list_copy(request: SignedIn, price_list_id: int) -> HttpResponse:
    """A new price list like this one but for its name and its customers, and on to its prices."""
    price_list = queries.get_price_list(price_list_id)
    name = _("Copy of %(name)s") % {"name": price_list.name}
    form = CopyForm(request.POST or None, initial={"name": name[:LONGEST_NAME]})
    if request.method == "POST" and form.is_valid():
        try:
            made = services.copy_price_list(
                actor=request.user, price_list_id=price_list_id, name=form.cleaned_data["name"]
            )
        except (Duplicate, Invalid) as refusal:
            form.add_refusal(refusal)
        else:
            messages.success(request, _("The price list %(name)s is added.") % {"name": made.name})
            return redirect(_at_code(made))
    extent = queries.extents([price_list])[price_list_id]
    context = {"form": form, "price_list": price_list, "extent": extent}
    status = 422 if form.errors else 200
    return render(request, "catalog/price_list_copy.html", context, status=status)


def _at_code(price_list: PriceList) -> str:
    """The page where the hands are on the field for the next product, with a script or without."""
    return f"{reverse('catalog:price_list', args=[price_list.pk])}#code"


@require_http_methods(["GET", "HEAD", "POST"])
@require(Permission.CHANGE_PRICE_LISTS)
def price_list_edit(request: SignedIn, price_list_id: int) -> HttpResponse:
    """Change name and discount, see `core.editing`."""
    price_list = queries.get_price_list(price_list_id)
    record = queries.price_list_record(price_list)
    save = partial(services.update_price_list, actor=request.user, price_list_id=price_list_id)
    edited = edit(request, PriceListForm, Aggregate.PRICE_LIST, record, save)
    if edited.saved:
        messages.success(request, _("The changes are saved."))
        return redirect("catalog:price_list", price_list_id)
    context = {"price_list": price_list, **edited.context}
    return render(request, "catalog/price_list_form.html", context, status=edited.status)


@require_POST
@require(Permission.CHANGE_PRICE_LISTS)
def price_list_prices(request: SignedIn, price_list_id: int) -> HttpResponse:
    """Give a product a price: one that is named by its code, or that of a row (`product`), which may lose it, too."""
    price_list = queries.get_price_list(price_list_id)
    if not request.POST.get("product"):
        return _add_price(request, price_list)
    product = queries.get_product(record_id(request.POST["product"]) or 0)
    # The rows are shown as they were searched, sorted and turned to.
    here = reverse("catalog:price_list", args=[price_list_id])
    here += f"?{request.GET.urlencode()}" if request.GET else ""
    if request.POST.get("action") == "remove":
        _change(request, price_list, product, None)
        return redirect(here)
    form = PriceForm(request.POST, auto_id=f"%s-{product.pk}")
    if form.is_valid() and _is_changed(request, price_list, product, form):
        return redirect(f"{here}#{form['price'].id_for_label}")
    return _show(request, price_list, refused=(product, form), status=422)


def _add_price(request: SignedIn, price_list: PriceList) -> HttpResponse:
    form = NewPriceForm(request.POST, auto_id="%s")
    if form.is_valid() and _is_changed(request, price_list, form.cleaned_data["code"], form):
        return redirect(_at_code(price_list))
    return _show(request, price_list, form=form, status=422)


def _is_changed(
    request: SignedIn, price_list: PriceList, product: Product, form: PriceForm
) -> bool:
    """Do what the form says; what is refused of it, it then says itself."""
    try:
        _change(request, price_list, product, form.cleaned_data["price"])
    except Invalid as refusal:
        for error in refusal.facts["errors"]:  # of the one price that was sent
            form.add_error("price", error["detail"])
        return False
    return True


def _told(product: Product, price: Decimal | None, was: Decimal | None) -> str:
    """What was done to the price; the name and the ordinary price tell who types codes whether it was the right one."""
    if price is None:
        return _("%(sku)s has no price of its own on this list now.") % {"sku": product.sku}
    said = [
        _("%(sku)s costs R$ %(price)s on this list.")
        % {"sku": product.sku, "price": grouped_amount(price)}
    ]
    if was is not None:  # perhaps not what the page showed: others set prices, too
        said.append(_("Before: R$ %(price)s.") % {"price": grouped_amount(was)})
    ordinary = _("Ordinary price of %(name)s: R$ %(price)s.")
    said.append(ordinary % {"name": product.name, "price": grouped_amount(product.price)})
    return " ".join(said)


def _change(
    request: SignedIn, price_list: PriceList, product: Product, price: Decimal | None
) -> None:
    changes = services.change_prices(
        actor=request.user, price_list_id=price_list.pk, prices={product.pk: price}
    )
    message = _told(product, price, changes[0].was if changes else None)
    if not changes:  # as it was already: nothing to undo
        messages.success(request, message)
        return
    was = changes[0].was
    before = {"action": "remove"} if was is None else {"price": to_text(was)}
    url = reverse("catalog:price_list_prices", args=[price_list.pk])
    tell_undoable(request, message, url, product=str(product.pk), **before)


@require_POST
@require(Permission.CHANGE_PRICE_LISTS)
def price_list_delete(request: SignedIn, price_list_id: int) -> HttpResponse:
    """Take it out of use; while customers buy by it, the page says so instead."""
    price_list = queries.get_price_list(price_list_id)
    try:
        services.delete_price_list(actor=request.user, price_list_id=price_list_id)
    except services.PriceListInUse as refusal:
        return _show(request, price_list, problem=refusal.message, status=refusal.status)
    messages.success(request, _("The price list %(name)s is deleted.") % {"name": price_list.name})
    return redirect("catalog:price_lists")
