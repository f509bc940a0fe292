"""The pages of products and stock."""

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from catalog.models import Product, StockMovement
from catalog.services import adjust_stock, update_product
from erp_site.core import gtin
from erp_site.testing import HTMX, level_of, text_of
from orders.models import Order

pytestmark = pytest.mark.django_db
Make = Callable[..., Product]


@pytest.fixture
def desk(desk_of: Callable[[User], Client], manager: User) -> Client:
    return desk_of(manager)


def skus(response: Any) -> list[str]:
    return [product["sku"] for product in response.context["products"]]


def adjustment(product: Product, **changed: Any) -> dict[str, Any]:
    """What the form sends: 8 pieces in, received."""
    return {
        "product": product.pk,
        "direction": "in",
        "quantity": "8",
        "reason": "received",
        "note": "",
        "expected": level_of(product).on_hand,
        "idempotency_key": "form-1",
        "action": "save",
        **changed,
    }


class TestList:
    def test_it_shows_what_is_on_hand_reserved_and_available(
        self, desk: Client, make_product: Make, place: Callable[..., Order]
    ) -> None:
        product = make_product("CAF-1", on_hand=1200, price="1234.50")
        place((product, 200))
        response = desk.get("/products/")
        (row,) = response.context["products"]
        assert (row["on_hand"], row["reserved"], row["available"]) == (1200, 200, 1000)
        cells = re.findall(r'<td class="num[^>]*>(.*?)</td>', response.content.decode())
        shown = [re.sub(r"<[^>]+>", "", cell).replace("\xa0", " ").strip() for cell in cells]
        assert shown == ["1,200", "200", "1,000", "R$ 1,234.50"]

    def test_tabs_and_filters_choose_what_is_shown(self, desk: Client, make_product: Make) -> None:
        make_product("LOW", on_hand=2, low_stock_threshold=5)
        make_product("OLD", is_active=False)
        make_product("OK", low_stock_threshold=5)
        assert skus(desk.get("/products/")) == ["LOW", "OLD", "OK"]
        assert skus(desk.get("/products/?low_stock=true")) == ["LOW"]
        assert skus(desk.get("/products/?is_active=false")) == ["OLD"]
        assert skus(desk.get("/products/?sort=-sku")) == ["OLD", "OK", "LOW"]
        assert skus(desk.get("/products/?search=lo")) == ["LOW"]
        tabs = desk.get("/products/?low_stock=true").context["tabs"]
        assert [tab["is_here"] for tab in tabs] == [False, True, False]
        assert [tab.get("count") for tab in tabs] == [None, 1, 1]

    def test_htmx_gets_the_results_alone(self, desk: Client, product: Product) -> None:
        answer = desk.get("/products/", headers=HTMX).content.decode().strip()
        assert answer.startswith('<div id="results"')

    def test_an_empty_list_says_what_to_do(self, desk: Client, product: Product) -> None:
        assert "No product fits these filters" in text_of(desk.get("/products/?search=zzz"))
        Product.objects.all().update(deleted_at="2026-01-01T00:00:00Z", live=None)
        assert "The first one takes a SKU, a name and a price." in text_of(desk.get("/products/"))

    @pytest.mark.parametrize("path", ["/products/", "/products/{}"])
    def test_three_rows_cost_as_many_statements_as_one(
        self, desk: Client, make_product: Make, place: Callable[..., Order], path: str
    ) -> None:
        product = make_product(on_hand=100)
        path = path.format(product.pk)
        desk.get(path)
        place((product, 1))
        counts = []
        for _ in range(2):
            with CaptureQueriesContext(connection) as queries:
                assert desk.get(path).status_code == 200
            counts.append(len(queries))
            for _more in range(2):
                make_product()
                place((product, 1))
        assert counts[0] == counts[1]


