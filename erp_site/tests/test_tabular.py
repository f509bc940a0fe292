"""Tables in files: what a spreadsheet takes for a formula, and files as people send them."""

import io
import random
import re
import tracemalloc
import zipfile
from contextlib import suppress
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
import xlsxwriter

from erp_site.core import tabular
from erp_site.core.errors import Invalid
from erp_site.core.tabular import (
    DecimalMark,
    Encoding,
    Unreadable,
    as_amount,
    as_flag,
    as_tax_id,
    as_text,
    as_whole,
    csv_lines,
    decimal_mark,
    guard,
    read_table,
    unguard,
    xlsx_file,
)

COMMA, POINT = DecimalMark.COMMA, DecimalMark.POINT
FORMULAS = [
    "=1+1",
    "+1",
    "-1",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "\n=1",
    "\uff1d1",
    "\uff20a",
    " =1",
    "'=1",
]


def xlsx(*rows: list[object]) -> bytes:
    """A workbook as Excel saves it."""
    file = io.BytesIO()
    book = xlsxwriter.Workbook(file)
    sheet = book.add_worksheet()
    for number, row in enumerate(rows):
        for column, cell in enumerate(row):
            sheet.write(number, column, cell)
    book.close()
    return file.getvalue()


@pytest.mark.parametrize("text", FORMULAS)
def test_a_formula_is_guarded_and_reads_back_as_it_was(text: str) -> None:
    assert guard(text) == f"'{text}"
    assert unguard(guard(text)) == text


@pytest.mark.parametrize("text", ["", "Café = bom", "1-2", "D'Ávila", "'quoted'", "a@b.c"])
def test_other_text_is_left_alone(text: str) -> None:
    assert guard(text) == unguard(text) == text


def test_numbers_below_zero_stay_numbers() -> None:
    assert (
        b"".join(csv_lines(["n"], [[-3], [Decimal("-1.50")]]))
        == b"\xef\xbb\xbfn\r\n-3\r\n-1,50\r\n"
    )


def test_csv_is_what_a_brazilian_excel_opens() -> None:
    rows = [['Café; "bom"', Decimal("1234.50"), date(2026, 11, 24), None, 7]]
    assert b"".join(csv_lines(["Nome", "Preço", "Data", "Obs", "Qtd"], rows)).decode(
        "utf-8-sig"
    ) == ('Nome;Preço;Data;Obs;Qtd\r\n"Café; ""bom""";1234,50;24/11/2026;;7\r\n')


def test_windows_1252_has_no_mark_and_a_question_mark_for_what_it_lacks() -> None:
    lines = b"".join(csv_lines(["Nome"], [["Ação ✓"]], encoding=Encoding.WINDOWS))
    assert lines == "Nome\r\nAção ?\r\n".encode("cp1252")


def test_csv_comes_in_pieces_of_a_chunk() -> None:
    taken = 0

    def rows():
        nonlocal taken
        for number in range(5 * tabular.CHUNK):
            taken = number + 1
            yield [number]

    pieces = csv_lines(["n"], rows())
    next(pieces)
    assert taken == tabular.CHUNK
    assert len([*pieces]) == 5


@pytest.mark.parametrize("text", FORMULAS)
def test_xlsx_holds_text_never_a_formula_a_link_or_a_number(text: str) -> None:
    with xlsx_file(["x"], [[text], ["007"], ["https://example.com"]], title="a/b:c") as file:
        content = file.read()
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        sheet = archive.read("xl/worksheets/sheet1.xml")
    assert (b"<f>" in sheet, b"hyperlink" in sheet) == (False, False)
    assert [line.cells for line in read_table(content).lines][-2:] == [
        ["007"],
        ["https://example.com"],
    ]


def test_xlsx_columns_are_as_wide_as_what_is_in_them() -> None:
    header = ["Id", "Preço (R$)", "Nome", "Texto", "Dia", "Hora"]
    moment = datetime(2026, 11, 23, 14, 20, tzinfo=UTC)
    row: list[tabular.Cell] = [
        1,
        Decimal("1234567.80"),
        "Café em grãos",
        "x" * 200,
        moment.date(),
        moment,
    ]
    with xlsx_file(header, [row, [None] * 6], title="t") as file, zipfile.ZipFile(file) as archive:
        sheet = archive.read("xl/worksheets/sheet1.xml").decode()
    widths = [round(float(width)) for width in re.findall(r'<col [^>]*width="([^"]*)"', sheet)]
    # A spreadsheet adds the margins of a cell.
    assert widths == [9, 14, 15, 61, 12, 18]


