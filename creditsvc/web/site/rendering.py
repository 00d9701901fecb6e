"""Pages made from templates: what each carries, and refusals that people can read."""

from typing import Any
from urllib.parse import urlencode

import jinja2
from aiohttp import web

from creditsvc.errors import Refusal
from creditsvc.web import metrics
from creditsvc.web.keys import CATALOGUE
from creditsvc.web.site.assets import PATHS
from creditsvc.web.site.language import COOKIE, KEPT_S, LANGUAGES, language_of, words

ENVIRONMENT: web.AppKey[jinja2.Environment] = web.AppKey("site_environment", jinja2.Environment)
# No asset from elsewhere, nothing inline, no frame, and forms go nowhere but here.
CSP = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


def prepare(app: web.Application) -> None:
    """Make the templates' environment; a name that no page gives is an error, not nothing."""
    app[ENVIRONMENT] = jinja2.Environment(
        loader=jinja2.PackageLoader("creditsvc.web.site", "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )


def page(
    request: web.Request,
    template: str,
    *,
    status: int = 200,
    keep: str = "no-cache",
    repeat: bool = True,
    **context: Any,
) -> web.Response:
    """Render a page in the language of who asks, with what all pages have.

    ``repeat``: its address stands in the switch of language; not where it may hold a person's number.
    """
    t = words(language_of(request))
    body = (
        request.app[ENVIRONMENT]
        .get_template(template)
        .render(
            t=t,
            language=t.language,
            others={other: _address(request, other, repeat=repeat) for other in LANGUAGES},
            assets=PATHS,
            path=request.path,
            catalogue=request.app[CATALOGUE],
            **context,
        )
    )
    response = web.Response(
        text=body,
        status=status,
        content_type="text/html",
        headers={
            "Cache-Control": keep,
            "Vary": "Accept-Language, Cookie",
            "Content-Language": "zh-CN" if t.language == "zh" else "en",
            "Content-Security-Policy": CSP,
        },
    )
    if request.query.get("language") in LANGUAGES:
        response.set_cookie(COOKIE, t.language, max_age=KEPT_S, httponly=True, samesite="Lax")
    return response


def _address(request: web.Request, language: str, *, repeat: bool) -> str:
    path, query = (request.path, request.query) if repeat else ("/", {})
    return f"{path}?{urlencode({**query, 'language': language})}"


def refused(request: web.Request, refusal: Refusal, **context: Any) -> web.Response:
    """Say on a page what a problem document says, in the reader's language where there are words for it."""
    metrics.refusals_total.labels(refusal.slug).inc()
    t = words(language_of(request))
    return page(
        request,
        "refused.html",
        status=refusal.status,
        keep="no-store",
        repeat=False,
        title=t.maybe(f"problem.{refusal.slug}", refusal.title),
        told=t.maybe(f"problem.{refusal.slug}.told", refusal.detail),
        slug=refusal.slug,
        **context,
    )
