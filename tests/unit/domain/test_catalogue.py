"""The catalogue holds what the domain says, describes itself, and its file's errors point into it."""

import copy
import json
from importlib import resources

import jsonschema_rs
import orjson
import pydantic
import pytest

from creditsvc.domain import catalogue as catalogues
from creditsvc.domain.catalogue import CatalogueInvalid

CATALOGUE = catalogues.load()
WRITTEN = orjson.loads((resources.files("schema") / "catalogue" / "2024.json").read_bytes())

TYPES = {
    "credit.registration.changed": ("registration", "states", None),
    "credit.licence.granted": ("licence", "opens", None),
    "credit.licence.ended": ("licence", "closes", "ended"),
    "credit.penalty.imposed": ("penalty", "opens", None),
    "credit.inspection.completed": ("inspection", "opens", None),
    "credit.judgment.listed": ("judgment", "opens", None),
    "credit.judgment.cleared": ("judgment", "closes", "cleared"),
    "credit.abnormal.listed": ("abnormal", "opens", None),
    "credit.abnormal.removed": ("abnormal", "closes", "removed"),
    "credit.serious.listed": ("serious", "opens", None),
    "credit.serious.removed": ("serious", "closes", "removed"),
    "credit.contract.breached": ("contract", "opens", None),
    "credit.contract.performed": ("contract", "opens", None),
    "credit.commitment.made": ("commitment", "opens", None),
    "credit.commitment.fulfilled": ("commitment", "closes", "fulfilled"),
    "credit.commitment.broken": ("commitment", "closes", "broken"),
    "credit.rating.issued": ("rating", "opens", None),
    "credit.honour.granted": ("honour", "opens", None),
    "credit.honour.withdrawn": ("honour", "closes", "withdrawn"),
    "credit.check.completed": ("inspection", "opens", None),
    "credit.roadworthiness.inspected": ("inspection", "opens", None),
    "credit.carrier.inspected": ("inspection", "opens", None),
    "credit.encounter.recorded": ("inspection", "opens", None),
    "credit.fleet.declared": ("fleet", "states", None),
    "credit.tax.indicated": ("tax", "opens", None),
    "credit.tax.examined": ("tax", "opens", None),
    "credit.tax.declared": ("tax", "states", None),
    "credit.record.corrected": (None, "corrects", None),
    "credit.record.revoked": (None, "revokes", None),
    "credit.record.repaired": (None, "repairs", None),
    "credit.record.shielded": (None, "shields", None),
    "credit.record.unshielded": (None, "unshields", None),
    **{
        f"credit.objection.{name}": (None, "moves", None)
        for name in ("opened", "accepted", "decided", "appealed", "withdrawn")
    },
    **{
        f"credit.repair.{name}": (None, "moves", None)
        for name in (
            *("applied", "accepted", "asked", "supplemented"),
            *("refused", "extended", "denied", "withdrawn"),
        )
    },
}


def test_the_types_are_those_of_the_domain():
    found = {name: (one.record_class, one.role, one.state) for name, one in CATALOGUE.types.items()}
    assert found == TYPES


def test_listings_and_expiry_are_as_in_the_domain():
    assert {name for name, one in CATALOGUE.classes.items() if one.listing} == {
        "abnormal",
        "serious",
        "judgment",
    }
    assert {name: one.expires for name, one in CATALOGUE.classes.items() if one.expires} == {
        "licence": "valid_until",
        "honour": "valid_until",
        "rating": "valid_until",
    }


def test_no_field_has_room_for_a_person():
    assert not [name for name in CATALOGUE.fields if "person" in name or "representative" in name]


def test_a_version_is_read_once_and_the_newest_is_the_default():
    assert catalogues.load() is catalogues.load()
    assert catalogues.load("2024").version == catalogues.load().version == "2024"


@pytest.mark.parametrize("name", TYPES)
def test_the_schema_of_a_type_stands_alone_and_takes_its_example(name):
    schema = CATALOGUE.schema(name)
    text = json.dumps(schema)
    assert "$ref" not in text
    assert "$defs" not in text
    assert '"default"' not in text
    jsonschema_rs.meta.validate({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema})
    validator = jsonschema_rs.Draft202012Validator(schema, validate_formats=True)
    assert validator.is_valid(CATALOGUE.types[name].example)
    assert not validator.is_valid({**CATALOGUE.types[name].example, "legal_representative": "x"})


