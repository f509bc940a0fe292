"""Prices that people agree upon line by line: who may go how low, and that what was agreed upon stays."""

import csv
import io
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.core import signing
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from catalog.models import Product
from catalog.services import create_price_list, update_product
from customers.models import Customer
from customers.services import update_customer
from erp_site import integrity
from erp_site.core.errors import IdempotencyKeyReused, Invalid
from erp_site.core.models import Event
from erp_site.core.money import percent_change
from erp_site.testing import HTMX, Api, level_of, record_counts, text_of
from orders.forms import agreed_on
from orders.models import Order, OrderAmendment
from orders.schemas import OrderOut
from orders.services import (
    NewItem,
    PriceChanged,
    PriceTooLow,
    amend_order,
    place_order,
    price_order,
)

from .test_amend_pages import form_of
from .test_amending import STATEMENTS_TO_AMEND
from .test_pages import entry
from .test_services import STATEMENTS_TO_PLACE

pytestmark = pytest.mark.django_db
D = Decimal


@pytest.fixture
def seller(operator: User) -> User:
    """An operator who may take 10 % off."""
    operator.discount_limit = D(10)
    operator.save(update_fields=["discount_limit"])
    return operator


@pytest.fixture
def agree(place: Callable[..., Order], seller: User) -> Callable[..., Order]:
    """An order of (product, quantity, agreed price) triples."""

    def make(*lines: tuple[Product, int, str | None], **fields: Any) -> Order:
        return place(items=wanted(*lines), **{"actor": seller, **fields})

    return make


def wanted(*lines: tuple[Product, int, str | None]) -> list[NewItem]:
    return [NewItem(it.pk, quantity, D(price) if price else None) for it, quantity, price in lines]


def amend(actor: User, order: Order, *lines: tuple[Product, int, str | None], **more: Any) -> Order:
    return amend_order(actor=actor, order_id=order.pk, items=wanted(*lines), **more)


def typed(*prices: tuple[Product, str]) -> dict[str, str]:
    """What is sent of the fields of these products' prices."""
    return {f"agreed-{product.pk}": price for product, price in prices}


def lines(order: Order) -> list[tuple[str, int, Decimal, Decimal | None, Decimal]]:
    columns = ("sku", "quantity", "unit_price", "list_price", "subtotal")
    return list(order.items.order_by("pk").values_list(*columns))


# --- placing


def test_an_agreed_price_takes_the_place_of_the_customers(
    agree: Callable[..., Order], make_product: Callable[..., Product]
) -> None:
    coffee, sugar = make_product("COFFEE", price="10.00"), make_product("SUGAR", price="4.79")
    order = agree((coffee, 3, "9.50"), (sugar, 2, None))
    assert lines(order) == [
        ("COFFEE", 3, D("9.50"), D("10.00"), D("28.50")),
        ("SUGAR", 2, D("4.79"), None, D("9.58")),
    ]
    assert order.total == D("38.08")
    [event] = Event.objects.filter(type="order.placed")
    assert [
        (it["sku"], it["unit_price"], it.get("list_price")) for it in event.payload["items"]
    ] == [("COFFEE", "9.50", "10.00"), ("SUGAR", "4.79", None)]
    assert dict(integrity.inspect().examples) == {}


def test_what_is_agreed_upon_at_the_customers_price_is_no_agreement(
    agree: Callable[..., Order], product: Product
) -> None:
    assert lines(agree((product, 1, "10.00"))) == [(product.sku, 1, D("10.00"), None, D("10.00"))]


def test_how_low_one_may_go_counts_from_what_the_customer_pays(
    agree: Callable[..., Order], product: Product, manager: User, customer: Customer
) -> None:
    """Of 10.00 the customer's list takes a fifth off; of those 8.00 the seller a tenth."""
    resellers = create_price_list(actor=manager, name="Revenda", discount=D(20))
    update_customer(actor=manager, customer_id=customer.pk, price_list_id=resellers.pk)
    with pytest.raises(PriceTooLow) as refused:
        agree((product, 1, "7.19"))
    assert refused.value.facts["items"] == [
        {
            "product_id": product.pk,
            "sku": product.sku,
            "agreed_price": D("7.19"),
            "list_price": D("8.00"),
            "lowest_price": D("7.20"),
        }
    ]
    assert lines(agree((product, 1, "7.20"))) == [(product.sku, 1, D("7.20"), D("8.00"), D("7.20"))]


