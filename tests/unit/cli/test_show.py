"""`creditsvc show` against a server that answers whatever it likes."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web
from click.testing import CliRunner, Result

from creditsvc.cli import show

ENTITY = "siren:552081317"
PROFILE: dict[str, Any] = {"entity": ENTITY, "valid_from": "2026-03-05T00:00:00.000000Z", "standing": {}}
ITEM: dict[str, Any] = {
    "sequence": 1,
    "recorded_at": "2026-03-05T00:00:00.000000Z",
    "event": {
        "time": "2026-03-04T00:00:00Z",
        "type": "credit.inspection",
        "source": "urn:agency:fr-dgal",
        "data": {"record": "r-1", "outcome": "clean"},
    },
}


class Server:
    """Answers with a profile and pages of history, and keeps what it was asked."""

    def __init__(self, profile: Any = None, page: Callable[[int], Any] | None = None) -> None:
        self.profile = PROFILE if profile is None else profile
        self.page = page or (lambda _: {"items": [ITEM], "next": None})
        self.asked: list[web.Request] = []

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request)
        answer = self.page(len(self.asked) - 1) if request.path.endswith("/history") else self.profile
        return answer if isinstance(answer, web.StreamResponse) else web.json_response(answer)

    async def show(self, *options: str) -> Result:
        app = web.Application()
        app.router.add_get("/{path:.*}", self.handle)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            call = [ENTITY, "--url", url, *options]
            return await asyncio.to_thread(CliRunner().invoke, show.command, call)
        finally:
            await runner.cleanup()


async def test_profile_and_history_are_shown():
    done = await Server().show()
    assert (done.exit_code, done.stderr) == (0, "")
    assert ENTITY in done.stdout
    assert "inspection: clean" in done.stdout


@pytest.mark.parametrize(
    "wrong",
    [
        {"valid_from": None},
        {"valid_from": 5},
        {"standing": 5},
        {"standing": ["x"]},
        {"listings": 5},
        {"score": 5},
        {"score": {"factors": ["x"]}},
        {"score": {"factors": 5}},
    ],
    ids=str,
)
async def test_profile_that_is_none_is_told(wrong):
    done = await Server(PROFILE | wrong).show()
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr == "Error: what answers there is not a creditsvc\n"


@pytest.mark.parametrize(
    "page",
    [
        {},
        {"next": None},
        {"items": [ITEM]},
        {"items": 5, "next": None},
        {"items": [ITEM], "next": 5},
        {"items": ["x"], "next": None},
        {"items": [ITEM | {"event": 5}], "next": None},
        {"items": [ITEM | {"event": {}}], "next": None},
        {"items": [ITEM | {"event": ITEM["event"] | {"data": 5}}], "next": None},
        {"items": [ITEM | {"event": ITEM["event"] | {"time": 5}}], "next": None},
        {"items": [ITEM | {"recorded_at": 5}], "next": None},
        {"items": [ITEM | {"sequence": "x"}], "next": None},
    ],
    ids=str,
)
async def test_history_that_is_none_is_told(page):
    done = await Server(page=lambda _: page).show()
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr == "Error: what answers there is not a creditsvc\n"


async def test_profile_without_a_score_is_shown():
    done = await Server(PROFILE | {"score": None}).show()
    assert done.exit_code == 0


async def test_empty_page_ends_the_history():
    server = Server(page=lambda _: {"items": [], "next": "on"})
    done = await server.show()
    assert done.exit_code == 0
    assert len(server.asked) == 2
    assert "does not give them" in done.stderr


async def test_pages_are_asked_for_a_bounded_number_of_times(monkeypatch):
    monkeypatch.setattr(show, "PAGES_MAX", 3)
    server = Server(page=lambda _: {"items": [ITEM], "next": "on"})
    done = await server.show()
    assert done.exit_code == 0
    assert len(server.asked) == 1 + 3
    assert "does not give them" in done.stderr


async def test_limit_is_kept_and_told():
    server = Server(page=lambda _: {"items": [ITEM], "next": "on"})
    done = await server.show("--limit", "2")
    assert len(server.asked) == 1 + 2
    assert done.stdout.count("inspection: clean") == 2
    assert done.stderr == "There are more events: --limit shows more.\n"


@pytest.mark.parametrize("number", [301, 302, 303, 307, 308])
async def test_redirect_is_not_followed_and_its_target_not_repeated(number):
    elsewhere = web.Response(status=number, headers={"Location": "/elsewhere"}, text="elsewhere")
    server = Server(elsewhere)
    done = await server.show("--key", "id.secret")
    assert (done.exit_code, done.stdout) == (1, "")
    assert "redirect" in done.stderr
    assert "elsewhere" not in done.stderr
    assert len(server.asked) == 1
