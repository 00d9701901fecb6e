"""`creditsvc desk` against a server that answers whatever it likes."""

import asyncio
import sys
from typing import Any

import orjson
import pytest
from aiohttp import web
from click.testing import CliRunner, Result

from creditsvc.cli import desk, tables

AGENCY = "urn:agency:cn-tj-samr"
ITEM: dict[str, Any] = {
    "entity": "uscc:91350100M000100Y43",
    "record": "津市监罚〔2026〕123号",
    "source": AGENCY,
    "kind": "objection",
    "number": "YY-1",
    "ground": "wrong",
    "step": "decide",
    "since": "2026-09-29T16:30:00.000000Z",
    "due": "2026-10-09T16:00:00.000000Z",
    "certain": True,
    "overdue": False,
}


class Server:
    """Answers with pages of a desk, and keeps what it was asked."""

    def __init__(self, *pages: Any) -> None:
        self.pages = pages or ({"items": [ITEM], "next": None},)
        self.asked: list[web.Request] = []

    async def handle(self, request: web.Request) -> web.StreamResponse:
        answer = self.pages[len(self.asked) % len(self.pages)]
        self.asked.append(request)
        return answer if isinstance(answer, web.StreamResponse) else web.json_response(answer)

    async def show(self, *options: str) -> Result:
        app = web.Application()
        app.router.add_get("/{path:.*}", self.handle)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            call = ["--agency", AGENCY, "--url", url, *options]
            return await asyncio.to_thread(CliRunner().invoke, desk.command, call)
        finally:
            await runner.cleanup()


async def test_the_last_day_is_shown_where_the_authorities_are():
    done = await Server().show()
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout.rstrip("\n").split("\t") == [
        *("2026-10-09", "", "objection", "decide", "YY-1", ITEM["record"], ITEM["entity"], "wrong"),
        "2026-09-30 00:30",
    ]


async def test_another_place_has_other_days_and_an_unknown_one_those_of_utc():
    for entity, day, since in [
        ("usdot:100004", "2026-10-09", "2026-09-29 12:30"),
        ("moon:1", "2026-10-09", "2026-09-29 16:30"),
        ("siret:55208131766522", "2026-10-09", "2026-09-29 18:30"),
    ]:
        done = await Server({"items": [ITEM | {"entity": entity}], "next": None}).show()
        cells = done.stdout.rstrip("\n").split("\t")
        assert (cells[0], cells[-1]) == (day, since)


@pytest.mark.parametrize(
    ("item", "state"),
    [
        ({"certain": False}, "uncertain"),
        ({"overdue": True}, "overdue"),
        ({"certain": False, "overdue": True}, "overdue"),
    ],
)
async def test_what_is_uncertain_or_overdue_says_so(item, state):
    done = await Server({"items": [ITEM | item], "next": None}).show()
    assert done.stdout.split("\t")[1] == state


def test_what_is_overdue_is_red_on_a_terminal(monkeypatch, capsys):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.delenv("NO_COLOR", raising=False)
    tables.show(("due",), [("one",), ("[two]",)], "none", ["red", ""])
    _, late, early = capsys.readouterr().out.splitlines()
    assert "\x1b[31m" in late
    assert "one" in late
    assert "\x1b[31m" not in early
    assert "[two]" in early


async def test_json_is_one_object_a_line_with_everything():
    done = await Server({"items": [ITEM, ITEM | {"number": "YY-2"}], "next": None}).show("--json")
    assert [orjson.loads(line) for line in done.stdout.splitlines()] == [ITEM, ITEM | {"number": "YY-2"}]


async def test_it_asks_for_what_is_wanted_page_by_page():
    server = Server({"items": [ITEM], "next": "7-1"}, {"items": [ITEM], "next": None})
    done = await server.show("--kind", "repair", "--overdue", "--key", "a.b")
    assert len(done.stdout.splitlines()) == 2
    assert done.stderr == ""
    first, second = server.asked
    assert first.path == f"/v1/agencies/{AGENCY}/desk"
    assert dict(first.query) == {"kind": "repair", "overdue": "true", "limit": "500"}
    assert dict(second.query) == dict(first.query) | {"cursor": "7-1"}
    assert first.headers["Authorization"] == "Bearer a.b"


async def test_no_more_than_the_limit_is_shown_and_that_there_is_more():
    done = await Server({"items": [ITEM, ITEM, ITEM], "next": None}).show("--limit", "2")
    assert len(done.stdout.splitlines()) == 2
    assert "--limit shows more" in done.stderr


async def test_nothing_is_no_line():
    done = await Server({"items": [], "next": None}).show()
    assert (done.exit_code, done.stdout) == (0, "")


@pytest.mark.parametrize(
    "page",
    [
        {},
        {"items": [ITEM]},
        {"items": 5, "next": None},
        {"items": [ITEM], "next": 5},
        {"items": ["x"], "next": None},
        {"items": [ITEM | {"due": "tomorrow"}], "next": None},
        {"items": [ITEM | {"since": 5}], "next": None},
        {"items": [ITEM | {"overdue": "yes"}], "next": None},
        {"items": [ITEM | {"number": None}], "next": None},
    ],
    ids=str,
)
async def test_an_answer_that_is_none_is_told(page):
    done = await Server(page).show()
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr == "Error: what answers there is not a creditsvc\n"


async def test_a_refusal_is_told_and_a_redirect_is_not_followed():
    refused = web.json_response({"detail": "This desk is another\x1b[2J agency's."}, status=403)
    done = await Server(refused).show()
    assert done.exit_code == 1
    assert done.stderr == "Error: This desk is another\N{REPLACEMENT CHARACTER}[2J agency's.\n"
    server = Server(web.Response(status=307, headers={"Location": "/elsewhere"}))
    assert (await server.show()).exit_code == 1
    assert len(server.asked) == 1


async def test_what_could_steer_a_terminal_is_left_out():
    done = await Server({"items": [ITEM | {"number": "\x1b[31mX"}], "next": None}).show()
    assert "\x1b" not in done.stdout
