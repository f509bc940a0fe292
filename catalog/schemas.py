"""The API's words about products, stock and price lists."""

import re
from decimal import Decimal
from typing import Annotated, Any, Final, Literal

from django.utils.translation import gettext as _
from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    PlainSerializer,
    Tag,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

from erp_site.core.errors import Invalid
from erp_site.core.money import to_text
from erp_site.core.schemas import (
    ActorOut,
    Bool,
    Discount,
    Flag,
    Id,
    In,
    Line,
    Lines,
    ListParams,
    MoneyOut,
    Out,
    Price,
    QueryMoney,
    TimeOut,
    Version,
    unsent,
)

from .models import LARGEST_STOCK, LARGEST_THRESHOLD, LONGEST_DESCRIPTION, MOST_PRICES

Sku = Annotated[
    str,
    Line(64, shortest=1),
    Field(description="ASCII; stored in upper case", examples=["PAR-M8-100"]),
]
Name = Annotated[str, Line(255, shortest=1)]
Gtin = Annotated[
    Annotated[str, Line(32)] | None,
    AfterValidator(lambda gtin: gtin or ""),
    Field(description="8, 12, 13 or 14 digits with check digit", examples=["7891234567895"]),
]
Description = Annotated[
    Annotated[str, Lines(LONGEST_DESCRIPTION)] | None, AfterValidator(lambda text: text or "")
]
Threshold = Annotated[int, Field(strict=True, ge=0, le=LARGEST_THRESHOLD)]
Pieces = Annotated[int, Field(strict=True, ge=0, le=LARGEST_STOCK)]
#: Named, so that the document and generated clients have one type for each.
type StockReason = Literal["received", "damaged", "lost", "found", "counted", "returned", "other"]
type MovementKind = Literal["opening", "adjusted", "reserved", "released", "shipped"]
Note = Annotated[Annotated[str, Lines(500)] | None, AfterValidator(lambda note: note or "")]
Sort = Literal[
    "name", "-name", "sku", "-sku", "price", "-price",
    "created_at", "-created_at", "updated_at", "-updated_at",
]  # fmt: skip


class ProductIn(In):
    """A new product; `on_hand` is its opening stock."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "sku": "PAR-M8-100",
                    "gtin": "7891234567895",
                    "name": "Parafuso sextavado M8 x 100",
                    "price": "10.50",
                    "low_stock_threshold": 20,
                    "on_hand": 100,
                }
            ]
        },
    )

    sku: Sku
    name: Name
    price: Price
    gtin: Gtin = ""
    description: Description = ""
    low_stock_threshold: Threshold | None = None
    is_active: Bool = True
    on_hand: Pieces = 0


class ProductPatch(In):
    """The fields to change, and only those; null empties gtin, description or low_stock_threshold.

    Stock is changed by `PATCH /products/{id}/stock`.
    """

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"price": "11.00", "version": 1}]}
    )

    sku: Sku = unsent()
    name: Name = unsent()
    price: Price = unsent()
    gtin: Gtin = unsent()
    description: Description = unsent()
    low_stock_threshold: Threshold | None = unsent()
    is_active: Bool = unsent()
    version: Version | None = None


class StockDelta(In):
    """So many pieces more (or, negative, less)."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"delta": -2, "reason": "damaged", "note": "Fell down"}]},
    )

    delta: Annotated[int, Field(strict=True, ge=-LARGEST_STOCK, le=LARGEST_STOCK)]
    reason: StockReason
    note: Note = ""


class StockCount(In):
    """Counted: `on_hand` pieces where the system had `expected_on_hand`."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"on_hand": 98, "expected_on_hand": 100, "reason": "counted"}]
        },
    )

    on_hand: Pieces
    expected_on_hand: Pieces
    reason: StockReason
    note: Note = ""


def _which(body: Any) -> str:
    return "<count>" if isinstance(body, dict) and "delta" not in body else "<delta>"


#: Told apart by `delta`, so that an error names a field of the shape that was meant.
StockIn = Annotated[
    Annotated[StockDelta, Tag("<delta>")] | Annotated[StockCount, Tag("<count>")],
    Discriminator(_which),
]


class ProductOut(Out):
    id: int
    sku: str
    gtin: str
    name: str
    description: str
    price: MoneyOut
    is_active: bool
    on_hand: int
    reserved: int = Field(description="Promised to open orders")
    available: int = Field(description="on_hand less reserved")
    low_stock_threshold: int | None = Field(
        description="Low is as many available as this, or fewer"
    )
    version: int = Field(description="Counts edits; send it with PATCH to refuse a stale one")
    created_at: TimeOut
    updated_at: TimeOut


class MovementOut(Out):
    """A line of the stock ledger; never changed."""

    id: int
    kind: MovementKind
    delta_on_hand: int
    delta_reserved: int
    on_hand_after: int
    reserved_after: int
    reason: StockReason | Literal[""]
    note: str
    reference: str = Field(description="The number of the order, if one caused it")
    actor: ActorOut | None
    request_id: str
    created_at: TimeOut


class ProductListParams(ListParams):
    sort: Sort = "name"
    search: str | None = Field(
        None, max_length=200, description="Beginnings of words of the SKU, the GTIN and the name"
    )
    name: str | None = Field(None, max_length=200, description="Beginnings of words of the name")
    sku: str | None = Field(None, max_length=64, description="The SKU or its beginning")
    is_active: Flag | None = None
    price_min: QueryMoney | None = None
    price_max: QueryMoney | None = None
    low_stock: Flag | None = Field(
        None, description="As many available as low_stock_threshold or fewer"
    )


class MovementListParams(ListParams):
    sort: Literal["created_at", "-created_at"] = "-created_at"


#: What a price list's is taken off.
_OFF_THE_REST = "Percent off the ordinary price of products without a price of their own there"
ListDiscount = Annotated[Discount, Field(description=_OFF_THE_REST)]


class PriceListIn(In):
    """A new price list, without prices; or with those of `copy_from` and, if none is sent, its discount."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"name": "Atacado", "discount": "7.50"}]}
    )

    name: Name
    discount: ListDiscount = Decimal(0)
    copy_from: Id | None = Field(None, description="A price list to copy all own prices of")


