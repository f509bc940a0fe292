"""The pages of orders: the list and one order. One domain call each; a refusal becomes a message or a page."""

from collections.abc import Sequence
from typing import Any, Final

from django.contrib import messages
from django.http import HttpResponse, HttpResponseBadRequest, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST, require_safe

from accounts.auth import SignedIn, require
from accounts.roles import Permission
from erp_site.core.errors import Denied, DomainError, NotFound
from erp_site.core.htmx import is_partial, toast
from erp_site.core.listing import listing
from orders import queries, services
from orders.filters import OrderFilter
from orders.forms import BulkForm, NoteForm, SavedViewForm, StatusForm
from orders.models import Order
from orders.states import TRANSITIONS, OrderStatus

SORTS: Final = {"created_at": "created_at", "updated_at": "updated_at"}
DOCUMENTS: Final = ("pick", "slip")


def tabs() -> list[dict[str, Any]]:
    """The views everybody has: who waits for whom."""
    counts = queries.tab_counts()
    return [
        {"label": _("All"), "query": ""},
        {"label": OrderStatus.PENDING.label, "query": "status=pending", "count": counts["pending"]},
        {"label": _("To pick"), "query": "status=confirmed", "count": counts["to_pick"]},
        {"label": _("To ship"), "query": "status=picked", "count": counts["to_ship"]},
        {"label": _("Late"), "query": "late=true", "count": counts["late"], "is_hot": True},
    ]


@require_safe
@require(Permission.VIEW_ORDERS)
def order_list(request: SignedIn) -> HttpResponse:
    """All orders, filtered by the address; htmx asks for the results alone."""
    context: dict[str, Any] = {
        "listing": listing(
            request,
            OrderFilter,
            queries.order_rows(),
            sorts=SORTS,
            default="-created_at",
            sum_of="total",
        ),
        "statuses": OrderStatus.choices,
    }
    if is_partial(request):
        return render(request, "orders/order_list.html#results", context)
    context |= {
        "tabs": tabs(),
        "saved_views": queries.saved_views(request.user.pk),
        "filters_query": filters_query(request.GET),
        "view_form": SavedViewForm(initial={"query": filters_query(request.GET)}),
        "bulk_actions": [
            (to, transition.label)
            for to, transition in {to: t for (_was, to), t in TRANSITIONS.items()}.items()
            if request.user.has_perm(transition.permission)
        ],
    }
    return render(request, "orders/order_list.html", context)


def filters_query(data: QueryDict) -> str:
    """The address's filters alone, in a form that two equal views share."""
    kept = QueryDict(mutable=True)
    for name in sorted(data):
        if name in {*OrderFilter.base_filters, "sort"}:
            kept.setlist(name, [value for value in data.getlist(name) if value.strip()])
    return kept.urlencode()


@require_POST
@require(Permission.VIEW_ORDERS)
def view_save(request: SignedIn) -> HttpResponse:
    """Keep the present filters under a name."""
    form = SavedViewForm(request.POST)
    if not form.is_valid():
        return render(request, "orders/order_list.html#save_view", {"view_form": form}, status=422)
    view = services.save_view(actor=request.user, **form.cleaned_data)
    messages.success(request, _("The view “%(name)s” is saved.") % {"name": view.name})
    return redirect(f"{reverse('orders:list')}?{view.query}")


@require_POST
@require(Permission.VIEW_ORDERS)
def view_delete(request: SignedIn, view_id: int) -> HttpResponse:
    """Forget one of one's own views."""
    services.delete_view(actor=request.user, view_id=view_id)
    messages.success(request, _("The view is gone."))
    return redirect("orders:list")


@require_safe
@require(Permission.VIEW_ORDERS)
def order_detail(request: SignedIn, order_id: int) -> HttpResponse:
    return render(request, "orders/order_detail.html", detail_context(request, order_id))


def detail_context(request: SignedIn, order_id: int, **more: Any) -> dict[str, Any]:
    """Everything the page of one order shows."""
    order = queries.get_order(order_id)
    actions = order.actions_for(request.user)
    forward = next((to for to in actions if to is not OrderStatus.CANCELLED), None)
    timeline = queries.timeline(order.pk)
    return {
        "order": order,
        "next_status": forward,
        "next_action": actions.get(forward) if forward else None,
        "can_cancel": OrderStatus.CANCELLED in actions,
        "steps": steps(order, timeline),
        "timeline": timeline,
        "events": queries.events_of(order.pk)
        if request.user.has_perm(Permission.VIEW_EVENTS)
        else None,
        "note_form": NoteForm(),
        "cancel_form": StatusForm(initial={"status": OrderStatus.CANCELLED}),
        **more,
    }


