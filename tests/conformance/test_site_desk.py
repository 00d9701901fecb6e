"""The desk and its cases: what waits, each legal move by its form, and what is told where one is not."""

import asyncio
from datetime import UTC, date, datetime, timedelta
from urllib.parse import quote, urlencode

import orjson
import pytest

from creditsvc.domain.parties import party
from creditsvc.ledger.calendars import CHINA, kept
from creditsvc.store.clients import create_key, name_agency
from creditsvc.store.database import connect
from tests.browsing import Browser, Page
from tests.conformance.conftest import Serve, Service, with_keys
from tests.conformance.test_desk import push
from tests.making import CATALOGUE, ENTITY, OTHER_SOURCE, SOURCE, raw

RESIDENT = "11010519491231002X"  # the example of GB 11643
MARKUP = "<script>alert(1)</script>\"'&"
ONE = f"/entities/{ENTITY}"
OLD = (datetime.now(UTC).date() - timedelta(days=200)).isoformat()
OWN = party(ENTITY)


def at(number: str, kind: str = "objection") -> str:
    return f"{ONE}/case?{urlencode({'record': 'P1', 'source': SOURCE, 'kind': kind, 'number': number})}"


OBJECTION, REPAIR = at("O1"), at("R1", "repair")


@pytest.fixture
async def running(serve: Serve) -> Service:
    """A penalty with an objection and an application for repair of its organisation's."""
    service = await with_keys(await serve())
    connection = await connect(service.dsn)
    for role, source in [("other", OTHER_SOURCE), ("stranger", "urn:agency:fr-dgal")]:
        service.keys[role] = await create_key(connection, "agency", client_id=role, sources=[source])
    await name_agency(connection, SOURCE, "天津市市场监督管理委员会")
    await connection.close()
    terms = {"decided_on": OLD, "category": "罚款", "severity": "general", "title": "Penalty"}
    await push(service, raw("penalty.imposed", "P1", entity_name="Hats <b>", **terms))
    own = {"source": OWN, "record_source": SOURCE}
    await push(
        service,
        raw("objection.opened", "P1", objection="O1", ground="wrong", reason="It is 5,000", **own),
        raw("repair.applied", "P1", repair="R1", **own),
        role="entity",
    )
    return service


async def last(service: Service):
    async with service.session.get(
        f"/v1{ONE}/history?limit=100", headers=service.headers("operator")
    ) as answer:
        return orjson.loads(await answer.read())["items"][-1]["event"]


async def act(browser: Browser, path: str, name: str, **typed: str) -> Page:
    page = await browser.get(path)
    assert name in page.acts(), page.acts()
    return await browser.send(page, page.form(act=name), **typed)


@pytest.mark.parametrize("language", ["en", "zh"])
async def test_the_desk_is_what_waits_with_its_clocks(running: Service, language):
    async with Browser(running.url, language) as browser:
        page = await browser.sign_in(running.keys["agency"])
        told = {
            "en": ("2 on this page", "5 working days left", "3 working days left", "Decide the objection"),
            "zh": ("本页 2 件", "还剩 5 个工作日", "还剩 3 个工作日", "处理异议", "天津市市场监督管理委员会"),
        }
        assert [one for one in told[language] if one not in page.text] == []
        assert kept()[CHINA].known_until.isoformat() in page.text
        due = date.fromisoformat(_first_due(page))
        assert due > datetime.now(UTC).date()
        assert "Hats &lt;b&gt;" in page.html
        cases = [link for link in page.links if "/case?" in link]
        assert len(cases) == 2
        assert (await browser.get(cases[0])).status == 200
        for query, count in [("kind=repair", 1), ("overdue=true", 0), ("overdue=false&kind=objection", 1)]:
            found = await browser.get(f"/desk?{query}")
            assert len([link for link in found.links if "/case?" in link]) == count
        assert (await browser.get("/desk?kind=other")).status == 400


def _first_due(page: Page) -> str:
    return page.html.partition('class="due">')[2][:10]


async def test_what_is_overdue_is_said_in_words(running: Service):
    connection = await connect(running.dsn)
    await connection.execute("update open_case set due = now() - interval '9 days', certain = false")
    await connection.close()
    async with Browser(running.url) as browser:
        page = await browser.sign_in(running.keys["agency"])
        assert "overdue by" in page.text
        assert "may move" in page.text


