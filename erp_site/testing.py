"""The pytest plugin: people of every role, clients, things to sell, threads that race.

Loaded by `-p erp_site.testing` (pyproject.toml), so every app's tests have these fixtures.
"""

import functools
import json
import os
import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit, urlunsplit

import pytest

# Before the settings are read: tests send more requests than people, no mail, and run no relay of their own.
os.environ["RATE_LIMIT"] = "off"
os.environ["EMAIL_URL"] = "memory://"
os.environ["RELAY"] = "off"


def _own_redis(url: str, worker: str) -> str:
    """A database number of its own for each process of pytest-xdist: they empty it between tests."""
    parts = urlsplit(url)
    number = int(parts.path.strip("/") or 0) + int(worker.removeprefix("gw") or 0) + 1
    return urlunsplit(parts._replace(path=f"/{number % 16}"))


if os.environ.get("REDIS_URL") and os.environ.get("PYTEST_XDIST_WORKER"):
    os.environ["REDIS_URL"] = _own_redis(os.environ["REDIS_URL"], os.environ["PYTEST_XDIST_WORKER"])

if TYPE_CHECKING:
    from django.test import Client

    from accounts.models import User
    from accounts.roles import Role
    from catalog.models import Product, StockLevel
    from customers.models import Customer
    from orders.models import Order

#: What htmx says of itself when it asks for a part of the page.
HTMX: Final = {"HX-Request": "true", "HX-Request-Type": "partial"}
PASSWORD: Final = "correct-horse-battery"
TOTP_MARGIN: Final = 5  # seconds in which a code is surely checked after it was read


@dataclass(frozen=True)
class Answer:
    """What the API said."""

    status: int
    body: Any
    headers: dict[str, str]

    @property
    def code(self) -> str | None:
        """The problem's code; None for a success."""
        return self.body.get("code") if isinstance(self.body, dict) else None


class Api:
    """/api/v1 as one person (or nobody) sees it."""

    def __init__(self, client: "Client") -> None:
        self.client = client

    def __call__(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        headers: dict[str, str] | None = None,
        **query: Any,
    ) -> Answer:
        """Send `body` as JSON (bytes and text as they are) and read the answer."""
        extra: dict[str, Any] = {}
        if body is not None:
            raw = body if isinstance(body, (bytes, str)) else json.dumps(body)
            extra = {"data": raw, "content_type": "application/json"}
        response = self.client.generic(
            method.upper(),
            f"/api/v1{path}",
            headers=headers or {},
            query_params=query or None,
            **extra,
        )
        is_json = "json" in response.get("Content-Type", "")
        content = json.loads(response.content) if is_json and response.content else response.content
        return Answer(response.status_code, content, dict(response.items()))

    def get(self, path: str, **query: Any) -> Answer:
        return self("get", path, **query)

    def post(self, path: str, body: Any, **kwargs: Any) -> Answer:
        return self("post", path, body, **kwargs)

    def patch(self, path: str, body: Any, **kwargs: Any) -> Answer:
        return self("patch", path, body, **kwargs)

    def delete(self, path: str, **kwargs: Any) -> Answer:
        return self("delete", path, **kwargs)


@pytest.fixture(autouse=True)
def _fresh_caches() -> Iterator[None]:
    """Sign-in limits and the like do not leak from one test into the next."""
    from django.core.cache import caches  # noqa: PLC0415 -- the plugin loads before Django

    from erp_site.core import counting  # noqa: PLC0415 -- its models can be imported only now

    yield
    for cache in caches.all():
        cache.clear()
    counting.forget()


@pytest.fixture(scope="session", autouse=True)
def _static_files_are_found_when_asked_for() -> None:
    """Otherwise each test's client begins by reading the folders of all static files."""
    from django.conf import settings  # noqa: PLC0415 -- the plugin loads before Django

    settings.WHITENOISE_AUTOREFRESH = True


