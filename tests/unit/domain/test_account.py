"""Keeping an account step by step comes to what folding its whole history comes to, at every instant.

The step-by-step side is kept here as the ledger keeps it: of each record its line, of the account its
summaries; and as there, only records that an event names or that time has changed are loaded again.
"""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from creditsvc.domain import instants
from creditsvc.domain.account import Account, Held, Standing, account_at, moves, profile_of, sees
from creditsvc.domain.naming import UNNAMED, Naming
from creditsvc.domain.parties import party
from creditsvc.domain.profile import Line, Summary, newest_listings
from creditsvc.domain.records import Entry
from creditsvc.domain.schedule import Release, Schedule
from creditsvc.domain.standing import Rules
from creditsvc.errors import Refusal
from scoring import engine
from tests.making import ENTITY, OTHER_SOURCE, RULES, SOURCE, event

START = datetime(2026, 4, 1, tzinfo=UTC)
TICK = timedelta(microseconds=1)
VIEWS = ("public", "shared")


@dataclass
class Kept:
    """An account as it is stored."""

    rules: Rules = RULES
    model: str | None = None
    announced: int = 0
    version: int = 0
    recorded_at: datetime | None = None
    namings: dict = field(default_factory=lambda: UNNAMED)
    renamed: list = field(default_factory=list)
    views: dict = field(default_factory=lambda: dict.fromkeys(VIEWS, (None, 0, None, None)))
    lines: dict[tuple[str, str], Line] = field(default_factory=dict)
    entries: list[Entry] = field(default_factory=list)
    profiles: dict = field(default_factory=lambda: dict.fromkeys(VIEWS))

    def load(self, named, now):
        account = Account(
            ENTITY,
            self.version,
            self.recorded_at,
            self.namings,
            {
                view: Standing(Summary.parse(summary), version, since)
                for view, (summary, version, since, _) in self.views.items()
            },
            model=self.model,
            announced=self.announced,
            settled_since=self.views["shared"][2],
        )
        outdated = account.outdated(now, self.rules)
        for key, line in self.lines.items():
            due = line.next_change is not None and line.next_change <= now
            wanted = key in named or due or outdated
            if wanted or key[0] in {number for number, _ in named}:
                own = [entry for entry in self.entries if entry.key == key]
                account.held[key] = Held(line, own if wanted else [])
        return account

    def store(self, account, at):
        for line, _ in account.settle(max(at, account.recorded_at), self.rules):
            self.lines[line.record, line.source] = line
        self.version, self.recorded_at, self.namings = account.version, account.recorded_at, account.namings
        self.renamed += account.renamed
        self.model, self.announced = account.model, account.announced
        for view, standing in account.views.items():
            seen = [line for line in self.lines.values() if sees(view, line)]
            changes = (x.next_change for x in self.lines.values() if moves(view, x))
            released = self.rules.schedule.changes(account.settled_at, account.zone)
            standing.until = instants.earliest(*changes, released)
            self.views[view] = (standing.summary.dump(), standing.version, standing.since, standing.until)
            self.profiles[view] = profile_of(account, view, seen, newest_listings(seen), self.rules)

    def step(self, events, now):
        account = self.load({one.key for one in events}, now)
        for one in events:
            at = now if account.recorded_at is None else max(now, account.recorded_at + TICK)
            try:
                self.entries.append(account.enter(one, at, self.rules))
            except Refusal:
                continue
        if account.changed(now, self.rules):
            self.store(account, now)

    def look(self, now):
        """Read as the service reads: what time has outrun is folded again first."""
        until = self.views["shared"][3]
        if (until is not None and until <= now) or self.announced < self.rules.schedule.announced(now):
            self.step([], now)
        return dict(self.profiles)

    def named(self, at):
        """What each view knew it as at an instant."""
        namings = dict(UNNAMED)
        for one in self.renamed:
            if one.since <= at:
                namings[one.view] = Naming(one.name, "", one.status, "")
        return namings

    def whole(self, at):
        known = [entry for entry in self.entries if entry.recorded_at <= at]
        if not known:
            return dict.fromkeys(VIEWS)
        past = account_at(ENTITY, known, self.named(at), at, self.rules)
        return {view: past.profile(view, self.rules) for view in VIEWS}


days = st.integers(-700, 1200).map(lambda n: (START + timedelta(days=n)).date().isoformat())
numbers = st.sampled_from(["A", "B", "C", "D"])
sources = st.sampled_from([SOURCE, SOURCE, OTHER_SOURCE])


