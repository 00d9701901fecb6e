"""Identifiers of persons are found in disguise; lists and records of organisations are not taken for them."""

import csv
import random
import sys
import unicodedata
from pathlib import Path
from urllib.parse import quote

import pytest

from creditsvc.domain import persons
from creditsvc.domain.identifiers import uscc

RESIDENT_ID = "11010519491231002X"  # the example of GB 11643-1999 itself
TRADER = "92350100MA2" + "00000"
TRADER += uscc._organisation_check(TRADER + "00")
TRADER += uscc._code_check(TRADER + "0")

BETWEEN = (
    *"\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\u2062\u2066\u2069\u061c\u034f\u0301\ufe0f\u180e\u3164",
    *"\u2800\u1680\u2028\u2029\U000e0020\u30a0_/,:|~+*=()、，。•ー～一 -.\t\n",
    "（）",
    "    ",
    "----",
    "\n    ",
)
ZEROS = (0x660, 0x6F0, 0x966, 0xE50, 0xFF10, 0x1D7CE, 0x1D7D8, 0x1D7E2, 0x1D7F6, 0x1FBF0, 0x2080)
SCRIPTS = [*("".join(chr(zero + digit) for digit in range(10)) for zero in ZEROS)]
SCRIPTS += ["⁰¹²³⁴⁵⁶⁷⁸⁹", "⓪①②③④⑤⑥⑦⑧⑨"]


@pytest.mark.parametrize("between", BETWEEN)
def test_whatever_stands_between_groups(between):
    for groups, rule in (
        (("110105", "19491231", "002X"), "resident-id"),
        (("110105", "491231", "002"), "resident-id"),
        (("138", "1234", "5678"), "mobile-number"),
        ((TRADER[:6], TRADER[6:12], TRADER[12:]), "sole-trader"),
    ):
        assert persons.find(f"证 {between.join(groups)} 号") == rule


@pytest.mark.parametrize("digits", SCRIPTS)
def test_digits_of_other_scripts(digits):
    script = str.maketrans("0123456789", digits)
    assert persons.find(RESIDENT_ID.translate(script)) == "resident-id"
    assert persons.find("电话" + "13812345678".translate(script)) == "mobile-number"
    assert persons.find("码" + TRADER.translate(script)) == "sole-trader"


def test_every_digit_of_unicode_is_read():
    for code in range(sys.maxunicode + 1):
        digit = unicodedata.digit(chr(code), -1)
        if digit >= 0:
            number = "13812345678".replace(str(digit), chr(code)) if str(digit) in "1345678" else None
            assert number is None or persons.find(number) == "mobile-number"
            assert persons._DIGITS[code] == str(digit)


@pytest.mark.parametrize(
    "text",
    [
        "Tel13812345678",
        "(138)12345678",
        "13812 345678",
        "138 123 45678",
        "1381 234 5678",
        "13812-345-678",
        " ".join("13812345678"),
        "1381234567813912345678",
    ],
)
def test_mobile_numbers_as_some_write_them(text):
    assert persons.find(text) == "mobile-number"


@pytest.mark.parametrize(
    "text", ["FR13812345678", "A13812345678", "521 138 146 00016", "15 123 456 789", "1, 3, 8, 1, 2, 3, 4, 5"]
)
def test_numbers_of_organisations_and_amounts(text):
    assert persons.find(text) is None


@pytest.mark.parametrize("value", [RESIDENT_ID, "13812345678", TRADER])
def test_percent_encoding_is_undone(value):
    encoded = "".join(f"%{ord(character):02X}" for character in value)
    assert persons.find(f"https://example.org/{encoded}") is not None
    assert persons.find(f"https://example.org/{quote(encoded)}") is not None


def test_a_sole_traders_code_needs_both_checks():
    for text in (TRADER, TRADER.lower(), f"当事人{TRADER}，", f"code{TRADER}", " ".join(TRADER)):
        assert persons.find(text) == "sole-trader"
    for place in (16, 17):
        wrong = "1" if TRADER[place] != "1" else "2"
        assert persons.find(TRADER[:place] + wrong + TRADER[place + 1 :]) is None


def test_a_year_of_inspections_holds_nobody():
    path = Path(__file__).parents[3] / "examples" / "alimconfiance" / "inspections_2017.csv"
    with path.open(encoding="utf-8", newline="") as file:
        found = [persons.find(value) for row in csv.reader(file) for value in row]
    assert len(found) > 50_000
    assert not any(found)


@pytest.mark.parametrize("between", [" ", ",", ", "])
def test_lists_of_numbers_are_rarely_taken_for_people(between):
    chance = random.Random(20)
    lists = (
        between.join(str(chance.randrange(10 ** chance.randint(1, 6))) for _ in range(20))
        for _ in range(2000)
    )
    assert sum(persons.find(one) is not None for one in lists) <= 20  # one in a hundred