class TestDetail:
    def test_the_ledger_says_who_when_and_why_and_leads_to_the_order(
        self, desk: Client, manager: User, product: Product, place: Callable[..., Order]
    ) -> None:
        order = place((product, 3))
        adjust_stock(
            actor=manager, product_id=product.pk, delta=-1, reason="damaged", note="Fell down"
        )
        response = desk.get(f"/products/{product.pk}")
        ledger = response.context["listing"].rows
        assert [row.kind for row in ledger] == ["adjusted", "reserved", "opening"]
        page = response.content.decode()
        assert f'href="/orders/{order.pk}">{order.number}' in page
        assert f"Adjusted · Damaged Fell down \N{MINUS SIGN}1 9 3 {manager.name}" in text_of(
            response
        )

    def test_it_names_the_orders_that_reserve_it(
        self, desk: Client, product: Product, place: Callable[..., Order]
    ) -> None:
        order = place((product, 3))
        (section,) = desk.get(f"/products/{product.pk}").context["sections"]
        assert [(it.order_id, it.quantity) for it in section.data["items"]] == [(order.pk, 3)]

    def test_htmx_turns_the_pages_of_the_ledger_alone(self, desk: Client, product: Product) -> None:
        answer = desk.get(f"/products/{product.pk}?page=2", headers=HTMX).content.decode().strip()
        assert answer.startswith('<div id="ledger"')

    def test_a_missing_product_is_404(self, desk: Client) -> None:
        assert desk.get("/products/99").status_code == 404


