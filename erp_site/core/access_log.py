"""One line for each answer in production: who asked what, and what came of it after how long."""

import re
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from django.conf import settings
from django.core.exceptions import MiddlewareNotUsed
from django.http import HttpRequest, HttpResponse
from django.utils.functional import SimpleLazyObject

from .logging import line_logger
from .ratelimit import client_ip

#: Asked every few seconds by machines, or a dozen times by each page; only what is wrong there is news.
QUIET: Final = ("/health", "/metrics", "/static/")

#: A link to a new password is a secret: whoever reads the log must not be able to use it. Known by its look, since what
#: is refused before it is looked up (a wrong host, the database away) has no route.
_SECRET: Final = re.compile(r"(/password/reset/key/[0-9A-Za-z]+-)[^/]+")


class AccessLogMiddleware:
    """The path without its query, in which names and tokens stand; milliseconds until the answer begins."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        if not settings.PRODUCTION:
            raise MiddlewareNotUsed
        self.get_response = get_response
        self.log = line_logger(__name__)

    def __call__(self, request: HttpRequest) -> HttpResponse:
        began = time.perf_counter()
        response = self.get_response(request)
        if response.status_code >= 400 or not request.path.startswith(QUIET):
            # Nobody is refused because a disk is full, or who read the log has gone.
            with suppress(OSError, ValueError):
                self.log.info(
                    "request",
                    method=request.method,
                    path=_SECRET.sub(r"\1***", request.path),
                    status=response.status_code,
                    milliseconds=round((time.perf_counter() - began) * 1000, 1),
                    ip=client_ip(request),
                    user=_user_id(request),
                )
        return response


def _user_id(request: HttpRequest) -> int | None:
    """Who it was, if the request found out; a line in the log is worth no query."""
    user = request.__dict__.get("user")
    if isinstance(user, SimpleLazyObject):  # asked for by nobody, or kept by Django beside it
        user = request.__dict__.get("_cached_user")
    return getattr(user, "pk", None)
