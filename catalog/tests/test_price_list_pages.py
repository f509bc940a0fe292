"""The pages of price lists, and what other pages say of them."""

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from catalog.models import ListedPrice, PriceList, Product
from catalog.services import (
    change_prices,
    create_price_list,
    delete_product,
    update_price_list,
    update_product,
)
from customers.models import Customer
from erp_site.testing import HTMX, text_of

pytestmark = pytest.mark.django_db
Make = Callable[..., Product]
LISTS = "/products/price-lists"


@pytest.fixture
def desk(desk_of: Callable[[User], Client], manager: User) -> Client:
    return desk_of(manager)


@pytest.fixture
def make_list(admin: User) -> Callable[..., PriceList]:
    """A price list with these prices of products."""

    def make(
        name: str = "Resellers", discount: str = "7.50", prices: dict[Product, str] | None = None
    ) -> PriceList:
        price_list = create_price_list(actor=admin, name=name, discount=Decimal(discount))
        by_id = {product.pk: Decimal(price) for product, price in (prices or {}).items()}
        change_prices(actor=admin, price_list_id=price_list.pk, prices=by_id)
        return price_list

    return make


@pytest.fixture
def resellers(make_list: Callable[..., PriceList]) -> PriceList:
    return make_list()


def at(price_list: PriceList, page: str = "") -> str:
    return f"{LISTS}/{price_list.pk}{page}"


def prices(price_list: PriceList) -> dict[str, str]:
    """The prices on it, by SKU."""
    return {it.product.sku: str(it.price) for it in price_list.prices.select_related("product")}


def cells(response: Any) -> list[list[str]]:
    """What the rows of the table show."""
    body = response.content.decode().partition("<tbody>")[2].partition("</tbody>")[0]
    rows = [re.findall(r"<td[^>]*>(.*?)</td>", row, re.DOTALL) for row in body.split("</tr>")]
    plain = [
        [" ".join(re.sub(r"<[^>]+>", " ", cell).replace("\xa0", " ").split()) for cell in row]
        for row in rows
    ]
    return [row for row in plain if row]


def sent(response: Any) -> dict[str, Any]:
    """What a browser would send of the form on the page."""
    fields = {bound.name: bound.value() or "" for bound in response.context["form"]}
    return {**fields, "opened": response.context["opened"]}


def undo_of(response: Any) -> tuple[str, dict[str, str]]:
    """The address and the fields of the button that undoes what was done."""
    page = response.content.decode()
    form = re.search(r'<span class="undo">.*?action="([^"]+)">(.*?)</form>', page, re.DOTALL)
    assert form is not None
    fields = dict(re.findall(r'name="(?!csrf)(\w+)" value="([^"]*)"', form[2]))
    return form[1], fields


class TestList:
    def test_it_shows_discount_own_prices_and_customers_of_each(
        self,
        desk: Client,
        admin: User,
        make_list: Callable[..., PriceList],
        make_product: Make,
        make_customer: Callable[..., Customer],
    ) -> None:
        gone = make_product("GONE", on_hand=0)
        listed = make_list("Resellers", "7.50", {make_product(): "1.00", gone: "2.00"})
        delete_product(actor=admin, product_id=gone.pk)
        make_list("Staff", "0")
        for name in ("Ana", "Bia"):
            make_customer(name, price_list_id=listed.pk)
        make_customer("Carla")
        rows = cells(desk.get(LISTS))
        assert [row[:4] for row in rows] == [
            ["Resellers", "7.5 %", "1", "2"],
            ["Staff", "—", "0", "0"],
        ]

    def test_it_is_searched_and_sorted(
        self, desk: Client, make_list: Callable[..., PriceList]
    ) -> None:
        for name in ("Atacado São Paulo", "Varejo"):
            make_list(name)
        assert [row[0] for row in cells(desk.get(f"{LISTS}?search=SAO"))] == ["Atacado São Paulo"]
        assert [row[0] for row in cells(desk.get(f"{LISTS}?sort=-name"))] == [
            "Varejo", "Atacado São Paulo"
        ]  # fmt: skip
        answer = desk.get(f"{LISTS}?search=var", headers=HTMX).content.decode().strip()
        assert answer.startswith('<div id="results"')
        assert "No price list has such a name" in text_of(desk.get(f"{LISTS}?search=zzz"))

    def test_an_empty_list_says_what_a_price_list_is(
        self, desk: Client, desk_of: Callable[[User], Client], viewer: User
    ) -> None:
        said = "A price list takes a discount off all ordinary prices"
        for client, has_button in ((desk, True), (desk_of(viewer), False)):
            page = client.get(LISTS)
            assert said in text_of(page)
            assert (f'href="{LISTS}/new"' in page.content.decode()) is has_button

    def test_thirty_rows_cost_as_many_statements_as_one(
        self,
        desk: Client,
        admin: User,
        make_list: Callable[..., PriceList],
        make_product: Make,
        make_customer: Callable[..., Customer],
        resellers: PriceList,
    ) -> None:
        product = make_product()
        paths = (LISTS, at(resellers), f"/products/{product.pk}", "/customers/")
        make_customer(price_list_id=resellers.pk)
        change_prices(actor=admin, price_list_id=resellers.pk, prices={product.pk: Decimal(1)})

        def statements() -> list[int]:
            counts = []
            for path in paths:
                with CaptureQueriesContext(connection) as queries:
                    assert desk.get(path).status_code == 200
                counts.append(len(queries))
            return counts

        statements()
        one = statements()
        added = {make_product(): "2.00" for _ in range(29)}
        for number in range(29):
            more = make_list(f"List {number}", prices={product: "3.00"})
            make_customer(price_list_id=more.pk)
        by_id = {each.pk: Decimal(price) for each, price in added.items()}
        change_prices(actor=admin, price_list_id=resellers.pk, prices=by_id)
        assert statements() == one


