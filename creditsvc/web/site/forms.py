"""Forms that people send: read within limits, each name once, with the token of their session.

What is long is taken apart in a thread: undoing its escapes takes longer than look-ups are to wait.
"""

import asyncio
import secrets
from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qsl, unquote_to_bytes

from aiohttp import web

from creditsvc.domain import persons
from creditsvc.errors import Malformed, TooLarge, UnsupportedMediaType
from creditsvc.web import sessions
from creditsvc.web.bodies import read_body

MEDIA_TYPE = "application/x-www-form-urlencoded"
MOST_BYTES = 256 * 1024  # an event has at most 64 KiB, and a character in a form up to nine bytes
MOST_FIELDS = 200
TOKEN = "token"  # noqa: S105  the name of a field
IN_LOOP_MAX_BYTES: Final = 2 * 1024  # less than a millisecond, whatever it is
KEPT_MAX_CHARS: Final = 64 * 1024  # as an event has bytes: what is longer is in none
_CARRIED_MAX_ESCAPES: Final = 8  # browsers write the padding of base64 as %3D
_LETTERS = "BCDFGHJKLMNPQRSTVWXZ"  # no digits: nothing made of them is a person's number, nor a word

Fields = Mapping[str, str]


async def read(request: web.Request, most: int = MOST_BYTES, carried: str | None = None) -> Fields:
    """Read what was filled in, of at most so many bytes; blank fields are left out.

    ``carried`` names a field of base64 (RFC 4648, section 5) that our own page made: it alone may be longer
    than ``MOST_BYTES``.

    Raises ``ForeignForm`` where it is not of the caller's session, ``Malformed`` for what no form of ours is.
    """
    if request.content_type != MEDIA_TYPE or request.headers.get("Content-Encoding"):
        raise UnsupportedMediaType("Send the form as a browser does.")
    body = await read_body(request, most=most)
    if len(body) <= IN_LOOP_MAX_BYTES:
        fields = parse(body, carried)
    else:
        fields = await asyncio.to_thread(parse, body, carried)
    sessions.check_form(request, fields.pop(TOKEN, None))
    return fields


def parse(body: bytes, carried: str | None = None) -> dict[str, str]:
    """Take a form apart, blank fields left out.

    Raises ``Malformed`` for what no form of ours is, ``TooLarge`` for fields too long.
    """
    parts = body.split(b"&", MOST_FIELDS)
    if len(parts) > MOST_FIELDS:
        raise Malformed("The form has too many fields.")
    head = None if carried is None else f"{carried}=".encode()
    own = [part for part in parts if head is not None and part.startswith(head)]
    typed = b"&".join(part for part in parts if head is None or not part.startswith(head))
    if len(typed) > MOST_BYTES:
        raise TooLarge(f"What is typed into a form has at most {MOST_BYTES} bytes.")
    try:
        sent = parse_qsl(typed.decode(), keep_blank_values=True, errors="strict")
        sent += [(carried or "", _carried(part.partition(b"=")[2])) for part in own]
    except ValueError as error:
        raise Malformed("The form cannot be read.") from error
    fields = dict(sent)
    if len(fields) < len(sent):
        raise Malformed("The form has a field twice.")
    return {name: text for name, value in fields.items() if (text := _text(value))}


def _carried(value: bytes) -> str:
    if value.count(b"%") > _CARRIED_MAX_ESCAPES:
        raise Malformed("The form cannot be read.")
    return unquote_to_bytes(value).decode()


def _text(value: str) -> str:
    """Browsers send the end of a line as two characters (WHATWG HTML, 4.10.21.4)."""
    return value.replace("\r\n", "\n").strip()


async def kept(fields: Fields | None) -> dict[str, str]:
    """Give what may be shown again to be mended: nothing that holds a person's number."""
    if fields is None:
        return {}
    if sum(map(len, fields.values())) <= IN_LOOP_MAX_BYTES:
        return _kept(fields)
    return await asyncio.to_thread(_kept, fields)


def _kept(fields: Fields) -> dict[str, str]:
    return {
        name: value
        for name, value in fields.items()
        if len(value) <= KEPT_MAX_CHARS and persons.find(value) is None
    }


def name(length: int = 16) -> str:
    """Make a name that was never given before."""
    return "".join(secrets.choice(_LETTERS) for _ in range(length))
