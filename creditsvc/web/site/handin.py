"""``/hand-in``: an agency hands in a sheet in its browser, and sees it checked before anything is sent."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import PurePosixPath
from typing import Any, Final

from aiohttp import web

from creditsvc.domain.parties import is_party
from creditsvc.errors import Forbidden, Malformed, SheetUnreadable, TooLarge, Unavailable
from creditsvc.handin import bounds, columns, giving, packing
from creditsvc.handin.columns import KIND_NAMES, KindName
from creditsvc.handin.writing import FORMATS, MEDIA_TYPES, Format
from creditsvc.web import auth, limits, metrics, problems
from creditsvc.web.routes import Parameter, Response, Role
from creditsvc.web.site import multipart, parcels
from creditsvc.web.site.answering import agency_names, in_words
from creditsvc.web.site.apart import APART
from creditsvc.web.site.home import LANGUAGE, PAGE_RESPONSE, html
from creditsvc.web.site.language import Language, language_of
from creditsvc.web.site.multipart import File
from creditsvc.web.site.rendering import page
from creditsvc.web.site.session import post

PATH: Final = "/hand-in"
MAY: frozenset[Role] = frozenset({"agency"})  # of those who push events; organisations hand in no sheets
UNITS: Final = 99  # beyond the 1 of any request: a processor is busy with it for seconds
TOLD_ALL: Final = 20  # reasons of one row that are told on a page


@in_words
async def form(request: web.Request) -> web.StreamResponse:
    """Show how to hand in, and the form."""
    return await _form(request)


@in_words
async def check(request: web.Request) -> web.StreamResponse:
    """Check a sheet, and show row by row what would be sent."""
    try:
        kind, source, file = await _handed_in(request)
        limits.charge(request, UNITS)
        said, packed = await _checked(request, kind, source, file)
    except TooLarge:
        return await _refused(request, bounds.unreadable("too-large", limit=bounds.SHEET_MAX_BYTES // 2**20))
    except SheetUnreadable as refusal:
        return await _refused(request, refusal)
    except Unavailable as unavailable:
        return await later(request, unavailable)
    if said["reasons"]:
        return await _form(request, said=said, status=422)
    return page(
        request,
        "checked.html",
        keep="no-store",
        repeat=False,
        anew=PATH,
        said=said,
        told=told(request),
        label=label(request),
        sealed=await parcels.seal(request, source, packed),
        called=await agency_names(request, [source]),
        source=source,
    )


async def _handed_in(request: web.Request) -> tuple[KindName, str, File]:
    filled = await multipart.read(request, bounds.SHEET_MAX_BYTES)
    kind, source = _kind(filled.fields.get("kind")), filled.fields.get("source", "")
    if source not in auth.caller(request).sources:
        raise Forbidden("This key is not bound to that source.")
    file = filled.files.get("file", File("", b""))
    if len(file.content) > bounds.SHEET_MAX_BYTES:
        raise TooLarge("A sheet has at most 8 MB.")
    return kind, source, file


async def _checked(
    request: web.Request, kind: KindName, source: str, file: File
) -> tuple[dict[str, Any], bytes]:
    if not file.content:
        raise bounds.unreadable("empty")
    order = {
        "do": "check",
        "kind": kind,
        "source": source,
        "name": PurePosixPath(file.name).suffix[:8],  # nothing more of it is told to anybody
        "now": datetime.now(UTC).isoformat(),
    }
    return await request.app[APART].perform(client(request), order, file.content)


def client(request: web.Request) -> str:
    """Name whose sheets have their turns one after another: all keys of one client are one."""
    caller = auth.caller(request)
    return caller.client_id or caller.key_id or ""


@in_words
async def rejected(request: web.Request) -> web.StreamResponse:
    """Give the rejected rows with the reasons, to be mended and handed in again."""
    parcel, fields = await parcels.read(request)
    form_name = _format(fields.get("form"))
    limits.charge(request, UNITS)
    order = {"do": "give", "language": language_of(request), "form": form_name}
    try:
        _, content = await request.app[APART].perform(client(request), order, parcel.packed)
    except Unavailable as unavailable:
        return await later(request, unavailable)
    return _file(content, f"rejected.{form_name}", form_name)


@in_words
async def template(request: web.Request) -> web.StreamResponse:
    """Give a sheet to fill in."""
    kind, form_name = _kind(request.query.get("kind")), _format(request.query.get("form"))
    language = language_of(request)
    content = await asyncio.to_thread(_template, kind, language, form_name)
    return _file(content, f"{kind}-{language}.{form_name}", form_name)


@cache
def _template(kind: KindName, language: Language, form_name: Format) -> bytes:
    return giving.template(kind, language, form_name)


def _file(content: bytes, name: str, form_name: Format) -> web.Response:
    return web.Response(
        body=content,
        headers={
            "Content-Type": MEDIA_TYPES[form_name],
            "Content-Disposition": f'attachment; filename="{name}"',
            "Cache-Control": "no-store",
        },
    )


def _kind(given: str | None) -> KindName:
    for kind in KIND_NAMES:
        if given == kind:
            return kind
    raise Malformed("There is no such kind of sheet.")


def _format(given: str | None) -> Format:
    for known in FORMATS:
        if given == known:
            return known
    raise Malformed("Sheets are given as .xlsx or .csv.")


async def _refused(request: web.Request, refusal: SheetUnreadable) -> web.Response:
    metrics.refusals_total.labels(refusal.slug).inc()
    status = 413 if refusal.code == "too-large" else refusal.status
    return await _form(request, why=bounds.told(refusal, language_of(request)), status=status)


async def later(request: web.Request, unavailable: Unavailable) -> web.Response:
    """Say that it cannot be done now, with the form to try again."""
    metrics.refusals_total.labels(unavailable.slug).inc()
    answer = await _form(request, busy=True, status=unavailable.status)
    problems.add_headers(answer, unavailable)
    return answer


async def _form(request: web.Request, *, status: int = 200, **context: Any) -> web.Response:
    given = {"why": None, "said": None, "busy": False} | context
    sources = sorted(one for one in auth.caller(request).sources if not is_party(one))
    return page(
        request,
        "hand_in.html",
        status=status,
        keep="no-store",
        repeat=request.path == PATH,
        anew=PATH,
        kinds={name: columns.kind(name) for name in KIND_NAMES},
        sources=sources,
        called=await agency_names(request, sources),
        formats=FORMATS,
        bounds=bounds,
        told=told(request),
        **given,
    )


def told(request: web.Request) -> Any:
    """Give what says reasons in the reader's language: each with what to do about it."""
    language = language_of(request)

    def say(written: Sequence[Any]) -> list[tuple[str, str]]:
        reasons = packing.heard(written[:TOLD_ALL])
        return [(giving.sentence(reason, language), reason.remedy(language)) for reason in reasons]

    return say


