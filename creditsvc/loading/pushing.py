"""Batches over the HTTP ingest: sent until they are answered, and what each event's answer was.

A send that got no answer is sent again. The identity of an event makes that harmless: what had arrived after
all comes back as a duplicate.
"""

import asyncio
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp
import orjson

from creditsvc.errors import Violation
from creditsvc.loading.answers import NOT_CREDITSVC, REDIRECTED, is_redirect, printable
from creditsvc.loading.failures import LoadStopped
from creditsvc.loading.outcomes import Outcome

BATCH_MEDIA_TYPE = "application/cloudevents-batch+json"
BATCH_MAX_BYTES = 8 * 1024 * 1024  # half of what the service takes in one body
REQUEST_TIMEOUT_S = 120.0
BACKOFF_FIRST_S = 0.25
BACKOFF_MAX_S = 15.0

# Of the moment: the same request may succeed later. 408 is a request that arrived too slowly.
_PASSING = frozenset({408, 429, 500, 502, 503, 504})


class _Passing(Exception):  # noqa: N818  a reason to try again, caught in this module
    def __init__(self, reason: str, wait_s: float = 0.0, *, alive: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.wait_s = wait_s
        self.alive = alive  # the service answered and asked for patience


@dataclass(frozen=True, slots=True)
class Destination:
    """Where events go, and how long to go on without an answer."""

    url: str  # of the service, without /v1
    key: str
    patience_s: float


class Ingest:
    """One connection pool to ``POST /v1/events``; any number of senders may share it."""

    def __init__(
        self, session: aiohttp.ClientSession, destination: Destination, notice: Callable[[str], None]
    ) -> None:
        self._session = session
        self._address = destination.url.rstrip("/")
        self._url = self._address + "/v1/events"
        self._headers = {"Authorization": f"Bearer {destination.key}", "Content-Type": BATCH_MEDIA_TYPE}
        self._patience_s = destination.patience_s
        self._notice = notice

    async def send(self, events: Sequence[bytes]) -> list[Outcome]:
        """Send events, at most 5,000, and give their outcomes in the same order.

        Raises ``LoadStopped`` when the service refuses the whole request or stays silent for too long.
        """
        outcomes: dict[int, Outcome] = {}
        waiting = list(range(len(events)))
        retry = _Retry(self._patience_s, self._notice)
        while True:
            try:
                answers = await self._post([events[index] for index in waiting])
            except _Passing as passing:
                await retry.wait(passing)
                continue
            settled = {index: answer for index, answer in zip(waiting, answers, strict=True) if answer}
            outcomes |= settled
            waiting = [index for index in waiting if index not in settled]
            if not waiting:
                return [outcomes[index] for index in range(len(events))]
            await retry.wait(_Passing("the service cannot take some events now", alive=bool(settled)))

    async def _post(self, events: Sequence[bytes]) -> list[Outcome | None]:
        """Give each event's outcome, or None for one the service could not take at the moment."""
        body = b"[" + b",".join(events) + b"]"
        try:
            async with self._session.post(
                self._url, data=body, headers=self._headers, allow_redirects=False
            ) as response:
                answer = await response.read()
        except (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError, TimeoutError) as error:
            raise _Passing(f"no answer from {self._address} ({type(error).__name__})") from error
        except aiohttp.ClientError as error:
            raise LoadStopped(f"{self._url} does not answer as HTTP ({type(error).__name__})") from error
        if is_redirect(response.status):
            raise LoadStopped(REDIRECTED)
        if response.status in _PASSING:
            raise _Passing(
                f"the service answers {response.status}",
                _retry_after_s(response.headers.get("Retry-After")),
                alive=response.status == 429,
            )
        if response.status == 413 and len(events) > 1:
            middle = len(events) // 2
            return [*await self._post(events[:middle]), *await self._post(events[middle:])]
        if response.status != 200:
            raise LoadStopped(_refused(response.status, _parsed(answer)))
        return _outcomes(_parsed(answer), len(events))


class _Retry:
    """Exponential backoff with jitter; longer when the service asks, but not beyond the patience left."""

    def __init__(self, patience_s: float, notice: Callable[[str], None]) -> None:
        self._patience_s = patience_s
        self._notice = notice
        self._silent_since = time.monotonic()
        self._attempts = 0

    async def wait(self, passing: _Passing) -> None:
        now = time.monotonic()
        if passing.alive:
            self._silent_since = now
        if now - self._silent_since >= self._patience_s:
            raise LoadStopped(f"{passing.reason}, for {self._patience_s:.0f} s now") from passing
        backoff_s = min(BACKOFF_FIRST_S * 2**self._attempts, BACKOFF_MAX_S) * random.uniform(0.5, 1.0)
        self._attempts = min(self._attempts + 1, 16)
        left_s = self._silent_since + self._patience_s - now
        wait_s = max(backoff_s, min(passing.wait_s, left_s))
        if self._attempts == 3:  # a hiccup is not worth a line
            self._notice(f"{passing.reason}; trying again for up to {self._patience_s:.0f} s")
        await asyncio.sleep(wait_s)


def _outcomes(answer: Any, expected: int) -> list[Outcome | None]:
    results = answer.get("results") if isinstance(answer, Mapping) else None
    if not isinstance(results, list) or len(results) != expected:
        raise LoadStopped("the answer is not that of an ingest: is this the address of a creditsvc?")
    return [_outcome(result, index) for index, result in enumerate(results)]


def _outcome(result: Any, index: int) -> Outcome | None:
    match result:
        case {"status": "accepted"}:
            return Outcome("accepted")
        case {"status": "duplicate"}:
            return Outcome("duplicate")
        case {"status": "rejected", "problem": {"status": int(status)} as problem}:
            return None if status in _PASSING else Outcome("rejected", _violations(problem, index))
    raise LoadStopped("the answer names no outcome that an ingest has: is this the address of a creditsvc?")


def _violations(problem: Mapping[str, Any], index: int) -> tuple[Violation, ...]:
    errors = problem.get("errors") or []
    if not isinstance(errors, list) or not all(isinstance(error, Mapping) for error in errors):
        raise LoadStopped(NOT_CREDITSVC)
    prefix = f"/{index}"  # pointers lead into the batch; a row's lead into its event
    found = tuple(
        Violation(
            str(error.get("pointer", "")).removeprefix(prefix),
            str(error.get("code", "")),
            str(error.get("detail", "")),
        )
        for error in errors
    )
    code = str(problem.get("type", "")).rpartition("/")[2]
    return found or (Violation("", code, str(problem.get("detail") or problem.get("title") or "")),)


def _refused(status: int, problem: Any) -> str:
    told = problem if isinstance(problem, Mapping) else {}
    detail = told.get("detail") or told.get("title") or "no reason given"
    hint = {
        401: ". Give a live agency key with --key or CREDITSVC_KEY; `creditsvc keys create` makes one",
        403: ". Only an agency's key may send events; `creditsvc keys create --role agency` makes one",
        404: ". Is --url the address of the service, without a path?",
    }.get(status, "")
    return f"the service refuses the request ({status}): {printable(detail).rstrip('.')}{hint}"


def _parsed(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return None


def _retry_after_s(text: str | None) -> float:
    """Seconds to wait, written as a number or as the date to wait for (RFC 9110, section 10.2.3)."""
    if not text:
        return 0.0
    try:
        if text.strip().isdigit():
            return float(text)
        return max(0.0, (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return 0.0
