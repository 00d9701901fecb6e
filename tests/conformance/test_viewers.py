"""Who sees what: every viewer, every kind of record, every route, cell by cell against one literal table."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime

import orjson
import pytest

from creditsvc.settings import Settings
from creditsvc.web.app import ROUTES
from creditsvc.web.routes import Route
from tests.conformance.conftest import Service, served
from tests.conformance.test_accesses import QUERIES
from tests.conformance.test_roles import ALLOWED
from tests.making import SOURCE
from tests.viewing import (
    KINDS,
    PAGES,
    R1,
    VIEWERS,
    WAYS,
    WITH_CASE,
    cell,
    entity_of,
    fill,
    fill_long_ago,
    from_elsewhere,
    name_of,
    shown_by_page,
)

# A letter for each way of asking that tells of the record, in this order; `-` where it tells nothing.
#   P L  profile, look-up      count it, in small letters where the answer is there and does not
#   R    records               list it; small: without who opened its case and who handles it
#   H V E  history, proof, proofs    have its events
#   S W  score, what-if        score it; let a question name it
#   N    search                finds the organisation by what the record calls it
#   F    feed                  shows an event whole; x: tells that it was withdrawn; f: only a leaf
#   C A G  cases, accesses, consents    list its case; who asked; to whom consent was given
TABLE = """
               public            partner           partner with consent  agency
public         P-RHSWN-VE---     PLRHSWNFVE---     PLRHSWNFVE---         PLRHSWNFVE---
minor          -------------     PLRHSWNFVE---     PLRHSWNFVE---         PLRHSWNFVE---
over           -------------     PLRHSWNFVE---     PLRHSWNFVE---         PLRHSWNFVE---
ended          -------------     plRH-WNFVE---     plRH-WNFVE---         plRH-WNFVE---
objected       P-rHSWN-VE---     PLRHSWNFVE---     PLRHSWNFVE---         PLRHSWNFVEC--
revoked        -------------     pl----Nx-----     pl----Nx-----         plRH--NFVE---
repaired       -------------     pl----Nx-----     pl----Nx-----         plRH--NFVE---
shielded       -------------     pl----Nx-----     pl----Nx-----         plRH--NFVE---
disputed       -------------     pl----Nx-----     pl----Nx-----         plRH--NFVEC--
awaited        -------------     pl-----------     pl-----------         plRH---FVE---
tax            -------------     pl----N------     PLRHSWN-VE---         PLRHSWNFVE---
retired        -------------     pl----N------     pl----N------         pl----N------

               another agency    agency with a case    entity            another entity
public         PLRHSWNFVE---     PLRHSWNFVE---         P-RHSWN-VE-AG     P-RHSWN-VE---
minor          PLRHSWNFVE---     PLRHSWNFVE---         P-RHSW--VE-AG     -------------
over           PLRHSWNFVE---     PLRHSWNFVE---         P-RHSW--VE-AG     -------------
ended          plRH-WNFVE---     plRH-WNFVE---         p-RH-W--VE-AG     -------------
objected       PLRHSWNFVE---     PLRHSWNFVEC--         P-RHSWN-VECAG     P-rHSWN-VE---
revoked        pl----Nx-----     pl----Nx-----         p-RH----VE-AG     -------------
repaired       pl----Nx-----     pl----Nx-----         p-RH----VE-AG     -------------
shielded       pl----Nx-----     pl----Nx-----         p-RH----VE-AG     -------------
disputed       pl----Nx-----     plRH--NxVEC--         p-RH----VECAG     -------------
awaited        pl-----------     pl-----------         p-RH----VE-AG     -------------
tax            PLRHSWNFVE---     PLRHSWNFVE---         P-RHSW--VE-AG     -------------
retired        pl----N------     pl----N------         p----------AG     -------------

               auditor           operator
