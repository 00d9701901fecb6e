"""Every released model gives the numbers of its publication, and goes by its own reading at the edges."""

from datetime import date
from decimal import Decimal
from fractions import Fraction

import pytest

from scoring import engine
from scoring.peers import Measured, rankings
from tests.scores import DAY, record, score, value_and_grade

LATE = "tax.indicated"
EXAMINED = ("tax.examined", {"on": "2025-10-30", "examination": "assessment"})


def made(*cases):
    return [record(kind, **data) for kind, data in cases]


def check(**found):
    return ("check.completed", {"vehicles": 1} | found)


def carrier(on, *violations):
    data = {"on": on, "basic": "hours-of-service"}
    if violations:
        data["violations"] = [
            {"code": code, "severity": severity, **({"out_of_service": True} if out else {})}
            for code, severity, out in violations
        ]
    return ("carrier.inspected", data)


def defects(on=DAY, **found):
    return ("roadworthiness.inspected", {"on": on} | found)


def encounter(encounter, points, on=DAY):
    return ("encounter.recorded", {"on": on, "encounter": encounter, "points": points})


def indicator(code, occurrences=1, on=DAY):
    return (LATE, {"on": on, "indicator": code, "occurrences": occurrences})


def trading(state, on=DAY):
    return ("tax.declared", {"record": "trading", "on": on, "trading": state})


def fleet(vehicles, smart, on=DAY, source="urn:agency:a"):
    return (
        "fleet.declared",
        {
            "record": "fleet",
            "on": on,
            "fleet_vehicles": vehicles,
            "fleet_smart_tachographs": smart,
            "source": source,
        },
    )


MSI, VSI, SI, MI = (f"infringements_{name}" for name in ("most_serious", "very_serious", "serious", "minor"))


@pytest.mark.parametrize(
    ("cases", "expected"),
    [
        ([], (None, "grey")),
        ([fleet(3, 3)], (None, "grey")),
        ([check()], ("0.00", "green")),
        ([check()] * 5, ("0.00", "green")),
        ([check(**{MSI: 1, SI: 1}), check(**{MSI: 4})], ("230.00", "red")),
        ([check(**{MSI: 1, SI: 1})], ("100.00", "green")),
        ([check(**{MSI: 1, SI: 1, MI: 1})], ("101.00", "amber")),
        ([check(**{MSI: 2, SI: 2})], ("200.00", "amber")),
        ([check(**{MSI: 2, SI: 2, MI: 1})], ("201.00", "red")),
        ([check(**{MSI: 1, SI: 1, MI: 1}), check(**{MSI: 1, SI: 1})], ("100.50", "amber")),
        ([check(**{MSI: 2, SI: 2, MI: 1}), check(**{MSI: 2, SI: 2})], ("200.50", "red")),
        ([check(vehicles=3, **{MSI: 1, SI: 1})] * 3, ("33.33", "green")),
        # 300/3 of each: exactly 100, whatever the thirds.
        ([check(vehicles=3, **{MSI: 3, VSI: 1})] * 3, ("100.00", "green")),
        ([check(vehicles=0, **{VSI: 1})], ("30.00", "green")),
        ([check(**{MSI: 1, SI: 1, MI: 1}), fleet(12, 12)], ("90.90", "green")),
        ([check(**{MSI: 1, SI: 1}), fleet(12, 11)], ("100.00", "green")),
        ([check(**{MSI: 1, SI: 1}), fleet(0, 0)], ("100.00", "green")),
        ([check(**{MSI: 1}), fleet(2, 2), fleet(2, 1, source="urn:agency:b")], ("90.00", "green")),
        ([check(**{MSI: 1}), fleet(2, 2), fleet(3, 3, source="urn:agency:b")], ("81.00", "green")),
    ],
)
def test_eu_2022_695(cases, expected):
    assert value_and_grade("eu-2022-695", *made(*cases)) == expected


