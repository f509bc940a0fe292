"""Two people at the same moment, on real threads and connections."""

from collections.abc import Callable, Iterator
from functools import partial

import pytest
from django.db import connection

from accounts.models import User
from catalog.models import Product
from customers.models import Customer, CustomerWord
from customers.services import create_customer, delete_customer, update_customer
from erp_site.core.errors import Duplicate, NotFound, StaleVersion
from erp_site.core.models import Event
from erp_site.testing import in_parallel
from orders.models import Order
from orders.services import NewItem, place_order
from orders.tests.test_races import meeting, only_with_row_locks

pytestmark = pytest.mark.django_db(transaction=True)


def test_one_of_many_takes_a_tax_id(manager: User) -> None:
    def create() -> Customer:
        return create_customer(
            actor=manager, name="Padaria", cpf_cnpj="52998224725", email="a@example.com"
        )

    results = in_parallel(*[create] * 8)
    assert sorted(type(result).__name__ for result in results) == ["Customer"] + ["Duplicate"] * 7
    refused = [result.facts for result in results if isinstance(result, Duplicate)]
    assert refused == [{"field": "cpf_cnpj"}] * 7
    assert (Customer.all_objects.count(), Event.objects.count()) == (1, 1)


@pytest.fixture
def without_the_unique_key(transactional_db: None) -> Iterator[None]:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE customers_customer DROP INDEX customer_cpf_cnpj_unique")
        yield
        CustomerWord.objects.all().delete()
        cursor.execute("DELETE FROM customers_customer")
        cursor.execute(
            "ALTER TABLE customers_customer ADD UNIQUE INDEX customer_cpf_cnpj_unique (cpf_cnpj, live)"
        )


@only_with_row_locks
@pytest.mark.usefixtures("without_the_unique_key")
def test_control_without_the_unique_key_all_take_the_same_tax_id(manager: User) -> None:
    in_parallel(
        *[
            lambda: create_customer(
                actor=manager, name="Padaria", cpf_cnpj="52998224725", email="a@example.com"
            )
        ]
        * 4
    )
    assert Customer.objects.filter(cpf_cnpj="52998224725").count() == 4


@only_with_row_locks
def test_control_without_the_lock_a_stale_edit_is_not_seen(
    manager: User, customer: Customer
) -> None:
    results = meeting(
        lambda: update_customer(
            actor=manager, customer_id=customer.pk, name="Same moment", version=1
        ),
        "customers_customer",
        "FOR UPDATE",
        without_lock=True,
    )
    # Both wrote version 2; only the unique sequence of the event log is left to object, as a crash.
    assert StaleVersion not in {type(result) for result in results}


def test_one_of_many_edits_of_a_version_wins(manager: User, customer: Customer) -> None:
    edits = [
        partial(
            update_customer,
            actor=manager,
            customer_id=customer.pk,
            name=f"Name {number}",
            version=1,
        )
        for number in range(6)
    ]
    results = in_parallel(*edits)
    assert sum(isinstance(result, StaleVersion) for result in results) == 5
    customer.refresh_from_db()
    assert (customer.version, customer.event_seq) == (2, 2)


def test_many_edits_leave_no_gap_in_the_sequence(manager: User, customer: Customer) -> None:
    edits = [
        partial(update_customer, actor=manager, customer_id=customer.pk, name=f"Name {number}")
        for number in range(6)
    ]
    in_parallel(*edits)
    sequences = Event.objects.filter(aggregate="customer").order_by("sequence")
    assert list(sequences.values_list("sequence", flat=True)) == [1, 2, 3, 4, 5, 6, 7]


def test_no_open_order_outlives_its_customer(
    manager: User, operator: User, make_customer: Callable[..., Customer], product: Product
) -> None:
    for number in range(5):
        customer = make_customer()

        def order(pk: int = customer.pk, number: int = number) -> None:
            place_order(
                actor=operator,
                customer_id=pk,
                items=[NewItem(product.pk, 1)],
                idempotency_key=f"race-{number}",
            )

        def delete(pk: int = customer.pk) -> None:
            delete_customer(actor=manager, customer_id=pk)

        placed, deleted = in_parallel(order, delete)
        living = Customer.objects.filter(pk=customer.pk).exists()
        orders = Order.objects.filter(customer=customer).count()
        assert (living, orders) in {(True, 1), (False, 0)}
        assert (placed is None, deleted is None) == (living, not living)
        assert placed is None or isinstance(placed, NotFound)
