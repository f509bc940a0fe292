"""Price lists: who may change them, what is refused, and what a price on one comes to."""

from collections.abc import Callable
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from catalog.models import (
    MOST_PRICES,
    ListedPrice,
    PriceList,
    Product,
    Repricing,
    price_for,
)
from catalog.queries import extents, prices_of, prices_on
from catalog.services import (
    PriceListInUse,
    change_prices,
    changes_by,
    copy_price_list,
    create_price_list,
    delete_price_list,
    delete_product,
    reprice_list,
    undo_repricing,
    update_price_list,
    upsert_price,
)
from erp_site.core.errors import (
    Denied,
    Duplicate,
    IdempotencyKeyReused,
    Invalid,
    NotFound,
    StaleVersion,
)
from erp_site.core.models import Event
from erp_site.core.money import repriced
from erp_site.integrity import inspect

D = Decimal
pytestmark = pytest.mark.django_db


def facts(price_list):
    """Its events: type, sequence, payload, who."""
    found = Event.objects.filter(aggregate="price_list", aggregate_id=price_list.pk)
    return list(found.order_by("sequence").values_list("type", "sequence", "payload", "actor_id"))


@pytest.mark.parametrize(
    ("price", "listed", "discount", "expected"),
    [
        ("10.00", None, None, "10.00"),
        ("10.00", None, "0", "10.00"),
        ("10.00", "7.30", None, "7.30"),
        ("10.00", "7.30", "50", "7.30"),  # its own price is the price, not one more to be taken off
        ("10.00", "12.00", "50", "12.00"),
        ("10.00", None, "7.50", "9.25"),
        ("0.99", None, "50", "0.50"),  # half a cent goes up
        ("0.97", None, "50", "0.49"),
        ("0.01", None, "99.99", "0.01"),  # nothing is given away
        ("99999999.99", None, "0.01", "99989999.99"),
    ],
)
def test_a_price_is_its_own_or_the_ordinary_one_less_the_discount(
    price, listed, discount, expected
):
    found = price_for(D(price), listed and D(listed), discount and D(discount))
    assert found == D(expected)
    assert found.as_tuple().exponent == -2


class TestLists:
    def test_a_new_list_is_kept_and_told(self, manager):
        made = create_price_list(actor=manager, name="  Atacado ", discount=D("7.5"))
        kept = PriceList.objects.get(pk=made.pk)
        assert (kept.name, kept.sorted_name, kept.discount, kept.version) == (
            "Atacado",
            "atacado",
            D("7.50"),
            1,
        )
        assert facts(kept) == [
            ("price_list.created", 1, {"name": "Atacado", "discount": "7.50"}, manager.pk)
        ]

    @pytest.mark.parametrize("name", ["Atacado", "ATACADO", " atacádo "])
    def test_a_name_is_taken_in_every_case_and_accent(self, manager, name):
        create_price_list(actor=manager, name="Atacado")
        with pytest.raises(Duplicate) as refused:
            create_price_list(actor=manager, name=name)
        assert refused.value.facts["field"] == "name"
        assert PriceList.objects.count() == 1

    def test_the_name_of_a_deleted_list_is_free_again(self, manager):
        old = create_price_list(actor=manager, name="Atacado")
        delete_price_list(actor=manager, price_list_id=old.pk)
        assert create_price_list(actor=manager, name="Atacado").pk != old.pk
        assert [each[0] for each in facts(old)] == ["price_list.created", "price_list.deleted"]

    @pytest.mark.parametrize("discount", ["-0.01", "100", "100.01", "1000", "7.555", "NaN"])
    def test_a_discount_is_less_than_everything(self, manager, discount):
        with pytest.raises(Invalid) as refused:
            create_price_list(actor=manager, name="Atacado", discount=D(discount))
        assert [error["pointer"] for error in refused.value.facts["errors"]] == ["/discount"]
        assert not PriceList.objects.exists()

    @pytest.mark.parametrize("name", ["", "   ", "a" * 256, "a\nb"])
    def test_a_name_is_one_line_that_can_be_seen(self, manager, name):
        with pytest.raises(Invalid) as refused:
            create_price_list(actor=manager, name=name)
        assert {error["pointer"] for error in refused.value.facts["errors"]} == {"/name"}

    def test_a_change_is_told_with_what_it_was(self, manager):
        made = create_price_list(actor=manager, name="Atacado", discount=D(5))
        update_price_list(actor=manager, price_list_id=made.pk, version=1, discount=D("7.5"))
        same = update_price_list(actor=manager, price_list_id=made.pk, discount=D("7.50"))
        assert same.version == 2
        payload = {
            "name": "Atacado",
            "version": 2,
            "fields": ["discount"],
            "changes": {"discount": ["5.00", "7.50"]},
        }
        assert facts(made)[1:] == [("price_list.updated", 2, payload, manager.pk)]

    def test_who_was_overtaken_is_told_what_it_is_now(self, manager):
        made = create_price_list(actor=manager, name="Atacado")
        update_price_list(actor=manager, price_list_id=made.pk, name="Revenda")
        with pytest.raises(StaleVersion) as refused:
            update_price_list(actor=manager, price_list_id=made.pk, version=1, name="Balcão")
        assert refused.value.facts["current"]["name"] == "Revenda"
        assert PriceList.objects.get().name == "Revenda"

    def test_a_list_that_somebody_buys_by_stays(self, manager, make_customer):
        made = create_price_list(actor=manager, name="Atacado")
        customer = make_customer(price_list_id=made.pk)
        with pytest.raises(PriceListInUse):
            delete_price_list(actor=manager, price_list_id=made.pk)
        customer.price_list = None
        customer.save()
        delete_price_list(actor=manager, price_list_id=made.pk)
        assert not PriceList.objects.exists()

    def test_operators_may_change_nothing(self, operator, manager, make_product):
        made = create_price_list(actor=manager, name="Atacado")
        product = make_product()
        for attempt in (
            lambda: create_price_list(actor=operator, name="Revenda"),
            lambda: update_price_list(actor=operator, price_list_id=made.pk, name="Revenda"),
            lambda: change_prices(actor=operator, price_list_id=made.pk, prices={product.pk: D(1)}),
            lambda: delete_price_list(actor=operator, price_list_id=made.pk),
        ):
            with pytest.raises(Denied):
                attempt()
        assert [each[0] for each in facts(made)] == ["price_list.created"]
        assert not ListedPrice.objects.exists()


