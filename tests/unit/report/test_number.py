"""A report's number leads back to what it is of, and nobody without the key can make one."""

import secrets
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from creditsvc.domain.identifiers import SCHEMES
from creditsvc.report.number import LONGEST, Claim, misread, read, standing, write

KEY = bytes(range(32))
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
SINCE = datetime(2026, 11, 23, 4, 40, 35, 424080, tzinfo=UTC)
CLAIM = Claim("uscc:91350100M000100Y43", SINCE)
NUMBER = "uscc:91350100M000100Y43-065W-5QY4-VTG6-PB7Q-WNHG-QKQ0-7B5E"
TAIL = NUMBER.partition("-")[2].replace("-", "")

claims = st.builds(
    Claim,
    st.sampled_from([scheme.example for scheme in SCHEMES.values() if not scheme.kept_as]).map(str),
    st.datetimes(datetime(2020, 1, 1), datetime(3161, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
)


def whole(claim):
    """The examples of schemes are values; a claim names the scheme too."""
    name = next(name for name, scheme in SCHEMES.items() if scheme.example == claim.entity)
    return Claim(f"{name}:{claim.entity}", claim.valid_from)


@given(claims, st.binary(min_size=32, max_size=64))
def test_what_is_written_is_read(claim, key):
    claim = whole(claim)
    number = write(claim, key)
    assert read(number, key) == claim
    assert not misread(number)
    assert len(number) < LONGEST / 2 + 1


def test_a_number_of_old_is_read_for_ever():
    assert write(CLAIM, KEY) == NUMBER
    assert read(NUMBER, KEY) == CLAIM


@pytest.mark.parametrize(
    "written",
    [
        NUMBER.lower(),
        NUMBER.replace("-", " "),
        NUMBER.replace("-", ""),
        NUMBER[:24] + NUMBER[24:].replace("0", "o"),
        NUMBER.replace("-", " \u2013 "),
        f"  {NUMBER}\n",
        NUMBER.replace(":", "\uff1a"),  # the colon of a Chinese keyboard
    ],
)
def test_it_is_read_as_people_write_it(written):
    assert read(written, KEY) == CLAIM


def test_letters_that_look_alike_are_read_as_the_digits_they_look_like():
    at = next(SINCE + timedelta(microseconds=n) for n in range(99) if "1" in tail(SINCE, n))
    number = write(Claim(CLAIM.entity, at), KEY)
    head, _, rest = number.partition("-")
    for letter in "iIlL":
        assert read(f"{head}-{rest.replace('1', letter)}", KEY) == Claim(CLAIM.entity, at)


def tail(since, later):
    return write(Claim(CLAIM.entity, since + timedelta(microseconds=later)), KEY).partition("-")[2]


@pytest.mark.parametrize("place", range(28))
def test_every_wrong_character_is_told_from_a_number_that_is_not_ours(place):
    for wrong in set(ALPHABET) - {TAIL[place]}:
        number = f"{CLAIM.entity}-{TAIL[:place]}{wrong}{TAIL[place + 1 :]}"
        assert misread(number)
        assert read(number, KEY) is None


@given(st.integers(0, 27), st.integers(0, 27))
def test_so_are_two_that_changed_places(one, other):
    symbols = list(TAIL)
    symbols[one], symbols[other] = symbols[other], symbols[one]
    assert misread(f"{CLAIM.entity}-{''.join(symbols)}") == (TAIL[one] != TAIL[other])


@given(st.text(ALPHABET, min_size=27, max_size=27))
def test_nobody_without_the_key_makes_a_number(symbols):
    fitting = [f"{CLAIM.entity}-{symbols}{last}" for last in ALPHABET]
    assert [misread(number) for number in fitting].count(False) == 1
    assert {read(number, KEY) for number in fitting} == {None}


def test_a_number_is_good_for_its_key_organisation_and_instant_alone():
    assert read(NUMBER, secrets.token_bytes(32)) is None
    assert read(NUMBER.replace("uscc:91350100M000100Y43", "siren:552081317"), KEY) is None
    later = write(Claim(CLAIM.entity, SINCE + timedelta(microseconds=1)), KEY)
    head, code = later.rsplit("-", 7)[0], NUMBER.rsplit("-", 7)[1:]
    moved = "".join(later.rsplit("-", 7)[1:])[:11] + "".join(code)[11:27]
    assert {read(f"{head}-{moved}{last}", KEY) for last in ALPHABET} == {None}


@pytest.mark.parametrize(
    "number",
    [
        "",
        "-",
        ":",
        "uscc:",
        TAIL,
        f"uscc:{TAIL}",
        NUMBER[:-1],
        f"{NUMBER}0",
        NUMBER.replace("-065W", "-06\x00W"),
        NUMBER.replace("Y43", "Y44"),
        NUMBER.replace("uscc", "nobody"),
        "\U0001f600" * 20,
        f"{NUMBER}{'-' * LONGEST}",
        f"uscc:92350100M000100Y43-{TAIL}",  # a person who trades: neither an error nor an answer
        f"uscc:11010519491231002X-{TAIL}",
    ],
)
def test_what_is_no_number_is_unknown(number):
    assert read(number, KEY) is None
    assert misread(number)
    assert standing(read(number, KEY), SINCE) == "unknown"


@given(st.text(max_size=LONGEST + 9))
def test_no_text_is_an_error(text):
    assert read(text, KEY) is None
    assert misread(text)


def test_it_holds_until_something_changes():
    claim = read(NUMBER, KEY)
    assert standing(claim, SINCE) == "genuine"
    assert standing(claim, SINCE + timedelta(microseconds=1)) == "superseded"
    assert standing(claim, None) == "superseded"  # the public is told nothing of it any more
    assert standing(None, SINCE) == "unknown"


def test_only_what_can_be_a_number_is_written():
    for year in (2019, 3170):
        with pytest.raises(ValueError, match="no report is of such an instant"):
            write(Claim(CLAIM.entity, datetime(year, 12, 31, tzinfo=UTC)), KEY)
    with pytest.raises(ValueError, match="32 bytes or more"):
        write(CLAIM, KEY[:31])
