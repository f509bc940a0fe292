"""Every list as a file: the rows that the list's address shows, all pages of them, streamed."""

from collections.abc import Iterator
from typing import Any, Final

from django.db.models import QuerySet, Sum
from django.http import FileResponse, HttpResponseBase, StreamingHttpResponse
from django.utils import translation
from django.utils.text import slugify
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from accounts.auth import SignedIn, check
from erp_site.core import clock
from erp_site.core.counting import figures
from erp_site.core.errors import Invalid, NotFound
from erp_site.core.fields import grouped
from erp_site.core.filtering import apply
from erp_site.core.pagination import in_chunks
from erp_site.core.paths import record_id
from erp_site.core.tabular import (
    CHUNK,
    CSV_TYPE,
    XLSX_TYPE,
    Encoding,
    csv_lines,
    xlsx_file,
)

from .sheets import EXPORTS, Rows

MOST_SELECTED: Final = 500
#: A workbook is made before the first byte is sent: so many rows take about 10 s of a thread, and proxies wait for 60.
MOST_XLSX_ROWS: Final = 50_000


@require_http_methods(["GET", "HEAD", "POST"])
def export(request: SignedIn, name: str, kind: str) -> HttpResponseBase:
    """The list `name` as `kind` (csv, xlsx), filtered and sorted like the page with this query; POST: the `ids` alone.

    CSV is UTF-8, or Windows-1252 with `encoding=cp1252`.
    """
    sheet = EXPORTS.get(name)
    if sheet is None or kind not in {"csv", "xlsx"}:
        raise NotFound(_("There is no such list."))
    check(request.user, sheet.permission)
    found = sheet.queryset()
    if request.method == "POST":
        ids = list(filter(None, map(record_id, request.POST.getlist("ids"))))
        if not ids or len(ids) > MOST_SELECTED:
            raise Invalid(_("Select between 1 and %(most)s rows.") % {"most": MOST_SELECTED})
        found = found.filter(pk__in=ids)
    else:
        found = apply(sheet.filterset, request.GET, found, request=request)
    sort = request.GET.get("sort", sheet.default)
    if sort.removeprefix("-") not in sheet.sorts:
        sort = sheet.default
    column = ("-" if sort.startswith("-") else "") + sheet.sorts[sort.removeprefix("-")]
    if kind == "xlsx" and _is_too_long(found, sheet.rows_each):
        raise Invalid(
            _(
                "An XLSX file has at most %(most)s rows. Filter the list, or take CSV, which has all of them."
            )
            % {"most": grouped(MOST_XLSX_ROWS)}
        )

    def rows() -> Rows:
        for records in in_chunks(found, column, size=CHUNK):
            yield from sheet.rows(records, request.user)

    # The answer is written after the middleware has gone, and the user's language with it.
    language = translation.get_language() or "en"
    header = [str(label) for label in sheet.header]
    about = sheet.about(request.GET) if sheet.about else ""
    named = "-".join(filter(None, [slugify(str(sheet.label)), about]))
    file_name = f"{named}-{clock.today():%Y-%m-%d}.{kind}"
    if kind == "xlsx":
        book = xlsx_file(header, rows(), title=str(sheet.label))
        return FileResponse(book, as_attachment=True, filename=file_name, content_type=XLSX_TYPE)
    encoding = Encoding.WINDOWS if request.GET.get("encoding") == "cp1252" else Encoding.UTF8
    pieces = csv_lines(header, rows(), encoding=encoding)
    charset = "utf-8" if encoding is Encoding.UTF8 else "windows-1252"
    return StreamingHttpResponse(
        in_language(pieces, language),
        content_type=f"{CSV_TYPE}{charset}",
        headers={"Content-Disposition": f'attachment; filename="{file_name}"'},
    )


def _is_too_long(found: QuerySet[Any], rows_each: str | None) -> bool:
    """Has it more rows than are made into a workbook? No more records are looked at than it takes to know."""
    if rows_each:
        # Each record has a row at least: one more of them than there may be rows is too many by itself.
        some = found.order_by().values("pk", rows_each)[: MOST_XLSX_ROWS + 1]
        rows: int | None = some.aggregate(rows=Sum(rows_each))["rows"]
        return (rows or 0) > MOST_XLSX_ROWS
    return figures(found).capped and found.order_by()[: MOST_XLSX_ROWS + 1].count() > MOST_XLSX_ROWS


def in_language(pieces: Iterator[bytes], language: str) -> Iterator[bytes]:
    """The pieces, each made in this language, without holding the thread's between two of them."""
    while True:
        with translation.override(language):
            piece = next(pieces, None)
        if piece is None:
            return
        yield piece
