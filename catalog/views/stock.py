"""Stock corrected by hand: scan or choose, in, out or counted, and the figure before it is done."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import uuid_utils
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from accounts.auth import SignedIn, require
from accounts.roles import Permission
from catalog import queries, services
from catalog.forms import AdjustForm, Direction
from catalog.models import Product, StockMovement
from erp_site.core.errors import DomainError, IdempotencyKeyReused
from erp_site.core.fields import grouped
from erp_site.core.htmx import is_partial, tell_undoable
from erp_site.core.paths import record_id

from .products import row

#: The last lines of the ledger beside the form.
LATEST = 5
#: What most often is the reason.
USUAL = {
    Direction.IN: StockMovement.Reason.RECEIVED,
    Direction.OUT: "",
    Direction.COUNT: StockMovement.Reason.COUNTED,
}


@dataclass(frozen=True, slots=True)
class Preview:
    """What will be on hand, said before it is done; None while there is no quantity."""

    on_hand: int
    reserved: int
    after: int | None

    @property
    def is_refused(self) -> bool:
        """Would less be left than is promised?"""
        return self.after is not None and self.after < self.reserved


@require_http_methods(["GET", "HEAD", "POST"])
@require(Permission.ADJUST_STOCK)
def stock_adjust(request: SignedIn) -> HttpResponse:
    """Find a product (`?code=` as scanned, `?product=` as chosen) and adjust it."""
    if request.method == "POST":
        return _adjust(request)
    code = request.GET.get("code", "").strip()
    chosen = record_id(request.GET.get("product", ""))
    if chosen is not None:
        return _show(request, queries.get_product(chosen), _blank(request, chosen))
    options = queries.find_by_codes([code]).get(code.upper(), []) if code else []
    if code and not options:
        options = queries.find_products(code, limit=8)
    if len(options) != 1:
        return _show(request, None, None, code=code, options=options)
    [product] = options
    return _show(request, product, _blank(request, product.pk), code=code)


def _blank(request: SignedIn, product_id: int) -> AdjustForm:
    """An empty form; who counts a shelf goes on counting."""
    wanted = request.GET.get("direction", "")
    direction = Direction(wanted) if wanted in Direction.values else Direction.IN
    return AdjustForm(
        initial={
            "product": product_id,
            "direction": direction,
            "reason": request.GET.get("reason") or USUAL[direction],
            "idempotency_key": uuid_utils.uuid7().hex,
        }
    )


def _adjust(request: SignedIn) -> HttpResponse:
    form = AdjustForm(request.POST)
    product = _posted_product(form)
    if not form.is_valid() or request.POST.get("action") == "preview":
        return _show(request, product, form, status=422 if form.errors else 200)
    typed = form.cleaned_data
    try:
        services.adjust_stock(
            actor=request.user,
            product_id=product.pk,
            reason=typed["reason"],
            note=typed["note"],
            idempotency_key=typed["idempotency_key"],
            **form.change,
        )
    except services.StockChanged as refusal:
        data = request.POST.copy()
        data["expected"] = str(refusal.facts["on_hand"])
        problem = _("%(message)s Nothing was changed: count again, or save your count.")
        return _show(
            request,
            queries.get_product(product.pk),
            AdjustForm(data),
            problem=problem % {"message": refusal.message},
            status=refusal.status,
        )
    except IdempotencyKeyReused:
        data = request.POST.copy()
        data["idempotency_key"] = uuid_utils.uuid7().hex
        problem = _("This form is saved already. Save it again to adjust once more.")
        return _show(request, product, AdjustForm(data), problem=problem, status=422)
    except DomainError as refusal:
        form.add_error("quantity", refusal.message)
        return _show(request, product, form, status=refusal.status)
    return _adjusted(request, product.pk, form)


def _posted_product(form: AdjustForm) -> Product:
    return queries.get_product(record_id(str(form["product"].value() or "")) or 0)


def _now(product_id: int) -> dict[str, str]:
    """What the messages say of a product's stock."""
    record = queries.as_record(queries.get_product(product_id))
    return {"sku": record["sku"], "on_hand": grouped(record["on_hand"])}


def _adjusted(request: SignedIn, product_id: int, form: AdjustForm) -> HttpResponse:
    """On to the next scan, or back to the product one came from."""
    message = _("%(sku)s: %(on_hand)s on hand.") % _now(product_id)
    if form.change.get("on_hand") == form.cleaned_data["expected"]:
        messages.success(request, message)  # counted as many as there were: nothing to undo
    else:
        key = form.cleaned_data["idempotency_key"]
        tell_undoable(request, message, reverse("catalog:undo"), key=key)
    if request.POST.get("then") == "product":
        return redirect("catalog:detail", product_id)
    kept = {name: form.cleaned_data[name] for name in ("direction", "reason")}
    return redirect(f"{reverse('catalog:adjust')}?{urlencode(kept)}")


@require_POST
@require(Permission.ADJUST_STOCK)
def stock_undo(request: SignedIn) -> HttpResponse:
    """Take back one's own adjustment, as the message after it offers."""
    product = services.undo_adjustment(
        actor=request.user, idempotency_key=request.POST.get("key", "")
    )
    messages.success(request, _("Undone. %(sku)s: %(on_hand)s on hand.") % _now(product.pk))
    return redirect("catalog:detail", product.pk)


def _preview(form: AdjustForm, record: dict[str, Any]) -> Preview:
    on_hand, reserved = record["on_hand"], record["reserved"]
    if not form.is_bound or not form.is_valid():
        return Preview(on_hand, reserved, None)
    change = form.change
    return Preview(on_hand, reserved, change.get("on_hand", on_hand + change.get("delta", 0)))


def _show(
    request: SignedIn,
    product: Product | None,
    form: AdjustForm | None,
    *,
    status: int = 200,
    **more: Any,
) -> HttpResponse:
    context: dict[str, Any] = {
        "then": request.POST.get("then") or ("product" if "product" in request.GET else "scan"),
        "kept": {name: request.GET.get(name, "") for name in ("direction", "reason")},
        **more,
    }
    if product is not None and form is not None:
        record = row(product)
        if not form.is_bound:
            form.initial["expected"] = record["on_hand"]
        context |= {
            "form": form,
            "record": record,
            "preview": _preview(form, record),
            "latest": queries.movements(product).order_by("-pk")[:LATEST],
        }
    template = (
        "catalog/stock_adjust.html#adjust" if is_partial(request) else "catalog/stock_adjust.html"
    )
    return render(request, template, context, status=status)