class PriceListPatch(In):
    """The fields to change, and only those."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"discount": "10.00", "version": 1}]}
    )

    name: Name = unsent()
    discount: ListDiscount = unsent()
    version: Version | None = None


class PriceListOut(Out):
    id: int
    name: str
    discount: MoneyOut = Field(description=_OFF_THE_REST)
    version: int = Field(
        description="Counts edits of name and discount; send it with PATCH to refuse a stale one"
    )
    created_at: TimeOut
    updated_at: TimeOut = Field(description="When it or a price on it was changed last")


class PriceListsParams(ListParams):
    sort: Literal["name", "-name", "created_at", "-created_at", "updated_at", "-updated_at"] = (
        "name"
    )
    search: str | None = Field(None, max_length=200, description="A part of the name")


class PriceIn(In):
    """What a piece of a product is to cost on the list."""

    product_id: Id
    price: Price | None = Field(description="null: no price of its own, but the list's discount")


class PricesIn(In):
    """The prices to change, and only those."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"prices": [{"product_id": 1, "price": "9.90"}, {"product_id": 2, "price": None}]}
            ]
        },
    )

    prices: Annotated[list[PriceIn], Field(min_length=1, max_length=MOST_PRICES)]

    def by_product(self) -> dict[int, Decimal | None]:
        """Raises Invalid for a product that stands there twice: which price is meant, nobody can say."""
        prices: dict[int, Decimal | None] = {}
        for index, each in enumerate(self.prices):
            if each.product_id in prices:
                detail = _("This product stands there twice.")
                raise Invalid.field(f"/prices/{index}/product_id", "repeated", detail)
            prices[each.product_id] = each.price
        return prices


class PriceChangeOut(Out):
    """What one product cost on the list and costs there now; null is no price of its own."""

    product_id: int
    sku: str
    was: MoneyOut | None
    now: MoneyOut | None


class PriceChangesOut(Out):
    changes: list[PriceChangeOut]


#: From -99.99 to 999.99, and not 0.
_PERCENT: Final = r"^(?!-?0+(\.0{1,2})?$)(-?[0-9]{1,2}|[0-9]{3})(\.[0-9]{1,2})?$"


def _percent_from_text(value: Any) -> Any:
    # fullmatch: $ would let a line break pass.
    if not isinstance(value, str) or not re.fullmatch(_PERCENT, value):
        raise PydanticCustomError(
            "percent", 'A percentage is a string from "-99.99" to "999.99", and not 0'
        )
    return Decimal(value)


Percent = Annotated[
    Decimal,
    BeforeValidator(_percent_from_text),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": _PERCENT,
            "description": "-99.99 to 999.99, and not 0: above it prices are raised, below it lowered",
            "examples": ["5", "-7.50"],
        },
        mode="validation",
    ),
]


class RepricingIn(In):
    """By how much all prices of the list are raised or lowered."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"percent": "5.00"}]})

    percent: Percent


class RepricingOut(Out):
    """What was done to the prices."""

    percent: Annotated[
        Decimal,
        PlainSerializer(to_text, return_type=str),
        WithJsonSchema({"type": "string", "examples": ["5.00", "-7.50"]}),
    ]
    prices_changed: int = Field(
        description="How many; those that stay the same, at 0.01, are not counted"
    )
    created_at: TimeOut


class ListedOut(Out):
    """A product with a price of its own on the list."""

    product_id: int
    sku: str
    name: str
    price: MoneyOut
    ordinary_price: MoneyOut = Field(description="What it costs those who buy by no list")


class ListedParams(ListParams):
    sort: Literal["name", "-name", "sku", "-sku"] = "name"
    search: str | None = Field(
        None, max_length=200, description="Beginnings of words of the SKU, the GTIN and the name"
    )
