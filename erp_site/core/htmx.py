"""The HTML face: what a partial request is, toasts, refusals."""

import json
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from typing import Final

import structlog
from django.contrib import messages
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.urls import Resolver404, resolve
from django.utils.cache import patch_vary_headers
from django_htmx.middleware import HtmxDetails

from .errors import Busy, DomainError
from .problems import API_PREFIX, FOR_ONE

log = structlog.get_logger(__name__)


def is_partial(request: HttpRequest) -> bool:
    """Does htmx want a fragment to swap in? A restored history page is a full page, or Back breaks."""
    htmx: HtmxDetails | None = getattr(request, "htmx", None)
    if htmx is None or not htmx:
        return False
    return not htmx.boosted and not htmx.history_restore_request


def toast(response: HttpResponse, message: str, *, level: str = "success") -> HttpResponse:
    """Show a short message after the swap."""
    response["HX-Trigger"] = json.dumps({"toast": {"level": level, "message": str(message)}})
    return response


def tell_undoable(request: HttpRequest, message: str, url: str, **fields: str) -> None:
    """Say on the next page what was done, with a button that undoes it by posting `fields` to `url`."""
    context = {"message": message, "url": url, "fields": fields}
    messages.success(request, render_to_string("components/_undo.html", context, request))


#: What `is_partial` goes by. Without it a browser would show the fragment that it has of an address as the page.
VARY: Final = ("HX-Request", "HX-Boosted", "HX-History-Restore-Request")


def _page_above(path: str, query: str) -> str:
    """Where a form stands that posts to this address, which stays in the browser when it is refused: a reload or Back
    asks for it with GET, and so does a list on that page for its next one, by `query`."""
    parent = path.rstrip("/").rpartition("/")[0]
    for page in (parent, f"{parent}/"):
        with suppress(Resolver404):
            resolve(page)
            return f"{page}?{query}" if query else page
    return "/"


class PageMiddleware:
    """What all pages have in common.

    A DomainError that reaches one is a toast for htmx and a page otherwise, with the same status as the API's. Every
    page says that htmx gets another answer at its address. Who asks for what can only be sent is shown the page it is
    sent from.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if not request.path.startswith(API_PREFIX):
            lost = response.status_code == HTTPStatus.METHOD_NOT_ALLOWED and request.method == "GET"
            if lost and "text/html" in request.headers.get("Accept", ""):  # somebody's browser
                response = redirect(_page_above(request.path, request.GET.urlencode()))
            patch_vary_headers(response, VARY)
            response.headers.setdefault("Cache-Control", FOR_ONE)
        return response

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if request.path.startswith(API_PREFIX):
            return None
        if isinstance(exception, (OperationalError, InterfaceError)):
            log.error("database_unavailable", error=str(exception))
            exception = Busy.without_database()
        if not isinstance(exception, DomainError):
            return None
        if is_partial(request):
            response = toast(
                HttpResponse(status=exception.status), exception.message, level="danger"
            )
            response["HX-Reswap"] = "none"
        else:
            response = render(request, "error.html", {"error": exception}, status=exception.status)
        if isinstance(exception, Busy):
            response["Retry-After"] = str(exception.retry_after)
        return response
