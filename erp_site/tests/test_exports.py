"""Every list as a file."""

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils.text import slugify

from accounts.models import User
from accounts.roles import Role
from accounts.services import create_user
from catalog.models import PriceList, Product
from catalog.services import (
    change_prices,
    create_price_list,
    delete_price_list,
    delete_product,
    update_price_list,
)
from customers.models import Customer
from erp_site.core import clock, counting, tabular
from erp_site.core.listing import listing
from erp_site.core.tabular import read_table
from erp_site.sheets import EXPORTS
from erp_site.testing import PASSWORD, text_of
from orders.models import Order

pytestmark = pytest.mark.django_db


@pytest.fixture
def make_list(admin: User) -> Callable[..., PriceList]:
    """A price list with these own prices."""

    def make(name: str, prices: dict[Product, str]) -> PriceList:
        price_list = create_price_list(actor=admin, name=name)
        own = {product.pk: Decimal(price) for product, price in prices.items()}
        change_prices(actor=admin, price_list_id=price_list.pk, prices=own)
        return price_list

    return make


def content(response: Any) -> bytes:
    assert response.status_code == 200, response.content[:500]
    return b"".join(response.streaming_content)


def column(response: Any, name: str) -> list[object]:
    """What an exported file has under this heading."""
    table = read_table(content(response))
    return [line.cells[table.header.index(name)] for line in table.lines]


def test_products_as_the_list_shows_them(
    desk_of: Callable[[User], Client], viewer: User, make_product: Callable[..., Product]
) -> None:
    make_product("A-1", price="1234.50", name="Café", gtin="7891000315507", on_hand=3)
    make_product("B-2", is_active=False)
    response = desk_of(viewer).get("/export/products.csv?is_active=true&sort=-name")
    header, row, end = content(response).decode("utf-8-sig").split("\r\n")
    assert header == (
        "SKU;GTIN;Name;Description;Price;On hand;Reserved;Available;Low stock threshold;Active;Created;Changed"
    )
    assert row.startswith("A-1;7891000315507;Café;;1234,50;3;0;3;;yes;")
    assert end == ""
    assert response["Content-Disposition"].startswith('attachment; filename="products-')


def test_the_sort_of_the_address_is_the_sort_of_the_file(
    desk_of: Callable[[User], Client], viewer: User, make_product: Callable[..., Product]
) -> None:
    for sku, price in (("A", "2.00"), ("B", "3.00"), ("C", "2.00")):
        make_product(sku, price=price)
    client = desk_of(viewer)
    for query, order in (
        ("sort=-price", ["B", "C", "A"]),
        ("sort=price", ["A", "C", "B"]),
        ("sort=nonsense&page=7", ["A", "B", "C"]),
    ):
        assert column(client.get(f"/export/products.csv?{query}"), "SKU") == order


#: The page of each list, and the module whose view shows it.
PAGES: Final = {
    "orders": ("/orders/", "orders.views.desk"),
    "order-items": ("/orders/", "orders.views.desk"),
    "products": ("/products/", "catalog.views.products"),
    "customers": ("/customers/", "customers.views"),
    "users": ("/users/", "accounts.views.users"),
    "activity": ("/activity", "erp_site.activity"),
}


def test_every_file_is_of_a_page() -> None:
    """But for the prices, which are of all lists where the pages show one, or of every product."""
    assert EXPORTS.keys() - PAGES.keys() == {"prices", "price-list"}