class TestPrices:
    @pytest.fixture
    def wholesale(self, manager):
        return create_price_list(actor=manager, name="Atacado", discount=D(10))

    def listed(self):
        return dict(ListedPrice.objects.values_list("product__sku", "price"))

    def test_only_what_differs_is_changed_and_told(self, manager, wholesale, make_product):
        a, b, c = (make_product(sku=sku) for sku in "ABC")
        first = {a.pk: D("9.90"), b.pk: D("8.80"), c.pk: None}
        change_prices(actor=manager, price_list_id=wholesale.pk, prices=first)
        assert self.listed() == {"A": D("9.90"), "B": D("8.80")}
        second = {a.pk: D("9.9"), b.pk: None, c.pk: D("7.70")}
        changes = change_prices(actor=manager, price_list_id=wholesale.pk, prices=second)
        assert [tuple(each) for each in changes] == [
            (b.pk, "B", D("8.80"), None),
            (c.pk, "C", None, D("7.70")),
        ]
        assert self.listed() == {"A": D("9.90"), "C": D("7.70")}
        assert change_prices(actor=manager, price_list_id=wholesale.pk, prices=second) == []
        told = [payload for _type, _seq, payload, _who in facts(wholesale)[1:]]
        assert told[1] == {
            "name": "Atacado",
            "prices": [
                {"product_id": b.pk, "sku": "B", "from": "8.80", "to": None},
                {"product_id": c.pk, "sku": "C", "from": None, "to": "7.70"},
            ],
        }
        assert len(told) == 2
        wholesale.refresh_from_db()
        assert (wholesale.version, wholesale.event_seq) == (1, 3)

    def test_one_wrong_price_keeps_all_others_out(self, manager, wholesale, make_product):
        products = [make_product(sku=f"P{n}") for n in range(6)]
        wrong = ["9.90", "0", "-1", "0.001", "100000000", "1.234"]
        prices = {it.pk: D(price) for it, price in zip(products, wrong, strict=True)}
        with pytest.raises(Invalid) as refused:
            change_prices(actor=manager, price_list_id=wholesale.pk, prices=prices)
        pointers = [error["pointer"] for error in refused.value.facts["errors"]]
        assert pointers == [f"/prices/{n}/price" for n in range(1, 6)]
        assert self.listed() == {}

    def test_an_unknown_product_keeps_all_others_out(self, manager, wholesale, make_product):
        prices = {make_product().pk: D(1), 999_999: D(1)}
        with pytest.raises(NotFound) as refused:
            change_prices(actor=manager, price_list_id=wholesale.pk, prices=prices)
        assert refused.value.facts["product_ids"] == [999_999]
        assert self.listed() == {}

    def test_a_deleted_list_takes_no_prices(self, manager, wholesale, make_product):
        product = make_product()
        delete_price_list(actor=manager, price_list_id=wholesale.pk)
        with pytest.raises(NotFound):
            change_prices(actor=manager, price_list_id=wholesale.pk, prices={product.pk: D(1)})

    def test_statements_are_constant(
        self, manager, wholesale, make_product, django_assert_num_queries
    ):
        products = [make_product(sku=f"P{n}") for n in range(40)]
        for some in (products[:1], products[1:]):
            with django_assert_num_queries(9):
                change_prices(
                    actor=manager,
                    price_list_id=wholesale.pk,
                    prices={product.pk: D("9.90") for product in some},
                )
        assert ListedPrice.objects.count() == 40

    def test_a_row_of_a_file_names_list_and_product(self, manager, wholesale, make_product):
        make_product(sku="CAFE-500")
        row = {"actor": manager, "price_list": " ATACADO", "sku": "cafe-500 "}
        assert upsert_price(**row, price=D("9.90")) == "created"
        assert upsert_price(**row, price=D("9.90")) == "unchanged"
        assert upsert_price(**row, price=D("9.80")) == "updated"
        assert self.listed() == {"CAFE-500": D("9.80")}
        with pytest.raises(Invalid) as refused:
            upsert_price(actor=manager, price_list="Varejo", sku="CHA", price=D(1))
        pointers = [error["pointer"] for error in refused.value.facts["errors"]]
        assert pointers == ["/price_list", "/sku"]

    def test_pages_and_orders_read_the_same_prices(
        self, manager, wholesale, make_product, django_assert_num_queries
    ):
        own, other = make_product(sku="A", price="10.00"), make_product(sku="B", price="0.99")
        create_price_list(actor=manager, name="Varejo")
        change_prices(actor=manager, price_list_id=wholesale.pk, prices={own.pk: D("7.77")})
        products = list(Product.objects.all())
        with django_assert_num_queries(1):
            assert prices_on(wholesale, products) == {own.pk: D("7.77"), other.pk: D("0.89")}
        with django_assert_num_queries(0):
            assert prices_on(None, products) == {own.pk: D("10.00"), other.pk: D("0.99")}
        with django_assert_num_queries(2):
            assert [(each.name, price) for each, price in prices_of(own)] == [
                ("Atacado", D("7.77")),
                ("Varejo", D("10.00")),
            ]


