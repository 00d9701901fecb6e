"""What a browser carries from the check of a sheet to its sending: sealed, so that nothing is kept here.

Whichever process answers can open it, and nobody can change it or hand it on: it is bound to the client whose
key made it, and to the source that the sheet is of.
"""

import asyncio
from dataclasses import dataclass
from typing import Final

import orjson
from aiohttp import web

from creditsvc.errors import Forbidden, SheetStale
from creditsvc.handin.bounds import PACKED_MAX_BYTES
from creditsvc.web import auth, sessions
from creditsvc.web.site import forms

FIELD: Final = "sheet"
# Base64 makes four bytes of three; beside it the other fields of the form.
FORM_MAX_BYTES: Final = PACKED_MAX_BYTES * 4 // 3 + 64 * 1024


@dataclass(frozen=True, slots=True)
class Parcel:
    """What was checked of one sheet, packed, and of which source it is."""

    source: str
    packed: bytes
    sealed: str


async def seal(request: web.Request, source: str, packed: bytes) -> str:
    """Seal what was checked."""
    head = orjson.dumps({"client": auth.caller(request).client_id, "source": source})
    return await asyncio.to_thread(_seal(request).parcel, head + b"\n" + packed)


async def read(request: web.Request) -> tuple[Parcel, forms.Fields]:
    """Read a form that carries one.

    Raises ``SheetStale`` for what is too old or not ours, ``Forbidden`` for another client's.
    """
    fields = await forms.read(request, most=FORM_MAX_BYTES, carried=FIELD)
    sealed = fields.get(FIELD, "")
    content = await asyncio.to_thread(_seal(request).content, sealed)
    if content is None:
        raise SheetStale("Hand in the file again.")
    head, _, packed = content.partition(b"\n")
    about, caller = orjson.loads(head), auth.caller(request)
    if about["client"] != caller.client_id or about["source"] not in caller.sources:
        raise Forbidden("What was checked is another agency's.")
    return Parcel(about["source"], packed, sealed), fields


def _seal(request: web.Request) -> sessions.Seal:
    return request.app[sessions.SESSIONS].seal()
