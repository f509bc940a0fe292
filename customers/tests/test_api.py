"""The contract of /api/v1/customers as a client sees it."""

import re
from collections.abc import Callable
from typing import Any, get_args
from urllib.parse import parse_qsl

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from accounts.roles import Role
from catalog.models import Product
from customers.filters import CustomerFilter
from customers.models import Customer, CustomerWord
from customers.queries import SORTS
from customers.schemas import EXAMPLE, CustomerListParams, Sort
from erp_site.core.models import Event
from erp_site.core.schemas import ListParams
from erp_site.testing import Answer, Api
from orders.models import Order

pytestmark = pytest.mark.django_db

CNPJ, CPF = "12ABC34501DE35", "52998224725"
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


def body(**fields: Any) -> dict[str, Any]:
    return {"name": "Padaria", "cpf_cnpj": CPF, "email": "a@example.com", **fields}


def snapshot() -> list[Any]:
    """Everything a request about customers could change."""
    tables = (Customer.all_objects, CustomerWord.objects, Event.objects)
    return [list(manager.order_by("pk").values()) for manager in tables]


def names(answer: Answer) -> list[str]:
    assert answer.status == 200, answer.body
    return [item["name"] for item in answer.body["items"]]


def test_a_new_customer_is_answered_whole_with_its_place(api: Api) -> None:
    answer = api.post("/customers", EXAMPLE)
    customer = Customer.objects.get()
    assert answer.status == 201
    assert answer.headers["Location"] == f"/api/v1/customers/{customer.pk}"
    created = answer.body.pop("created_at")
    assert TIME.fullmatch(created)
    assert answer.body.pop("updated_at") == created
    assert answer.body == {
        **EXAMPLE, "id": customer.pk, "cpf_cnpj": CNPJ, "is_active": True, "version": 1,
    }  # fmt: skip


def test_optional_texts_are_empty_when_absent_or_null(api: Api) -> None:
    answer = api.post("/customers", body(phone=None))
    assert (answer.body["phone"], answer.body["address"]) == ("", "")


def test_reading_answers_an_etag_and_304(api: Api, customer: Customer) -> None:
    first = api.get(f"/customers/{customer.pk}")
    again = api(
        "get", f"/customers/{customer.pk}", headers={"If-None-Match": first.headers["ETag"]}
    )
    assert (first.status, again.status) == (200, 304)
    api.patch(f"/customers/{customer.pk}", {"name": "Other"})
    changed = api(
        "get", f"/customers/{customer.pk}", headers={"If-None-Match": first.headers["ETag"]}
    )
    assert (changed.status, changed.body["name"]) == (200, "Other")


def test_a_patch_changes_only_what_is_sent(api: Api, customer: Customer) -> None:
    before = api.get(f"/customers/{customer.pk}").body
    answer = api.patch(f"/customers/{customer.pk}", {"phone": "11 5555-0100"})
    assert answer.status == 200
    updated = answer.body["updated_at"]
    assert answer.body == {**before, "phone": "11 5555-0100", "version": 2, "updated_at": updated}
    assert api.get(f"/customers/{customer.pk}").body == answer.body
    emptied = api.patch(f"/customers/{customer.pk}", {"phone": None, "address": None}).body
    assert (emptied["phone"], emptied["version"]) == ("", 3)


def test_an_empty_patch_changes_nothing(api: Api, customer: Customer) -> None:
    before = snapshot()
    assert api.patch(f"/customers/{customer.pk}", {}).status == 200
    assert api.patch(f"/customers/{customer.pk}", {"version": 1}).status == 200
    assert snapshot() == before


@pytest.mark.parametrize("field", ["name", "cpf_cnpj", "email", "is_active"])
def test_required_fields_cannot_be_emptied(api: Api, customer: Customer, field: str) -> None:
    answer = api.patch(f"/customers/{customer.pk}", {field: None})
    assert (answer.status, answer.body["errors"][0]["pointer"]) == (422, f"/{field}")


def test_a_stale_patch_is_answered_with_the_current_record(api: Api, customer: Customer) -> None:
    api.patch(f"/customers/{customer.pk}", {"name": "Mercado"})
    answer = api.patch(f"/customers/{customer.pk}", {"name": "Feira", "version": 1})
    assert (answer.status, answer.code) == (409, "stale_version")
    now = api.get(f"/customers/{customer.pk}").body
    assert answer.body["current"] == {**now, "price_list_id": None}