@pytest.mark.parametrize(
    ("content", "delimiter"),
    [
        ("SKU;Preço\nA;1,50\n".encode(), ";"),
        ("\ufeffSKU;Preço\r\nA;1,50\r\n".encode(), ";"),
        ("SKU;Preço\rA;1,50\r".encode(), ";"),
        ("SKU;Preço\nA;1,50".encode("cp1252"), ";"),
        ("SKU\tPreço\nA\t1,50\n".encode("utf-16"), "\t"),
        ('SKU,Preço\nA,"1,50"\n'.encode(), ","),
        ("sep=;\nSKU;Preço\nA;1,50\n".encode(), ";"),
    ],
)
def test_any_usual_csv_is_understood(content: bytes, delimiter: str) -> None:
    table = read_table(content)
    assert (table.header, [line.cells for line in table.lines], table.delimiter) == (
        ["SKU", "Preço"],
        [["A", "1,50"]],
        delimiter,
    )


def test_rows_have_the_numbers_a_spreadsheet_shows() -> None:
    content = b"SKU;Name\n\nA;one\n;\nB;two;too many\nC\n"
    assert [(line.number, line.cells) for line in read_table(content).lines] == [
        (3, ["A", "one"]),
        (5, ["B", "two"]),
        (6, ["C", ""]),
    ]


def test_xlsx_numbers_lose_what_spreadsheets_add() -> None:
    table = read_table(xlsx(["SKU", "Price"], [789.0, 0.1 + 0.2]))
    assert as_text(table.lines[0].cells[0]) == "789"
    assert as_amount(table.lines[0].cells[1], COMMA) == Decimal("0.3")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"SKU;Name\n",
        b"\x00\x01\x02",
        b"PK\x03\x04 not a zip",
        b"\xd0\xcf\x11\xe0 an old workbook",
        b"SKU\n" + b"A\n" * (tabular.MOST_ROWS + 1),
        b";".join(b"c%d" % n for n in range(tabular.MOST_COLUMNS + 1)) + b"\nA\n",
    ],
)
def test_what_is_no_table_is_refused(content: bytes) -> None:
    with pytest.raises(Invalid):
        read_table(content)


def altered(
    old: bytes = b"", new: bytes = b"", *, member: str = "xl/worksheets/sheet1.xml", name: str = ""
) -> bytes:
    """A good workbook in whose `member` `new` stands in place of `old`; the member under another name, if one is given
    (the workbook says so too)."""
    moved = member.removeprefix("xl/").encode(), name.removeprefix("xl/").encode()
    file = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(xlsx(["SKU", "Name"], ["A", "Tea"]))) as good,
        zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        for entry in good.namelist():
            content = good.read(entry)
            if entry == member:
                assert old in content
                content = content.replace(old, new, 1)
            elif name and entry == "xl/_rels/workbook.xml.rels":
                assert moved[0] in content
                content = content.replace(*moved)
            archive.writestr(name if name and entry == member else entry, content)
    return file.getvalue()


CELL = b'r="A2"'
FAR = b'r="A4294967295"'


def test_a_workbook_with_nothing_altered_is_read() -> None:
    assert [line.cells for line in read_table(altered()).lines] == [["A", "Tea"]]
    elsewhere = read_table(altered(name="xl/worksheets/other.xml"))
    assert [line.cells for line in elsewhere.lines] == [["A", "Tea"]]


@pytest.mark.parametrize(
    "place",
    [
        b'r="XFD1048576"', b"r='XFD1048576'", b'r = "XFD1048576"', b'r="A20002"', b'r="BI2"', FAR,
        b'r="A99999999999999999999"', b'r="B99999999999"', b'r="AAAAAAAAAAAA1"', b'r="xfd2"', b'r="&#65;1048576"',
        b'r="2A"', b'r=""',
    ],
)  # fmt: skip
def test_a_cell_far_away_is_refused_before_the_reader_fills_what_lies_between(place: bytes) -> None:
    with pytest.raises(Invalid, match="too large"):
        read_table(altered(CELL, place))


@pytest.mark.parametrize("row", [b"4294967295", b"20002", b"-1", b"1e9", b""])
def test_and_so_is_a_row(row: bytes) -> None:
    with pytest.raises(Invalid, match="too large"):
        read_table(altered(b'<row r="2"', b'<row r="' + row + b'"'))


@pytest.mark.parametrize(
    "name", ["xl/evil.xml", "xl/media/sheet.png", "xl/worksheets/sheet1.XML", "xl/sheet.bin"]
)
def test_wherever_the_workbook_says_that_its_sheet_is(name: str) -> None:
    with pytest.raises(Invalid):
        read_table(altered(CELL, FAR, name=name))


