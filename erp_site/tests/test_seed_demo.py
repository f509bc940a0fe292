"""The demo's story: believable, true in every row, and told once."""

import threading
from collections.abc import Iterator
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import transaction
from django.db.models import F
from django.utils import timezone
from pytest_django.plugin import DjangoDbBlocker

from accounts.models import User
from accounts.roles import Role
from catalog.models import (
    ListedPrice,
    LowStockNotice,
    PriceList,
    Product,
    StockLevel,
    StockMovement,
)
from customers.models import Customer
from erp_site import integrity
from erp_site.core import clock, gtin, outbox, taxid
from erp_site.core.models import Event
from erp_site.demo import LOGINS, PASSWORD
from erp_site.demo.price_lists import PRICE_LISTS
from erp_site.demo.story import DAYS
from orders.models import Order, OrderHistory, OrderItem, OrderNote
from orders.states import FINAL, OPEN, OrderStatus


@pytest.fixture(scope="module")
def story(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[str]:
    """The demo, told once for all these tests and taken back after them; what the command said."""
    out = StringIO()
    with django_db_blocker.unblock(), transaction.atomic():
        call_command("seed_demo", stdout=out)
        yield out.getvalue()
        transaction.set_rollback(True)


def test_there_is_as_much_as_a_demo_needs(story: str) -> None:
    products, customers, orders = (
        Product.objects.count(),
        Customer.objects.count(),
        Order.all_objects.count(),
    )
    assert (products >= 60, customers >= 40, orders >= 300) == (True, True, True)
    assert story == (
        f"Made {products} products, {customers} customers and {orders} orders. Sign in as admin@example.com, "
        "manager@example.com, operator@example.com, viewer@example.com with the password pedidos-demo-2026.\n"
    )


def test_every_row_is_true(story: str) -> None:
    assert dict(integrity.inspect().examples) == {}


def test_the_relay_can_publish_it(story: str) -> None:
    with transaction.atomic():
        outbox.run(threading.Event(), once=True)
        report = integrity.inspect()
        assert (dict(report.examples), report.figures["published"]) == ({}, Event.objects.count())
        assert LowStockNotice.objects.count() == Event.objects.filter(type="stock.low").count() > 0
        transaction.set_rollback(True)


def test_there_is_a_user_of_each_role_who_can_sign_in(story: str) -> None:
    users = {Role(user.role): user for user in User.objects.filter(email__in=LOGINS.values())}
    assert {role: user.email for role, user in users.items()} == LOGINS
    assert [user.check_password(PASSWORD) for user in users.values()] == [True] * 4
    assert {role: user.discount_limit for role, user in users.items() if user.discount_limit} == {
        Role.OPERATOR: 5
    }


def test_there_are_orders_in_every_state(story: str) -> None:
    found = Order.objects.values_list("status", flat=True)
    assert {status for status in OrderStatus if list(found).count(status) >= 2} == set(OrderStatus)
    today = clock.today()
    assert Order.objects.filter(status__in=OPEN, due_date__lt=today).exists(), "none is late"
    assert Order.all_objects.exclude(deleted_at=None).exists(), "none is deleted"
    assert not Order.objects.filter(status__in=FINAL, updated_at=F("created_at")).exists()


def test_tax_ids_and_barcodes_are_valid_and_nobodys(story: str) -> None:
    tax_ids = list(Customer.objects.values_list("cpf_cnpj", flat=True))
    assert [it for it in tax_ids if not taxid.is_valid(it)] == []
    assert {"cpf", "cnpj", "alphanumeric cnpj"} == {
        "cpf" if len(it) == 11 else "cnpj" if it.isdigit() else "alphanumeric cnpj"
        for it in tax_ids
    }
    barcodes = list(Product.objects.values_list("gtin", flat=True))
    assert [
        it for it in barcodes if not (gtin.is_valid(it) and len(it) == 13 and it[0] == "2")
    ] == []


def test_some_goods_are_low_or_out_or_no_longer_sold(story: str) -> None:
    levels = [
        (level.available, level.product) for level in StockLevel.objects.select_related("product")
    ]
    out = sum(available == 0 for available, _ in levels)
    low = sum(0 < available <= (it.low_stock_threshold or 0) for available, it in levels)
    assert (out > 0, low > 0) == (True, True)
    assert Product.objects.filter(is_active=False).exists()
    assert Customer.objects.filter(is_active=False).count() == 1


def test_who_has_a_price_list_ordered_at_its_prices(story: str) -> None:
    for demo in PRICE_LISTS:
        price_list = PriceList.objects.get(name=demo.name)
        customers = Customer.objects.filter(price_list=price_list)
        assert set(customers.values_list("name", flat=True)) == demo.customers
        prices = dict(price_list.prices.values_list("product__sku", "price"))
        assert prices == demo.prices
        own = OrderItem.objects.filter(order__customer__in=customers, sku__in=prices)
        assert {line.unit_price == prices[line.sku] for line in own} == {True}
    others = Customer.objects.filter(price_list=None)
    assert others.count() > Customer.objects.count() / 2
    assert all(it.price < it.product.price for it in ListedPrice.objects.select_related("product"))


def test_everything_has_its_own_moment_in_the_last_weeks(story: str) -> None:
    now = timezone.now()
    begin = now - timedelta(days=DAYS + 9)
    for model in (
        Order,
        OrderHistory,
        OrderNote,
        StockMovement,
        Event,
        Product,
        PriceList,
        Customer,
    ):
        rows = model._base_manager.order_by("pk")
        times = list(rows.values_list("created_at", flat=True))
        assert times == sorted(times), f"{model.__name__} is not told in the order of time"
        assert begin < times[0] < times[-1] < now
    placed = OrderHistory.objects.filter(seq=1).exclude(created_at=F("order__created_at"))
    assert not placed.exists()


def test_people_work_on_weekdays_and_by_day(story: str) -> None:
    moments = [
        timezone.localtime(it) for it in OrderHistory.objects.values_list("created_at", flat=True)
    ]
    assert {it.weekday() for it in moments} == {0, 1, 2, 3, 4, 5}
    assert {it.hour for it in moments} == set(range(8, 18))
    assert set(OrderHistory.objects.values_list("actor__role", flat=True)) == {
        Role.ADMIN, Role.MANAGER, Role.OPERATOR,
    }  # fmt: skip
    cancelled = OrderHistory.objects.filter(to_status=OrderStatus.CANCELLED)
    assert cancelled.filter(note="").count() == 0


def test_a_second_time_changes_nothing(story: str) -> None:
    before = Event.objects.count()
    out = StringIO()
    call_command("seed_demo", stdout=out)
    assert (out.getvalue(), Event.objects.count()) == (
        "There are orders already; nothing was done.\n",
        before,
    )


def test_production_is_not_given_a_known_password_by_accident(settings, db: None) -> None:
    settings.PRODUCTION = True
    with pytest.raises(CommandError, match="--production"):
        call_command("seed_demo")
    assert User.objects.count() == 0