def test_a_taken_tax_id_is_a_conflict(api: Api, make_customer: Callable[..., Customer]) -> None:
    api.post("/customers", body())
    other = make_customer()
    again = api.post("/customers", body(cpf_cnpj="529.982.247-25"))
    moved = api.patch(f"/customers/{other.pk}", {"cpf_cnpj": CPF})
    for answer in (again, moved):
        assert (answer.status, answer.code, answer.body["field"]) == (409, "duplicate", "cpf_cnpj")
    assert Customer.all_objects.count() == 2


def test_deleting_is_once_and_frees_the_tax_id(api: Api) -> None:
    pk = api.post("/customers", body()).body["id"]
    assert [api.delete(f"/customers/{pk}").status for _ in range(2)] == [204, 404]
    assert api.get(f"/customers/{pk}").status == 404
    assert api.patch(f"/customers/{pk}", {"name": "X"}).status == 404
    assert api.get("/customers").body["items"] == []
    assert api.post("/customers", body()).status == 201


def test_a_customer_in_use_is_a_conflict(
    api: Api, customer: Customer, product: Product, place: Callable[..., Order]
) -> None:
    place((product, 1))
    answer = api.delete(f"/customers/{customer.pk}")
    assert (answer.status, answer.code) == (409, "customer_in_use")
    assert api.get(f"/customers/{customer.pk}").status == 200


def test_a_viewer_sees_no_tax_id_anywhere_and_cannot_guess_one(
    api_as: Callable[..., Api], viewer: User, make_customer: Callable[..., Customer]
) -> None:
    customer = make_customer("Padaria", cpf_cnpj=CPF)
    api, masked = api_as(viewer), "***9822****"
    assert api.get(f"/customers/{customer.pk}").body["cpf_cnpj"] == masked
    assert [row["cpf_cnpj"] for row in api.get("/customers").body["items"]] == [masked]
    assert names(api.get("/customers", search=CPF)) == []
    assert names(api.get("/customers", search="padaria")) == ["Padaria"]
    refused = api.get("/customers", cpf_cnpj=CPF[:3])
    assert (refused.status, refused.code) == (403, "forbidden")


@pytest.mark.parametrize("role", list(Role))
def test_who_may_write(
    api_as: Callable[..., Api], people: dict[Role, User], customer: Customer, role: Role
) -> None:
    api = api_as(people[role])
    found = [
        api.get("/customers").status,
        api.get(f"/customers/{customer.pk}").status,
        api.post("/customers", body()).status,
        api.patch(f"/customers/{customer.pk}", {"name": "X"}).status,
        api.delete(f"/customers/{customer.pk}").status,
    ]
    writes = [201, 200, 204] if role in {Role.MANAGER, Role.ADMIN} else [403, 403, 403]
    assert found == [200, 200, *writes]


def test_the_page_and_the_api_have_the_same_filters() -> None:
    declared = CustomerListParams.model_fields.keys() - ListParams.model_fields.keys()
    assert declared - {"sort"} == set(CustomerFilter.base_filters)


def test_every_sort_that_is_declared_exists() -> None:
    assert {sort.removeprefix("-") for sort in get_args(Sort)} == set(SORTS)


