"""A report says what the service answered, all of it, and nothing else."""

import copy
import dataclasses
import json
from datetime import timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from creditsvc.report.content import MOST_RECORDS, compose
from creditsvc.report.grades import MOST_REASONS, of_profile
from creditsvc.report.words import LANGUAGES
from tests.making import CATALOGUE
from tests.reports import AT, BASE, HOSTILE, asked, report, told, with_words


def all_of(made):
    """Every text of a report, but the labels."""
    return json.dumps(
        {name: value for name, value in dataclasses.asdict(made).items() if name not in {"words", "at"}},
        ensure_ascii=False,
    )


def facts_of(made, number):
    (entry,) = (one for one in made.records if one.number == number)
    return {fact.label: fact.value for fact in entry.facts}


@pytest.mark.parametrize("language", LANGUAGES)
def test_everything_on_record_is_in_it(language):
    made = report(language)
    records = told().records
    assert {entry.number for entry in made.records} == {one["record"] for one in records}
    said = all_of(made)
    for one in records:
        for name, value in one["data"].items():
            if isinstance(value, str) and CATALOGUE.fields[name].kind in {"text", "line"}:
                assert value in said, name
    assert sum(one.count for one in made.counts) == sum(told().profile["standing"].values())


def test_a_record_tells_who_decided_on_what_basis_until_when_and_that_it_is_disputed():
    made = report("zh")
    found = facts_of(made, "榕市监罚〔2026〕301号")
    assert found["决定机关"] == "示例市市场监督管理局 (uscc:11350100000001230F)"
    assert found["依据"] == "《中华人民共和国食品安全法》第六十七条、第一百二十五条第一款第二项"
    assert found["公示"] == "公示至2029年6月11日；依据：国家市场监督管理总局令第107号"
    assert found["可申请修复"] == "自2027年6月12日起"
    assert found["金额"] == "人民币 120,000.00 元"
    assert "YY-2026-0007：已提出，待处理" in found["异议与修复"]
    assert "与来源不一致" in found["异议与修复"]
    marks = {entry.number: entry.marks for entry in made.records}
    assert marks["榕市监罚〔2026〕301号"] == ("异议处理中",)
    assert marks["榕市监罚〔2026〕123号"] == ("修复办理中",)
    assert marks["榕市监异列〔2026〕56号"] == ("在列",)
    assert made.listings == ("经营异常名录，自2026年7月9日起（榕市监异列〔2026〕56号）",)


def test_who_handed_it_in_is_called_by_name_where_there_is_one():
    source = told().records[0]["source"]
    named = dataclasses.replace(told(), agencies={source: "示例市市场监督管理局"})
    assert facts_of(report("zh", named), "HT-2025-0043")["数据来源"] == f"示例市市场监督管理局 ({source})"
    for called in ("", source):
        unnamed = dataclasses.replace(told(), agencies={source: called})
        assert facts_of(report("zh", unnamed), "HT-2025-0043")["数据来源"] == source


def test_in_english_the_same_with_the_agency_s_own_words():
    found = facts_of(report("en"), "榕市监罚〔2026〕301号")
    assert found["Publicity"] == "Public until 11 June 2029; by: SAMR Order 107"
    assert found["Repair"] == "May be applied for from 12 June 2027"
    assert found["Severity"] == "Serious"
    assert found["Facts found"].startswith("当事人")


def test_the_latest_decision_comes_first():
    days = [one["data"].get("decided_on") for one in told().records]
    numbers = [one["record"] for _, one in sorted(zip(days, told().records, strict=True), key=lambda x: x[0])]
    assert [entry.number for entry in report().records] == numbers[::-1]


def test_the_account_adds_up_to_the_score():
    made = report().grade
    shares = [line.share.replace("−", "-").replace("+", "") for line in made.account]
    assert sum(map(Fraction, shares)) == Fraction(made.total) == told().score["value"]
    assert [band.grade for band in made.bands if band.here] == [made.letter]
    assert made.account[1].weight == -1


def many_reasons(pages_left):
    given = copy.deepcopy(told())
    items = [
        {**given.score["contributions"]["items"][0], "record": f"R{n}", "share": "-10/3"} for n in range(30)
    ]
    value = given.score["start"] - 100
    following = "more" if pages_left else None
    given.score["contributions"].update(items=items, next=following)
    given.score.update(value=value, exact=str(value), adjustments={})
    return given


@pytest.mark.parametrize("pages_left", [False, True])
def test_reasons_that_are_not_shown_are_added_up(pages_left):
    account = report("en", many_reasons(pages_left)).grade.account
    assert len(account) == 1 + MOST_REASONS + 1
    assert account[1].share == "≈−3.33"
    assert account[-1].share == "−60"  # 18 of -10/3, exactly
    assert account[-1].words == ("All other reasons together" if pages_left else "18 other reasons together")


def test_caps_and_rounding_are_in_the_account():
    given = copy.deepcopy(told())
    given.score["adjustments"] = {"cap-honour": "-5", "scale": "1", "rounding": "1/3", "new": "2"}
    lines = [(line.words, line.share) for line in report("en", given).grade.account[-4:]]
    assert lines == [
        ("Most that the group may count (honours)", "−5"),
        ("End of the scale", "+1"),
        ("Rounded for publication", "≈+0.33"),
        ("Adjustment (new)", "+2"),
    ]


