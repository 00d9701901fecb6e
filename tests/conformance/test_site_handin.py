"""Sheets handed in on the pages: every kind of dirt end to end, what is refused, and what is never shown."""

import asyncio
import csv
import io
import os
import signal
import time
import zlib
from pathlib import Path

import aiohttp
import openpyxl
import orjson
import pytest

from creditsvc.errors import Unavailable
from creditsvc.handin import apart as work
from creditsvc.handin import bounds, packing
from creditsvc.ledger.writer import GROUP_EVENTS, Writer
from creditsvc.store.clients import create_key, revoke_key
from creditsvc.store.database import connect
from creditsvc.web import secret
from creditsvc.web.sessions import LASTS_S, Seal
from creditsvc.web.site import apart, multipart, parcels, sending
from tests.browsing import Browser
from tests.conformance.conftest import Serve, Service, with_keys
from tests.handing import filled, handed_in, numbers, parcel_of, rejected, sealed, sent, signed, token_of
from tests.making import OTHER_SOURCE, SOURCE
from tests.processes import children
from tests.sheets import (
    DIRT,
    FIRST_DIRTY_ROW,
    MOBILE,
    PERSON,
    RESIDENT_ID,
    as_csv,
    as_xlsx,
    dirty,
    licences,
    penalties,
)

READY = sum(not found for _, found in DIRT.values())
ROWS = len(DIRT) + 2  # one twice, and a signature
ORGANISATION = "/v1/entities/uscc:91350100M00010217R/records?limit=100"
ORDER = {
    "do": "check",
    "kind": "penalty",
    "source": SOURCE,
    "name": ".csv",
    "now": "2026-11-23T00:00:00+00:00",
}
PRIVATE = (RESIDENT_ID, MOBILE, PERSON, "阿卜杜拉", "92350100MA00010217", RESIDENT_ID[:-1] + "3")


@pytest.fixture
async def running(serve: Serve) -> Service:
    service = await with_keys(await serve())
    connection = await connect(service.dsn)
    service.keys["another agency"] = await create_key(
        connection, "agency", client_id="another", sources=[OTHER_SOURCE]
    )
    service.keys["a colleague"] = await create_key(connection, "agency", client_id="third", sources=[SOURCE])
    await connection.close()
    return service


async def recorded(service: Service) -> int:
    async with service.session.get(ORGANISATION, headers=service.headers("agency")) as answer:
        return len((await answer.json())["items"]) if answer.status == 200 else 0


def private(text: str) -> list[str]:
    return [one for one in PRIVATE if one in text]


def rows_of(content: bytes, form: str) -> list[list[str]]:
    if form == "csv":
        return list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")))
    sheet = openpyxl.load_workbook(io.BytesIO(content), read_only=True).worksheets[0]
    return [[str(cell or "") for cell in row] for row in sheet.iter_rows(values_only=True)]


@pytest.mark.parametrize(("form", "language"), [("xlsx", "en"), ("csv", "zh")])
async def test_every_kind_of_dirt_is_told_and_what_is_ready_is_taken_once(
    running: Service, form, language, capsys, caplog
):
    async with await signed(running, "agency", language) as browser:
        name = f"{PERSON}{RESIDENT_ID}<b>.{form}"
        checked = await handed_in(browser, SOURCE, dirty(form), name=name)
        assert checked.status == 200
        ready, cleaned, refused = numbers(checked)
        assert (ready, refused) == (READY, ROWS - READY)
        assert 0 < cleaned <= READY
        assert await recorded(running) == 0
        for written in (
            "二〇二六年三月五日",
            "９１３５０１００Ｍ０００１０２１７Ｒ",
            "— —",
            "５００元",
            "长期",
        ):
            assert written in checked.html
        assert "500.00" in checked.text or "500 " in checked.text

        done = await sent(browser, checked)
        assert (done.status, numbers(done)) == (200, [READY, 0, 0])
        assert "/entities/uscc:91350100M00010217R" in done.links
        assert await recorded(running) == READY
        again = await sent(browser, checked)
        assert numbers(again) == [0, READY, 0]
        assert await recorded(running) == READY

        for page in (checked, done, again):
            status, headers, content = await rejected(browser, page, form)
            assert status == 200
            assert headers["Content-Disposition"] == f'attachment; filename="rejected.{form}"'
            told = rows_of(content, form)
            assert [row[0] for row in told[1:]] == numbers_of_dirty_rows()
            assert private("\n".join(map(str, told))) == []
            assert "***" in str(told)
            assert private(page.html) == []
            assert "no-store" in page.headers["Cache-Control"]
    captured = capsys.readouterr()
    assert private(captured.out + captured.err + caplog.text) == []


