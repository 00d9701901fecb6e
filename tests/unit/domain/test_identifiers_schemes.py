"""Each scheme against its standard: shapes, tables and check characters."""

import csv
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum.cn import uscc as stdnum_uscc
from stdnum.iso7064 import mod_97_10

from creditsvc.domain import identifiers
from creditsvc.domain.identifiers import SCHEMES, gb_coh
from creditsvc.errors import IdentifierInvalid, NaturalPerson

VECTORS = Path(__file__).parents[2] / "data" / "uscc_vectors.csv"
ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"


def organisation_check(code: str) -> str:
    """Give the ninth character of an organisation code, straight from GB 11714."""
    total = sum(
        int(character, 36) * weight for character, weight in zip(code, (3, 7, 9, 10, 5, 8, 4, 2), strict=True)
    )
    return "0123456789X0"[11 - total % 11]


def completed(first_sixteen: str) -> str:
    """Put both right check characters behind sixteen characters."""
    code = first_sixteen + organisation_check(first_sixteen[8:])
    return code + stdnum_uscc.calc_check_digit(code)


def refused(text: str) -> str:
    with pytest.raises(IdentifierInvalid) as refusal:
        identifiers.parse(text)
    return refusal.value.detail


with VECTORS.open(encoding="utf-8", newline="") as file:
    ROWS = list(csv.DictReader(file))


@pytest.mark.parametrize("row", ROWS, ids=[row["uscc"] for row in ROWS])
def test_real_codes(row):
    assert row["expected"] == "valid"
    assert identifiers.parse("uscc:" + row["uscc"]) == "uscc:" + row["uscc"]


def test_all_vectors_are_there():
    assert len(ROWS) == 24


def test_the_standards_own_example():
    weights = [pow(3, place, 31) for place in range(17)]
    total = sum(
        ALPHABET.index(character) * weight
        for character, weight in zip("91350100M000100Y4", weights, strict=True)
    )
    assert total == 1640
    assert completed("91350100M000100Y") == "91350100M000100Y43"


# GB 32100-2015, table 1: the kinds that each authority gives, all other pairs being nobody's.
TABLE = {
    "1": "1239", "2": "19", "3": "123459", "4": "19", "5": "1239", "6": "129",
    "7": "129", "8": "19", "9": "13", "A": "19", "N": "1239", "Y": "1",
}  # fmt: skip


@pytest.mark.parametrize("first", ALPHABET)
def test_first_and_second_character(first):
    for second in ALPHABET:
        code = completed(f"{first}{second}350100M000100Y")
        allowed = second in TABLE.get(first, "")
        assert bool(re.search(SCHEMES["uscc"].pattern, code)) == allowed
        if allowed:
            assert identifiers.parse(f"uscc:{code}") == f"uscc:{code}"
        elif first + second == "92":
            with pytest.raises(NaturalPerson, match="sole-trader"):
                identifiers.parse(f"uscc:{code}")
        else:
            assert "first two characters" in refused(f"uscc:{code}")


@given(st.from_regex(SCHEMES["uscc"].pattern, fullmatch=True).map(lambda code: completed(code[:16])))
def test_both_checks_agree_with_the_standards(code):
    try:
        assert identifiers.parse(f"uscc:{code}") == f"uscc:{code}"
    except NaturalPerson:
        assert code[:17].isdigit()


@given(st.sampled_from([row["uscc"] for row in ROWS]), st.integers(0, 17), st.sampled_from(ALPHABET))
def test_every_single_mistyped_character_is_caught(code, place, character):
    mistyped = code[:place] + character + code[place + 1 :]
    if mistyped == code:
        assert identifiers.parse(f"uscc:{mistyped}") == f"uscc:{code}"
        return
    with pytest.raises((IdentifierInvalid, NaturalPerson)):
        identifiers.parse(f"uscc:{mistyped}")


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("91350100M000100Y4", "18 characters"),
        ("91350100M000100Y433", "18 characters"),
        ("", "18 characters"),
        ("91350100I000100Y43", "never I, O, S, V or Z"),
        ("9135010AM000100Y43", "region, must be digits"),
        ("91350100M000100YA3", "is a digit or X"),
        ("91350100M000100Y44", "character 18, the check of the whole code (GB 32100): 3 would fit"),
        (
            "91350100M000100Y33",
            "character 17, the check of the organisation code (GB 11714) and character 18",
        ),
    ],
)
def test_what_is_wrong_with_a_uscc_is_said(value, told):
    assert told in refused(f"uscc:{value}")


def test_a_wrong_organisation_code_is_caught_under_a_right_last_character():
    """python-stdnum takes this one: it does not check GB 11714."""
    code = "91350100M000100Y5"
    code += stdnum_uscc.calc_check_digit(code)
    assert stdnum_uscc.is_valid(code)
    assert "character 17, the check of the organisation code (GB 11714): 4 would fit" in refused(
        f"uscc:{code}"
    )