def test_a_price_that_is_too_low_books_nothing(
    agree: Callable[..., Order], make_product: Callable[..., Product], manager: User
) -> None:
    low, fine = make_product(price="10.00"), make_product(price="10.00")
    before = record_counts()
    with pytest.raises(PriceTooLow) as refused:
        agree((low, 1, "8.99"), (fine, 1, "9.00"))
    assert [it["sku"] for it in refused.value.facts["items"]] == [low.sku]
    assert (record_counts(), level_of(low).reserved) == (before, 0)
    assert agree((low, 1, "0.01"), actor=manager).total == D("0.01")


def test_without_a_limit_of_their_own_people_keep_to_the_customers_price_or_above(
    place: Callable[..., Order], operator: User, product: Product
) -> None:
    with pytest.raises(PriceTooLow):
        place(items=wanted((product, 1, "9.99")))
    dearer = place(items=wanted((product, 1, "10.01")))
    assert lines(dearer) == [(product.sku, 1, D("10.01"), D("10.00"), D("10.01"))]


@pytest.mark.parametrize("price", ["0", "-1", "0.001", "100000000"])
def test_what_is_no_price_is_refused_with_the_line_named(
    agree: Callable[..., Order], make_product: Callable[..., Product], manager: User, price: str
) -> None:
    first, second = make_product(), make_product()
    with pytest.raises(Invalid) as refused:
        agree((first, 1, None), (second, 1, price), actor=manager)
    assert [(it["pointer"], it["code"]) for it in refused.value.facts["errors"]] == [
        ("/items/1/agreed_price", "out_of_range")
    ]


def test_one_product_has_one_price(agree: Callable[..., Order], product: Product) -> None:
    order = agree((product, 1, "9.50"), (product, 2, "9.50"))
    assert lines(order) == [(product.sku, 3, D("9.50"), D("10.00"), D("28.50"))]
    for one, other in (("9.50", None), ("9.50", "9.60"), (None, "9.50")):
        with pytest.raises(Invalid) as refused:
            agree((product, 1, one), (product, 2, other))
        assert refused.value.facts["errors"][0]["pointer"] == "/items/1/agreed_price"


def test_a_key_is_bound_to_the_prices_too(agree: Callable[..., Order], product: Product) -> None:
    order = agree((product, 1, "9.50"), key="one")
    assert agree((product, 1, "9.5"), key="one").pk == order.pk
    for other in (None, "9.60"):
        with pytest.raises(IdempotencyKeyReused):
            agree((product, 1, other), key="one")
    assert Order.objects.count() == 1


def test_agreeing_costs_no_statement(
    seller: User, customer: Customer, make_product: Callable[..., Product]
) -> None:
    many = [make_product() for _ in range(3)]
    place_order(  # the first order of a process asks more
        actor=seller, customer_id=customer.pk, items=wanted((many[0], 1, None)), idempotency_key="0"
    )
    with CaptureQueriesContext(
        connection,
    ) as asked:
        place_order(
            actor=seller,
            customer_id=customer.pk,
            items=wanted(*((it, 1, "9.00") for it in many)),
            idempotency_key="1",
        )
    statements = [it["sql"] for it in asked if "SAVEPOINT" not in it["sql"]]
    assert len(statements) <= STATEMENTS_TO_PLACE


def test_a_dry_run_prices_by_what_was_agreed_upon_and_refuses_as_the_order_would(
    seller: User, customer: Customer, product: Product
) -> None:
    def price(agreed: str) -> Any:
        return price_order(
            actor=seller, customer_id=customer.pk, items=wanted((product, 2, agreed))
        )

    quote = price("9.00")
    assert [(it.unit_price, it.list_price, it.subtotal) for it in quote.items] == [
        (D("9.00"), D("10.00"), D("18.00"))
    ]
    with pytest.raises(PriceTooLow):
        price("8.99")


# --- amending


def test_a_line_that_stays_keeps_its_agreed_price(
    agree: Callable[..., Order], seller: User, make_product: Callable[..., Product], manager: User
) -> None:
    coffee, sugar = make_product("COFFEE", price="10.00"), make_product("SUGAR", price="5.00")
    order = agree((coffee, 2, "9.50"))
    update_product(actor=manager, product_id=coffee.pk, price=D(20))
    amended = amend(seller, order, (coffee, 3, None), (sugar, 1, "4.80"))
    assert lines(amended) == [
        ("COFFEE", 3, D("9.50"), D("10.00"), D("28.50")),
        ("SUGAR", 1, D("4.80"), D("5.00"), D("4.80")),
    ]
    assert amended.total == D("33.30")


