"""GTIN (EAN and UPC barcodes): the check digit of the GS1 General Specifications, section 7.9."""

import re
from typing import Final

_GTIN: Final = re.compile(r"[0-9]{8}|[0-9]{12,14}")


def normalise(text: str) -> str:
    """Without spaces and hyphens. Does not check."""
    return re.sub(r"[\s-]", "", text)


def check_digit(body: str) -> str:
    """The last digit for these 7, 11, 12 or 13: weights 3, 1, 3 ... from the right."""
    total = sum(int(digit) * (1 if i % 2 else 3) for i, digit in enumerate(reversed(body)))
    return str(-total % 10)


def is_valid(gtin: str) -> bool:
    """Is this normalised text 8, 12, 13 or 14 digits, the last one right?"""
    return bool(_GTIN.fullmatch(gtin)) and gtin[-1] == check_digit(gtin[:-1])
