"""Can this be proved: the page of an event, its file, and the commands that check it, run as they stand."""

import asyncio
import shlex
import shutil
import sys
from pathlib import Path

import orjson
import pytest

from tests.browsing import Browser
from tests.conformance.conftest import Serve, Service, with_keys
from tests.conformance.test_desk import push
from tests.making import ENTITY, raw
from tests.processes import PATIENCE_S
from tests.sequencing import settled

ONE = f"/entities/{ENTITY}"
ROOT = Path(__file__).resolve().parents[2]
WORDS = "the amount differs"


@pytest.fixture
async def running(serve: Serve) -> Service:
    service = await with_keys(await serve())
    await push(service, raw("licence.granted", "L1", title="<b>Title</b>"), raw("licence.granted", "L2"))
    objection = raw(
        "objection.opened",
        "L1",
        source=f"urn:entity:{ENTITY}",
        record_source="urn:agency:cn-tj-samr",
        reason=WORDS,
    )
    await push(service, objection, role="entity")
    await settled(service.dsn)
    return service


async def run(command: str, directory: Path) -> tuple[int, str]:
    """Run what the page says, in a shell, with this very software in its place."""
    tools = directory / "tools"
    tools.mkdir(exist_ok=True)
    program = f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m creditsvc "$@"\n'
    python = f'#!/bin/sh\nexec {shlex.quote(sys.executable)} "$@"\n'
    for name, text in (("creditsvc", program), ("python3", python)):
        (tools / name).write_text(text)
        (tools / name).chmod(0o755)
    process = await asyncio.create_subprocess_exec(
        *("sh", "-ec", f'PATH="{tools}:$PATH" PYTHONPATH="{ROOT}"; export PATH PYTHONPATH\n{command}'),
        cwd=directory,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    told, _ = await asyncio.wait_for(process.communicate(), PATIENCE_S)
    return process.returncode or 0, told.decode()


@pytest.mark.parametrize("language", ["en", "zh"])
async def test_the_commands_of_the_page_check_its_file(running: Service, tmp_path, language):
    async with Browser(running.url, language) as browser:
        (link, *_) = [link for link in (await browser.get(ONE)).links if link.endswith("/events/1")]
        page = await browser.get(link)
        assert page.status == 200
        assert {"en": "Position 0 of a log of 3", "zh": "位于第 0 位，日志共 3 条"}[language] in page.text
        assert "<b>Title" not in page.html
        commands = [text for text in page.pre if text.startswith(("creditsvc verify", "curl"))]
        assert len(commands) == 2
        (download,) = [link for link in page.links if link.endswith("/evidence")]
        answer = await browser.get(download)
        name = answer.headers["Content-Disposition"].partition("filename=")[2].strip('"')
    (tmp_path / name).write_text(answer.html)
    for command in commands:
        if command.startswith("curl") and shutil.which("curl") is None:
            async with running.session.get("/v1/log/verifier.py") as file:
                (tmp_path / "verifier.py").write_bytes(await file.read())
            command = command.partition("\n")[2]  # noqa: PLW2901
        assert name in command
        status, told = await run(command, tmp_path)
        assert (status, "nothing wrong found" in told) == (0, True), told
        assert "event is what the log holds" in told
        assert "1 of 1 events are proven to be in the log" in told


async def test_what_was_altered_does_not_verify(running: Service, tmp_path):
    async with Browser(running.url) as browser:
        page = await browser.get(f"{ONE}/events/1")
        answer = await browser.get(f"{ONE}/events/1/evidence")
    (command,) = [text for text in page.pre if text.startswith("creditsvc verify")]
    altered = answer.html.replace("<b>Title</b>", "<b>Other</b>")
    assert altered != answer.html
    (tmp_path / shlex.split(command)[-1]).write_text(altered)
    status, told = await run(command, tmp_path)
    assert (status, "WRONG" in told) == (1, True), told


async def test_the_public_is_shown_a_statement_in_part_and_the_organisation_whole(running: Service, tmp_path):
    async with Browser(running.url) as browser:
        page = await browser.get(f"{ONE}/events/3")
        assert "is not shown here" in page.text
        shown = [page.html, (await browser.get(f"{ONE}/events/3/evidence")).html]
        assert not [html for html in shown if WORDS in html]
        await browser.sign_in(running.keys["entity"])
        page = await browser.get(f"{ONE}/events/3")
        answer = await browser.get(f"{ONE}/events/3/evidence")
        assert answer.headers["Cache-Control"] == "no-store"
        assert WORDS in page.text
        assert WORDS in answer.html
    headers = running.headers("entity")
    async with running.session.get(f"{ONE}/events/3/evidence", headers=headers) as shown_by_key:
        assert shown_by_key.headers["Cache-Control"] == "no-store"
        assert WORDS in await shown_by_key.text()
    (command,) = [text for text in page.pre if text.startswith("creditsvc verify")]
    (tmp_path / shlex.split(command)[-1]).write_text(answer.html)
    assert (await run(command, tmp_path))[0] == 0


@pytest.mark.parametrize("place", ["4", "0", "x", "9" * 30, "1%00"])
async def test_an_event_that_is_not_on_show_is_not_there(running: Service, place):
    async with Browser(running.url, "zh") as browser:
        for path in (f"{ONE}/events/{place}", f"{ONE}/events/{place}/evidence"):
            page = await browser.get(path)
            assert page.status in {400, 404}
            assert "text/html" in page.headers["Content-Type"]


async def test_what_was_withdrawn_is_proved_to_its_parties_alone(running: Service):
    await push(running, raw("record.revoked", "L2", reason="in error"))
    await settled(running.dsn)
    async with Browser(running.url) as browser:
        assert (await browser.get(f"{ONE}/events/2")).status == 404
        await browser.sign_in(running.keys["entity"])
        assert (await browser.get(f"{ONE}/events/2")).status == 200


@pytest.mark.parametrize("language", ["en", "zh"])
async def test_before_the_log_has_it_the_page_says_so(serve: Serve, language):
    service = await with_keys(await serve(log_interval_s=1.0))
    await push(service, raw("licence.granted", "L1"))
    async with Browser(service.url, language) as browser:
        page = await browser.get(f"{ONE}/events/1")
        if "Position" not in page.text and "位于第" not in page.text:
            assert {"en": "Not yet: the event is recorded", "zh": "还不能：事件已记录"}[language] in page.text
            assert (await browser.get(f"{ONE}/events/1/evidence")).status in {200, 404}
        await settled(service.dsn)
        assert {"en": "Position 0", "zh": "位于第 0 位"}[language] in (
            await browser.get(f"{ONE}/events/1")
        ).text


async def test_the_file_is_a_bundle_of_the_public_formats(running: Service):
    async with running.session.get(f"{ONE}/events/2/evidence") as answer:
        told = orjson.loads(await answer.read())
    assert told["bundle"] == "creditsvc evidence/v1" or told["bundle"]
    assert told["documents"]["proof"].startswith("c2sp.org/tlog-proof@v1\n")
    assert [item["sequence"] for item in told["documents"]["history"]["items"]] == [2]
