"""An account kept step by step as the ledger keeps it: lines, summaries, notices, no more than due."""

from dataclasses import dataclass, field
from datetime import datetime

from creditsvc.domain import instants
from creditsvc.domain.account import Account, Held, Standing, account_at, moves, profile_of, sees
from creditsvc.domain.naming import UNNAMED, VIEWS
from creditsvc.domain.notices import TICK, expected, told_until
from creditsvc.domain.profile import Summary, newest_listings
from creditsvc.domain.standing import Rules
from creditsvc.errors import Refusal
from tests.making import RULES


@dataclass
class Kept:
    """What is stored of one organisation."""

    entity: str
    began_at: datetime
    agencies: frozenset
    rules: Rules = RULES
    model: str | None = None
    announced: int = 0
    views: dict = field(default_factory=lambda: dict.fromkeys(VIEWS, (None, 0, None, None)))
    lines: dict = field(default_factory=dict)
    entries: list = field(default_factory=list)
    profiles: dict = field(default_factory=lambda: dict.fromkeys(VIEWS))
    told: list = field(default_factory=list)

    @property
    def recorded_at(self):
        return self.entries[-1].recorded_at if self.entries else None

    def own(self, key):
        return [entry for entry in self.entries if entry.key == key]

    def enter(self, event, now):
        """Enter one event at an instant; gives what refuses it. What is due by then is folded either way."""
        account = self._load({event.key}, now)
        refused = None
        try:
            self.entries.append(account.enter(event, now, self.rules))
        except Refusal as refusal:
            refused = refusal
        if account.changed(now, self.rules):
            self._store(account, now)
        return refused

    @property
    def free_from(self):
        """The first instant after all that it shows, at which an event may be recorded."""
        since = self.views["shared"][2]
        return self.began_at + TICK if since is None else since + TICK

    def look(self, now):
        """Read as the service reads: what time has outrun is folded again first."""
        until = self.views["shared"][3]
        if self.entries and until is not None and until <= now:
            self._store(self._load(set(), now), now)
        return dict(self.profiles)

    def _load(self, named, now):
        views = {
            view: Standing(Summary.parse(summary), version, since)
            for view, (summary, version, since, _) in self.views.items()
        }
        account = Account(self.entity, len(self.entries), self.recorded_at, UNNAMED, views)
        account.model, account.announced, account.began_at = self.model, self.announced, self.began_at
        account.settled_since = self.views["shared"][2]
        account.views["shared"].until = self.views["shared"][3]
        account.agencies = self.agencies
        numbers = {number for number, _ in named}
        for key, line in self.lines.items():
            due = line.next_change is not None and line.next_change <= now
            if key in named or due or key[0] in numbers:
                account.held[key] = Held(line, self.own(key) if key in named or due else [])
        return account

    def _store(self, account, now):
        for line, _ in account.settle(now, self.rules):
            self.lines[line.record, line.source] = line
        self.model, self.announced = account.model, account.announced
        self.told += account.noticed
        for view, standing in account.views.items():
            seen = [line for line in self.lines.values() if sees(view, line)]
            changes = (line.next_change for line in self.lines.values() if moves(view, line))
            standing.until = instants.earliest(*changes)
            self.views[view] = (standing.summary.dump(), standing.version, standing.since, standing.until)
            self.profiles[view] = profile_of(account, view, seen, newest_listings(seen), self.rules)

    def whole(self, at):
        """Fold the whole history as of an instant."""
        known = [entry for entry in self.entries if entry.recorded_at <= at]
        if not known:
            return dict.fromkeys(VIEWS)
        past = account_at(self.entity, known, UNNAMED, at, self.rules)
        return {view: past.profile(view, self.rules) for view in VIEWS}

    def expected(self):
        """The notices that the whole history comes to, up to where those told go."""
        until = told_until(self.views["shared"][3], self.announced, self.rules.schedule)
        return expected(self.entity, self.entries, self.began_at, until, self.rules)
