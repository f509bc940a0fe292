"""Cells: guarded against being taken for formulas, and understood as what their column holds."""

import re
from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Final

from django.utils.translation import gettext as _

from erp_site.core import taxid
from erp_site.core.search import fold

#: What a cell can be before it is written, and after it is read.
type Cell = str | int | float | Decimal | bool | date | datetime | None

#: What a spreadsheet may take for a formula (OWASP, "CSV Injection"; the signs in full width too), perhaps behind
#: spaces or guards.
_FORMULA: Final = re.compile(r"[\s']*[=+\-@\uff1d\uff0b\uff0d\uff20]|[\t\r\n]")


def guard(text: str) -> str:
    """`text` as a CSV cell that no spreadsheet takes for a formula: "=1+1" becomes "'=1+1"."""
    return f"'{text}" if _FORMULA.match(text) else text


def unguard(text: str) -> str:
    """What `guard` was given: a file that was exported reads back as it was."""
    return text[1:] if text.startswith("'") and _FORMULA.match(text[1:]) else text


class Unreadable(ValueError):
    """A cell is not what its column holds; the message is for people."""


class DecimalMark(StrEnum):
    """What stands before the cents; the other one may group thousands."""

    COMMA = ","
    POINT = "."


def as_text(cell: Cell) -> str:
    """Any cell as a person would have typed it, trimmed: a number without the ".0" that spreadsheets add."""
    match cell:
        case None:
            return ""
        case bool():
            return yes_or_no(cell)
        case float() if cell.is_integer() and abs(cell) < 1e15:
            return str(int(cell))
        case float():
            return f"{cell:.15g}"
        case _:
            return str(cell).strip()


def yes_or_no(value: bool) -> str:
    """As a cell shows it, in the language of whoever asked for it."""
    return _("yes") if value else _("no")


def as_amount(cell: Cell, mark: DecimalMark) -> Decimal:
    """A number: "1.234,56" or "R$ 1.234,56" with a comma, "1,234.56" with a point.

    Strict, since "1.234" is a thousand to one and one and a bit to the other.
    """
    if isinstance(cell, (int, float)) and not isinstance(cell, bool):
        return Decimal(
            f"{cell:.15g}"
        )  # spreadsheets compute with 15 digits: 19.99, not 19.989999999999998
    text = re.sub(r"^R\$|[\s\N{NO-BREAK SPACE}]", "", as_text(cell))
    group = "." if mark is DecimalMark.COMMA else ","
    shape = rf"[+-]?([0-9]+|[0-9]{{1,3}}({re.escape(group)}[0-9]{{3}})+)({re.escape(mark)}[0-9]+)?"
    if not re.fullmatch(shape, text) or len(text) > 30:
        example = "1.234,56" if mark is DecimalMark.COMMA else "1,234.56"
        raise Unreadable(_("Not a number like %(example)s.") % {"example": example})
    try:
        return Decimal(text.replace(group, "").replace(mark, "."))
    except InvalidOperation as error:  # pragma: no cover -- the shape above admits numbers only
        raise Unreadable(_("Not a number.")) from error


def as_whole(cell: Cell, mark: DecimalMark) -> int:
    """A whole number; "12,0" is one."""
    try:
        amount = as_amount(cell, mark)
        if amount == amount.to_integral_value():
            return int(amount)
    except Unreadable:
        pass  # no example with cents
    raise Unreadable(_("Not a whole number."))


_YES: Final = frozenset({"sim", "s", "yes", "y", "true", "verdadeiro", "1", "ativo", "active", "x"})
_NO: Final = frozenset({"nao", "n", "no", "false", "falso", "0", "inativo", "inactive"})


def as_flag(cell: Cell, mark: DecimalMark) -> bool:
    """Yes or no, in Portuguese or English."""
    if isinstance(cell, bool):
        return cell
    word = fold(as_text(cell))
    if word in _YES | _NO:
        return word in _YES
    raise Unreadable(_("Write yes or no."))


def as_words(cell: Cell, mark: DecimalMark) -> str:
    """Text as it stands."""
    return as_text(cell)


def as_tax_id(cell: Cell, mark: DecimalMark) -> str:
    """A CPF or CNPJ, given back the leading zeros that spreadsheets take from numbers."""
    text = taxid.normalise(as_text(cell))
    if text.isascii() and text.isdigit():
        for length in (11, 14):
            if taxid.is_valid(text.zfill(length)):
                return text.zfill(length)
    return text


def decimal_mark(cells: Iterable[Cell], delimiter: str) -> DecimalMark:
    """The mark that most of these numbers are written with; without a sign of it, what goes with the delimiter."""
    texts = [cell.strip() for cell in cells if isinstance(cell, str)]
    commas = sum(1 for text in texts if re.search(r",[0-9]{1,2}$", text))
    points = sum(1 for text in texts if re.search(r"\.[0-9]{1,2}$", text))
    if commas == points:
        return DecimalMark.POINT if delimiter == "," else DecimalMark.COMMA
    return DecimalMark.COMMA if commas > points else DecimalMark.POINT
