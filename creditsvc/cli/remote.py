"""A service at an address, asked over HTTP by the commands that show what it says."""

from collections.abc import Mapping
from typing import Any

import aiohttp
import click
import orjson

from creditsvc.loading.answers import NOT_CREDITSVC, REDIRECTED, is_redirect, printable

ANSWER_MAX_BYTES = 96 * 2**20  # of a page of the longest events
TIMEOUT_S = 60.0

Document = dict[str, Any]


class Remote:
    """Asks with GET; whatever is no answer of a creditsvc is a ``ClickException`` that says so."""

    def __init__(self, url: str, key: str | None) -> None:
        self._url = url
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}

    def session(self) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT_S))

    async def text(
        self, session: aiohttp.ClientSession, path: str, query: Mapping[str, str] | None = None
    ) -> str:
        """Give an answer's body. ``ClickException`` with the problem's detail when there is another."""
        try:
            async with session.get(
                self._url + path, params=query, headers=self._headers, allow_redirects=False
            ) as response:
                body, status = await _read(response), response.status
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise click.ClickException(
                f"no answer from {self._url} ({type(error).__name__}): is it running there? --url says where"
            ) from error
        if is_redirect(status):
            raise click.ClickException(REDIRECTED)
        try:
            text = body.decode()
        except UnicodeDecodeError as error:
            raise click.ClickException(NOT_CREDITSVC) from error
        if status == 401 and not self._headers:
            raise click.ClickException("this is for whoever holds a key: --key, or better CREDITSVC_KEY")
        if status != 200:
            raise click.ClickException(_problem(text))
        return text

    async def json(
        self, session: aiohttp.ClientSession, path: str, query: Mapping[str, str] | None = None
    ) -> Document:
        return _object(await self.text(session, path, query))


async def _read(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for part in response.content.iter_any():
        body += part
        if len(body) > ANSWER_MAX_BYTES:
            raise click.ClickException(NOT_CREDITSVC)
    return bytes(body)


def _object(text: str) -> Document:
    try:
        answer: Any = orjson.loads(text)
    except orjson.JSONDecodeError:
        answer = None
    if not isinstance(answer, dict):
        raise click.ClickException(NOT_CREDITSVC)
    return answer


def _problem(text: str) -> str:
    problem = _object(text)
    return printable(problem.get("detail") or problem.get("title") or NOT_CREDITSVC)


def require(condition: bool) -> None:  # noqa: FBT001  it is the condition that is required
    """Go on where an answer has the form that it must have."""
    if not condition:
        raise click.ClickException(NOT_CREDITSVC)
