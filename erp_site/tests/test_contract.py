"""The lines of the contract that cross every endpoint, tried on all of them as the document lists them."""

import gzip
import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any, Final

import pytest
from django.test import Client

from accounts.models import User
from accounts.roles import Role
from catalog.models import Product
from catalog.services import (
    adjust_stock,
    create_price_list,
    delete_price_list,
    delete_product,
)
from customers.models import Customer
from customers.services import delete_customer
from erp_site.api import api as the_api
from erp_site.core import outbox
from erp_site.core.events import Aggregate
from erp_site.core.models import Event
from erp_site.core.webhooks import create_webhook
from erp_site.testing import Api, record_counts
from orders.models import Order
from orders.services import change_status, delete_order
from orders.states import OrderStatus

pytestmark = pytest.mark.django_db

DOCUMENT: Final[dict[str, Any]] = json.loads(json.dumps(the_api.get_openapi_schema()))
#: (method, path, operation) of everything in the document.
OPERATIONS: Final[dict[str, tuple[str, str, dict[str, Any]]]] = {
    operation["operationId"]: (method, path.removeprefix("/api/v1"), operation)
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
}
PATHS: Final = sorted({path for _method, path, _operation in OPERATIONS.values()})
READS: Final = [
    name for name, (method, _p, it) in OPERATIONS.items() if method == "get" and "security" in it
]
LISTS: Final = [
    name
    for name in READS
    if any(it["name"] == "cursor" for it in OPERATIONS[name][2]["parameters"])
]
#: (operationId, parameter) of everything that may stand in a query string.
QUERIES: Final[list[tuple[str, dict[str, Any]]]] = [
    (name, parameter)
    for name, (_method, _path, operation) in OPERATIONS.items()
    for parameter in operation.get("parameters", [])
    if parameter["in"] == "query"
]
BODIES: Final = [name for name, (_m, _p, it) in OPERATIONS.items() if "requestBody" in it]
PROBLEM: Final = "application/problem+json"