def test_prices_on_a_list_are_counted_by_its_index_and_those_of_deleted_products_taken_off(
    manager: User, admin: User, make_product: Callable[..., Product]
) -> None:
    """Of twenty lists with 20,000 products each MariaDB took five seconds to look each of them up."""
    kept, gone = make_product("KEPT"), make_product("GONE", on_hand=0)
    made = create_price_list(actor=manager, name="Atacado")
    change_prices(actor=manager, price_list_id=made.pk, prices={kept.pk: D(1), gone.pk: D(2)})
    delete_product(actor=admin, product_id=gone.pk)
    with CaptureQueriesContext(connection) as asked:
        found = extents([made])
    assert found[made.pk] == (1, 0)
    [counted, dead, _customers] = [each["sql"] for each in asked]
    assert "JOIN" not in counted
    assert "IS NOT NULL" in dead


@pytest.mark.parametrize(
    ("price", "percent", "expected"),
    [
        ("10.00", "5", "10.50"),
        ("9.99", "7.5", "10.74"),  # 10.73925
        ("0.10", "5", "0.11"),  # half a cent goes up
        ("0.30", "-5", "0.29"),  # 0.285, too
        ("10.00", "-99.99", "0.01"),
        ("0.01", "-50", "0.01"),  # nothing is given away
        ("1.00", "999.99", "11.00"),
    ],
)
def test_a_price_is_raised_or_lowered_to_the_cent(price: str, percent: str, expected: str) -> None:
    found = repriced(D(price), D(percent))
    assert found == D(expected)
    assert found.as_tuple().exponent == -2


