"""A case in a browser: an organisation objects, its agency refuses, it appeals; pages are for everybody."""

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page, async_playwright, expect

from creditsvc.settings import Settings
from creditsvc.store.clients import name_agency
from creditsvc.store.database import connect
from tests.browser.conftest import LOCALES, NAME, PLENTY, launch, profile
from tests.browser.test_public import DESK, PHONE, RULES
from tests.conformance.conftest import Service, served, with_keys
from tests.conformance.test_desk import push
from tests.making import ENTITY, SOURCE, raw
from tests.sequencing import settled

# One that is no loopback: browsers do not call it trustworthy, and say less of where a form came from.
HOST = "credit.example.org"


@pytest.fixture
async def service(make_database: Callable[[], Awaitable[str]]) -> AsyncIterator[Service]:
    async with served(await make_database(), Settings(workers=1, drain_timeout_s=1, **PLENTY)) as running:
        await with_keys(running)
        connection = await connect(running.dsn)
        await name_agency(connection, SOURCE, "天津市市场监督管理委员会")
        await connection.close()
        terms = {"severity": "general", "category": "罚款", "decided_on": "2026-03-01"}
        await push(running, raw("penalty.imposed", "津市监罚〔2026〕3号", entity_name=NAME, **terms))
        await settled(running.dsn)
        yield running


@pytest.fixture(scope="module")
async def named() -> AsyncIterator[Browser]:
    """A browser for which the service is at a name of its own, without TLS."""
    async with async_playwright() as playwright:
        opened = await launch(playwright, f"--host-resolver-rules=MAP {HOST} 127.0.0.1")
        yield opened
        await opened.close()


async def usable(page: Page) -> None:
    found = await Axe().run(page, options={"runOnly": RULES})
    told = [
        (one["id"], [node["html"][:200] for node in one["nodes"]]) for one in found.response["violations"]
    ]
    assert told == [], page.url
    wide = await page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert wide[0] <= wide[1], page.url


async def sign_in(page: Page, key: str) -> None:
    await page.locator("#key").fill(key)
    await usable(page)
    await page.locator("main form button").click()


WAYS = [
    ("zh", "light", PHONE, True),
    ("en", "dark", DESK, False),
]


@pytest.mark.parametrize(
    ("language", "scheme", "size", "script"), WAYS, ids=["zh-phone", "en-dark-no-script"]
)
async def test_from_something_is_wrong_to_an_appeal(service, named, language, scheme, size, script):
    url = f"http://{HOST}:{service.port}"
    given = {"base_url": url, "locale": LOCALES[language], "color_scheme": scheme, "viewport": size}
    people = [await profile(named, java_script_enabled=script, **given) for _ in range(2)]
    entity, agency = [await context.new_page() for context in people]

    await entity.goto(f"/entities/{ENTITY}")
    await entity.locator("a[href*='/objection?']").click()
    await maybe(script, entity)
    await entity.locator("main a[href^='/sign-in']").click()
    await entity.locator("#key").fill(service.keys["entity"])
    await entity.locator("main form button").click()
    await maybe(script, entity)
    await entity.locator("#f-ground").select_option("differs-from-source")
    await entity.locator("#f-reason").fill("公示的金额与决定书不符")
    await entity.locator("main form button").click()
    await maybe(script, entity)
    await settled(service.dsn)
    await entity.locator("main a[href*='/events/']").click()
    await maybe(script, entity)

    await agency.goto("/desk")
    await maybe(script, agency)
    await agency.locator("main a[href^='/sign-in']").click()
    await agency.locator("#key").fill(service.keys["agency"])
    await agency.locator("main form button").click()
    await maybe(script, agency)
    await agency.locator("td a[href*='/case?']").click()
    await maybe(script, agency)
    form = agency.locator("form:has(input[value=refused])")
    await agency.locator("details:has(input[value=refused]) > summary").click()
    await form.locator("textarea[name=reason]").fill("见 11010519491231002X")
    await form.locator("button").click()
    await expect(agency.get_by_role("alert")).to_be_visible()
    assert "11010519491231002X" not in await agency.content()
    await maybe(script, agency)
    await form.locator("textarea[name=reason]").fill("经核对决定书原件，金额无误")
    await form.locator("button").click()
    await expect(agency.locator("dl.receipt")).to_be_visible()

    await entity.goto(f"/entities/{ENTITY}/cases")
    await maybe(script, entity)
    await entity.locator("td a[href*='/case?']").click()
    await expect(entity.locator(".timeline")).to_contain_text("经核对决定书原件，金额无误")
    await entity.locator("form:has(input[value=appeal]) textarea[name=reason]").fill("请核对送达的决定书")
    await entity.locator("form:has(input[value=appeal]) button").click()
    await expect(entity.locator("dl.receipt")).to_be_visible()
    await entity.locator(".out button").click()
    await entity.goto("/desk")
    await expect(entity.locator("main a[href^='/sign-in']")).to_be_visible()


async def maybe(script: bool, page: Page) -> None:  # noqa: FBT001
    """Have it looked over where that can be done: axe is a script itself."""
    await page.wait_for_load_state()
    if script:
        await usable(page)


async def test_a_form_on_another_site_does_nothing_here(service, named):
    context = await profile(named, base_url=f"http://{HOST}:{service.port}")
    page = await context.new_page()
    await page.goto("/sign-in")
    await sign_in(page, service.keys["agency"])
    await expect(page.locator(".out")).to_be_visible()
    elsewhere = (
        f'<form method="post" action="http://{HOST}:{service.port}/sign-out"><button>x</button></form>'
    )
    await page.route(
        "http://evil.example/", lambda route: route.fulfill(body=elsewhere, content_type="text/html")
    )
    await page.goto("http://evil.example/")
    await page.locator("button").click()
    await page.wait_for_load_state()
    assert page.url.startswith(f"http://{HOST}")
    await page.goto(f"http://{HOST}:{service.port}/desk")
    await expect(page.locator(".out")).to_be_visible()
