"""Order entry. Everything typed travels with the form, so nothing is lost by a refusal, a reload or a lost answer:
the form's own idempotency key makes a second sending the same order."""

import json
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final

import uuid_utils
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe
from django_htmx.http import HttpResponseClientRedirect, reswap, retarget

from accounts.auth import SignedIn, require
from accounts.roles import Permission
from catalog.models import Product
from catalog.queries import (
    as_record,
    find_by_codes,
    find_products,
    get_products,
    is_shared_gtin,
    shared_by,
)
from catalog.services import InsufficientStock
from customers.forms import CustomerForm
from customers.queries import find_customers, get_customer
from customers.services import create_customer
from erp_site.core import clock
from erp_site.core.errors import DomainError, Duplicate, IdempotencyKeyReused, Invalid
from erp_site.core.htmx import is_partial
from erp_site.core.paths import record_id
from orders import queries, services
from orders.forms import EntryForm, EntryLine, PastedLine, entry_lines, pasted_lines
from orders.models import MOST_ITEMS, Order

#: What the names of a new customer's fields begin with, among those of the order.
NEW_CUSTOMER: Final = "new"
#: Products and customers to choose from, where words fit several.
MOST_OPTIONS: Final = 8
#: Of a long paste with the wrong column, the first few lines say it all.
MOST_PROBLEMS: Final = 10


@require_safe
@require(Permission.PLACE_ORDER)
def product_options(request: SignedIn) -> HttpResponse:
    """The products that fit what is typed: by SKU, GTIN or words, each with price and what is available."""
    text = request.GET.get("code", "").strip()
    products = find_products(text, limit=MOST_OPTIONS) if text else []
    return render(request, "orders/order_entry.html#product_options", _options(text, products))


def _options(text: str, products: Sequence[Product]) -> dict[str, Any]:
    """What the list of products shows. The first is marked for Enter, unless a scan alone does not say which it was."""
    return {
        "options": [as_record(product) for product in products],
        "typed": text,
        "marks_first": not is_shared_gtin(text, products),
    }


@require_safe
@require(Permission.PLACE_ORDER)
def customer_options(request: SignedIn) -> HttpResponse:
    """The customers that fit what is typed: by words of the name, CPF/CNPJ or e-mail.

    The inactive too, though they cannot be chosen: not found, they would be registered once more.
    """
    text = request.GET.get("customer_search", "").strip()
    found = (
        find_customers(request.user, text, limit=MOST_OPTIONS, with_inactive=True) if text else []
    )
    return render(
        request, "orders/order_entry.html#customer_options", {"options": found, "typed": text}
    )


@require_http_methods(["GET", "HEAD", "POST"])
@require(Permission.PLACE_ORDER)
def order_new(request: SignedIn) -> HttpResponse:
    """The form. Every button of it posts the whole form; `action` says which it was."""
    if request.method != "POST":
        return _show(request, *_blank(request))
    action, _colon, argument = request.POST.get("action", "").partition(":")
    if action == "add" and is_partial(request):
        return _answer_line(request)
    lines = entry_lines(request.POST)
    fill(lines)
    if action == "place":
        return _place(request, EntryForm(request.POST), lines)
    form = EntryForm(initial=request.POST.dict())
    if action == "add":
        return _show_added(request, form, lines, argument or request.POST.get("code", "").strip())
    if action == "new_customer":
        return _new_customer(request, form, lines)
    if action == "customer":
        form.initial["customer"] = form.initial.get("customer") or _only_customer(request)
    elif action == "change_customer":
        _leave_customer(form)
    return _show(request, form, *_changed(request, lines, action, argument))


def _changed(
    request: SignedIn, lines: list[EntryLine], action: str, argument: str
) -> tuple[list[EntryLine], Sequence[str], str | None]:
    """The lines after a button that changes them, what went wrong, and what is left of pasted text."""
    if action == "paste":
        return _paste(lines, request.POST.get("pasted", ""))
    if action == "repeat" and (order_id := record_id(argument)):
        _add_again(lines, queries.get_order(order_id))
    elif action == "remove":
        lines = [line for line in lines if str(line.product_id) != argument]
    elif action == "take":
        lines = _take_available(lines, argument)
    return lines, (), None


