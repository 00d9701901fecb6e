"""What a scrape costs, however often it is asked for."""

import asyncio
import threading

import pytest

from creditsvc.web import metrics


@pytest.fixture
def rendered(monkeypatch) -> list[bytes]:
    """What was rendered; fails when two are rendered at a time."""
    found: list[bytes] = []
    busy = threading.Lock()

    def render() -> bytes:
        assert busy.acquire(blocking=False), "one at a time"
        found.append(b"%d" % len(found))
        busy.release()
        return found[-1]

    monkeypatch.setattr(metrics, "exposition", render)
    return found


async def test_a_storm_of_scrapes_renders_a_few_times(rendered):
    remembered = metrics.Remembered()
    answers = await asyncio.gather(*(remembered.body() for _ in range(100)))
    assert len(rendered) == metrics.RENDERINGS_MAX
    assert set(answers) == set(rendered)
    assert answers[-1] == rendered[-1]


async def test_what_is_remembered_grows_old(rendered, monkeypatch):
    monkeypatch.setattr(metrics, "REMEMBER_S", 0.05)
    remembered = metrics.Remembered()
    await asyncio.gather(*(remembered.body() for _ in range(20)))
    before = len(rendered)
    await asyncio.sleep(0.1)
    assert await remembered.body() == b"%d" % before