def numbers_of_dirty_rows() -> list[str]:
    first = FIRST_DIRTY_ROW
    places = [first + place for place, (_, found) in enumerate(DIRT.values()) if found]
    repeated = first + len(DIRT)
    return [str(number) for number in (*places, repeated, repeated + 3)]


async def test_what_was_rejected_is_mended_and_handed_in_again(running: Service):
    async with await signed(running, "agency") as browser:
        grid = penalties({}, {"decided_on": "5/3/2026"})
        page = await handed_in(browser, SOURCE, as_csv(grid), name="a.csv")
        assert numbers(page) == [1, 1, 1]  # the first is cleaned, too: its 2027/3/5
        _, _, content = await rejected(browser, page, "csv")
        mended = content.decode("utf-8-sig").replace("5/3/2026", "2026-03-05")
        assert "Write it as 2026-03-05" in page.text or "year first" in page.text
        page = await handed_in(browser, SOURCE, mended.encode(), name="b.csv")
        assert numbers(page)[0] == 1
        assert numbers(await sent(browser, page)) == [1, 0, 0]


async def test_what_the_service_alone_knows_is_told_row_by_row(running: Service):
    async with await signed(running, "agency", "zh") as browser:
        await sent(browser, await handed_in(browser, SOURCE, as_xlsx(penalties({}, {}))))
        page = await handed_in(browser, SOURCE, as_xlsx(penalties({}, {"fine": "6"}, {"fine": "x"})))
        assert (numbers(page)[0], numbers(page)[2]) == (2, 1)
        done = await sent(browser, page)
        assert numbers(done) == [0, 1, 1]
        assert "服务中已有这个组织的这个文号" in done.text
        _, _, content = await rejected(browser, done, "csv")
        assert [row[0] for row in rows_of(content, "csv")] == ["行", "3", "4"]


async def test_licences_too_and_a_formula_stays_a_text(running: Service):
    async with await signed(running, "agency") as browser:
        grid = licences({}, {"licensed_on": "x", "note": "=1+1", "licensor": "@SUM(A1)"})
        page = await handed_in(browser, SOURCE, as_csv(grid, "gb18030"), kind="licence", name="a.csv")
        _, _, content = await rejected(browser, page, "csv")
        (row,) = rows_of(content, "csv")[1:]
        assert {"'=1+1", "'@SUM(A1)"} <= set(row)
        assert numbers(await sent(browser, page))[0] == 1


MARKUP = "<script>alert(1)</script>"


async def test_nothing_of_a_sheet_is_taken_for_markup(running: Service):
    async with await signed(running, "agency") as browser:
        grid = penalties(
            {"subject_name": f"{MARKUP}公司", "fine": "1,5"}, {"penalty_no": MARKUP, "fine": "x"}
        )
        grid[0].append(MARKUP)
        page = await handed_in(browser, SOURCE, as_csv(grid), name=f'"{MARKUP}.csv')
        assert MARKUP not in page.html
        assert MARKUP in page.text
        assert MARKUP not in (await sent(browser, page)).html


BAD = {
    "empty": (b"", "penalty", 422, "The file is empty"),
    "no sheet": (b"%PDF-1.7", "penalty", 422, "neither an .xlsx nor a .csv"),
    "old": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "penalty", 422, "old .xls"),
    "damaged": (b"PK\x03\x04" + bytes(600), "penalty", 422, "damaged"),
    "other kind": (as_csv(penalties({})), "licence", 422, "other kind"),
    "no such column": (as_csv([row[:3] + row[4:] for row in penalties({})]), "penalty", 422, "missing"),
    "too large": (bytes(bounds.SHEET_MAX_BYTES + 1), "penalty", 413, "larger than 8 MB"),
    "far too large": (bytes(bounds.SHEET_MAX_BYTES * 3), "penalty", 413, "larger than 8 MB"),
}


async def test_a_file_that_cannot_be_taken_is_refused_in_words(service: Service):
    async with await signed(service, "agency") as browser:
        for content, kind, status, told in BAD.values():
            name = "a.csv" if content.startswith(b"\xef") else "a.xlsx"
            page = await handed_in(browser, SOURCE, content, kind=kind, name=name)
            assert (page.status, told in page.text) == (status, True), page.text
            assert page.form().fields["token"], "to try again"
            assert "Nothing was sent or kept" in page.text


