"""Changing an order that is not picked yet: order entry once more, with the lines as they were agreed upon."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any, Final, NamedTuple

import uuid_utils
from django.contrib import messages
from django.core import signing
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from accounts.auth import SignedIn, require
from accounts.roles import Permission
from erp_site.core.editing import OPENED, Difference, Overtaken, overtaken, remember
from erp_site.core.errors import DomainError, StaleVersion
from erp_site.core.events import Aggregate
from erp_site.core.fields import grouped, grouped_amount
from erp_site.core.htmx import is_partial
from erp_site.core.money import to_text
from erp_site.core.text import as_lines
from orders import queries, services
from orders.forms import AmendForm, EntryLine, entry_lines
from orders.models import Order, OrderItem

from .entry import (
    Answer,
    answer_line,
    change_lines,
    lead_to,
    refused,
    show_form,
    still_pasted,
    unlikely_prices,
)
from .lines import EntryLines, Promised

#: The hidden input with the quantities and prices that the lines had when the form was opened.
OPENED_LINES: Final = "opened_lines"
#: Not the name: forms that were opened before prices were in it are not misread.
_OPENED_SALT: Final = "orders.lines_with_prices"
#: Fields of several lines.
_TEXTS: Final = ("delivery_address", "notes")


@require_http_methods(["GET", "HEAD", "POST"])
@require(Permission.AMEND_ORDER)
def order_amend(request: SignedIn, order_id: int) -> HttpResponse:
    """The form of order entry, filled with the order. Every button of it posts the whole form."""
    order = queries.get_order(order_id)
    if request.method != "POST":
        try:
            services.require_amendable(order, request.user)
        except DomainError as refusal:
            messages.warning(request, refusal.message)
            return redirect("orders:detail", order_id)
        form = AmendForm(initial=_head(order))
        rows = [EntryLine(item.product_id, str(item.quantity)) for item in order.items.all()]
        return _show(request, order, form, EntryLines(rows, order.items.all()))
    action, _colon, argument = request.POST.get("action", "").partition(":")
    if action == "add" and is_partial(request):
        lines = EntryLines(placed=order.items.all())
        return answer_line(request, lines, order.customer.price_list)
    lines = EntryLines(entry_lines(request.POST), order.items.all())
    if action == "place":
        return _save(request, order, AmendForm(request.POST), lines)
    form = AmendForm(initial=request.POST.dict())
    return _show(request, order, form, lines, change_lines(request, lines, action, argument))


def _head(order: Order) -> dict[str, Any]:
    """The order by the names of the form's fields."""
    names = ("version", "due_date", "customer_reference", "delivery_address", "notes")
    return {name: getattr(order, name) for name in names}


def _save(request: SignedIn, order: Order, form: AmendForm, lines: EntryLines) -> HttpResponse:
    lines.price_by(order.customer.price_list, request.user)
    problems = [*lines.problems, *still_pasted(request), *unlikely_prices(lines)]
    if not form.is_valid() or problems:
        return _show(request, order, form, lines, Answer(problems, status=422))
    head = _changed(form.cleaned_data, order)
    if head.get("delivery_address") == "":
        head["delivery_address"] = order.customer.address
    try:
        amended = services.amend_order(
            actor=request.user,
            order_id=order.pk,
            items=lines.wanted,
            prices=lines.seen_prices,
            **head,
        )
    except StaleVersion:
        return _show_overtaken(request, order, form, lines)
    except DomainError as error:
        return _show(request, order, form, lines, refused(lines, error))
    message = _("%(number)s is changed.")
    # Sent again after a lost answer, it is another version already.
    if amended.version == form.cleaned_data["version"]:
        message = _("%(number)s is as it was: nothing was changed.")
    return lead_to(request, order, message % {"number": amended.number})


def _changed(head: dict[str, Any], order: Order) -> dict[str, Any]:
    """Without the texts that are as they were: browsers send ends of lines in their own way, and that is no change."""
    same = {name for name in _TEXTS if head[name] == as_lines(getattr(order, name))}
    return {name: value for name, value in head.items() if name not in same}