public         P-RHSWNFVE-A-     PLRHSWNFVE-AG
minor          P-RHSWNFVE-A-     PLRHSWNFVE-AG
over           P-RHSWNFVE-A-     PLRHSWNFVE-AG
ended          p-RH-WNFVE-A-     plRH-WNFVE-AG
objected       P-RHSWNFVE-A-     PLRHSWNFVECAG
revoked        p-----Nx---A-     plRH--NFVE-AG
repaired       p-----Nx---A-     plRH--NFVE-AG
shielded       p-----Nx---A-     plRH--NFVE-AG
disputed       p-----Nx---A-     plRH--NFVECAG
awaited        p------f---A-     plRH---FVE-AG
tax            P-RHSWNFVE-A-     PLRHSWNFVE-AG
retired        p-----Nf---A-     pl----N----AG
"""
# Answers about organisations that are no matter of what a record is: the desk is one agency's (test_desk).
ELSEWHERE = {"desk", "desk-page"}
PLENTY = dict.fromkeys(("agency_per_minute", "partner_per_minute", "other_per_minute"), 1_000_000)
QUOTA = 60  # of each address: a unit comes back in a second, so that the hundredth part of one shows
OWN = frozenset({"date", "x-request-id", "ratelimit"})  # headers that differ from answer to answer


def expected() -> dict[tuple[str, str], str]:
    found = {}
    for block in TABLE.strip("\n").split("\n\n"):
        heads, *rows = block.splitlines()
        viewers = [head.strip() for head in heads.split("  ") if head.strip()]
        for row in rows:
            kind, *cells = row.split()
            found |= {(kind, viewer): one for viewer, one in zip(viewers, cells, strict=True)}
    return found


@pytest.fixture(scope="module")
async def filled(make_database) -> AsyncIterator[Service]:
    """Every kind of record, and a limit for each address that a request says it comes from."""
    async with AsyncExitStack() as stack:
        settings = Settings(
            workers=1,
            drain_timeout_s=1,
            feed_wait_max_s=0.05,
            trust_forwarded=True,
            anonymous_per_minute=QUOTA,
            **PLENTY,
        )
        dsn = await make_database()
        await fill_long_ago(dsn)
        service = await stack.enter_async_context(served(dsn, settings))
        await fill(service)
        yield service


def test_the_table_is_whole():
    assert set(expected()) == {(kind, viewer) for kind in KINDS for viewer in VIEWERS}
    assert {name for name, query in QUERIES.items() if query.about} == {*WAYS, *PAGES, *ELSEWHERE}


@pytest.mark.parametrize("viewer", VIEWERS)
@pytest.mark.parametrize("kind", KINDS)
async def test_each_viewer_is_told_what_the_table_says_by_every_route(filled: Service, kind, viewer):
    assert await cell(filled, kind, viewer) == expected()[kind, viewer]


@pytest.mark.parametrize("viewer", VIEWERS)
@pytest.mark.parametrize("kind", KINDS)
async def test_a_page_tells_what_the_interface_tells(filled: Service, kind, viewer):
    at_work = viewer in {"operator", "entity"} or "agency" in viewer
    for name, (letters, _) in PAGES.items():
        told = not set(letters).isdisjoint(expected()[kind, viewer])
        if name == "case-page":
            told = told and at_work and kind in WITH_CASE
        assert await shown_by_page(filled, kind, viewer, name) == told, name


# Whom the public is told nothing of, and one that nothing is on record of, with identifiers of one length.
SILENT = [kind for kind in KINDS if expected()[kind, "public"].strip("-") == ""]
# Of the others something was public for a moment, which `as_of` that moment still tells.
NEVER = ["minor", "over", "awaited", "tax", "retired"]
UNKNOWN = "usdot:799999"


def paths(route: Route, entity: str) -> list[str]:
    """Each way of asking by a route for one organisation: now, and as of instants that have passed."""
    path = route.path.replace("{entity}", entity).replace("{sequence}", "1").replace("{client}", "partner")
    given = [R1] if "record" in route.query_names else [""]
    if "as_of" in route.query_names:
        given += [
            f"as_of={at}" for at in ("2026-01-01T00:00:00Z", datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))
        ]
    if "limit" in route.query_names:
        given += ["limit=1"]
    if "model" in route.query_names:
        given += ["model=cn-tax-rating"]
    return [f"{path}?{query}" if query else path for query in given]


BODIES = {
    "score-what-if": {"revoked": [{"record": "R1", "source": SOURCE}]},
    "consent-give": {},
}


async def told(service: Service, method: str, path: str, entity: str, body=None):
    """All that an answer tells, the charge too: each request comes from an address of its own."""
    headers = from_elsewhere()
    if body is not None:
        headers["Content-Type"] = "application/json"
    data = None if body is None else orjson.dumps(body)
    async with service.session.request(method, path, data=data, headers=headers) as answer:
        content = (await answer.read()).replace(entity.encode(), b"usdot:n")
        content = content.replace(entity.partition(":")[2].encode(), b"n")
        content = content.replace(answer.headers["X-Request-Id"].encode(), b"request")
        left = answer.headers["RateLimit"].split(";")[1]
        named = {name: value for name, value in answer.headers.items() if name.lower() not in OWN}
        return answer.status, content, named, left


ABOUT_ONE = [route for route in ROUTES if "{entity}" in route.path]


@pytest.mark.parametrize("route", ABOUT_ONE, ids=lambda route: route.name)
async def test_the_public_cannot_tell_nothing_public_from_nothing_on_record(filled: Service, route: Route):
    body = BODIES.get(route.name)
    refused = 404 if "public" in ALLOWED[route.name] else 401
    for method in {route.method, "HEAD"} if route.method == "GET" else {route.method}:
        for unknown in paths(route, UNKNOWN):
            answer = await told(filled, method, unknown, UNKNOWN, body)
            assert answer[0] == refused
            for kind in NEVER if "as_of" in unknown else SILENT:
                path = unknown.replace(UNKNOWN, entity_of(kind))
                assert await told(filled, method, path, entity_of(kind), body) == answer, (method, path, kind)


async def test_nor_by_a_search(filled: Service):
    answer = await told(filled, "GET", "/v1/entities?name=Organisation%20Nowhere", UNKNOWN)
    assert answer[0] == 200
    for kind in NEVER:
        name = name_of(kind).replace(" ", "%20")
        assert await told(filled, "GET", f"/v1/entities?name={name}", UNKNOWN) == answer, kind


def test_no_other_route_answers_the_public_about_organisations():
    asked = {name for name, query in QUERIES.items() if query.about and "public" in ALLOWED[name]}
    assert asked <= {"search", *(route.name for route in ABOUT_ONE)}
    assert len(SILENT) >= 9
