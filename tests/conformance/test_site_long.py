"""Pages of long histories: in parts, bounded, and saying what they leave out."""

import html
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime

import pytest

from creditsvc.settings import Settings
from creditsvc.web.site import organisation, report
from creditsvc.web.site.language import words
from tests.conformance.conftest import Service, served, with_keys
from tests.conformance.test_log import push
from tests.conformance.test_site import get
from tests.making import ENTITY, raw
from tests.reports import text_of

LONG_ENTITY, REPORTED_ENTITY = "gb-coh:00000006", "gb-coh:00000019"


@pytest.fixture(scope="module")
async def site(make_database: Callable[[], Awaitable[str]]) -> AsyncIterator[Service]:
    async with served(await make_database(), Settings(workers=1, drain_timeout_s=1)) as service:
        await with_keys(service)
        await push(
            service,
            raw("penalty.imposed", "P1", severity="serious", decided_on="2026-03-01"),
            raw("licence.granted", "L1", decided_on="2026-02-01", valid_until="2031-01-31"),
        )
        yield service


async def test_a_long_history_is_shown_in_parts_the_latest_first(site: Service):
    many = 2 * organisation.STRETCH + 5
    for start in range(0, many, 50):
        sent = [
            raw("honour.granted", f"H-{place:04}", subject=LONG_ENTITY, decided_on="2026-02-03")
            for place in range(start, min(many, start + 50))
        ]
        await push(site, *sent)
    seen: list[str] = []
    path = f"/entities/{LONG_ENTITY}"
    for _ in range(3):
        status, _, page = await get(site, path)
        assert status == 200
        assert page.count('<article class="record') == page.count('<time datetime="')
        shown = re.findall(r'class="number">(H-\d+)<', page)
        assert shown == sorted(shown, reverse=True)
        seen += shown
        path = html.unescape(next(iter(re.findall(r'href="(\?before=[^"#]+)#history">Earlier', page)), ""))
        path = f"/entities/{LONG_ENTITY}{path}"
    assert seen == [f"H-{place:04}" for place in reversed(range(many))]
    assert (await get(site, f"/entities/{LONG_ENTITY}?before=2"))[0] == 200
    for wrong in ("0", "1", "x", "-3", "9" * 40, "٣"):
        assert (await get(site, f"/entities/{LONG_ENTITY}?before={wrong}"))[0] == 400


async def test_the_report_of_a_long_history_has_the_records_that_came_last(site: Service, monkeypatch):
    many, shown = 25, 10
    for module, name in ((organisation, "WHOLE_MAX"), (report, "WHOLE_MAX"), (report, "MOST_RECORDS")):
        monkeypatch.setattr(module, name, shown)
    days = [f"2026-{place % 12 + 1:02}-03" for place in range(many)]  # not in the order of recording
    await push(
        site,
        *(
            raw("honour.granted", f"H-{place:04}", subject=REPORTED_ENTITY, decided_on=day)
            for place, day in enumerate(days)
        ),
    )
    path = f"/entities/{REPORTED_ENTITY}/report"
    _, _, page = await get(site, path, **{"Accept-Language": "en"})
    numbers = list(dict.fromkeys(re.findall(r"<dd>(H-\d+)</dd>", page)))
    last = sorted(range(many - shown, many), key=lambda place: (days[place], place), reverse=True)
    assert numbers == [f"H-{place:04}" for place in last]
    assert f"Only the {shown} that were recorded last, of {many}, are here." in page
    async with site.session.get(f"{path}.pdf", headers={"Accept-Language": "en"}) as answer:
        text = text_of(await answer.read())
    assert set(re.findall(r"H-\d{4}", text)) == {*numbers}
    assert f"Only the {shown} that were recorded last, of {many}, are here." in re.sub(r"\s+", " ", text)
    where = html.unescape(re.search(r"http://[^ ]+(/v1/entities/[^ ]+/records[^ ]*)\.</p>", page)[1])
    async with site.session.get(f"{where}&limit=1000") as answer:
        assert len((await answer.json())["items"]) == many
    then = datetime.now(UTC)
    monkeypatch.setattr(report, "end_of", lambda day, entity: then)
    await push(site, raw("honour.granted", "H-9999", subject=REPORTED_ENTITY, decided_on="2026-03-03"))
    _, _, page = await get(site, f"{path}?on=2026-11-01", **{"Accept-Language": "en"})
    assert f"Only the {shown} that were recorded last, of {many}, are here." in page
    monkeypatch.setattr(report, "MOST_RECORDS", many + 1)
    _, _, page = await get(site, path, **{"Accept-Language": "en"})
    assert len(set(re.findall(r"<dd>(H-\d+)</dd>", page))) == many + 1
    assert "recorded last" not in page


async def test_a_history_too_long_to_be_folded_is_told_by_its_profile(site: Service, monkeypatch):
    monkeypatch.setattr(organisation, "WHOLE_MAX", 1)
    status, _, page = await get(site, f"/entities/{ENTITY}", **{"Accept-Language": "en"})
    said = words("en")
    assert status == 200
    assert said("grade.long") in page
    assert said("course.long") in page
    assert said("reason.penalty-serious") in page
    assert said("grade.sum") not in page
