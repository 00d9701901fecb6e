"""An event is decoded to what may be kept for ever, or refused with all that is wrong, nothing repeated."""

import copy
import hashlib
import json
from datetime import UTC, datetime, timedelta

import jsonschema_rs
import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from creditsvc.domain import catalogue as catalogues
from creditsvc.domain import events
from creditsvc.errors import EventInvalid, NaturalPerson, Refusal, TooLarge

CATALOGUE = catalogues.load()
NOW = datetime(2026, 6, 1, tzinfo=UTC)
MAX_BYTES = 64 * 1024
PENALTY = CATALOGUE.types["credit.penalty.imposed"]

RESIDENT_ID = "11010519491231002X"  # the example of GB 11643-1999 itself
MOBILE = "13812345678"


def decode(raw, now=NOW, max_bytes=MAX_BYTES):
    return events.decode(raw, CATALOGUE, now, max_bytes=max_bytes)


def penalty(**attributes):
    return {**copy.deepcopy(events.example(PENALTY)), **attributes}


def with_data(**fields):
    raw = penalty()
    raw["data"].update(fields)
    return raw


def without(*names):
    return {name: value for name, value in penalty().items() if name not in names}


def refused(raw, kind=EventInvalid, **options):
    with pytest.raises(kind) as caught:
        decode(raw, **options)
    assert type(caught.value) is kind
    return [(one.pointer, one.code) for one in caught.value.violations]


@pytest.mark.parametrize("name", CATALOGUE.types)
def test_the_example_of_each_type_is_taken(name):
    raw = events.example(CATALOGUE.types[name])
    event = decode(raw)
    assert event.type == name
    assert event.record == raw["data"].get("record") or CATALOGUE.types[name].defaults["record"]
    jsonschema_rs.Draft202012Validator(events.schema(CATALOGUE, name), validate_formats=True).validate(raw)


def test_what_a_decoded_event_is():
    raw = penalty(id="jsjg-2026-123/1", source="urn:agency:cn-tj-samr")
    event = decode(raw)
    assert event.source == "urn:agency:cn-tj-samr"
    assert event.id == "jsjg-2026-123/1"
    assert event.entity == "uscc:91350100M000100Y43"
    assert event.time == datetime(2026, 3, 4, 16, tzinfo=UTC)
    assert event.time.tzinfo is UTC
    assert event.record == "榕市监罚〔2026〕123号"
    assert event.data == raw["data"]
    assert event.content == rfc8785.dumps(raw)
    assert event.content_sha256 == hashlib.sha256(event.content).digest()


def test_only_the_subject_is_made_canonical():
    raw = penalty(subject="siret:552 081 317 66522")
    event = decode(raw)
    assert event.entity == "siren:552081317"
    assert event.content == rfc8785.dumps({**raw, "subject": "siren:552081317"})
    assert raw["subject"] == "siret:552 081 317 66522"  # what was handed in is not touched


def test_the_order_and_spacing_of_what_was_sent_do_not_matter():
    raw = penalty()
    turned = dict(reversed(json.loads(json.dumps(raw, indent=4)).items()))
    assert decode(turned).content_sha256 == decode(raw).content_sha256


@pytest.mark.parametrize("raw", [None, 5, "event", [], [penalty()], True])
def test_what_is_no_object_is_refused(raw):
    assert refused(raw) == [("", "object")]


@pytest.mark.parametrize("name", ["specversion", "id", "source", "type", "subject", "time", "data"])
def test_each_attribute_is_required(name):
    assert refused(without(name)) == [(f"/{name}", "required")]


@pytest.mark.parametrize(
    ("attributes", "found"),
    [
        ({"specversion": "0.3"}, [("/specversion", "code")]),
        ({"id": ""}, [("/id", "format")]),
        ({"id": "x" * 257}, [("/id", "too-long")]),
        ({"id": "a\x00"}, [("/id", "format")]),
        ({"id": 5}, [("/id", "text")]),
        ({"source": ""}, [("/source", "format")]),
        ({"source": "urn:agency:a b"}, [("/source", "format")]),
        ({"source": "urn:agency:市"}, [("/source", "format")]),
        ({"source": "urn:%zz"}, [("/source", "format")]),
        ({"source": "u" * 257}, [("/source", "too-long")]),
        ({"type": "credit.person.born"}, [("/type", "type")]),
        ({"type": ["credit.penalty.imposed"]}, [("/type", "text")]),
        ({"type": None}, [("/type", "text")]),
        ({"subject": "nobody"}, [("/subject", "identifier")]),
        ({"subject": "ssn:123456789"}, [("/subject", "identifier")]),
        ({"subject": "uscc:91350100M000100Y44"}, [("/subject", "identifier")]),
        ({"subject": "uscc:91350100M000100Y4\x00"}, [("/subject", "identifier")]),
        ({"subject": None}, [("/subject", "text")]),
        ({"datacontenttype": "text/xml"}, [("/datacontenttype", "code")]),
        ({"dataschema": "not a uri"}, [("/dataschema", "format")]),
        ({"dataschema": None}, [("/dataschema", "text")]),
        ({"data": []}, [("/data", "object")]),
        ({"data": None}, [("/data", "object")]),
        ({"traceparent": "00-1"}, [("/traceparent", "unknown-field")]),
        ({"data_base64": "e30="}, [("/data_base64", "unknown-field")]),
    ],
)
def test_attributes_are_checked(attributes, found):
    assert refused(penalty(**attributes)) == found


