"""The time. Everything that writes a timestamp asks here, so that demo data and tests can move it."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import date, datetime

from django.utils import timezone

_moved_to: ContextVar[datetime | None] = ContextVar("clock", default=None)


def now() -> datetime:
    """The current time, aware, in UTC (or the time that `moved_to` has set)."""
    return _moved_to.get() or timezone.now()


def today() -> date:
    """The current day in the site's time zone."""
    return timezone.localdate(now())


@contextmanager
def moved_to(moment: datetime) -> Iterator[None]:
    """Inside this block it is `moment`, in this thread alone."""
    token = _moved_to.set(moment)
    try:
        yield
    finally:
        _moved_to.reset(token)
