"""What is shown of an event to who is not shown what the organisation itself wrote."""

from datetime import UTC, datetime
from itertools import product

import pytest

from creditsvc.domain.moves import MOVES
from creditsvc.domain.parties import party
from creditsvc.domain.records import Entry, fold
from creditsvc.domain.views import TABLE, WHO, WORDS, Part, part
from tests.making import CATALOGUE, ENTITY, SOURCE, raw

NOW = datetime(2026, 7, 1, tzinfo=UTC)
ITSELF = party(ENTITY)
EVIDENCE = [{"reference": "决定书第2页"}]
SAID = {"reason": "x", "note": "y", "evidence": EVIDENCE}
# What the organisation states, and what is left of its data.
STATED = {
    "objection.opened": {"objection": "O1", "ground": "wrong", "record_source": SOURCE},
    "objection.appealed": {"objection": "O1", "record_source": SOURCE},
    "objection.withdrawn": {"objection": "O1"},
    "repair.applied": {"repair": "R1", "commitment": "z", "record_source": SOURCE},
    "repair.supplemented": {"repair": "R1"},
    "repair.withdrawn": {"repair": "R1"},
}


def stated(kind, by=ITSELF, **said):
    known = CATALOGUE.types[f"credit.{kind}"]
    words = {name: one for name, one in said.items() if name in known.required | known.optional}
    made = raw(kind, "R1", source=by)
    return made | {"data": {"record": "R1", **STATED[kind], **words}}


def test_every_field_that_an_organisation_may_send_is_its_words_or_what_is_left():
    theirs = [
        one
        for one in CATALOGUE.types.values()
        if one.procedure and one.move and MOVES[one.procedure][one.move].mover == "applicant"
    ]
    assert {one.name for one in theirs} == {f"credit.{kind}" for kind in STATED}
    named = {name for one in theirs for name in one.required | one.optional}
    assert named == {*WORDS, "record", *(name for left in STATED.values() for name in left)}


@pytest.mark.parametrize(("who", "kind"), list(product(WHO, STATED)))
def test_only_who_is_party_to_the_record_is_shown_what_the_organisation_wrote(who, kind):
    whole = stated(kind, **SAID)
    words = [name for name in WORDS if name in whole["data"]]
    left = Part({**whole, "data": {"record": "R1", **STATED[kind]}}, tuple(f"/data/{name}" for name in words))
    assert words
    for at in ("public", "shared"):
        shown = part(whole, TABLE[who][at] or TABLE["public"]["public"])
        is_party = who in {"agency-own", "entity", "operator"}
        assert shown == (None if is_party else left)
    for word in words:
        alone = {**whole, "data": {"record": "R1", **STATED[kind], word: SAID[word]}}
        assert part(alone, TABLE["public"]["public"]) == Part(left.event, (f"/data/{word}",))


@pytest.mark.parametrize("kind", STATED)
def test_what_has_no_words_and_what_agencies_say_is_whole_for_everybody(kind):
    for one in (stated(kind), stated(kind, by=SOURCE, **SAID)):
        assert part(one, TABLE["public"]["public"]) is None


def test_a_record_is_folded_from_parts_as_from_the_whole():
    made = [
        raw("penalty.imposed", "R1", severity="serious", decided_on="2026-01-05"),
        stated("objection.opened", **SAID),
        raw("objection.decided", "R1", objection="O1", decision="refused", reason="x"),
        stated("objection.appealed", **SAID),
        stated("objection.withdrawn", **SAID),
        stated("repair.applied", **SAID),
        raw("repair.asked", "R1", repair="R1", reason="x"),
        stated("repair.supplemented", **SAID),
        stated("repair.withdrawn", **SAID),
    ]
    parts = [part(one, TABLE["public"]["public"]) for one in made]
    assert sum(one is not None for one in parts) == len(STATED)

    def folded(events):
        read_ = [
            Entry(n, NOW, one["source"], one["id"], one["type"], NOW, "R1", one["data"])
            for n, one in enumerate(events, 1)
        ]
        return fold(read_, CATALOGUE)

    shown = folded([one if found is None else found.event for one, found in zip(made, parts, strict=True)])
    assert shown == folded(made)
    assert [case.state for case in shown.cases] == ["withdrawn", "withdrawn"]
