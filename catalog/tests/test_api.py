"""The contract of /api/v1/products as a client sees it."""

import re
from collections.abc import Callable
from typing import Any, get_args

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from accounts.roles import Role
from catalog.filters import ProductFilter
from catalog.models import Product, ProductWord, StockLevel, StockMovement, is_low
from catalog.queries import MOVEMENT_SORTS, SORTS
from catalog.schemas import MovementKind, MovementListParams, ProductListParams, Sort, StockReason
from erp_site.core import counting
from erp_site.core.models import Event
from erp_site.core.schemas import ListParams
from erp_site.testing import Answer, Api, level_of
from orders.models import Order

pytestmark = pytest.mark.django_db

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
EAN = "4006381333931"


def body(**fields: Any) -> dict[str, Any]:
    return {"sku": "PAR-M8", "name": "Parafuso", "price": "10.50", **fields}


def snapshot() -> list[Any]:
    """Everything a request about products could change."""
    tables = (
        Product.all_objects,
        ProductWord.objects,
        StockLevel.objects,
        StockMovement.objects,
        Event.objects,
    )
    return [list(manager.order_by("pk").values()) for manager in tables]


def skus(answer: Answer) -> list[str]:
    assert answer.status == 200, answer.body
    return [item["sku"] for item in answer.body["items"]]


def test_a_new_product_is_answered_whole_with_its_place(api: Api) -> None:
    sent = {
        **body(sku=" par-m8 ", gtin=EAN, description="Aço", price="10.5"),
        "low_stock_threshold": 3,
        "on_hand": 7,
    }
    answer = api.post("/products", sent)
    product = Product.objects.get()
    assert answer.status == 201
    assert answer.headers["Location"] == f"/api/v1/products/{product.pk}"
    created = answer.body.pop("created_at")
    assert TIME.fullmatch(created)
    assert answer.body.pop("updated_at") == created
    assert answer.body == {
        "id": product.pk,
        "sku": "PAR-M8",
        "gtin": EAN,
        "name": "Parafuso",
        "description": "Aço",
        "price": "10.50",
        "is_active": True,
        "on_hand": 7,
        "reserved": 0,
        "available": 7,
        "low_stock_threshold": 3,
        "version": 1,
    }


def test_optional_fields_are_empty_when_absent_or_null(api: Api) -> None:
    answer = api.post("/products", body(gtin=None, low_stock_threshold=None))
    assert {name: answer.body[name] for name in ("gtin", "description", "low_stock_threshold")} == {
        "gtin": "", "description": "", "low_stock_threshold": None,
    }  # fmt: skip
    assert (answer.body["on_hand"], answer.body["available"]) == (0, 0)


@pytest.mark.parametrize(
    ("price", "shown"),
    [("0.01", "0.01"), ("10", "10.00"), ("99999999.99", "99999999.99"), ("007.5", "7.50")],
)
def test_prices_are_answered_with_two_places(api: Api, price: str, shown: str) -> None:
    answer = api.post("/products", body(price=price))
    assert (answer.status, answer.body["price"]) == (201, shown)
    assert api.get(f"/products/{answer.body['id']}").body["price"] == shown


def test_reading_answers_an_etag_that_stock_changes(api: Api, product: Product) -> None:
    path = f"/products/{product.pk}"
    first = api.get(path)
    seen = {"If-None-Match": first.headers["ETag"]}
    assert api("get", path, headers=seen).status == 304
    api.patch(f"{path}/stock", {"delta": 1, "reason": "found"})
    changed = api("get", path, headers=seen)
    assert (changed.status, changed.body["on_hand"]) == (200, 11)


