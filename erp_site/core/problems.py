"""Every error of the API as application/problem+json (RFC 9457), unknown routes and wrong methods included."""

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from http import HTTPStatus
from typing import Any, Final

import structlog
from django.conf import settings
from django.core.exceptions import (
    PermissionDenied,
    RequestDataTooBig,
    SuspiciousOperation,
    TooManyFieldsSent,
)
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from ninja import NinjaAPI
from ninja.errors import HttpError, ValidationError

from . import request_id
from .errors import Busy, DomainError
from .schemas import time_text

CONTENT_TYPE: Final = "application/problem+json"
API_PREFIX: Final = "/api/"
log = structlog.get_logger(__name__)

#: What an answer says of itself unless it says more: it is for one reader, and no cache keeps it for another.
FOR_ONE: Final = "private, no-cache"
#: Headers of an answer that stay when a problem takes its place.
KEPT: Final = (
    "Allow", "Retry-After", "WWW-Authenticate", "RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset",
)  # fmt: skip
#: Codes for refusals that come from HTTP itself rather than from the domain.
STATUS_CODES: Final[dict[int, str]] = {
    400: "malformed",
    401: "unauthenticated",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    413: "body_too_large",
    415: "unsupported_media_type",
    429: "rate_limited",
    500: "internal_error",
    503: "busy",
}


class ApiError(Exception):
    """A refusal that is HTTP's own (401, 429 ...), with the headers that belong to it."""

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        code: str | None = None,
        headers: Mapping[str, str] | None = None,
        **facts: Any,
    ) -> None:
        super().__init__(detail)
        self.status, self.detail, self.code, self.headers, self.facts = (
            status,
            detail,
            code,
            headers or {},
            facts,
        )


def _text(value: object) -> str:
    """What JSON has no type for: times as in every answer, amounts and lazy translations as their text."""
    return time_text(value) if isinstance(value, datetime) else str(value)


def problem(
    status: int,
    detail: str = "",
    *,
    code: str | None = None,
    title: str | None = None,
    headers: Mapping[str, str] | None = None,
    **facts: Any,
) -> HttpResponse:
    """The answer itself. `facts` become members beside the standard ones."""
    code = code or STATUS_CODES.get(status, "error")
    phrase = HTTPStatus(status).phrase
    body = {
        "type": f"/docs/errors#{code}",
        "title": title or phrase,
        "status": status,
        "detail": detail or phrase,
        "code": code,
        "request_id": request_id.current(),
        **facts,
    }
    response = HttpResponse(
        json.dumps(body, default=_text),
        status=status,
        content_type=CONTENT_TYPE,
    )
    for name, value in (headers or {}).items():
        response[name] = value
    if status == HTTPStatus.UNAUTHORIZED:
        response.setdefault("WWW-Authenticate", 'Bearer realm="api"')
    return response


def refusal(error: DomainError) -> HttpResponse:
    """The JSON face of a DomainError."""
    headers = {"Retry-After": str(error.retry_after)} if isinstance(error, Busy) else None
    return problem(
        error.status,
        error.message,
        code=error.code,
        title=error.title,
        headers=headers,
        **error.facts,
    )


def unavailable() -> HttpResponse:
    """503: the database is away; whether the request was carried out is unknown if that was during COMMIT."""
    return refusal(Busy.without_database())


def field_errors(errors: list[dict[str, Any]]) -> list[dict[str, str]]:
    """ninja's error locations as JSON pointers into the body, or names of parameters."""
    found = []
    for error in errors:
        source, *rest = error["loc"]
        if source == "body":
            # Pydantic names the chosen shape of a union too; shapes are tagged "<shape>", fields never.
            rest = [part for part in rest if not str(part).startswith("<")]
            pointer = "/" + "/".join(str(part) for part in rest[1:]) if len(rest) > 1 else ""
        else:
            pointer = next((part for part in reversed(rest) if isinstance(part, str)), "")
        found.append({"pointer": pointer, "code": error["type"], "detail": error["msg"]})
    return found


def unreadable(error: HttpError) -> HttpResponse:
    """ninja says no more than that a body cannot be parsed; its cause says why, and may be a refusal of ours."""
    cause = error.__cause__
    if isinstance(cause, DomainError):
        return refusal(cause)
    return problem(error.status_code, str(cause or error))