@pytest.mark.parametrize(
    ("cases", "value"),
    [
        (
            [
                defects("2026-02-01", defects_dangerous=1, defects_major=2, defects_minor=3),
                defects("2026-03-01"),
                defects("2025-03-01", defects_major=1),
                defects("2024-09-01"),
                defects("2024-03-01", defects_minor=4),
                defects("2023-09-01"),
            ],
            "35.50",
        ),
        ([], None),
        ([defects()], "0.00"),
        ([defects("2020-01-01", defects_dangerous=9)], None),
    ],
)
def test_eu_2014_47(cases, value):
    assert value_and_grade("eu-2014-47", *made(*cases)) == (value, "unrated" if value is None else "unranked")


@pytest.mark.parametrize(
    ("cases", "value"),
    [
        (
            [
                carrier("2026-05-01", ("395.8(e)", 7, False), ("395.3", 5, True)),
                carrier("2025-10-01"),
                carrier("2024-10-01", ("395.11", 1, False)),
            ],
            "7.1667",
        ),
        ([], None),
        ([carrier("2026-05-01")], "0.0000"),
        # The cap: four of ten come to thirty, and so do three; out of service counts towards it.
        ([carrier(DAY, *((f"395.{n}", 10, False) for n in range(4)))], "30.0000"),
        ([carrier(DAY, *((f"395.{n}", 10, False) for n in range(3)))], "30.0000"),
        ([carrier(DAY, ("a", 10, True), ("b", 10, True), ("c", 5, False))], "29.0000"),
        ([carrier(DAY, ("a", 10, True), ("b", 10, True), ("c", 5, True))], "30.0000"),
        # One cite counts once in an inspection, as its gravest; in another inspection it counts again.
        ([carrier(DAY, ("a", 7, False), ("a", 7, True), ("a", 7, False))], "9.0000"),
        ([carrier(DAY, ("a", 7, False)), carrier(DAY, ("a", 7, False))], "7.0000"),
    ],
)
def test_fmcsa_sms(cases, value):
    assert value_and_grade("fmcsa-sms", *made(*cases)) == (value, "unrated" if value is None else "unranked")


def test_fmcsa_sms_weighs_one_category_alone():
    other = record("carrier.inspected", basic="vehicle-maintenance")
    assert value_and_grade("fmcsa-sms", other) == (None, "unrated")


@pytest.mark.parametrize(
    ("cases", "expected"),
    [
        (
            [
                encounter("roadworthiness", 200),
                *[encounter("roadworthiness", 0)] * 3,
                encounter("traffic", 100),
                encounter("traffic", 50),
            ],
            ("58.33", "red"),
        ),
        ([], (None, "grey")),
        ([encounter("traffic", 0)], ("0.00", "green")),
        ([encounter("traffic", 10)], ("10.00", "green")),
        ([encounter("traffic", 11)], ("11.00", "amber")),
        ([encounter("traffic", 25)], ("25.00", "amber")),
        ([encounter("traffic", 26)], ("26.00", "red")),
        ([encounter("traffic", 100, "2025-06-14")], ("75.00", "red")),
        ([encounter("traffic", 100, "2024-06-14")], ("50.00", "red")),
        ([encounter("traffic", 100, "2023-06-14")], (None, "grey")),
        ([encounter("traffic", 100, "2024-06-14"), encounter("traffic", 0)], ("25.00", "amber")),
    ],
)
def test_dvsa_ocrs(cases, expected):
    assert value_and_grade("dvsa-ocrs", *made(*cases)) == expected


@pytest.mark.parametrize(
    ("cases", "expected"),
    [
        ([], (None, "unrated")),
        ([EXAMINED, indicator("010101", 3)], ("85", "B")),
        ([EXAMINED, *[indicator("010101")] * 3], ("85", "B")),
        ([EXAMINED, indicator("010101", 2)], ("90", "A")),
        ([trading("regular")], ("90", "A")),
        ([indicator("010101")], ("85", "B")),
        ([indicator("010101", 4)], ("70", "B")),
        ([indicator("010101", 4), indicator("010301")], ("69", "C")),
        ([indicator("010101", 10)], ("40", "C")),
        ([indicator("010101", 10), indicator("010301")], ("39", "D")),
        ([indicator("010106", 100)], ("0", "D")),
        ([EXAMINED, indicator("direct-d")], ("100", "D")),
        ([trading("new")], ("90", "M")),
        ([trading("new"), indicator("010101", 10)], ("40", "M")),
        ([trading("no-income")], ("90", "M")),
        ([trading("no-income"), indicator("010101", 4)], ("70", "M")),
        ([trading("no-income"), indicator("010101", 5)], ("65", "C")),
        ([trading("new"), indicator("direct-d")], ("90", "D")),
        ([indicator("999999", 5)], (None, "unrated")),
    ],
)
def test_cn_tax_rating(cases, expected):
    assert value_and_grade("cn-tax-rating", *made(*cases)) == expected


