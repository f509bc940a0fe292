"""Who may post what: every form of the site, sent by everybody, as a page and as a fragment. A new one needs a row."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from accounts.models import User
from accounts.roles import Role
from catalog.models import Product
from catalog.services import create_price_list
from customers.models import Customer
from erp_site.core.models import ImportJob
from erp_site.core.webhooks import create_webhook
from erp_site.testing import record_counts
from orders.models import Order

FRAGMENT: Final = {"HX-Request": "true", "HX-Request-Type": "partial"}
OPERATORS: Final = {Role.OPERATOR, Role.MANAGER, Role.ADMIN}
MANAGERS: Final = {Role.MANAGER, Role.ADMIN}
ADMINS: Final = {Role.ADMIN}


@dataclass(frozen=True)
class Form:
    """What is sent to a route, and by whom it may be; the names of `ids` stand for records that are there."""

    name: str
    roles: set[Role]
    body: dict[str, Any] = field(default_factory=dict)
    ids: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    answer: int = 302
    """To who may; 302 where it is done, else what is wrong with it or in its way."""


FORMS: Final = [
    Form("orders:new", OPERATORS, answer=200),
    Form("orders:bulk", OPERATORS, {"action": "confirmed", "ids": "order"}, answer=200),
    Form("orders:amend", OPERATORS, {"action": "place"}, ids=("order",), answer=422),
    Form("orders:status", OPERATORS, {"status": "confirmed"}, ids=("order",)),
    Form("orders:note", OPERATORS, {"text": "Ring twice"}, ids=("order",)),
    Form("catalog:new", MANAGERS, {"sku": "NEW", "name": "New", "price": "1.00"}),
    Form("catalog:edit", MANAGERS, {"name": "Other"}, ids=("product",), answer=422),
    Form("catalog:activity", MANAGERS, {"is_active": "false"}, ids=("product",)),
    Form("catalog:delete", MANAGERS, ids=("product",), answer=409),
    Form(
        "catalog:adjust",
        MANAGERS,
        {"product": "product", "quantity": "1", "reason": "found"},
        answer=422,
    ),
    Form("catalog:undo", MANAGERS, {"key": "no-such-adjustment"}, answer=404),
    Form("catalog:price_list_new", MANAGERS, {"name": "New"}),
    Form("catalog:price_list_edit", MANAGERS, {"name": ""}, ids=("price_list",), answer=422),
    Form(
        "catalog:price_list_prices",
        MANAGERS,
        {"product": "product", "price": "1.00"},
        ids=("price_list",),
    ),
    Form("catalog:price_list_copy", MANAGERS, {"name": "Copy"}, ids=("price_list",)),
    Form(
        "catalog:price_list_reprice",
        MANAGERS,
        {"way": "up", "percent": "5"},  # not as it was shown
        ids=("price_list",),
        answer=422,
    ),
    Form(
        "catalog:price_list_reprice_undo",
        MANAGERS,
        {"repricing": "0"},
        ids=("price_list",),
        answer=404,
    ),
    Form("catalog:price_list_delete", MANAGERS, ids=("price_list",)),
    Form("customers:new", MANAGERS, {"name": "New"}, answer=422),
    Form("customers:edit", MANAGERS, {"name": "Other"}, ids=("customer",), answer=422),
    Form("customers:check", MANAGERS, {"cpf_cnpj": "529.982.247-25"}, answer=200),
    Form("customers:activity", MANAGERS, {"is_active": "false"}, ids=("customer",)),
    Form("customers:price_list", MANAGERS, {"customer": "customer"}, ids=("price_list",)),
    Form("customers:delete", MANAGERS, ids=("customer",), answer=409),
    Form("users:new", MANAGERS, {"name": "New", "email": "new@example.com", "role": "viewer"}),
    Form("users:detail", MANAGERS, {"name": "Other", "role": "operator"}, ids=("user",)),
    Form("users:activity", MANAGERS, {"is_active": "false"}, ids=("user",)),
    Form("users:reset", MANAGERS, ids=("user",)),
    Form("users:password", MANAGERS, {"password": "a-very-long-password"}, ids=("user",)),
    Form("users:second_step", MANAGERS, ids=("user",)),
    Form("imports:list", MANAGERS, {"kind": "products", "file": "file"}),
    Form("webhooks:new", ADMINS, {"url": "https://erp.example.com/events"}),
    Form("webhooks:edit", ADMINS, {"url": "https://erp.example.com/events"}, ids=("webhook",)),
    Form("webhooks:secret", ADMINS, ids=("webhook",), answer=200),
    Form("webhooks:rotate", ADMINS, ids=("webhook",)),
    Form("webhooks:activity", ADMINS, {"is_active": "false"}, ids=("webhook",)),
    Form("webhooks:test", ADMINS, ids=("webhook",)),
    Form("webhooks:retry", ADMINS, ids=("webhook",)),
    Form("webhooks:set_aside", ADMINS, ids=("webhook",)),
    Form("webhooks:delete", ADMINS, ids=("webhook",)),
    Form("export", MANAGERS, {"ids": "user"}, args=("users", "csv"), answer=200),
]
#: Another's import is not there, for managers too.
OWNED: Final = ["imports:columns", "imports:apply", "imports:stop"]
#: What everybody signed in does about themselves.
OWN: Final = {
    "account_change_password",
    "account_profile",
    "account_reauthenticate",
    "account_set_password",
    "mfa_activate_totp",
    "mfa_add_webauthn",
    "mfa_deactivate_totp",
    "mfa_edit_webauthn",
    "mfa_generate_recovery_codes",
    "mfa_list_webauthn",
    "mfa_reauthenticate",
    "mfa_reauthenticate_webauthn",
    "mfa_remove_webauthn",
    "orders:view_delete",
    "orders:view_save",
    "usersessions_list",
}
#: What strangers may send, each with a refusal of its own.
OPEN: Final = {
    "account_language",
    "account_login",
    "account_logout",
    "account_reset_password",
    "account_reset_password_from_key",
    "account_signup",
    "machine_token",
    "mfa_authenticate",
    "mfa_login_webauthn",
}
#: Pages of the library that only read, whatever the method.
READ_BY_LIBRARY: Final = {
    "account_inactive",
    "account_reset_password_done",
    "account_reset_password_from_key_done",
    "account_signup_done",
    "mfa_download_recovery_codes",
    "mfa_index",
    "mfa_view_recovery_codes",
}


def routes(
    patterns: list[URLPattern | URLResolver] | None = None, prefix: str = ""
) -> Iterator[str]:
    """The names of all addresses but the API's."""
    for pattern in patterns or get_resolver().url_patterns:
        if isinstance(pattern, URLPattern):
            yield f"{prefix}{pattern.name}"
        elif pattern.namespace != "api-v1":
            inner = f"{prefix}{pattern.namespace}:" if pattern.namespace else prefix
            yield from routes(pattern.url_patterns, inner)


