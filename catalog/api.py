"""The JSON face of products and stock. Refusals are mapped once, in erp_site/api.py."""

from typing import Any

from django.http import HttpResponse
from django.urls import reverse
from ninja import Body, Header, Query, Router, Status

from accounts.auth import SignedIn, needs
from accounts.roles import Permission
from erp_site.core import idempotency
from erp_site.core.filtering import apply
from erp_site.core.openapi import CREATED, problems
from erp_site.core.pagination import paginate, sort_choice
from erp_site.core.schemas import KeyHeader, Page, QueryId

from . import queries, services
from .filters import ProductFilter
from .schemas import (
    MovementListParams,
    MovementOut,
    ProductIn,
    ProductListParams,
    ProductOut,
    ProductPatch,
    StockIn,
)

router = Router(tags=["Products"])

IDEMPOTENCY_KEY = Header(
    None,
    alias=idempotency.HEADER,
    description="1-255 printable ASCII characters, bare or quoted; the same key never adjusts twice",
)


@router.get("", response=Page[ProductOut], operation_id="list_products", summary="List products")
@needs(Permission.VIEW_PRODUCTS)
def list_products(
    request: SignedIn, response: HttpResponse, params: Query[ProductListParams]
) -> dict[str, Any]:
    """By name unless sorted otherwise. Filters combine."""
    found = apply(ProductFilter, request.GET, queries.products())
    sort = sort_choice(params.sort, queries.SORTS, "name")
    page = paginate(request, response, found, params=params, sort=sort)
    return {**page, "items": [queries.as_record(row) for row in page["items"]]}


@router.post(
    "",
    response={201: ProductOut},
    operation_id="create_product",
    summary="Add a product",
    openapi_extra=problems(conflict="duplicate", answers={201: CREATED}),
)
@needs(Permission.CHANGE_PRODUCTS)
def create_product(
    request: SignedIn, response: HttpResponse, body: ProductIn
) -> Status[dict[str, Any]]:
    """SKUs are unique among products that are not deleted (409 `duplicate`)."""
    product = services.create_product(actor=request.user, **body.model_dump())
    response["Location"] = reverse("api-v1:get_product", args=[product.pk])
    return Status(201, queries.as_record(product))


@router.get(
    "/{product_id}",
    response=ProductOut,
    operation_id="get_product",
    summary="Read a product",
    openapi_extra=problems(404),
)
@needs(Permission.VIEW_PRODUCTS)
def get_product(request: SignedIn, product_id: QueryId) -> dict[str, Any]:
    """The product with its stock."""
    return queries.as_record(queries.get_product(product_id))


@router.patch(
    "/{product_id}",
    response=ProductOut,
    operation_id="update_product",
    summary="Change a product",
    openapi_extra=problems(404, conflict="stale_version"),
)
@needs(Permission.CHANGE_PRODUCTS)
def update_product(request: SignedIn, product_id: QueryId, body: ProductPatch) -> dict[str, Any]:
    """Only the fields sent change. With `version`, a product changed meanwhile is refused with 409
    `stale_version` and the `current` record. Stock does not count as a change of the product."""
    product = services.update_product(
        actor=request.user, product_id=product_id, **body.model_dump(exclude_unset=True)
    )
    return queries.as_record(product)


@router.delete(
    "/{product_id}",
    response={204: None},
    operation_id="delete_product",
    summary="Delete a product",
    openapi_extra=problems(404, conflict="product_in_use"),
)
@needs(Permission.CHANGE_PRODUCTS)
def delete_product(request: SignedIn, product_id: QueryId) -> Status[None]:
    """Orders keep its name and price, and the SKU is free again. 409 while there is stock or a reservation."""
    services.delete_product(actor=request.user, product_id=product_id)
    return Status(204, None)


@router.patch(
    "/{product_id}/stock",
    response=ProductOut,
    operation_id="adjust_stock",
    summary="Correct the stock",
    openapi_extra=problems(404, conflict="stock_changed"),
)
@needs(Permission.ADJUST_STOCK)
def adjust_stock(
    request: SignedIn,
    product_id: QueryId,
    body: Body[StockIn],
    idempotency_key: KeyHeader | None = IDEMPOTENCY_KEY,
) -> dict[str, Any]:
    """By `delta`, or to a counted `on_hand` if it is still `expected_on_hand` (else 409 `stock_changed` with the
    real figure). Never below what is reserved (409 `insufficient_stock`)."""
    product = services.adjust_stock(
        actor=request.user,
        product_id=product_id,
        idempotency_key=idempotency.parse_key(idempotency_key, None, required=False),
        **body.model_dump(),
    )
    return queries.as_record(product)


@router.get(
    "/{product_id}/movements",
    response=Page[MovementOut],
    operation_id="list_movements",
    summary="The stock ledger of a product",
    openapi_extra=problems(404),
)
@needs(Permission.VIEW_PRODUCTS)
def list_movements(
    request: SignedIn,
    response: HttpResponse,
    product_id: QueryId,
    params: Query[MovementListParams],
) -> dict[str, Any]:
    """Newest first: every change of its stock, with both balances after it and who did it."""
    ledger = queries.movements(queries.get_product(product_id))
    sort = sort_choice(params.sort, queries.MOVEMENT_SORTS, "-created_at")
    return paginate(request, response, ledger, params=params, sort=sort)
