"""Reading: the table in a file, as people send them."""

import csv
import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

from django.utils.translation import gettext as _

from .cells import Cell, as_text, unguard
from .workbooks import MOST_COLUMNS, MOST_ROWS, unreadable, xlsx_rows

LARGEST_FILE: Final = 5 * 1024 * 1024  # bytes


@dataclass(frozen=True, slots=True)
class Line:
    """One row of a file; `number` is the one that a spreadsheet shows beside it."""

    number: int
    cells: list[Cell]


@dataclass(frozen=True, slots=True)
class Table:
    """What a file holds: names of columns and rows as long as these, empty rows left out."""

    header: list[str]
    lines: list[Line]
    delimiter: str = ""
    """Of a CSV file; empty for XLSX."""


def read_table(content: bytes) -> Table:
    """The table in an uploaded file, CSV or XLSX (its first sheet), whatever it is called.

    Raises:
        Invalid: not such a file, empty, or larger than we take; the message is for the person who sent it.
    """
    if content.startswith(b"PK\x03\x04"):
        return _table(xlsx_rows(content))
    if content.startswith(b"\xd0\xcf\x11\xe0"):
        raise unreadable(
            _("This is an old Excel file (.xls) or a locked one. Save it as .xlsx or .csv.")
        )
    text = _decoded(content)
    if "\0" in text:
        raise unreadable(_("This is neither a CSV nor an XLSX file."))
    first = re.split(r"[\r\n]", text, maxsplit=1)[0]
    try:
        if declared := re.fullmatch(r'"?sep=(.)"?', first):  # a line that Excel knows
            delimiter = declared[1]
            text = text.removeprefix(first)  # its line stays, so that the others keep their numbers
        else:
            delimiter = _delimiter(first)
        # Not as a list: a file of line breaks alone would be five million rows in memory, none of which is kept.
        rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
        return _table(([unguard(cell) for cell in row] for row in rows), delimiter)
    except (csv.Error, TypeError, ValueError) as error:
        raise unreadable(_("This is neither a CSV nor an XLSX file.")) from error


def _decoded(content: bytes) -> str:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16", "replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252", "replace")


def _delimiter(first_line: str) -> str:
    """The one that makes the most columns of the first line; a semicolon if none does."""
    return max(";\t,", key=lambda mark: len(next(csv.reader([first_line], delimiter=mark), [])))


def _table(rows: Iterable[Sequence[Cell]], delimiter: str = "") -> Table:
    kept = (
        (number, row) for number, row in enumerate(rows, 1) if any(as_text(cell) for cell in row)
    )
    numbered = list(islice(kept, MOST_ROWS + 2))
    if len(numbered) < 2:
        raise unreadable(_("The file has no rows below its first one, which names the columns."))
    if len(numbered) - 1 > MOST_ROWS:
        raise unreadable(_("The file has more than %(rows)s rows.") % {"rows": MOST_ROWS})
    header = [as_text(cell)[:100] for cell in numbered[0][1]]
    while header and not header[-1]:
        header.pop()
    if len(header) > MOST_COLUMNS:
        raise unreadable(
            _("The file has more than %(columns)s columns.") % {"columns": MOST_COLUMNS}
        )
    width = len(header)
    lines = [
        Line(number, [*row[:width], *[""] * (width - len(row))]) for number, row in numbered[1:]
    ]
    return Table(header, lines, delimiter)
