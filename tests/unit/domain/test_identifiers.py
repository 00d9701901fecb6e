"""What holds for every scheme: one canonical form, one pattern, refusals that repeat nothing."""

import re
from typing import Annotated
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, TypeAdapter

from creditsvc.domain import identifiers
from creditsvc.domain.identifiers import SCHEMES
from creditsvc.errors import IdentifierInvalid, NaturalPerson, Refusal

EXAMPLES = {f"{scheme.name}:{scheme.example}" for scheme in SCHEMES.values()}


@pytest.fixture(params=SCHEMES.values(), ids=SCHEMES)
def scheme(request):
    return request.param


def test_the_schemes_are_those_of_the_domain():
    assert set(SCHEMES) == {"uscc", "lei", "siren", "siret", "cnpj", "gb-coh", "usdot"}
    assert all(name == scheme.name for name, scheme in SCHEMES.items())


def test_an_example_matches_and_is_its_own_canonical_form(scheme):
    assert re.search(scheme.pattern, scheme.example)
    canonical = identifiers.parse(f"{scheme.name}:{scheme.example}")
    if scheme.name == "siret":
        assert canonical == f"siren:{scheme.example[:9]}"
    else:
        assert canonical == f"{scheme.name}:{scheme.example}"
    assert identifiers.parse(canonical) == canonical


def test_a_pattern_is_anchored_and_plain_enough_for_any_engine(scheme):
    assert scheme.pattern.startswith("^")
    assert scheme.pattern.endswith("$")
    assert not re.search(r"\(\?[^:]|\\", scheme.pattern), "no look-around, named groups, flags or escapes"
    # Rust's engine, which pydantic uses, takes only what ECMA-262, RE2 and Python have in common.
    adapter = TypeAdapter(Annotated[str, Field(pattern=scheme.pattern)])
    assert adapter.validate_python(scheme.example) == scheme.example


def test_a_scheme_is_titled_in_both_languages_and_has_a_real_zone(scheme):
    assert re.search(r"[\u4e00-\u9fff]", scheme.title_zh)
    assert scheme.title_en.isascii()
    assert ZoneInfo(scheme.zone)


@given(st.sampled_from(sorted(EXAMPLES)), st.data())
def test_writing_does_not_matter(example, data):
    name, _, value = example.partition(":")
    between = st.sampled_from(["", " ", "-", ".", "/", "\u2013", "\u3000", "\u200b"])
    written = "".join(character + data.draw(between) for character in value)
    full_width = str.maketrans({code: code + 0xFEE0 for code in range(0x21, 0x7F)})
    text = data.draw(st.sampled_from([name, name.upper(), f" {name} "])) + ":" + written
    text = data.draw(st.sampled_from([text, text.lower(), text.upper(), text.translate(full_width)]))
    if len(text) <= identifiers.LONGEST:
        assert identifiers.parse(text) == identifiers.parse(example)


@given(st.text(max_size=80))
def test_any_text_is_read_or_refused(text):
    try:
        canonical = identifiers.parse(text)
    except (IdentifierInvalid, NaturalPerson):
        return
    name, _, value = canonical.partition(":")
    assert re.fullmatch(SCHEMES[name].pattern, value)


@given(st.sampled_from(sorted(SCHEMES)), st.data())
def test_what_is_canonical_matches_the_pattern_and_stays(name, data):
    value = data.draw(st.from_regex(SCHEMES[name].pattern, fullmatch=True))
    try:
        canonical = identifiers.parse(f"{name}:{value}")
    except (IdentifierInvalid, NaturalPerson):
        return
    assert identifiers.parse(canonical) == canonical
    kept_as, _, kept = canonical.partition(":")
    assert re.search(SCHEMES[kept_as].pattern, kept)


@pytest.mark.parametrize("name", ["cpf", "ssn", "nino", "nir", "", "uscc2", "entity"])
def test_an_unknown_scheme_is_told_the_known_ones(name):
    with pytest.raises(IdentifierInvalid) as refusal:
        identifiers.parse(f"{name}:52998224725")
    assert all(known in refusal.value.detail for known in SCHEMES)
    assert "52998224725" not in refusal.value.detail


def test_a_value_without_a_scheme_is_told_how_identifiers_are_written():
    with pytest.raises(IdentifierInvalid, match="scheme:value"):
        identifiers.parse("91350100M000100Y43")


@pytest.mark.parametrize("text", ["uscc:" + "9" * 60, "x" * 65, "uscc:" + " " * 1_000_000])
def test_what_is_too_long_is_not_even_read(text):
    with pytest.raises(IdentifierInvalid, match="at most 64 characters"):
        identifiers.parse(text)


def test_what_upper_case_would_lengthen_is_refused():
    value = SCHEMES["lei"].example
    assert "ß".upper() == "SS"
    with pytest.raises(IdentifierInvalid):
        identifiers.parse(f"lei:{value[:5]}ß{value[7:]}")


# Nine characters or more: shorter pieces stand in the texts by themselves ("18", "resident").
VALUES = st.from_regex(r"[0-9A-Z]{9,24}", fullmatch=True) | st.from_regex(r"[0-9]{9,20}", fullmatch=True)
MUTATED = st.sampled_from(sorted(EXAMPLES)).flatmap(
    lambda example: st.tuples(st.integers(0, len(example) - 1), st.sampled_from("0123456789ABCXYZ")).map(
        lambda change: example[: change[0]] + change[1] + example[change[0] + 1 :]
    )
)


@given(st.builds("{}:{}".format, st.sampled_from([*SCHEMES, "cpf", "ssn"]), VALUES) | MUTATED | VALUES)
def test_a_refusal_never_repeats_the_value(text):
    try:
        identifiers.parse(text)
    except Refusal as refusal:
        value = text.rpartition(":")[2]
        told = [
            refusal.detail,
            str(refusal),
            repr(refusal),
            repr(refusal.__cause__),
            repr(refusal.__context__),
        ]
        told += [violation.detail + violation.pointer for violation in refusal.violations]
        # A whole identifier is at least six characters long; one expected check character may be told.
        if len(value) >= 6:
            assert not any(value.upper() in part.upper() for part in told)
