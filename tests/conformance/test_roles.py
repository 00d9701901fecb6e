"""Who may do what: every route for every role, so that a new route cannot forget to say."""

import pytest

from creditsvc.store.clients import create_key, revoke_key
from creditsvc.store.database import connect
from creditsvc.web.app import ROUTES
from creditsvc.web.routes import Route
from tests.conformance.conftest import ROLES, Service
from tests.making import ENTITY, OTHER_ENTITY, SOURCE

EVERYONE = frozenset({"public", *ROLES})
AGENCY = frozenset({"agency"})
AGAIN = ("check", "send", "rejected")

# Written out here once more, and not derived: widening a route's roles has to be done in two places.
ALLOWED = {
    "push-events": frozenset({"agency", "entity"}),
    "lookups": frozenset({"agency", "partner", "operator"}),
    "feed": frozenset({"agency", "partner", "auditor", "operator"}),
    "profile": EVERYONE,
    "records": EVERYONE,
    "history": EVERYONE,
    "accesses": frozenset({"entity", "auditor", "operator"}),
    "desk": frozenset({"agency", "operator"}),
    "cases": frozenset({"agency", "entity", "operator"}),
    "consents": frozenset({"entity", "operator"}),
    "consent-give": frozenset({"entity"}),
    "consent-withdraw": frozenset({"entity"}),
    "search": EVERYONE,
    "proof": EVERYONE,
    "proofs": EVERYONE,
    "log-checkpoint": EVERYONE,
    "log-tile": EVERYONE,
    "log-consistency": EVERYONE,
    "log-verifier": EVERYONE,
    "log-identity": EVERYONE,
    "score": EVERYONE,
    "score-what-if": EVERYONE,
    "models": EVERYONE,
    "catalogue": EVERYONE,
    "openapi": EVERYONE,
    "docs": EVERYONE,
    "problem": EVERYONE,
    "livez": EVERYONE,
    "readyz": EVERYONE,
    "metrics": EVERYONE,
    "home-page": EVERYONE,
    "organisation-page": EVERYONE,
    "about-page": EVERYONE,
    "methods-page": EVERYONE,
    "statistics-page": EVERYONE,
    "operator-page": frozenset({"operator"}),
    "asset": EVERYONE,
    "report-page": EVERYONE,
    "report-pdf": EVERYONE,
    "report-check": EVERYONE,
    "report-check-page": EVERYONE,
    "report-style": EVERYONE,
    "sign-in-page": EVERYONE,
    "sign-in": EVERYONE,
    "sign-out": EVERYONE,
    "objection-page": EVERYONE,
    "objection-form": frozenset({"agency", "entity"}),
    "repair-page": EVERYONE,
    "repair-form": frozenset({"agency", "entity"}),
    "event-page": EVERYONE,
    "event-evidence": EVERYONE,
    "desk-page": frozenset({"agency", "operator"}),
    "cases-page": frozenset({"agency", "entity", "operator"}),
    "case-page": frozenset({"agency", "entity", "operator"}),
    "case-form": frozenset({"agency", "entity"}),
    **dict.fromkeys(("hand-in-page", "hand-in-template", "hand-in-check", "hand-in-rejected"), AGENCY),
    **dict.fromkeys(("hand-in-send", *(f"hand-in-{what}-again" for what in AGAIN)), AGENCY),
}
EXAMPLES = {
    "entity": (ENTITY, OTHER_ENTITY),
    "client": ("partner",),
    "slug": ("malformed",),
    "sequence": ("1",),
    "name": ("site.css",),
    "number": ("uscc:91350100M000100Y43-065W",),
    "level": ("0",),
    "tile": ("000.p/1",),
    "agency": (SOURCE,),  # that of another is refused by its name: test_desk
}


def test_every_route_stands_in_the_matrix():
    assert {route.name for route in ROUTES} == set(ALLOWED)


def paths(route: Route) -> list[str]:
    """The route with every example of what its path may name: an own object, and a foreign one."""
    found = [route.path]
    for parameter in route.parameters:
        if parameter.place == "path":
            name = "{" + parameter.name + "}"
            found = [path.replace(name, value) for path in found for value in EXAMPLES[parameter.name]]
    return found


@pytest.mark.parametrize("role", sorted(EVERYONE))
@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
async def test_a_role_may_do_what_the_matrix_says(service: Service, route: Route, role: str):
    for path in paths(route):
        async with service.session.request(route.method, path, headers=service.headers(role)) as answer:
            if role in ALLOWED[route.name]:
                assert answer.status not in {401, 403}
            else:
                assert answer.status == (401 if role == "public" else 403)


async def test_a_key_that_was_revoked_opens_nothing(service: Service):
    connection = await connect(service.dsn)
    key = await create_key(connection, "agency", sources=[SOURCE], client_id="agency:revoked")
    await revoke_key(connection, key.partition(".")[0])
    await connection.close()
    for route in ROUTES:
        async with service.session.request(
            route.method, paths(route)[0], headers={"Authorization": f"Bearer {key}"}
        ) as answer:
            assert answer.status == (401 if not route.bare else answer.status), route.name
            assert answer.status != 500