def test_a_patch_changes_only_what_is_sent(api: Api, product: Product) -> None:
    before = api.get(f"/products/{product.pk}").body
    answer = api.patch(f"/products/{product.pk}", {"price": "12", "low_stock_threshold": 4})
    updated = answer.body["updated_at"]
    assert (answer.status, answer.body) == (
        200,
        {**before, "price": "12.00", "low_stock_threshold": 4, "version": 2, "updated_at": updated},
    )
    assert api.get(f"/products/{product.pk}").body == answer.body
    emptied = api.patch(
        f"/products/{product.pk}", {"low_stock_threshold": None, "gtin": None, "description": None}
    ).body
    assert (emptied["low_stock_threshold"], emptied["gtin"], emptied["version"]) == (None, "", 3)


def test_an_empty_patch_changes_nothing(api: Api, product: Product) -> None:
    before = snapshot()
    assert api.patch(f"/products/{product.pk}", {}).status == 200
    assert snapshot() == before


@pytest.mark.parametrize("field", ["sku", "name", "price", "is_active"])
def test_required_fields_cannot_be_emptied(api: Api, product: Product, field: str) -> None:
    answer = api.patch(f"/products/{product.pk}", {field: None})
    assert (answer.status, answer.body["errors"][0]["pointer"]) == (422, f"/{field}")


def test_stock_is_not_changed_by_an_edit(api: Api, product: Product) -> None:
    answer = api.patch(f"/products/{product.pk}", {"on_hand": 5})
    assert (answer.status, answer.body["errors"][0]["pointer"]) == (422, "/on_hand")


def test_a_stale_patch_is_answered_with_the_current_record(api: Api, product: Product) -> None:
    api.patch(f"/products/{product.pk}", {"name": "Porca"})
    answer = api.patch(f"/products/{product.pk}", {"name": "Arruela", "version": 1})
    assert (answer.status, answer.code) == (409, "stale_version")
    assert answer.body["current"] == api.get(f"/products/{product.pk}").body


def test_a_taken_sku_is_a_conflict(api: Api, product: Product) -> None:
    api.post("/products", body())
    again = api.post("/products", body(sku="par-m8 "))
    moved = api.patch(f"/products/{product.pk}", {"sku": "Par-M8"})
    for answer in (again, moved):
        assert (answer.status, answer.code, answer.body["field"]) == (409, "duplicate", "sku")
    assert Product.all_objects.count() == 2


def test_deleting_is_once_and_frees_the_sku(api: Api) -> None:
    pk = api.post("/products", body()).body["id"]
    assert [api.delete(f"/products/{pk}").status for _ in range(2)] == [204, 404]
    found = [
        api.get(f"/products/{pk}").status,
        api.get(f"/products/{pk}/movements").status,
        api.patch(f"/products/{pk}", {"name": "X"}).status,
        api.patch(f"/products/{pk}/stock", {"delta": 1, "reason": "found"}).status,
    ]
    assert found == [404, 404, 404, 404]
    assert skus(api.get("/products")) == []
    assert api.post("/products", body()).status == 201


def test_a_product_with_stock_is_a_conflict(api: Api, product: Product) -> None:
    answer = api.delete(f"/products/{product.pk}")
    assert (answer.status, answer.code) == (409, "product_in_use")
    assert (answer.body["on_hand"], answer.body["reserved"]) == (10, 0)
    assert api.get(f"/products/{product.pk}").status == 200


@pytest.mark.parametrize("role", list(Role))
def test_who_may_write(
    api_as: Callable[..., Api],
    people: dict[Role, User],
    make_product: Callable[..., Product],
    role: Role,
) -> None:
    api, product = api_as(people[role]), make_product(on_hand=0)
    found = [
        api.get("/products").status,
        api.get(f"/products/{product.pk}").status,
        api.get(f"/products/{product.pk}/movements").status,
        api.post("/products", body()).status,
        api.patch(f"/products/{product.pk}", {"name": "X"}).status,
        api.patch(f"/products/{product.pk}/stock", {"delta": 0, "reason": "found"}).status,
        api.delete(f"/products/{product.pk}").status,
    ]
    writes = [201, 200, 422, 204] if role in {Role.MANAGER, Role.ADMIN} else [403] * 4
    assert found == [200, 200, 200, *writes]


