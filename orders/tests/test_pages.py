"""The orders' pages as a browser without JavaScript sees them, and the fragments htmx asks for."""

import html
import re
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils.html import strip_tags

from accounts.models import User
from accounts.services import update_user
from catalog.models import Product
from catalog.services import update_product
from customers.models import Customer
from customers.services import update_customer
from erp_site.core import clock, request_id, taxid
from erp_site.core.events import EventType
from erp_site.testing import HTMX, level_of
from orders.models import Order, OrderNote, SavedView
from orders.services import add_note, change_status, save_view
from orders.states import OrderStatus

pytestmark = pytest.mark.django_db


@pytest.fixture
def desk(desk_of: Callable[[User], Client], operator: User) -> Client:
    return desk_of(operator)


def entry(customer: Customer, *lines: tuple[Product, object], **more: Any) -> dict[str, Any]:
    """The entry form as a browser sends it."""
    return {
        "action": "place",
        "idempotency_key": "form-1",
        "customer": customer.pk,
        "product": [product.pk for product, _ in lines],
        "quantity": [str(quantity) for _, quantity in lines],
        **more,
    }


def text(response: Any) -> str:
    return str(response.content.decode())


def test_the_list_shows_orders_newest_first_with_their_sum(
    desk: Client, product: Product, place: Callable[..., Order]
) -> None:
    first, second = place((product, 1)), place((product, 2))
    page = text(desk.get("/orders/"))
    assert page.index(second.number) < page.index(first.number)
    assert "R$\xa030.00" in page
    assert "<html" in page


def rows(desk: Client) -> list[str]:
    """The rows of the list, as they are sent."""
    return re.findall(r"<tr data-row.*?</tr>", text(desk.get("/orders/")), re.DOTALL)


def test_a_row_is_made_again_when_something_in_it_is_another(
    desk_of: Callable[[User], Client], product: Product, place: Callable[..., Order], customer: Customer,
    operator: User, admin: User, viewer: User,
) -> None:  # fmt: skip
    order = place((product, 1), due_date=clock.today())
    desk, found = desk_of(admin), []

    def look() -> str:
        [row] = rows(desk)
        assert rows(desk) == [row]
        found.append(row)
        return row

    assert "status-pending" in look()
    change_status(actor=operator, order_id=order.pk, to=OrderStatus.CONFIRMED)
    assert "status-confirmed" in look()
    update_customer(actor=admin, customer_id=customer.pk, name="Another Name")
    assert "Another Name" in look()
    update_customer(actor=admin, customer_id=customer.pk, cpf_cnpj="11.222.333/0001-81")
    assert "11.222.333/0001-81" in look()
    update_user(actor=admin, user_id=operator.pk, name="Another Author")
    assert "Another Author" in look()
    User.objects.filter(pk=admin.pk).update(language="pt-br")
    assert "Confirmado" in look()
    desk = desk_of(viewer)
    assert "11.222.333/0001-81" not in look()
    with clock.moved_to(clock.now() + timedelta(days=1)):
        assert "clock-exclamation" in look()
    assert len(set(found)) == len(found)


def test_a_row_of_another_order_with_the_same_number_is_another(
    desk: Client, product: Product, place: Callable[..., Order]
) -> None:
    """As after a backup was put back: what was placed since then is placed again."""
    for quantity in (1, 2):
        with transaction.atomic():
            place((product, quantity))
            assert len(rows(desk)) == 1
            assert f"R$\xa0{quantity}0.00" in rows(desk)[0]
            transaction.set_rollback(True)


def test_a_partial_request_gets_the_results_alone(
    desk: Client, product: Product, place: Callable[..., Order]
) -> None:
    order = place((product, 1))
    fragment = text(desk.get("/orders/?status=pending", headers=HTMX))
    assert ("<html" in fragment, order.number in fragment) == (False, True)


def test_a_wrong_filter_is_said_and_shows_nothing(
    desk: Client, product: Product, place: Callable[..., Order]
) -> None:
    order = place((product, 1))
    response = desk.get("/orders/?created_from=yesterday")
    assert (response.status_code, order.number in text(response)) == (200, False)
    assert "Created from: Enter a valid date." in text(response)


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize(
    ("path", "statements"),
    [
        ("/", 13),
        ("/orders/", 12),
        ("/orders/?customer_id={customer}", 13),
        ("/orders/{order}", 9),
        ("/orders/new?repeat={order}", 8),
        ("/orders/new?customer={customer}", 4),
        ("/orders/new/products?code=product", 8),
        ("/orders/new/customers?customer_search=customer", 9),
        ("/orders/{order}/print/slip", 4),
        ("/orders/print/pick?{ids}", 4),
        ("/palette?q=product", 12),
    ],
)
def test_pages_take_the_same_statements_for_one_and_three_rows(
    desk: Client,
    operator: User,
    make_product: Callable[..., Product],
    place: Callable[..., Order],
    count: int,
    path: str,
    statements: int,
) -> None:
    products = [make_product() for _ in range(count)]
    orders = [place(*((product, 1) for product in products)) for _ in range(count)]
    for order in orders:
        add_note(actor=operator, order_id=order.pk, text="Back door")
        save_view(actor=operator, name=order.number, query=f"search={order.number}")
    ids = "&".join(f"ids={order.pk}" for order in orders)
    url = path.format(order=orders[-1].pk, customer=orders[-1].customer_id, ids=ids)
    with CaptureQueriesContext(connection) as queries:
        assert desk.get(url).status_code == 200
    assert len(queries) == statements, "\n".join(q["sql"][:90] for q in queries)


def test_adding_a_line_takes_the_same_statements_however_long_the_order_is(
    desk: Client, make_product: Callable[..., Product], customer: Customer
) -> None:
    first, *others = [make_product() for _ in range(200)]
    taken = []
    for present in ([], others[:199]):
        body = entry(customer, *((p, 1) for p in present), action="add", code=first.sku)
        with CaptureQueriesContext(connection) as queries:
            response = desk.post("/orders/new", body, headers=HTMX)
        assert (response.status_code, f'id="line-{first.pk}"' in text(response)) == (
            200,
            True,
        )
        taken.append(len(queries))
    assert taken[0] == taken[1] == 5


