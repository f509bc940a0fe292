"""The API's words about customers."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, Field

from erp_site.core.schemas import (
    Bool,
    Flag,
    Id,
    In,
    Line,
    Lines,
    ListParams,
    Moment,
    Out,
    QueryId,
    TimeOut,
    Version,
    unsent,
    where_said,
)

Name = Annotated[str, Line(255, shortest=1)]
Phone = Annotated[Annotated[str, Line(32)] | None, AfterValidator(lambda phone: phone or "")]
Address = Annotated[
    Annotated[str, Lines(500)] | None, AfterValidator(lambda address: address or "")
]
TaxId = Annotated[
    str,
    Line(32, shortest=1),
    Field(description="CPF or CNPJ (alphanumeric too), with or without punctuation"),
]
Email = Annotated[str, Line(254, shortest=3), Field(json_schema_extra={"format": "email"})]
PriceListId = Annotated[
    Id, Field(description="By which price list they buy; null: at ordinary prices")
]
Sort = Literal["name", "-name", "created_at", "-created_at", "updated_at", "-updated_at"]

EXAMPLE: dict[str, Any] = {
    "name": "Padaria Três Irmãos Ltda",
    "cpf_cnpj": "12.ABC.345/01DE-35",
    "email": "compras@padaria.example",
    "phone": "+55 11 5555-0100",
    "address": "Rua das Laranjeiras, 100, São Paulo, SP",
}


class CustomerIn(In):
    """A new customer."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [EXAMPLE]})

    name: Name
    cpf_cnpj: TaxId
    email: Email
    phone: Phone = ""
    address: Address = ""
    is_active: Bool = True
    price_list_id: PriceListId | None = None


class CustomerPatch(In):
    """The fields to change, and only those; null empties phone or address, and takes the price list away."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"phone": "+55 11 5555-0199", "version": 1}]},
    )

    name: Name = unsent()
    cpf_cnpj: TaxId = unsent()
    email: Email = unsent()
    phone: Phone = unsent()
    address: Address = unsent()
    is_active: Bool = unsent()
    price_list_id: PriceListId | None = unsent()
    version: Version | None = None


class CustomerOut(Out):
    id: int
    name: str
    cpf_cnpj: str = Field(
        description="Upper case without punctuation; masked for roles that may not see it",
        examples=["12ABC34501DE35"],
    )
    email: str
    phone: str
    address: str
    is_active: bool
    price_list_id: int | None = where_said(
        "By which price list they buy; not there for those who buy at ordinary prices"
    )
    version: int = Field(description="Counts edits; send it with PATCH to refuse a stale one")
    created_at: TimeOut
    updated_at: TimeOut


class CustomerListParams(ListParams):
    sort: Sort = "name"
    search: str | None = Field(
        None,
        max_length=200,
        description="Beginnings of words of the name, of the e-mail or of the CPF/CNPJ",
    )
    name: str | None = Field(None, max_length=200, description="Beginnings of words of the name")
    email: str | None = Field(None, max_length=254, description="The e-mail or its beginning")
    cpf_cnpj: str | None = Field(
        None,
        max_length=32,
        description="CPF or CNPJ or its beginning; 403 for roles that may not see it",
    )
    is_active: Flag | None = None
    price_list_id: QueryId | None = Field(None, description="Those who buy by this price list")
    created_from: Moment | None = Field(None, description="A date or a time, inclusive")
    created_to: Moment | None = Field(
        None, description="A time (excluded) or a date (its whole day)"
    )
