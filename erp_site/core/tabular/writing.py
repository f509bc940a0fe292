"""Writing: CSV and XLSX as a Brazilian Excel opens them."""

import csv
import io
import re
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import IO, Any, Final

import xlsxwriter
from django.utils import timezone

from .cells import Cell, guard, yes_or_no

CHUNK: Final = 500  # rows read, or written, at once
#: Of an XLSX that is written: so many rows tell how wide its columns are, in characters.
MEASURED_ROWS: Final = 100
NARROWEST: Final = 8
WIDEST: Final = 60

CSV_TYPE: Final = "text/csv; charset="
XLSX_TYPE: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


class Encoding(StrEnum):
    """Of a CSV file. The byte order mark tells Excel that it is UTF-8; Excel before 2016 knows Windows-1252 only."""

    UTF8 = "utf-8-sig"
    WINDOWS = "cp1252"


def csv_lines(
    header: Sequence[str], rows: Iterable[Sequence[Cell]], *, encoding: Encoding = Encoding.UTF8
) -> Iterator[bytes]:
    """The file in pieces of CHUNK rows. What Windows-1252 lacks becomes a question mark."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, delimiter=";", lineterminator="\r\n")
    if encoding is Encoding.UTF8:
        buffer.write("\ufeff")
    writer.writerow([guard(name) for name in header])
    charset = "utf-8" if encoding is Encoding.UTF8 else encoding.value
    for number, row in enumerate(rows, 1):
        writer.writerow([_csv_cell(cell) for cell in row])
        if number % CHUNK == 0:
            yield _taken(buffer, charset)
    yield _taken(buffer, charset)


def _taken(buffer: io.StringIO, charset: str) -> bytes:
    text = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return text.encode(charset, "replace")


def _csv_cell(cell: Cell) -> str:
    match cell:
        case None:
            return ""
        case bool():
            return yes_or_no(cell)
        case int():
            return str(cell)
        case float() | Decimal():
            return f"{cell:f}".replace(".", ",")
        case datetime():
            return f"{_local(cell):%d/%m/%Y %H:%M}"
        case date():
            return f"{cell:%d/%m/%Y}"
        case str():
            return guard(cell)


def xlsx_file(header: Sequence[str], rows: Iterable[Sequence[Cell]], *, title: str) -> IO[bytes]:
    """A workbook of one sheet in a temporary file, made in constant memory; the caller closes it.

    Text is stored as text, never as a formula, a link or a number, so it needs no guard.
    """
    file = tempfile.TemporaryFile()  # noqa: SIM115 -- the caller sends and closes it
    book = xlsxwriter.Workbook(
        file,
        {
            "constant_memory": True,
            "strings_to_formulas": False,
            "strings_to_numbers": False,
            "strings_to_urls": False,
        },
    )
    sheet = book.add_worksheet(re.sub(r"[\[\]:*?/\\]", " ", title)[:31])
    bold = book.add_format({"bold": True})
    formats = {
        datetime: book.add_format({"num_format": "dd/mm/yyyy hh:mm"}),
        date: book.add_format({"num_format": "dd/mm/yyyy"}),
        Decimal: book.add_format({"num_format": "#,##0.00"}),
    }
    sheet.freeze_panes(1, 0)
    widths = [len(name) + 1 for name in header]  # bold is wider
    for column, name in enumerate(header):
        sheet.write_string(0, column, name, bold)
    for number, row in enumerate(rows, 1):
        for column, cell in enumerate(row):
            _write_xlsx_cell(sheet, number, column, cell, formats)
        if number <= MEASURED_ROWS:
            widths = [max(width, _width(cell)) for width, cell in zip(widths, row, strict=True)]
    for column, width in enumerate(widths):
        sheet.set_column(column, column, min(max(width + 1, NARROWEST), WIDEST))
    book.close()
    file.seek(0)
    return file


def _write_xlsx_cell(
    sheet: Any, row: int, column: int, cell: Cell, formats: dict[type, Any]
) -> None:
    match cell:
        case None | "":
            pass
        case bool():
            sheet.write_string(row, column, yes_or_no(cell))
        case int() | float():
            sheet.write_number(row, column, cell)
        case Decimal():
            sheet.write_number(row, column, cell, formats[Decimal])
        case datetime():
            sheet.write_datetime(row, column, _local(cell), formats[datetime])
        case date():
            sheet.write_datetime(row, column, cell, formats[date])
        case str():
            sheet.write_string(row, column, cell)


def _width(cell: Cell) -> int:
    """How many characters a spreadsheet shows of it."""
    match cell:
        case datetime():
            return len("31/12/2026 23:59")
        case date():
            return len("31/12/2026")
        case Decimal():
            return len(f"{cell:,.2f}")
        case bool():
            return len(yes_or_no(cell))
        case None:
            return 0
        case _:
            return max(map(len, str(cell).splitlines()), default=0)


def _local(moment: datetime) -> datetime:
    """The time on the wall here, which is what spreadsheets show."""
    return timezone.localtime(moment).replace(tzinfo=None) if timezone.is_aware(moment) else moment