@given(st.from_regex("[0-9A-Z]{18}", fullmatch=True))
def test_lei(first):
    value = first + mod_97_10.calc_check_digits(first)
    assert identifiers.parse(f"lei:{value}") == f"lei:{value}"
    # 00, 01 and 99 leave the same remainder as 97, 98 and 02; they would be second spellings.
    for check in range(100):
        if f"{check:02}" != value[18:]:
            refused(f"lei:{first}{check:02}")


@pytest.mark.parametrize("value", ["213800KUD8LAJWSQ9D15", "5493000F4ZO33MV32P92", "HWUPKR0MPOU8FGXBT394"])
def test_real_leis(value):
    assert identifiers.parse(f"lei:{value.lower()}") == f"lei:{value}"


@pytest.mark.parametrize("value", ["13", "21380", "213800WSGIIZCXF1P5721", "213800WSGIIZCXF1P57"])
def test_the_length_of_an_lei_is_checked(value):
    """python-stdnum takes any length whose remainder is 1, such as ``13`` behind zeros."""
    assert "20 characters" in refused(f"lei:{value}")


@pytest.mark.parametrize("value", ["552081317", "552 081 317", "732829320", "356000000"])
def test_siren(value):
    assert identifiers.parse(f"siren:{value}") == "siren:" + value.replace(" ", "")


@pytest.mark.parametrize(
    ("value", "told"),
    [("552081318", "Luhn"), ("55208131", "9 digits"), ("55208131A", "9 digits"), ("000000000", "Luhn")],
)
def test_what_is_wrong_with_a_siren_is_said(value, told):
    assert told in refused(f"siren:{value}")


@pytest.mark.parametrize(
    ("value", "unit"),
    [
        ("55208131766522", "552081317"),
        ("732 829 320 00074", "732829320"),
        ("35600000000048", "356000000"),  # La Poste's head office passes Luhn
        ("35600000049837", "356000000"),  # a post office: digits sum to 45, and Luhn fails
    ],
)
def test_a_siret_is_kept_as_its_siren(value, unit):
    assert identifiers.parse(f"siret:{value}") == f"siren:{unit}"


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("55208131766523", "check digit of the SIRET"),
        ("35600000049838", "check digit of the SIRET"),
        ("55208131866522", "check digit of the SIREN"),
        ("5520813176652", "14 digits"),
    ],
)
def test_what_is_wrong_with_a_siret_is_said(value, told):
    assert told in refused(f"siret:{value}")


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("16.727.230/0001-97", "16727230000197"),
        ("00.000.000/0001-91", "00000000000191"),
        ("12.abc.345/01de-35", "12ABC34501DE35"),  # the tax office's own example
    ],
)
def test_cnpj(written, value):
    assert identifiers.parse(f"cnpj:{written}") == f"cnpj:{value}"


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("16727230000198", "check digits"),
        ("12ABC34501DE53", "check digits"),
        ("00000000000000", "check digits"),
        ("12ABC34501DEA5", "last two places"),
        ("52998224725", "14 characters"),  # a CPF is a person's, and too short
    ],
)
def test_what_is_wrong_with_a_cnpj_is_said(value, told):
    assert told in refused(f"cnpj:{value}")


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("00445790", "00445790"),
        ("445790", "00445790"),
        ("sc 83026", "SC083026"),
        ("OC301540", "OC301540"),
        ("R123", "R0000123"),
        ("R0000123", "R0000123"),
        ("RC000123", "RC000123"),
        ("IP12345R", "IP12345R"),
        ("SP1234RS", "SP1234RS"),
    ],
)
def test_gb_coh(written, value):
    assert identifiers.parse(f"gb-coh:{written}") == f"gb-coh:{value}"


@pytest.mark.parametrize("prefix", gb_coh.PREFIXES)
def test_every_prefix_of_companies_house(prefix):
    assert identifiers.parse(f"gb-coh:{prefix}012345") == f"gb-coh:{prefix}012345"


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("123456789", "8 characters"),
        ("XX123456", "no prefix"),
        ("R1234567", "no prefix"),
        ("SC12345R", "and 6 digits"),
        ("00000000", "all zeros"),
        ("SC000000", "all zeros"),
        ("R0000000", "all zeros"),
        ("", "8 characters"),
    ],
)
def test_what_is_wrong_with_a_company_number_is_said(value, told):
    assert told in refused(f"gb-coh:{value}")


@pytest.mark.parametrize(("written", "value"), [("830331", "830331"), ("00830331", "830331"), ("1", "1")])
def test_usdot(written, value):
    assert identifiers.parse(f"usdot:{written}") == f"usdot:{value}"


@pytest.mark.parametrize("value", ["", "0", "123456789", "078-05-1120", "83033A"])
def test_what_is_no_usdot_number(value):
    assert "1 to 8 digits" in refused(f"usdot:{value}")
