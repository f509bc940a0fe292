"""The log as a page, the notices of what runs low, and Ctrl+K."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import User
from accounts.services import update_user
from catalog.models import LowStockNotice, Product
from catalog.services import adjust_stock
from catalog.services import delete_product as take_out
from catalog.services.low_stock import note_low_stock
from customers.models import Customer
from erp_site.activity import KINDS
from erp_site.core import clock
from erp_site.core.events import EventType
from erp_site.core.models import Event
from erp_site.testing import Api
from erp_site.tests.test_imports import imported
from orders.models import Order

pytestmark = pytest.mark.django_db


@pytest.fixture
def desk(desk_of: Callable[[User], Client], manager: User) -> Client:
    return desk_of(manager)


def said(response: Any) -> list[tuple[str, str, str]]:
    """What, detail and record of each row."""
    return [
        (str(entry.kind.label), entry.detail, entry.record) for entry in response.context["entries"]
    ]


def test_every_type_of_event_has_words() -> None:
    assert set(KINDS) == set(EventType)


class TestLog:
    def test_a_row_says_what_happened_to_which_record_and_leads_there(
        self, desk: Client, manager: User, product: Product
    ) -> None:
        adjust_stock(actor=manager, product_id=product.pk, delta=8, reason="received")
        response = desk.get("/activity")
        assert said(response)[0] == ("Stock adjusted", "+8 → 18 on hand · Received", str(product))
        page = response.content.decode()
        assert f'<a href="{reverse("catalog:detail", args=[product.pk])}">' in page
        assert "&quot;delta&quot;: 8" in page

    def test_it_is_filtered_by_kind_record_person_and_day(
        self, desk: Client, manager: User, product: Product, place: Callable[..., Order]
    ) -> None:
        order = place((product, 1))
        adjust_stock(actor=manager, product_id=product.pk, delta=1, reason="found")
        kinds = {kind for kind, _, _ in said(desk.get(f"/activity?actor_id={manager.pk}"))}
        assert kinds == {"Stock adjusted"}
        of_order = said(desk.get(f"/activity?aggregate=order&aggregate_id={order.pk}"))
        assert {record for _, _, record in of_order} == {order.number}
        assert [kind for kind, _, _ in said(desk.get("/activity?type=order.placed"))] == [
            "Order placed"
        ]
        tomorrow = (clock.today() + timedelta(days=1)).isoformat()
        assert said(desk.get(f"/activity?created_from={tomorrow}")) == []

    def test_a_wrong_filter_is_named_and_shows_nothing(self, desk: Client) -> None:
        response = desk.get("/activity?type=nothing")
        assert "nothing" in str(response.context["listing"].form.errors["type"])
        assert said(response) == []

    def test_a_record_that_is_gone_keeps_its_name_and_no_link(
        self, desk: Client, admin: User, make_product: Callable[..., Product]
    ) -> None:
        product = make_product("GONE", on_hand=0)
        take_out(actor=admin, product_id=product.pk)
        page = desk.get("/activity?aggregate=product").content.decode()
        rows = re.findall(r"<tr data-row>.*?</tr>", page, re.DOTALL)
        assert all("GONE" in row and "Deleted" in row and "/products/" not in row for row in rows)


class TestNotices:
    def test_what_runs_low_is_in_the_bell_with_what_is_left(
        self, desk_of: Callable[[User], Client], viewer: User, make_product: Callable[..., Product],
        place: Callable[..., Order],
    ) -> None:  # fmt: skip
        product = make_product("LOW-1", on_hand=10, low_stock_threshold=5)
        place((product, 6))
        for event in Event.objects.filter(type=EventType.STOCK_LOW):
            note_low_stock(event)
        notice = LowStockNotice.objects.get()
        desk = desk_of(viewer)
        for path in ("/notices", "/notices/bell"):
            page = desk.get(path).content.decode()
            assert "LOW-1" in page
            assert '<span class="pill warn">4</span>' in page
        assert f'data-latest="{notice.pk}"' in desk.get("/notices/bell").content.decode()


def by_page(desk: Client, product: Product) -> None:
    opened = desk.get(f"/products/{product.pk}/edit")
    typed = {bound.name: bound.value() or "" for bound in opened.context["form"]}
    form = {**typed, "opened": opened.context["opened"], "low_stock_threshold": "20"}
    assert desk.post(f"/products/{product.pk}/edit", form).status_code == 302


def by_api(desk: Client, product: Product) -> None:
    Api(desk).patch(f"/products/{product.pk}", {"low_stock_threshold": 20})


def by_import(desk: Client, product: Product) -> None:
    assert imported(desk, "products", b"SKU;Minimum stock\nRAISED;20\n").updated == 1


@pytest.mark.parametrize("raise_threshold", [by_page, by_api, by_import])
def test_a_threshold_raised_above_what_there_is_makes_one_notice(
    raise_threshold: Callable[[Client, Product], None],
    desk: Client,
    manager: User,
    make_product: Callable[..., Product],
) -> None:
    product = make_product("RAISED", on_hand=12, low_stock_threshold=5)
    raise_threshold(desk, product)
    [event] = Event.objects.filter(type=EventType.STOCK_LOW)
    assert event.actor == manager
    note_low_stock(event)
    notice = LowStockNotice.objects.get()
    assert (notice.product, notice.available, notice.threshold) == (product, 12, 20)


@pytest.mark.parametrize(
    "path", ["/activity", "/notices", "/notices/bell", "/palette?q=product", "/palette?q=customer"]
)
def test_three_rows_cost_as_many_statements_as_one(
    desk: Client,
    admin: User,
    make_user: Callable[..., User],
    make_product: Callable[..., Product],
    make_customer: Callable[..., Customer],
    place: Callable[..., Order],
    path: str,
) -> None:
    def happen() -> None:
        """One event of each aggregate, and one product more that runs low."""
        product = make_product(on_hand=5, low_stock_threshold=5)
        place((product, 1))
        make_customer()
        update_user(actor=admin, user_id=make_user("viewer").pk, name="Other")
        for event in Event.objects.filter(type=EventType.STOCK_LOW):
            note_low_stock(event)

    happen()
    desk.get(path)
    counts = []
    for _ in range(2):
        with CaptureQueriesContext(connection) as queries:
            assert desk.get(path).status_code == 200
        counts.append(len(queries))
        happen()
        happen()
    assert counts[0] == counts[1]
