"""Text as it may be kept: the API, the pages and imports refuse the same, and real names pass."""

from collections.abc import Callable
from typing import Any, Final

import pytest
from django.forms import Form
from django.test import Client

from accounts.models import User
from accounts.services import create_user, update_me
from catalog.models import Product, StockMovement
from catalog.services import create_product, update_product
from customers.models import Customer
from customers.services import create_customer, update_customer
from erp_site.core.errors import Invalid
from erp_site.core.text import has_control, is_visible
from erp_site.testing import Api, level_of, record_counts
from erp_site.tests.test_imports import imported, problems
from orders.models import Order, OrderHistory, OrderNote, SavedView

#: Real ones: composed and decomposed accents, an emoji family, a flag, Persian with its non-joiner, a direction mark.
NAMES: Final = [
    "Açaí & Cia.", "Ac\u0327ai\u0301", "Doces 👩\u200d👩\u200d👧", "🇧🇷", "\u0645\u06cc\u200c\u062e", "\u200f\u05e9",
    "東京", "8", "?",
]  # fmt: skip
#: Nothing to see: zero-width space and joiner, word joiner, soft hyphen, direction marks and overrides, byte order
#: mark, an accent on nothing, blank letters.
UNSEEN: Final = [
    "\u200b", "\u200d", "\u2060", "\u00ad", "\u200e\u200f", "\u202e\u202c", "\ufeff", "\u0301", "\ufe0f", "\u3164",
    "\u115f\u1160", "\uffa0", "\u2800", "\u200b \u00a0\u200b", "\U000e0020",
]  # fmt: skip
BROKEN: Final = [
    "a\nb",
    "a\rb",
    "a\r\nb",
    "a\tb",
    "a\x00b",
    "a\x1bb",
    "a\x7fb",
    "a\x85b",
    "a\u2028b",
]
CONTROL: Final = ["a\x00b", "a\x08b", "a\x1bb", "a\x7fb", "a\x9bb"]
LINES: Final = "Rua A, 1\nSão Paulo\r\n\tSP"
#: The same as pages and records keep it: browsers end lines in CRLF, whatever they were given.
KEPT: Final = LINES.replace("\r\n", "\n")


@pytest.mark.parametrize("text", NAMES)
def test_a_name_is_visible_and_one_line(text: str) -> None:
    assert (is_visible(text), has_control(text, several_lines=False)) == (True, False)


@pytest.mark.parametrize("text", ["", " ", "\u3000", *UNSEEN])
def test_nothing_visible_is_seen(text: str) -> None:
    assert not is_visible(text)


def test_several_lines_have_breaks_and_tabs_and_no_other_control_characters() -> None:
    assert not has_control(LINES, several_lines=True)
    assert [has_control(text, several_lines=True) for text in CONTROL] == [True] * len(CONTROL)
    assert [has_control(text, several_lines=False) for text in BROKEN] == [True] * len(BROKEN)


CUSTOMER: Final[dict[str, Any]] = {
    "name": "Loja",
    "cpf_cnpj": "11222333000181",
    "email": "a@example.com",
}
PRODUCT: Final[dict[str, Any]] = {"name": "Parafuso", "sku": "P-1", "price": "1.00"}


def refused(call: Callable[..., Any], **given: Any) -> list[tuple[str, str]]:
    with pytest.raises(Invalid) as refusal:
        call(**given)
    return [(error["pointer"], error["code"]) for error in refusal.value.facts["errors"]]


