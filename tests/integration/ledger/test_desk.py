"""The rows of the desk: kept with the records, counted anew when a calendar grows, checked by fsck."""

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta

import pytest

from creditsvc.domain.parties import party
from creditsvc.domain.workdays import Calendar
from creditsvc.ledger import desk, fsck, measures, open_cases, reckoning
from creditsvc.ledger.accounts import SQL
from creditsvc.ledger.calendars import CHINA
from creditsvc.ledger.pages import Cursor
from creditsvc.ledger.receipts import Receipt
from creditsvc.ledger.reckoning import Reckoning
from creditsvc.settings import Settings
from creditsvc.store.database import append_pool, lookup_pool
from tests.checking import back_dating_clock, owner
from tests.making import ENTITY, OTHER_ENTITY, OTHER_SOURCE, RULES, SOURCE, event, ledger
from tests.processes import PATIENCE_S

PENALTY = event("penalty.imposed", "P1", decided_on="2026-01-05", severity="general")
EVIDENCE = [{"reference": "receipt 7"}]


APPLICANTS = {"opened", "appealed", "withdrawn", "applied", "supplemented"}


def moved(kind, move, record, given):
    """A move by whose it is: the organisation's own, or the agency's that holds the record."""
    subject = given.get("subject", ENTITY)
    said = {"source": party(subject), "record_source": SOURCE} if move in APPLICANTS else {}
    return event(f"{kind}.{move}", record, **(said | given))


def objected(move="opened", number="O1", record="P1", **data):
    given = {"ground": "wrong"} if move == "opened" else {}
    return moved("objection", move, record, {"objection": number} | given | data)


def applied(move="applied", number="X1", **data):
    given = {"commitment": "we keep the law", "evidence": EVIDENCE} if move == "applied" else {}
    return moved("repair", move, "P1", {"repair": number} | given | data)


@pytest.fixture
async def agencies(database):
    """A database that knows two agencies, so that one may refer cases to the other."""
    async with owner(database) as connection:
        await connection.execute(
            "insert into agency (source, name) values ($1, 'a'), ($2, 'b')", SOURCE, OTHER_SOURCE
        )
    return database


async def rows(dsn):
    async with owner(dsn) as connection:
        return await connection.fetch("select * from open_case order by kind, number, entity_id")


async def steps(dsn):
    return [(row["number"], row["handler"], row["step"], row["awaits"]) for row in await rows(dsn)]


async def entered(dsn, *events):
    """Enter events, each in a transaction of its own; none may be refused."""
    async with ledger(dsn) as (writer, _):
        for one in events:
            (outcome,) = await writer.submit([one])
            assert isinstance(outcome, Receipt), outcome


async def faults(dsn):
    return await fsck.check(dsn, progress=lambda done, total: None)


@asynccontextmanager
async def pools(dsn):
    settings = Settings()
    async with await append_pool(dsn, settings) as appending, await lookup_pool(dsn, settings) as looking:
        yield appending, looking


async def test_a_clock_runs_from_the_opening_to_the_end_of_a_case(database):
    await entered(database, PENALTY)
    assert await rows(database) == []
    await entered(database, objected())
    (row,) = await rows(database)
    assert (row["entity_id"], row["record"], row["source"]) == (ENTITY, "P1", SOURCE)
    assert (row["step"], row["awaits"], row["ground"]) == ("decide", "agency", "wrong")
    assert row["since"] == row["opened_at"] < row["due"]
    assert (row["days"], row["counted"]) == (5, "working-days")
    await entered(database, objected(number="O2"))
    assert [number for number, *_ in await steps(database)] == ["O1", "O2"]
    await entered(database, objected("withdrawn"))
    assert [number for number, *_ in await steps(database)] == ["O2"]
    await entered(database, objected("decided", "O2", decision="refused", reason="as decided"))
    assert await steps(database) == [("O2", SOURCE, "appeal", "applicant")]
    assert await faults(database) == []


async def test_a_case_moves_to_the_desk_of_the_agency_that_it_is_referred_to(agencies):
    await entered(agencies, PENALTY, objected())
    (before,) = await rows(agencies)
    assert (before["opened_by"], before["handler"]) == (party(ENTITY), SOURCE)
    await entered(agencies, objected("decided", decision="referred", to=OTHER_SOURCE))
    (after,) = await rows(agencies)
    assert (after["source"], after["handler"]) == (SOURCE, OTHER_SOURCE)
    assert after["since"] > before["since"]
    assert after["place"] == before["place"]
    by_the_other = {"source": OTHER_SOURCE, "record_source": SOURCE}
    await entered(agencies, objected("decided", decision="refused", reason="as it is", **by_the_other))
    assert await steps(agencies) == [("O1", OTHER_SOURCE, "appeal", "applicant")]
    await entered(agencies, objected("appealed", reason="see the original"))
    assert await steps(agencies) == [("O1", OTHER_SOURCE, "decide", "agency")]
    assert await faults(agencies) == []


