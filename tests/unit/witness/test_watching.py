"""The witness that looks by itself, at a log made by hand that does what a log must not."""

import sqlite3
import sys
from base64 import b64decode, b64encode
from datetime import UTC, datetime, timedelta

import aiohttp
import pytest

from creditsvc.cli.witness import run_command
from creditsvc.domain import instants
from creditsvc.verifier.encoding import canonical
from creditsvc.verifier.leaves import commitment
from creditsvc.verifier.log import parse_checkpoint
from creditsvc.verifier.notes import VerifierKey, parse_note, verify_note
from creditsvc.witness import state, watching
from creditsvc.witness.remote import Remote, Unanswered
from creditsvc.witness.watching import Alarmed, Watcher
from tests.unit.witness.making import ENTITIES, HandMadeLog, item, served


@pytest.fixture(autouse=True)
def no_pause(monkeypatch):
    monkeypatch.setattr(watching, "OLDER_PAUSE_S", 0.01)


class Watch:
    def __init__(self, log, opened, session, url):
        self.log, self.opened, self.session, self.url = log, opened, session, url
        self.kept = opened.log(VerifierKey.parse(log.verifier_key))

    async def look(self, *, key: str | None = None, full: bool = False):
        remote = Remote(self.session, self.url, key)
        return await Watcher(remote, self.kept, self.opened.cosigner, full=full).look()

    async def faults(self, *, key: str | None = "auditor", full: bool = False) -> list[str]:
        """Look and expect an alarm; gives what it names, and takes the alarm away."""
        with pytest.raises(Alarmed) as alarmed:
            await self.look(key=key, full=full)
        assert alarmed.value.evidence is not None
        assert alarmed.value.faults[0] in alarmed.value.evidence.read_text()
        with pytest.raises(Alarmed) as again:
            await self.look(key=key, full=full)
        assert again.value.evidence is None, "it stands, and nothing new is kept"
        (self.kept.directory / "alarm").unlink()
        return alarmed.value.faults


@pytest.fixture
async def watch(tmp_path):
    log = HandMadeLog().grow(300)
    with state.opened(tmp_path / "witness") as opened:
        async with served(log) as url, aiohttp.ClientSession() as session:
            yield Watch(log, opened, session, url)


def size(watch) -> int:
    last = watch.kept.last()
    return 0 if last is None else last.size


async def test_a_growing_log_is_cosigned(watch):
    watch.log.began = datetime.now(UTC)
    for more in (0, 1, 255, 400):
        watch.log.grow(more)
        checkpoint, late = await watch.look(key="auditor")
        assert (checkpoint.size, late) == (len(watch.log.items), [])
        note = parse_note(watch.kept.note())
        assert verify_note(note, watch.opened.cosigner.key) > 0
        assert parse_checkpoint(watch.kept.note()).size == checkpoint.size
    await watch.look(key="auditor", full=True)
    await watch.look(full=True)


async def test_an_empty_log_too(watch):
    watch.log.shown = watch.log.note(0)
    assert (await watch.look())[0].size == 0
    watch.log.shown = None
    assert (await watch.look())[0].size == 300


async def test_a_fork_is_an_alarm_with_both_checkpoints(watch):
    await watch.look()
    before = watch.kept.note()
    twin = HandMadeLog()
    twin.signer = watch.log.signer
    twin.grow(300, recorded_at="2026-01-02T00:00:00.000000Z").grow(50)
    watch.log.hashes, watch.log.tiles = twin.hashes, twin.tiles
    (fault,) = await watch.faults(key=None)
    assert "forked" in fault
    assert "size 350 does not continue the one of size 300" in fault
    (evidence,) = (watch.kept.directory / "evidence").iterdir()
    assert before in evidence.read_text()
    assert twin.note() in evidence.read_text()
    assert watch.kept.note() == before


async def test_another_root_for_the_same_size(watch):
    await watch.look()
    watch.log.shown = watch.log.note(300, bytes(32))
    (fault,) = await watch.faults(key=None)
    assert "another root for the same size, 300" in fault


async def test_going_back_is_an_alarm_once_it_lasts(watch):
    await watch.look()
    watch.log.shown = watch.log.note(299)
    (fault,) = await watch.faults(key=None)
    assert "shows 299 entries, and it had signed 300" in fault
    assert size(watch) == 300


