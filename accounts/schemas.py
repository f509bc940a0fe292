"""The API's words about people and signing in."""

from decimal import Decimal
from typing import Annotated, Literal

from ninja import Field
from pydantic import BeforeValidator, StringConstraints

from erp_site.core.schemas import (
    Bool,
    Discount,
    Flag,
    In,
    Line,
    ListParams,
    MoneyOut,
    Out,
    TimeOut,
    example,
    unsent,
    where_said,
)

#: Named, so that the document and generated clients have one type for each.
type Role = Literal["viewer", "operator", "manager", "admin"]
type Language = Literal["pt-br", "en"]
Sort = Literal["name", "-name", "email", "-email"]


def _in_our_case(tag: object) -> object:
    return tag.lower() if isinstance(tag, str) else tag


#: The case of a language tag means nothing (BCP 47, RFC 5646 section 2.1.1), and most write pt-BR.
LanguageTag = Annotated[Language, BeforeValidator(_in_our_case)]

Email = Annotated[
    str,
    Line(254, shortest=3),
    Field(json_schema_extra={"format": "email"}, examples=["ana@example.com"]),
]
Name = Annotated[str, Line(255, shortest=1), Field(examples=["Ana Souza"])]
#: Not trimmed: a space is a character of a password.
Password = Annotated[
    str, StringConstraints(min_length=1, max_length=128), Field(examples=["pedidos-demo-2026"])
]
Token = Annotated[str, StringConstraints(min_length=1, max_length=4096)]
Code = Annotated[str, Line(32, shortest=1), Field(examples=["123456"])]
_BY_THEMSELVES = (
    "Percent off the customer's price that they may agree upon by themselves, on a line of an order. "
    "Managers and administrators have no limit"
)
DiscountLimit = Annotated[Discount, Field(description=_BY_THEMSELVES, examples=["5.00"])]


class RegisterIn(In):
    model_config = example(
        {"email": "ana@example.com", "name": "Ana Souza", "password": "pedidos-demo-2026"}
    )

    email: Email
    name: Name
    password: Annotated[Password, Field(description="At least 10 characters")]


class LoginIn(In):
    model_config = example({"email": "admin@example.com", "password": "pedidos-demo-2026"})

    email: Email
    password: Password


class TokenSecondFactorIn(In):
    model_config = example({"session_token": "c2Vzc2lvbi10b2tlbg", "code": "123456"})

    session_token: Annotated[Token, Field(description="From the answer of the sign-in")]
    code: Code


class SecondFactorIn(In):
    model_config = example({"code": "123456"})

    code: Code


class RefreshIn(In):
    model_config = example({"refresh_token": "eyJhbGciOiJIUzI1NiJ9.e30.c2lnbmF0dXJl"})

    refresh_token: Token


class MeIn(In):
    """What is left out stays as it is."""

    model_config = example({"language": "pt-br"})

    name: Name = unsent()
    language: LanguageTag = unsent()


class PasswordIn(In):
    model_config = example(
        {"current_password": "pedidos-demo-2026", "new_password": "outra-senha-segura-27"}
    )

    current_password: Password
    new_password: Password


class UserIn(In):
    model_config = example(
        {
            "email": "bia@example.com",
            "name": "Bia Lima",
            "role": "operator",
            "discount_limit": "5.00",
        }
    )

    email: Email
    name: Name
    role: Role
    password: Annotated[
        Password | None, Field(description='Left out: they set one by "forgot password"')
    ] = None
    discount_limit: DiscountLimit = Decimal(0)


class UserPatch(In):
    """What is left out stays as it is."""

    model_config = example({"role": "manager", "is_active": True})

    name: Name = unsent()
    role: Role = unsent()
    is_active: Bool = unsent()
    password: Password = unsent()
    discount_limit: DiscountLimit = unsent()


class UserListParams(ListParams):
    search: str | None = Field(
        None, max_length=200, description="Beginnings of words of name and e-mail"
    )
    role: Role | None = None
    is_active: Flag | None = None
    sort: Sort = "name"


class UserOut(Out):
    id: int
    email: str
    name: str
    role: Role
    is_active: bool
    discount_limit: MoneyOut | None = where_said(
        f"{_BY_THEMSELVES}; not there for those who have none of their own", examples=["5.00"]
    )
    language: Language
    last_login: TimeOut | None
    created_at: TimeOut


class MeOut(UserOut):
    permissions: list[str] = Field(examples=[["orders.place_order", "orders.view_order"]])


class SignedInOut(Out):
    user: UserOut


class TokenPairOut(Out):
    access_token: str
    refresh_token: str
    token_type: Literal["Bearer"] = "Bearer"
    expires_in: int = Field(description="Seconds until the access token expires", examples=[300])


class LoginOut(TokenPairOut):
    user: UserOut


class CsrfOut(Out):
    csrf_token: str = Field(description="Send it as X-CSRFToken together with the cookie")
