"""Our answers to allauth's questions."""

from typing import Any, ClassVar, Final

from allauth.account.adapter import DefaultAccountAdapter
from allauth.core.exceptions import ImmediateHttpResponse
from django.conf import settings
from django.contrib.auth import logout
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from django.utils.translation import gettext_noop, ngettext_lazy

from erp_site.core.ratelimit import client_ip

from . import services
from .models import User

#: Sentences of Django's and allauth's that our catalog says in better Portuguese than theirs.
SAID_BETTER: Final = (
    gettext_noop("You must type the same password each time."),
    gettext_noop("Signed out of all other sessions."),
    gettext_noop("Enter a valid email address."),
    gettext_noop("Ensure this value is less than or equal to %(limit_value)s."),
    gettext_noop("Ensure this value is greater than or equal to %(limit_value)s."),
    gettext_noop("Your password can’t be too similar to your other personal information."),  # noqa: RUF001 -- Django's
    gettext_noop("Your password can’t be a commonly used password."),  # noqa: RUF001 -- Django's
    ngettext_lazy(
        "Your password must contain at least %(min_length)d character.",
        "Your password must contain at least %(min_length)d characters.",
        "min_length",
    ),
    ngettext_lazy(
        "Ensure this value has at most %(limit_value)d character (it has %(show_value)d).",
        "Ensure this value has at most %(limit_value)d characters (it has %(show_value)d).",
        "limit_value",
    ),
)


class AccountAdapter(DefaultAccountAdapter):
    """Registration as configured; changes go through our services, so they are checked and recorded."""

    # allauth's name the field, and not what is wrong with it; and the API says the same with other words.
    error_messages: ClassVar = {
        **DefaultAccountAdapter.error_messages,
        "account_inactive": _("This account is not active."),
        "email_password_mismatch": _("The e-mail address or the password is wrong."),
        "enter_current_password": _("This is not your current password."),
        "incorrect_code": _("The code is wrong or was used before."),
        "rate_limited": _("Too many attempts; wait and try again."),
        "too_many_login_attempts": _("Too many attempts; wait and try again."),
    }

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return settings.REGISTRATION != "closed"

    def clean_email(self, email: str) -> str:
        return User.objects.normalize_email(email)

    def _get_login_attempts_cache_key(self, request: HttpRequest, **credentials: Any) -> str:
        """Guesses at an account count together: allauth counts each Host apart, and whoever guesses writes its port."""
        return self.clean_email(credentials.get("email", ""))

    def get_client_ip(self, request: HttpRequest) -> str:
        """The same answer the API's own limits use: X-Forwarded-For for TRUSTED_PROXIES hops."""
        return client_ip(request)

    def login(self, request: HttpRequest, user: Any) -> None:
        super().login(request, user)
        if not request.session.session_key:
            request.session.save()
        try:
            services.remember_session(
                user=user,
                session_key=request.session.session_key or "",
                ip=client_ip(request),
                user_agent=request.headers.get("User-Agent", ""),
            )
        except services.AccountInactive:
            logout(request)
            raise ImmediateHttpResponse(self.respond_user_inactive(request, user)) from None

    def set_password(self, user: Any, password: str) -> None:
        services.set_password(user=user, password=password)
