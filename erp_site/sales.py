"""What was sold, by day. A million orders must not make the first page slow: a day that is over is counted once."""

import functools
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final
from urllib.parse import urlencode

from django.core.cache import cache
from django.db import transaction
from django.db.models import Count, IntegerField, Sum, Value
from django.dispatch import receiver
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format

from erp_site.core import clock
from orders.models import Order
from orders.signals import order_amended, order_deleted, order_status_changed
from orders.states import OrderStatus

#: An order counts as sold until it is cancelled.
SOLD: Final = [status.value for status in OrderStatus if status is not OrderStatus.CANCELLED]
#: A day that is over changes only when an order of it is amended, cancelled or deleted, and then it is forgotten at
#: once. Other processes hear of that through Redis alone; without Redis they may show the old figure for so long.
KEPT_FOR: Final = 600  # seconds
#: A day that was forgotten has another generation: longer than what was kept under the one before, and its counting.
GENERATION_KEPT_FOR: Final = 2 * KEPT_FOR  # seconds

type Figures = tuple[int, Decimal]


@dataclass(frozen=True)
class Day:
    """What was ordered on one day of the site's time zone, cancelled and deleted orders apart."""

    date: date
    orders: int
    revenue: Decimal

    # Two charts and a table ask for these.
    @functools.cached_property
    def label(self) -> str:
        """The date as people read it."""
        return date_format(self.date, "SHORT_DATE_FORMAT")

    @functools.cached_property
    def url(self) -> str:
        """The orders behind the figures."""
        return list_of(self.date, self.date)


def list_of(first: date, last: date) -> str:
    """The list of the orders that were sold on these days."""
    query = {"created_from": first.isoformat(), "created_to": last.isoformat(), "status": SOLD}
    return f"{reverse('orders:list')}?{urlencode(query, doseq=True)}"


def sales(*, days: int) -> list[Day]:
    """The last `days` days, today last: today as it is now, the others as remembered (see KEPT_FOR)."""
    today = clock.today()
    dates = [today - timedelta(days=back) for back in reversed(range(days))]
    # Asked before counting: without the generation, a count that began before an order was cancelled and ended after
    # it would be kept as that day's figures.
    kept = cache.get_many([name(day) for day in dates[:-1] for name in (_key, _generation)])
    known: dict[date, Figures] = {}
    for day in dates[:-1]:
        generation, figures = kept.get(_key(day), (None, None))
        if figures and generation == kept.get(_generation(day)):
            known[day] = figures
    counted = _count([day for day in dates if day not in known])
    if fresh := {
        _key(day): (kept.get(_generation(day)), figures)
        for day, figures in counted.items()
        if day != today
    }:
        cache.set_many(fresh, KEPT_FOR)
    return [Day(day, *(known.get(day) or counted[day])) for day in dates]


def _count(dates: Sequence[date]) -> dict[date, Figures]:
    """Orders and revenue of each of these days, in one statement.

    The days are bound in Python: databases without time zone tables cannot group by local day, and a day of 23
    or 25 hours comes out right. Each day is a range of an index that begins with, or has, the time.
    """
    parts = [
        Order.objects.filter(
            created_at__gte=_start(day),
            created_at__lt=_start(day + timedelta(days=1)),
            status__in=SOLD,
        )
        .order_by()
        .values(number=Value(number, output_field=IntegerField()))
        .annotate(orders=Count("pk"), revenue=Sum("total"))
        for number, day in enumerate(dates)
    ]
    found = dict.fromkeys(dates, (0, Decimal(0)))
    for row in parts[0].union(*parts[1:], all=True) if len(parts) > 1 else parts[0]:
        found[dates[row["number"]]] = (row["orders"], row["revenue"] or Decimal(0))
    return found


def _start(day: date) -> datetime:
    return timezone.make_aware(datetime.combine(day, time.min))


def _key(day: date) -> str:
    return f"sales:{day.isoformat()}"


def _generation(day: date) -> str:
    return f"{_key(day)}:generation"


@receiver([order_status_changed, order_deleted], dispatch_uid="erp_site.forget_sales_of_day")
def forget_day(sender: type[Order], *, order: Order, **_: Any) -> None:
    """An order that no longer counts leaves the figures of its day."""
    if order.status not in SOLD or order.deleted_at:
        _forget_day_of(order)


@receiver(order_amended, dispatch_uid="erp_site.forget_sales_of_amended")
def forget_day_of_amended(
    sender: type[Order], *, order: Order, fields: Mapping[str, Any], **_: Any
) -> None:
    """An order that comes to another total changes the figures of its day."""
    if "total" in fields:
        _forget_day_of(order)


def _forget_day_of(order: Order) -> None:
    name = _generation(timezone.localdate(order.created_at))
    transaction.on_commit(
        lambda: cache.set(name, uuid.uuid4().hex, GENERATION_KEPT_FOR), robust=True
    )