def _blank(request: SignedIn) -> tuple[EntryForm, list[EntryLine]]:
    """An empty form, or one filled from a past order (`?repeat=`) or a customer (`?customer=`)."""
    initial: dict[str, Any] = {"idempotency_key": uuid_utils.uuid7().hex}
    lines: list[EntryLine] = []
    repeat, customer = request.GET.get("repeat", ""), request.GET.get("customer", "")
    if order_id := record_id(repeat):
        order = queries.get_order(order_id)
        initial |= {
            "customer": order.customer_id,
            "notes": order.notes,
            "delivery_address": _address_again(request, order),
        }
        _add_again(lines, order)
    elif record_id(customer):
        initial["customer"] = customer
    return EntryForm(initial=initial), lines


def _address_again(request: SignedIn, order: Order) -> str:
    """Where a repeated order goes, if not to the customer's own address, which every order carries, too.

    If the customer was changed since, nobody knows whether they have moved or were to be supplied elsewhere: then it
    is asked for.
    """
    if _is_one_text(order.delivery_address, order.customer.address):
        return ""
    if order.customer.updated_at <= order.created_at:
        return order.delivery_address
    messages.warning(
        request,
        _(
            "%(number)s went to “%(address)s”. Left empty, this order goes to the customer's own address."
        )
        % {"number": order.number, "address": " ".join(order.delivery_address.split())},
    )
    return ""


def _leave_customer(form: EntryForm) -> None:
    """Another customer is to be chosen: an address of this one must not stay for them, what else was typed does."""
    customer = _customer(form.initial.get("customer"))
    form.initial["customer"] = None
    if customer is not None:
        past = [order.delivery_address for order in queries.latest_of_customer(customer.pk)]
        typed = form.initial.get("delivery_address", "")
        if any(_is_one_text(typed, theirs) for theirs in (customer.address, *past)):
            form.initial["delivery_address"] = ""


def _is_one_text(one: str, other: str) -> bool:
    """The same but for the spaces and the ends of lines, which browsers write in their own way."""
    return one.split() == other.split()


def fill(lines: Sequence[EntryLine]) -> None:
    """Put names, prices and stock on the lines: two statements, whatever their number."""
    products = {
        product.pk: product for product in get_products([line.product_id for line in lines])
    }
    for line in lines:
        product = products.get(line.product_id)
        if product is None:
            line.error = _("This product is no longer there.")
            continue
        describe(line, product)
        if line.pieces is None or line.pieces < 1:
            line.error = _("A quantity is between 1 and 1,000,000.")


def describe(line: EntryLine, product: Product) -> None:
    record = as_record(product)
    line.sku, line.name, line.price = record["sku"], record["name"], record["price"]
    line.available = record["available"]
    if not record["is_active"]:
        line.error = _("Not sold at present.")


def _no_product(code: str) -> str:
    return _("No product has the code “%(code)s”.") % {"code": code}


def _add(lines: list[EntryLine], wanted: Sequence[PastedLine]) -> dict[PastedLine, str]:
    """Add products by code to the lines; those that no product has, or several, come back with what is wrong."""
    found = find_by_codes([each.code for each in wanted])
    present = {line.product_id: line for line in lines}
    refused = {}
    for each in wanted:
        products = found.get(each.code.upper(), [])
        if len(products) != 1:
            refused[each] = shared_by(each.code, products) if products else _no_product(each.code)
            continue
        [product] = products
        if product.pk in present:
            line = present[product.pk]
            line.quantity = str((line.pieces or 0) + int(each.quantity))
        else:
            line = EntryLine(product.pk, each.quantity)
            describe(line, product)
            lines.append(line)
            present[product.pk] = line
    return refused


def _paste(lines: list[EntryLine], text: str) -> tuple[list[EntryLine], Sequence[str], str]:
    """Add the pasted lines; what cannot be read or found is named and stays in its field."""
    pasted = pasted_lines(text)
    room = max(0, MOST_ITEMS - len(lines))
    readable = [each for each in pasted if each.code]
    refused = _add(lines, readable[:room])
    left = [each for each in pasted if not each.code or each in refused] + readable[room:]
    problems = [
        refused.get(each) or _no_product(each.code)
        if each.code
        else _("“%(line)s” is not a code and a quantity.") % {"line": each.text}
        for each in left[:MOST_PROBLEMS]
    ]
    if len(readable) > room:
        problems = [_("An order has at most %(most)s items.") % {"most": MOST_ITEMS}, *problems]
    return lines, problems, "\n".join(each.text for each in left)


