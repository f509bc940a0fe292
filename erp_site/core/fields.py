"""Form fields for numbers as people write them ("1.234,50" where the comma is decimal, "1,234.50" where it is not) and
for text as it may be kept, and the form that shows what a service refuses of them.
"""

import re
from decimal import Decimal
from typing import Any, ClassVar

from django import forms
from django.core.exceptions import ValidationError
from django.utils.formats import get_format, number_format
from django.utils.translation import gettext_lazy as _

from . import text as texts
from .errors import Duplicate, Invalid, NothingNamed


def grouped(number: int) -> str:
    """1234 -> "1.234" in Portuguese, "1,234" in English."""
    return str(number_format(number, use_l10n=True, force_grouping=True))


def grouped_amount(amount: Decimal) -> str:
    """1234.5 -> "1.234,50" in Portuguese, "1,234.50" in English."""
    return str(number_format(amount, 2, use_l10n=True, force_grouping=True))


def typed_amount(amount: Decimal) -> str:
    """What is typed for it where an amount is asked for: "1234,50" in Portuguese."""
    return str(number_format(amount, 2, use_l10n=True))


def percentage(share: Decimal) -> str:
    """7.50 -> "7,5 %" in Portuguese, "7.5 %" in English: no zeros at the end, and no more than two places."""
    # Added to 0, 5E+1 is 50 again.
    plain = number_format(share.normalize() + 0, use_l10n=True, force_grouping=True)
    return f"{plain}\N{NO-BREAK SPACE}%"


def plain_number(text: str) -> str | None:
    """The number in the reader's writing as digits with a decimal point; None if it is none.

    "1.000" is a thousand where the point groups, and refused where it is decimal: it is never taken for one.
    The other mark before one or two digits is decimal anywhere, as people paste from elsewhere.
    """
    text = re.sub(r"\s", "", text)
    decimal, thousand = get_format("DECIMAL_SEPARATOR"), get_format("THOUSAND_SEPARATOR")
    grouped = (
        rf"(-?[0-9]{{1,3}}(?:{re.escape(thousand)}[0-9]{{3}})+)(?:{re.escape(decimal)}([0-9]+))?"
    )
    if match := re.fullmatch(grouped, text):
        return match[1].replace(thousand, "") + (f".{match[2]}" if match[2] else "")
    if match := re.fullmatch(rf"(-?[0-9]+)(?:{re.escape(decimal)}([0-9]+))?", text):
        return match[1] + (f".{match[2]}" if match[2] else "")
    if match := re.fullmatch(r"(-?[0-9]+)[.,]([0-9]{1,2})", text):
        return f"{match[1]}.{match[2]}"
    return None


class NumberInput(forms.TextInput):
    """A text field with the digits' keyboard: a number field of the browser knows one language only."""

    def __init__(self, inputmode: str, **attrs: Any) -> None:
        super().__init__({"inputmode": inputmode, "autocomplete": "off", **attrs})


class MoneyField(forms.DecimalField):
    """An amount in reais."""

    widget = NumberInput("decimal")
    default_error_messages = {
        "invalid": _("Write an amount like 10 or 10.50."),
        "max_digits": _("This amount is too large."),
        "max_whole_digits": _("This amount is too large."),
        "max_decimal_places": _("An amount has at most two decimals."),
    }

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"max_digits": 10, "decimal_places": 2, **kwargs})

    def to_python(self, value: Any) -> Any:
        if isinstance(value, str) and value.strip():
            plain = plain_number(value.removeprefix("R$"))
            if plain is None:
                raise ValidationError(self.error_messages["invalid"], code="invalid")
            value = plain
        return super().to_python(value)

    def prepare_value(self, value: Any) -> Any:
        return typed_amount(value) if isinstance(value, Decimal) else value

    def widget_attrs(self, widget: forms.Widget) -> dict[str, Any]:
        return {}


class PercentField(MoneyField):
    """A share in percent, with its sign or without: "7,5 %"."""

    default_error_messages = {
        "invalid": _("Write a percentage like 7 or 7.5."),
        "max_decimal_places": _("A percentage has at most two decimals."),
    }

    def to_python(self, value: Any) -> Any:
        return super().to_python(value.replace("%", "") if isinstance(value, str) else value)

    def prepare_value(self, value: Any) -> Any:
        # Added to 0, 5E+1 is 50 again.
        return number_format(value.normalize() + 0) if isinstance(value, Decimal) else value


class WholeField(forms.IntegerField):
    """A number of pieces."""

    widget = NumberInput("numeric")
    default_error_messages = {"invalid": _("Write a whole number.")}

    def to_python(self, value: Any) -> Any:
        if isinstance(value, str) and value.strip():
            plain = plain_number(value)
            if plain is None or not re.fullmatch(r"-?[0-9]{1,18}", plain):
                raise ValidationError(self.error_messages["invalid"], code="invalid")
            value = plain
        return super().to_python(value)

    def widget_attrs(self, widget: forms.Widget) -> dict[str, Any]:
        return {}


class LineField(forms.CharField):
    """Text of one line, for what no service checks by its model (see `validation.field_errors`)."""

    several_lines: ClassVar[bool] = False

    def validate(self, value: str) -> None:
        super().validate(value)
        if texts.has_control(value, several_lines=self.several_lines):
            message = texts.NO_CONTROL if self.several_lines else texts.NO_BREAKS
            raise ValidationError(message, code="control_character")
        if self.required and not texts.is_visible(value):
            raise ValidationError(self.error_messages["required"], code="required")


class LinesField(LineField):
    """Text of several lines."""

    several_lines: ClassVar[bool] = True

    def to_python(self, value: Any) -> Any:
        return super().to_python(texts.as_lines(value) if isinstance(value, str) else value)


class ShowsRefusals(forms.Form):
    """A form that shows what a service refuses beside the fields it names."""

    def add_refusal(self, refusal: Duplicate | Invalid | NothingNamed) -> None:
        if isinstance(refusal, Duplicate):
            self.add_error(refusal.facts["field"], refusal.message)
            return
        if isinstance(refusal, NothingNamed):
            # As the field says it of a choice that was gone before it was asked.
            said = self.fields[refusal.field].error_messages.get("invalid_choice", refusal.message)
            self.add_error(refusal.field, said)
            return
        for error in refusal.facts["errors"]:
            self.add_error(error["pointer"].removeprefix("/"), error["detail"])
