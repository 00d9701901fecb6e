"""Natural persons are refused as subjects, also where their numbers are valid codes of organisations."""

from datetime import date, timedelta
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum.cn import uscc as stdnum_uscc
from stdnum.iso7064 import mod_97_10

from creditsvc.domain import identifiers
from creditsvc.domain.identifiers import SCHEMES, uscc
from creditsvc.errors import IdentifierInvalid, NaturalPerson

WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)


def resident_id(region: str, born: date, serial: int) -> str:
    """Make a resident ID straight from GB 11643."""
    first = f"{region}{born:%Y%m%d}{serial:03}"
    total = sum(int(digit) * weight for digit, weight in zip(first, WEIGHTS, strict=True))
    return first + "10X98765432"[total % 11]


def organisation_check_fits(code: str) -> bool:
    total = sum(
        int(character, 36) * weight
        for character, weight in zip(code, (3, 7, 9, 10, 5, 8, 4, 2), strict=False)
    )
    return "0123456789X0"[11 - total % 11] == code[8]


def every_resident_id():
    """Walk the resident IDs of one district from 1990-01-01 on."""
    born = date(1990, 1, 1)
    while True:
        yield from (resident_id("110101", born, serial) for serial in range(1, 1000))
        born += timedelta(days=1)


ALSO_USCC = list(islice(filter(stdnum_uscc.is_valid, every_resident_id()), 30))
ALSO_BOTH = list(
    islice(
        (
            value
            for value in every_resident_id()
            if stdnum_uscc.is_valid(value) and organisation_check_fits(value[8:17])
        ),
        5,
    )
)


@pytest.mark.parametrize("scheme", [*SCHEMES, "cpf"])
@pytest.mark.parametrize(
    "value", [*ALSO_USCC[:3], *ALSO_BOTH[:3], resident_id("310115", date(1985, 2, 28), 17)]
)
def test_a_resident_id_is_refused_under_every_scheme(scheme, value):
    with pytest.raises(NaturalPerson) as refusal:
        identifiers.parse(f"{scheme}:{value}")
    assert "resident-id" in refusal.value.detail
    assert value not in repr(refusal.value)


def test_only_the_order_of_the_tests_tells_some_people_from_organisations():
    for value in ALSO_BOTH:
        assert SCHEMES["uscc"].canonical(value) == value, "by itself the scheme would take it"
    for value in (*ALSO_USCC, *ALSO_BOTH):
        with pytest.raises(NaturalPerson):
            identifiers.parse(f"uscc:{value}")


@given(
    st.sampled_from(["11", "31", "44", "51", "65", "81", "83"]),
    st.integers(0, 9999),
    st.dates(date(1800, 1, 1), date(2099, 12, 31)),
    st.integers(1, 999),
    st.sampled_from(["", " ", "-", "\u3000"]),
)
def test_any_resident_id_is_refused(province, place, born, serial, between):
    value = resident_id(f"{province}{place:04}", born, serial)
    text = between.join((value[:6], value[6:14], value[14:].lower()))
    with pytest.raises(NaturalPerson) as refusal:
        identifiers.parse(f"USCC:{text}")
    assert value not in str(refusal.value)


def test_what_stands_inside_a_longer_code_is_refused_too():
    for first in ALSO_USCC[:3]:
        with pytest.raises(NaturalPerson):
            identifiers.parse(f"lei:{first}{mod_97_10.calc_check_digits(first)}")


@pytest.mark.parametrize(
    "text",
    [
        "uscc:110101900307001",  # the form before 1999
        "usdot:13812345678",
        "+86 138-1234-5678",
        "tel:+8613812345678",
        "uscc:１１０１０１９００３０７００１",
    ],
)
def test_other_identifiers_of_persons_are_refused_as_such(text):
    with pytest.raises(NaturalPerson, match="may be"):
        identifiers.parse(text)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_sole_trader_is_refused(scheme):
    refusal = NaturalPerson if scheme == "uscc" else IdentifierInvalid
    with pytest.raises(refusal):
        identifiers.parse(f"{scheme}:92350100MA2XXXXX0A")


@pytest.mark.parametrize("scheme", ["lei", "cpf", "siren"])
def test_a_sole_traders_code_is_refused_as_such_under_any_scheme(scheme):
    code = "92350100MA2" + "00000"
    code += uscc._organisation_check(code + "00")
    code += uscc._code_check(code + "0")
    with pytest.raises(NaturalPerson) as refused:
        identifiers.parse(f"{scheme}:{code}")
    assert code not in str(refused.value)


def test_a_mistyped_resident_id_is_not_helped_to_be_right():
    """Where only its check fails, a number may be a person's, and no character of it is told."""
    told = set()
    for value in islice(every_resident_id(), 3000):
        wrong = value[:17] + ("0" if value[17] != "0" else "1")
        try:
            identifiers.parse(f"uscc:{wrong}")
        except IdentifierInvalid as refusal:
            told.add(refusal.detail)
    assert told
    assert not any("would fit" in detail for detail in told)