def install(api: NinjaAPI) -> None:
    """Map each kind of failure once, for all endpoints."""

    @api.exception_handler(DomainError)
    def _domain(request: HttpRequest, error: DomainError) -> HttpResponse:
        return refusal(error)

    @api.exception_handler(ApiError)
    def _api(request: HttpRequest, error: ApiError) -> HttpResponse:
        return problem(
            error.status, error.detail, code=error.code, headers=error.headers, **error.facts
        )

    @api.exception_handler(ValidationError)
    def _validation(request: HttpRequest, error: ValidationError) -> HttpResponse:
        errors = field_errors(error.errors)
        return problem(
            422,
            "; ".join(f"{e['pointer'] or 'body'}: {e['detail']}" for e in errors[:5]),
            code="validation_error",
            title="Validation failed",
            errors=errors[:100],
        )

    @api.exception_handler(HttpError)
    def _http(request: HttpRequest, error: HttpError) -> HttpResponse:
        return unreadable(error)

    @api.exception_handler(Http404)
    def _missing(request: HttpRequest, error: Http404) -> HttpResponse:
        return problem(404)

    @api.exception_handler(PermissionDenied)
    def _denied(request: HttpRequest, error: PermissionDenied) -> HttpResponse:
        return problem(403, str(error))

    @api.exception_handler(RequestDataTooBig)
    def _too_big(request: HttpRequest, error: RequestDataTooBig) -> HttpResponse:
        return problem(413, "A body has at most 1 MiB")

    @api.exception_handler(SuspiciousOperation)
    def _suspicious(request: HttpRequest, error: SuspiciousOperation) -> HttpResponse:
        # Django refuses these with 400 on pages; here they would pass for a bug of ours.
        return problem(400, "Too many parameters" if isinstance(error, TooManyFieldsSent) else "")

    @api.exception_handler(OperationalError)
    def _database(request: HttpRequest, error: OperationalError) -> HttpResponse:
        log.error("database_unavailable", error=str(error))
        return unavailable()

    @api.exception_handler(InterfaceError)
    def _connection(request: HttpRequest, error: InterfaceError) -> HttpResponse:
        log.error("database_unavailable", error=str(error))
        return unavailable()

    @api.exception_handler(Exception)
    def _bug(request: HttpRequest, error: Exception) -> HttpResponse:
        log.error("unhandled", exc_info=error, path=request.path)
        return problem(500, "Something went wrong on our side; the request id helps us find it.")


class ApiProblemMiddleware:
    """The edge of /api/: refuses bodies that are too large or not JSON, and turns every other error into a problem."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not request.path.startswith(API_PREFIX):
            return self.get_response(request)
        asked = request.method
        if asked == "HEAD":
            request.method = "GET"  # what can be got has a head; the server leaves the body out
        response = self._refused_body(request) or self.get_response(request)
        request.method = asked
        allowed = response.get("Allow", "").split(", ")
        if "GET" in allowed and "HEAD" not in allowed:
            # As above: the router knows nothing of it.
            response["Allow"] = ", ".join([*allowed, "HEAD"])
        if response.status_code >= HTTPStatus.BAD_REQUEST and not response.get(
            "Content-Type", ""
        ).startswith(CONTENT_TYPE):
            kept = {name: response[name] for name in KEPT if name in response}
            response = problem(response.status_code, headers=kept)
        response.headers.setdefault("Cache-Control", FOR_ONE)
        return response

    @staticmethod
    def _refused_body(request: HttpRequest) -> HttpResponse | None:
        if request.method not in {"POST", "PUT", "PATCH"}:
            return None
        try:
            length = int(request.META.get("CONTENT_LENGTH") or 0)
        except ValueError:
            return problem(400, "Content-Length is not a number")
        if length > settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
            # The rest of it stays on the connection, which the server therefore closes: the client is told.
            return problem(413, "A body has at most 1 MiB", headers={"Connection": "close"})
        if length and request.content_type != "application/json":
            return problem(
                415,
                "Send application/json",
                headers={"Accept-Patch": "application/json"} if request.method == "PATCH" else None,
            )
        if length and request.headers.get("Content-Encoding", "").lower() not in {"", "identity"}:
            # Compressed JSON would be called broken JSON, and what is none taken although it says it were compressed.
            return problem(415, "Send the body as it is", headers={"Accept-Encoding": "identity"})
        return None
