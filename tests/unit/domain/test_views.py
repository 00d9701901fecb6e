"""The table of who sees what, cell by cell; and that nothing sees past it."""

import re
from dataclasses import replace
from datetime import UTC, datetime
from importlib import resources
from itertools import pairwise, product
from pathlib import Path

import orjson
import pytest

from creditsvc.domain import instants
from creditsvc.domain.catalogue import CatalogueInvalid, read
from creditsvc.domain.records import AWAITED, REPAIRED, REVOKED, Entry, fold
from creditsvc.domain.standing import evaluate
from creditsvc.domain.views import (
    COUNTED,
    KINDS,
    MEMBERS,
    PUBLIC,
    TABLE,
    WHO,
    Viewer,
    kept,
    kind_of,
    record_item,
)
from creditsvc.domain.withheld import Withholding, objections
from creditsvc.ledger.releases import OFFICIAL
from tests.making import CATALOGUE, ENTITY, OTHER_SOURCE, RULES, SOURCE, event

ZONE = instants.zone_of(ENTITY)
NOW = datetime(2026, 7, 1, tzinfo=UTC)
BASE = {
    *("record", "source", "type", "class", "state", "time", "publicity", "objected", "cases"),
    *("sequences", "data"),
}
PARTIES = {"cases.by", "cases.handler"}
WRITTEN = {"cases.words"}  # in events, not in a record's item

# Written out once more, and not derived: w all but what the organisation wrote in its cases, o also without
# who has these, X all, - nothing.
EXPECTED = """
                   public shared consent withdrawn awaited retired
public             o      -      -       -         -       -
partner            w      w      -       -         -       -
partner-consented  w      w      w       -         -       -
agency             w      w      w       -         -       -
agency-own         X      X      X       X         X       -
entity             X      X      X       X         X       -
auditor            w      w      w       -         -       -
operator           X      X      X       X         X       -
"""
CELLS = {"o": BASE, "w": BASE | PARTIES, "X": BASE | PARTIES | WRITTEN, "-": set()}


# How a page for people says the same.
CALLED = {
    "all": CELLS["X"],
    "all but its words": CELLS["w"],
    "all but its words and who has a case": BASE,
    "–": set(),
}
PAGE = (Path(__file__).parents[3] / "docs/viewers.md").read_text(encoding="utf-8")


def expected():
    heads, *rows = (line.split() for line in EXPECTED.strip().splitlines())
    return {(who, kind): CELLS[cell] for who, *cells in rows for kind, cell in zip(heads, cells, strict=True)}


def test_the_table_is_the_one_written_out_here():
    assert set(MEMBERS) == CELLS["X"]
    assert {(who, kind): set(TABLE[who][kind]) for who in WHO for kind in KINDS} == expected()


def test_the_page_for_people_says_the_same():
    lines = [line for line in PAGE.splitlines() if line.startswith("|")]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    (start,) = [n for n, row in enumerate(rows) if row[0] == "Who looks"]
    heads = [re.search(r"`(\w+)`$", head)[1] for head in rows[start][1:]]
    found = {}
    for who, *cells in rows[start + 2 : start + 2 + len(WHO)]:
        name = re.search(r"`([a-z-]+)`$", who)[1]
        found |= {(name, kind): CALLED[cell] for kind, cell in zip(heads, cells, strict=True)}
    assert found == expected()


def test_the_page_for_people_names_every_member():
    assert [name for name in MEMBERS if f"`{name}`" not in PAGE] == []


def test_whoever_sees_a_kind_of_record_sees_more_of_it_the_closer_they_are():
    for kind in KINDS:
        row = [TABLE[who][kind] for who in ("public", "partner", "partner-consented", "agency", "operator")]
        assert all(less <= more for less, more in pairwise(row))
        assert TABLE["agency"][kind] <= TABLE["agency-own"][kind] == TABLE["entity"][kind]


def record_of(*events, first_at=NOW):
    return fold(
        [
            Entry(n, NOW if n > 1 else first_at, one.source, one.id, one.type, one.time, one.record, one.data)
            for n, one in enumerate(events, 1)
        ],
        CATALOGUE,
    )


HIDDEN = {"severity": "minor", "decided_on": "2026-06-01"}
OPENED = event("objection.opened", "R1", objection="O1", ground="wrong")
# A record of each kind with an objection to it, if one can be made of events alone.
RECORDS = {
    "public": record_of(event("honour.granted", "R1"), OPENED),
    "shared": record_of(event("penalty.imposed", "R1", **HIDDEN), OPENED),
    "consent": record_of(event("tax.examined", "R1", examination="assessment"), OPENED),
    "withdrawn": record_of(event("honour.granted", "R1"), OPENED, event("record.revoked", "R1", reason="x")),
    "awaited": record_of(OPENED),
    "retired": record_of(
        event("penalty.imposed", "R1", severity="minor", decided_on="2010-01-01"),
        OPENED,
        first_at=NOW.replace(year=2025),
    ),
}


