"""What tests of notices share: a penalty whose boundaries are known, and an account as the ledger has it."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import orjson

from creditsvc.domain import instants
from creditsvc.domain.account import Account, Held, Standing
from creditsvc.domain.naming import UNNAMED
from creditsvc.domain.notices import TICK, expected, told_until
from creditsvc.domain.profile import Summary
from creditsvc.domain.schedule import Release, Schedule
from creditsvc.domain.standing import Rules
from creditsvc.errors import Refusal
from scoring import engine
from tests.making import ENTITY, RULES, event

START = datetime(2026, 4, 1, tzinfo=UTC)
# Of the penalty below: its publicity ends, and its weight steps.
DUE = datetime(2027, 5, 31, 16, tzinfo=UTC)
BEFORE = DUE - timedelta(days=30)
FAR = datetime(2100, 1, 1, tzinfo=UTC)


def short(notices):
    """Type without its prefix, and points where it has any."""
    return [
        notice.type.removeprefix("credit.") + (f" {notice.points}" if notice.points is not None else "")
        for notice in notices
    ]


def penalty(severity="general", decided_on="2026-05-31", **given):
    return event("penalty.imposed", "P1", severity=severity, decided_on=decided_on, **given)


def correction(**changes):
    return event("record.corrected", "P1", reason="r", changes=changes)


BASELINE = engine.load("credit-baseline", "1")
ANNOUNCED = datetime(2026, 8, 1, 10, tzinfo=UTC)


def with_release(in_force_from, first_step_months=12):
    """The baseline, and a version 2 of it that counts everything threefold."""
    content = orjson.loads(engine.content("credit-baseline", "1"))
    for rule in content["rules"]:
        rule["points"] = str(3 * Decimal(rule["points"]))
        if "months" in rule["steps"][0]:
            rule["steps"][0]["months"] = first_step_months
    content |= {"version": "2", "in_force_from": in_force_from.isoformat()}
    newer = engine.read(orjson.dumps(content))
    return Rules(RULES.catalogue, Schedule((Release(BASELINE), Release(newer, ANNOUNCED))))


class Kept:
    """An account as the ledger stores it, telling as it goes."""

    def __init__(self, rules, began_at):
        self.rules, self.began_at = rules, began_at
        self.model, self.announced, self.until = None, 0, None
        self.shared, self.public = Standing(Summary(), 0, None), Standing(Summary(), 0, None)
        self.namings = UNNAMED
        self.lines, self.entries, self.told = {}, [], []

    def _load(self, named, reach):
        version = len(self.entries)
        recorded_at = self.entries[-1].recorded_at if self.entries else None
        views = {"public": self.public, "shared": self.shared}
        account = Account(ENTITY, version, recorded_at, self.namings, views)
        account.model, account.announced, account.began_at = self.model, self.announced, self.began_at
        self.shared.until = self.until
        outdated = account.outdated(reach, self.rules)
        for key, line in self.lines.items():
            due = line.next_change is not None and line.next_change <= reach
            own = [entry for entry in self.entries if (entry.record, entry.source) == key]
            account.held[key] = Held(line, own if due or outdated or key in named else [])
        return account

    def after(self):
        return START - timedelta(days=1) if self.shared.since is None else self.shared.since + TICK

    def fold(self, now, pushed=()):
        reach = max(now, self.after()) + len(pushed) * TICK
        account = self._load({(one.record, one.source) for one in pushed}, reach)
        for one in pushed:
            try:
                self.entries.append(account.enter(one, max(now, self.after()), self.rules))
            except Refusal:
                continue
        if not account.changed(now, self.rules):
            return
        for line, _ in account.settle(max(now, self.shared.since), self.rules):
            self.lines[line.record, line.source] = line
        self.namings, self.model, self.announced = account.namings, account.model, account.announced
        released = self.rules.schedule.changes(account.settled_at, account.zone)
        self.until = instants.earliest(*(line.next_change for line in self.lines.values()), released)
        self.told += account.noticed

    def expected(self):
        until = told_until(self.until, self.announced, self.rules.schedule)
        return expected(ENTITY, self.entries, self.began_at, until, self.rules)
