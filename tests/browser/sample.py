"""Sample data for pictures of pages: the catalogue's examples, told of an organisation that is none."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import orjson

from creditsvc.domain.parties import party
from creditsvc.ledger.statistics import Statistics
from creditsvc.settings import Settings
from creditsvc.store import embedded
from creditsvc.store.clients import name_agency
from creditsvc.store.database import connect, sequence_pool
from tests.bench.organisations import code
from tests.making import CATALOGUE, ENTITY, raw
from tests.processes import BATCH, Service
from tests.sequencing import settled

AGENCY, AGENCY_NAME = "urn:agency:cn-fj-samr", "福建省市场监督管理局"
NAME = "福州市鼓楼区示例食品有限公司"
PENALTY, OLDER, OBJECTION, REPAIR = (
    "榕市监罚〔2026〕3号",
    "榕市监罚〔2025〕12号",
    "YY-2026-0007",
    "XF-2026-0031",
)
OTHERS = 24


@dataclass(slots=True)
class Sample:
    """What the pictures are of: the service, and the keys to sign in with."""

    service: Service
    keys: dict[str, str] = field(default_factory=dict)
    number: str = ""  # of the organisation's report


def example(kind: str, record: str | None, **given: Any) -> dict[str, Any]:
    """Make an event as the catalogue's example has it, but for what is given."""
    data = dict(CATALOGUE.types[f"credit.{kind}"].example) | given
    data = {name: value for name, value in data.items() if name != "record" and value is not None}
    if "entity_name" in data:
        data["entity_name"] = given.get("entity_name", NAME)
    return raw(kind, record, id=f"sample/{kind}/{record}", source=AGENCY, **data)


def days_ago(days: int) -> str:
    """Give a day that stays as far back as what follows from it asks for, such as repair."""
    return (datetime.now(UTC).date() - timedelta(days=days)).isoformat()


def records() -> Iterator[dict[str, Any]]:
    yield example("registration.changed", None, status="active", entity_name=NAME)
    yield example("licence.granted", "榕市监食许〔2024〕88号")
    yield example("honour.granted", "榕信用〔2025〕3号")
    terms = {"public_until": None, "decided_on": days_ago(200), "severity": "general"}
    yield example("penalty.imposed", OLDER, **terms)
    terms |= {"decided_on": days_ago(60), "severity": "serious", "title": "经营过期食品案"}
    yield example("penalty.imposed", PENALTY, **terms)
    yield example("commitment.made", "CN-2025-0091")
    yield example("commitment.fulfilled", "CN-2025-0091")
    yield example("abnormal.listed", "榕市监异列〔2025〕56号")
    yield example("abnormal.removed", "榕市监异列〔2025〕56号")
    place = {
        "activity": "餐饮服务",
        "authority": {"name": "示例市市场监督管理局"},
        "site": {"name": "示例食品总店"},
    }
    yield example("inspection.completed", "榕检〔2026〕17号", outcome="excellent", **place)
    for place in range(OTHERS):
        kind = ("penalty.imposed", "licence.granted", "inspection.completed")[place % 3]
        name = f"示例{'甲乙丙丁戊己庚辛'[place % 8]}{'东南西北'[place % 4]}商贸有限公司"
        yield example(kind, f"S-{place}", entity_name=name) | {"subject": f"uscc:{code(place)}"}


def cases() -> Iterator[dict[str, Any]]:
    """Say what the organisation says: that one record is wrong, and that what another tells is put right."""
    for kind, record, case in (
        ("objection.opened", PENALTY, {"objection": OBJECTION}),
        ("repair.applied", OLDER, {"repair": REPAIR}),
    ):
        yield example(kind, record, record_source=AGENCY, **case) | {"source": party(ENTITY)}


async def fill(sample: Sample) -> None:
    """Enter the sample, and have everything counted that a page counts."""
    service = sample.service
    sample.keys = {
        "agency": await service.key("agency", sources=[AGENCY], client_id="示例市场监管"),
        "entity": await service.key("entity", entity=ENTITY, client_id="示例食品"),
        "operator": await service.key("operator", client_id="operator"),
    }
    async with embedded.server(Settings(data_dir=service.data_dir), own=False) as dsn:
        connection = await connect(dsn)
        await name_agency(connection, AGENCY, AGENCY_NAME)
        await connection.close()
        await _push(service, sample.keys["agency"], [*records()])
        for one in cases():
            who = "entity" if one["source"] == party(ENTITY) else "agency"
            await _push(service, sample.keys[who], [one])
        await settled(dsn)
        async with await sequence_pool(dsn, Settings()) as pool:
            counting = Statistics(pool, grades_every=timedelta(0))
            await counting.begin()
            while await counting.count_events():
                pass
            await counting.count_grades()


async def _push(service: Service, key: str, sent: list[dict[str, Any]]) -> None:
    headers = {"Authorization": f"Bearer {key}", "Content-Type": BATCH}
    async with (
        aiohttp.ClientSession(service.url, headers=headers) as session,
        session.post("/v1/events", data=orjson.dumps(sent)) as answer,
    ):
        told = await answer.json(content_type=None)
        wrong = [one for one in told.get("results", [told]) if one.get("status") != "accepted"]
        if wrong:
            raise RuntimeError(f"the sample is refused: {wrong[0]}")