@pytest.mark.parametrize(("who", "kind"), list(product(WHO, RECORDS)))
def test_an_item_has_what_the_table_says_and_nothing_else(who, kind):
    viewer, record = Viewer(who, client="bank"), RECORDS[kind]
    if who == "agency-own":
        viewer = Viewer("agency", frozenset({SOURCE}))
    evaluation = evaluate(record, NOW, RULES, ZONE)
    assert kind_of(record, evaluation, CATALOGUE) == kind
    seen = viewer.seen(record, evaluation, CATALOGUE)
    assert seen == expected()[who, kind]
    assert viewer.sees(record, evaluation, CATALOGUE) == bool(seen)
    assert viewer.counts(record, evaluation, CATALOGUE) == (bool(seen) and kind in COUNTED)
    item = record_item(record, evaluation, seen, CATALOGUE, ZONE)
    (case,) = item.get("cases", [{}])
    assert set(item) | {f"cases.{name}" for name in case if name in {"by", "handler"}} == seen - WRITTEN


def test_consent_changes_a_partner_alone():
    for who in WHO:
        given = Viewer(who).given(consent=True).who
        assert given == ("partner-consented" if who == "partner" else who)
        assert Viewer(who).given(consent=False) == Viewer(who)


@pytest.mark.parametrize("state", [AWAITED, REVOKED, REPAIRED])
def test_what_is_withdrawn_is_so_before_it_asks_for_consent(state):
    record = replace(RECORDS["consent"], state=state)
    assert kind_of(record, evaluate(record, NOW, RULES, ZONE), CATALOGUE) in {"withdrawn", "awaited"}


def test_an_agency_with_an_open_case_is_party_to_the_record_and_no_other_is():
    record = RECORDS["withdrawn"]
    (case,) = record.cases
    evaluation = evaluate(record, NOW, RULES, ZONE)
    another = Viewer("agency", frozenset({OTHER_SOURCE}))
    assert not another.sees(record, evaluation, CATALOGUE)
    for part in ("by", "handler"):
        for state, seen in (("opened", True), ("upheld", False), ("withdrawn", False)):
            having = replace(record, cases=(replace(case, state=state, **{part: OTHER_SOURCE}),))
            assert another.sees(having, evaluation, CATALOGUE) == seen


def test_the_kept_views_count_what_their_viewers_see():
    for kind in KINDS:
        assert kept("public", kind) == (kind in COUNTED and PUBLIC.sees_kind(kind))
        assert kept("shared", kind) == (kind in COUNTED)
    assert {who: Viewer(who).view for who in WHO} == {
        who: "public" if who == "public" else "shared" for who in WHO
    }


def test_the_official_model_scores_nothing_that_asks_for_consent():
    assert CATALOGUE.asking_consent == {"tax"}
    versions = [one for one in (resources.files("scoring") / "models" / OFFICIAL).iterdir() if one.is_dir()]
    assert versions
    for version in versions:
        for rule in orjson.loads((version / "model.json").read_bytes())["rules"]:
            scored = set(rule["when"]["class"])
            assert scored
            assert scored.isdisjoint(CATALOGUE.asking_consent)


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"classes": {"honour": {"consent": True}}}, "/classes/honour/publicity"),
        ({"classes": {"tax": {"listing": True}}}, "/classes/tax/listing"),
        ({"classes": {"tax": {"expires": "decided_on"}}}, "/classes/tax/consent"),
        ({"types": {"credit.licence.ended": {"class": "tax"}}}, "/classes/tax/consent"),
    ],
)
def test_what_asks_for_consent_can_be_told_apart_by_its_counts(changes, place):
    written = orjson.loads(orjson.dumps(CATALOGUE.file))
    for part, entries in changes.items():
        for name, members in entries.items():
            written[part][name] |= members
    with pytest.raises(CatalogueInvalid) as caught:
        read(orjson.dumps(written))
    assert place in [at for at, _ in caught.value.problems]


PROFILE = orjson.dumps(
    {
        "name": '"tax":5,"objections":7,"records":"x',
        "standing": {"licence": 2, "tax": 13},
        "objections": 12,
        "records": "/v1/entities/x/records",
    }
)


def test_a_profile_loses_its_counts_of_what_asks_for_consent_and_no_other_byte():
    withholding = Withholding(CATALOGUE)
    assert withholding.concerns(PROFILE)
    assert objections(PROFILE) == 12
    without = withholding.without(PROFILE, 3)
    assert without == PROFILE.replace(b'"tax":13', b'"tax":0').replace(
        b'"objections":12,', b'"objections":9,'
    )
    assert not withholding.concerns(without)
    assert withholding.without(without, 0) == without
    assert not withholding.concerns(orjson.dumps({"name": '"tax":5', "standing": {"tax": 0}}))


def test_a_catalogue_that_asks_for_no_consent_takes_nothing_out():
    written = orjson.loads(orjson.dumps(CATALOGUE.file))
    del written["classes"]["tax"]["consent"]
    withholding = Withholding(read(orjson.dumps(written)))
    assert not withholding.concerns(PROFILE)
    assert withholding.without(PROFILE, 0) == PROFILE