def test_an_order_is_placed_and_shown(desk: Client, product: Product, customer: Customer) -> None:
    response = desk.post("/orders/new", entry(customer, (product, 3), notes="Ring twice"))
    order = Order.objects.get()
    assert (response.status_code, response["Location"]) == (302, f"/orders/{order.pk}")
    assert (order.notes, level_of(product).reserved) == ("Ring twice", 3)


def test_the_same_form_sent_twice_is_one_order(
    desk: Client, product: Product, customer: Customer
) -> None:
    answers = [
        desk.post("/orders/new", entry(customer, (product, 3)))["Location"] for _ in range(2)
    ]
    assert (len(set(answers)), Order.objects.count(), level_of(product).reserved) == (1, 1, 3)


def test_a_changed_form_sent_again_asks_first_and_then_places(
    desk: Client, product: Product, customer: Customer
) -> None:
    desk.post("/orders/new", entry(customer, (product, 3)))
    again = desk.post("/orders/new", entry(customer, (product, 4)))
    assert (again.status_code, Order.objects.count()) == (422, 1)
    key = again.context["form"].initial["idempotency_key"]
    assert (
        desk.post("/orders/new", entry(customer, (product, 4), idempotency_key=key)).status_code
        == 302
    )
    assert (Order.objects.count(), level_of(product).reserved) == (2, 7)


def test_a_refused_order_keeps_all_that_was_typed(
    desk: Client, product: Product, customer: Customer
) -> None:
    typed = {"notes": "Ring twice", "due_date": "2026-12-24", "customer_reference": "PO 7"}
    response = desk.post("/orders/new", entry(customer, (product, 11), **typed))
    page = text(response)
    assert (response.status_code, Order.objects.count(), level_of(product).reserved) == (422, 0, 0)
    for kept in (
        *typed.values(),
        'value="11"',
        f'value="{customer.pk}"',
        'value="form-1"',
        "only 10 available",
    ):
        assert kept in page


@pytest.mark.parametrize("quantity", ["", "0", "-1", "1e3", "1.5", "abc", "99999999", "٣"])
def test_a_wrong_quantity_is_named_and_kept(
    desk: Client, product: Product, customer: Customer, quantity: str
) -> None:
    response = desk.post("/orders/new", entry(customer, (product, quantity)))
    assert (response.status_code, Order.objects.count()) == (422, 0)
    assert f'id="error-{product.pk}"' in text(response)
    [told] = response.context["problems"]
    assert told.startswith(f"{product.sku}: ")
    assert f'value="{quantity}"' in text(response)


@pytest.mark.parametrize(
    ("language", "written", "pieces"),
    [
        ("pt-br", "1.200", 1200),
        ("en", "1,200", 1200),
        ("pt-br", "12,00", 12),
        ("en", "1.200", None),
    ],
)
def test_a_quantity_is_written_as_people_write_thousands(
    operator: User,
    desk: Client,
    make_product: Callable[..., Product],
    customer: Customer,
    language: str,
    written: str,
    pieces: int | None,
) -> None:
    User.objects.filter(pk=operator.pk).update(language=language)
    product = make_product("CAF-1", on_hand=5000)
    desk.post("/orders/new", entry(customer, (product, written)))
    placed = list(Order.objects.values_list("items__quantity", flat=True))
    assert placed == ([] if pieces is None else [pieces])
    pasted = desk.post("/orders/new", entry(customer, action="paste", pasted=f"CAF-1;{written}"))
    lines = [(line.sku, line.quantity) for line in pasted.context["lines"]]
    assert lines == ([] if pieces is None else [("CAF-1", str(pieces))])


def test_an_order_needs_a_customer_and_a_line(
    desk: Client, product: Product, customer: Customer
) -> None:
    without = entry(customer, (product, 1))
    del without["customer"]
    assert desk.post("/orders/new", without).status_code == 422
    assert desk.post("/orders/new", entry(customer)).status_code == 422
    assert Order.objects.count() == 0


def test_without_javascript_lines_are_added_pasted_and_removed_by_buttons(
    desk: Client, make_product: Callable[..., Product], customer: Customer
) -> None:
    one, two = make_product("CAF-1"), make_product("ACU-2")
    added = desk.post("/orders/new", entry(customer, (one, 2), action="add", code="acu-2"))
    assert [(line.sku, line.quantity) for line in added.context["lines"]] == [
        ("CAF-1", "2"),
        ("ACU-2", "1"),
    ]
    pasted = desk.post(
        "/orders/new",
        entry(customer, (one, 2), action="paste", pasted="ACU-2;24\ncaf-1\t3\nNOPE;1"),
    )
    assert [(line.sku, line.quantity) for line in pasted.context["lines"]] == [
        ("CAF-1", "5"),
        ("ACU-2", "24"),
    ]
    assert pasted.context["problems"] == ["No product has the code “NOPE”."]
    removed = desk.post(
        "/orders/new", entry(customer, (one, 2), (two, 1), action=f"remove:{one.pk}")
    )
    assert [line.sku for line in removed.context["lines"]] == ["ACU-2"]


def test_without_javascript_words_of_a_name_add_the_one_product_or_a_choice(
    desk: Client, make_product: Callable[..., Product], customer: Customer
) -> None:
    for sku, name in (("CAF-1", "Café em grãos"), ("CAF-2", "Café moído"), ("ACU-1", "Açúcar")):
        make_product(sku, name=name)

    def add(**typed: str) -> Any:
        return desk.post("/orders/new", entry(customer, **{"action": "add", "code": "", **typed}))

    def found(response: Any) -> tuple[list[str], list[str], list[str], str]:
        shown = response.context
        return (
            [line.sku for line in shown["lines"]],
            [option["sku"] for option in shown["product_choices"]],
            list(shown["problems"]),
            shown["code"],
        )

    assert found(add(code="açúcar")) == (["ACU-1"], [], [], "")
    several = add(code="cafe")
    assert found(several) == ([], ["CAF-1", "CAF-2"], [], "cafe")
    assert 'name="action" value="add:CAF-2"' in text(several)
    assert found(add(action="add:CAF-2", code="cafe")) == (["CAF-2"], [], [], "")
    nothing = add(code="chá")
    assert found(nothing) == ([], [], ["No product has the code “chá”."], "chá")
    assert 'value="chá"' in text(nothing)


