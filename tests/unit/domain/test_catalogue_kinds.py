"""Each kind of value takes what it should, refuses the rest, and says what to do about it."""

import pydantic
import pytest

from creditsvc.domain import catalogue as catalogues
from creditsvc.domain.violations import pointer, violations

TYPES = catalogues.load().types
PENALTY = TYPES["credit.penalty.imposed"]
INSPECTION = TYPES["credit.inspection.completed"]
REGISTRATION = TYPES["credit.registration.changed"]


def wrong(known, **fields):
    """Give (pointer, rule) of what is wrong with a type's example when some fields are others."""
    data = {**known.example, **fields}
    try:
        known.model.model_validate(data)
    except pydantic.ValidationError as error:
        return [(one.pointer, one.code) for one in violations(error, data)]
    return []


@pytest.mark.parametrize("text", ["a", "  两行\n\t文字 ", "\u3000全角", "x" * 2000, "😀", "a\u200bb"])
def test_text_is_taken(text):
    assert wrong(PENALTY, facts=text) == []


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("", "format"),
        (" \n\t\u3000", "format"),
        ("a\x00b", "format"),
        ("a\r\n", "format"),
        ("\ra", "format"),
        ("a\x85", "format"),
        ("x" * 2001, "too-long"),
        (5, "text"),
        (None, "text"),
        (["a"], "text"),
        (True, "text"),
    ],
)
def test_other_text_is_refused(text, rule):
    assert wrong(PENALTY, facts=text) == [("/facts", rule)]


@pytest.mark.parametrize("number", ["津市监罚〔2026〕123号", "a b", "x" * 128, "1"])
def test_a_record_number_is_one_line(number):
    assert wrong(PENALTY, record=number) == []


@pytest.mark.parametrize("number", ["", " a", "a ", "a\nb", "a\n", "a\tb", "\u3000", "a\x00", "x" * 129])
def test_a_record_number_has_no_ragged_ends(number):
    assert [place for place, _ in wrong(PENALTY, record=number)] == ["/record"]


@pytest.mark.parametrize("day", ["1900-01-01", "2024-02-29", "2199-12-31"])
def test_dates(day):
    assert wrong(PENALTY, decided_on=day) == []


@pytest.mark.parametrize(
    "day",
    [
        "1899-12-31",
        "2200-01-01",
        "2023-02-29",
        "2026-13-01",
        "2026-1-1",
        "20260101",
        "2026-01-01\n",
        "",
        20260101,
    ],
)
def test_other_dates_are_refused(day):
    assert [place for place, _ in wrong(PENALTY, decided_on=day)] == ["/decided_on"]


@pytest.mark.parametrize("value", ["0", "5", "50000.00", "99999999999999.9999", "0.5", "18228000000"])
def test_money(value):
    assert wrong(PENALTY, amount={"value": value, "currency": "CNY"}) == []


@pytest.mark.parametrize(
    "value",
    [
        "",
        "-5",
        "+5",
        "1e5",
        "05",
        ".5",
        "5.",
        "1.00000",
        "100000000000000",
        "5,00",
        "５",
        "NaN",
        5,
        5.0,
        None,
    ],
)
def test_money_is_an_exact_decimal_as_text(value):
    found = wrong(PENALTY, amount={"value": value, "currency": "CNY"})
    assert [place for place, _ in found] == ["/amount/value"]


@pytest.mark.parametrize(
    ("amount", "found"),
    [
        ({"value": "5"}, [("/amount/currency", "required")]),
        ({"value": "5", "currency": "cny"}, [("/amount/currency", "format")]),
        ({"value": "5", "currency": "CNY", "unit": "万"}, [("/amount/unit", "unknown-field")]),
        ("5 CNY", [("/amount", "object")]),
        (None, [("/amount", "object")]),
    ],
)
def test_money_has_its_currency(amount, found):
    assert wrong(PENALTY, amount=amount) == found


def test_codes():
    assert wrong(PENALTY, severity="minor") == []
    assert wrong(PENALTY, severity="grave") == [("/severity", "code")]
    assert wrong(PENALTY, severity=["minor"]) == [("/severity", "code")]


