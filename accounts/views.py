"""What every page has in common: the visitor's language, the need to sign in, the answer to a stale form."""

from collections.abc import Callable
from typing import Any, Final
from urllib.parse import urlencode

from django.contrib.auth.middleware import LoginRequiredMiddleware as DjangoLoginRequiredMiddleware
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import resolve_url
from django.utils import translation
from django.utils.cache import patch_vary_headers
from django.utils.translation import gettext as _
from django.utils.translation.trans_real import parse_accept_lang_header
from django.views.csrf import csrf_failure as django_csrf_failure
from django_htmx.http import HttpResponseClientRedirect, HttpResponseClientRefresh

from erp_site.core.problems import API_PREFIX, problem

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
