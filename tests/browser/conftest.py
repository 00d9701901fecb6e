"""A real browser before the service: headless Chromium, as Debian packages it."""

import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from playwright.async_api import Browser, BrowserContext, Page, Playwright, async_playwright, expect

from creditsvc.settings import Settings
from tests.conformance.conftest import Service, served, with_keys
from tests.conformance.test_log import push
from tests.making import raw
from tests.processes import PATIENCE_S
from tests.sequencing import settled

NAME = "福州市鼓楼区示例食品有限公司"
PLENTY = dict.fromkeys(("anonymous_per_minute", "agency_per_minute", "other_per_minute"), 1_000_000)
LOCALES = {"zh": "zh-CN", "en": "en-GB"}
Open = Callable[..., "Awaitable[Page]"]
PATIENCE_MS = PATIENCE_S * 1000
expect.set_options(timeout=PATIENCE_MS)


async def launch(playwright: Playwright, *more: str) -> Browser:
    path = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    assert path, "the tests of pages need Chromium: apt-get install chromium fonts-noto-cjk, or set CHROMIUM"
    # Its sandbox needs rights that a container does not have; it opens no page but ours.
    arguments = ["--no-sandbox", *more]
    return await playwright.chromium.launch(executable_path=path, args=arguments, timeout=PATIENCE_MS)


async def profile(browser: Browser, **given: Any) -> BrowserContext:
    """A fresh one, that waits for as long as a busy machine needs."""
    context = await browser.new_context(**given)
    context.set_default_timeout(PATIENCE_MS)
    return context


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        opened = await launch(playwright)
        yield opened
        await opened.close()


@pytest.fixture(scope="session")
async def site(make_database: Callable[[], Awaitable[str]]) -> AsyncIterator[Service]:
    """An organisation with something of most kinds."""
    async with served(await make_database(), Settings(workers=1, drain_timeout_s=1, **PLENTY)) as service:
        await with_keys(service)
        results = await push(
            service,
            raw("registration.changed", "registration", entity_name=NAME, status="active"),
            raw("penalty.imposed", "榕市监处罚〔2026〕3号", severity="serious", decided_on="2026-03-01"),
            raw("licence.granted", "LIC-77", decided_on="2026-02-01", valid_until="2031-01-31"),
            raw("inspection.completed", "I1", decided_on="2026-02-02"),
            raw("honour.granted", "H1", decided_on="2026-02-03"),
        )
        assert {one["status"] for one in results["results"]} == {"accepted"}
        await settled(service.dsn)
        yield service


@pytest.fixture
async def open_page(browser: Browser, site: Service) -> AsyncIterator[Open]:
    """Open a page in a fresh profile; whatever the browser complains of, the test hears."""
    contexts = []

    async def opening(path: str, language: str = "en", **given: object) -> Page:
        context = await profile(browser, base_url=site.url, locale=LOCALES[language], **given)
        contexts.append(context)
        page = await context.new_page()
        page.complaints = []
        page.on("console", lambda said: page.complaints.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        await page.goto(path)
        return page

    yield opening
    for context in contexts:
        await context.close()