async def test_an_operator_reads_every_desk_and_acts_on_none(running: Service):
    async with Browser(running.url) as browser:
        await browser.sign_in(running.keys["operator"])
        page = await browser.get("/desk")
        of_person = await browser.get(f"/desk?agency={RESIDENT}")
        assert (of_person.status, RESIDENT in of_person.html) == (422, False)
        unknown = await browser.get(f"/desk?agency={quote(MARKUP)}")
        assert unknown.tags.count("script") == 1
        assert "No agency is known here by this source" in unknown.text
        assert f'<option value="{SOURCE}">天津市市场监督管理委员会' in page.html
        page = await browser.get(f"/desk?agency={quote(SOURCE)}")
        assert "You may read here, and not act" in page.text
        assert len([link for link in page.links if "/case?" in link]) == 2
        page = await browser.get(OBJECTION)
        assert page.acts() == set()
        assert "It is 5,000" in page.text
        out = next(form for form in page.forms if form.action == "/sign-out")
        assert (await browser.ask("POST", OBJECTION, out.fields, Origin=running.url)).status == 403


async def test_of_anothers_desk_an_agency_gets_nothing(running: Service):
    async with Browser(running.url, "zh") as browser:
        await browser.sign_in(running.keys["other"])
        page = await browser.get(f"/desk?agency={quote(SOURCE)}")
        assert (page.status, "无权办理" in page.text) == (403, True)
        page = await browser.get(OBJECTION)
        assert page.acts() == set()
        assert "It is 5,000" not in page.html, "nor what the organisation wrote"
        await push(running, raw("record.revoked", "P1", reason="in error"))
        assert (await browser.get(OBJECTION)).status == 404


MOVES = {
    ("agency", "objection"): {"accept", "upheld", "refused", "referred"},
    ("agency", "repair"): {"accept", "ask", "refuse", "grant"},
    ("entity", "objection"): {"withdraw"},
    ("entity", "repair"): {"withdraw"},
    ("stranger", "objection"): set(),
    ("stranger", "repair"): set(),
}


@pytest.mark.parametrize(("role", "kind"), MOVES)
async def test_each_is_offered_the_moves_that_are_theirs(running: Service, role, kind):
    async with Browser(running.url) as browser:
        await browser.sign_in(running.keys[role])
        assert (await browser.get(OBJECTION if kind == "objection" else REPAIR)).acts() == MOVES[role, kind]


async def test_an_objection_goes_its_whole_way_by_forms(running: Service):
    async with Browser(running.url) as agency, Browser(running.url, "zh") as entity:
        await agency.sign_in(running.keys["agency"])
        await entity.sign_in(running.keys["entity"])
        assert (await act(agency, OBJECTION, "accept")).status == 201
        assert (await agency.get(OBJECTION)).acts() == {"upheld", "refused", "referred"}
        page = await act(agency, OBJECTION, "refused", reason="")
        assert (page.status, "A refusal has its reasons" in page.text) == (422, True)
        page = await agency.send(page, page.form(act="refused"), reason="It is right")
        assert (page.status, page.text.count("O1") > 0) == (201, True)
        assert (await entity.get(OBJECTION)).acts() == {"appeal"}
        assert "申请复核" in (await entity.get(f"{ONE}/cases")).text
        assert (await act(entity, OBJECTION, "appeal", reason="It is not")).status == 201
        assert (await act(agency, OBJECTION, "upheld", reason="A digit")).status == 201
        assert (await last(running))["data"] == {
            "record": "P1",
            "objection": "O1",
            "decision": "upheld",
            "reason": "A digit",
        }
        assert (await agency.get(OBJECTION)).acts() == {"correct", "revoke"}
        page = await act(
            agency, OBJECTION, "correct", reason="A digit", changes__title="Other", changes__category=""
        )
        assert page.status == 201, page.text
        event = await last(running)
        assert (event["type"], event["data"]["changes"]) == (
            "credit.record.corrected",
            {"title": "Other", "category": None},
        )
        page = await agency.get(OBJECTION)
        for told in (
            "Objection opened",
            "It is 5,000",
            "It is right",
            "It is not",
            "The organisation itself",
        ):
            assert told in page.text
        assert (await act(agency, OBJECTION, "revoke", reason="All of it")).status == 201
        assert (await entity.get(OBJECTION)).acts() == set()


