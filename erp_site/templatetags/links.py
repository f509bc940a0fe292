"""Where a word on a page leads."""

import re
from typing import Any, Final
from urllib.parse import quote

from django import template
from django.template.loader import render_to_string
from django.urls import reverse

from orders.models import Order

register = template.Library()

_NUMBER: Final = re.compile(rf"{Order.NUMBER_PREFIX}0*([1-9][0-9]{{0,17}})")


@register.filter
def order_url(reference: str) -> str:
    """The page of the order that this number names; "" if it names none."""
    match = _NUMBER.fullmatch(reference)
    return reverse("orders:detail", args=[int(match[1])]) if match else ""


#: Lines of an order that a message names: mail programs take no address of more than two thousand characters.
MOST_LINES: Final = 10
BRAZIL: Final = "55"


@register.simple_tag
def order_message(order: Order, lines: Any) -> str:
    """What the customer is told of their order, as plain text in the reader's language."""
    context = {"order": order, "lines": lines[:MOST_LINES], "more": len(lines) - MOST_LINES}
    return render_to_string("orders/order_message.txt", context).strip()


@register.simple_tag
def whatsapp_url(phone: str, text: str) -> str:
    """A chat with this number and the text in it, not sent yet; without a usable number the sender chooses whose.

    WhatsApp wants the number with its country: numbers of ten or eleven digits, as people write them, are Brazilian.
    """
    digits = re.sub(r"[^0-9]", "", phone)
    if not phone.lstrip().startswith("+"):
        digits = digits.lstrip("0")
        digits = BRAZIL + digits if len(digits) in {10, 11} else digits
    number = digits if 12 <= len(digits) <= 15 or phone.lstrip().startswith("+") else ""
    return f"https://wa.me/{number}?text={quote(text)}"


@register.simple_tag
def mail_url(email: str, subject: str, text: str) -> str:
    """A letter to this address in the reader's mail program, not sent yet."""
    body = quote(text.replace("\n", "\r\n"))
    return f"mailto:{quote(email, safe='@')}?subject={quote(subject)}&body={body}"