@pytest.mark.parametrize("name", sorted(PAGES))
def test_a_file_can_be_sorted_by_what_its_page_can_be_sorted_by(
    desk_of: Callable[[User], Client], admin: User, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    url, module = PAGES[name]
    taken: list[tuple[object, object]] = []

    def spy(*args: Any, sorts: Any, default: str, **kwargs: Any) -> Any:
        taken.append((sorts, default))
        return listing(*args, sorts=sorts, default=default, **kwargs)

    monkeypatch.setattr(f"{module}.listing", spy)
    assert desk_of(admin).get(url).status_code == 200
    assert taken == [(EXPORTS[name].sorts, EXPORTS[name].default)]


def test_users_are_sorted_in_the_file_as_on_the_page(
    desk_of: Callable[[User], Client], admin: User, make_user: Callable[..., User]
) -> None:
    for name, email in (
        ("bia", "3@x.com"),
        ("Água", "1@x.com"),
        ("Zé", "2@x.com"),
        ("ana", "4@x.com"),
    ):
        make_user(name=name, email=email)
    desk = desk_of(admin)
    for sort in ("name", "-name", "email", "-email"):
        page = desk.get("/users/", {"sort": sort}).context["listing"]
        assert column(desk.get(f"/export/users.csv?sort={sort}"), "E-mail") == [
            user.email for user in page.rows
        ]


def test_all_rows_come_in_order_across_chunks(
    desk_of: Callable[[User], Client],
    viewer: User,
    make_product: Callable[..., Product],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("erp_site.exporting.CHUNK", 2)
    skus = [make_product(f"S{number}", price=f"{number % 2 + 1}.00").sku for number in range(7)]
    response = desk_of(viewer).get("/export/products.csv?sort=price")
    assert column(response, "SKU") == skus[::2] + skus[1::2]


@pytest.mark.parametrize(
    ("name", "statements"),
    [
        ("products", 2),
        ("prices", 3),
        ("price-list", 1),
        ("orders", 3),
        ("order-items", 4),
        ("customers", 2),
        ("users", 1),
        ("activity", 6),
    ],
)
@pytest.mark.parametrize("count", [1, 3])
def test_a_chunk_takes_the_same_statements_for_one_and_three_rows(
    desk_of: Callable[[User], Client],
    make_product: Callable[..., Product],
    make_customer: Callable[..., Customer],
    make_user: Callable[..., User],
    make_list: Callable[..., PriceList],
    place: Callable[..., Order],
    admin: User,
    name: str,
    statements: int,
    count: int,
) -> None:
    create_user(
        actor=admin, email="new@example.com", name="New", role=Role.VIEWER, password=PASSWORD
    )
    for number in range(count):
        product = make_product()
        place((product, 1))
        price_list = make_list(f"List {number}", {product: "9.90"})
        make_customer(price_list_id=price_list.pk)
        make_user()
    response = desk_of(admin).get(f"/export/{name}.csv")
    with CaptureQueriesContext(connection) as queries:
        assert content(response).count(b"\n") > count
    assert len(queries) == statements, [q["sql"][:90] for q in queries]


def test_rows_are_read_a_chunk_at_a_time(
    desk_of: Callable[[User], Client],
    viewer: User,
    make_customer: Callable[..., Customer],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("erp_site.exporting.CHUNK", 2)
    monkeypatch.setattr(tabular.writing, "CHUNK", 2)
    for _ in range(6):
        make_customer()
    pieces = iter(desk_of(viewer).get("/export/customers.csv").streaming_content)
    taken = []
    for _ in range(3):
        with CaptureQueriesContext(connection) as queries:
            next(pieces)
        taken.append(len(queries))
    assert taken == [1, 1, 1]


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_who_may_not_see_tax_ids_gets_them_masked(
    desk_of: Callable[[User], Client],
    people: dict[Role, User],
    product: Product,
    place: Callable[..., Order],
    customer: Customer,
    kind: str,
) -> None:
    place((product, 1))
    whole, masked = customer.cpf_cnpj, f"***{customer.cpf_cnpj[3:7]}*******"
    for role, shown in ((Role.VIEWER, masked), (Role.OPERATOR, whole)):
        client = desk_of(people[role])
        for name in ("orders", "order-items", "customers"):
            cells = column(client.get(f"/export/{name}.{kind}"), "CPF/CNPJ")
            assert [str(cell).translate(str.maketrans("", "", "./-")) for cell in cells] == [shown]


@pytest.mark.parametrize("name", sorted(EXPORTS))
def test_a_file_is_for_those_who_may_see_its_list(
    desk_of: Callable[[User], Client], people: dict[Role, User], name: str
) -> None:
    allowed = {
        role: desk_of(user).get(f"/export/{name}.csv").status_code for role, user in people.items()
    }
    assert allowed == {
        role: 200 if user.has_perm(EXPORTS[name].permission) else 403
        for role, user in people.items()
    }
    assert Client().get(f"/export/{name}.csv").status_code == 302


def test_orders_that_were_selected(
    desk_of: Callable[[User], Client],
    viewer: User,
    product: Product,
    place: Callable[..., Order],
) -> None:
    first, _second, third = (place((product, 1)) for _ in range(3))
    client = desk_of(viewer)
    response = client.post("/export/orders.xlsx", {"ids": [first.pk, third.pk]})
    assert column(response, "Order") == [third.number, first.number]
    assert client.post("/export/orders.xlsx", {"ids": []}).status_code == 422


def test_each_line_of_the_orders_that_the_filters_leave(
    desk_of: Callable[[User], Client],
    operator: User,
    make_product: Callable[..., Product],
    make_customer: Callable[..., Customer],
    place: Callable[..., Order],
) -> None:
    coffee, sugar = make_product("CAFE", price="18.90"), make_product("SUGAR", price="4.00")
    place((coffee, 1))
    order = place((sugar, 3), (coffee, 2), customer_id=make_customer(name="Padaria Aurora").pk)
    found = desk_of(operator).get("/export/order-items.xlsx?search=Aurora")
    table = read_table(content(found))
    names = ("Order", "Customer", "By", "SKU", "Quantity", "Price", "Subtotal")
    rows = [[line.cells[table.header.index(name)] for name in names] for line in table.lines]
    same = [order.number, "Padaria Aurora", str(order.created_by)]
    assert rows == [
        [*same, "SUGAR", 3, 4, 12],
        [*same, "CAFE", 2, 18.9, 37.8],
    ]


def test_prices_of_all_lists_or_of_one(
    desk_of: Callable[[User], Client],
    viewer: User,
    admin: User,
    make_product: Callable[..., Product],
    make_list: Callable[..., PriceList],
) -> None:
    coffee, sugar = make_product("CAFE", price="18.90", name="Café"), make_product("SUGAR")
    gone = make_product("GONE", on_hand=0)
    wholesale = make_list("Atacado", {coffee: "16.5", sugar: "9.90", gone: "1.00"})
    bakeries = make_list("Padarias", {coffee: "17.00"})
    over = make_list("Over", {coffee: "1.00"})
    delete_product(actor=admin, product_id=gone.pk)
    delete_price_list(actor=admin, price_list_id=over.pk)
    desk = desk_of(viewer)

    def rows(query: str) -> list[str]:
        return content(desk.get(f"/export/prices.csv{query}")).decode("utf-8-sig").split("\r\n")

    header = "Price list;SKU;Product;Price;Ordinary price"
    first = ["Atacado;CAFE;Café;16,50;18,90", "Atacado;SUGAR;Product 2;9,90;10,00"]
    second = ["Padarias;CAFE;Café;17,00;18,90"]
    assert rows("") == [header, *first, *second, ""]
    assert rows(f"?price_list_id={wholesale.pk}") == [header, *first, ""]
    assert rows(f"?price_list_id={bakeries.pk}") == [header, *second, ""]
    assert rows(f"?price_list_id={over.pk}") == [header, ""]
    assert desk.get("/export/prices.csv?price_list_id=x").status_code == 422


def test_every_product_with_its_price_on_a_list(
    desk_of: Callable[[User], Client],
    viewer: User,
    admin: User,
    make_product: Callable[..., Product],
    make_list: Callable[..., PriceList],
) -> None:
    """What is sent to those who buy by it: own prices, the discount on the rest, nothing that is not sold."""
    coffee = make_product("CAFE", price="18.90", name="Café", gtin="7891234567895")
    make_product("SUGAR", price="0.99", name="Sugar", on_hand=0)
    make_product("OLD", is_active=False)
    wholesale = make_list("Atacado", {coffee: "16.50"})
    update_price_list(actor=admin, price_list_id=wholesale.pk, discount=Decimal(50))
    make_list("Padarias", {coffee: "17.00"})
    desk = desk_of(viewer)

    def rows(query: str) -> list[str]:
        answer = desk.get(f"/export/price-list.csv{query}")
        return content(answer).decode("utf-8-sig").split("\r\n")

    header = "SKU;GTIN;Product;Price"
    theirs = [header, "CAFE;7891234567895;Café;16,50", "SUGAR;;Sugar;0,50", ""]
    assert rows(f"?price_list_id={wholesale.pk}") == theirs
    assert rows("") == [header, "CAFE;7891234567895;Café;18,90", "SUGAR;;Sugar;0,99", ""]
    for wrong, status in (("x", 422), ("999999", 404)):
        path = f"/export/price-list.csv?price_list_id={wrong}"
        assert desk.get(path).status_code == status


@pytest.mark.parametrize("name", ["prices", "price-list"])
def test_the_file_of_a_price_list_has_its_name(
    desk_of: Callable[[User], Client],
    viewer: User,
    product: Product,
    make_list: Callable[..., PriceList],
    name: str,
) -> None:
    """Whoever sends three of them tells them apart; in letters that every mail program and every disk takes."""
    desk, label = desk_of(viewer), slugify(str(EXPORTS[name].label))

    def named(query: str, kind: str = "csv") -> str:
        answer = desk.get(f"/export/{name}.{kind}{query}")
        list(answer.streaming_content)
        [file_name] = re.findall(r'^attachment; filename="([^"]+)"$', answer["Content-Disposition"])
        assert file_name.endswith(f"-{clock.today():%Y-%m-%d}.{kind}")
        return str(file_name)[: -len(f"-2026-11-28.{kind}")]

    for list_name, shown in (
        ("Atacado São Paulo / Nº 2", "atacado-sao-paulo-no-2"),
        ('A"; x=\u201dB', "a-xb"),
        ("n" * 255, "n" * 60),
        ("Москва", None),
    ):
        made = make_list(list_name, {product: "9.90"})
        for kind in ("csv", "xlsx"):
            found = named(f"?price_list_id={made.pk}", kind)
            assert found == f"{label}-{shown or made.pk}"
    assert named("") == label


def test_a_chunk_of_prices_is_read_without_a_join(
    desk_of: Callable[[User], Client],
    viewer: User,
    make_product: Callable[..., Product],
    make_list: Callable[..., PriceList],
) -> None:
    """With one MariaDB sorted all prices for each: a million, 20,000 on 50 lists, took an hour."""
    make_list("Atacado", {make_product("CAFE"): "16.50"})
    with CaptureQueriesContext(connection) as queries:
        content(desk_of(viewer).get("/export/prices.csv"))
    chunks = [each["sql"] for each in queries if "catalog_listedprice" in each["sql"]]
    assert len(chunks) == 1
    assert " JOIN " not in chunks[0]


def test_a_workbook_ends_where_a_request_would_take_too_long(
    desk_of: Callable[[User], Client],
    viewer: User,
    make_product: Callable[..., Product],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in (("COUNT_CAP", 1), ("SPARE", 1)):
        monkeypatch.setattr(counting, name, value)
    monkeypatch.setattr("erp_site.exporting.MOST_XLSX_ROWS", 3)
    client = desk_of(viewer)
    for _ in range(3):
        make_product()
    assert len(column(client.get("/export/products.xlsx"), "SKU")) == 3
    last = make_product()
    refused = client.get("/export/products.xlsx")
    message = (
        "An XLSX file has at most 3 rows. Filter the list, or take CSV, which has all of them."
    )
    assert (refused.status_code, message in text_of(refused)) == (422, True)
    assert column(client.get(f"/export/products.xlsx?sku={last.sku}"), "SKU") == [last.sku]
    assert len(column(client.get("/export/products.csv"), "SKU")) == 4


def test_no_more_orders_are_summed_than_a_workbook_has_rows(
    desk_of: Callable[[User], Client], viewer: User
) -> None:
    client = desk_of(viewer)
    with CaptureQueriesContext(connection) as queries:
        content(client.get("/export/order-items.xlsx"))
    (summed,) = (it["sql"] for it in queries if "SUM(" in it["sql"])
    assert re.findall(r"LIMIT (\d+)", summed) == ["50001"]


def test_lines_are_counted_against_the_end_of_a_sheet(
    desk_of: Callable[[User], Client],
    viewer: User,
    make_product: Callable[..., Product],
    place: Callable[..., Order],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("erp_site.exporting.MOST_XLSX_ROWS", 2)
    client = desk_of(viewer)
    place((make_product(), 1), (make_product(), 1))
    assert len(column(client.get("/export/order-items.xlsx"), "SKU")) == 2
    place((make_product(), 1))
    assert client.get("/export/order-items.xlsx").status_code == 422
    assert len(column(client.get("/export/order-items.csv"), "SKU")) == 3


def test_formulas_of_others_do_not_run_in_the_readers_spreadsheet(
    desk_of: Callable[[User], Client], viewer: User, make_product: Callable[..., Product]
) -> None:
    make_product("=1+1", name='=HYPERLINK("http://evil.example")')
    lines = content(desk_of(viewer).get("/export/products.csv")).decode("utf-8-sig")
    assert lines.split("\r\n")[1].startswith("'=1+1;;\"'=HYPERLINK(")


def test_windows_1252_on_request(
    desk_of: Callable[[User], Client], viewer: User, make_product: Callable[..., Product]
) -> None:
    make_product(name="Pão")
    response = desk_of(viewer).get("/export/products.csv?encoding=cp1252")
    assert "Pão".encode("cp1252") in content(response)
    assert response["Content-Type"] == "text/csv; charset=windows-1252"


def test_the_file_speaks_the_users_language_although_it_is_written_later(
    desk_of: Callable[[User], Client], viewer: User, product: Product
) -> None:
    client = desk_of(viewer)
    viewer.language = "pt-br"
    viewer.save()
    assert column(client.get("/export/products.csv"), "Ativo") == ["sim"]


@pytest.mark.parametrize("path", ["nothing.csv", "orders.pdf"])
def test_what_there_is_not_is_not_found(
    desk_of: Callable[[User], Client], viewer: User, path: str
) -> None:
    assert desk_of(viewer).get(f"/export/{path}").status_code == 404


def test_a_wrong_filter_is_refused_by_name(desk_of: Callable[[User], Client], viewer: User) -> None:
    response = desk_of(viewer).get("/export/orders.csv?created_from=yesterday")
    assert (response.status_code, b"created_from" in response.content) == (422, True)