@pytest.mark.parametrize("number", [0, 1, 10**9])
def test_counts(number):
    assert wrong(INSPECTION, checked=number) == []


@pytest.mark.parametrize("number", [-1, 10**9 + 1, 2**53, 2**70, 1.0, 1.5, True, "1", None])
def test_counts_are_whole_and_bounded(number):
    assert [place for place, _ in wrong(INSPECTION, checked=number)] == ["/checked"]


def test_organisations():
    assert wrong(PENALTY, authority={"name": "某局"}) == []
    assert wrong(PENALTY, authority={"id": "siret:55208131766522", "name": "EDF"}) == []
    assert wrong(PENALTY, authority={"id": "siren:552081318", "name": "EDF"}) == [
        ("/authority/id", "identifier")
    ]
    assert wrong(PENALTY, authority={"id": "siren:552081317"}) == [("/authority/name", "required")]
    assert wrong(PENALTY, authority={"id": None, "name": "EDF"}) == [("/authority/id", "text")]


def test_lists_of_identifiers():
    assert wrong(REGISTRATION, identifiers=["siren:552081317"] * 20) == []
    assert wrong(REGISTRATION, identifiers=["siren:552081317"] * 21) == [("/identifiers", "too-long")]
    assert wrong(REGISTRATION, identifiers=[]) == [("/identifiers", "too-short")]
    assert wrong(REGISTRATION, identifiers=["siren:552081317", "x"]) == [("/identifiers/1", "identifier")]
    assert wrong(REGISTRATION, identifiers="siren:552081317") == [("/identifiers", "list")]
    assert wrong(REGISTRATION, identifiers=["uscc:92110105MA01ABCD12"]) == [
        ("/identifiers/0", "natural-person")
    ]


def test_sites():
    assert wrong(INSPECTION, site={"locality": "Palasca"}) == []
    assert wrong(INSPECTION, site={}) == [("/site", "required")]
    assert wrong(INSPECTION, site={"id": "x" * 65}) == [("/site/id", "too-long")]


def test_a_registration_says_something():
    data = {"note": "nothing"}
    with pytest.raises(pydantic.ValidationError) as refused:
        REGISTRATION.model.model_validate(data)
    (found,) = violations(refused.value, data)
    assert (found.pointer, found.code) == ("", "required")
    assert found.detail == "At least one of entity_name, status, identifiers"


def test_pointers_are_escaped_as_rfc_6901_says():
    assert pointer(()) == ""
    assert pointer(("a/b", "c~d", 0, "~1")) == "/a~1b/c~0d/0/~01"


CARRIER = TYPES["credit.carrier.inspected"]
FOUND = {"code": "395.8(e)", "severity": 7}


def test_violations():
    assert wrong(CARRIER, violations=[FOUND, {**FOUND, "out_of_service": True}]) == []
    assert wrong(CARRIER, violations=[FOUND] * 100) == []


@pytest.mark.parametrize(
    ("found", "wrongs"),
    [
        ([], [("/violations", "too-short")]),
        ([FOUND] * 101, [("/violations", "too-long")]),
        ([{"code": "395.8(e)"}], [("/violations/0/severity", "required")]),
        ([{**FOUND, "severity": 0}], [("/violations/0/severity", "range")]),
        ([{**FOUND, "severity": 11}], [("/violations/0/severity", "range")]),
        ([{**FOUND, "severity": 1.0}], [("/violations/0/severity", "integer")]),
        ([{**FOUND, "driver": "x"}], [("/violations/0/driver", "unknown-field")]),
        (FOUND, [("/violations", "list")]),
    ],
)
def test_violations_are_weighed_from_1_to_10_and_name_nobody(found, wrongs):
    assert wrong(CARRIER, violations=found) == wrongs


def test_scoring_is_told_codes_counts_and_findings_only():
    catalogue = catalogues.load()
    assert {catalogue.fields[name].kind for name in catalogue.scoring} == {
        "code",
        "line",
        "count",
        "violations",
    }
    assert {"severity", "vehicles", "violations.severity"} <= catalogue.scoring_names
    assert not {"entity_name", "record", "facts", "note", "authority"} & catalogue.scoring_names