class TestDetail:
    def test_it_shows_each_price_beside_the_ordinary_one(
        self, desk_of: Callable[[User], Client], viewer: User, make_list: Any, make_product: Make
    ) -> None:
        cheaper = make_product("B-1", name="Beans", price="1234.50")
        dearer = make_product("A-1", name="Rice", price="10.00")
        same = make_product("C-1", name="Salt", price="3.00")
        price_list = make_list(prices={cheaper: "1000", dearer: "10.25", same: "3.00"})
        make_product("D-1", name="Not on it")
        page = desk_of(viewer).get(at(price_list))
        assert cells(page) == [
            ["B-1", "Beans", "R$ 1,234.50", "R$ 1,000.00", "\N{MINUS SIGN}19 %"],
            ["A-1", "Rice", "R$ 10.00", "R$ 10.25", "+2.5 %"],
            ["C-1", "Salt", "R$ 3.00", "R$ 3.00", "0 %"],
        ]
        assert f'href="/products/{cheaper.pk}"' in page.content.decode()
        assert "7.5 % off every product without a price of its own here" in text_of(page)

    def test_its_products_are_searched_sorted_and_turned_alone(
        self, desk: Client, make_list: Any, make_product: Make
    ) -> None:
        price_list = make_list(
            prices={make_product("A-1", name="Rice"): "1", make_product("B-1", name="Beans"): "2"}
        )
        for query, skus in (
            ("", ["B-1", "A-1"]),
            ("?sort=sku", ["A-1", "B-1"]),
            ("?search=rice", ["A-1"]),
        ):
            found = desk.get(at(price_list) + query, headers=HTMX)
            assert found.content.decode().strip().startswith('<div id="prices"')
            assert [row["sku"] for row in found.context["rows"]] == skus
        assert "No product fits these filters" in text_of(desk.get(f"{at(price_list)}?search=zz"))

    def test_it_leads_to_the_customers_who_buy_by_it(
        self, desk: Client, resellers: PriceList, make_customer: Callable[..., Customer]
    ) -> None:
        assert "No customer buys by it yet" in text_of(desk.get(at(resellers)))
        make_customer("Ana", price_list_id=resellers.pk)
        make_customer("Bia")
        page = desk.get(at(resellers)).content.decode()
        way = re.search(r'<a href="([^"]+)">1 customer buys by it</a>', page)
        assert way is not None
        assert [row.name for row in desk.get(way[1]).context["listing"].rows] == ["Ana"]

    def test_a_missing_list_is_404(self, desk: Client) -> None:
        assert desk.get(f"{LISTS}/99").status_code == 404

    @pytest.mark.parametrize("role", ["viewer", "operator"])
    def test_who_only_reads_sees_no_control_that_would_be_refused(
        self,
        desk_of: Callable[[User], Client],
        make_user: Callable[..., User],
        make_list: Any,
        product: Product,
        role: str,
    ) -> None:
        price_list = make_list(prices={product: "1.00"})
        client = desk_of(make_user(role))
        for path in (LISTS, at(price_list)):
            page = client.get(path).content.decode()
            main = page[page.index("<main") : page.index("</main>")]
            assert re.findall(r'<form [^>]*method="post"|popover|/new"|/edit"', main) == []


