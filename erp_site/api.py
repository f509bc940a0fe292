"""The JSON face: one NinjaAPI, its routers on one screen, each kind of refusal mapped once."""

import functools
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import orjson
from django.http import HttpRequest
from django.utils.translation import gettext as _
from ninja import NinjaAPI
from ninja.errors import HttpError
from ninja.openapi.schema import OpenAPISchema
from ninja.operation import Operation
from ninja.parser import Parser
from ninja.renderers import BaseRenderer

from accounts.auth import ANYONE_SIGNED_IN
from erp_site.core import openapi, problems
from erp_site.core.answers import to_json
from erp_site.core.errors import FieldError, Invalid

DESCRIPTION = """
Orders that never oversell and never happen twice.

Sign in with `POST /api/v1/auth/jwt/login` and send `Authorization: Bearer <access_token>`, or use the session
cookie of the pages together with the `X-CSRFToken` header. Place an order with an `Idempotency-Key`: send it
again after a lost answer and you get the same order, never a second one.

Money is text ("10.50", BRL), times are UTC, unknown fields and parameters are refused. Every error is
`application/problem+json` (RFC 9457) with a stable `code`.
"""


class JSONParser(Parser):
    """Strict JSON: no NaN, no lone surrogates, one encoding, no name twice in an object."""

    def parse_body(self, request: HttpRequest) -> Any:
        raw = request.body
        body = orjson.loads(raw)
        if not isinstance(body, dict):
            # Read well, and the wrong thing. (ninja calls it broken; problems.unreadable looks at the cause.)
            raise Invalid.field("", "not_an_object", "The body should be a JSON object")
        # orjson keeps the last value of a name and drops the others, each with its colon. Looking at the names
        # takes ten times as long, so only where colons are missing, or escaped in a text and not to be counted.
        if orjson.dumps(body).count(b":") != raw.count(b":") or b"\\u003" in raw:
            json.loads(raw, object_pairs_hook=_object)
        return body


def _object(members: list[tuple[str, Any]]) -> None:
    names = Counter(name for name, _value in members)
    for name, times in names.items():
        if times > 1:
            raise HttpError(400, f"The name {name[:100]!r} stands twice in one object")


class JSONRenderer(BaseRenderer):
    media_type = "application/json"

    def render(self, request: HttpRequest, data: Any, *, response_status: int) -> bytes:
        return to_json(data)


class ErpAPI(NinjaAPI):
    """ninja, with a document that declares every refusal."""

    def get_openapi_schema(self, **kwargs: Any) -> OpenAPISchema:
        document = super().get_openapi_schema(**kwargs)
        public = frozenset(
            document["paths"][path][method]["operationId"]
            for path in document["paths"]
            for method in document["paths"][path]
            if not document["paths"][path][method].get("security")
        )
        openapi.complete(document, public=public)
        return document


def refuse_ignored_parameters(view: Callable[..., Any]) -> Callable[..., Any]:
    """A misspelt filter must not silently answer everything, nor one given twice half of it: 422 names it."""

    @functools.wraps(view)
    def checked(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        if request.GET:
            is_repeatable = _query_parameters(view)
            given = list(request.GET.lists())
            unknown = [name for name, _values in given if name not in is_repeatable]
            if unknown:
                message = _("Unknown query parameter: %(names)s")
                raise _ignored(unknown, "extra_forbidden", message)
            repeated = [
                name for name, values in given if len(values) > 1 and not is_repeatable[name]
            ]
            if repeated:
                message = _("Query parameter given more than once: %(names)s")
                raise _ignored(repeated, "repeated", message)
        return view(request, *args, **kwargs)

    return checked


def _ignored(names: Sequence[str], code: str, message: str) -> Invalid:
    return Invalid(
        message % {"names": ", ".join(names)},
        errors=[
            FieldError(pointer=name, code=code, detail=message % {"names": name}) for name in names
        ],
    )


@functools.cache
def _query_parameters(view: Callable[..., Any]) -> Mapping[str, bool]:
    """What may be asked, and whether more than once."""
    operation: Operation = inner(view)._ninja_operation  # type: ignore[attr-defined]  # set by ninja
    return {
        name: name in model.__ninja_collection_fields__
        for model in operation.models
        if model.__ninja_param_source__ == "query"
        for name in model.__ninja_flatten_map__
    }


def inner(view: Callable[..., Any]) -> Callable[..., Any]:
    """The function ninja saw, below the decorators put on later."""
    while not hasattr(view, "_ninja_operation"):
        view = view.__wrapped__  # type: ignore[attr-defined]  # functools.wraps
    return view


api = ErpAPI(
    title="ERP Pedidos",
    version="1.0.0",
    description=DESCRIPTION,
    urls_namespace="api-v1",
    auth=ANYONE_SIGNED_IN,
    parser=JSONParser(),
    renderer=JSONRenderer(),
    docs_url=None,
    openapi_url="/openapi.json",
    servers=[{"url": "/", "description": "This host"}],
    openapi_extra={
        "info": {"license": {"name": "MIT", "identifier": "MIT"}},
        "tags": [
            {"name": "Orders", "description": "Placing, moving, reading and cancelling orders"},
            {"name": "Customers", "description": "Whom the desk sells to"},
            {"name": "Products", "description": "What it sells, and the stock with its ledger"},
            {
                "name": "Price lists",
                "description": "What some customers pay in place of the ordinary prices",
            },
            {"name": "Events", "description": "What happened, in the order it was published"},
            {"name": "Webhooks", "description": "Other systems that are told of events"},
            {"name": "Authentication", "description": "Signing in and out, and one's own account"},
            {"name": "Users", "description": "Who may sign in, and as what"},
        ],
    },
)
problems.install(api)
api.add_decorator(refuse_ignored_parameters, mode="operation")
api.add_router("", "orders.api.router")
api.add_router("/auth", "accounts.api.router")
api.add_router("/customers", "customers.api.router")
api.add_router("/products", "catalog.api.router")
api.add_router("/price-lists", "catalog.api.price_lists")
api.add_router("/events", "erp_site.feed.router")
api.add_router("/webhooks", "erp_site.webhook_api.router")
