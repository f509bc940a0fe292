"""The API's words about orders."""

from datetime import date
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, Field

from erp_site.core.schemas import (
    ActorOut,
    Flag,
    Id,
    In,
    IsoDate,
    ListParams,
    Moment,
    MoneyOut,
    Out,
    Price,
    QueryDate,
    QueryId,
    TimeOut,
    Version,
    line,
    lines,
    unsent,
    where_said,
)

from .models import LARGEST_QUANTITY, MOST_ITEMS

#: Named, so that the document and generated clients have one type for it.
type OrderStatus = Literal["pending", "confirmed", "picked", "shipped", "delivered", "cancelled"]
Sort = Literal["created_at", "-created_at", "updated_at", "-updated_at"]
Quantity = Annotated[int, Field(strict=True, ge=1, le=LARGEST_QUANTITY)]
Key = Annotated[
    str,
    Field(
        min_length=1,
        max_length=255,
        pattern=r"^[\x20-\x7e]+$",
        examples=["7c9e6679-7425-40de-944b"],
    ),
]


def _text(kind: Any) -> Any:
    """Such a text, or null, which empties it."""
    return Annotated[kind | None, AfterValidator(lambda text: text or "")]


class ItemIn(In):
    product_id: Id
    quantity: Quantity
    agreed_price: Price | None = Field(
        None,
        description="In reais, in place of what the customer pays for a piece; "
        "lower than the caller may agree upon is 403 `price_too_low`",
    )


class OrderIn(In):
    """A new order. A product named twice becomes one item with the sum."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "customer_id": 1,
                    "items": [{"product_id": 1, "quantity": 2}],
                    "customer_reference": "PO 4711",
                    "idempotency_key": "order-2026-11-23-0001",
                }
            ]
        },
    )

    customer_id: Id
    items: Annotated[list[ItemIn], Field(min_length=1, max_length=MOST_ITEMS)]
    notes: lines(2000) | None = None  # type: ignore[valid-type]  # a type made by a function
    due_date: IsoDate | None = None
    customer_reference: line(64) | None = None  # type: ignore[valid-type]
    delivery_address: lines(500) | None = None  # type: ignore[valid-type]
    idempotency_key: Key | None = None


class OrderPatch(In):
    """The fields to change, and only those. `items` are all the lines that the order is to have: what is left out is
    taken away. null empties a text or the date."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "items": [{"product_id": 1, "quantity": 3}],
                    "due_date": "2026-12-04",
                    "reason": "The customer called",
                    "version": 1,
                }
            ]
        },
    )

    items: Annotated[list[ItemIn], Field(min_length=1, max_length=MOST_ITEMS)] = unsent()
    notes: _text(lines(2000)) = unsent()  # type: ignore[valid-type]  # a type made by a function
    due_date: IsoDate | None = unsent()
    customer_reference: _text(line(64)) = unsent()  # type: ignore[valid-type]
    delivery_address: _text(lines(500)) = unsent()  # type: ignore[valid-type]
    reason: _text(lines(2000)) = ""  # type: ignore[valid-type]
    version: Version | None = None


class StatusIn(In):
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"status": "confirmed", "note": "By phone"}]},
    )

    status: OrderStatus
    note: lines(2000) | None = None  # type: ignore[valid-type]
    version: Version | None = None


class NoteIn(In):
    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"text": "Deliver at the back door"}]}
    )

    text: lines(2000, shortest=1)  # type: ignore[valid-type]


class CustomerRef(Out):
    id: int
    name: str


class Priced(Out):
    """A line at its price."""

    unit_price: MoneyOut
    subtotal: MoneyOut
    list_price: MoneyOut | None = where_said(
        "What the customer pays elsewhere; there where another price was agreed upon"
    )


class ItemOut(Priced):
    id: int
    product_id: int
    sku: str
    name: str
    quantity: int


class QuoteItemOut(Priced):
    product_id: int
    sku: str
    name: str
    quantity: int


class ShortageOut(Out):
    product_id: int
    sku: str
    requested: int
    available: int


class QuoteOut(Out):
    """What an order would be (dry_run)."""

    items: list[QuoteItemOut]
    total: MoneyOut
    currency: Literal["BRL"]
    shortages: list[ShortageOut]


class OrderBase(Out):
    id: int
    number: str = Field(examples=["PED-000482"])
    status: OrderStatus
    customer_id: int
    customer: CustomerRef
    total: MoneyOut
    currency: Literal["BRL"]
    notes: str
    due_date: date | None
    customer_reference: str
    delivery_address: str
    idempotency_key: str
    version: int
    allowed_statuses: list[OrderStatus] = Field(
        description="Where the caller may move the order now"
    )
    created_by: ActorOut | None
    created_at: TimeOut
    updated_at: TimeOut
    deleted_at: TimeOut | None


class OrderOut(OrderBase):
    items: list[ItemOut]


class OrderRow(OrderBase):
    """An order in a list: how many items, not which."""

    items_count: int


class HistoryOut(Out):
    seq: int
    from_status: OrderStatus | None
    to_status: OrderStatus
    actor: ActorOut | None
    note: str
    request_id: str
    created_at: TimeOut


class AmendedLineOut(Out):
    """A line with another quantity (0 is no line, before or after) or another price."""

    product_id: int
    sku: str
    name: str
    was: int = Field(alias="from")
    now: int = Field(alias="to")
    unit_price: tuple[str, str] | None = where_said(
        "What a piece cost (a new line: the customer's price), and what it costs now; there where that differs",
        examples=[["18.90", "17.95"]],
    )


class AmendmentOut(Out):
    """What was changed of an order, beside its status."""

    version: int = Field(description="The order's from then on")
    changes: dict[str, tuple[str | None, str | None]] = Field(
        description="What each field was, and what it is now",
        examples=[{"due_date": [None, "2026-12-04"], "total": ["18.90", "56.70"]}],
    )
    items: list[AmendedLineOut]
    reason: str
    actor: ActorOut | None
    request_id: str
    created_at: TimeOut


class NoteOut(Out):
    id: int
    text: str
    actor: ActorOut | None
    request_id: str
    created_at: TimeOut


class PlaceParams(In):
    dry_run: Flag | None = Field(
        None, description="Price the order and list every shortage; changes nothing"
    )


class OrderListParams(ListParams):
    sort: Sort = "-created_at"
    search: str | None = Field(
        None,
        max_length=200,
        description="Number, words of the customer's name, or the beginning of their reference or CPF/CNPJ",
    )
    status: list[OrderStatus] | None = Field(None, description="May be repeated")
    customer_id: QueryId | None = None
    created_from: Moment | None = Field(None, description="A date or a time, inclusive")
    created_to: Moment | None = Field(
        None, description="A time (excluded) or a date (its whole day)"
    )
    due_from: QueryDate | None = None
    due_to: QueryDate | None = None
    late: Flag | None = Field(None, description="Open past its due date")
    updated_since: Moment | None = Field(None, description="A date or a time, inclusive")


class StepListParams(ListParams):
    """History and notes: oldest first, always."""