def test_a_refused_price_whose_row_is_gone_is_said_on_the_page(
    desk: Client, make_list: Callable[..., PriceList], make_product: Make
) -> None:
    product = make_product("GONE-1")
    listed = make_list("Resellers")
    body = {"product": product.pk, "price": "abc"}
    page = desk.post(f"{at(listed)}/prices", body)
    assert (page.status_code, "GONE-1: Write an amount" in text_of(page)) == (422, True)


class TestPalette:
    def test_price_lists_are_found_and_begun_from_anywhere(
        self, desk: Client, desk_of: Callable[[User], Client], viewer: User,
        make_list: Callable[..., PriceList],
    ) -> None:  # fmt: skip
        listed = make_list("Atacado São Paulo")
        for client, may_change in ((desk, True), (desk_of(viewer), False)):
            assert f'href="{at(listed)}"' in client.get("/palette?q=sao").content.decode()
            begun = client.get("/palette?q=new+price").content.decode()
            assert (f'href="{LISTS}/new"' in begun) is may_change


class TestFiles:
    def test_prices_go_out_for_everybody_and_come_in_by_those_who_may_change_them(
        self,
        desk: Client,
        desk_of: Callable[[User], Client],
        viewer: User,
        make_list: Callable[..., PriceList],
        make_product: Make,
    ) -> None:
        listed = make_list("Resellers", prices={make_product(): "1.00"})
        empty = make_list("Staff")
        out = f'href="/export/prices.xlsx?price_list_id={listed.pk}"'
        came_in = 'href="/import/?kind=prices"'
        for client, may_change in ((desk, True), (desk_of(viewer), False)):
            page = client.get(at(listed)).content.decode()
            assert (out in page, came_in in page) == (True, may_change)
            of_all = f'href="/export/price-list.xlsx?price_list_id={empty.pk}"'
            page = client.get(at(empty)).content.decode()
            assert ("/export/prices" in page, of_all in page) == (False, True)


class TestForm:
    def test_a_list_is_added_and_waits_for_the_first_code(self, desk: Client) -> None:
        where = desk.post(f"{LISTS}/new", {"name": " Resellers ", "discount": "7.5"})["Location"]
        price_list = PriceList.objects.get()
        assert where == f"{at(price_list)}#code"
        assert (price_list.name, price_list.discount) == ("Resellers", Decimal("7.50"))
        assert 'id="code"' in desk.get(where).content.decode()

    @pytest.mark.parametrize(
        ("language", "typed", "discount"),
        [
            ("pt-br", "7,5", "7.50"),
            ("pt-br", "7,5 %", "7.50"),
            ("pt-br", "7.5", "7.50"),
            ("en", "12%", "12"),
            ("en", "", "0"),
        ],
    )
    def test_a_discount_is_read_as_people_write_it(
        self, desk: Client, manager: User, language: str, typed: str, discount: str
    ) -> None:
        User.objects.filter(pk=manager.pk).update(language=language)
        assert desk.post(f"{LISTS}/new", {"name": "A", "discount": typed}).status_code == 302
        assert PriceList.objects.get().discount == Decimal(discount)

    def test_it_is_shown_without_zeros_at_its_end(self, desk: Client, make_list: Any) -> None:
        for discount, shown in (("7.50", "7.5"), ("50", "50"), ("0", "0")):
            price_list = make_list(discount, discount)
            assert f'value="{shown}"' in desk.get(at(price_list, "/edit")).content.decode()

    @pytest.mark.parametrize(
        ("field", "value", "message"),
        [
            (
                "discount",
                "100",
                "A discount is from 0 to 99.99 percent, with two decimals at most.",
            ),
            ("discount", "-1", "A discount is from 0 to 99.99 percent, with two decimals at most."),
            ("discount", "half", "Write a percentage like 7 or 7.5."),
            ("discount", "7.555", "A percentage has at most two decimals."),
            ("name", "", "This field is required."),
            ("name", "STAFF", "Another price list has this name."),
        ],
    )
    def test_a_refused_form_says_where_and_keeps_what_was_typed(
        self, desk: Client, make_list: Any, field: str, value: str, message: str
    ) -> None:
        make_list("Staff")
        typed = {"name": "Resellers", "discount": "7.5", field: value}
        response = desk.post(f"{LISTS}/new", typed)
        assert response.status_code == 422
        form = response.context["form"]
        assert form.errors == {field: [message]}
        assert {name: form[name].value() for name in typed} == typed
        assert PriceList.objects.count() == 1

    def test_an_edit_as_a_browser_sends_it_back_changes_nothing(
        self, desk: Client, resellers: PriceList
    ) -> None:
        path = at(resellers, "/edit")
        assert desk.post(path, sent(desk.get(path)))["Location"] == at(resellers)
        resellers.refresh_from_db()
        assert resellers.version == 1
        desk.post(path, {**sent(desk.get(path)), "discount": "9"})
        resellers.refresh_from_db()
        assert (resellers.version, resellers.discount) == (2, Decimal(9))

    def test_a_stale_edit_asks_about_what_both_changed_and_takes_the_rest(
        self, desk: Client, admin: User, resellers: PriceList
    ) -> None:
        path = at(resellers, "/edit")
        typed = {**sent(desk.get(path)), "name": "Mine"}
        update_price_list(
            actor=admin, price_list_id=resellers.pk, name="Theirs", discount=Decimal(9)
        )
        response = desk.post(path, typed)
        assert response.status_code == 409
        found = response.context["overtaken"]
        assert found.who == admin
        assert [(it.now, it.typed) for it in found.differences] == [("Theirs", "Mine")]
        assert found.taken == ["Discount (%)"]
        assert "Save with my values" in text_of(response)
        assert desk.post(path, sent(response)).status_code == 302
        resellers.refresh_from_db()
        assert (resellers.name, resellers.discount) == ("Mine", Decimal(9))

    def test_it_is_deleted_only_while_nobody_buys_by_it(
        self, desk: Client, resellers: PriceList, make_customer: Callable[..., Customer]
    ) -> None:
        customer = make_customer(price_list_id=resellers.pk)
        said = "Customers buy by it: give them another price list first."
        page = desk.get(at(resellers))
        assert said in text_of(page)
        assert f'action="{at(resellers)}/delete"' not in page.content.decode()
        refused = desk.post(at(resellers, "/delete"))
        assert refused.status_code == 409
        said = "Customers buy by Resellers: give them another price list first."
        assert said in text_of(refused)
        Customer.objects.filter(pk=customer.pk).update(price_list=None)
        done = desk.post(at(resellers, "/delete"), follow=True)
        assert done.redirect_chain == [(LISTS, 302)]
        assert "The price list Resellers is deleted." in text_of(done)
        assert PriceList.objects.count() == 0


