"""Data in bulk: as true as if the services had written it, the same for the same seed, and never over anything."""

import re
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection
from django.db.models import Max, Min

from catalog.models import Product, StockMovement
from customers.models import Customer
from erp_site import integrity
from erp_site.core import clock
from erp_site.core.events import EventType
from erp_site.core.models import Event
from erp_site.demo import load
from orders.models import Order, OrderHistory, OrderItem
from orders.states import OPEN, OrderStatus

pytestmark = pytest.mark.django_db

NOW = clock.now()


def rows() -> list[Any]:
    """Everything that is not an id given by the database."""
    return [
        list(Order.all_objects.order_by("pk").values_list()),
        list(OrderItem.objects.order_by("order", "product").values_list("quantity", "subtotal")),
        list(OrderHistory.objects.order_by("order", "seq").values_list("to_status", "created_at")),
        list(StockMovement.objects.order_by("level", "pk").values_list("kind", "on_hand_after")),
        list(Event.objects.order_by("position").values_list("uid", "type", "payload")),
        list(Customer.all_objects.order_by("pk").values_list("name", "cpf_cnpj")),
    ]


class TestFill:
    @pytest.fixture(autouse=True)
    def _filled(self) -> None:
        with clock.moved_to(NOW):
            load.fill(400, products=60, seed=7)

    def test_it_keeps_every_rule_that_the_services_keep(self) -> None:
        report = integrity.inspect()
        assert (report.breaches, dict(report.examples)) == ({}, {})
        assert (report.figures["orders"], report.figures["lines"]) == (
            400,
            OrderItem.objects.count(),
        )

    def test_orders_have_three_lines_on_average_and_every_status(self) -> None:
        assert OrderItem.objects.count() == pytest.approx(3 * 400, abs=6)
        by_status = Counter(Order.all_objects.values_list("status", flat=True))
        assert by_status[OrderStatus.DELIVERED] > 300
        assert by_status[OrderStatus.CANCELLED] > 5
        assert sum(by_status[status] for status in OPEN) > 0

    def test_they_lie_in_the_last_two_years_and_none_in_the_future(self) -> None:
        found = Order.all_objects.aggregate(first=Min("created_at"), last=Max("updated_at"))
        assert NOW - timedelta(days=load.DAYS + 1) <= found["first"] < NOW - timedelta(days=700)
        assert NOW - timedelta(days=10) < found["last"] <= NOW
        assert Event.objects.filter(created_at__gt=NOW).count() == 0

    def test_some_customers_and_products_are_in_demand(self) -> None:
        most = Order.all_objects.filter(customer_id__lte=10).count()
        least = Order.all_objects.filter(customer_id__gt=90).count()
        assert most > 3 * max(1, least)

    def test_every_order_has_its_events(self) -> None:
        placed = Event.objects.filter(type=EventType.ORDER_PLACED, aggregate="order", sequence=1)
        assert placed.count() == 400


@pytest.mark.django_db(transaction=True)
def test_the_same_seed_makes_the_same_rows() -> None:
    made = []
    for seed in (1, 1, 2):
        call_command("flush", interactive=False, verbosity=0)  # people get the same ids again
        with clock.moved_to(NOW):
            load.fill(60, products=20, seed=seed)
        made.append(rows())
    assert made[0] == made[1]
    assert made[0][0] != made[2][0]


def test_it_refuses_a_database_that_holds_anything(product: Product) -> None:
    before = Product.all_objects.count()
    with pytest.raises(CommandError, match="nothing was done"):
        call_command("seed_load", orders=10, verbosity=0)
    assert (Product.all_objects.count(), Order.all_objects.count()) == (before, 0)


def test_it_refuses_production_settings(settings: Any) -> None:
    settings.PRODUCTION = True
    with pytest.raises(CommandError, match="--production"):
        call_command("seed_load", orders=10, verbosity=0)
    assert Order.all_objects.count() == 0


@pytest.mark.parametrize("wanted", [{"orders": 0}, {"orders": 5, "products": 3}])
def test_it_says_what_is_too_little(wanted: dict[str, int]) -> None:
    with pytest.raises(CommandError, match=r"at least"):
        call_command("seed_load", verbosity=0, **wanted)
    assert Order.all_objects.count() == 0


@pytest.mark.skipif(connection.vendor == "sqlite", reason="it takes no files")
@pytest.mark.django_db(transaction=True)
class TestFiles:
    """Sent as files, on two connections side by side; with the indexes in place, or made in the end."""

    @staticmethod
    def tables() -> list[str]:
        """Each large table as the database would make it again."""
        made = []
        with connection.cursor() as cursor:
            for table in load._LARGE:
                cursor.execute(f"SHOW CREATE TABLE {table.name}")
                text = re.sub(r" AUTO_INCREMENT=\d+", "", cursor.fetchone()[1])
                made.append("\n".join(sorted(line.strip(" ,") for line in text.splitlines())))
        return made

    @pytest.fixture(autouse=True)
    def _files(self) -> Iterator[None]:
        load.accept_files()
        if not load._takes_files():
            pytest.skip("this server takes no files")
        yield
        connection.settings_dict["OPTIONS"].pop("local_infile")
        connection.close()

    @pytest.mark.parametrize("indexes_last", [False, True])
    def test_it_keeps_every_rule_too(self, indexes_last: bool) -> None:
        before = self.tables()
        load.fill(400, products=60, seed=7, indexes_last=indexes_last)
        assert self.tables() == before
        assert integrity.inspect().breaches == {}
        assert Event.objects.count() > 800

    @pytest.mark.parametrize("indexes_last", [False, True])
    def test_what_fails_leaves_nothing_on_either_connection(
        self, monkeypatch: pytest.MonkeyPatch, indexes_last: bool
    ) -> None:
        before = self.tables()

        def fail(_: load.Load) -> None:
            raise RuntimeError("no more")

        monkeypatch.setattr(load.Load, "close", fail)
        monkeypatch.setattr(load, "BATCH", 500)
        with pytest.raises(RuntimeError, match="no more"):
            load.fill(400, products=60, seed=7, indexes_last=indexes_last)
        assert self.tables() == before
        assert (Order.all_objects.count(), Event.objects.count()) == (0, 0)
