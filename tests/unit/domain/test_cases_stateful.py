"""Random agencies, organisations and clocks, through objections and repairs, against a naive oracle.

What is true is said by ``tests.case_model`` and ``tests.case_judge``, which know nothing of the service's own
code. After every step: what was refused and how, the state of each case and its clock, what each viewer sees,
what is scored, that keeping the account step by step comes to folding all of it, which notices were told, and
that answers about earlier instants are the same bytes.
"""

import json
from collections import Counter
from datetime import UTC, datetime, timedelta

import orjson
from hypothesis import HealthCheck, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from creditsvc.domain.open_cases import open_cases
from creditsvc.domain.records import fold
from creditsvc.domain.standing import evaluate
from creditsvc.domain.views import Viewer, record_item
from tests.case_judge import (
    AGENCIES,
    CHANGES,
    NOBODY,
    OPENINGS,
    Organisation,
    Said,
    crossed,
    facts,
    moments,
    said_move,
)
from tests.case_model import LEGAL, SAID_AT, TICK, party
from tests.chance import CAMPAIGN, SEED
from tests.kept import Kept
from tests.making import CATALOGUE, ENTITY, RULES, event

START = datetime(2026, 11, 23, 2, tzinfo=UTC)  # a week before undecided objections come to withhold anything
ENTITIES = (ENTITY, "usdot:830331", "siren:552081317")
NUMBERS = ("R1", "R2")
VIEWERS = [
    *((Viewer(who), None) for who in ("public", "partner", "partner-consented", "entity", "auditor")),
    (Viewer("operator"), None),
    *((Viewer("agency", frozenset({source})), source) for source in AGENCIES),
]
MOVES = sorted({(of, move) for (of, _), moves in LEGAL.items() for move in moves})
picks = st.integers(0, 10**6)
entities = st.sampled_from(ENTITIES)


