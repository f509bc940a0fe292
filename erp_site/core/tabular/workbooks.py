"""Workbooks that people send: looked through before the reader gets them, since a small one may cost gigabytes."""

import io
import lzma
import re
import struct
import zipfile
import zlib
from typing import Any, Final
from xml.parsers.expat import ExpatError, ParserCreate

from django.utils.translation import gettext as _
from python_calamine import CalamineError, load_workbook

from erp_site.core.errors import Invalid

from .cells import Cell

MOST_ROWS: Final = 20_000  # of a file that is read
MOST_COLUMNS: Final = 60
LARGEST_UNPACKED: Final = 64 * 1024 * 1024  # bytes of an XLSX once its ZIP is unpacked


def unreadable(message: str) -> Invalid:
    """The refusal of a file, in words for the person who sent it."""
    return Invalid.field("/file", "unreadable_file", message)


def xlsx_rows(content: bytes) -> list[list[Cell]]:
    """The rows of the first sheet. Raises Invalid for one that cannot be read, or that would be too large."""
    _refuse_bomb(content)
    try:
        book = load_workbook(io.BytesIO(content))
        return book.get_sheet_by_index(0).to_python(skip_empty_area=False)  # type: ignore[return-value]  # calamine also knows times of day, which no column takes
    except (CalamineError, IndexError) as error:
        raise unreadable(_("This XLSX file cannot be read.")) from error


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
        raise unreadable(_("This XLSX file cannot be read.")) from error


#: What reading a ZIP and the XML in it raises where they are not what they should be.
_DAMAGED: Final = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, ExpatError, NotImplementedError, RuntimeError,
    EOFError, OSError, ValueError,
)  # fmt: skip


def _too_large() -> Invalid:
    return unreadable(
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