# --- stock


def adjust(api: Api, product: Product, key: str | None = None, **fields: Any) -> Answer:
    headers = {"Idempotency-Key": key} if key else None
    return api.patch(
        f"/products/{product.pk}/stock", {"reason": "other", **fields}, headers=headers
    )


def test_stock_changes_by_a_delta(api: Api, admin: User, product: Product) -> None:
    answer = adjust(api, product, delta=-3, reason="damaged", note=" Fell ")
    assert (answer.status, answer.body["on_hand"], answer.body["available"]) == (200, 7, 7)
    newest = api.get(f"/products/{product.pk}/movements").body["items"][0]
    movement = StockMovement.objects.latest("pk")
    assert TIME.fullmatch(newest.pop("created_at"))
    assert newest == {
        "id": movement.pk,
        "kind": "adjusted",
        "delta_on_hand": -3,
        "delta_reserved": 0,
        "on_hand_after": 7,
        "reserved_after": 0,
        "reason": "damaged",
        "note": "Fell",
        "reference": "",
        "actor": {"id": admin.pk, "name": admin.name},
        "request_id": answer.headers["X-Request-ID"],
    }


def test_stock_changes_to_a_count_if_it_is_as_expected(api: Api, product: Product) -> None:
    counted = adjust(api, product, on_hand=4, expected_on_hand=10)
    assert (counted.status, counted.body["on_hand"]) == (200, 4)
    before = snapshot()
    late = adjust(api, product, on_hand=9, expected_on_hand=10)
    assert (late.status, late.code, late.body["on_hand"]) == (409, "stock_changed", 4)
    assert snapshot() == before


def test_stock_never_falls_below_what_is_reserved(
    api: Api, product: Product, place: Callable[..., Order]
) -> None:
    place((product, 8))
    before = snapshot()
    wrong: list[dict[str, Any]] = [{"delta": -3}, {"on_hand": 7, "expected_on_hand": 10}]
    for fields in wrong:
        answer = adjust(api, product, **fields)
        assert (answer.status, answer.code) == (409, "insufficient_stock")
        assert answer.body["items"] == [
            {"product_id": product.pk, "sku": product.sku, "requested": 3, "available": 2}
        ]
        said = f"{product.sku}: 7 would be on hand, and orders hold 8."
        assert answer.body["detail"] == said
    assert snapshot() == before
    assert adjust(api, product, delta=-2).body["available"] == 0


def test_a_key_adjusts_once_and_for_one_request(api: Api, product: Product) -> None:
    answers = [adjust(api, product, "k", delta=5), adjust(api, product, '"k"', delta=5)]
    assert [(answer.status, answer.body["on_hand"]) for answer in answers] == [(200, 15)] * 2
    other = adjust(api, product, "k", delta=6)
    assert (other.status, other.code) == (422, "idempotency_key_reused")
    assert adjust(api, product, "K", delta=5).body["on_hand"] == 20
    assert level_of(product).on_hand == 20


@pytest.mark.parametrize("key", ["", '""', "x" * 256, "caf\xe9", "a\tb"])
def test_a_key_is_printable_ascii(api: Api, product: Product, key: str) -> None:
    before = snapshot()
    answer = api.patch(
        f"/products/{product.pk}/stock",
        {"delta": 1, "reason": "found"},
        headers={"Idempotency-Key": key},
    )
    assert (answer.status, answer.code) == (422, "validation_error")
    assert snapshot() == before


