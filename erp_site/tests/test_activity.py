"""The log as a page, the notices of what runs low, and Ctrl+K."""

import re
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import translation

from accounts.models import User
from accounts.services import create_user, update_user
from catalog.models import LowStockNotice, Product
from catalog.services import (
    adjust_stock,
    change_prices,
    create_price_list,
    delete_price_list,
    reprice_list,
    update_price_list,
    update_product,
)
from catalog.services import delete_product as take_out
from catalog.services.low_stock import note_low_stock
from customers.models import Customer
from customers.services import update_customer
from erp_site.activity import BELL, KINDS
from erp_site.core import clock
from erp_site.core.events import EventType
from erp_site.core.models import Event
from erp_site.core.webhooks import create_webhook, delete_webhook
from erp_site.testing import HTMX, Api
from erp_site.tests.test_imports import imported
from orders.models import Order

pytestmark = pytest.mark.django_db


@pytest.fixture
def desk(desk_of: Callable[[User], Client], manager: User) -> Client:
    return desk_of(manager)


def said(response: Any) -> list[tuple[str, str, str]]:
    """What, detail and record of each row."""
    return [
        (str(entry.kind.label), entry.detail, entry.record.name)
        for entry in response.context["entries"]
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

    def test_a_price_list_is_led_to_until_it_is_deleted(
        self, desk: Client, admin: User, product: Product
    ) -> None:
        price_list = create_price_list(actor=admin, name="Resellers", discount=Decimal("7.5"))
        prices = {product.pk: Decimal("9.50")}
        change_prices(actor=admin, price_list_id=price_list.pk, prices=prices)
        way = f'<a href="{reverse("catalog:price_list", args=[price_list.pk])}">Resellers</a>'
        assert desk.get("/activity?aggregate=price_list").content.decode().count(way) == 2
        delete_price_list(actor=admin, price_list_id=price_list.pk)
        assert way not in desk.get("/activity?aggregate=price_list").content.decode()

    def test_price_lists_say_their_discount_and_what_costs_what(
        self, desk: Client, admin: User, make_product: Callable[..., Product]
    ) -> None:
        price_list = create_price_list(actor=admin, name="Atacado", discount=Decimal("7.50"))
        products = [make_product(sku) for sku in "ABCDE"]

        def change(*prices: str | None) -> None:
            wanted = [None if price is None else Decimal(price) for price in prices]
            change_prices(
                actor=admin, price_list_id=price_list.pk,
                prices={it.pk: price for it, price in zip(products, wanted, strict=False)},
            )  # fmt: skip

        change("1.00", "2.00", "3.00", "4.00", "5.00")
        change("1.50", None)
        update_price_list(actor=admin, price_list_id=price_list.pk, name="A", discount=Decimal(0))
        delete_price_list(actor=admin, price_list_id=price_list.pk)
        space = "\N{NO-BREAK SPACE}"
        assert said(desk.get("/activity?aggregate=price_list")) == [
            ("Price list deleted", "", "A"),
            ("Price list changed", f"discount 7.5{space}% → 0{space}%, name", "A"),
            ("Prices changed", f"A R${space}1.00 → R${space}1.50, B R${space}2.00 → —", "A"),
            (
                "Prices changed",
                f"A — → R${space}1.00, B — → R${space}2.00, C — → R${space}3.00 +2",
                "A",
            ),
            ("Price list created", f"\N{MINUS SIGN}7.5{space}%", "A"),
        ]

    @pytest.mark.parametrize(
        ("language", "told"),
        [
            (
                "en",
                [
                    ("User changed", "name, discount limit 7.5 % → 0 %"),
                    ("User changed", "discount limit 5 % → 7.5 %"),
                    ("User created", "Operator, discount limit 5 %"),
                    ("User created", "Viewer"),
                ],
            ),
            (
                "pt-br",
                [
                    ("Usuário alterado", "nome, desconto máximo 7,5 % → 0 %"),
                    ("Usuário alterado", "desconto máximo 5 % → 7,5 %"),
                    ("Usuário criado", "Operação, desconto máximo 5 %"),
                    ("Usuário criado", "Consulta"),
                ],
            ),
        ],
    )
    def test_users_say_how_much_off_a_price_they_may_agree_upon(
        self, desk: Client, manager: User, language: str, told: list[tuple[str, str]]
    ) -> None:
        User.objects.filter(pk=manager.pk).update(language=language)
        create_user(actor=manager, email="vera@example.com", name="Vera")
        oto = create_user(
            actor=manager, email="oto@example.com", name="Oto", role="operator", discount_limit=Decimal(5)
        )  # fmt: skip
        update_user(actor=manager, user_id=oto.pk, discount_limit=Decimal("7.5"))
        update_user(actor=manager, user_id=oto.pk, name="Otto", discount_limit=Decimal(0))
        with translation.override(language):
            found = said(desk.get("/activity?aggregate=user"))
        assert [
            (what, detail.replace("\N{NO-BREAK SPACE}", " ")) for what, detail, _ in found
        ] == told

    def test_a_list_that_was_raised_says_by_how_much(
        self, desk: Client, manager: User, admin: User, product: Product
    ) -> None:
        price_list = create_price_list(actor=admin, name="Atacado")
        prices = {product.pk: Decimal(10)}
        change_prices(actor=admin, price_list_id=price_list.pk, prices=prices)
        reprice_list(actor=admin, price_list_id=price_list.pk, percent=Decimal("-7.5"))
        space = "\N{NO-BREAK SPACE}"
        by = f"\N{MINUS SIGN}7.5{space}%"
        assert said(desk.get("/activity?aggregate=price_list"))[0] == (
            "Prices changed",
            f"{by} · {product.sku} R${space}10.00 → R${space}9.25",
            "Atacado",
        )

    def test_a_customer_who_gets_another_price_list_says_which(
        self, desk: Client, admin: User, make_customer: Callable[..., Customer]
    ) -> None:
        first, second = (create_price_list(actor=admin, name=name) for name in ("One", "Two"))
        customer = make_customer("Ana")
        for given in (first.pk, second.pk, None):
            update_customer(actor=admin, customer_id=customer.pk, price_list_id=given)
        delete_price_list(actor=admin, price_list_id=first.pk)
        update_customer(actor=admin, customer_id=customer.pk, name="Bia", price_list_id=second.pk)
        update_customer(actor=admin, customer_id=customer.pk, phone="11 5555-0100")
        assert [detail for _, detail, _ in said(desk.get("/activity?type=customer.updated"))] == [
            "phone",
            "name, price list — → Two",
            "price list Two → —",
            "price list One → Two",
            "price list — → One",
        ]

    def test_the_names_of_lists_cost_one_statement(
        self, desk: Client, admin: User, make_customer: Callable[..., Customer]
    ) -> None:
        def statements() -> int:
            with CaptureQueriesContext(connection) as queries:
                assert desk.get("/activity?type=customer.updated", headers=HTMX).status_code == 200
            return len(queries)

        customer = make_customer()
        update_customer(actor=admin, customer_id=customer.pk, phone="11 5555-0100")
        statements()
        without = statements()
        found = []
        for number in range(3):
            given = create_price_list(actor=admin, name=f"List {number}")
            update_customer(actor=admin, customer_id=customer.pk, price_list_id=given.pk)
            found.append(statements())
        assert found == [without + 1] * 3

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
    @pytest.fixture
    def notice_of(self) -> Callable[[Product], LowStockNotice]:
        """The latest notice of a product, all events delivered."""

        def find(product: Product) -> LowStockNotice:
            for event in Event.objects.filter(type=EventType.STOCK_LOW):
                note_low_stock(event)
            return LowStockNotice.objects.filter(product=product).latest("pk")

        return find

    def test_what_runs_low_is_in_the_bell_with_what_is_left(
        self, desk_of: Callable[[User], Client], viewer: User, make_product: Callable[..., Product],
        place: Callable[..., Order], notice_of: Callable[[Product], LowStockNotice],
    ) -> None:  # fmt: skip
        product = make_product("LOW-1", on_hand=10, low_stock_threshold=5)
        place((product, 6))
        notice = notice_of(product)
        desk = desk_of(viewer)
        for path in ("/notices", "/notices/bell", "/"):
            page = desk.get(path).content.decode()
            assert "LOW-1" in page
            assert '<span class="pill warn">4</span>' in page
            assert "4 available now, still low" in page
        assert f'data-latest="{notice.pk}"' in desk.get("/notices/bell").content.decode()

    def test_the_stock_of_now_is_shown_beside_that_of_the_notice(
        self, desk: Client, manager: User, make_product: Callable[..., Product],
        place: Callable[..., Order], notice_of: Callable[[Product], LowStockNotice],
    ) -> None:  # fmt: skip
        product = make_product("LOW-1", on_hand=10, low_stock_threshold=5)
        place((product, 6))
        notice = notice_of(product)
        place((product, 4))
        for path in ("/notices", "/notices/bell", "/"):
            page = desk.get(path).content.decode()
            assert '<span class="pill bad">0</span>' in page
            assert "0 available now, still low" in page
            assert "4 available, buy at 5" in page
        update_product(actor=manager, product_id=product.pk, low_stock_threshold=0)
        adjust_stock(actor=manager, product_id=product.pk, delta=1, reason="received")
        page = desk.get("/notices").content.decode()
        assert '<span class="pill good">1</span>' in page
        assert "1 available now, no longer low" in page
        assert "4 available, buy at 5" in page
        notice.refresh_from_db()
        assert (notice.available, notice.threshold) == (4, 5)

    @pytest.mark.parametrize("settle", [
        {"delta": 2}, {"low_stock_threshold": 3}, {"low_stock_threshold": None},
    ])  # fmt: skip
    def test_a_notice_leaves_the_bell_and_the_dashboard_when_the_matter_is_done(
        self, settle: dict[str, Any], desk: Client, manager: User, make_product: Callable[..., Product],
        notice_of: Callable[[Product], LowStockNotice],
    ) -> None:  # fmt: skip
        other, product = (
            make_product(sku, on_hand=10, low_stock_threshold=5) for sku in ("LOW-1", "LOW-2")
        )
        for each in (other, product):
            adjust_stock(actor=manager, product_id=each.pk, delta=-6, reason="lost")
            notice_of(each)
        if "delta" in settle:
            adjust_stock(actor=manager, product_id=product.pk, reason="received", **settle)
        else:
            update_product(actor=manager, product_id=product.pk, **settle)
        for path in ("/notices/bell", "/"):
            shown = [it.said.product for it in desk.get(path).context["notices"]]
            assert shown == [other]
        bell = desk.get("/notices/bell").content.decode()
        assert f'data-latest="{notice_of(other).pk}"' in bell  # what is done is no news
        shown = [(it.said.product, it.is_low) for it in desk.get("/notices").context["notices"]]
        assert shown == [(product, False), (other, True)]
        adjust_stock(actor=manager, product_id=other.pk, delta=9, reason="received")
        bell = desk.get("/notices/bell").content.decode()
        assert 'data-latest=""' in bell
        assert "No open notices" in bell

    def test_a_product_that_ran_low_again_is_there_once_with_its_latest_notice(
        self, desk: Client, manager: User, make_product: Callable[..., Product],
        notice_of: Callable[[Product], LowStockNotice],
    ) -> None:  # fmt: skip
        product = make_product("LOW-1", on_hand=10, low_stock_threshold=5)
        for delta in (-6, 6, -7):
            adjust_stock(actor=manager, product_id=product.pk, delta=delta, reason="counted")
        latest = notice_of(product)
        assert LowStockNotice.objects.count() == 2
        for path in ("/notices", "/notices/bell"):
            assert [it.said for it in desk.get(path).context["notices"]] == [latest]

    def test_the_bell_shows_no_more_than_fit(
        self, desk: Client, manager: User, make_product: Callable[..., Product],
        notice_of: Callable[[Product], LowStockNotice],
    ) -> None:  # fmt: skip
        for _ in range(BELL + 1):
            product = make_product(on_hand=10, low_stock_threshold=5)
            adjust_stock(actor=manager, product_id=product.pk, delta=-6, reason="lost")
        notice_of(product)
        counts = [len(desk.get(path).context["notices"]) for path in ("/notices/bell", "/notices")]
        assert counts == [BELL, BELL + 1]


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


@pytest.mark.django_db
def test_a_webhook_is_named_and_called_deleted_only_when_it_is(
    desk_of: Callable[[User], Client], admin: User
) -> None:
    hook = create_webhook(actor=admin, url="https://erp.example/t0ken")
    client = desk_of(admin)
    for is_deleted in (False, True):
        page = client.get("/activity")
        entry = page.context["entries"][0]
        assert entry.record == ("erp.example", None, is_deleted)
        assert ('<span class="pill">Deleted</span>' in page.content.decode()) == is_deleted
        if not is_deleted:
            delete_webhook(actor=admin, webhook_id=hook.pk)
