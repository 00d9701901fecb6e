"""Forms with a file, as browsers send them (RFC 7578, in the form that WHATWG HTML gives it)."""

import asyncio
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from email.message import Message
from typing import Final

from aiohttp import web

from creditsvc.errors import Malformed, TooLarge, UnsupportedMediaType
from creditsvc.web import sessions
from creditsvc.web.bodies import read_body
from creditsvc.web.keys import SETTINGS
from creditsvc.web.site.forms import TOKEN

MEDIA_TYPE: Final = "multipart/form-data"
AROUND_MAX_BYTES: Final = 64 * 1024  # of all that is not the file
# Of a body that is too large so much is let pass by: browsers read no answer while they send.
PASSED_BY_MAX_BYTES: Final = 64 * 1024 * 1024
_FIELDS_MAX: Final = 20
_FIELD_MAX_BYTES: Final = 1024
_NAME: Final = re.compile(r'form-data; name="([^"\r\n]{1,64})"(?:; filename="([^"\r\n]*)")?')


@dataclass(frozen=True, slots=True)
class File:
    """A file that was handed in; its name is the sender's, and nothing but its ending is worth a look."""

    name: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Filled:
    """What was filled in."""

    fields: Mapping[str, str]
    files: Mapping[str, File]


async def read(request: web.Request, most: int) -> Filled:
    """Read a form with files of at most so many bytes.

    Raises ``TooLarge``, ``ForeignForm`` where it is not of the caller's session, ``Malformed`` for what no
    form of ours is.
    """
    if request.content_type != MEDIA_TYPE:
        raise UnsupportedMediaType("Send the form as a browser does.")
    try:
        body = await read_body(request, most=most + AROUND_MAX_BYTES)
    except TooLarge:
        await _pass_by(request)
        raise
    filled = parse(body, request.headers.get("Content-Type", ""))
    fields = dict(filled.fields)
    sessions.check_form(request, fields.pop(TOKEN, None))
    return Filled(fields, filled.files)


async def _pass_by(request: web.Request) -> None:
    """Let the rest of a body pass by, unkept, so that the answer is read; there are bounds to that, too."""
    passed = 0
    with suppress(TimeoutError, ConnectionError):
        async with asyncio.timeout(request.app[SETTINGS].body_timeout_s):
            while passed < PASSED_BY_MAX_BYTES and (chunk := await request.content.readany()):
                passed += len(chunk)


def parse(body: bytes, content_type: str) -> Filled:
    """Take a form apart; ``Malformed`` for what no browser sends."""
    fields: dict[str, str] = {}
    files: dict[str, File] = {}
    for head, content in _parts(body, _boundary(content_type)):
        name, file_name = _named(head)
        if name in fields or name in files or len(fields) + len(files) == _FIELDS_MAX:
            raise Malformed("The form has a field twice, or too many.")
        if file_name is not None:
            files[name] = File(file_name, content)
        elif len(content) <= _FIELD_MAX_BYTES:
            fields[name] = _text(content)
        else:
            raise Malformed("A field of the form is too long.")
    return Filled(fields, files)


def _boundary(content_type: str) -> bytes:
    message = Message()
    message["Content-Type"] = content_type
    found = message.get_param("boundary")
    if not isinstance(found, str) or not 1 <= len(found) <= 70 or not found.isascii():
        raise Malformed("The form does not say where its parts end.")
    return b"--" + found.encode()


def _parts(body: bytes, boundary: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Give the head and the content of each part; nothing stands before the first or after the last."""
    if not body.startswith(boundary):
        raise _broken()
    begin = len(boundary)
    while body[begin : begin + 2] == b"\r\n":
        end = body.find(b"\r\n" + boundary, begin)
        blank = body.find(b"\r\n\r\n", begin, begin + AROUND_MAX_BYTES)
        if end < 0 or not 0 <= blank <= end:
            raise _broken()
        yield body[begin + 2 : blank], body[blank + 4 : end]
        begin = end + 2 + len(boundary)
    if body[begin : begin + 2] != b"--":
        raise _broken()


def _named(head: bytes) -> tuple[str, str | None]:
    for line in _text(head).split("\r\n"):
        header, _, value = line.partition(":")
        if header.lower() == "content-disposition" and (found := _NAME.fullmatch(value.strip())):
            return found[1], found[2]
    raise _broken()


def _text(content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise _broken() from None


def _broken() -> Malformed:
    return Malformed("The form cannot be read.")