def resolve(schema: dict[str, Any]) -> dict[str, Any]:
    if "$ref" in schema:
        return DOCUMENT["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
    return schema


def valid(schema: dict[str, Any]) -> str:
    """What may stand in a query string for such a parameter."""
    schema = resolve(schema)
    if "anyOf" in schema:
        return valid(schema["anyOf"][0])
    if "items" in schema:
        return valid(schema["items"])
    if "enum" in schema:
        return str(schema["enum"][0])
    texts = {"boolean": "true", "string": "2026-11-23"}
    return "10" if "pattern" in schema else texts.get(schema["type"], "10")


def body_schema(name: str) -> dict[str, Any]:
    """The schema of the body; of shapes to choose from, the first."""
    schema = OPERATIONS[name][2]["requestBody"]["content"]["application/json"]["schema"]
    return resolve(schema["oneOf"][0] if "oneOf" in schema else schema)


def example(name: str) -> dict[str, Any]:
    return body_schema(name)["examples"][0]


@pytest.fixture
def ids(
    place: Any, product: Product, customer: Customer, viewer: User, admin: User
) -> dict[str, int]:
    """One living record for each name of a path."""
    order = place((product, 1))
    return {
        "order_id": order.pk,
        "product_id": product.pk,
        "customer_id": customer.pk,
        "user_id": viewer.pk,
        "webhook_id": create_webhook(actor=admin, url="https://a.example").pk,
        "price_list_id": create_price_list(actor=admin, name="Wholesale").pk,
    }


@pytest.fixture
def bearer(admin: User) -> Api:
    """An administrator with a token, which every operation for the signed-in takes."""
    client = Client(raise_request_exception=False)
    body = {"email": admin.email, "password": "correct-horse-battery"}
    token = Api(client).post("/auth/jwt/login", body).body["access_token"]
    client.defaults["HTTP_AUTHORIZATION"] = f"Bearer {token}"
    return Api(client)


@pytest.fixture
def cookie(api_as: Callable[[User], Api], admin: User) -> Api:
    """The same person by session cookie."""
    return api_as(admin)


class TestQuery:
    def test_an_unknown_parameter_is_refused_everywhere(
        self, bearer: Api, cookie: Api, ids: dict[str, int], subtests: pytest.Subtests
    ) -> None:
        before = record_counts()
        for name, (method, path, operation) in OPERATIONS.items():
            with subtests.test(operation=name):
                caller = cookie if name == "session_logout" else bearer
                body = example(name) if "requestBody" in operation else None
                answer = caller(method, path.format(**ids), body, colour="red")
                assert (answer.status, answer.code) == (422, "validation_error")
                assert [error["pointer"] for error in answer.body["errors"]] == ["colour"]
        assert record_counts() == before

    def test_a_parameter_given_twice_is_refused_by_name_unless_it_is_a_list(
        self, bearer: Api, ids: dict[str, int], subtests: pytest.Subtests
    ) -> None:
        before = record_counts()
        lists = set()
        for name, parameter in QUERIES:
            method, path, operation = OPERATIONS[name]
            body = example(name) if "requestBody" in operation else None
            said = parameter["name"]
            with subtests.test(operation=name, parameter=said):
                value = "order.placed" if said == "types" else valid(parameter["schema"])
                twice: dict[str, Any] = {said: [value, value]}
                answer = bearer(method, path.format(**ids), body, **twice)
                if said in {"status", "types"}:
                    lists.add(said)
                    assert answer.status == 200
                    continue
                assert (answer.status, answer.code) == (422, "validation_error")
                assert [(e["pointer"], e["code"]) for e in answer.body["errors"]] == [
                    (said, "repeated")
                ]
        assert (lists, record_counts()) == ({"status", "types"}, before)

    def test_too_many_parameters_are_400(
        self, bearer: Api, anonymous: Api, cookie: Api, operator: User
    ) -> None:
        query = {f"p{number}": "1" for number in range(1001)}
        sign_in = {"email": operator.email, "password": "correct-horse-battery"}
        for answer in (
            bearer.get("/orders", **query),
            cookie.get("/orders", **query),
            anonymous.post("/auth/jwt/login", sign_in, **query),
        ):
            assert (answer.status, answer.code) == (400, "malformed")
            assert answer.body["detail"] == "Too many parameters"
            assert answer.headers["Content-Type"] == PROBLEM
        page = cookie.client.get("/orders/", query)
        assert (page.status_code, page["Content-Type"]) == (400, "text/html; charset=utf-8")

    @pytest.mark.parametrize("name", LISTS)
    def test_lists_refuse_wrong_pages_by_name(
        self, bearer: Api, ids: dict[str, int], name: str, subtests: pytest.Subtests
    ) -> None:
        wrong: list[tuple[dict[str, Any], str]] = [
            ({"limit": "0"}, "limit"),
            ({"limit": "101"}, "limit"),
            ({"limit": "-1"}, "limit"),
            ({"limit": "1e1"}, "limit"),
            ({"limit": "٣"}, "limit"),
            ({"limit": ""}, "limit"),
            ({"limit": str(2**70)}, "limit"),
            ({"page": "0"}, "page"),
            ({"page": str(2**63)}, "page"),
            ({"page": "1", "cursor": "x"}, "cursor"),
            ({"cursor": "x"}, "cursor"),
            ({"cursor": ""}, "cursor"),
            ({"cursor": "\x00"}, "cursor"),
            ({"sort": "secret"}, "sort"),
        ]
        for query, pointer in wrong:
            with subtests.test(query=query):
                answer = bearer("get", OPERATIONS[name][1].format(**ids), **query)
                assert (answer.status, answer.headers["Content-Type"]) == (422, PROBLEM)
                assert [error["pointer"] for error in answer.body["errors"]] == [pointer]

    def test_lists_have_one_shape_and_a_link_and_end(
        self, bearer: Api, ids: dict[str, int], subtests: pytest.Subtests
    ) -> None:
        link = re.compile(r'<http://testserver/api/v1/[^>]+>; rel="first"')
        for name in LISTS:
            with subtests.test(operation=name):
                path = OPERATIONS[name][1].format(**ids)
                answer = bearer.get(path)
                assert set(answer.body) == {
                    "items", "count", "count_capped", "page", "next_cursor",
                }  # fmt: skip
                assert link.fullmatch(answer.headers["Link"])
                past = bearer.get(path, page="1000000")
                assert (past.status, past.body["items"], past.body["next_cursor"]) == (
                    200,
                    [],
                    None,
                )

    def test_text_that_is_none_in_a_query_is_no_crash(
        self, bearer: Api, ids: dict[str, int], subtests: pytest.Subtests
    ) -> None:
        for name in LISTS:
            path = OPERATIONS[name][1].format(**ids)
            for value in ("%ED%A0%80", "%FF%FE", "%00", "%F4%90%80%80", "%"):
                for parameter in ("search", "cursor", "sort", "status", value):
                    with subtests.test(operation=name, parameter=parameter, value=value):
                        answer = bearer.get(f"{path}?{parameter}={value}")
                        assert answer.status in {200, 422}, answer.body


class TestPaths:
    @pytest.mark.parametrize("name", [name for name in OPERATIONS if "{" in OPERATIONS[name][1]])
    def test_an_id_that_is_none_is_refused_by_name_and_an_unknown_one_is_404(
        self, bearer: Api, name: str, subtests: pytest.Subtests
    ) -> None:
        method, path, operation = OPERATIONS[name]
        field = re.search(r"\{(\w+)\}", path)
        assert field
        before = record_counts()
        body = example(name) if "requestBody" in operation else None
        for pk, status in (
            ("999999", 404),
            (str(2**63 - 1), 404),
            (str(2**63), 422),
            (str(2**70), 422),
            ("9" * 5000, 422),
            ("0", 422),
            ("-1", 422),
            ("1.0", 422),
            ("1e3", 422),
            ("x", 422),
            ("%00", 422),
            ("%ED%A0%80", 422),
            ("٣", 422),
        ):
            with subtests.test(pk=pk[:20]):
                answer = bearer(method, path.replace(field[0], pk), body)
                assert (answer.status, answer.headers["Content-Type"]) == (status, PROBLEM)
                if status == 422:
                    assert [error["pointer"] for error in answer.body["errors"]] == [field[1]]
        assert record_counts() == before

    def test_another_method_is_405_and_names_those_there_are(
        self, bearer: Api, ids: dict[str, int], subtests: pytest.Subtests
    ) -> None:
        for path in PATHS:
            there = {method for method, it, _operation in OPERATIONS.values() if it == path}
            allowed = there | {"head"} if "get" in there else there
            for method in {"get", "post", "put", "patch", "delete", "trace", "brew"} - there:
                with subtests.test(path=path, method=method):
                    answer = bearer(method, path.format(**ids))
                    assert (answer.status, answer.code) == (405, "method_not_allowed")
                    assert answer.headers["Content-Type"] == PROBLEM
                    assert sorted(answer.headers["Allow"].lower().split(", ")) == sorted(allowed)

    def test_what_can_be_got_has_a_head(
        self, bearer: Api, ids: dict[str, int], subtests: pytest.Subtests
    ) -> None:
        for name in READS:
            path = OPERATIONS[name][1].format(**ids)
            with subtests.test(path=path):
                head, whole = bearer("head", path), bearer("get", path)
                assert (head.status, head.body) == (200, b"")
                assert head.headers["ETag"] == whole.headers["ETag"]

    def test_an_unknown_route_is_a_404_problem(self, bearer: Api) -> None:
        for path in ("/", "/nowhere", "/orders/", "/orders/1/2", "/Orders", "/../orders", "/%00"):
            answer = bearer("get", path)
            assert (path, answer.status, answer.code, answer.headers["Content-Type"]) == (
                path,
                404,
                "not_found",
                PROBLEM,
            )

    def test_deleted_records_answer_like_this(
        self,
        bearer: Api,
        admin: User,
        make_product: Any,
        make_customer: Any,
        place: Any,
        product: Product,
        customer: Customer,
    ) -> None:
        gone, left, order = make_product(on_hand=0), make_customer(), place((product, 1))
        delete_product(actor=admin, product_id=gone.pk)
        delete_customer(actor=admin, customer_id=left.pk)
        delete_order(actor=admin, order_id=order.pk)
        over = create_price_list(actor=admin, name="Over")
        delete_price_list(actor=admin, price_list_id=over.pk)
        before = record_counts()
        note, line = {"text": "Late"}, [{"product_id": product.pk, "quantity": 1}]
        prices = [{"product_id": product.pk, "price": "1.00"}]
        calls = [
            ("get", f"/products/{gone.pk}", None, 404),
            ("patch", f"/products/{gone.pk}", {"name": "X"}, 404),
            ("delete", f"/products/{gone.pk}", None, 404),
            ("patch", f"/products/{gone.pk}/stock", {"delta": 1, "reason": "found"}, 404),
            ("get", f"/products/{gone.pk}/movements", None, 404),
            ("get", f"/customers/{left.pk}", None, 404),
            ("patch", f"/customers/{left.pk}", {"name": "X"}, 404),
            ("delete", f"/customers/{left.pk}", None, 404),
            ("patch", f"/customers/{customer.pk}", {"price_list_id": over.pk}, 404),
            ("get", f"/price-lists/{over.pk}", None, 404),
            ("patch", f"/price-lists/{over.pk}", {"name": "X"}, 404),
            ("delete", f"/price-lists/{over.pk}", None, 404),
            ("get", f"/price-lists/{over.pk}/prices", None, 404),
            ("patch", f"/price-lists/{over.pk}/prices", {"prices": prices}, 404),
            ("post", f"/price-lists/{over.pk}/reprice", {"percent": "5.00"}, 404),
            ("get", f"/orders/{order.pk}", None, 200),
            ("delete", f"/orders/{order.pk}", None, 200),
            ("get", f"/orders/{order.pk}/history", None, 200),
            ("get", f"/orders/{order.pk}/notes", None, 200),
            ("patch", f"/orders/{order.pk}/status", {"status": "confirmed"}, 409),
        ]
        for method, path, body, status in calls:
            assert (method, path, bearer(method, path, body).status) == (method, path, status)
        for missing in (
            {"customer_id": left.pk, "items": line},
            {"customer_id": customer.pk, "items": [{"product_id": gone.pk, "quantity": 1}]},
        ):
            assert bearer.post("/orders", {**missing, "idempotency_key": "k"}).status == 404
        assert record_counts() == before
        assert bearer.get("/orders").body["items"] == []
        assert bearer.post(f"/orders/{order.pk}/notes", note).status == 201


def wrong_values(schema: dict[str, Any]) -> Iterator[Any]:
    """What this field must not take: other types, and values of its type beyond every limit."""
    kinds = [resolve(kind) for kind in schema.get("anyOf", schema.get("allOf", [schema]))]
    kinds = [resolve(kind) for kind in kinds]
    types = {kind.get("type") for kind in kinds}
    if "null" not in types:
        yield None
    if "string" not in types:
        yield from ("", "1", "1e3", "x" * 1_000_000)
    if "integer" in types:
        yield from (1.0, 1.5, 2**63, -(2**63) - 1, 2**70)
    else:
        yield from (1, 10.5)
    if "boolean" not in types:
        yield from (True, False)
    if "array" not in types:
        yield [1]
    yield {"a": 1}
    for kind in kinds:
        if kind.get("type") == "string":
            yield "x" * 1_000_000
            yield "x" * 100_000 + "\x00"
        if "enum" in kind or kind.get("format") == "email" or "pattern" in kind:
            yield "\x00"
        if kind.get("format") == "date":
            yield from ("0000-01-01", "99999-01-01", "2026-02-30", "2026-11-23T10:00:00Z", "today")
        if "pattern" in kind and "[0-9]" in kind["pattern"]:
            yield from ("10.555", "1e3", "999999999", "1,50", " 1", "NaN")
            # A discount may be none, and a change of prices one downwards.
            yield from (each for each in ("0", "-1") if not re.match(kind["pattern"], each))


#: Texts that may have several lines; secrets are taken as they are.
SEVERAL_LINES: Final = {
    "address",
    "delivery_address",
    "description",
    "note",
    "notes",
    "reason",
    "text",
}
#: Where such a field is one line.
ONE_LINE_OF: Final = {"create_webhook": {"description"}, "update_webhook": {"description"}}
SECRETS: Final = {
    "password", "current_password", "new_password", "refresh_token", "session_token",
}  # fmt: skip


def is_text(schema: dict[str, Any]) -> bool:
    """Free text: no date, no amount, no choice."""
    kinds = [resolve(kind) for kind in (schema, *schema.get("anyOf", []))]
    return any(
        kind.get("type") == "string" and not kind.keys() & {"enum", "pattern"} for kind in kinds
    ) and not any(kind.get("format") == "date" for kind in kinds)


class TestBodies:
    @pytest.mark.parametrize("name", BODIES)
    def test_text_has_no_control_characters_and_line_breaks_only_where_there_are_lines(
        self, bearer: Api, ids: dict[str, int], name: str, subtests: pytest.Subtests
    ) -> None:
        method, path, _operation = OPERATIONS[name]
        fields = {
            it: schema for it, schema in body_schema(name)["properties"].items() if is_text(schema)
        }
        for field in fields.keys() - SECRETS:
            wrong = ["a@b\x01.example", "a@b\x7f.example", "a@b\x9b.example"]
            ends = ["a@b\n.example", "a@b\r\n.example", "a@b\t.example"]
            has_lines = field in SEVERAL_LINES - ONE_LINE_OF.get(name, set())
            if not has_lines:
                wrong += [*ends, "a@b\x85.example", "a@b\u2028.example"]
            before = record_counts()
            for value in wrong:
                with subtests.test(field=field, value=value):
                    answer = bearer(method, path.format(**ids), {**example(name), field: value})
                    assert (answer.status, answer.code) == (422, "validation_error")
                    assert [(e["pointer"], e["code"]) for e in answer.body["errors"]] == [
                        (f"/{field}", "control_character")
                    ]
            assert record_counts() == before
            if has_lines:
                for value in ends:
                    answer = bearer(method, path.format(**ids), {**example(name), field: value})
                    assert answer.code != "validation_error"

    @pytest.mark.parametrize("name", BODIES)
    def test_every_field_refuses_by_name_what_it_is_not(
        self, bearer: Api, ids: dict[str, int], name: str, subtests: pytest.Subtests
    ) -> None:
        method, path, _operation = OPERATIONS[name]
        before = record_counts()
        for field, schema in body_schema(name)["properties"].items():
            for wrong in wrong_values(schema):
                with subtests.test(field=field, wrong=repr(wrong)[:40]):
                    body = {**example(name), field: wrong}
                    answer = bearer(method, path.format(**ids), json.dumps(body))
                    assert (answer.status, answer.code) == (422, "validation_error")
                    for error in answer.body["errors"]:
                        assert error["pointer"].startswith(f"/{field}")
                    assert len(json.dumps(answer.body)) < 4000, "it does not repeat a megabyte"
        assert record_counts() == before

    @pytest.mark.parametrize("name", BODIES)
    def test_what_is_no_such_body_is_refused(
        self, bearer: Api, ids: dict[str, int], name: str, subtests: pytest.Subtests
    ) -> None:
        method, path, _operation = OPERATIONS[name]
        before = record_counts()
        texts = [field for field, value in example(name).items() if isinstance(value, str)]
        for raw, status in (
            (b"{", 400),
            (b"[]", 422),
            (b"null", 422),
            (b"1", 422),
            (b'"text"', 422),
            (b'{"a": NaN}', 400),
            (b'{"a": "\xff"}', 400),
            (b"\xef\xbb\xbf{}", 400),
            (b'{"a": 1' + b"0" * 400 + b"}", 400),
            (b"[" * 100_000, 400),
            (b'{"a":' * 100_000, 400),
            (b"", 422),
            (b" " * (1024 * 1024 + 1), 413),
            *((json.dumps({**example(name), it: "lone \ud800"}).encode(), 400) for it in texts),
        ):
            with subtests.test(raw=raw[:40]):
                answer = bearer(method, path.format(**ids), raw)
                assert (answer.status, answer.headers["Content-Type"]) == (status, PROBLEM)
        unknown = bearer(method, path.format(**ids), {**example(name), "colour": "red"})
        assert (unknown.status, unknown.body["errors"]) == (
            422,
            [
                {
                    "pointer": "/colour",
                    "code": "extra_forbidden",
                    "detail": "Extra inputs are not permitted",
                }
            ],
        )
        assert record_counts() == before

    @pytest.mark.parametrize("name", BODIES)
    def test_a_name_that_stands_twice_is_refused(
        self, bearer: Api, ids: dict[str, int], name: str
    ) -> None:
        method, path, _operation = OPERATIONS[name]
        before = record_counts()
        field = next(iter(example(name)))
        twice = f'{{"{field}": 0, {json.dumps(example(name))[1:]}'
        answer = bearer(method, path.format(**ids), twice)
        assert (answer.status, answer.code) == (400, "malformed")
        assert answer.body["detail"] == f"The name '{field}' stands twice in one object"
        assert record_counts() == before

    @pytest.mark.parametrize(
        ("raw", "detail"),
        [
            (b"[1", "unexpected end of data: line 1 column 3 (char 2)"),
            (b'{"a" :1,"a" :1}', "The name 'a' stands twice in one object"),
            (b'{"a":[{"b":{"c":1,"d":2,"c":3}}]}', "The name 'c' stands twice in one object"),
            (b'{"a":1,"\\u0061":2}', "The name 'a' stands twice in one object"),
            # What orjson keeps has as many colons as this.
            (b'{"a":1,"a":"\\u003a"}', "The name 'a' stands twice in one object"),
            (b'{"a":1,"a":"\\u003A"}', "The name 'a' stands twice in one object"),
            (b'{"%b":1,"%b":1}' % (b"a" * 9000, b"a" * 9000), f"The name '{'a' * 100}' stands twice in one object"),
        ],
    )  # fmt: skip
    def test_why_a_body_cannot_be_read_is_said(self, bearer: Api, raw: bytes, detail: str) -> None:
        answer = bearer.post("/orders", raw)
        assert (answer.status, answer.body["detail"]) == (400, detail)

    @pytest.mark.parametrize("raw", [b"[]", b"[{}]", b'"x"', b"5", b"1.5", b"true", b"null"])
    def test_json_that_is_no_object_is_refused_as_a_whole(
        self, bearer: Api, ids: dict[str, int], raw: bytes, subtests: pytest.Subtests
    ) -> None:
        for name in BODIES:
            method, path, _operation = OPERATIONS[name]
            with subtests.test(operation=name):
                answer = bearer(method, path.format(**ids), raw)
                assert (answer.status, answer.code) == (422, "validation_error")
                assert answer.body["errors"] == [
                    {
                        "pointer": "",
                        "code": "not_an_object",
                        "detail": "The body should be a JSON object",
                    }
                ]

    @pytest.mark.parametrize("text", ["10:30", "\u003a \u003a", "\\u003a", "::", '":'])
    def test_colons_in_a_text_are_no_names(
        self, bearer: Api, ids: dict[str, int], text: str
    ) -> None:
        for ensure_ascii in (True, False):
            raw = json.dumps({"text": text}, ensure_ascii=ensure_ascii).replace("::", ":\\u003a")
            answer = bearer.post(f"/orders/{ids['order_id']}/notes", raw)
            assert (answer.status, answer.body["text"]) == (201, text)

    def test_another_content_type_is_415(
        self, bearer: Api, ids: dict[str, int], subtests: pytest.Subtests
    ) -> None:
        for name in BODIES:
            method, path, _operation = OPERATIONS[name]
            for kind in (
                "text/plain",
                "application/x-www-form-urlencoded",
                "multipart/form-data; boundary=x",
                "application/json5",
                "",
            ):
                with subtests.test(operation=name, kind=kind):
                    response = bearer.client.generic(
                        method.upper(),
                        f"/api/v1{path.format(**ids)}",
                        json.dumps(example(name)),
                        kind,
                    )
                    assert (response.status_code, response["Content-Type"]) == (415, PROBLEM)
                    accepts = "application/json" if method == "patch" else None
                    assert response.get("Accept-Patch") == accepts

    def test_a_compressed_body_is_415_and_says_what_is_taken(
        self, bearer: Api, ids: dict[str, int], subtests: pytest.Subtests
    ) -> None:
        before = record_counts()
        for name in BODIES:
            method, path, _operation = OPERATIONS[name]
            body = json.dumps(example(name)).encode()
            for coding, raw in (("gzip", gzip.compress(body)), ("br", body), ("x, y", body)):
                with subtests.test(operation=name, coding=coding):
                    headers = {"Content-Encoding": coding}
                    answer = bearer(method, path.format(**ids), raw, headers=headers)
                    assert (answer.status, answer.code) == (415, "unsupported_media_type")
                    assert answer.headers["Accept-Encoding"] == "identity"
        assert record_counts() == before

    @pytest.mark.parametrize("coding", ["identity", "Identity", ""])
    def test_a_body_as_it_is_may_say_so(self, bearer: Api, coding: str) -> None:
        answer = bearer.patch("/auth/me", {"name": "Zé"}, headers={"Content-Encoding": coding})
        assert (answer.status, answer.body["name"]) == (200, "Zé")

    def test_a_charset_beside_the_content_type_is_fine(self, bearer: Api) -> None:
        response = bearer.client.patch(
            "/api/v1/auth/me", '{"name": "Zé"}', "application/json; charset=utf-8"
        )
        assert (response.status_code, response.json()["name"]) == (200, "Zé")


class TestHeaders:
    def test_every_read_has_an_etag_and_says_when_nothing_changed(
        self, bearer: Api, ids: dict[str, int], subtests: pytest.Subtests
    ) -> None:
        for name in READS:
            with subtests.test(operation=name):
                path = OPERATIONS[name][1].format(**ids)
                first = bearer("get", path)
                again = bearer("get", path, headers={"If-None-Match": first.headers["ETag"]})
                assert (first.status, again.status, again.body) == (200, 304, b"")
                assert again.headers["ETag"] == first.headers["ETag"]
                other = bearer("get", path, headers={"If-None-Match": '"another"'})
                assert (other.status, other.body) == (200, first.body)

    @pytest.mark.parametrize(
        ("method", "path", "status"),
        [
            ("get", "/orders", 200),
            ("get", "/orders?colour=red", 422),
            ("get", "/orders/999999", 404),
            ("get", "/nowhere", 404),
            ("put", "/orders", 405),
        ],
    )
    def test_a_valid_request_id_is_kept_and_another_replaced(
        self, bearer: Api, method: str, path: str, status: int
    ) -> None:
        for sent, kept in (
            ("my-request.1:a_b", True),
            ("x" * 64, True),
            ("x" * 65, False),
            ("two words", False),
            ("é", False),
            ("a\tb", False),
            ("", False),
        ):
            answer = bearer(method, path, headers={"X-Request-ID": sent})
            shown = answer.headers["X-Request-ID"]
            assert (sent, answer.status, shown == sent) == (sent, status, kept)
            assert re.fullmatch(r"[A-Za-z0-9._:-]{1,64}", shown)
            if status >= 400:
                assert answer.body["request_id"] == shown

    def test_each_request_has_an_id_of_its_own(self, bearer: Api) -> None:
        ids = [bearer.get("/auth/me").headers["X-Request-ID"] for _ in range(3)]
        assert len(set(ids)) == 3

    def test_nobody_is_told_how_to_come_in(
        self, anonymous: Api, ids: dict[str, int], subtests: pytest.Subtests
    ) -> None:
        for name, (method, path, operation) in OPERATIONS.items():
            if "security" in operation:
                with subtests.test(operation=name):
                    body = example(name) if "requestBody" in operation else None
                    answer = anonymous(method, path.format(**ids), body)
                    assert (answer.status, answer.code) == (401, "unauthenticated")
                    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="api"'


class TestProblems:
    def test_a_problem_has_every_member(self, bearer: Api) -> None:
        answer = bearer.get("/orders/999999")
        assert answer.body == {
            "type": "/docs/errors#not_found",
            "title": "Not found",
            "status": 404,
            "detail": "There is no such order.",
            "code": "not_found",
            "request_id": answer.headers["X-Request-ID"],
            "order_id": 999999,
        }

    def test_its_type_is_a_page(self, bearer: Api, client: Client) -> None:
        page = client.get(bearer.get("/orders/999999").body["type"].split("#")[0])
        assert page.status_code == 200
        assert 'id="not_found"' in page.content.decode()


class TestDays:
    """`*_from` is inclusive; `*_to` excludes a time and includes the whole of a bare date."""

    #: Midnight in São Paulo is 03:00 UTC.
    MOMENTS: Final = {
        "the last second before": datetime(2026, 11, 23, 2, 59, 59, 999999, tzinfo=UTC),
        "midnight": datetime(2026, 11, 23, 3, 0, tzinfo=UTC),
        "noon": datetime(2026, 11, 23, 15, 0, tzinfo=UTC),
        "the last second": datetime(2026, 11, 24, 2, 59, 59, 999999, tzinfo=UTC),
        "the next midnight": datetime(2026, 11, 24, 3, 0, tzinfo=UTC),
    }

    @pytest.mark.parametrize(
        ("query", "found"),
        [
            ({"created_from": "2026-11-23", "created_to": "2026-11-23"}, [1, 2, 3]),
            ({"created_from": "2026-11-24"}, [4]),
            ({"created_to": "2026-11-22"}, [0]),
            ({"created_from": "2026-11-23T03:00:00Z"}, [1, 2, 3, 4]),
            ({"created_to": "2026-11-23T15:00:00Z"}, [0, 1]),
            ({"created_from": "2026-11-23T12:00:00-03:00"}, [2, 3, 4]),
            ({"created_from": "2026-11-23T16:00:00+01:00"}, [2, 3, 4]),
            ({"created_from": "2026-11-23T15:00:00"}, [2, 3, 4]),
            ({"created_from": "0001-01-01", "created_to": "9999-12-31"}, [0, 1, 2, 3, 4]),
            ({"created_from": "9999-12-31"}, []),
        ],
    )
    @pytest.mark.parametrize("kind", ["orders", "customers"])
    def test_bare_dates_are_days_of_the_sites_time_zone(
        self,
        api: Api,
        place: Any,
        product: Product,
        make_customer: Any,
        kind: str,
        query: dict[str, str],
        found: list[int],
        settings: Any,
    ) -> None:
        assert settings.TIME_ZONE == "America/Sao_Paulo"
        make: Callable[[], Order | Customer] = {
            "orders": lambda: place((product, 1)),
            "customers": make_customer,
        }[kind]
        rows = [make() for _ in self.MOMENTS]
        for row, moment in zip(rows, self.MOMENTS.values(), strict=True):
            type(row)._base_manager.filter(pk=row.pk).update(created_at=moment)
        answer = api.get(f"/{kind}", sort="created_at", **query)
        mine = [row["id"] for row in answer.body["items"] if row["id"] in {it.pk for it in rows}]
        assert mine == [rows[index].pk for index in found]

    @pytest.mark.parametrize(
        "wrong",
        ["2026-W48", "2026-W48-1", "20261123", "2026-11-2", "20261123T150000Z", "2026-W48-1T15:00:00Z", "2026-327"],
    )  # fmt: skip
    def test_a_week_is_no_day(self, api: Api, wrong: str) -> None:
        for name in ("created_from", "created_to", "updated_since"):
            answer = api.get("/orders", **{name: wrong})
            assert (answer.status, answer.code) == (422, "validation_error")
            assert [error["pointer"] for error in answer.body["errors"]] == [name]


class TestEvents:
    @pytest.fixture
    def story(self, place: Any, product: Product, admin: User) -> Order:
        """An order placed and confirmed, then stock that came in; all of it published."""
        order = place((product, 1))
        change_status(actor=admin, order_id=order.pk, to=OrderStatus.CONFIRMED)
        adjust_stock(actor=admin, product_id=product.pk, delta=5, reason="received", note="")
        return order

    def test_what_is_not_published_is_not_there_yet(self, api: Api, story: Order) -> None:
        assert api.get("/events").body["items"] == []
        outbox.publish(())
        assert api.get("/events").body["count"] == Event.objects.count()

    def test_whatever_events_are_about_is_in_the_document(self) -> None:
        schema = DOCUMENT["components"]["schemas"]["EventOut"]["properties"]["aggregate"]
        assert set(resolve(schema)["enum"]) == set(Aggregate)

    def test_they_are_read_in_the_order_of_their_positions(self, api: Api, story: Order) -> None:
        outbox.publish(())
        items = api.get("/events", limit=100).body["items"]
        positions = [event["position"] for event in items]
        assert positions == sorted(positions)
        of_order = [event for event in items if event["aggregate"] == "order"]
        assert [(event["type"], event["sequence"]) for event in of_order] == [
            ("order.placed", 1),
            ("stock.reserved", 2),
            ("order.status_changed", 3),
        ]
        assert {event["aggregate_id"] for event in of_order} == {story.pk}
        assert set(items[0]) == {
            "position", "id", "type", "aggregate", "aggregate_id", "sequence", "payload", "actor",
            "request_id", "created_at",
        }  # fmt: skip

    def test_a_reader_goes_on_after_a_position(self, api: Api, story: Order) -> None:
        outbox.publish(())
        everything = api.get("/events", limit=100).body["items"]
        read: list[int] = []
        after = 0
        while items := api.get("/events", after=str(after), limit=2).body["items"]:
            read += [event["position"] for event in items]
            after = read[-1]
        assert read == [event["position"] for event in everything]

    def test_types_are_chosen_by_repeating_or_by_commas(self, api: Api, story: Order) -> None:
        outbox.publish(())
        wanted = ["order.placed", "stock.adjusted"]
        answers = [api.get("/events", types=wanted), api.get("/events", types=",".join(wanted))]
        for answer in answers:
            assert {event["type"] for event in answer.body["items"]} == set(wanted)
        assert answers[0].body == answers[1].body

    @pytest.mark.parametrize(
        ("query", "pointer"),
        [
            ({"types": "order.eaten"}, "types"),
            ({"types": ""}, "types"),
            ({"after": "-1"}, "after"),
            ({"after": str(2**63)}, "after"),
            ({"after": "x"}, "after"),
            ({"sort": "-position"}, "sort"),
        ],
    )
    def test_wrong_parameters_are_named(
        self, api: Api, query: dict[str, str], pointer: str
    ) -> None:
        answer = api.get("/events", **query)
        assert [error["pointer"] for error in answer.body["errors"]] == [pointer]

    @pytest.mark.parametrize(
        ("role", "status"),
        [(Role.VIEWER, 403), (Role.OPERATOR, 403), (Role.MANAGER, 200), (Role.ADMIN, 200)],
    )
    def test_managers_and_administrators_read_them(
        self,
        api_as: Callable[[User], Api],
        make_user: Callable[[str], User],
        role: Role,
        status: int,
    ) -> None:
        assert api_as(make_user(role.value)).get("/events").status == status
