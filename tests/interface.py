"""Callers of every role on the interface, and what they are answered."""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
import orjson

from tests.processes import BATCH, ONE, Service

JSON = "application/json"
_numbers = itertools.count(5_000)


def new_subject() -> str:
    """An organisation that no other test knows."""
    return f"usdot:{next(_numbers)}"


@dataclass
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def document(self) -> Any:
        return orjson.loads(self.body)


class Interface:
    """Callers of every role, and all answers that they ever got."""

    def __init__(self, running: Service, session: aiohttp.ClientSession, keys: dict[str, str]) -> None:
        self.running = running
        self.session = session
        self.keys = keys
        self.answers: list[bytes] = []

    async def ask(
        self, who: str, method: str, path: str, body: Any = None, kind: str = ONE, **headers: str
    ) -> Answer:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if who != "public":
            sent["Authorization"] = f"Bearer {self.keys[who]}"
        data = None
        if body is not None:
            data = orjson.dumps(body)
            sent["Content-Type"] = kind
        async with self.session.request(method, self.running.url + path, data=data, headers=sent) as answer:
            got = Answer(answer.status, answer.headers, await answer.read())
        self.answers.append(got.body + repr(got.headers).encode())
        return got

    async def get(self, who: str, path: str, **headers: str) -> Answer:
        return await self.ask(who, "GET", path, **headers)

    async def push(self, who: str, body: Any) -> Answer:
        return await self.ask(who, "POST", "/v1/events", body, BATCH if isinstance(body, list) else ONE)

    async def taken(self, who: str, *events: dict[str, Any]) -> list[dict[str, Any]]:
        results = (await self.push(who, list(events))).document["results"]
        assert [result["status"] for result in results] == ["accepted"] * len(events), results
        return results


def problem(answer: Answer, status: int, slug: str) -> dict[str, Any]:
    assert answer.status == status, answer.body
    assert answer.headers["Content-Type"] == "application/problem+json"
    document: dict[str, Any] = answer.document
    assert document.keys() == {"type", "title", "status", "detail", "errors", "request_id"}
    assert (document["type"], document["status"]) == (f"/problems/{slug}", status)
    assert document["request_id"] == answer.headers["X-Request-Id"]
    return document
