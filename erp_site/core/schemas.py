"""Types the API's schemas are made of: strict in, exact out."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Final, Literal

from annotated_types import GroupedMetadata
from ninja import Schema
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    StrictBool,
    StringConstraints,
    WithJsonSchema,
)
from pydantic.config import JsonDict
from pydantic_core import PydanticCustomError, PydanticKnownError

from . import text
from .money import to_text

LARGEST_ID: Final = 2**63 - 1
_MONEY: Final = re.compile(r"[0-9]{1,8}(\.[0-9]{1,2})?")
_INTEGER: Final = re.compile(r"-?[0-9]{1,19}")
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_EARLIEST_YEAR, _LATEST_YEAR = 1900, 2999


class In(BaseModel):
    """A body: unknown fields are refused, nothing is converted from another type."""

    model_config = ConfigDict(extra="forbid")


class Out(BaseModel):
    """An answer, made from plain values. It always has all its fields, and the document says so."""

    model_config = ConfigDict(
        from_attributes=True, json_schema_serialization_defaults_required=True
    )


def where_said(description: str, **more: Any) -> Any:
    """A field of an answer that is not there while it is null or 0: what was promised before it stays as it was."""
    return Field(None, exclude_if=lambda value: not value, description=description, **more)


def example(body: JsonDict) -> ConfigDict:
    """The configuration of a body with this example in the document."""
    return ConfigDict(extra="forbid", json_schema_extra={"examples": [body]})


def _integer_from_query(value: Any) -> Any:
    if isinstance(value, str) and not _INTEGER.fullmatch(value):
        raise PydanticCustomError("int_parsing", "Input should be an integer")
    return value


def _date_from_text(value: Any) -> Any:
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    if not isinstance(value, str) or not _DATE.fullmatch(value):
        raise PydanticCustomError("date_type", "Input should be a date as text: YYYY-MM-DD")
    return value


def _reasonable(value: date) -> date:
    if not _EARLIEST_YEAR <= value.year <= _LATEST_YEAR:
        raise PydanticCustomError("date_range", "The year should be between 1900 and 2999")
    return value


def _money_from_text(value: Any) -> Any:
    if isinstance(value, Decimal):
        return value
    if not isinstance(value, str):
        raise PydanticCustomError("money_type", 'Money is a string, for example "10.50"')
    if not _MONEY.fullmatch(value):
        raise PydanticCustomError(
            "money_format", "Money has at most 8 digits, a point and at most 2 places"
        )
    return Decimal(value)


def _at_least_a_cent(value: Decimal) -> Decimal:
    if value < Decimal("0.01"):
        raise PydanticCustomError("money_too_small", "Should be at least 0.01")
    return value


def _less_than_all(value: Decimal) -> Decimal:
    if value >= 100:
        raise PydanticCustomError("out_of_range", "A discount is from 0 to 99.99 percent")
    return value


def time_text(value: datetime) -> str:
    """The API's form of a time: 2026-11-23T14:20:00Z."""
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")


