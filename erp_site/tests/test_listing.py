"""The foot of a list: the numbered pages that lead through it."""

import re
from collections.abc import Callable

import pytest
from django.forms import Form
from django.test import Client

from accounts.models import User
from customers.models import Customer
from erp_site.core.listing import PAGE_SIZE, Listing


@pytest.mark.parametrize(
    ("count", "page", "numbers"),
    [
        (0, 1, "1"),
        (PAGE_SIZE, 1, "1"),
        (PAGE_SIZE + 1, 1, "1 2"),
        (13 * PAGE_SIZE, 1, "1 2 … 13"),
        (13 * PAGE_SIZE, 6, "1 … 5 6 7 … 13"),
        (13 * PAGE_SIZE, 13, "1 … 12 13"),
    ],
)
def test_a_list_offers_its_ends_and_the_pages_about_this_one(
    count: int, page: int, numbers: str
) -> None:
    rows = [None] * min(PAGE_SIZE, count - (page - 1) * PAGE_SIZE)
    listing = Listing(  # type: ignore[type-var]  # only their number counts
        rows=rows, count=count, capped=False, page=page, sort="name", form=Form()
    )
    assert " ".join(map(str, listing.page_numbers)) == numbers


def test_beyond_what_is_counted_the_numbers_go_on() -> None:
    listing = Listing(  # type: ignore[type-var]  # only their number counts
        rows=[None] * PAGE_SIZE, count=10_000, capped=True, page=900, sort="name", form=Form()
    )
    assert " ".join(map(str, listing.page_numbers)) == "1 … 899 900 901"


@pytest.mark.django_db
def test_the_numbers_keep_the_filters_and_name_this_page(
    client: Client, make_user: Callable[..., User], make_customer: Callable[..., Customer]
) -> None:
    for number in range(2 * PAGE_SIZE + 1):
        make_customer(name=f"Padaria {number:02}")
    client.force_login(make_user("viewer", language="en"))
    html = client.get("/customers/?search=padaria&page=2").content.decode()
    links = re.findall(r'class="btn btn-sm page-number" href="([^"]*)"', html)
    assert links == ["?search=padaria&amp;page=1", "?search=padaria&amp;page=3"]
    assert re.findall(r'aria-current="page">.*?(\d+)</span>', html)[-1:] == ["2"]
