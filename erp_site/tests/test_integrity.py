"""check_integrity names every kind of damage, and raises no alarm while the site is used."""

import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from decimal import Decimal
from io import StringIO
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connection

from accounts.models import User
from catalog.models import Product
from catalog.services import adjust_stock, change_prices, create_price_list, delete_product
from customers.models import Customer
from erp_site import integrity
from erp_site.core import outbox
from erp_site.core.consumers import Consumer
from erp_site.core.events import Aggregate
from erp_site.core.models import Event
from erp_site.core.webhooks import create_webhook, delete_webhook
from erp_site.integrity import Report, Rule
from erp_site.testing import in_parallel, level_of
from orders.models import Order
from orders.services import NewItem, amend_order, change_status, delete_order
from orders.states import OrderStatus

S = OrderStatus


def sql(statement: str) -> None:
    """Write past the services, as an accident would."""
    with connection.cursor() as cursor:
        cursor.execute(statement)
        assert cursor.rowcount > 0, f"nothing was damaged by: {statement}"


@pytest.fixture
def desk(
    make_product: Callable[..., Product],
    place: Callable[..., Order],
    make_customer: Callable[..., Customer],
    make_user: Callable[..., User],
    manager: User,
) -> dict[str, int]:
    """Ids of a little of everything: orders delivered, pending, cancelled and deleted, events published or not."""
    rice = make_product("RICE", name="Arroz", on_hand=50, low_stock_threshold=45)
    bean = make_product("BEAN", name="Feijão", on_hand=50)
    empty = make_product("EMPTY", on_hand=0)
    gone = make_product("GONE", on_hand=0)
    delete_product(actor=manager, product_id=gone.pk)
    delivered = place((rice, 3), (bean, 2))
    for status in (S.CONFIRMED, S.PICKED, S.SHIPPED, S.DELIVERED):
        change_status(actor=manager, order_id=delivered.pk, to=status)
    cancelled = place((bean, 4))
    change_status(actor=manager, order_id=cancelled.pk, to=S.CANCELLED)
    deleted = place((rice, 1))
    delete_order(actor=manager, order_id=deleted.pk)
    admin = make_user("admin")
    hook = create_webhook(actor=admin, url="https://a.example")
    delete_webhook(actor=admin, webhook_id=create_webhook(actor=admin, url="https://b.example").pk)
    outbox.publish([Consumer("recorder", handle=print)])
    pending = place((rice, 5), (bean, 1))
    amended = place((rice, 4), (bean, 2))
    for items in ([NewItem(rice.pk, 1)], [NewItem(rice.pk, 2)]):
        amend_order(actor=manager, order_id=amended.pk, items=items)
    adjust_stock(actor=manager, product_id=bean.pk, delta=-3, reason="damaged")
    wholesale = create_price_list(actor=manager, name="Atacado")
    change_prices(actor=manager, price_list_id=wholesale.pk, prices={rice.pk: Decimal(9)})
    return {
        "delivered": delivered.pk,
        "cancelled": cancelled.pk,
        "deleted": deleted.pk,
        "pending": pending.pk,
        "amended": amended.pk,
        "rice": rice.pk,
        "rice_level": level_of(rice).pk,
        "empty": empty.pk,
        "gone": gone.pk,
        "customer": pending.customer_id,
        "idle": make_customer("Maria Silva", price_list_id=wholesale.pk).pk,
        "wholesale": wholesale.pk,
        "hook": hook.pk,
    }


def test_what_the_services_wrote_is_well(desk: dict[str, int]) -> None:
    report = integrity.inspect()
    assert dict(report.examples) == {}
    assert report.figures == {
        "orders": 5,
        "lines": 7,
        "steps": 11,
        "stock levels": 4,
        "movements": 18,
        "events": Event.objects.count(),
        "published": Event.objects.filter(position__isnull=False).count(),
        "products": 4,
        "customers": 2,
        "users": 4,
    }


def test_whatever_has_events_is_held_against_them() -> None:
    assert set(integrity.SOURCES) == set(Aggregate)