@pytest.mark.parametrize(
    ("wrong", "pointers"),
    [
        ({}, ["/on_hand", "/expected_on_hand"]),
        ({"on_hand": 5}, ["/expected_on_hand"]),
        ({"expected_on_hand": 5}, ["/on_hand"]),
        ({"delta": 1, "on_hand": 5}, ["/on_hand"]),
        ({"delta": 0}, ["/delta"]),
        ({"delta": 1.0}, ["/delta"]),
        ({"delta": "1"}, ["/delta"]),
        ({"delta": True}, ["/delta"]),
        ({"delta": None}, ["/delta"]),
        ({"delta": 10**12}, ["/delta"]),
        ({"delta": 2**63}, ["/delta"]),
        ({"delta": -(2**70)}, ["/delta"]),
        ({"on_hand": -1, "expected_on_hand": 10}, ["/on_hand"]),
        ({"on_hand": 10**12 + 1, "expected_on_hand": 10}, ["/on_hand"]),
        ({"delta": 1, "reason": "stolen"}, ["/reason"]),
        ({"delta": 1, "reason": None}, ["/reason"]),
        ({"delta": 1, "note": "x" * 501}, ["/note"]),
        ({"delta": 1, "note": "a\x00"}, ["/note"]),
        ({"delta": 1, "colour": "red"}, ["/colour"]),
    ],
)
def test_wrong_adjustments_are_refused_by_name_and_change_nothing(
    api: Api, product: Product, wrong: dict[str, Any], pointers: list[str]
) -> None:
    before = snapshot()
    answer = adjust(api, product, **wrong)
    assert answer.status == 422
    assert [error["pointer"] for error in answer.body["errors"]] == pointers
    assert snapshot() == before


def test_the_ledger_tells_what_orders_did(
    api: Api, product: Product, place: Callable[..., Order]
) -> None:
    order = place((product, 2))
    rows = api.get(f"/products/{product.pk}/movements").body["items"]
    told = [
        (row["kind"], row["delta_on_hand"], row["reserved_after"], row["reference"]) for row in rows
    ]
    assert told == [("reserved", 0, 2, order.number), ("opening", 10, 0, "")]


def test_the_ledger_is_read_by_cursor_newest_first(api: Api, product: Product) -> None:
    for _ in range(3):
        adjust(api, product, delta=1)
    path = f"/products/{product.pk}/movements"
    first = api.get(path, limit=2)
    adjust(api, product, delta=1)
    second = api.get(path, limit=2, cursor=first.body["next_cursor"])
    balances = [row["on_hand_after"] for row in first.body["items"] + second.body["items"]]
    assert (balances, second.body["next_cursor"]) == ([13, 12, 11, 10], None)
    oldest = api.get(path, sort="created_at", limit=1).body["items"][0]
    assert oldest["kind"] == "opening"


# --- lists


def test_the_page_and_the_api_have_the_same_filters() -> None:
    declared = ProductListParams.model_fields.keys() - ListParams.model_fields.keys()
    assert declared - {"sort"} == set(ProductFilter.base_filters)


def test_every_sort_and_choice_that_is_declared_exists() -> None:
    assert {sort.removeprefix("-") for sort in get_args(Sort)} == set(SORTS)
    movement_sorts = get_args(MovementListParams.model_fields["sort"].annotation)
    assert {sort.removeprefix("-") for sort in movement_sorts} == set(MOVEMENT_SORTS)
    assert list(get_args(StockReason.__value__)) == StockMovement.Reason.values
    assert list(get_args(MovementKind.__value__)) == StockMovement.Kind.values


