"""Pages for people: rendered once, with their style inside and nothing from elsewhere."""

import base64
import hashlib
from typing import Any

import aiohttp_jinja2
import jinja2
from aiohttp import web
from markupsafe import Markup

from creditsvc.web.fixed import FixedDocument

CSP: web.AppKey[str] = web.AppKey("page_csp", str)
STYLE: web.AppKey[Markup] = web.AppKey("page_style", Markup)


def prepare(app: web.Application) -> None:
    environment = aiohttp_jinja2.setup(
        app,
        loader=jinja2.PackageLoader("creditsvc.web", "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style = environment.get_template("style.css").render()
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    app[STYLE] = Markup(style)  # noqa: S704  a file of ours, and CSS takes no escapes
    # No script, no frame, nothing fetched: only the one style, known by its hash.
    app[CSP] = (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    )


def page(app: web.Application, template: str, **context: Any) -> FixedDocument:
    """Render a page that is the same for everyone."""
    body = aiohttp_jinja2.get_env(app).get_template(template).render(style=app[STYLE], **context)
    return FixedDocument(body.encode(), "text/html; charset=utf-8", csp=app[CSP])
