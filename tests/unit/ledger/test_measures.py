"""What awaits agencies as metrics: few labels, whatever there is, and no series of what is over."""

from prometheus_client import CollectorRegistry
from prometheus_client import generate_latest as render

from creditsvc.ledger.measures import MOST_AGENCIES, OTHER, Counted, OpenCases


def told(*counted):
    cases = OpenCases()
    cases.tell(counted)
    return {
        (metric.name.removeprefix("creditsvc_cases_"), *sample.labels.values()): sample.value
        for metric in cases.collect()
        for sample in metric.samples
    }


def test_agencies_kinds_and_steps_are_told_apart():
    assert told(
        Counted("a", "objection", "decide", 3, 1),
        Counted("a", "objection", "remedy", 1, 0),
        Counted("b", "repair", "decide", 2, 2),
    ) == {
        ("open", "a", "objection", "decide"): 3,
        ("open", "a", "objection", "remedy"): 1,
        ("open", "b", "repair", "decide"): 2,
        ("overdue", "a", "objection", "decide"): 1,
        ("overdue", "a", "objection", "remedy"): 0,
        ("overdue", "b", "repair", "decide"): 2,
    }


def test_those_with_most_overdue_are_named_and_the_rest_is_one():
    many = [Counted(f"a{n:03}", "repair", "decide", 1_000 - n, n) for n in range(300)]
    found = told(*many)
    agencies = {labels[1] for labels in found}
    assert agencies == {f"a{n:03}" for n in range(300 - MOST_AGENCIES, 300)} | {OTHER}
    rest = range(300 - MOST_AGENCIES)
    assert found["overdue", OTHER, "repair", "decide"] == sum(rest)
    assert found["open", OTHER, "repair", "decide"] == sum(1_000 - n for n in rest)


def test_an_agency_is_named_for_all_that_is_overdue_together():
    two_steps = [Counted("z", "objection", step, 2, 2) for step in ("accept", "decide")]
    others = [Counted(f"a{n}", "objection", "decide", 3, 3) for n in range(MOST_AGENCIES)]
    assert ("overdue", "z", "objection", "accept") in told(*two_steps, *others)


def test_what_is_over_leaves_nothing_behind():
    cases, registry = OpenCases(), CollectorRegistry()
    registry.register(cases)
    cases.tell([Counted("a", "objection", "decide", 3, 1)])
    assert b'creditsvc_cases_overdue{agency="a",kind="objection",step="decide"} 1.0' in render(registry)
    cases.tell([])
    assert b'agency="a"' not in render(registry)
