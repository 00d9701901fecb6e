"""Ratios, percentiles and verdicts of the benchmark."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.bench.figures import GOALS, Finding, Goal, number, percentile, ratio
from tests.bench.picture import better

AT_LEAST = Goal("x", "x", 0.35, 0.7)
AT_MOST = Goal("y", "y", 10, 4, "ms", lower=True)


def test_a_percentile_is_a_value_that_was_measured():
    assert [percentile(range(1, 101), part) for part in (50, 90, 99, 100)] == [50, 90, 99, 100]
    assert percentile([7.0], 99) == 7.0
    assert math.isnan(percentile([], 50))


@given(st.lists(st.floats(0, 1e6), min_size=1), st.floats(0.1, 100))
def test_no_more_than_its_part_is_above_a_percentile(values, part):
    found = percentile(sorted(values), part)
    assert sum(value <= found for value in values) >= len(values) * part / 100 - 1e-9


def test_a_ratio_is_the_median_of_the_rounds():
    """One round that somebody disturbed does not count; one whose both halves were slow does no harm."""
    assert ratio([10, 5, 30], [20, 10, 10]) == 0.5


def test_a_ratio_needs_both_of_every_round():
    with pytest.raises(ValueError, match="both of every round"):
        ratio([1.0], [])


@pytest.mark.parametrize(
    ("goal", "measured", "verdict"),
    [
        (AT_LEAST, 0.7, "aim"),
        (AT_LEAST, 0.35, "goal"),
        (AT_LEAST, 0.34, "miss"),
        (AT_MOST, 4.0, "aim"),
        (AT_MOST, 10.0, "goal"),
        (AT_MOST, 10.1, "miss"),
        (AT_MOST, math.nan, "-"),
        (Goal("z", "z", None, None), 1.0, "-"),
    ],
)
def test_what_is_measured_is_held_against_goal_and_aim(goal, measured, verdict):
    assert Finding(goal, measured).verdict == verdict


def test_bounds_say_in_which_direction():
    assert (AT_LEAST.bound(0.35), AT_MOST.bound(10)) == ("≥ 0.35", "≤ 10.0 ms")
    assert AT_LEAST.bound(None) == ""


def test_an_aim_is_never_easier_than_its_goal():
    for goal in GOALS.values():
        if goal.least is not None and goal.aim is not None:
            assert (goal.aim < goal.least) == goal.lower, goal.key


@pytest.mark.parametrize(
    ("value", "text"), [(0.349, "0.35"), (12.34, "12.3"), (123456.7, "123,457"), (math.nan, "-")]
)
def test_numbers_have_three_digits_that_count(value, text):
    assert number(value) == text


def test_better_is_in_times_of_a_bound_whichever_way_it_goes():
    assert better(Finding(AT_LEAST, 0.7), 0.35) == 2
    assert better(Finding(AT_MOST, 20.0), 10) == 0.5
