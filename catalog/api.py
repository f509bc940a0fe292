"""The JSON face of products, stock and price lists. Refusals are mapped once, in erp_site/api.py."""

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
from .filters import ListedFilter, PriceListFilter, ProductFilter
from .schemas import (
    ListedOut,
    ListedParams,
    MovementListParams,
    MovementOut,
    PriceChangesOut,
    PriceListIn,
    PriceListOut,
    PriceListPatch,
    PriceListsParams,
    PricesIn,
    ProductIn,
    ProductListParams,
    ProductOut,
    ProductPatch,
    RepricingIn,
    RepricingOut,
    StockIn,
)

router = Router(tags=["Products"])
price_lists = Router(tags=["Price lists"])

IDEMPOTENCY_KEY = Header(
    None,
    alias=idempotency.HEADER,
    description="1-255 printable ASCII characters, bare or quoted; the same key never adjusts twice",
)
REPRICING_KEY = Header(
    None,
    alias=idempotency.HEADER,
    description="1-255 printable ASCII characters, bare or quoted; the same key never changes the prices twice",
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


@price_lists.get(
    "", response=Page[PriceListOut], operation_id="list_price_lists", summary="List price lists"
)
@needs(Permission.VIEW_PRODUCTS)
def list_price_lists(
    request: SignedIn, response: HttpResponse, params: Query[PriceListsParams]
) -> dict[str, Any]:
    """By name unless sorted otherwise."""
    found = apply(PriceListFilter, request.GET, queries.price_lists())
    sort = sort_choice(params.sort, queries.PRICE_LIST_SORTS, "name")
    page = paginate(request, response, found, params=params, sort=sort)
    return {**page, "items": [queries.price_list_record(row) for row in page["items"]]}


@price_lists.post(
    "",
    response={201: PriceListOut},
    operation_id="create_price_list",
    summary="Add a price list",
    openapi_extra=problems(404, conflict="duplicate", answers={201: CREATED}),
)
@needs(Permission.CHANGE_PRICE_LISTS)
def create_price_list(
    request: SignedIn, response: HttpResponse, body: PriceListIn
) -> Status[dict[str, Any]]:
    """Names are unique among price lists that are not deleted, in any case and accents (409 `duplicate`). Customers
    buy by it once their `price_list_id` says so. With `copy_from` it begins as a copy of that list (404 if there is
    none)."""
    given = body.model_dump(exclude_unset=True)
    copied = given.pop("copy_from", None)
    if copied is None:
        price_list = services.create_price_list(actor=request.user, **given)
    else:
        price_list = services.copy_price_list(actor=request.user, price_list_id=copied, **given)
    response["Location"] = reverse("api-v1:get_price_list", args=[price_list.pk])
    return Status(201, queries.price_list_record(price_list))


@price_lists.get(
    "/{price_list_id}",
    response=PriceListOut,
    operation_id="get_price_list",
    summary="Read a price list",
    openapi_extra=problems(404),
)
@needs(Permission.VIEW_PRODUCTS)
def get_price_list(request: SignedIn, price_list_id: QueryId) -> dict[str, Any]:
    """Without its prices, which have a list of their own."""
    return queries.price_list_record(queries.get_price_list(price_list_id))


@price_lists.patch(
    "/{price_list_id}",
    response=PriceListOut,
    operation_id="update_price_list",
    summary="Change a price list",
    openapi_extra=problems(404, conflict="stale_version"),
)
@needs(Permission.CHANGE_PRICE_LISTS)
def update_price_list(
    request: SignedIn, price_list_id: QueryId, body: PriceListPatch
) -> dict[str, Any]:
    """Only the fields sent change. With `version`, a list changed meanwhile is refused with 409 `stale_version` and
    the `current` record. Orders that are placed keep their prices."""
    price_list = services.update_price_list(
        actor=request.user, price_list_id=price_list_id, **body.model_dump(exclude_unset=True)
    )
    return queries.price_list_record(price_list)


@price_lists.delete(
    "/{price_list_id}",
    response={204: None},
    operation_id="delete_price_list",
    summary="Delete a price list",
    openapi_extra=problems(404, conflict="price_list_in_use"),
)
@needs(Permission.CHANGE_PRICE_LISTS)
def delete_price_list(request: SignedIn, price_list_id: QueryId) -> Status[None]:
    """Its name is free again. 409 while customers buy by it."""
    services.delete_price_list(actor=request.user, price_list_id=price_list_id)
    return Status(204, None)


@price_lists.get(
    "/{price_list_id}/prices",
    response=Page[ListedOut],
    operation_id="list_prices",
    summary="The prices on a list",
    openapi_extra=problems(404),
)
@needs(Permission.VIEW_PRODUCTS)
def list_prices(
    request: SignedIn, response: HttpResponse, price_list_id: QueryId, params: Query[ListedParams]
) -> dict[str, Any]:
    """The products that have a price of their own there; on all others it gives its discount."""
    on_list = queries.products_on(queries.get_price_list(price_list_id))
    found = apply(ListedFilter, request.GET, on_list)
    sort = sort_choice(params.sort, queries.LISTED_SORTS, "name")
    page = paginate(request, response, found, params=params, sort=sort)
    return {**page, "items": queries.listed_records(page["items"])}


@price_lists.patch(
    "/{price_list_id}/prices",
    response=PriceChangesOut,
    operation_id="change_prices",
    summary="Change prices on a list",
    openapi_extra=problems(404),
)
@needs(Permission.CHANGE_PRICE_LISTS)
def change_prices(request: SignedIn, price_list_id: QueryId, body: PricesIn) -> dict[str, Any]:
    """All of them or none; the products that are not named keep what they cost. `price` null: no price of its own, but
    the list's discount. Answers what that changed: sent again, nothing."""
    changes = services.change_prices(
        actor=request.user, price_list_id=price_list_id, prices=body.by_product()
    )
    return {"changes": [change._asdict() for change in changes]}


@price_lists.post(
    "/{price_list_id}/reprice",
    response=RepricingOut,
    operation_id="reprice_list",
    summary="Raise or lower all prices on a list",
    openapi_extra=problems(404),
)
@needs(Permission.CHANGE_PRICE_LISTS)
def reprice_list(
    request: SignedIn,
    price_list_id: QueryId,
    body: RepricingIn,
    idempotency_key: KeyHeader | None = REPRICING_KEY,
) -> dict[str, Any]:
    """By a percentage, each to the cent and to 0.01 at least; none, if one would become too large. Products without a
    price of their own there are not touched. Send a key: without one, sent again it raises them again."""
    done = services.reprice_list(
        actor=request.user,
        price_list_id=price_list_id,
        percent=body.percent,
        idempotency_key=idempotency.parse_key(idempotency_key, None, required=False),
    )
    return queries.repricing_record(done)
