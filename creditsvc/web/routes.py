"""The route table: what each resource module exports, what the server serves, what openapi.json says.

One table for all three, so that they cannot drift apart. A module writes::

    ROUTES = (
        Route(
            "GET", "/v1/entities/{entity}", profile, name="entity-profile", tag="entities",
            summary="The profile of one organisation",
            parameters=(ENTITY, AS_OF),
            responses={200: Response("The profile as this caller may see it", Profile, headers=(ETAG,))},
        ),
    )

Problem responses are not written down per route: ``Route.problems`` derives those that can occur.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from aiohttp import web
from pydantic import BaseModel

JSON = "application/json"

Schema = Mapping[str, Any]
"""A JSON Schema (2020-12), as OpenAPI 3.1 takes it."""

Shape = type[BaseModel] | Schema
"""What a body looks like: a pydantic model (named under components) or a schema written out."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Role = Literal["public", "agency", "partner", "entity", "auditor", "operator"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One input in the path, the query or a header. The query takes no name that its route does not list."""

    name: str
    description: str
    schema: Schema
    place: Literal["path", "query", "header"] = "query"
    required: bool = False  # one in the path always is
    example: Any = None
    problems: frozenset[int] = frozenset()  # the statuses of what only this input is refused with
    slashes: bool = False  # one in the path that takes in all that is left of it


@dataclass(frozen=True, slots=True)
class Body:
    """What a route takes: a shape for each media type, and for each an example that works."""

    content: Mapping[str, Shape]
    description: str = ""
    examples: Mapping[str, Any] = field(default_factory=dict)  # by media type


@dataclass(frozen=True, slots=True)
class Header:
    """A header of an answer."""

    name: str
    description: str
    schema: Schema = field(default_factory=lambda: {"type": "string"})


@dataclass(frozen=True, slots=True)
class Response:
    """What comes back with one status; no shape means no body."""

    description: str
    content: Shape | None = None
    headers: tuple[Header, ...] = ()
    media_type: str = JSON
    example: Any = None


@dataclass(frozen=True, slots=True)
class Route:
    """One operation of the interface.

    ``roles``: who may call it; None lets in everyone, without a key too. ``also_problems``: the statuses
    of refusals that only this route gives (409, 422 of a body that reads well but breaks a rule).
    """

    method: str
    path: str
    handler: Handler
    name: str  # the operationId: unique, for good
    summary: str
    tag: str = "service"
    description: str = ""
    roles: frozenset[Role] | None = None
    parameters: tuple[Parameter, ...] = ()
    body: Body | None = None
    responses: Mapping[int, Response] = field(default_factory=dict)
    also_problems: frozenset[int] = frozenset()
    bare: bool = False  # neither asks who is calling nor counts it: for probes
    page: bool = False  # for people: no part of the interface, and refuses in words

    @property
    def problems(self) -> frozenset[int]:
        """The statuses that this route may answer with a problem document."""
        if self.bare:
            return frozenset({400, 405, 500} | self.also_problems)
        found = {400, 401, 405, 429, 500, 503} | self.also_problems
        if self.roles is not None:
            found |= {403}
        for parameter in self.parameters:
            found |= parameter.problems
        if self.body is not None:
            found |= {408, 413, 415, 422}
        return frozenset(found)

    @property
    def pattern(self) -> str:
        """The path as the router takes it."""
        found = self.path
        for parameter in self.parameters:
            if parameter.slashes:
                found = found.replace(f"{{{parameter.name}}}", f"{{{parameter.name}:.+}}")
        return found

    @property
    def query_names(self) -> frozenset[str]:
        return frozenset(parameter.name for parameter in self.parameters if parameter.place == "query")


ROUTE: web.RequestKey[Route] = web.RequestKey("route", Route)
