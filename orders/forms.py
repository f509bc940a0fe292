"""Forms of the orders' pages."""

import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from itertools import chain, repeat
from typing import Any, ClassVar, Final

import uuid_utils
from django import forms
from django.http import QueryDict
from django.utils.translation import gettext_lazy as _

from erp_site.core import clock
from erp_site.core.fields import LineField, LinesField, plain_number
from erp_site.core.money import CENT, LARGEST_PRICE, percent_change, to_cents
from erp_site.core.paths import record_id

from .states import OrderStatus

#: Orders that are moved or printed at once.
MOST_AT_ONCE: Final = 200


def ids_of(data: QueryDict) -> list[int]:
    """The orders that an address or a form names with `ids`; what is no id is left out."""
    return list(filter(None, map(record_id, data.getlist("ids"))))[:MOST_AT_ONCE]


class AsksWhy(forms.Form):
    """A step of orders: the one that ends them asks for a reason, the others do not."""

    STEP: ClassVar = "status"
    # A reason in a closed popover must not keep the other buttons of its form from working.
    use_required_attribute = False

    note = LinesField(
        label=_("Reason"),
        required=False,
        max_length=2000,
        widget=forms.Textarea(attrs={"rows": 2}),
        error_messages={"required": _("Say why the order is cancelled.")},
    )

    def __init__(self, data: QueryDict | None = None, **kwargs: Any) -> None:
        super().__init__(data, **kwargs)
        step = (self.initial if data is None else data).get(self.STEP)
        self.fields["note"].required = step == OrderStatus.CANCELLED


class StatusForm(AsksWhy):
    """One step of an order; `version` is the one the person saw."""

    status = forms.ChoiceField(choices=OrderStatus.choices, widget=forms.HiddenInput)
    version = forms.IntegerField(required=False, widget=forms.HiddenInput)


class NoteForm(forms.Form):
    text = LinesField(
        label=_("Note"),
        max_length=2000,
        widget=forms.Textarea(attrs={"rows": 2, "autocomplete": "off"}),
    )
    idempotency_key = forms.RegexField(
        r"^[\x20-\x7e]{1,255}$",
        required=False,
        widget=forms.HiddenInput,
        initial=lambda: uuid_utils.uuid7().hex,
    )


class BulkForm(AsksWhy):
    """Some orders of a list, and what to do with them."""

    STEP: ClassVar = "action"

    ids = forms.TypedMultipleChoiceField(
        coerce=int, error_messages={"required": _("Select some orders first.")}
    )
    action = forms.ChoiceField(choices=[*OrderStatus.choices, ("pick", "")])

    def __init__(self, data: QueryDict | None = None, **kwargs: Any) -> None:
        super().__init__(data, **kwargs)
        found = ids_of(data) if data is not None else []
        self.fields["ids"].choices = [(each, each) for each in found]  # type: ignore[attr-defined]  # a choice field


class SavedViewForm(forms.Form):
    name = LineField(label=_("Name"), max_length=60)
    query = forms.CharField(required=False, max_length=1000, widget=forms.HiddenInput)
    is_shared = forms.BooleanField(label=_("Share it with everybody"), required=False)


class DeliveryForm(forms.Form):
    """What an order says beside its customer and its lines, which are repeated `product` and `quantity` fields, see
    EntryLine."""

    due_date = forms.DateField(
        label=_("Due date"),
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
    )
    customer_reference = LineField(label=_("Customer reference"), required=False, max_length=64)
    delivery_address = LinesField(
        label=_("Delivery address"),
        required=False,
        max_length=500,
        # A field of one line would join the lines of an address: "Rua A, 1Centro".
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text=_("Left empty, it is the customer's own."),
    )
    notes = LinesField(
        label=_("Notes"), required=False, max_length=2000, widget=forms.Textarea(attrs={"rows": 2})
    )

    def clean_due_date(self) -> date | None:
        value: date | None = self.cleaned_data["due_date"]
        if value and not 1900 <= value.year <= 2999:
            raise forms.ValidationError(_("The year is between 1900 and 2999."))
        return value

    @property
    def is_past_due(self) -> bool:
        """The day has passed: that is said and no more, for orders are entered late, too."""
        with suppress(forms.ValidationError):
            day: date | None = self.fields["due_date"].clean(self["due_date"].value())
            return day is not None and day.year >= 1900 and day < clock.today()
        return False


