"""Organisations with one record each, of every kind, and what each way of asking tells a viewer of it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import orjson
import pytest

from creditsvc.store.clients import create_key
from creditsvc.store.database import connect
from tests.conformance.conftest import Service
from tests.erasing import THEN, clock_at
from tests.making import OTHER_SOURCE, SOURCE, event, ledger, raw
from tests.sequencing import settled

PARTNER, CONSENTED = "partner", "partner with consent"
VIEWERS = (
    *("public", PARTNER, CONSENTED, "agency", "another agency", "agency with a case"),
    *("entity", "another entity", "auditor", "operator"),
)
HANDLER = "urn:agency:cn-bj-samr"  # of the cases on what is objected to, which were referred to it
LONG = 120  # events of a hidden history, which would show in what is charged for folding it
LATELY = (datetime.now(UTC) - timedelta(days=9)).date().isoformat()
PENALTY = ("penalty.imposed", {"severity": "serious", "decided_on": LATELY})
OBJECTED = ("objection.opened", {"objection": "O1", "ground": "wrong"})
REFERRED = ("objection.decided", {"objection": "O1", "decision": "referred", "to": HANDLER})
_addresses = count(1)
MODELS = {"tax": "cn-tax-rating"}  # scored by this model; all others by the official one

# One organisation each; its only record is R1, which its agency handed in.
KINDS: dict[str, tuple[tuple[str, dict[str, Any]], ...]] = {
    "public": (PENALTY,),
    "minor": (("penalty.imposed", {"severity": "minor", "decided_on": LATELY}),),
    "over": (
        (
            "penalty.imposed",
            {"severity": "general", "decided_on": "2025-06-01", "public_until": "2026-01-01"},
        ),
    ),
    "ended": (("abnormal.listed", {}), ("abnormal.removed", {})),
    "objected": (PENALTY, OBJECTED, REFERRED),
    "revoked": (PENALTY, ("record.revoked", {"reason": "撤销"})),
    "repaired": (PENALTY, ("record.repaired", {})),
    "disputed": (PENALTY, OBJECTED, REFERRED, ("record.shielded", {"reason": "重整"})),
    "awaited": (("record.corrected", {"reason": "更正", "changes": {"title": "改"}}),) * LONG,
    "shielded": (PENALTY, ("record.shielded", {"reason": "重整"})),
    "tax": (("tax.indicated", {"indicator": "010101", "occurrences": 3, "decided_on": "2026-04-20"}),),
    "retired": (("penalty.imposed", {"severity": "minor", "decided_on": "2010-01-01"}),),
}
NUMBERS = {kind: 700_001 + n for n, kind in enumerate(KINDS)}


def entity_of(kind: str) -> str:
    return f"usdot:{NUMBERS[kind]}"


def name_of(kind: str) -> str:
    return f"Organisation {kind.title()}"


async def fill_long_ago(dsn: str) -> None:
    """Have on record what was over long ago: before there was a log, and before the service starts."""
    ((kind, data),) = KINDS["retired"]
    with clock_at(THEN, pytest.MonkeyPatch):
        async with ledger(dsn) as (writer, _):
            named = {"subject": entity_of("retired"), "entity_name": name_of("retired")}
            (taken,) = await writer.submit([event(kind, "R1", **named, **data)])
            assert taken.status == "accepted"


async def fill(service: Service) -> None:
    """Have every kind on record, in the log, and a key for every viewer."""
    connection = await connect(service.dsn)
    for name, role, given in (
        (PARTNER, "partner", {}),
        (CONSENTED, "partner", {}),
        ("agency", "agency", {"sources": [SOURCE]}),
        ("another agency", "agency", {"sources": [OTHER_SOURCE]}),
        ("agency with a case", "agency", {"sources": [HANDLER]}),
        ("another entity", "entity", {"entity": "usdot:999999"}),
        *((f"entity {kind}", "entity", {"entity": entity_of(kind)}) for kind in KINDS),
        *(("auditor", "auditor", {}), ("operator", "operator", {})),
    ):
        service.keys[name] = await create_key(connection, role, client_id=name.replace(" ", "-"), **given)
    await connection.close()
    for kind, events in KINDS.items():
        named = {} if kind == "awaited" else {"entity_name": name_of(kind)}
        opening, *rest = events
        made = [(opening[0], {**opening[1], **named}), *rest]
        if kind != "retired":
            await push(service, [raw(name, "R1", subject=entity_of(kind), **data) for name, data in made])
        given = f"/v1/entities/{entity_of(kind)}/consents/{CONSENTED.replace(' ', '-')}"
        status, _ = await ask(service, f"entity {kind}", given, "PUT", {})
        assert status == 200
    await settled(service.dsn)


async def push(service: Service, events: list[dict[str, Any]]) -> None:
    headers = service.headers("agency") | {"Content-Type": "application/cloudevents-batch+json"}
    async with service.session.post("/v1/events", data=orjson.dumps(events), headers=headers) as answer:
        results = orjson.loads(await answer.read())["results"]
        assert {one["status"] for one in results} == {"accepted"}, results


def from_elsewhere() -> dict[str, str]:
    """What makes a request come from an address of its own, whose limit nothing was spent of yet."""
    number = next(_addresses)
    return {"X-Forwarded-For": f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"}


async def ask(
    service: Service, viewer: str, path: str, method: str = "GET", body: Any = None
) -> tuple[int, Any]:
    headers = service.headers(viewer) | from_elsewhere()
    if body is not None:
        headers["Content-Type"] = "application/json"
    data = None if body is None else orjson.dumps(body)
    async with service.session.request(method, path, data=data, headers=headers) as answer:
        content = await answer.read()
        told = orjson.loads(content) if answer.content_type.endswith("json") else content
        return answer.status, told


@dataclass(frozen=True)
class Asked:
    """Who asks about which kind of record."""

    service: Service
    kind: str
    viewer: str

    async def get(self, rest: str = "", method: str = "GET", body: Any = None) -> Any:
        """Ask about the organisation; null where that is refused, or nothing is on record."""
        return await self.at(f"/v1/entities/{entity_of(self.kind)}{rest}", method, body)

    async def at(self, path: str, method: str = "GET", body: Any = None) -> Any:
        key = f"entity {self.kind}" if self.viewer == "entity" else self.viewer
        status, told = await ask(self.service, key, path, method, body)
        assert status == 200 or status in {401, 403, 404}, (status, told)
        return told if status == 200 else None


def _counted(profile: Any, letter: str) -> str:
    """A letter for a profile that counts the record or its objection; a small one for one that does not."""
    if profile is None:
        return "-"
    shown = any(profile["standing"].values()) or profile["objections"] or profile["score"]["factors"]
    return letter if shown else letter.lower()


async def profile(asked: Asked) -> str:
    return _counted(await asked.get(), "P")


async def lookups(asked: Asked) -> str:
    told = await asked.at("/v1/lookups", "POST", {"entities": [entity_of(asked.kind)]})
    return "-" if told is None else _counted(told["results"][0].get("profile"), "L")


async def records(asked: Asked) -> str:
    """`R` with those who have its case, `r` without."""
    told = await asked.get("/records")
    if told is None or not told["items"]:
        return "-"
    (item,) = told["items"]
    return "r" if any("by" not in case or "handler" not in case for case in item["cases"]) else "R"


async def history(asked: Asked) -> str:
    told = await asked.get("/history")
    return "-" if told is None or not told["items"] else "H"


async def score(asked: Asked) -> str:
    model = MODELS.get(asked.kind)
    told = await asked.get("/score" if model is None else f"/score?model={model}")
    return "-" if told is None or not told["contributions"]["items"] else "S"


async def what_if(asked: Asked) -> str:
    """Whether the record may be named in a question."""
    body = {"revoked": [{"record": "R1", "source": SOURCE}]}
    key = f"entity {asked.kind}" if asked.viewer == "entity" else asked.viewer
    path = f"/v1/entities/{entity_of(asked.kind)}/score/what-if"
    status, _ = await ask(asked.service, key, path, "POST", body)
    assert status in {200, 400, 404}
    return "W" if status == 200 else "-"


async def search(asked: Asked) -> str:
    told = await asked.at(f"/v1/entities?name={name_of(asked.kind).replace(' ', '%20')}")
    return "N" if any(item["entity"] == entity_of(asked.kind) for item in told["items"]) else "-"


async def feed(asked: Asked) -> str:
    """`F` where an event is shown whole, `f` where only a leaf is, `x` where it is told to be withdrawn."""
    told = await asked.at(f"/v1/log/events?entity={entity_of(asked.kind)}")
    if told is None or not told["items"]:
        return "-"
    ways = [way for item in told["items"] for way in ("event", "withdrawn", "leaf") if way in item]
    return "F" if "event" in ways else "x" if "withdrawn" in ways else "f"


async def proof(asked: Asked) -> str:
    return "-" if await asked.get("/history/1/proof") is None else "V"


async def proofs(asked: Asked) -> str:
    told = await asked.get("/proofs")
    return "-" if told is None or not told["items"] else "E"


async def cases(asked: Asked) -> str:
    told = await asked.get("/cases")
    return "-" if told is None or not told["items"] else "C"


async def accesses(asked: Asked) -> str:
    return "-" if await asked.get("/accesses") is None else "A"


async def consents(asked: Asked) -> str:
    return "-" if await asked.get("/consents") is None else "G"


# Every route that answers about organisations, by its name, in the order of the letters of a cell.
WAYS: dict[str, Callable[[Asked], Awaitable[str]]] = {
    "profile": profile,
    "lookups": lookups,
    "records": records,
    "history": history,
    "score": score,
    "score-what-if": what_if,
    "search": search,
    "feed": feed,
    "proof": proof,
    "proofs": proofs,
    "cases": cases,
    "accesses": accesses,
    "consents": consents,
}


R1 = f"record=R1&source={SOURCE}"
# The pages that tell of the record, each with the letters of whose answer it stands beside.
PAGES = {
    "event-page": ("V", "/events/1"),
    "event-evidence": ("V", "/events/1/evidence"),
    "objection-page": ("Rr", f"/objection?{R1}"),
    "repair-page": ("Rr", f"/repair?{R1}"),
    "cases-page": ("C", "/cases"),
    "case-page": ("Rr", f"/case?{R1}&kind=objection&number=O1"),
}
WITH_CASE = frozenset({"objected", "disputed"})


async def shown_by_page(service: Service, kind: str, viewer: str, name: str) -> bool:
    """Whether a page tells of the record."""
    key = f"entity {kind}" if viewer == "entity" else viewer
    status, content = await ask(service, key, f"/entities/{entity_of(kind)}{PAGES[name][1]}")
    assert status == 200 or status in {401, 403, 404}, (status, content)
    return status == 200 and (name != "cases-page" or b"/case?" in content)


async def cell(service: Service, kind: str, viewer: str) -> str:
    asked = Asked(service, kind, viewer)
    return "".join([await way(asked) for way in WAYS.values()])
