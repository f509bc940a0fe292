"""One id for one request: on the answer, in every log line, on history, movements and events."""

import re
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import uuid_utils
from django.http import HttpRequest, HttpResponse

HEADER = "X-Request-ID"
_VALID = re.compile(r"[A-Za-z0-9._:-]{1,64}")
_current: ContextVar[str] = ContextVar("request_id", default="")


def current() -> str:
    """The id of the request being served; empty outside a request."""
    return _current.get()


@contextmanager
def working_as(name: str) -> Iterator[None]:
    """Inside this block, what is written carries `name` as its request id."""
    token = _current.set(name)
    try:
        yield
    finally:
        _current.reset(token)


def add_to_line(
    _logger: Any, _method: str, line: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Each log line says which request it belongs to: a processor of structlog."""
    if name := _current.get():
        line.setdefault("request_id", name)
    return line


class RequestIDMiddleware:
    """Keeps a valid X-Request-ID of the caller, makes one otherwise."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        sent = request.headers.get(HEADER, "")
        request_id = sent if _VALID.fullmatch(sent) else uuid_utils.uuid7().hex
        with working_as(request_id):
            response = self.get_response(request)
        response[HEADER] = request_id
        return response