class EntryForm(DeliveryForm):
    """The head of a new order."""

    customer = forms.IntegerField(
        min_value=1,
        max_value=2**63 - 1,
        widget=forms.HiddenInput,
        error_messages={"required": _("Choose a customer.")},
    )
    idempotency_key = forms.RegexField(r"^[\x20-\x7e]{1,255}$", widget=forms.HiddenInput)


class AmendForm(DeliveryForm):
    """The head of an order that is being changed; `version` is the one the person saw."""

    reason = LineField(label=_("Reason for the change"), required=False, max_length=2000)
    version = forms.IntegerField(min_value=1, max_value=2**31 - 1, widget=forms.HiddenInput)


def _pieces(text: str) -> int | None:
    """A whole number of at most seven digits as people write it: "1.200" in Portuguese, "1,200" in English."""
    plain = plain_number(text)
    number = Decimal(plain) if plain and plain.isascii() else Decimal(-1)
    return int(number) if 0 <= number < 10**7 and number == int(number) else None


#: "99.999.999,99", with a sign before or behind it.
LONGEST_PRICE: Final = 14
_SHARE = re.compile(r"([-+\u2212]?)(.+)%")


def agreed_on(text: str, price: Decimal) -> Decimal | None:
    """The price that somebody means who is told `price`: "8,90" is that, "5%" or "-5%" so much less, "+5%" more.

    None if it is no price.
    """
    text = re.sub(r"\s|R\$", "", text)
    share = _SHARE.fullmatch(text)
    number = plain_number(share[2] if share else text)
    if number is None or number.startswith("-") or len(number) > LONGEST_PRICE:
        return None
    agreed = Decimal(number)
    if share:
        agreed = to_cents(price * (100 + agreed * (1 if share[1] == "+" else -1)) / 100)
    return agreed if CENT <= agreed <= LARGEST_PRICE and agreed == to_cents(agreed) else None


def in_cents(price: Decimal) -> int:
    """A price as the page carries it."""
    return int(price * 100)


def as_share(text: str) -> str:
    """Where only shares are asked for, "10" is "10%"; nothing stays nothing."""
    text = text.strip()
    return text if not text or "%" in text else f"{text}%"


#: So many times the customer's price is rather a slip than a price.
UNLIKELY: Final = Decimal("1.5")


