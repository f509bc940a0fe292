"""Tables in files: written for Excel in Brazil, read as people send them.

Writing: CSV with semicolons, decimal comma and day/month/year (what a Brazilian Excel opens by a double click), or
XLSX. Reading: CSV in UTF-8, UTF-16 or Windows-1252, separated by semicolons, tabs or commas, or XLSX.
"""

import csv
import io
import lzma
import re
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import IO, Any, Final
from xml.parsers.expat import ExpatError, ParserCreate

import xlsxwriter
from django.utils import timezone
from django.utils.translation import gettext as _
from python_calamine import CalamineError, load_workbook

from . import taxid
from .errors import Invalid
from .search import fold

#: What a cell can be before it is written, and after it is read.
type Cell = str | int | float | Decimal | bool | date | datetime | None

CHUNK: Final = 500  # rows read, or written, at once
MOST_ROWS: Final = 20_000  # of a file that is read
MOST_COLUMNS: Final = 60
#: Of an XLSX that is written: so many rows tell how wide its columns are, in characters.
MEASURED_ROWS: Final = 100
NARROWEST: Final = 8
WIDEST: Final = 60
LARGEST_FILE: Final = 5 * 1024 * 1024  # bytes
LARGEST_UNPACKED: Final = 64 * 1024 * 1024  # bytes of an XLSX once its ZIP is unpacked

CSV_TYPE: Final = "text/csv; charset="
XLSX_TYPE: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


class Encoding(StrEnum):
    """Of a CSV file. The byte order mark tells Excel that it is UTF-8; Excel before 2016 knows Windows-1252 only."""

    UTF8 = "utf-8-sig"
    WINDOWS = "cp1252"


# --- the guard

#: What a spreadsheet may take for a formula (OWASP, "CSV Injection"; the signs in full width too), perhaps behind
#: spaces or guards.
_FORMULA: Final = re.compile(r"[\s']*[=+\-@\uff1d\uff0b\uff0d\uff20]|[\t\r\n]")


def guard(text: str) -> str:
    """`text` as a CSV cell that no spreadsheet takes for a formula: "=1+1" becomes "'=1+1"."""
    return f"'{text}" if _FORMULA.match(text) else text


def unguard(text: str) -> str:
    """What `guard` was given: a file that was exported reads back as it was."""
    return text[1:] if text.startswith("'") and _FORMULA.match(text[1:]) else text


# --- writing


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
            return _yes_or_no(cell)
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
            sheet.write_string(row, column, _yes_or_no(cell))
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
            return len(_yes_or_no(cell))
        case None:
            return 0
        case _:
            return max(map(len, str(cell).splitlines()), default=0)


def _yes_or_no(value: bool) -> str:
    return _("yes") if value else _("no")


def _local(moment: datetime) -> datetime:
    """The time on the wall here, which is what spreadsheets show."""
    return timezone.localtime(moment).replace(tzinfo=None) if timezone.is_aware(moment) else moment


# --- reading


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
        return _table(_xlsx_rows(content))
    if content.startswith(b"\xd0\xcf\x11\xe0"):
        raise _unreadable(
            _("This is an old Excel file (.xls) or a locked one. Save it as .xlsx or .csv.")
        )
    text = _decoded(content)
    if "\0" in text:
        raise _unreadable(_("This is neither a CSV nor an XLSX file."))
    first = re.split(r"[\r\n]", text, maxsplit=1)[0]
    try:
        if declared := re.fullmatch(r'"?sep=(.)"?', first):  # a line that Excel knows
            delimiter = declared[1]
            text = text.removeprefix(first)  # its line stays, so that the others keep their numbers
        else:
            delimiter = _delimiter(first)
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))
    except (csv.Error, TypeError, ValueError) as error:
        raise _unreadable(_("This is neither a CSV nor an XLSX file.")) from error
    return _table([[unguard(cell) for cell in row] for row in rows], delimiter)


def _unreadable(message: str) -> Invalid:
    return Invalid.field("/file", "unreadable_file", message)


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


def _xlsx_rows(content: bytes) -> list[list[Cell]]:
    _refuse_bomb(content)
    try:
        book = load_workbook(io.BytesIO(content))
        return book.get_sheet_by_index(0).to_python(skip_empty_area=False)  # type: ignore[return-value]  # calamine also knows times of day, which no column takes
    except (CalamineError, IndexError) as error:
        raise _unreadable(_("This XLSX file cannot be read.")) from error


#: What a cell's place may look like; a reader may make more of another one than we see.
_CELL: Final = re.compile(r"([A-Z]{1,3})([0-9]{1,7})", re.IGNORECASE)
_ROW: Final = re.compile(r"[0-9]{1,7}")
#: The element that holds a sheet's cells, whichever file of the archive the workbook says they are in.
_CELLS_OF_A_SHEET: Final = "sheetData"