def test_what_a_reader_might_see_otherwise_is_refused() -> None:
    start = b"<?xml version="
    for content in (
        altered(b"<worksheet", b"<!DOCTYPE worksheet><worksheet"),
        altered(start, b"\xff\xfe" + start),
        altered(CELL, CELL + b" " + CELL),
        altered(b"</sheetData>", b""),
        altered(b"<sheetData>", b"<sheetData><c <c <c <c "),
    ):
        with pytest.raises(Invalid, match="cannot be read"):
            read_table(content)


ROWS = b"<sheetData>"


def test_cells_that_do_not_say_where_they_are_follow_one_another() -> None:
    rows = b"<row><c><v>1</v></c><c><v>2</v></c></row><row><c><v>3</v></c></row>"
    table = read_table(altered(b"</sheetData>", rows + b"</sheetData>"))
    assert [line.cells for line in table.lines] == [["A", "Tea"], [1.0, 2.0], [3.0, ""]]


@pytest.mark.parametrize(
    "rows",
    [
        b"<row>" + b"<c><v>1</v></c>" * (tabular.MOST_COLUMNS + 1) + b"</row>",
        b"<row><c><v>1</v></c></row>" * (tabular.MOST_ROWS + 2),
        b"<row/>" * (tabular.MOST_ROWS + 1) + b"<row><c><v>1</v></c></row>",
        b'<row><c r="BH1"><v>1</v></c><c><v>1</v></c></row>',
        b'<row r="20001"/><row><c><v>1</v></c></row>',
    ],
)
def test_and_are_refused_where_they_come_too_far(rows: bytes) -> None:
    with pytest.raises(Invalid, match="too large"):
        read_table(altered(ROWS, ROWS + rows))


def test_a_place_may_be_written_to_so_often() -> None:
    with pytest.raises(Invalid, match="too large"):
        read_table(altered(ROWS, ROWS + b'<c r="A1"/>' * ((tabular.MOST_ROWS + 1) * 60 + 1)))


