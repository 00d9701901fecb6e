"""GCRA is arithmetic: what holds for it holds for every sequence of charges."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from creditsvc.settings import Settings
from creditsvc.web.auth import PUBLIC, Caller
from creditsvc.web.limits import Limits, Quota, Table, charge_quota, network

QUOTA = Quota("test", units=10, window_s=60)
charges = st.lists(st.tuples(st.floats(0, 30, allow_nan=False), st.integers(1, 10)), min_size=1, max_size=60)


def test_a_whole_quota_may_be_spent_at_once_and_no_more():
    spent_until_s = 0.0
    for left in range(9, -1, -1):
        verdict = charge_quota(QUOTA, spent_until_s, 0.0, 1)
        assert (verdict.allowed, verdict.remaining, verdict.retry_after_s) == (True, left, 0.0)
        spent_until_s = verdict.spent_until_s
    refused = charge_quota(QUOTA, spent_until_s, 0.0, 1)
    assert not refused.allowed
    assert refused.retry_after_s == pytest.approx(6)
    assert refused.reset_s == pytest.approx(60)
    assert refused.spent_until_s == spent_until_s, "what was refused costs nothing"


@given(charges)
def test_never_more_than_the_quota_and_its_refill_in_any_span(steps):
    now_s, spent_until_s = 0.0, 0.0
    admitted: list[tuple[float, int]] = []
    for pause_s, units in steps:
        now_s += pause_s
        verdict = charge_quota(QUOTA, spent_until_s, now_s, units)
        spent_until_s = verdict.spent_until_s
        if verdict.allowed:
            admitted.append((now_s, units))
    for first, (begin_s, _) in enumerate(admitted):
        total = 0
        for at_s, units in admitted[first:]:
            total += units
            assert total <= QUOTA.units + (at_s - begin_s) * QUOTA.units / QUOTA.window_s + 1e-6


@given(charges)
def test_waiting_as_told_is_enough_and_not_too_much(steps):
    now_s, spent_until_s = 0.0, 0.0
    for pause_s, units in steps:
        now_s += pause_s
        verdict = charge_quota(QUOTA, spent_until_s, now_s, units)
        if not verdict.allowed:
            wait_s = verdict.retry_after_s
            assert charge_quota(QUOTA, spent_until_s, now_s + wait_s + 1e-6, units).allowed
            assert not charge_quota(QUOTA, spent_until_s, now_s + wait_s * 0.99 - 1e-5, units).allowed
        assert 0 <= verdict.remaining <= QUOTA.units
        assert charge_quota(QUOTA, verdict.spent_until_s, now_s, 0).remaining == verdict.remaining
        spent_until_s = verdict.spent_until_s


def test_a_charge_above_the_quota_passes_when_nothing_is_spent_and_delays_what_follows():
    whole = charge_quota(QUOTA, 0.0, 0.0, 25)
    assert whole.allowed
    assert whole.remaining == 0
    assert charge_quota(QUOTA, whole.spent_until_s, 0.0, 1).retry_after_s == pytest.approx(96)
    assert not charge_quota(QUOTA, 1.0, 0.0, 25).allowed


def test_the_table_is_bounded_and_forgets_the_longest_unseen():
    table = Table(entries_max=3)
    for who in ("a", "b", "c", "a", "d"):
        table.charge(who, QUOTA, 0.0, 10)
    assert len(table) == 3
    assert not table.charge("a", QUOTA, 0.0, 1).allowed, "seen again, so remembered"
    assert table.charge("b", QUOTA, 0.0, 1).allowed, "forgotten"


def test_the_table_drops_quotas_that_are_whole_again():
    table = Table(entries_max=1000)
    for who in range(100):
        table.charge(str(who), QUOTA, 0.0, 1)
    for _ in range(100):
        table.charge("late", QUOTA, 100.0, 1)
    assert len(table) == 1


def test_workers_share_the_quota():
    limits = Limits(Settings(workers=4, anonymous_per_minute=40))
    allowed = sum(limits.charge(PUBLIC, "192.0.2.1", 0.0, 1).allowed for _ in range(100))
    assert allowed == 10
    verdict = limits.charge(PUBLIC, "192.0.2.2", 0.0, 1)
    assert limits.headers(PUBLIC, verdict) == {
        "RateLimit-Policy": '"public";q=40;w=60',
        "RateLimit": '"public";r=9;t=6',
    }


def test_each_role_has_its_quota_and_a_key_is_limited_wherever_it_comes_from():
    limits = Limits(Settings(workers=1, partner_per_minute=2, anonymous_per_minute=1))
    partner = Caller("partner", key_id="k1")
    other = replace(partner, key_id="k2")
    assert [limits.charge(partner, f"192.0.2.{n}", 0.0, 1).allowed for n in range(3)] == [True, True, False]
    assert limits.charge(other, "192.0.2.1", 0.0, 1).allowed
    assert limits.charge(PUBLIC, "192.0.2.1", 0.0, 1).allowed, "keys do not spend what addresses have"


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("not an address", "unknown"),
        ("", "unknown"),
    ],
)
def test_an_address_stands_for_a_subscriber(address, expected):
    assert network(address) == expected