def test_a_barcode_of_several_products_is_never_taken_for_one_of_them(
    desk: Client, admin: User, make_product: Callable[..., Product], customer: Customer
) -> None:
    barcode = "7891234567895"
    one, _two = (make_product(sku, gtin=barcode) for sku in ("BOX-1", "BOX-2"))

    def post(**typed: str) -> Any:
        return desk.post("/orders/new", entry(customer, **typed))

    def skus(response: Any) -> list[str]:
        return [line.sku for line in response.context["lines"]]

    scanned = desk.post("/orders/new", entry(customer, action="add", code=barcode), headers=HTMX)
    assert scanned["HX-Retarget"] == "#product-options"
    assert f"Several products fit “{barcode}”: choose one." in text(scanned)
    assert re.findall(r'data-value="([^"]+)"', text(scanned)) == ["BOX-1", "BOX-2"]
    assert 'aria-selected="true"' not in text(scanned)
    listed = text(desk.get(f"/orders/new/products?code={barcode}"))
    assert re.findall(r'aria-selected="(\w+)" data-value="([^"]+)"', listed) == [
        ("false", "BOX-1"),
        ("false", "BOX-2"),
    ]
    plain = post(action="add", code=barcode)
    assert [it["sku"] for it in plain.context["product_choices"]] == ["BOX-1", "BOX-2"]
    assert skus(plain) == []
    pasted = post(action="paste", pasted=f"{barcode};3\nBOX-2;4")
    assert list(pasted.context["problems"]) == [
        f"“{barcode}” is the GTIN of BOX-1, BOX-2: give the SKU instead."
    ]
    assert (skus(pasted), pasted.context["pasted"]) == (["BOX-2"], f"{barcode};3")
    # What is a SKU means that product, and what is not sold is not meant.
    named = make_product(barcode)
    assert skus(post(action="add", code=barcode)) == [barcode]
    update_product(actor=admin, product_id=named.pk, sku="NAMED")
    update_product(actor=admin, product_id=one.pk, is_active=False)
    assert skus(post(action="add", code=barcode)) == ["BOX-2"]


def test_a_scan_of_words_that_fit_several_products_is_answered_with_the_list_to_choose_from(
    desk: Client, make_product: Callable[..., Product], customer: Customer
) -> None:
    for sku, name in (("CAF-1", "Café em grãos"), ("CAF-2", "Café moído"), ("CAFE", "Bule")):
        make_product(sku, name=name)

    def add(code: str) -> Any:
        body = entry(customer, action="add", code=code)
        return desk.post("/orders/new", body, headers=HTMX)

    several = add("café")
    assert (several.status_code, several["HX-Retarget"]) == (200, "#product-options")
    assert [option["sku"] for option in several.context["options"]] == ["CAF-1", "CAF-2", "CAFE"]
    assert "Several products fit “café”: choose one." in text(several)
    exact = add("cafe")
    assert "HX-Retarget" not in exact
    assert exact.context["line"].sku == "CAFE"
    assert add("chá").status_code == 422


def test_an_order_is_not_placed_without_what_was_pasted_for_it(
    desk: Client, product: Product, customer: Customer
) -> None:
    response = desk.post("/orders/new", entry(customer, (product, 1), pasted="NOPE;1"))
    assert (response.status_code, Order.objects.count()) == (422, 0)
    assert response.context["problems"] == [
        "The pasted lines are not in the order yet: add them, or empty their field."
    ]
    assert response.context["pasted"] == "NOPE;1"
    added = desk.post("/orders/new", entry(customer, action="new_customer", pasted="NOPE;1"))
    assert added.context["pasted"] == "NOPE;1"


def test_pasted_lines_may_have_a_blank_before_the_quantity(
    desk: Client, make_product: Callable[..., Product], customer: Customer
) -> None:
    make_product("CAF-1")
    make_product("ACU-2")
    pasted = desk.post("/orders/new", entry(customer, action="paste", pasted="CAF-1 4\nACU-2"))
    assert [(line.sku, line.quantity) for line in pasted.context["lines"]] == [
        ("CAF-1", "4"),
        ("ACU-2", "1"),
    ]


def test_pasted_lines_that_mean_nothing_are_named_and_stay_in_their_field(
    desk: Client, make_product: Callable[..., Product], customer: Customer
) -> None:
    make_product("CAF-1")
    pasted = "CAF-1;12,00\nNOPE;3\n;;7\nCAF-1;1,5"
    response = desk.post("/orders/new", entry(customer, action="paste", pasted=pasted))
    assert response.status_code == 422
    assert [(line.sku, line.quantity) for line in response.context["lines"]] == [("CAF-1", "12")]
    assert sorted(response.context["problems"]) == [
        "No product has the code “NOPE”.",
        "“;;7” is not a code and a quantity.",
        "“CAF-1;1,5” is not a code and a quantity.",
    ]
    assert sorted(response.context["pasted"].splitlines()) == [";;7", "CAF-1;1,5", "NOPE;3"]


def test_pasted_lines_beyond_what_an_order_holds_stay_in_their_field(
    desk: Client, make_product: Callable[..., Product], customer: Customer
) -> None:
    make_product("CAF-1")
    pasted = "\n".join(["CAF-1;1"] * 201)
    response = desk.post("/orders/new", entry(customer, action="paste", pasted=pasted))
    assert response.context["problems"][0] == "An order has at most 200 items."
    assert [line.quantity for line in response.context["lines"]] == ["200"]
    assert response.context["pasted"] == "CAF-1;1"


def test_a_paste_that_is_no_order_is_not_even_read(
    desk: Client, make_product: Callable[..., Product], customer: Customer
) -> None:
    make_product("CAF-1")
    pasted = "\r\n".join(["CAF-1;1"] * 2002)
    response = desk.post("/orders/new", entry(customer, action="paste", pasted=pasted))
    assert response.context["problems"] == ["An order has at most 200 items."]
    assert (len(response.context["lines"]), response.context["pasted"]) == (0, pasted)


@pytest.mark.parametrize(
    ("action", "left"),
    [
        ("take", [("A", "10"), ("B", "5")]),
        ("take:{first}", [("A", "10"), ("B", "5"), ("C", "1")]),
        ("take:{third}", [("A", "11"), ("B", "5")]),
    ],
)
def test_what_is_available_is_taken_in_one_click(
    desk: Client,
    make_product: Callable[..., Product],
    customer: Customer,
    action: str,
    left: list[tuple[str, str]],
) -> None:
    short, enough, none = make_product("A"), make_product("B"), make_product("C", on_hand=0)
    action = action.format(first=short.pk, third=none.pk)
    body = entry(customer, (short, 11), (enough, 5), (none, 1), action=action)
    lines = desk.post("/orders/new", body).context["lines"]
    assert [(line.sku, line.quantity) for line in lines] == left