@pytest.fixture(scope="session", autouse=True)
def costs_of_a_hash() -> dict[str, int]:
    """What the product spends on a password. Tests sign in a thousand times, and spend next to nothing."""
    from accounts.hashers import Argon2  # noqa: PLC0415 -- the plugin loads before Django

    costs = {"time_cost": Argon2.time_cost, "memory_cost": Argon2.memory_cost}
    Argon2.time_cost, Argon2.memory_cost = 1, 8
    return costs


@functools.cache
def _hashed() -> str:
    """PASSWORD as it is stored. Even a cheap hash is dear, and a run makes thousands of users."""
    from django.contrib.auth.hashers import make_password  # noqa: PLC0415

    return make_password(PASSWORD)


@pytest.fixture
def make_user(db: None) -> "Callable[..., User]":
    """A user of a role, with PASSWORD and a verified address."""
    from allauth.account.models import EmailAddress  # noqa: PLC0415

    from accounts.models import User, UserWord  # noqa: PLC0415

    def make(role: str = "viewer", email: str | None = None, **fields: Any) -> User:
        number = User.objects.count()
        email = email or f"{role}{number}@example.com"
        user = User(
            **{"role": role, "name": f"{role.title()} {number}", "email": email, **fields},
            password=_hashed(),
        )
        user.save(force_insert=True)
        UserWord.index(user.pk, user.name, user.email)
        EmailAddress.objects.create(user=user, email=user.email, primary=True, verified=True)
        return user

    return make


@pytest.fixture
def people(make_user: "Callable[..., User]") -> "dict[Role, User]":
    """One user a role."""
    from accounts.roles import Role  # noqa: PLC0415

    return {role: make_user(role.value, f"{role.value}@example.com") for role in Role}


@pytest.fixture
def admin(make_user: "Callable[..., User]") -> "User":
    return make_user("admin")


@pytest.fixture
def manager(make_user: "Callable[..., User]") -> "User":
    return make_user("manager")


@pytest.fixture
def operator(make_user: "Callable[..., User]") -> "User":
    return make_user("operator")


@pytest.fixture
def viewer(make_user: "Callable[..., User]") -> "User":
    return make_user("viewer")


@pytest.fixture
def api_as(db: None) -> "Callable[[User | None], Api]":
    """The API as this user sees it; None for nobody. CSRF is tested on its own."""
    from django.test import Client  # noqa: PLC0415

    def make(user: "User | None") -> Api:
        client = Client(raise_request_exception=False)
        if user is not None:
            client.force_login(user, backend="accounts.backends.RoleBackend")
        return Api(client)

    return make


@pytest.fixture
def desk_of(db: None) -> "Callable[[User], Client]":
    """A browser of this person, in English."""
    from django.test import Client  # noqa: PLC0415

    def make(user: "User") -> Client:
        user.language = "en"
        user.save(update_fields=["language"])
        client = Client()
        client.force_login(user, backend="accounts.backends.RoleBackend")
        return client

    return make


@pytest.fixture
def api(api_as: "Callable[[User | None], Api]", admin: "User") -> Api:
    """The API as an administrator."""
    return api_as(admin)


@pytest.fixture
def anonymous(api_as: "Callable[[User | None], Api]") -> Api:
    return api_as(None)


@pytest.fixture
def make_product(admin: "User") -> "Callable[..., Product]":
    """A product with stock, made by the service."""
    from catalog.models import Product  # noqa: PLC0415
    from catalog.services import create_product  # noqa: PLC0415

    def make(
        sku: str | None = None, *, on_hand: int = 10, price: str = "10.00", **fields: Any
    ) -> Product:
        number = Product.all_objects.count() + 1
        sku = sku or f"SKU-{number}"
        return create_product(
            actor=admin,
            sku=sku,
            price=Decimal(price),
            on_hand=on_hand,
            **{"name": f"Product {number}", **fields},
        )

    return make


