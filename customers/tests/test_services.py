"""What the services do with customers, and what they refuse."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from accounts.models import User
from catalog.models import Product
from customers.models import Customer, CustomerWord
from customers.services import (
    CustomerInUse,
    create_customer,
    delete_customer,
    update_customer,
)
from erp_site.core import clock
from erp_site.core.errors import Denied, Duplicate, Invalid, NotFound, StaleVersion
from erp_site.core.models import Event
from orders.models import Order
from orders.services import change_status
from orders.states import OrderStatus

pytestmark = pytest.mark.django_db

CNPJ = "12ABC34501DE35"
OTHER_CNPJ = "11222333000181"
CPF = "52998224725"


def new(actor: User, **fields: Any) -> Customer:
    wanted = {"name": "Padaria", "cpf_cnpj": CNPJ, "email": "a@example.com", **fields}
    return create_customer(actor=actor, **wanted)


def words(customer: Customer) -> set[str]:
    return set(CustomerWord.objects.filter(owner=customer).values_list("word", flat=True))


def events(customer: Customer) -> list[tuple[str, int, dict[str, Any], int | None]]:
    return [
        (event.type, event.sequence, event.payload, event.actor_id)
        for event in Event.objects.filter(aggregate="customer", aggregate_id=customer.pk).order_by(
            "sequence"
        )
    ]


def test_a_customer_is_stored_in_one_spelling(manager: User) -> None:
    customer = new(
        manager,
        name="  Padaria São João ",
        cpf_cnpj=" 12.abc.345/01de-35 ",
        email=" Compras@Example.COM ",
        phone=" 11 5555-0100 ",
        address=" Rua A, 1 ",
    )
    customer.refresh_from_db()
    stored = (customer.name, customer.cpf_cnpj, customer.email, customer.phone, customer.address)
    assert stored == (
        "Padaria São João", CNPJ, "compras@example.com", "11 5555-0100", "Rua A, 1",
    )  # fmt: skip
    assert (customer.version, customer.is_active, customer.deleted_at) == (1, True, None)
    assert words(customer) == {"padaria", "sao", "joao"}


@pytest.mark.parametrize("tax_id", [CNPJ, OTHER_CNPJ, CPF, "529.982.247-25", "11.222.333/0001-81"])
def test_cpf_and_both_kinds_of_cnpj_are_accepted(manager: User, tax_id: str) -> None:
    assert new(manager, cpf_cnpj=tax_id).cpf_cnpj in {CNPJ, OTHER_CNPJ, CPF}


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"cpf_cnpj": "12ABC34501DE36"}, [("/cpf_cnpj", "invalid_tax_id")]),
        ({"cpf_cnpj": "11111111111"}, [("/cpf_cnpj", "invalid_tax_id")]),
        ({"cpf_cnpj": "1" * 30}, [("/cpf_cnpj", "invalid_tax_id")]),
        ({"cpf_cnpj": ""}, [("/cpf_cnpj", "invalid_tax_id")]),
        ({"name": "   "}, [("/name", "blank")]),
        ({"name": "x" * 256}, [("/name", "max_length")]),
        ({"email": "nobody"}, [("/email", "invalid")]),
        ({"phone": "1" * 33, "address": "x" * 501}, [("/phone", "max_length"), ("/address", "max_length")]),
    ],
)  # fmt: skip
def test_every_wrong_field_is_named_and_nothing_is_written(
    manager: User, fields: dict[str, Any], wrong: list[tuple[str, str]]
) -> None:
    with pytest.raises(Invalid) as refused:
        new(manager, **fields)
    assert [(e["pointer"], e["code"]) for e in refused.value.facts["errors"]] == wrong
    assert (Customer.all_objects.count(), CustomerWord.objects.count(), Event.objects.count()) == (
        0, 0, 0,
    )  # fmt: skip


def test_a_tax_id_belongs_to_one_living_customer(manager: User) -> None:
    first = new(manager)
    with pytest.raises(Duplicate) as refused:
        new(manager, cpf_cnpj="12.abc.345/01de-35")
    assert refused.value.facts == {"field": "cpf_cnpj"}
    second = new(manager, cpf_cnpj=CPF)
    with pytest.raises(Duplicate):
        update_customer(actor=manager, customer_id=second.pk, cpf_cnpj=CNPJ)
    second.refresh_from_db()
    assert (second.cpf_cnpj, second.version, second.event_seq) == (CPF, 1, 1)
    delete_customer(actor=manager, customer_id=first.pk)
    assert new(manager).pk != first.pk
    assert Customer.all_objects.filter(cpf_cnpj=CNPJ).count() == 2


def test_an_edit_changes_the_given_fields_and_counts(manager: User) -> None:
    with clock.moved_to(datetime(2026, 1, 1, tzinfo=UTC)):
        customer = new(manager)
    moment = datetime(2026, 1, 2, tzinfo=UTC)
    with clock.moved_to(moment):
        update_customer(
            actor=manager, customer_id=customer.pk, name="Mercado", is_active=False, version=1
        )
    customer.refresh_from_db()
    assert (customer.name, customer.is_active, customer.email) == (
        "Mercado",
        False,
        "a@example.com",
    )
    assert (customer.version, customer.updated_at) == (2, moment)
    assert customer.created_at == moment - timedelta(days=1)
    assert words(customer) == {"mercado"}


def test_an_edit_that_changes_nothing_is_no_edit(manager: User) -> None:
    customer = new(manager)
    before = Customer.objects.filter(pk=customer.pk).values().get()
    update_customer(actor=manager, customer_id=customer.pk, name=" Padaria ", email="A@example.com")
    assert Customer.objects.filter(pk=customer.pk).values().get() == before
    assert len(events(customer)) == 1


def test_a_stale_edit_is_refused_with_the_present_record(manager: User) -> None:
    customer = new(manager)
    update_customer(actor=manager, customer_id=customer.pk, name="Mercado")
    with pytest.raises(StaleVersion) as refused:
        update_customer(actor=manager, customer_id=customer.pk, name="Feira", version=1)
    current = refused.value.facts["current"]
    assert (current["name"], current["version"]) == ("Mercado", 2)
    customer.refresh_from_db()
    assert customer.name == "Mercado"


def test_events_tell_what_changed_without_private_data(manager: User) -> None:
    customer = new(manager)
    update_customer(
        actor=manager,
        customer_id=customer.pk,
        name="Mercado",
        cpf_cnpj=CPF,
        email="b@example.com",
        address="Rua B",
    )
    delete_customer(actor=manager, customer_id=customer.pk)
    summary = {
        "name": "Mercado",
        "is_active": True,
        "cpf_cnpj": "***9822****",
        "price_list_id": None,
    }
    assert events(customer) == [
        (
            "customer.created",
            1,
            {
                "name": "Padaria",
                "is_active": True,
                "cpf_cnpj": "***BC34*******",
                "price_list_id": None,
            },
            manager.pk,
        ),
        (
            "customer.updated",
            2,
            {
                "version": 2,
                "fields": ["address", "cpf_cnpj", "email", "name"],
                "changes": {
                    "name": ["Padaria", "Mercado"],
                    "cpf_cnpj": ["***BC34*******", "***9822****"],
                },
            },
            manager.pk,
        ),
        ("customer.deleted", 3, summary, manager.pk),
    ]


def test_a_deleted_customer_is_gone_but_kept(manager: User) -> None:
    customer = new(manager)
    delete_customer(actor=manager, customer_id=customer.pk)
    kept = Customer.all_objects.get(pk=customer.pk)
    assert kept.deleted_at is not None
    assert kept.live is None
    assert not Customer.objects.filter(pk=customer.pk).exists()
    with pytest.raises(NotFound):
        delete_customer(actor=manager, customer_id=customer.pk)
    with pytest.raises(NotFound):
        update_customer(actor=manager, customer_id=customer.pk, name="Mercado")


def test_a_customer_with_open_orders_stays(
    manager: User, customer: Customer, product: Product, place: Callable[..., Order]
) -> None:
    order = place((product, 1))
    with pytest.raises(CustomerInUse) as refused:
        delete_customer(actor=manager, customer_id=customer.pk)
    assert refused.value.code == "customer_in_use"
    assert Customer.objects.filter(pk=customer.pk).exists()
    change_status(actor=manager, order_id=order.pk, to=OrderStatus.CANCELLED)
    delete_customer(actor=manager, customer_id=customer.pk)
    assert not Customer.objects.filter(pk=customer.pk).exists()
    order.refresh_from_db()
    assert order.customer.name == customer.name


@pytest.mark.parametrize("role", ["viewer", "operator"])
def test_only_managers_write_customers(
    make_user: Callable[..., User], manager: User, role: str
) -> None:
    actor, customer = make_user(role), new(manager)
    before = Customer.all_objects.values().get()
    for attempt in (
        lambda: new(actor, cpf_cnpj=CPF),
        lambda: update_customer(actor=actor, customer_id=customer.pk, name="Mercado"),
        lambda: delete_customer(actor=actor, customer_id=customer.pk),
    ):
        with pytest.raises(Denied):
            attempt()
    assert Customer.all_objects.values().get() == before
