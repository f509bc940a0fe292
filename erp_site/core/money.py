"""Money: Decimal, two places, ROUND_HALF_UP, Brazilian reais."""

from decimal import ROUND_HALF_UP, Decimal
from typing import Final

CURRENCY: Final = "BRL"
CENT: Final = Decimal("0.01")
#: The largest amount stored anywhere: 15 digits, which every database keeps exactly (SQLite has 15).
LARGEST: Final = Decimal("9999999999999.99")


def to_cents(amount: Decimal) -> Decimal:
    """`amount` with exactly two places, halves away from zero (1.005 -> 1.01)."""
    return amount.quantize(CENT, rounding=ROUND_HALF_UP)


def to_text(amount: Decimal) -> str:
    """The API's form of an amount: "10.50", never an exponent."""
    return f"{to_cents(amount):f}"