def test_another_price_alone_is_an_amendment_that_moves_no_stock(
    agree: Callable[..., Order], seller: User, product: Product
) -> None:
    order = agree((product, 2, None))
    before = record_counts()
    amended = amend(seller, order, (product, 2, "9.50"), reason="A good customer")
    assert lines(amended) == [(product.sku, 2, D("9.50"), D("10.00"), D("19.00"))]
    assert (amended.version, amended.total) == (2, D("19.00"))
    [amendment] = OrderAmendment.objects.all()
    assert amendment.items == [
        {
            "product_id": product.pk, "sku": product.sku, "name": product.name, "from": 2, "to": 2,
            "unit_price": ["10.00", "9.50"],
        }
    ]  # fmt: skip
    assert amendment.changes == {"total": ["20.00", "19.00"]}
    [event] = Event.objects.filter(type="order.amended")
    assert event.payload["item_changes"] == amendment.items
    assert event.payload["items"][0]["list_price"] == "10.00"
    after = record_counts()
    assert {name for name in after if after[name] != before[name]} == {"OrderAmendment", "Event"}
    assert after["Event"] == before["Event"] + 1
    assert dict(integrity.inspect().examples) == {}
    again = amend(seller, order, (product, 2, "9.50"))
    assert (again.version, record_counts()) == (2, after)


def test_what_was_agreed_upon_is_told_to_those_who_look_back(
    agree: Callable[..., Order], seller: User, manager: User, make_product: Callable[..., Product],
    desk_of: Callable[[User], Client],
) -> None:  # fmt: skip
    """With the order, with a line that comes to it, and when another price is agreed upon."""
    old, new = make_product("OLD", price="10.00"), make_product("NEW", price="5.00")
    order = agree((old, 2, "9.50"))
    amend(seller, order, (old, 3, "9.00"), (new, 1, "4.90"))
    [amendment] = OrderAmendment.objects.all()
    assert [(it["from"], it["to"], it["unit_price"]) for it in amendment.items] == [
        (2, 3, ["9.50", "9.00"]),
        (0, 1, ["5.00", "4.90"]),
    ]
    page = text_of(desk_of(manager).get("/activity?aggregate=order"))
    assert "OLD 2 → 3, R$ 9.50 → R$ 9.00, NEW — → 1, R$ 5.00 → R$ 4.90" in page
    assert "1 item · R$ 19.00 · discount R$ 1.00" in page


def test_an_agreement_is_taken_back_by_the_customers_price(
    agree: Callable[..., Order], seller: User, product: Product
) -> None:
    order = agree((product, 2, "9.50"))
    amended = amend(seller, order, (product, 2, "10.00"))
    assert lines(amended) == [(product.sku, 2, D("10.00"), None, D("20.00"))]


def test_more_pieces_at_a_price_are_agreed_upon_by_who_adds_them(
    agree: Callable[..., Order], seller: User, manager: User, product: Product
) -> None:
    """A manager's half price for two is none for five that an operator adds; fewer, and the rest, they may change."""
    order = agree((product, 2, "5.00"), actor=manager)
    before = record_counts()
    with pytest.raises(PriceTooLow):
        amend(seller, order, (product, 5, None))
    assert record_counts() == before
    amended = amend(seller, order, (product, 1, None), notes="Ring")
    assert (lines(amended)[0][:3], amended.notes) == ((product.sku, 1, D("5.00")), "Ring")
    assert amend(manager, order, (product, 5, None)).total == D("25.00")


def test_a_line_that_became_dearer_meanwhile_may_get_more_of_what_was_promised(
    place: Callable[..., Order], operator: User, manager: User, product: Product
) -> None:
    order = place((product, 2))
    update_product(actor=manager, product_id=product.pk, price=D(20))
    assert amend(operator, order, (product, 3, None)).total == D("30.00")


def test_amending_prices_costs_the_same_for_every_number_of_lines(
    agree: Callable[..., Order], seller: User, make_product: Callable[..., Product]
) -> None:
    """Without the ten that look at the offer and move stock."""

    def statements(count: int) -> int:
        products = [make_product() for _ in range(count)]
        order = agree(*((it, 1, None) for it in products))
        with CaptureQueriesContext(connection) as asked:
            amend(seller, order, *((it, 1, "9.50") for it in products))
        return len([it for it in asked if "SAVEPOINT" not in it["sql"]])

    statements(1)
    assert [statements(1), statements(4)] == [STATEMENTS_TO_AMEND - 7] * 2


# --- the API


