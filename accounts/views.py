"""Making an account, tokens for machines, and what every page has in common: language, sign-in, CSRF."""

from collections.abc import Callable
from typing import Any, Final
from urllib.parse import urlencode

from allauth.account.utils import perform_login
from allauth.core import ratelimit
from allauth.idp.oidc import views as oidc
from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.middleware import LoginRequiredMiddleware as DjangoLoginRequiredMiddleware
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render, resolve_url
from django.utils import translation
from django.utils.cache import patch_vary_headers
from django.utils.translation import gettext as _
from django.utils.translation.trans_real import parse_accept_lang_header
from django.views.csrf import csrf_failure as django_csrf_failure
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.debug import sensitive_post_parameters
from django_htmx.http import HttpResponseClientRedirect, HttpResponseClientRefresh

from erp_site.core.errors import Duplicate, Invalid
from erp_site.core.problems import API_PREFIX, problem

from . import services
from .forms import RegistrationForm
from .models import User

#: No page of ours: they answer anybody, or ask for credentials in their own way.
NO_LOGIN: Final = (API_PREFIX, "/static/", "/health", "/metrics", "/docs")


class LanguageMiddleware:
    """Pages speak the signed-in user's language, others the browser's; the API speaks English unless asked."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        with translation.override(self._language(request)):
            response = self.get_response(request)
            response.headers.setdefault("Content-Language", translation.get_language() or "en")
        patch_vary_headers(response, ["Accept-Language"])
        return response

    @staticmethod
    def _language(request: HttpRequest) -> str:
        if not request.path.startswith(NO_LOGIN) and request.user.is_authenticated:
            return request.user.language
        for accepted, _priority in parse_accept_lang_header(
            request.headers.get("Accept-Language", "")
        ):
            try:
                return translation.get_supported_language_variant(accepted)
            except LookupError:
                continue
        return "en"


class LoginRequiredMiddleware(DjangoLoginRequiredMiddleware):
    """Every page needs a signed-in user, unless its view is marked `login_not_required`."""

    def process_view(
        self, request: HttpRequest, view_func: Callable[..., Any], view_args: Any, view_kwargs: Any
    ) -> HttpResponseBase | None:
        if request.path.startswith(NO_LOGIN):
            return None
        return super().process_view(request, view_func, view_args, view_kwargs)

    def handle_no_permission(
        self, request: HttpRequest, view_func: Callable[..., Any]
    ) -> HttpResponseBase:
        htmx = getattr(request, "htmx", None)
        if not htmx:
            return super().handle_no_permission(request, view_func)
        # The session ended while the page was open. A redirect would be followed by htmx itself and
        # the login page would land in a table cell; and back to the page, not to its fragment.
        query = urlencode({"next": htmx.current_url_abs_path or "/"})
        response = HttpResponseClientRedirect(
            f"{resolve_url(self.get_login_url(view_func))}?{query}"
        )
        response.status_code = 401
        return response


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """403: a problem document from the API, a fresh page (and so a fresh token) for htmx, Django's page otherwise."""
    if request.path.startswith(API_PREFIX):
        return problem(403, _("The CSRF token is missing or wrong."), code="csrf_failed")
    if request.headers.get("HX-Request"):
        response = HttpResponseClientRefresh()
        response.status_code = 403
        return response
    return django_csrf_failure(request, reason)


@login_not_required
@never_cache
@sensitive_post_parameters("password")
def sign_up(request: HttpRequest) -> HttpResponseBase:
    """A person makes their own account; signed in at once, or told that a manager will activate it."""
    if settings.REGISTRATION == "closed":
        return render(request, "account/signup_closed.html", status=403)
    form = RegistrationForm(request.POST or None)
    if request.method == "POST":
        if too_many := ratelimit.consume_or_429(request, action="signup"):
            return too_many
        if form.is_valid() and (user := _registered(form)):
            if not user.is_active:
                return redirect("account_signup_done")
            return perform_login(request, user, redirect_url=settings.LOGIN_REDIRECT_URL)
    return render(
        request, "account/signup.html", {"form": form}, status=422 if form.errors else 200
    )


def _registered(form: RegistrationForm) -> User | None:
    try:
        return services.register(**form.cleaned_data, active=settings.REGISTRATION == "open")
    except (Duplicate, Invalid) as refusal:
        form.add_refusal(refusal)
        return None


@login_not_required
def sign_up_done(request: HttpRequest) -> HttpResponse:
    """The account waits for a manager."""
    return render(request, "account/signup_done.html")


@csrf_exempt
@login_not_required
def machine_token(request: HttpRequest) -> HttpResponseBase:
    """Tokens for programs by OAuth client credentials (RFC 6749, 4.4).

    POST grant_type=client_credentials as a form, with the client's id and secret by HTTP Basic (see
    `manage.py create_machine_client`); the answer's access_token is good for an hour as `Authorization: Bearer`.
    Each try costs a slow hash, so tries are limited by address.
    """
    if request.META.get("QUERY_STRING"):
        return problem(400, _("Send the parameters in the body (RFC 6749, 3.2)."))
    if not ratelimit.consume(request, action="machine_token"):
        return problem(
            429, _("Too many attempts; wait and try again."), headers={"Retry-After": "60"}
        )
    return oidc.token(request)
