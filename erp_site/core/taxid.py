"""CPF and CNPJ: normalising, check digits, formatting, masking.

CNPJ is alphanumeric since July 2026 (IN RFB 2.229/2024): twelve places 0-9 A-Z and two numeric check digits,
computed as before with the value of a character being its ASCII code less 48, so that digits keep their value.
"""

import re
from typing import Final

_CPF: Final = re.compile(r"[0-9]{11}")
_CNPJ: Final = re.compile(r"[0-9A-Z]{12}[0-9]{2}")
_PUNCTUATION: Final = re.compile(r"[.\-/\s]")
_CNPJ_WEIGHTS: Final = (6, 5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2)


def normalise(text: str) -> str:
    """Upper case, without the usual punctuation and spaces. Does not check."""
    return _PUNCTUATION.sub("", text).upper()


def _check_digit(total: int) -> str:
    rest = total % 11
    return "0" if rest < 2 else str(11 - rest)


def cpf_check_digits(root: str) -> str:
    """The two check digits of nine digits."""
    digits = root
    for length in (9, 10):
        total = sum(int(c) * (length + 1 - i) for i, c in enumerate(digits))
        digits += _check_digit(total)
    return digits[9:]


def cnpj_check_digits(root: str) -> str:
    """The two check digits of twelve places 0-9 A-Z."""
    places = root
    for length in (12, 13):
        weights = _CNPJ_WEIGHTS[-length:]
        total = sum((ord(c) - 48) * w for c, w in zip(places, weights, strict=True))
        places += _check_digit(total)
    return places[12:]


def is_valid(tax_id: str) -> bool:
    """Is this normalised text a CPF or a CNPJ with right check digits? One repeated character is never one."""
    if len(set(tax_id)) == 1:
        return False
    if _CPF.fullmatch(tax_id):
        return tax_id[9:] == cpf_check_digits(tax_id[:9])
    if _CNPJ.fullmatch(tax_id):
        return tax_id[12:] == cnpj_check_digits(tax_id[:12])
    return False


def formatted(tax_id: str) -> str:
    """000.000.000-00 or 00.000.000/0000-00; anything else as it is (a masked one too)."""
    if len(tax_id) == 11:
        return f"{tax_id[:3]}.{tax_id[3:6]}.{tax_id[6:9]}-{tax_id[9:]}"
    if len(tax_id) == 14:
        return f"{tax_id[:2]}.{tax_id[2:5]}.{tax_id[5:8]}/{tax_id[8:12]}-{tax_id[12:]}"
    return tax_id


def masked(tax_id: str) -> str:
    """The same length with all but four places hidden: a CPF's are 4 to 7, a CNPJ's 4 to 7 of its root."""
    return "*" * 3 + tax_id[3:7] + "*" * (len(tax_id) - 7)
