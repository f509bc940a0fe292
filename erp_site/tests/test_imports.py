"""Imports: a file is checked, then applied in the background; crashes, mistakes and other people survived."""

import re
import threading
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import (
    DatabaseError,
    DataError,
    IntegrityError,
    OperationalError,
    ProgrammingError,
    connection,
)
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import User
from accounts.roles import Role
from catalog.models import PriceList, Product, StockMovement
from catalog.services import change_prices, create_price_list
from customers.models import Customer
from erp_site.core import clock, imports, tabular, taxid
from erp_site.core.errors import Invalid
from erp_site.core.models import Event, ImportJob, ImportRow
from erp_site.core.tabular import LARGEST_FILE, DecimalMark, read_table
from erp_site.sheets import IMPORTS
from erp_site.testing import HTMX, level_of
from erp_site.tests.test_tabular import xlsx

pytestmark = pytest.mark.django_db
State = ImportJob.State


@pytest.fixture
def desk(desk_of: Callable[[User], Client], manager: User) -> Client:
    return desk_of(manager)


def work() -> None:
    """The worker, until nothing is left to do."""
    imports.run(threading.Event(), once=True)


def send(client: Client, kind: str, content: bytes, name: str = "file.csv") -> Any:
    return client.post("/import/", {"kind": kind, "file": SimpleUploadedFile(name, content)})


def checked(client: Client, kind: str, content: bytes, **columns: object) -> ImportJob:
    """A file sent, its columns taken as guessed (but for `columns`), and checked."""
    response = send(client, kind, content)
    assert response.status_code == 302, response.content.decode()
    job = ImportJob.objects.latest("pk")
    choice = {"decimal_mark": job.decimal_mark, **job.columns, **columns}
    response = client.post(f"/import/{job.pk}/columns", choice)
    assert response.status_code == 302, response.content.decode()
    work()
    job.refresh_from_db()
    return job


def imported(client: Client, kind: str, content: bytes, **columns: object) -> ImportJob:
    """A file sent, checked and applied."""
    job = checked(client, kind, content, **columns)
    assert job.state == State.CHECKED
    assert client.post(f"/import/{job.pk}/apply").status_code == 302
    work()
    job.refresh_from_db()
    assert job.state == State.DONE
    return job


@pytest.fixture
def make_list(manager: User) -> Callable[..., PriceList]:
    """A price list with these own prices."""

    def make(name: str, prices: dict[Product, str] | None = None) -> PriceList:
        price_list = create_price_list(actor=manager, name=name)
        own = {product.pk: Decimal(price) for product, price in (prices or {}).items()}
        change_prices(actor=manager, price_list_id=price_list.pk, prices=own)
        return price_list

    return make


def own_prices(price_list: PriceList) -> dict[str, Decimal]:
    return dict(price_list.prices.values_list("product__sku", "price"))


def counts(job: ImportJob) -> tuple[int, int, int, int]:
    return job.created, job.updated, job.unchanged, job.failed


def problems(job: ImportJob) -> list[tuple[int, str, str]]:
    """Row, column and message of everything that was wrong."""
    return [
        (row.number, problem["column"], problem["message"])
        for row in ImportRow.objects.filter(job=job).order_by("number")
        for problem in row.problems
    ]


def test_stock_is_counted_in_portuguese_too(
    desk: Client, manager: User, make_product: Callable[..., Product]
) -> None:
    """Its columns were not found: their labels are others than those of the language the worker starts in."""
    product = make_product(sku="CAF-500")
    User.objects.filter(pk=manager.pk).update(language="pt-br")
    job = imported(desk, "stock", b"SKU ou GTIN;Contado\nCAF-500;7\n")
    assert (problems(job), level_of(product).on_hand) == ([], 7)


