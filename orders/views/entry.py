"""Order entry. Everything typed travels with the form, so nothing is lost by a refusal, a reload or a lost answer:
the form's own idempotency key makes a second sending the same order."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import uuid_utils
from django.contrib import messages
from django.forms import Form
from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe
from django_htmx.http import HttpResponseClientRedirect, reswap, retarget

from accounts.auth import SignedIn, require
from accounts.roles import Permission
from catalog.models import PriceList, Product
from catalog.queries import (
    as_record,
    find_by_codes,
    find_products,
    is_shared_gtin,
    prices_on,
)
from catalog.services import InsufficientStock
from customers.forms import CustomerForm
from customers.queries import find_customers, get_customer, price_list_of
from customers.services import create_customer
from erp_site.core import clock
from erp_site.core.errors import (
    DomainError,
    Duplicate,
    IdempotencyKeyReused,
    Invalid,
    NothingNamed,
)
from erp_site.core.fields import grouped_amount
from erp_site.core.htmx import is_partial
from erp_site.core.paths import record_id
from orders import queries, services
from orders.forms import EntryForm, EntryLine, PastedLine, as_share, entry_lines
from orders.models import Order

from .lines import MOST_PROBLEMS, EntryLines, no_product

#: What the names of a new customer's fields begin with, among those of the order.
NEW_CUSTOMER: Final = "new"
#: Products and customers to choose from, where words fit several.
MOST_OPTIONS: Final = 8


@require_safe
@require(Permission.PLACE_ORDER)
def product_options(request: SignedIn) -> HttpResponse:
    """The products that fit what is typed: by SKU, GTIN or words, each with price and what is available."""
    text = request.GET.get("code", "").strip()
    products = find_products(text, limit=MOST_OPTIONS) if text else []
    options = _options(text, products, _price_list(request.GET))
    return render(request, "orders/order_entry.html#product_options", options)


def _price_list(data: QueryDict) -> PriceList | None:
    """By which list the customer buys that an address or a form names, if there is one."""
    customer_id = record_id(data.get("customer", ""))
    return price_list_of(customer_id) if customer_id else None


def _priced(products: Sequence[Product], price_list: PriceList | None) -> list[dict[str, Any]]:
    prices = prices_on(price_list, products)
    return [{**as_record(product), "price": prices[product.pk]} for product in products]


def _options(
    text: str, products: Sequence[Product], price_list: PriceList | None
) -> dict[str, Any]:
    """What the list of products shows. The first is marked for Enter, unless a scan alone does not say which it was."""
    return {
        "options": _priced(products, price_list),
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
        return answer_line(request, EntryLines(), _price_list(request.POST))
    lines = EntryLines(entry_lines(request.POST))
    if action == "place":
        return _place(request, EntryForm(request.POST), lines)
    form = EntryForm(initial=request.POST.dict())
    if action == "new_customer":
        return _new_customer(request, form, lines)
    if action == "customer":
        form.initial["customer"] = form.initial.get("customer") or _only_customer(request)
    elif action == "change_customer":
        _leave_customer(form)
    return _show(request, form, lines, change_lines(request, lines, action, argument))


@dataclass(frozen=True, slots=True)
class Answer:
    """What a button has to say beside the form."""

    problems: Sequence[str] = ()
    pasted: str | None = None
    """What is left of pasted text; None: all that was there."""
    code: str | None = None
    product_choices: Sequence[Product] = ()
    repriced: Sequence[EntryLine] = ()
    is_short: bool = False
    status: int | None = None
    more: dict[str, Any] = field(default_factory=dict)


def change_lines(request: SignedIn, lines: EntryLines, action: str, argument: str) -> Answer:
    """Do what a button does to the lines."""
    if action == "add":
        return _add_product(lines, argument or request.POST.get("code", "").strip())
    if action == "paste":
        problems, left = lines.paste(request.POST.get("pasted", ""))
        return Answer(problems, left)
    if action == "repeat" and (order_id := record_id(argument)):
        lines.add_again(queries.get_order(order_id))
    elif action == "remove":
        lines.remove(argument)
    elif action == "discount" and request.user.may_agree_on_prices:
        lines.take_off(as_share(request.POST.get("share", "")))
    elif action == "take":
        lines.take_available(argument)
    return Answer()


def _blank(request: SignedIn) -> tuple[EntryForm, EntryLines]:
    """An empty form, or one filled from a past order (`?repeat=`) or a customer (`?customer=`)."""
    initial: dict[str, Any] = {"idempotency_key": uuid_utils.uuid7().hex}
    lines = EntryLines()
    repeat, customer = request.GET.get("repeat", ""), request.GET.get("customer", "")
    if order_id := record_id(repeat):
        order = queries.get_order(order_id)
        initial |= {
            "customer": order.customer_id,
            "notes": order.notes,
            "delivery_address": _address_again(request, order),
        }
        lines.add_again(order)
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


def _only_customer(request: SignedIn) -> int | None:
    """The customer that was typed, if the words mean exactly one."""
    found = [customer for customer in _typed_customers(request) if customer.is_active]
    return found[0].pk if len(found) == 1 else None


def _new_customer(request: SignedIn, form: EntryForm, lines: EntryLines) -> HttpResponse:
    """Add a customer in the middle of an order, and go on with the order."""
    typed = CustomerForm(request.POST, prefix=NEW_CUSTOMER)
    if typed.is_valid():
        given = {name: value for name, value in typed.cleaned_data.items() if name != "version"}
        try:
            form.initial["customer"] = create_customer(actor=request.user, **given).pk
        except (Duplicate, Invalid, NothingNamed) as refusal:
            typed.add_refusal(refusal)
    status = 422 if typed.errors else 200
    return _show(request, form, lines, Answer(status=status, more={"customer_form": typed}))


def _products_of(text: str) -> Sequence[Product]:
    """The one product of a code, several that share a GTIN, or those that words fit."""
    if not text:
        return []
    found = find_by_codes([text]).get(text.upper())
    return found or find_products(text, limit=MOST_OPTIONS)


def _add_product(lines: EntryLines, code: str) -> Answer:
    """One product more, or a choice between those that the words fit."""
    found = _products_of(code)
    if len(found) == 1:
        lines.add([PastedLine(code, found[0].sku)])
        return Answer(code="")
    return Answer([no_product(code)] if code and not found else [], product_choices=found)


def answer_line(request: SignedIn, lines: EntryLines, price_list: PriceList | None) -> HttpResponse:
    """One scanned or chosen product as a row; the browser puts it at the end. Costs the same for the 200th line.

    Of words that fit several it is the list to choose from, as if it had been waited for before Enter.
    """
    code = request.POST.get("code", "").strip()
    found = _products_of(code)
    if len(found) > 1:
        message = _("Several products fit “%(code)s”: choose one.") % {"code": code}
        choice = {**_options(code, found, price_list), "message": message}
        response = render(request, "orders/order_entry.html#product_options", choice)
        return reswap(retarget(response, "#product-options"), "outerHTML")
    if not found:
        context = {
            "message": no_product(code) if code else _("Type or scan a code."),
            "code": code,
        }
        return render(request, "orders/order_entry.html#scan_problem", context, status=422)
    [product] = found
    line = lines.put(product, "1")
    lines.price_by(price_list, request.user)
    response = render(request, "orders/order_entry.html#line", {"line": line})
    response["HX-Trigger"] = json.dumps({"line:added": {"id": product.pk}})
    return response


def still_pasted(request: SignedIn) -> list[str]:
    """Nothing is ordered while something waits among the pasted lines."""
    if not request.POST.get("pasted", "").strip():
        return []
    return [_("The pasted lines are not in the order yet: add them, or empty their field.")]


def unlikely_prices(lines: EntryLines) -> list[str]:
    """Asked about once: 665 where somebody meant 6.65. Sent again as it is, it was meant."""
    said = _("%(sku)s at R$ %(price)s is far above R$ %(usual)s. If it is meant so, send it again.")
    problems = []
    for line in lines.unlikely:
        line.meant = str(line.unit_cents)
        price, usual = map(grouped_amount, (line.unit_price, line.price))
        problems.append(said % {"sku": line.sku, "price": price, "usual": usual})
    return problems[:MOST_PROBLEMS]


def _place(request: SignedIn, form: EntryForm, lines: EntryLines) -> HttpResponse:
    lines.price_by(_price_list(request.POST), request.user)
    problems = [*lines.problems, *still_pasted(request), *unlikely_prices(lines)]
    if not form.is_valid() or problems:
        return _show(request, form, lines, Answer(problems, status=422))
    head = form.cleaned_data
    try:
        placement = services.place_order(
            actor=request.user,
            customer_id=head["customer"],
            items=lines.wanted,
            idempotency_key=head["idempotency_key"],
            notes=head["notes"],
            due_date=head["due_date"],
            customer_reference=head["customer_reference"],
            delivery_address=head["delivery_address"] or None,
            prices=lines.seen_prices,
        )
    except IdempotencyKeyReused:
        return _already_placed(request, lines)
    except DomainError as error:
        return _show(request, form, lines, refused(lines, error))
    return _placed(request, placement.order, replayed=placement.replayed)


def refused(lines: EntryLines, error: DomainError) -> Answer:
    """What the form says of a refusal, beside all that was typed."""
    if isinstance(error, InsufficientStock):
        lines.told_missing(error.facts["items"])
        return Answer([error.message], is_short=True)
    if isinstance(error, services.PriceChanged):
        return Answer(repriced=lines.told_repriced(error.facts["items"]), status=422)
    return Answer([error.message])


def _already_placed(request: SignedIn, lines: EntryLines) -> HttpResponse:
    """Back after an order, something changed, sent again: a second one is booked only if it is clearly wanted."""
    fresh = {**request.POST.dict(), "idempotency_key": uuid_utils.uuid7().hex}
    problem = _(
        "This form has already placed an order. Send it again to place another one with these lines."
    )
    return _show(request, EntryForm(initial=fresh), lines, Answer([problem]))


def _placed(request: SignedIn, order: Order, *, replayed: bool) -> HttpResponse:
    text = _("%(number)s was already placed.") if replayed else _("%(number)s is placed.")
    return lead_to(request, order, text % {"number": order.number})


def lead_to(request: SignedIn, order: Order, message: str) -> HttpResponse:
    """On to the page of the order, which says what was done."""
    messages.success(request, message)
    url = reverse("orders:detail", args=[order.pk])
    return HttpResponseClientRedirect(url) if is_partial(request) else redirect(url)


def _show(
    request: SignedIn, form: EntryForm, lines: EntryLines, answer: Answer | None = None
) -> HttpResponse:
    customer = _customer(form["customer"].value())
    context = {
        "form_url": reverse("orders:new"),
        "customer": customer,
        "past_orders": queries.latest_of_customer(customer.pk) if customer else [],
        "customer_search": request.POST.get("customer_search", ""),
        "customer_options": _typed_customers(request) if customer is None else [],
        "customer_form": _typed_customer(request),
        "adds_customer": any(
            request.POST.get(f"{NEW_CUSTOMER}-{name}") for name in CustomerForm.base_fields
        ),
    }
    return show_form(request, form, lines, answer or Answer(), context)


def show_form(
    request: SignedIn, form: Form, lines: EntryLines, answer: Answer, context: dict[str, Any]
) -> HttpResponse:
    """Order entry with its lines and what is wrong with them: the form alone for htmx, the page otherwise."""
    posted = request.POST
    price_list = context["customer"].price_list if context["customer"] else None
    lines.price_by(price_list, request.user)
    context = {
        "form": form,
        "lines": lines,
        "problems": answer.problems,
        "is_short": answer.is_short,
        "repriced": answer.repriced[:MOST_PROBLEMS],
        "pasted": posted.get("pasted", "") if answer.pasted is None else answer.pasted,
        "code": posted.get("code", "") if answer.code is None else answer.code,
        "product_choices": _priced(answer.product_choices, price_list),
        "price_list": price_list,
        # Until the next customer is chosen, the prices of the one before are those that were seen.
        "keeps_seen": context["customer"] is None,
        "today": clock.today(),
        **context,
        **answer.more,
    }
    template = "orders/order_entry.html#form" if is_partial(request) else "orders/order_entry.html"
    status = answer.status or (422 if answer.problems else 200)
    return render(request, template, context, status=status)


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