def test_the_api_takes_and_answers_agreed_prices(
    api_as: Callable[..., Api],
    seller: User,
    customer: Customer,
    make_product: Callable[..., Product],
) -> None:
    api = api_as(seller)
    agreed, plain = make_product(price="10.00"), make_product(price="5.00")
    body = {
        "customer_id": customer.pk,
        "items": [
            {"product_id": agreed.pk, "quantity": 2, "agreed_price": "9.5"},
            {"product_id": plain.pk, "quantity": 1},
        ],
    }
    quoted = api.post("/orders?dry_run=true", body).body
    placed = api.post("/orders", {**body, "idempotency_key": "k"})
    assert (placed.status, placed.body["total"]) == (201, "24.00")
    for answer in (quoted, placed.body, api.get(f"/orders/{placed.body['id']}").body):
        assert [(it["unit_price"], it.get("list_price")) for it in answer["items"]] == [
            ("9.50", "10.00"),
            ("5.00", None),
        ]
        assert ["list_price" in it for it in answer["items"]] == [True, False]
    assert OrderOut.model_validate(placed.body).model_dump(mode="json") == placed.body
    amended = api(
        "patch",
        f"/orders/{placed.body['id']}",
        {"items": [{"product_id": agreed.pk, "quantity": 2, "agreed_price": "9.00"}]},
    )
    assert (amended.status, amended.body["total"]) == (200, "18.00")
    [row] = api.get(f"/orders/{placed.body['id']}/amendments").body["items"]
    assert [(it["from"], it["to"], it.get("unit_price")) for it in row["items"]] == [
        (2, 2, ["9.50", "9.00"]),
        (1, 0, None),
    ]


def test_the_api_says_how_low_one_may_go(
    api_as: Callable[..., Api], seller: User, customer: Customer, product: Product
) -> None:
    refused = api_as(seller).post(
        "/orders",
        {
            "customer_id": customer.pk,
            "items": [{"product_id": product.pk, "quantity": 1, "agreed_price": "8.99"}],
            "idempotency_key": "k",
        },
    )
    assert (refused.status, refused.code) == (403, "price_too_low")
    assert refused.body["items"] == [
        {
            "product_id": product.pk, "sku": product.sku, "agreed_price": "8.99", "list_price": "10.00",
            "lowest_price": "9.00",
        }
    ]  # fmt: skip
    assert not Order.objects.exists()


@pytest.mark.parametrize("price", [9.5, 9, "9,50", "9.555", "0", "-1", "", "100000000.00", True])
def test_the_api_refuses_what_is_no_price(
    api_as: Callable[..., Api], seller: User, customer: Customer, product: Product, price: Any
) -> None:
    answer = api_as(seller).post(
        "/orders",
        {
            "customer_id": customer.pk,
            "items": [{"product_id": product.pk, "quantity": 1, "agreed_price": price}],
            "idempotency_key": "k",
        },
    )
    assert answer.status == 422
    assert [it["pointer"] for it in answer.body["errors"]] == ["/items/0/agreed_price"]


# --- order entry


@pytest.fixture
def desk(desk_of: Callable[[User], Client], seller: User) -> Client:
    return desk_of(seller)


@pytest.mark.parametrize(
    ("said", "agreed"),
    [
        ("8.90", "8.90"),
        (" R$ 8,90 ", "8.90"),
        ("9", "9"),
        ("5%", "9.50"),
        ("-5 %", "9.50"),
        ("\N{MINUS SIGN}5%", "9.50"),
        ("+5%", "10.50"),
        ("7.25%", "9.28"),  # 9.275, and halves go away from zero
        ("1,234.50", "1234.50"),
        ("", None),
        ("0", None),
        ("8.905", None),
        ("100%", None),
        ("%", None),
        ("5%%", None),
        ("cheap", None),
        ("100000000", None),
        ("9" * 14 + "%", None),
        ("9" * 30 + "%", None),
        ("+" + "9" * 30 + "%", None),
        ("--5%", None),
        ("+-5%", None),
        ("-8.90", None),
    ],
)
def test_a_price_is_typed_as_people_say_it(said: str, agreed: str | None) -> None:
    assert agreed_on(said, D("10.00")) == (D(agreed) if agreed else None)


def test_order_entry_asks_only_those_who_may_agree(
    desk_of: Callable[[User], Client], seller: User, manager: User, product: Product
) -> None:
    def asks(user: User) -> bool:
        row = desk_of(user).post(
            "/orders/new", {"action": "add", "code": product.sku}, headers=HTMX
        )
        return f'name="agreed-{product.pk}"' in row.content.decode()

    assert (asks(seller), asks(manager)) == (True, True)
    seller.discount_limit = D(0)
    seller.save(update_fields=["discount_limit"])
    assert not asks(seller)


