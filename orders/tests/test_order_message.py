"""What the customer is told of their order by WhatsApp or e-mail: the links on its page."""

import re
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from html import unescape
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from django.test import Client

from accounts.models import User
from catalog.models import Product
from customers.models import Customer
from erp_site.templatetags.links import MOST_LINES, mail_url, whatsapp_url
from orders.models import Order

pytestmark = pytest.mark.django_db


def links(desk: Client, order: Order) -> dict[str, str]:
    page = desk.get(f"/orders/{order.pk}").content.decode()
    found = re.findall(r'href="((https://wa\.me|mailto):?[^"]*\?[^"]*)"', page)
    return {kind: unescape(url) for url, kind in found}


@pytest.mark.parametrize(
    ("phone", "number"),
    [
        ("(11) 98888-0100", "5511988880100"),
        ("11 5555-0100", "551155550100"),
        ("011 5555-0100", "551155550100"),
        ("+55 11 98888-0100", "5511988880100"),
        ("5511988880100", "5511988880100"),
        ("+351 912 345 678", "351912345678"),
        ("", ""),
        ("5555-0100", ""),  # of which city?
        ("11 5555-0100 / 11 5555-0101", ""),
        ("11 5555-0100/0101", ""),  # not one of North America
        ("5555-0100 ramal 12", ""),  # not one of 55 50
        ("0 15 11 98888-0100", ""),  # by way of a carrier
        ("Ana: 11 98888-0100", "5511988880100"),
        ("(0xx11) 98888-0100", ""),
        ("+55 (11) 98888-0100 (Ana)", "5511988880100"),
        ("+1", ""),
        ("351 912 345 678", ""),  # of which country? With a + it would say
    ],
)
def test_a_number_is_called_with_its_country_or_the_sender_chooses(phone: str, number: str) -> None:
    assert (
        whatsapp_url(phone, "Olá & até já")
        == f"https://wa.me/{number}?text=Ol%C3%A1%20%26%20at%C3%A9%20j%C3%A1"
    )


def test_an_address_and_a_text_cannot_add_to_the_letter() -> None:
    url = mail_url("a?cc=b@example.com", "1&bcc=c@example.com", "x&cc=d@example.com\ny")
    assert url.count("?") == 1
    query = parse_qs(urlsplit(url).query)
    assert query == {"subject": ["1&bcc=c@example.com"], "body": ["x&cc=d@example.com\r\ny"]}


def test_the_message_says_what_was_ordered(
    desk_of: Callable[[User], Client],
    operator: User,
    make_product: Callable[..., Product],
    make_customer: Callable[..., Customer],
    place: Callable[..., Order],
) -> None:
    buyer = make_customer(
        "Padaria <Três> & Irmãos", phone="(11) 98888-0100", email="compras@example.com"
    )
    order = place(
        (make_product("CAFE", name='Café "extra"', price="18.90"), 2),
        (make_product("SUGAR", name="Sugar", price="4.79"), 10),
        customer_id=buyer.pk,
        due_date=date(2026, 12, 24),
        customer_reference="PO 7",
        delivery_address="Rua A, 1",
    )
    found = links(desk_of(operator), order)
    said = parse_qs(urlsplit(found["https://wa.me"]).query)["text"][0]
    assert said.replace("\xa0", " ").splitlines() == [
        f"Order {order.number}",
        "Padaria <Três> & Irmãos",
        "",
        '2 x Café "extra" (R$ 18.90): R$ 37.80',
        "10 x Sugar (R$ 4.79): R$ 47.90",
        "",
        "Total: R$ 85.70",
        "Due date: Dec 24, 2026",
        "Your reference: PO 7",
        "Deliver to: Rua A, 1",
    ]
    letter = urlsplit(found["mailto"])
    assert (letter.path, parse_qs(letter.query)["subject"]) == (
        "compras@example.com",
        [order.number],
    )
    assert unquote(letter.query).split("&body=")[1].replace("\r\n", "\n") == said


def test_a_long_order_is_cut_short_but_for_its_total(
    desk_of: Callable[[User], Client],
    operator: User,
    make_product: Callable[..., Product],
    place: Callable[..., Order],
) -> None:
    count = MOST_LINES + 3
    order = place(*((make_product(price="10.00"), 1) for _ in range(count)))
    url = links(desk_of(operator), order)["mailto"]
    said = parse_qs(urlsplit(url).query)["body"][0].replace("\xa0", " ")
    assert said.count("1 x ") == MOST_LINES
    assert "and 3 more items" in said
    assert f"Total: R$ {Decimal(10 * count):.2f}" in said
    assert len(url) < 2000


def test_who_only_looks_is_offered_no_letter(
    desk_of: Callable[[User], Client], viewer: User, product: Product, place: Callable[..., Order]
) -> None:
    assert links(desk_of(viewer), place((product, 1))) == {}
