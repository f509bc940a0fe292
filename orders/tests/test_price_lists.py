"""What orders of a customer with a price list cost: by the service, the API, order entry and amending."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from catalog.models import PriceList, Product
from catalog.services import change_prices, create_price_list, update_price_list, update_product
from customers.models import Customer
from customers.services import update_customer
from erp_site.core.statements import Statement, together
from erp_site.testing import HTMX, Api
from orders.models import Order
from orders.services import (
    NewItem,
    PriceChanged,
    amend_order,
    place_order,
    placing,
    price_order,
    pricing,
)

from .test_pages import entry, text
from .test_services import STATEMENTS_TO_PLACE

pytestmark = pytest.mark.django_db
D = Decimal


@pytest.fixture
def coffee(make_product: Callable[..., Product]) -> Product:
    return make_product("CAFE", name="Coffee", price="10.00", on_hand=100)


@pytest.fixture
def sugar(make_product: Callable[..., Product]) -> Product:
    return make_product("SUGAR", name="Sugar", price="4.79", on_hand=100)


@pytest.fixture
def wholesale(manager: User, coffee: Product) -> PriceList:
    """8.88 for coffee, 5 % off all else."""
    made = create_price_list(actor=manager, name="Atacado", discount=D(5))
    change_prices(actor=manager, price_list_id=made.pk, prices={coffee.pk: D("8.88")})
    return made


@pytest.fixture
def buyer(make_customer: Callable[..., Customer], wholesale: PriceList) -> Customer:
    return make_customer("Buyer", price_list_id=wholesale.pk)


@pytest.fixture
def desk(desk_of: Callable[[User], Client], operator: User) -> Client:
    return desk_of(operator)


def prices(order: Order) -> dict[str, Decimal]:
    return dict(order.items.values_list("sku", "unit_price"))


def test_each_customer_pays_by_their_own_list(
    place: Callable[..., Order], coffee: Product, sugar: Product, buyer: Customer
) -> None:
    """4.79 less 5 % is 4.5505: to cents first, then times three."""
    theirs = place((coffee, 2), (sugar, 3), customer_id=buyer.pk)
    ordinary = place((coffee, 2), (sugar, 3))
    assert prices(theirs) == {"CAFE": D("8.88"), "SUGAR": D("4.55")}
    assert theirs.total == D("31.41")
    assert prices(ordinary) == {"CAFE": D("10.00"), "SUGAR": D("4.79")}


def test_another_list_prices_nothing(
    place: Callable[..., Order],
    manager: User,
    coffee: Product,
    sugar: Product,
    buyer: Customer,
) -> None:
    """Of two lists with a price for one product each customer gets their own."""
    other = create_price_list(actor=manager, name="Balcão")
    dear = {coffee.pk: D("12.00"), sugar.pk: D("6.00")}
    change_prices(actor=manager, price_list_id=other.pk, prices=dear)
    assert prices(place((coffee, 1), (sugar, 1), customer_id=buyer.pk)) == {
        "CAFE": D("8.88"),
        "SUGAR": D("4.55"),
    }
    update_customer(actor=manager, customer_id=buyer.pk, price_list_id=other.pk)
    assert prices(place((coffee, 1), (sugar, 1), customer_id=buyer.pk)) == dear_by_sku(dear)
    update_customer(actor=manager, customer_id=buyer.pk, price_list_id=None)
    assert prices(place((coffee, 1), (sugar, 1), customer_id=buyer.pk)) == {
        "CAFE": D("10.00"),
        "SUGAR": D("4.79"),
    }


def dear_by_sku(dear: dict[int, Decimal]) -> dict[str, Decimal]:
    skus = dict(Product.objects.values_list("pk", "sku"))
    return {skus[pk]: price for pk, price in dear.items()}


def test_an_order_keeps_what_was_agreed_upon(
    place: Callable[..., Order], manager: User, coffee: Product, buyer: Customer
) -> None:
    order = place((coffee, 2), customer_id=buyer.pk)
    [price_list] = PriceList.objects.all()
    change_prices(actor=manager, price_list_id=price_list.pk, prices={coffee.pk: D("1.00")})
    update_product(actor=manager, product_id=coffee.pk, price=D("20.00"))
    order.refresh_from_db()
    assert (prices(order), order.total) == ({"CAFE": D("8.88")}, D("17.76"))


@pytest.mark.parametrize("count", [1, 3, 50])
def test_a_price_list_costs_no_statement_more(
    make_product: Callable[..., Product],
    place: Callable[..., Order],
    buyer: Customer,
    count: int,
) -> None:
    products = [make_product() for _ in range(count)]
    place((products[0], 1), customer_id=buyer.pk)  # content of process-wide caches
    with CaptureQueriesContext(connection) as queries:
        place(*((product, 1) for product in products), customer_id=buyer.pk)
    statements = [q["sql"] for q in queries if not q["sql"].startswith(("SAVEPOINT", "RELEASE"))]
    assert len(statements) == STATEMENTS_TO_PLACE, statements


def test_what_would_be_charged_is_asked_the_same_way(
    operator: User, coffee: Product, sugar: Product, buyer: Customer, customer: Customer
) -> None:
    items = [NewItem(coffee.pk, 2), NewItem(sugar.pk, 3)]
    theirs = price_order(actor=operator, customer_id=buyer.pk, items=items)
    ordinary = price_order(actor=operator, customer_id=customer.pk, items=items)
    assert (theirs.total, ordinary.total) == (D("31.41"), D("34.37"))


def test_a_price_that_was_told_holds_or_the_order_is_refused(
    operator: User, manager: User, coffee: Product, buyer: Customer, wholesale: PriceList
) -> None:
    def attempt(key: str, told: str) -> Order:
        return place_order(
            actor=operator,
            customer_id=buyer.pk,
            items=[NewItem(coffee.pk, 1)],
            idempotency_key=key,
            prices={coffee.pk: D(told)},
        ).order

    assert attempt("a", "8.88").total == D("8.88")
    change_prices(actor=manager, price_list_id=wholesale.pk, prices={coffee.pk: None})
    with pytest.raises(PriceChanged) as refused:
        attempt("b", "8.88")
    [changed] = refused.value.facts["items"]
    assert changed["unit_price"] == D("9.50")
    assert Order.objects.count() == 1


def test_amending_prices_new_lines_by_the_list_and_keeps_the_others(
    place: Callable[..., Order],
    operator: User,
    manager: User,
    coffee: Product,
    sugar: Product,
    buyer: Customer,
    wholesale: PriceList,
) -> None:
    order = place((coffee, 1), customer_id=buyer.pk)
    update_price_list(actor=manager, price_list_id=wholesale.pk, discount=D(50))
    change_prices(actor=manager, price_list_id=wholesale.pk, prices={coffee.pk: D("7.00")})
    items = [NewItem(coffee.pk, 5), NewItem(sugar.pk, 1)]
    amended = amend_order(actor=operator, order_id=order.pk, items=items)
    assert prices(amended) == {"CAFE": D("8.88"), "SUGAR": D("2.40")}


def test_the_api_charges_and_quotes_the_prices_of_the_list(
    api: Api, coffee: Product, sugar: Product, buyer: Customer
) -> None:
    body = {
        "customer_id": buyer.pk,
        "items": [
            {"product_id": coffee.pk, "quantity": 2},
            {"product_id": sugar.pk, "quantity": 3},
        ],
    }
    quote = api.post("/orders?dry_run=true", body).body
    placed = api.post("/orders", {**body, "idempotency_key": "a"}).body
    for answer in (quote, placed):
        assert [(it["unit_price"], it["subtotal"]) for it in answer["items"]] == [
            ("8.88", "17.76"),
            ("4.55", "13.65"),
        ]
        assert answer["total"] == "31.41"


class TestOrderEntry:
    def lines(self, response: Any) -> dict[str, Decimal]:
        return {line.sku: line.price for line in response.context["lines"]}

    def test_choosing_the_customer_prices_the_lines_that_are_there(
        self, desk: Client, coffee: Product, sugar: Product, buyer: Customer, customer: Customer
    ) -> None:
        typed = {"product": [coffee.pk, sugar.pk], "quantity": ["1", "2"]}
        before = desk.post("/orders/new", typed, headers=HTMX)
        chosen = desk.post(
            "/orders/new", {**typed, "customer": buyer.pk, "action": "customer"}, headers=HTMX
        )
        assert self.lines(before) == {"CAFE": D("10.00"), "SUGAR": D("4.79")}
        assert self.lines(chosen) == {"CAFE": D("8.88"), "SUGAR": D("4.55")}
        assert "Prices of Atacado" in text(chosen)
        assert "was R$" not in text(chosen)  # nobody had seen any
        # What the browser adds up, and what it says was seen.
        assert 'data-cents="888"' in text(chosen)
        assert 'name="seen" value="455"' in text(chosen)
        other = desk.post(
            "/orders/new", {**typed, "customer": customer.pk, "action": "customer"}, headers=HTMX
        )
        assert self.lines(other) == self.lines(before)
        assert "Prices of" not in text(other)

    def test_lines_say_what_they_cost_before_the_customer_was_chosen(
        self, desk: Client, coffee: Product, sugar: Product, buyer: Customer
    ) -> None:
        form = entry(buyer, (coffee, 2), (sugar, 1), action="customer", seen=["1000", "455"])
        chosen = text(desk.post("/orders/new", form, headers=HTMX))
        assert "was R$\xa010.00, now R$\xa08.88" in chosen
        assert chosen.count("was R$") == 1
        note = "1 price is another now: the total went from R$\xa024.55 to R$\xa022.31."
        assert note in chosen
        # Said once: what is sent next has seen them.
        again = entry(buyer, (coffee, 2), (sugar, 1), action="take", seen=["888", "455"])
        assert "was R$" not in text(desk.post("/orders/new", again, headers=HTMX))

    def test_prices_that_are_gone_with_the_customer_are_said_too(
        self, desk: Client, coffee: Product, sugar: Product, buyer: Customer
    ) -> None:
        lines = ((coffee, 1), (sugar, 1))
        form = entry(buyer, *lines, action="change_customer", seen=["888", "455"])
        left = text(desk.post("/orders/new", form, headers=HTMX))
        assert "2 prices are others now" in left
        assert "from R$\xa013.43 to R$\xa014.79" in left

    @pytest.mark.parametrize("seen", [["x"], [], ["9" * 30]])
    def test_a_seen_price_that_is_none_says_nothing(
        self, desk: Client, coffee: Product, buyer: Customer, seen: list[str]
    ) -> None:
        form = entry(buyer, (coffee, 1), action="customer", seen=seen)
        assert "was R$" not in text(desk.post("/orders/new", form, headers=HTMX))

    def test_a_past_order_is_repeated_beside_what_it_cost(
        self,
        desk: Client,
        place: Callable[..., Order],
        manager: User,
        coffee: Product,
        buyer: Customer,
        wholesale: PriceList,
    ) -> None:
        old = place((coffee, 2), customer_id=buyer.pk)
        page = text(desk.get(f"/orders/new?repeat={old.pk}"))
        assert "was R$" not in page
        change_prices(actor=manager, price_list_id=wholesale.pk, prices={coffee.pk: D("9.99")})
        for page in (
            text(desk.get(f"/orders/new?repeat={old.pk}")),
            text(desk.post("/orders/new", entry(buyer, action=f"repeat:{old.pk}"))),
        ):
            assert "was R$\xa08.88, now R$\xa09.99" in page
            assert "from R$\xa017.76 to R$\xa019.98" in page
            assert 'name="seen" value="999"' in page

    @pytest.mark.parametrize("code", ["CAFE", "coffee"])
    def test_a_scanned_line_and_what_is_offered_cost_what_the_list_says(
        self, desk: Client, coffee: Product, buyer: Customer, code: str
    ) -> None:
        form = entry(buyer, action="add", code=code)
        assert 'data-cents="888"' in text(desk.post("/orders/new", form, headers=HTMX))
        offered = desk.get("/orders/new/products", {"code": code, "customer": str(buyer.pk)})
        assert "R$\xa08.88" in text(offered)
        ordinary = desk.get("/orders/new/products", {"code": code})
        assert "R$\xa010.00" in text(ordinary)

    def test_a_choice_without_a_script_costs_what_the_list_says(
        self, desk: Client, make_product: Callable[..., Product], coffee: Product, buyer: Customer
    ) -> None:
        make_product("CAFE-2", name="Coffee beans", price="20.00")
        chosen = desk.post("/orders/new", entry(buyer, action="add", code="coffee"))
        offered = {each["sku"]: each["price"] for each in chosen.context["product_choices"]}
        assert offered == {"CAFE": D("8.88"), "CAFE-2": D("19.00")}

    @pytest.mark.parametrize("customer_id", ["0", "x", "999999", "9" * 30])
    def test_a_customer_that_is_none_offers_ordinary_prices(
        self, desk: Client, coffee: Product, customer_id: str
    ) -> None:
        query = {"code": "CAFE", "customer": customer_id}
        assert "R$\xa010.00" in text(desk.get("/orders/new/products", query))

    def test_the_form_asks_for_products_by_its_customer(
        self, desk: Client, buyer: Customer
    ) -> None:
        page = text(desk.get(f"/orders/new?customer={buyer.pk}"))
        assert f'hx-get="/orders/new/products?customer={buyer.pk}"' in page

    def test_repeated_and_pasted_lines_cost_what_the_list_says(
        self,
        desk: Client,
        place: Callable[..., Order],
        coffee: Product,
        sugar: Product,
        buyer: Customer,
    ) -> None:
        old = place((coffee, 1))
        repeated = desk.post("/orders/new", entry(buyer, action=f"repeat:{old.pk}"))
        pasted = desk.post("/orders/new", entry(buyer, action="paste", pasted="SUGAR;2\nCAFE;1"))
        assert self.lines(repeated) == {"CAFE": D("8.88")}
        assert self.lines(pasted) == {"CAFE": D("8.88"), "SUGAR": D("4.55")}

    def test_a_list_that_changes_under_the_form_is_said_before_anything_is_booked(
        self, desk: Client, manager: User, coffee: Product, buyer: Customer, wholesale: PriceList
    ) -> None:
        form = entry(buyer, (coffee, 2), seen=["888"])
        change_prices(actor=manager, price_list_id=wholesale.pk, prices={coffee.pk: D("9.99")})
        refused = desk.post("/orders/new", form)
        assert refused.status_code == 422
        assert "CAFE costs R$\xa09.99 now, not R$\xa08.88" in text(refused)
        assert self.lines(refused) == {"CAFE": D("9.99")}
        assert not Order.objects.exists()
        assert desk.post("/orders/new", {**form, "seen": ["999"]}).status_code == 302
        assert Order.objects.get().total == D("19.98")

    def test_amending_shows_agreed_prices_and_the_list_for_what_is_new(
        self,
        desk: Client,
        place: Callable[..., Order],
        manager: User,
        coffee: Product,
        sugar: Product,
        buyer: Customer,
        wholesale: PriceList,
    ) -> None:
        order = place((coffee, 1), customer_id=buyer.pk)
        change_prices(actor=manager, price_list_id=wholesale.pk, prices={coffee.pk: D("7.00")})
        url = f"/orders/{order.pk}/amend"
        typed = {"product": [coffee.pk, sugar.pk], "quantity": ["1", "2"], "version": "1"}
        assert self.lines(desk.post(url, typed)) == {"CAFE": D("8.88"), "SUGAR": D("4.55")}
        scanned = desk.post(url, {**typed, "action": "add", "code": "SUGAR"}, headers=HTMX)
        assert 'data-cents="455"' in text(scanned)
        agreed = desk.post(url, {**typed, "action": "add", "code": "CAFE"}, headers=HTMX)
        assert 'data-cents="888"' in text(agreed)

    def test_statements_do_not_grow_with_the_lines(
        self, desk: Client, make_product: Callable[..., Product], buyer: Customer
    ) -> None:
        products = [make_product() for _ in range(60)]
        taken = []
        for some in (products[:1], products):
            form = entry(buyer, *((product, 1) for product in some), action="take")
            with CaptureQueriesContext(connection) as queries:
                desk.post("/orders/new", form, headers=HTMX)
            taken.append(len(queries))
        assert taken[0] == taken[1]


@pytest.mark.parametrize("ask", ["quoting", "placing"])
def test_a_list_given_while_prices_are_read_is_charged_as_a_whole_or_not_at_all(
    ask: str,
    place: Callable[..., Order],
    operator: User,
    manager: User,
    coffee: Product,
    sugar: Product,
    buyer: Customer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two statements that read what is committed may see two lists: theirs changes before the last."""
    other = create_price_list(actor=manager, name="Balcão", discount=D(50))
    dear = {coffee.pk: D("12.00")}
    change_prices(actor=manager, price_list_id=other.pk, prices=dear)
    by_list = [{D("8.88"), D("4.55")}, {D("12.00"), D("2.40")}]

    def one_by_one(*statements: Statement[Any]) -> list[Any]:
        answers = []
        for statement in statements:
            if statement is statements[-1]:
                update_customer(actor=manager, customer_id=buyer.pk, price_list_id=other.pk)
            answers += together(statement)
        return answers

    for module in (pricing, placing):
        monkeypatch.setattr(module, "together", one_by_one)
    if ask == "quoting":
        items = [NewItem(coffee.pk, 1), NewItem(sugar.pk, 1)]
        quote = price_order(actor=operator, customer_id=buyer.pk, items=items)
        assert {it.unit_price for it in quote.items} in by_list
    else:
        order = place((coffee, 1), (sugar, 1), customer_id=buyer.pk)
        assert set(prices(order).values()) in by_list
