"""A client that a stranger's generator makes from our document does business with a real server."""

import json
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from types import ModuleType
from typing import Any

import pytest

from accounts.models import User
from catalog.models import Product
from customers.models import Customer
from erp_site.api import api
from erp_site.testing import PASSWORD, level_of
from orders.models import Order

PACKAGE = "erp_orders_client"


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    """The package openapi-python-client makes, offline, with warnings about the document as failures."""
    folder = tmp_path_factory.mktemp("client")
    (folder / "openapi.json").write_text(json.dumps(api.get_openapi_schema()), encoding="utf-8")
    (folder / "config.yaml").write_text(
        f"package_name_override: {PACKAGE}\npost_hooks: []\n", encoding="utf-8"
    )
    made = subprocess.run(
        [
            *(sys.executable, "-m", "openapi_python_client", "generate", "--fail-on-warning"),
            *("--path", folder / "openapi.json", "--config", folder / "config.yaml"),
            *("--output-path", folder / PACKAGE, "--meta", "none"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stdout + made.stderr
    sys.path.insert(0, str(folder))
    try:
        yield import_module(PACKAGE)
    finally:
        sys.path.remove(str(folder))
        for name in [name for name in sys.modules if name.split(".")[0] == PACKAGE]:
            del sys.modules[name]


@pytest.fixture
def signed_in(generated: ModuleType, live_server: Any, operator: User) -> Iterator[Any]:
    """The generated client, with the token it got for the operator's password."""
    login = import_module(f"{PACKAGE}.api.authentication.jwt_login")
    with generated.Client(base_url=live_server.url) as visitor:
        pair = login.sync(
            client=visitor, body=models().LoginIn(email=operator.email, password=PASSWORD)
        )
    assert (type(pair).__name__, pair.user.email) == ("LoginOut", operator.email)
    with generated.AuthenticatedClient(base_url=live_server.url, token=pair.access_token) as client:
        yield client


def models() -> ModuleType:
    return import_module(f"{PACKAGE}.models")


def test_it_signs_in_places_an_order_once_and_reads_it_typed(
    signed_in: Any, product: Product, customer: Customer, operator: User
) -> None:
    place = import_module(f"{PACKAGE}.api.orders.place_order")
    read = import_module(f"{PACKAGE}.api.orders.get_order")
    body = models().OrderIn(
        customer_id=customer.pk,
        items=[models().ItemIn(product_id=product.pk, quantity=3)],
        customer_reference="PO 4711",
    )
    first = place.sync_detailed(client=signed_in, body=body, idempotency_key="one")
    again = place.sync_detailed(client=signed_in, body=body, idempotency_key="one")
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.headers["Location"] == f"/api/v1/orders/{first.parsed.id}"
    assert first.parsed == again.parsed
    order = read.sync(order_id=first.parsed.id, client=signed_in)
    assert isinstance(order, models().OrderOut)
    assert order.status is models().OrderStatus.PENDING
    assert (order.total, order.items[0].quantity, order.created_by.id) == ("30.00", 3, operator.pk)
    assert order.created_at == Order.objects.get().created_at
    assert order.deleted_at is None
    assert level_of(product).reserved == 3


def test_a_refusal_is_a_typed_problem_with_its_facts(
    signed_in: Any, product: Product, customer: Customer
) -> None:
    place = import_module(f"{PACKAGE}.api.orders.place_order")
    body = models().OrderIn(
        customer_id=customer.pk,
        items=[models().ItemIn(product_id=product.pk, quantity=11)],
        idempotency_key="too many",
    )
    refused = place.sync(client=signed_in, body=body)
    assert isinstance(refused, models().Problem)
    assert (refused.status, refused.code) == (409, "insufficient_stock")
    assert refused["items"] == [
        {"product_id": product.pk, "sku": product.sku, "requested": 11, "available": 10}
    ]


def test_lists_take_typed_filters_and_answer_pages(
    signed_in: Any, product: Product, place: Any
) -> None:
    orders = [place((product, 1)) for _ in range(3)]
    listing = import_module(f"{PACKAGE}.api.orders.list_orders")
    page = listing.sync(
        client=signed_in,
        status=[models().OrderStatus.PENDING, models().OrderStatus.CONFIRMED],
        created_from=orders[0].created_at,
        late=False,
        sort=models().ListOrdersSort.CREATED_AT,
        limit=2,
    )
    assert isinstance(page, models().OrderPage)
    assert [row.id for row in page.items] == [order.pk for order in orders[:2]]
    assert (page.count, page.count_capped, page.page, page.items[0].items_count) == (3, False, 1, 1)
    rest = listing.sync(
        client=signed_in,
        created_from=orders[0].created_at,
        late=False,
        status=[models().OrderStatus.PENDING, models().OrderStatus.CONFIRMED],
        sort=models().ListOrdersSort.CREATED_AT,
        limit=2,
        cursor=page.next_cursor,
    )
    assert [row.id for row in rest.items] == [orders[2].pk]
    assert rest.next_cursor is None


def test_an_answer_that_has_not_changed_is_not_sent_again(signed_in: Any, product: Product) -> None:
    read = import_module(f"{PACKAGE}.api.products.get_product")
    first = read.sync_detailed(product_id=product.pk, client=signed_in)
    again = read.sync_detailed(
        product_id=product.pk, client=signed_in, if_none_match=first.headers["ETag"]
    )
    assert (first.parsed.sku, again.status_code, again.content) == (product.sku, 304, b"")