@pytest.mark.django_db
class TestServices:
    """What pages, imports and the API all go through."""

    @pytest.mark.parametrize(
        ("text", "code"),
        [*((it, "control_character") for it in BROKEN), *((it, "blank") for it in UNSEEN)],
    )
    def test_names_are_refused_by_all_of_them(self, admin: User, text: str, code: str) -> None:
        customer = create_customer(actor=admin, **CUSTOMER)
        product = create_product(actor=admin, **PRODUCT)
        before = record_counts()
        for call, given in (
            (create_customer, {"cpf_cnpj": "52998224725", "email": "b@example.com"}),
            (update_customer, {"customer_id": customer.pk}),
            (create_product, {"sku": "P-2", "price": 1}),
            (update_product, {"product_id": product.pk}),
            (create_user, {"email": "b@example.com"}),
            (update_me, {}),
        ):
            wrong = refused(call, actor=admin, name=text, **given)
            assert wrong == [("/name", code)], call
        assert record_counts() == before

    @pytest.mark.parametrize("name", NAMES)
    def test_real_names_are_kept_as_they_are(self, admin: User, name: str) -> None:
        assert create_customer(actor=admin, **{**CUSTOMER, "name": name}).name == name
        assert create_product(actor=admin, **{**PRODUCT, "name": name}).name == name
        assert create_user(actor=admin, email="b@example.com", name=name).name == name

    @pytest.mark.parametrize("text", CONTROL)
    def test_other_texts_have_no_control_characters(self, admin: User, text: str) -> None:
        for field in ("phone", "address"):
            given = {**CUSTOMER, field: text}
            assert refused(create_customer, actor=admin, **given) == [
                (f"/{field}", "control_character")
            ]
        given = {**PRODUCT, "description": text}
        assert refused(create_product, actor=admin, **given) == [
            ("/description", "control_character")
        ]

    def test_a_phone_is_one_line_an_address_and_a_description_several(self, admin: User) -> None:
        given = {**CUSTOMER, "phone": LINES}
        assert refused(create_customer, actor=admin, **given) == [("/phone", "control_character")]
        customer = create_customer(actor=admin, **CUSTOMER, address=LINES)
        product = create_product(actor=admin, **PRODUCT, description=LINES)
        assert (customer.address, product.description) == (KEPT, KEPT)

    @pytest.mark.parametrize("mark", ["\u200b", "\u2060", "\u00ad", "\x01"])
    def test_an_address_of_mail_hides_nothing(self, admin: User, mark: str) -> None:
        given = {**CUSTOMER, "email": f"a@exam{mark}ple.com"}
        [(pointer, _code)] = refused(create_customer, actor=admin, **given)
        assert pointer == "/email"
        given = {**CUSTOMER, "email": "a@exämple.com"}
        assert create_customer(actor=admin, **given).email == "a@exämple.com"


@pytest.mark.django_db
class TestApi:
    @pytest.mark.parametrize("text", UNSEEN)
    def test_nothing_visible_is_as_short_as_an_empty_text(
        self, api_as: Callable[[User], Api], admin: User, product: Product, place: Any, text: str
    ) -> None:
        api, order = api_as(admin), place((product, 1))
        before = record_counts()
        for path, body, field in (
            ("/customers", {**CUSTOMER, "name": text}, "name"),
            ("/products", {**PRODUCT, "name": text}, "name"),
            ("/auth/users", {"email": "b@example.com", "name": text}, "name"),
            (f"/orders/{order.pk}/notes", {"text": text}, "text"),
        ):
            answers = [api.post(path, body), api.post(path, {**body, field: ""})]
            for answer in answers:
                assert (answer.status, answer.code) == (422, "validation_error")
            unseen, empty = (answer.body["errors"] for answer in answers)
            assert unseen == empty
        assert record_counts() == before

    def test_lines_are_kept(
        self, api_as: Callable[[User], Api], admin: User, product: Product, customer: Customer
    ) -> None:
        api = api_as(admin)
        body = {
            "customer_id": customer.pk,
            "items": [{"product_id": product.pk, "quantity": 1}],
            "notes": LINES,
            "delivery_address": LINES,
            "idempotency_key": "k",
        }
        order = api.post("/orders", body).body
        assert (order["notes"], order["delivery_address"]) == (LINES, LINES)
        note = api.post(f"/orders/{order['id']}/notes", {"text": LINES})
        assert note.body["text"] == LINES
        step = {"delta": 1, "reason": "found", "note": LINES}
        assert api.patch(f"/products/{product.pk}/stock", step).status == 200
        assert StockMovement.objects.latest("pk").note == LINES


