"""The foot of a list: the numbered pages that lead through it."""

import re
from collections.abc import Callable

import pytest
from django.forms import Form
from django.test import Client

from accounts.models import User
from customers.models import Customer
from erp_site.core import counting
from erp_site.core.listing import PAGE_SIZE, Listing
from erp_site.testing import text_of


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


@pytest.mark.django_db
def test_the_pages_of_a_long_list_end_with_what_is_counted_and_say_so(
    monkeypatch: pytest.MonkeyPatch,
    desk_of: Callable[[User], Client],
    viewer: User,
    make_customer: Callable[..., Customer],
) -> None:
    monkeypatch.setattr(counting, "COUNT_CAP", 2 * PAGE_SIZE)
    for number in range(3 * PAGE_SIZE):
        make_customer(name=f"Padaria {number:02}")
    desk = desk_of(viewer)
    more = "Filter the list to see what comes after these."
    assert more not in text_of(desk.get("/customers/"))
    for page in (2, 3, 9_999_999):
        response = desk.get("/customers/", {"page": page})
        shown = response.context["listing"]
        assert [customer.name for customer in shown.rows] == [
            f"Padaria {number:02}" for number in range(PAGE_SIZE, 2 * PAGE_SIZE)
        ]
        assert (shown.page, shown.page_numbers, shown.next_page) == (2, [1, 2], None)
        assert f"of more than 50 · {more}" in text_of(response)


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