DELETED_NOW = "deleted_at = '2026-01-01 00:00:00'"
DAMAGE = [
    ("UPDATE catalog_stockmovement SET on_hand_after = on_hand_after + 1 WHERE kind = 'opening'", {Rule.LEDGER}),
    ("UPDATE catalog_stockmovement SET delta_reserved = 4 WHERE kind = 'reserved' AND delta_reserved = 5",
     {Rule.LEDGER, Rule.STOCK, Rule.MOVED}),
    ("DELETE FROM catalog_stockmovement WHERE kind = 'adjusted'", {Rule.STOCK}),
    ("DELETE FROM catalog_stockmovement WHERE kind = 'shipped'", {Rule.LEDGER, Rule.STOCK, Rule.MOVED}),
    ("UPDATE catalog_stocklevel SET on_hand = on_hand + 1 WHERE id = {rice_level}", {Rule.STOCK}),
    ("UPDATE catalog_stocklevel SET reserved = reserved - 1 WHERE id = {rice_level}", {Rule.STOCK, Rule.RESERVED}),
    ("UPDATE catalog_stockmovement SET kind = 'adjusted' WHERE kind = 'released'", {Rule.MOVED}),
    ("DELETE FROM orders_orderamendment WHERE order_id = {amended} AND version = 2", {Rule.MOVED}),
    ("UPDATE orders_orderitem SET quantity = 6, subtotal = 60 WHERE quantity = 5",
     {Rule.RESERVED, Rule.MOVED, Rule.TOTAL}),
    ("DELETE FROM catalog_stocklevel WHERE product_id = {empty}", {Rule.LEVEL}),
    ("UPDATE catalog_warehouse SET is_default = NULL", {Rule.LEVEL, Rule.RESERVED, Rule.MOVED}),
    ("UPDATE orders_orderhistory SET seq = 9 WHERE seq = 5", {Rule.HISTORY}),
    ("DELETE FROM orders_orderhistory WHERE seq = 1 AND order_id = {pending}", {Rule.STATUS}),
    ("DELETE FROM orders_orderhistory WHERE seq = 3", {Rule.HISTORY}),
    ("UPDATE orders_orderhistory SET from_status = 'pending' WHERE seq = 1", {Rule.HISTORY}),
    ("UPDATE orders_orderhistory SET to_status = 'confirmed' WHERE order_id = {pending}", {Rule.HISTORY, Rule.STATUS}),
    ("UPDATE orders_orderhistory SET to_status = 'cancelled', from_status = 'shipped' WHERE to_status = 'delivered'",
     {Rule.HISTORY, Rule.STATUS}),
    ("UPDATE orders_order SET status = 'confirmed' WHERE id = {pending}", {Rule.STATUS}),
    ("UPDATE orders_order SET status = 'cancelled' WHERE id = {pending}", {Rule.STATUS, Rule.RESERVED, Rule.MOVED}),
    ("UPDATE orders_orderitem SET subtotal = subtotal + 0.01 WHERE quantity = 5", {Rule.SUBTOTAL, Rule.TOTAL}),
    ("UPDATE orders_orderitem SET list_price = unit_price WHERE quantity = 5", {Rule.AGREED}),
    ("UPDATE orders_orderitem SET list_price = 0 WHERE quantity = 5", {Rule.AGREED}),
    ("UPDATE orders_order SET total = total + 0.01 WHERE id = {delivered}", {Rule.TOTAL}),
    ("UPDATE orders_order SET items_count = 1 WHERE id = {delivered}", {Rule.TOTAL}),
    ("UPDATE orders_order SET idempotency_key = 'KEY-1' WHERE id = {delivered}", {Rule.KEY}),
    ("UPDATE orders_order SET created_by_id = NULL WHERE id = {delivered}", {Rule.KEY}),
    ("UPDATE orders_order SET " + DELETED_NOW + " WHERE id = {pending}", {Rule.DELETED}),
    ("UPDATE catalog_product SET live = NULL, " + DELETED_NOW + " WHERE id = {rice}", {Rule.DELETED}),
    ("UPDATE customers_customer SET live = NULL, " + DELETED_NOW + " WHERE id = {customer}", {Rule.DELETED}),
    ("UPDATE catalog_pricelist SET live = NULL, " + DELETED_NOW + " WHERE id = {wholesale}", {Rule.DELETED}),
    ("UPDATE catalog_pricelist SET event_seq = 1 WHERE id = {wholesale}", {Rule.SEQUENCE}),
    ("UPDATE catalog_pricelist SET sorted_name = 'zzz' WHERE id = {wholesale}", {Rule.SORTED}),
    ("UPDATE orders_order SET event_seq = event_seq + 1 WHERE id = {pending}", {Rule.SEQUENCE}),
    ("UPDATE catalog_stocklevel SET event_seq = 0 WHERE id = {rice_level}", {Rule.SEQUENCE}),
    ("UPDATE customers_customer SET event_seq = 0 WHERE id = {customer}", {Rule.SEQUENCE}),
    ("UPDATE core_event SET sequence = 99 WHERE type = 'order.placed' AND aggregate_id = {pending}", {Rule.SEQUENCE}),
    ("DELETE FROM core_event WHERE type = 'stock.reserved' AND aggregate_id = {pending}", {Rule.SEQUENCE}),
    ("UPDATE core_event SET aggregate_id = 999999 WHERE type = 'product.created' AND aggregate_id = {empty}",
     {Rule.SEQUENCE, Rule.DELIVERY}),
    ("UPDATE core_event SET aggregate = 'comet' WHERE type = 'customer.created' AND aggregate_id = {idle}",
     {Rule.SEQUENCE}),
    ("UPDATE core_event SET position = NULL WHERE position = 5", {Rule.FEED, Rule.DELIVERY}),
    ("UPDATE core_webhook SET event_seq = 7 WHERE id = {hook}", {Rule.SEQUENCE}),
    ("UPDATE core_event SET position = 1000 WHERE type = 'order.placed' AND aggregate_id = {delivered}",
     {Rule.FEED, Rule.DELIVERY}),
    ("UPDATE core_feed SET last_position = last_position - 1", {Rule.FEED}),
    ("DELETE FROM core_feed", {Rule.FEED}),
    ("UPDATE core_delivery SET position = position + 1000", {Rule.DELIVERY}),
    ("UPDATE core_delivery SET aggregate = 'user' WHERE aggregate = 'order'", {Rule.DELIVERY}),
    ("DELETE FROM catalog_productword WHERE owner_id = {gone} AND word = '.gone'", {Rule.SEARCH}),
    ("UPDATE customers_customer SET name = 'Maria Souza' WHERE id = {idle}", {Rule.SEARCH, Rule.SORTED}),
    ("UPDATE catalog_product SET sorted_name = 'zzz' WHERE id = {rice}", {Rule.SORTED}),
    ("UPDATE accounts_userword SET word = 'nobody' WHERE word = 'manager'", {Rule.SEARCH}),
    ("UPDATE orders_order SET customer_reference = 'PO 1' WHERE id = {pending}", {Rule.SEARCH}),
]  # fmt: skip