def _add_again(lines: list[EntryLine], order: Order) -> None:
    """The lines of a past order, on top of what is there."""
    present = {line.product_id: line for line in lines}
    for item in order.items.all():
        if line := present.get(item.product_id):
            line.quantity = str((line.pieces or 0) + item.quantity)
        else:
            lines.append(EntryLine(item.product_id, str(item.quantity)))
    fill(lines)


def _take_available(lines: Sequence[EntryLine], product: str) -> list[EntryLine]:
    """Short lines cut down to what is available, this product's or all; without any, the line goes."""
    kept = []
    for line in lines:
        if line.is_short and product in {"", str(line.product_id)}:
            if not line.available:
                continue
            line.quantity = str(line.available)
        kept.append(line)
    return kept


def _only_customer(request: SignedIn) -> int | None:
    """The customer that was typed, if the words mean exactly one."""
    found = [customer for customer in _typed_customers(request) if customer.is_active]
    return found[0].pk if len(found) == 1 else None


def _new_customer(request: SignedIn, form: EntryForm, lines: list[EntryLine]) -> HttpResponse:
    """Add a customer in the middle of an order, and go on with the order."""
    typed = CustomerForm(request.POST, prefix=NEW_CUSTOMER)
    if typed.is_valid():
        given = {name: value for name, value in typed.cleaned_data.items() if name != "version"}
        try:
            form.initial["customer"] = create_customer(actor=request.user, **given).pk
        except (Duplicate, Invalid) as refusal:
            typed.add_refusal(refusal)
    status = 422 if typed.errors else 200
    return _show(request, form, lines, customer_form=typed, status=status)


def _products_of(text: str) -> Sequence[Product]:
    """The one product of a code, several that share a GTIN, or those that words fit."""
    if not text:
        return []
    found = find_by_codes([text]).get(text.upper())
    return found or find_products(text, limit=MOST_OPTIONS)


def _show_added(
    request: SignedIn, form: EntryForm, lines: list[EntryLine], code: str
) -> HttpResponse:
    """The form with one product more, or with a choice between those that the words fit."""
    found = _products_of(code)
    if len(found) == 1:
        _add(lines, [PastedLine(code, found[0].sku)])
        return _show(request, form, lines, code="")
    problems = [_no_product(code)] if code and not found else []
    return _show(request, form, lines, problems, product_choices=found)


def _answer_line(request: SignedIn) -> HttpResponse:
    """One scanned or chosen product as a row; the browser puts it at the end. Costs the same for the 200th line.

    Of words that fit several it is the list to choose from, as if it had been waited for before Enter.
    """
    code = request.POST.get("code", "").strip()
    found = _products_of(code)
    if len(found) > 1:
        message = _("Several products fit “%(code)s”: choose one.") % {"code": code}
        choice = {**_options(code, found), "message": message}
        response = render(request, "orders/order_entry.html#product_options", choice)
        return reswap(retarget(response, "#product-options"), "outerHTML")
    if not found:
        context = {
            "message": _no_product(code) if code else _("Type or scan a code."),
            "code": code,
        }
        return render(request, "orders/order_entry.html#scan_problem", context, status=422)
    [product] = found
    line = EntryLine(product.pk, "1")
    describe(line, product)
    response = render(request, "orders/order_entry.html#line", {"line": line})
    response["HX-Trigger"] = json.dumps({"line:added": {"id": product.pk}})
    return response


