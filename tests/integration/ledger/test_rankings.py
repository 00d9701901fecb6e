"""Percentiles in a peer group of similar size: as ranked by an instant, and the same for ever after."""

from datetime import UTC, datetime, timedelta

import pytest

from creditsvc.domain.schedule import Release
from creditsvc.domain.views import PUBLIC
from creditsvc.ledger.rankings import Rankings, rank_all
from creditsvc.ledger.scores import Scores
from creditsvc.settings import Settings
from creditsvc.store.database import lookup_pool
from scoring import engine
from tests.making import RULES, event, ledger

SMS = engine.newest("fmcsa-sms")
TODAY = (datetime.now(UTC) - timedelta(days=30)).date().isoformat()


def inspections(carrier, severities):
    return [
        event(
            "carrier.inspected",
            f"{carrier}-{n}",
            subject=f"usdot:{carrier}",
            decided_on=TODAY,
            violations=[{"code": "395.8(e)", "severity": severity}] if severity else [],
        )
        for n, severity in enumerate(severities)
    ]


@pytest.fixture
async def scores(database):
    async with ledger(database) as (writer, reader), await lookup_pool(database, Settings()) as pool:
        for carrier, severities in {
            101: [1, 1, 1],
            102: [2, 2, 2, 2],
            103: [3, 3, 3],
            104: [9, 9, 9],
            105: [5, 5],  # too few inspections for any group
            200: [4] * 12,  # of another size, and alone there
        }.items():
            await writer.submit(inspections(carrier, severities))
        yield database, writer, Scores(reader.moments, Rankings(pool), RULES, [Release(SMS)])


async def rank(scores, carrier, as_of=None):
    found = await scores.apart(f"usdot:{carrier}", PUBLIC, scores.rules_of("fmcsa-sms"), as_of)
    place = found.ranked
    return found, None if place is None else (
        float(place.rank.percentile),
        place.rank.grade,
        place.rank.peers,
    )


async def test_nobody_is_ranked_before_a_ranking_is_made(scores):
    _, _, service = scores
    found, ranked = await rank(service, 104)
    assert ranked is None
    assert found.taken.explanation.score.grade == "unranked"


async def test_percentiles_are_among_those_of_similar_size(scores):
    database, _, service = scores
    told = []
    assert await rank_all(database, Settings(), SMS, lambda *done: told.append(done)) == {0: 4, 1: 1}
    assert told[-1] == (6, 6)
    ranks = {carrier: (await rank(service, carrier))[1] for carrier in (101, 102, 103, 104, 105, 200)}
    assert ranks == {
        101: (0.0, "not-prioritised", 4),
        102: (33.33, "not-prioritised", 4),
        103: (66.67, "prioritised", 4),
        104: (100.0, "prioritised", 4),
        105: None,
        200: None,
    }


async def test_a_new_ranking_changes_no_old_answer(scores):
    database, writer, service = scores
    await rank_all(database, Settings(), SMS, lambda *_: None)
    before, ranked = await rank(service, 103)
    assert before.moment.valid_from == before.ranked.ranked_at
    await writer.submit(inspections(106, [4, 4, 4]))
    unchanged, _ = await rank(service, 103)
    assert unchanged == before
    await rank_all(database, Settings(), SMS, lambda *_: None)
    after, again = await rank(service, 103)
    assert (ranked, again) == ((66.67, "prioritised", 4), (50.0, "not-prioritised", 5))
    assert after.moment.valid_from > before.moment.valid_from
    past, _ = await rank(service, 103, as_of=before.moment.valid_from)
    assert (past.moment, past.ranked, past.taken) == (before.moment, before.ranked, before.taken)


async def test_one_that_has_moved_since_joins_the_others(scores):
    database, writer, service = scores
    await rank_all(database, Settings(), SMS, lambda *_: None)
    await writer.submit(inspections(107, [10, 10, 10]))
    _, ranked = await rank(service, 107)
    assert ranked == (100.0, "prioritised", 5)
