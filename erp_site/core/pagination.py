"""Lists: numbered pages for people, keyset cursors for machines."""

import base64
import binascii
import functools
import heapq
import itertools
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final, Protocol
from urllib.parse import urlencode

import orjson
from django.core.exceptions import ValidationError
from django.db import DEFAULT_DB_ALIAS, models
from django.db.models import F, Q, QuerySet, Value
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse

from .counting import Figures, figures
from .errors import Invalid
from .statements import Query, columns_of, together


class Params(Protocol):
    """The query parameters every list has (see schemas.ListParams)."""

    limit: int
    page: int | None
    cursor: str | None


_SPAN: Final = "short_span_of"
#: Rows read at once of each value of a Split: one statement each for what people look at.
MERGED: Final = 1_000


def of_short_span[M: models.Model](queryset: QuerySet[M], *columns: str) -> QuerySet[M]:
    """Say that the queryset is filtered to short spans of `columns`, so few rows are left to be sorted by another.

    Planners do not know that one time follows the other, and think that walking a list sorted by another column they
    will soon come to such rows; they lie together, though, and half a million others before them.
    """
    return queryset.alias(**{_SPAN: Value(" ".join(columns))})


def _ordered[M: models.Model](queryset: QuerySet[M], ordering: Sequence[str]) -> QuerySet[M]:
    span = queryset.query.annotations.get(_SPAN)
    column = ordering[0].removeprefix("-")
    if not isinstance(span, Value) or column in str(span.value).split():
        return queryset.order_by(*ordering)
    # An expression, which no index has sorted: the rows of the span are found first.
    by_hand = Coalesce(F(column), F(column))
    first = by_hand.desc() if ordering[0].startswith("-") else by_hand.asc()
    return queryset.order_by(first, *ordering[1:])


#: A column and the values that a list is filtered by, each of which an index has sorted already.
type Split = tuple[str, Sequence[Any]]


def rows_of[M: models.Model](
    queryset: QuerySet[M],
    ordering: Sequence[str],
    start: int,
    stop: int,
    *,
    split: Split | None = None,
) -> list[M]:
    """Rows `start` to `stop` of the sorted queryset: their ids first, then the rows with all that belongs to them.

    The ids come out of an index alone, also at the ten thousandth row; sorting or skipping whole rows reads each of
    them, and a million orders lie on a disk, not in memory. With several values in `split` each is asked for by
    itself and the answers are merged: asked for all at once, databases read and sort everything.
    """
    ids = _ids(queryset, ordering, start, stop, split)
    if not ids:
        return []
    # By id alone: what the list filters by was asked a moment ago. What it fetches besides comes with the rows.
    (found,) = _by_id((queryset.model, ids))
    fetched = queryset._prefetch_related_lookups  # type: ignore[attr-defined]  # Django's own name for them
    fetch_related(list(found.values()), fetched)
    return [found[pk] for pk in ids if pk in found]


def fetch_related(rows: Sequence[models.Model], lookups: Sequence[Any]) -> None:
    """prefetch_related() of these rows: one statement for each lookup, in one round trip those of foreign keys.

    Django would build a tuple and compile it for each row, and write each statement anew: a third of what a list cost.
    """
    if not rows:
        return
    plain = _foreign_keys(type(rows[0]))
    fields = [plain[lookup] for lookup in lookups if lookup in plain]
    keys = [{getattr(row, field.attname) for row in rows} - {None} for field in fields]
    models_of = [field.related_model for field in fields]
    for field, there in zip(fields, _by_id(*zip(models_of, keys, strict=True)), strict=True):
        for row in rows:
            field.set_cached_value(row, there.get(getattr(row, field.attname)))
    if others := [lookup for lookup in lookups if lookup not in plain]:
        models.prefetch_related_objects(rows, *others)


def _by_id(*asked: tuple[type[models.Model], Collection[int]]) -> list[dict[int, Any]]:
    """Of each model the rows with these ids, deleted ones too, by id: as many as a page has, not thousands."""
    statements = [_rows_by_id(model).of(*ids) for model, ids in asked if ids]
    answers = iter(together(*statements) if statements else ())
    found = []
    for model, ids in asked:
        columns = columns_of(model)
        rows = [
            model.from_db(DEFAULT_DB_ALIAS, columns, values)
            for values in (next(answers) if ids else ())
        ]
        found.append({row.pk: row for row in rows})
    return found