@pytest.fixture
def make_customer(admin: "User") -> "Callable[..., Customer]":
    """A customer with a valid invented CNPJ, made by the service."""
    from customers.models import Customer  # noqa: PLC0415
    from customers.services import create_customer  # noqa: PLC0415
    from erp_site.core import taxid  # noqa: PLC0415

    def make(name: str | None = None, **fields: Any) -> Customer:
        number = Customer.all_objects.count() + 1
        root = f"TE{number:06d}0001"
        wanted = {
            "name": name or f"Customer {number}",
            "cpf_cnpj": root + taxid.cnpj_check_digits(root),
            "email": f"customer{number}@example.com",
            **fields,
        }
        return create_customer(actor=admin, **wanted)

    return make


@pytest.fixture
def product(make_product: "Callable[..., Product]") -> "Product":
    """Ten pieces at 10.00."""
    return make_product()


@pytest.fixture
def customer(make_customer: "Callable[..., Customer]") -> "Customer":
    return make_customer()


@pytest.fixture
def place(operator: "User", customer: "Customer") -> "Callable[..., Order]":
    """An order of (product, quantity) pairs, placed by the service."""
    from orders.services import NewItem, place_order  # noqa: PLC0415

    def make(*lines: tuple["Product", int], key: str | None = None, **fields: Any) -> "Order":
        place.count += 1  # type: ignore[attr-defined]
        wanted = {
            "actor": operator,
            "customer_id": customer.pk,
            "items": [NewItem(product.pk, quantity) for product, quantity in lines],
            "idempotency_key": key or f"key-{place.count}",  # type: ignore[attr-defined]
            **fields,
        }
        return place_order(**wanted).order

    place = make
    place.count = 0  # type: ignore[attr-defined]
    return make


def text_of(response: Any) -> str:
    """What a page says, without its tags, on one line."""
    return " ".join(re.sub(r"<[^>]+>", " ", response.content.decode()).split())


def second_factor(user: "User") -> str:
    """The secret of the authenticator app this user has from now on."""
    from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret  # noqa: PLC0415

    secret: str = generate_totp_secret()
    TOTP.activate(user, secret)
    return secret


def code_of(secret: str) -> str:
    """What the authenticator app shows. Near the end of its half minute it waits for the next, as people do."""
    from allauth.mfa import app_settings  # noqa: PLC0415
    from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value  # noqa: PLC0415

    period = app_settings.TOTP_PERIOD
    left = period - time.time() % period
    if left < TOTP_MARGIN:
        time.sleep(left)
    code: str = format_hotp_value(hotp_value(secret, int(time.time()) // period))
    return code


def level_of(product: "Product") -> "StockLevel":
    """The product's stock as the database has it now."""
    from catalog.models import StockLevel  # noqa: PLC0415

    return StockLevel.objects.get(product=product)


def in_parallel(*jobs: Callable[[], Any]) -> list[Any]:
    """Run every job in a thread of its own, all released at once; results (or exceptions) in order."""
    from django.db import connection  # noqa: PLC0415

    barrier = threading.Barrier(len(jobs))
    results: list[Any] = [None] * len(jobs)

    def run(index: int, job: Callable[[], Any]) -> None:
        try:
            barrier.wait(timeout=30)
            results[index] = job()
        except Exception as error:  # noqa: BLE001 -- the test looks at it
            results[index] = error
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(jobs)]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + 120
    for thread in threads:
        thread.join(timeout=max(0.0, deadline - time.monotonic()))
    # What is still at work goes on in the tests that follow, and they would be blamed.
    if any(thread.is_alive() for thread in threads):
        pytest.fail("a job does not come to its end")
    return results


def record_counts() -> dict[str, int]:
    """How many records of each kind there are, deleted ones too: what a refused request must not change."""
    from django.apps import apps  # noqa: PLC0415

    ours = ("accounts", "catalog", "core", "customers", "orders")
    return {
        model.__name__: model._base_manager.count()
        for label in ours
        for model in apps.get_app_config(label).get_models()
    }
