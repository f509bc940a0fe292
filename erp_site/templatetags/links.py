"""Where a word on a page leads."""

import re
from typing import Final

from django import template
from django.urls import reverse

from orders.models import Order

register = template.Library()

_NUMBER: Final = re.compile(rf"{Order.NUMBER_PREFIX}0*([1-9][0-9]{{0,17}})")


@register.filter
def order_url(reference: str) -> str:
    """The page of the order that this number names; "" if it names none."""
    match = _NUMBER.fullmatch(reference)
    return reverse("orders:detail", args=[int(match[1])]) if match else ""
