"""The front page, the pages that document the API, and the answer to a crash."""

import json
import sys
from typing import Final

from django.contrib.auth.decorators import login_not_required
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.templatetags.static import static
from django.utils import translation
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe

from catalog.services import InsufficientStock
from erp_site.core import request_id
from erp_site.core.errors import Busy
from erp_site.core.problems import API_PREFIX, problem, refusal, unavailable
from orders.states import OrderStatus

from .explanations import by_status

EXAMPLE: Final = InsufficientStock(
    "Not enough stock for 1 of 3 products.",
    items=[{"product_id": 12, "sku": "CAF-500", "requested": 8, "available": 2}],
)


def home(request: HttpRequest) -> HttpResponse:
    """What this is, for anybody; the view of the address is dashboard.home."""
    path = [status for status in OrderStatus if status is not OrderStatus.CANCELLED]
    return render(request, "home.html", {"path": path})


@require_safe
@login_not_required
def docs(request: HttpRequest) -> HttpResponse:
    """Swagger UI over our own OpenAPI document, every byte of it from this host."""
    return render(request, "docs.html")


@require_safe
@login_not_required
def errors(request: HttpRequest) -> HttpResponse:
    """What each problem code means: the page that the `type` of every problem document points to."""
    answer = json.loads(refusal(EXAMPLE).content)
    return render(
        request,
        "docs_errors.html",
        {"statuses": by_status(), "example": json.dumps(answer, indent=2)},
    )


@require_safe
@login_not_required
@cache_control(public=True, max_age=24 * 60 * 60)
def favicon(request: HttpRequest) -> HttpResponse:
    """For whoever asks without a page that names it: browsers that show JSON, readers of feeds."""
    return redirect(static("favicon.svg"))


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """400. Django's own asks the form for its token, which is what could not be read."""
    return _plain_page(request, "400.html", status=400)


def server_error(request: HttpRequest) -> HttpResponse:
    """500, or 503 while the database is away. The page needs neither the database nor a context processor."""
    away = isinstance(sys.exc_info()[1], OperationalError | InterfaceError)
    if request.path.startswith(API_PREFIX):
        return (
            unavailable()
            if away
            else problem(500, "Something went wrong on our side; the request id helps us find it.")
        )
    response = _plain_page(request, "500.html", status=503 if away else 500, away=away)
    if away:
        response["Retry-After"] = str(Busy.retry_after)
    return response


def _plain_page(request: HttpRequest, template: str, *, status: int, **facts: bool) -> HttpResponse:
    """A page that asks neither the database nor the form, of which either may be what is broken."""
    with translation.override(translation.get_language_from_request(request)):
        page = render_to_string(template, {**facts, "request_id": request_id.current()})
    return HttpResponse(page, status=status)