def test_a_past_order_is_added_to_the_lines_that_are_there(
    desk: Client,
    make_product: Callable[..., Product],
    place: Callable[..., Order],
    customer: Customer,
) -> None:
    one, two = make_product("A"), make_product("B")
    past = place((one, 2), (two, 3))
    body = entry(customer, (one, 1), action=f"repeat:{past.pk}", notes="Ring twice")
    response = desk.post("/orders/new", body, headers=HTMX)
    assert [(line.sku, line.quantity) for line in response.context["lines"]] == [
        ("A", "3"),
        ("B", "3"),
    ]
    assert "Ring twice" in text(response)


def test_a_customer_is_added_in_the_middle_of_an_order(
    desk_of: Callable[[User], Client], manager: User, product: Product, customer: Customer
) -> None:
    client = desk_of(manager)
    body = entry(customer, (product, 3), action="new_customer")
    del body["customer"]
    typed = {
        "new-name": "Padaria Nova",
        "new-cpf_cnpj": "529.982.247-24",
        "new-email": "p@n.example",
    }
    refused = client.post("/orders/new", body | typed, headers=HTMX)
    assert (refused.status_code, Customer.objects.count()) == (422, 1)
    assert 'value="Padaria Nova"' in text(refused)
    added = client.post("/orders/new", body | typed | {"new-cpf_cnpj": "529.982.247-25"})
    new = Customer.objects.get(name="Padaria Nova")
    assert added.context["customer"] == new
    assert [line.quantity for line in added.context["lines"]] == ["3"]


def test_an_operator_may_not_add_customers_from_an_order(
    desk: Client, product: Product, customer: Customer
) -> None:
    typed = {"new-name": "X", "new-cpf_cnpj": "529.982.247-25", "new-email": "x@x.example"}
    body = entry(customer, (product, 3), action="new_customer") | typed
    assert desk.post("/orders/new", body).status_code == 403
    assert Customer.objects.count() == 1


def test_the_palette_finds_orders_by_their_number_and_by_the_customers_reference(
    desk: Client, product: Product, place: Callable[..., Order]
) -> None:
    references = ("OC 98765/2026", "98765-B", "", "João")
    old, new, plain, _ = (place((product, 1), customer_reference=it) for it in references)

    def found(typed: str) -> list[str]:
        groups = desk.get("/palette", {"q": typed}).context["groups"]
        return [
            choice.url.rpartition("/")[2]
            for group in groups
            if group.title == "Orders"
            for choice in group.choices
        ]

    assert found("oc98765") == [str(new.pk), str(old.pk)]
    assert found("98765/20") == [str(old.pk)]
    assert found("oc98") == found("João") == []
    assert found(str(plain.pk)) == found(plain.number) == [str(plain.pk)]
    assert old.customer_reference in text(desk.get("/palette?q=98765"))


def test_the_code_of_a_product_leads_to_it_before_a_reference_with_its_digits(
    desk: Client, make_product: Callable[..., Product], place: Callable[..., Order]
) -> None:
    product = make_product(sku="CABO-10")
    order = place((product, 1), customer_reference="OC 10")

    def first(typed: str) -> str:
        return desk.get("/palette", {"q": typed}).context["groups"][0].choices[0].url

    assert first("cabo-10") == f"/products/{product.pk}"
    assert first("oc 10") == f"/orders/{order.pk}"
    assert first(order.number) == f"/orders/{order.pk}"


def test_words_that_mean_one_customer_choose_it(
    desk: Client, product: Product, customer: Customer, make_customer: Callable[..., Customer]
) -> None:
    wanted = make_customer("Padaria São João")
    body = entry(customer, (product, 3), action="customer", customer_search=wanted.cpf_cnpj)
    del body["customer"]
    assert desk.post("/orders/new", body).context["customer"] == wanted


def test_options_are_found_by_code_and_by_words(
    desk: Client, make_product: Callable[..., Product], make_customer: Callable[..., Customer]
) -> None:
    make_product("CAF-1", name="Café torrado")
    make_customer("Padaria São João")
    assert "Café torrado" in text(desk.get("/orders/new/products?code=torr"))
    assert "Café torrado" in text(desk.get("/orders/new/products?code=caf-1"))
    assert "Padaria São João" in text(desk.get("/orders/new/customers?customer_search=joao"))
    assert "Nothing fits “nope”" in text(desk.get("/orders/new/products?code=nope"))
    # An operator may add no customer, and is told who may.
    nobody = text(desk.get("/orders/new/customers?customer_search=nope"))
    assert "Managers can add new customers." in nobody


def test_customers_whose_name_begins_so_come_first_and_where_they_are_enough_no_other_is_looked_for(
    desk: Client, make_customer: Callable[..., Customer]
) -> None:
    make_customer("Bar da Padaria Íris")
    make_customer("Zé Padaria", is_active=False)
    padarias = [make_customer(f"Padaria {letter}") for letter in "CABDEFGH"]
    make_customer("Padaria I", is_active=False)

    def found(typed: str) -> tuple[list[str], int]:
        with CaptureQueriesContext(connection) as queries:
            options = desk.get(f"/orders/new/customers?customer_search={typed}").context["options"]
        return [each.name for each in options], len(queries)

    inorder = [f"Padaria {letter}" for letter in "ABCDEFGH"]
    enough = found("padária")
    padarias[0].delete()
    few = found(" Padaria ")
    assert (enough[0], few[0]) == (inorder, [*inorder[:2], *inorder[3:], "Bar da Padaria Íris"])
    assert enough[1] < few[1]
    assert found("padaria iris")[0] == ["Bar da Padaria Íris"]