class TestProducts:
    def test_an_excel_file_of_windows_creates_and_changes(
        self, desk: Client, make_product: Callable[..., Product]
    ) -> None:
        make_product("CAF-500", name="Café", price="18.90", description="Torrado")
        make_product("ACU-1", name="Açúcar", price="4.50")
        content = (
            "Código;Produto;Preço;Estoque mínimo;Ativo\r\n"
            "caf-500;Café torrado;R$ 1.019,90;;\r\n"
            "ACU-1;Açúcar;4,50;;sim\r\n"
            "PÃO-1;Pão;2,00;;\r\n"
            "FEI-1;Feijão;7,5;20;não\r\n"
        ).encode("cp1252")
        job = imported(desk, "products", content)
        assert counts(job) == (1, 1, 1, 1)
        assert problems(job) == [
            (4, "Código", "A SKU has letters without accents, digits and signs only.")
        ]
        coffee = Product.objects.get(sku="CAF-500")
        assert (coffee.name, coffee.price, coffee.description, coffee.version) == (
            "Café torrado",
            Decimal("1019.90"),
            "Torrado",
            2,
        )
        beans = Product.objects.get(sku="FEI-1")
        assert (beans.price, beans.low_stock_threshold, beans.is_active) == (
            Decimal("7.50"),
            20,
            False,
        )

    def test_the_uploader_is_the_actor_and_the_import_the_request(
        self, desk: Client, manager: User
    ) -> None:
        job = imported(desk, "products", b"SKU;Name;Price;Opening stock\nA;One;1,00;7\n")
        product = Product.objects.get(sku="A")
        event = Event.objects.get(type="product.created", aggregate_id=product.pk)
        movement = StockMovement.objects.get(level__product=product)
        assert (event.actor_id, event.request_id) == (manager.pk, f"import-{job.pk}")
        assert (movement.actor_id, movement.delta_on_hand) == (manager.pk, 7)

    def test_checking_writes_nothing(self, desk: Client) -> None:
        before = Event.objects.count()
        job = checked(desk, "products", b"SKU;Name;Price;Opening stock\nA;One;1,00;7\n")
        assert counts(job) == (1, 0, 0, 0)
        assert (Product.all_objects.count(), Event.objects.count()) == (0, before)

    def test_every_wrong_cell_of_a_row_is_named(self, desk: Client) -> None:
        content = (
            b"SKU;Name;Price;GTIN;Active\n"
            b"A;;x;;maybe\n"
            b";Nameless;1,00;;\n"
            b"B;;;;\n"
            b"C;Three;0,001;123;\n"
            b"D;Four;1,00;;\n"
            b"d;Again;1,00;;\n"
        )
        job = checked(desk, "products", content, decimal_mark=",")
        assert [(row, column) for row, column, _message in problems(job)] == [
            (2, "Price"),
            (2, "Active"),
            (3, "SKU"),
            (4, "Name"),
            (4, "Price"),
            (5, "Price"),
            (5, "Price"),
            (5, "GTIN"),
            (7, "SKU"),
        ]
        assert problems(job)[-1][2] == "The same as in row 6."
        assert counts(job) == (1, 0, 0, 5)

    def test_xlsx_as_excel_saves_it(self, desk: Client) -> None:
        content = xlsx(["SKU", "Nome", "Preço", "EAN"], [1001, "Caneta", 2.5, 7891000315507])
        job = imported(desk, "products", content)
        assert counts(job) == (1, 0, 0, 0)
        product = Product.objects.get(sku="1001")
        assert (product.price, product.gtin) == (Decimal("2.50"), "7891000315507")

    def test_2000_rows_with_30_bad_ones(
        self, desk: Client, make_product: Callable[..., Product]
    ) -> None:
        make_product("P-1999", name="Old", price="1.00")
        rows = [f"P-{n};Produto {n};{n},90" for n in range(2000)]
        for n in range(30):
            rows[n * 66] = f"P-{n * 66};Produto;um real"
        content = ("SKU;Nome;Preço\r\n" + "\r\n".join(rows)).encode("cp1252")
        job = imported(desk, "products", content)
        assert (job.total, *counts(job)) == (2000, 1969, 1, 0, 30)
        assert Product.objects.count() == 1970
        page = desk.get(f"/import/{job.pk}").content.decode()
        assert page.count("<code>um real</code>") == 30
        response = desk.get(f"/import/{job.pk}/result.csv?only=errors")
        lines = b"".join(response.streaming_content).decode("utf-8-sig").split("\r\n")
        assert lines[0] == "SKU;Nome;Preço;Result;Error"
        assert lines[2] == "P-66;Produto;um real;Not imported;Preço: Not a number like 1.234,56."
        assert len(lines) == 32

    def test_an_exported_list_imports_as_it_is(
        self, desk: Client, make_product: Callable[..., Product]
    ) -> None:
        make_product(
            "=A-1", name="+55 \"Café\"; 'bom'", price="1234.50", description="-linha\n=dois",
            gtin="7891000315507", low_stock_threshold=1200,
        )  # fmt: skip
        make_product("B", is_active=False)
        for kind in ("csv", "csv?encoding=cp1252", "xlsx"):
            for language in ("pt-br", "en"):
                User.objects.update(language=language)
                exported = b"".join(desk.get(f"/export/products.{kind}").streaming_content)
                job = checked(desk, "products", exported)
                assert (counts(job), problems(job)) == ((0, 0, 2, 0), [])
                assert set(job.columns) == {
                    "sku", "name", "price", "gtin", "description", "low_stock_threshold", "is_active"
                }  # fmt: skip


class TestCustomers:
    CPF, CNPJ = "529.982.247-25", "11.222.333/0001-81"

    def test_customers_are_found_by_their_tax_id(
        self, desk: Client, make_customer: Callable[..., Customer]
    ) -> None:
        make_customer("Loja", cpf_cnpj=self.CNPJ, phone="11 5555-0000")
        content = (
            "CNPJ,Razão social,E-mail\n"
            f'{self.CNPJ},"Loja, Nova",compras@example.com\n'
            f"{self.CPF},Ana,ANA@example.com\n"
            "529.982.247-26,Bad,bad@example.com\n"
            "111.444.777-35,No mail,\n"
        ).encode()
        job = imported(desk, "customers", content)
        assert counts(job) == (1, 1, 0, 2)
        assert problems(job) == [
            (4, "CNPJ", "Not a valid CPF or CNPJ."),
            (5, "E-mail", "A new customer needs this."),
        ]
        shop = Customer.objects.get(cpf_cnpj="11222333000181")
        assert (shop.name, shop.phone) == ("Loja, Nova", "11 5555-0000")
        assert Customer.objects.get(cpf_cnpj="52998224725").email == "ana@example.com"

    def test_an_exported_list_imports_as_it_is(
        self, desk: Client, make_customer: Callable[..., Customer], make_list: Callable[..., PriceList]
    ) -> None:  # fmt: skip
        listed = make_list("=Atacado; 5 %")
        make_customer("=Loja", phone="+55 11 5555-0000", address="Rua A, 1")
        make_customer("Padaria", price_list_id=listed.pk)
        for language in ("pt-br", "en"):
            User.objects.update(language=language)
            exported = b"".join(desk.get("/export/customers.csv").streaming_content)
            job = checked(desk, "customers", exported)
            assert (counts(job), problems(job)) == ((0, 0, 2, 0), [])
            assert "price_list" in job.columns

    def test_price_lists_are_given_by_their_names(
        self, desk: Client, make_customer: Callable[..., Customer], make_list: Callable[..., PriceList]
    ) -> None:  # fmt: skip
        wholesale, bakeries = make_list("Atacado"), make_list("Padarias")
        kept, changed, wrong = (make_customer(price_list_id=bakeries.pk) for _ in range(3))
        rows = [(kept, ""), (changed, " ATACÁDO "), (wrong, "Varejo")]
        content = "CNPJ;Tabela de preços\n" + "".join(
            f"{taxid.formatted(customer.cpf_cnpj)};{name}\n" for customer, name in rows
        )
        new = "CNPJ;Nome;E-mail;Lista de preços\n{};Ana;ana@example.com;{}\n"
        job = imported(desk, "customers", content.encode())
        assert (counts(job), problems(job)) == (
            (0, 1, 1, 1), [(4, "Tabela de preços", "There is no price list of this name.")],
        )  # fmt: skip
        found = Customer.objects.order_by("pk").values_list("price_list_id", flat=True)
        assert list(found) == [bakeries.pk, wholesale.pk, bakeries.pk]
        job = imported(desk, "customers", new.format(self.CPF, "atacado").encode())
        assert counts(job) == (1, 0, 0, 0)
        assert Customer.objects.get(cpf_cnpj="52998224725").price_list == wholesale
        job = checked(desk, "customers", new.format("111.444.777-35", "x").encode())
        assert problems(job) == [(2, "Lista de preços", "There is no price list of this name.")]


