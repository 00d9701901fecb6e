"""Canonical bytes and leaves are those of the standards, whichever way they are made."""

import base64
import hashlib
import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from creditsvc.domain.canonical import INTEGER_MAX, NotCanonical, canonical, commit, leaf, leaf_hash

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-INTEGER_MAX, INTEGER_MAX)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
)
# ASCII keys take the fast path; others, and those where UTF-16 and UTF-8 order differ, must not.
keys = st.text() | st.text("abz_0-") | st.sampled_from(["\ue000", "\uffff", "\U00010000", "é", "z"])
values = st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(keys, inner))
plain = st.recursive(
    st.none() | st.booleans() | st.integers(-INTEGER_MAX, INTEGER_MAX) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(max_codepoint=127)), inner),
)


@given(values)
def test_any_value_has_the_bytes_of_the_reference(value):
    assert canonical(value) == rfc8785.dumps(value)


@given(plain)
def test_the_fast_path_has_the_bytes_of_the_reference(value):
    assert canonical(value) == rfc8785.dumps(value)


@given(plain)  # a float such as 2^53 is written as the integer that it is, and that is not exact
def test_canonical_bytes_are_a_fixed_point(value):
    once = canonical(value)
    assert canonical(json.loads(once)) == once


def test_the_example_of_rfc_8785():
    written = {
        "numbers": [333333333.33333329, 1e30, 4.50, 2e-3, 0.000000000000000000000000001],
        "string": "\u20ac$\u000f\u000aA'\u0042\u0022\u005c\\\"/",
        "literals": [None, True, False],
    }
    assert canonical(written).decode() == (
        '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],'
        '"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'
    )


def test_keys_are_ordered_by_utf16_code_units_as_in_rfc_8785():
    written = {"\u20ac": 1, "\r": 2, "\ufb33": 3, "1": 4, "\U0001f600": 5, "\u0080": 6, "ö": 7}
    order = ["\r", "1", "\u0080", "ö", "\u20ac", "\U0001f600", "\ufb33"]
    assert list(json.loads(canonical(written))) == order


def nested(depth):
    value = []
    for _ in range(depth):
        value = [value]
    return value


def test_what_is_deeper_than_the_fast_path_goes_has_the_same_bytes():
    assert canonical(nested(300)) == b"[" * 301 + b"]" * 301


@pytest.mark.parametrize(
    "value",
    [
        {"a": INTEGER_MAX + 1},
        [-INTEGER_MAX - 1],
        2**70,
        float("nan"),
        float("inf"),
        "\ud800",
        {"\udfff": 1},
        {"a": {"b": "x\ud800y"}},
        {1: "a"},
        {b"a": 1},
        b"bytes",
        {"a": {1, 2}},
        datetime(2026, 1, 1, tzinfo=UTC),
        nested(100_000),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_has_no_canonical_form_is_refused_without_being_repeated(value):
    with pytest.raises(NotCanonical) as refused:
        canonical(value)
    assert str(refused.value) == "the value has no canonical JSON form"
    assert refused.value.__context__ is None


SALT = bytes(range(16))


def test_a_leaf_can_be_made_again_from_its_description():
    content = b'{"id":"1"}'
    recorded_at = datetime(2026, 3, 5, 8, 0, 0, 1, tzinfo=timezone(timedelta(hours=8)))
    commitment = base64.b64encode(hashlib.sha256(SALT + content).digest()).decode()
    expected = (
        f'{{"commitment":"{commitment}","entity":"uscc:91350100M000100Y43",'
        '"recorded_at":"2026-03-05T00:00:00.000001Z","sequence":7,"source":"urn:agency:é","v":1}'
    ).encode()
    made = leaf("uscc:91350100M000100Y43", 7, recorded_at, "urn:agency:é", commit(SALT, content))
    assert made == expected
    assert leaf_hash(made) == hashlib.sha256(b"\x00" + expected).digest()


def test_a_salt_of_another_length_is_refused():
    # Salt and content are hashed one behind the other: only a fixed length tells where one ends.
    with pytest.raises(ValueError, match="16 bytes"):
        commit(b"short", b"{}")


@given(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    st.integers(1, INTEGER_MAX),
    st.datetimes(datetime(1900, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001  it is given its zone
    st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
)
def test_a_leaf_is_canonical_whatever_it_says(entity, sequence, recorded_at, source):
    written = leaf(entity, sequence, recorded_at, source, commit(b"s" * 16, b"{}"))
    assert written == rfc8785.dumps(json.loads(written))


def test_the_empty_leaf_has_the_published_hash():
    # RFC 6962 test data of Certificate Transparency: the leaf hash of the empty input.
    published = "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
    assert leaf_hash(b"").hex() == published
