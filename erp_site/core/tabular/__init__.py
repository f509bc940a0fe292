"""Tables in files: written for Excel in Brazil, read as people send them.

Writing: CSV with semicolons, decimal comma and day/month/year (what a Brazilian Excel opens by a double click), or
XLSX. Reading: CSV in UTF-8, UTF-16 or Windows-1252, separated by semicolons, tabs or commas, or XLSX.
"""

from .cells import (
    Cell,
    DecimalMark,
    Unreadable,
    as_amount,
    as_flag,
    as_tax_id,
    as_text,
    as_whole,
    as_words,
    decimal_mark,
    guard,
    unguard,
)
from .reading import LARGEST_FILE, Line, Table, read_table
from .workbooks import LARGEST_TEXT, LARGEST_UNPACKED, MOST_COLUMNS, MOST_ROWS
from .writing import CHUNK, CSV_TYPE, XLSX_TYPE, Encoding, csv_lines, xlsx_file

__all__ = [
    "CHUNK",
    "CSV_TYPE",
    "LARGEST_FILE",
    "LARGEST_TEXT",
    "LARGEST_UNPACKED",
    "MOST_COLUMNS",
    "MOST_ROWS",
    "XLSX_TYPE",
    "Cell",
    "DecimalMark",
    "Encoding",
    "Line",
    "Table",
    "Unreadable",
    "as_amount",
    "as_flag",
    "as_tax_id",
    "as_text",
    "as_whole",
    "as_words",
    "csv_lines",
    "decimal_mark",
    "guard",
    "read_table",
    "unguard",
    "xlsx_file",
]