@pytest.mark.parametrize(
    "attributes", [{"dataschema": "https://example.org/s#x"}, {"source": "/relative?x=%41"}]
)
def test_other_attributes_are_taken(attributes):
    assert decode(penalty(**attributes)).content


@pytest.mark.parametrize(
    ("written", "instant"),
    [
        ("2026-03-05T00:00:00Z", datetime(2026, 3, 5, tzinfo=UTC)),
        ("2026-03-05t00:00:00.5z", datetime(2026, 3, 5, 0, 0, 0, 500_000, UTC)),
        ("2026-03-05T00:00:00.123456789-05:30", datetime(2026, 3, 5, 5, 30, 0, 123_456, UTC)),
        ("1900-01-01T00:00:00Z", datetime(1900, 1, 1, tzinfo=UTC)),
        ("2026-06-01T00:05:00Z", NOW + timedelta(minutes=5)),
    ],
)
def test_times(written, instant):
    assert decode(penalty(time=written)).time == instant


@pytest.mark.parametrize(
    ("written", "rule"),
    [
        ("2026-03-05T00:00:00", "time"),
        ("2026-03-05", "time"),
        ("2026-03-05T24:00:00Z", "time"),
        ("2026-03-05T00:00:60Z", "time"),
        ("2026-02-30T00:00:00Z", "time"),
        ("1899-12-31T23:59:59Z", "time"),
        ("1900-01-01T00:00:00+08:00", "time"),
        ("0001-01-01T00:00:00+23:59", "time"),
        ("9999-12-31T23:59:59-23:59", "time"),
        ("2026-03-05T00:00:00Z\n", "time"),
        ("２０２６-03-05T00:00:00Z", "time"),
        (1772640000, "time"),
        (None, "time"),
        ("2026-06-01T00:05:00.000001Z", "future"),
        ("2026-06-01T00:05:00-00:01", "future"),
    ],
)
def test_other_times_are_refused(written, rule):
    assert refused(penalty(time=written)) == [("/time", rule)]


def test_all_that_is_wrong_is_said_at_once():
    raw = penalty(id="", subject="nobody", extra=1)
    raw["data"].update(severity="grave", amount={"value": 5, "currency": "CNY"}, legal_representative="x")
    del raw["data"]["record"]
    assert set(refused(raw)) == {
        ("/id", "format"),
        ("/subject", "identifier"),
        ("/extra", "unknown-field"),
        ("/data/record", "required"),
        ("/data/severity", "code"),
        ("/data/amount/value", "text"),
        ("/data/legal_representative", "unknown-field"),
    }


def test_a_flood_of_wrongs_is_cut_short():
    raw = with_data(**dict.fromkeys((f"x_{'y' * count}" for count in range(30)), 1))
    with pytest.raises(EventInvalid) as caught:
        decode(raw)
    assert len(caught.value.violations) == 20
    assert "30" in caught.value.detail


def test_the_name_of_an_unknown_field_is_repeated_only_when_it_is_plainly_a_name():
    # A name could be what must not be repeated; then its place among its neighbours points at it.
    raw = with_data(法定代表人="x")
    with pytest.raises(EventInvalid) as caught:
        decode(raw)
    (found,) = caught.value.violations
    assert found.pointer == "/data"
    assert found.detail.startswith(f"Member {len(raw['data'])} of this object")
    nested = with_data(authority={"name": "x", RESIDENT_ID: 1})
    assert refused(nested) == [("/data/authority", "unknown-field")]


def test_a_correction_is_checked_inside():
    raw = events.example(CATALOGUE.types["credit.record.corrected"])
    raw["data"]["changes"] = {"amount": {"value": "x", "currency": "CNY"}, "record": "another"}
    assert refused(raw) == [
        ("/data/changes/amount/value", "format"),
        ("/data/changes/record", "unknown-field"),
    ]


@pytest.mark.parametrize(
    ("raw", "place"),
    [
        (penalty(id=f"case {RESIDENT_ID}"), "/id"),
        (penalty(source=f"urn:agency:{MOBILE}"), "/source"),
        (penalty(dataschema=f"tel:{MOBILE}"), "/dataschema"),
        (with_data(record=f"罚 {RESIDENT_ID}"), "/data/record"),
        (with_data(facts=f"当事人身份证号{RESIDENT_ID}，"), "/data/facts"),
        (with_data(note=f"联系电话：{MOBILE}"), "/data/note"),
        (with_data(authority={"name": f"某局 {MOBILE}"}), "/data/authority/name"),
        (penalty(subject=f"uscc:{RESIDENT_ID}"), "/subject"),
        (penalty(subject="uscc:92110105MA01ABCD12"), "/subject"),
        (with_data(authority={"id": f"uscc:{RESIDENT_ID}", "name": "某局"}), "/data/authority/id"),
    ],
)
def test_people_are_refused_and_not_repeated(raw, place):
    with pytest.raises(NaturalPerson) as caught:
        decode(raw)
    assert [one.pointer for one in caught.value.violations] == [place]
    said = repr((caught.value.detail, caught.value.violations))
    assert RESIDENT_ID not in said
    assert MOBILE not in said