def titles(schema):
    if isinstance(schema, dict):
        yield from ([schema["title"]] if isinstance(schema.get("title"), str) else [])
        for value in schema.values():
            yield from titles(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from titles(value)


@pytest.mark.parametrize("name", TYPES)
def test_schemas_are_titled_in_words(name):
    for title in titles(CATALOGUE.schema(name)):
        assert "_" not in title
        assert "." not in title


def test_the_document_holds_all_of_it():
    document = orjson.loads(CATALOGUE.document())
    assert document["version"] == "2024"
    assert set(document["types"]) == set(TYPES)
    penalty = document["types"]["credit.penalty.imposed"]
    assert penalty["schema"] == json.loads(json.dumps(CATALOGUE.schema("credit.penalty.imposed")))
    assert penalty["title"]["zh"] == "行政处罚决定"
    assert set(document["fields"]["severity"]["values"]) == {"minor", "general", "serious"}
    rule_sets = document["publicity"]["penalty-term"]["rule_sets"]
    assert rule_sets[0]["source"].endswith("SAMR Order 45 (2021)")
    assert "uscc" in {scheme["name"] for scheme in document["schemes"]}


def test_a_registration_has_its_record_by_default():
    registration = CATALOGUE.types["credit.registration.changed"]
    assert registration.record_of({"status": "active"}) == "registration"
    assert registration.record_of({"record": "no. 1"}) == "no. 1"


CORRECTED = CATALOGUE.types["credit.record.corrected"].model


def correct(changes):
    CORRECTED.model_validate({"record": "a", "reason": "b", "changes": changes})


def test_a_correction_may_change_any_field_of_a_record():
    correct(
        {
            "amount": {"value": "5", "currency": "CNY"},
            "outcome": "excellent",
            "identifiers": ["siren:552081317"],
        }
    )
    correct({"amount": None, "facts": None, "decided_on": "2026-01-01"})


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"record": "another"},
        {"reason_": "x"},
        {"changes": {"title": "x"}},
        {"objection": "x"},
        {"severity": None},  # every record that has one must have one
        {"severity": "grave"},
        {"amount": {"value": "5"}},
        {"decided_on": "2026-02-30"},
        None,
        [],
    ],
)
def test_a_correction_changes_nothing_else(changes):
    with pytest.raises(pydantic.ValidationError):
        correct(changes)


def broken(change):
    file = copy.deepcopy(WRITTEN)
    change(file)
    return orjson.dumps(file)


def put(*path):
    """Put the last of these at the place that the others name; ``...`` removes what is there."""
    *place, name, value = path

    def change(file):
        for part in place:
            file = file[part]
        if value is ...:
            del file[name]
        else:
            file[name] = value

    return change