def _refuse_bomb(content: bytes) -> None:
    """A small file may unpack to gigabytes, and one cell far away makes the reader fill all that lies between."""
    left = LARGEST_UNPACKED
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for entry in archive.infolist():
                is_xml = entry.filename.lower().endswith((".xml", ".rels"))
                look = _Places() if is_xml else _Other()
                with archive.open(entry) as member:
                    while chunk := member.read(1 << 20):
                        left -= len(chunk)
                        if left < 0:
                            raise _too_large()
                        look.feed(chunk)
                    look.feed(b"")
    except _DAMAGED as error:
        raise _unreadable(_("This XLSX file cannot be read.")) from error


#: What reading a ZIP and the XML in it raises where they are not what they should be.
_DAMAGED: Final = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, ExpatError, NotImplementedError, RuntimeError,
    EOFError, OSError, ValueError,
)  # fmt: skip


def _too_large() -> Invalid:
    return _unreadable(
        _("The sheet is too large: at most %(rows)s rows and %(columns)s columns.")
        % {"rows": MOST_ROWS, "columns": MOST_COLUMNS}
    )


class _Other:
    """Pictures and the like. The reader would take a sheet from one, if the workbook says that it is there."""

    def __init__(self) -> None:
        self._seen = b""

    def feed(self, chunk: bytes) -> None:
        """The next piece; an empty one is the end."""
        text = self._seen + chunk
        if _CELLS_OF_A_SHEET.encode() in text:
            raise ValueError("a sheet in a file that is not XML")
        self._seen = text[1 - len(_CELLS_OF_A_SHEET) :]


class _Places:
    """Reads XML in pieces, and refuses what puts a row or a cell further away than we read.

    As UTF-8, whatever the file says it is: the reader knows no other, and both must see the same.
    """

    def __init__(self) -> None:
        self._parser = ParserCreate("utf-8")
        self._parser.StartElementHandler = self._begin
        self._parser.EndElementHandler = self._end
        self._parser.StartDoctypeDeclHandler = self._refuse
        self._inside = 0

    def feed(self, chunk: bytes) -> None:
        """The next piece; an empty one is the end."""
        self._parser.Parse(chunk, not chunk)

    def _begin(self, name: str, attributes: dict[str, str]) -> None:
        name = name.rpartition(":")[2]
        if name == _CELLS_OF_A_SHEET:
            self._inside += 1
        elif self._inside and (place := attributes.get("r")) is not None:
            if name == "row" and (not _ROW.fullmatch(place) or int(place) > MOST_ROWS + 1):
                raise _too_large()
            if name == "c" and not self._is_near(place):
                raise _too_large()

    def _end(self, name: str) -> None:
        if name.rpartition(":")[2] == _CELLS_OF_A_SHEET:
            self._inside -= 1

    @staticmethod
    def _is_near(place: str) -> bool:
        found = _CELL.fullmatch(place)
        return bool(
            found and int(found[2]) <= MOST_ROWS + 1 and _number(found[1].upper()) <= MOST_COLUMNS
        )

    def _refuse(self, *_declared: Any) -> None:
        raise ValueError("a document type, which no spreadsheet has")


def _number(letters: str) -> int:
    """A is 1, Z is 26, AA is 27."""
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - 64
    return number


def _table(rows: Sequence[Sequence[Cell]], delimiter: str = "") -> Table:
    numbered = [
        (number, row) for number, row in enumerate(rows, 1) if any(as_text(cell) for cell in row)
    ]
    if len(numbered) < 2:
        raise _unreadable(_("The file has no rows below its first one, which names the columns."))
    if len(numbered) - 1 > MOST_ROWS:
        raise _unreadable(_("The file has more than %(rows)s rows.") % {"rows": MOST_ROWS})
    header = [as_text(cell)[:100] for cell in numbered[0][1]]
    while header and not header[-1]:
        header.pop()
    if len(header) > MOST_COLUMNS:
        raise _unreadable(
            _("The file has more than %(columns)s columns.") % {"columns": MOST_COLUMNS}
        )
    width = len(header)
    lines = [
        Line(number, [*row[:width], *[""] * (width - len(row))]) for number, row in numbered[1:]
    ]
    return Table(header, lines, delimiter)


# --- understanding a cell


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
            return _yes_or_no(cell)
        case float() if cell.is_integer() and abs(cell) < 1e15:
            return str(int(cell))
        case float():
            return f"{cell:.15g}"
        case _:
            return str(cell).strip()


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
