"""Workbooks that people send: looked through before the reader gets them, since a small one may cost gigabytes."""

import io
import lzma
import re
import struct
import zipfile
import zlib
from collections import Counter
from typing import IO, Any, Final
from xml.parsers.expat import ExpatError, ParserCreate

from django.utils.translation import gettext as _
from python_calamine import CalamineError, load_workbook

from erp_site.core.errors import Invalid

from .cells import Cell

MOST_ROWS: Final = 20_000  # of a file that is read
MOST_COLUMNS: Final = 60
LARGEST_UNPACKED: Final = 64 * 1024 * 1024  # bytes of an XLSX once its ZIP is unpacked
LARGEST_TEXT: Final = 32 * 1024 * 1024  # characters of an XLSX, a text in each cell that names it


def unreadable(message: str) -> Invalid:
    """The refusal of a file, in words for the person who sent it."""
    return Invalid.field("/file", "unreadable_file", message)


def xlsx_rows(content: bytes) -> list[list[Cell]]:
    """The rows of the first sheet. Raises Invalid for one that cannot be read, or that would be too large."""
    checked = _without_bombs(content)
    try:
        book = load_workbook(checked)
        return book.get_sheet_by_index(0).to_python(skip_empty_area=False)  # type: ignore[return-value]  # calamine also knows times of day, which no column takes
    except (CalamineError, IndexError) as error:
        raise unreadable(_("This XLSX file cannot be read.")) from error


#: What a cell's place may look like; a reader may make more of another one than we see.
_CELL: Final = re.compile(r"([A-Z]{1,3})([0-9]{1,7})", re.IGNORECASE)
_ROW: Final = re.compile(r"[0-9]{1,7}")
#: And the number of a shared text.
_NUMBER: Final = re.compile(r"[0-9]{1,8}")
#: The element that holds a sheet's cells, whichever file of the archive the workbook says they are in.
_CELLS_OF_A_SHEET: Final = "sheetData"


def _without_bombs(content: bytes) -> IO[bytes]:
    """The archive, looked at: a small file may unpack to gigabytes, one cell far away makes the reader fill all that
    lies between, and a long text is copied into each cell that names it.

    Written anew, since a file may be two archives, of which the reader takes the one that was not looked at. And with
    nothing but its XML: the reader would take a sheet from a picture, and it knows formats in which a few bytes repeat
    a cell a million times (ODS, which is told by its `mimetype`) or places are binary (XLSB).
    """
    left, texts = LARGEST_UNPACKED, _Texts()
    file = io.BytesIO()
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive, zipfile.ZipFile(file, "w") as checked:
            for entry in archive.infolist():
                name = entry.filename
                if not name.lower().endswith((".xml", ".rels")):
                    continue
                if name in checked.NameToInfo:
                    raise ValueError("two files of one name")
                look = _Places(texts)
                with archive.open(entry) as member, checked.open(name, "w") as copy:
                    while chunk := member.read(1 << 20):
                        left -= len(chunk)
                        if left < 0:
                            raise _too_large()
                        look.feed(chunk)
                        copy.write(chunk)
                    look.feed(b"")
    except _DAMAGED as error:
        raise unreadable(_("This XLSX file cannot be read.")) from error
    if texts.copied() > LARGEST_TEXT:
        raise unreadable(_("The sheet holds too much text. Divide it."))
    file.seek(0)
    return file


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


class _Texts:
    """The texts that a workbook keeps once, and how many cells name each."""

    def __init__(self) -> None:
        self.lengths: Counter[int] = Counter()
        self.uses: Counter[int] = Counter()

    def copied(self) -> int:
        """How many characters they are in all cells together."""
        return sum(self.lengths[number] * times for number, times in self.uses.items())


class _Places:
    """Reads XML in pieces, and refuses what puts a row or a cell further away than we read.

    As UTF-8, whatever the file says it is: the reader knows no other, and both must see the same. So places are counted
    where none are written, and what the two might number otherwise is refused.
    """

    def __init__(self, texts: _Texts) -> None:
        self._parser = ParserCreate("utf-8")
        self._parser.StartElementHandler = self._begin
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._read
        self._parser.StartDoctypeDeclHandler = self._refuse
        self._inside = 0
        self._row, self._column = 1, 1  # of the next cell that does not say where it is
        self._cells = 0
        self._cell: dict[str, str] | None = None
        self._value: str | None = None
        self._value_at = 0
        self._texts = texts
        self._text = -1  # the number of the last shared text
        self._in_text = False

    def feed(self, chunk: bytes) -> None:
        """The next piece; an empty one is the end."""
        self._parser.Parse(chunk, not chunk)

    def _begin(self, name: str, attributes: dict[str, str]) -> None:
        name = name.rpartition(":")[2]
        if name == _CELLS_OF_A_SHEET:
            self._inside += 1
        elif name == "si":
            if self._in_text:
                self._refuse()
            self._in_text = True
            self._text += 1
        elif self._inside:
            if name == "row":
                self._begin_row(attributes.get("r"))
            elif name == "c":
                self._begin_cell(attributes)
            elif name == "v" and self._cell is not None and self._cell.get("t") == "s":
                self._value = ""

    def _begin_row(self, place: str | None) -> None:
        if place is not None:
            if not _ROW.fullmatch(place) or int(place) > MOST_ROWS + 1:
                raise _too_large()
            self._row = int(place)

    def _begin_cell(self, attributes: dict[str, str]) -> None:
        if self._cell is not None:
            self._refuse()
        self._cell = attributes
        self._cells += 1
        row = self._row
        if (place := attributes.get("r")) is not None:
            found = _CELL.fullmatch(place)
            if not found:
                raise _too_large()
            row, self._column = int(found[2]), _number(found[1].upper())
        if (
            row > MOST_ROWS + 1
            or self._column > MOST_COLUMNS
            or self._cells > (MOST_ROWS + 1) * MOST_COLUMNS
        ):
            raise _too_large()

    def _read(self, text: str) -> None:
        if self._in_text:
            self._texts.lengths[self._text] += len(text)
        elif self._value is not None:
            if not self._value:
                self._value_at = self._parser.CurrentByteIndex
            self._value += text

    def _end(self, name: str) -> None:
        name = name.rpartition(":")[2]
        if name == _CELLS_OF_A_SHEET:
            self._inside -= 1
        elif name == "si":
            self._in_text = False
        elif self._inside and name == "row":
            self._row, self._column = self._row + 1, 1
        elif self._inside and name == "c":
            self._cell = None
            self._column += 1
        elif name == "v" and self._value is not None:
            if self._value:
                # With a comment or the like among the digits the reader would take some of them for the number.
                is_plain = self._parser.CurrentByteIndex - self._value_at == len(self._value)
                if not _NUMBER.fullmatch(self._value) or not is_plain:
                    self._refuse()
                self._texts.uses[int(self._value)] += 1
            self._value = None

    def _refuse(self, *_declared: Any) -> None:
        raise ValueError("what no spreadsheet has")


def _number(letters: str) -> int:
    """A is 1, Z is 26, AA is 27."""
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - 64
    return number
