"""The contract of /api/v1/price-lists, and of what customers and orders have to do with them."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any, get_args

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from accounts.roles import Role
from catalog import queries
from catalog.filters import ListedFilter, PriceListFilter
from catalog.models import MOST_PRICES, ListedPrice, PriceList, Product
from catalog.schemas import ListedParams, PriceListsParams
from catalog.services import change_prices, create_price_list, delete_price_list, delete_product
from customers.models import Customer
from customers.services import delete_customer
from erp_site.core.models import Event
from erp_site.core.schemas import ListParams
from erp_site.testing import Answer, Api

pytestmark = pytest.mark.django_db


@pytest.fixture
def make_list(admin: User) -> Callable[..., PriceList]:
    """A price list with these own prices, made by the services."""

    def make(
        name: str = "Atacado", discount: str = "0", prices: dict[Product, str] | None = None
    ) -> PriceList:
        price_list = create_price_list(actor=admin, name=name, discount=Decimal(discount))
        own = {product.pk: Decimal(price) for product, price in (prices or {}).items()}
        change_prices(actor=admin, price_list_id=price_list.pk, prices=own)
        return price_list

    return make


def snapshot() -> list[Any]:
    """Everything a request about price lists could change."""
    tables = (
        PriceList.all_objects,
        ListedPrice.objects,
        Customer.all_objects,
        Product.all_objects,
        Event.objects,
    )
    return [list(manager.order_by("pk").values()) for manager in tables]


def errors(answer: Answer) -> list[tuple[str, str]]:
    assert (answer.status, answer.code) == (422, "validation_error"), answer.body
    return [(error["pointer"], error["code"]) for error in answer.body["errors"]]


def prices_of(price_list: PriceList) -> dict[str, Decimal]:
    return dict(price_list.prices.order_by("product__sku").values_list("product__sku", "price"))


def changing(*pairs: tuple[int, str | None]) -> dict[str, Any]:
    return {"prices": [{"product_id": pk, "price": price} for pk, price in pairs]}


class TestLists:
    def test_a_new_one_is_answered_whole_with_its_place(self, api: Api) -> None:
        answer = api.post("/price-lists", {"name": " Atacado ", "discount": "7.5"})
        price_list = PriceList.objects.get()
        assert answer.status == 201
        assert answer.headers["Location"] == f"/api/v1/price-lists/{price_list.pk}"
        assert answer.body["created_at"] == answer.body["updated_at"]
        assert {**answer.body, "created_at": 0, "updated_at": 0} == {
            "id": price_list.pk, "name": "Atacado", "discount": "7.50", "version": 1, "created_at": 0, "updated_at": 0,
        }  # fmt: skip
        assert api.get(f"/price-lists/{price_list.pk}").body == answer.body

    def test_without_a_discount_it_has_none(self, api: Api) -> None:
        assert api.post("/price-lists", {"name": "Atacado"}).body["discount"] == "0.00"

    @pytest.mark.parametrize("discount", ["0", "0.01", "99.99", "007.5"])
    def test_discounts_from_nothing_to_nearly_all(self, api: Api, discount: str) -> None:
        answer = api.post("/price-lists", {"name": "Atacado", "discount": discount})
        assert (answer.status, Decimal(answer.body["discount"])) == (201, Decimal(discount))

    @pytest.mark.parametrize(
        ("discount", "code"),
        [
            ("100", "out_of_range"),
            ("99999999.99", "out_of_range"),
            ("-1", "money_format"),
            ("7.555", "money_format"),
            ("7,5", "money_format"),
            ("", "money_format"),
            (7.5, "money_type"),
            (None, "money_type"),
        ],
    )
    def test_other_discounts_are_refused_by_name(
        self, api: Api, make_list: Callable[..., PriceList], discount: object, code: str
    ) -> None:
        price_list = make_list()
        before = snapshot()
        body = {"name": "Varejo", "discount": discount}
        assert errors(api.post("/price-lists", body)) == [("/discount", code)]
        patched = api.patch(f"/price-lists/{price_list.pk}", {"discount": discount})
        assert errors(patched) == [("/discount", code)]
        assert snapshot() == before

    @pytest.mark.parametrize(
        "name", ["", "  ", "\u200b", "★", "—", "!", "a\nb", "x" * 256, None, 7]
    )
    def test_names_that_are_none_are_refused(
        self, api: Api, make_list: Callable[..., PriceList], name: object
    ) -> None:
        price_list = make_list()
        before = snapshot()
        assert errors(api.post("/price-lists", {"name": name}))[0][0] == "/name"
        assert errors(api.patch(f"/price-lists/{price_list.pk}", {"name": name}))[0][0] == "/name"
        assert snapshot() == before

    @pytest.mark.parametrize("name", ["Atacado", "ATACÁDO", " atacado "])
    def test_a_name_is_taken_in_whatever_case_and_accents(
        self, api: Api, make_list: Callable[..., PriceList], name: str
    ) -> None:
        make_list("Atacado")
        other = make_list("Varejo")
        before = snapshot()
        for answer in (
            api.post("/price-lists", {"name": name}),
            api.patch(f"/price-lists/{other.pk}", {"name": name}),
        ):
            assert (answer.status, answer.code, answer.body["field"]) == (409, "duplicate", "name")
        assert snapshot() == before

    def test_its_own_name_may_be_spelled_otherwise(
        self, api: Api, make_list: Callable[..., PriceList]
    ) -> None:
        answer = api.patch(f"/price-lists/{make_list('Atacado').pk}", {"name": "ATACÁDO"})
        assert (answer.status, answer.body["name"], answer.body["version"]) == (200, "ATACÁDO", 2)

    def test_a_patch_changes_only_what_is_sent(
        self, api: Api, make_list: Callable[..., PriceList]
    ) -> None:
        path = f"/price-lists/{make_list(discount='5').pk}"
        before = api.get(path).body
        answer = api.patch(path, {"discount": "10", "version": 1})
        updated = answer.body["updated_at"]
        assert (answer.status, answer.body) == (
            200, {**before, "discount": "10.00", "version": 2, "updated_at": updated},
        )  # fmt: skip
        event = Event.objects.latest("pk")
        assert (event.type, event.payload["changes"]) == (
            "price_list.updated", {"discount": ["5.00", "10.00"]},
        )  # fmt: skip
        unchanged = snapshot()
        for same in ({}, {"discount": "10.0"}, {"name": "Atacado", "version": 2}):
            assert api.patch(path, same).body == answer.body
        assert snapshot() == unchanged

    def test_a_stale_patch_is_answered_with_the_current_record(
        self, api: Api, make_list: Callable[..., PriceList]
    ) -> None:
        path = f"/price-lists/{make_list().pk}"
        api.patch(path, {"discount": "5"})
        before = snapshot()
        answer = api.patch(path, {"discount": "6", "version": 1})
        assert (answer.status, answer.code) == (409, "stale_version")
        assert answer.body["current"] == api.get(path).body
        assert snapshot() == before

    def test_deleting_frees_the_name_and_keeps_the_prices(
        self, api: Api, make_list: Callable[..., PriceList], product: Product
    ) -> None:
        price_list = make_list(prices={product: "9.00"})
        path = f"/price-lists/{price_list.pk}"
        assert api.delete(path).status == 204
        assert {api.get(path).status, api.delete(path).status} == {404}
        assert api.get("/price-lists").body["items"] == []
        assert api.post("/price-lists", {"name": "Atacado"}).status == 201
        assert prices_of(price_list) == {product.sku: Decimal("9.00")}

    def test_one_that_customers_buy_by_stays(
        self, api: Api, admin: User, make_list: Callable[..., PriceList], make_customer: Any
    ) -> None:
        price_list = make_list()
        customer = make_customer(price_list_id=price_list.pk)
        before = snapshot()
        answer = api.delete(f"/price-lists/{price_list.pk}")
        assert (answer.status, answer.code) == (409, "price_list_in_use")
        assert answer.body["price_list_id"] == price_list.pk
        assert snapshot() == before
        delete_customer(actor=admin, customer_id=customer.pk)
        assert api.delete(f"/price-lists/{price_list.pk}").status == 204

    def test_they_are_found_by_a_part_of_the_name_and_sorted(
        self, api: Api, make_list: Callable[..., PriceList]
    ) -> None:
        for name in ("Padarias e confeitarias", "Atacado", "Óleos", "Varejo"):
            make_list(name)

        def names(**query: str) -> list[str]:
            return [item["name"] for item in api.get("/price-lists", **query).body["items"]]

        assert names() == ["Atacado", "Óleos", "Padarias e confeitarias", "Varejo"]
        assert names(sort="-created_at")[0] == "Varejo"
        assert len(names(search=" ")) == 4
        assert names(search="CONFEÍT") == ["Padarias e confeitarias"]
        assert names(search="oleo") == ["Óleos"]
        assert names(search="nothing") == names(search="★") == []

    def test_sorts_and_filters_are_those_of_the_code(self) -> None:
        for params, sorts, filters in (
            (PriceListsParams, queries.PRICE_LIST_SORTS, PriceListFilter),
            (ListedParams, queries.LISTED_SORTS, ListedFilter),
        ):
            allowed = get_args(params.model_fields["sort"].annotation)
            assert set(allowed) == {way + name for name in sorts for way in ("", "-")}
            own = params.model_fields.keys() - ListParams.model_fields.keys() - {"sort"}
            assert own == filters.base_filters.keys()


class TestPrices:
    def test_prices_are_set_changed_and_taken_away_at_once(
        self, api: Api, make_list: Callable[..., PriceList], make_product: Any
    ) -> None:
        a, b, c, d = (make_product(sku) for sku in "ABCD")
        price_list = make_list(prices={b: "8.00", c: "7.00", d: "6.00"})
        path = f"/price-lists/{price_list.pk}/prices"
        wanted = changing((a.pk, "9.9"), (b.pk, "8.50"), (c.pk, None), (d.pk, "6.00"))
        answer = api.patch(path, wanted)
        assert (answer.status, answer.body) == (
            200,
            {
                "changes": [
                    {"product_id": a.pk, "sku": "A", "was": None, "now": "9.90"},
                    {"product_id": b.pk, "sku": "B", "was": "8.00", "now": "8.50"},
                    {"product_id": c.pk, "sku": "C", "was": "7.00", "now": None},
                ]
            },
        )
        expected = {"A": Decimal("9.90"), "B": Decimal("8.50"), "D": Decimal("6.00")}
        assert prices_of(price_list) == expected
        event = Event.objects.latest("pk")
        assert event.type == "price_list.prices_changed"
        assert event.payload["prices"][2] == {
            "product_id": c.pk, "sku": "C", "from": "7.00", "to": None,
        }  # fmt: skip
        before = snapshot()
        again = api.patch(path, wanted)
        assert (again.status, again.body) == (200, {"changes": []})
        assert snapshot() == before

    def test_prices_leave_the_version_of_the_list(
        self, api: Api, make_list: Callable[..., PriceList], product: Product
    ) -> None:
        path = f"/price-lists/{make_list().pk}"
        before = api.get(path).body
        api.patch(f"{path}/prices", changing((product.pk, "9.00")))
        after = api.get(path).body
        assert (after["version"], after["updated_at"] > before["updated_at"]) == (1, True)

    @pytest.mark.parametrize("is_deleted", [False, True])
    def test_of_an_unknown_product_nothing_is_half_done(
        self, api: Api, admin: User, make_list: Callable[..., PriceList], make_product: Any,
        is_deleted: bool,
    ) -> None:  # fmt: skip
        path = f"/price-lists/{make_list().pk}/prices"
        product, gone = make_product(), make_product(on_hand=0)
        unknown = gone.pk if is_deleted else 999_999
        if is_deleted:
            delete_product(actor=admin, product_id=gone.pk)
        before = snapshot()
        answer = api.patch(path, changing((product.pk, "9.00"), (unknown, "9.00")))
        assert (answer.status, answer.code) == (404, "not_found")
        assert answer.body["product_ids"] == [unknown]
        assert snapshot() == before

    def test_a_product_that_stands_there_twice_is_refused_where_it_does(
        self, api: Api, make_list: Callable[..., PriceList], make_product: Any
    ) -> None:
        a, b = make_product(), make_product()
        path = f"/price-lists/{make_list().pk}/prices"
        before = snapshot()
        answer = api.patch(path, changing((a.pk, "9.00"), (b.pk, "9.00"), (a.pk, "9.00")))
        assert errors(answer) == [("/prices/2/product_id", "repeated")]
        assert snapshot() == before

    @pytest.mark.parametrize(
        ("price", "code"),
        [
            ("0", "money_too_small"),
            ("0.00", "money_too_small"),
            ("9.999", "money_format"),
            ("100000000.00", "money_format"),
            ("-1", "money_format"),
            ("9,90", "money_format"),
            (9.9, "money_type"),
        ],
    )
    def test_wrong_prices_are_refused_where_they_stand(
        self, api: Api, make_list: Callable[..., PriceList], make_product: Any, price: Any, code: str
    ) -> None:  # fmt: skip
        a, b = make_product(), make_product()
        path = f"/price-lists/{make_list().pk}/prices"
        before = snapshot()
        answer = api.patch(path, changing((a.pk, "9.00"), (b.pk, price)))
        assert errors(answer) == [("/prices/1/price", code)]
        assert snapshot() == before

    @pytest.mark.parametrize(
        ("body", "pointer"),
        [
            ({}, "/prices"),
            ({"prices": []}, "/prices"),
            ({"prices": {}}, "/prices"),
            ({"prices": [1]}, "/prices/0"),
            ({"prices": [{"product_id": 1}]}, "/prices/0/price"),
            ({"prices": [{"price": "1.00"}]}, "/prices/0/product_id"),
            ({"prices": [{"product_id": 0, "price": "1.00"}]}, "/prices/0/product_id"),
            ({"prices": [{"product_id": 2**63, "price": "1.00"}]}, "/prices/0/product_id"),
            ({"prices": [{"product_id": 1, "price": "1.00", "x": 1}]}, "/prices/0/x"),
            (changing(*((pk, "1.00") for pk in range(1, MOST_PRICES + 2))), "/prices"),
        ],
    )
    def test_what_is_no_list_of_prices_is_refused(
        self, api: Api, make_list: Callable[..., PriceList], body: Any, pointer: str
    ) -> None:
        answer = api.patch(f"/price-lists/{make_list().pk}/prices", body)
        assert [where for where, _code in errors(answer)] == [pointer]

    def test_as_many_as_are_changed_at_once(
        self, api: Api, make_list: Callable[..., PriceList], make_product: Any
    ) -> None:
        products = [make_product() for _ in range(MOST_PRICES)]
        path = f"/price-lists/{make_list().pk}/prices"
        answer = api.patch(path, changing(*((product.pk, "9.00") for product in products)))
        assert (answer.status, len(answer.body["changes"])) == (200, MOST_PRICES)
        assert api.get(path).body["count"] == MOST_PRICES

    def test_the_products_on_it_beside_what_they_cost_others(
        self, api: Api, admin: User, make_list: Callable[..., PriceList], make_product: Any
    ) -> None:
        oil, sugar = make_product("B-1", name="Óleo", price="8.00"), make_product("A-1", name="Sal")
        gone = make_product(on_hand=0)
        path = f"/price-lists/{make_list(prices={oil: '7.00', sugar: '12.00', gone: '1.00'}).pk}/prices"
        make_list("Other", prices={oil: "5.00", make_product(): "1.00"})
        delete_product(actor=admin, product_id=gone.pk)
        of_oil = {
            "product_id": oil.pk, "sku": "B-1", "name": "Óleo", "price": "7.00", "ordinary_price": "8.00",
        }  # fmt: skip
        of_sugar = {
            "product_id": sugar.pk, "sku": "A-1", "name": "Sal", "price": "12.00", "ordinary_price": "10.00",
        }  # fmt: skip
        assert api.get(path).body["items"] == [of_oil, of_sugar]
        assert api.get(path, sort="sku").body["items"] == [of_sugar, of_oil]
        for search, found in (("oleo", [of_oil]), ("a-1", [of_sugar]), ("nothing", [])):
            assert api.get(path, search=search).body["items"] == found

    def test_a_price_taken_away_while_the_list_is_read_is_left_out(
        self, api: Api, admin: User, make_list: Callable[..., PriceList], product: Product,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:  # fmt: skip
        price_list = make_list(prices={product: "9.00"})
        read = queries.products_on

        def late(of: PriceList) -> Any:
            found = read(of)
            (prices,) = found._prefetch_related_lookups  # type: ignore[attr-defined]  # Django's own
            prices.queryset = prices.queryset.none()  # what it would find a moment later
            return found

        monkeypatch.setattr(queries, "products_on", late)
        answer = api.get(f"/price-lists/{price_list.pk}/prices")
        assert (answer.status, answer.body["items"]) == (200, [])

    @pytest.mark.parametrize("count", [1, 3])
    def test_lists_take_the_same_statements_for_one_and_three_rows(
        self, api: Api, make_list: Callable[..., PriceList], make_product: Any, count: int
    ) -> None:
        for n in range(count):
            last = make_list(f"List {n}", prices={make_product(): "1.00" for _ in range(count)})
        for path, statements in (("/price-lists", 5), (f"/price-lists/{last.pk}/prices", 7)):
            with CaptureQueriesContext(connection) as taken:
                assert len(api.get(path).body["items"]) == count
            assert len(taken) == statements, [query["sql"][:90] for query in taken]


class TestCopy:
    @pytest.mark.parametrize(
        ("sent", "discount"),
        [({}, "7.50"), ({"discount": "3"}, "3.00"), ({"discount": "0"}, "0.00")],
    )
    def test_a_new_list_may_begin_as_a_copy(
        self, api: Api, make_list: Any, product: Product, sent: dict[str, str], discount: str
    ) -> None:
        copied = make_list(discount="7.50", prices={product: "9.90"})
        body = {"name": "Copy", "copy_from": copied.pk, **sent}
        answer = api.post("/price-lists", body)
        assert answer.status == 201
        assert (answer.body["name"], answer.body["discount"]) == ("Copy", discount)
        made = PriceList.objects.get(pk=answer.body["id"])
        assert prices_of(made) == {product.sku: Decimal("9.90")}
        assert api.post("/price-lists", body).code == "duplicate"
        nothing = api.post("/price-lists", {"name": "None", "copy_from": None})
        assert (nothing.status, nothing.body["discount"]) == (201, "0.00")

    def test_of_a_list_that_there_is_not_nothing_is_made(
        self, api: Api, admin: User, make_list: Any
    ) -> None:
        gone = make_list()
        delete_price_list(actor=admin, price_list_id=gone.pk)
        before = snapshot()
        for pk in (gone.pk, 999_999):
            answer = api.post("/price-lists", {"name": "Copy", "copy_from": pk})
            assert (answer.status, answer.code, answer.body["price_list_id"]) == (
                404,
                "not_found",
                pk,
            )
        assert snapshot() == before


class TestRepricing:
    @pytest.fixture
    def listed(self, make_list: Callable[..., PriceList], make_product: Any) -> PriceList:
        return make_list(prices={make_product("A"): "10.00", make_product("B"): "0.01"})

    @pytest.mark.parametrize(
        ("percent", "told", "after", "changed"),
        [
            ("5", "5.00", "10.50", 1),
            ("-7.5", "-7.50", "9.25", 1),
            ("999.99", "999.99", "110.00", 2),
        ],
    )
    def test_all_prices_are_raised_or_lowered(
        self, api: Api, listed: PriceList, percent: str, told: str, after: str, changed: int
    ) -> None:
        answer = api.post(f"/price-lists/{listed.pk}/reprice", {"percent": percent})
        assert answer.status == 200
        done = {name: answer.body[name] for name in ("percent", "prices_changed")}
        assert done == {"percent": told, "prices_changed": changed}
        assert prices_of(listed)["A"] == Decimal(after)

    def test_the_same_key_does_it_once(self, api: Api, listed: PriceList) -> None:
        path, headers = f"/price-lists/{listed.pk}/reprice", {"Idempotency-Key": '"new-year"'}
        first = api.post(path, {"percent": "10"}, headers=headers)
        assert api.post(path, {"percent": "10.00"}, headers=headers).body == first.body
        assert prices_of(listed)["A"] == Decimal(11)
        other = api.post(path, {"percent": "11"}, headers=headers)
        assert (other.status, other.code) == (422, "idempotency_key_reused")
        api.post(path, {"percent": "10"})
        assert prices_of(listed)["A"] == Decimal("12.10")

    @pytest.mark.parametrize(
        "percent",
        [
            "0", "0.00", "-0", "-100", "1000", "1.555", "+5", "5%", "5,5", "1e1", "", " 5", "5\n",
            "\N{ARABIC-INDIC DIGIT FIVE}", 5, None,
        ],
    )  # fmt: skip
    def test_what_is_no_percentage_changes_nothing(
        self, api: Api, listed: PriceList, percent: Any
    ) -> None:
        before = snapshot()
        answer = api.post(f"/price-lists/{listed.pk}/reprice", {"percent": percent})
        assert errors(answer) == [("/percent", "percent")]
        assert snapshot() == before

    def test_a_price_that_becomes_too_large_is_named_and_nothing_changes(
        self, api: Api, make_list: Callable[..., PriceList], make_product: Any
    ) -> None:
        listed = make_list(prices={make_product("A"): "1", make_product("DEAR"): "99999999.99"})
        before = snapshot()
        answer = api.post(f"/price-lists/{listed.pk}/reprice", {"percent": "5"})
        assert errors(answer) == [("/percent", "price_too_large")]
        assert "DEAR" in answer.body["detail"]
        assert snapshot() == before


class TestCustomers:
    def test_a_customer_is_given_a_list_and_loses_it(
        self, api: Api, make_list: Callable[..., PriceList], customer: Customer
    ) -> None:
        price_list, path = make_list(), f"/customers/{customer.pk}"
        given = api.patch(path, {"price_list_id": price_list.pk})
        assert (given.status, given.body["price_list_id"]) == (200, price_list.pk)
        event = Event.objects.latest("pk")
        assert event.payload["changes"] == {"price_list_id": [None, price_list.pk]}
        kept = api.patch(path, {"phone": "11 5555-0000"})
        assert kept.body["price_list_id"] == price_list.pk
        taken = api.patch(path, {"price_list_id": None})
        assert (taken.status, "price_list_id" in taken.body) == (200, False)
        again = api.patch(path, {"price_list_id": None})
        assert again.body["version"] == taken.body["version"]

    def test_a_new_customer_may_have_one(
        self, api: Api, make_list: Callable[..., PriceList]
    ) -> None:
        body = {"name": "Ana", "cpf_cnpj": "529.982.247-25", "email": "ana@example.com"}
        price_list = make_list()
        answer = api.post("/customers", {**body, "price_list_id": price_list.pk})
        assert (answer.status, answer.body["price_list_id"]) == (201, price_list.pk)

    def test_a_list_that_there_is_not_is_404_and_changes_nothing(
        self, api: Api, admin: User, make_list: Callable[..., PriceList], customer: Customer
    ) -> None:
        gone = make_list()
        delete_price_list(actor=admin, price_list_id=gone.pk)
        body = {"name": "Ana", "cpf_cnpj": "529.982.247-25", "email": "ana@example.com"}
        before = snapshot()
        for pk in (gone.pk, 999_999):
            for answer in (
                api.post("/customers", {**body, "price_list_id": pk}),
                api.patch(f"/customers/{customer.pk}", {"phone": "1", "price_list_id": pk}),
            ):
                assert (answer.status, answer.code) == (404, "not_found")
                assert answer.body["price_list_id"] == pk
        assert snapshot() == before

    @pytest.mark.parametrize("wrong", [0, -1, 2**63, "1", 1.0, True, [1]])
    def test_an_id_that_is_none_is_refused_by_name(
        self, api: Api, customer: Customer, wrong: object
    ) -> None:
        answer = api.patch(f"/customers/{customer.pk}", {"price_list_id": wrong})
        assert [where for where, _code in errors(answer)] == ["/price_list_id"]

    def test_they_are_found_by_their_list(
        self, api: Api, make_list: Callable[..., PriceList], make_customer: Any
    ) -> None:
        first, second = make_list("A"), make_list("B")
        for name, pk in (("Zé", first.pk), ("Ana", first.pk), ("Bia", second.pk), ("Cid", None)):
            make_customer(name, price_list_id=pk)
        found = api.get("/customers", price_list_id=first.pk).body
        assert [item["name"] for item in found["items"]] == ["Ana", "Zé"]
        assert api.get("/customers", price_list_id=999_999).body["items"] == []
        for wrong in ("0", "x", "", str(2**63)):
            assert errors(api.get("/customers", price_list_id=wrong))[0][0] == "price_list_id"


class TestOrders:
    #: Ordinary price, discount, own price, and what the customer pays.
    PRICES = (
        ("10.00", "0", None, "10.00"),
        ("10.00", "0", "8.90", "8.90"),
        ("10.00", "50", "12.00", "12.00"),
        ("10.00", "7.5", None, "9.25"),
        ("0.10", "5", None, "0.10"),  # 0.095
        ("9.99", "0.05", None, "9.99"),  # 9.985005
        ("1.01", "50", None, "0.51"),  # 0.505
        ("0.03", "99.99", None, "0.01"),
    )

    @pytest.mark.parametrize(("ordinary", "discount", "own", "paid"), PRICES)
    def test_an_order_is_charged_by_the_list_of_its_customer(
        self, api: Api, make_list: Callable[..., PriceList], make_product: Any, make_customer: Any,
        ordinary: str, discount: str, own: str | None, paid: str,
    ) -> None:  # fmt: skip
        product = make_product(price=ordinary)
        price_list = make_list(discount=discount, prices={product: own} if own else None)
        customer = make_customer(price_list_id=price_list.pk)
        body = {
            "customer_id": customer.pk,
            "items": [{"product_id": product.pk, "quantity": 3}],
            "idempotency_key": "key",
        }
        total = str(Decimal(paid) * 3)
        asked = api.post("/orders", body, dry_run="true")
        placed = api.post("/orders", body)
        assert (asked.status, placed.status) == (200, 201)
        for answer in (asked, placed):
            (line,) = answer.body["items"]
            shown = (line["unit_price"], line["subtotal"], answer.body["total"])
            assert shown == (paid, total, total)

    def test_who_has_no_list_or_another_pays_what_that_says(
        self, api: Api, make_list: Callable[..., PriceList], make_product: Any, make_customer: Any
    ) -> None:
        product, other = make_product(), make_product()
        first = make_list("A", "10", {product: "7.00"})
        second = make_list("B", "20")
        paid = []
        for pk in (None, first.pk, second.pk):
            body = {
                "customer_id": make_customer(price_list_id=pk).pk,
                "items": [{"product_id": it.pk, "quantity": 1} for it in (product, other)],
            }
            answer = api.post("/orders", body, dry_run="true")
            paid.append([line["unit_price"] for line in answer.body["items"]])
        assert paid == [["10.00", "10.00"], ["7.00", "9.00"], ["8.00", "8.00"]]

    def test_what_is_placed_keeps_its_price(
        self, api: Api, make_list: Callable[..., PriceList], product: Product, make_customer: Any
    ) -> None:
        price_list = make_list(prices={product: "8.00"})
        body = {
            "customer_id": make_customer(price_list_id=price_list.pk).pk,
            "items": [{"product_id": product.pk, "quantity": 1}],
            "idempotency_key": "key",
        }
        placed = api.post("/orders", body).body
        api.patch(f"/price-lists/{price_list.pk}/prices", changing((product.pk, "5.00")))
        again = api.post("/orders", body)
        assert (again.status, again.body["total"]) == (200, "8.00")
        assert api.get(f"/orders/{placed['id']}").body["items"][0]["unit_price"] == "8.00"
        cheaper = api.post("/orders", {**body, "idempotency_key": "another"})
        assert (cheaper.status, cheaper.body["total"]) == (201, "5.00")


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR])
def test_who_may_not_change_price_lists_reads_them(
    api_as: Callable[[User], Api], make_user: Any, make_list: Callable[..., PriceList],
    product: Product, role: Role,
) -> None:  # fmt: skip
    path = f"/price-lists/{make_list(prices={product: '9.00'}).pk}"
    reader = api_as(make_user(role.value))
    assert [reader.get(it).status for it in ("/price-lists", path, f"{path}/prices")] == [200] * 3
    before = snapshot()
    for answer in (
        reader.post("/price-lists", {"name": "X"}),
        reader.patch(path, {"name": "X"}),
        reader.patch(f"{path}/prices", changing((product.pk, "1.00"))),
        reader.delete(path),
    ):
        assert (answer.status, answer.body["permission"]) == (403, "catalog.change_price_list")
    assert snapshot() == before
