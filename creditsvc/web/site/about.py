"""Pages that say what the service is, what it records and what not, and how scores are made."""

from functools import cache
from typing import Any

from aiohttp import web
from markdown_it import MarkdownIt
from markupsafe import Markup

from creditsvc.ledger.releases import OFFICIAL
from creditsvc.web.keys import SCORES
from creditsvc.web.site.answering import in_words
from creditsvc.web.site.home import LANGUAGE, PAGE_RESPONSE, html
from creditsvc.web.site.rendering import page
from scoring import engine

# Text and tables only: raw HTML in a method would be shown as it is written, not obeyed.
_markdown = MarkdownIt("commonmark", {"html": False}).enable("table")


@in_words
async def about(request: web.Request) -> web.StreamResponse:
    """Say what this is, and what is never here."""
    return page(request, "about.html")


@in_words
async def methods(request: web.Request) -> web.StreamResponse:
    """Show every model announced: the official one with its rules in words, all with their texts."""
    return page(request, "methods.html", models=_models(request), official=OFFICIAL)


def _models(request: web.Request) -> list[dict[str, Any]]:
    found = [(one.model, one.announced_at) for one in request.app[SCORES].releases]
    found.sort(key=lambda one: (one[0].name != OFFICIAL, one[0].name, one[0].version))
    return [
        {"model": model, "announced_at": at, "text": _method(model.name, model.version)}
        for model, at in found
    ]


@cache  # of what is released nothing changes
def _method(name: str, version: str) -> Markup:
    tokens = _markdown.parse(engine.method(name, version))
    for token in tokens:
        if token.type in {"heading_open", "heading_close"}:
            token.tag = f"h{min(6, int(token.tag[1]) + 2)}"  # it stands within a section of a page
    return Markup(_markdown.renderer.render(tokens, _markdown.options, {}))  # noqa: S704  the renderer escapes


ROUTES = (
    html(
        "/about",
        about,
        name="about-page",
        summary="What the service is",
        parameters=(LANGUAGE,),
        responses={200: PAGE_RESPONSE},
    ),
    html(
        "/methods",
        methods,
        name="methods-page",
        summary="How scores are made",
        parameters=(LANGUAGE,),
        responses={200: PAGE_RESPONSE},
    ),
)
