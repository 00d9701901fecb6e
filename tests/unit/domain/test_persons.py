"""Resident IDs and mobile numbers are found wherever people write them, and little else is taken for them."""

import csv
import uuid
from datetime import date
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from creditsvc.domain import persons

WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
PROVINCES = (
    "11 12 13 14 15 21 22 23 31 32 33 34 35 36 37 41 42 43 44 45 46 50 51 52 53 54 61 62 63 64 65 71 81 82 83"
)
WIDE = str.maketrans("0123456789Xx-.+", "０１２３４５６７８９Ｘｘ－．＋")
SOME = "110101199003070011"


def resident_id(region: str, born: date, serial: int) -> str:
    first = f"{region}{born:%Y%m%d}{serial:03}"
    total = sum(int(digit) * weight for digit, weight in zip(first, WEIGHTS, strict=True))
    return first + "10X98765432"[total % 11]


RESIDENT_IDS = st.builds(
    resident_id,
    st.builds("{}{:04}".format, st.sampled_from(PROVINCES.split()), st.integers(0, 9999)),
    st.dates(date(1800, 1, 1), date(2099, 12, 31)),
    st.integers(0, 999),
)
OLD_RESIDENT_IDS = st.builds(
    "{}{:04}{:%y%m%d}{:03}".format,
    st.sampled_from(PROVINCES.split()),
    st.integers(0, 9999),
    st.dates(date(1900, 1, 1), date(1999, 12, 31)),
    st.integers(1, 999),
)
MOBILES = st.from_regex("1[3-9][0-9]{9}", fullmatch=True)
# No digits, and no letters or separators next to the number, which have tests of their own.
AROUND = st.text(
    st.characters(min_codepoint=0x4E00, max_codepoint=0x9FFF) | st.sampled_from("，。：（）\n；「」/:")
) | st.just("")


@given(AROUND, RESIDENT_IDS, AROUND)
def test_a_resident_id_is_found_in_any_text(before, value, after):
    assert persons.is_resident_id(value)
    for written in (value, value.lower(), value.translate(WIDE), value.lower().translate(WIDE)):
        assert persons.find(before + written + after) == "resident-id"


@given(
    RESIDENT_IDS,
    st.lists(st.integers(1, 17), max_size=6),
    st.sampled_from([" ", "-", ".", " - ", "\u3000", "\u200b", "\u2013", "·", "\n"]),
)
def test_a_resident_id_is_found_in_groups(value, cuts, between):
    bounds = [0, *sorted(set(cuts)), 18]
    groups = [value[start:end] for start, end in pairwise(bounds)]
    assert persons.find("证件" + between.join(groups)) == "resident-id"


@given(RESIDENT_IDS, st.from_regex("[A-Za-z:_#/]{1,8}", fullmatch=True))
def test_a_resident_id_is_found_behind_letters(value, before):
    assert persons.find(before + value) == "resident-id"


@given(st.from_regex(r"[0-9]{1,8}[ .-][0-9]{0,3}[ -]?", fullmatch=True), RESIDENT_IDS)
def test_a_resident_id_is_found_behind_another_number(before, value):
    assert persons.find(f"{before.rstrip(' .-')} {value}") == "resident-id"


@given(RESIDENT_IDS, RESIDENT_IDS | MOBILES)
def test_identifiers_written_without_anything_between_are_found(value, other):
    assert persons.find(value + other) == "resident-id"
    assert persons.find(other + value) == "resident-id"


@given(AROUND, OLD_RESIDENT_IDS, AROUND)
def test_the_form_before_1999_is_found(before, value, after):
    for written in (value, value.translate(WIDE), f"{value[:6]} {value[6:12]} {value[12:]}"):
        assert persons.find(before + written + after) == "resident-id"


@given(AROUND, MOBILES, st.sampled_from(["", "+86", "0086", "86", "+86 ", "+86-", "0086-", "(+86)"]), AROUND)
def test_a_mobile_number_is_found_in_any_text(before, value, country, after):
    head, middle, tail = value[:3], value[3:7], value[7:]
    for written in (
        value,
        f"{head} {middle} {tail}",
        f"{head}-{middle}-{tail}",
        f"{head}.{middle}.{tail}",
        f"{head} {middle}{tail}",
        f"{head}{middle}-{tail}",
    ):
        for form in (country + written, (country + written).translate(WIDE)):
            # By chance country code and number may together be a resident ID of the old form.
            assert persons.find(before + form + after) in {"mobile-number", "resident-id"}


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        (f"身份证号{SOME}，男", "resident-id"),
        (f"ID:{SOME}", "resident-id"),
        (f"x/{SOME}", "resident-id"),
        (f"urn:case:{SOME}/1", "resident-id"),
        (f"2026-03-05 {SOME} 张某", "resident-id"),
        (f"{SOME}.", "resident-id"),
        ("法定代表人11010119900307002x，", "resident-id"),
        ("11010119900307001X", None),  # its check character is another
        (f"20260305{SOME}", None),  # the end of a longer number
        ("电话13812345678。", "mobile-number"),
        ("2026-03-05 13812345678", "mobile-number"),
        ("13812345678.13987654321", "mobile-number"),
        ("联系人：138 1234 5678转801", "mobile-number"),
        ("tel_13812345678", "mobile-number"),
        ("微信同号138－1234－5678", "mobile-number"),
    ],
)
def test_as_people_write_them(text, rule):
    assert persons.find(text) == rule


