"""The course of a score, walked from change to change, is what folding all at each instant comes to."""

from datetime import timedelta

import orjson
import pytest
from hypothesis import given, settings

from creditsvc.domain.account import account_at
from creditsvc.domain.naming import UNNAMED
from creditsvc.ledger.course import STEPS_MAX, Step, _shown, steps
from tests.making import ENTITY, RULES, event
from tests.unit.domain import test_account as accounts


def folded(entries, at, rules):
    """What the public was told at an instant, had there never been anything but these events."""
    known = [one for one in entries if one.recorded_at <= at]
    body = account_at(ENTITY, known, UNNAMED, at, rules).profile("public", rules) if known else None
    if body is None:
        return (None, "unrated")
    score = orjson.loads(body)["score"]
    return (score["value"], score["grade"])


@pytest.mark.parametrize("case", accounts.CASES)
@settings(max_examples=60, deadline=None)
@given(accounts.steps)
def test_it_is_the_fold_of_what_is_shown_at_every_instant(case, history):
    rules, now = accounts.CASES[case], accounts.START
    kept = accounts.Kept(rules)
    for minutes, pushed in history:
        now += timedelta(minutes=minutes) + accounts.TICK
        kept.step(pushed, now)
    now += timedelta(days=100)
    if not kept.entries:
        return
    found = list(steps(ENTITY, kept.entries, now, rules))
    shown = sorted(
        (one for own in _shown(ENTITY, kept.entries, now, rules).values() for one in own),
        key=lambda one: one.sequence,
    )
    assert bool(found) == bool(shown)
    for one, following in zip(found, [*found[1:], Step(now, None, "")], strict=False):
        middle = one.at + (following.at - one.at) / 2
        for at in {one.at, middle, following.at - accounts.TICK} if following.at > one.at else {one.at}:
            assert folded(shown, at, rules) == (one.value, one.grade), at
    if found:
        assert found[0].at == shown[0].recorded_at
        assert [one.at for one in found] == sorted({one.at for one in found})


def test_of_a_long_history_the_latest_steps_are_drawn():
    kept = accounts.Kept(RULES)
    for place in range(3 * STEPS_MAX):
        kind = event("penalty.imposed", f"R{place}", severity="general", decided_on="2026-03-01")
        kept.step([kind], accounts.START + timedelta(minutes=place))
    at = kept.entries[-1].recorded_at
    found = list(steps(ENTITY, kept.entries, at, RULES))
    assert len(found) <= STEPS_MAX
    last = found[-1]
    assert folded(kept.entries, at, RULES) == (last.value, last.grade)