PENALTY = ("types", "credit.penalty.imposed")
RULE_SETS = ("publicity", "penalty-term", "rule_sets")
IN_RULE_SETS = "/publicity/penalty-term/rule_sets"
FIRST_MINOR = f"{IN_RULE_SETS}/0/severities/minor/0"
FINE = {"title": {"zh": "罚款", "en": "Fine"}, "words": ["罚款"]}


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (put("version", ...), "/version"),
        (put("surprise", 1), "/surprise"),
        (put("title", "zh", 5), "/title/zh"),
        (put("in_force_from", "someday"), "/in_force_from"),
        (put("fields", "record", "kind", "string"), "/fields/record/kind"),
        (put("fields", "record", "limits", {}), "/fields/record/limits"),
        (put("fields", "amount", "limits", {"max_length": 5}), "/fields/amount/limits"),
        (put("fields", "severity", "values", {}), "/fields/severity/values"),
        (put("fields", "a/b~c", {"kind": "text"}), "/fields/a~1b~0c/title"),
        (put("fields", "facts", "scoring", True), "/fields/facts/scoring"),
        (put("classes", "penalty", "publicity", "never"), "/classes/penalty/publicity"),
        (put("classes", "rating", "publicity", "penalty-term"), "/classes/rating/publicity"),
        (put("classes", "penalty", "dated_by", "title"), "/classes/penalty/dated_by"),
        (put("classes", "inspection", "expires", "valid_until"), "/classes/inspection/expires"),
        (
            put("classes", "empty", {"title": {"zh": "空", "en": "Empty"}, "publicity": "always"}),
            "/classes/empty",
        ),
        (put(*PENALTY, "class", "fine"), "/types/credit.penalty.imposed/class"),
        (put(*PENALTY, "class", None), "/types/credit.penalty.imposed/class"),
        (put(*PENALTY, "role", "starts"), "/types/credit.penalty.imposed/role"),
        (put(*PENALTY, "state", "ended"), "/types/credit.penalty.imposed/state"),
        (put(*PENALTY, "required", 1, "grave"), "/types/credit.penalty.imposed/required/1"),
        (put(*PENALTY, "optional", 3, "record"), "/types/credit.penalty.imposed/optional/3"),
        (put(*PENALTY, "required", ["severity", "decided_on"]), "/types/credit.penalty.imposed/required"),
        (put(*PENALTY, "defaults", {"record": "x"}), "/types/credit.penalty.imposed/defaults"),
        (put(*PENALTY, "at_least_one_of", ["record"]), "/types/credit.penalty.imposed/at_least_one_of"),
        (put(*PENALTY, "example", "severity", "grave"), "/types/credit.penalty.imposed/example/severity"),
        (put("types", "credit.licence.ended", "state", ...), "/types/credit.licence.ended/state"),
        (put("types", "credit.record.revoked", "class", "penalty"), "/types/credit.record.revoked/class"),
        (
            put("types", "credit.objection.decided", "required", ["record"]),
            "/types/credit.objection.decided/required",
        ),
        (put("publicity", "always", "kind", "term"), "/publicity/always/rule_sets"),
        (put("publicity", "always", "categories", {"fine": FINE}), "/publicity/always/categories"),
        (
            put("publicity", "penalty-term", "categories", "untold", FINE),
            "/publicity/penalty-term/categories/untold",
        ),
        (put(*RULE_SETS, 1, "decided_from", "2025-07-01"), f"{IN_RULE_SETS}/1/decided_from"),
        (put(*RULE_SETS, 0, "decided_from", "2021-09-01"), f"{IN_RULE_SETS}/0/decided_from"),
        (put(*RULE_SETS, 0, "decided_until", None), f"{IN_RULE_SETS}/0/decided_until"),
        (put(*RULE_SETS, 2, "decided_until", "2030-01-01"), f"{IN_RULE_SETS}/2/decided_until"),
        (put(*RULE_SETS, 3, "decided_until", "2025-12-25"), f"{IN_RULE_SETS}/3/decided_until"),
        (put(*RULE_SETS, 2, "branch", "market-regulation"), f"{IN_RULE_SETS}/3/decided_from"),
        (put(*RULE_SETS, 3, "branch", "customs"), f"{IN_RULE_SETS}/3/branch"),
        (put(*RULE_SETS, 3, "name", "ndrc-36-2026"), f"{IN_RULE_SETS}/3/name"),
        (put(*RULE_SETS, 3, "name", "always"), f"{IN_RULE_SETS}/3/name"),
        (put(*RULE_SETS, 0, "severities", "minor", ...), f"{IN_RULE_SETS}/0/severities"),
        (put(*RULE_SETS, 0, "severities", "minor", []), f"{IN_RULE_SETS}/0/severities/minor"),
        (
            put(*RULE_SETS, 0, "severities", "minor", 1, "categories", None),
            f"{IN_RULE_SETS}/0/severities/minor",
        ),
        (
            put(*RULE_SETS, 2, "severities", "minor", 0, "categories", ["fine"]),
            f"{IN_RULE_SETS}/2/severities/minor",
        ),
        (put(*RULE_SETS, 0, "severities", "minor", 0, "categories", ["x"]), f"{FIRST_MINOR}/categories"),
        (put(*RULE_SETS, 0, "severities", "minor", 0, "public", True), f"{FIRST_MINOR}/maximum_months"),
        (put(*RULE_SETS, 0, "severities", "minor", 0, "maximum_months", 3), f"{FIRST_MINOR}/maximum_months"),
        (put(*RULE_SETS, 0, "severities", "minor", 0, "minimum_months", 3), f"{FIRST_MINOR}/minimum_months"),
        (put(*RULE_SETS, 0, "severities", "minor", 0, "or_until", "valid_until"), f"{FIRST_MINOR}/or_until"),
        (
            put(*RULE_SETS, 0, "severities", "minor", 0, "no_term_from", "2099-01-01"),
            f"{FIRST_MINOR}/no_term_from",
        ),
        (
            put(*RULE_SETS, 0, "severities", "minor", 1, "minimum_months", 4),
            f"{IN_RULE_SETS}/0/severities/minor/1/minimum_months",
        ),
        (
            put(*RULE_SETS, 0, "severities", "serious", 2, "or_until", "title"),
            f"{IN_RULE_SETS}/0/severities/serious/2/or_until",
        ),
        (put(*RULE_SETS, 0, "counted_from", "title"), f"{IN_RULE_SETS}/0/counted_from"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_error_in_the_file_points_into_it(change, place):
    with pytest.raises(CatalogueInvalid) as refused:
        catalogues.read(broken(change))
    assert place in [pointer for pointer, _ in refused.value.problems]
    assert place in str(refused.value)


@pytest.mark.parametrize("content", [b"[]", b"{}", b"3", b'{"fields": []}', b'{"types": {"a": 1}}'])
def test_what_is_no_catalogue_is_refused(content):
    with pytest.raises(CatalogueInvalid):
        catalogues.read(content)
