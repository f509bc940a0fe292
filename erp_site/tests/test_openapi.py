"""The document of the API: valid, complete, and good enough to make clients from."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from django.conf import settings
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012
from schemathesis.specs.openapi.definitions import OPENAPI_31_VALIDATOR

from erp_site.api import api
from erp_site.core.problems import CONTENT_TYPE
from orders.states import OrderStatus

DOCUMENT: Final[dict[str, Any]] = json.loads(json.dumps(api.get_openapi_schema()))
OPERATIONS: Final[dict[str, dict[str, Any]]] = {
    f"{method.upper()} {path}": operation
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
}
every_operation = pytest.mark.parametrize("name", OPERATIONS)


def resolved(part: dict[str, Any]) -> dict[str, Any]:
    """What a `$ref` points to; anything else as it is."""
    while "$ref" in part:
        target: Any = DOCUMENT
        for step in part["$ref"].removeprefix("#/").split("/"):
            target = target[step]
        part = target
    return part


def validator(schema: dict[str, Any]) -> Draft202012Validator:
    """Of a part of the document, whose references go to the whole."""
    registry = Registry().with_resource(
        "urn:api", Resource.from_contents(_absolute(DOCUMENT), DRAFT202012)
    )
    return Draft202012Validator(
        _absolute(schema), registry=registry, format_checker=Draft202012Validator.FORMAT_CHECKER
    )


def _absolute(part: Any) -> Any:
    return json.loads(json.dumps(part).replace('"#/components', '"urn:api#/components'))


def nodes(part: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(part, dict):
        yield path, part
        for key, value in part.items():
            yield from nodes(value, f"{path}/{key}")
    elif isinstance(part, list):
        for index, value in enumerate(part):
            yield from nodes(value, f"{path}/{index}")


def test_it_is_valid_openapi_3_1() -> None:
    assert DOCUMENT["openapi"] == "3.1.0"
    assert [str(error) for error in OPENAPI_31_VALIDATOR.iter_errors(DOCUMENT)] == []


def test_no_limit_is_written_in_words_that_clients_pass_over() -> None:
    """JSON Schema ignores what it does not know: Pydantic's own words in the document would bind nobody."""
    words = {"ge", "gt", "le", "lt", "min_length", "max_length", "multiple_of", "max_digits"}
    schemas = (it for it in nodes(DOCUMENT) if not it[0].endswith("/properties"))
    assert [(path, words & node.keys()) for path, node in schemas if words & node.keys()] == []


def test_it_is_what_the_api_serves(client: Any) -> None:
    answer = client.get("/api/v1/openapi.json")
    assert (answer.status_code, answer.headers["Content-Type"], answer.json()) == (
        200,
        "application/json",
        DOCUMENT,
    )


def test_the_committed_document_is_this_one() -> None:
    committed = Path(settings.BASE_DIR, "docs", "openapi.json").read_text(encoding="utf-8")
    assert json.loads(committed) == DOCUMENT, "run `make docs`"


def test_every_reference_leads_somewhere() -> None:
    references = [node["$ref"] for _path, node in nodes(DOCUMENT) if "$ref" in node]
    assert references
    for reference in references:
        assert resolved({"$ref": reference})


def test_nothing_is_declared_that_nobody_uses() -> None:
    used = {node["$ref"] for _path, node in nodes(DOCUMENT) if "$ref" in node}
    declared = {
        f"#/components/{kind}/{name}"
        for kind in ("schemas", "responses", "headers")
        for name in DOCUMENT["components"][kind]
    }
    assert declared - used == set()


@pytest.mark.parametrize(
    "schema",
    [pytest.param(schema, id=path) for path, schema in nodes(DOCUMENT) if "schema" in schema],
)
def test_every_inline_schema_is_valid(schema: dict[str, Any]) -> None:
    Draft202012Validator.check_schema(schema["schema"])


@pytest.mark.parametrize("name", DOCUMENT["components"]["schemas"])
def test_names_read_well_and_schemas_are_valid(name: str) -> None:
    assert name.isidentifier()
    assert "_" not in name
    Draft202012Validator.check_schema(DOCUMENT["components"]["schemas"][name])


def test_operation_ids_are_unique_and_chosen() -> None:
    ids = [operation["operationId"] for operation in OPERATIONS.values()]
    assert sorted(set(ids)) == sorted(ids)
    assert [it for it in ids if not it.isidentifier() or "_api_" in it] == []


@every_operation
def test_every_operation_says_what_it_does(name: str) -> None:
    operation = OPERATIONS[name]
    assert len(operation["tags"]) == 1
    assert operation["tags"][0] in {tag["name"] for tag in DOCUMENT["tags"]}
    assert 3 <= len(operation["summary"]) <= 60
    assert operation["summary"][0].isupper()
    assert operation["description"]


@every_operation
def test_every_error_is_a_problem_with_an_example(name: str) -> None:
    responses = OPERATIONS[name]["responses"]
    errors = {status: resolved(it) for status, it in responses.items() if status >= "400"}
    assert errors
    for status, error in errors.items():
        assert list(error["content"]) == [CONTENT_TYPE]
        content = error["content"][CONTENT_TYPE]
        assert content["schema"] == {"$ref": "#/components/schemas/Problem"}
        assert content["example"]["status"] == int(status)
        assert ("Retry-After" in error["headers"]) == (status in {"429", "503"})


