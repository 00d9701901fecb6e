"""A witness as its own processes, beside a service that is honest, and beside one whose operator is not."""

import asyncio
import os
import re
import signal
import sys
import time
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import aiohttp
import pytest

from creditsvc.verifier.log import Checkpoint, open_checkpoint
from creditsvc.verifier.notes import VerifierKey, parse_note, verify_note
from creditsvc.witness import state
from creditsvc.witness.remote import Remote
from creditsvc.witness.watching import Alarmed, Watcher
from tests import tampering
from tests.making import SOURCE, raw
from tests.processes import PATIENCE_S, Agency, service

ENTITIES = ("siren:552081317", "siren:351680558", "siren:542051180")


async def witness(*arguments: object, **environment: str) -> tuple[int, str]:
    """Run `creditsvc witness …` with nothing of the service's settings; gives the status and what it said."""
    bare = {name: value for name, value in os.environ.items() if not name.startswith("CREDITSVC_")}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "creditsvc", "witness", *map(str, arguments)),
        env=bare | environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(PATIENCE_S):
            said, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert b"Traceback" not in said, said.decode()
    assert process.returncode is not None
    return process.returncode, said.decode()


@asynccontextmanager
async def at_work(*arguments: object):
    """A witness that goes on; gives its process, whose standard error is a pipe."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "creditsvc", "witness", *map(str, arguments)), stderr=asyncio.subprocess.PIPE
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(PATIENCE_S):
            await process.communicate()


async def line_with(process, wanted: str) -> str:
    async with asyncio.timeout(PATIENCE_S):
        while line := (await process.stderr.readline()).decode():
            if wanted in line:
                return line
    raise AssertionError(wanted)


class Log:
    """The log of a running service, as anybody sees it, and an agency that makes it grow."""

    def __init__(self, running, session, agency):
        self.running, self.session, self.agency = running, session, agency
        self.auditor = ""  # an auditor's key
        self.events = 0

    async def verifier_key(self) -> str:
        async with self.session.get(self.running.url + "/.well-known/creditsvc-log.json") as answer:
            return (await answer.json())["verifier_key"]

    async def checkpoint(self) -> str:
        async with self.session.get(self.running.url + "/v1/log/checkpoint") as answer:
            return await answer.text() if answer.status == 200 else "none yet\n0\n"

    async def grow(self, count: int) -> int:
        """Push events and wait until a checkpoint has them; gives its size."""
        groups = range(self.events, self.events + count)
        events = [raw("inspection.completed", f"R{n}", id=f"w{n}", subject=ENTITIES[n % 3]) for n in groups]
        self.events += count
        assert await self.agency.send(self.session, events)
        return await self.reaches(self.events)

    async def reaches(self, size: int) -> int:
        deadline = time.monotonic() + PATIENCE_S
        while (found := int((await self.checkpoint()).split("\n")[1])) < size:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.1)
        return found


@pytest.fixture(scope="module")
async def log(tmp_path_factory):
    """One service for all: what a test does to it, it undoes, but for those at the end of the file."""
    directory = tmp_path_factory.mktemp("log")
    async with service(directory / "var", workers=1, log_interval_s=0.1) as running:
        key = await running.key("agency", sources=[SOURCE])
        async with aiohttp.ClientSession() as session:
            log = Log(running, session, Agency(running.url, key, directory / "receipts"))
            log.auditor = await running.key("auditor")
            await log.grow(3)
            yield log


def kept(directory: Path) -> str:
    (path,) = (directory / "logs").glob("*/checkpoint")
    return path.read_text()


class Looking:
    """A witness of the log in this process: what it sees is the same, and its start costs nothing."""

    def __init__(self, directory: Path, log: Log, log_key: str) -> None:
        self.directory, self.log, self.log_key = directory, log, VerifierKey.parse(log_key)

    async def look(self, key: str | None, *, full: bool = False) -> tuple[Checkpoint, list[str]]:
        with state.opened(self.directory) as opened:
            remote = Remote(self.log.session, self.log.running.url, key)
            return await Watcher(remote, opened.log(self.log_key), opened.cosigner, full=full).look()


async def test_it_cosigns_a_growing_log(log, tmp_path):
    directory, url = tmp_path / "w", log.running.url
    auditor = log.auditor
    status, said = await witness("watch", url, "--once", "--state", directory)
    assert status == 1
    assert "--log-key" in said
    assert "/.well-known/creditsvc-log.json" in said
    log_key = await log.verifier_key()
    naming = ("--log-key", log_key, "--name", "w.example")
    first = await witness("watch", url, "--once", "--state", directory, *naming)
    assert first[0] == 0, first[1]
    _, vkey = await witness("key", "--state", directory)
    size = await log.grow(150)
    status, said = await witness(
        "watch", url, "--once", "--state", directory, "--full", CREDITSVC_KEY=auditor
    )
    assert status == 0, said
    assert [line for line in said.splitlines() if "entries, cosigned" in line] == [
        f"{VerifierKey.parse(log_key).name}: {size} entries, cosigned"
    ], "said once, and plainly"
    assert '"message"' not in said
    looking = Looking(directory, log, log_key)
    for key, full in ((None, False), (auditor, False), (auditor, True), (None, True)):
        size = await log.grow(60)
        assert (await looking.look(key, full=full))[1] == []
        checkpoint = open_checkpoint(kept(directory), VerifierKey.parse(log_key))
        assert checkpoint.size == size
        assert verify_note(checkpoint.note, VerifierKey.parse(vkey.strip())) > time.time() - 60
    status, said = await witness("watch", url, "--once", "--state", directory, "--log-key", vkey.strip())
    assert status == 2
    assert "not a log's" in said


async def test_it_goes_on_until_it_is_stopped(log, tmp_path):
    log_key = await log.verifier_key()
    arguments = ("watch", log.running.url, "--state", tmp_path / "w", "--log-key", log_key, "--every", 0.2)
    async with at_work(*arguments) as process:
        await line_with(process, "entries, cosigned")
        status, said = await witness("watch", log.running.url, "--once", "--state", tmp_path / "w")
        assert status == 1
        assert "in use by another process" in said
        size = await log.grow(2)
        await line_with(process, f": {size} entries, cosigned")
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(PATIENCE_S):
            assert await process.wait() == 0


async def test_a_service_has_witnesses_cosign_its_checkpoints(log, tmp_path):
    log_key, directory = await log.verifier_key(), tmp_path / "w"
    async with at_work("serve", "--listen", "127.0.0.1:0", "--log", log_key, "--state", directory) as process:
        at = (await line_with(process, "listening on")).split()[-1]
        vkey, gone = (str(state.cosigner_of(one).key) for one in (directory, tmp_path / "gone"))
        await log.running.stop()
        log.running._given["log_witnesses"] = "nonsense"
        await log.running.start(ready=False)
        async with asyncio.timeout(PATIENCE_S):
            assert await log.running._process.wait() == 1
        assert "CREDITSVC_LOG_WITNESSES, line 1" in log.running.log.read_text()
        log.running._given["log_witnesses"] = f"{vkey} {at}\n{gone} http://127.0.0.1:9"
        await log.running.start()
        for count in (3, 300):
            await log.grow(count)
            await _cosigned(log, VerifierKey.parse(vkey))
        async with log.session.get(log.running.url + "/metrics") as answer:
            metrics = await answer.text()
        assert '"route":"/add-checkpoint"' in await line_with(process, '"creditsvc.access"')
    assert re.search(r'creditsvc_log_witness_requests_total\{outcome="cosigned",', metrics)
    assert re.search(r'creditsvc_log_witness_requests_total\{outcome="unreachable",', metrics)
    assert verify_note(parse_note(kept(directory)), VerifierKey.parse(vkey)) > 0


async def _cosigned(log: Log, key: VerifierKey) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while key.name not in (note := await log.checkpoint()):
        assert time.monotonic() < deadline, note
        await asyncio.sleep(0.1)
    assert verify_note(parse_note(note), key) > time.time() - 60
    open_checkpoint(note, VerifierKey.parse(await log.verifier_key()))


class Tampered(Looking):
    """A witness, before somebody takes the database in hand."""

    def __init__(self, directory: Path, log: Log, log_key: str, connection) -> None:
        super().__init__(directory, log, log_key)
        self.connection = connection

    async def is_sound(self) -> bool:
        return (await self.look(self.log.auditor, full=True))[1] == []

    async def named(self, *, full: bool = True) -> list[str]:
        """Read everything again; gives the alarm that is raised, and takes it away."""
        with pytest.raises(Alarmed) as alarmed:
            await self.look(self.log.auditor, full=full)
        with pytest.raises(Alarmed) as again:
            await self.look(None)
        assert alarmed.value.faults[0] in again.value.faults[0]
        (alarm,) = (self.directory / "logs").glob("*/alarm")
        alarm.unlink()
        return alarmed.value.faults

    async def position(self, place: tampering.Place) -> int:
        found: int = await self.connection.fetchval(
            "select position from log_entry where entity_id = $1 and kind = 'event' and sequence = $2", *place
        )
        return found


@pytest.fixture
async def new(log, tmp_path):
    async with log.running.database() as connection:
        if log.events < 320:
            await log.grow(320)
        yield Tampered(tmp_path / "w", log, await log.verifier_key(), connection)


@pytest.fixture
async def tampered(new):
    await new.look(new.log.auditor)
    return new


async def test_what_is_done_to_rows_is_named(tampered):
    connection = tampered.connection
    one, other = (ENTITIES[0], 5), (ENTITIES[1], 7)
    # A byte in a salt: the content reads as before. Then one in a content, which is no JSON any more.
    for place, column in ((one, "salt"), (other, "content")):
        await tampering.flip(connection, place, column)
        at = await tampered.position(place)
        names = (
            f"position {at}, {place[0]}, event {place[1]}:",
            f"position {at}: the log has an entry there",
        )
        assert any(fault.startswith(names) for fault in await tampered.named())
        await tampering.flip(connection, place, column)
        assert await tampered.is_sound()

    await tampering.swap(connection, (ENTITIES[0], 9), (ENTITIES[1], 20))
    faults = await tampered.named()
    for place in ((ENTITIES[0], 9), (ENTITIES[1], 20)):
        named = f"position {await tampered.position(place)}, {place[0]}, event {place[1]}: it does not make"
        assert any(fault.startswith(named) for fault in faults), faults
    await tampering.swap(connection, (ENTITIES[0], 9), (ENTITIES[1], 20))
    assert await tampered.is_sound()


async def test_events_that_are_removed_are_named(tampered):
    connection = tampered.connection
    newest = await connection.fetchval("select max(sequence) from event where entity_id = $1", ENTITIES[2])
    for place in ((ENTITIES[2], 30), (ENTITIES[2], newest)):  # one in the midst, and the last
        row = await connection.fetchrow("select * from event where (entity_id, sequence) = ($1, $2)", *place)
        await tampering.remove(connection, place)
        faults = await tampered.named()
        at = await tampered.position(place)
        assert any(fault.startswith(f"position {at}: the log has an entry there") for fault in faults)
        gap = f"event {place[1]} of the same entity is missing"
        last = f"position {at}, {place[0]}, event {place[1]}: it was in the log"
        assert any(gap in fault or fault.startswith(last) for fault in faults), faults
        await tampering.put_back(connection, row)
    assert await tampered.is_sound()


async def test_back_dated_events_that_are_kept_out_of_the_log_are_named(tampered):
    """By the log itself, whether or not they wait for it: the history shows them."""
    connection = tampered.connection
    for place, queued in (((ENTITIES[0], 1), False), ((ENTITIES[1], 1), True)):
        forged = await tampering.back_date(connection, place, queued=queued)
        await asyncio.sleep(0.5)
        faults = await tampered.named()
        assert [fault for fault in faults if fault.startswith(f"{forged[0]}, event {forged[1]}: the history")]
        await connection.execute("delete from log_pending where (entity_id, sequence) = ($1, $2)", *forged)
        await tampering.remove(connection, forged)
    assert await tampered.is_sound()


async def test_tiles_that_are_rewritten_are_named(tampered):
    connection = tampered.connection
    rewriting = (
        "update log_tile set hashes = set_byte(hashes, 32 * 17, get_byte(hashes, 32 * 17) # 1)"
        " where level = 0 and tile = 0"
    )
    async with tampering.unguarded(connection):
        await connection.execute(rewriting)
    faults = await tampered.named()
    assert "tile 0/000 was rewritten at position 17: the entries there are right" in faults
    async with tampering.unguarded(connection):
        await connection.execute(rewriting)
    assert await tampered.is_sound()


# What follows cannot be undone.


async def test_a_back_dated_event_that_a_log_waves_through_is_named(tampered):
    """As its newest entry, by a log that does not look at times."""
    connection, log = tampered.connection, tampered.log
    forged = await tampering.back_date(connection, (ENTITIES[2], 1), timedelta(hours=1))
    async with connection.transaction():
        await connection.execute(
            "select pg_advisory_xact_lock(7240117, 3)"
        )  # no sequencer is at work meanwhile
        await connection.execute(
            "insert into log_pending (entity_id, sequence, recorded_at) values ($1, $2, '-infinity')", *forged
        )
        await connection.execute("update log_state set complete_until = null")
    log.events += 1
    await log.reaches(log.events)
    faults = await tampered.named(full=False)
    assert any("back-dated" in fault and f"{forged[0]}, event {forged[1]}" in fault for fault in faults)


async def test_a_history_that_is_rewritten_as_a_whole_is_named(new):
    """Rows, hashes, tiles and root agree with each other again; only who remembers can tell."""
    await new.look(None)
    connection, log = new.connection, new.log
    forged = await tampering.back_date(connection, (ENTITIES[0], 1))
    await tampering.squeeze_in(connection, 10, forged)
    faults = await new.named()
    assert any(fault.startswith("position 10, ") or "tile 0/000" in fault for fault in faults)
    # Nor does it help to have the log forget what it signed, in the database and beside its key.
    before = kept(new.directory)
    async with tampering.unguarded(connection):
        await connection.execute("delete from log_cosignature")
        await connection.execute("delete from log_checkpoint")
    await log.running.stop()
    (log.running.data_dir / "log" / "checkpoint").unlink()
    await log.running.start()
    await log.reaches(log.events + 1)
    naming = ("--log-key", str(new.log_key))
    status, said = await witness("watch", log.running.url, "--once", "--state", new.directory, *naming)
    assert status == 1
    assert re.search(
        f"^ALARM The log is forked: its checkpoint of size {log.events + 1} does not continue the one of "
        f"size {log.events} that it had signed",
        said,
        re.MULTILINE,
    )
    (found,) = re.findall(r"^evidence: (.+)$", said, re.MULTILINE)
    evidence = await asyncio.to_thread(Path(found).read_text)
    assert before in evidence
    assert await log.checkpoint() in evidence
    assert kept(new.directory) == before