async def test_a_remedy_is_due_until_the_record_is_corrected_or_revoked(database):
    await entered(database, PENALTY, objected(), objected("decided", decision="upheld"))
    assert await steps(database) == [("O1", SOURCE, "remedy", "agency")]
    await entered(database, event("record.revoked", "P1", reason="wrong"))
    assert await rows(database) == []
    assert await faults(database) == []


async def test_the_clocks_of_repair(database):
    await entered(database, PENALTY, applied())
    assert await steps(database) == [("X1", SOURCE, "accept", "agency")]
    await entered(database, applied("asked", reason="a receipt is missing"))
    assert await steps(database) == [("X1", SOURCE, "supplement", "applicant")]
    await entered(database, applied("supplemented", evidence=EVIDENCE), applied("accepted"))
    (accepted,) = await rows(database)
    assert (accepted["step"], accepted["days"]) == ("decide", 7)
    await entered(database, applied("extended", reason="complex"))
    (extended,) = await rows(database)
    assert (extended["step"], extended["days"], extended["since"]) == ("decide", 17, accepted["since"])
    assert extended["due"] >= accepted["due"] + timedelta(days=10)
    await entered(database, applied("denied", reason="not corrected"))
    assert await rows(database) == []
    assert await faults(database) == []


async def test_records_without_cases_never_touch_the_table(database):
    async with owner(database) as connection:
        await connection.execute("revoke all on open_case from creditsvc_append")
    await entered(database, PENALTY, event("record.corrected", "P1", reason="typo", changes={"note": "x"}))


def calendar(until, edition, *off):
    return {CHINA: Calendar(date(2020, 1, 1), until, frozenset(off), frozenset(), edition)}


async def test_clocks_are_counted_anew_when_the_calendar_has_grown(database):
    today = datetime.now(UTC).date()
    off = [today + timedelta(days=n) for n in range(1, 15)]
    short, grown = calendar(today, (1, 9)), calendar(today + timedelta(days=90), (1, 10), *off)
    older, newer = replace(RULES, calendars=short), replace(RULES, calendars=grown)
    numbers = [f"O{n}" for n in range(5)]
    await entered(database, PENALTY, *(objected(number=number) for number in numbers))
    await entered(
        database,
        event("inspection.completed", "I1", subject=OTHER_ENTITY),
        objected(record="I1", subject=OTHER_ENTITY),
    )
    before = {row["number"]: row["due"] for row in await rows(database) if row["entity_id"] == ENTITY}
    async with pools(database) as (appending, _):
        assert await reckoning.reckon(appending, older) is False
        for row in await rows(database):
            chinese = row["entity_id"] == ENTITY
            assert (row["certain"], row["calendar"]) == (False, [1, 9] if chinese else [])
        done = [await reckoning.reckon(appending, newer, batch=2) for _ in range(4)]
        assert done == [True, True, False, False], "in batches, and then no more"
        for row in await rows(database):
            if row["entity_id"] == ENTITY:
                assert (row["certain"], row["calendar"]) == (True, [1, 10])
                assert row["due"] >= datetime.combine(off[-1], time(), UTC) > before[row["number"]]
        kept = [tuple(row) for row in await rows(database)]
        await reckoning.reckon(appending, older)
        assert [tuple(row) for row in await rows(database)] == kept, "what knows less changes nothing"


async def test_it_is_done_at_start(database):
    grown = calendar(datetime.now(UTC).date() + timedelta(days=90), (1, 10))
    await entered(database, PENALTY, objected())
    async with pools(database) as (appending, looking):
        one = Reckoning(appending, looking, replace(RULES, calendars=grown))
        try:
            async with asyncio.timeout(PATIENCE_S):
                while not all(row["certain"] for row in await rows(database)):  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
        finally:
            await one.close()


async def test_metrics_name_agencies_only_where_they_are_told_to(database, monkeypatch):
    told = []
    monkeypatch.setattr(measures.OPEN_CASES, "tell", told.append)
    await entered(database, PENALTY, objected())
    async with pools(database) as (appending, looking):
        for by_agency, expected in ((False, "all"), (True, SOURCE)):
            told.clear()
            one = Reckoning(appending, looking, RULES, by_agency=by_agency)
            try:
                async with asyncio.timeout(PATIENCE_S):
                    while not told:  # noqa: ASYNC110
                        await asyncio.sleep(0.02)
            finally:
                await one.close()
            assert [(counted.agency, counted.open) for counted in told[0]] == [(expected, 1)]