@pytest.mark.django_db
class TestPages:
    def refused(self, desk: Client, path: str, body: dict[str, Any]) -> set[str]:
        """The fields that the form comes back with."""
        before = record_counts()
        response = desk.post(path, body)
        assert (response.status_code, record_counts()) == (422, before)
        parts: Any = [part for context in response.context for part in context]
        forms = [it for part in parts for it in part.values() if isinstance(it, Form)]
        return {field for form in forms for field in form.errors}

    @pytest.fixture
    def desk(self, desk_of: Callable[[User], Client], admin: User) -> Client:
        return desk_of(admin)

    @pytest.fixture
    def entry(self, product: Product, customer: Customer) -> dict[str, Any]:
        """What the form of a new order sends."""
        return {
            "action": "place",
            "customer": customer.pk,
            "product": product.pk,
            "quantity": "1",
            "idempotency_key": "k",
        }

    @pytest.mark.parametrize("text", [*BROKEN, *UNSEEN])
    def test_names_come_back(
        self, desk: Client, product: Product, customer: Customer, text: str
    ) -> None:
        for path, body in (
            ("/customers/new", CUSTOMER),
            (f"/customers/{customer.pk}/edit", CUSTOMER),
            ("/products/new", PRODUCT),
            (f"/products/{product.pk}/edit", PRODUCT),
            ("/users/new", {"email": "b@example.com", "role": "viewer"}),
            ("/accounts/profile/", {"language": "en"}),
        ):
            assert self.refused(desk, path, {**body, "name": text}) == {"name"}, path

    @pytest.mark.parametrize("text", BROKEN)
    def test_one_line_of_an_order_comes_back(
        self, desk: Client, entry: dict[str, Any], text: str
    ) -> None:
        body = {**entry, "customer_reference": text}
        assert self.refused(desk, "/orders/new", body) == {"customer_reference"}

    @pytest.mark.parametrize("text", CONTROL)
    def test_lines_come_back_with_other_control_characters(
        self, desk: Client, product: Product, entry: dict[str, Any], place: Any, text: str
    ) -> None:
        order = place((product, 1))
        adjust = {
            "product": product.pk,
            "direction": "in",
            "quantity": "1",
            "reason": "found",
            "expected": 10,
            "idempotency_key": "k",
        }
        for path, body, field in (
            ("/orders/new", entry, "notes"),
            ("/orders/new", entry, "delivery_address"),
            (f"/orders/{order.pk}/notes", {}, "text"),
            (f"/orders/{order.pk}/status", {"status": "cancelled"}, "note"),
            ("/products/adjust", adjust, "note"),
        ):
            assert self.refused(desk, path, {**body, field: text}) == {field}, path

    def test_lines_are_kept(self, desk: Client, entry: dict[str, Any]) -> None:
        body = {**entry, "notes": LINES, "delivery_address": LINES}
        assert desk.post("/orders/new", body).status_code == 302
        order = Order.objects.get()
        assert (order.notes, order.delivery_address) == (KEPT, KEPT)
        assert desk.post(f"/orders/{order.pk}/notes", {"text": LINES}).status_code == 302
        assert OrderNote.objects.get().text == KEPT
        step = {"status": "cancelled", "note": LINES}
        assert desk.post(f"/orders/{order.pk}/status", step).status_code == 302
        assert OrderHistory.objects.latest("seq").note == KEPT

    @pytest.mark.parametrize("text", [*BROKEN, *UNSEEN])
    def test_a_view_has_a_name_to_see(self, desk: Client, text: str) -> None:
        desk.post("/orders/views", {"name": text, "query": "late=true"})
        assert not SavedView.objects.exists()


@pytest.mark.django_db
class TestImports:
    @pytest.fixture
    def desk(self, desk_of: Callable[[User], Client], manager: User) -> Client:
        return desk_of(manager)

    def test_rows_are_refused_by_the_column(self, desk: Client) -> None:
        content = (
            "CNPJ;Nome;E-mail;Telefone;Endereço\n"
            '11222333000181;"Lo\nja";a@example.com;;\n'
            "52998224725;\u200b;a@example.com;;\n"
            '12ABC34501DE35;Loja;a@example.com;"1\n2";"Rua A\nSão Paulo"\n'
            '11144477735;Loja;a@example.com;;"Rua A\nSão Paulo"\n'
        ).encode()
        job = imported(desk, "customers", content)
        breaks, empty = (
            "Line breaks and control characters are not allowed.",
            "This field cannot be blank.",
        )
        assert problems(job) == [(2, "Nome", breaks), (3, "Nome", empty), (4, "Telefone", breaks)]
        assert Customer.objects.get().address == "Rua A\nSão Paulo"

    @pytest.mark.parametrize("note", ["x" * 501, "a\x01b"])
    def test_a_note_of_a_count_is_refused_by_its_column(
        self, desk: Client, product: Product, note: str
    ) -> None:
        job = imported(desk, "stock", f"SKU;Contagem;Obs\n{product.sku};12;{note}\n".encode())
        assert [(row, column) for row, column, _message in problems(job)] == [(2, "Obs")]
        assert level_of(product).on_hand == 10