async def test_forms_that_no_page_of_ours_has_are_refused(service: Service):
    good = as_csv(penalties({}))
    async with await signed(service, "agency") as browser:
        start = await browser.get("/hand-in")
        token = start.forms[-1].fields["token"]

        async def tried(form: object, **headers: str) -> int:
            given = {"Origin": browser.url} | {name.replace("_", "-"): text for name, text in headers.items()}
            return (await browser.ask("POST", "/hand-in/check", form, **given)).status

        def one(**fields: str) -> aiohttp.FormData:
            form = filled(fields.pop("source", SOURCE), good, fields.pop("kind", "penalty"), "a.csv")
            for name, text in ({"token": token} | fields).items():
                form.add_field(name, text)
            return form

        assert await tried(one()) == 200
        assert await tried(one(token=token[1:])) == 403
        assert await tried(one(), Origin="http://evil.example") == 403
        assert await tried(one(), Sec_Fetch_Site="cross-site") == 403
        assert await tried(one(source=OTHER_SOURCE)) == 403
        assert await tried(one(kind="people")) == 400
        assert await tried(one(more="x" * 2000)) == 400
        assert await tried({"token": token}) == 415
        for body in (
            b"",
            b"--b--",
            b"--b\r\n\r\n",
            b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\nx',
        ):
            assert await tried(body, Content_Type="multipart/form-data; boundary=b") in {400, 403}
        assert await tried(b"x", Content_Type="multipart/form-data") == 400


async def test_what_is_carried_is_bound_to_its_client_and_its_time(running: Service):
    """Nobody makes one, changes one, hands one on, or keeps one for ever."""
    async with await signed(running, "agency") as browser:
        page = await handed_in(browser, SOURCE, as_csv(penalties({})), name="a.csv")
        parcel, token = parcel_of(page), token_of(page)

        async def tried(who: Browser, given: str, its: str) -> int:
            data = {"token": its, "sheet": given}
            return (await who.ask("POST", "/hand-in/send", data, Origin=who.url)).status

        middle = len(parcel) // 2
        changed = parcel[:middle] + ("A" if parcel[middle] != "A" else "B") + parcel[middle + 1 :]
        for wrong in ("", "x", changed, parcel[:-8], parcel * 2, "é"):
            assert await tried(browser, wrong, token) == 409, wrong[:20]
        assert await tried(browser, parcel, "x") == 403
        for role in ("another agency", "a colleague"):
            async with await signed(running, role) as other:
                start = await other.get("/hand-in")
                assert await tried(other, parcel, start.forms[-1].fields["token"]) == 403
        assert await recorded(running) == 0

        connection = await connect(running.dsn)
        await revoke_key(connection, running.keys["agency"].partition(".")[0])
        await connection.close()
        await asyncio.sleep(2.1)
        assert await tried(browser, parcel, token) == 401
    assert await recorded_by(running, "a colleague") == 0


async def recorded_by(service: Service, role: str) -> int:
    async with service.session.get(ORGANISATION, headers=service.headers(role)) as answer:
        return answer.status == 200


def test_a_seal_is_of_its_time_and_of_its_purpose():
    own = os.urandom(32)
    seal, other = Seal(own), Seal(os.urandom(32))
    now = int(time.time())
    key = seal._parcels
    assert seal.content(sealed(key, "a", "s", b"x", now)) == b'{"client":"a","source":"s"}\nx'
    assert seal.content(sealed(key, "a", "s", b"x", now - LASTS_S - 2)) is None
    assert seal.content(sealed(key, "a", "s", b"x", now + 3600)) is None
    assert other.content(seal.parcel(b"x")) is None
    assert seal.content(seal.cookie("key")) is None
    assert seal.key_id(seal.parcel(b"key")) is None
    assert len(own) >= secret.LEAST_BYTES


async def test_a_source_that_the_key_has_lost_is_refused(running: Service):
    async with await signed(running, "agency") as browser:
        page = await handed_in(browser, SOURCE, as_csv(penalties({})), name="a.csv")
        connection = await connect(running.dsn)
        changed = "update client set sources = $1 where client_id = $2"
        await connection.execute(changed, [OTHER_SOURCE], f"agency:{SOURCE}")
        await connection.close()
        await asyncio.sleep(2.1)
        assert (await sent(browser, page)).status == 403


