"""Forms that people send: read within limits, each name once, with the token of their session."""

import secrets
from collections.abc import Mapping
from urllib.parse import parse_qsl

from aiohttp import web

from creditsvc.domain import persons
from creditsvc.errors import Malformed, UnsupportedMediaType
from creditsvc.web import sessions
from creditsvc.web.bodies import read_body

MEDIA_TYPE = "application/x-www-form-urlencoded"
MOST_BYTES = 256 * 1024  # an event has at most 64 KiB, and a character in a form up to nine bytes
MOST_FIELDS = 200
TOKEN = "token"  # noqa: S105  the name of a field
_LETTERS = "BCDFGHJKLMNPQRSTVWXZ"  # no digits: nothing made of them is a person's number, nor a word

Fields = Mapping[str, str]


async def read(request: web.Request, most: int = MOST_BYTES) -> Fields:
    """Read what was filled in, of at most so many bytes; blank fields are left out.

    Raises ``ForeignForm`` where it is not of the caller's session, ``Malformed`` for what no form of ours is.
    """
    if request.content_type != MEDIA_TYPE:
        raise UnsupportedMediaType("Send the form as a browser does.")
    body = await read_body(request, most=most)
    try:
        sent = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=MOST_FIELDS, errors="strict")
    except ValueError as error:
        raise Malformed("The form cannot be read.") from error
    fields = dict(sent)
    if len(fields) < len(sent):
        raise Malformed("The form has a field twice.")
    sessions.check_form(request, fields.pop(TOKEN, None))
    return {name: _text(value) for name, value in fields.items() if value.strip()}


def _text(value: str) -> str:
    """Browsers send the end of a line as two characters (WHATWG HTML, 4.10.21.4)."""
    return value.replace("\r\n", "\n").strip()


def kept(fields: Fields) -> dict[str, str]:
    """Give what may be shown again to be mended: nothing that holds a person's number."""
    return {name: value for name, value in fields.items() if persons.find(value) is None}


def name(length: int = 16) -> str:
    """Make a name that was never given before."""
    return "".join(secrets.choice(_LETTERS) for _ in range(length))