@pytest.fixture
def known(make_customer: Callable[..., Customer]) -> None:
    make_customer("Padaria São João", email="compras@saojoao.example", cpf_cnpj=CPF)
    make_customer("Mercado Silva", email="padaria@silva.example", is_active=False)
    make_customer("Casa 529 Ltda", email="casa@example.com", cpf_cnpj=CNPJ)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, ["Casa 529 Ltda", "Mercado Silva", "Padaria São João"]),
        ({"name": "sao"}, ["Padaria São João"]),
        ({"name": "joã pad"}, ["Padaria São João"]),
        ({"name": "adaria"}, []),
        ({"name": "compras"}, []),
        ({"email": "PADARIA@silva.example"}, ["Mercado Silva"]),
        ({"email": "compras@"}, ["Padaria São João"]),
        ({"cpf_cnpj": "529.982.247-25"}, ["Padaria São João"]),
        ({"cpf_cnpj": "12.abc"}, ["Casa 529 Ltda"]),
        ({"cpf_cnpj": "..."}, []),
        ({"is_active": "false"}, ["Mercado Silva"]),
        ({"is_active": "true"}, ["Casa 529 Ltda", "Padaria São João"]),
        ({"search": "padaria"}, ["Mercado Silva", "Padaria São João"]),
        ({"search": "SÃO PADARIA"}, ["Padaria São João"]),
        ({"search": "52998224725"}, ["Padaria São João"]),
        ({"search": "529.982"}, ["Padaria São João"]),
        ({"search": "529"}, ["Casa 529 Ltda", "Padaria São João"]),
        ({"search": "12.ABC.345/01DE"}, ["Casa 529 Ltda"]),
        ({"search": "casa@example.com"}, ["Casa 529 Ltda"]),
        ({"search": "silva"}, ["Mercado Silva"]),
        ({"search": "%"}, []),
        ({"search": "nobody"}, []),
        ({"search": "padaria", "is_active": "true"}, ["Padaria São João"]),
        ({"sort": "-name"}, ["Padaria São João", "Mercado Silva", "Casa 529 Ltda"]),
        ({"sort": "-created_at"}, ["Casa 529 Ltda", "Mercado Silva", "Padaria São João"]),
        ({"created_from": "2000-01-01", "created_to": "2000-01-01"}, []),
        ({"created_from": "2000-01-01T00:00:00Z", "limit": 1}, ["Casa 529 Ltda"]),
    ],
)
def test_lists_find(api: Api, known: None, query: dict[str, Any], expected: list[str]) -> None:
    assert names(api.get("/customers", **query)) == expected


def test_a_search_that_finds_many_both_ways_finds_all(
    api: Api, known: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("erp_site.core.search._FEW", 1)
    assert names(api.get("/customers", search="529")) == ["Casa 529 Ltda", "Padaria São João"]


def test_a_new_name_is_found_and_the_old_one_is_not(api: Api, customer: Customer) -> None:
    api.patch(f"/customers/{customer.pk}", {"name": "Quitanda"})
    assert names(api.get("/customers", search="quit")) == ["Quitanda"]
    assert names(api.get("/customers", name="customer")) == []


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ({"colour": "red"}, "colour"),
        ({"sort": "phone"}, "sort"),
        ({"sort": "name,email"}, "sort"),
        ({"is_active": "yes"}, "is_active"),
        ({"is_active": ""}, "is_active"),
        ({"limit": 0}, "limit"),
        ({"limit": 101}, "limit"),
        ({"limit": "1e1"}, "limit"),
        ({"page": 0}, "page"),
        ({"page": 2**70}, "page"),
        ({"page": 1, "cursor": "x"}, "cursor"),
        ({"cursor": "x"}, "cursor"),
        ({"cursor": "WyJuYW1lIixudWxsLDFd"}, "cursor"),
        ({"cursor": "WyItbmFtZSIsIkEiLDFd"}, "cursor"),
        ({"cursor": "x" * 2001}, "cursor"),
        ({"sort": "created_at", "cursor": "WyJjcmVhdGVkX2F0IiwiMjAyNi0wMS0wMSIsMV0"}, "cursor"),
        ({"sort": "created_at", "cursor": "WyJjcmVhdGVkX2F0IiwxLDFd"}, "cursor"),
        ({"created_from": "yesterday"}, "created_from"),
        ({"created_to": "0000-01-01"}, "created_to"),
        ({"created_to": "99999-01-01"}, "created_to"),
        ({"created_from": "0001-01-01T00:00:00+14:00"}, "created_from"),
        ({"search": "x" * 201}, "search"),
        ({"search": "a\x00b"}, "search"),
        ({"email": "\x00"}, "email"),
    ],
)
def test_wrong_parameters_are_refused_by_name(
    api: Api, customer: Customer, query: dict[str, Any], pointer: str
) -> None:
    answer = api.get("/customers", **query)
    assert (answer.status, answer.code) == (422, "validation_error")
    assert [error["pointer"] for error in answer.body["errors"]] == [pointer]


