"""The state machine of objections and repairs: every move from every state, by everybody."""

from dataclasses import replace
from datetime import date, timedelta

import pytest

from creditsvc.domain import instants
from creditsvc.domain.admission import MOST_CASES, MOST_EVENTS_OF_A_RECORD
from creditsvc.errors import CaseConflict, EventInvalid, Forbidden, Refusal
from tests.cases import DUE, OBJ, PARTY, PATHS, REP, THIRD_SOURCE, ZONE, Life, brought_to, step
from tests.making import OTHER_SOURCE, SOURCE

MOVES = {
    "accept": ("objection.accepted", SOURCE, OBJ),
    "uphold": ("objection.decided", SOURCE, OBJ | {"decision": "upheld"}),
    "refuse": ("objection.decided", SOURCE, OBJ | {"decision": "refused", "reason": "核实无误"}),
    "refer": ("objection.decided", SOURCE, OBJ | {"decision": "referred", "to": OTHER_SOURCE}),
    "appeal": ("objection.appealed", PARTY, OBJ),
    "withdraw": ("objection.withdrawn", PARTY, OBJ),
    "repair accept": ("repair.accepted", SOURCE, REP),
    "repair ask": ("repair.asked", SOURCE, REP),
    "repair supplement": ("repair.supplemented", PARTY, REP),
    "repair refuse": ("repair.refused", SOURCE, REP),
    "repair extend": ("repair.extended", SOURCE, REP),
    "repair deny": ("repair.denied", SOURCE, REP),
    "repair withdraw": ("repair.withdrawn", PARTY, REP),
    "repair grant": ("record.repaired", SOURCE, REP),
}
UNDECIDED = {"accept": "accepted", "uphold": "upheld", "refuse": "refused", "refer": "opened"}
# Every legal move and the state that it leads to. Whatever is not here is refused.
LEGAL = {
    "opened": {**UNDECIDED, "withdraw": "withdrawn"},
    "accepted": {"uphold": "upheld", "refuse": "refused", "refer": "opened", "withdraw": "withdrawn"},
    "upheld": {},
    "refused": {"appeal": "appealed"},
    "appealed": {"uphold": "upheld", "refuse": "refused", "refer": "appealed", "withdraw": "withdrawn"},
    "refused again": {},
    "withdrawn": {},
    "closed": {"uphold": "upheld"},
    "repair applied": {
        "repair accept": "accepted",
        "repair ask": "asked",
        "repair refuse": "refused",
        "repair withdraw": "withdrawn",
        "repair grant": "granted",
    },
    "repair asked": {
        "repair supplement": "applied",
        "repair refuse": "refused",
        "repair withdraw": "withdrawn",
        "repair grant": "granted",
    },
    "repair accepted": {
        "repair extend": "accepted",
        "repair deny": "denied",
        "repair withdraw": "withdrawn",
        "repair grant": "granted",
    },
    "repair refused": {},
    "repair denied": {},
    "repair granted": {},
    "repair withdrawn": {},
    "repair closed": {},
}
MARKED = {"opened", "accepted", "appealed"}


def attempts():
    kinds = {state: "repair" if state.startswith("repair") else "objection" for state in PATHS}
    return [
        pytest.param(state, move, id=f"{move} when {state}")
        for state, kind in kinds.items()
        for move in MOVES
        if move.startswith("repair") == (kind == "repair")
    ]


@pytest.mark.parametrize(("state", "move"), attempts())
def test_each_move_leads_where_it_may_and_nowhere_else(state, move):
    life = brought_to(state)
    before = life.record
    assert before.cases[-1].state == state.removeprefix("repair ").removesuffix(" again")
    assert bool(before.objections) == (state in MARKED)
    kind, by, given = MOVES[move]
    if move in LEGAL[state]:
        life.say(kind, by=by, **given)
        assert life.case.state == LEGAL[state][move]
    else:
        with pytest.raises(CaseConflict):
            life.say(kind, by=by, **given)
        assert life.record == before


@pytest.mark.parametrize(("state", "move"), attempts())
def test_nobody_makes_the_move_of_another(state, move):
    kind, mover, given = MOVES[move]
    life = brought_to(state)
    before = life.record
    strangers = {SOURCE, OTHER_SOURCE, THIRD_SOURCE, PARTY} - {mover}
    if kind == "record.repaired":
        strangers = {PARTY}
    for by in strangers:
        with pytest.raises(Refusal) as refused:
            life.say(kind, by=by, **given)
        if isinstance(refused.value, EventInvalid):
            # Of a record of its own, which it has not; or of one that was withdrawn, which it may not see.
            assert {one.code for one in refused.value.violations} <= {"record-unknown", "record-source"}
        else:
            assert isinstance(refused.value, Forbidden)
    assert life.record == before


