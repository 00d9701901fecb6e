"""A model is a file: checked with errors that point into it, pinned once released, found by date."""

import copy
import hashlib
import json
from datetime import date

import pytest

from scoring import engine, persons
from scoring.engine import MODELS, ModelInvalid
from tests.scores import CATALOGUE, DAY, record, value_and_grade

# A released version never changes: what was scored by it stays what it was. Add a version instead.
RELEASED = {
    "cn-tax-rating/1": "cdf823ad6ff6f7334b5c5bd42bd5f2a86dc9c04f50ee783d023d3bdb1ae1b7b3",
    "credit-baseline/1": "ec6e8360bee5402e6ea47d788c6c73b30cff27c6a918db7964e5c5e18e1e60d4",
    "dvsa-ocrs/1": "4f50852366126294ebc31a1c886df0f307dda3f7db08027b5f14c3b17eaf84bb",
    "eu-2014-47/1": "04f9796c96efbf2fd9ad158e6bfb21eb3300924ddfd8c518885c7568a0a96ff9",
    "eu-2022-695/1": "96fa5aaca5a4adc9089e070f6ee78e3715f3d42ce08b3db1591271ed170bcf89",
    "fmcsa-sms/1": "6244e2b0d06a61e44cb8e4a715450f9cb113e2492c2060ff8a44abf9b22de1eb",
}


def test_released_models_are_what_they_were_released_as():
    found = {
        f"{name}/{version}": hashlib.sha256((MODELS / name / version / "model.json").read_bytes()).hexdigest()
        for name, versions in engine.released().items()
        for version in versions
    }
    assert found == RELEASED


@pytest.mark.parametrize("place", RELEASED)
def test_released_models_are_sound_and_use_fields_of_the_catalogue(place):
    content = (MODELS / place / "model.json").read_bytes()
    model = engine.read(content, CATALOGUE.scoring_names)
    assert f"{model.name}/{model.version}" == place
    assert model == engine.load(model.name, model.version)
    assert {"en", "zh"} <= set(model.title)


@pytest.mark.parametrize("place", RELEASED)
def test_each_method_says_what_it_rests_on_and_must_not_be_used_for(place):
    text = engine.method(*place.split("/"))
    for heading in (
        "**What it is.**",
        "**How it adds up.**",
        "**Grades.**",
        "**What it must not be used for.**",
    ):
        assert heading in text
    assert "natural persons" in text or "nothing of drivers" in text
    assert "rests on" in text


WRITTEN = {
    "name": "tidy",
    "version": "1",
    "family": "ratio",
    "title": {"en": "Tidiness"},
    "source": "a test",
    "in_force_from": None,
    "denominator": "visits",
    "published": {"decimals": 1, "rounding": "half-up"},
    "groups": {"points": {}},
    "rules": [
        {
            "code": "visit",
            "when": {"class": ["inspection"], "state": ["standing"], "checked": {"at_least": 2}},
            "points": {"each": {"checked": "3"}, "divided_by": "vehicles", "at_most": "90"},
            "counted": {"visits": "1"},
            "steps": [{"months": 12, "weight": "1"}, {"months": 24, "weight": "0.5"}],
        },
        {
            "code": "found",
            "when": {"type": ["credit.carrier.inspected"]},
            "points": {"of": "violations", "points": "severity", "once_by": "code",
                       "plus": {"out_of_service": "2"}},
            "weighted": {"time": "1"},
            "steps": [{"weight": "1"}],
        },
    ],
    "grades": [{"grade": "poor", "above": "10"}, {"grade": "good", "at_least": "0"}],
}  # fmt: skip
ADDITIVE = json.loads((MODELS / "credit-baseline/1/model.json").read_bytes())


def put(*path, of=WRITTEN):
    """Put the last of these at the place that the others name; ``...`` removes what is there."""
    *place, name, value = path
    file = copy.deepcopy(of)
    node = file
    for part in place:
        node = node[part]
    if value is ...:
        del node[name]
    else:
        node[name] = value
    return json.dumps(file).encode()


def wrong(content, fields=CATALOGUE.scoring_names):
    with pytest.raises(ModelInvalid) as refused:
        engine.read(content, fields)
    assert str(refused.value)
    return dict(refused.value.problems)