@pytest.mark.parametrize(("damage", "rules"), DAMAGE)
def test_damage_is_named(desk: dict[str, int], damage: str, rules: set[Rule]) -> None:
    sql(damage.format(**desk))
    assert set(integrity.inspect().breaches) == rules


def test_every_rule_is_seen_broken() -> None:
    assert set.union(*(rules for _, rules in DAMAGE)) == set(Rule)


def test_positions_that_do_not_follow_a_sequence_are_seen(desk: dict[str, int]) -> None:
    first, second = Event.objects.filter(aggregate="order", aggregate_id=desk["delivered"])[:2]
    sql(f"UPDATE core_event SET position = 0 WHERE id = {first.pk}")
    sql(f"UPDATE core_event SET position = {first.position} WHERE id = {second.pk}")
    sql(f"UPDATE core_event SET position = {second.position} WHERE id = {first.pk}")
    sql("DELETE FROM core_delivery")
    assert integrity.inspect().examples == {
        Rule.FEED: [
            f"order {desk['delivered']}: event 1 at position {second.position} comes after its next one"
        ]
    }


def test_the_report_says_how_often_and_shows_the_first_few() -> None:
    report = Report()
    for number in range(integrity.MOST_SHOWN + 5):
        report.breach(Rule.KEY, str(number))
    assert report.breaches == {Rule.KEY: integrity.MOST_SHOWN + 5}
    assert report.examples == {Rule.KEY: [str(n) for n in range(integrity.MOST_SHOWN)]}


def test_rows_are_read_in_chunks(
    desk: dict[str, int],
    monkeypatch: pytest.MonkeyPatch,
    place: Callable[..., Order],
    product: Product,
) -> None:
    monkeypatch.setattr(integrity, "CHUNK", 2)
    place((product, 1))
    report = integrity.inspect()
    assert (dict(report.examples), report.figures["orders"]) == ({}, 6)


