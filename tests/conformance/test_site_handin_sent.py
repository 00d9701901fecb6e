"""Between the check of a sheet and its sending: what is sealed, the process apart, what breaks on the way."""

import asyncio
import os
import signal
import time
import zlib
from pathlib import Path

import orjson
import pytest

from creditsvc.errors import Unavailable
from creditsvc.handin import apart as work
from creditsvc.handin import bounds, packing
from creditsvc.ledger.writer import GROUP_EVENTS, Writer
from creditsvc.store.clients import revoke_key
from creditsvc.store.database import connect
from creditsvc.web.sessions import LASTS_S, Seal
from creditsvc.web.site import apart, multipart, parcels, sending
from tests.browsing import Browser
from tests.conformance.conftest import Serve, Service, with_keys
from tests.handing import (
    agencies,
    handed_in,
    numbers,
    parcel_of,
    sealed,
    sent,
    signed,
    token_of,
)
from tests.making import OTHER_SOURCE, SOURCE
from tests.processes import PATIENCE_S, children
from tests.sheets import as_csv, penalties

RECORDS = "/v1/entities/uscc:91350100M00010217R/records?limit=100"
ORDER = {
    "do": "check",
    "kind": "penalty",
    "source": SOURCE,
    "name": ".csv",
    "now": "2026-11-23T00:00:00+00:00",
}


@pytest.fixture
async def running(serve: Serve) -> Service:
    return await agencies(await serve())


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

        connection = await connect(running.dsn)
        await revoke_key(connection, running.keys["agency"].partition(".")[0])
        await connection.close()
        await asyncio.sleep(2.1)
        assert await tried(browser, parcel, token) == 401
    async with running.session.get(RECORDS, headers=running.headers("a colleague")) as answer:
        assert answer.status == 404


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


def working() -> list[int]:
    return [pid for pid, command in children(os.getpid()).items() if "creditsvc.handin.apart" in command]


async def process() -> int:
    async with asyncio.timeout(PATIENCE_S):
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
        monkeypatch.setattr(bounds, "TIME_MAX_S", 0.01)
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


async def test_progress_is_seen_while_it_is_made(running: Service, monkeypatch):
    submit, calls, seen = Writer.submit, [], asyncio.Event()

    async def waiting_for_the_reader(self, events):
        calls.append(len(events))
        if len(calls) == 2:
            await seen.wait()
        return await submit(self, events)

    rows = [{"penalty_no": f"榕示市监罚〔2026〕{n}号"} for n in range(GROUP_EVENTS + 1)]
    async with await signed(running, "agency") as browser:
        page = await handed_in(browser, SOURCE, as_csv(penalties(*rows)), name="a.csv")
        monkeypatch.setattr(Writer, "submit", waiting_for_the_reader)
        data = {"token": token_of(page), "sheet": parcel_of(page)}
        headers = {"Origin": browser.url}
        async with browser.session.post(f"{browser.url}/hand-in/send", data=data, headers=headers) as answer:
            read = ""
            async with asyncio.timeout(PATIENCE_S):
                while f'value="{GROUP_EVENTS}"' not in read:
                    read += (await answer.content.readany()).decode()
            assert read.count("<progress") == 2
            seen.set()
            read += await answer.text()
        assert f'value="{GROUP_EVENTS + 1}"' in read
        assert read.rstrip().endswith("</html>")


async def test_sheets_count_against_the_limit(serve: Serve):
    service = await with_keys(await serve(agency_per_minute=150))
    async with await signed(service, "agency") as browser:
        good = as_csv(penalties({}))
        assert (await handed_in(browser, SOURCE, good, name="a.csv")).status == 200
        page = await handed_in(browser, SOURCE, good, name="a.csv")
        assert page.status == 429
        assert int(page.headers["Retry-After"]) > 1


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
