"""An agency hands in a sheet in a browser: checked, sent with progress, given back; with script or not."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, Route, expect

from creditsvc.settings import Settings
from creditsvc.store.clients import name_agency
from creditsvc.store.database import connect
from tests.browser.conftest import LOCALES, PLENTY, profile
from tests.browser.test_cases import maybe
from tests.browser.test_public import DESK, PHONE
from tests.conformance.conftest import Service, served, with_keys
from tests.making import SOURCE
from tests.sheets import DIRT, PERSON, RESIDENT_ID, as_csv, dirty, penalties

READY = sum(not found for _, found in DIRT.values())
WAYS = [
    ("zh", "light", PHONE, True),
    ("en", "dark", DESK, False),
]


@pytest.fixture(scope="module")
async def service(make_database: Callable[[], Awaitable[str]]) -> AsyncIterator[Service]:
    settings = Settings(workers=1, drain_timeout_s=1, **PLENTY)
    async with served(await make_database(), settings) as running:
        await with_keys(running)
        connection = await connect(running.dsn)
        await name_agency(connection, SOURCE, "天津市市场监督管理委员会")
        await connection.close()
        yield running


@pytest.fixture
async def visit(browser: Browser, service: Service) -> AsyncIterator[Callable[..., Awaitable[Page]]]:
    contexts = []

    async def signed_in(language: str = "en", *, script: bool = True, **given: object) -> Page:
        context = await profile(
            browser, base_url=service.url, locale=LOCALES[language], java_script_enabled=script, **given
        )
        contexts.append(context)
        page = await context.new_page()
        page.complaints = []
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        await page.goto("/sign-in?to=/hand-in")
        await page.locator("#key").fill(service.keys["agency"])
        await page.locator("main form button").click()
        await expect(page.locator("#file")).to_be_visible()
        return page

    yield signed_in
    for context in contexts:
        await context.close()


def read(path: str) -> str:
    return Path(path).read_text(encoding="utf-8-sig")


async def choose(page: Page, path: Path) -> None:
    await page.locator("input[value=penalty]").check()
    await page.locator("#file").set_input_files(path)


async def check(page: Page, path: Path) -> None:
    await choose(page, path)
    await page.locator("form.entry button").click()
    await expect(page.locator("form.send")).to_be_visible(timeout=30_000)


@pytest.mark.parametrize(
    ("language", "scheme", "size", "script"), WAYS, ids=["zh-phone", "en-dark-no-script"]
)
async def test_a_sheet_of_every_dirt_is_handed_in(visit, tmp_path, language, scheme, size, script):
    page = await visit(language, script=script, color_scheme=scheme, viewport=size)
    await page.locator("details summary").first.click()
    await maybe(script, page)
    path = tmp_path / f"{PERSON}.xlsx"
    path.write_bytes(dirty("xlsx"))
    await check(page, path)
    await expect(page.locator(".tiles strong").first).to_have_text(str(READY))
    await page.locator("details summary").first.click()
    await maybe(script, page)
    assert RESIDENT_ID not in await page.content()
    assert PERSON not in await page.content()

    async with page.expect_download() as download:
        await page.locator("button[value=xlsx]").click()
    assert (await download.value).suggested_filename == "rejected.xlsx"

    await page.locator("form.send button").first.click()
    await expect(page.locator("#sent")).to_be_visible(timeout=30_000)
    numbers = await page.locator(".tiles strong").all_inner_texts()
    assert sorted(numbers) == sorted([str(READY), "0", "0"])  # recorded by the first of these tests
    assert await page.locator("progress").last.get_attribute("value") == str(READY)
    await page.locator("details summary").first.click()
    await maybe(script, page)
    async with page.expect_download() as download:
        await page.locator("button[value=csv]").click()
    content = read(await (await download.value).path())
    assert "***" in content
    assert RESIDENT_ID not in content
    await page.locator("td a[href*='/events/']").first.click()
    await page.wait_for_load_state()
    assert "/events/" in page.url
    assert page.complaints == []


async def test_a_connection_that_breaks_is_mended_by_sending_again(visit, tmp_path):
    page = await visit()
    path = tmp_path / "a.csv"
    path.write_bytes(as_csv(penalties(*[{"penalty_no": f"断〔2026〕{n}号"} for n in range(300)])))
    await check(page, path)

    async def broken(route: Route) -> None:
        await route.abort("connectionreset")

    await page.route("**/hand-in/send", broken)
    await page.locator("form.send button").first.click()
    await expect(page.locator(".steps")).to_contain_text("The connection broke")
    await page.unroute("**/hand-in/send")
    await page.locator("form.send button").first.click()
    await expect(page.locator("#sent")).to_be_focused(timeout=30_000)
    await expect(page.locator(".tiles strong").first).to_have_text("300")


@pytest.mark.parametrize("script", [True, False])
async def test_a_file_that_is_too_large_is_told(visit, tmp_path, script):
    page = await visit(script=script)
    path = tmp_path / "large.csv"
    path.write_bytes(bytes(9 * 1024 * 1024))
    await choose(page, path)
    if script:
        message = await page.locator("#file").evaluate("field => field.validationMessage")
        assert "larger than 8 MB" in message
    else:
        await page.locator("form.entry button").click()
        await expect(page.get_by_role("alert")).to_contain_text("larger than 8 MB")
    other = tmp_path / "other.csv"
    other.write_bytes(b"%PDF-1.7")
    await choose(page, other)
    await page.locator("form.entry button").click()
    await expect(page.get_by_role("alert")).to_contain_text("neither an .xlsx nor a .csv", timeout=30_000)
    await maybe(script, page)