def test_cn_tax_rating_counts_by_calendar_year():
    examined, late = made(EXAMINED, indicator("010101", 3, on="2026-01-01"))
    assert value_and_grade("cn-tax-rating", examined, late, on="2026-12-31") == ("85", "B")
    assert value_and_grade("cn-tax-rating", examined, late, on="2027-01-01") == ("100", "A")
    assert value_and_grade("cn-tax-rating", examined, late, on="2027-12-31") == ("100", "A")
    assert value_and_grade("cn-tax-rating", examined, late, on="2028-01-01") == (None, "unrated")


PENALTY = ("penalty.imposed", {"on": "2026-03-05", "severity": "general"})


@pytest.mark.parametrize(
    ("cases", "expected"),
    [
        ([], (None, "unrated")),
        ([PENALTY], ("560", "B")),
        ([PENALTY, PENALTY], ("520", "C")),
        ([("serious.listed", {})], ("300", "D")),
        ([("honour.granted", {})] * 4, ("680", "A")),
        ([("honour.granted", {})] * 9, ("680", "A")),
        ([("serious.listed", {})] * 3, ("0", "D")),
        ([check(**{MSI: 9})], (None, "unrated")),
    ],
)
def test_credit_baseline(cases, expected):
    assert value_and_grade("credit-baseline", *made(*cases)) == expected


@pytest.mark.parametrize(
    ("model", "case", "last", "values"),
    [
        # The last day of each period, and what the score is on it and on the day after.
        ("eu-2022-695", check(on="2024-02-29", **{MSI: 1}), "2026-02-28", ("90.00", None)),
        ("eu-2022-695", check(on="2023-02-28", **{MSI: 1}), "2025-02-28", ("90.00", None)),
        ("eu-2014-47", defects("2024-02-29", defects_major=1), "2025-02-28", ("30.00", "20.00")),
        ("eu-2014-47", defects("2024-02-29", defects_major=1), "2026-02-28", ("20.00", "10.00")),
        ("eu-2014-47", defects("2024-02-29", defects_major=1), "2027-02-28", ("10.00", None)),
        ("eu-2014-47", defects("2023-03-01", defects_major=1), "2024-03-01", ("30.00", "20.00")),
        ("dvsa-ocrs", encounter("traffic", 100, "2023-02-28"), "2024-02-28", ("100.00", "75.00")),
        ("dvsa-ocrs", encounter("traffic", 100, "2024-12-31"), "2027-12-31", ("50.00", None)),
        ("fmcsa-sms", carrier("2025-08-31", ("a", 6, False)), "2027-08-31", ("6.0000", None)),
        ("credit-baseline", ("penalty.imposed", {"on": "2024-02-29", "severity": "general"}), "2025-02-28",
         ("560", "580")),
    ],
)  # fmt: skip
def test_periods_end_with_their_last_day(model, case, last, values):
    (one,) = made(case)
    day = date.fromisoformat(last)
    following = date.fromordinal(day.toordinal() + 1)
    found = [
        value.rstrip("0").rstrip(".") if value and "." in value else value
        for value in (value_and_grade(model, one, on=on)[0] for on in (day, following))
    ]
    assert found == [value.rstrip("0").rstrip(".") if value and "." in value else value for value in values]