async def test_what_is_sealed_still_goes_through_the_door_of_all_events(serve: Serve, tmp_path):
    """Whatever a seal holds, the source, the catalogue and the records that stand are looked at again."""
    (tmp_path / "secret").write_bytes(bytes(range(32)))
    service = await with_keys(await serve(site_secret_file=str(tmp_path / "secret")))
    good, foreign, wrong = (work.perform(ORDER, as_csv(penalties({})))[1] for _ in range(3))
    foreign = zlib.compress(packing.inflated(good).replace(SOURCE.encode(), OTHER_SOURCE.encode()))
    wrong = zlib.compress(packing.inflated(good).replace(b'"severity":"general"', b'"severity":"cruel"'))
    async with await signed(service, "agency") as browser:
        page = await handed_in(browser, SOURCE, as_csv(penalties({})), name="a.csv")
        head = {"client": f"agency:{SOURCE}", "source": SOURCE}
        seal = Seal(bytes(range(32)))
        for packed, expected in ((foreign, [0, 0, 1]), (wrong, [0, 0, 1]), (good, [1, 0, 0])):
            data = {"token": token_of(page), "sheet": seal.parcel(orjson.dumps(head) + b"\n" + packed)}
            done = await browser.ask("POST", "/hand-in/send", data, Origin=browser.url)
            assert (done.status, numbers(done)) == (200, expected)


async def test_a_full_sheet_makes_a_page_that_can_be_used(running: Service):
    rows = [{"penalty_no": f"榕示市监罚〔2026〕{n}号"} for n in range(bounds.ROWS_MAX - 200)]
    wrong = [{"penalty_no": f"错〔2026〕{n}号", "severity": "x"} for n in range(200)]
    async with await signed(running, "agency") as browser:
        page = await handed_in(browser, SOURCE, as_csv(penalties(*rows, *wrong)), name="full.csv")
        assert (numbers(page)[0], numbers(page)[2]) == (len(rows), 200)
        assert page.tags.count("tr") == 2 * (work.SHOWN_ROWS + 1)
        assert len(page.html) < 1_000_000
        done = await sent(browser, page)
        assert numbers(done) == [len(rows), 0, 0]
        assert done.tags.count("progress") > 10
        _, _, content = await rejected(browser, done, "csv")
        assert len(rows_of(content, "csv")) == 201
        page = await handed_in(browser, SOURCE, as_csv(penalties(*rows, *wrong, {})), name="full.csv")
        assert (page.status, "more than 5000 rows" in page.text) == (422, True)


def working() -> list[int]:
    return [pid for pid, command in children(os.getpid()).items() if "creditsvc.handin.apart" in command]


async def process() -> int:
    async with asyncio.timeout(20):
        while True:
            if found := working():
                return found[0]
            await asyncio.sleep(0.01)


def environment_of(pid: int) -> bytes:
    return Path(f"/proc/{pid}/environ").read_bytes()


async def test_two_at_once_have_their_turns_and_more_come_later(service: Service, monkeypatch):
    monkeypatch.setattr(apart, "WAITING_MAX", 1)
    good = as_csv(penalties({}))
    async with await signed(service, "agency") as browser:
        token = (await browser.get("/hand-in")).forms[-1].fields["token"]
        tasks = [
            asyncio.create_task(handed_in(browser, SOURCE, good, name="a.csv", token=token)) for _ in range(3)
        ]
        pages = [await task for task in tasks]
        assert sorted(page.status for page in pages) == [200, 200, 503]
        (late,) = (page for page in pages if page.status == 503)
        assert late.headers["Retry-After"] == str(apart.RETRY_AFTER_S)
        assert "Too much to do just now" in late.text
        assert working() == []


async def test_a_process_that_is_killed_or_takes_too_long_is_told(service: Service, monkeypatch):
    good = as_csv(penalties({}))
    async with await signed(service, "agency") as browser:
        task = asyncio.create_task(handed_in(browser, SOURCE, good, name="a.csv"))
        os.kill(await process(), signal.SIGKILL)
        page = await task
        assert (page.status, page.headers["Retry-After"]) == (503, "1")
        assert page.form().fields["token"]
        monkeypatch.setattr(apart, "TAKES_MAX_S", 0.01)
        page = await handed_in(browser, SOURCE, good, name="a.csv")
        assert (page.status, "takes longer" in page.text) == (422, True)
        monkeypatch.undo()
        assert (await handed_in(browser, SOURCE, good, name="a.csv")).status == 200


async def test_the_process_has_nothing_of_the_services(service: Service, monkeypatch):
    monkeypatch.setenv("CREDITSVC_DATABASE_URL", "postgresql://secret")
    async with await signed(service, "agency") as browser:
        task = asyncio.create_task(handed_in(browser, SOURCE, as_csv(penalties(*[{}] * 500)), name="a.csv"))
        pid = await process()
        assert b"CREDITSVC" not in environment_of(pid)
        await task