def test_the_command_says_that_all_is_well(desk: dict[str, int]) -> None:
    out = StringIO()
    call_command("check_integrity", stdout=out)
    name = Path(connection.settings_dict["NAME"]).name
    assert out.getvalue().startswith(
        f"All is well in {connection.display_name} {name}: 5 orders, 7 lines, 11 steps, 4 stock levels, "
    )
    assert out.getvalue().count("\n") == 1


def test_the_command_says_what_is_wrong_and_fails(desk: dict[str, int]) -> None:
    sql(f"UPDATE orders_order SET total = total + 1 WHERE id = {desk['pending']}")
    out = StringIO()
    with pytest.raises(CommandError) as failed:
        call_command("check_integrity", stdout=out)
    assert (str(failed.value), failed.value.returncode) == ("Rules broken: 1.", 1)
    number = f"PED-{desk['pending']:06d}"
    assert out.getvalue().splitlines() == [
        "total: an order's total and number of items are those of its lines. Not so 1 times:",
        f"  {number} says 61.00 for 2 items, its lines say 60.00 for 2",
    ]


def check_of(url: str) -> tuple[int, str, str]:
    """Exit code, output and complaint of the command as it is started by hand, on another database."""
    done = subprocess.run(
        [sys.executable, "manage.py", "check_integrity"],
        cwd=settings.BASE_DIR,
        env=os.environ | {"DATABASE_URL": url, "REDIS_URL": ""},
        check=False,
        timeout=60,
        capture_output=True,
        text=True,
    )
    return done.returncode, done.stdout, done.stderr


def test_the_command_says_that_the_database_is_not_migrated(tmp_path: Path) -> None:
    file = tmp_path / "erp.sqlite3"
    sqlite3.connect(file).execute("CREATE TABLE other (id INTEGER)").connection.close()
    code, out, complaint = check_of(f"sqlite:///{file}")
    assert (code, out) == (1, "")
    missing = re.fullmatch(
        rf"CommandError: SQLite {re.escape(str(file))} is not as this version needs it, migrations missing: (\d+)\. "
        r"Run `manage\.py migrate`\.\n",
        complaint,
    )
    assert missing, complaint
    assert int(missing[1]) > 20


def test_the_command_says_that_there_is_no_database_and_makes_none(tmp_path: Path) -> None:
    file = tmp_path / "erp.sqlite3"
    said = f"CommandError: There is no SQLite {file}. Check DATABASE_URL.\n"
    assert check_of(f"sqlite:///{file}") == (1, "", said)
    assert not file.exists()


def test_the_command_says_that_the_file_is_no_database(tmp_path: Path) -> None:
    file = tmp_path / "erp.sqlite3"
    file.write_bytes(b"no database" * 1000)
    said = (
        f"CommandError: SQLite {file} cannot be read: file is not a database. Check DATABASE_URL.\n"
    )
    assert check_of(f"sqlite:///{file}") == (1, "", said)


@pytest.mark.skipif(connection.vendor != "mysql", reason="a server that is away")
def test_the_command_says_that_the_server_is_away() -> None:
    code, out, complaint = check_of("mysql://ana:a-secret@127.0.0.1:1/erp")
    assert (code, out) == (1, "")
    assert complaint.startswith(
        "CommandError: MySQL erp at 127.0.0.1:1 cannot be read: Can't connect"
    )
    assert complaint.endswith(". Check DATABASE_URL.\n")
    assert (complaint.count("\n"), "a-secret" in complaint) == (1, False)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("moment", "alarms"),
    [(integrity.one_moment, set()), (nullcontext, {Rule.RESERVED, Rule.MOVED})],
)
def test_a_site_in_use_raises_no_alarm(
    moment: Callable[[], AbstractContextManager[None]],
    alarms: set[Rule],
    place: Callable[..., Order],
    product: Product,
) -> None:
    """The second case is the control: without the one moment, an order placed meanwhile looks like damage."""
    place((product, 1))
    report = Report()
    with moment():
        promised = integrity.inspect_orders(report)
        (placed,) = in_parallel(lambda: place((product, 1)))
        assert isinstance(placed, Order), "a writer waited for the check"
        integrity.inspect_levels(report, integrity.inspect_ledger(report), promised)
    assert set(report.breaches) == alarms
    assert dict(integrity.inspect().examples) == {}
