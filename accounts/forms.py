"""What people type about themselves."""

from django import forms
from django.utils.translation import gettext_lazy as _

from erp_site.core.errors import Duplicate, Invalid

from .models import Language


class RegistrationForm(forms.Form):
    """A new account. Shape only: what an address and a password must be is the service's to say."""

    name = forms.CharField(
        label=_("Name"), max_length=255, widget=forms.TextInput(attrs={"autocomplete": "name"})
    )
    email = forms.CharField(
        label=_("E-mail"),
        max_length=254,
        widget=forms.EmailInput(attrs={"autocomplete": "email"}),
    )
    password = forms.CharField(
        label=_("Password"),
        max_length=128,
        strip=False,
        help_text=_("At least 10 characters."),
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )

    def add_refusal(self, refusal: Duplicate | Invalid) -> None:
        """Show a service's refusal beside the fields it names."""
        if isinstance(refusal, Duplicate):
            self.add_error(refusal.facts["field"], refusal.message)
            return
        for error in refusal.facts["errors"]:
            self.add_error(error["pointer"].removeprefix("/"), error["detail"])


class ProfileForm(forms.Form):
    """What people change about themselves."""

    name = forms.CharField(
        label=_("Name"), max_length=255, widget=forms.TextInput(attrs={"autocomplete": "name"})
    )
    language = forms.ChoiceField(label=_("Language"), choices=Language.choices)
