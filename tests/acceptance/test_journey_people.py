"""Identifiers of people: refused at every door, and repeated in no answer, no log and no table."""

import random
from datetime import date, timedelta
from urllib.parse import quote

import pytest
from stdnum.cn import ric

from creditsvc.domain.identifiers import uscc
from tests.chance import SEED
from tests.interface import JSON, problem
from tests.making import raw
from tests.processes import ONE


def resident_id(chance: random.Random, region: str) -> str:
    """A resident identity number of GB 11643 that nobody bears: the birth date lies before 1850."""
    born = date(1801, 1, 1) + timedelta(days=chance.randrange(17_000))
    body = f"{region}{born:%Y%m%d}{chance.randrange(1000):03d}"
    return body + ric.calc_check_digit(body + "0")


def people(chance: random.Random) -> dict[str, str]:
    """Numbers of persons who do not exist, each the kind that is easily taken for an organisation's."""
    passing = ""
    while not passing:
        candidate = resident_id(chance, "310101")
        if uscc._code_check(candidate) == candidate[17]:
            passing = candidate
    trader = f"92350100MA{chance.randrange(10**6):06d}"
    organisation = trader + uscc._organisation_check(trader + "0" * 2)
    return {
        "trader": organisation + uscc._code_check(organisation + "0"),
        "passing": passing,
        "resident": resident_id(chance, "440301"),
        "mobile": f"139{chance.randrange(10**8):08d}",
    }


@pytest.fixture(scope="module")
def numbers():
    return people(random.Random(SEED))


def subjects_of(numbers):
    return [f"uscc:{numbers[kind]}" for kind in ("trader", "passing", "resident")]


def texts_of(numbers):
    number, mobile = numbers["resident"], numbers["mobile"]
    return [
        *(f"当事人身份证号{number}，已核实", f"联系电话{mobile}", number),
        f"{number[:6]} {number[6:14]} {number[14:]}",
    ]


@pytest.fixture
async def unseen(api, numbers, shared_service):
    """What a person's number is in nowhere, whatever a test did with it: answers, logs, tables."""
    yield
    hidden = [value.encode() for value in (*numbers.values(), *texts_of(numbers))]
    hidden += [value.lower() for value in hidden]
    logs = [shared_service.log, *shared_service.data_dir.glob("postgresql.log*")]
    assert len(logs) == 2
    async with shared_service.database() as connection:
        tables = [
            repr(await connection.fetch(f"select * from {table}")).encode()  # noqa: S608  names of ours
            for table in ("event", "record", "entity", "entity_name", "event_identity", "log_pending")
        ]
    assert len(api.answers) > 10
    for where in (*api.answers, *(log.read_bytes() for log in logs), *tables):
        assert not any(value in where for value in hidden)


@pytest.mark.usefixtures("unseen")
async def test_people_are_refused_in_events(api, subject, numbers):
    refused = [raw("honour.granted", subject=named) for named in subjects_of(numbers)]
    for text in texts_of(numbers):
        refused += [
            raw("penalty.imposed", subject=subject, title=text),
            raw("penalty.imposed", text, subject=subject),
            raw("penalty.imposed", subject=subject, id=text),
            raw("penalty.imposed", subject=subject, authority={"name": text}),
            raw("record.corrected", subject=subject, reason="x", changes={"title": text}),
        ]
    for event in refused:
        assert problem(await api.push("agency", event), 422, "natural-person")["errors"]
    results = (await api.push("agency", refused)).document["results"]
    assert {result["problem"]["type"] for result in results} == {"/problems/natural-person"}
    problem(await api.get("partner", f"/v1/entities/{subject}"), 404, "entity-unknown")


@pytest.mark.usefixtures("unseen")
async def test_people_are_not_repeated_by_refusals_for_other_reasons(api, subject, numbers):
    """A number in the name of a member, in a type, in a source, and where else nobody looks for it."""
    number, mobile = numbers["resident"], numbers["mobile"]
    fine = raw("penalty.imposed", subject=subject)
    strange = [
        fine | {number: 1},
        fine | {"data": fine["data"] | {number: number, f"x{mobile}": {}}},
        fine | {"data": fine["data"] | {"amount": {"value": number, "currency": mobile}}},
        fine | {"data": fine["data"] | {"severity": number, "decided_on": mobile}},
        fine | {"data": number},
        fine | {"type": f"credit.{number}.x"},
        fine | {"time": number},
        fine | {"specversion": mobile},
        fine | {"subject": f"cpf:{number}"},
        fine | {"subject": number},
        fine | {"source": f"urn:agency:{number}"},
        fine | {"dataschema": f"https://example.org/{number}"},
        number,
        [number],
        {"id": number, "source": number},
    ]
    for event in strange:
        answer = await api.push("agency", event)
        assert answer.status in {400, 403, 422} or "rejected" in answer.body.decode()
    results = (await api.push("agency", strange)).document["results"]
    assert {result["status"] for result in results} == {"rejected"}
    for kind in (f"text/{number}", f"{ONE}; charset={number}"):
        assert (await api.ask("agency", "POST", "/v1/events", strange[0], kind)).status >= 400


@pytest.mark.usefixtures("unseen")
async def test_people_cannot_be_looked_up(api, subject, numbers):
    number, mobile = numbers["resident"], numbers["mobile"]
    for named in subjects_of(numbers):
        for path in ("", "/records", "/history"):
            problem(await api.get("partner", f"/v1/entities/{named}{path}"), 422, "natural-person")
            assert (await api.ask("public", "HEAD", f"/v1/entities/{named}{path}")).status == 422
    asked = {"entities": [*subjects_of(numbers), number]}
    results = (await api.ask("partner", "POST", "/v1/lookups", asked, JSON)).document["results"]
    assert [(result["entity"], result["found"]) for result in results] == [(None, False)] * 4
    assert [result["problem"]["status"] for result in results[:3]] == [422] * 3
    for text in texts_of(numbers):
        problem(await api.get("public", f"/v1/entities?name={quote(text)}"), 422, "natural-person")
    for path in (
        f"/v1/entities?name=公司&cursor={number}",
        f"/v1/entities/{subject}?as_of={number}",
        f"/v1/entities/{subject}/records?type={number}",
        f"/v1/entities/{subject}/records?limit={mobile}",
        f"/v1/entities/{subject}/history?{number}=1",
        f"/v1/{number}",
        f"/{number}?{mobile}",
        f"/problems/{number}",
    ):
        for method in ("GET", "POST", "DELETE"):
            assert (await api.ask("public", method, path)).status >= 400
    path = f"/v1/entities/{subject}"
    await api.get("public", path, X_Request_Id=number, User_Agent=mobile, Referer=number)
    await api.get("public", path, If_None_Match=f'"{number}"', Accept=number, Cookie=number)
    await api.get("public", path, Authorization=f"Bearer {number}.{number}")
