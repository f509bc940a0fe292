"""The pages of orders: the list and one order. One domain call each; a refusal becomes a message or a page."""

from collections.abc import Sequence
from typing import Any, Final

from django.contrib import messages
from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext
from django.views.decorators.http import require_POST, require_safe
from django_htmx.http import HttpResponseClientRedirect

from accounts.auth import SignedIn, require
from accounts.roles import Permission
from erp_site.core import clock, idempotency
from erp_site.core.errors import Denied, DomainError, Duplicate, NotFound, StaleVersion
from erp_site.core.htmx import is_partial, toast
from erp_site.core.listing import listing
from orders import queries, services
from orders.filters import OrderFilter
from orders.forms import BulkForm, NoteForm, SavedViewForm, StatusForm, ids_of
from orders.models import Order, OrderHistory, order_number
from orders.states import AMENDABLE, TRANSITIONS, OrderStatus

DOCUMENTS: Final = ("pick", "slip")


def tabs() -> list[dict[str, Any]]:
    """The views everybody has: who waits for whom."""
    counts = {
        name: f"{queries.TAB_CAP}+" if count > queries.TAB_CAP else count
        for name, count in queries.desk_counts(queries.TAB_CAP).items()
    }
    return [
        {"label": _("All"), "query": ""},
        {
            "label": pgettext("orders", "Pending"),
            "query": "status=pending",
            "count": counts["pending"],
        },
        {"label": _("To pick"), "query": "status=confirmed", "count": counts["to_pick"]},
        {"label": _("To ship"), "query": "status=picked", "count": counts["to_ship"]},
        {
            "label": pgettext("orders", "Late"),
            "query": "late=true",
            "count": counts["late"],
            "is_hot": True,
        },
    ]


@require_safe
@require(Permission.VIEW_ORDERS)
def order_list(request: SignedIn) -> HttpResponse:
    """All orders, filtered by the address; htmx asks for the results, and gets the tabs that go with them."""
    query = filters_query(request.GET)
    shown = listing(
        request,
        OrderFilter,
        queries.order_rows(),
        sorts=queries.SORTS,
        default="-created_at",
        sum_of="total",
        split=lambda filters: ("status", filters["status"]),
    )
    context: dict[str, Any] = {
        "listing": shown,
        "statuses": OrderStatus.choices,
        "customer": queries.customer_of_filter(shown.filters.get("customer_id", [])),
        "tabs": tabs(),
        "saved_views": queries.saved_views(request.user.pk),
        "filters_query": query,
        "view_form": SavedViewForm(initial={"query": query}),
        "bulk_actions": [
            {"from": was, "to": to, "label": transition.label}
            for (was, to), transition in TRANSITIONS.items()
            if request.user.has_perm(transition.permission) and to != OrderStatus.CANCELLED
        ],
        "cancel_from": [was for was, to in TRANSITIONS if to == OrderStatus.CANCELLED],
        "can_cancel": request.user.has_perm(Permission.CANCEL_ORDER),
        "bulk_form": BulkForm(initial={"action": OrderStatus.CANCELLED}),
        "is_partial": is_partial(request),
    }
    template = "orders/order_list.html"
    return render(request, f"{template}#results" if context["is_partial"] else template, context)


def filters_query(data: QueryDict) -> str:
    """The address's filters alone, in a form that two equal views share."""
    kept = QueryDict(mutable=True)
    for name in sorted(data):
        values = [value for value in data.getlist(name) if value.strip()]
        if values and name in {*OrderFilter.base_filters, "sort"}:
            kept.setlist(name, values)
    return kept.urlencode()


@require_POST
@require(Permission.VIEW_ORDERS)
def view_save(request: SignedIn) -> HttpResponse:
    """Keep the present filters under a name; a view of that name goes only for the button that says so."""
    form = SavedViewForm(request.POST)
    context: dict[str, Any] = {"view_form": form}
    if form.is_valid():
        name = form.cleaned_data["name"]
        replace = request.POST.get("replace") == name
        try:
            view = services.save_view(actor=request.user, replace=replace, **form.cleaned_data)
        except Duplicate as refusal:
            form.add_error("name", refusal.message)
            context["taken"] = name
        else:
            messages.success(request, _("The view “%(name)s” is saved.") % {"name": view.name})
            url = f"{reverse('orders:list')}?{view.query}"
            return HttpResponseClientRedirect(url) if is_partial(request) else redirect(url)
    template = (
        "orders/order_list.html#save_view" if is_partial(request) else "orders/view_form.html"
    )
    return render(request, template, context, status=422)


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
    page = queries.read_page(order_id, with_events=request.user.has_perm(Permission.VIEW_EVENTS))
    order = page.order
    actions = order.actions_for(request.user)
    forward = next((to for to in actions if to is not OrderStatus.CANCELLED), None)
    can_amend = order.may_be_amended_by(request.user)
    return {
        "page": page,
        "order": order,
        "next_status": forward,
        "next_action": actions.get(forward) if forward else None,
        "can_amend": can_amend,
        # Who changed such orders until now looks for the button.
        "others_amend": not can_amend
        and order.status in AMENDABLE
        and request.user.has_perm(Permission.AMEND_ORDER),
        "can_cancel": OrderStatus.CANCELLED in actions,
        "amended_last": _amended_since_confirmed(page),
        "steps": steps(order, page.timeline),
        "note_form": NoteForm(),
        "note_answered": False,
        "cancel_form": StatusForm(
            initial={"status": OrderStatus.CANCELLED, "version": order.version}
        ),
        **more,
    }


