"""Lists by name follow the alphabet, on every database: case and accents do not count."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from catalog.models import Product
from catalog.queries import find_products
from catalog.services import create_price_list, update_product
from customers.models import Customer
from customers.queries import find_customers
from customers.services import update_customer
from erp_site.core.models import Named
from erp_site.core.search import sort_all
from erp_site.testing import Api
from orders.models import SavedView
from orders.queries import saved_views

pytestmark = pytest.mark.django_db

ALPHABET = ["Água", "agulha", "arroz", "Ênfase", "Oleandro", "Óleo", "olho", "Zinco"]
MIXED = ["Zinco", "olho", "arroz", "Óleo", "Água", "Oleandro", "agulha", "Ênfase"]
LISTS = ["/products", "/customers", "/auth/users"]


@pytest.fixture
def named(
    make_product: Callable[..., Product],
    make_customer: Callable[..., Customer],
    make_user: Callable[..., User],
    admin: User,
) -> None:
    for name in MIXED:
        create_price_list(actor=admin, name=name)
        make_product(name=name)
        make_customer(name)
        make_user(name=name)


def names(api: Api, path: str, **query: Any) -> list[str]:
    """Of those made above; there are others, who do the making."""
    found: list[str] = []
    while True:
        body = api.get(path, limit=3, **query).body
        found += [item["name"] for item in body["items"]]
        if not body["next_cursor"]:
            return [name for name in found if name in MIXED]
        query["cursor"] = body["next_cursor"]


@pytest.mark.usefixtures("named")
@pytest.mark.parametrize("path", LISTS)
def test_the_api_lists_by_the_alphabet_in_both_directions_and_over_its_pages(
    api: Api, path: str
) -> None:
    assert names(api, path) == names(api, path, sort="name") == ALPHABET
    assert names(api, path, sort="-name") == ALPHABET[::-1]


@pytest.mark.usefixtures("named")
@pytest.mark.parametrize("path", ["/products/", "/products/price-lists", "/customers/", "/users/"])
def test_the_pages_do_too(client: Client, admin: User, path: str) -> None:
    client.force_login(admin, "accounts.backends.RoleBackend")

    def shown(query: str = "") -> list[str]:
        rows = client.get(path + query).context["listing"].rows
        return [row.name for row in rows if row.name in MIXED]

    assert shown() == ALPHABET
    assert shown("?sort=-name") == ALPHABET[::-1]


@pytest.mark.usefixtures("named")
def test_so_do_the_choices_of_order_entry(operator: User) -> None:
    assert [each.name for each in find_products("sku", limit=20)] == ALPHABET
    assert [each.name for each in find_customers(operator, "customer", limit=20)] == ALPHABET


def test_products_whose_name_begins_with_what_is_typed_come_first(
    make_product: Callable[..., Product],
) -> None:
    for name in (
        "Biscoito água e sal",
        "Manteiga com sal",
        "Salsa",
        "Sal refinado",
        "Sal de ervas",
    ):
        make_product(name=name)
    found = [each.name for each in find_products("SÁL", limit=4)]
    assert found == ["Sal de ervas", "Sal refinado", "Salsa", "Biscoito água e sal"]
    assert [each.name for each in find_products("sal ref", limit=4)] == ["Sal refinado"]
    # More words in any order still find it, and the exact SKU is still before all names.
    assert [each.name for each in find_products("agua sal", limit=4)] == ["Biscoito água e sal"]
    make_product(name="Zinco", sku="SAL")
    assert find_products("sal", limit=1)[0].name == "Zinco"


def test_saved_views_do_too(operator: User) -> None:
    for name in MIXED:
        SavedView.objects.create(owner=operator, name=name, query="")
    assert [view.name for view in saved_views(operator.pk)] == ALPHABET


def test_a_new_name_has_a_new_place(admin: User, named: None, api: Api) -> None:
    product = Product.objects.get(name="Zinco")
    update_product(actor=admin, product_id=product.pk, version=product.version, name="Ácido")
    customer = Customer.objects.get(name="Zinco")
    update_customer(actor=admin, customer_id=customer.pk, version=customer.version, name="Ácido")
    for path in ("/products", "/customers"):
        items = api.get(path, limit=50).body["items"]
        assert [item["name"] for item in items if item["name"] in {*MIXED, "Ácido"}] == [
            "Ácido", *ALPHABET[:-1]
        ]  # fmt: skip


@pytest.mark.usefixtures("named")
@pytest.mark.parametrize(
    ("model", "path"), list(zip((Product, Customer, User), LISTS, strict=True))
)
def test_a_migration_finds_the_place_of_rows_that_were_there_before(
    api: Api, model: type[Named], path: str
) -> None:
    model._base_manager.update(sorted_name="")
    assert names(api, path) != ALPHABET
    sort_all(model)
    assert names(api, path) == ALPHABET