async def test_what_the_service_cannot_take_now_is_sent_again(running: Service, monkeypatch):
    taken, submit = [], Writer.submit

    async def full_from_the_second_part_on(self, events):
        taken.append(len(events))
        if len(taken) > 1:
            raise Unavailable("Too many events are waiting to be recorded")
        return await submit(self, events)

    rows = [{"penalty_no": f"榕示市监罚〔2026〕{n}号"} for n in range(GROUP_EVENTS + 50)]
    async with await signed(running, "agency") as browser:
        page = await handed_in(browser, SOURCE, as_csv(penalties(*rows)), name="a.csv")
        monkeypatch.setattr(sending, "ATTEMPTS", 2)
        monkeypatch.setattr(Writer, "submit", full_from_the_second_part_on)
        done = await sent(browser, page)
        monkeypatch.undo()
        assert taken == [GROUP_EVENTS, 50, 50]
        assert numbers(done) == [GROUP_EVENTS, 0, 0]
        assert "50 rows could not be taken now" in done.text
        done = await sent(browser, done)
        assert numbers(done) == [50, GROUP_EVENTS, 0]
        assert "could not be taken" not in done.text


async def test_sheets_count_against_the_limit(serve: Serve):
    service = await with_keys(await serve(agency_per_minute=150))
    async with await signed(service, "agency") as browser:
        good = as_csv(penalties({}))
        assert (await handed_in(browser, SOURCE, good, name="a.csv")).status == 200
        page = await handed_in(browser, SOURCE, good, name="a.csv")
        assert page.status == 429
        assert int(page.headers["Retry-After"]) > 1


@pytest.mark.parametrize("language", ["en", "zh"])
async def test_templates_are_given_and_can_be_handed_in(service: Service, language):
    async with await signed(service, "agency", language) as browser:
        page = await browser.get("/hand-in")
        links = [link for link in page.links if "/template?" in link]
        assert len(links) == 4
        for link in links:
            async with browser.session.get(f"{browser.url}{link}") as answer:
                assert answer.status == 200
                content = await answer.read()
                kind, form = answer.url.query["kind"], answer.url.query["form"]
                assert answer.headers["Content-Disposition"].endswith(f'"{kind}-{language}.{form}"')
            (header, example) = rows_of(content, form)
            assert len(header) == len(example) > 10
            shown = await handed_in(browser, SOURCE, content, kind=kind, name=f"a.{form}")
            assert numbers(shown) == [0, 0, 1]
        assert (await browser.get("/hand-in/template?kind=x&form=xlsx")).status == 400


async def test_whoever_comes_back_by_its_address_begins_again(service: Service):
    async with await signed(service, "agency") as browser:
        for what in ("check", "send", "rejected"):
            page = await browser.get(f"/hand-in/{what}?language=zh")
            assert (page.status, page.url) == (200, f"{service.url}/hand-in?language=zh")
        shown = await handed_in(browser, SOURCE, as_csv(penalties({})), name="a.csv")
        assert "/hand-in?language=en" in shown.links  # it speaks Chinese by now


async def test_navigation_leads_there(service: Service):
    async with await signed(service, "agency") as browser:
        assert {"/desk", "/hand-in"} <= set((await browser.get("/")).links)
        assert "/operator" not in (await browser.get("/")).links
    async with await signed(service, "operator") as browser:
        assert {"/desk", "/operator"} <= set((await browser.get("/")).links)
        assert "/hand-in" not in (await browser.get("/")).links


def test_what_is_packed_is_bounded(monkeypatch):
    said, packed = work.perform(ORDER, as_csv(penalties({}, {"fine": "x"})))
    assert (said["ready"], said["rejected"]) == (1, 1)
    whole = packing.unpack(packed)
    assert packing.pack(whole) == packed
    assert packing.counts_in(packing.inflated(packed)) == (1, 1)
    assert [[row.number for row in part] for part in packing.parts(packing.inflated(packed), 5)] == [[2]]
    monkeypatch.setattr(bounds, "UNPACKED_MAX_BYTES", 100)
    with pytest.raises(Exception, match="cannot be read"):
        packing.inflated(packed)
    with pytest.raises(Exception, match="comes to more"):
        packing.pack(whole)
    assert multipart.AROUND_MAX_BYTES < parcels.FORM_MAX_BYTES