class TestPrices:
    @pytest.mark.parametrize("code", ["caf-1", " CAF-1 ", "7891234567895"])
    def test_a_price_is_set_by_sku_or_barcode_and_the_next_code_is_waited_for(
        self, desk: Client, resellers: PriceList, make_product: Make, code: str
    ) -> None:
        make_product("CAF-1", gtin="7891234567895")
        typed = {"product": "", "code": code, "price": "1,234.5"}
        response = desk.post(at(resellers, "/prices"), typed)
        assert response["Location"] == f"{at(resellers)}#code"
        assert prices(resellers) == {"CAF-1": "1234.50"}
        page = desk.get(at(resellers))
        assert "CAF-1 costs R$ 1,234.50 on this list." in text_of(page)
        assert page.context["form"]["code"].value() is None

    def test_prices_are_written_and_read_as_in_portuguese(
        self, desk: Client, manager: User, resellers: PriceList, make_product: Make
    ) -> None:
        User.objects.filter(pk=manager.pk).update(language="pt-br")
        make_product("CAF-1")
        desk.post(at(resellers, "/prices"), {"code": "CAF-1", "price": "1.234,50"})
        page = desk.get(at(resellers))
        assert "CAF-1 custa R$ 1.234,50 nesta tabela." in text_of(page)
        assert 'name="price" value="1234,50"' in page.content.decode()

    @pytest.mark.parametrize(
        ("field", "value", "message"),
        [
            ("code", "NOT-1", "No product has the code “NOT-1”."),
            ("code", "", "This field is required."),
            ("code", "7891234567895", "“7891234567895” is the GTIN of BOX-1, BOX-2: give the SKU instead."),
            ("price", "", "This field is required."),
            ("price", "0", "A price is at least 0.01."),
            ("price", "-1", "A price is at least 0.01."),
            ("price", "ten", "Write an amount like 10 or 10.50."),
            ("price", "123456789", "This amount is too large."),
        ],
    )  # fmt: skip
    def test_what_is_refused_says_where_and_keeps_what_was_typed(
        self,
        desk: Client,
        resellers: PriceList,
        make_product: Make,
        field: str,
        value: str,
        message: str,
    ) -> None:
        make_product("CAF-1")
        for sku in ("BOX-1", "BOX-2"):
            make_product(sku, gtin="7891234567895")
        typed = {"code": "CAF-1", "price": "9.50", field: value}
        response = desk.post(at(resellers, "/prices"), typed)
        assert response.status_code == 422
        form = response.context["form"]
        assert form.errors == {field: [message]}
        assert {name: form[name].value() for name in typed} == typed
        assert message in text_of(response)
        assert prices(resellers) == {}

    def test_words_are_no_code_but_find_what_to_choose(
        self, desk: Client, resellers: PriceList, make_product: Make
    ) -> None:
        make_product("CAF-1", name="Ground coffee", price="10.00")
        make_product("CAF-2", name="Coffee beans", price="20.00")
        # One product or several: nothing is chosen by itself.
        for words, skus in (("coffee", ["CAF-2", "CAF-1"]), ("ground", ["CAF-1"])):
            asked = desk.post(at(resellers, "/prices"), {"code": words, "price": "9"})
            assert asked.status_code == 422
            assert f"“{words}” is no code: choose the product below." in text_of(asked)
            shown = re.findall(r'name="code" value="([^"]+)"', asked.content.decode())
            assert shown == [words, *skus]
        assert prices(resellers) == {}
        # What a browser sends: the field, and the button after it.
        desk.post(at(resellers, "/prices"), {"code": ["coffee", "CAF-1"], "price": "9"})
        assert prices(resellers) == {"CAF-1": "9.00"}
        said = "Ordinary price of Ground coffee: R$ 10.00."
        assert said in text_of(desk.get(at(resellers)))

    def test_products_that_share_a_barcode_are_chosen_from(
        self, desk: Client, resellers: PriceList, make_product: Make
    ) -> None:
        for sku in ("BOX-1", "BOX-2"):
            make_product(sku, gtin="7891234567895")
        typed = {"code": "7891234567895", "price": "9"}
        page = desk.post(at(resellers, "/prices"), typed).content.decode()
        for sku in ("BOX-1", "BOX-2"):
            assert f'name="code" value="{sku}"' in page

    def test_both_mistakes_are_said_at_once(self, desk: Client, resellers: PriceList) -> None:
        response = desk.post(at(resellers, "/prices"), {"code": "NOT-1", "price": "ten"})
        assert list(response.context["form"].errors) == ["code", "price"]

    def test_a_row_is_changed_in_place_and_goes_on_there(
        self, desk: Client, make_list: Any, product: Product
    ) -> None:
        price_list = make_list(prices={product: "5.00"})
        here = "?search=sku&sort=-sku"
        page = desk.get(at(price_list) + here).content.decode()
        row = re.search(r'class="row-price" method="post" action="([^"]+)"', page)
        assert row is not None
        assert 'name="price" value="5.00"' in page
        path = row[1].replace("&amp;", "&")
        where = desk.post(path, {"product": product.pk, "price": "4.90"})["Location"]
        assert where == f"{at(price_list)}{here}#price-{product.pk}"
        assert prices(price_list) == {product.sku: "4.90"}
        assert f'id="price-{product.pk}"' in desk.get(where).content.decode()

    def test_a_refused_row_keeps_what_was_typed_there_and_nowhere_else(
        self, desk: Client, make_list: Any, make_product: Make
    ) -> None:
        first, other = make_product("A-1", name="A"), make_product("B-1", name="B")
        price_list = make_list(prices={first: "5.00", other: "6.00"})
        for typed, message in (("0", "A price is at least 0.01."), ("", "This field is required.")):
            response = desk.post(at(price_list, "/prices"), {"product": first.pk, "price": typed})
            assert response.status_code == 422
            forms = [row["form"] for row in response.context["rows"]]
            assert [form.errors for form in forms] == [{"price": [message]}, {}]
            assert [form["price"].value() for form in forms] == [typed, "6.00"]
            assert not response.context["form"].is_bound
            assert message in text_of(response)
        assert prices(price_list) == {"A-1": "5.00", "B-1": "6.00"}

    def test_a_row_is_removed_whatever_stands_in_its_field_and_the_message_undoes_it(
        self, desk: Client, make_list: Any, product: Product
    ) -> None:
        price_list = make_list(prices={product: "1234.50"})
        body = {"product": product.pk, "price": "x", "action": "remove"}
        gone = desk.post(at(price_list, "/prices") + "?sort=sku", body, follow=True)
        assert gone.redirect_chain == [(f"{at(price_list)}?sort=sku", 302)]
        assert f"{product.sku} has no price of its own on this list now." in text_of(gone)
        assert prices(price_list) == {}
        url, fields = undo_of(gone)
        desk.post(url, fields)
        assert prices(price_list) == {product.sku: "1234.50"}

    @pytest.mark.parametrize("before", [{}, {"CAF-1": "1234.50"}], ids=["new", "changed"])
    @pytest.mark.parametrize("language", ["en", "pt-br"])
    def test_the_message_undoes_a_price_that_was_set(
        self,
        desk: Client,
        manager: User,
        make_list: Any,
        make_product: Make,
        before: dict[str, str],
        language: str,
    ) -> None:
        User.objects.filter(pk=manager.pk).update(language=language)
        product = make_product("CAF-1")
        price_list = make_list(prices={product: before["CAF-1"]} if before else {})
        typed = {"code": "CAF-1", "price": "4"}
        done = desk.post(at(price_list, "/prices"), typed, follow=True)
        assert prices(price_list) == {"CAF-1": "4.00"}
        url, fields = undo_of(done)
        desk.post(url, fields)
        assert prices(price_list) == before

    def test_a_row_that_is_removed_leads_on_to_the_one_beside_it(
        self, desk: Client, make_list: Any, make_product: Make
    ) -> None:
        products = [make_product(f"ROW-{number}", name=f"Row {number}") for number in (1, 2, 3)]
        for some, ways in (
            (products, [products[1], products[2], products[1]]),
            (products[:1], []),
        ):
            price_list = make_list(f"List of {len(some)}", "0", dict.fromkeys(some, "5.00"))
            page = desk.get(at(price_list) + "?sort=sku").content.decode()
            found = re.findall(r'formaction="([^"]+)"', page)
            url = at(price_list, "/prices") + "?sort=sku"
            assert found == [f"{url}#price-{product.pk}" for product in ways]

    def test_a_price_that_another_has_is_said_with_what_it_was(
        self, desk: Client, admin: User, make_list: Any, product: Product
    ) -> None:
        price_list = make_list(prices={product: "5.00"})
        desk.get(at(price_list))
        new = {product.pk: Decimal("6.00")}
        change_prices(actor=admin, price_list_id=price_list.pk, prices=new)
        body = {"product": product.pk, "price": "7"}
        page = desk.post(at(price_list, "/prices"), body, follow=True)
        assert "costs R$ 7.00 on this list. Before: R$ 6.00." in text_of(page)

    def test_a_price_set_again_is_said_and_is_nothing_to_undo(
        self, desk: Client, make_list: Any, product: Product
    ) -> None:
        price_list = make_list(prices={product: "5.00"})
        body = {"product": product.pk, "price": "5"}
        page = desk.post(at(price_list, "/prices"), body, follow=True)
        assert f"{product.sku} costs R$ 5.00 on this list." in text_of(page)
        assert 'class="undo"' not in page.content.decode()

    def test_a_product_that_is_gone_is_404(self, desk: Client, resellers: PriceList) -> None:
        for product in ("99", "x"):
            body = {"product": product, "price": "1"}
            assert desk.post(at(resellers, "/prices"), body).status_code == 404
        assert ListedPrice.objects.count() == 0