@pytest.mark.parametrize(
    ("wrong", "pointer"),
    [
        ({"name": ""}, "/name"),
        ({"name": " \t "}, "/name"),
        ({"name": "x" * 256}, "/name"),
        ({"name": "x" * 1_000_000}, "/name"),
        ({"name": "a\x00b"}, "/name"),
        ({"name": 5}, "/name"),
        ({"name": ["a"]}, "/name"),
        ({"cpf_cnpj": "52998224724"}, "/cpf_cnpj"),
        ({"cpf_cnpj": 52998224725}, "/cpf_cnpj"),
        ({"cpf_cnpj": "٥٢٩٩٨٢٢٤٧٢٥"}, "/cpf_cnpj"),
        ({"cpf_cnpj": "x" * 33}, "/cpf_cnpj"),
        ({"email": "nobody"}, "/email"),
        ({"email": "a@b@c"}, "/email"),
        ({"email": "a" * 250 + "@example.com"}, "/email"),
        ({"phone": "1" * 33}, "/phone"),
        ({"address": "x" * 501}, "/address"),
        ({"address": {"street": "x"}}, "/address"),
        ({"is_active": "true"}, "/is_active"),
        ({"is_active": 1}, "/is_active"),
        ({"is_active": None}, "/is_active"),
        ({"id": 7}, "/id"),
        ({"version": 1}, "/version"),
        ({"nickname": "x"}, "/nickname"),
    ],
)
def test_wrong_fields_are_refused_by_name_and_change_nothing(
    api: Api, wrong: dict[str, Any], pointer: str
) -> None:
    before = snapshot()
    answer = api.post("/customers", body(**wrong))
    assert (answer.status, answer.code) == (422, "validation_error")
    assert [error["pointer"] for error in answer.body["errors"]] == [pointer]
    assert len(str(answer.body)) < 2000
    assert snapshot() == before


@pytest.mark.parametrize("version", [0, -1, 1.0, "1", True, 2**63])
def test_a_version_is_a_positive_integer(api: Api, customer: Customer, version: object) -> None:
    answer = api.patch(f"/customers/{customer.pk}", {"name": "X", "version": version})
    assert (answer.status, answer.body["errors"][0]["pointer"]) == (422, "/version")


@pytest.mark.parametrize("field", ["name", "cpf_cnpj", "email"])
def test_missing_fields_are_named(api: Api, field: str) -> None:
    wanted = body()
    del wanted[field]
    answer = api.post("/customers", wanted)
    assert answer.status == 422
    assert answer.body["errors"] == [
        {"pointer": f"/{field}", "code": "missing", "detail": "Field required"}
    ]


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"", 422),
        (b"{", 400),
        (b"[]", 422),
        (b'"text"', 422),
        (b"null", 422),
        (b'{"name": NaN}', 400),
        (b'{"name": "\xff"}', 400),
        (rb'{"name": "\ud800"}', 400),
        (b"{" + b'"a":' * 2000, 400),
        (b'{"name": "' + b"x" * 1024 * 1024 + b'"}', 413),
    ],
)
def test_what_is_no_json_object_is_refused(api: Api, raw: bytes, status: int) -> None:
    before = snapshot()
    answer = api.post("/customers", raw)
    assert answer.status == status
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert snapshot() == before


@pytest.mark.parametrize("pk", ["0", "-1", "999999", str(2**63 - 1), str(2**63), str(2**70), "x"])
@pytest.mark.parametrize("method", ["get", "patch", "delete"])
def test_ids_that_are_none_are_refused(api: Api, customer: Customer, pk: str, method: str) -> None:
    before = snapshot()
    answer = api(method, f"/customers/{pk}", {"name": "X"} if method == "patch" else None)
    exists = pk.isdigit() and 1 <= int(pk) < 2**63
    assert answer.status == (404 if exists else 422)
    assert answer.code == ("not_found" if exists else "validation_error")
    assert snapshot() == before


def test_the_list_asks_as_much_for_three_as_for_one(
    api: Api, make_customer: Callable[..., Customer]
) -> None:
    for wanted in (1, 3):
        while Customer.objects.count() < wanted:
            make_customer()
        with CaptureQueriesContext(
            connection,
        ) as queries:
            answer = api.get("/customers", search="customer")
        assert len(answer.body["items"]) == wanted
        # session, user, names and e-mails that match, count, ids, rows
        assert len(queries) == 7