async def test_objections_that_older_software_folded_are_listed(database):
    await entered(database, PENALTY, objected())
    kept = [tuple(row)[:-1] for row in await rows(database)]
    async with owner(database) as connection:
        await connection.execute("delete from open_case")
    assert await faults(database) == [f"{ENTITY}: objection O1 on record P1: its clock is missing"]
    async with pools(database) as (appending, _):
        await reckoning.list_old(appending, RULES)
    assert [tuple(row)[:-1] for row in await rows(database)] == kept
    assert await faults(database) == []


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ("handler = 'urn:agency:x'", "objection O1 on record P1: its clock is not what its events come to"),
        ("days = 50", "objection O1 on record P1: its clock is not what its events come to"),
        ("due = due + interval '1 day'", "objection O1 on record P1: is not due when its clock is over"),
        ("certain = not certain", "objection O1 on record P1: is not due when its clock is over"),
        ("number = 'O9'", "objection O9 on record P1: no clock runs, and there is one"),
        ("entity_id = 'usdot:5'", "objection O1 on record P1: its clock is missing"),
    ],
)
async def test_fsck_tells_what_was_changed(database, change, fault):
    await entered(database, PENALTY, objected())
    async with pools(database) as (appending, _):
        rules = replace(RULES, calendars=fsck.calendars.kept())
        await reckoning.reckon(appending, rules)
    assert await faults(database) == []
    async with owner(database) as connection:
        await connection.execute(f"update open_case set {change}")  # noqa: S608
    found = await faults(database)
    assert f"{ENTITY}: {fault}" in found
    if "usdot" in change:
        assert "usdot:5 objection O1 on record P1: belongs to no history" in found


async def every(page_of):
    """All pages of a list, two items each."""
    items, after = [], desk.START
    while True:
        page = await page_of(after)
        assert len(page.items) <= 2
        items += page.items
        if page.next is None:
            return items
        after = Cursor.parse(page.next)


async def test_a_desk_page_by_page(database):
    numbers = [f"O{n}" for n in range(5)]
    await entered(database, PENALTY, *(objected(number=number) for number in numbers), applied())
    async with owner(database) as connection:
        await connection.execute("update open_case set due = now() - interval '1 hour' where number = 'O4'")
    async with pools(database) as (_, looking):

        async def numbers_of(sources, **wanted):
            items = await every(
                lambda after: desk.of_agency(looking, SOURCE, sources, desk.Wanted(**wanted), after, 2)
            )
            assert [item["due"] for item in items] == sorted(item["due"] for item in items)
            return [item["number"] for item in items]

        found = await numbers_of(None)
        assert (found[0], set(found)) == ("O4", {*numbers, "X1"})
        assert await numbers_of({SOURCE, "urn:agency:x"}) == found
        assert await numbers_of({OTHER_SOURCE}) == [], "the statement itself sees to that"
        assert await numbers_of(set()) == []
        assert await numbers_of(None, kind="repair") == ["X1"]
        assert await numbers_of(None, overdue=True) == ["O4"]
        assert "O4" not in await numbers_of(None, overdue=False)


async def test_an_agency_is_shown_of_an_organisation_what_concerns_it(agencies):
    await entered(agencies, PENALTY, objected(), objected("decided", decision="referred", to=OTHER_SOURCE))
    await entered(agencies, event("licence.granted", "L1", source=OTHER_SOURCE))
    async with pools(agencies) as (_, looking):
        for sources, expected in [
            (None, ["O1"]),
            ({SOURCE}, ["O1"]),
            ({OTHER_SOURCE}, ["O1"]),
            ({"urn:agency:x"}, []),
            (set(), []),
        ]:
            page = await desk.of_entity(looking, ENTITY, sources, desk.START, 10)
            assert [item["number"] for item in page.items] == expected
        assert (await desk.of_agency(looking, SOURCE, None, desk.Wanted(), desk.START, 9)).items == []


async def test_a_refusal_is_over_when_nobody_may_appeal_any_more(database):
    await entered(database, PENALTY, objected(), objected("decided", decision="refused", reason="as decided"))
    async with pools(database) as (_, looking):
        (item,) = (await desk.of_entity(looking, ENTITY, None, desk.START, 10)).items
        assert (item["step"], item["awaits"]) == ("appeal", "applicant")
        async with owner(database) as connection:
            await connection.execute("update open_case set due = now() - interval '1 second'")
        assert (await desk.of_entity(looking, ENTITY, None, desk.START, 10)).items == []


async def test_what_only_time_has_ended_is_taken_off_in_batches(database, monkeypatch):
    refused = {"decision": "refused", "reason": "as decided"}
    monkeypatch.setitem(SQL._texts, "now", back_dating_clock(24 * 40))
    await entered(database, PENALTY)
    for number in ("O1", "O2", "O3"):
        await entered(database, objected(number=number), objected("decided", number, **refused))
    monkeypatch.undo()
    await entered(
        database, objected(number="O4"), objected("decided", "O4", **refused), objected(number="O5")
    )
    assert len(await rows(database)) == 5
    async with pools(database) as (appending, _):
        assert [await reckoning.lapse(appending, batch=2) for _ in range(2)] == [True, False]
    assert await steps(database) == [
        ("O4", SOURCE, "appeal", "applicant"),
        ("O5", SOURCE, "decide", "agency"),
    ]
    assert await faults(database) == []
    async with owner(database) as connection:
        await connection.execute("delete from open_case")
    assert await faults(database) == [
        f"{ENTITY}: objection O4 on record P1: its clock is missing",
        f"{ENTITY}: objection O5 on record P1: its clock is missing",
    ]


def test_no_row_is_no_columns():
    assert open_cases.columns([], 3) == [[], [], []]
