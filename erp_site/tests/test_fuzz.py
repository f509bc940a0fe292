"""Generated requests to every operation, as each role: no 5xx, and no answer outside the document.

The run of `make test` is small and always the same; `make fuzz` sends FUZZ_EXAMPLES random requests an operation.
"""

import copy
import json
import os
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final

import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.db import close_old_connections, transaction
from django.test import Client
from hypothesis import HealthCheck, given, settings
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.config import GenerationConfig, SchemathesisConfig
from schemathesis.core.result import Ok
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi import checks

from accounts.models import User
from accounts.roles import Role
from catalog.services import change_prices, create_price_list, delete_price_list
from customers.services import delete_customer, update_customer
from erp_site.api import api
from erp_site.core.webhooks import create_webhook
from erp_site.testing import PASSWORD, record_counts
from erp_site.wsgi import application
from orders.services import change_status
from orders.states import OrderStatus

CALLERS: Final = [None, *Role]
DOCUMENT: Final[dict[str, Any]] = json.loads(json.dumps(api.get_openapi_schema()))
CHECKED: Final = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
    checks.negative_data_rejection,
    checks.allow_header_conformance,
    checks.unsupported_method,
]


class World:
    """A shop as one caller sees it, where generated requests find something; each leaves it as it was."""

    def __init__(self, role: Role | None, user: User | None, known: dict[str, list[Any]]) -> None:
        self.role = role
        client = Client()
        csrf = client.get("/api/v1/auth/csrf").json()["csrf_token"]
        self.headers = {"Cookie": f"csrftoken={client.cookies['csrftoken'].value}"}
        if user is not None:
            body = {"email": user.email, "password": PASSWORD}
            pair = client.post("/api/v1/auth/jwt/login", body, "application/json").json()
            self.headers["Authorization"] = f"Bearer {pair['access_token']}"
            known = known | {"refresh_token": [pair["refresh_token"]]}
        known = known | {"X-CSRFToken": [csrf]}
        self.before = record_counts()
        #: The document as it is, for what it refuses; and with the values that exist here made likely.
        self.strict = operations(DOCUMENT)
        self.likely = operations(with_known(DOCUMENT, known))

    def send(self, case: Case) -> None:
        """Send it, hold the answer against the document, and undo what it did."""
        savepoint = transaction.savepoint_create()
        try:
            response = case.call(headers=self.headers)
            if response.status_code >= 400:
                assert record_counts() == self.before, "a refused request changed something"
            case.validate_response(response, checks=CHECKED)
        finally:
            transaction.savepoint_rollback(savepoint)


def operations(document: dict[str, Any]) -> dict[str, APIOperation]:
    schema = schemathesis.openapi.from_dict(document, config=SchemathesisConfig())
    schema.app = application
    found = [result.ok() for result in schema.get_all_operations() if isinstance(result, Ok)]
    assert len(found) == sum(map(len, document["paths"].values()))
    return {operation.definition.raw["operationId"]: operation for operation in found}


def with_known(document: dict[str, Any], known: dict[str, list[Any]]) -> dict[str, Any]:
    """The document with these values beside the random ones for parameters and fields of these names."""

    def likelier(schema: dict[str, Any], name: str) -> dict[str, Any]:
        return {"anyOf": [{"enum": known[name]}, schema]}

    def walk(part: Any) -> None:
        if isinstance(part, list):
            for value in part:
                walk(value)
        elif isinstance(part, dict):
            if "schema" in part and part.get("name") in known:
                part["schema"] = likelier(part["schema"], part["name"])
            for name, schema in part.get("properties", {}).items():
                if name in known:
                    part["properties"][name] = likelier(schema, name)
            for value in part.values():
                walk(value)

    changed = copy.deepcopy(document)
    walk(changed["paths"])
    for name, schema in changed["components"]["schemas"].items():
        if name.endswith(("In", "Patch", "Delta", "Count")):
            walk(schema)
    return changed


def fuzz(world: World, name: str, examples: int, *, derandomize: bool) -> None:
    """Requests that keep to the document, then requests that do not."""
    plain, likely = world.strict[name], world.likely[name]
    runs = [likely.as_strategy(generation_mode=GenerationMode.POSITIVE)]
    if plain.definition.raw["parameters"] or plain.body:
        runs.append(plain.as_strategy(generation_mode=GenerationMode.NEGATIVE))
    for run in runs:
        settings(
            max_examples=examples,
            derandomize=derandomize,
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        )(given(run)(world.send))()


