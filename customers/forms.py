"""What people type about customers. Shape only: what may be is the services' to say."""

from django import forms
from django.utils.translation import gettext_lazy as _

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
    version = forms.IntegerField(required=False, widget=forms.HiddenInput)