@pytest.mark.parametrize(
    "text",
    [
        "",
        "津市监罚〔2026〕123号",
        "2026-03-05",
        "2026-03-05T00:00:00.000000+08:00",
        "20260305123456",
        "2023.10.16-2024.01.15",
        "1767225600000",  # milliseconds since 1970
        "1767225600.123456",
        "13812345678.00",  # an amount, as money is written here
        "0.13812345678",
        "139.12345678",
        "158,123,456.78",
        "15 000 000 000",
        "192.168.100.10",
        "52181814600016",  # SIRET
        "521 818 146 00016",
        "12.345.678/0001-95",
        "1541815603606036480",  # snowflake
        "175928847299117063",
        "A13812345678",
        "13812345678B",
        "138123456789",
        "550e8400-e29b-41d4-a716-446655440000",
        "021-12345678",
        "400-138-1234",
        "SC10113812345678",
        "12138123456780",
        "11010119900307",
        "119901199003070011",  # a shape like a resident ID, another check
        "190101199003070014",  # no province has this number
        "110101199002300015",  # no 30 February
        "110101179903070016",  # before 1800
        "110101900230001",
        "190101900307001",
        "SN110101900307001",
        "110101900307001.50",
    ],
)
def test_what_is_not_a_person(text):
    assert persons.find(text) is None
    assert persons.find(f"编号{text}。") is None


with (Path(__file__).parents[2] / "data" / "uscc_vectors.csv").open(encoding="utf-8", newline="") as file:
    CODES = [row["uscc"] for row in csv.DictReader(file)]


@pytest.mark.parametrize("code", CODES)
def test_real_codes_of_organisations_pass(code):
    for text in (code, f"统一社会信用代码{code}，", f"uscc:{code}", code.lower(), code.translate(WIDE)):
        assert persons.find(text) is None


@given(st.uuids())
def test_uuids_pass(value: uuid.UUID):
    assert persons.find(str(value)) is None


@given(st.datetimes())
def test_instants_pass(value):
    assert persons.find(value.isoformat()) is None
    assert persons.find(f"自{value:%Y-%m-%d}至{value:%Y-%m-%d}止") is None


@given(st.decimals(0, Decimal(10) ** 12, places=2))
def test_amounts_of_money_pass(value):
    assert persons.find(f"罚款{value:f}元") is None


@given(st.integers(10**12, 10**14 - 1))
def test_numbers_of_13_and_14_digits_pass(value):
    digits = str(value)
    if not digits.startswith(("861", "00861")):
        assert persons.find(digits) is None


@given(st.text())
def test_any_text_can_be_searched(text):
    assert persons.find(text) in {None, "resident-id", "mobile-number"}


@given(st.from_regex("[0-9]{17}[0-9X]", fullmatch=True) | RESIDENT_IDS)
def test_the_check_is_that_of_the_standard(value):
    weighted = sum(int(digit) * weight for digit, weight in zip(value, WEIGHTS, strict=False))
    if persons.is_resident_id(value):
        assert "10X98765432"[weighted % 11] == value[17]
        assert date(int(value[6:10]), int(value[10:12]), int(value[12:14])) >= date(1800, 1, 1)
        assert value[:2] in PROVINCES.split()
        assert persons.resembles_resident_id(value[:17] + "?")


def test_what_holds_a_number_is_found_again_and_never_kept():
    for text in ("13800138000", "tel 138 0013 8000", "11010519491231002X"):
        assert persons.find(text) == persons.find(text) is not None
        assert not any(text in kept for kept in persons._clean)


def test_only_short_texts_are_kept_and_not_for_ever():
    persons.find("a" * 65)
    assert "a" * 65 not in persons._clean
    for number in range(persons._MOST_CLEAN + 10):
        persons.find(f"text {number}")
    assert 0 < len(persons._clean) <= persons._MOST_CLEAN
