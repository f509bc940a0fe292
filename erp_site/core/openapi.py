"""What ninja's OpenAPI document lacks: every refusal and header, and names a client's author would choose."""

import copy
from collections.abc import Iterator
from typing import Any, Final

from .problems import CONTENT_TYPE
from .schemas import Problem

_SCHEMAS: Final = "#/components/schemas/"
_RESPONSES: Final = "#/components/responses/"
_HEADERS: Final = "#/components/headers/"

#: An example for each status, so that a reader of /docs sees what comes back.
EXAMPLES: Final[dict[int, dict[str, Any]]] = {
    400: {"code": "malformed", "detail": "unexpected end of data: line 1 column 2 (char 1)"},
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
#: The words of RFC 9110, the same on every Python.
TITLES: Final = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    409: "Conflict",
    413: "Content Too Large",
    415: "Unsupported Media Type",
    422: "Unprocessable Content",
    429: "Too Many Requests",
    503: "Service Unavailable",
}
_COUNT: Final = {"type": "integer", "minimum": 0}
#: Headers that many answers share, under #/components/headers.
HEADERS: Final[dict[str, Any]] = {
    "X-Request-ID": {
        "description": "The one you sent, if valid, else a new one; it stands in logs, history and events",
        "schema": {"type": "string", "pattern": "^[A-Za-z0-9._:-]{1,64}$"},
    },
    "RateLimit-Limit": {"description": "Requests allowed in a window", "schema": _COUNT},
    "RateLimit-Remaining": {"description": "Requests left in this window", "schema": _COUNT},
    "RateLimit-Reset": {"description": "Seconds until this window ends", "schema": _COUNT},
    "ETag": {"description": "Send it as If-None-Match", "schema": {"type": "string"}},
    "Link": {
        "description": "RFC 8288: first, next, and prev of a numbered page; next is a cursor unless `page` is asked",
        "schema": {"type": "string"},
    },
    "Retry-After": {
        "description": "Seconds to wait",
        "schema": {"type": "integer", "minimum": 1},
    },
}
_EVERY_ANSWER: Final = {
    name: {"$ref": f"{_HEADERS}{name}"}
    for name in ("X-Request-ID", "RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset")
}
IF_NONE_MATCH: Final = {
    "in": "header",
    "name": "If-None-Match",
    "description": "The ETag of the answer you have; 304 if it is still true",
    "schema": {"type": "string"},
    "required": False,
}
#: The security scheme that goes with the session cookie.
CSRF_TOKEN: Final = {
    "type": "apiKey",
    "in": "header",
    "name": "X-CSRFToken",
    "description": "From GET /api/v1/auth/csrf, together with its cookie; every change by cookie needs it, and "
    "signing in changes it",
}
#: The same for those who are not signed in yet: session sign-in sets a cookie.
CSRF_HEADER: Final = {
    "in": "header",
    "name": "X-CSRFToken",
    "description": "From GET /api/v1/auth/csrf, together with its cookie (403 without)",
    "schema": {"type": "string"},
    "required": True,
}


def _response(status: int, *, code: str | None = None) -> dict[str, Any]:
    example = {**EXAMPLES[status], "code": code or EXAMPLES[status]["code"]}
    body = {
        "type": f"/docs/errors#{example['code']}",
        "title": TITLES[status],
        "status": status,
        "request_id": "0199f0c2a6a47d0f8f5e6c3b2a190807",
        **example,
    }
    headers = dict(_EVERY_ANSWER)
    if status in {429, 503}:
        headers["Retry-After"] = {"$ref": f"{_HEADERS}Retry-After"}
    return {
        "description": TITLES[status],
        "headers": headers,
        "content": {
            CONTENT_TYPE: {"schema": {"$ref": f"{_SCHEMAS}Problem"}, "example": body},
        },
    }


def _shared(status: int) -> dict[str, str]:
    return {"$ref": f"{_RESPONSES}{TITLES[status].replace(' ', '')}"}


#: What a 201 has that other answers have not.
CREATED: Final = {
    "headers": {
        "Location": {
            "description": "Where the new record is",
            "schema": {"type": "string", "format": "uri-reference"},
        }
    }
}


def problems(
    *statuses: int, conflict: str | None = None, answers: dict[int, Any] | None = None
) -> dict[str, Any]:
    """The `openapi_extra` of an operation that can answer these statuses, besides those every one can.

    `conflict` adds 409 with that code as its example, `answers` say more about the successes.
    """
    responses: dict[int, Any] = {status: _shared(status) for status in statuses}
    if conflict:
        responses[409] = _response(409, code=conflict)
    return {"responses": {**responses, **copy.deepcopy(answers or {})}}