@pytest.mark.parametrize(
    ("language", "words"),
    [("zh", "没有记录，不等于证明合规"), ("en", "Nothing on record is not proof of compliance")],
)
def test_nothing_on_record_is_not_proof_of_compliance(language, words):
    for name in ("clean", "company"):
        made = report(language, told(name))
        assert any(words in said for said in made.meaning)
        assert any(words in said for said in made.stands)
    clean = report(language, told("clean"))
    assert any(words in said for said in clean.grade.words)
    assert clean.grade.account == ()
    empty = copy.deepcopy(told("clean"))
    empty.records.clear()
    assert words in report(language, empty).records_more


def test_it_leads_back_to_the_service():
    made, given = report("en"), told()
    entity, since = given.profile["entity"], given.profile["valid_from"]
    assert made.link == f"{BASE}/reports/{made.number}"
    copied = [one for check in made.checks for one in check.copied]
    assert made.link in copied
    assert f"{BASE}/v1/entities/{entity}?as_of={since}" in copied
    assert f"{BASE}/v1/log/checkpoint" in copied
    outcomes = [fact.label for check in made.checks for fact in check.outcomes]
    assert outcomes == ["Genuine", "Superseded", "Unknown"]


def test_a_view_of_one_s_own_has_no_number_to_check():
    made = report("en", number=None)
    assert (made.number, made.link) == (None, None)
    assert "no number that the public could check" in all_of(made)
    assert "/reports/" not in all_of(made)
    assert "what the public may see" not in [fact.value for fact in made.who]


def test_a_test_seal_is_called_one():
    assert "has no legal effect" in all_of(report("en"))
    assert "has no legal effect" not in all_of(
        report("en", seal=dataclasses.replace(asked(told()).seal, test=False))
    )


def test_only_the_last_of_very_many_records_are_shown_and_it_says_so():
    given = copy.deepcopy(told())
    one = given.records[2]
    given.records[:] = [{**one, "record": f"R{n:04}"} for n in range(MOST_RECORDS + 1)]
    made = report("en", given)
    assert [entry.number for entry in made.records] == [f"R{n:04}" for n in range(MOST_RECORDS, 0, -1)]
    assert f"Only the {MOST_RECORDS} that were recorded last, of {MOST_RECORDS + 1}," in made.records_more
    assert f"{BASE}{given.profile['records']}?as_of={given.profile['valid_from']}." in made.records_more


@pytest.mark.parametrize(
    ("shown", "count", "words"),
    [
        (3, 9_876, "Only the 3 that were recorded last, of 9876, are here"),
        (3, None, "Only the 3 that were recorded last are here"),
        (0, 9_876, "none of the records that the public may see is among the last"),
        (0, None, "none of the records that the public may see is among the last"),
        (3, 3, ""),
    ],
)
def test_of_a_long_history_the_last_records_are_shown_and_it_says_how_many_there_are(shown, count, words):
    given = dataclasses.replace(told(), records=told().records[:shown], whole=False, count=count)
    made = report("en", given)
    assert len(made.records) == shown
    assert words in made.records_more
    assert (f"{BASE}{given.profile['records']}?as_of=" in made.records_more) == bool(words)


def test_of_a_long_history_the_score_has_the_reasons_of_its_profile():
    profile = told().profile
    score = {"entity": profile["entity"], "valid_from": profile["valid_from"], **of_profile(profile)}
    made = report("en", dataclasses.replace(told(), score=score)).grade
    factors = profile["score"]["factors"]
    assert [line.record for line in made.account] == [one["record"] for one in factors]
    shares = [Fraction(line.share.replace("−", "-")) for line in made.account]
    assert shares == [Fraction(str(one["points"])) for one in factors]
    assert (made.letter, Fraction(made.total)) == (profile["score"]["grade"], profile["score"]["value"])
    assert any(f"{BASE}/v1/entities/{profile['entity']}/score" in said for said in made.words)


@pytest.mark.parametrize("name", ["entity", "valid_from"])
def test_answers_of_two_moments_or_organisations_make_no_report(name):
    given = copy.deepcopy(told())
    given.score[name] = "siren:552081317" if name == "entity" else "2026-11-23T04:40:35.424081Z"
    with pytest.raises(ValueError, match=f"the answers differ in {name}"):
        report("zh", given)


def test_equal_answers_make_equal_reports():
    assert report() == report()
    assert report() != report(at=AT + timedelta(seconds=1))


@pytest.mark.parametrize("words", HOSTILE)
def test_whatever_an_organisation_is_called_it_is_told_as_it_is(words):
    made = report("en", with_words(words))
    assert made.name == words
    assert {entry.title for entry in made.records} == {words}


NAMES = st.one_of(st.none(), st.text(max_size=50))


@given(NAMES, st.sampled_from(LANGUAGES))
def test_any_name_goes(name, language):
    given = copy.deepcopy(told("clean"))
    given.profile["name"] = name
    assert compose(given, asked(given, language), CATALOGUE).name


@pytest.mark.parametrize("kind", sorted(CATALOGUE.types))
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_type_of_record_can_be_told(kind, language):
    known = CATALOGUE.types[kind]
    if known.record_class is None or known.role not in {"opens", "states"}:
        return
    given = copy.deepcopy(told())
    given.records[:1] = [
        {**given.records[2], "record": "X", "type": kind, "class": known.record_class, "data": known.example}
    ]
    values = facts_of(report(language, given), "X").values()
    assert all(isinstance(value, str) and value for value in values)
    assert not any(value.startswith(("{", "[")) for value in values)