@pytest.fixture
def shelf(make_product: Callable[..., Product]) -> None:
    make_product(
        "PAR-M8-100", name="Parafuso Aço", price="10.00", gtin=EAN, on_hand=5, low_stock_threshold=5
    )
    make_product(
        "PAR-M8-200", name="Parafuso Longo", price="20.00", on_hand=6, low_stock_threshold=5
    )
    make_product("POR_M8", name="Porca", price="5.00", is_active=False, on_hand=0)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, ["PAR-M8-100", "PAR-M8-200", "POR_M8"]),
        ({"name": "paraf"}, ["PAR-M8-100", "PAR-M8-200"]),
        ({"name": "ACO"}, ["PAR-M8-100"]),
        ({"name": "m8"}, []),
        ({"name": EAN}, []),
        ({"sku": "par-m8-1"}, ["PAR-M8-100"]),
        ({"sku": "PAR-"}, ["PAR-M8-100", "PAR-M8-200"]),
        ({"sku": "POR-"}, []),
        ({"sku": "M8"}, []),
        ({"sku": "%"}, []),
        ({"is_active": "false"}, ["POR_M8"]),
        ({"price_min": "10"}, ["PAR-M8-100", "PAR-M8-200"]),
        ({"price_max": "10.00"}, ["PAR-M8-100", "POR_M8"]),
        ({"price_min": "5.01", "price_max": "19.99"}, ["PAR-M8-100"]),
        ({"price_min": "0"}, ["PAR-M8-100", "PAR-M8-200", "POR_M8"]),
        ({"low_stock": "true"}, ["PAR-M8-100"]),
        ({"low_stock": "false"}, ["PAR-M8-200", "POR_M8"]),
        ({"search": "m8"}, ["PAR-M8-100", "PAR-M8-200", "POR_M8"]),
        ({"search": "m8 paraf"}, ["PAR-M8-100", "PAR-M8-200"]),
        ({"search": "par-m8-2"}, ["PAR-M8-200"]),
        ({"search": EAN[:6]}, ["PAR-M8-100"]),
        ({"search": "longo"}, ["PAR-M8-200"]),
        ({"search": "arafuso"}, []),
        ({"search": "porca", "is_active": "true"}, []),
        ({"sort": "-name"}, ["POR_M8", "PAR-M8-200", "PAR-M8-100"]),
        ({"sort": "price"}, ["POR_M8", "PAR-M8-100", "PAR-M8-200"]),
        ({"sort": "-sku"}, ["POR_M8", "PAR-M8-200", "PAR-M8-100"]),
        ({"sort": "-created_at", "limit": 1}, ["POR_M8"]),
    ],
)
def test_lists_find(api: Api, shelf: None, query: dict[str, Any], expected: list[str]) -> None:
    assert skus(api.get("/products", **query)) == expected


def test_low_in_the_list_is_low_in_the_event(
    api: Api, make_product: Callable[..., Product], place: Callable[..., Order]
) -> None:
    for threshold in (None, 0, 1, 2, 3, 4):
        for on_hand in (0, 3):
            product = make_product(on_hand=on_hand, low_stock_threshold=threshold)
            if on_hand:
                place((product, 1))
    levels = StockLevel.objects.select_related("product")
    low = {
        level.product.sku
        for level in levels
        if is_low(level.on_hand, level.reserved, level.product.low_stock_threshold)
    }
    assert len(low) == 8
    assert set(skus(api.get("/products", low_stock="true"))) == low
    others = set(Product.objects.values_list("sku", flat=True)) - low
    assert set(skus(api.get("/products", low_stock="false"))) == others


