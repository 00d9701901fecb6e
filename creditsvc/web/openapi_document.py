"""What ``/openapi.json`` says: OpenAPI 3.1, from the route table and the catalogue, and from nothing else.

Only what makes the document imports this: its models take a tenth of a second that a start need not wait for.
"""

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

from openapi_pydantic import (
    Components,
    Header,
    Info,
    MediaType,
    OpenAPI,
    Operation,
    Parameter,
    PathItem,
    Reference,
    RequestBody,
    Response,
    Schema,
    SecurityScheme,
    Tag,
)
from openapi_pydantic.util import PydanticSchema, construct_open_api_with_schema_class
from pydantic import BaseModel

from creditsvc import __version__
from creditsvc.domain import events
from creditsvc.domain.catalogue import Catalogue
from creditsvc.web import problems
from creditsvc.web.parameters import NO_NUL
from creditsvc.web.routes import Body, Route, Shape
from creditsvc.web.routes import Parameter as RouteParameter
from creditsvc.web.routes import Response as RouteResponse

DESCRIPTION = """\
The credit record of organisations: a traceable history, a score that explains itself, look-ups.

Times are RFC 3339 with an offset. Every list is `{"items": [...], "next": cursor or null}`. Unknown input
fields and query parameters are refused. Every answer that is neither 2xx nor 3xx is a problem document
(RFC 9457). Wherever GET is taken, so is HEAD. GET is open to pages of every origin (CORS).

Limits hold per key, and per address for who sends none. They are kept per worker process: `RateLimit` tells
what the one that answered still grants for certain, and one connection may get no more than its share.
"""
TAGS = {
    "events": "What agencies hand in",
    "entities": "What is on record for an organisation",
    "agencies": "What awaits an agency",
    "lookups": "Many organisations at once",
    "catalogue": "What may be recorded, and by which rules",
    "log": "The log of all events, and what proves that it is not altered",
    "service": "The service itself",
}
KEY = "key"
EVENT: Mapping[str, Any] = {"$ref": "#/components/schemas/Event"}
_RATE_HEADERS = ("RateLimit", "RateLimit-Policy", "X-Request-Id")
_PROBLEM_HEADERS: Mapping[int, tuple[str, ...]] = {
    401: ("WWW-Authenticate",),
    405: ("Allow",),
    429: ("Retry-After",),
    503: ("Retry-After",),
}
_HEADERS: Mapping[str, tuple[str, dict[str, Any]]] = {
    "Allow": ("The methods that the resource takes", {"type": "string"}),
    "RateLimit": ("What is left of the limit (draft-ietf-httpapi-ratelimit-headers)", {"type": "string"}),
    "RateLimit-Policy": ("The limit that holds: so many units in so many seconds", {"type": "string"}),
    "Retry-After": ("After so many seconds send the request again", {"type": "integer", "minimum": 1}),
    "WWW-Authenticate": ("How to send a key", {"type": "string"}),
    "X-Request-Id": (
        "Finds the request in the logs; yours if you sent one that a machine made (hexadecimal, UUID, ULID)",
        {"type": "string", "pattern": "^[A-Za-z0-9-]{16,64}$"},
    ),
}


def document(routes: Iterable[Route], catalogue: Catalogue) -> dict[str, Any]:
    """Make the whole document, as JSON data; pages for people are no part of it."""
    routes = tuple(route for route in routes if not route.page)
    paths: dict[str, PathItem] = {}
    for route in routes:
        item = paths.setdefault(route.path, PathItem())
        setattr(item, route.method.lower(), _operation(route, catalogue))
    api = OpenAPI(
        info=Info(title="creditsvc", version=__version__, description=DESCRIPTION),
        tags=[Tag(name=name, description=text) for name, text in TAGS.items()],
        paths=paths,
        components=_components(routes, catalogue),
    )
    made: dict[str, Any] = construct_open_api_with_schema_class(api).model_dump(
        mode="json", by_alias=True, exclude_none=True, exclude_unset=True
    )
    return {"openapi": "3.1.0", **made}


def _components(routes: tuple[Route, ...], catalogue: Catalogue) -> Components:
    statuses = sorted({status for route in routes for status in route.problems})
    return Components(
        schemas={
            "Event": Schema.model_validate(_event(catalogue)),
            **{name: Schema.model_validate(_event_type(catalogue, name)) for name in catalogue.types},
        },
        responses={f"Problem{status}": _problem(status) for status in statuses},
        headers={
            name: Header(description=text, schema=_schema(schema))
            for name, (text, schema) in _HEADERS.items()
        },
        securitySchemes={
            KEY: SecurityScheme(
                type="http", scheme="bearer", bearerFormat="<key id>.<secret>", description="A key"
            )
        },
    )


