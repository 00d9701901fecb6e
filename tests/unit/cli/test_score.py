"""`creditsvc score` and `creditsvc models`: from a file of events to a score that explains itself."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from creditsvc.cli import main
from scoring import engine
from tests.making import ENTITY, OTHER_ENTITY, raw

NOON = "2026-06-15T12:00:00+08:00"


def run(*arguments, stdin=None):
    return CliRunner().invoke(main, [str(argument) for argument in arguments], input=stdin)


@pytest.fixture
def written(tmp_path):
    def write(*lines) -> Path:
        file = tmp_path / "events.ndjson"
        texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
        file.write_text("\n".join(texts) + "\n", encoding="utf-8")
        return file

    return write


def check(record, on="2026-03-05", **given):
    return raw("check.completed", record, decided_on=on, **({"vehicles": 1} | given))


TWO_CHECKS = (
    check("C1", infringements_most_serious=1, infringements_serious=1),
    check("C2", infringements_most_serious=4),
)


def test_it_scores_and_explains(written):
    file = written(*TWO_CHECKS, check("C3", infringements_most_serious=99), raw("record.repaired", "C3"))
    found = run("score", file, "--model", "eu-2022-695", "--as-of", NOON)
    assert found.exit_code == 0
    words = {tuple(line.split()) for line in found.stdout.splitlines()}
    assert {("score", "230"), ("grade", "red"), ("180", "360", "check", "C2", "2028-03-06")} <= words
    assert ("50", "100", "check", "C1", "2028-03-06") in words
    assert "C3" not in found.stdout


def test_json_has_every_figure_exactly(written):
    file = written(
        check("C1", vehicles=3, infringements_most_serious=1, infringements_serious=1),
        raw("objection.opened", "C1", objection="O1"),
        check("C2", subject=OTHER_ENTITY),
    )
    found = run("score", file, "--model", "eu-2022-695@1", "--as-of", NOON, "--json")
    assert found.exit_code == 0
    other, one = map(json.loads, found.stdout.splitlines())
    assert (other["entity"], other["value"], other["grade"]) == (OTHER_ENTITY, 0, "green")
    assert one == {
        "entity": ENTITY,
        "as_of": "2026-06-15T04:00:00.000000Z",
        "model": "eu-2022-695",
        "version": "1",
        "value": 33.33,
        "exact": "100/3",
        "grade": "green",
        "start": 0,
        "contributions": [
            {
                "code": "check",
                "record": "C1",
                "source": "urn:agency:cn-tj-samr",
                "objected": True,
                "points": "100/3",
                "amounts": {"checks": "1"},
                "share": "100/3",
                "until": "2028-03-05T16:00:00.000000Z",
            }
        ],
        "adjustments": {"rounding": "-1/300"},
        "sums": {"checks": "1", "points/3": "100"},
        "until": "2028-03-05T16:00:00.000000Z",
    }


def test_peers_are_all_in_the_file_whoever_is_shown(written):
    file = written(
        raw("roadworthiness.inspected", "T1", defects_major=2, decided_on="2026-03-05"),
        raw("roadworthiness.inspected", "T1", subject=OTHER_ENTITY, decided_on="2026-03-05"),
    )
    found = run("score", file, "--model", "eu-2014-47", "--as-of", NOON, "--entity", ENTITY, "--json")
    (shown,) = map(json.loads, found.stdout.splitlines())
    assert (shown["entity"], shown["percentile"], shown["peers"], shown["grade"]) == (ENTITY, 100, 2, "high")
    plain = run("score", file, "--model", "eu-2014-47", "--as-of", NOON, "--entity", ENTITY)
    assert "100 among 2 of similar size" in plain.stdout


def test_what_had_not_taken_effect_and_what_was_sent_twice_count_once_at_most(written):
    late = check("C3", infringements_most_serious=9, time="2026-08-01T00:00:00Z")
    file = written(*TWO_CHECKS, TWO_CHECKS[0], late)
    found = run("score", file, "--model", "eu-2022-695", "--as-of", NOON, "--json")
    assert json.loads(found.stdout)["value"] == 230


def test_the_file_may_be_standard_input(written):
    text = written(*TWO_CHECKS).read_text()
    found = run("score", "-", "--model", "eu-2022-695", "--as-of", NOON, "--json", stdin=text)
    assert json.loads(found.stdout)["value"] == 230


def test_a_file_with_faults_is_not_scored_and_no_value_is_repeated(written):
    file = written(
        TWO_CHECKS[0],
        "{",
        {**TWO_CHECKS[0], "time": "2026-03-06T00:00:00Z"},
        check("C2", vehicles=-7),
        check("C1", vehicles=2),
        check("C4", note="电话 13800138000"),
    )
    found = run("score", file, "--model", "eu-2022-695")
    assert found.exit_code == 1
    assert found.stdout == ""
    assert [line.split(": ")[:2] for line in found.stderr.splitlines()] == [
        ["line 2", "not JSON"],
        ["line 3", "this source and id were used for something else"],
        ["line 4", "/data/vehicles"],
        ["line 5", "/data/record"],
        ["line 6", "/data/note"],
        ["Error", "5 faults found; nothing is scored. A file has one CloudEvent a line"],
    ]
    assert "13800138000" not in found.stderr
    assert "-7" not in found.stderr


def test_a_file_of_another_kind_is_told_in_a_screenful(written):
    found = run("score", written(*(["a,b"] * 1_100)), "--model", "eu-2022-695")
    lines = found.stderr.splitlines()
    assert len(lines) == 22
    assert lines[-2] == "and 1,080 more"
    assert lines[-1].startswith("Error: 1,100 faults found; ")
    one = run("score", written("a,b"), "--model", "eu-2022-695")
    assert "Error: 1 fault found; " in one.stderr


@pytest.mark.parametrize(
    ("options", "status"),
    [
        (("--model", "magic"), 2),
        (("--model", "eu-2022-695@9"), 2),
        (("--model", "eu-2022-695", "--as-of", "yesterday"), 2),
        (("--model", "eu-2022-695", "--as-of", "2022-05-22T00:00:00Z"), 2),
        (("--model", "eu-2022-695", "--entity", "siren:552081318"), 2),
        (("--model", "eu-2022-695", "--entity", OTHER_ENTITY), 1),
        (("--model", "no-such-file.json"), 1),
        ((), 2),
    ],
)
def test_a_wrong_call_is_told(written, options, status):
    found = run("score", written(*TWO_CHECKS), *options)
    assert found.exit_code == status
    assert found.stdout == ""
    assert "Error: " in found.stderr


def test_a_model_of_ones_own_is_a_file(written, tmp_path):
    model = json.loads((engine.MODELS / "eu-2022-695/1/model.json").read_bytes())
    model["name"] = "mine"
    model["rules"][0]["points"]["each"]["infringements_most_serious"] = "9"
    file = tmp_path / "mine.json"
    file.write_text(json.dumps(model))
    assert run("models", "check", file).exit_code == 0
    found = run("score", written(*TWO_CHECKS), "--model", file, "--as-of", NOON, "--json")
    assert json.loads(found.stdout)["value"] == 27.5


def test_a_model_that_is_wrong_is_told_where(written, tmp_path):
    model = json.loads((engine.MODELS / "eu-2022-695/1/model.json").read_bytes())
    model["rules"][0]["when"]["法定代表人"] = ["x"]
    model["rules"][1]["when"]["wheels"] = ["x"]
    file = tmp_path / "mine.json"
    file.write_text(json.dumps(model))
    found = run("models", "check", file)
    assert found.exit_code == 1
    assert [line.split(": ")[0] for line in found.stdout.splitlines()] == [
        "/rules/0/when/法定代表人",
        "/rules/1/when/wheels",
    ]
    scored = run("score", written(*TWO_CHECKS), "--model", file)
    assert scored.exit_code == 1
    assert "/rules/0/when/法定代表人" in scored.stderr


def test_models_are_listed():
    found = run("models", "list")
    assert found.exit_code == 0
    names = [line.split("\t")[0] for line in found.stdout.splitlines()]
    assert names == list(engine.released())
    assert len(names) == 6