def test_inactive_customers_are_shown_after_the_others_and_cannot_be_chosen(
    desk: Client, make_customer: Callable[..., Customer]
) -> None:
    gone = [make_customer(f"Bazar {letter}", is_active=False) for letter in "BA"]
    path = "/orders/new/customers"

    def found(typed: str) -> tuple[list[tuple[str, str]], int]:
        with CaptureQueriesContext(connection) as queries:
            page = text(desk.get(path, {"customer_search": typed}))
        options = re.findall(r'<li role="option"([^>]*)>.*?"strong">(.*?)</div>', page)
        return [
            (re.sub("<.*?>", "", name), "disabled" if "aria-disabled" in attributes else "")
            for attributes, name in options
        ], len(queries)

    inactive = [(f"Bazar {letter} Inactive", "disabled") for letter in "AB"]
    assert found("bazar")[0] == inactive
    page = text(desk.get(path, {"customer_search": gone[0].cpf_cnpj[:8]}))
    assert "Nothing fits" not in page
    assert "data-value" not in page
    assert 'aria-selected="true"' not in page
    plain = {"action": "customer", "customer_search": "Bazar B", "idempotency_key": "form-1"}
    answer = desk.post("/orders/new", plain)
    assert answer.context["customer"] is None
    assert f'value="{gone[0].pk}" disabled' in text(answer)
    active = make_customer("O Bazar")
    both, statements = found("bazar")
    assert both == [("O Bazar", ""), *inactive]
    assert (
        desk.post("/orders/new", {**plain, "customer_search": "bazar"}).context["customer"]
        == active
    )
    for customer in gone:
        customer.delete()
    assert found("bazar") == ([("O Bazar", "")], statements)


def test_the_refusal_of_an_inactive_customer_is_not_the_message_of_deactivating_one(
    desk: Client, operator: User, admin: User, product: Product, customer: Customer
) -> None:
    update_customer(actor=admin, customer_id=customer.pk, is_active=False)
    User.objects.filter(pk=operator.pk).update(language="pt-br")
    refused = desk.post("/orders/new", entry(customer, (product, 1)))
    assert refused.context["problems"] == [
        f"O cliente {customer.name} está inativo. Ative-o ou escolha outro."
    ]


def test_a_past_order_is_repeated_into_a_new_form(
    desk: Client, product: Product, place: Callable[..., Order]
) -> None:
    order = place((product, 4), notes="Ring twice")
    response = desk.get(f"/orders/new?repeat={order.pk}")
    assert [(line.product_id, line.quantity) for line in response.context["lines"]] == [
        (product.pk, "4")
    ]
    assert response.context["customer"].pk == order.customer_id
    assert "Ring twice" in text(response)


def test_a_repeated_order_goes_to_an_address_of_its_own_only_where_that_is_certain(
    desk: Client, admin: User, product: Product, place: Callable[..., Order],
    make_customer: Callable[..., Customer],
) -> None:  # fmt: skip
    customer = make_customer(address="Rua A, 1\nSantos")

    def again(order: Order) -> tuple[str, str]:
        response = desk.get(f"/orders/new?repeat={order.pk}")
        return response.context["form"]["delivery_address"].value(), text(response)

    usual = place((product, 1), customer_id=customer.pk)
    elsewhere = place((product, 1), customer_id=customer.pk, delivery_address="Obra, Km 4")
    assert again(usual)[0] == ""
    assert again(elsewhere)[0] == "Obra, Km 4"
    update_customer(actor=admin, customer_id=customer.pk, address="Rua B, 2")
    for order, address in ((usual, "Rua A, 1 Santos"), (elsewhere, "Obra, Km 4")):
        filled, page = again(order)
        assert filled == ""
        assert f"{order.number} went to “{address}”. Left empty," in page


def test_another_customer_does_not_get_the_address_of_the_one_before(
    desk: Client, product: Product, place: Callable[..., Order],
    make_customer: Callable[..., Customer],
) -> None:  # fmt: skip
    customer = make_customer(address="Rua A, 1\nSantos")
    place((product, 1), customer_id=customer.pk, delivery_address="Obra, Km 4")
    for typed, stays in (
        ("Rua A, 1\r\nSantos ", ""),
        ("Obra, Km 4", ""),
        ("Praia, 9", "Praia, 9"),
    ):
        body = entry(customer, (product, 1), action="change_customer", delivery_address=typed)
        context = desk.post("/orders/new", body, headers=HTMX).context
        assert (context["customer"], context["form"]["delivery_address"].value()) == (None, stays)


def test_a_price_that_changed_under_the_form_is_shown_before_it_is_booked(
    desk: Client, admin: User, customer: Customer, make_product: Callable[..., Product]
) -> None:
    one, other = make_product(price="22.30"), make_product(price="1234.50")
    body = entry(customer, (one, 1), (other, 2), seen=["2230", "123450"])
    update_product(actor=admin, product_id=one.pk, price=Decimal("1099.00"))
    response = desk.post("/orders/new", body, headers=HTMX)
    page = text(response)
    assert (response.status_code, Order.objects.count()) == (422, 0)
    assert f"{one.sku} costs R$\xa01,099.00 now, not R$\xa022.30." in page
    assert f"{other.sku} costs" not in page
    assert 'name="seen" value="109900"' in page
    body["seen"] = ["109900", "123450"]
    placed = desk.post("/orders/new", body, headers=HTMX)["HX-Redirect"]
    assert Order.objects.get().total == Decimal("3568.00")
    # The answer was lost: the same form leads to the order that it has placed, whatever is charged by now.
    update_product(actor=admin, product_id=one.pk, price=Decimal("5.00"))
    assert desk.post("/orders/new", body, headers=HTMX)["HX-Redirect"] == placed


@pytest.mark.parametrize("seen", [[], ["", "x"], ["٣", "9" * 30], ["2230"]])
def test_a_form_that_says_no_price_is_taken_at_that_of_the_moment(
    desk: Client, customer: Customer, make_product: Callable[..., Product], seen: list[str]
) -> None:
    one, other = make_product(price="22.30"), make_product(price="1.00")
    desk.post("/orders/new", entry(customer, (one, 1), (other, 2), seen=seen), headers=HTMX)
    assert Order.objects.get().total == Decimal("24.30")


def test_a_step_is_taken_and_shown(
    desk: Client, product: Product, place: Callable[..., Order]
) -> None:
    order = place((product, 1))
    response = desk.post(f"/orders/{order.pk}/status", {"status": "confirmed"}, headers=HTMX)
    order.refresh_from_db()
    assert (response.status_code, order.status, "<html" in text(response)) == (
        200,
        "confirmed",
        False,
    )
    assert "Mark as picked" in text(response)