class TestRepricing:
    """All prices of a list raised or lowered at once."""

    @pytest.fixture
    def listed(self, manager: User, make_product: Callable[..., Product]) -> PriceList:
        """A at 10.00, B at 0.01, C at 3.33; and D without a price of its own."""
        products = {sku: make_product(sku, name=f"Product {sku}") for sku in "CABD"}
        made = create_price_list(actor=manager, name="Atacado", discount=D(10))
        prices = {"A": "10.00", "B": "0.01", "C": "3.33"}
        by_id = {products[sku].pk: D(price) for sku, price in prices.items()}
        change_prices(actor=manager, price_list_id=made.pk, prices=by_id)
        create_and_price_another(manager, products["A"])
        return made

    def prices(self, price_list: PriceList) -> dict[str, str]:
        found = price_list.prices.order_by("product__sku").values_list("product__sku", "price")
        return {sku: str(price) for sku, price in found}

    def test_every_own_price_changes_and_is_told(self, manager: User, listed: PriceList) -> None:
        ids = dict(ListedPrice.objects.values_list("pk", "product_id"))
        before = PriceList.objects.get(pk=listed.pk)
        done = reprice_list(actor=manager, price_list_id=listed.pk, percent=D("7.5"))
        assert self.prices(listed) == {"A": "10.75", "B": "0.01", "C": "3.58"}
        assert dict(ListedPrice.objects.values_list("pk", "product_id")) == ids
        assert self.prices(PriceList.objects.get(name="Other")) == {"A": "1.00"}
        assert (done.prices, done.events, done.last_event) == (2, 1, 3)
        pk = {it.sku: it.pk for it in Product.objects.all()}
        assert facts(listed)[2:] == [
            (
                "price_list.prices_changed",
                3,
                {
                    "name": "Atacado",
                    "percent": "7.50",
                    "prices": [
                        {"product_id": pk["A"], "sku": "A", "from": "10.00", "to": "10.75"},
                        {"product_id": pk["C"], "sku": "C", "from": "3.33", "to": "3.58"},
                    ],
                },
                manager.pk,
            )
        ]
        listed.refresh_from_db()
        assert listed.updated_at > before.updated_at
        assert (listed.version, listed.event_seq) == (1, 3)

    def test_statements_and_events_grow_by_bounded_parts(
        self, manager: User, listed: PriceList, make_product: Callable[..., Product],
        django_assert_num_queries: Any,
    ) -> None:  # fmt: skip
        def reprice() -> Repricing:
            return reprice_list(actor=manager, price_list_id=listed.pk, percent=D(100))

        with django_assert_num_queries(8):
            reprice()
        products = [make_product(f"P{number}") for number in range(2 * MOST_PRICES)]
        ListedPrice.objects.bulk_create(
            ListedPrice(price_list=listed, product=product, price=D(1)) for product in products
        )
        with django_assert_num_queries(12):  # two of each more
            done = reprice()
        told = [len(payload["prices"]) for _type, _seq, payload, _who in facts(listed)[2:]]
        assert told == [3, MOST_PRICES, MOST_PRICES, 3]
        sequences = [sequence for _type, sequence, *_ in facts(listed)]
        assert sequences == list(range(1, 7))
        assert set(self.prices(listed).values()) == {"40.00", "0.04", "13.32", "2.00"}
        undone = undo_repricing(actor=manager, price_list_id=listed.pk, repricing_id=done.pk)
        assert undone.prices == 3 + 2 * MOST_PRICES  # of all its events, not of the last
        assert set(self.prices(listed).values()) == {"20.00", "0.02", "6.66", "1.00"}
        assert inspect().breaches == {}

    def test_nothing_changes_if_one_price_becomes_too_large(
        self, manager: User, listed: PriceList, make_product: Callable[..., Product]
    ) -> None:
        dear = {make_product("DEAR").pk: D("99999999.99")}
        change_prices(actor=manager, price_list_id=listed.pk, prices=dear)
        before = self.prices(listed)
        with pytest.raises(Invalid) as refused:
            reprice_list(actor=manager, price_list_id=listed.pk, percent=D("0.01"))
        [error] = refused.value.facts["errors"]
        assert (error["pointer"], error["code"]) == ("/percent", "price_too_large")
        assert error["detail"].startswith("DEAR would cost R$ ")
        assert self.prices(listed) == before
        assert (Repricing.objects.count(), len(facts(listed))) == (0, 3)
        reprice_list(actor=manager, price_list_id=listed.pk, percent=D("-0.01"))
        assert self.prices(listed)["DEAR"] == "99989999.99"

    @pytest.mark.parametrize("percent", ["0", "-100", "-99.991", "1000", "5.555", "NaN"])
    def test_a_percentage_has_limits(self, manager: User, listed: PriceList, percent: str) -> None:
        with pytest.raises(Invalid) as refused:
            reprice_list(actor=manager, price_list_id=listed.pk, percent=D(percent))
        assert [error["pointer"] for error in refused.value.facts["errors"]] == ["/percent"]
        assert Repricing.objects.count() == 0

    def test_products_that_are_gone_keep_their_old_price(
        self, manager: User, listed: PriceList
    ) -> None:
        gone = Product.objects.get(sku="A")
        Product.objects.filter(pk=gone.pk).update(deleted_at=gone.created_at, live=None)
        reprice_list(actor=manager, price_list_id=listed.pk, percent=D(100))
        assert self.prices(listed) == {"A": "10.00", "B": "0.02", "C": "6.66"}

    def test_a_key_does_it_once(self, manager: User, admin: User, listed: PriceList) -> None:
        again = partial(reprice_list, price_list_id=listed.pk, percent=D(50), idempotency_key="k")
        first = again(actor=manager)
        assert again(actor=manager, as_of=2) == first  # before anything was seen to have changed
        assert self.prices(listed)["A"] == "15.00"
        for other in (
            {"percent": D(51)},
            {"price_list_id": PriceList.objects.get(name="Other").pk},
        ):
            with pytest.raises(IdempotencyKeyReused):
                again(actor=manager, **other)
        assert again(actor=admin) != first  # keys are of a person
        assert self.prices(listed)["A"] == "22.50"

    def test_what_was_shown_is_done_or_nothing(self, manager: User, listed: PriceList) -> None:
        seen = PriceList.objects.get(pk=listed.pk).event_seq
        shown = {change.sku: change.now for change in changes_by(listed, D(10)).values()}
        assert shown == {"A": D("11.00"), "C": D("3.66")}
        product = Product.objects.get(sku="A")
        change_prices(actor=manager, price_list_id=listed.pk, prices={product.pk: D(20)})
        with pytest.raises(StaleVersion):
            reprice_list(actor=manager, price_list_id=listed.pk, percent=D(10), as_of=seen)
        assert self.prices(listed) == {"A": "20.00", "B": "0.01", "C": "3.33"}
        reprice_list(actor=manager, price_list_id=listed.pk, percent=D(10), as_of=seen + 1)
        assert self.prices(listed) == {"A": "22.00", "B": "0.01", "C": "3.66"}

    def test_it_is_undone_exactly_and_what_was_changed_since_stays(
        self, manager: User, listed: PriceList
    ) -> None:
        done = reprice_list(actor=manager, price_list_id=listed.pk, percent=D("-33.33"))
        assert self.prices(listed) == {"A": "6.67", "B": "0.01", "C": "2.22"}
        product = Product.objects.get(sku="C")
        change_prices(actor=manager, price_list_id=listed.pk, prices={product.pk: D(5)})
        undo = partial(undo_repricing, price_list_id=listed.pk, repricing_id=done.pk)
        undone = undo(actor=manager)
        assert self.prices(listed) == {"A": "10.00", "B": "0.01", "C": "5.00"}
        assert (undone.prices, undone.undoes) == (1, done)
        told = facts(listed)[-1][2]["prices"]
        assert [(it["sku"], it["from"], it["to"]) for it in told] == [("A", "6.67", "10.00")]
        # A second click, even where the price is by chance what it was between.
        change_prices(
            actor=manager,
            price_list_id=listed.pk,
            prices={Product.objects.get(sku="A").pk: D("6.67")},
        )
        assert undo(actor=manager) == undone
        assert self.prices(listed)["A"] == "6.67"
        other = PriceList.objects.get(name="Other")
        for wrong in ({"repricing_id": undone.pk}, {"price_list_id": other.pk}):
            with pytest.raises(NotFound):
                undo(actor=manager, **wrong)
        assert inspect().breaches == {}

    def test_who_may_not_change_prices_may_not_change_all(
        self, manager: User, operator: User, listed: PriceList
    ) -> None:
        done = reprice_list(actor=manager, price_list_id=listed.pk, percent=D(1))
        before = self.prices(listed)
        with pytest.raises(Denied):
            reprice_list(actor=operator, price_list_id=listed.pk, percent=D(5))
        with pytest.raises(Denied):
            undo_repricing(actor=operator, price_list_id=listed.pk, repricing_id=done.pk)
        assert self.prices(listed) == before

    def test_a_deleted_list_is_not_repriced(self, manager: User, listed: PriceList) -> None:
        delete_price_list(actor=manager, price_list_id=listed.pk)
        with pytest.raises(NotFound):
            reprice_list(actor=manager, price_list_id=listed.pk, percent=D(5))