class TestPrices:
    def test_prices_are_set_and_changed_on_the_lists_named(
        self, desk: Client, manager: User, make_product: Callable[..., Product],
        make_list: Callable[..., PriceList],
    ) -> None:  # fmt: skip
        coffee, sugar = make_product("CAF-500"), make_product("ACU-1")
        wholesale, bakeries = make_list("Atacado", {coffee: "9.90"}), make_list("Padarias")
        content = (
            "Tabela de preços;Código;Preço de venda\r\n"
            "ATACÁDO;caf-500;9,90\r\n"
            "Atacado;ACU-1;R$ 1.004,5\r\n"
            "padarias;CAF-500;8,00\r\n"
            "Padarias;PAO-1;\r\n"
            "Varejo;NOTHING;0,001\r\n"
            "Padarias;ACU-1;0\r\n"
            "Atacado;acu-1;7,00\r\n"
            ";ACU-1;7,00\r\n"
        ).encode("cp1252")
        job = imported(desk, "prices", content)
        assert counts(job) == (2, 0, 1, 5)
        nothing = "There is no price list of this name."
        assert problems(job)[:3] == [
            (5, "Preço de venda", "Missing."),
            (6, "Tabela de preços", nothing),
            (6, "Código", "There is no product with this SKU."),
        ]
        assert [(row, column) for row, column, _message in problems(job)[3:]] == [
            (6, "Preço de venda"),
            (7, "Preço de venda"),
            (8, "Código"),
            (9, "Tabela de preços"),
        ]
        assert problems(job)[-2:] == [
            (8, "Código", "The same as in row 3."),
            (9, "Tabela de preços", "Missing."),
        ]
        assert own_prices(wholesale) == {"CAF-500": Decimal("9.90"), "ACU-1": Decimal("1004.50")}
        assert own_prices(bakeries) == {"CAF-500": Decimal("8.00")}
        event = Event.objects.filter(type="price_list.prices_changed").latest("pk")
        assert (event.actor_id, event.request_id) == (manager.pk, f"import-{job.pk}")
        assert sugar.listed_prices.get().price_list == wholesale

    def test_an_exported_list_imports_as_it_is_and_as_it_was_edited(
        self, desk: Client, make_product: Callable[..., Product], make_list: Callable[..., PriceList]
    ) -> None:  # fmt: skip
        coffee, sugar = make_product("=A-1", price="20.00"), make_product("B")
        price_list = make_list('=Atacado; "5 %"', {coffee: "1234.50", sugar: "9.90"})
        address = f"price_list_id={price_list.pk}"
        for kind in ("csv?", "csv?encoding=cp1252&", "xlsx?"):
            for language in ("pt-br", "en"):
                User.objects.update(language=language)
                exported = b"".join(desk.get(f"/export/prices.{kind}{address}").streaming_content)
                job = checked(desk, "prices", exported)
                assert (counts(job), problems(job)) == ((0, 0, 2, 0), [])
                assert job.columns == {"price_list": 0, "sku": 1, "price": 3}
        exported = b"".join(desk.get(f"/export/prices.csv?{address}").streaming_content)
        job = imported(desk, "prices", exported.replace(b";9,90;", b";8,75;"))
        assert counts(job) == (0, 1, 1, 0)
        assert own_prices(price_list) == {"=A-1": Decimal("1234.50"), "B": Decimal("8.75")}
        assert Product.objects.get(sku="B").price == Decimal("10.00")

    def test_what_only_looks_like_a_list_or_a_product_gets_no_price(
        self, desk: Client, make_product: Callable[..., Product],
        make_list: Callable[..., PriceList],
    ) -> None:  # fmt: skip
        """Signs are no part of what names are sorted by, and to MySQL and MariaDB "CAFÉ" is "CAFE"."""
        price_list, product = make_list("Até ≤ 10 kg"), make_product("CAFE")
        content = (
            "Lista;SKU;Preço\nAté ≥ 10 kg;CAFE;1,00\nAté ≤ 10 kg;CAFÉ;2,00\nATE ≤ 10 KG;cafe;3,00\n"
        )
        job = imported(desk, "prices", content.encode())
        assert problems(job) == [
            (2, "Lista", "There is no price list of this name."),
            (3, "SKU", "There is no product with this SKU."),
        ]
        assert own_prices(price_list) == {product.sku: Decimal("3.00")}

    def test_a_list_in_two_spellings_is_one_list(
        self, desk: Client, make_product: Callable[..., Product],
        make_list: Callable[..., PriceList],
    ) -> None:  # fmt: skip
        product, price_list = make_product("A"), make_list("Balcão")
        content = "Lista;SKU;Preço\nBalcão;A;1,00\nBALCAO;A;2,00\n"
        job = imported(desk, "prices", content.encode())
        assert problems(job) == [(3, "SKU", "The same as in row 2.")]
        assert own_prices(price_list) == {product.sku: Decimal("1.00")}

    def test_of_several_columns_that_make_the_key_each_is_needed(self, desk: Client) -> None:
        send(desk, "prices", b"SKU;Price\nA;1,00\n")
        job = ImportJob.objects.get()
        response = desk.post(
            f"/import/{job.pk}/columns", {"decimal_mark": ",", "sku": "0", "price": "1"}
        )
        assert (response.status_code, list(response.context["form"].errors)) == (
            422,
            ["price_list"],
        )

    def test_they_are_for_those_who_may_change_price_lists(self, desk: Client, manager: User,
        make_product: Callable[..., Product], make_list: Callable[..., PriceList]
    ) -> None:  # fmt: skip
        make_product("A")
        price_list = make_list("Atacado")
        job = checked(desk, "prices", b"Price list;SKU;Price\nAtacado;A;1,00\n")
        desk.post(f"/import/{job.pk}/apply")
        User.objects.filter(pk=manager.pk).update(role=Role.VIEWER)
        work()
        job.refresh_from_db()
        assert (counts(job), own_prices(price_list)) == ((0, 0, 0, 1), {})