def edges(world: World, name: str) -> None:
    """Every boundary the document names: lengths, limits, types, missing and unknown fields, other methods."""
    operation = world.strict[name]
    for case in operation.schema.iter_coverage_cases(
        operation, generation_modes=list(GenerationMode), generation_config=GenerationConfig()
    ):
        world.send(case)


@pytest.fixture
def world(
    role: Role | None,
    people: dict[Role, User],
    place: Any,
    make_product: Any,
    make_customer: Any,
    admin: User,
) -> Iterator[World]:
    products = [make_product(on_hand=10**7), make_product(on_hand=0), make_product(is_active=False)]
    orders = [place((products[0], 1)) for _ in range(3)]
    change_status(actor=admin, order_id=orders[1].pk, to=OrderStatus.CONFIRMED)
    change_status(actor=admin, order_id=orders[2].pk, to=OrderStatus.CANCELLED)
    customers = [make_customer(), make_customer(is_active=False), make_customer()]
    delete_customer(actor=admin, customer_id=customers[2].pk)
    webhook = create_webhook(actor=admin, url="https://a.example")
    price_lists = [
        create_price_list(actor=admin, name=f"List {n}", discount=Decimal(n)) for n in range(3)
    ]
    prices = {product.pk: Decimal("9.90") for product in products}
    change_prices(actor=admin, price_list_id=price_lists[0].pk, prices=prices)
    update_customer(actor=admin, customer_id=customers[0].pk, price_list_id=price_lists[1].pk)
    delete_price_list(actor=admin, price_list_id=price_lists[2].pk)
    caller = people[role] if role else None
    world = World(
        role,
        caller,
        {
            "order_id": [order.pk for order in orders],
            "product_id": [product.pk for product in products],
            "customer_id": [orders[0].customer_id, *(customer.pk for customer in customers)],
            "user_id": [user.pk for user in people.values()],
            "webhook_id": [webhook.pk],
            "price_list_id": [price_list.pk for price_list in price_lists],
            "url": ["https://a.example/events", "http://10.0.0.1/"],
            "quantity": [1, 2, 1_000_000],
            "on_hand": [0, 1, 10**7],
            "expected_on_hand": [0, 10**7],
            "cpf_cnpj": ["529.982.247-25", "12ABC34501DE35", customers[0].cpf_cnpj],
            "gtin": ["7891234567895", "", None],
            "email": ["new@example.com", people[Role.VIEWER].email],
            "password": [PASSWORD, "another-long-password"],
            "current_password": [PASSWORD],
            "new_password": ["another-long-password"],
            "Idempotency-Key": ["key-1", '"key-2"', "new"],
            "idempotency_key": ["key-1", "new"],
            "version": [1, 2],
        },
    )
    # The server would end each request's connection, and with it the test's transaction. (Client undoes this.)
    request_started.disconnect(close_old_connections)
    request_finished.disconnect(close_old_connections)
    yield world
    request_started.connect(close_old_connections)
    request_finished.connect(close_old_connections)


@pytest.mark.parametrize("role", CALLERS)
def test_every_answer_to_a_few_requests_is_in_the_document(
    world: World, subtests: pytest.Subtests
) -> None:
    # Who may less is refused more: what a stranger is told is nearly always one and the same 401.
    examples = {Role.ADMIN: 4, None: 1}.get(world.role, 2)
    for name in world.strict:
        with subtests.test(operation=name):
            fuzz(world, name, examples, derandomize=True)


@pytest.mark.parametrize("role", [Role.ADMIN])
def test_every_answer_at_the_edges_is_in_the_document(
    world: World, subtests: pytest.Subtests
) -> None:
    for name in world.strict:
        with subtests.test(operation=name):
            edges(world, name)


@pytest.mark.fuzz
@pytest.mark.parametrize("role", CALLERS)
def test_every_answer_to_many_requests_is_in_the_document(
    world: World, subtests: pytest.Subtests
) -> None:
    examples = int(os.environ.get("FUZZ_EXAMPLES", "200"))
    if world.role is None:
        examples = max(1, examples // 10)  # most of it is one and the same 401
    for name in world.strict:
        with subtests.test(operation=name):
            edges(world, name)
            fuzz(world, name, examples, derandomize=False)