class TestForm:
    NEW = {"sku": "new-1", "name": "New", "price": "1,234.5", "on_hand": "1,000"}

    def test_a_product_is_added_with_its_opening_stock(self, desk: Client) -> None:
        response = desk.post("/products/new", self.NEW)
        product = Product.objects.get()
        assert (response.status_code, response["Location"]) == (302, f"/products/{product.pk}")
        assert (product.sku, product.price) == ("NEW-1", Decimal("1234.50"))
        assert level_of(product).on_hand == 1000

    def test_a_barcode_that_another_product_has_is_saved_with_a_warning(
        self, desk: Client, make_product: Make
    ) -> None:
        barcode = "7891234567895"
        make_product("BOX-1", gtin=barcode)
        warning = f"GTIN {barcode} is that of BOX-1, too: who scans it is asked which one is meant."
        added = desk.post("/products/new", {**self.NEW, "gtin": barcode}, follow=True)
        assert [str(it) for it in added.context["messages"]] == ["NEW-1 is added.", warning]
        other = make_product("BOX-2")
        body = {"sku": "BOX-2", "name": "Box", "price": "1", "gtin": barcode, "version": 1}
        saved = desk.post(f"/products/{other.pk}/edit", body, follow=True)
        said = [(it.level_tag, str(it)) for it in saved.context["messages"]]
        assert said[1] == ("warning", warning.replace("BOX-1", "BOX-1, NEW-1"))
        assert Product.objects.filter(gtin=barcode).count() == 3

    def test_numbers_are_read_in_the_language_of_the_reader(
        self, desk: Client, manager: User
    ) -> None:
        User.objects.filter(pk=manager.pk).update(language="pt-br")
        desk.post("/products/new", {**self.NEW, "price": "1.234,50", "on_hand": "1.000"})
        product = Product.objects.get()
        assert (product.price, level_of(product).on_hand) == (Decimal("1234.50"), 1000)
        assert 'value="1234,50"' in desk.get(f"/products/{product.pk}/edit").content.decode()

    @pytest.mark.parametrize(
        ("field", "value", "message"),
        [
            ("price", "1.000", "An amount has at most two decimals."),
            ("price", "123,456,789.00", "This amount is too large."),
            ("price", "ten", "Write an amount like 10 or 10.50."),
            ("price", "0", "A price is at least 0.01."),
            ("gtin", "7891234567890", "the last a check digit"),
            ("on_hand", "1.5", "Write a whole number."),
            ("on_hand", "-1", "greater than or equal to 0"),
            ("sku", "", "This field is required."),
        ],
    )
    def test_a_refused_form_says_where_and_keeps_what_was_typed(
        self, desk: Client, field: str, value: str, message: str
    ) -> None:
        response = desk.post("/products/new", {**self.NEW, "description": "Kept", field: value})
        assert response.status_code == 422
        assert list(response.context["form"].errors) == [field]
        assert message in response.context["form"].errors[field][0]
        assert "Kept" in text_of(response)
        assert Product.objects.count() == 0

    def test_a_taken_sku_is_said_beside_it(self, desk: Client, make_product: Make) -> None:
        make_product("NEW-1")
        response = desk.post("/products/new", self.NEW)
        assert response.context["form"].errors == {"sku": ["Another product has this SKU."]}

    def test_an_edit_changes_what_was_typed(self, desk: Client, product: Product) -> None:
        form = desk.get(f"/products/{product.pk}/edit").context["form"]
        typed = {bound.name: bound.value() or "" for bound in form}
        desk.post(f"/products/{product.pk}/edit", {**typed, "name": "Renamed"})
        product.refresh_from_db()
        assert (product.name, product.version) == ("Renamed", 2)

    def test_an_edit_as_a_browser_sends_it_back_changes_nothing(
        self, desk: Client, admin: User, product: Product
    ) -> None:
        update_product(actor=admin, product_id=product.pk, description="one\r\ntwo")
        product.refresh_from_db()
        assert (product.description, product.version) == ("one\ntwo", 2)
        form = desk.get(f"/products/{product.pk}/edit").context["form"]
        typed = {bound.name: str(bound.value() or "") for bound in form}
        sent = {name: value.replace("\n", "\r\n") for name, value in typed.items()}
        assert desk.post(f"/products/{product.pk}/edit", sent).status_code == 302
        product.refresh_from_db()
        assert (product.description, product.version) == ("one\ntwo", 2)

    def test_a_stale_edit_says_who_changed_what_keeps_the_typing_and_can_be_saved_knowingly(
        self, desk: Client, admin: User, product: Product
    ) -> None:
        update_product(actor=admin, product_id=product.pk, price=Decimal("11.00"))
        typed = {"sku": product.sku, "name": "Mine", "price": "12.00", "version": "1"}
        response = desk.post(f"/products/{product.pk}/edit", typed)
        assert response.status_code == 409
        overtaken = response.context["overtaken"]
        assert overtaken.who == admin
        assert [(it.now, it.typed) for it in overtaken.differences] == [
            (product.name, "Mine"),
            ("11.00", "12.00"),
        ]
        form = response.context["form"]
        assert (form["name"].value(), form["version"].value()) == ("Mine", 2)
        product.refresh_from_db()
        assert product.price == Decimal("11.00")
        again = {bound.name: bound.value() or "" for bound in form}
        assert desk.post(f"/products/{product.pk}/edit", again).status_code == 302
        product.refresh_from_db()
        assert (product.name, product.price) == ("Mine", Decimal("12.00"))

    def test_a_stale_edit_asks_about_what_both_changed_and_takes_the_rest(
        self, desk: Client, manager: User, admin: User, product: Product
    ) -> None:
        path = f"/products/{product.pk}/edit"
        update_product(
            actor=admin, product_id=product.pk, price=Decimal("1234.56"), description="a\nb"
        )
        opened = desk.get(path)
        # As a browser sends it: its own ends of lines, and the money as it was shown, here and in Portuguese.
        typed = {
            **{bound.name: bound.value() or "" for bound in opened.context["form"]},
            "opened": opened.context["opened"],
            "name": "Mine",
            "price": "1,234.56",
            "description": "a\r\nb",
        }
        update_product(
            actor=admin,
            product_id=product.pk,
            name="Theirs",
            price=Decimal("2345.60"),
            low_stock_threshold=7,
        )
        for language, price in (("en", "1,234.56"), ("pt-br", "1.234,56")):
            User.objects.filter(pk=manager.pk).update(language=language)
            response = desk.post(path, {**typed, "price": price})
            assert response.status_code == 409
            found = response.context["overtaken"]
            assert [(it.now, it.typed) for it in found.differences] == [("Theirs", "Mine")]
            assert len(found.taken) == 2
        again = {bound.name: bound.value() or "" for bound in response.context["form"]}
        again["opened"] = response.context["opened"]
        assert desk.post(path, again).status_code == 302
        product.refresh_from_db()
        assert (product.name, product.price) == ("Mine", Decimal("2345.60"))
        assert product.low_stock_threshold == 7

    def test_it_is_deactivated_and_the_message_undoes_it(
        self, desk: Client, product: Product
    ) -> None:
        path = f"/products/{product.pk}/activity"
        page = desk.post(path, {"is_active": "false"}, follow=True).content.decode()
        product.refresh_from_db()
        assert not product.is_active
        assert re.search(
            rf'<form method="post" action="{path}">.*?name="is_active" value="true"',
            page,
            re.DOTALL,
        )
        desk.post(path, {"is_active": "true"})
        product.refresh_from_db()
        assert product.is_active

    def test_it_is_deleted_only_without_stock(self, desk: Client, make_product: Make) -> None:
        full, empty = make_product(on_hand=3), make_product(on_hand=0)
        refused = desk.post(f"/products/{full.pk}/delete")
        assert refused.status_code == 409
        assert refused.context["problem"] == f"There is stock of {full.sku}: 3 on hand, 0 reserved."
        assert desk.post(f"/products/{empty.pk}/delete")["Location"] == "/products/"
        assert list(Product.objects.all()) == [full]


