"""The documents say what is so: every setting, every command, every link, and examples that work."""

import json
import re
from collections.abc import Iterator
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path

import click
import pytest

from creditsvc.cli import main
from creditsvc.domain import catalogue, events, identifiers
from creditsvc.domain.parties import party
from creditsvc.settings import PREFIX, Settings

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SETTINGS = (ROOT / "docs/settings.md").read_text(encoding="utf-8")
COMMANDS = (ROOT / "docs/commands.md").read_text(encoding="utf-8")
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("*.md")]

ROW = re.compile(
    rf"^\| `(?P<name>{PREFIX}\w+)` \| (?P<default>[^|]+) \| (?P<meaning>[^|]+) \|$", re.MULTILINE
)
LINK = re.compile(r"\]\((?!https?:|#|mailto:)(?P<target>[^)#\s]+)(?:#[^)]*)?\)")


def written(default: object) -> str:
    if default == "":
        return "unset"
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"


def test_every_setting_is_documented_with_its_default():
    documented = {row["name"]: row["default"].strip() for row in ROW.finditer(SETTINGS)}
    assert documented == {PREFIX + field.name.upper(): written(field.default) for field in fields(Settings)}


def commands(command: click.Command, path: str = "creditsvc") -> Iterator[tuple[str, click.Command]]:
    if not isinstance(command, click.Group):
        yield path, command
        return
    context = click.Context(command)
    for name in command.list_commands(context):
        found = command.get_command(context, name)
        assert found is not None
        yield from commands(found, f"{path} {name}")


EVERY_COMMAND = dict(commands(main))


@pytest.mark.parametrize("path", EVERY_COMMAND)
def test_every_command_is_documented_with_its_options(path):
    assert f"`{path}" in COMMANDS
    options = {
        name
        for parameter in EVERY_COMMAND[path].params
        if isinstance(parameter, click.Option) and not parameter.hidden
        for name in parameter.opts
        if name.startswith("--")
    }
    assert [name for name in sorted(options) if not re.search(rf"{name}\b", COMMANDS)] == []


def test_no_document_names_a_command_or_variable_that_is_not_there():
    paths = {*EVERY_COMMAND} | {path.rsplit(" ", 1)[0] for path in EVERY_COMMAND}
    variables = {PREFIX + field.name.upper() for field in fields(Settings)}
    variables |= {str(parameter.envvar) for command in EVERY_COMMAND.values() for parameter in command.params}
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        named = {*re.findall(rf"\b{PREFIX}[A-Z_]+\b", text)}
        assert named <= variables, page.name
        called = {*re.findall(r"`(creditsvc [a-z]+)", text)}
        assert called <= paths, page.name


def test_the_readme_gives_the_two_commands_and_leads_on():
    for needed in ("make run", "make test", "docs/settings.md", "docs/commands.md", "docs/decisions"):
        assert needed in README


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    targets = [link["target"] for link in LINK.finditer(page.read_text(encoding="utf-8"))]
    assert [target for target in targets if not (page.parent / target).exists()] == []


def test_every_file_that_the_readme_names_is_there():
    named = re.findall(r"`((?:creditsvc|schema|scoring|deploy|docs|examples)/[\w./-]+)`", README)
    assert len(named) >= 5
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_the_events_in_the_readme_are_ones_that_are_accepted():
    bodies = (part.split("'\n", 1)[0] for part in README.split("-d '")[1:])
    examples = [json.loads(body) for body in bodies if '"specversion"' in body]
    now = datetime(2026, 11, 22, tzinfo=UTC)
    opening, objection = (
        events.decode(one, catalogue.load(), now, max_bytes=Settings().event_max_bytes) for one in examples
    )
    assert f"/v1/entities/{opening.entity}" in README
    assert f"--source {opening.source}" in README
    assert (objection.record, objection.holder) == (opening.record, opening.source)
    assert f"--entity {objection.entity}" in README
    assert objection.source == party(opening.entity)


def test_the_organisations_in_the_readme_can_exist():
    named = re.findall(r"/v1/entities/([a-z-]+:\w+)", README)
    assert len(named) >= 2
    assert [name for name in named if identifiers.parse(name) != name] == []


def shell(text: str) -> list[str]:
    """The lines of every block of commands."""
    blocks = re.findall(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.splitlines()]


def test_what_the_commands_of_the_readme_write_is_not_committed():
    ignored = (ROOT / ".gitignore").read_text(encoding="utf-8").split()
    written_to = re.findall(r"(?:--output|--state|-o) (\S+)", "\n".join(shell(README)))
    assert len(written_to) >= 3
    assert [path for path in written_to if not path.startswith("var/")] == []
    assert {"var/", "/witness/", "*.key"} <= {*ignored}
    assert " -O" not in README


def test_checking_a_record_takes_the_same_commands_in_chinese():
    before, heading, rest = README.partition("\n## 怎样核验一条记录\n")
    assert "](#怎样核验一条记录)" in before
    commands_there = [line for line in shell(rest.partition("\n## ")[0]) if line and line[0] != "#"]
    assert heading
    assert len(commands_there) >= 5
    assert [line for line in commands_there if line not in shell(before)] == []


def test_decisions_are_numbered_dated_and_listed():
    folder = ROOT / "docs/decisions"
    listed = (folder / "README.md").read_text(encoding="utf-8")
    notes = sorted(folder.glob("0*.md"))
    assert [int(note.name[:4]) for note in notes] == list(range(1, len(notes) + 1))
    for note in notes:
        text = note.read_text(encoding="utf-8")
        assert re.match(r"# 20\d\d-\d\d-\d\d \S", text), note.name
        assert [
            part
            for part in ("**Context.**", "**Choice.**", "**Refused.**", "**Look again**")
            if part not in text
        ] == []
        assert f"]({note.name})" in listed