@functools.cache
def _rows_by_id(model: type[models.Model]) -> Query:
    manager: models.Manager[Any] = model._base_manager
    return Query(lambda *ids: manager.filter(pk__in=ids).values_list(*columns_of(model)))


@functools.cache
def _foreign_keys(model: type[models.Model]) -> "dict[str, models.ForeignKey[Any, Any]]":
    """Its foreign keys that refer to a primary key, by name."""
    return {
        field.name: field
        for field in model._meta.concrete_fields
        if isinstance(field, models.ForeignKey) and field.target_field.primary_key
    }


def _ids(
    queryset: QuerySet[Any], ordering: Sequence[str], start: int, stop: int, split: Split | None
) -> list[int]:
    if split is None or len(split[1]) < 2:
        return list(_ordered(queryset, ordering).values_list("pk", flat=True)[start:stop])
    column, values = split
    descending = ordering[0].startswith("-")
    parts = [
        _keys(queryset.filter(**{column: value}), ordering, min(stop, MERGED))
        for value in dict.fromkeys(values)
    ]
    # Each part is read as far as the page needs it: deep in a long list, `stop` rows of every value would be kept.
    merged = heapq.merge(*parts, key=lambda row: row[:-1], reverse=descending)
    return [row[-1] for row in itertools.islice(merged, start, stop)]


def _keys(queryset: QuerySet[Any], ordering: Sequence[str], size: int) -> Iterator[tuple[Any, ...]]:
    """What the rows are sorted by and their ids, `size` rows at a time, each time those after the last."""
    names = [name.removeprefix("-") for name in ordering]
    rest = queryset
    while True:
        rows = list(_ordered(rest, ordering).values_list(*names, "pk")[:size])
        yield from rows
        if len(rows) < size:
            return
        value, *_, pk = rows[-1]
        rest = queryset.filter(after(names[0], value, pk, descending=ordering[0].startswith("-")))


def paginate[M: models.Model](
    request: HttpRequest,
    response: HttpResponse,
    queryset: QuerySet[M],
    *,
    params: Params,
    sort: str,
    split: Split | None = None,
) -> dict[str, Any]:
    """One page of `queryset` sorted by `sort` ("name", "-created_at"), ties broken by id; sets the Link header.

    `sort` must come from an allow-list and name a column that is never NULL and has an index with the id; see
    `rows_of` for `split`.
    The answer fits schemas.Page.

    Raises:
        Invalid: page and cursor at once, a cursor of something else, or a page that begins beyond what is counted: a
            database walks through all that comes before a page, and what begins after a cursor costs the same
            everywhere. "Empty" would be a lie to whoever counts on the last page to be the end.
    """
    if params.page is not None and params.cursor is not None:
        raise Invalid.field("cursor", "page_and_cursor", "Send page or cursor, not both")
    descending = sort.startswith("-")
    column = sort.removeprefix("-")
    ordering = [f"-{column}", "-id"] if descending else [column, "id"]
    found = figures(queryset)
    rest = queryset
    if params.cursor is not None:
        rest = rest.filter(
            _beyond(queryset.model, column, params.cursor, sort, descending=descending)
        )
        page = None
        offset = 0
    else:
        page = params.page or 1
        offset = (page - 1) * params.limit
    is_beyond = page is not None and offset >= found.count
    if is_beyond and found.capped:
        raise Invalid.field(
            "page",
            "page_too_far",
            f"Numbered pages end with the first {found.count} rows; next_cursor leads through all of them",
        )
    if is_beyond:
        rows: list[M] = []
    else:
        rows = rows_of(rest, ordering, offset, offset + params.limit + 1, split=split)
    more = len(rows) > params.limit
    rows = rows[: params.limit]
    next_cursor = cursor_after(rows[-1], sort) if more else None
    links: dict[str, dict[str, Any]] = {"first": {}}
    if params.page is not None and (before := _page_before(params.page, params, found)) > 0:
        links["prev"] = {"page": before}
    is_last_page = found.capped and offset + params.limit >= found.count
    if params.page is not None and more and not is_last_page:
        links["next"] = {"page": params.page + 1}
    elif next_cursor:
        # Where numbered pages end, and for who asked for none: whoever follows links from the first page misses
        # nothing that is added meanwhile.
        links["next"] = {"cursor": next_cursor}
    _link(request, response, links)
    body: dict[str, Any] = {
        "items": rows,
        "count": found.count,
        "count_capped": found.capped,
        "next_cursor": next_cursor,
    }
    if page is not None:
        body["page"] = page
    return body