async def test_an_application_goes_its_whole_way_by_forms(running: Service):
    async with Browser(running.url) as agency, Browser(running.url) as entity:
        await agency.sign_in(running.keys["agency"])
        await entity.sign_in(running.keys["entity"])
        assert (await act(agency, REPAIR, "ask", reason="The receipt")).status == 201
        assert "O1" in (await agency.get("/desk")).text
        assert "R1" not in (await agency.get("/desk")).text, "it waits for the applicant"
        assert (await entity.get(REPAIR)).acts() == {"supplement", "withdraw"}
        assert (await act(entity, REPAIR, "supplement", evidence__0__reference="Receipt 1")).status == 201
        assert (await act(agency, REPAIR, "accept")).status == 201
        assert (await agency.get(REPAIR)).acts() == {"extend", "deny", "grant"}
        assert (await act(agency, REPAIR, "extend", reason="A visit")).status == 201
        page = await agency.get(REPAIR)
        assert page.acts() == {"deny", "grant"}
        assert "17 working days left" in page.text
        assert (await act(agency, REPAIR, "grant", reason="All done")).status == 201
        event = await last(running)
        assert event["type"] == "credit.record.repaired"
        assert event["data"] == {"record": "P1", "repair": "R1", "reason": "All done"}
        assert (await agency.get(REPAIR)).acts() == set()
        assert "granted" in (await entity.get(REPAIR)).text


@pytest.mark.parametrize("name", ["deny", "refuse"])
async def test_an_application_is_refused_with_reasons(running: Service, name):
    async with Browser(running.url) as browser:
        await browser.sign_in(running.keys["agency"])
        if name == "deny":
            assert (await act(browser, REPAIR, "accept")).status == 201
        page = await act(browser, REPAIR, name)
        assert (page.status, "This field is required" in page.text) == (422, True)
        assert (await browser.send(page, page.form(act=name), reason="Not done")).status == 201
        assert (await browser.get(REPAIR)).acts() == set()


async def test_an_objection_is_referred_to_an_agency_that_has_not_had_it(running: Service):
    async with Browser(running.url) as browser:
        await browser.sign_in(running.keys["agency"])
        page = await browser.get(OBJECTION)
        form = page.form(act="referred")
        assert set(form.options["to"]) == {"", OTHER_SOURCE, "urn:agency:fr-dgal"}
        assert "to" in form.required
        for to, status in [
            ("", 422),
            ("urn:agency:nobody", 422),
            (SOURCE, 409),
            (RESIDENT, 422),
            (OTHER_SOURCE, 201),
        ]:
            page = await browser.send(await browser.get(OBJECTION), form, to=to, reason="Theirs")
            assert page.status == status, to
            assert RESIDENT not in page.html
        assert (await last(running))["data"]["to"] == OTHER_SOURCE
        assert (await browser.get(OBJECTION)).acts() == set()
    async with Browser(running.url) as browser:
        await browser.sign_in(running.keys["other"])
        assert (await act(browser, OBJECTION, "upheld", reason="So it is")).status == 201
        assert (await last(running))["data"]["record_source"] == SOURCE
        assert (await browser.get(OBJECTION)).acts() == set(), "the record is its holder's to put right"


@pytest.mark.parametrize(("language", "told"), [("en", "that cannot follow"), ("zh", "他人已先行办理")])
async def test_what_another_decided_first_is_told_in_words(running: Service, language, told):
    async with Browser(running.url, language) as first, Browser(running.url, language) as second:
        await first.sign_in(running.keys["agency"])
        await second.sign_in(running.keys["agency"])
        late = await second.get(OBJECTION)
        assert (await act(first, OBJECTION, "refused", reason="It is right")).status == 201
        page = await second.send(late, late.form(act="upheld"), reason="Mine & <b>other</b>")
        assert (page.status, told in page.text) == (409, True)
        assert {"en": "State: refused", "zh": "状态：不成立"}[language] in page.text, "as it is now"
        assert "It is right" in page.text
        assert page.acts() == set()


