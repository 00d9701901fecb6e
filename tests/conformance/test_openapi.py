"""openapi.json says what the routes do: nothing missing, nothing made up, every example good."""

from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import orjson
import pytest
from openapi_pydantic import OpenAPI

from creditsvc.domain import catalogue
from creditsvc.web import openapi_document
from creditsvc.web.app import ROUTES
from tests.conformance.conftest import Service

CATALOGUE = catalogue.load()
INTERFACE = tuple(route for route in ROUTES if not route.page)
API = openapi_document.document(ROUTES, CATALOGUE)
OPERATIONS = {
    (method.upper(), path): operation
    for path, item in API["paths"].items()
    for method, operation in item.items()
}


def schemas(node: Any) -> Iterator[dict[str, Any]]:
    """Every schema anywhere in a part of the document."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key in {"schema", "items"} and isinstance(value, dict):
                yield value
            if key in {"schemas", "properties"} and isinstance(value, dict):
                yield from value.values()
            yield from schemas(value)
    elif isinstance(node, list):
        for value in node:
            yield from schemas(value)


def validator(schema: dict[str, Any]) -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator(schema | {"components": API["components"]})


def resolved(node: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in node:
        found: Any = API
        for part in node["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        node = found
    return node


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def test_it_is_openapi_3_1():
    OpenAPI.model_validate(API)
    assert API["openapi"] == "3.1.0"


def test_it_has_the_routes_and_no_others():
    assert set(OPERATIONS) == {(route.method, route.path) for route in INTERFACE}
    names = [route.name for route in INTERFACE]
    assert sorted(names) == sorted(operation["operationId"] for operation in OPERATIONS.values())
    assert len(names) == len(set(names))


@pytest.mark.parametrize("route", INTERFACE, ids=lambda route: route.name)
def test_an_operation_says_what_its_route_takes_and_gives(route):
    operation = OPERATIONS[route.method, route.path]
    parameters = {(one["name"], one["in"]) for one in operation.get("parameters", [])}
    assert parameters == {(one.name, one.place) for one in route.parameters}
    assert {f"{{{name}}}" for name, place in parameters if place == "path"} == {
        part for part in route.path.split("/") if part.startswith("{")
    }
    assert set(operation.get("requestBody", {}).get("content", {})) == set(
        route.body.content if route.body else {}
    )
    statuses = {str(status) for status in {*route.responses, *route.problems}}
    assert set(operation["responses"]) == statuses
    assert not {*route.responses} & route.problems
    open_to_all = {} in operation["security"] or not operation["security"]
    assert open_to_all == (route.roles is None)
    assert {tag["name"] for tag in API["tags"]} >= set(operation["tags"])
    for status in route.problems:
        problem = resolved(operation["responses"][str(status)])
        assert list(problem["content"]) == ["application/problem+json"]


def test_every_reference_leads_somewhere():
    for reference in set(references(API)):
        assert resolved({"$ref": reference}) is not None


def test_every_schema_is_one():
    for schema in {orjson.dumps(one): one for one in schemas(API)}.values():
        validator(schema)


@pytest.mark.parametrize("name", sorted(CATALOGUE.types))
def test_every_event_type_has_its_schema(name):
    schema = API["components"]["schemas"][name]
    assert schema["properties"]["type"]["const"] == name
    assert {"$ref": f"#/components/schemas/{name}"} in API["components"]["schemas"]["Event"]["oneOf"]
    assert API["components"]["schemas"]["Event"]["discriminator"]["mapping"][name].endswith(name)


def test_every_example_is_good():
    for operation in OPERATIONS.values():
        media = list(operation.get("requestBody", {}).get("content", {}).values())
        for response in operation["responses"].values():
            media += resolved(response).get("content", {}).values()
        for one in [*media, *operation.get("parameters", [])]:
            if "example" in one:
                validator(one["schema"]).validate(one["example"])
    for schema in API["components"]["schemas"].values():
        for example in schema.get("examples", []):
            validator(schema).validate(example)


def test_whoever_sends_a_body_finds_an_example():
    for (method, path), operation in OPERATIONS.items():
        if "requestBody" in operation:
            assert any("example" in one for one in operation["requestBody"]["content"].values()), (
                method,
                path,
            )


async def test_it_is_served_as_made(service: Service):
    async with service.session.get("/openapi.json") as answer:
        assert answer.content_type == "application/json"
        assert await answer.json() == API
