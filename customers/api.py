"""The JSON face of customers. Refusals are mapped once, in erp_site/api.py."""

from typing import Any

from django.http import HttpResponse
from django.urls import reverse
from ninja import Query, Router, Status

from accounts.auth import SignedIn, needs
from accounts.roles import Permission
from erp_site.core.filtering import apply
from erp_site.core.openapi import CREATED, problems
from erp_site.core.pagination import paginate, sort_choice
from erp_site.core.schemas import Page, QueryId

from . import queries, services
from .filters import CustomerFilter
from .schemas import CustomerIn, CustomerListParams, CustomerOut, CustomerPatch

router = Router(tags=["Customers"])


@router.get("", response=Page[CustomerOut], operation_id="list_customers", summary="List customers")
@needs(Permission.VIEW_CUSTOMERS)
def list_customers(
    request: SignedIn, response: HttpResponse, params: Query[CustomerListParams]
) -> dict[str, Any]:
    """By name unless sorted otherwise. Filters combine."""
    found = apply(CustomerFilter, request.GET, queries.customers(), request=request)
    sort = sort_choice(params.sort, queries.SORTS, "name")
    page = paginate(request, response, found, params=params, sort=sort)
    return {**page, "items": [queries.as_record(row, request.user) for row in page["items"]]}


@router.post(
    "",
    response={201: CustomerOut},
    operation_id="create_customer",
    summary="Add a customer",
    openapi_extra=problems(404, conflict="duplicate", answers={201: CREATED}),
)
@needs(Permission.CHANGE_CUSTOMERS)
def create_customer(
    request: SignedIn, response: HttpResponse, body: CustomerIn
) -> Status[dict[str, Any]]:
    """CPF and CNPJ are unique among customers that are not deleted (409 `duplicate`). 404 of an unknown price list."""
    customer = services.create_customer(actor=request.user, **body.model_dump())
    response["Location"] = reverse("api-v1:get_customer", args=[customer.pk])
    return Status(201, queries.as_record(customer, request.user))


@router.get(
    "/{customer_id}",
    response=CustomerOut,
    operation_id="get_customer",
    summary="Read a customer",
    openapi_extra=problems(404),
)
@needs(Permission.VIEW_CUSTOMERS)
def get_customer(request: SignedIn, customer_id: QueryId) -> dict[str, Any]:
    """Roles that may not see CPF and CNPJ get them masked."""
    return queries.as_record(queries.get_customer(customer_id), request.user)


@router.patch(
    "/{customer_id}",
    response=CustomerOut,
    operation_id="update_customer",
    summary="Change a customer",
    openapi_extra=problems(404, conflict="stale_version"),
)
@needs(Permission.CHANGE_CUSTOMERS)
def update_customer(request: SignedIn, customer_id: QueryId, body: CustomerPatch) -> dict[str, Any]:
    """Only the fields sent change. With `version`, a customer changed meanwhile is refused with 409
    `stale_version` and the `current` record."""
    customer = services.update_customer(
        actor=request.user, customer_id=customer_id, **body.model_dump(exclude_unset=True)
    )
    return queries.as_record(customer, request.user)


@router.delete(
    "/{customer_id}",
    response={204: None},
    operation_id="delete_customer",
    summary="Delete a customer",
    openapi_extra=problems(404, conflict="customer_in_use"),
)
@needs(Permission.CHANGE_CUSTOMERS)
def delete_customer(request: SignedIn, customer_id: QueryId) -> Status[None]:
    """Orders keep their customer, and the CPF or CNPJ is free again. 409 while an order is open."""
    services.delete_customer(actor=request.user, customer_id=customer_id)
    return Status(204, None)