async def test_two_at_once_come_to_one_decision(running: Service):
    async with Browser(running.url) as browser:
        await browser.sign_in(running.keys["agency"])
        page = await browser.get(OBJECTION)
        sent = [browser.send(page, page.form(act=name), reason="so") for name in ("upheld", "refused")] * 1
        statuses = sorted(one.status for one in await asyncio.gather(*sent))
        assert statuses == [201, 409]


async def test_a_move_sent_twice_is_made_once(running: Service):
    async with Browser(running.url) as browser:
        await browser.sign_in(running.keys["agency"])
        page = await browser.get(OBJECTION)
        sent = [await browser.send(page, page.form(act="upheld"), reason="so") for _ in range(2)]
        assert [one.status for one in sent] == [201, 200]


async def test_markup_and_persons_numbers_in_the_fields_of_a_move(running: Service):
    async with Browser(running.url) as browser:
        await browser.sign_in(running.keys["agency"])
        page = await act(browser, OBJECTION, "refused", reason=RESIDENT, note=MARKUP)
        assert page.status == 422
        assert RESIDENT not in page.html
        form = page.form(act="refused")
        assert (form.fields["reason"], form.fields["note"]) == ("", MARKUP)
        page = await browser.send(page, form, reason=MARKUP)
        assert page.status == 201
        page = await browser.get(OBJECTION)
        assert MARKUP in page.text
        assert page.tags.count("script") == 1
        for name in ("", "open", MARKUP, "grant"):
            found = await browser.send(page, next(f for f in page.forms if f.action == "/sign-out"), act=name)
            assert found.status in {200, 303}
        await browser.sign_in(running.keys["agency"])
        token = (await browser.get("/desk")).forms[0].fields["token"]
        for name in ("", "open", MARKUP, "grant", RESIDENT):
            page = await browser.ask("POST", OBJECTION, {"token": token, "act": name}, Origin=running.url)
            assert page.status == 400
            assert not name or name not in page.html or name in {"open", "grant"}


async def test_a_correction_changes_what_was_changed_alone(running: Service):
    async with Browser(running.url) as browser:
        await browser.sign_in(running.keys["agency"])
        await act(browser, OBJECTION, "upheld")
        form = (await browser.get(OBJECTION)).form(act="correct")
        known = CATALOGUE.types["credit.penalty.imposed"]
        assert form.fields["changes.title"] == "Penalty"
        assert "changes.severity" in form.required
        assert "changes.record" not in form.fields
        assert {name.split(".")[1] for name in form.fields if name.startswith("changes.")} < (
            known.required | known.optional
        )
        page = await act(browser, OBJECTION, "correct", reason="Nothing")
        assert page.status == 422
        money = {"changes__amount": "5000.00", "changes__amount__currency": "CNY"}
        page = await act(browser, OBJECTION, "correct", reason="Amount", **money)
        assert page.status == 201
        assert (await last(running))["data"]["changes"] == {"amount": {"value": "5000.00", "currency": "CNY"}}
        page = await act(browser, OBJECTION, "correct", reason="x", changes__decided_on="2026-02-30")
        assert (page.status, "no such day" in page.text) == (422, True)
        assert page.form(act="correct").fields["changes.decided_on"] == "2026-02-30"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (at("O9"), 404),
        (at("O1", "repair"), 404),
        (at("O1", "other"), 400),
        (at(RESIDENT), 404),
        (f"{ONE}/case", 400),
        ("/entities/siren:552081317/cases", 404),
        (at("O1").replace(ENTITY, "siren:552081317"), 404),
    ],
)
async def test_a_case_that_is_not_there_or_not_ones_own(running: Service, path, status):
    async with Browser(running.url) as browser:
        await browser.sign_in(running.keys["entity"])
        page = await browser.get(path)
        assert page.status == status
        assert RESIDENT not in page.html


async def test_who_looked_is_written_down(running: Service):
    async with Browser(running.url) as browser:
        await browser.sign_in(running.keys["agency"])
        for path in (OBJECTION, f"{ONE}/events/2"):
            assert (await browser.get(path)).status == 200
    headers = running.headers("entity")
    async with running.session.get(f"/v1{ONE}/accesses", headers=headers) as answer:
        items = orjson.loads(await answer.read())["items"]
    assert [item["asked"] for item in items if item["role"] == "agency"] == [
        "event-page",
        "case-page",
        "desk-page",
    ]
