"""Lists with more rows than are counted: known without counting for as long as it is sure, and no longer."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.db.models import QuerySet
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from catalog.models import Product
from catalog.services import delete_product, update_product
from erp_site.core import counting, search
from erp_site.core.counting import Figures, figures, kept_until_something_happens
from erp_site.testing import Api

pytestmark = pytest.mark.django_db

CAP, SPARE, CHANGES = 4, 4, 3


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting, "COUNT_CAP", CAP)
    monkeypatch.setattr(counting, "SPARE", SPARE)
    monkeypatch.setattr(counting, "CHANGES", CHANGES)


@pytest.fixture
def many(make_product: Callable[..., Product]) -> list[Product]:
    return [make_product(name=f"Café {n}", price="2.50", on_hand=0) for n in range(CAP + SPARE + 1)]


def counts(rows: QuerySet[Any], **options: Any) -> tuple[Figures, bool]:
    """The figures, and whether rows were counted for them."""
    with CaptureQueriesContext(connection) as queries:
        found = figures(rows, **options)
    return found, any("COUNT(" in query["sql"] for query in queries)


def test_few_rows_are_counted_and_summed_each_time(make_product: Callable[..., Product]) -> None:
    for price in ("1.10", "2.20"):
        make_product(price=price)
    for _ in range(2):
        found, counted = counts(Product.objects.all(), sum_of="price")
        assert (found.count, found.capped, counted) == (2, False, True)
        assert round(found.total, 2) == Decimal("3.30")


def test_many_rows_are_counted_once(many: list[Product], api: Api) -> None:
    assert counts(Product.objects.all(), sum_of="price") == (Figures(CAP, capped=True), True)
    assert counts(Product.objects.all(), sum_of="price") == (Figures(CAP, capped=True), False)
    assert counts(Product.objects.order_by("name")) == (Figures(CAP, capped=True), False)
    assert (api.get("/products").body["count"], api.get("/products").body["count_capped"]) == (
        CAP,
        True,
    )


def test_another_question_is_counted_by_itself(many: list[Product]) -> None:
    figures(Product.objects.all())
    for price in (2, 3):
        found, counted = counts(Product.objects.filter(price__lt=price))
        assert (found.count, counted) == (CAP if price == 3 else 0, True)


def test_a_few_more_than_are_counted_are_not_remembered(many: list[Product], admin: User) -> None:
    delete_product(actor=admin, product_id=many[0].pk)
    for _ in range(2):
        assert counts(Product.objects.all()) == (Figures(CAP, capped=True), True)


def test_it_is_never_said_of_fewer(many: list[Product], admin: User) -> None:
    left = len(many)
    for product in many:
        found = figures(Product.objects.all())
        assert (found.count, found.capped) == (min(left, CAP), left > CAP)
        delete_product(actor=admin, product_id=product.pk)
        left -= 1
    assert figures(Product.objects.all()).count == 0


def test_control_without_the_events_it_would_be(
    many: list[Product], admin: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counting, "_event_id", lambda: 1)
    figures(Product.objects.all())
    for product in many:
        delete_product(actor=admin, product_id=product.pk)
    assert figures(Product.objects.all()).capped


def test_after_some_changes_rows_are_counted_again(many: list[Product], admin: User) -> None:
    figures(Product.objects.all())
    counted = []
    for n in range(CHANGES + 1):
        counted.append(counts(Product.objects.all())[1])
        update_product(actor=admin, product_id=many[0].pk, name=f"Tea {n}")
    assert counted == [False, False, False, True]


def test_after_a_while_rows_are_counted_again(
    many: list[Product], monkeypatch: pytest.MonkeyPatch
) -> None:
    figures(Product.objects.all())
    monkeypatch.setattr(counting, "LONGEST", 0.0)
    assert counts(Product.objects.all())[1] is True


def test_what_other_tables_decide_is_counted_each_time(
    many: list[Product], api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A customer's new name changes the list of orders by ten thousand rows, and is one event."""
    monkeypatch.setattr(search, "_FEW", 2)  # more are left to the table of words
    figures(Product.objects.all())
    with CaptureQueriesContext(connection) as queries:
        for _ in range(2):
            assert api.get("/products", search="cafe").body["count"] == CAP
            assert api.get("/products", low_stock="false").body["count"] == CAP
    assert sum("COUNT(" in query["sql"] for query in queries) == 4
    figures(User.objects.all())
    assert all("accounts_user" not in key[0] for key in counting._many)


def test_only_so_many_questions_are_remembered(
    many: list[Product], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counting, "MOST", 3)
    for price in range(10, 20):
        figures(Product.objects.filter(price__lt=price))
    assert 1 <= len(counting._many) <= 3


class TestKeptUntilSomethingHappens:
    @pytest.fixture
    def found(self) -> list[int]:
        return []

    @pytest.fixture
    def ask(self, found: list[int]) -> Callable[[], int]:
        """The number of times that it was found."""

        def find() -> int:
            found.append(1)
            return len(found)

        return lambda: kept_until_something_happens("something", find)

    def test_found_again_after_an_event(
        self, ask: Callable[[], int], make_product: Callable[..., Product], admin: User
    ) -> None:
        product = make_product()
        assert [ask(), ask()] == [1, 1]
        update_product(actor=admin, product_id=product.pk, name="Tea")
        assert [ask(), ask()] == [2, 2]

    def test_and_after_a_while(
        self, ask: Callable[[], int], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert [ask(), ask()] == [1, 1]
        monkeypatch.setattr(counting, "OVERTAKEN", 0.0)
        assert ask() == 2

    def test_one_name_is_not_another(self, ask: Callable[[], int]) -> None:
        assert ask() == 1
        assert kept_until_something_happens("another", lambda: "its own") == "its own"
        assert ask() == 1
