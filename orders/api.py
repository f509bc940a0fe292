"""The JSON face of orders. One domain call each; refusals are mapped once, in erp_site/api.py."""

from collections.abc import Iterable
from typing import Any

from django.http import HttpResponse
from ninja import Header, Query, Router, Status

from accounts.auth import SignedIn, needs
from accounts.roles import Permission
from erp_site.core import idempotency
from erp_site.core.answers import answer
from erp_site.core.filtering import apply
from erp_site.core.money import CURRENCY, to_text
from erp_site.core.openapi import CREATED, problems
from erp_site.core.pagination import paginate
from erp_site.core.schemas import KeyHeader, Page, QueryId

from . import queries, services
from .filters import OrderFilter
from .models import HasPermissions, Order
from .schemas import (
    AmendmentOut,
    HistoryOut,
    ItemIn,
    NoteIn,
    NoteOut,
    OrderIn,
    OrderListParams,
    OrderOut,
    OrderPatch,
    OrderRow,
    PlaceParams,
    QuoteOut,
    StatusIn,
    StepListParams,
)
from .states import OrderStatus

router = Router(tags=["Orders"])

IDEMPOTENCY_KEY = Header(
    None,
    alias=idempotency.HEADER,
    description="1-255 printable ASCII characters, bare or quoted; the same key never books twice",
)
REPLAYED = {
    "description": "The order this key has already placed, as it is now; with dry_run what it would be",
    "headers": {
        "Idempotent-Replayed": {
            "description": "Always true here, and absent with dry_run",
            "schema": {"type": "string", "const": "true"},
        }
    },
}


def present(order: Order, user: HasPermissions) -> dict[str, Any]:
    """What a row and a whole order have in common, in JSON's own types."""
    author = order.created_by
    return {
        "id": order.pk,
        "number": order.number,
        "status": order.status,
        "customer_id": order.customer_id,
        "customer": {"id": order.customer_id, "name": order.customer.name},
        "total": to_text(order.total),
        "currency": CURRENCY,
        "notes": order.notes,
        "due_date": order.due_date,
        "customer_reference": order.customer_reference,
        "delivery_address": order.delivery_address,
        "idempotency_key": order.idempotency_key,
        "version": order.version,
        "allowed_statuses": [status.value for status in order.actions_for(user)],
        "created_by": {"id": author.pk, "name": author.name} if author else None,
        "created_at": order.created_at,
        "updated_at": order.updated_at,
        "deleted_at": order.deleted_at,
    }


def whole(
    order: Order,
    user: HasPermissions,
    *,
    lines: Iterable[queries.OrderLine] | None = None,
    status: int = 200,
) -> HttpResponse:
    """The answer that OrderOut describes."""
    if lines is None:
        order, lines = queries.with_lines(order)
    items = [_present_line(line) for line in lines]
    return answer({**present(order, user), "items": items}, status=status)


def _present_line(line: queries.OrderLine) -> dict[str, Any]:
    presented = {
        **line._asdict(),
        "unit_price": to_text(line.unit_price),
        "subtotal": to_text(line.subtotal),
    }
    if line.list_price is None:
        del presented["list_price"]
    else:
        presented["list_price"] = to_text(line.list_price)
    return presented


@router.get(
    "/orders",
    response=Page[OrderRow],
    operation_id="list_orders",
    summary="List orders",
    exclude_none=False,
)
@needs(Permission.VIEW_ORDERS)
def list_orders(
    request: SignedIn, response: HttpResponse, params: Query[OrderListParams]
) -> dict[str, Any]:
    """Living orders, newest first. Filters combine; `status` may be repeated."""
    orders = apply(OrderFilter, request.GET, queries.order_rows(), request=request)
    page = paginate(
        request,
        response,
        orders,
        params=params,
        sort=params.sort,
        split=("status", params.status or ()),
    )
    page["items"] = [
        {**present(order, request.user), "items_count": order.items_count}
        for order in page["items"]
    ]
    return page


