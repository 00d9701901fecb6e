"""The report as HTML: an ``<article>`` to stand in a page, and its style. It needs no script and no extra."""

import functools
from importlib.util import find_spec

import jinja2
from markupsafe import Markup, escape

from creditsvc.report.document import Report

_LANGUAGES = {"zh": "zh-CN", "en": "en"}


@functools.cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.PackageLoader("creditsvc.report", "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def prepare() -> None:
    """Make ready what the first report would wait for."""
    _environment().get_template("report.html")
    _code("https://example.org/")


def article(report: Report) -> Markup:
    """Write a report; its headings begin with ``<h1>``. Nothing in it asks for an inline style or script."""
    template = _environment().get_template("report.html")
    written = template.render(
        report=report,
        words=report.words,
        lang=_LANGUAGES[report.language],
        code=_code(report.link),
        lines=_lines,
    )
    return Markup(written)  # noqa: S704  all that came in was escaped by the template


def style() -> str:
    """Give the style sheet that an article expects, for the page to serve."""
    source, _, _ = jinja2.PackageLoader("creditsvc.report", ".").get_source(_environment(), "report.css")
    return source


def _lines(text: str) -> Markup:
    return Markup("<br>").join(escape(line) for line in text.split("\n"))


def _code(link: str | None) -> Markup | None:
    """Draw the code to photograph, where the extra is there to draw it; the link stands in the text too."""
    if link is None or find_spec("segno") is None:
        return None
    from creditsvc.report.code import svg  # noqa: PLC0415  needs the extra

    return Markup(svg(link))  # noqa: S704  drawn by us; the link is only dots in it
