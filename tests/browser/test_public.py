"""What the public does in a browser: both languages, with and without script, at a desk, on a telephone."""

import re

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import expect

from tests.browser.conftest import LOCALES, NAME, Open
from tests.making import ENTITY

ORGANISATION = f"/entities/{ENTITY}"
PATHS = [
    *(
        "/",
        "/?q=91350100MOO01OOY43",
        "/?q=%E7%A4%BA%E4%BE%8B",
        "/about",
        "/methods",
        "/statistics",
        "/reports",
        f"{ORGANISATION}/report",
    ),
    *(ORGANISATION, "/entities/siren:552081317", "/?q=110101199003070011"),
]
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
PHONE = {"width": 320, "height": 640}  # the narrowest that content must fit (WCAG 2.2, 1.4.10)
DESK = {"width": 1200, "height": 900}


@pytest.mark.parametrize(
    ("language", "scheme", "size"),
    [("zh", "light", PHONE), ("en", "dark", DESK)],
    ids=lambda value: value if isinstance(value, str) else str(value["width"]),
)
async def test_everybody_can_use_every_page(
    open_page: Open, language: str, scheme: str, size: dict[str, int]
):
    page = await open_page("/", language, color_scheme=scheme, viewport=size)
    for path in PATHS:
        await page.goto(path)
        found = await Axe().run(page, options={"runOnly": RULES})
        told = [
            (one["id"], [node["html"][:200] for node in one["nodes"]]) for one in found.response["violations"]
        ]
        assert told == [], path
        for one in (size, DESK if size == PHONE else PHONE):
            await page.set_viewport_size(one)
            assert await page.evaluate("document.documentElement.scrollWidth") <= one["width"], path
        await page.set_viewport_size(size)


@pytest.mark.parametrize("language", LOCALES)
@pytest.mark.parametrize("script", [True, False], ids=["script", "none"])
async def test_from_a_name_to_what_stands_and_why(open_page: Open, language: str, script: bool):  # noqa: FBT001
    page = await open_page("/", language, java_script_enabled=script)
    await page.get_by_role("searchbox").or_(page.get_by_role("combobox")).fill("示例食品")
    await page.get_by_role("button").click()
    await page.get_by_role("link", name=NAME).click()
    await expect(page).to_have_url(re.compile(ORGANISATION))
    await expect(page.get_by_role("heading", level=1)).to_have_text(NAME)
    await expect(page.get_by_role("article")).to_have_count(5)
    await expect(page.locator("svg.chart path.course")).to_have_count(1)
    await expect(page.locator(".letter .big")).to_have_text("C")
    assert page.complaints == []


@pytest.mark.parametrize("language", LOCALES)
async def test_a_mistyped_code_is_marked_and_mended_by_one_click(open_page: Open, language: str):
    page = await open_page("/", language)
    await page.locator("#q").fill("91350100M000l00Y43")
    await page.keyboard.press("Enter")
    await expect(page.locator(".code mark").first).to_be_visible()
    await page.get_by_role("link", name=NAME).click()
    await expect(page.get_by_role("heading", level=1)).to_have_text(NAME)


async def test_names_are_suggested_while_one_types(open_page: Open):
    page = await open_page("/")
    async with page.expect_response(lambda answer: "/v1/entities?" in answer.url) as answered:
        await page.locator("#q").press_sequentially("示例", delay=20)
    assert (await answered.value).status == 200
    await expect(page.locator("#suggestions option")).to_have_count(1)
    assert await page.locator("#suggestions option").get_attribute("value") == NAME
    assert page.complaints == []


async def test_the_slider_goes_through_time(open_page: Open):
    page = await open_page(f"{ORGANISATION}?on=2026-01-01")
    await expect(page.get_by_role("heading", level=1)).to_be_visible()
    page = await open_page(ORGANISATION)
    # All was entered today, so there is no way to slide; the field for the day stands by itself.
    await expect(page.locator("#on")).to_be_visible()
    await page.locator("#on").fill("2026-01-01")
    await page.get_by_role("button").last.click()
    await expect(page).to_have_url(re.compile("on=2026-01-01"))
    await page.get_by_role("link", name="Show it as of now").click()
    await expect(page.locator(".letter .big")).to_have_text("C")


async def test_the_switch_of_language_stays_on_the_page_and_is_kept(open_page: Open):
    page = await open_page(ORGANISATION, "en")
    await page.get_by_role("link", name="中文").click()
    await expect(page.locator("html")).to_have_attribute("lang", "zh-CN")
    await expect(page.get_by_role("heading", level=1)).to_have_text(NAME)
    await page.goto("/about")
    await expect(page.get_by_role("heading", level=1)).to_have_text("关于本服务")


async def test_by_keyboard_alone(open_page: Open):
    page = await open_page("/")
    await page.keyboard.press("Tab")
    await expect(page.locator(".skip")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.locator("main")).to_be_focused()
    await page.keyboard.press("Tab")
    await expect(page.locator("#q")).to_be_focused()
    await page.keyboard.type(ENTITY.partition(":")[2])
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", level=1)).to_have_text(NAME)


async def test_what_is_printed_has_no_controls(open_page: Open):
    page = await open_page(ORGANISATION)
    await page.emulate_media(media="print")
    for hidden in ("nav", ".switch", "button", "footer"):
        assert not await page.locator(hidden).first.is_visible(), hidden
    assert await page.get_by_role("article").first.is_visible()
    assert (await page.pdf()).startswith(b"%PDF")
