"""The pages of customers."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from catalog.models import PriceList, Product
from catalog.services import create_price_list, delete_price_list
from customers.models import Customer
from customers.services import update_customer
from erp_site.core import taxid
from erp_site.testing import HTMX, record_counts, text_of
from orders.models import Order

pytestmark = pytest.mark.django_db
Make = Callable[..., Customer]
NEW = {
    "name": "Padaria Três Irmãos Ltda",
    "cpf_cnpj": "12.abc.345/01de-35",
    "email": "Compras@padaria.example",
    "phone": "",
    "address": "",
}


@pytest.fixture
def desk(desk_of: Callable[[User], Client], manager: User) -> Client:
    return desk_of(manager)


def names(response: Any) -> list[str]:
    return [customer.name for customer in response.context["listing"].rows]


def sent(response: Any) -> dict[str, Any]:
    """What a browser would send of the form on the page."""
    fields = {bound.name: bound.value() or "" for bound in response.context["form"]}
    return {**fields, "opened": response.context["opened"]}


class TestList:
    def test_it_finds_sorts_and_filters(self, desk: Client, make_customer: Make) -> None:
        make_customer("Ana", cpf_cnpj="12ABC34501DE35")
        make_customer("Bia", is_active=False)
        assert names(desk.get("/customers/")) == ["Ana", "Bia"]
        assert names(desk.get("/customers/?sort=-name")) == ["Bia", "Ana"]
        assert names(desk.get("/customers/?is_active=false")) == ["Bia"]
        assert names(desk.get("/customers/?search=12.ABC")) == ["Ana"]
        tabs = desk.get("/customers/?is_active=false").context["tabs"]
        assert [tab["is_here"] for tab in tabs] == [False, False, True]

    def test_htmx_gets_the_results_alone(self, desk: Client, customer: Customer) -> None:
        answer = desk.get("/customers/", headers=HTMX).content.decode().strip()
        assert answer.startswith('<div id="results"')

    def test_an_empty_list_says_what_to_do(self, desk: Client) -> None:
        shown = text_of(desk.get("/customers/"))
        assert "The first one takes a name, a CPF or CNPJ and an e-mail." in shown
        assert "No customer fits these filters" in text_of(desk.get("/customers/?search=x"))

    def test_tax_ids_are_whole_for_operators_and_masked_for_viewers(
        self,
        desk_of: Callable[[User], Client],
        operator: User,
        viewer: User,
        customer: Customer,
    ) -> None:
        whole = taxid.formatted(customer.cpf_cnpj)
        masked = taxid.formatted(taxid.masked(customer.cpf_cnpj))
        for path in ("/customers/", f"/customers/{customer.pk}"):
            for person, shown, hidden in ((operator, whole, masked), (viewer, masked, whole)):
                page = desk_of(person).get(path).content.decode()
                assert (shown in page, hidden in page) == (True, False)

    @pytest.mark.parametrize("path", ["/customers/", "/customers/{}"])
    def test_three_rows_cost_as_many_statements_as_one(
        self,
        desk: Client,
        customer: Customer,
        make_customer: Make,
        product: Product,
        place: Callable[..., Order],
        path: str,
    ) -> None:
        path = path.format(customer.pk)
        place((product, 1))
        desk.get(path)
        counts = []
        for _ in range(2):
            with CaptureQueriesContext(connection) as queries:
                assert desk.get(path).status_code == 200
            counts.append(len(queries))
            for _more in range(2):
                make_customer()
                place((product, 1))
        assert counts[0] == counts[1]


class TestDetail:
    def test_it_shows_the_latest_orders_and_what_they_come_to(
        self,
        desk: Client,
        customer: Customer,
        product: Product,
        place: Callable[..., Order],
        manager: User,
    ) -> None:
        from orders.services import change_status
        from orders.states import OrderStatus

        first, second = place((product, 1)), place((product, 2))
        change_status(actor=manager, order_id=first.pk, to=OrderStatus.CANCELLED)
        (section,) = desk.get(f"/customers/{customer.pk}").context["sections"]
        assert [order.pk for order in section.data["latest"]] == [second.pk, first.pk]
        figures = {name: section.data[name] for name in ("count", "open", "total")}
        assert figures == {"count": 2, "open": 1, "total": second.total}

    def test_a_missing_customer_is_404(self, desk: Client) -> None:
        assert desk.get("/customers/99").status_code == 404


class TestForm:
    def test_a_customer_is_added(self, desk: Client) -> None:
        response = desk.post("/customers/new", NEW)
        customer = Customer.objects.get()
        assert (response.status_code, response["Location"]) == (302, f"/customers/{customer.pk}")
        assert (customer.cpf_cnpj, customer.email) == ("12ABC34501DE35", "compras@padaria.example")

    def test_who_came_from_an_order_goes_back_with_the_customer_chosen(self, desk: Client) -> None:
        page = desk.get("/customers/new?next=/orders/new").content.decode()
        assert '<input type="hidden" name="next" value="/orders/new">' in page
        where = desk.post("/customers/new", {**NEW, "next": "/orders/new"})["Location"]
        assert where == f"/orders/new?customer={Customer.objects.get().pk}"

    @pytest.mark.parametrize(
        "elsewhere",
        [
            "https://evil.example/",
            "//evil.example",
            "/\\evil.example",
            "orders/new",
            "javascript:x",
        ],
    )
    def test_nobody_is_sent_to_another_site(self, desk: Client, elsewhere: str) -> None:
        where = desk.post("/customers/new", {**NEW, "next": elsewhere})["Location"]
        assert where == f"/customers/{Customer.objects.get().pk}"

    def test_a_refused_form_says_where_and_keeps_what_was_typed(
        self, desk: Client, customer: Customer
    ) -> None:
        for tax_id, message in (
            ("123", "Not a valid CPF or CNPJ."),
            (customer.cpf_cnpj, "Another customer has this CPF or CNPJ."),
        ):
            response = desk.post("/customers/new", {**NEW, "cpf_cnpj": tax_id})
            assert response.status_code == 422
            form = response.context["form"]
            assert form.errors == {"cpf_cnpj": [message]}
            assert form["name"].value() == NEW["name"]
        assert list(Customer.objects.all()) == [customer]

    def test_the_tax_id_is_shown_with_its_punctuation(
        self, desk: Client, make_customer: Make
    ) -> None:
        customer = make_customer(cpf_cnpj="12ABC34501DE35")
        page = desk.get(f"/customers/{customer.pk}/edit").content.decode()
        assert 'value="12.ABC.345/01DE-35"' in page

    @pytest.mark.parametrize(
        ("typed", "shown"),
        [
            ("52998224726", "529.982.247-26"),
            ("529.982.247-26", "529.982.247-26"),
            ("12abc34501de36", "12.ABC.345/01DE-36"),
            ("12.ABC.345", "12.ABC.345"),
        ],
    )
    def test_a_wrong_tax_id_comes_back_as_it_was_meant(
        self, desk: Client, typed: str, shown: str
    ) -> None:
        response = desk.post("/customers/new", {**NEW, "cpf_cnpj": typed})
        assert response.status_code == 422
        assert response.context["form"]["cpf_cnpj"].value() == shown

    @pytest.mark.parametrize(
        ("typed", "state"),
        [
            ("", ""),
            ("123.456", "short"),
            ("11144477735", "right"),
            ("111.444.777-36", "short"),
            ("12.abc.345/01de-35", "right"),
            ("12ABC34501DE36", "wrong"),
            ("12ABC34501DE355", "wrong"),
        ],
    )
    def test_a_tax_id_is_checked_as_it_is_typed(self, desk: Client, typed: str, state: str) -> None:
        response = desk.post("/customers/check", {"cpf_cnpj": typed}, headers=HTMX)
        assert response.context["state"] == state
        inside_an_order = desk.post("/customers/check", {"new-cpf_cnpj": typed}, headers=HTMX)
        assert inside_an_order.context["state"] == state
        assert response.content.decode().strip().startswith('<div id="tax-id-check"')

    def test_a_taken_tax_id_is_named_unless_it_is_ones_own(
        self, desk: Client, customer: Customer
    ) -> None:
        body = {"cpf_cnpj": customer.cpf_cnpj}
        assert desk.post("/customers/check", body).context["state"] == "taken"
        User.objects.update(language="pt-br")
        # To be opened, not "Em aberto", as an order is.
        assert ">Abrir</a>" in desk.post("/customers/check", body).content.decode()
        own = f"/customers/check?customer={customer.pk}"
        assert desk.post(own, body).context["state"] == "right"

    def test_an_edit_that_changes_nothing_makes_no_version(
        self, desk: Client, admin: User, customer: Customer
    ) -> None:
        update_customer(actor=admin, customer_id=customer.pk, address="Rua A, 1\nSão Paulo")
        form = desk.get(f"/customers/{customer.pk}/edit").context["form"]
        typed = {bound.name: str(bound.value() or "") for bound in form}
        sent = {name: value.replace("\n", "\r\n") for name, value in typed.items()}
        path = f"/customers/{customer.pk}/edit"
        assert desk.post(path, sent)["Location"] == f"/customers/{customer.pk}"
        customer.refresh_from_db()
        assert (customer.address, customer.version) == ("Rua A, 1\nSão Paulo", 2)

    def test_a_stale_edit_says_who_changed_what_keeps_the_typing_and_can_be_saved_knowingly(
        self, desk: Client, admin: User, customer: Customer
    ) -> None:
        update_customer(actor=admin, customer_id=customer.pk, phone="11 5555-0100")
        path = f"/customers/{customer.pk}/edit"
        form = desk.get(path).context["form"]
        typed = {bound.name: bound.value() or "" for bound in form}
        response = desk.post(path, {**typed, "phone": "11 5555-0200", "version": "1"})
        assert response.status_code == 409
        overtaken = response.context["overtaken"]
        assert overtaken.who == admin
        assert [(it.now, it.typed) for it in overtaken.differences] == [
            ("11 5555-0100", "11 5555-0200")
        ]
        again = {bound.name: bound.value() or "" for bound in response.context["form"]}
        assert desk.post(path, again).status_code == 302
        customer.refresh_from_db()
        assert customer.phone == "11 5555-0200"

    def test_a_stale_edit_takes_the_newer_value_of_a_field_it_did_not_touch(
        self, desk: Client, admin: User, customer: Customer
    ) -> None:
        path = f"/customers/{customer.pk}/edit"
        # The CPF as people write it: with its punctuation it is the same.
        shown = desk.get(path)
        assert f'name="opened" value="{shown.context["opened"]}"' in shown.content.decode()
        typed = {**sent(shown), "address": "Rua B, 2"}
        typed["cpf_cnpj"] = taxid.formatted(customer.cpf_cnpj)
        assert not typed["cpf_cnpj"].isalnum()
        update_customer(actor=admin, customer_id=customer.pk, phone="11 5555-0100")
        response = desk.post(path, typed)
        assert response.status_code == 409
        found = response.context["overtaken"]
        assert (found.differences, found.taken, found.changes) == ([], ["Phone"], True)
        page = text_of(response)
        assert "Not saved yet. You changed other fields: saving keeps both changes." in page
        assert "Already with the newer value in this form: Phone." in page
        assert "Save with my values" not in page
        customer.refresh_from_db()
        assert customer.address != "Rua B, 2"
        assert desk.post(path, sent(response)).status_code == 302
        customer.refresh_from_db()
        assert (customer.phone, customer.address) == ("11 5555-0100", "Rua B, 2")

    def test_an_edit_overtaken_twice_is_told_from_what_it_showed_last(
        self, desk: Client, admin: User, customer: Customer
    ) -> None:
        path = f"/customers/{customer.pk}/edit"
        typed = {**sent(desk.get(path)), "phone": "11 5555-0200"}
        update_customer(actor=admin, customer_id=customer.pk, phone="11 5555-0100", name="Ana 2")
        first = desk.post(path, typed)
        assert "Save with my values" in text_of(first)
        update_customer(actor=admin, customer_id=customer.pk, address="Rua C, 3", name="Ana 3")
        second = desk.post(path, sent(first))
        found = second.context["overtaken"]
        # The phone was asked about already, and nobody has changed it since.
        assert (found.differences, found.taken, found.changes) == ([], ["Name", "Address"], True)
        assert desk.post(path, sent(second)).status_code == 302
        customer.refresh_from_db()
        assert (customer.name, customer.phone) == ("Ana 3", "11 5555-0200")
        assert customer.address == "Rua C, 3"

    def test_a_mistake_in_a_stale_edit_is_told_first_and_forgets_nothing(
        self, desk: Client, admin: User, customer: Customer
    ) -> None:
        path = f"/customers/{customer.pk}/edit"
        typed = {**sent(desk.get(path)), "name": "", "address": "Rua B, 2"}
        update_customer(actor=admin, customer_id=customer.pk, phone="11 5555-0100")
        refused = desk.post(path, typed)
        assert (refused.status_code, "overtaken" in refused.context) == (422, False)
        response = desk.post(path, {**sent(refused), "name": customer.name})
        assert response.status_code == 409
        assert response.context["overtaken"].taken == ["Phone"]
        assert response.context["form"]["phone"].value() == "11 5555-0100"

    def test_a_customer_is_deactivated_and_the_message_undoes_it(
        self, desk: Client, customer: Customer
    ) -> None:
        path = f"/customers/{customer.pk}/activity"
        page = desk.post(path, {"is_active": "false"}, follow=True).content.decode()
        customer.refresh_from_db()
        assert not customer.is_active
        assert f"{customer.name} is deactivated." in page
        undo = rf'<form method="post" action="{path}">.*?name="is_active" value="true"'
        assert re.search(undo, page, re.DOTALL)
        assert desk.post(path, {"is_active": "maybe"}).status_code == 400

    def test_a_customer_is_deleted_only_without_open_orders(
        self, desk: Client, customer: Customer, product: Product, place: Callable[..., Order]
    ) -> None:
        order = place((product, 1))
        refused = desk.post(f"/customers/{customer.pk}/delete")
        assert refused.status_code == 409
        assert refused.context["problem"] == f"{customer.name} has open orders."
        Order.objects.filter(pk=order.pk).update(status="delivered")
        assert desk.post(f"/customers/{customer.pk}/delete")["Location"] == "/customers/"
        assert Customer.objects.count() == 0


class TestPriceList:
    """Which price list a customer buys by: chosen, shown and looked for by its name."""

    @pytest.fixture
    def resellers(self, admin: User) -> PriceList:
        create_price_list(actor=admin, name="Wholesale")
        return create_price_list(actor=admin, name="Resellers")

    def test_nothing_of_it_is_asked_where_there_are_no_lists(
        self, desk: Client, customer: Customer
    ) -> None:
        for path in (
            "/customers/",
            "/customers/new",
            "/orders/new",
            f"/customers/{customer.pk}/edit",
        ):
            assert "price_list_id" not in desk.get(path).content.decode()
        assert "Price list Ordinary prices" in text_of(desk.get(f"/customers/{customer.pk}"))
        assert desk.post("/customers/new", NEW).status_code == 302

    def test_it_is_chosen_by_name_and_shown_with_the_way_to_it(
        self, desk: Client, resellers: PriceList
    ) -> None:
        choices = re.findall(
            r"<option[^>]*>(.*?)</option>", desk.get("/customers/new").content.decode()
        )
        assert choices == ["— ordinary prices —", "Resellers", "Wholesale"]
        where = desk.post("/customers/new", {**NEW, "price_list_id": resellers.pk})["Location"]
        assert Customer.objects.get().price_list == resellers
        way = f'<a href="/products/price-lists/{resellers.pk}">Resellers</a>'
        assert way in desk.get(where).content.decode()
        page = desk.get(f"{where}/edit").content.decode()
        assert f'<option value="{resellers.pk}" selected>Resellers</option>' in page
        desk.post(f"{where}/edit", {**NEW, "version": 1, "price_list_id": ""})
        assert Customer.objects.get().price_list is None

    @pytest.fixture(params=["before it was sent", "while it was saved", "with all others"])
    def gone(
        self,
        request: pytest.FixtureRequest,
        monkeypatch: pytest.MonkeyPatch,
        admin: User,
        customer: Customer,
        resellers: PriceList,
    ) -> PriceList:
        """A list that is deleted after somebody has chosen it."""
        delete_price_list(actor=admin, price_list_id=resellers.pk)
        if request.param == "while it was saved":
            still_there = [(resellers.pk, resellers.name)]
            monkeypatch.setattr("customers.forms.price_list_choices", lambda: still_there)
        if request.param == "with all others":
            others = PriceList.objects.values_list("pk", flat=True)
            for pk in others:
                delete_price_list(actor=admin, price_list_id=pk)
        return resellers

    def chosen(self, response: Any) -> str:
        """The price list that the form shows as chosen."""
        [found] = re.findall(r'<option value="(\w*)" selected', response.content.decode())
        return str(found)

    def test_a_list_that_is_gone_stays_chosen_while_an_order_is_typed(
        self, desk: Client, gone: PriceList
    ) -> None:
        """Ordinary prices would take its place, and nobody would notice."""
        typed = {"new-name": "Ana", "new-price_list_id": gone.pk, "action": "add", "code": "x"}
        assert self.chosen(desk.post("/orders/new", typed)) == str(gone.pk)

    @pytest.mark.parametrize(
        ("path", "prefix", "more"),
        [
            ("/customers/new", "", {}),
            ("/customers/{pk}/edit", "", {"version": "1"}),
            ("/orders/new", "new-", {"action": "new_customer"}),
        ],
        ids=["new", "edit", "within an order"],
    )
    def test_a_list_that_is_gone_is_said_at_its_field_and_the_rest_is_kept(
        self,
        desk: Client,
        customer: Customer,
        gone: PriceList,
        path: str,
        prefix: str,
        more: dict[str, str],
    ) -> None:
        typed = {**NEW, "phone": "11 5555-0100", "address": "Rua A, 1", "price_list_id": gone.pk}
        body = {f"{prefix}{name}": value for name, value in typed.items()} | more
        before = record_counts()
        response = desk.post(path.format(pk=customer.pk), body)
        assert response.status_code == 422
        form = response.context["customer_form" if prefix else "form"]
        said = "This price list is deleted: choose another one, or none."
        assert form.errors == {"price_list_id": [said]}
        assert said in text_of(response)
        assert f'name="{prefix}price_list_id"' in response.content.decode()
        assert self.chosen(response) == str(gone.pk)
        kept = {**typed, "cpf_cnpj": "12.ABC.345/01DE-35"}
        assert {name: form[name].value() for name in NEW} == {name: kept[name] for name in NEW}
        assert record_counts() == before
        assert Customer.objects.get().name == customer.name
        # Without it, the form as it came back does what was wanted.
        again = desk.post(path.format(pk=customer.pk), {**body, f"{prefix}price_list_id": ""})
        assert again.status_code in {200, 302}
        assert Customer.objects.filter(name=NEW["name"]).count() == 1

    def test_a_customer_who_is_added_within_an_order_has_it_too(
        self, desk: Client, resellers: PriceList
    ) -> None:
        page = desk.get("/orders/new").content.decode()
        assert '<select name="new-price_list_id"' in page
        typed = {f"new-{name}": value for name, value in NEW.items()}
        body = {**typed, "new-price_list_id": resellers.pk, "action": "new_customer"}
        assert desk.post("/orders/new", body).status_code == 200
        assert Customer.objects.get().price_list == resellers

    def test_the_list_of_customers_is_filtered_by_it(
        self, desk: Client, resellers: PriceList, make_customer: Make
    ) -> None:
        make_customer("Ana", price_list_id=resellers.pk)
        make_customer("Bia")
        found = desk.get(f"/customers/?price_list_id={resellers.pk}")
        assert names(found) == ["Ana"]
        chosen = f'<option value="{resellers.pk}" selected>Resellers</option>'
        assert chosen in found.content.decode()

    def test_the_list_of_customers_says_who_buys_by_which(
        self, desk: Client, resellers: PriceList, make_customer: Make
    ) -> None:
        make_customer("Ana", price_list_id=resellers.pk)
        make_customer("Bia", is_active=False, price_list_id=resellers.pk)
        make_customer("Carla")
        body = desk.get("/customers/").content.decode().partition("<tbody>")[2]
        rows = re.findall(r"<td class=\"strong whole-line\">(.*?)</td>", body, re.DOTALL)
        said = [" ".join(re.sub(r"<[^>]+>", " ", row).split()) for row in rows]
        assert said == ["Ana Resellers", "Bia Inactive Resellers", "Carla"]

    def test_that_costs_one_statement_for_any_number_of_customers_and_lists(
        self, desk: Client, admin: User, make_customer: Make
    ) -> None:
        def statements() -> int:
            with CaptureQueriesContext(connection) as queries:
                assert desk.get("/customers/", headers=HTMX).status_code == 200
            return len(queries)

        make_customer()
        statements()
        without = statements()
        found = []
        for number in range(3):
            made = create_price_list(actor=admin, name=f"List {number}")
            make_customer(price_list_id=made.pk)
            found.append(statements())
        assert found == [without + 1] * 3

    def test_who_was_overtaken_reads_names_not_numbers(
        self, desk: Client, admin: User, customer: Customer, resellers: PriceList
    ) -> None:
        path = f"/customers/{customer.pk}/edit"
        typed = {**sent(desk.get(path)), "price_list_id": str(resellers.pk)}
        other = PriceList.objects.get(name="Wholesale")
        update_customer(actor=admin, customer_id=customer.pk, price_list_id=other.pk)
        response = desk.post(path, typed)
        assert response.status_code == 409
        said = "Price list: now “Wholesale”, yours “Resellers”"
        assert said in text_of(response)
        update_customer(actor=admin, customer_id=customer.pk, price_list_id=None)
        again = desk.post(path, sent(response))
        assert "Price list: now “— ordinary prices —”, yours “Resellers”" in text_of(again)
        assert desk.post(path, sent(again)).status_code == 302
        customer.refresh_from_db()
        assert customer.price_list == resellers

    def test_an_edit_of_something_else_takes_the_newer_list(
        self, desk: Client, admin: User, customer: Customer, resellers: PriceList
    ) -> None:
        path = f"/customers/{customer.pk}/edit"
        typed = {**sent(desk.get(path)), "phone": "11 5555-0100"}
        update_customer(actor=admin, customer_id=customer.pk, price_list_id=resellers.pk)
        response = desk.post(path, typed)
        assert response.context["overtaken"].taken == ["Price list"]
        assert desk.post(path, sent(response)).status_code == 302
        customer.refresh_from_db()
        assert (customer.price_list, customer.phone) == (resellers, "11 5555-0100")


class TestGivingAPriceList:
    def test_it_belongs_to_price_lists_in_the_menu(self, desk: Client, given: PriceList) -> None:
        page = desk.get(f"/customers/price-lists/{given.pk}").content.decode()
        marked = re.findall(r'href="([^"]+)"[^>]*aria-current="page"', page)
        assert set(marked) == {"/products/price-lists"}

    @pytest.fixture
    def given(self, manager: User) -> PriceList:
        return create_price_list(actor=manager, name="Resellers")

    def test_a_customer_is_found_by_words_with_what_they_buy_by(
        self, desk: Client, manager: User, given: PriceList, make_customer: Make
    ) -> None:
        other = create_price_list(actor=manager, name="Bakeries")
        make_customer("Padaria Um")
        make_customer("Padaria Dois", price_list_id=other.pk)
        make_customer("Padaria Três", price_list_id=given.pk)
        make_customer("Padaria Quatro", is_active=False)
        make_customer("Hotel")
        page = desk.get(f"/customers/price-lists/{given.pk}?search=padaria")
        assert [(it.name, name) for it, name in page.context["rows"]] == [
            ("Padaria Dois", "Bakeries"),
            ("Padaria Três", "Resellers"),
            ("Padaria Um", ""),
        ]
        assert "Ordinary prices" in text_of(page)
        # Who has it already is not offered it again.
        assert page.content.decode().count('name="customer" value=') == 2
        nothing = desk.get(f"/customers/price-lists/{given.pk}?search=zzz")
        assert "Nothing fits “zzz”." in text_of(nothing)

    @pytest.mark.parametrize("had_one", [False, True])
    def test_it_is_given_and_undone(
        self, desk: Client, manager: User, given: PriceList, make_customer: Make, *, had_one: bool
    ) -> None:
        before = create_price_list(actor=manager, name="Bakeries").pk if had_one else None
        customer = make_customer("Ana", price_list_id=before)
        url = f"/customers/price-lists/{given.pk}"
        done = desk.post(url, {"customer": customer.pk}, follow=True)
        assert "Ana buys by Resellers now." in text_of(done)
        customer.refresh_from_db()
        assert customer.price_list_id == given.pk
        [undo] = re.findall(r'name="price_list_id" value="([^"]*)"', done.content.decode())
        undone = desk.post(url, {"customer": customer.pk, "price_list_id": undo}, follow=True)
        said = "Ana buys by Bakeries now." if had_one else "Ana pays ordinary prices now."
        assert said in text_of(undone)
        customer.refresh_from_db()
        assert customer.price_list_id == before

    def test_given_twice_it_is_nothing_to_undo(
        self, desk: Client, given: PriceList, make_customer: Make
    ) -> None:
        customer = make_customer("Ana", price_list_id=given.pk)
        url = f"/customers/price-lists/{given.pk}"
        done = desk.post(url, {"customer": customer.pk}, follow=True)
        assert "Ana buys by Resellers now." in text_of(done)
        assert 'class="undo"' not in done.content.decode()

    def test_what_is_not_there_is_404(
        self, desk: Client, given: PriceList, customer: Customer
    ) -> None:
        for body in ({}, {"customer": "x"}, {"customer": "99999"}):
            assert desk.post(f"/customers/price-lists/{given.pk}", body).status_code == 404
        gone = f"/customers/price-lists/{given.pk + 99}"
        assert desk.get(gone).status_code == 404
        assert desk.post(gone, {"customer": customer.pk}).status_code == 404

    def test_the_way_there_is_on_the_page_of_the_list(
        self, desk: Client, desk_of: Callable[[User], Client], viewer: User, given: PriceList
    ) -> None:
        for client, is_there in ((desk, True), (desk_of(viewer), False)):
            page = client.get(f"/products/price-lists/{given.pk}").content.decode()
            assert (f'href="/customers/price-lists/{given.pk}"' in page) is is_there


class TestRoles:
    @pytest.mark.parametrize(
        "path",
        [
            "/customers/new",
            "/customers/check",
            "/customers/{}/edit",
            "/customers/{}/activity",
            "/customers/{}/delete",
        ],
    )
    @pytest.mark.parametrize("role", ["viewer", "operator"])
    def test_who_only_reads_is_refused_by_every_form(
        self,
        desk_of: Callable[[User], Client],
        make_user: Callable[..., User],
        customer: Customer,
        role: str,
        path: str,
    ) -> None:
        client = desk_of(make_user(role))
        body = {**NEW, "is_active": "false"}
        assert client.post(path.format(customer.pk), body).status_code == 403
        assert client.post(path.format(customer.pk), body, headers=HTMX).status_code == 403
        customer.refresh_from_db()
        assert (customer.version, customer.deleted_at) == (1, None)
        assert Customer.objects.count() == 1

    def test_a_viewer_sees_no_button_that_would_be_refused(
        self, desk_of: Callable[[User], Client], viewer: User, customer: Customer
    ) -> None:
        client = desk_of(viewer)
        for path in ("/customers/", f"/customers/{customer.pk}"):
            page = client.get(path).content.decode()
            main = page[page.index("<main") : page.index("</main>")]
            assert re.findall(r'<form method="post"|href="/customers/new', main) == []