def test_an_order_is_placed_at_the_typed_prices(
    desk: Client, customer: Customer, make_product: Callable[..., Product]
) -> None:
    first, second, third, dearer = products = [make_product(price="10.00") for _ in range(4)]
    form = entry(customer, (first, "2"), *((it, "1") for it in products[1:]), seen=["1000"] * 4)
    form |= typed((first, "9.50"), (second, "10%"), (third, ""), (dearer, "12"))
    assert desk.post("/orders/new", form, headers=HTMX)["HX-Redirect"]
    [order] = Order.objects.all()
    assert [(it[2], it[3]) for it in lines(order)] == [
        (D("9.50"), D("10.00")),
        (D("9.00"), D("10.00")),
        (D("10.00"), None),
        (D("12.00"), D("10.00")),
    ]
    page = text_of(desk.get(f"/orders/{order.pk}"))
    assert "R$ 9.50 \N{MINUS SIGN}5 % of R$ 10.00" in page
    assert "Discount, in the prices above R$ 2.00" in page


def test_a_row_without_a_field_takes_no_other_rows_price(
    desk: Client, customer: Customer, make_product: Callable[..., Product]
) -> None:
    """It was made before its seller might agree upon prices."""
    old, new = make_product(price="10.00"), make_product(price="30.00")
    form = entry(customer, (old, "1"), (new, "1")) | typed((new, "28.00"))
    assert desk.post("/orders/new", form, headers=HTMX)["HX-Redirect"]
    assert [it[2] for it in lines(Order.objects.get())] == [D("10.00"), D("28.00")]


def test_who_may_no_longer_agree_is_told_what_it_costs(
    desk_of: Callable[[User], Client], operator: User, customer: Customer, product: Product
) -> None:
    """Their limit was taken away while the form was open."""
    form = entry(customer, (product, "1"), seen=["1000"]) | typed((product, "9.50"))
    desk = desk_of(operator)
    response = desk.post("/orders/new", form, headers=HTMX)
    assert (response.status_code, Order.objects.count()) == (422, 0)
    assert "costs R$ 10.00 now, not R$ 9.50" in text_of(response)
    again = entry(customer, (product, "1"), seen=["1000"])
    assert desk.post("/orders/new", again, headers=HTMX)["HX-Redirect"]
    assert lines(Order.objects.get())[0][2:4] == (D("10.00"), None)


@pytest.fixture
def resold(manager: User, customer: Customer) -> Customer:
    """They buy by a list that takes a fifth off."""
    resellers = create_price_list(actor=manager, name="Revenda", discount=D(20))
    return update_customer(actor=manager, customer_id=customer.pk, price_list_id=resellers.pk)


def test_a_share_is_one_of_what_this_customer_pays(
    desk: Client, resold: Customer, seller: User, make_product: Callable[..., Product]
) -> None:
    product = make_product(price="10.00", on_hand=100)
    form = entry(resold, (product, "1"), seen=["800"]) | typed((product, "5%"))
    assert desk.post("/orders/new", form, headers=HTMX)["HX-Redirect"]
    [order] = Order.objects.all()
    assert lines(order)[0][2:4] == (D("7.60"), D("8.00"))
    other = make_product(price="20.00")
    changed = form_of(desk, order)
    changed |= {
        "product": [product.pk, other.pk],
        "quantity": ["1", "1"],
        "seen": ["800", "1600"],
        **typed((product, "10%"), (other, "10%")),
    }
    assert desk.post(f"/orders/{order.pk}/amend", changed, headers=HTMX)["HX-Redirect"]
    assert [it[2:4] for it in lines(order)] == [(D("7.20"), D("8.00")), (D("14.40"), D("16.00"))]


def test_a_share_that_leaves_nothing_is_refused_though_it_would_leave_something_of_the_ordinary_price(
    desk: Client, customer: Customer, manager: User, make_product: Callable[..., Product]
) -> None:
    product = make_product(price="100.00")
    cheap = create_price_list(actor=manager, name="Brindes", discount=D("99.99"))
    update_customer(actor=manager, customer_id=customer.pk, price_list_id=cheap.pk)
    form = entry(customer, (product, "1")) | typed((product, "60%"))
    response = desk.post("/orders/new", form, headers=HTMX)
    assert (response.status_code, Order.objects.count()) == (422, 0)
    assert "Write a price like 8.90" in text_of(response)


def test_whoever_agreed_is_told_when_the_customers_price_moves_under_it(
    desk: Client, customer: Customer, product: Product, manager: User
) -> None:
    """Of what was 5 % off would be nearly 19 % on top."""
    form = entry(customer, (product, "1"), seen=["1000"])
    update_product(actor=manager, product_id=product.pk, price=D("8.00"))
    for price in ("9.50", "5%"):
        response = desk.post("/orders/new", form | typed((product, price)), headers=HTMX)
        [line] = response.context["lines"]
        assert (response.status_code, line.agreed, line.price_before) == (422, price, D("10.00"))
        assert "costs R$ 8.00 now, not R$ 10.00" in text_of(response)
    assert not Order.objects.exists()
    again = form | typed((product, "9.50")) | {"seen": ["800"]}
    assert desk.post("/orders/new", again, headers=HTMX)["HX-Redirect"]
    assert lines(Order.objects.get())[0][2:4] == (D("9.50"), D("8.00"))


