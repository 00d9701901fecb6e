"""docs/case.md is true: its commands, run in their order against a service, come to what the page shows."""

import asyncio
import os
import shutil
import sys

import pytest

from tests.acceptance.commands import ROOT
from tests.processes import PATIENCE_S, service
from tests.shown import Comparison, Step, steps

PAGE = (ROOT / "docs/case.md").read_text(encoding="utf-8")
BETWEEN = "\x1e"


def environment(one, commands):
    """What the page says that there has to be: the address, the data directory, the commands."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("CREDITSVC_")}
    return own | {
        "URL": one.url,
        "CREDITSVC_DATA_DIR": str(one.data_dir),
        "PATH": f"{commands}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "no_proxy": "127.0.0.1",
    }


def provide(commands):
    """Put there `creditsvc` and `python` as they are tested here."""
    commands.mkdir()
    for name, words in (("python", ""), ("creditsvc", "-m creditsvc ")):
        command = commands / name
        command.write_text(f'#!/bin/sh\nexec "{sys.executable}" {words}"$@"\n', encoding="utf-8")
        command.chmod(0o700)
    return commands


async def run(script, environment, directory):
    process = await asyncio.create_subprocess_exec(
        *("bash", "-euo", "pipefail", "-c", script),
        env=environment,
        cwd=directory,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(2 * PATIENCE_S):
            said, complaints = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return process.returncode, said.decode(), complaints.decode()


@pytest.mark.skipif(shutil.which("curl") is None, reason="the page's requests are made with curl")
async def test_every_step_of_the_page_comes_to_what_it_shows(tmp_path):
    walk = steps(PAGE)
    script = "\n".join(f"{one.commands}\nprintf '\\x1e'" for one in walk)
    async with service(tmp_path / "data", workers=1, log_interval_s=0.2) as one:
        status, said, complaints = await run(script, environment(one, provide(tmp_path / "bin")), tmp_path)
    told = said.split(BETWEEN)
    comparison = Comparison()
    faults = [
        f"{step.commands}\n{fault}"
        for step, answer in zip(walk, told, strict=False)
        for fault in comparison.faults(step, answer)
    ]
    assert faults == [], "\n".join(faults)
    assert (status, len(told)) == (0, len(walk) + 1), complaints
    assert complaints.count("nothing wrong found") == 1, "by `creditsvc verify`"


def test_every_answer_of_the_page_is_compared():
    walk = steps(PAGE)
    assert len(walk) > 20
    assert [one.commands for one in walk if len(one.answers) > 1] == []
    assert [one.commands for one in walk if not one.answers] == [walk[0].commands], "keys are told to nobody"


@pytest.mark.parametrize(
    ("shown", "told"),
    [
        ('{"a": 1}', '{"a": 2}'),
        ('{"a": 1}', '{"a": true}'),
        ('{"a": 1}', '{"a": 1, "b": 2}'),
        ('{"a": "…", …}', '{"b": 1}'),
        ('{"a": [1]}', '{"a": [1, 2]}'),
        ('{"a": [1, …]}', '{"a": []}'),
        ('{"a": "b …"}', '{"a": "c d"}'),
        ('{"a": "2026-11-23T01:00:00.000000Z"}', '{"a": null}'),
        (
            '{"a": "2026-11-23T01:00:00.000000Z", "b": "2026-11-23T01:00:00.000000Z"}',
            '{"a": "2026-11-24T01:00:00.000000Z", "b": "2026-11-25T01:00:00.000000Z"}',
        ),
        ("{}\n{}", "{}"),
    ],
)
def test_what_is_not_as_shown_is_found(shown, told):
    assert Comparison().faults(Step("", [("json", shown)]), told)
    assert Comparison().faults(Step(""), told), "nothing is shown"


@pytest.mark.parametrize(
    ("shown", "told"),
    [
        ('{"a": {"b": [1, …], …}, "c": "…"}', '{"a": {"b": [1, 2], "d": 3}, "c": null}'),
        ('{"a": "2026-11-23T01:00:00.000000Z"}\n{…}', '{"a": "2030-01-01T09:09:09.999999Z"}\n{"e": 1}'),
    ],
)
def test_what_is_left_out_may_be_anything(shown, told):
    assert Comparison().faults(Step("", [("json", shown)]), told) == []


def test_text_is_compared_by_the_line():
    shown = "…\n2026-01-01 … due  X 09:00\nlast"
    assert Comparison().faults(Step("", [("text", shown)]), "a\nb\n2027-02-02\t\tdue\tX\t10:10\nlast\n") == []
    for told in (
        "2027-02-02 due X 10:10",
        "2027-02-02 due Y 10:10\nlast",
        "2027-02-02 due X 10:10\nlast\nmore",
    ):
        assert Comparison().faults(Step("", [("text", shown)]), told)