@st.composite
def events(draw):
    kind = draw(
        st.sampled_from(
            [
                "penalty.imposed",
                "penalty.imposed",
                "licence.granted",
                "licence.ended",
                "inspection.completed",
                "abnormal.listed",
                "abnormal.removed",
                "commitment.made",
                "commitment.broken",
                "record.corrected",
                "record.revoked",
                "record.repaired",
                "objection.opened",
                "objection.decided",
                "objection.appealed",
                "repair.applied",
                "repair.accepted",
                "record.shielded",
                "record.unshielded",
                "carrier.inspected",
                "registration.changed",
            ]
        )
    )
    time = (datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=draw(st.integers(0, 2000)))).isoformat()
    given_data = {"time": time, "source": draw(sources)}
    if kind in {"penalty.imposed", "inspection.completed"}:
        given_data["decided_on"] = draw(days)
    if kind == "penalty.imposed":
        given_data["severity"] = draw(st.sampled_from(["minor", "general", "serious"]))
    if kind == "inspection.completed":
        given_data["outcome"] = draw(st.sampled_from(["excellent", "urgent-correction"]))
    if kind == "licence.granted":
        given_data["valid_until"] = draw(days)
        given_data["entity_name"] = draw(st.sampled_from(["甲", "乙"]))
    if kind == "record.corrected":
        given_data["changes"] = draw(
            st.sampled_from(
                [
                    {"severity": "minor"},
                    {"severity": "serious"},
                    {"decided_on": "2025-01-31"},
                    {"decided_on": "2027-06-30"},
                    {"entity_name": "丙"},
                ]
            )
        )
    if kind.startswith("objection"):
        given_data["objection"] = draw(st.sampled_from(["O1", "O2"]))
    if kind == "objection.decided":
        given_data["decision"] = draw(st.sampled_from(["upheld", "refused"]))
    if kind in {"objection.opened", "objection.appealed", "repair.applied"} and draw(st.booleans()):
        given_data |= {"source": party(ENTITY), "record_source": draw(sources)}
    if kind == "registration.changed":
        given_data |= {"entity_name": "登记名", "status": draw(st.sampled_from(["active", "dissolved"]))}
        return event(kind, None, **given_data)
    return event(kind, draw(numbers), **given_data)


steps = st.lists(
    st.tuples(st.integers(0, 60 * 24 * 400), st.lists(events(), max_size=3)), min_size=1, max_size=12
)


BASELINE = engine.load("credit-baseline", "1")
STRICTER = BASELINE.model_copy(
    update={
        "version": "2",
        "start": Decimal(500),
        "in_force_from": date(2027, 3, 1),
        "rules": BASELINE.rules[1:],
    }
)
TWO_VERSIONS = Rules(
    RULES.catalogue,
    Schedule((Release(BASELINE), Release(STRICTER, datetime(2026, 8, 1, 10, tzinfo=UTC)))),
)


CASES = {"one version": RULES, "a new version is announced": TWO_VERSIONS}


@pytest.mark.parametrize("case", CASES)
@settings(max_examples=300, deadline=None)
@given(steps)
def test_step_by_step_is_the_fold_of_the_whole_and_the_past_stays(case, history):
    kept, now = Kept(CASES[case]), START
    given_answers = []
    for minutes, pushed in history:
        now += timedelta(minutes=minutes) + 10 * TICK
        before = kept.look(now)
        assert before == kept.whole(now)
        kept.step(pushed, now)
        now += 10 * TICK
        after = kept.look(now)
        assert after == kept.whole(now)
        given_answers.append((now, after))
    for view in VIEWS:
        for at, answered in given_answers:
            body = answered[view]
            assert kept.whole(at)[view] == body
            if body is not None:
                valid_from = datetime.fromisoformat(orjson.loads(body)["valid_from"])
                assert valid_from <= at
                assert kept.whole(valid_from)[view] == body


@settings(max_examples=200, deadline=None)
@given(
    st.lists(events(), min_size=1, max_size=8, unique_by=lambda one: one.id),
    st.randoms(use_true_random=False),
)
def test_the_order_of_arrival_does_not_matter(pushed, chance):
    openings = set()
    unique = []
    for one in pushed:  # a second opening of a record is refused, so which one comes first would matter
        opening = RULES.catalogue.types[one.type].role == "opens"
        if opening and one.key in openings:
            continue
        openings |= {one.key} if opening else set()
        unique.append(one)
    shuffled = list(unique)
    chance.shuffle(shuffled)
    at = START + timedelta(days=400)

    def taken(ordered):
        kept = Kept()
        refused = set()
        for n, one in enumerate(ordered):
            entries = len(kept.entries)
            kept.step([one], START + n * TICK)
            if len(kept.entries) == entries:
                refused.add(one.id)
        return kept, refused

    one, refused_one = taken(unique)
    two, refused_two = taken(shuffled)
    if refused_one or refused_two:
        return  # refused for what is known at the time: then the histories differ
    ends = START + len(unique) * TICK
    lines = [
        sorted(
            account_at(ENTITY, kept.entries, UNNAMED, max(at, ends), RULES).lines,
            key=lambda x: (x.record, x.source),
        )
        for kept in (one, two)
    ]
    assert lines[0] == lines[1]
    assert one.namings["shared"] == two.namings["shared"]
