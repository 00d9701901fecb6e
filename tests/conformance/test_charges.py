"""What a request is charged tells nothing of what its answer hides."""

import re

import orjson
import pytest

from tests.conformance.conftest import Serve, with_keys
from tests.conformance.test_log import get, push
from tests.making import ENTITY, OTHER_ENTITY, raw
from tests.sequencing import settled

LONG = 150  # events of a hidden record: at a hundred a unit, they would show
QUOTA = 12  # a minute: five seconds each, so that what comes back meanwhile does not show


async def left_after(service, path):
    """How much the public has left after asking for something, and with what status."""
    status, headers, _ = await get(service, path)
    return status, int(re.search(r";r=(\d+)", headers["RateLimit"])[1])


@pytest.fixture
async def hiding(serve: Serve):
    """Of one organisation something is public, behind a long record that is not; of another nothing."""
    service = await with_keys(await serve(anonymous_per_minute=QUOTA))
    waiting = [raw("record.corrected", "H1") for _ in range(LONG)]
    await push(service, *waiting, raw("honour.granted", "P1"), *(raw("record.corrected", "H2"),) * 2)
    await push(service, *(raw("record.corrected", "H3", subject=OTHER_ENTITY) for _ in range(LONG)))
    await settled(service.dsn)
    return service


async def test_a_proof_is_charged_alike_whether_the_event_is_shown_hidden_or_missing(hiding):
    found = [
        await left_after(hiding, f"/v1/entities/{entity}/history/{sequence}/proof")
        for entity, sequence in (
            *((ENTITY, LONG + 1), (ENTITY, 1), (ENTITY, 9_999)),
            *((OTHER_ENTITY, 1), ("usdot:999999", 1)),
        )
    ]
    assert found == [(200, 10), (404, 8), (404, 6), (404, 4), (404, 2)]


async def test_a_page_is_charged_for_what_it_shows(hiding):
    _, _, body = await get(hiding, f"/v1/entities/{ENTITY}/history")
    assert [item["sequence"] for item in orjson.loads(body)["items"]] == [LONG + 1]
    for kind in ("history", "records", "proofs"):
        status, left = await left_after(hiding, f"/v1/entities/{ENTITY}/{kind}")
        assert status == 200
    # One for each request, a hundredth for the event that is shown, a quarter for its proof: 4.29. What is
    # hidden would come to one and a half for each.
    assert left >= 7