def test_a_new_sku_is_found_and_the_old_one_is_not(api: Api, product: Product) -> None:
    api.patch(f"/products/{product.pk}", {"sku": "NEW-1", "gtin": EAN})
    assert skus(api.get("/products", search="new")) == ["NEW-1"]
    assert skus(api.get("/products", search=EAN)) == ["NEW-1"]
    assert skus(api.get("/products", search="sku")) == []


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ({"colour": "red"}, "colour"),
        ({"sort": "on_hand"}, "sort"),
        ({"low_stock": "1"}, "low_stock"),
        ({"is_active": "TRUE"}, "is_active"),
        ({"price_min": "x"}, "price_min"),
        ({"price_min": "-1"}, "price_min"),
        ({"price_min": "NaN"}, "price_min"),
        ({"price_max": "1e3"}, "price_max"),
        ({"price_max": "1.005"}, "price_max"),
        ({"price_max": "999999999"}, "price_max"),
        ({"limit": 101}, "limit"),
        ({"page": 2, "cursor": "x"}, "cursor"),
        ({"sort": "price", "cursor": "WyJwcmljZSIsIjFlNDAwIiwxXQ"}, "cursor"),
        ({"sort": "price", "cursor": "WyJwcmljZSIsIk5hTiIsMV0"}, "cursor"),
        ({"sku": "x" * 65}, "sku"),
        ({"name": "\x00"}, "name"),
    ],
)
def test_wrong_parameters_are_refused_by_name(
    api: Api, product: Product, query: dict[str, Any], pointer: str
) -> None:
    answer = api.get("/products", **query)
    assert (answer.status, answer.code) == (422, "validation_error")
    assert [error["pointer"] for error in answer.body["errors"]] == [pointer]


def test_the_ledger_refuses_wrong_parameters(api: Api, product: Product) -> None:
    for query in ({"kind": "opening"}, {"sort": "id"}, {"cursor": "x"}, {"limit": 0}):
        answer = api.get(f"/products/{product.pk}/movements", **query)
        assert [error["pointer"] for error in answer.body["errors"]] == list(query)


@pytest.mark.parametrize(
    ("wrong", "pointer"),
    [
        ({"sku": ""}, "/sku"),
        ({"sku": "x" * 65}, "/sku"),
        ({"sku": "AÇO"}, "/sku"),
        ({"sku": 5}, "/sku"),
        ({"name": " "}, "/name"),
        ({"name": "x" * 1_000_000}, "/name"),
        ({"name": "a\x00b"}, "/name"),
        ({"price": 10.5}, "/price"),
        ({"price": 10}, "/price"),
        ({"price": "0"}, "/price"),
        ({"price": "0.00"}, "/price"),
        ({"price": "-1"}, "/price"),
        ({"price": "1.005"}, "/price"),
        ({"price": "1e3"}, "/price"),
        ({"price": "1,50"}, "/price"),
        ({"price": "NaN"}, "/price"),
        ({"price": "Infinity"}, "/price"),
        ({"price": "100000000"}, "/price"),
        ({"price": "\u0661"}, "/price"),
        ({"price": None}, "/price"),
        ({"gtin": "4006381333932"}, "/gtin"),
        ({"gtin": 4006381333931}, "/gtin"),
        ({"description": "x" * 5001}, "/description"),
        ({"low_stock_threshold": -1}, "/low_stock_threshold"),
        ({"low_stock_threshold": 1.5}, "/low_stock_threshold"),
        ({"low_stock_threshold": "5"}, "/low_stock_threshold"),
        ({"low_stock_threshold": 2**31}, "/low_stock_threshold"),
        ({"low_stock_threshold": 2**63}, "/low_stock_threshold"),
        ({"on_hand": -1}, "/on_hand"),
        ({"on_hand": 1.0}, "/on_hand"),
        ({"on_hand": True}, "/on_hand"),
        ({"on_hand": 10**12 + 1}, "/on_hand"),
        ({"on_hand": None}, "/on_hand"),
        ({"is_active": 0}, "/is_active"),
        ({"reserved": 1}, "/reserved"),
        ({"id": 1}, "/id"),
    ],
)
def test_wrong_fields_are_refused_by_name_and_change_nothing(
    api: Api, wrong: dict[str, Any], pointer: str
) -> None:
    before = snapshot()
    answer = api.post("/products", body(**wrong))
    assert (answer.status, answer.code) == (422, "validation_error")
    assert [error["pointer"] for error in answer.body["errors"]] == [pointer]
    assert len(str(answer.body)) < 2000
    assert snapshot() == before