def test_numbered_pages_link_to_each_other(
    api: Api, make_customer: Callable[..., Customer]
) -> None:
    for letter in "ABCDE":
        make_customer(letter)
    answer = api.get("/customers", limit=2, page=2)
    assert names(answer) == ["C", "D"]
    assert (answer.body["count"], answer.body["count_capped"], answer.body["page"]) == (5, False, 2)
    base = "http://testserver/api/v1/customers?limit=2"
    assert answer.headers["Link"] == (
        f'<{base}>; rel="first", <{base}&page=1>; rel="prev", <{base}&page=3>; rel="next"'
    )
    answer = api.get("/customers", limit=2, page=3)
    assert names(answer) == ["E"]
    assert answer.headers["Link"] == f'<{base}>; rel="first", <{base}&page=2>; rel="prev"'
    answer = api.get("/customers", limit=2, page=1)
    assert answer.headers["Link"] == f'<{base}>; rel="first", <{base}&page=2>; rel="next"'


@pytest.mark.parametrize("page", [4, 5, 10**9])
def test_a_page_past_the_end_leads_back_to_the_last_one_with_rows(
    api: Api, make_customer: Callable[..., Customer], page: int
) -> None:
    for letter in "ABCDE":
        make_customer(letter)
    answer = api.get("/customers", limit=2, page=page)
    assert names(answer) == []
    base = "http://testserver/api/v1/customers?limit=2"
    assert answer.headers["Link"] == f'<{base}>; rel="first", <{base}&page=3>; rel="prev"'


def test_a_page_past_the_end_leads_nowhere_where_no_page_has_rows(api: Api) -> None:
    base = "http://testserver/api/v1/customers?limit=2"
    answer = api.get("/customers", limit=2, page=3)
    assert answer.headers["Link"] == f'<{base}>; rel="first"'


def test_whoever_follows_links_sees_every_row_once_while_rows_are_added(
    api: Api, make_customer: Callable[..., Customer]
) -> None:
    for letter in "BCDEF":
        make_customer(letter)
    seen: list[str] = []
    query: dict[str, Any] = {"limit": 2}
    while True:
        answer = api.get("/customers", **query)
        seen += names(answer)
        following = re.search(r'<[^>]+\?([^>]+)>; rel="next"', answer.headers["Link"])
        if following is None:
            break
        query = dict(parse_qsl(following[1]))
        make_customer("A")
    assert seen == ["B", "C", "D", "E", "F"]


@pytest.mark.parametrize("sort", ["name", "-name", "created_at", "-created_at", "-updated_at"])
def test_cursors_show_every_row_once_while_rows_are_added(
    api: Api, make_customer: Callable[..., Customer], sort: str
) -> None:
    for name in ("B", "D", "D", "d", "F", "é"):
        make_customer(name)
    everyone = [row["id"] for row in api.get("/customers", sort=sort).body["items"]]
    seen: list[int] = []
    query: dict[str, str] = {}
    while True:
        answer = api.get("/customers", sort=sort, limit=2, **query)
        seen += [row["id"] for row in answer.body["items"]]
        if answer.body["next_cursor"] is None:
            break
        query = {"cursor": answer.body["next_cursor"]}
        # Before the first and in the middle: a numbered page would now repeat a row.
        make_customer("A")
    # Rows added after the cursor's place may appear; those that were there appear once and in order.
    assert [pk for pk in seen if pk in everyone] == everyone
    assert len(seen) == len(set(seen))


def test_a_cursor_links_to_the_next_page(api: Api, make_customer: Callable[..., Customer]) -> None:
    for letter in "ABC":
        make_customer(letter)
    first = api.get("/customers", limit=1)
    second = api.get("/customers", limit=1, cursor=first.body["next_cursor"])
    assert (names(second), "page" in second.body) == (["B"], False)
    base = "http://testserver/api/v1/customers?limit=1"
    assert second.headers["Link"] == (
        f'<{base}>; rel="first", <{base}&cursor={second.body["next_cursor"]}>; rel="next"'
    )
