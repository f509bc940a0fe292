"""The contract of /api/v1/orders as a client sees it."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from catalog.models import Product
from customers.models import Customer
from erp_site.core import clock, taxid
from erp_site.core.schemas import ListParams
from erp_site.testing import Answer, Api, level_of
from orders.filters import OrderFilter
from orders.models import Order, OrderHistory, OrderNote
from orders.schemas import OrderListParams, OrderOut

pytestmark = pytest.mark.django_db


@pytest.fixture
def body(product: Product, customer: Customer) -> dict[str, Any]:
    return {"customer_id": customer.pk, "items": [{"product_id": product.pk, "quantity": 2}]}


def post(api: Api, body: Any, key: str | None = "k", **query: Any) -> Answer:
    return api("post", "/orders", body, headers={"Idempotency-Key": key} if key else None, **query)


def test_every_whole_order_is_just_what_its_schema_declares(
    api_as: Callable[..., Api], manager: User, body: dict[str, Any]
) -> None:
    api = api_as(manager)
    placed = post(api, {**body, "due_date": "2026-12-24"})
    path = f"/orders/{placed.body['id']}"
    answers = [
        placed,
        post(api, {**body, "due_date": "2026-12-24"}),
        api.get(path),
        api("patch", f"{path}/status", {"status": "confirmed"}),
        api("delete", path),
    ]
    assert [answer.status for answer in answers] == [201, 200, 200, 200, 200]
    for answer in answers:
        assert OrderOut.model_validate(answer.body).model_dump(mode="json") == answer.body


def test_a_placed_order_is_answered_whole(
    api_as: Callable[..., Api],
    operator: User,
    body: dict[str, Any],
    product: Product,
    customer: Customer,
) -> None:
    answer = post(
        api_as(operator), {**body, "due_date": "2026-12-24", "customer_reference": "PO 1"}
    )
    order = Order.objects.get()
    assert answer.status == 201
    assert answer.headers["Location"] == f"/api/v1/orders/{order.pk}"
    assert answer.body == {
        "id": order.pk,
        "number": f"PED-{order.pk:06d}",
        "status": "pending",
        "customer_id": customer.pk,
        "customer": {"id": customer.pk, "name": customer.name},
        "items": [
            {
                "id": order.items.get().pk,
                "product_id": product.pk,
                "sku": product.sku,
                "name": product.name,
                "quantity": 2,
                "unit_price": "10.00",
                "subtotal": "20.00",
            }
        ],
        "total": "20.00",
        "currency": "BRL",
        "notes": "",
        "due_date": "2026-12-24",
        "customer_reference": "PO 1",
        "delivery_address": "",
        "idempotency_key": "k",
        "version": 1,
        "allowed_statuses": ["confirmed"],
        "created_by": {"id": operator.pk, "name": operator.name},
        "created_at": order.created_at.isoformat().replace("+00:00", "Z"),
        "updated_at": order.updated_at.isoformat().replace("+00:00", "Z"),
        "deleted_at": None,
    }


def test_the_same_key_and_body_is_the_same_order(api: Api, body: dict[str, Any]) -> None:
    first, again = post(api, body), post(api, body)
    assert (first.status, again.status) == (201, 200)
    assert ("Idempotent-Replayed" in first.headers, again.headers["Idempotent-Replayed"]) == (
        False,
        "true",
    )
    assert first.body == again.body


@pytest.mark.parametrize(
    ("header", "in_body", "status", "code"),
    [
        ("k", None, 201, None),
        ('"k"', None, 201, None),
        (None, "k", 201, None),
        ("k", "k", 201, None),
        ("k", "other", 400, "idempotency_key_conflict"),
        (None, None, 400, "idempotency_key_missing"),
        ("k" * 255, None, 201, None),
        ("k" * 256, None, 422, "validation_error"),
        (None, "k" * 256, 422, "validation_error"),
        (None, "", 422, "validation_error"),
        (None, "chave-é", 422, "validation_error"),
    ],
)
def test_where_the_key_may_stand(
    api: Api,
    body: dict[str, Any],
    header: str | None,
    in_body: str | None,
    status: int,
    code: str | None,
) -> None:
    answer = post(api, body if in_body is None else {**body, "idempotency_key": in_body}, header)
    assert (answer.status, answer.code) == (status, code)
    assert Order.objects.count() == (1 if status == 201 else 0)


def test_header_and_body_keys_are_the_same_key(api: Api, body: dict[str, Any]) -> None:
    first = post(api, body, '"k"')
    assert post(api, {**body, "idempotency_key": "k"}, None).body["id"] == first.body["id"]


def test_another_body_under_the_key_is_refused(
    api: Api, body: dict[str, Any], product: Product
) -> None:
    post(api, body)
    answer = post(api, {**body, "notes": "changed"})
    assert (answer.status, answer.code, level_of(product).reserved) == (
        422,
        "idempotency_key_reused",
        2,
    )


def test_a_sum_beyond_the_largest_quantity_is_refused_by_name_after_its_key_was_looked_up(
    api: Api, body: dict[str, Any], product: Product
) -> None:
    post(api, body)
    twice = {**body, "items": [{"product_id": product.pk, "quantity": 600_000}] * 2}
    used, unused = post(api, twice), post(api, twice, "unused")
    assert (used.status, used.code) == (422, "idempotency_key_reused")
    for refused in (unused, post(api, twice, None, dry_run="true")):
        assert (refused.status, refused.code) == (422, "validation_error")
        assert [error["pointer"] for error in refused.body["errors"]] == ["/items/1/quantity"]
    assert post(api, body, "unused").status == 201


def test_a_shortage_is_a_problem_with_the_figures(
    api: Api, body: dict[str, Any], product: Product
) -> None:
    body["items"][0]["quantity"] = 11
    answer = post(api, body)
    assert (answer.status, answer.headers["Content-Type"]) == (409, "application/problem+json")
    assert answer.body["code"] == "insufficient_stock"
    assert answer.body["items"] == [
        {"product_id": product.pk, "sku": product.sku, "requested": 11, "available": 10}
    ]
    assert answer.body["request_id"] == answer.headers["X-Request-ID"]


def test_a_dry_run_needs_no_key_and_changes_nothing(
    api: Api, body: dict[str, Any], product: Product
) -> None:
    body["items"][0]["quantity"] = 11
    answer = post(api, body, None, dry_run="true")
    assert (answer.status, Order.objects.count()) == (200, 0)
    assert answer.body == {
        "items": [
            {
                "product_id": product.pk,
                "sku": product.sku,
                "name": product.name,
                "quantity": 11,
                "unit_price": "10.00",
                "subtotal": "110.00",
            }
        ],
        "total": "110.00",
        "currency": "BRL",
        "shortages": [
            {"product_id": product.pk, "sku": product.sku, "requested": 11, "available": 10}
        ],
    }


HUGE = "x" * 1_000_000


@pytest.mark.parametrize(
    ("change", "status", "pointer"),
    [
        ({"items": []}, 422, "/items"),
        ({"items": [{"product_id": 1, "quantity": 1}] * 201}, 422, "/items"),
        ({"items": [{"product_id": 1, "quantity": 1}] * 10_000}, 422, "/items"),
        ({"items": [{"product_id": 1, "quantity": 0}]}, 422, "/items/0/quantity"),
        ({"items": [{"product_id": 1, "quantity": -1}]}, 422, "/items/0/quantity"),
        ({"items": [{"product_id": 1, "quantity": 2**63}]}, 422, "/items/0/quantity"),
        ({"items": [{"product_id": 1, "quantity": 10**30}]}, 422, "/items/0/quantity"),
        ({"items": [{"product_id": 1, "quantity": 1_000_001}]}, 422, "/items/0/quantity"),
        ({"items": [{"product_id": 1, "quantity": "1e3"}]}, 422, "/items/0/quantity"),
        ({"items": [{"product_id": 1, "quantity": "1"}]}, 422, "/items/0/quantity"),
        ({"items": [{"product_id": 1, "quantity": 1.0}]}, 422, "/items/0/quantity"),
        ({"items": [{"product_id": 1, "quantity": True}]}, 422, "/items/0/quantity"),
        ({"items": [{"product_id": 1, "quantity": None}]}, 422, "/items/0/quantity"),
        ({"items": [{"product_id": 1}]}, 422, "/items/0/quantity"),
        ({"items": [{"product_id": 1, "quantity": 1, "price": "1"}]}, 422, "/items/0/price"),
        ({"items": {"product_id": 1, "quantity": 1}}, 422, "/items"),
        ({"items": "1"}, 422, "/items"),
        ({"customer_id": "1"}, 422, "/customer_id"),
        ({"customer_id": 0}, 422, "/customer_id"),
        ({"customer_id": -1}, 422, "/customer_id"),
        ({"customer_id": 2**63}, 422, "/customer_id"),
        ({"customer_id": None}, 422, "/customer_id"),
        ({"notes": "x" * 2001}, 422, "/notes"),
        ({"notes": HUGE}, 422, "/notes"),
        ({"notes": "a\x00b"}, 422, "/notes"),
        ({"notes": 5}, 422, "/notes"),
        ({"due_date": "0000-01-01"}, 422, "/due_date"),
        ({"due_date": "99999-01-01"}, 422, "/due_date"),
        ({"due_date": "2026-02-30"}, 422, "/due_date"),
        ({"due_date": 20261224}, 422, "/due_date"),
        ({"due_date": "2026-12-24T10:00:00Z"}, 422, "/due_date"),
        ({"customer_reference": "x" * 65}, 422, "/customer_reference"),
        ({"delivery_address": "x" * 501}, 422, "/delivery_address"),
        ({"surprise": 1}, 422, "/surprise"),
    ],
)
def test_bad_input_names_the_field_and_changes_nothing(
    api: Api,
    body: dict[str, Any],
    product: Product,
    change: dict[str, Any],
    status: int,
    pointer: str,
) -> None:
    answer = post(api, {**body, **change})
    assert (answer.status, answer.body["code"]) == (status, "validation_error")
    assert pointer in [error["pointer"] for error in answer.body["errors"]]
    assert (Order.objects.count(), level_of(product).reserved) == (0, 0)


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"{", 400),
        (b"", 422),
        (b"[]", 422),
        (b'"text"', 422),
        (b"null", 422),
        (b'{"customer_id": NaN}', 400),
        (b'{"notes": "\\ud800"}', 400),
        (b"\xff\xfe", 400),
        (b" " * 1_048_577, 413),
    ],
)
def test_what_is_no_json_object_is_refused(
    api: Api, product: Product, raw: bytes, status: int
) -> None:
    answer = post(api, raw)
    assert (answer.status, answer.headers["Content-Type"]) == (status, "application/problem+json")
    assert Order.objects.count() == 0


def test_another_content_type_is_refused(api: Api) -> None:
    response = api.client.post(
        "/api/v1/orders", "a=1", content_type="application/x-www-form-urlencoded"
    )
    assert (response.status_code, response["Content-Type"]) == (415, "application/problem+json")


@pytest.mark.parametrize("name", ["customer_id", "product_id"])
def test_an_unknown_or_deleted_record_in_the_body_is_404(
    api: Api, body: dict[str, Any], name: str
) -> None:
    if name == "customer_id":
        body["customer_id"] = 999_999
    else:
        body["items"][0]["product_id"] = 999_999
    answer = post(api, body)
    assert (answer.status, answer.code, Order.objects.count()) == (404, "not_found", 0)


@pytest.mark.parametrize("path", ["/orders/999999", "/nowhere", "/orders/1/nowhere"])
def test_what_is_not_there_is_a_404_problem(api: Api, path: str) -> None:
    answer = api.get(path)
    assert (answer.status, answer.code) == (404, "not_found")


@pytest.mark.parametrize("order_id", ["0", str(2**63), str(2**70), "x"])
def test_what_can_be_no_id_is_a_422_problem(api: Api, order_id: str) -> None:
    answer = api.get(f"/orders/{order_id}")
    assert (answer.status, answer.body["errors"][0]["pointer"]) == (422, "order_id")


def test_a_wrong_method_is_a_405_problem(api: Api) -> None:
    answer = api("put", "/orders", {})
    assert (answer.status, answer.code, sorted(answer.headers["Allow"].split(", "))) == (
        405,
        "method_not_allowed",
        ["GET", "HEAD", "POST"],
    )


def test_status_steps_and_their_refusals(
    api_as: Callable[..., Api],
    operator: User,
    viewer: User,
    manager: User,
    product: Product,
    place: Callable[..., Order],
) -> None:
    order = place((product, 1))
    path = f"/orders/{order.pk}/status"
    as_operator = api_as(operator)
    assert api_as(viewer).patch(path, {"status": "confirmed"}).status == 403
    assert as_operator.patch(path, {"status": "cancelled"}).status == 403
    skipped = as_operator.patch(path, {"status": "shipped"})
    assert (skipped.status, skipped.code) == (409, "illegal_transition")
    assert {k: skipped.body[k] for k in ("from", "to", "allowed")} == {
        "from": "pending",
        "to": "shipped",
        "allowed": ["confirmed", "cancelled"],
    }
    moved = as_operator.patch(path, {"status": "confirmed", "note": "By phone"})
    assert (moved.status, moved.body["status"], moved.body["version"]) == (200, "confirmed", 2)
    assert as_operator.patch(path, {"status": "lost"}).status == 422
    steps = api_as(viewer).get(f"/orders/{order.pk}/history").body["items"]
    assert [
        (s["seq"], s["from_status"], s["to_status"], s["note"], s["actor"]["id"]) for s in steps
    ] == [
        (1, None, "pending", "", operator.pk),
        (2, "pending", "confirmed", "By phone", operator.pk),
    ]
    keyed = {"Idempotency-Key": "s1"}
    answers = [
        api_as(manager).patch(path, {"status": "cancelled"}, headers=keyed) for _ in range(2)
    ]
    assert [(a.status, a.body["status"]) for a in answers] == [(200, "cancelled")] * 2
    assert OrderHistory.objects.count() == 3


def test_delete_hides_and_repeats(api: Api, product: Product, place: Callable[..., Order]) -> None:
    order = place((product, 3))
    answers = [api.delete(f"/orders/{order.pk}") for _ in range(2)]
    assert [a.status for a in answers] == [200, 200]
    assert answers[0].body == answers[1].body
    assert (answers[0].body["status"], level_of(product).reserved) == ("cancelled", 0)
    assert api.get("/orders").body["count"] == 0
    assert api.get(f"/orders/{order.pk}").body["deleted_at"] is not None


def test_notes_are_listed_oldest_first(
    api: Api, product: Product, place: Callable[..., Order], admin: User
) -> None:
    order = place((product, 1))
    for text in ("one", "two"):
        assert api.post(f"/orders/{order.pk}/notes", {"text": text}).status == 201
    notes = api.get(f"/orders/{order.pk}/notes").body["items"]
    assert [(n["text"], n["actor"]["id"]) for n in notes] == [("one", admin.pk), ("two", admin.pk)]
    assert api.post(f"/orders/{order.pk}/notes", {"text": " "}).status == 422
    assert api.get("/orders/999/notes").status == 404


def test_a_note_is_written_once_for_its_key(
    api_as: Callable[..., Api], admin: User, operator: User, product: Product,
    place: Callable[..., Order],
) -> None:  # fmt: skip
    api, order, other = api_as(operator), place((product, 1)), place((product, 1))

    def note(api: Api, order: Order, text: str, key: str) -> Answer:
        keyed = {"Idempotency-Key": key}
        return api.post(f"/orders/{order.pk}/notes", {"text": text}, headers=keyed)

    first, again = note(api, order, "Back\r\ndoor", "n1"), note(api, order, "Back\r\ndoor", '"n1"')
    assert (first.status, again.status, again.body) == (201, 201, first.body)
    for order_, text in ((order, "Front door"), (other, "Back\r\ndoor")):
        used = note(api, order_, text, "n1")
        assert (used.status, used.code) == (422, "idempotency_key_reused")
    assert note(api, order, "Back door", "\x7f").code == "validation_error"
    assert OrderNote.objects.count() == 1
    mine, next_ = note(api_as(admin), order, "Hers", "n1"), note(api, order, "Back door", "n2")
    assert (mine.status, next_.status, OrderNote.objects.count()) == (201, 201, 3)


def numbers(answer: Answer) -> list[int]:
    assert answer.status == 200, answer.body
    return [row["id"] for row in answer.body["items"]]


def test_filters_search_and_sort(
    api_as: Callable[..., Api], operator: User, viewer: User, manager: User, product: Product,
    place: Callable[..., Order], make_customer: Callable[..., Customer],
) -> None:  # fmt: skip
    silva, souza = make_customer("Padaria São João da Silva"), make_customer("Mercado Souza")
    today = clock.today()
    with clock.moved_to(clock.now() - timedelta(days=3)):
        old = place(
            (product, 1), customer_id=silva.pk, due_date=today - timedelta(days=1),
            customer_reference="OC 50-53/2026",
        )  # fmt: skip
    new = place((product, 1), customer_id=souza.pk)
    from orders.services import change_status
    from orders.states import OrderStatus

    change_status(actor=manager, order_id=new.pk, to=OrderStatus.CANCELLED)
    api = api_as(operator)
    wanted: list[tuple[dict[str, Any], list[int]]] = [
        ({}, [new.pk, old.pk]),
        ({"sort": "created_at"}, [old.pk, new.pk]),
        ({"status": "cancelled"}, [new.pk]),
        ({"status": ["cancelled", "pending"]}, [new.pk, old.pk]),
        ({"customer_id": silva.pk}, [old.pk]),
        ({"late": "true"}, [old.pk]),
        ({"late": "false"}, [new.pk]),
        ({"created_from": today.isoformat()}, [new.pk]),
        ({"created_to": (today - timedelta(days=3)).isoformat()}, [old.pk]),
        ({"created_to": old.created_at.isoformat()}, []),
        ({"created_from": old.created_at.isoformat()}, [new.pk, old.pk]),
        ({"due_to": (today - timedelta(days=1)).isoformat()}, [old.pk]),
        ({"due_from": today.isoformat()}, []),
        ({"due_from": "0001-01-01", "due_to": "9999-12-31"}, [old.pk]),
        ({"updated_since": today.isoformat()}, [new.pk]),
        ({"search": "sao jo"}, [old.pk]),
        ({"search": "SILV"}, [old.pk]),
        ({"search": "ilva"}, []),
        ({"search": old.number}, [old.pk]),
        ({"search": str(new.pk)}, [new.pk]),
        ({"search": f"ped {new.pk}"}, [new.pk]),
        ({"search": f"Ped{new.pk:09d}"}, [new.pk]),
        ({"search": f"# {new.pk}"}, [new.pk]),
        ({"search": f"pedido {new.pk}"}, [new.pk]),
        ({"search": "ped 5053"}, []),
        ({"search": "#5053"}, []),
        ({"search": "pedido 5053"}, [old.pk]),
        ({"search": "oc 5053"}, [old.pk]),
        ({"search": "05053/2"}, [old.pk]),
        ({"search": "oc"}, []),
        ({"search": "5054"}, []),
        ({"search": souza.cpf_cnpj}, [new.pk]),
    ]
    assert [(query, numbers(api.get("/orders", **query))) for query, _ in wanted] == wanted
    assert numbers(api_as(viewer).get("/orders", search=souza.cpf_cnpj)) == []


def test_orders_are_found_by_the_beginning_of_a_tax_id_by_those_who_may_see_it(
    api_as: Callable[..., Api], operator: User, viewer: User, product: Product,
    place: Callable[..., Order], make_customer: Callable[..., Customer],
) -> None:  # fmt: skip
    cpf = "52998224725"
    order = place((product, 1), customer_id=make_customer(cpf_cnpj=cpf).pk)
    place((product, 1))

    def found(who: User) -> list[str]:
        typed = [text[:end] for text in (cpf, taxid.formatted(cpf)) for end in range(1, 15)]
        api = api_as(who)
        return [text for text in typed if numbers(api.get("/orders", search=text)) == [order.pk]]

    assert found(viewer) == []
    # Fewer digits without a point are rather an order's number.
    assert found(operator) == [
        *(cpf[:end] for end in range(5, 11)),
        *[cpf] * 4,
        *(taxid.formatted(cpf)[:end] for end in range(4, 15)),
    ]


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ({"limit": 0}, "limit"),
        ({"limit": 101}, "limit"),
        ({"limit": "1e1"}, "limit"),
        ({"page": 0}, "page"),
        ({"page": 1, "cursor": "x"}, "cursor"),
        ({"cursor": "x"}, "cursor"),
        ({"cursor": "W10"}, "cursor"),
        ({"sort": "total"}, "sort"),
        ({"status": "lost"}, "status"),
        ({"customer_id": "x"}, "customer_id"),
        ({"created_from": "yesterday"}, "created_from"),
        ({"created_from": "0000-01-01"}, "created_from"),
        ({"created_to": "99999-01-01"}, "created_to"),
        ({"late": "1"}, "late"),
        ({"surprise": "1"}, "surprise"),
        ({"search": "\x00"}, "search"),
    ],
)
def test_a_wrong_parameter_is_named(api: Api, query: dict[str, Any], name: str) -> None:
    answer = api.get("/orders", **query)
    assert (answer.status, answer.body["code"]) == (422, "validation_error")
    assert name in "".join(error["pointer"] for error in answer.body["errors"])


def test_the_filters_of_page_and_api_have_the_same_names() -> None:
    assert set(OrderFilter.base_filters) == set(OrderListParams.model_fields) - set(
        ListParams.model_fields
    ) - {"sort"}


def test_pages_and_cursors_walk_the_whole_list(
    api: Api, product: Product, place: Callable[..., Order]
) -> None:
    placed = [place((product, 1)).pk for _ in range(5)]
    first = api.get("/orders", limit=2)
    assert (first.body["count"], first.body["page"], first.body["count_capped"]) == (5, 1, False)
    assert 'rel="next"' in first.headers["Link"]
    assert numbers(api.get("/orders", limit=2, page=3)) == placed[:1]
    assert numbers(api.get("/orders", limit=2, page=99)) == []
    place((product, 1))  # an insert must not shift what the cursor reads
    seen, cursor = numbers(first), first.body["next_cursor"]
    while cursor:
        page = api.get("/orders", limit=2, cursor=cursor)
        assert "page" not in page.body or page.body["page"] is None
        seen += numbers(page)
        cursor = page.body["next_cursor"]
    assert seen == placed[::-1]


@pytest.mark.parametrize("count", [1, 3])
def test_a_list_takes_the_same_statements_for_one_and_three_rows(
    api: Api, product: Product, place: Callable[..., Order], count: int
) -> None:
    for _ in range(count):
        place((product, 1))
    with CaptureQueriesContext(connection) as queries:
        numbers(api.get("/orders"))
    # session, user; count, ids, orders, customers, authors
    assert len(queries) == 7, [q["sql"] for q in queries]


def test_a_read_has_an_etag_and_answers_304(
    api: Api, product: Product, place: Callable[..., Order]
) -> None:
    order = place((product, 1))
    etag = api.get(f"/orders/{order.pk}").headers["ETag"]
    assert api("get", f"/orders/{order.pk}", headers={"If-None-Match": etag}).status == 304
    api.patch(f"/orders/{order.pk}/status", {"status": "confirmed"})
    assert api("get", f"/orders/{order.pk}", headers={"If-None-Match": etag}).status == 200


def test_a_valid_request_id_is_kept_and_recorded(api: Api, body: dict[str, Any]) -> None:
    answer = api(
        "post", "/orders", body, headers={"Idempotency-Key": "k", "X-Request-ID": "till-7"}
    )
    assert (answer.headers["X-Request-ID"], OrderHistory.objects.get().request_id) == (
        "till-7",
        "till-7",
    )
    bad = api("get", "/orders", headers={"X-Request-ID": "a b\n"})
    assert len(bad.headers["X-Request-ID"]) == 32