class TestStock:
    def test_counts_are_movements(self, desk: Client, make_product: Callable[..., Product]) -> None:
        more, same, stale = (make_product(sku, on_hand=10) for sku in "ABC")
        content = b"SKU;Contagem;Esperado;Obs\nA;12;;shelf 3\nB;10;;\nC;9;11;\nD;1;;\nA;-1;;\n"
        job = imported(desk, "stock", content)
        assert counts(job) == (0, 1, 1, 3)
        assert problems(job) == [
            (4, "", "There are 10 now, not 11."),
            (5, "SKU", "There is no product with this SKU or GTIN."),
            (6, "SKU", "The same as in row 2."),
        ]
        assert [level_of(product).on_hand for product in (more, same, stale)] == [12, 10, 10]
        movement = StockMovement.objects.filter(level__product=more).latest("pk")
        assert (movement.reason, movement.note, movement.delta_on_hand) == ("counted", "shelf 3", 2)

    def test_less_than_is_reserved_is_refused(
        self, desk: Client, product: Product, place: Callable[..., Any]
    ) -> None:
        place((product, 8))
        job = checked(desk, "stock", f"SKU;Counted\n{product.sku};7\n".encode())
        assert counts(job) == (0, 0, 0, 1)
        assert level_of(product).on_hand == 10

    def test_an_exported_list_with_a_column_more_is_a_count(
        self, desk: Client, product: Product
    ) -> None:
        exported = b"".join(desk.get("/export/products.csv").streaming_content).decode("utf-8-sig")
        head, row, _end = exported.split("\r\n")
        job = imported(desk, "stock", f"{head};Counted\r\n{row};13\r\n".encode())
        assert {job.header[column] for column in job.columns.values()} == {
            "SKU",
            "Counted",
            "On hand",
        }
        assert level_of(product).on_hand == 13