def cursor_after(row: models.Model, sort: str) -> str:
    """The cursor of the page that begins after this row, in a list sorted by this column ("-created_at")."""
    value = getattr(row, sort.removeprefix("-"))
    if isinstance(value, datetime):
        value = value.isoformat()
    elif isinstance(value, Decimal):
        value = str(value)
    return base64.urlsafe_b64encode(orjson.dumps([sort, value, row.pk])).decode().rstrip("=")


def _beyond(
    model: type[models.Model], column: str, cursor: str, sort: str, *, descending: bool
) -> Q:
    """The condition "after the row this cursor names", in a form that uses the (column, id) index."""
    try:
        made_for, raw, pk = orjson.loads(
            base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        )
        if made_for != sort or not isinstance(pk, int) or isinstance(pk, bool) or abs(pk) >= 2**63:
            raise ValueError
        field = model._meta.get_field("id" if column == "pk" else column)
        value = field.clean(raw, None)  # type: ignore[union-attr]  # a concrete column by contract
        if value is None or (isinstance(value, int) and abs(value) >= 2**63):
            raise ValueError
        if isinstance(value, datetime) and value.astimezone(UTC) != datetime.fromisoformat(raw):
            raise ValueError  # a date, or a time without zone
    except (
        ValueError,
        TypeError,
        binascii.Error,
        ValidationError,
        InvalidOperation,
        OverflowError,
    ):
        raise Invalid.field(
            "cursor", "invalid_cursor", "Not a cursor of this list and sort; begin again without it"
        ) from None
    return after(column, value, pk, descending=descending)


def after(column: str, value: Any, pk: int, *, descending: bool) -> Q:
    """The condition "after the row with this value and id", in a form that uses the (column, id) index."""
    way = "lt" if descending else "gt"
    if column == "id":
        return Q(**{f"id__{way}": pk})
    return Q(**{f"{column}__{way}e": value}) & (
        Q(**{f"{column}__{way}": value}) | Q(**{f"id__{way}": pk})
    )


def in_chunks[M: models.Model](queryset: QuerySet[M], sort: str, *, size: int) -> Iterator[list[M]]:
    """All rows sorted by `sort` ("name", "-created_at"), `size` at a time: constant memory, however many.

    Each chunk is a query of its own with what it prefetches: mysqlclient would load a whole result at once.
    """
    descending, column = sort.startswith("-"), sort.removeprefix("-")
    ordering = [f"-{column}", "-id"] if descending else [column, "id"]
    rest = queryset.order_by(*ordering)
    while rows := list(rest[:size]):
        yield rows
        if len(rows) < size:
            return
        last = rows[-1]
        rest = queryset.filter(
            after(column, getattr(last, column), last.pk, descending=descending)
        ).order_by(*ordering)


def _page_before(page: int, params: Params, found: Figures) -> int:
    """The nearest page before this one that has rows; 0 for none."""
    return min(page - 1, -(-found.count // params.limit))


def _link(
    request: HttpRequest, response: HttpResponse, links: Mapping[str, Mapping[str, Any]]
) -> None:
    """RFC 8288 Link header: of each relation what it asks for, besides what this request asked for."""
    base = {key: values for key, values in request.GET.lists() if key not in {"page", "cursor"}}

    def link(rel: str, **extra: Any) -> str:
        query = urlencode({**base, **extra}, doseq=True)
        return f'<{request.build_absolute_uri(request.path)}{"?" if query else ""}{query}>; rel="{rel}"'

    response["Link"] = ", ".join(link(rel, **asked) for rel, asked in links.items())


def sort_choice(sort: str | None, allowed: Mapping[str, str], default: str) -> str:
    """The column behind the public name of a sort; unknown names are refused."""
    name = sort or default
    column = allowed.get(name.removeprefix("-"))
    if column is None:
        raise Invalid.field("sort", "unknown_sort", f"Sort by one of: {', '.join(allowed)}")
    return ("-" if name.startswith("-") else "") + column
