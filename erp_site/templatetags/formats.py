"""How values are shown: money, numbers and CPF/CNPJ in the reader's locale."""

import functools
import re
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final

import segno
from django import template
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.translation import get_language, pgettext

from accounts.models import User
from accounts.roles import Permission
from erp_site.core import clock, taxid
from erp_site.core.fields import grouped, grouped_amount, percentage, typed_amount
from orders.models import Order, order_number

register = template.Library()


def _remembered[D: (date, datetime, date | None)](show: Callable[[D], str]) -> Callable[[D], str]:
    """`show`, whose words for a time are the same for every reader of a language, all year.

    Times take longer than all else in a row of a list, and people look at the same rows again and again.
    """

    @functools.lru_cache(maxsize=4096)
    def shown(when: D, *_context: Any) -> str:
        return show(when)

    @functools.wraps(show)
    def lookup(when: D) -> str:
        zone = timezone.get_current_timezone()
        return shown(when, get_language(), clock.today().year, zone)

    return lookup


@register.filter
def money(amount: Decimal | None) -> str:
    """1234.5 -> "R$ 1.234,50" in Portuguese, "R$ 1,234.50" in English."""
    if amount is None:
        return ""
    # A space that does not break: the sign stays with its number.
    return f"R$\N{NO-BREAK SPACE}{grouped_amount(amount)}"


@register.filter
def percent(share: Decimal | str) -> str:
    """7.50 -> "7,5 %" in Portuguese, "7.5 %" in English: no zeros at the end, and no more than two places.

    Events have it as text.
    """
    return percentage(Decimal(share))


@register.filter
def signed_percent(share: Decimal) -> str:
    """A difference: "+2.5 %", "-7.5 %" with a true minus sign, "0 %"."""
    sign = "+" if share > 0 else "\N{MINUS SIGN}" if share < 0 else ""
    return f"{sign}{percent(abs(share))}"


register.filter("amount", typed_amount)


#: One telephone number, as people write it; not two, and no words beside it.
_TELEPHONE: Final = re.compile(r"\+?[\d\s().-]{6,}")


@register.filter
def telephone(text: str) -> str:
    """What a customer is called at: on a phone a touch dials it, if it is one number and nothing else."""
    if not _TELEPHONE.fullmatch(text):
        return text
    dialled = re.sub(r"[^+\d]", "", text)
    return format_html('<a href="tel:{}">{}</a>', dialled, text)


@register.filter
def whole(number: int | None) -> str:
    """1234 -> "1.234" in Portuguese, "1,234" in English."""
    return "" if number is None else grouped(number)


@register.filter
@_remembered
def moment(when: datetime) -> str:
    """A time, as short as is clear: "23/11 14:20" in Portuguese, "Nov 23, 14:20" in English; older ones have a year."""
    local = timezone.localtime(when)
    if local.year == clock.today().year:
        return date_format(local, pgettext("format of a time this year", "M j, H:i"))
    return date_format(local, pgettext("format of a time", "M j, Y, H:i"))


@register.filter
@_remembered
def day(when: date | None) -> str:
    """A date, as short as is clear: "23/11" in Portuguese, "Nov 23" in English; those of other years have theirs."""
    if when is None:
        return ""
    if when.year == clock.today().year:
        return date_format(when, pgettext("format of a day this year", "M j"))
    return date_format(when, pgettext("format of a day", "M j, Y"))


@register.filter
def long_day(when: date) -> str:
    """A date in words: "26 de novembro de 2026" in Portuguese, "Nov. 26, 2026" in English."""
    words = date_format(when, "DATE_FORMAT")
    # Django writes Portuguese months with a capital, which Portuguese does not.
    return words.lower() if get_language() == "pt-br" else words


@register.filter
def signed(number: int) -> str:
    """A change: "+12", "-3" with a true minus sign, "0"."""
    sign = "+" if number > 0 else "\N{MINUS SIGN}" if number < 0 else ""
    return f"{sign}{whole(abs(number))}"


@register.filter
def tax_id(value: str, user: User) -> str:
    """A CPF or CNPJ with its punctuation, masked for those who may not see it."""
    return taxid.formatted(value if user.has_perm(Permission.VIEW_TAX_IDS) else taxid.masked(value))


register.filter(order_number)


@register.filter
def row_key(order: Order) -> tuple[Any, ...]:
    """All that makes a row of the list of orders what it is, but for who reads it and when: `reader_key`."""
    return (
        order.pk,
        order.created_at,
        order.version,
        order.customer.name,
        order.customer.cpf_cnpj,
        order.created_by and order.created_by.name,
    )


@register.filter
def reader_key(user: User) -> tuple[Any, ...]:
    """What this reader sees otherwise than another, or on another day."""
    return user.has_perm(Permission.VIEW_TAX_IDS), get_language(), clock.today()


@register.filter
def qr(text: str) -> str:
    """A QR code of the text as a data: address for an img."""
    return segno.make(text, micro=False).svg_data_uri(scale=3, border=1)