def _show_overtaken(
    request: SignedIn, order: Order, form: AmendForm, lines: EntryLines
) -> HttpResponse:
    """Somebody was faster: what only one of the two changed is kept, and what both changed is asked about."""
    order = queries.get_order(order.pk)
    found = overtaken(Aggregate.ORDER, order.pk, form, request.POST, _head(order))
    joined = _join(request, order, lines, found)
    # htmx swaps in mistakes, and no conflicts.
    status = 422 if is_partial(request) else StaleVersion.status
    answer = Answer(status=status, more={"overtaken": joined, OPENED: found.data[OPENED]})
    return _show(request, order, AmendForm(found.data), lines, answer)


def _join(request: SignedIn, order: Order, lines: EntryLines, found: Overtaken) -> Overtaken:
    """The lines that were typed with those that the order has now."""
    before = _opened_lines(request)
    now = {item.product_id: item for item in order.items.all()}
    # What was typed is worth what the form said when it was opened, also of lines that are gone.
    lines.placed = {**now, **(before or {})}
    lines.fill()
    lines.price_by(order.customer.price_list, request.user)
    typed = {line.product_id: line for line in lines}
    differences, taken, changes = list(found.differences), list(found.taken), found.changes
    rows = []
    for product_id in typed | now:
        line, item = typed.get(product_id), now.get(product_id)
        mine = _Held(line.pieces or 0, line.unit_price) if line else _NONE
        theirs = _held(now.get(product_id))
        was = _held(before.get(product_id)) if before is not None else None
        if line and (mine == theirs or mine != was):
            rows.append(line)
        elif item and mine == was:
            rows.append(EntryLine(product_id, str(item.quantity)))
        if mine == theirs:
            continue
        label = item.sku if item else line.sku if line else ""
        if mine == was:
            taken.append(label)
            continue
        changes = True
        if theirs != was:
            differences.append(Difference(label, theirs.beside(mine), mine.beside(theirs)))
    lines.rows, lines.placed = rows, dict(now)
    lines.fill()
    return replace(found, differences=differences, taken=taken, changes=changes)


class _Held(NamedTuple):
    """What an order has of a product, and at which price."""

    pieces: int
    unit_price: Decimal

    def beside(self, other: "_Held") -> str:
        """In words: with its price, if that is what differs."""
        if not self.pieces or self.unit_price == other.unit_price or not other.pieces:
            return grouped(self.pieces)
        return f"{grouped(self.pieces)} x R$ {grouped_amount(self.unit_price)}"


_NONE: Final = _Held(0, Decimal(0))


def _held(item: Promised | None) -> _Held:
    return _Held(item.quantity, item.unit_price) if item else _NONE


class _Opened(NamedTuple):
    """A line as it was when the form was opened."""

    product_id: int
    quantity: int
    unit_price: Decimal
    list_price: Decimal | None


def _opened_lines(request: SignedIn) -> Mapping[int, _Opened] | None:
    """What `_remember_lines` said; None if the form does not tell, or not in our hand: then all that differs from now
    counts as typed."""
    try:
        held = signing.loads(request.POST.get(OPENED_LINES, ""), salt=_OPENED_SALT)
    except signing.BadSignature:
        return None
    return {
        int(product_id): _Opened(
            int(product_id), pieces, Decimal(price), Decimal(listed) if listed else None
        )
        for product_id, (pieces, price, listed) in held.items()
    }


def _remember_lines(items: Iterable[OrderItem]) -> str:
    held = {
        item.product_id: (
            item.quantity,
            to_text(item.unit_price),
            to_text(item.list_price) if item.list_price else None,
        )
        for item in items
    }
    return signing.dumps(held, salt=_OPENED_SALT, compress=True)


def _show(
    request: SignedIn,
    order: Order,
    form: AmendForm,
    lines: EntryLines,
    answer: Answer | None = None,
) -> HttpResponse:
    answer = answer or Answer()
    # What the form was opened with, and is opened with once more where somebody was faster.
    is_opened = request.method != "POST" or OPENED in answer.more
    context = {
        "form_url": reverse("orders:amend", args=[order.pk]),
        "amended": order,
        "customer": order.customer,
        # What is typed is kept in the browser under this: each time the form is opened another.
        "draft": request.POST.get("draft") or uuid_utils.uuid7().hex,
        OPENED: remember(form, _head(order)) if is_opened else request.POST.get(OPENED, ""),
        OPENED_LINES: _remember_lines(order.items.all())
        if is_opened
        else request.POST.get(OPENED_LINES, ""),
    }
    return show_form(request, form, lines, answer, context)
