"""``/sign-in``: with a key, for an agency or an organisation that uses a browser; and out again."""

from functools import partial
from urllib.parse import urlsplit

from aiohttp import web

from creditsvc.domain import persons
from creditsvc.errors import Unauthenticated
from creditsvc.web import identity, sessions
from creditsvc.web.auth import Caller
from creditsvc.web.routes import Parameter, Response, Route
from creditsvc.web.site import forms
from creditsvc.web.site.answering import in_words
from creditsvc.web.site.home import LANGUAGE, PAGE_RESPONSE, html
from creditsvc.web.site.rendering import page

PATH = "/sign-in"
LONGEST_ADDRESS = 2_000
FORM_MAX_BYTES = 8 * 1024  # anybody may send one: a key, an address in escapes, a token


@in_words
async def sign_in(request: web.Request) -> web.StreamResponse:
    """Show the form."""
    return _form(request, request.query.get("to"))


@in_words
async def signed_in(request: web.Request) -> web.StreamResponse:
    """Take a key, and have the browser keep that it was shown; the key itself is kept nowhere."""
    fields = await forms.read(request, most=FORM_MAX_BYTES)
    try:
        caller = await identity.identify(request, f"Bearer {fields.get('key', '')}")
    except Unauthenticated:
        return _form(request, fields.get("to"), status=401)
    answer = web.Response(status=303, headers={"Location": own(fields.get("to")) or _start(caller)})
    assert caller.key_id is not None, "it was found by its key"  # noqa: S101  an invariant
    sessions.begin(request, answer, caller.key_id)
    answer.headers["Cache-Control"] = "no-store"
    return answer


@in_words
async def signed_out(request: web.Request) -> web.StreamResponse:
    """Have the browser forget it."""
    await forms.read(request, most=FORM_MAX_BYTES)
    answer = web.Response(status=303, headers={"Location": "/", "Cache-Control": "no-store"})
    sessions.end(request, answer)
    return answer


def _form(request: web.Request, to: str | None, *, status: int = 200) -> web.Response:
    return page(request, "sign_in.html", status=status, keep="no-store", to=own(to), wrong=status == 401)


def own(address: str | None) -> str | None:
    """Give an address that leads to a page of this service; None for any other."""
    if address is None or len(address) > LONGEST_ADDRESS or persons.find(address) is not None:
        return None
    try:
        parts = urlsplit(address)
    except ValueError:
        return None
    leads_here = not parts.scheme and not parts.netloc and address.startswith("/")
    plain = address.isascii() and address.isprintable() and "\\" not in address
    return address if leads_here and plain and not address.startswith("//") else None


def _start(caller: Caller) -> str:
    starts = {"agency": "/desk", "operator": "/operator"}
    return f"/entities/{caller.entity}/cases" if caller.entity else starts.get(caller.role, "/")


post = partial(Route, "POST", page=True, tag="pages")
SEEN_AFTER = Response("Another page")

ROUTES = (
    html(
        PATH,
        sign_in,
        name="sign-in-page",
        summary="Sign in with a key",
        parameters=(
            Parameter(
                name="to",
                description="Where to go on from there.",
                schema={"type": "string"},
            ),
            LANGUAGE,
        ),
        responses={200: PAGE_RESPONSE},
    ),
    post(
        PATH,
        signed_in,
        name="sign-in",
        summary="Sign in with a key",
        responses={303: SEEN_AFTER, 401: PAGE_RESPONSE},
    ),
    post(
        "/sign-out",
        signed_out,
        name="sign-out",
        summary="Sign out",
        responses={303: SEEN_AFTER},
    ),
)