@pytest.mark.parametrize(
    "shown", ["", "nonsense", "\0", "a\n1\nAAAA\n\n— a AAAAAAAA\n", "x" * 300_000], ids=range(5)
)
async def test_what_is_no_checkpoint_of_the_log_proves_nothing(watch, shown):
    await watch.look()
    watch.log.shown = shown or "\n"
    with pytest.raises(Unanswered):
        await watch.look()
    watch.log.shown = HandMadeLog(watch.log.signer.name).grow(500).note()
    with pytest.raises(Unanswered, match=r"false|no signature"):
        await watch.look()
    assert watch.kept.alarm() is None
    assert size(watch) == 300


def rewrite(log: HandMadeLog, level: int, index: int, place: int) -> None:
    hashes = log.tiles[level, index]
    log.tiles[level, index] = hashes[: 32 * place] + bytes(32) + hashes[32 * place + 32 :]


@pytest.mark.parametrize(
    ("place", "named"),
    [
        ((0, 0, 17), "tile 0/000 was rewritten at position 17: the entries there are right"),
        ((0, 1, 3), "tile 0/001.p/44 was rewritten at position 259: the entries there are right"),
        ((1, 0, 0), "tile 1/000.p/1"),
    ],
)
async def test_a_tile_that_is_rewritten(watch, place, named):
    await watch.look(key="auditor")
    rewrite(watch.log, *place)
    assert any(named in fault for fault in await watch.faults(full=True))
    blind = await watch.faults(key=None, full=True)
    assert any(f"tile {named.split()[1]}" in fault for fault in blind)


async def test_a_tile_that_is_rewritten_before_it_is_first_seen(watch):
    rewrite(watch.log, 0, 1, 3)
    assert any("tile 0/001.p/44" in fault for fault in await watch.faults(key=None))
    assert size(watch) == 0


async def test_content_that_is_changed(watch):
    await watch.look(key="auditor")
    watch.log.items[7]["event"]["data"]["n"] = 8
    await watch.look(key="auditor")
    (fault,) = await watch.faults(full=True)
    assert fault.startswith(f"position 7, {ENTITIES[1]}, event 3: ")
    assert "tile 0/000" in fault


async def test_content_that_is_changed_before_it_is_first_read(watch):
    await watch.look()
    watch.log.items[270]["event"]["data"]["n"] = 8
    (fault,) = await watch.faults()
    assert fault.startswith(f"position 270, {ENTITIES[0]}, event 91: ")
    # Still wrong when the alarm is taken away without more.
    assert await watch.faults() == [fault]


async def test_two_entries_that_are_swapped(watch):
    await watch.look(key="auditor")
    one, other = watch.log.items[3], watch.log.items[6]
    for name in ("event", "salt"):
        one[name], other[name] = other[name], one[name]
    faults = await watch.faults(full=True)
    assert [fault.split(":")[0][:11].rstrip(",") for fault in faults] == ["position 3", "position 6"]


@pytest.mark.parametrize("how", ["missing", "broken"])
async def test_an_entry_that_is_removed(watch, how):
    await watch.look(key="auditor")
    getattr(watch.log, how).update({5, 299})
    faults = await watch.faults(full=True)
    assert [fault for fault in faults if fault.startswith(("position 5:", "position 299:"))] != []
    assert any(f"{ENTITIES[2]}, event 3: event 2 of the same entity is missing" in fault for fault in faults)
    gone = [
        fault for fault in faults if fault.startswith(f"position 299, {ENTITIES[2]}, event 100: it was in")
    ]
    assert len(gone) == 1


async def test_what_is_in_a_history_and_not_in_the_log(watch):
    watch.log.unlogged = [item(999, ENTITIES[0], 101, "2026-01-01T00:00:01.000000Z")]
    await watch.look(key="auditor")
    (fault,) = await watch.faults(full=True)
    assert fault.startswith(f"{ENTITIES[0]}, event 101: ")
    watch.log.unlogged[0]["recorded_at"] = instants.text(datetime.now(UTC))
    await watch.look(key="auditor", full=True)


async def test_a_gap_and_times_that_fall(watch):
    log = watch.log
    log.items.append(item(300, ENTITIES[0], 102, "2026-01-01T00:00:01.000000Z"))
    log.grow(0)
    faults = await watch.faults()
    assert any("event 102: event 101 of the same entity is missing" in fault for fault in faults)
    assert any(
        "recorded at 2026-01-01T00:00:01.000000Z, and the event before it" in fault for fault in faults
    )