class TestProduct:
    def test_its_page_says_what_it_costs_on_each_list(
        self, desk: Client, admin: User, make_list: Any, make_product: Make
    ) -> None:
        product = make_product(price="10.00")
        path = f"/products/{product.pk}"
        assert "Prices on lists" not in text_of(desk.get(path))
        own, discounted = make_list("A", prices={product: "5.00"}), make_list("B", "12.5")
        update_product(actor=admin, product_id=product.pk, price=Decimal(20))
        page = desk.get(path)
        assert "Prices on lists A R$ 5.00 B R$ 17.50" in text_of(page).replace("\xa0", " ")
        for each in (own, discounted):
            assert f'href="{at(each)}"' in page.content.decode()


class TestCopy:
    def test_a_copy_is_made_under_a_name_that_is_proposed(
        self, desk: Client, manager: User, make_list: Any, product: Product
    ) -> None:
        listed = make_list(prices={product: "9.90"})
        assert f'href="{at(listed, "/copy")}"' in desk.get(at(listed)).content.decode()
        page = desk.get(at(listed, "/copy"))
        assert page.context["form"]["name"].value() == "Copy of Resellers"
        assert "same discount, 7.5 %, and 1 price." in text_of(page).replace("\xa0", " ")
        done = desk.post(at(listed, "/copy"), {"name": "Copy of Resellers"})
        made = PriceList.objects.get(name="Copy of Resellers")
        assert done["Location"] == f"{at(made)}#code"
        assert (made.discount, prices(made)) == (Decimal("7.50"), {product.sku: "9.90"})
        assert "The price list Copy of Resellers is added." in text_of(desk.get(at(made)))
        User.objects.filter(pk=manager.pk).update(language="pt-br")
        assert 'value="Cópia de Resellers"' in desk.get(at(listed, "/copy")).content.decode()

    def test_a_refused_name_says_why_and_is_kept(self, desk: Client, resellers: PriceList) -> None:
        for name, message in (
            ("RESELLERS", "Another price list has this name."),
            ("", "This field is required."),
            ("★", "A name has a letter or a digit."),
        ):
            page = desk.post(at(resellers, "/copy"), {"name": name})
            assert page.status_code == 422
            assert page.context["form"].errors == {"name": [message]}
            assert page.context["form"]["name"].value() == name
        assert PriceList.objects.count() == 1

    def test_the_name_that_is_proposed_is_never_too_long(
        self, desk: Client, make_list: Any
    ) -> None:
        listed = make_list("n" * 255)
        [name] = re.findall(
            r'name="name" value="([^"]+)"', desk.get(at(listed, "/copy")).content.decode()
        )
        assert len(name) == 255
        assert desk.post(at(listed, "/copy"), {"name": name}).status_code == 302