def test_a_record_that_is_not_there_or_withdrawn_cannot_be_told_apart_by_strangers():
    stands = Life()
    withdrawn = Life().say("record.revoked")
    told = []
    for life, record in ((stands, "R9"), (withdrawn, "R1")):
        life.entries = [] if record == "R9" else life.entries
        with pytest.raises(EventInvalid) as refused:
            life.say("objection.opened", by=OTHER_SOURCE, **OBJ)
        told.append((refused.value.detail, refused.value.violations))
    assert told[0] == told[1]
    with pytest.raises(EventInvalid, match="revoked"):
        withdrawn.say("objection.opened", by=PARTY, **OBJ)


@pytest.mark.parametrize("kind", ["record.revoked", "record.corrected", "record.repaired", "honour.granted"])
def test_an_organisation_says_nothing_that_is_for_agencies_to_say(kind):
    with pytest.raises(Forbidden, match="for its agencies to say"):
        Life().say(kind, by=PARTY)


def test_an_organisation_speaks_of_itself_only():
    life = Life(subject="siren:552081317")
    with pytest.raises(Forbidden, match="itself"):
        life.say("objection.opened", by=PARTY, **OBJ)


def test_it_names_the_source_that_holds_the_record():
    with pytest.raises(EventInvalid) as refused:
        Life().say("objection.opened", by=PARTY, record_source=PARTY, **OBJ)
    assert [one.pointer for one in refused.value.violations] == ["/data/record_source"]


def test_an_agency_may_object_for_it_and_either_may_withdraw():
    for by in (OTHER_SOURCE, PARTY):
        life = Life().say("objection.opened", by=OTHER_SOURCE, **OBJ)
        assert (life.case.by, life.case.handler) == (OTHER_SOURCE, SOURCE)
        assert life.say("objection.withdrawn", by=by, **OBJ).case.state == "withdrawn"


def test_who_it_is_referred_to_decides_it_and_nobody_has_it_twice():
    life = Life().say("objection.opened", by=PARTY, **OBJ)
    life.say("objection.decided", **OBJ, decision="referred", to=OTHER_SOURCE)
    assert (life.case.handler, life.case.state) == (OTHER_SOURCE, "opened")
    with pytest.raises(Forbidden):
        life.say("objection.decided", **OBJ, decision="upheld")
    with pytest.raises(CaseConflict):
        life.say("objection.decided", by=OTHER_SOURCE, **OBJ, decision="referred", to=SOURCE)
    life.say("objection.decided", by=OTHER_SOURCE, **OBJ, decision="referred", to=THIRD_SOURCE)
    life.say("objection.decided", by=THIRD_SOURCE, **OBJ, decision="upheld")
    assert life.case.state == "upheld"
    # The record is its holder's: the others may say that it is wrong, and may not change it.
    assert step(life) == "remedy"
    assert step(life.say("record.corrected", changes={"title": "更正"})) is None


@pytest.mark.parametrize(
    ("given", "pointer"),
    [
        ({"decision": "refused"}, "/data/reason"),
        ({"decision": "referred"}, "/data/to"),
        ({"decision": "upheld", "to": OTHER_SOURCE}, "/data/to"),
        ({"decision": "referred", "to": "urn:agency:nobody"}, "/data/to"),
    ],
)
def test_a_decision_is_whole(given, pointer):
    life = Life().say("objection.opened", by=PARTY, **OBJ)
    with pytest.raises(EventInvalid) as refused:
        life.say("objection.decided", **OBJ, **given)
    assert [one.pointer for one in refused.value.violations] == [pointer]
    assert life.case.state == "opened"


def test_an_appeal_is_once_and_in_time():
    refusal = OBJ | {"decision": "refused", "reason": "核实无误"}
    life = Life().say("objection.opened", by=PARTY, **OBJ).say("objection.decided", **refusal)
    last = instants.start_of((life.at.astimezone(ZONE) + timedelta(days=31)).date(), ZONE)
    tick = timedelta(microseconds=1)
    with pytest.raises(CaseConflict, match="time to appeal"):
        life.say("objection.appealed", by=PARTY, after=last - life.at, **OBJ)
    life.say("objection.appealed", by=PARTY, after=last - tick - life.at, **OBJ)
    life.say("objection.decided", **refusal)
    with pytest.raises(CaseConflict):
        life.say("objection.appealed", by=PARTY, **OBJ)