@dataclass(slots=True)
class EntryLine:
    """One line of the entry form, exactly as typed, beside what it stands for."""

    product_id: int
    quantity: str
    sku: str = ""
    name: str = ""
    price: Decimal = Decimal(0)
    available: int = 0
    error: str = ""
    seen: str = ""
    """The customer's price that the page showed, in cents."""
    agreed: str | None = None
    """The price that was agreed upon in its place, as typed; None if the form did not ask."""
    meant: str = ""
    """The price, in cents, that the page has asked about already."""
    agreed_price: Decimal | None = None
    """What that means beside the customer's price: see `agreed_on`."""
    lowest: Decimal = Decimal(0)
    """How low the person may go who sees it."""
    held: int = 0
    held_price: Decimal = Decimal(0)
    """What the order that is being changed has of it, and at which price: so much stays as it was agreed upon."""

    @property
    def pieces(self) -> int | None:
        """The quantity as a number; None if it is none."""
        return _pieces(self.quantity)

    @property
    def is_unreadable(self) -> bool:
        """Whether something stands where a price is agreed upon, and is none."""
        return self.agreed_price is None and bool((self.agreed or "").strip())

    @property
    def unit_price(self) -> Decimal:
        return self.price if self.agreed_price is None else self.agreed_price

    @property
    def change(self) -> Decimal:
        """By how much it is above the customer's price, in percent; less than 0 where it is below."""
        return percent_change(self.price, self.unit_price) if self.price else Decimal(0)

    @property
    def is_too_low(self) -> bool:
        is_kept = (self.pieces or 0) <= self.held and self.unit_price >= self.held_price
        return self.unit_price < self.lowest and not is_kept

    @property
    def is_unlikely(self) -> bool:
        """Whether it is so far above the customer's price that somebody may have left out a mark."""
        return self.unit_price > self.price * UNLIKELY and self.unit_price != self.held_price

    @property
    def is_meant(self) -> bool:
        return self.meant == str(self.unit_cents)

    @property
    def subtotal(self) -> Decimal:
        return to_cents(self.unit_price * (self.pieces or 0))

    @property
    def is_short(self) -> bool:
        return (self.pieces or 0) > self.available

    @property
    def cents(self) -> int:
        """The customer's price for the running total in the browser."""
        return in_cents(self.price)

    @property
    def unit_cents(self) -> int:
        return in_cents(self.unit_price)

    @property
    def lowest_cents(self) -> int:
        return in_cents(self.lowest)

    @property
    def held_cents(self) -> int:
        return in_cents(self.held_price)

    @property
    def seen_price(self) -> Decimal | None:
        """What the person who sends the form was shown, if it says so."""
        known = self.seen.isascii() and self.seen.isdigit() and len(self.seen) < 19
        return Decimal(self.seen) / 100 if known else None

    @property
    def price_before(self) -> Decimal | None:
        """The price that was seen, if it is another now: of another customer, or of a past order that is repeated."""
        is_other = bool(self.sku) and self.seen_price != self.price
        return self.seen_price if is_other else None

    @property
    def charged_before(self) -> Decimal | None:
        """The same, where it makes the line cost something else: an agreed price stays."""
        return self.price_before if self.agreed_price is None else None


def entry_lines(data: QueryDict) -> list[EntryLine]:
    """The lines of a posted form, in their order; rows without a valid product are dropped.

    Prices go by the product: a row that was made for somebody who may not agree upon any has no field for it.
    """
    rows = zip(
        data.getlist("product"),
        data.getlist("quantity"),
        chain(data.getlist("seen"), repeat("")),
        strict=False,
    )
    return [
        EntryLine(
            product_id,
            quantity,
            seen=seen,
            agreed=data.get(f"agreed-{product_id}"),
            meant=data.get(f"meant-{product_id}", ""),
        )
        for product, quantity, seen in rows
        if (product_id := record_id(product)) is not None
    ]


@dataclass(frozen=True, slots=True)
class PastedLine:
    """One line of pasted text and what it asks for; without a code it could not be read."""

    text: str
    code: str = ""
    quantity: str = "1"


#: "CAF-500;24", as spreadsheets copy it: tabs, commas, and whole numbers with a fraction of zeros. A code ends
#: with what is no space and spaces are taken as a whole: there are too many ways to share out a long row of them.
_PASTED = re.compile(r"([^;,\t]*?[^;,\s])(?:(?:\s*+[;,]|\t|\s)\s*+([0-9][0-9.,]{0,11})?\s*+)?")


def pasted_lines(text: str) -> list[PastedLine]:
    """What each line of "SKU;quantity" asks for; a line without a quantity asks for one."""
    found = []
    for line in filter(None, map(str.strip, text.splitlines())):
        match = _PASTED.fullmatch(line)
        pieces = _pieces(match[2] or "1") if match else None
        if match and pieces is not None:
            found.append(PastedLine(line, match[1], str(pieces)))
        else:
            found.append(PastedLine(line))
    return found