class TestRepricing:
    """All prices raised or lowered: shown first, done once, undone."""

    @pytest.fixture
    def listed(self, make_list: Any, make_product: Make) -> PriceList:
        products = [make_product(f"P-{number}", name=f"Product {number}") for number in range(5)]
        price_list: PriceList = make_list(
            prices=dict(zip(products, ["10", "20", "30", "40", "0.01"], strict=True))
        )
        return price_list

    def confirmed(self, page: Any) -> dict[str, str]:
        """What the button under the preview sends."""
        form = re.search(
            r'<form[^>]*method="post" action="[^"]*/reprice">(.*?)</form>',
            page.content.decode(),
            re.DOTALL,
        )
        assert form is not None
        return dict(re.findall(r'name="(?!csrf)(\w+)" value="([^"]*)"', form[1]))

    def test_it_is_shown_then_done_then_undone(self, desk: Client, listed: PriceList) -> None:
        before = prices(listed)
        assert f'href="{at(listed, "/reprice")}"' in desk.get(at(listed)).content.decode()
        assert "5 products have a price of their own" in text_of(desk.get(at(listed, "/reprice")))
        page = desk.get(at(listed, "/reprice?way=up&percent=7.5"))
        assert page.status_code == 200
        assert "4 prices would rise by 7.5 %" in text_of(page).replace("\xa0", " ")
        assert cells(page) == [
            ["P-0", "Product 0", "R$ 10.00", "R$ 10.75"],
            ["P-1", "Product 1", "R$ 20.00", "R$ 21.50"],
            ["P-2", "Product 2", "R$ 30.00", "R$ 32.25"],
        ]
        assert "… and 1 more." in text_of(page)
        assert prices(listed) == before
        done = desk.post(at(listed, "/reprice"), self.confirmed(page), follow=True)
        assert done.redirect_chain == [(at(listed), 302)]
        assert "4 prices are raised by 7.5 %." in text_of(done).replace("\xa0", " ")
        assert prices(listed) == {
            **before,
            "P-0": "10.75",
            "P-1": "21.50",
            "P-2": "32.25",
            "P-3": "43.00",
        }
        url, fields = undo_of(done)
        undone = desk.post(url, fields, follow=True)
        assert "4 prices are as they were before." in text_of(undone)
        assert prices(listed) == before

    def test_it_is_read_as_people_write_it_and_lowered_without_a_sign(
        self, desk: Client, manager: User, listed: PriceList
    ) -> None:
        User.objects.filter(pk=manager.pk).update(language="pt-br")
        page = desk.get(at(listed, "/reprice?way=down&percent=2,5+%25"))
        assert "4 preços cairiam 2,5 %" in text_of(page).replace("\xa0", " ")
        done = desk.post(at(listed, "/reprice"), self.confirmed(page), follow=True)
        assert "4 preços foram reduzidos em 2,5 %." in text_of(done).replace("\xa0", " ")
        assert prices(listed)["P-0"] == "9.75"

    def test_sent_twice_it_happens_once(self, desk: Client, listed: PriceList) -> None:
        body = self.confirmed(desk.get(at(listed, "/reprice?way=up&percent=10")))
        for _click in range(2):
            done = desk.post(at(listed, "/reprice"), body, follow=True)
            assert "4 prices are raised by 10 %." in text_of(done).replace("\xa0", " ")
        assert prices(listed)["P-0"] == "11.00"

    def test_prices_that_changed_since_are_shown_again_and_nothing_is_done(
        self, desk: Client, admin: User, listed: PriceList
    ) -> None:
        body = self.confirmed(desk.get(at(listed, "/reprice?way=up&percent=10")))
        product = Product.objects.get(sku="P-0")
        price = {product.pk: Decimal(50)}
        change_prices(actor=admin, price_list_id=listed.pk, prices=price)
        page = desk.post(at(listed, "/reprice"), body)
        assert page.status_code == 409
        assert "The price list was changed meanwhile. Nothing was done" in text_of(page)
        assert cells(page)[0] == ["P-0", "Product 0", "R$ 50.00", "R$ 55.00"]
        assert prices(listed)["P-1"] == "20.00"
        assert desk.post(at(listed, "/reprice"), self.confirmed(page)).status_code == 302
        assert prices(listed)["P-0"] == "55.00"

    def test_a_page_from_before_it_was_undone_does_not_say_it_is_done(
        self, desk: Client, listed: PriceList
    ) -> None:
        before = prices(listed)
        body = self.confirmed(desk.get(at(listed, "/reprice?way=up&percent=10")))
        url, fields = undo_of(desk.post(at(listed, "/reprice"), body, follow=True))
        desk.post(url, fields)
        assert desk.post(at(listed, "/reprice"), body).status_code == 409
        assert prices(listed) == before

    def test_what_was_changed_since_is_said_to_stay(
        self, desk: Client, admin: User, listed: PriceList
    ) -> None:
        body = self.confirmed(desk.get(at(listed, "/reprice?way=up&percent=10")))
        desk.post(at(listed, "/reprice"), body, follow=True)
        product = Product.objects.get(sku="P-0")
        price = {product.pk: Decimal(50)}
        change_prices(actor=admin, price_list_id=listed.pk, prices=price)
        page = desk.get(at(listed, "/reprice"))
        assert "Last time: +10 % on 4 prices" in text_of(page).replace("\xa0", " ")
        [repricing] = re.findall(r'name="repricing" value="(\d+)"', page.content.decode())
        undone = desk.post(at(listed, "/reprice/undo"), {"repricing": repricing}, follow=True)
        said = "3 prices are as they were before. 1 was changed meanwhile and stays as it is."
        assert said in text_of(undone)
        assert prices(listed)["P-0"] == "50.00"
        assert "Last time" not in text_of(desk.get(at(listed, "/reprice")))

    @pytest.mark.parametrize(
        ("query", "message"),
        [
            ("way=up&percent=", "This field is required."),
            ("way=up&percent=ten", "Write a percentage like 7 or 7.5."),
            ("way=up&percent=-5", "Write it without a sign: raise or lower says which."),
            ("way=up&percent=0", "A change of zero is no change."),
            ("way=down&percent=100", "A percentage is from -99.99 to 999.99, with two decimals at most."),
            ("way=up&percent=1000", "A percentage is from -99.99 to 999.99, with two decimals at most."),
            ("way=up&percent=1.555", "A percentage has at most two decimals."),
        ],
    )  # fmt: skip
    def test_what_is_refused_says_why_and_is_kept(
        self, desk: Client, listed: PriceList, query: str, message: str
    ) -> None:
        page = desk.get(at(listed, f"/reprice?{query}"))
        assert page.status_code == 422
        assert page.context["form"].errors == {"percent": [message]}
        assert page.context["form"]["percent"].value() == query.rpartition("=")[2]
        assert "percent" not in page.context

    def test_a_price_that_becomes_too_large_is_named(
        self, desk: Client, make_list: Any, make_product: Make
    ) -> None:
        listed = make_list(prices={make_product("DEAR"): "99999999.99"})
        page = desk.get(at(listed, "/reprice?way=up&percent=1"))
        assert page.status_code == 422
        said = "DEAR would cost R$ 100,999,999.99: that is too much for a price."
        assert said in text_of(page)

    def test_a_list_without_own_prices_has_nothing_to_raise(
        self, desk: Client, resellers: PriceList
    ) -> None:
        assert "/reprice" not in desk.get(at(resellers)).content.decode()
        page = text_of(desk.get(at(resellers, "/reprice?way=up&percent=5")))
        assert "there is nothing to raise or lower" in page

    def test_the_preview_costs_as_many_statements_for_any_list(
        self, desk: Client, admin: User, listed: PriceList, make_product: Make
    ) -> None:
        def statements() -> int:
            with CaptureQueriesContext(connection) as queries:
                assert desk.get(at(listed, "/reprice?way=up&percent=5")).status_code == 200
            return len(queries)

        statements()
        few = statements()
        more = {make_product().pk: Decimal(2) for _ in range(30)}
        change_prices(actor=admin, price_list_id=listed.pk, prices=more)
        assert statements() == few