class TestCopy:
    @pytest.fixture
    def wholesale(self, manager: User, make_product: Callable[..., Product]) -> PriceList:
        made = create_price_list(actor=manager, name="Atacado", discount=D("7.5"))
        prices = {make_product("A").pk: D("9.90"), make_product("B", on_hand=0).pk: D("1.00")}
        change_prices(actor=manager, price_list_id=made.pk, prices=prices)
        return made

    def test_a_copy_has_discount_and_prices_and_no_customer(
        self, manager: User, wholesale: PriceList, make_customer: Callable[..., Any]
    ) -> None:
        make_customer(price_list_id=wholesale.pk)
        delete_product(actor=manager, product_id=Product.objects.get(sku="B").pk)
        before = facts(wholesale)
        copy = copy_price_list(actor=manager, price_list_id=wholesale.pk, name=" Balcão ")
        copy.refresh_from_db()
        assert (copy.name, copy.discount, copy.version) == ("Balcão", D("7.50"), 1)
        assert extents([copy])[copy.pk] == (1, 0)
        assert ListedPrice.objects.get(price_list=copy).price == D("9.90")
        price = {"product_id": Product.objects.get(sku="A").pk, "sku": "A"}
        price |= {"from": None, "to": "9.90"}
        assert [fact[:3] for fact in facts(copy)] == [
            ("price_list.created", 1, {"name": "Balcão", "discount": "7.50"}),
            ("price_list.prices_changed", 2, {"name": "Balcão", "prices": [price]}),
        ]
        assert facts(wholesale) == before
        assert inspect().breaches == {}

    def test_what_is_changed_there_is_not_changed_here(
        self, manager: User, wholesale: PriceList
    ) -> None:
        copy = copy_price_list(actor=manager, price_list_id=wholesale.pk, name="B", discount=D(0))
        reprice_list(actor=manager, price_list_id=copy.pk, percent=D(100))
        assert dict(wholesale.prices.values_list("product__sku", "price"))["A"] == D("9.90")
        assert dict(copy.prices.values_list("product__sku", "price"))["A"] == D("19.80")
        assert copy.discount == 0

    def test_an_empty_list_is_copied_too(self, manager: User) -> None:
        empty = create_price_list(actor=manager, name="Vazia", discount=D(3))
        copy = copy_price_list(actor=manager, price_list_id=empty.pk, name="Outra")
        assert (copy.discount, copy.event_seq) == (D(3), 1)
        assert inspect().breaches == {}

    def test_what_is_refused_leaves_nothing(
        self, manager: User, operator: User, wholesale: PriceList
    ) -> None:
        copy = partial(copy_price_list, price_list_id=wholesale.pk)
        attempts: list[tuple[type[Exception], dict[str, Any]]] = [
            (Duplicate, {"actor": manager, "name": "ATACADO"}),
            (Invalid, {"actor": manager, "name": "★"}),
            (Denied, {"actor": operator, "name": "Balcão"}),
            (NotFound, {"actor": manager, "name": "Balcão", "price_list_id": 999_999}),
        ]
        for refusal, given in attempts:
            with pytest.raises(refusal):
                copy(**given)
        assert (PriceList.all_objects.count(), ListedPrice.objects.count()) == (1, 2)

    def test_statements_grow_by_bounded_parts(
        self, manager: User, wholesale: PriceList, make_product: Callable[..., Product],
        django_assert_num_queries: Any,
    ) -> None:  # fmt: skip
        with django_assert_num_queries(13):
            copy_price_list(actor=manager, price_list_id=wholesale.pk, name="Two")
        products = [make_product(f"P{number}") for number in range(2 * MOST_PRICES)]
        ListedPrice.objects.bulk_create(
            ListedPrice(price_list=wholesale, product=product, price=D(1)) for product in products
        )
        with django_assert_num_queries(17):  # two of each more
            many = copy_price_list(actor=manager, price_list_id=wholesale.pk, name="Many")
        assert many.prices.count() == 2 + 2 * MOST_PRICES
        assert [sequence for _type, sequence, *_ in facts(many)] == [1, 2, 3, 4]
        assert inspect().breaches == {}


def create_and_price_another(manager: User, product: Product) -> None:
    """A list that nothing is to happen to."""
    other = create_price_list(actor=manager, name="Other")
    change_prices(actor=manager, price_list_id=other.pk, prices={product.pk: D(1)})
