"""What was sold on a day that is over: counted once, and again as soon as an order of it no longer counts."""

from collections.abc import Callable, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from unittest.mock import Mock

import pytest
from django.core.cache import cache
from django.utils import timezone

from accounts.models import User
from catalog.models import Product
from erp_site import sales
from erp_site.core import clock
from orders.models import Order
from orders.services import NewItem, amend_order, change_status
from orders.states import OrderStatus

# Its own transactions, since a day is forgotten after a commit.
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def order(place: Callable[..., Order], product: Product) -> Order:
    """One of the day before, at 20.00; another of that day stays."""
    with clock.moved_to(timezone.now() - timedelta(days=1)):
        place((product, 1))
        return place((product, 2))


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[list[date]]:
    """The days of each count."""
    days: list[list[date]] = []
    count = sales._count

    def counting(dates: Sequence[date]) -> Any:
        days.append(list(dates))
        return count(dates)

    monkeypatch.setattr(sales, "_count", counting)
    return days


def figures() -> tuple[int, Decimal]:
    """Those of the day before."""
    day = sales.sales(days=3)[-2]
    return day.orders, day.revenue


def cancel(order: Order, actor: User) -> None:
    change_status(actor=actor, order_id=order.pk, to=OrderStatus.CANCELLED)


def test_a_day_that_is_over_is_counted_once(order: Order, counted: list[list[date]]) -> None:
    assert figures() == figures() == (2, Decimal("30.00"))
    today = clock.today()
    assert counted == [[today - timedelta(days=back) for back in (2, 1, 0)], [today]]


def test_a_day_is_counted_again_when_an_order_of_it_is_cancelled(
    order: Order, admin: User, counted: list[list[date]]
) -> None:
    figures()
    cancel(order, admin)
    assert figures() == figures() == (1, Decimal("10.00"))
    today = clock.today()
    assert counted[1:] == [[today - timedelta(days=1), today], [today]]


def test_a_day_is_counted_again_when_an_order_of_it_comes_to_another_total(
    order: Order, product: Product, admin: User, counted: list[list[date]]
) -> None:
    figures()
    amend_order(actor=admin, order_id=order.pk, notes="Ring twice")
    figures()
    today = clock.today()
    assert counted[1:] == [[today]]
    amend_order(actor=admin, order_id=order.pk, items=[NewItem(product.pk, 5)])
    assert figures() == (2, Decimal("60.00"))
    assert counted[2:] == [[today - timedelta(days=1), today]]


def test_a_count_that_began_before_a_cancellation_is_not_kept_after_it(
    order: Order, admin: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It writes last, and what it writes was true before: it stood on the first page for ten minutes."""
    count = sales._count

    def slow(dates: Sequence[date]) -> Any:
        found = count(dates)
        cancel(order, admin)
        return found

    with monkeypatch.context() as patched:
        patched.setattr(sales, "_count", slow)
        assert figures() == (2, Decimal("30.00"))
    assert figures() == (1, Decimal("10.00"))


def test_the_days_of_a_month_are_asked_for_and_kept_in_one_round_trip_each(
    order: Order, monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: Any
) -> None:
    spy = Mock(wraps=cache)
    monkeypatch.setattr(sales, "cache", spy)
    with django_assert_num_queries(1):
        sales.sales(days=30)
    assert [call[0] for call in spy.method_calls] == ["get_many", "set_many"]