@every_operation
def test_every_operation_declares_what_its_kind_can_answer(name: str) -> None:
    operation, method = OPERATIONS[name], name.split(maxsplit=1)[0]
    expected = {"422", "429", "503"}
    if "requestBody" in operation:
        expected |= {"400", "413", "415"}
    if "{" in name:
        expected |= {"404"}
    if "security" in operation:
        expected |= {"401", "403"}
        if method == "GET":
            expected |= {"304"}
    assert expected - operation["responses"].keys() == set()


@every_operation
def test_every_success_has_a_typed_body_or_none(name: str) -> None:
    for status, answer in OPERATIONS[name]["responses"].items():
        if status in {"200", "201"}:
            schema = answer["content"]["application/json"]["schema"]
            shapes = schema.get("anyOf", [schema])
            assert [list(shape) for shape in shapes] == [["$ref"]] * len(shapes)
        elif status in {"204", "304"}:
            assert "content" not in answer
        if status == "201" and name.endswith(("/orders", "/customers", "/products")):
            assert next(iter(answer["headers"])) == "Location"
        if status < "400" and status != "304":
            assert "X-Request-ID" in answer["headers"]


@every_operation
def test_every_body_is_a_named_closed_schema_with_an_example(name: str) -> None:
    body = OPERATIONS[name].get("requestBody")
    if body is None:
        return
    assert list(body["content"]) == ["application/json"]
    assert body["required"] is True
    schema = body["content"]["application/json"]["schema"]
    for shape in schema.get("oneOf", [schema]):
        assert list(shape) == ["$ref"]
        named = resolved(shape)
        assert named["additionalProperties"] is False
        assert named["examples"]


@every_operation
def test_parameters_are_never_null_and_stand_where_they_are_sent(name: str) -> None:
    parameters = OPERATIONS[name]["parameters"]
    assert len({(it["in"], it["name"]) for it in parameters}) == len(parameters)
    in_path = [it["name"] for it in parameters if it["in"] == "path"]
    assert in_path == [part[1:-1] for part in name.split("/") if part.startswith("{")]
    for parameter in parameters:
        assert [node for _p, node in nodes(parameter) if node.get("type") == "null"] == []
        assert "title" not in parameter["schema"]
        assert parameter["required"] is (
            parameter["in"] == "path" or parameter["name"] == "X-CSRFToken"
        )
        if parameter["in"] == "path":
            assert (parameter["schema"]["minimum"], parameter["schema"]["maximum"]) == (
                1,
                2**63 - 1,
            )


def test_fields_are_optional_or_null_only_where_it_means_something() -> None:
    """Answers have all their fields, null is an answer of its own; what came later is there where it says something."""
    later = {
        "AmendedLineOut.unit_price",
        "CustomerOut.price_list_id",
        "ItemOut.list_price",
        "MeOut.discount_limit",
        "QuoteItemOut.list_price",
        "UserOut.discount_limit",
    }
    bodies = {"Problem", "FieldProblem"} | {
        name for name in DOCUMENT["components"]["schemas"] if name.endswith(("In", "Patch"))
    }
    optional = {
        f"{name}.{field}"
        for name, schema in DOCUMENT["components"]["schemas"].items()
        if name not in bodies and not name.startswith("Stock")
        for field in schema.get("properties", {}).keys() - set(schema.get("required", []))
    }
    pages = {f"{n}.page" for n in DOCUMENT["components"]["schemas"] if n.endswith("Page")}
    assert optional == pages | later


def examples() -> Iterator[Any]:
    for path, node in nodes(DOCUMENT):
        if "properties" in node or "type" in node or "anyOf" in node:
            for index, example in enumerate(node.get("examples", [])):
                yield pytest.param(node, example, id=f"{path}#{index}")
        if "schema" in node and "example" in node:
            yield pytest.param(node["schema"], node["example"], id=path)


@pytest.mark.parametrize(("schema", "example"), list(examples()))
def test_examples_fit_their_schemas(schema: dict[str, Any], example: Any) -> None:
    assert [error.message for error in validator(schema).iter_errors(example)] == []


def test_one_set_of_values_has_one_name() -> None:
    """A client with OrderOutStatus, OrderRowStatus and HistoryOutToStatus would be no help to anybody."""
    inline = [
        path
        for path, node in nodes(DOCUMENT["components"]["schemas"])
        if "enum" in node and path.count("/") > 1
    ]
    assert inline == []
    assert DOCUMENT["components"]["schemas"]["OrderStatus"]["enum"] == OrderStatus.values


def test_changes_by_cookie_declare_the_csrf_token() -> None:
    schemes = DOCUMENT["components"]["securitySchemes"]
    assert set(schemes) == {"JWTAuth", "CookieAuth", "MachineAuth", "CsrfToken"}
    for name, operation in OPERATIONS.items():
        for way in operation.get("security", []):
            if "CookieAuth" in way:
                assert ("CsrfToken" in way) == (not name.startswith("GET")), name
