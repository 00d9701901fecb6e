"""The desk of a service of several processes: on the terminal, in the metrics, and in the log at start."""

import asyncio
import subprocess
from datetime import date

import orjson

from creditsvc.ledger.calendars import CHINA, kept
from tests.acceptance.commands import COMMAND
from tests.making import OTHER_SOURCE, SOURCE, raw
from tests.processes import PATIENCE_S


def command(api, who, *options):
    """Run `creditsvc desk` as a user does; ``who`` may be nobody."""
    key = () if who is None else ("--key", api.keys[who])
    return subprocess.run(
        [*COMMAND, "desk", "--agency", SOURCE, "--url", api.running.url, *key, *options],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


async def objection(api, subject, number):
    await api.taken(
        "agency",
        raw("licence.granted", "L1", subject=subject, entity_name="Desk & Sons"),
        raw("objection.opened", "L1", subject=subject, objection=number, ground="wrong"),
    )


async def test_the_command_shows_what_the_service_has_at_once(api, subject):
    await objection(api, subject, "DESK-1")
    for who in ("agency", "operator"):
        done = await asyncio.to_thread(command, api, who, "--json")
        assert (done.returncode, done.stderr) == (0, "")
        items = [orjson.loads(line) for line in done.stdout.splitlines()]
        assert [item["number"] for item in items if item["entity"] == subject] == ["DESK-1"]
        assert [item["due"] for item in items] == sorted(item["due"] for item in items)
    done = await asyncio.to_thread(command, api, "agency", "--kind", "objection")
    (line,) = (line for line in done.stdout.splitlines() if subject in line)
    day, state, *_ = line.split("\t")
    assert date.fromisoformat(day)
    assert state == "uncertain"  # no calendar is kept of that place


async def test_another_agency_is_refused_in_words(api):
    done = await asyncio.to_thread(command, api, "another agency")
    assert (done.returncode, done.stdout) == (1, "")
    assert "another agency" in done.stderr
    assert OTHER_SOURCE not in done.stderr


async def test_without_a_key_it_is_told_how_to_give_one(api):
    done = await asyncio.to_thread(command, api, None)
    assert (done.returncode, done.stdout) == (1, "")
    assert "--key, or better CREDITSVC_KEY" in done.stderr


async def test_every_worker_tells_the_same_counts_and_the_calendar(api, subject):
    await objection(api, subject, "DESK-2")
    line = 'creditsvc_cases_open{agency="all",kind="objection",step="decide"} '
    async with asyncio.timeout(PATIENCE_S):
        while True:
            answers = [(await api.get("public", "/metrics")).body.decode() for _ in range(4)]
            found = [[one for one in body.splitlines() if one.startswith(line)] for body in answers]
            if all(found):
                break
            await asyncio.sleep(0.5)
    assert all(len(one) == 1 for one in found), "one series, however many workers count"
    assert not any(SOURCE in body for body in answers), "what awaits whom is not for everybody"
    until = f'creditsvc_calendar_known_until_timestamp_seconds{{zone="{CHINA}"}}'
    assert all(until in body for body in answers)


async def test_the_log_says_at_start_what_calendar_is_kept(api):
    said = await asyncio.to_thread(api.running.log.read_text)
    assert kept()[CHINA].known_until.isoformat() in said
    assert "a calendar of working days is kept" in said