@router.post(
    "/orders",
    response={201: OrderOut, 200: OrderOut | QuoteOut},
    operation_id="place_order",
    summary="Place an order",
    openapi_extra=problems(
        404,
        conflict="insufficient_stock",
        answers={200: REPLAYED, 201: CREATED},
    ),
)
@needs(Permission.PLACE_ORDER)
def place_order(
    request: SignedIn,
    body: OrderIn,
    params: Query[PlaceParams],
    idempotency_key: KeyHeader | None = IDEMPOTENCY_KEY,
) -> Status | HttpResponse:
    """Reserve the stock and book the order, once for each idempotency key.

    201 the first time; the same key and body again is 200 with `Idempotent-Replayed: true` and the same order
    as it is now; the same key with another body is 422 `idempotency_key_reused`. `dry_run=true` prices the order
    and changes nothing.
    """
    items = _wanted(body.items)
    if params.dry_run == "true":
        idempotency.parse_key(idempotency_key, body.idempotency_key, required=False)
        quote = services.price_order(actor=request.user, customer_id=body.customer_id, items=items)
        return Status(200, _present_quote(quote))
    placement = services.place_order(
        actor=request.user,
        customer_id=body.customer_id,
        items=items,
        idempotency_key=idempotency.parse_key(idempotency_key, body.idempotency_key),
        notes=body.notes or "",
        due_date=body.due_date,
        customer_reference=body.customer_reference or "",
        delivery_address=body.delivery_address,
        seen_before=idempotency.told_ahead(request),
    )
    order = placement.order
    if placement.replayed:
        response = whole(order, request.user, lines=placement.lines)
        response["Idempotent-Replayed"] = "true"
        return response
    response = whole(order, request.user, lines=placement.lines, status=201)
    response["Location"] = f"{request.path}/{order.pk}"
    return response


def _wanted(items: Iterable[ItemIn]) -> list[services.NewItem]:
    return [services.NewItem(it.product_id, it.quantity, it.agreed_price) for it in items]


def _present_quote(quote: services.Quote) -> dict[str, Any]:
    return {
        "items": [
            {
                "product_id": item.line.product_id,
                "sku": item.line.sku,
                "name": item.line.name,
                "quantity": item.quantity,
                "unit_price": item.unit_price,
                "subtotal": item.subtotal,
                "list_price": item.kept_list_price,
            }
            for item in quote.items
        ],
        "total": quote.total,
        "currency": quote.currency,
        "shortages": quote.shortages,
    }


@router.get(
    "/orders/{order_id}",
    response=OrderOut,
    operation_id="get_order",
    url_name="get_order",
    summary="Get an order",
    openapi_extra=problems(404),
)
@needs(Permission.VIEW_ORDERS)
def get_order(request: SignedIn, order_id: QueryId) -> HttpResponse:
    """One order with its items; a deleted one too, with `deleted_at`."""
    order, lines = queries.read_whole_order(order_id)
    return whole(order, request.user, lines=lines)


@router.patch(
    "/orders/{order_id}",
    response=OrderOut,
    operation_id="amend_order",
    summary="Change an order",
    openapi_extra=problems(404, conflict="not_amendable"),
)
@needs(Permission.AMEND_ORDER)
def amend_order(request: SignedIn, order_id: QueryId, body: OrderPatch) -> HttpResponse:
    """Only the fields sent change, while the order is pending (or confirmed: 403 for roles that may not). Lines that
    stay keep their price unless another is agreed upon; more than was promised is reserved, less is given back, all or
    nothing. What is the same already is no change, so it may be sent again. With `version`, an order changed meanwhile
    is refused with 409 `stale_version`; from picked on with 409 `not_amendable`."""
    given = body.model_dump(exclude_unset=True)
    if "items" in given:
        given["items"] = _wanted(body.items)
    order = services.amend_order(actor=request.user, order_id=order_id, **given)
    return whole(order, request.user)