def _event(catalogue: Catalogue) -> dict[str, Any]:
    places = {name: f"#/components/schemas/{name}" for name in catalogue.types}
    return {
        "title": "Event",
        "description": "A CloudEvent 1.0 of one of the catalogue's types",
        "oneOf": [{"$ref": place} for place in places.values()],
        "discriminator": {"propertyName": "type", "mapping": places},
    }


def _event_type(catalogue: Catalogue, name: str) -> dict[str, Any]:
    example = events.example(catalogue.types[name])
    schema = events.schema(catalogue, name) | {"examples": [example]}
    schema["properties"]["source"]["examples"] = [example["source"]]
    return schema


def _operation(route: Route, catalogue: Catalogue) -> Operation:
    responses: dict[str, Response | Reference] = {
        str(status): _response(route, one) for status, one in route.responses.items()
    }
    for status in sorted(route.problems):
        responses[str(status)] = _reference("responses", f"Problem{status}")
    return Operation(
        operationId=route.name,
        summary=route.summary,
        description=_description(route),
        tags=[route.tag],
        parameters=[_parameter(one) for one in route.parameters] or None,
        requestBody=_body(route.body, catalogue) if route.body is not None else None,
        responses=responses,
        security=_security(route),
    )


def _description(route: Route) -> str | None:
    who = f"For: {', '.join(sorted(route.roles))}." if route.roles is not None else ""
    return "\n\n".join(part for part in (route.description, who) if part) or None


def _security(route: Route) -> list[dict[str, list[str]]]:
    if route.bare:
        return []
    with_key: dict[str, list[str]] = {KEY: []}
    return [with_key] if route.roles is not None else [{}, with_key]


def _parameter(one: RouteParameter) -> Parameter:
    return Parameter.model_validate(
        {
            "name": one.name,
            "in": one.place,
            "description": one.description,
            "required": one.required or one.place == "path",
            "schema": _schema(_without_nul(one)),
            **({"example": one.example} if one.example is not None else {}),
        }
    )


def _without_nul(one: RouteParameter) -> Mapping[str, Any]:
    """Say of free text in a query what the edge sees to: that it holds no NUL."""
    free = one.place == "query" and one.schema.get("type") == "string"
    return {"pattern": NO_NUL, **one.schema} if free else one.schema


def _body(body: Body, catalogue: Catalogue) -> RequestBody:
    content = {
        media_type: _media(shape, body.examples.get(media_type) or _event_example(shape, catalogue))
        for media_type, shape in body.content.items()
    }
    return RequestBody(description=body.description or None, content=content, required=True)


def _event_example(shape: Shape, catalogue: Catalogue) -> Any:
    """Give the example for a body that is an event or a list of them: the catalogue knows one."""
    example = events.example(catalogue.types["credit.penalty.imposed"])
    if shape == EVENT:
        return example
    return [example] if isinstance(shape, Mapping) and EVENT in _items(shape) else None


def _items(shape: Mapping[str, Any]) -> list[Any]:
    items = shape.get("items", {})
    return [items, *items.get("anyOf", ())]


def _response(route: Route, one: RouteResponse) -> Response:
    headers: dict[str, Header | Reference] = {
        header.name: Header(description=header.description, schema=_schema(header.schema))
        for header in one.headers
    }
    names = ("X-Request-Id",) if route.bare else _RATE_HEADERS
    headers.update(_header_references(names))
    content = {one.media_type: _media(one.content, one.example)} if one.content is not None else None
    return Response(description=one.description, headers=headers, content=content)


def _problem(status: int) -> Response:
    names = (*_PROBLEM_HEADERS.get(status, ()), "X-Request-Id")
    return Response(
        description=HTTPStatus(status).phrase,
        headers=_header_references(names),
        content={
            problems.MEDIA_TYPE: MediaType(schema=_schema(problems.Problem)),
        },
    )


def _header_references(names: Iterable[str]) -> dict[str, Header | Reference]:
    return {name: _reference("headers", name) for name in names}


def _reference(kind: str, name: str) -> Reference:
    return Reference.model_validate({"$ref": f"#/components/{kind}/{name}"})


def _media(shape: Shape, example: Any) -> MediaType:
    media = MediaType(schema=_schema(shape))
    if example is not None:
        media.example = example
    return media


def _schema(shape: Shape) -> Schema | Reference:
    if isinstance(shape, type) and issubclass(shape, BaseModel):
        return PydanticSchema[BaseModel].model_validate({"schema_class": shape})
    if set(shape) == {"$ref"}:
        return Reference.model_validate(shape)
    return Schema.model_validate(shape)
