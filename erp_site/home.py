"""The front page, the pages that document the API, and the answer to a crash."""

import sys
from typing import Final

from django.contrib.auth.decorators import login_not_required
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.utils import translation
from django.views.decorators.http import require_safe

from accounts.roles import Permission
from catalog.models import LowStockNotice
from erp_site.core import request_id
from erp_site.core.errors import Busy
from erp_site.core.problems import API_PREFIX, problem, unavailable

NOTICES_SHOWN: Final = 5


@require_safe
@login_not_required
def home(request: HttpRequest) -> HttpResponse:
    """What this is, for anybody; for those who see the catalogue also what is running low."""
    notices = None
    if request.user.has_perm(Permission.VIEW_PRODUCTS):
        notices = (
            LowStockNotice.objects.filter(product__deleted_at=None)
            .select_related("product")
            .order_by("-created_at", "-id")[:NOTICES_SHOWN]
        )
    return render(request, "home.html", {"notices": notices})


@require_safe
@login_not_required
def docs(request: HttpRequest) -> HttpResponse:
    """Swagger UI over our own OpenAPI document, every byte of it from this host."""
    return render(request, "docs.html")


@require_safe
@login_not_required
def errors(request: HttpRequest) -> HttpResponse:
    """What each problem code means: the page that the `type` of every problem document points to."""
    return render(request, "docs_errors.html")


def server_error(request: HttpRequest) -> HttpResponse:
    """500, or 503 while the database is away. The page needs neither the database nor a context processor."""
    away = isinstance(sys.exc_info()[1], OperationalError | InterfaceError)
    if request.path.startswith(API_PREFIX):
        return (
            unavailable()
            if away
            else problem(500, "Something went wrong on our side; the request id helps us find it.")
        )
    with translation.override(translation.get_language_from_request(request)):
        page = render_to_string(
            "503.html" if away else "500.html", {"request_id": request_id.current()}
        )
    response = HttpResponse(page, status=503 if away else 500)
    if away:
        response["Retry-After"] = str(Busy.retry_after)
    return response
