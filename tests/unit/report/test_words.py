"""Reports say the same in each language, and have words for everything that they may have to say."""

import json
import re
from datetime import UTC, date, datetime
from importlib import resources
from zoneinfo import ZoneInfo

import pytest

from creditsvc.domain.catalogue import CaseKind
from creditsvc.domain.catalogue_file import State
from creditsvc.domain.moves import GRANTED, MOVES, OPENING_STATE
from creditsvc.domain.records import STANDING
from creditsvc.domain.standing import EXPIRED
from creditsvc.report.words import LANGUAGES, figure, words
from scoring import engine

SHANGHAI = ZoneInfo("Asia/Shanghai")
CHINESE = re.compile(r"[\u4e00-\u9fff]")


def blanks(text):
    return sorted(re.findall(r"\{(\w+)\}", text))


def test_every_language_has_the_same_texts_with_the_same_blanks():
    chinese, english = (words(language).texts for language in ("zh", "en"))
    assert [*chinese] == [*english]
    assert [name for name in chinese if blanks(chinese[name]) != blanks(english[name])] == []


def test_each_text_is_in_its_language():
    exceptions = {"none", "colon", "record.publicity.rule", "stands.objections.count"}
    texts = {name: text for name, text in words("zh").texts.items() if name not in exceptions}
    assert [name for name, text in texts.items() if not CHINESE.search(text)] == []
    assert [name for name, text in words("en").texts.items() if CHINESE.search(text)] == []
    assert [name for name, text in words("en").texts.items() if not text.strip()] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_there_are_words_for_all_that_the_service_may_answer(language):
    said = words(language)
    for state in (STANDING, EXPIRED, *State.__args__):
        assert said.say(f"state.{state}")
    for status in ("active", "dissolved", "unknown"):
        assert said.say(f"who.status.{status}")
    kinds: tuple[CaseKind, ...] = ("objection", "repair")
    for kind in kinds:
        moves = MOVES[kind].values()
        states = {one.after for one in moves if one.after} | {OPENING_STATE[kind]}
        for state in states | {"upheld", "refused", "referred", GRANTED, "closed"}:
            assert said.say(f"case.state.{state}")
    model = engine.load("credit-baseline", "1")
    rules = json.loads(engine.content(model.name, model.version))
    for rule in rules["rules"]:
        assert said.known(f"code.{rule['code']}", "") != ""
    for group in rules["groups"]:
        assert said.known(f"group.{group}", "") != ""


@pytest.mark.parametrize("language", LANGUAGES)
def test_reasons_are_called_as_they_are_on_the_page_of_the_organisation(language):
    file = resources.files("creditsvc.web.site") / "texts" / f"{language}.json"
    page = json.loads(file.read_text(encoding="utf-8"))
    codes = [name.removeprefix("code.") for name in words(language).texts if name.startswith("code.")]
    assert len(codes) >= 15
    assert [code for code in codes if page[f"reason.{code}"] != words(language).say(f"code.{code}")] == []


def test_there_is_no_third_language():
    with pytest.raises(KeyError):
        words("fr")


def test_what_is_filled_in_is_not_filled_in_again():
    said = words("en")
    assert said.say("check.seal.words", subject="{link} {0} {").count("{link} {0} {") == 1


@pytest.mark.parametrize(
    ("exact", "signed", "written"),
    [
        ("-40", True, "−40"),
        ("10", True, "+10"),
        ("10", False, "10"),
        ("0", True, "0"),
        ("100/3", True, "≈+33.33"),
        ("-200/3", False, "≈−66.67"),
        ("2.5", False, "2.5"),
        ("1/1000", True, "≈0"),
        ("-0.004", True, "≈0"),
        ("123456789.25", False, "123456789.25"),
    ],
)
def test_figures_are_short_and_say_when_they_are_rounded(exact, signed, written):
    assert figure(exact, signed=signed) == written


def test_days_and_money_are_written_as_the_language_does():
    chinese, english = words("zh"), words("en")
    assert chinese.day(date(2026, 3, 5)) == "2026年3月5日"
    assert english.day(date(2026, 3, 5)) == "5 March 2026"
    assert chinese.money("1234567.50", "CNY") == "人民币 1,234,567.50 元"
    assert english.money("1234567.50", "CNY") == "CNY 1,234,567.50"
    assert chinese.money("0.5", "EUR") == "0.5 EUR"


def test_a_day_that_is_over_is_named_and_not_the_one_that_begins():
    midnight = datetime(2027, 3, 5, 16, tzinfo=UTC)  # in Shanghai
    assert words("en").ending(midnight, SHANGHAI) == "5 March 2027"
    assert words("en").beginning(midnight, SHANGHAI) == "6 March 2027"
    later = midnight.replace(minute=30)
    for written in (words("en").ending(later, SHANGHAI), words("en").beginning(later, SHANGHAI)):
        assert written == "6 March 2027, 00:30:00 (UTC+08:00)"