def test_the_time_weight_of_sms_steps_in_both_parts_of_the_ratio():
    recent = ("a", 8, False)
    old, new = made(carrier("2025-08-31", recent), carrier("2026-02-20"))
    on = {
        day: score("fmcsa-sms", old, new, on=day).explanation.score.exact
        for day in ("2026-02-28", "2026-03-01", "2026-08-31", "2026-09-01")
    }
    assert on == {
        "2026-02-28": Fraction(24, 6),
        "2026-03-01": Fraction(16, 5),
        "2026-08-31": Fraction(16, 4),
        "2026-09-01": Fraction(8, 3),
    }


REPAIRED = ("record.repaired", {})
REVOKED = ("record.revoked", {})
OBJECTED = ("objection.opened", {"objection": "O1"})
DECIDED = ("objection.decided", {"objection": "O1", "decision": "refused"})
WORST = [
    ("eu-2022-695", check(**{MSI: 9})),
    ("eu-2014-47", defects(defects_dangerous=2)),
    ("fmcsa-sms", carrier(DAY, ("a", 10, True))),
    ("dvsa-ocrs", encounter("traffic", 300)),
    ("cn-tax-rating", indicator("direct-d")),
    ("credit-baseline", ("serious.listed", {})),
]


@pytest.mark.parametrize(("model", "case"), WORST, ids=lambda value: value if isinstance(value, str) else "")
def test_what_is_repaired_or_revoked_counts_nothing_and_what_is_objected_to_is_marked(model, case):
    kind, data = case
    whole = record(kind, **data)
    nothing = value_and_grade(model)
    assert value_and_grade(model, whole) != nothing
    for end in (REPAIRED, REVOKED):
        assert value_and_grade(model, record(kind, end, **data)) == nothing
    disputed = score(model, record(kind, OBJECTED, **data)).explanation
    assert [share.objected for share in disputed.shares] == [True]
    assert value_and_grade(model, record(kind, OBJECTED, **data)) == value_and_grade(model, whole)
    decided = score(model, record(kind, OBJECTED, DECIDED, **data)).explanation
    assert [share.objected for share in decided.shares] == [False]


def test_percentiles_stand_within_groups_of_similar_size():
    peers = engine.newest("fmcsa-sms").peers
    assert peers is not None
    measures = {f"c{n}": Measured(Fraction(n), Decimal(3 + n)) for n in range(5)}
    ranks = rankings(peers, measures | {"small": Measured(Fraction(9), Decimal(2))})
    assert {name: (str(one.percentile), one.grade) for name, one in ranks.items()} == {
        "c0": ("0.00", "not-prioritised"),
        "c1": ("25.00", "not-prioritised"),
        "c2": ("50.00", "not-prioritised"),
        "c3": ("75.00", "prioritised"),
        "c4": ("100.00", "prioritised"),
    }


@pytest.mark.parametrize(
    ("size", "group"),
    [
        (2, None),
        (3, 0),
        (10, 0),
        (11, 1),
        (20, 1),
        (21, 2),
        (100, 2),
        (101, 3),
        (500, 3),
        (501, 4),
        (10**6, 4),
    ],
)
def test_the_borders_of_sms_groups(size, group):
    peers = engine.newest("fmcsa-sms").peers
    assert peers is not None
    assert peers.group(Decimal(size)) == group


def test_equal_measures_have_equal_percentiles_and_one_alone_has_none():
    peers = engine.newest("eu-2014-47").peers
    assert peers is not None
    three = {name: Measured(Fraction(worth), Decimal(1)) for name, worth in {"a": 1, "b": 1, "c": 7}.items()}
    assert {name: str(one.percentile) for name, one in rankings(peers, three).items()} == {
        "a": "0.00",
        "b": "0.00",
        "c": "100.00",
    }
    assert rankings(peers, {"a": three["a"]}) == {}


@pytest.mark.parametrize(
    ("below", "others", "grade"),
    [(29, 100, "low"), (30, 100, "medium"), (80, 100, "medium"), (81, 100, "high"), (801, 1000, "high")],
)
def test_the_borders_of_2014_47(below, others, grade):
    peers = engine.newest("eu-2014-47").peers
    assert peers is not None
    ordered = [Fraction(0)] * below + [Fraction(1)] + [Fraction(2)] * (others - below)
    rank = peers.rank(Fraction(1), ordered)
    assert rank is not None
    assert rank.grade == grade