def steps(order: Order, timeline: Sequence[queries.TimelineEntry]) -> list[dict[str, Any]]:
    """The way of an order, each step with the time it was taken."""
    taken = {entry.step.to_status: entry.at for entry in timeline if entry.step}
    if order.status == OrderStatus.CANCELLED:
        way = [status for status in OrderStatus if status in taken]
    else:
        way = [status for status in OrderStatus if status != OrderStatus.CANCELLED]
    return [
        {"status": status, "at": taken.get(status), "is_now": status == order.status}
        for status in way
    ]


@require_POST
@require(Permission.VIEW_ORDERS)
def order_status(request: SignedIn, order_id: int) -> HttpResponse:
    """Take one step. When somebody else was faster, the answer says who did what, and shows the order as it is."""
    form = StatusForm(request.POST)
    if not form.is_valid():
        return HttpResponseBadRequest()
    try:
        order = services.change_status(
            actor=request.user,
            order_id=order_id,
            to=OrderStatus(form.cleaned_data["status"]),
            note=form.cleaned_data["note"],
        )
    except services.IllegalTransition as error:
        return _answer_detail(
            request, order_id, message=_overtaken(order_id, error), level="warning", status=409
        )
    message = _("%(number)s: %(status)s.") % {
        "number": order.number,
        "status": OrderStatus(order.status).label,
    }
    return _answer_detail(request, order_id, message=message)


def _overtaken(order_id: int, error: services.IllegalTransition) -> str:
    """Who changed the order meanwhile, in words."""
    last = queries.timeline(order_id)
    step = next((entry for entry in last if entry.step), None)
    if step is None or step.step is None:
        return error.message
    return _("%(who)s has meanwhile set this order to “%(status)s”. Nothing was changed.") % {
        "who": step.actor or _("The system"),
        "status": step.step.get_to_status_display(),
    }


def _answer_detail(
    request: SignedIn, order_id: int, *, message: str, level: str = "success", status: int = 200
) -> HttpResponse:
    """After an action on an order: the changed part for htmx, the page again otherwise."""
    if is_partial(request):
        # htmx swaps only successes, and what changed must be seen either way.
        response = render(
            request, "orders/order_detail.html#order", detail_context(request, order_id)
        )
        return toast(response, message, level=level)
    if status != 200:
        context = detail_context(request, order_id, problem=message)
        return render(request, "orders/order_detail.html", context, status=status)
    messages.success(request, message)
    return redirect("orders:detail", order_id)


@require_POST
@require(Permission.ADD_ORDER_NOTE)
def order_note(request: SignedIn, order_id: int) -> HttpResponse:
    form = NoteForm(request.POST)
    if not form.is_valid():
        context = detail_context(request, order_id, note_form=form)
        template = (
            "orders/order_detail.html#order" if is_partial(request) else "orders/order_detail.html"
        )
        return render(request, template, context, status=422)
    services.add_note(actor=request.user, order_id=order_id, text=form.cleaned_data["text"])
    return _answer_detail(request, order_id, message=_("The note is added."))


@require_safe
@require(Permission.VIEW_ORDERS)
def order_print(request: SignedIn, order_id: int, document: str) -> HttpResponse:
    """A pick list or a packing slip, made for paper."""
    if document not in DOCUMENTS:
        raise NotFound(_("There is no such document."))
    orders = [queries.get_order(order_id)]
    return render(request, "orders/order_print.html", {"orders": orders, "document": document})


@require_POST
@require(Permission.VIEW_ORDERS)
def order_bulk(request: SignedIn) -> HttpResponse:
    """Do one thing with each selected order, and say what came of each."""
    form = BulkForm(request.POST)
    if not form.is_valid():
        messages.warning(request, _("Select some orders first."))
        return redirect("orders:list")
    action, ids = form.cleaned_data["action"], form.cleaned_data["ids"]
    if action == "pick":
        orders = queries.whole_orders(ids)
        return render(request, "orders/order_print.html", {"orders": orders, "document": "pick"})
    _require_may_move(request, OrderStatus(action))
    results = [_one_of_many(request, order_id, OrderStatus(action)) for order_id in ids]
    done = sum(1 for result in results if result["done"])
    context = {
        "results": results,
        "status": OrderStatus(action),
        "summary": ngettext(
            "%(done)s of %(all)s order moved.", "%(done)s of %(all)s orders moved.", len(results)
        )
        % {"done": done, "all": len(results)},
        "back": request.POST.get("back", ""),
    }
    return render(request, "orders/order_bulk.html", context)


def _require_may_move(request: SignedIn, to: OrderStatus) -> None:
    """A role that may never take this step is refused as a whole, not order by order."""
    steps = [step for (_from, target), step in TRANSITIONS.items() if target == to]
    if not any(request.user.has_perm(step.permission) for step in steps):
        raise Denied(_("Your role does not allow this."))


def _one_of_many(request: SignedIn, order_id: int, to: OrderStatus) -> dict[str, Any]:
    try:
        order = services.change_status(actor=request.user, order_id=order_id, to=to)
    except DomainError as error:
        return {"order_id": order_id, "done": False, "message": error.message}
    return {"order_id": order_id, "done": True, "message": order.number}
