"""What people type about products and their stock. Shape only: what may be is the services' to say."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final

from django import forms
from django.db import models
from django.utils.translation import gettext_lazy as _

from erp_site.core import gtin
from erp_site.core.fields import (
    LinesField,
    MoneyField,
    PercentField,
    ShowsRefusals,
    WholeField,
)

from . import queries
from .models import LARGEST_STOCK, LARGEST_THRESHOLD, LONGEST_DESCRIPTION, Product, StockMovement

Reason = StockMovement.Reason
SHORTEST_GTIN: Final = 8
#: Products to choose from, where words fit several.
MOST_OPTIONS: Final = 8


class ProductForm(ShowsRefusals):
    """A product as it is changed; `version` is the one that the typist saw."""

    sku = forms.CharField(
        label="SKU",
        max_length=64,
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    name = forms.CharField(
        label=_("Name"), max_length=255, widget=forms.TextInput(attrs={"autocomplete": "off"})
    )
    price = MoneyField(label=_("Price (R$)"))
    gtin = forms.CharField(
        label="GTIN",
        required=False,
        max_length=32,
        help_text=_("The number of the barcode."),
        widget=forms.TextInput(attrs={"autocomplete": "off", "inputmode": "numeric"}),
    )
    low_stock_threshold = WholeField(
        label=_("Low stock at"),
        required=False,
        min_value=0,
        max_value=LARGEST_THRESHOLD,
        help_text=_("With this many available, or fewer, it is time to buy."),
    )
    description = forms.CharField(
        label=_("Description"),
        required=False,
        max_length=LONGEST_DESCRIPTION,
        widget=forms.Textarea(attrs={"rows": 3}),
    )
    version = forms.IntegerField(required=False, widget=forms.HiddenInput)

    field_order: Sequence[str] = (
        "name",
        "sku",
        "gtin",
        "price",
        "low_stock_threshold",
        "description",
    )


class NewProductForm(ProductForm):
    """A product that is not there yet, with what lies on the shelf."""

    on_hand = WholeField(
        label=_("On hand"), required=False, min_value=0, max_value=LARGEST_STOCK, initial=0
    )
    field_order = ("name", "sku", "gtin", "price", "on_hand", "low_stock_threshold", "description")

    def clean_on_hand(self) -> int:
        return self.cleaned_data["on_hand"] or 0


class Direction(models.TextChoices):
    """How stock is adjusted."""

    IN = "in", _("In")
    OUT = "out", _("Out")
    COUNT = "count", _("Count")


class AdjustForm(ShowsRefusals):
    """So many pieces in or out, or so many counted where the typist saw `expected`."""

    product = forms.IntegerField(min_value=1, max_value=2**63 - 1, widget=forms.HiddenInput)
    direction = forms.ChoiceField(
        label=_("What happened"),
        choices=Direction.choices,
        initial=Direction.IN,
        widget=forms.RadioSelect,
    )
    quantity = WholeField(label=_("Quantity"), min_value=0, max_value=LARGEST_STOCK)
    reason = forms.ChoiceField(label=_("Reason"), choices=[("", "—"), *Reason.choices])
    note = LinesField(
        label=_("Note"),
        required=False,
        max_length=500,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    expected = forms.IntegerField(min_value=0, max_value=LARGEST_STOCK, widget=forms.HiddenInput)
    idempotency_key = forms.RegexField(r"^[\x20-\x7e]{1,200}$", widget=forms.HiddenInput)

    def clean_quantity(self) -> int:
        """A scan that landed in the wrong field is no quantity."""
        text = self.data.get("quantity", "").strip()
        if len(text) >= SHORTEST_GTIN and gtin.is_valid(text):
            raise forms.ValidationError(_("This is a barcode, not a quantity."))
        quantity: int = self.cleaned_data["quantity"]
        return quantity

    def clean(self) -> dict[str, Any]:
        typed = self.cleaned_data
        if typed.get("quantity") == 0 and typed.get("direction") != Direction.COUNT:
            self.add_error("quantity", _("At least 1."))
        return typed

    @property
    def change(self) -> dict[str, int]:
        """What the service is asked for."""
        quantity = self.cleaned_data["quantity"]
        match self.cleaned_data["direction"]:
            case Direction.IN:
                return {"delta": quantity}
            case Direction.OUT:
                return {"delta": -quantity}
            case _:
                return {"on_hand": quantity, "expected_on_hand": self.cleaned_data["expected"]}


class PriceListForm(ShowsRefusals):
    """A price list as it is changed; `version` is the one that the typist saw."""

    name = forms.CharField(
        label=_("Name"), max_length=255, widget=forms.TextInput(attrs={"autocomplete": "off"})
    )
    discount = PercentField(
        label=_("Discount (%)"),
        required=False,
        initial=Decimal(0),
        help_text=_(
            "Taken off the ordinary price of every product that has no price of its own on the list."
        ),
    )
    version = forms.IntegerField(required=False, widget=forms.HiddenInput)

    def clean_discount(self) -> Decimal:
        return self.cleaned_data["discount"] or Decimal(0)


class CopyForm(ShowsRefusals):
    """The name of a copy; all else is as on the list that is copied."""

    name = forms.CharField(
        label=_("Name"),
        max_length=255,
        widget=forms.TextInput(attrs={"autocomplete": "off", "autofocus": True}),
    )


class Way(models.TextChoices):
    """Where prices go. Chosen, since the digits' keyboard of many telephones has no minus sign."""

    UP = "up", _("Raise")
    DOWN = "down", _("Lower")