def test_a_model_of_ones_own_is_a_file_alone(tmp_path):
    folder = tmp_path / "tidy" / "1"
    folder.mkdir(parents=True)
    (folder / "model.json").write_text(json.dumps(WRITTEN))
    (folder / "METHOD.md").write_text("Tidy is tidy.")
    assert engine.released(tmp_path) == {"tidy": ("1",)}
    model = engine.newest("tidy", tmp_path)
    assert engine.in_force("tidy", DAY, tmp_path) is model
    assert engine.method("tidy", "1", tmp_path) == "Tidy is tidy."
    visits = [record("inspection.completed", checked=checked, on=on) for checked, on in
              ((4, "2026-01-01"), (7, "2025-01-01"), (1, "2026-01-01"), (900, "2022-01-01"))]  # fmt: skip
    assert value_and_grade(model, *visits) == ("11.3", "poor")
    assert value_and_grade(model, visits[0], record("carrier.inspected", basic="hours-of-service",
                           violations=[{"code": "a", "severity": 3}])) == ("15.0", "poor")  # fmt: skip


RULE = ("rules", 0)


@pytest.mark.parametrize(
    ("content", "place"),
    [
        (put("family", "magic"), "/family"),
        (put("family", ...), "/family"),
        (put("name", ...), "/name"),
        (put("name", "Tidy!"), "/name"),
        (put("version", "01"), "/version"),
        (put("surprise", 1), "/surprise"),
        (put("in_force_from", "someday"), "/in_force_from"),
        (put("objected", "never"), "/objected"),
        (put("rules", []), "/rules"),
        (put(*RULE, "code", "found"), "/rules/1/code"),
        (put(*RULE, "group", "other"), "/rules/0/group"),
        (put(*RULE, "when", {}), "/rules/0/when"),
        (put(*RULE, "when", "class", []), "/rules/0/when/class"),
        (put(*RULE, "when", "checked", "at_least", "2"), "/rules/0/when/checked/at_least"),
        (put(*RULE, "when", "checked", "about", 2), "/rules/0/when/checked/about"),
        (put(*RULE, "when", "checked", "fewer_than", "wheels"), "/rules/0/when/checked/fewer_than"),
        (put(*RULE, "when", "entity_name", ["x"]), "/rules/0/when/entity_name"),
        (put(*RULE, "points", "each", "wheels", "1"), "/rules/0/points/each/wheels"),
        (put(*RULE, "points", "each", "checked", 3), "/rules/0/points/each/checked"),
        (put(*RULE, "points", "each", "checked", "1e5"), "/rules/0/points/each/checked"),
        (put(*RULE, "points", "each", {}), "/rules/0/points/each"),
        (put(*RULE, "points", "divided_by", "wheels"), "/rules/0/points/divided_by"),
        (put(*RULE, "points", 0.5), "/rules/0/points"),
        (put(*RULE, "points", "NaN"), "/rules/0/points"),
        (put("rules", 1, "points", "points", "gravity"), "/rules/1/points/points"),
        (put("rules", 1, "points", "plus", {"seen": "1"}), "/rules/1/points/plus/seen"),
        (put("rules", 1, "points", "once_by", "cite"), "/rules/1/points/once_by"),
        (put(*RULE, "counted", "points", "1"), "/rules/0/counted/points"),
        (put(*RULE, "counted", "visits", "-1"), "/rules/0/counted/visits"),
        (put(*RULE, "steps", []), "/rules/0/steps"),
        (put(*RULE, "steps", 1, "months", 12), "/rules/0/steps/1"),
        (put(*RULE, "steps", 1, "years", 2), "/rules/0/steps/1"),
        (put(*RULE, "steps", 0, "months", None), "/rules/0/steps/0"),
        (put(*RULE, "steps", 0, "weight", ...), "/rules/0/steps/0/weight"),
        (put("denominator", "doors"), "/denominator"),
        (put("factors", [{"code": "none", "factor": "2"}]), "/factors/0/code"),
        (put("factors", [{"code": "found", "unless": ["none"], "factor": "2"}]), "/factors/0/unless/0"),
        (put("overrides", [{"code": "none", "grade": "D"}]), "/overrides/0/code"),
        (put("groups", "points", {"maximum": "5"}), "/groups/points"),
        (put("published", "rounding", "up"), "/published/rounding"),
        (put("grades", []), "/grades"),
        (put("grades", 1, "at_least", "1"), "/grades"),
        (put("grades", 1, "above", "0"), "/grades/1"),
        (put("grades", 0, "above", "-1"), "/grades/1"),
        (put("rules", 0, "points", {"each": {"checked": "1"}, "divided_by": "checked"}, of=ADDITIVE),
         "/rules/0/points/divided_by"),
        (put("start", 600, of=ADDITIVE), "/start"),
        (put("grades", 3, "at_least", "1", of=ADDITIVE), "/grades"),
        (put("maximum", "-1", of=ADDITIVE), "/maximum"),
        (put("starts", [{"code": "none", "start": "1"}], of=ADDITIVE), "/starts/0/code"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_what_is_wrong_with_a_model_is_pointed_at(content, place):
    assert place in wrong(content)


@pytest.mark.parametrize("content", [b"", b"[]", b"3", b"{", b"\xff"])
def test_what_is_no_model_is_refused(content):
    assert "" in wrong(content)


@pytest.mark.parametrize(
    "name",
    [
        "age", "sex", "gender", "nationality", "id_number", "idNumber", "owner_count", "employees",
        "staff_age", "legal_representative", "legalRepresentative", "driver", "Driver-Licence",
        "shareholder", "phone", "birth_date", "beneficial-owner", "ethnic_group", "身份证", "身份证号码",
        "法定代表人", "负责人姓名", "年龄", "性别", "国籍", "股东", "员工人数", "驾驶员",
    ],
)  # fmt: skip
def test_a_model_that_names_what_persons_are_is_refused(name):
    for content, place in (
        (put(*RULE, "when", name, ["x"]), f"/rules/0/when/{name}"),
        (put(*RULE, "points", "each", name, "1"), f"/rules/0/points/each/{name}"),
        (put(*RULE, "points", "divided_by", name), "/rules/0/points/divided_by"),
        (put("rules", 1, "points", "points", name), "/rules/1/points/points"),
    ):
        assert "natural persons" in wrong(content, None)[place]
        assert "natural persons" in wrong(content)[place]


@pytest.mark.parametrize("name", ["owner-known", "staff", "legal-representative-changed"])
def test_neither_may_a_reason_code_name_them(name):
    assert "natural persons" in wrong(put(*RULE, "code", name))["/rules/0/code"]


@pytest.mark.parametrize(
    "name", [*sorted(CATALOGUE.scoring_names), "stage", "percentage", "message", "essex"]
)
def test_other_names_are_not_taken_for_theirs(name):
    assert not persons.attribute(name)


def test_the_rules_in_force_are_found_by_date(tmp_path):
    for version, since in (("1", None), ("2", "2025-07-01"), ("3", "2026-01-01"), ("10", "2026-01-01")):
        folder = tmp_path / "tidy" / version
        folder.mkdir(parents=True)
        written = WRITTEN | {"version": version, "in_force_from": since}
        (folder / "model.json").write_text(json.dumps(written))
    found = {
        day: engine.in_force("tidy", date.fromisoformat(day), tmp_path).version
        for day in ("1999-01-01", "2025-06-30", "2025-07-01", "2025-12-31", "2026-01-01")
    }
    assert list(found.values()) == ["1", "1", "2", "2", "10"]
    assert engine.released(tmp_path) == {"tidy": ("1", "2", "3", "10")}
    assert engine.newest("tidy", tmp_path).version == "10"
    assert engine.in_force("other", DAY, tmp_path) is None
    with pytest.raises(LookupError):
        engine.newest("other", tmp_path)


def test_a_method_is_in_force_from_the_day_of_its_law():
    assert engine.in_force("cn-tax-rating", date(2025, 6, 30)) is None
    assert engine.in_force("cn-tax-rating", date(2025, 7, 1)) is engine.load("cn-tax-rating", "1")


def test_a_file_lies_where_its_name_and_version_say(tmp_path):
    folder = tmp_path / "untidy" / "1"
    folder.mkdir(parents=True)
    (folder / "model.json").write_text(json.dumps(WRITTEN))
    with pytest.raises(ModelInvalid):
        engine.load("untidy", "1", tmp_path)
    with pytest.raises(FileNotFoundError):
        engine.load("credit-baseline", "999")


def test_a_model_may_let_what_is_objected_to_wait():
    model = engine.read(json.dumps(WRITTEN | {"objected": "waits"}).encode())
    objected = record("inspection.completed", ("objection.opened", {"objection": "O1"}), checked=9)
    other = record("inspection.completed", checked=4)
    assert value_and_grade(model, objected) == (None, "unrated")
    assert value_and_grade(model, objected, other) == ("12.0", "poor")
