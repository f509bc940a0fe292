"""What people type about themselves, and about those they manage."""

from decimal import Decimal
from typing import Any

from allauth.account.forms import ResetPasswordForm
from django import forms
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from erp_site.core import mail
from erp_site.core.fields import LineField, PercentField, ShowsRefusals

from .models import Language, User
from .roles import Role, may_manage


class RegistrationForm(ShowsRefusals):
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


def mail_password_link(request: HttpRequest, email: str) -> None:
    """Mail whoever has this address a link that sets a password; an address that nobody has gets nothing.

    Raises:
        OSError: the mail server is away, or refuses the mail.
    """
    form = ResetPasswordForm({"email": email})
    if form.is_valid():
        form.save(request)


class ForgottenPasswordForm(ResetPasswordForm):
    """Anybody asks for a link. Nobody is told whether an account has the address, by the answer or by its time.

    So the account is looked for, and the mail made and sent, when the request has been answered.
    """

    def clean_email(self) -> str:
        return str(self.cleaned_data["email"])

    def save(self, request: HttpRequest, **kwargs: Any) -> str:
        email = self.clean_email()
        mail.send_later(lambda: mail_password_link(request, email))
        return email


class ProfileForm(forms.Form):
    """What people change about themselves."""

    name = LineField(
        label=_("Name"), max_length=255, widget=forms.TextInput(attrs={"autocomplete": "name"})
    )
    language = forms.ChoiceField(label=_("Language"), choices=Language.choices)


class UserForm(ShowsRefusals):
    """Another person's name, role and discount limit; the roles offered are those that `actor` may grant.

    One's own role and limit are shown, and stay as they are.
    """

    name = forms.CharField(
        label=_("Name"), max_length=255, widget=forms.TextInput(attrs={"autocomplete": "off"})
    )
    role = forms.ChoiceField(label=_("Role"))
    discount_limit = PercentField(
        label=_("Discount limit (%)"),
        required=False,
        help_text=_(
            "Off the customer's price, on a line of an order; empty is none. Managers and administrators have no limit."
        ),
    )

    def __init__(
        self, data: Any = None, *, actor: User, person: User | None = None, **kwargs: Any
    ) -> None:
        initial = {"role": Role.VIEWER, "discount_limit": Decimal(0)}
        if person:
            initial = {name: getattr(person, name) for name in ("name", "role", "discount_limit")}
        super().__init__(data, initial=initial, **kwargs)
        for field in self.fields.values():
            # Who was overtaken changes what they typed, and does not write back what the page showed.
            field.show_hidden_initial = person is not None
        offered = [role for role in Role if may_manage(Role(actor.role), role)]
        if person and person.pk == actor.pk:
            offered = [Role(actor.role)]
            self.fields["discount_limit"].disabled = True
        self.fields["role"].choices = [(role.value, role.label) for role in offered]  # type: ignore[attr-defined]  # a choice field

    def clean_discount_limit(self) -> Decimal:
        return self.cleaned_data["discount_limit"] or Decimal(0)


class NewUserForm(UserForm):
    """An account for somebody else."""

    email = forms.CharField(
        label=_("E-mail"), max_length=254, widget=forms.EmailInput(attrs={"autocomplete": "off"})
    )
    password = forms.CharField(
        label=_("Password"),
        required=False,
        max_length=128,
        strip=False,
        help_text=_("Left empty, they get a mail with a link to set one."),
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )

    field_order = ("name", "email", "role", "discount_limit", "password")


class PasswordForm(ShowsRefusals):
    """A new password for somebody else."""

    password = forms.CharField(
        label=_("New password"),
        max_length=128,
        strip=False,
        help_text=_("At least 10 characters. They are signed out everywhere."),
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )
