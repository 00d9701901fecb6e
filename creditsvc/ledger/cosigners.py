"""Asks witnesses to cosign checkpoints (C2SP tlog-witness): whoever sees a cosignature knows that others did.

A witness that is slow, gone or wrong costs its cosignature and nothing else.
"""

import asyncio
import logging
import re
from base64 import b64encode
from collections.abc import Awaitable, Callable, Container, Sequence
from urllib.parse import urlsplit

import aiohttp
from prometheus_client import Counter

from creditsvc.errors import Refusal
from creditsvc.verifier.notes import COSIGNATURE, VerifierKey, parse_note, verify_note
from creditsvc.verifier.wrong import Wrong

log = logging.getLogger(__name__)

ANSWER_MAX_BYTES = 64 * 1024
LINE_MAX_CHARACTERS = 1_000
WITNESSES_MAX = 32
TIMEOUT_S = 5.0  # for one witness, all its requests together
SIZE_MEDIA_TYPE = "text/x.tlog.size"

REQUESTS = Counter(
    "creditsvc_log_witness_requests",
    "Requests to witnesses to cosign a checkpoint, by what came of them",
    ["witness", "outcome"],
)

Consistency = Callable[[int], Awaitable[list[bytes]]]  # the proof from an older size to the checkpoint's


class WitnessesRefused(Refusal):
    """The setting that names the witnesses cannot be used; the detail says which line, and why."""

    slug, status, title = "log-witnesses-refused", 409, "These witnesses cannot be asked"


class _NotCosigned(Exception):  # noqa: N818  it says what happened
    """A witness did not cosign; the outcome is the label that it is counted under."""

    def __init__(self, outcome: str, why: str) -> None:
        super().__init__(why)
        self.outcome = outcome


class _Behind(Exception):  # noqa: N818  it says where the witness stands
    """The witness cosigned another size last."""

    def __init__(self, size: int) -> None:
        self.size = size


class Witness:
    """One witness: its key, its address, and the size that it cosigned last as far as we know."""

    def __init__(self, key: VerifierKey, url: str) -> None:
        self.key = key
        self.url = url
        self.size = 0  # unknown: the first answer tells it
        self.turn = asyncio.Lock()  # its requests build on each other


def parse(setting: str) -> list[Witness]:
    """Read ``<verifier key> <URL>`` lines; raises ``WitnessesRefused``."""
    witnesses: list[Witness] = []
    for place, line in enumerate(setting.splitlines(), 1):
        if not line.strip():
            continue
        try:
            witnesses.append(_witness(line, {known.key.name for known in witnesses}))
        except Wrong as wrong:
            raise WitnessesRefused(
                f"CREDITSVC_LOG_WITNESSES, line {place}: {wrong}. A line is a witness's verifier key, as "
                "`creditsvc witness key` prints it, a space, and its URL."
            ) from wrong
    if len(witnesses) > WITNESSES_MAX:
        raise WitnessesRefused(f"CREDITSVC_LOG_WITNESSES names more than {WITNESSES_MAX} witnesses.")
    return witnesses


def _witness(line: str, names: Container[str]) -> Witness:
    written = line.split()
    if len(written) != 2:
        raise Wrong("there are not two words in it")
    key = VerifierKey.parse(written[0])
    if key.algorithm != COSIGNATURE:
        raise Wrong("this is not a key for cosignatures")
    if key.name in names:
        raise Wrong("another line names the same witness")
    try:
        address = urlsplit(written[1])
        has_place = bool(address.hostname) and address.port != 0
    except ValueError:
        has_place = False
    if not has_place or address.scheme not in {"http", "https"} or address.query or address.fragment:
        raise Wrong("the URL must begin with http:// or https:// and have neither query nor fragment")
    return Witness(key, written[1].rstrip("/"))


class Cosigners:
    """The witnesses of the setting, asked all at once about each checkpoint."""

    def __init__(self, setting: str) -> None:
        self._witnesses = parse(setting)

    @property
    def number(self) -> int:
        """How many they are."""
        return len(self._witnesses)

    async def collect(self, note: str, size: int, consistency: Consistency) -> list[tuple[str, str]]:
        """Give (witness, signature line) of those that cosigned; failures are counted and told, not raised.

        ``note`` is the signed checkpoint of ``size``. A line is given only if its cosignature holds.
        """
        if not self._witnesses:
            return []
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
        async with aiohttp.ClientSession(timeout=timeout, cookie_jar=aiohttp.DummyCookieJar()) as session:
            asked = (_ask(session, witness, note, size, consistency) for witness in self._witnesses)
            found = await asyncio.gather(*asked)
        return [line for line in found if line is not None]