def test_who_was_faster_is_said_to_the_second(
    desk: Client, product: Product, place: Callable[..., Order], manager: User
) -> None:
    order = place((product, 1))
    change_status(actor=manager, order_id=order.pk, to=OrderStatus.CANCELLED)
    response = desk.post(f"/orders/{order.pk}/status", {"status": "confirmed"})
    assert response.status_code == 409
    assert f"{manager.name} has meanwhile set this order to “Cancelled”" in text(response)
    new = place((product, 1))
    response = desk.post(f"/orders/{new.pk}/status", {"status": "shipped"})
    assert f"{new.number} is Pending and cannot become Shipped." in text(response)


def test_a_step_that_the_person_did_not_see_is_not_overrun(
    desk_of: Callable[[User], Client],
    operator: User,
    manager: User,
    product: Product,
    place: Callable[..., Order],
) -> None:
    order = place((product, 1))
    seen = order.version
    change_status(actor=operator, order_id=order.pk, to=OrderStatus.CONFIRMED)
    body = {"status": "cancelled", "note": "Wrong address", "version": seen}
    response = desk_of(manager).post(f"/orders/{order.pk}/status", body, headers=HTMX)
    order.refresh_from_db()
    assert (response.status_code, order.status) == (200, "confirmed")
    assert f"{operator.name} " in text(response)
    assert 'role="alert"' in text(response)


def test_a_step_pressed_twice_is_taken_once_and_no_mistake(
    desk: Client, product: Product, place: Callable[..., Order]
) -> None:
    order = place((product, 1))
    body = {"status": "confirmed", "version": order.version}
    answers = [desk.post(f"/orders/{order.pk}/status", body).status_code for _ in range(2)]
    assert (answers, order.history.count()) == ([302, 302], 2)


def test_cancelling_asks_for_a_reason(
    desk_of: Callable[[User], Client], manager: User, product: Product, place: Callable[..., Order]
) -> None:
    order = place((product, 4))
    client = desk_of(manager)
    response = client.post(f"/orders/{order.pk}/status", {"status": "cancelled", "note": " "})
    assert (response.status_code, level_of(product).reserved) == (422, 4)
    bulk = {"ids": order.pk, "action": "cancelled", "note": ""}
    assert client.post("/orders/bulk", bulk).status_code == 422
    assert level_of(product).reserved == 4
    client.post("/orders/bulk", bulk | {"note": "Wrong address"})
    assert (order.history.get(seq=2).note, level_of(product).reserved) == ("Wrong address", 0)


def test_a_note_that_is_too_long_is_refused_and_kept(
    desk_of: Callable[[User], Client], manager: User, product: Product, place: Callable[..., Order]
) -> None:
    order = place((product, 4))
    body = {"status": "cancelled", "note": "x" * 2001}
    response = desk_of(manager).post(f"/orders/{order.pk}/status", body)
    assert (response.status_code, body["note"] in text(response)) == (422, True)


def test_a_due_date_that_has_passed_is_told_and_taken(
    desk: Client, product: Product, customer: Customer
) -> None:
    today = clock.today()

    def told(day: object) -> bool:
        page = text(
            desk.post("/orders/new", entry(customer, (product, 1), action="", due_date=day))
        )
        return not re.search(r"<p[^>]* data-past-due [^>]*hidden>", page)

    days = [today - timedelta(days=1), today, "", "1026-01-01", "soon"]
    assert [told(day) for day in days] == [True, False, False, False, False]
    placed = desk.post("/orders/new", entry(customer, (product, 1), due_date=days[0]))
    assert (placed.status_code, Order.objects.get().due_date) == (302, days[0])


def test_the_timeline_tells_the_event_log_in_words_to_those_who_may_see_it(
    desk_of: Callable[[User], Client],
    operator: User,
    manager: User,
    product: Product,
    place: Callable[..., Order],
) -> None:
    with request_id.working_as("made-it"):
        order = place((product, 1))
        change_status(actor=manager, order_id=order.pk, to=OrderStatus.CANCELLED)
    pages = [text(desk_of(who).get(f"/orders/{order.pk}")) for who in (operator, manager)]
    seen = ["reserved the stock", "gave the stock back", "made-it"]
    assert [[words in page for words in seen] for page in pages] == [[False] * 3, [True] * 3]
    assert [event for event in EventType if event in "".join(pages)] == []


def test_orders_lead_to_those_before_and_after(
    desk: Client, product: Product, place: Callable[..., Order]
) -> None:
    first, second, third = (place((product, 1)) for _ in range(3))
    ends = [desk.get(f"/orders/{it.pk}").context["page"] for it in (first, second, third)]
    assert [(page.newer, page.older) for page in ends] == [
        (second.pk, None),
        (third.pk, first.pk),
        (None, second.pk),
    ]


def test_a_note_sent_twice_is_written_once_and_other_words_are_another(
    desk: Client, product: Product, place: Callable[..., Order]
) -> None:
    order = place((product, 1))
    page = text(desk.get(f"/orders/{order.pk}"))
    key = re.search(r'name="idempotency_key" value="([^"]+)"', page)
    assert key is not None
    for words in ("Back door", "Back door", "Back door, after three"):
        body = {"text": words, "idempotency_key": key[1]}
        assert desk.post(f"/orders/{order.pk}/notes", body).status_code == 302
    assert list(order.note_rows.order_by("pk").values_list("text", flat=True)) == [
        "Back door",
        "Back door, after three",
    ]
    assert key[1] not in text(desk.get(f"/orders/{order.pk}"))


def test_a_note_is_added_and_an_empty_one_refused(
    desk: Client, product: Product, place: Callable[..., Order]
) -> None:
    order = place((product, 1))
    assert desk.post(f"/orders/{order.pk}/notes", {"text": " "}).status_code == 422
    desk.post(f"/orders/{order.pk}/notes", {"text": "Back door"})
    assert list(OrderNote.objects.values_list("text", flat=True)) == ["Back door"]


def test_many_orders_move_together_and_each_result_is_told(
    desk: Client, product: Product, place: Callable[..., Order], manager: User
) -> None:
    moved, stuck, there = (place((product, 1)) for _ in range(3))
    change_status(actor=manager, order_id=stuck.pk, to=OrderStatus.CANCELLED)
    change_status(actor=manager, order_id=there.pk, to=OrderStatus.CONFIRMED)
    ids = [moved.pk, stuck.pk, there.pk, 999_999]
    response = desk.post("/orders/bulk", {"ids": ids, "action": "confirmed"})
    assert [result["done"] for result in response.context["results"]] == [True, *[False] * 3]
    assert re.findall(r"<tr><td>.*?</td><td>(.*?)</td>", text(response)) == [
        '<span class="status status-confirmed">Confirmed</span>',
        f'<span class="late">{stuck.number} is Cancelled and cannot become Confirmed.</span>',
        '<span class="status status-confirmed">Confirmed</span> <span class="hint">as it was before</span>',
        '<span class="late">There is no such order.</span>',
    ]
    assert "1 of 4" in text(response)
    moved.refresh_from_db()
    assert moved.status == "confirmed"