class RepriceForm(ShowsRefusals):
    """By how much all prices of a list are raised or lowered."""

    way = forms.ChoiceField(
        label=_("What happens to them"),
        choices=Way.choices,
        initial=Way.UP,
        widget=forms.RadioSelect,
    )
    percent = PercentField(
        label=_("By (%)"),
        help_text=_(
            "Of what each costs on the list now, to the cent. None becomes less than 0.01."
        ),
    )

    def clean_percent(self) -> Decimal:
        typed: Decimal = self.cleaned_data["percent"]
        if typed < 0:
            raise forms.ValidationError(_("Write it without a sign: raise or lower says which."))
        return typed

    @property
    def change(self) -> Decimal:
        """What the service is asked for."""
        typed: Decimal = self.cleaned_data["percent"]
        return -typed if self.cleaned_data["way"] == Way.DOWN else typed


class RepriceNowForm(RepriceForm):
    """The same, as it was shown and confirmed: once, and of the list as it was then."""

    as_of = forms.IntegerField(min_value=0, widget=forms.HiddenInput)
    idempotency_key = forms.RegexField(r"^[\x20-\x7e]{1,200}$", widget=forms.HiddenInput)


class PriceForm(forms.Form):
    """What a product costs on a price list."""

    price = MoneyField(label=_("Price (R$)"))


class NewPriceForm(PriceForm):
    """The same of a product that is named by its code; of other words, `options` says what may be meant by them."""

    options: Sequence[Product] = ()
    code = forms.CharField(
        label=_("Product"),
        max_length=64,
        widget=forms.TextInput(
            attrs={"autocomplete": "off", "autocapitalize": "characters", "spellcheck": "false"}
        ),
    )

    field_order = ("code", "price")

    def clean_code(self) -> Product:
        """The one product with this SKU or GTIN."""
        code: str = self.cleaned_data["code"]
        found = queries.find_by_codes([code]).get(code.upper(), [])
        if len(found) == 1:
            return found[0]
        # Words choose nothing by themselves, even if they fit one product: a price is quickly given to the wrong one.
        self.options = found or queries.find_products(code, limit=MOST_OPTIONS)
        if found:
            raise forms.ValidationError(queries.shared_by(code, found), code="shared")
        if self.options:
            message = _("“%(code)s” is no code: choose the product below.") % {"code": code}
            raise forms.ValidationError(message, code="unclear")
        raise forms.ValidationError(
            _("No product has the code “%(code)s”.") % {"code": code}, code="not_found"
        )