def test_people_are_refused_inside_corrections():
    raw = events.example(CATALOGUE.types["credit.record.corrected"])
    raw["data"]["changes"] = {"facts": f"电话 {MOBILE}"}
    assert refused(raw, NaturalPerson) == [("/data/changes/facts", "mobile-number")]


def test_an_amount_is_no_telephone_number():
    # The fine of SAMR v. Alibaba of 2021, 18,228,000,000 yuan, has the form of a mobile number.
    assert decode(with_data(amount={"value": "18228000000", "currency": "CNY"})).content


def test_an_amount_may_hold_no_resident_id():
    raw = with_data(amount={"value": "11010119900307.0011", "currency": "CNY"})
    assert refused(raw, NaturalPerson) == [("/data/amount/value", "resident-id")]
    decode(with_data(amount={"value": "18228000000.00", "currency": "CNY"}))


@pytest.mark.parametrize("attribute", ["source", "dataschema"])
def test_people_are_found_in_percent_encoding(attribute):
    encoded = "".join(f"%{ord(character):02X}" for character in RESIDENT_ID)
    raw = penalty(**{attribute: f"urn:agency:{encoded}"})
    assert refused(raw, NaturalPerson) == [(f"/{attribute}", "resident-id")]


def test_an_event_has_at_most_so_many_bytes():
    raw = penalty()
    size = len(rfc8785.dumps(raw))
    assert decode(raw, max_bytes=size).content
    assert refused(raw, TooLarge, max_bytes=size - 1) == []


def nested(depth):
    value = {}
    for _ in range(depth):
        value = {"a": value}
    return value


@pytest.mark.parametrize(
    "value",
    ["\ud800", {"\udfff": 1}, 2**70, nested(500), nested(50_000)],
    ids=["text", "key", "integer", "deep", "abyss"],
)
def test_what_has_no_canonical_form_is_refused(value):
    assert refused(with_data(note=value)) == [("", "canonical")]


def test_the_source_is_known_before_the_event_is_checked():
    assert events.source_of({"source": "urn:agency:a"}) == "urn:agency:a"
    for raw in (
        None,
        [],
        {},
        {"source": 5},
        {"source": ""},
        {"source": "a b"},
        {"source": "a\n"},
        {"source": "a" * 257},
    ):
        assert events.source_of(raw) is None


MARKER = "Zq7-marker-42"
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
marked = st.sampled_from(
    [
        MARKER,
        f"\x00{MARKER}",
        f"uscc:{MARKER}",
        MARKER * 400,
        f"{MARKER} {MOBILE}",
        [MARKER],
        {MARKER: MARKER},
        {"name": MARKER, "id": MARKER},
        {"value": MARKER, "currency": MARKER},
        [{"name": [MARKER]}],
    ]
)


def places(value, so_far=()):
    yield so_far
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from places(inner, (*so_far, name))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from places(inner, (*so_far, index))


@st.composite
def damaged(draw, values):
    """Draw an event that would be taken, with another value at one place or one member more."""
    raw = copy.deepcopy(events.example(CATALOGUE.types[draw(st.sampled_from(sorted(CATALOGUE.types)))]))
    place = draw(st.sampled_from([place for place in places(raw) if place]))
    inside = raw
    for part in place[:-1]:
        inside = inside[part]
    if isinstance(inside, dict) and draw(st.booleans()):
        inside[draw(st.sampled_from([MARKER, "note", "unheard_of", "a/b~c"]))] = draw(values)
    else:
        inside[place[-1]] = draw(values)
    return raw


def decode_or_refuse(raw):
    try:
        event = decode(raw)
    except Refusal as caught:
        refusal = caught
    else:
        assert event.content == rfc8785.dumps({**raw, "subject": event.entity})
        return None
    assert refusal.status in {413, 422}
    assert refusal.__context__ is None  # nor does what was sent travel along behind it
    assert refusal.__cause__ is None
    return refusal


@given(json_values)
def test_any_json_is_decoded_or_refused(raw):
    decode_or_refuse(raw)


@given(damaged(json_values))
def test_any_damaged_event_is_decoded_or_refused(raw):
    decode_or_refuse(raw)


@given(damaged(marked))
def test_nothing_that_was_sent_is_repeated(raw):
    refusal = decode_or_refuse(raw)
    if refusal is not None:
        assert MARKER not in repr((str(refusal), refusal.detail, refusal.violations))