class Played:
    """One organisation: as the service keeps it, as the oracle knows it, and what was answered of it."""

    def __init__(self, entity):
        self.entity = entity
        self.kept = Kept(entity, START - timedelta(days=1), frozenset(AGENCIES))
        self.known = Organisation(entity)
        self.history = {}  # of each record: what was told of it, from each of its events on
        self.answers = []

    def say(self, said, at):
        """Say something to both, and compare what they make of it."""
        before = at - TICK
        self.answers.append((before, self.answer(before)))
        verdict = self.known.judge(said, at)
        time = (SAID_AT + timedelta(seconds=len(self.kept.entries))).isoformat()
        one = event(said.kind, said.number, source=said.by, subject=self.entity, time=time, **said.data)
        held = len(self.kept.entries)
        refused = self.kept.enter(one, at)
        if verdict is None:
            assert refused is None, (said, refused, getattr(refused, "violations", None))
            self.known.take(said, at)
            key = (said.number, said.holder)
            self.history.setdefault(key, []).append((at, self.known.told[key].copy()))
        else:
            kind, code = verdict
            assert refused is not None, (said, verdict)
            codes = {one.code for one in refused.violations}
            assert (type(refused).__name__, codes if code else None) == (kind, {code} if code else None), said
            assert len(self.kept.entries) == held

    def answer(self, at):
        """All that is told of it as of an instant, to everybody."""
        told = []
        for record, evaluation in self.folded(at):
            seen = [viewer.seen(record, evaluation, CATALOGUE) for viewer, _ in VIEWERS]
            items = {
                one: record_item(record, evaluation, one, CATALOGUE, self.known.zone) for one in set(seen)
            }
            told += [items[one] for one in seen]
        return self.kept.whole(at), orjson.dumps(told)

    def folded(self, at):
        records = {}
        for entry in self.kept.entries:
            if entry.recorded_at <= at:
                records.setdefault(entry.key, []).append(entry)
        found = (fold(own, CATALOGUE) for own in records.values())
        return [(record, evaluate(record, at, RULES, self.known.zone)) for record in found]

    def check(self, at, *, asked):
        """Compare all that is seen at an instant; ``asked``: the service is, and so folds what is due."""
        whole = self.kept.whole(at)
        if asked:
            assert self.kept.look(at) == whole
            assert [self._notice(one) for one in self.kept.told] == list(self.notices(at))
            assert self.kept.told == self.kept.expected()
        for record, evaluation in self.folded(at):
            told = self.known.told[record.number, record.source]
            self._check_record(record, evaluation, told, at)
        for view, body in whole.items():
            self._check_profile(view, body, at)

    def _check_record(self, record, evaluation, told, at):
        assert evaluation.state == told.state_at(at)
        assert sorted(record.objections) == told.marked
        assert evaluation.public == told.public(at) or told.record_class == "tax"
        found = {(case.kind, case.number): case for case in record.cases}
        assert found.keys() == told.cases.keys()
        for key, case in told.cases.items():
            assert (found[key].state, found[key].by, found[key].handler) == (
                case.state,
                case.by,
                case.handler,
            )
        clocks = [
            (one.kind, one.number, one.step, one.awaits, one.handler, one.since, one.due.at)
            for one in open_cases(record, RULES, self.known.zone)
        ]
        assert clocks == list(told.clocks())
        items = {}
        for viewer, source in VIEWERS:
            seen = viewer.seen(record, evaluation, CATALOGUE)
            assert bool(seen) == told.seen_by(viewer.who, source, at), (viewer, told)
            if seen and seen not in items:
                items[seen] = record_item(record, evaluation, seen, CATALOGUE, self.known.zone)
            if seen:
                assert all(("by" in case) == (viewer.who != "public") for case in items[seen]["cases"])
        for item in items.values():
            assert item["objected"] == bool(told.marked)
            states = [case.state for case in told.cases.values()]
            assert [case["state"] for case in item["cases"]] == states

    def _check_profile(self, view, body, at):
        shown = [
            told
            for told in self.known.told.values()
            if told.counted(at) and (view == "shared" or told.public(at))
        ]
        if not self.kept.entries or (view == "public" and not shown):
            assert body is None
            return
        profile = json.loads(body)
        standing = Counter(told.record_class for told in shown if told.standing(at))
        assert {name: count for name, count in profile["standing"].items() if count} == standing
        assert profile["objections"] == sum(bool(told.marked) for told in shown)
        scored = [told for told in shown if told.points(at)]
        value = max(0, 600 + sum(told.points(at) for told in scored)) if scored else None
        assert profile["score"]["value"] == value, (profile["score"], at, scored)
        listed = {(told.number, told.holder) for told in shown if told.opening == "abnormal.listed"}
        listed -= {(told.number, told.holder) for told in shown if not told.standing(at)}
        assert {(one["record"], one["source"]) for one in profile["listings"]} == listed
        assert {one["record"] for one in profile["score"]["factors"]} <= {told.number for told in scored}
        assert len(profile["score"]["factors"]) == min(4, len(scored))

    @staticmethod
    def _notice(one):
        points = None if one.points is None else float(one.points)
        return (one.due, one.record, one.source, one.type.removeprefix("credit."), points)

    def notices(self, until):
        """What time alone changed, by the oracle: each boundary crossed between two events of a record."""
        found = []
        for (number, holder), stretches in self.history.items():
            stood = False
            for (since, told), (following, _) in zip(
                stretches, [*stretches[1:], (until + TICK, None)], strict=True
            ):
                for due in told.boundaries():
                    if (since < due or (since == due and stood)) and due < following:
                        found += [(due, number, holder, *told_of) for told_of in crossed(told, due)]
                stood = told.state not in {"awaited", "shielded"}
        return sorted(found, key=lambda one: one[:4])