def complete(document: dict[str, Any], *, public: frozenset[str]) -> None:
    """Say what ninja leaves out: the refusals every operation of its kind can give, the headers, plain names."""
    schemas = document["components"]["schemas"]
    schemas["Problem"] = Problem.model_json_schema(ref_template=_SCHEMAS + "{model}")
    schemas.update(schemas["Problem"].pop("$defs"))
    document["components"]["headers"] = HEADERS
    document["components"]["responses"] = {
        TITLES[status].replace(" ", ""): _response(status) for status in TITLES if status != 409
    }
    document["components"]["securitySchemes"]["CsrfToken"] = CSRF_TOKEN
    for path in document["paths"].values():
        for method, operation in path.items():
            is_public = operation["operationId"] in public
            _complete_security(operation, changes=method != "get")
            operation["parameters"] = [_plain(it) for it in operation.get("parameters", [])]
            _complete_responses(operation, is_read=method == "get", is_public=is_public)
    _name_by_title(document)
    _drop_unused(document)


def _complete_security(operation: dict[str, Any], *, changes: bool) -> None:
    """A change by cookie needs the CSRF token too."""
    if changes:
        for way in operation.get("security", []):
            if "CookieAuth" in way:
                way["CsrfToken"] = []


def _plain(parameter: dict[str, Any]) -> dict[str, Any]:
    """A parameter is there or not, never null; its name and description stand once, on the parameter itself."""
    schema = dict(parameter["schema"])
    schema.pop("title", None)
    schema.pop("description", None)
    if "anyOf" in schema:
        kinds = [kind for kind in schema.pop("anyOf") if kind != {"type": "null"}]
        schema |= kinds[0] if len(kinds) == 1 else {"anyOf": kinds}
    # An array of examples is a schema's: a parameter's would be an object.
    return {name: it for name, it in parameter.items() if name != "examples"} | {"schema": schema}


def _complete_responses(operation: dict[str, Any], *, is_read: bool, is_public: bool) -> None:
    responses = operation["responses"]
    statuses = [400, 422, 429, 503]
    if "requestBody" in operation:
        statuses += [413, 415]
    if not is_public:
        statuses += [401, 403]
    for status in statuses:
        responses.setdefault(status, _shared(status))
    headers = dict(_EVERY_ANSWER)
    if is_read and not is_public:
        responses.setdefault(304, {"description": "Not changed since the ETag in If-None-Match"})
        headers["ETag"] = {"$ref": f"{_HEADERS}ETag"}
        if any(it["name"] == "cursor" for it in operation["parameters"]):
            headers["Link"] = {"$ref": f"{_HEADERS}Link"}
        operation["parameters"].append(IF_NONE_MATCH)
    for status, response in responses.items():
        if status < 400:
            response["headers"] = {**response.get("headers", {}), **headers}
            for content in response.get("content", {}).values():
                content["schema"].pop("title", None)
    for content in operation.get("requestBody", {}).get("content", {}).values():
        content["schema"].pop("title", None)
    operation["responses"] = {
        str(status): responses[status] for status in sorted(responses, key=int)
    }


def _name_by_title(document: dict[str, Any]) -> None:
    """ninja calls a page of orders Page_OrderRow_; its title, OrderPage, makes a better class in a client."""
    schemas = document["components"]["schemas"]
    names = {name: schema.pop("title", name) for name, schema in schemas.items()}
    document["components"]["schemas"] = {names[name]: schemas[name] for name in sorted(schemas)}
    for reference in _references(document):
        name = reference["$ref"].removeprefix(_SCHEMAS)
        reference["$ref"] = reference["$ref"].replace(name, names.get(name, name))
    for schema in document["components"]["schemas"].values():
        for field in schema.get("properties", {}).values():
            field.pop("title", None)  # the name again, with capitals


def _drop_unused(document: dict[str, Any]) -> None:
    """Query strings are parameters in the document; the schemas that read them would be noise."""
    schemas = document["components"]["schemas"]
    used: set[str] = set()
    queue = [
        it["$ref"] for it in _references([document["paths"], document["components"]["responses"]])
    ]
    while queue:
        name = queue.pop().removeprefix(_SCHEMAS)
        if name in schemas and name not in used:
            used.add(name)
            queue += [it["$ref"] for it in _references(schemas[name])]
    for name in schemas.keys() - used:
        del schemas[name]


def _references(part: Any) -> Iterator[dict[str, Any]]:
    """Every {"$ref": ...} in this part of the document."""
    if isinstance(part, dict):
        if "$ref" in part:
            yield part
        for value in part.values():
            yield from _references(value)
    elif isinstance(part, list):
        for value in part:
            yield from _references(value)