def _amended_since_confirmed(page: queries.OrderPage) -> queries.TimelineEntry | None:
    """The last amendment, if there may be a pick list on paper that does not know of it."""
    done = (entry for entry in page.timeline if entry.step or entry.amendment)
    last = next(done, None)
    is_to_pick = page.order.status == OrderStatus.CONFIRMED
    return last if last and last.amendment and is_to_pick else None


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
@require(Permission.ADVANCE_ORDER)
def order_status(request: SignedIn, order_id: int) -> HttpResponse:
    """Take one step. When somebody else was faster, the answer says who did what, and shows the order as it is."""
    _require_may_move(request, request.POST.get("status", ""))
    form = StatusForm(request.POST)
    if not form.is_valid():
        return _show_detail(request, order_id, status=422, cancel_form=form)
    to = OrderStatus(form.cleaned_data["status"])
    try:
        services.change_status(
            actor=request.user,
            order_id=order_id,
            to=to,
            note=form.cleaned_data["note"],
            version=form.cleaned_data["version"],
        )
    except (services.IllegalTransition, StaleVersion) as refusal:
        step = queries.last_step(order_id)
        # Pressed twice, or the answer was lost: it is done.
        if not (step and step.actor == request.user and step.to_status == to):
            return _show_detail(
                request, order_id, status=409, problem=_overtaken(order_id, step) or refusal.message
            )
    message = _("%(number)s: %(status)s.") % {"number": order_number(order_id), "status": to.label}
    return _answer_detail(request, order_id, message)


def _overtaken(order_id: int, step: OrderHistory | None) -> str:
    """Who changed the order meanwhile, in words."""
    if amendment := queries.amended_since(order_id, step):
        return _(
            "%(who)s has meanwhile edited this order. Look at it once more; nothing was changed."
        ) % {"who": amendment.actor or _("The system")}
    if step is None or step.from_status is None:  # it was placed, and not changed since
        return ""
    return _("%(who)s has meanwhile set this order to “%(status)s”. Nothing was changed.") % {
        "who": step.actor or _("The system"),
        "status": step.get_to_status_display(),
    }


def _show_detail(
    request: SignedIn, order_id: int, *, status: int = 200, **more: Any
) -> HttpResponse:
    """The order as it is now, with what was wrong: the changed part for htmx, the page otherwise."""
    context = detail_context(request, order_id, **more)
    if is_partial(request):
        # htmx swaps in what went well and mistakes (422); a conflict must be seen too.
        seen = 200 if status == 409 else status
        return render(request, "orders/order_detail.html#order", context, status=seen)
    return render(request, "orders/order_detail.html", context, status=status)


def _answer_detail(request: SignedIn, order_id: int, message: str, **more: Any) -> HttpResponse:
    """After something was done to an order."""
    if is_partial(request):
        return toast(_show_detail(request, order_id, **more), message)
    messages.success(request, message)
    return redirect("orders:detail", order_id)


@require_POST
@require(Permission.ADD_ORDER_NOTE)
def order_note(request: SignedIn, order_id: int) -> HttpResponse:
    form = NoteForm(request.POST)
    if not form.is_valid():
        return _show_detail(request, order_id, status=422, note_form=form, note_answered=True)
    # Other words, from a form that somebody went back to, are another note.
    key = idempotency.fingerprint({**form.cleaned_data, "order_id": order_id})
    services.add_note(
        actor=request.user,
        order_id=order_id,
        text=form.cleaned_data["text"],
        idempotency_key=key if form.cleaned_data["idempotency_key"] else None,
    )
    return _answer_detail(request, order_id, _("The note is added."), note_answered=True)