def problems_in_sight(response: Any) -> list[str]:
    """What the rows say of their prices, without what is hidden."""
    rows = re.findall(
        r"<div[^>]*data-price-problem[^>]*?( hidden)?>(.*?)</div>",
        response.content.decode(),
        re.DOTALL,
    )
    return [re.sub(r"<[^>]+>", "", said).strip() for hidden, said in rows if not hidden]


@pytest.mark.parametrize(
    ("price", "says"),
    [
        ("8.99", "you may go down to R$\N{NO-BREAK SPACE}9.00"),
        ("cheap", "Write a price like 8.90, or 5% for a discount."),
        ("9" * 30 + "%", "Write a price like 8.90, or 5% for a discount."),
    ],
)
def test_a_refused_price_stays_as_typed_and_says_why(
    desk: Client, customer: Customer, make_product: Callable[..., Product], price: str, says: str
) -> None:
    product, fine = make_product(), make_product()
    form = entry(customer, (product, "2"), (fine, "1")) | typed((product, price), (fine, "9.50"))
    response = desk.post("/orders/new", form, headers=HTMX)
    line, _fine = response.context["lines"]
    assert (response.status_code, line.agreed, line.quantity) == (422, price, "2")
    assert problems_in_sight(response) == [says]
    assert f'aria-describedby="price-problem-{product.pk}"' in response.content.decode()
    assert not Order.objects.exists()


def test_a_repeated_order_is_offered_at_the_prices_that_were_agreed_upon(
    desk: Client, agree: Callable[..., Order], seller: User, product: Product
) -> None:
    """To who may agree upon them; the others see what becomes of them."""
    order = agree((product, 2, "9.50"))
    [line] = desk.get(f"/orders/new?repeat={order.pk}").context["lines"]
    assert (line.agreed, line.unit_price, line.price_before) == ("9.50", D("9.50"), None)
    seller.discount_limit = D(0)
    seller.save(update_fields=["discount_limit"])
    page = desk.get(f"/orders/new?repeat={order.pk}")
    [line] = page.context["lines"]
    assert (line.agreed, line.unit_price, line.price_before) == ("", D("10.00"), D("9.50"))
    assert "was R$ 9.50, now R$ 10.00" in text_of(page)
    assert "1 price is another now: the total went from R$ 19.00 to R$ 20.00." in text_of(page)


def test_a_price_far_above_the_customers_is_asked_about_once(
    desk: Client, customer: Customer, product: Product
) -> None:
    """950 where 9.50 was meant."""
    form = entry(customer, (product, "1")) | typed((product, "950"))
    looked_up = desk.post("/orders/new", form | {"action": "customer"}, headers=HTMX)
    assert f'name="meant-{product.pk}"' not in looked_up.content.decode()
    asked = desk.post("/orders/new", form, headers=HTMX)
    assert (asked.status_code, Order.objects.count()) == (422, 0)
    assert f"{product.sku} at R$ 950.00 is far above R$ 10.00." in text_of(asked)
    assert f'name="meant-{product.pk}" value="95000"' in asked.content.decode()
    meant = {f"meant-{product.pk}": "95000"}
    other = desk.post("/orders/new", form | meant | typed((product, "9500")), headers=HTMX)
    assert (other.status_code, Order.objects.count()) == (422, 0)
    assert desk.post("/orders/new", form | meant, headers=HTMX)["HX-Redirect"]
    [order] = Order.objects.all()
    assert order.total == D("950.00")
    changed = form_of(desk, order) | {"notes": "Ring"}
    assert desk.post(f"/orders/{order.pk}/amend", changed, headers=HTMX)["HX-Redirect"]
    dearer = form_of(desk, order) | typed((product, "960"))
    assert desk.post(f"/orders/{order.pk}/amend", dearer, headers=HTMX).status_code == 422


@pytest.mark.parametrize("share", ["10", "10%", " 10 "])
def test_a_discount_on_all_lines_takes_so_much_off_each(
    desk: Client, customer: Customer, make_product: Callable[..., Product], share: str
) -> None:
    first, second = make_product(price="10.00"), make_product(price="5.00")
    form = entry(customer, (first, "2"), (second, "1"), share=share) | typed((first, "9.90"))
    shown = desk.post("/orders/new", form | {"action": "discount"}, headers=HTMX)
    rows = list(shown.context["lines"])
    assert [it.unit_price for it in rows] == [D("9.00"), D("4.50")]
    assert shown.context["lines"].total == D("22.50")
    sent = form | typed(*((it, row.agreed) for it, row in zip((first, second), rows, strict=True)))
    assert desk.post("/orders/new", sent, headers=HTMX)["HX-Redirect"]
    assert [it[2] for it in lines(Order.objects.get())] == [D("9.00"), D("4.50")]


