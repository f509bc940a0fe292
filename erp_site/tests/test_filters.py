"""What a list says about filters that make no sense: in the reader's language, by the names on the page."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from accounts.filters import UserFilter
from accounts.models import User
from catalog.filters import MovementFilter, ProductFilter
from catalog.models import Product
from customers.filters import CustomerFilter
from erp_site.activity import EventFilter
from erp_site.core import clock
from erp_site.core.filtering import ListFilter
from erp_site.testing import HTMX, Api
from orders.filters import OrderFilter
from orders.models import Order

pytestmark = pytest.mark.django_db
NO_DATE = "Informe uma data válida."
NOT_BEFORE = "A data final não pode ser anterior à inicial."


def said(desk: Client, path: str) -> list[str]:
    page = desk.get(path, headers=HTMX).content.decode()
    return re.findall(r'<p class="note bad">(.*?)</p>', page)


@pytest.fixture
def desk(desk_of: Callable[[User], Client], admin: User) -> Client:
    """A browser that reads Portuguese."""
    client = desk_of(admin)
    User.objects.filter(pk=admin.pk).update(language="pt-br")
    return client


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/orders/?created_from=banana", [f"Criados a partir de: {NO_DATE}"]),
        ("/orders/?due_to=31/12/2026", ["Prazo até: Informe uma data válida."]),
        ("/orders/?late=yes", ["Só os atrasados: Use true ou false."]),
        ("/products/?price_min=x", ["Preço de: Escreva um valor como 10 ou 10,50."]),
        ("/products/{product}?kind=x", ["Tipo: Faça uma escolha válida. x não é uma das escolhas disponíveis."]),
        ("/customers/?created_to=banana", [f"Cadastrado até: {NO_DATE}"]),
        ("/users/?is_active=yes", ["Ativo: Use true ou false."]),
        ("/activity?actor_id=x", ["Pessoa: Informe um número inteiro."]),
    ],
)  # fmt: skip
def test_a_wrong_value_is_said_with_the_label_of_its_field(
    desk: Client, product: Product, path: str, expected: list[str]
) -> None:
    assert said(desk, path.format(product=product.pk)) == expected


@pytest.mark.parametrize("zone", ["Asia/Tokyo", "UTC", "America/Sao_Paulo"])
def test_the_ends_of_the_calendar_are_open_ends_in_every_zone(
    desk: Client,
    api: Api,
    product: Product,
    place: Callable[..., Order],
    settings: Any,
    zone: str,
) -> None:
    place((product, 1))
    settings.TIME_ZONE = zone
    first, last = "0001-01-01", "9999-12-31"
    for query, found in (
        ({"created_from": first}, 1),
        ({"created_from": first, "created_to": last}, 1),
        ({"created_to": last}, 1),
        ({"created_to": first}, 0),
        ({"created_from": last}, 0),
    ):
        assert api.get("/orders", **query).body["count"] == found
        page = desk.get("/orders/", query)
        assert (page.status_code, page.context["listing"].count) == (200, found)
    assert api.get("/orders", updated_since=first).body["count"] == 1


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/orders/?created_from=2026-11-02&created_to=2026-11-01", f"Criados até: {NOT_BEFORE}"),
        ("/orders/?due_from=2026-11-02&due_to=2026-11-01", f"Prazo até: {NOT_BEFORE}"),
        ("/products/?price_min=2&price_max=0", "Preço até: Não pode ser menor que “Preço de”."),
        ("/customers/?created_from=2026-11-02&created_to=2026-11-01", f"Cadastrado até: {NOT_BEFORE}"),
        ("/activity?created_from=2026-11-02&created_to=2026-11-01", f"Até: {NOT_BEFORE}"),
    ],
)  # fmt: skip
def test_a_span_the_wrong_way_round_is_said(desk: Client, path: str, expected: str) -> None:
    assert said(desk, path) == [expected]


@pytest.mark.parametrize(
    ("path", "query"),
    [("/orders/", "status=pending"), ("/customers/", "is_active=true"), ("/products/", "price_min=1"),
     ("/activity", "aggregate=order")],
)  # fmt: skip
def test_filters_that_find_something_are_cleared_in_one_click(
    desk: Client, product: Product, place: Callable[..., Order], path: str, query: str
) -> None:
    place((product, 1))
    link = f'<a class="clear" href="{path}">Limpar os filtros</a>'
    found = [desk.get(address) for address in (path, f"{path}?{query}")]
    assert all(page.context["listing"].rows for page in found)
    assert [link in page.content.decode() for page in found] == [False, True]


@pytest.mark.parametrize(
    ("written", "found"),
    [("1.234,56", True), ("1234,56", True), ("1234.56", True), ("R$ 1.234,56", True), ("1.234,57", False)],
)  # fmt: skip
def test_a_price_is_read_as_people_write_it(
    desk: Client, make_product: Callable[..., Product], written: str, found: bool
) -> None:
    make_product("CAF-1", price="1234.56")
    page = desk.get("/products/", {"price_min": written}).content.decode()
    assert ("CAF-1" in page, f'value="{written}"' in page) == (found, True)


@pytest.mark.parametrize(
    "query", ["created_from={day}&created_to={day}", "due_from={day}&due_to={day}"]
)
def test_a_span_of_one_day_is_a_span(
    desk: Client, product: Product, place: Callable[..., Order], query: str
) -> None:
    order = place((product, 1))
    day = clock.today()
    Order.objects.filter(pk=order.pk).update(due_date=day)
    path = f"/orders/?{query.format(day=day)}"
    page = desk.get(path).content.decode()
    assert (said(desk, path), order.number in page) == ([], True)


@pytest.mark.parametrize(
    "filterset",
    [OrderFilter, ProductFilter, MovementFilter, CustomerFilter, UserFilter, EventFilter],
)
def test_every_filter_has_a_label(filterset: type[ListFilter]) -> None:
    # `label` itself makes one up, in English.
    filters = filterset.base_filters.items()
    assert [name for name, filter_ in filters if vars(filter_)["_label"] is None] == []