async def test_an_entry_that_is_back_dated(watch):
    now = datetime.now(UTC)
    log = watch.log.grow(1, instants.text(now))
    await watch.look(key="auditor")
    log.items.append(item(301, "siren:775670417", 1, instants.text(now - timedelta(hours=1))))
    log.grow(0)
    (fault,) = await watch.faults()
    assert fault.startswith("position 301, siren:775670417, event 1: ")
    assert "back-dated" in fault


async def test_an_entry_that_is_late_is_told_and_does_not_end_it(watch):
    await watch.look(key="auditor")
    log = watch.log
    log.items.append(item(300, "siren:775670417", 1, instants.text(datetime.now(UTC) - timedelta(hours=1))))
    log.grow(0)
    checkpoint, late = await watch.look(key="auditor")
    assert checkpoint.size == 301
    assert [one[:40] for one in late] == ["position 300, siren:775670417, event 1: "]
    assert (await watch.look(key="auditor"))[1] == []


async def test_a_leaf_stands_for_what_is_hidden(watch):
    hidden = watch.log.items[10]
    salt, event = b64decode(hidden.pop("salt")), hidden.pop("event")
    leaf = {name: hidden[name] for name in ("entity", "recorded_at", "sequence")}
    hidden["leaf"] = leaf | {
        "commitment": b64encode(commitment(salt, canonical(event))).decode(),
        "source": event["source"],
        "v": 1,
    }
    await watch.look(key="auditor")
    hidden["leaf"]["source"] = "urn:agency:y"
    (fault,) = await watch.faults(full=True)
    assert fault.startswith("position 10, ")
    hidden["leaf"]["sequence"] = 9
    (fault, *_) = await watch.faults(full=True)
    assert fault == "position 10: its leaf says something else than the entry"


async def test_a_key_that_does_not_open_the_feed_proves_nothing(watch):
    with pytest.raises(Unanswered, match="401"):
        await watch.look(key="another")
    watch.log.items[4] = {name: watch.log.items[4][name] for name in ("position", "entity")} | {
        "withdrawn": {}
    }
    with pytest.raises(Unanswered, match="auditor"):
        await watch.look(key="auditor")


async def test_numbers_beyond_all_bounds_are_named(watch):
    watch.log.items[7]["sequence"] = 2**63
    watch.log.items[8]["sequence"] = -1
    faults = await watch.faults()
    assert [fault for fault in faults if "out of bounds" in fault] == [
        "position 7: its place is out of bounds",
        "position 8: its place is out of bounds",
    ]


async def test_silence_does_not_make_up_for_a_fault_found_before_it(watch):
    watch.log.items[7]["event"]["data"]["n"] = 8
    watch.log.items[290] = {"position": 290, "withdrawn": {}}
    (fault,) = await watch.faults()
    assert fault.startswith("position 7, ")


async def test_a_command_is_run_for_an_alarm(watch, tmp_path):
    command = (
        f"{sys.executable} -c 'import pathlib, sys; pathlib.Path(sys.argv[1]).write_text(sys.argv[2])' {{}}"
    )
    await run_command(command.format(tmp_path / "told"), tmp_path / "evidence")
    assert (tmp_path / "told").read_text() == str(tmp_path / "evidence")
    await run_command("/nowhere/nothing", tmp_path)
    await run_command("'", tmp_path)


@pytest.mark.parametrize(
    "broken",
    [None, [], "x", {}, {"position": True}, {"position": 4, "entity": 1}, {"position": 9}, {"position": "4"}],
    ids=str,
)
async def test_hostile_entries_are_named_by_their_position(watch, broken):
    watch.log.items[4] = broken
    watch.log.unlogged = []
    with pytest.raises(Alarmed) as alarmed:
        await watch.look(key="auditor")
    assert any(fault.startswith("position 4: ") for fault in alarmed.value.faults)


async def test_little_is_remembered(watch):
    await watch.look(key="auditor")
    watch.log.grow(100)
    await watch.look(key="auditor")
    with sqlite3.connect(watch.kept.memory) as file:
        assert file.execute("select entity, number from last order by entity").fetchall() == sorted(
            (entity, count) for entity, count in zip(ENTITIES, (134, 133, 133), strict=True)
        )
    file.close()