def _place(request: SignedIn, form: EntryForm, lines: list[EntryLine]) -> HttpResponse:
    problems = []
    if not lines:
        problems.append(_("Add at least one product."))
    if request.POST.get("pasted", "").strip():
        problems.append(
            _("The pasted lines are not in the order yet: add them, or empty their field.")
        )
    problems += [f"{line.sku}: {line.error}" for line in lines if line.error][:MOST_PROBLEMS]
    if not form.is_valid() or problems:
        return _show(request, form, lines, problems, status=422)
    head = form.cleaned_data
    try:
        placement = services.place_order(
            actor=request.user,
            customer_id=head["customer"],
            items=[services.NewItem(line.product_id, line.pieces or 0) for line in lines],
            idempotency_key=head["idempotency_key"],
            notes=head["notes"],
            due_date=head["due_date"],
            customer_reference=head["customer_reference"],
            delivery_address=head["delivery_address"] or None,
            prices={
                line.product_id: seen for line in lines if (seen := line.seen_price) is not None
            },
        )
    except InsufficientStock as error:
        missing = {item["product_id"]: item["available"] for item in error.facts["items"]}
        for line in lines:
            line.available = missing.get(line.product_id, line.available)
        return _show(request, form, lines, [error.message], is_short=True)
    except services.PriceChanged as error:
        fill(lines)
        changed = {item["product_id"] for item in error.facts["items"]}
        repriced = [line for line in lines if line.product_id in changed]
        return _show(request, form, lines, repriced=repriced, status=422)
    except IdempotencyKeyReused:
        return _already_placed(request, lines)
    except DomainError as error:
        return _show(request, form, lines, [error.message])
    return _placed(request, placement.order, replayed=placement.replayed)


def _already_placed(request: SignedIn, lines: list[EntryLine]) -> HttpResponse:
    """Back after an order, something changed, sent again: a second one is booked only if it is clearly wanted."""
    fresh = {**request.POST.dict(), "idempotency_key": uuid_utils.uuid7().hex}
    problem = _(
        "This form has already placed an order. Send it again to place another one with these lines."
    )
    return _show(request, EntryForm(initial=fresh), lines, [problem])


def _placed(request: SignedIn, order: Order, *, replayed: bool) -> HttpResponse:
    text = _("%(number)s was already placed.") if replayed else _("%(number)s is placed.")
    messages.success(request, text % {"number": order.number})
    url = reverse("orders:detail", args=[order.pk])
    return HttpResponseClientRedirect(url) if is_partial(request) else redirect(url)


def _show(
    request: SignedIn,
    form: EntryForm,
    lines: Sequence[EntryLine],
    problems: Sequence[str] = (),
    pasted: str | None = None,
    *,
    code: str | None = None,
    product_choices: Sequence[Product] = (),
    customer_form: CustomerForm | None = None,
    repriced: Sequence[EntryLine] = (),
    is_short: bool = False,
    status: int | None = None,
) -> HttpResponse:
    customer = _customer(form["customer"].value())
    context = {
        "form": form,
        "lines": lines,
        "customer": customer,
        "past_orders": queries.latest_of_customer(customer.pk) if customer else [],
        "problems": problems,
        "is_short": is_short,
        "repriced": repriced[:MOST_PROBLEMS],
        "pasted": request.POST.get("pasted", "") if pasted is None else pasted,
        "code": request.POST.get("code", "") if code is None else code,
        "product_choices": [as_record(product) for product in product_choices],
        "total": sum((line.subtotal for line in lines), Decimal(0)),
        "pieces": sum(line.pieces or 0 for line in lines),
        "shortages": sum(1 for line in lines if line.is_short),
        "customer_search": request.POST.get("customer_search", ""),
        "customer_options": _typed_customers(request) if customer is None else [],
        "customer_form": customer_form or _typed_customer(request),
        "today": clock.today(),
        "adds_customer": any(
            request.POST.get(f"{NEW_CUSTOMER}-{name}") for name in CustomerForm.base_fields
        ),
    }
    template = "orders/order_entry.html#form" if is_partial(request) else "orders/order_entry.html"
    return render(request, template, context, status=status or (422 if problems else 200))


def _typed_customer(request: SignedIn) -> CustomerForm:
    """The new customer as far as typed, without judging it yet."""
    typed = {
        name: request.POST.get(f"{NEW_CUSTOMER}-{name}", "") for name in CustomerForm.base_fields
    }
    return CustomerForm(initial=typed, prefix=NEW_CUSTOMER)


def _customer(value: object) -> Any:
    customer_id = record_id(str(value or ""))
    if customer_id is None:
        return None
    try:
        return get_customer(customer_id)
    except DomainError:
        return None


def _typed_customers(request: SignedIn) -> Sequence[Any]:
    """Without JavaScript the customer is found by sending the form."""
    text = request.POST.get("customer_search", "").strip()
    return find_customers(request.user, text, limit=20, with_inactive=True) if text else []
