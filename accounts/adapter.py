"""Our answers to allauth's questions."""

from allauth.account.adapter import DefaultAccountAdapter
from django.conf import settings
from django.http import HttpRequest

from .models import User


class AccountAdapter(DefaultAccountAdapter):
    """Registration as configured, addresses normalised."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return settings.REGISTRATION != "closed"

    def clean_email(self, email: str) -> str:
        return User.objects.normalize_email(email)