def label(request: web.Request) -> Any:
    """Give what names columns in the reader's language."""
    language = language_of(request)
    return lambda key: columns.column(key).label(language)


KIND = Parameter(
    name="kind",
    description="What the sheet is for.",
    schema={"type": "string", "enum": list(KIND_NAMES)},
)
FORM = Parameter(
    name="form",
    description="As what file.",
    schema={"type": "string", "enum": list(FORMATS)},
)
FILE_RESPONSE = Response("A sheet", {"type": "string"}, media_type=MEDIA_TYPES["xlsx"])

ROUTES = (
    html(
        PATH,
        form,
        name="hand-in-page",
        summary="Hand in a sheet",
        roles=MAY,
        parameters=(LANGUAGE,),
        responses={200: PAGE_RESPONSE},
    ),
    html(
        f"{PATH}/template",
        template,
        name="hand-in-template",
        summary="A sheet to fill in",
        roles=MAY,
        parameters=(KIND, FORM, LANGUAGE),
        responses={200: FILE_RESPONSE},
    ),
    post(
        f"{PATH}/check",
        check,
        name="hand-in-check",
        summary="Check a sheet",
        roles=MAY,
        responses={200: PAGE_RESPONSE},
    ),
    post(
        f"{PATH}/rejected",
        rejected,
        name="hand-in-rejected",
        summary="The rejected rows of a sheet",
        roles=MAY,
        responses={200: FILE_RESPONSE},
    ),
)
