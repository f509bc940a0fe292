"""Making an account, tokens for machines, and what every page has in common: language, sign-in, CSRF."""

import functools
import json
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, Final

from allauth.account.utils import perform_login
from allauth.core import ratelimit
from allauth.idp.oidc import views as oidc
from allauth.idp.oidc.models import Token
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.middleware import LoginRequiredMiddleware as DjangoLoginRequiredMiddleware
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import Resolver404, ResolverMatch, resolve, reverse
from django.utils import translation
from django.utils.cache import patch_vary_headers
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.utils.translation.trans_real import parse_accept_lang_header
from django.views.csrf import csrf_failure as django_csrf_failure
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from django_htmx.http import HttpResponseClientRefresh
from oauthlib.oauth2 import InvalidClientError  # type: ignore[import-untyped]  # has no stubs

from accounts import headless, services
from accounts.auth import SignedIn, csrf_refusal
from accounts.forms import ProfileForm, RegistrationForm
from accounts.models import Language, User
from erp_site.core.errors import Duplicate, Invalid
from erp_site.core.problems import API_PREFIX, problem

#: No page of ours: they answer machines, who are not asked for a user (nor a database for one).
NO_PAGE: Final = (API_PREFIX, "/static/", "/health", "/metrics")
AUTH_PREFIX: Final = f"{API_PREFIX}v1/auth/"
#: They answer anybody, or ask for credentials in their own way.
NO_LOGIN: Final = (*NO_PAGE, "/docs")


class LanguageMiddleware:
    """Pages speak the user's language, or what a visitor chose, or the browser's; the API English unless asked."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request.LANGUAGE_CODE = language = self._language(request)
        if language == translation.get_language():
            response = self.get_response(request)
        else:
            with translation.override(language):
                response = self.get_response(request)
        response.headers.setdefault("Content-Language", language)
        patch_vary_headers(response, ["Accept-Language"])
        return response

    @staticmethod
    def _language(request: HttpRequest) -> str:
        if not request.path.startswith(NO_PAGE):
            if request.user.is_authenticated:
                return request.user.language
            if (chosen := request.COOKIES.get(settings.LANGUAGE_COOKIE_NAME)) in Language.values:
                return chosen
        accepted = parse_accept_lang_header(request.headers.get("Accept-Language", ""))
        for code, _priority in accepted:
            try:
                return translation.get_supported_language_variant(code)
            except LookupError:
                continue
        return settings.LANGUAGE_CODE


class BearerMiddleware:
    """A call with a token of its own takes the short way: no session, messages, CSRF or whatever else pages need.

    Signing in and out goes the long way: allauth works on sessions.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response
        self.short_way = LanguageMiddleware(call_view)

    def __call__(self, request: HttpRequest) -> HttpResponse:
        path = request.path_info
        if (
            "HTTP_AUTHORIZATION" not in request.META
            or not path.startswith(API_PREFIX)
            or path.startswith(AUTH_PREFIX)
        ):
            return self.get_response(request)
        request.user = AnonymousUser()  # until the token is read
        return self.short_way(request)


def call_view(request: HttpRequest) -> Any:
    """What Django does after the last middleware, for a view that answers its own exceptions."""
    try:
        match = request.resolver_match = _route(request.path_info)
    except Resolver404:
        return problem(404)
    return match.func(request, *match.args, **match.kwargs)


@functools.lru_cache(maxsize=1024)
def _route(path: str) -> ResolverMatch:
    """Where a path leads does not change while the site runs; most calls go to the same few."""
    return resolve(path)


class LoginRequiredMiddleware(DjangoLoginRequiredMiddleware):
    """Every page needs a signed-in user, unless its view is marked `login_not_required`."""

    def process_view(
        self, request: HttpRequest, view_func: Callable[..., Any], view_args: Any, view_kwargs: Any
    ) -> HttpResponseBase | None:
        if request.path.startswith(NO_LOGIN):
            return None
        return super().process_view(request, view_func, view_args, view_kwargs)

    def handle_no_permission(  # type: ignore[override]  # htmx is told by a header
        self, request: HttpRequest, view_func: Callable[..., Any]
    ) -> HttpResponse:
        if not getattr(request, "htmx", None):
            return super().handle_no_permission(request, view_func)
        # The session ended while the page was open. A redirect would throw away what is typed there, so the
        # page is told, and says so in place (static/frame.js).
        response = HttpResponse(status=401)
        response["HX-Trigger"] = "session-ended"
        return response


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """403: a problem document from the API; htmx's page fetches a fresh token (static/frame.js), or, nobody being
    signed in, is loaded again; Django's page otherwise."""
    if request.path.startswith(API_PREFIX):
        return problem(403, csrf_refusal(), code="csrf_failed")
    if request.headers.get("HX-Request"):
        if request.user.is_authenticated:
            # Signed in again since the page was made. Loaded anew, it would lose what is typed there.
            return HttpResponse(status=403, headers={"HX-Trigger": "token-rotated"})
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


@require_http_methods(["GET", "POST"])
def profile(request: SignedIn) -> HttpResponse:
    """One's own name and language; address, role and discount limit are shown, and changed by a manager."""
    user = request.user
    form = ProfileForm(request.POST or None, initial={"name": user.name, "language": user.language})
    if request.method == "POST" and form.is_valid():
        services.update_me(actor=user, **form.cleaned_data)
        with translation.override(form.cleaned_data["language"]):
            messages.success(request, _("Your profile is saved."))
        return redirect("account_profile")
    status = 422 if form.errors else 200
    return render(request, "account/profile.html", {"form": form}, status=status)


@require_safe
def signed_in(request: SignedIn) -> HttpResponse:
    """Where a sign-in from a second tab ends: the first one goes on by itself."""
    return render(request, "account/signed_in.html")


@login_not_required
@require_POST
def set_language(request: HttpRequest) -> HttpResponse:
    """Change the language of the pages from any page: kept with the user, and in a cookie for signed-out pages."""
    language, next_url = request.POST.get("language", ""), request.POST.get("next", "")
    ours = url_has_allowed_host_and_scheme(
        next_url, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    # Not redirect(), which looks for a view of that name first.
    is_address = ours and next_url.startswith("/")
    response = HttpResponseRedirect(next_url if is_address else reverse("home"))
    if language in Language.values:
        if request.user.is_authenticated:
            services.update_me(actor=request.user, language=language)
        response.set_cookie(
            settings.LANGUAGE_COOKIE_NAME,
            language,
            max_age=365 * 24 * 60 * 60,  # seconds
            secure=settings.SESSION_COOKIE_SECURE,
            samesite="Lax",
        )
    return response


@csrf_exempt
@login_not_required
@require_POST
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
            429,
            _("Too many attempts; wait and try again."),
            headers={"Retry-After": str(headless.seconds_left(request, "machine_token"))},
        )
    response = oidc.token(request)
    if response.status_code == HTTPStatus.OK:
        # allauth does not look at the client's owner. Asked after the token is there: whoever is deactivated from
        # now on takes it with them.
        token = Token.objects.by_value(json.loads(response.content)["access_token"])
        if token.filter(client__owner__is_active=False).exists():
            token.delete()
            error = InvalidClientError()
            headers = {**response.headers, **error.headers}
            return HttpResponse(error.json, status=error.status_code, headers=headers)
    return response
