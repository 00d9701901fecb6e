"""The operator's page and the statistics in a browser: usable by everybody, on paper too."""

from datetime import timedelta

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import expect

from creditsvc.ledger.statistics import Statistics
from creditsvc.settings import Settings
from creditsvc.store.database import connect, sequence_pool
from creditsvc.web.site.language import words
from tests.browser.conftest import Open
from tests.browser.test_public import DESK, PHONE, RULES
from tests.conformance.conftest import Service
from tests.conformance.test_log import push
from tests.making import raw
from tests.sequencing import entity, settled


@pytest.fixture(scope="module")
async def counted(site: Service) -> Service:
    """Enough of it to be told."""
    results = await push(
        site, *(raw("inspection.completed", f"B{n}", subject=entity(100 + n)) for n in range(12))
    )
    assert {one["status"] for one in results["results"]} == {"accepted"}
    await settled(site.dsn)
    async with await sequence_pool(site.dsn, Settings()) as pool:
        counting = Statistics(pool, grades_every=timedelta(0))
        await counting.begin()
        while await counting.count_events():
            pass
        await counting.count_grades()
    connection = await connect(site.dsn)
    await connection.execute("update api_key set expires_at = clock_timestamp() + interval '9 days'")
    await connection.close()
    return site


@pytest.mark.parametrize(
    ("language", "scheme", "size"),
    [("zh", "dark", PHONE), ("en", "light", DESK)],
    ids=lambda value: value if isinstance(value, str) else str(value["width"]),
)
async def test_everybody_can_use_them(
    open_page: Open, counted: Service, language: str, scheme: str, size: dict[str, int]
):
    key = counted.headers("operator")
    for path, headers in (("/operator", key), ("/statistics", {})):
        page = await open_page(path, language, color_scheme=scheme, viewport=size, extra_http_headers=headers)
        found = await Axe().run(page, options={"runOnly": RULES})
        assert [(one["id"], one["nodes"][0]["html"][:200]) for one in found.response["violations"]] == [], (
            path
        )
        assert await page.evaluate("document.documentElement.scrollWidth") <= size["width"], path
        assert page.complaints == []


@pytest.mark.parametrize("language", ["zh", "en"])
async def test_what_needs_attention_leads_to_where_it_stands(
    open_page: Open, counted: Service, language: str
):
    page = await open_page("/operator", language, extra_http_headers=counted.headers("operator"))
    told = words("zh" if language == "zh" else "en")("operator.trouble.expiring", count=5)
    await page.get_by_role("link", name=told).click()
    assert page.url.endswith("#keys")
    await expect(page.locator("#keys")).to_be_in_viewport()


async def test_a_year_is_chosen_and_printed_whole(open_page: Open, counted: Service):
    page = await open_page("/statistics")
    await page.get_by_role("link", name="2026").click()
    assert page.url.endswith("?year=2026")
    row = page.locator(".matrix tbody tr").filter(has_text="Inspection completed")
    await expect(row.locator("td").first).to_have_text("13")
    await page.emulate_media(media="print")
    box = await page.locator(".matrix").bounding_box()
    view = page.viewport_size
    assert box is not None
    assert view is not None
    assert box["x"] + box["width"] <= view["width"], "nothing is cut off on paper"