def test_without_javascript_cancelling_many_asks_for_the_reason_and_keeps_what_was_ticked(
    desk_of: Callable[[User], Client], manager: User, product: Product, place: Callable[..., Order]
) -> None:
    ticked, _other, unticked = (place((product, 1)) for _ in range(3))
    desk = desk_of(manager)
    body = {"action": "cancelled", "note": " ", "back": "status=pending"}
    page = desk.post("/orders/bulk", body | {"ids": [ticked.pk, unticked.pk]})
    assert page.status_code == 422
    boxes = re.findall(r'<input [^>]*name="ids" value="(\d+)"[^>]* checked>', text(page))
    assert boxes == [str(unticked.pk), str(ticked.pk)]
    assert "Say why the order is cancelled." in text(page)
    assert 'name="back" value="status=pending"' in text(page)
    done = desk.post("/orders/bulk", body | {"ids": ticked.pk, "note": "Closed down"})
    assert [result["done"] for result in done.context["results"]] == [True]
    found = Order.objects.filter(status=OrderStatus.CANCELLED).values_list("pk", flat=True)
    assert list(found) == [ticked.pk]
    none = desk.post("/orders/bulk", body)
    assert (none.status_code, none["Location"]) == (302, "/orders/?status=pending")


def test_selected_orders_are_printed_at_an_address_of_their_own(
    desk: Client, product: Product, place: Callable[..., Order]
) -> None:
    orders = [place((product, 1)) for _ in range(3)]
    chosen = [orders[0].pk, orders[2].pk]
    answer = desk.post("/orders/bulk", {"ids": chosen, "action": "pick"})
    assert answer["Location"] == f"/orders/print/pick?ids={chosen[0]}&ids={chosen[1]}"
    page = text(desk.get(answer["Location"]))
    assert [order.number in page for order in orders] == [True, False, True]
    assert desk.get("/orders/print/pick").status_code == 404


def test_from_printed_orders_back_leads_to_the_list_as_it_was(
    desk: Client, product: Product, place: Callable[..., Order]
) -> None:
    orders = [place((product, 1)) for _ in range(2)]
    body = {
        "ids": [order.pk for order in orders],
        "action": "pick",
        "back": "status=pending&page=2",
    }
    printed = text(desk.get(desk.post("/orders/bulk", body)["Location"]))
    [other] = re.findall(r'href="([^"]*)"[^>]*>Packing slip<', printed)
    for page in (printed, text(desk.get(html.unescape(other)))):
        assert 'href="/orders/?status=pending&amp;page=2" data-key="Escape"' in page


def test_a_page_to_print_is_named_by_its_orders(
    desk: Client, product: Product, place: Callable[..., Order]
) -> None:
    one, two = (place((product, 1)) for _ in range(2))
    for path, title in (
        (f"/orders/{one.pk}/print/pick", f"{one.number} · Pick list"),
        (f"/orders/{one.pk}/print/slip?prices=true", f"{one.number} · Packing slip with prices"),
        (f"/orders/print/slip?ids={one.pk}&ids={two.pk}", "Packing slip · 2 orders"),
        (f"/orders/print/slip?ids={two.pk}", f"{two.number} · Packing slip"),
    ):
        assert f"<title>{title}</title>" in text(desk.get(path))


def test_the_tabs_follow_the_filters(desk: Client) -> None:
    fragment = text(desk.get("/orders/?status=pending&search=", headers=HTMX))
    assert 'id="tabs" hx-swap-oob="true"' in fragment
    assert '?status=pending" aria-current="true"' in fragment
    assert 'name="query" value="status=pending"' in fragment
    assert "hx-swap-oob" not in text(desk.get("/orders/?status=pending"))


def test_the_filter_for_a_customer_is_named_and_kept(
    desk: Client, product: Product, place: Callable[..., Order], customer: Customer
) -> None:
    place((product, 1))
    page = text(desk.get(f"/orders/?customer_id={customer.pk}&sort=created_at"))
    assert f"Customer: {customer.name}" in page
    assert f'name="customer_id" value="{customer.pk}" form="filters"' in page
    assert 'name="sort" value="created_at" form="filters"' in page


def test_a_page_after_the_last_is_the_last(
    desk: Client, product: Product, place: Callable[..., Order]
) -> None:
    order = place((product, 1))
    assert order.number in text(desk.get("/orders/?page=7"))


def test_a_view_without_a_name_is_refused_in_place(desk: Client) -> None:
    body = {"name": " ", "query": "late=true"}
    refused = desk.post("/orders/views", body, headers=HTMX)
    assert (refused.status_code, 'value="late=true"' in text(refused)) == (422, True)
    page = desk.post("/orders/views", body)
    assert (page.status_code, 'value="late=true"' in text(page)) == (422, True)
    assert SavedView.objects.count() == 0


@pytest.mark.parametrize("headers", [{}, HTMX])
def test_a_view_of_the_same_name_goes_only_when_that_is_said(
    desk: Client, headers: dict[str, str]
) -> None:
    desk.post("/orders/views", {"name": "Mine", "query": "late=true"})
    body = {"name": "Mine", "query": "status=pending"}
    refused = desk.post("/orders/views", body, headers=headers)
    assert (refused.status_code, SavedView.objects.get().query) == (422, "late=true")
    assert "You have a view of this name, with other filters." in text(refused)
    assert ('value="Mine"' in text(refused), 'name="replace"' in text(refused)) == (True, True)
    other = desk.post("/orders/views", body | {"name": "Yours", "replace": "Mine"}, headers=headers)
    assert (other.status_code < 400, SavedView.objects.count()) == (True, 2)
    desk.post("/orders/views", body | {"replace": "Mine"}, headers=headers)
    assert SavedView.objects.get(name="Mine").query == "status=pending"