def test_the_totals_that_are_told_are_those_that_were_in_sight(
    desk: Client, resold: Customer, make_customer: Callable[..., Customer],
    make_product: Callable[..., Product],
) -> None:  # fmt: skip
    """From who pays 8.00 to who pays 10.00, by way of nobody; what was agreed upon stays, and counts as it was."""
    plain, agreed = make_product(price="10.00"), make_product(price="10.00")
    form = entry(resold, (plain, "1"), (agreed, "1"), seen=["800", "800"])
    form |= typed((agreed, "7.50"))
    nobody = desk.post("/orders/new", form | {"action": "change_customer"}, headers=HTMX)
    seen = re.findall(r'name="seen" value="(\d+)"', nobody.content.decode())
    assert seen == ["800", "800"]
    chosen = form | {"action": "customer", "customer": make_customer().pk, "seen": seen}
    page = desk.post("/orders/new", chosen, headers=HTMX)
    assert "1 price is another now: the total went from R$ 15.50 to R$ 17.50." in text_of(page)
    assert "was R$ 8.00, now R$ 10.00" in text_of(page)


# --- the page on which an order is changed


def test_an_order_is_changed_with_its_agreed_prices_in_sight(
    desk: Client, agree: Callable[..., Order], make_product: Callable[..., Product]
) -> None:
    kept, dropped, anew = (make_product(price="10.00") for _ in range(3))
    order = agree((kept, 1, "9.50"), (dropped, 1, "9.00"), (anew, 1, None))
    form = form_of(desk, order)
    assert [form[f"agreed-{it.pk}"] for it in (kept, dropped, anew)] == ["9.50", "9.00", ""]
    assert desk.post(f"/orders/{order.pk}/amend", form, headers=HTMX)["HX-Redirect"]
    assert not OrderAmendment.objects.exists()
    form |= typed((dropped, ""), (anew, "5%")) | {"quantity": ["1", "1", "2"]}
    desk.post(f"/orders/{order.pk}/amend", form, headers=HTMX)
    assert [(it[1], it[2], it[3]) for it in lines(order)] == [
        (1, D("9.50"), D("10.00")),
        (1, D("10.00"), None),
        (2, D("9.50"), D("10.00")),
    ]
    page = text_of(desk.get(f"/orders/{order.pk}"))
    assert f"{dropped.name} ({dropped.sku}), price: R$ 9.00 → R$ 10.00" in page
    assert f"{anew.name} ({anew.sku}): 1 → 2" in page
    assert f"{anew.name} ({anew.sku}), price: R$ 10.00 → R$ 9.50" in page


def test_who_may_not_agree_changes_an_order_and_leaves_its_prices_alone(
    desk_of: Callable[[User], Client], place: Callable[..., Order], operator: User, manager: User,
    product: Product,
) -> None:  # fmt: skip
    order = place(actor=manager, items=wanted((product, 3, "5.00")))
    desk = desk_of(operator)
    page = desk.get(f"/orders/{order.pk}/amend")
    assert 'name="agreed' not in page.content.decode()
    assert 'data-cents="500"' in page.content.decode()  # what the browser adds up
    assert "R$ 5.00" in text_of(page)
    assert problems_in_sight(page) == []
    form = form_of(desk, order) | {"quantity": ["2"]}
    assert desk.post(f"/orders/{order.pk}/amend", form, headers=HTMX)["HX-Redirect"]
    assert lines(order) == [(product.sku, 2, D("5.00"), D("10.00"), D("10.00"))]


def test_who_adds_to_what_others_agreed_upon_is_told_how_low_they_may_go(
    desk_of: Callable[[User], Client], place: Callable[..., Order], seller: User, manager: User,
    product: Product,
) -> None:  # fmt: skip
    order = place(actor=manager, items=wanted((product, 3, "5.00")))
    desk = desk_of(seller)
    form = form_of(desk, order)
    assert problems_in_sight(desk.get(f"/orders/{order.pk}/amend")) == []
    more = desk.post(f"/orders/{order.pk}/amend", form | {"quantity": ["4"]}, headers=HTMX)
    assert more.status_code == 422
    assert problems_in_sight(more) == ["you may go down to R$\N{NO-BREAK SPACE}9.00"]
    lower = desk.post(f"/orders/{order.pk}/amend", form | typed((product, "4.99")), headers=HTMX)
    assert problems_in_sight(lower) == ["you may go down to R$\N{NO-BREAK SPACE}9.00"]
    assert lines(order)[0][:3] == (product.sku, 3, D("5.00"))
    raised = form | typed((product, "6.00"))
    assert desk.post(f"/orders/{order.pk}/amend", raised, headers=HTMX)["HX-Redirect"]
    assert lines(order)[0][:3] == (product.sku, 3, D("6.00"))


