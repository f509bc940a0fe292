"""How many rows a list has: exact up to 10,000. What is remembered of it, and for how long.

Counting ten thousand index entries takes as long as finding and sending a page of rows. Once a list had some thousand
rows more than are counted, it has too many still while fewer than that have changed; and each change of a row is an
event (EventSource), so the last event's id says how many there were since.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, cast

from django.core.exceptions import EmptyResultSet
from django.db.models import Count, QuerySet, Sum

from .models import AppendOnly, Event, EventSource
from .statements import Query

COUNT_CAP: Final = 10_000
#: So many more are looked for when they are counted,
SPARE: Final = 2_000
#: and after so many changes they are counted again. The rest is for transactions that were under way then.
CHANGES: Final = 1_000
#: Seconds; for whoever changes rows by hand, past the services and their events.
LONGEST: Final = 60.0
#: Lists that are remembered by one process. People filter by anything.
MOST: Final = 1_000
#: Seconds; for a transaction that began before another, and is committed after what the other did was seen.
OVERTAKEN: Final = 10.0


@dataclass(frozen=True, slots=True)
class Figures:
    """What the foot of a list says."""

    count: int
    """Exact up to COUNT_CAP."""
    capped: bool
    """There are more."""
    total: Any = None
    """The sum of a column, if that was asked for and all rows are counted."""


class _Seen(NamedTuple):
    event: int
    moment: float


_many: Final[dict[Any, _Seen]] = {}
_kept: Final[dict[str, tuple[_Seen, Any]]] = {}
_last_event: Final = Query(lambda: Event.objects.order_by("-pk").values_list("pk")[:1])


def forget() -> None:
    """Begin anew: for tests, whose databases follow one another."""
    _many.clear()
    _kept.clear()


def kept_until_something_happens[T](name: str, find: Callable[[], T]) -> T:
    """What `find` answers, found again only after an event: for a figure that takes longer than the page around it."""
    now, event = time.monotonic(), _event_id()
    seen, answer = _kept.get(name, (None, None))
    if seen is None or seen.event != event or now - seen.moment > OVERTAKEN:
        answer = find()
        _kept[name] = _Seen(event, now), answer
    return cast("T", answer)


def figures(queryset: QuerySet[Any], *, sum_of: str | None = None) -> Figures:
    """How many rows the queryset has, and the sum of a column of theirs: one statement."""
    rows = queryset.order_by()
    key = _key(rows) if _many else None
    if key and _are_many_still(key):
        return Figures(COUNT_CAP, capped=True)
    counted = rows.values("pk", *([sum_of] if sum_of else []))[: COUNT_CAP + SPARE + 1]
    found = counted.aggregate(n=Count("pk"), **({"total": Sum(sum_of)} if sum_of else {}))
    count = found["n"]
    if count <= COUNT_CAP:
        return Figures(count, capped=False, total=found.get("total"))
    if count > COUNT_CAP + SPARE and (key := key or _key(rows)):
        if len(_many) >= MOST:
            _many.clear()
        _many[key] = _Seen(_event_id(), time.monotonic())
    return Figures(COUNT_CAP, capped=True)


def _are_many_still(key: Any) -> bool:
    seen = _many.get(key)
    if seen is None:
        return False
    if time.monotonic() - seen.moment < LONGEST and 0 <= _event_id() - seen.event < CHANGES:
        return True
    _many.pop(key, None)
    return False


def _event_id() -> int:
    rows = _last_event()
    return int(rows[0][0]) if rows else 0


def _key(rows: QuerySet[Any]) -> Any:
    """The question itself; None if what changes its answer is not told by events of its own rows alone."""
    if not issubclass(rows.model, EventSource | AppendOnly | Event):
        return None
    try:
        sql, values = rows.values("pk").query.sql_with_params()
    except EmptyResultSet:
        return None
    if sql.count("SELECT ") > 1 or " JOIN " in sql:
        return None
    return sql, tuple(map(str, values))
