"""The report as a part of a page, in a browser: for everybody, at a desk, on a telephone, in the dark."""

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser

from creditsvc.report.html import article, style
from tests.browser.conftest import profile
from tests.browser.test_public import DESK, PHONE, RULES
from tests.reports import report, with_words

PAGE = """<!doctype html><html lang="{lang}"><head><meta charset="utf-8"><title>Report</title>
<meta name="viewport" content="width=device-width">
<style>:root {{ color-scheme: light dark; background: Canvas }} body {{ margin: 1rem }} {style}</style></head>
<body><main>{article}</main></body></html>"""


@pytest.mark.parametrize(
    ("language", "scheme", "size", "words"),
    [
        ("zh", "light", PHONE, None),
        ("en", "dark", PHONE, "W" * 256),
        ("en", "light", DESK, None),
    ],
    ids=["zh-phone", "en-phone-dark-long", "en-desk"],
)
async def test_everybody_can_use_it(
    browser: Browser, language: str, scheme: str, size: dict[str, int], words: str | None
):
    context = await profile(browser, color_scheme=scheme, viewport=size)
    try:
        page = await context.new_page()
        made = report(language) if words is None else report(language, with_words(words))
        await page.set_content(PAGE.format(lang=language, style=style(), article=article(made)))
        found = await Axe().run(page, options={"runOnly": RULES})
        told = [
            (one["id"], [node["html"][:200] for node in one["nodes"]]) for one in found.response["violations"]
        ]
        assert told == []
        assert await page.evaluate("document.documentElement.scrollWidth") <= size["width"]
    finally:
        await context.close()
