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
#: Digits of a number with its country.
SHORTEST: Final = 8
LONGEST: Final = 15
#: What may be a number: digits as people group them, after what is no letter.
_PHONE: Final = re.compile(r"\+?[(]?[0-9][0-9 \u00a0().\u2013-]*")


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
    return f"https://wa.me/{_international(phone)}?text={quote(text)}"


def _international(phone: str) -> str:
    """The digits of the one number that this says, its country first; "" if it says none, several, or more than that:
    an order must not go to a stranger whose number two others, or one and its extension, make together."""
    found = _PHONE.findall(phone)
    if len(found) != 1:
        return ""
    [number] = found
    digits = re.sub(r"[^0-9]", "", number)
    if number.startswith("+"):
        return digits if SHORTEST <= len(digits) <= LONGEST else ""
    digits = digits.lstrip("0")
    if len(digits) in {10, 11}:
        return BRAZIL + digits
    return digits if len(digits) in {12, 13} and digits.startswith(BRAZIL) else ""


@register.simple_tag
def mail_url(email: str, subject: str, text: str) -> str:
    """A letter to this address in the reader's mail program, not sent yet."""
    body = quote(text.replace("\n", "\r\n"))
    return f"mailto:{quote(email, safe='@')}?subject={quote(subject)}&body={body}"
