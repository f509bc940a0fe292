"""Our answers to allauth's questions."""

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.core.exceptions import ImmediateHttpResponse
from django.conf import settings
from django.contrib.auth import logout
from django.http import HttpRequest

from erp_site.core.ratelimit import client_ip

from . import services
from .models import User


class AccountAdapter(DefaultAccountAdapter):
    """Registration as configured; changes go through our services, so they are checked and recorded."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return settings.REGISTRATION != "closed"

    def clean_email(self, email: str) -> str:
        return User.objects.normalize_email(email)

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