class Cases(RuleBasedStateMachine):
    """Agencies, organisations and the clock take turns."""

    def __init__(self):
        super().__init__()
        self.now = START
        self.sound = True  # else a step has failed
        self.played = {entity: Played(entity) for entity in ENTITIES}

    def say(self, entity, said, *, asked=True):
        played = self.played[entity]
        self.now = max(self.now, played.kept.free_from)
        self.sound = False
        played.say(said, self.now)
        played.check(self.now, asked=asked)
        self.sound = True

    def records(self):
        return [
            (entity, told) for entity, played in self.played.items() for told in played.known.told.values()
        ]

    def picked(self, found, pick):
        return found[pick % len(found)] if found else None

    @initialize(pick=picks)
    def some_records(self, pick):
        for entity, kind in zip(ENTITIES, (*OPENINGS[:2], self.picked(OPENINGS, pick)), strict=True):
            self.say(entity, Said(kind, AGENCIES[0], NUMBERS[0], facts(kind, START, 3 * pick + 1)))

    @rule(entity=entities, kind=st.sampled_from(OPENINGS), pick=picks)
    def open_record(self, entity, kind, pick):
        by, number = AGENCIES[pick % 2], NUMBERS[pick // 2 % 2]
        self.say(entity, Said(kind, by, number, facts(kind, START, pick)))

    @rule(pick=picks, number=st.sampled_from(["1", "2", "3"]), sender=picks)
    def open_case(self, pick, number, sender):
        if (chosen := self.picked(self.records(), pick)) is None:
            return
        entity, told = chosen
        of, move = (("objection", "opened"), ("repair", "applied"))[pick // 100 % 2]
        by = (party(entity), party(entity), told.holder, *AGENCIES)[sender % 7]
        self.say(entity, said_move(of, move, by, told, number))

    def cases(self):
        return [(entity, told, case) for entity, told in self.records() for case in told.cases.values()]

    @rule(moves=st.lists(st.tuples(picks, picks, st.integers(0, 72)), min_size=1, max_size=5))
    def move_as_the_rules_have_it(self, moves):
        for pick, way, hours in moves:
            self.now += timedelta(hours=hours)
            self.move_legally(pick, way)

    def move_legally(self, pick, way):
        legal = [one for one in self.cases() if (one[2].kind, one[2].state) in LEGAL]
        legal.sort(key=lambda one: one[2].since)
        # Every other time the one that moved last, so that cases get anywhere.
        if (chosen := self.picked(legal[-1:] if pick % 2 else legal, pick // 2)) is None:
            return
        entity, told, case = chosen
        move, (mover, _) = self.picked(sorted(LEGAL[case.kind, case.state].items()), way)
        by = case.handler if mover == "handler" else (party(entity), case.by)[way // 10 % 2]
        said = said_move(case.kind, move, by, told, case.number)
        if move == "referred":
            said.data["to"] = AGENCIES[way // 100 % 4]
        self.say(entity, said)

    @rule(pick=picks, move=st.sampled_from(MOVES), sender=picks, number=st.sampled_from("1234"))
    def move_anyhow(self, pick, move, sender, number):
        if (chosen := self.picked(self.records(), pick)) is None:
            return
        entity, told = chosen
        senders = (party(entity), told.holder, party(ENTITIES[sender // 10 % 3]), *AGENCIES)
        of, moved = move
        named = [case.number for case in told.cases.values() if case.kind == of]
        by = senders[sender % len(senders)]
        said = said_move(of, moved, by, told, named[pick % len(named)] if named and pick % 4 else number)
        if moved == "referred":
            said.data["to"] = (*AGENCIES, NOBODY)[sender % 5]
        self.say(entity, said)

    @rule(
        pick=picks,
        kind=st.sampled_from(["revoked", "repaired", "corrected", "corrected", "shielded", "unshielded"]),
        changes=st.sampled_from(CHANGES),
        sender=picks,
    )
    def amend(self, pick, kind, changes, sender):
        if (chosen := self.picked(self.records(), pick)) is None:
            return
        entity, told = chosen
        if kind == "shielded" and told.shielded:
            kind = "unshielded"
        data = {} if kind == "repaired" else {"reason": "核实"}
        if kind == "corrected":
            data["changes"] = changes
        if kind == "repaired" and sender % 2:
            data["repair"] = "123"[pick % 3]
        by = told.holder if sender % 5 else (*AGENCIES, party(entity))[sender // 5 % 5]
        self.say(entity, Said(f"record.{kind}", by, told.number, data))

    @rule(entity=entities, pick=picks, kind=st.sampled_from(["abnormal.removed", "licence.ended"]))
    def end(self, entity, pick, kind):
        self.say(entity, Said(kind, AGENCIES[pick % 2], NUMBERS[pick // 2 % 2], {}))

    @rule(entity=entities, pick=picks)
    def amend_first(self, entity, pick):
        """Say something of a number whatever is held of it: often before its record comes."""
        kind, data = (
            ("record.corrected", {"reason": "核实", "changes": CHANGES[pick % len(CHANGES)]}),
            ("record.shielded", {"reason": "核实"}),
            ("objection.opened", {"objection": "1"}),
            ("objection.decided", {"objection": "1", "decision": "upheld"}),
        )[pick // 10 % 4]
        self.say(entity, Said(kind, AGENCIES[pick % 2], NUMBERS[pick // 2 % 2], data))

    @rule(pick=picks, ticks=st.sampled_from([-1, 0]), appeals=st.booleans())
    def ask_on_the_last_or_first_tick(self, pick, ticks, appeals):
        """Apply for repair, or appeal, right before the instant that decides on it, and at it."""
        if appeals:
            found = [
                (
                    entity,
                    self.played[entity].known.appeals_end(told, case),
                    told,
                    ("objection", "appealed"),
                    case,
                )
                for entity, told, case in self.cases()
                if case.kind == "objection" and case.state == "refused"
            ]
        else:
            found = [
                (entity, told.span()[2], told, ("repair", "applied"), None)
                for entity, told in self.records()
                if told.span()[2] is not None
            ]
        ahead = [one for one in found if one[1] - TICK > self.now]
        if (chosen := self.picked(ahead, pick)) is not None:
            entity, due, told, (of, move), case = chosen
            for instant in (due + ticks * TICK, due):
                self.now = instant
                self.say(entity, said_move(of, move, party(entity), told, case.number if case else "T"))

    @rule(pick=picks, length=st.integers(1, 5), days=st.integers(1, 20))
    def dispute_an_inspection_of_a_carrier(self, pick, length, days):
        """Through all instances, some days between; then to the day on which the public sees it no more."""
        found = [one for one in self.records() if one[1].opening == "carrier.inspected"]
        if (chosen := self.picked(found, pick)) is None:
            return
        entity, told = chosen
        number = f"D{len(told.cases)}"
        for move in ("opened", "refused", "appealed", "referred", "upheld")[:length]:
            case = told.cases.get(("objection", number))
            by = case.handler if case and move != "appealed" else party(entity)
            said = said_move("objection", move, by, told, number)
            if move == "referred":
                said.data["to"] = AGENCIES[2]
            self.say(entity, said)
            self.now += timedelta(days=days)
        self.now = max(self.now, (told.withheld_from() or self.now) - TICK)
        self.look(asked=bool(pick % 2))
        self.now += TICK
        self.look(asked=True)

    @rule(
        amount=st.one_of(
            st.integers(1, 60 * 48).map(lambda n: timedelta(minutes=n)),
            st.integers(1, 100).map(lambda n: timedelta(days=n)),
            st.integers(1, 7).map(lambda n: timedelta(days=300 * n)),
        ),
        asked=st.booleans(),
    )
    def time_passes(self, amount, asked):
        self.now += amount
        self.look(asked=asked)

    @rule(pick=picks, ticks=st.sampled_from([-1, -1, 0, 0, 1]), asked=st.booleans())
    def time_comes_to_a_boundary(self, pick, ticks, asked):
        ahead = sorted(
            {one for played in self.played.values() for one in moments(played.known) if one - TICK > self.now}
        )
        if (chosen := self.picked(ahead[:12], pick)) is None:
            return
        self.now = chosen + ticks * TICK
        self.look(asked=asked)

    def look(self, *, asked):
        self.sound = False
        for played in self.played.values():
            played.check(self.now, asked=asked)
        self.sound = True

    def teardown(self):
        if not self.sound:
            return
        for played in self.played.values():
            played.check(self.now, asked=True)
            for at, answered in played.answers:
                assert played.answer(at) == answered


def test_objections_and_repairs_go_as_the_rules_have_it_whatever_comes():
    most, steps = (200, 60) if CAMPAIGN else (20, 40)
    chosen = settings(
        max_examples=most,
        stateful_step_count=steps,
        deadline=None,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(seed(SEED)(Cases), settings=chosen)