def test_a_long_text_in_many_cells_is_refused_before_the_reader_copies_it() -> None:
    text = "A" * 32_000  # which the file keeps once
    few = xlsx(["SKU"], *([text] for _ in range(20)))
    assert [line.cells for line in read_table(few).lines] == [[text]] * 20
    many = xlsx(["SKU"], *([text] for _ in range(tabular.LARGEST_TEXT // len(text) + 1)))
    assert len(many) < 100_000
    with pytest.raises(Invalid, match="too much text"):
        read_table(many)


@pytest.mark.parametrize(
    "number",
    [
        b"0<!-- -->1", b"0<?pi ?>1", b"0<![CDATA[1]]>", b"0&#49;", b"0<x>1</x>", b" 1 ", b"+1", b"1.0", b"x",
        b"999999999",
    ],
)  # fmt: skip
def test_the_number_of_a_text_that_a_reader_might_see_otherwise_is_refused(number: bytes) -> None:
    with pytest.raises(Invalid, match="cannot be read"):
        read_table(altered(b"<v>1</v>", b"<v>" + number + b"</v>"))


def test_and_so_are_texts_and_cells_in_one_another() -> None:
    inner = b'<c r="A2" t="s"><c r="A2" t="n">'
    for content in (
        altered(b"<si>", b"<si><si>", member="xl/sharedStrings.xml"),
        altered(b'<c r="A2" t="s">', inner),
    ):
        with pytest.raises(Invalid, match="cannot be read"):
            read_table(content)


def test_a_cell_that_names_no_text_is_empty() -> None:
    table = read_table(altered(b"<v>1</v>", b"<v></v>"))
    assert (table.header, [line.cells for line in table.lines]) == (["SKU"], [["A"]])


def test_a_csv_file_of_line_breaks_takes_no_memory_for_each() -> None:
    content = b"SKU;Name\nA;Tea\n" + b"\n" * 300_000
    tracemalloc.start()
    try:
        table = read_table(content)
        _now, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert [line.cells for line in table.lines] == [["A", "Tea"]]
    assert peak < 20 * len(content)


def test_a_sheet_of_another_format_is_refused() -> None:
    """Of which 800 bytes were 3 GB, once the reader had repeated a cell as often as they say."""
    of, office = (
        "urn:oasis:names:tc:opendocument:xmlns",
        "application/vnd.oasis.opendocument.spreadsheet",
    )
    names = (
        f'xmlns:office="{of}:office:1.0" xmlns:table="{of}:table:1.0" xmlns:text="{of}:text:1.0"'
    )
    cell = '<table:table-cell office:value-type="string"><text:p>A</text:p></table:table-cell>'
    rows = f'<table:table-row table:number-rows-repeated="50">{cell}</table:table-row>'
    sheet = (
        f'<office:spreadsheet><table:table table:name="S">{rows}</table:table></office:spreadsheet>'
    )
    content = f"<office:document-content {names}><office:body>{sheet}</office:body></office:document-content>"
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("mimetype", office)
        archive.writestr("META-INF/manifest.xml", "<manifest/>")
        archive.writestr("content.xml", content)
    with pytest.raises(Invalid, match="cannot be read"):
        read_table(file.getvalue())


def test_of_a_file_that_is_two_workbooks_the_one_that_was_looked_at_is_read() -> None:
    hidden, shown = altered(CELL, FAR), bytearray(altered())
    shown[-18] = (
        1  # the number of its disk, which one reader overlooks and the other takes for no end of an archive
    )
    assert [line.cells for line in read_table(hidden + bytes(shown)).lines] == [["A", "Tea"]]
    twice = io.BytesIO(altered())
    with zipfile.ZipFile(twice, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("xl/worksheets/sheet1.xml", "<worksheet/>")
    with pytest.raises(Invalid, match="cannot be read"):
        read_table(twice.getvalue())


def test_a_damaged_file_is_refused() -> None:
    """A download that broke off, a disk that lost a block: whatever byte is another one, a table or a refusal."""
    good = xlsx(["SKU", "Name"], ["A", "Tea"])
    chance = random.Random(7)
    for _ in range(400):
        bad = bytearray(good)
        for _ in range(chance.randint(1, 8)):
            bad[chance.randrange(4, len(bad))] = chance.randrange(256)
        with suppress(Invalid):
            read_table(bytes(bad[: chance.choice([len(bad), chance.randrange(10, len(bad))])]))
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("xl/workbook.xml", b"<workbook/>" * 50)
    lzma = bytearray(file.getvalue())
    lzma[60:70] = bytes(10)
    with pytest.raises(Invalid, match="cannot be read"):
        read_table(bytes(lzma))


def test_a_file_that_unpacks_to_gigabytes_is_refused() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/sharedStrings.xml", b" " * (tabular.LARGEST_UNPACKED + 1))
    assert len(file.getvalue()) < 100_000
    with pytest.raises(Invalid, match="too large"):
        read_table(file.getvalue())


@pytest.mark.parametrize(
    ("text", "mark", "amount"),
    [
        ("1.234,56", COMMA, "1234.56"),
        ("R$ 1.234,56", COMMA, "1234.56"),
        ("R$\xa012,5", COMMA, "12.5"),
        ("1.234", COMMA, "1234"),
        ("5,899", COMMA, "5.899"),
        ("1,234.56", POINT, "1234.56"),
        ("5.899", POINT, "5.899"),
        ("-3", POINT, "-3"),
    ],
)
def test_amounts_are_read_by_the_mark_of_the_file(
    text: str, mark: DecimalMark, amount: str
) -> None:
    assert as_amount(text, mark) == Decimal(amount)


@pytest.mark.parametrize(
    ("text", "mark"),
    [("12.50", COMMA), ("1,5", POINT), ("1.23.456", COMMA), ("doze", COMMA), ("1e3", POINT), ("", COMMA),
     ("9" * 40, COMMA), ("NaN", COMMA), ("٣", COMMA)],
)  # fmt: skip
def test_an_amount_that_could_mean_something_else_is_refused(text: str, mark: DecimalMark) -> None:
    with pytest.raises(Unreadable):
        as_amount(text, mark)


def test_whole_numbers_may_have_empty_decimals() -> None:
    assert as_whole("1.200,0", COMMA) == 1200
    for text in ("1,5", "x"):
        with pytest.raises(Unreadable, match=r"^Not a whole number\.$"):
            as_whole(text, COMMA)


@pytest.mark.parametrize(
    ("cell", "flag"), [("Sim", True), ("NÃO", False), ("0", False), (1.0, True), (True, True)]
)
def test_yes_and_no_in_both_languages(cell: object, flag: bool) -> None:
    assert as_flag(cell, COMMA) is flag


def test_a_tax_id_gets_back_the_zeros_that_a_spreadsheet_took() -> None:
    assert as_tax_id(191.0, COMMA) == "00000000191"
    assert as_tax_id("12.345.678/0001-9", COMMA) == "1234567800019"


@pytest.mark.parametrize(
    ("cells", "delimiter", "mark"),
    [
        (["12,50", "7"], ",", COMMA),
        (["12.50"], ";", POINT),
        (["7"], ";", COMMA),
        (["7"], ",", POINT),
        ([1.5], "", COMMA),
    ],
)
def test_the_decimal_mark_is_seen_in_the_numbers(
    cells: list, delimiter: str, mark: DecimalMark
) -> None:
    assert decimal_mark(cells, delimiter) == mark