class TestAdjust:
    @pytest.mark.parametrize("code", ["caf-1", "7891234567895", "grãos"])
    def test_a_scan_finds_the_product_by_sku_gtin_or_words(
        self, desk: Client, make_product: Make, code: str
    ) -> None:
        product = make_product("CAF-1", gtin="7891234567895", name="Café em grãos")
        make_product("CHA-1", name="Chá")
        response = desk.get("/products/adjust", {"code": code})
        assert response.context["record"]["id"] == product.pk

    def test_an_unknown_code_says_so_and_several_products_are_offered(
        self, desk: Client, make_product: Make
    ) -> None:
        for sku in ("CAF-1", "CAF-2"):
            make_product(sku, name=f"Coffee {sku}")
        assert "No product has the code “XYZ”." in text_of(desk.get("/products/adjust?code=XYZ"))
        options = desk.get("/products/adjust?code=coffee").context["options"]
        assert [option.sku for option in options] == ["CAF-1", "CAF-2"]

    def test_a_barcode_of_several_products_is_asked_about(
        self, desk: Client, make_product: Make
    ) -> None:
        for sku in ("BOX-2", "BOX-1"):
            make_product(sku, gtin="7891234567895")
        page = desk.get("/products/adjust?code=7891234567895&direction=count")
        assert "record" not in page.context
        for sku in ("BOX-1", "BOX-2"):
            assert f"?code={sku}&amp;direction=count" in page.content.decode()

    @pytest.mark.parametrize(
        ("direction", "quantity", "after"), [("in", "8", 18), ("out", "3", 7), ("count", "4", 4)]
    )
    def test_what_will_be_is_shown_before_it_is_done_and_then_is(
        self, desk: Client, product: Product, direction: str, quantity: str, after: int
    ) -> None:
        form = adjustment(product, direction=direction, quantity=quantity)
        preview = desk.post("/products/adjust", {**form, "action": "preview"}).context["preview"]
        assert (preview.on_hand, preview.after) == (10, after)
        assert level_of(product).on_hand == 10
        assert desk.post("/products/adjust", form).status_code == 302
        assert level_of(product).on_hand == after

    def test_after_saving_it_waits_for_the_next_scan_in_the_same_way(
        self, desk: Client, product: Product
    ) -> None:
        form = adjustment(product, direction="count", reason="counted")
        where = desk.post("/products/adjust", form)["Location"]
        assert where == "/products/adjust?direction=count&reason=counted"
        page = desk.get(where)
        assert page.context["kept"] == {"direction": "count", "reason": "counted"}
        following = desk.get("/products/adjust", {"code": product.sku, **page.context["kept"]})
        assert following.context["form"]["direction"].value() == "count"

    def test_who_came_from_the_product_goes_back_to_it(
        self, desk: Client, product: Product
    ) -> None:
        assert desk.get(f"/products/adjust?product={product.pk}").context["then"] == "product"
        answer = desk.post("/products/adjust", adjustment(product, then="product"))
        assert answer["Location"] == f"/products/{product.pk}"

    def test_the_same_form_twice_adjusts_once(self, desk: Client, product: Product) -> None:
        for _ in range(2):
            assert desk.post("/products/adjust", adjustment(product)).status_code == 302
        assert level_of(product).on_hand == 18

    def test_a_saved_form_changed_and_sent_again_is_asked_about(
        self, desk: Client, product: Product
    ) -> None:
        desk.post("/products/adjust", adjustment(product))
        again = desk.post("/products/adjust", adjustment(product, quantity="9"))
        assert (again.status_code, level_of(product).on_hand) == (422, 18)
        key = again.context["form"]["idempotency_key"].value()
        desk.post("/products/adjust", adjustment(product, quantity="9", idempotency_key=key))
        assert level_of(product).on_hand == 27

    def test_a_count_against_a_wrong_figure_says_the_real_one_and_keeps_the_typing(
        self, desk: Client, product: Product
    ) -> None:
        form = adjustment(
            product, direction="count", quantity="12", reason="counted", note="Shelf 3", expected=7
        )
        response = desk.post("/products/adjust", form)
        assert (response.status_code, level_of(product).on_hand) == (409, 10)
        assert response.context["problem"].startswith("There are 10 now, not 7.")
        kept = response.context["form"]
        assert [kept[name].value() for name in ("quantity", "note", "expected")] == [
            "12",
            "Shelf 3",
            "10",
        ]
        desk.post("/products/adjust", {**form, "expected": "10"})
        assert level_of(product).on_hand == 12

    def test_what_is_reserved_cannot_go_out(
        self, desk: Client, product: Product, place: Callable[..., Order]
    ) -> None:
        place((product, 4))
        form = adjustment(product, direction="out", quantity="7", reason="lost")
        response = desk.post("/products/adjust", form)
        assert response.status_code == 409
        assert list(response.context["form"].errors) == ["quantity"]
        assert level_of(product).on_hand == 10

    @pytest.mark.parametrize("quantity", ["0", "-1", "1.5", "", "x", "9" * 13, "7891234567895"])
    def test_what_is_no_quantity_is_refused(
        self, desk: Client, product: Product, quantity: str
    ) -> None:
        assert gtin.is_valid("7891234567895")
        response = desk.post("/products/adjust", adjustment(product, quantity=quantity))
        assert response.status_code == 422
        assert list(response.context["form"].errors) == ["quantity"]
        assert response.context["form"]["quantity"].value() == quantity
        assert level_of(product).on_hand == 10

    def test_the_message_undoes_it_once(self, desk: Client, product: Product) -> None:
        page = desk.post("/products/adjust", adjustment(product), follow=True).content.decode()
        undo = re.search(r'action="/products/undo">.*?name="key" value="([^"]+)"', page, re.DOTALL)
        assert undo is not None
        for _ in range(2):
            assert desk.post("/products/undo", {"key": undo[1]}).status_code == 302
            assert level_of(product).on_hand == 10
        assert [
            *StockMovement.objects.order_by("pk").values_list("delta_on_hand", "reason", "note")
        ] == [(10, "", ""), (8, "received", ""), (-8, "other", "Undone: +8")]

    def test_nobody_undoes_what_another_did(
        self, desk: Client, desk_of: Callable[[User], Client], admin: User, product: Product
    ) -> None:
        desk.post("/products/adjust", adjustment(product))
        assert desk_of(admin).post("/products/undo", {"key": "form-1"}).status_code == 404
        assert level_of(product).on_hand == 18

    def test_a_count_that_fits_has_nothing_to_undo(self, desk: Client, product: Product) -> None:
        form = adjustment(product, direction="count", quantity="10", reason="counted")
        page = desk.post("/products/adjust", form, follow=True)
        assert 'action="/products/undo"' not in page.content.decode()