LISTED: Final = {form.name for form in FORMS} | {*OWNED} | OWN | OPEN | READ_BY_LIBRARY
#: Every other route answers no POST; a new one that does fails here until it has its row above.
READS: Final = sorted(set(routes()) - LISTED)


@dataclass
class Site:
    """One record of each kind, and a browser for everybody."""

    records: dict[str, int]
    people: dict[Role, User]

    def browser(self, role: Role | None) -> Client:
        client = Client(raise_request_exception=False)
        if role:
            client.force_login(self.people[role], backend="accounts.backends.RoleBackend")
        return client

    def post(self, role: Role | None, form: Form, **headers: Any) -> Any:
        arguments = [*form.args, *(self.records[name] for name in form.ids)]
        body = {
            name: SimpleUploadedFile("file.csv", b"SKU;Name\nA;B\n")
            if value == "file"
            else self.records.get(value, value)
            for name, value in form.body.items()
        }
        return self.browser(role).post(reverse(form.name, args=arguments), body, headers=headers)


@pytest.fixture
def site(
    people: dict[Role, User],
    make_user: Callable[..., User],
    product: Product,
    customer: Customer,
    place: Callable[..., Order],
) -> Site:
    order = place((product, 1))
    records = {
        "order": order.pk,
        "product": product.pk,
        "price_list": create_price_list(actor=people[Role.ADMIN], name="Resellers").pk,
        "customer": customer.pk,
        "user": make_user("viewer").pk,
        "webhook": create_webhook(actor=people[Role.ADMIN], url="https://a.example").pk,
    }
    return Site(records, people)


def test_every_row_is_a_route() -> None:
    assert set(routes()) >= LISTED


@pytest.mark.django_db
@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name)
class TestForm:
    def test_a_stranger_is_sent_to_sign_in(self, site: Site, form: Form) -> None:
        before = record_counts()
        response = site.post(None, form)
        assert response.status_code == 302
        assert response["Location"].startswith("/accounts/login/?next=")
        assert record_counts() == before

    @pytest.mark.parametrize("headers", [{}, FRAGMENT], ids=["page", "fragment"])
    def test_a_role_without_it_is_refused_and_nothing_changes(
        self, site: Site, form: Form, headers: dict[str, str]
    ) -> None:
        before = record_counts()
        for role in set(Role) - form.roles:
            assert (role, site.post(role, form, **headers).status_code) == (role, 403)
        assert record_counts() == before

    def test_a_role_with_it_is_heard(self, site: Site, form: Form) -> None:
        role = min(form.roles, key=lambda role: role.rank)
        assert site.post(role, form).status_code == form.answer


@pytest.mark.django_db
@pytest.mark.parametrize("name", OWNED)
def test_an_import_is_its_owners(site: Site, people: dict[Role, User], name: str) -> None:
    site.post(Role.MANAGER, next(form for form in FORMS if form.name == "imports:list"))
    address = reverse(name, args=[ImportJob.objects.get().pk])
    assert site.browser(None).post(address)["Location"].startswith("/accounts/login/")
    for role in (Role.VIEWER, Role.OPERATOR, Role.ADMIN):
        assert (role, site.browser(role).post(address).status_code) == (role, 404)
    assert ImportJob.objects.get().state == ImportJob.State.MAPPING


@pytest.mark.django_db
@pytest.mark.parametrize("name", sorted(OWN))
def test_what_is_ones_own_is_nothing_to_strangers(site: Site, name: str) -> None:
    ids = [1] if name in {"orders:view_delete", "mfa_edit_webauthn", "mfa_remove_webauthn"} else []
    before = record_counts()
    response = site.browser(None).post(reverse(name, args=ids))
    assert response.status_code == 302
    assert response["Location"].startswith("/accounts/login/")
    assert record_counts() == before


ARGUMENTS: Final[dict[str, list[Any]]] = {
    "catalog:detail": [1],
    "catalog:price_list": [1],
    "customers:detail": [1],
    "imports:job": [1],
    "imports:result": [1, "csv"],
    "orders:detail": [1],
    "orders:print": [1, "pick"],
    "orders:print_many": ["pick"],
    "webhooks:detail": [1],
}


@pytest.mark.django_db
@pytest.mark.parametrize("name", READS)
def test_every_other_address_takes_no_form(site: Site, name: str) -> None:
    address = reverse(name, args=ARGUMENTS.get(name, []))
    assert site.browser(Role.ADMIN).post(address).status_code == 405
