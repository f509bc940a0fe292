"""What ninja's OpenAPI document lacks: problems on every operation, honest about each status."""

from http import HTTPStatus
from typing import Any, Final

from .problems import CONTENT_TYPE
from .schemas import Problem

_REF: Final = {"$ref": "#/components/schemas/Problem"}

#: An example for each status, so that a reader of /docs sees what comes back.
EXAMPLES: Final[dict[int, dict[str, Any]]] = {
    400: {"code": "malformed", "detail": "Cannot parse request body"},
    401: {"code": "unauthenticated", "detail": "Unauthorized"},
    403: {"code": "forbidden", "detail": "Your role may not do this."},
    404: {"code": "not_found", "detail": "Not Found"},
    409: {"code": "conflict", "detail": "The present state refuses it."},
    413: {"code": "body_too_large", "detail": "A body has at most 1 MiB"},
    415: {"code": "unsupported_media_type", "detail": "Send application/json"},
    422: {
        "code": "validation_error",
        "detail": "/name: Field required",
        "errors": [{"pointer": "/name", "code": "missing", "detail": "Field required"}],
    },
    429: {"code": "rate_limited", "detail": "Too many requests; wait and try again."},
    503: {"code": "busy", "detail": "The database is busy. Nothing was changed; please try again."},
}
RETRY_AFTER: Final = {
    "Retry-After": {"description": "Seconds to wait", "schema": {"type": "integer", "minimum": 1}}
}


def _response(status: int, *, code: str | None = None, **facts: Any) -> dict[str, Any]:
    phrase = HTTPStatus(status).phrase
    example = {**EXAMPLES.get(status, {"detail": phrase}), **facts}
    if code:
        example["code"] = code
    body = {
        "type": f"/docs/errors#{example['code']}",
        "title": phrase,
        "status": status,
        "request_id": "0199f0c2a6a47d0f8f5e6c3b2a190807",
        **example,
    }
    response: dict[str, Any] = {
        "description": phrase,
        "content": {CONTENT_TYPE: {"schema": _REF, "example": body}},
    }
    if status in {429, 503}:
        response["headers"] = RETRY_AFTER
    return response


def problems(*statuses: int, **by_name: str) -> dict[str, Any]:
    """The `openapi_extra` of an operation that can answer these statuses, besides those every one can.

    problems(404, conflict="insufficient_stock") also gives 409's example that code.
    """
    responses = {status: _response(status) for status in statuses}
    if code := by_name.get("conflict"):
        responses[409] = _response(409, code=code)
    return {"responses": responses}


def complete(document: dict[str, Any], *, public: frozenset[str]) -> None:
    """Add to each operation the refusals that every operation of its kind can give."""
    document["components"]["schemas"]["Problem"] = Problem.model_json_schema(
        ref_template="#/components/schemas/{model}"
    )
    definitions = document["components"]["schemas"]["Problem"].pop("$defs", {})
    document["components"]["schemas"].update(definitions)
    for path in document["paths"].values():
        for method, operation in path.items():
            responses = operation["responses"]
            common = [422, 429, 503]
            if "requestBody" in operation:
                common += [400, 413, 415]
            if operation["operationId"] not in public:
                common += [401, 403]
            for status in common:
                responses.setdefault(status, _response(status))
            if method == "get":
                responses.setdefault(
                    304, {"description": "Not changed since the ETag in If-None-Match"}
                )
            for parameter in operation.get("parameters", []):
                if parameter["in"] == "path":
                    parameter["schema"].setdefault("minimum", 1)
            operation["responses"] = {
                str(status): responses[status] for status in sorted(responses, key=int)
            }