WRITES = [
    "/products/new",
    "/products/adjust",
    "/products/undo",
    "/products/{}/edit",
    "/products/{}/activity",
    "/products/{}/delete",
]


class TestRoles:
    @pytest.mark.parametrize("path", WRITES)
    @pytest.mark.parametrize("role", ["viewer", "operator"])
    def test_who_only_reads_is_refused_by_every_form(
        self,
        desk_of: Callable[[User], Client],
        make_user: Callable[..., User],
        product: Product,
        role: str,
        path: str,
    ) -> None:
        client = desk_of(make_user(role))
        body = {**adjustment(product), **TestForm.NEW, "is_active": "false", "key": "form-1"}
        assert client.post(path.format(product.pk), body).status_code == 403
        assert client.post(path.format(product.pk), body, headers=HTMX).status_code == 403
        product.refresh_from_db()
        assert (product.version, product.deleted_at) == (1, None)
        assert level_of(product).on_hand == 10

    def test_a_viewer_sees_no_button_that_would_be_refused(
        self, desk_of: Callable[[User], Client], viewer: User, product: Product
    ) -> None:
        client = desk_of(viewer)
        for path in ("/products/", f"/products/{product.pk}"):
            page = client.get(path).content.decode()
            main = page[page.index("<main") : page.index("</main>")]
            assert re.findall(r'<form method="post"|href="/products/(?:new|adjust)', main) == []
