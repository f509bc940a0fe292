"""The page that raises or lowers all prices of a list: first it shows what that does, then it does it."""

from decimal import Decimal
from typing import Any, Final

import uuid_utils
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST

from accounts.auth import SignedIn, require
from accounts.roles import Permission
from catalog import queries, services
from catalog.forms import RepriceForm, RepriceNowForm
from catalog.models import PriceList, Repricing
from erp_site.core.errors import IdempotencyKeyReused, Invalid, StaleVersion
from erp_site.core.fields import grouped, percentage
from erp_site.core.htmx import tell_undoable
from erp_site.core.paths import record_id

#: Prices that are shown as they are now and as they would be.
EXAMPLES: Final = 3


@require_http_methods(["GET", "HEAD", "POST"])
@require(Permission.CHANGE_PRICE_LISTS)
def price_list_reprice(request: SignedIn, price_list_id: int) -> HttpResponse:
    """What a percentage would do to the prices (`?way=up&percent=5`) and, sent as it was shown, done."""
    price_list = queries.get_price_list(price_list_id)
    if request.method != "POST":
        return _show(request, price_list, RepriceForm(request.GET or None))
    form = RepriceNowForm(request.POST)
    if not form.is_valid():
        return _show(request, price_list, form)
    try:
        done = services.reprice_list(
            actor=request.user,
            price_list_id=price_list_id,
            percent=form.change,
            as_of=form.cleaned_data["as_of"],
            idempotency_key=form.cleaned_data["idempotency_key"],
        )
    except Invalid as refusal:
        if isinstance(refusal, IdempotencyKeyReused):
            return _look_again(request, price_list_id)
        form.add_refusal(refusal)
        return _show(request, price_list, form)
    except StaleVersion:
        return _look_again(request, price_list_id)
    if queries.is_undone(done):  # from a page of before that
        return _look_again(request, price_list_id)
    _tell(request, done)
    return redirect("catalog:price_list", price_list_id)


def _look_again(request: SignedIn, price_list_id: int) -> HttpResponse:
    """What was confirmed is not what it would do now: shown anew, nothing is done."""
    problem = _("The price list was changed meanwhile. Nothing was done: look at what it does now.")
    price_list = queries.get_price_list(price_list_id)
    form = RepriceForm(request.POST)
    return _show(request, price_list, form, problem=problem, status=409)


def _show(
    request: SignedIn, price_list: PriceList, form: RepriceForm, *, status: int = 200, **more: Any
) -> HttpResponse:
    context: dict[str, Any] = {
        "price_list": price_list,
        "extent": queries.extents([price_list])[price_list.pk],
        "latest": queries.latest_repricing(price_list),
        "form": form,
        **more,
    }
    if form.is_bound and form.is_valid():
        try:
            context |= _preview(price_list, form.change)
        except Invalid as refusal:
            form.add_refusal(refusal)
    status = 422 if form.errors else status
    return render(request, "catalog/price_list_reprice.html", context, status=status)


def _preview(price_list: PriceList, percent: Decimal) -> dict[str, Any]:
    """How many prices change, and some of them."""
    changes = list(services.changes_by(price_list, percent).values())
    some = changes[:EXAMPLES]
    names = {it.pk: it.name for it in queries.get_products(each.product_id for each in some)}
    return {
        "percent": percent,
        "size": abs(percent),
        "changing": len(changes),
        "others": len(changes) - len(some),
        "examples": [(each, names.get(each.product_id, "")) for each in some],
        "idempotency_key": uuid_utils.uuid7().hex,
    }


def _tell(request: SignedIn, done: Repricing) -> None:
    percent = done.percent or Decimal(0)  # never without one: it undoes nothing
    if percent > 0:
        said = ngettext(
            "%(count)s price is raised by %(percent)s.",
            "%(count)s prices are raised by %(percent)s.",
            done.prices,
        )
    else:
        said = ngettext(
            "%(count)s price is lowered by %(percent)s.",
            "%(count)s prices are lowered by %(percent)s.",
            done.prices,
        )
    message = said % {"count": grouped(done.prices), "percent": percentage(abs(percent))}
    url = reverse("catalog:price_list_reprice_undo", args=[done.price_list_id])
    tell_undoable(request, message, url, repricing=str(done.pk))


@require_POST
@require(Permission.CHANGE_PRICE_LISTS)
def price_list_reprice_undo(request: SignedIn, price_list_id: int) -> HttpResponse:
    """Each price as it was before; those that were changed since stay, and are said to."""
    undone = services.undo_repricing(
        actor=request.user,
        price_list_id=price_list_id,
        repricing_id=record_id(request.POST.get("repricing", "")) or 0,
    )
    said = [
        ngettext(
            "%(count)s price is as it was before.",
            "%(count)s prices are as they were before.",
            undone.prices,
        )
        % {"count": grouped(undone.prices)}
    ]
    was_done = undone.undoes.prices if undone.undoes else 0
    if stay := was_done - undone.prices:
        kept = ngettext(
            "%(count)s was changed meanwhile and stays as it is.",
            "%(count)s were changed meanwhile and stay as they are.",
            stay,
        )
        said.append(kept % {"count": grouped(stay)})
    messages.success(request, " ".join(said))
    return redirect("catalog:price_list", price_list_id)