def test_integers_too_long_for_any_machine_are_refused(api: Api) -> None:
    raw = b'{"sku": "A", "name": "A", "price": "1", "on_hand": ' + b"9" * 5000 + b"}"
    answer = api.post("/products", raw)
    assert (answer.status, answer.code) == (400, "malformed")
    assert Product.all_objects.count() == 0


@pytest.mark.parametrize("pk", ["0", "-1", "999999", str(2**63 - 1), str(2**63), str(2**70), "1.0"])
@pytest.mark.parametrize(
    ("method", "path"),
    [("get", ""), ("patch", ""), ("delete", ""), ("patch", "/stock"), ("get", "/movements")],
)
def test_ids_that_are_none_are_refused(
    api: Api, product: Product, pk: str, method: str, path: str
) -> None:
    sent = {"": {"name": "X"}, "/stock": {"delta": 1, "reason": "found"}}
    before = snapshot()
    answer = api(method, f"/products/{pk}{path}", sent[path] if method == "patch" else None)
    exists = pk.isdigit() and 1 <= int(pk) < 2**63
    assert answer.status == (404 if exists else 422)
    assert snapshot() == before


@pytest.mark.parametrize(
    ("path", "literal"),
    [
        # session, user, count, ids, rows, levels
        ("/products", 6),
        # and the words
        ("/products?search=product&low_stock=false", 7),
    ],
)
def test_the_list_asks_as_much_for_three_as_for_one(
    api: Api, make_product: Callable[..., Product], path: str, literal: int
) -> None:
    for wanted in (1, 3):
        while Product.objects.count() < wanted:
            make_product()
        with CaptureQueriesContext(connection) as queries:
            answer = api.get(path)
        assert (len(answer.body["items"]), len(queries)) == (wanted, literal)


def test_the_ledger_asks_as_much_for_three_as_for_one(api: Api, product: Product) -> None:
    for wanted in (1, 3):
        while StockMovement.objects.count() < wanted:
            adjust(api, product, delta=1)
        with CaptureQueriesContext(connection) as queries:
            answer = api.get(f"/products/{product.pk}/movements")
        # session, user, product, levels, count, ids, rows, actors
        assert (len(answer.body["items"]), len(queries)) == (wanted, 8)


@pytest.mark.parametrize("sort", ["name", "-name", "sku", "-price", "price", "created_at"])
def test_cursors_show_every_row_once_while_rows_are_added(
    api: Api, make_product: Callable[..., Product], sort: str
) -> None:
    for name, price in (("B", "2"), ("D", "2"), ("D", "1"), ("d", "2.5"), ("é", "9")):
        make_product(name=name, price=price)
    everything = skus(api.get("/products", sort=sort))
    seen: list[str] = []
    query: dict[str, str] = {}
    while True:
        answer = api.get("/products", sort=sort, limit=2, **query)
        seen += skus(answer)
        if answer.body["next_cursor"] is None:
            break
        query = {"cursor": answer.body["next_cursor"]}
        make_product(name="A", price="2")
        assert len(seen) < 40
    assert [sku for sku in seen if sku in everything] == everything
    assert len(seen) == len(set(seen))


def test_counts_stop_at_ten_thousand(api: Api) -> None:
    def fill(numbers: range) -> None:
        Product.objects.bulk_create(
            Product(sku=f"BULK-{number:05d}", name="Bulk", price="1.00") for number in numbers
        )

    fill(range(counting.COUNT_CAP))
    answer = api.get("/products", limit=1)
    assert (answer.body["count"], answer.body["count_capped"]) == (10_000, False)
    fill(range(counting.COUNT_CAP, counting.COUNT_CAP + 2))
    answer = api.get("/products", limit=1)
    assert (answer.body["count"], answer.body["count_capped"]) == (10_000, True)
    last = api.get("/products", limit=100, page=100, sort="sku")
    rest = api.get("/products", limit=100, cursor=last.body["next_cursor"], sort="sku")
    assert skus(rest) == ["BULK-10000", "BULK-10001"]
