"""Pages made from templates: what each carries, and refusals that people can read."""

import asyncio
import functools
import time
from typing import Any
from urllib.parse import urlencode

import jinja2
from aiohttp import web

from creditsvc.domain import identifiers, persons
from creditsvc.errors import IdentifierInvalid, NaturalPerson, Refusal
from creditsvc.web import auth, metrics, sessions
from creditsvc.web.keys import CATALOGUE
from creditsvc.web.site.assets import PATHS
from creditsvc.web.site.language import COOKIE, KEPT_S, LANGUAGES, language_of, words

SLICE_S = 0.004  # a long page is rendered so long at a time; look-ups go between, and it waits behind them
ENVIRONMENT: web.AppKey[jinja2.Environment] = web.AppKey("site_environment", jinja2.Environment)
# No asset from elsewhere, nothing inline, no frame, and forms go nowhere but here.
CSP = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


def prepare(app: web.Application) -> None:
    """Make the templates and the texts, so that no request waits for that."""
    app[ENVIRONMENT] = _environment()
    for language in LANGUAGES:
        words(language)


@functools.cache
def _environment() -> jinja2.Environment:
    """Make the templates, once in a process; a name that no page gives is an error."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("creditsvc.web.site", "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
        auto_reload=False,
        cache_size=-1,
    )
    for name in environment.list_templates():
        environment.get_template(name)
    return environment


def page(
    request: web.Request,
    template: str,
    *,
    status: int = 200,
    keep: str = "no-cache",
    repeat: bool = True,
    anew: str = "/",
    **context: Any,
) -> web.Response:
    """Render a page in the language of who asks, with what all pages have.

    ``repeat``: its address stands in the switch of language; not where it may hold a person's number, or
    cannot be opened anew: then that of ``anew`` does.
    """
    told = _context(request, None if repeat else anew) | context
    body = request.app[ENVIRONMENT].get_template(template).render(told)
    return _answer(request, body, status, keep)


async def long_page(request: web.Request, template: str, **context: Any) -> web.Response:
    """Render a page that may be long: others are served between its parts."""
    parts: list[str] = []
    began = time.perf_counter()
    for part in request.app[ENVIRONMENT].get_template(template).generate(_context(request) | context):
        parts.append(part)
        if time.perf_counter() - began > SLICE_S:
            await asyncio.sleep(0)
            began = time.perf_counter()
    return _answer(request, "".join(parts), 200, "no-cache")


def _context(request: web.Request, anew: str | None = None) -> dict[str, Any]:
    """Give what all pages have."""
    t = words(language_of(request))
    return {
        "t": t,
        "language": t.language,
        "others": {other: _address(request, other, anew=anew) for other in LANGUAGES},
        "assets": PATHS,
        "path": request.path,
        "signed": auth.caller(request) if sessions.SESSION in request else None,
        "form_token": sessions.form_token(request),
        "catalogue": request.app[CATALOGUE],
    }


def _answer(request: web.Request, body: str, status: int, keep: str) -> web.Response:
    t = words(language_of(request))
    response = web.Response(
        text=body,
        status=status,
        content_type="text/html",
        headers={
            "Cache-Control": keep if auth.caller(request).role == "public" else "no-store",
            "Vary": "Accept-Language, Cookie",
            "Content-Language": "zh-CN" if t.language == "zh" else "en",
            "Content-Security-Policy": CSP,
            # Without a referrer browsers would not say either that a form came from here.
            "Referrer-Policy": "same-origin",
        },
    )
    if request.query.get("language") in LANGUAGES:
        response.set_cookie(COOKIE, t.language, max_age=KEPT_S, httponly=True, samesite="Lax")
    return response


def _address(request: web.Request, language: str, *, anew: str | None) -> str:
    """Give the address of the same page in a language; never with a person's number that was sent."""
    if anew is not None or persons.may_hold_person(_path_around(request)):
        return f"{anew or '/'}?{urlencode({'language': language})}"
    kept = {name: value for name, value in request.query.items() if not persons.may_hold_person(value)}
    return f"{request.rel_url.raw_path}?{urlencode({**kept, 'language': language})}"


def _path_around(request: web.Request) -> str:
    """Give the path without an organisation's own code: that may look like a mistyped number of a person."""
    entity = request.match_info.get("entity", "")
    try:
        identifiers.parse(entity)
    except (IdentifierInvalid, NaturalPerson):
        return request.path
    return request.path.replace(entity, "")


def refused(request: web.Request, refusal: Refusal, **context: Any) -> web.Response:
    """Say on a page what a problem document says, in the reader's language where there are words for it."""
    metrics.refusals_total.labels(refusal.slug).inc()
    t = words(language_of(request))
    return page(
        request,
        "refused.html",
        status=refusal.status,
        keep="no-store",
        repeat=refusal.status == 401,  # to come back to once one has signed in
        title=t.maybe(f"problem.{refusal.slug}", refusal.title),
        told=t.maybe(f"problem.{refusal.slug}.told", refusal.detail),
        slug=refusal.slug,
        **context,
    )