async def _ask(
    session: aiohttp.ClientSession, witness: Witness, note: str, size: int, consistency: Consistency
) -> tuple[str, str] | None:
    outcome, why = "cosigned", ""
    line: str | None = None
    try:
        async with asyncio.timeout(TIMEOUT_S), witness.turn:
            line = await _cosigned(session, witness, note, size, consistency)
            witness.size = size
    except _NotCosigned as failure:
        outcome, why = failure.outcome, str(failure)
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
        outcome, why = "unreachable", type(error).__name__
    except Exception as error:  # noqa: BLE001  the proof could not be had: that is no witness's fault
        outcome, why = "failed", type(error).__name__
    REQUESTS.labels(witness.key.name, outcome).inc()
    if line is None:
        fields = {"witness": witness.key.name, "outcome": outcome, "why": why, "size": size}
        log.warning("a witness did not cosign", extra={"fields": fields})
        return None
    return witness.key.name, line


async def _cosigned(
    session: aiohttp.ClientSession, witness: Witness, note: str, size: int, consistency: Consistency
) -> str:
    """Ask from the size that the witness should be at, and once more from where it says that it is."""
    old = witness.size if witness.size <= size else 0
    try:
        return await _post(session, witness, note, old, await _proof(old, size, consistency))
    except _Behind as behind:
        old = behind.size
    if old > size:
        raise _NotCosigned("ahead", f"it has cosigned {old} entries of this log")
    witness.size = old
    try:
        return await _post(session, witness, note, old, await _proof(old, size, consistency))
    except _Behind as behind:
        raise _NotCosigned("overtaken", f"it is at {behind.size} entries now") from behind


async def _proof(old: int, size: int, consistency: Consistency) -> Sequence[bytes]:
    return () if old in (0, size) else await consistency(old)


async def _post(
    session: aiohttp.ClientSession, witness: Witness, note: str, old: int, proof: Sequence[bytes]
) -> str:
    lines = [f"old {old}", *(b64encode(one).decode() for one in proof), "", note]
    async with session.post(
        witness.url + "/add-checkpoint",
        data="\n".join(lines).encode(),
        headers={"Content-Type": "text/plain; charset=utf-8"},
        allow_redirects=False,
    ) as response:
        status, kind = response.status, response.content_type
        body = await response.content.read(ANSWER_MAX_BYTES + 1)
        while len(body) <= ANSWER_MAX_BYTES and (more := await response.content.read(ANSWER_MAX_BYTES)):
            body += more
    if len(body) > ANSWER_MAX_BYTES:
        raise _NotCosigned("invalid", "its answer is too long")
    if status == 409 and kind == SIZE_MEDIA_TYPE:
        raise _Behind(_size(body))
    if status != 200:
        raise _NotCosigned("refused", f"it answers {status}")
    return _own_line(body, note, witness.key)


def _size(body: bytes) -> int:
    found = re.fullmatch(rb"(0|[1-9][0-9]{0,18})\n?", body)
    if found is None:
        raise _NotCosigned("invalid", "it answers 409 with no size")
    return int(found[1])


def _own_line(body: bytes, note: str, key: VerifierKey) -> str:
    """Take the witness's own line from its answer, if the cosignature holds; others are not looked at."""
    text = parse_note(note).text
    try:
        for line in body.decode().split("\n"):
            if line and len(line) <= LINE_MAX_CHARACTERS:
                cosigned = parse_note(f"{text}\n{line}\n")
                (signature,) = cosigned.signatures
                if (signature.name, signature.key_id) == (key.name, key.key_id):
                    verify_note(cosigned, key)
                    return signature.line()
    except (Wrong, UnicodeDecodeError) as error:
        raise _NotCosigned("invalid", f"its answer: {error}") from error
    raise _NotCosigned("invalid", "there is no cosignature of its own in its answer")