class TestWorker:
    CONTENT = b"SKU;Name;Price\n" + b"".join(b"P%d;Name;1,00\n" % n for n in range(6))

    def test_nothing_is_done_in_a_database_that_is_still_being_migrated(self, desk: Client) -> None:
        job = checked(desk, "products", self.CONTENT)
        desk.post(f"/import/{job.pk}/apply")
        done = MigrationRecorder.Migration.objects.filter(app="catalog").latest("pk")
        done.delete()
        stopping = threading.Event()
        threading.Timer(0.3, stopping.set).start()
        imports.run(stopping)
        assert Product.objects.count() == 0
        MigrationRecorder(connection).record_applied(done.app, done.name)
        work()
        assert Product.objects.count() == 6

    def test_a_crash_between_two_rows_goes_on_behind_the_last(
        self, desk: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        job = checked(desk, "products", self.CONTENT)
        desk.post(f"/import/{job.pk}/apply")
        self._crash_after(3, monkeypatch)
        with pytest.raises(KeyboardInterrupt):
            work()
        job.refresh_from_db()
        assert (job.position, Product.objects.count(), job.rows.count()) == (3, 3, 3)
        work()  # its lease still runs
        assert Product.objects.count() == 3
        with clock.moved_to(timezone.now() + imports.LEASE + timedelta(seconds=1)):
            work()
        job.refresh_from_db()
        assert (job.state, counts(job), job.rows.count()) == (State.DONE, (6, 0, 0, 0), 6)
        assert Event.objects.filter(type="product.created").count() == 6

    @staticmethod
    def _crash_after(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
        """The process ends in the middle of a row: after its record, before the job knows."""
        real, done = imports.turns._advance, 0

        def advance(*args: Any) -> None:
            nonlocal done
            done += 1
            if done == rows + 1:
                raise KeyboardInterrupt
            real(*args)

        monkeypatch.setattr(imports.turns, "_advance", advance)

    def test_a_worker_whose_lease_was_taken_over_writes_nothing(self, desk: Client) -> None:
        job = checked(desk, "products", self.CONTENT)
        desk.post(f"/import/{job.pk}/apply")
        asleep = imports.claim()
        assert asleep is not None
        turn = imports.Turn(asleep, imports.Tables())
        with clock.moved_to(timezone.now() + imports.LEASE + timedelta(seconds=1)):
            assert imports.claim() is not None
        with pytest.raises(imports.LeaseLost):
            turn.run(threading.Event())
        assert Product.objects.count() == 0

    def test_a_database_that_is_away_costs_no_row(
        self, desk: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        job = checked(desk, "products", self.CONTENT)
        desk.post(f"/import/{job.pk}/apply")
        real, away = (
            imports.turns._advance,
            [OperationalError(2006, "gone"), OperationalError(2006, "gone")],
        )

        def advance(*args: Any) -> None:
            if away:
                raise away.pop()
            real(*args)

        monkeypatch.setattr(imports.turns, "_advance", advance)
        with pytest.raises(OperationalError):
            imports.work(threading.Event(), imports.Tables())
        job.refresh_from_db()
        assert (job.state, job.position, job.failed) == (State.APPLYING, 0, 0)

    def test_a_row_that_breaks_our_code_is_an_error_of_that_row(
        self, desk: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def explode(**values: Any) -> str:
            if values["sku"] == "P2":
                raise ZeroDivisionError
            return "created"

        broken = imports.Kind("products", "x", "catalog.change_product", IMPORTS[0].fields, explode)
        monkeypatch.setitem(imports.registry._kinds, "products", broken)
        job = checked(desk, "products", self.CONTENT)
        assert (job.state, counts(job)) == (State.CHECKED, (5, 0, 0, 1))
        assert (
            problems(job)[0][2]
            == "This row could not be imported: something went wrong on our side."
        )

    @pytest.mark.django_db(transaction=True)
    @pytest.mark.parametrize("error", [DataError, IntegrityError])
    def test_a_row_that_the_database_refuses_is_an_error_of_that_row(
        self, desk: Client, monkeypatch: pytest.MonkeyPatch, error: type[DatabaseError]
    ) -> None:
        """Such an error comes again, however often the row is tried: the import never ended."""
        create = imports.kinds()["products"].apply

        def refused(**values: Any) -> str:
            outcome = create(**values)
            if values["sku"] == "P2":
                raise error(1264, "out of range")
            return outcome

        kind = imports.Kind("products", "x", "catalog.change_product", IMPORTS[0].fields, refused)
        monkeypatch.setitem(imports.registry._kinds, "products", kind)
        reason = "This row could not be imported: the database does not take its values."
        job = checked(desk, "products", self.CONTENT)
        assert (job.state, counts(job)) == (State.CHECKED, (5, 0, 0, 1))
        assert problems(job) == [(4, "", reason)]
        desk.post(f"/import/{job.pk}/apply")
        work()
        job.refresh_from_db()
        assert (job.state, job.position, counts(job)) == (State.DONE, 6, (5, 0, 0, 1))
        assert problems(job) == [(4, "", reason)]
        assert sorted(Product.objects.values_list("sku", flat=True)) == [
            "P0", "P1", "P3", "P4", "P5"
        ]  # fmt: skip

    def test_an_error_outside_of_rows_that_would_come_again_ends_the_import(
        self, desk: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        job = checked(desk, "products", self.CONTENT)
        desk.post(f"/import/{job.pk}/apply")

        def refused(*args: Any) -> None:
            raise ProgrammingError(1146, "no such table")

        monkeypatch.setattr(imports.worker, "Turn", refused)
        work()
        job.refresh_from_db()
        assert job.state == State.STOPPED

    def test_who_is_deactivated_imports_no_further(self, desk: Client, manager: User) -> None:
        job = checked(desk, "products", self.CONTENT)
        desk.post(f"/import/{job.pk}/apply")
        User.objects.filter(pk=manager.pk).update(is_active=False)
        work()
        job.refresh_from_db()
        assert (job.state, Product.objects.count()) == (State.STOPPED, 0)

    def test_a_role_taken_away_refuses_each_row(self, desk: Client, manager: User) -> None:
        job = checked(desk, "products", self.CONTENT)
        desk.post(f"/import/{job.pk}/apply")
        User.objects.filter(pk=manager.pk).update(role=Role.VIEWER)
        work()
        job.refresh_from_db()
        assert (counts(job), Product.objects.count()) == ((0, 0, 0, 6), 0)

    def test_a_file_is_read_once_for_all_turns_of_its_job(
        self, desk: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        jobs = [checked(desk, "products", self.CONTENT), checked(desk, "products", self.CONTENT)]
        read: list[bytes] = []

        def reading(content: bytes) -> tabular.Table:
            read.append(content)
            return read_table(content)

        monkeypatch.setattr(imports.turns, "read_table", reading)
        monkeypatch.setattr(imports.turns, "SLICE", 0.0)  # a turn is one row
        for job in jobs:
            desk.post(f"/import/{job.pk}/apply")
            work()
            job.refresh_from_db()
        assert [job.state for job in jobs] == [State.DONE, State.DONE]
        assert read == [self.CONTENT, self.CONTENT]

    def test_one_table_is_kept_and_none_when_nothing_waits(
        self, desk: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        first, second = (checked(desk, "products", self.CONTENT) for _ in range(2))
        tables = imports.Tables()
        one = tables.of(first)
        assert tables.of(first) is one
        tables.of(second)
        assert tables.of(first) is not one
        monkeypatch.setattr(imports.worker, "Tables", lambda: tables)
        work()
        assert tables._last is None

    def test_stopping_keeps_what_is_done(
        self, desk: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        job = checked(desk, "products", self.CONTENT)
        desk.post(f"/import/{job.pk}/apply")
        monkeypatch.setattr(imports.turns, "SLICE", 0.0)
        imports.work(threading.Event(), imports.Tables())
        assert desk.post(f"/import/{job.pk}/stop").status_code == 302
        work()
        job.refresh_from_db()
        assert (job.state, job.position, Product.objects.count()) == (State.STOPPED, 1, 1)
        for path in (f"/import/{job.pk}", "/import/"):
            page = desk.get(path).content.decode()
            assert ("Discarded" in page, "Stopped" in page) == (False, True)

    def test_a_row_takes_the_same_statements_in_any_file(self, desk: Client) -> None:
        taken = []
        for length in (1, 3):
            content = b"SKU;Name;Price\n" + b"".join(
                b"L%d-%d;N;1,00\n" % (length, n) for n in range(length)
            )
            job = checked(desk, "products", content)
            desk.post(f"/import/{job.pk}/apply")
            with CaptureQueriesContext(connection) as queries:
                imports.work(threading.Event(), imports.Tables())
            taken.append(sum("SAVEPOINT" not in query["sql"] for query in queries))
        per_row = (taken[1] - taken[0]) / 2
        assert per_row == 8, taken

    def test_old_imports_are_deleted_with_their_files(self, desk: Client) -> None:
        job = checked(desk, "products", self.CONTENT)
        assert imports.prune() == 0
        with clock.moved_to(timezone.now() + timedelta(days=31)):
            assert imports.prune() == 1
        assert not ImportJob.objects.filter(pk=job.pk).exists()


class TestPages:
    CONTENT = b"SKU;Name;Price\nA;One;1,00\n"

    def test_the_result_says_what_will_be_before_it_says_what_was(self, desk: Client) -> None:
        job = checked(desk, "products", b"SKU;Name;Price\nA;One;1,00\nB;Two;x\nC;;y\n")

        def result(query: str = "") -> tuple[str, list[list[Any]]]:
            answer = desk.get(f"/import/{job.pk}/result.csv{query}")
            lines = read_table(b"".join(answer.streaming_content)).lines
            return answer["Content-Disposition"], [line.cells[3:] for line in lines]

        wrong = "Price: Not a number like 1.234,56."
        assert result() == (
            'attachment; filename="file-result.csv"',
            [["Will be created", ""], ["With errors", wrong], ["With errors", wrong]],
        )
        desk.post(f"/import/{job.pk}/apply")
        work()
        assert result("?only=errors") == (
            'attachment; filename="file-errors.csv"',
            [["Not imported", wrong], ["Not imported", wrong]],
        )

    def test_an_import_that_is_discarded_does_not_say_that_it_wrote_anything(
        self, desk: Client
    ) -> None:
        job = checked(desk, "products", self.CONTENT)
        desk.post(f"/import/{job.pk}/stop")
        job.refresh_from_db()
        assert (job.state, counts(job), job.rows.count()) == (State.STOPPED, (0, 0, 0, 0), 0)
        for path in (f"/import/{job.pk}", "/import/"):
            page = desk.get(path).content.decode()
            assert ("Discarded" in page, "Stopped" in page) == (True, False)
        page = desk.get(f"/import/{job.pk}").content.decode()
        assert ("Nothing was written." in page, "figures" in page) == (True, False)

    def test_the_pages_of_one_import_from_choice_to_result(self, desk: Client) -> None:
        send(desk, "products", self.CONTENT)
        job = ImportJob.objects.get()
        address = f"/import/{job.pk}"
        assert b"What does each column hold?" in desk.get(address).content
        desk.post(
            f"{address}/columns", {"sku": "0", "name": "1", "price": "2", "decimal_mark": ","}
        )
        page = desk.get(address).content.decode()
        assert ('hx-trigger="every 1s"' in page, "0 of 1 rows" in page) == (True, True)
        work()
        fragment = desk.get(address, headers=HTMX).content.decode()
        assert ("<html" in fragment, "Import 1 row" in fragment, "every 1s" in fragment) == (
            False,
            True,
            False,
        )
        desk.post(f"{address}/apply")
        work()
        assert b"Import another file" in desk.get(address).content
        assert b"file.csv" in desk.get("/import/").content
        book = read_table(b"".join(desk.get(f"{address}/result.xlsx").streaming_content))
        assert [line.cells for line in book.lines] == [["A", "One", "1,00", "Created", ""]]

    @pytest.mark.parametrize(
        ("choice", "message"),
        [
            ({"name": "1"}, "a row is nothing without it"),
            ({"sku": "0", "name": "0"}, "This column is chosen twice"),
            ({"sku": "9"}, "Select a valid choice"),
        ],
    )
    def test_a_wrong_choice_of_columns_comes_back_as_it_was(
        self, desk: Client, choice: dict[str, str], message: str
    ) -> None:
        send(desk, "products", self.CONTENT)
        job = ImportJob.objects.get()
        response = desk.post(f"/import/{job.pk}/columns", {**choice, "decimal_mark": ","})
        assert (response.status_code, message in response.content.decode()) == (422, True)
        job.refresh_from_db()
        assert job.state == State.MAPPING

    @pytest.mark.parametrize(
        ("kind", "content", "lacking"),
        [
            ("products", b"SKU;Name\nA;One\nB;Two\n", ["price"]),
            ("products", b"SKU;Stock\nA;1\n;2\n", ["name", "price"]),
            ("customers", b"CPF/CNPJ;Name\n529.982.247-25;One\nwrong;Two\n", ["email"]),
        ],
    )
    def test_what_every_row_needs_and_has_no_column_is_said_once_and_nothing_starts(
        self, desk: Client, kind: str, content: bytes, lacking: list[str]
    ) -> None:
        send(desk, kind, content)
        job = ImportJob.objects.get()
        assert set(lacking).isdisjoint(job.columns)
        choice = {"decimal_mark": ",", **job.columns}
        response = desk.post(f"/import/{job.pk}/columns", choice)
        message = "Choose a column: every row of this file is new, and needs this."
        assert response.status_code == 422
        assert response.context["form"].errors == {name: [message] for name in lacking}
        work()
        job.refresh_from_db()
        assert (job.state, job.rows.count()) == (State.MAPPING, 0)

    def test_several_that_new_ones_need_are_joined_in_words(
        self, desk: Client, make_product: Callable[..., Product]
    ) -> None:
        make_product("KNOWN")
        job = checked(desk, "products", b"SKU;Low stock threshold\nKNOWN;3\nA;7\n")
        page = desk.get(f"/import/{job.pk}").content.decode()
        assert "No column was chosen for Name and Price: rows that are new" in page

    def test_a_file_that_changes_what_is_there_may_leave_out_what_new_ones_need(
        self, desk: Client, make_product: Callable[..., Product], make_customer: Callable[..., Customer]
    ) -> None:  # fmt: skip
        make_product("KNOWN", name="Old")
        customer = make_customer()
        said = b"No column was chosen for Price: rows that are new are left out."
        whole = checked(desk, "products", b"SKU;Name\nknown;New\n")
        assert counts(whole) == (0, 1, 0, 0)
        assert said not in desk.get(f"/import/{whole.pk}").content
        some = checked(desk, "products", b"SKU;Name\nA;One\nKNOWN;New\nB;Two\n")
        assert counts(some) == (0, 1, 0, 2)
        assert desk.get(f"/import/{some.pk}").content.count(said) == 1
        phones = f"CPF/CNPJ;Phone\n{taxid.formatted(customer.cpf_cnpj)};11 5555-0000\n".encode()
        assert counts(checked(desk, "customers", phones)) == (0, 1, 0, 0)

    def test_a_known_record_is_found_among_many_new_ones(
        self, desk: Client, make_product: Callable[..., Product]
    ) -> None:
        make_product("KNOWN")
        rows = b"".join(b"N%d;One\n" % n for n in range(imports.KEYS + 1))
        send(desk, "products", b"SKU;Name\n" + rows + b"KNOWN;One\n")
        job = ImportJob.objects.get()
        choice = {"decimal_mark": ",", **job.columns}
        assert desk.post(f"/import/{job.pk}/columns", choice).status_code == 302

    def test_the_choice_of_columns_marks_what_may_not_be_left_out(self, desk: Client) -> None:
        send(desk, "products", self.CONTENT)
        page = desk.get(f"/import/{ImportJob.objects.get().pk}").content.decode()
        labels = re.findall(r'<label class="form-label" for="\w+">(.*?)</label>', page)
        assert [re.sub("<.*?>", "", label) for label in labels] == [
            "SKU (required)", "Name (required for new ones)", "Price (required for new ones)", "GTIN",
            "Description", "Low stock threshold", "Active", "Opening stock", "Decimals",
        ]  # fmt: skip

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (b"", "The file is empty."),
            (b"\x00\x01", "This is neither a CSV nor an XLSX file."),
            (b"x" * (LARGEST_FILE + 1), "The file is larger than 5 MB. Divide it."),
        ],
    )
    def test_a_file_that_cannot_be_taken_is_said(
        self, desk: Client, content: bytes, message: str
    ) -> None:
        response = send(desk, "products", content)
        assert (response.status_code, message in response.content.decode()) == (422, True)
        assert ImportJob.objects.count() == 0

    def test_columns_can_be_chosen_again_before_anything_is_written(self, desk: Client) -> None:
        job = checked(desk, "products", self.CONTENT)
        desk.post(f"/import/{job.pk}/columns", {"again": "1"})
        job.refresh_from_db()
        assert job.state == State.MAPPING
        assert desk.post(f"/import/{job.pk}/apply").status_code == 409

    def test_applying_twice_applies_once(self, desk: Client) -> None:
        job = imported(desk, "products", self.CONTENT)
        assert desk.post(f"/import/{job.pk}/apply").status_code == 409
        assert Event.objects.filter(type="product.created").count() == 1

    def test_imports_are_their_owners(
        self, desk: Client, desk_of: Callable[[User], Client], admin: User
    ) -> None:
        job = checked(desk, "products", self.CONTENT)
        other = desk_of(admin)
        assert other.get(f"/import/{job.pk}").status_code == 404
        assert other.post(f"/import/{job.pk}/apply").status_code == 404
        assert other.get(f"/import/{job.pk}/result.csv").status_code == 404

    def test_who_may_import_nothing_gets_403_everywhere(
        self,
        desk_of: Callable[[User], Client],
        desk: Client,
        people: dict[Role, User],
        manager: User,
    ) -> None:
        job = checked(desk, "products", self.CONTENT)
        for role in Role:
            client = desk_of(people[role])
            allowed = role in {Role.MANAGER, Role.ADMIN}
            assert client.get("/import/").status_code == (200 if allowed else 403)
            assert send(client, "products", self.CONTENT).status_code == (302 if allowed else 403)
        User.objects.filter(pk=manager.pk).update(role=Role.VIEWER)
        for path in ("columns", "apply", "stop"):
            assert desk.post(f"/import/{job.pk}/{path}").status_code == 403
        assert desk.get(f"/import/{job.pk}").status_code == 403
        assert desk.get(f"/import/{job.pk}/result.csv").status_code == 403

    @pytest.mark.parametrize("count", [1, 3])
    def test_pages_take_the_same_statements_for_one_and_three_rows(
        self, desk: Client, count: int
    ) -> None:
        bad = b"SKU;Name;Price\n" + b"".join(b"A%d;One;x\n" % n for n in range(count))
        for _ in range(count):
            job = checked(desk, "products", bad)
        for path, statements in (("/import/", 3), (f"/import/{job.pk}", 4)):
            with CaptureQueriesContext(connection) as queries:
                assert desk.get(path).status_code == 200
            assert len(queries) == statements, [q["sql"][:90] for q in queries]


@pytest.mark.parametrize(
    ("kind", "key"), [(IMPORTS[0], "NEW-1"), (IMPORTS[1], "529.982.247-25")], ids=["products", "customers"]
)  # fmt: skip
def test_what_new_records_need_is_what_their_service_asks_for(
    kind: imports.Kind, key: str, manager: User
) -> None:
    with pytest.raises(Invalid) as refused:
        kind.apply(actor=manager, **{kind.key.name: key})
    asked = [error["pointer"] for error in refused.value.facts["errors"]]
    assert asked == [f"/{field.name}" for field in kind.lacking(())]


@pytest.mark.parametrize("language", ["pt-br", "en"])
@pytest.mark.parametrize("kind", IMPORTS, ids=lambda kind: kind.name)
def test_columns_are_recognised_by_their_labels_in_both_languages(
    kind: imports.Kind, language: str
) -> None:
    from django.utils import translation

    with translation.override(language):
        header = [f" {field.label} ".upper() for field in kind.fields]
    assert imports.guess_columns(kind, header) == {
        field.name: number for number, field in enumerate(kind.fields)
    }


@pytest.mark.parametrize(
    ("name", "header", "fields"),
    [
        ("products", ["Código do Produto", "Nome do produto", "Preço de Venda"], ["sku", "name", "price"]),
        ("products", ["Cód", "Produto", "Valor unitário", "EAN-13"], ["sku", "name", "price", "gtin"]),
        ("products", ["Referência", "Descrição", "GTIN/EAN"], ["sku", "description", "gtin"]),
        ("customers", ["CNPJ", "Nome Fantasia", "E-mail", "WhatsApp"], ["cpf_cnpj", "name", "email", "phone"]),
        ("customers", ["CPF", "Cliente", "Tabela"], ["cpf_cnpj", "name", "price_list"]),
        ("prices", ["Tabela de preço", "Código", "Valor"], ["price_list", "sku", "price"]),
        ("prices", ["Lista", "Cód", "Preço"], ["price_list", "sku", "price"]),
    ],
)  # fmt: skip
def test_columns_are_recognised_by_what_other_systems_call_them(
    name: str, header: list[str], fields: list[str]
) -> None:
    kind = imports.kinds()[name]
    assert imports.guess_columns(kind, header) == {
        field: number for number, field in enumerate(fields)
    }


def test_a_mark_is_seen_in_the_columns_of_numbers_alone(manager: User) -> None:
    content = b"SKU,Name,Price\nA,Box 1.5,12\nB,Box 2.5,\n"
    job = imports.create_job(actor=manager, kind="products", file_name="x.csv", content=content)
    assert job.decimal_mark == DecimalMark.POINT
    assert tabular.MOST_ROWS >= job.total == 2


@pytest.mark.django_db(transaction=True)
def test_a_file_is_read_before_the_transaction_that_keeps_it_and_not_again_in_a_retry(
    manager: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A workbook may take seconds, in which nobody else could write to SQLite."""
    in_transaction: list[bool] = []
    busy = [OperationalError(1213, "database is locked")]
    create = ImportJob.objects.create

    def reading(content: bytes) -> tabular.Table:
        in_transaction.append(connection.in_atomic_block)
        return read_table(content)

    def creating(**values: Any) -> ImportJob:
        job = create(**values)
        if busy:
            raise busy.pop()
        return job

    monkeypatch.setattr(imports.jobs, "read_table", reading)
    monkeypatch.setattr(ImportJob.objects, "create", creating)
    content = b"SKU;Name;Price\nA;One;1,00\n"
    job = imports.create_job(actor=manager, kind="products", file_name="x.csv", content=content)
    assert (in_transaction, busy) == ([False], [])
    assert [(it.pk, bytes(it.file.content)) for it in ImportJob.objects.all()] == [
        (job.pk, content)
    ]


def test_a_count_of_a_barcode_that_several_products_have_is_refused_by_name(
    desk: Client, make_product: Callable[..., Product]
) -> None:
    one, other = (make_product(sku, gtin="7891234567895") for sku in ("BOX-1", "BOX-2"))
    job = imported(desk, "stock", b"SKU;Counted\n7891234567895;7\nBOX-2;3\n")
    assert [level_of(it).on_hand for it in (one, other)] == [10, 3]
    assert problems(job) == [
        (2, "SKU", "“7891234567895” is the GTIN of BOX-1, BOX-2: give the SKU instead.")
    ]