def test_agencies_do_not_use_up_what_the_organisation_may_open():
    life = Life()
    for number in range(MOST_CASES):
        by = (OTHER_SOURCE, THIRD_SOURCE)[number % 2]
        life.say("objection.opened", by=by, objection=f"O{number}")
        life.say("objection.withdrawn", by=by, objection=f"O{number}")
    with pytest.raises(EventInvalid):
        life.say("objection.opened", by=OTHER_SOURCE, objection="O99")
    assert life.say("objection.opened", by=PARTY, objection="O99").case.state == "opened"


def test_only_the_organisation_and_the_holder_apply_for_repair():
    life = Life()
    life.at += DUE
    with pytest.raises(Forbidden):
        life.say("repair.applied", by=OTHER_SOURCE, **REP)
    assert life.say("repair.applied", **REP).case.by == SOURCE


def test_a_record_that_is_full_can_still_be_revoked():
    life = Life()
    life.entries += [
        replace(life.entries[0], sequence=n, type="credit.record.corrected", data={"changes": {}})
        for n in range(2, MOST_EVENTS_OF_A_RECORD + 1)
    ]
    with pytest.raises(EventInvalid):
        life.say("record.corrected", changes={"title": "更正"})
    assert life.say("record.revoked").record.state == "revoked"


def test_nobody_objects_to_what_was_revoked_before_it_arrived():
    life = Life()
    life.entries.clear()
    life.say("record.revoked")
    for by in (SOURCE, PARTY):
        with pytest.raises(EventInvalid):
            life.say("objection.opened", by=by, **OBJ)


def test_a_number_is_used_once_and_cases_are_bounded():
    life = Life()
    for number in range(MOST_CASES):
        life.say("objection.opened", by=PARTY, objection=f"O{number}")
        life.say("objection.withdrawn", by=PARTY, objection=f"O{number}")
    with pytest.raises(CaseConflict):
        life.say("objection.opened", by=PARTY, objection="O3")
    with pytest.raises(EventInvalid):
        life.say("objection.opened", by=PARTY, objection="O99")
    life.say("record.corrected", changes={"title": "更正"})


def test_repair_waits_for_the_minimum_period_to_the_microsecond():
    life = Life()  # decided on 30 April, a general penalty: three months, over with 30 July
    start = instants.start_of(date(2026, 7, 31), ZONE)
    with pytest.raises(EventInvalid) as refused:
        life.say("repair.applied", by=PARTY, after=start - timedelta(microseconds=1) - life.at, **REP)
    assert refused.value.violations[0].code == "too-early"
    assert instants.text(start) in refused.value.detail
    assert life.say("repair.applied", by=PARTY, after=start - life.at, **REP).case.state == "applied"


def test_one_application_at_a_time_and_another_after_it_was_denied():
    life = brought_to("repair accepted")
    with pytest.raises(CaseConflict):
        life.say("repair.applied", by=PARTY, repair="X2")
    life.say("repair.denied", **REP).say("repair.applied", by=PARTY, repair="X2")
    assert [case.state for case in life.record.cases] == ["denied", "applied"]


def test_what_no_rule_lets_be_repaired_is_not():
    life = Life("carrier.inspected")
    with pytest.raises(EventInvalid) as refused:
        life.say("repair.applied", by=PARTY, **REP)
    assert refused.value.violations[0].code == "not-repairable"
    assert Life("abnormal.listed").say("repair.applied", by=PARTY, **REP).case.state == "applied"


def test_a_decision_is_put_off_once():
    life = brought_to("repair accepted").say("repair.extended", **REP)
    assert life.case.extended
    with pytest.raises(CaseConflict):
        life.say("repair.extended", **REP)


def test_shielding_begins_and_ends_in_turn():
    life = Life()
    with pytest.raises(CaseConflict):
        life.say("record.unshielded")
    life.say("record.shielded")
    assert (life.record.state, life.record.withdrawn) == ("shielded", True)
    with pytest.raises(CaseConflict):
        life.say("record.shielded")
    assert life.say("record.unshielded").record.state == "standing"
    with pytest.raises(Forbidden):
        life.say("record.shielded", by=OTHER_SOURCE)