def test_of_two_who_change_an_order_at_once_the_price_of_one_and_the_quantity_of_the_other_are_asked_about(
    desk: Client, agree: Callable[..., Order], manager: User, make_product: Callable[..., Product]
) -> None:
    mine, theirs = make_product(price="10.00"), make_product(price="10.00")
    order = agree((mine, 2, None), (theirs, 2, None))
    form = form_of(desk, order)
    amend(manager, order, (mine, 2, None), (theirs, 2, "5.00"))
    response = desk.post(f"/orders/{order.pk}/amend", form | typed((mine, "9.50")), headers=HTMX)
    assert response.status_code == 422
    assert [(it.sku, it.unit_price) for it in response.context["lines"]] == [
        (mine.sku, D("9.50")),
        (theirs.sku, D("5.00")),
    ]
    both = form_of(desk, order)
    amend(manager, order, (mine, 2, "8.00"), (theirs, 2, None))
    response = desk.post(f"/orders/{order.pk}/amend", both | typed((mine, "9.50")), headers=HTMX)
    assert "2 x R$ 8.00" in text_of(response)
    assert "2 x R$ 9.50" in text_of(response)


def test_a_line_that_somebody_else_took_away_stays_away_if_it_was_not_touched(
    desk: Client, resold: Customer, agree: Callable[..., Order], manager: User,
    make_product: Callable[..., Product],
) -> None:  # fmt: skip
    """Though its product costs others, and today everybody, something else than this customer paid."""
    listed, haggled, kept = (make_product(price="10.00") for _ in range(3))
    order = agree((listed, 2, None), (haggled, 2, "7.50"), (kept, 1, None))
    form = form_of(desk, order)
    amend(manager, order, (kept, 1, None))
    update_product(actor=manager, product_id=listed.pk, price=D("11.00"))
    response = desk.post(f"/orders/{order.pk}/amend", form | {"notes": "Ring"}, headers=HTMX)
    assert [it.sku for it in response.context["lines"]] == [kept.sku]
    touched = desk.post(f"/orders/{order.pk}/amend", form | typed((haggled, "7.60")), headers=HTMX)
    assert [it.sku for it in touched.context["lines"]] == [haggled.sku, kept.sku]


def test_a_form_that_was_opened_before_prices_were_in_it_is_asked_about(
    desk: Client, agree: Callable[..., Order], manager: User, product: Product
) -> None:
    order = agree((product, 2, None))
    form = form_of(desk, order)
    amend(manager, order, (product, 3, None))
    form["opened_lines"] = signing.dumps({product.pk: 2}, salt="opened_lines", compress=True)
    response = desk.post(f"/orders/{order.pk}/amend", form, headers=HTMX)
    assert response.status_code == 422


def test_the_lines_of_orders_are_exported_with_what_the_customer_pays_elsewhere(
    desk_of: Callable[[User], Client], agree: Callable[..., Order], manager: User,
    make_product: Callable[..., Product],
) -> None:  # fmt: skip
    agree(
        (make_product("A1", price="10.00"), 2, "9.50"), (make_product("B1", price="5.00"), 1, None)
    )
    response = desk_of(manager).get("/export/order-items.csv")
    text = b"".join(response).decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text), dialect=csv.Sniffer().sniff(text)))
    assert [(it["SKU"], it["Price"], it["List price"]) for it in rows] == [
        ("A1", "9,50", "10,00"),
        ("B1", "5,00", "5,00"),
    ]


def test_what_was_taken_off_is_said_in_percent() -> None:
    assert percent_change(D("9.50"), D("9.50")) == 0
    assert percent_change(D("10.00"), D("9.50")) == -5
    assert percent_change(D("9.99"), D("8.90")) == D("-10.9")
    assert percent_change(D("10.00"), D("10.50")) == 5
    changes = [percent_change(D("20.00"), D(it)) for it in ("18.55", "21.45")]
    assert changes == [D("-7.3"), D("7.3")]


def test_what_was_seen_is_compared_with_the_customers_price_not_with_the_agreed_one(
    agree: Callable[..., Order], product: Product
) -> None:
    assert agree((product, 1, "9.50"), prices={product.pk: D("10.00")}).total == D("9.50")
    with pytest.raises(PriceChanged):
        agree((product, 1, "9.50"), prices={product.pk: D("9.99")})