@require_safe
@require(Permission.VIEW_ORDERS)
def order_print(request: SignedIn, document: str, order_id: int | None = None) -> HttpResponse:
    """Pick lists or packing slips, made for paper: of one order, or of all `?ids=`."""
    if document not in DOCUMENTS:
        raise NotFound(_("There is no such document."))
    if order_id is not None:
        orders = [queries.get_order(order_id)]
    else:
        orders = queries.whole_orders(ids_of(request.GET))
        if not orders:
            raise NotFound(_("There is no such order."))
    copies = _copies(request, document, order_id)
    context = {
        "document": document,
        "title": _("Pick list") if document == "pick" else _("Packing slip"),
        "label": next(copy["label"] for copy in copies if copy["is_here"]),
        "copies": copies,
        "back": request.GET.get("back", ""),
        "with_prices": copies[-1]["is_here"],
        "sheets": [
            {"order": order, "pieces": sum(item.quantity for item in order.items.all())}
            for order in orders
        ],
        "printed_at": clock.now(),
    }
    return render(request, "orders/order_print.html", context)


def _copies(request: SignedIn, document: str, order_id: int | None) -> list[dict[str, Any]]:
    """The same orders for the warehouse, for those who get the goods, and for those who see prices."""
    here = document, document == "slip" and request.GET.get("prices") == "true"
    chosen: dict[str, Any] = {}
    if order_id is None:
        chosen["ids"] = ids_of(request.GET)
        if back := request.GET.get("back"):
            chosen["back"] = back
    found = []
    for name, prices, label in (
        ("pick", False, _("Pick list")),
        ("slip", False, _("Packing slip")),
        ("slip", True, _("Packing slip with prices")),
    ):
        args = [order_id, name] if order_id else [name]
        url = reverse("orders:print" if order_id else "orders:print_many", args=args)
        query = urlencode(chosen | ({"prices": "true"} if prices else {}), doseq=True)
        url = f"{url}?{query}" if query else url
        found.append({"label": label, "url": url, "is_here": (name, prices) == here})
    return found


@require_POST
@require(Permission.VIEW_ORDERS)
def order_bulk(request: SignedIn) -> HttpResponse:
    """Do one thing with each selected order, and say what came of each."""
    _require_may_move(request, request.POST.get("action", ""))
    form = BulkForm(request.POST)
    back = request.POST.get("back", "")
    if not form.is_valid():
        if set(form.errors) == {"note"}:  # asked again, with all that was ticked
            orders = queries.order_rows().filter(pk__in=form.cleaned_data["ids"]).order_by("-pk")
            context = {"form": form, "orders": orders, "back": back}
            return render(request, "orders/order_bulk_cancel.html", context, status=422)
        for errors in form.errors.values():
            messages.warning(request, " ".join(str(error) for error in errors))
        return redirect(f"{reverse('orders:list')}?{back}")
    action, ids = form.cleaned_data["action"], form.cleaned_data["ids"]
    if action == "pick":
        query = urlencode({"ids": ids} | ({"back": back} if back else {}), doseq=True)
        return redirect(f"{reverse('orders:print_many', args=['pick'])}?{query}")
    to = OrderStatus(action)
    results = [_one_of_many(request, order_id, to, form.cleaned_data["note"]) for order_id in ids]
    done = sum(1 for result in results if result["done"])
    context = {
        "results": results,
        "status": to,
        "summary": ngettext(
            "%(done)s of %(all)s order moved.", "%(done)s of %(all)s orders moved.", len(results)
        )
        % {"done": done, "all": len(results)},
        "back": back,
    }
    return render(request, "orders/order_bulk.html", context)


def _outdated_paper(order_id: int) -> str:
    """Why this order is not picked among many: its page says what was changed, a list of orders does not."""
    step = queries.last_step(order_id)
    if step and step.to_status == OrderStatus.CONFIRMED and queries.amended_since(order_id, step):
        return _(
            "Changed after it was confirmed: compare the pick list, and mark it on its own page."
        )
    return ""


def _require_may_move(request: SignedIn, to: str) -> None:
    """A role that may never take this step is refused as a whole, whatever else is wrong."""
    steps = [step for (_from, target), step in TRANSITIONS.items() if target == to]
    if steps and not any(request.user.has_perm(step.permission) for step in steps):
        raise Denied(_("Your role does not allow this."))


def _one_of_many(request: SignedIn, order_id: int, to: OrderStatus, note: str) -> dict[str, Any]:
    result: dict[str, Any] = {"order_id": order_id, "done": True}
    try:
        version = None
        if to == OrderStatus.PICKED:
            version = queries.read_order(order_id).version
            if message := _outdated_paper(order_id):
                return result | {"done": False, "is_so": False, "message": message}
        services.change_status(
            actor=request.user, order_id=order_id, to=to, note=note, version=version
        )
    except DomainError as error:
        is_so = isinstance(error, services.IllegalTransition) and error.facts["from"] == to
        result |= {"done": False, "is_so": is_so, "message": error.message}
    return result
