"""What people type about customers. Shape only: what may be is the services' to say."""

from collections.abc import Sequence
from typing import Any, cast

from django import forms
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _

from catalog.queries import price_list_choices
from erp_site.core import taxid
from erp_site.core.fields import ShowsRefusals


class TaxIdField(forms.CharField):
    """A CPF or CNPJ, with or without punctuation; shown with it."""

    def prepare_value(self, value: object) -> object:
        if not isinstance(value, str):
            return value
        # What was typed may have its punctuation: a CPF with it is as long as a CNPJ without.
        places = taxid.normalise(value)
        formatted = taxid.formatted(places)
        return formatted if formatted != places else value


class CustomerForm(ShowsRefusals):
    """A customer as they are changed; `version` is the one that the typist saw."""

    name = forms.CharField(
        label=_("Name"), max_length=255, widget=forms.TextInput(attrs={"autocomplete": "off"})
    )
    cpf_cnpj = TaxIdField(
        label="CPF/CNPJ",
        max_length=32,
        widget=forms.TextInput(
            attrs={"autocomplete": "off", "autocapitalize": "characters", "spellcheck": "false"}
        ),
    )
    email = forms.CharField(
        label=_("E-mail"), max_length=254, widget=forms.EmailInput(attrs={"autocomplete": "off"})
    )
    phone = forms.CharField(
        label=_("Phone"),
        required=False,
        max_length=32,
        widget=forms.TextInput(attrs={"autocomplete": "off", "inputmode": "tel"}),
    )
    address = forms.CharField(
        label=_("Address"),
        required=False,
        max_length=500,
        widget=forms.Textarea(attrs={"rows": 2, "autocomplete": "off"}),
    )
    price_list_id = forms.TypedChoiceField(
        label=_("Price list"),
        required=False,
        coerce=int,
        empty_value=None,
        error_messages={
            "invalid_choice": _("This price list is deleted: choose another one, or none.")
        },
    )
    version = forms.IntegerField(required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Asked for when they are looked at: order entry has this form on every page, and seldom shows it.
        field = cast("forms.TypedChoiceField", self.fields["price_list_id"])
        field.choices = lambda: self.price_lists
        field.widget.choices = lambda: self.shown_price_lists

    @cached_property
    def price_lists(self) -> Sequence[tuple[int | str, Any]]:
        """What there is to choose from; ordinary prices first."""
        return [("", _("— ordinary prices —")), *price_list_choices()]

    @property
    def shown_price_lists(self) -> Sequence[tuple[int | str, Any]]:
        """The same and, if it is gone meanwhile, the one that was chosen: else ordinary prices would be, unnoticed."""
        chosen = str(self["price_list_id"].value() or "")
        is_there = any(chosen == str(pk) for pk, _name in self.price_lists)
        return self.price_lists if is_there else [*self.price_lists, (chosen, _("(deleted)"))]

    @property
    def shows_price_lists(self) -> bool:
        """Where there are none, nothing is asked."""
        return len(self.shown_price_lists) > 1
