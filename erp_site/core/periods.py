"""Spans of days that people have a name for: today, last week, this month."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from django.utils.formats import get_format
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from . import clock

type Span = tuple[date, date]


@dataclass(frozen=True, slots=True)
class Period:
    """A name, and its first and last day as they are today."""

    label: str | Promise
    first: date
    last: date


def _day(today: date, away: int) -> Span:
    day = today + timedelta(days=away)
    return day, day


def _week(today: date, away: int) -> Span:
    """A week begins where the reader's calendars begin it: in Brazil on Sunday."""
    begins = int(get_format("FIRST_DAY_OF_WEEK"))  # 0 is Sunday
    first = today - timedelta(days=(today.isoweekday() - begins) % 7) + timedelta(weeks=away)
    return first, first + timedelta(days=6)


def _month(today: date, away: int) -> Span:
    months = today.year * 12 + today.month - 1 + away
    first, after = (date(n // 12, n % 12 + 1, 1) for n in (months, months + 1))
    return first, after - timedelta(days=1)


type _Named = tuple[tuple[str | Promise, Callable[[date, int], Span], int], ...]

#: What is asked of things that have happened.
PAST: Final[_Named] = (
    (_("Today"), _day, 0),
    (_("Yesterday"), _day, -1),
    (_("This week"), _week, 0),
    (_("Last week"), _week, -1),
    (_("This month"), _month, 0),
    (_("Last month"), _month, -1),
)
#: What is asked of things that are to come.
COMING: Final[_Named] = (
    (_("Today"), _day, 0),
    (_("Tomorrow"), _day, 1),
    (_("This week"), _week, 0),
    (_("Next week"), _week, 1),
    (_("This month"), _month, 0),
    (_("Next month"), _month, 1),
)


def periods(named: _Named) -> list[Period]:
    """These spans as they are today."""
    today = clock.today()
    return [Period(label, *span(today, away)) for label, span, away in named]