#: A reference to a record in a body.
Id = Annotated[int, Field(strict=True, ge=1, le=LARGEST_ID)]
#: A reference to a record in a query string, where everything is text.
QueryId = Annotated[int, Field(ge=1, le=LARGEST_ID), BeforeValidator(_integer_from_query)]
QueryPosition = Annotated[int, Field(ge=0, le=LARGEST_ID), BeforeValidator(_integer_from_query)]
#: Which edit of a record the caller has seen.
Version = Annotated[int, Field(strict=True, ge=1, le=2**31 - 1)]
Bool = StrictBool
#: true or false in a query string, where everything is text.
Flag = Annotated[Literal["true", "false"], WithJsonSchema({"type": "boolean"})]
#: One end of a span of time in a query string; `core.filtering.MomentField` reads it.
Moment = Annotated[
    str,
    Field(min_length=1, max_length=40),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "format": "date"},
                {"type": "string", "format": "date-time"},
            ],
            "examples": ["2026-11-01", "2026-11-01T08:00:00Z"],
        }
    ),
]
#: The value of an Idempotency-Key header; `core.idempotency.parse_key` reads it.
KeyHeader = Annotated[
    str,
    WithJsonSchema(
        {"type": "string", "pattern": r"^[\x20-\x7e]{1,257}$", "examples": ["7c9e6679-7425-40de"]}
    ),
]
#: A day in a query string, where programs write 9999-12-31 for "open".
QueryDate = Annotated[
    date,
    BeforeValidator(_date_from_text),
    WithJsonSchema({"type": "string", "format": "date", "examples": ["2026-12-24"]}),
]
#: A day in a body.
IsoDate = Annotated[QueryDate, AfterValidator(_reasonable)]
#: An amount of money in a body: text, at most two places, at least one cent.
Price = Annotated[
    Decimal,
    BeforeValidator(_money_from_text),
    AfterValidator(_at_least_a_cent),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": r"^(?!0+(\.0{1,2})?$)[0-9]{1,8}(\.[0-9]{1,2})?$",
            "examples": ["10.50"],
        },
        mode="validation",
    ),
]
#: An amount in a query string: zero is fine there.
QueryMoney = Annotated[
    Decimal,
    BeforeValidator(_money_from_text),
    WithJsonSchema(
        {"type": "string", "pattern": r"^[0-9]{1,8}(\.[0-9]{1,2})?$"}, mode="validation"
    ),
]
#: A discount in a body, in percent: written as money is, `MoneyOut` in answers too.
Discount = Annotated[
    QueryMoney,
    AfterValidator(_less_than_all),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": r"^0{0,6}[0-9]{1,2}(\.[0-9]{1,2})?$",
            "examples": ["7.50"],
        },
        mode="validation",
    ),
]
#: An amount in an answer: always two places.
MoneyOut = Annotated[
    Decimal,
    PlainSerializer(to_text, return_type=str),
    WithJsonSchema({"type": "string", "pattern": r"^[0-9]+\.[0-9]{2}$", "examples": ["10.50"]}),
]
TimeOut = Annotated[
    datetime,
    PlainSerializer(time_text, return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time", "examples": ["2026-11-23T14:20:00Z"]}),
]


@dataclass(frozen=True)
class Line(GroupedMetadata):
    """Marks text of `shortest` to `longest` characters after trimming, in one line, without control characters."""

    longest: int
    shortest: int = 0
    several_lines: ClassVar[bool] = False

    def __iter__(self) -> Iterator[object]:
        yield StringConstraints(
            strip_whitespace=True, min_length=self.shortest, max_length=self.longest
        )
        yield AfterValidator(self._checked)

    def _checked(self, value: str) -> str:
        if text.has_control(value, several_lines=self.several_lines):
            raise PydanticCustomError(
                "control_character",
                "Control characters are not allowed"
                if self.several_lines
                else "Line breaks and control characters are not allowed",
            )
        if self.shortest and not text.is_visible(value):
            raise PydanticKnownError("string_too_short", {"min_length": self.shortest})
        return value


@dataclass(frozen=True)
class Lines(Line):
    """As Line, but line breaks and tabs are fine."""

    several_lines: ClassVar[bool] = True


def line(longest: int) -> Any:
    """The type that Line describes, where no type checker looks."""
    return Annotated[str, Line(longest)]


def lines(longest: int, *, shortest: int = 0) -> Any:
    """The type that Lines describes, where no type checker looks."""
    return Annotated[str, Lines(longest, shortest)]


def unsent() -> Any:
    """The default of a field of a PATCH: none. Not sent is no change, and null is refused unless the type allows it."""
    return Field(default_factory=lambda: None)


class ActorOut(Out):
    """Who did it."""

    id: int
    name: str


class FieldProblem(Out):
    """One wrong field."""

    pointer: str = Field(
        description="JSON pointer into the body, or the parameter's name",
        examples=["/items/0/quantity"],
    )
    code: str
    detail: str


class Problem(BaseModel):
    """RFC 9457 problem document; conflicts carry further members with the facts."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(examples=["/docs/errors#insufficient_stock"])
    title: str
    status: int
    detail: str
    code: str
    request_id: str
    errors: list[FieldProblem] = Field(
        default_factory=list, description="Every wrong field, where fields are wrong"
    )


class ListParams(Schema):
    """What every list takes."""

    limit: Annotated[int, Field(ge=1, le=100), BeforeValidator(_integer_from_query)] = 20
    page: Annotated[int, Field(ge=1, le=10**9), BeforeValidator(_integer_from_query)] | None = (
        Field(
            None,
            description="Numbered pages, for people; not together with cursor. "
            "Of more than 10,000 rows they reach the first 10,000 (422 page_too_far): next_cursor leads through all",
        )
    )
    cursor: str | None = Field(
        None,
        max_length=2000,
        description="next_cursor of the page before; stable while rows are added",
    )


class Page[T](BaseModel):
    """One page of a list. `count` is exact up to 10,000; beyond, `count_capped` is true."""

    items: list[T]
    count: int
    count_capped: bool
    page: Annotated[int | None, WithJsonSchema({"type": "integer", "minimum": 1})] = Field(
        None, description="Absent with a cursor", exclude_if=lambda page: page is None
    )
    next_cursor: str | None = Field(description="Null at the end")

    @classmethod
    def model_parametrized_name(cls, params: tuple[Any, ...]) -> str:
        """OrderPage, for documents and the clients made from them."""
        return re.sub(r"(Out|Row)$", "", params[0].__name__) + "Page"
