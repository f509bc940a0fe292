"""Money: Decimal, two places, ROUND_HALF_UP, Brazilian reais."""

from decimal import ROUND_HALF_UP, Decimal
from typing import Final

CURRENCY: Final = "BRL"
CENT: Final = Decimal("0.01")
#: The largest amount stored anywhere: 15 digits, which every database keeps exactly (SQLite has 15).
LARGEST: Final = Decimal("9999999999999.99")

#: The largest price of a piece.
LARGEST_PRICE: Final = Decimal("99999999.99")


def to_cents(amount: Decimal) -> Decimal:
    """`amount` with exactly two places, halves away from zero (1.005 -> 1.01)."""
    return amount.quantize(CENT, rounding=ROUND_HALF_UP)


def discounted(price: Decimal, discount: Decimal) -> Decimal:
    """What is left of `price` with `discount` percent taken off it: to the cent, and a cent at least."""
    return repriced(price, -discount)


def repriced(price: Decimal, percent: Decimal) -> Decimal:
    """`price` raised by so many percent, or lowered if they are negative: to the cent, and a cent at least."""
    return max(CENT, to_cents(price * (100 + percent) / 100))


def percent_change(was: Decimal, now: Decimal) -> Decimal:
    """By how much a price rose, in percent with one decimal (halves away from zero); less than 0 where it fell."""
    return ((now - was) * 100 / was).quantize(Decimal("0.1"), rounding=ROUND_HALF_UP)


def to_text(amount: Decimal) -> str:
    """The API's form of an amount: "10.50", never an exponent."""
    return f"{to_cents(amount):f}"