def test_a_view_saved_again_with_the_same_filters_may_be_shared(desk: Client) -> None:
    for shared in ({}, {"is_shared": "on"}):
        response = desk.post("/orders/views", {"name": "Mine", "query": "late=true", **shared})
        assert (response.status_code, SavedView.objects.get().is_shared) == (302, bool(shared))


def test_views_are_saved_shared_and_forgotten(
    desk: Client, desk_of: Callable[[User], Client], operator: User, viewer: User
) -> None:
    response = desk.post("/orders/views", {"name": "Mine", "query": "late=true", "is_shared": "on"})
    view = SavedView.objects.get()
    assert (response["Location"], view.owner) == ("/orders/?late=true", operator)
    other = desk_of(viewer)
    assert "Mine" in text(other.get("/orders/"))
    assert other.post(f"/orders/views/{view.pk}/delete").status_code == 404
    assert desk.post(f"/orders/views/{view.pk}/delete").status_code == 302
    assert SavedView.objects.count() == 0


def test_paper_has_every_line_and_a_code(
    desk: Client, product: Product, place: Callable[..., Order]
) -> None:
    order = place((product, 7))
    for document in ("pick", "slip"):
        page = text(desk.get(f"/orders/{order.pk}/print/{document}"))
        assert (order.number in page, product.sku in page, "data:image/svg+xml" in page) == (
            True,
            True,
            True,
        )
    assert desk.get(f"/orders/{order.pk}/print/poem").status_code == 404


def sheet(desk: Client, address: str) -> str:
    """What stands on paper, without its markup."""
    [found] = re.findall(r"<article.*?</article>", text(desk.get(address)), re.DOTALL)
    return " ".join(strip_tags(found.replace("<", " <")).split())


def test_paper_says_who_sold_what_to_whom_and_how_many_pieces(
    desk: Client, manager: User, operator: User, product: Product, customer: Customer, place: Callable[..., Order],
) -> None:  # fmt: skip
    update_customer(
        actor=manager, customer_id=customer.pk, phone="(11) 5550-1234", address="Rua da Sede, 1"
    )
    order = place(
        (product, 7), due_date=date(2030, 1, 31), customer_reference="OC 5053", delivery_address="Doca 9",
        notes="Ring twice",
    )  # fmt: skip
    slip, pick = (sheet(desk, f"/orders/{order.pk}/print/{name}") for name in ("slip", "pick"))
    both = [
        f"Seller {operator.name}",
        "Deliver to Doca 9",
        "Due date Jan 31, 2030",
        "Customer reference OC 5053",
        "Total of 1 item 7 pieces",
        "Notes: Ring twice",
        f"Printed by {operator.name}",
    ]
    assert [words for words in both if words not in pick or words not in slip] == []
    alone = [
        f"CPF/CNPJ {taxid.formatted(customer.cpf_cnpj)} · Phone (11) 5550-1234",
        "Customer's address Rua da Sede, 1",
        "Not a fiscal document.",
    ]
    assert [words for words in alone if words not in html.unescape(slip) or words in pick] == []
    assert ("Picked by" in pick, "Received by, date" in slip) == (True, True)


def test_paper_has_prices_where_that_is_asked_for_and_never_in_the_warehouse(
    desk: Client, product: Product, place: Callable[..., Order]
) -> None:
    orders = [place((product, 7)), place((product, 2))]
    ids = "&".join(f"ids={order.pk}" for order in orders)
    for base, query in ((f"/orders/{orders[0].pk}/print", ""), ("/orders/print", ids)):
        shown = {}
        for document in ("pick", "slip"):
            for prices in ("", "prices=true"):
                address = f"{base}/{document}?{'&'.join(filter(None, (query, prices)))}"
                shown[document, prices] = "R$\xa070.00" in text(desk.get(address))
        assert [which for which, has in shown.items() if has] == [("slip", "prices=true")]
        page = text(desk.get(f"{base}/slip?{query}"))
        copies = re.findall(r'<a class="btn( is-on)?" href="([^"]*)"[^>]*>([^<]*)</a>', page)
        assert [(label, mark) for mark, _, label in copies][:3] == [
            ("Pick list", ""),
            ("Packing slip", " is-on"),
            ("Packing slip with prices", ""),
        ]
        assert "R$\xa070.00" in text(desk.get(html.unescape(copies[2][1])))


def test_paper_of_a_cancelled_order_says_so(
    desk: Client, manager: User, product: Product, place: Callable[..., Order]
) -> None:
    order = place((product, 1))
    assert "Cancelled" not in sheet(desk, f"/orders/{order.pk}/print/pick")
    change_status(actor=manager, order_id=order.pk, to=OrderStatus.CANCELLED, note="No")
    cancelled = sheet(desk, f"/orders/{order.pk}/print/pick")
    assert f"{order.number} Cancelled" in cancelled
    # On each page of it.
    assert f"{order.number} · {order.customer.name} · Cancelled" in cancelled


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/orders/new", {"action": "place"}),
        ("/orders/{order}/status", {"status": "confirmed"}),
        ("/orders/{order}/status", {"status": "cancelled"}),
        ("/orders/{order}/notes", {"text": "Hello"}),
        ("/orders/bulk", {"ids": "{order}", "action": "confirmed"}),
        ("/orders/bulk", {"ids": "{order}", "action": "cancelled"}),
    ],
)
@pytest.mark.parametrize("headers", [{}, HTMX])
def test_a_viewer_is_refused_by_every_form(
    desk_of: Callable[[User], Client], viewer: User, product: Product, place: Callable[..., Order],
    path: str, body: dict[str, str], headers: dict[str, str],
) -> None:  # fmt: skip
    order = place((product, 1))
    client = desk_of(viewer)
    assert client.post(path.format(order=order.pk), body, headers=headers).status_code == 403
    order.refresh_from_db()
    assert (order.status, OrderNote.objects.count()) == ("pending", 0)


def test_a_viewer_sees_masked_tax_ids_and_no_buttons(
    desk_of: Callable[[User], Client],
    viewer: User,
    product: Product,
    place: Callable[..., Order],
    customer: Customer,
) -> None:
    order = place((product, 1))
    client = desk_of(viewer)
    for path in ("/orders/", f"/orders/{order.pk}"):
        page = text(client.get(path))
        assert (customer.cpf_cnpj[7:12] in page, "/orders/new" in page) == (False, False)
    assert 'placeholder="Number, customer or reference"' in text(client.get("/orders/"))