@router.patch(
    "/orders/{order_id}/status",
    response=OrderOut,
    operation_id="change_order_status",
    summary="Move an order on",
    openapi_extra=problems(404, conflict="illegal_transition"),
)
@needs(Permission.VIEW_ORDERS)
def change_order_status(
    request: SignedIn,
    order_id: QueryId,
    body: StatusIn,
    idempotency_key: KeyHeader | None = IDEMPOTENCY_KEY,
) -> HttpResponse:
    """Take one step of the order's life. A state that does not lead there is 409 with `from`, `to` and `allowed`;
    a step this role may not take is 403. The optional key makes it happen once. With `version`, an order changed
    meanwhile is refused with 409 `stale_version`: nobody picks what was amended since they read it."""
    order = services.change_status(
        actor=request.user,
        order_id=order_id,
        to=OrderStatus(body.status),
        note=body.note or "",
        version=body.version,
        idempotency_key=idempotency.parse_key(idempotency_key, None, required=False),
    )
    return whole(order, request.user)


@router.delete(
    "/orders/{order_id}",
    response=OrderOut,
    operation_id="delete_order",
    summary="Cancel and delete an order",
    openapi_extra=problems(404, conflict="illegal_transition"),
)
@needs(Permission.CANCEL_ORDER)
def delete_order(request: SignedIn, order_id: QueryId) -> HttpResponse:
    """Cancel the order where its state allows (its stock returns) and take it out of the lists; again: the same."""
    order = services.delete_order(actor=request.user, order_id=order_id)
    return whole(order, request.user)


@router.get(
    "/orders/{order_id}/history",
    response=Page[HistoryOut],
    operation_id="list_order_history",
    summary="History of an order",
    openapi_extra=problems(404),
)
@needs(Permission.VIEW_ORDERS)
def list_order_history(
    request: SignedIn, response: HttpResponse, order_id: QueryId, params: Query[StepListParams]
) -> dict[str, Any]:
    """Every step, oldest first: who, when, why, in which request."""
    queries.require_order(order_id)
    return paginate(request, response, queries.history_of(order_id), params=params, sort="seq")


@router.get(
    "/orders/{order_id}/amendments",
    response=Page[AmendmentOut],
    operation_id="list_order_amendments",
    summary="Amendments of an order",
    by_alias=True,
    openapi_extra=problems(404),
)
@needs(Permission.VIEW_ORDERS)
def list_order_amendments(
    request: SignedIn, response: HttpResponse, order_id: QueryId, params: Query[StepListParams]
) -> dict[str, Any]:
    """What was changed of the order since it was placed, oldest first: what, by whom, why, in which request."""
    queries.require_order(order_id)
    return paginate(
        request, response, queries.amendments_of(order_id), params=params, sort="version"
    )


@router.get(
    "/orders/{order_id}/notes",
    response=Page[NoteOut],
    operation_id="list_order_notes",
    summary="Notes on an order",
    openapi_extra=problems(404),
)
@needs(Permission.VIEW_ORDERS)
def list_order_notes(
    request: SignedIn, response: HttpResponse, order_id: QueryId, params: Query[StepListParams]
) -> dict[str, Any]:
    """What people wrote on the order, oldest first."""
    queries.require_order(order_id)
    return paginate(request, response, queries.notes_of(order_id), params=params, sort="id")


@router.post(
    "/orders/{order_id}/notes",
    response={201: NoteOut},
    operation_id="add_order_note",
    summary="Write a note on an order",
    openapi_extra=problems(404),
)
@needs(Permission.ADD_ORDER_NOTE)
def add_order_note(
    request: SignedIn,
    order_id: QueryId,
    body: NoteIn,
    idempotency_key: KeyHeader | None = IDEMPOTENCY_KEY,
) -> Status:
    """Notes are added, never changed. The optional key makes it happen once: sent again, it is the same note."""
    note = services.add_note(
        actor=request.user,
        order_id=order_id,
        text=body.text,
        idempotency_key=idempotency.parse_key(idempotency_key, None, required=False),
    )
    return Status(201, note)
