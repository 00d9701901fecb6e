"""Scores taken apart, by any released model, as of any instant; and what would become of them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from creditsvc.domain import instants
from creditsvc.domain.account import Past, RecordKey, account_at
from creditsvc.domain.naming import UNNAMED
from creditsvc.domain.profile import Moment
from creditsvc.domain.records import REPAIRED, REVOKED, Entry, Record, fold
from creditsvc.domain.schedule import Release, Schedule, schedule_of
from creditsvc.domain.scores import TakenApart, take_apart
from creditsvc.domain.standing import Rules, evaluate
from creditsvc.domain.views import Viewer
from creditsvc.errors import NotFound
from creditsvc.ledger.folds import Charge, free
from creditsvc.ledger.moments import Moments, unknown
from creditsvc.ledger.rankings import Ranked, Rankings
from creditsvc.ledger.releases import OFFICIAL

TICK = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Apart:
    """A score taken apart, and the moment that the answer is of."""

    moment: Moment
    taken: TakenApart
    past: bool
    ranked: Ranked | None = None
    consented: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    """What is supposed in a what-if: records repaired and revoked, and an instant to look at it."""

    repaired: frozenset[RecordKey]
    revoked: frozenset[RecordKey]
    at: datetime | None


@dataclass(frozen=True, slots=True)
class Supposed:
    """The score as it is and as it would be, and the named records that the viewer does not see."""

    moment: Moment
    before: TakenApart
    after: TakenApart
    unknown: frozenset[RecordKey]


class Scores:
    """Folds an entity's whole history by the rules of a model; nothing is stored."""

    def __init__(
        self, moments: Moments, rankings: Rankings, rules: Rules, releases: Sequence[Release]
    ) -> None:
        self._moments = moments
        self._rankings = rankings
        self._rules = rules
        self.releases = releases

    def rules_of(self, named: str | None) -> Rules:
        """Find the rules of ``name`` (the version in force at the time) or ``name@version``; null: official.

        Raises ``NotFound``.
        """
        if named is None or named == OFFICIAL:
            return self._rules
        name, _, version = named.partition("@")
        if not version:
            try:
                return replace(self._rules, schedule=schedule_of(self.releases, name))
            except LookupError:
                pass
        for one in self.releases:
            if (one.model.name, one.model.version) == (name, version):
                return replace(self._rules, schedule=Schedule.always(one.model))
        raise NotFound("There is no such model; /v1/models lists those that there are")

    async def apart(
        self, entity: str, viewer: Viewer, rules: Rules, as_of: datetime | None, charge: Charge = free
    ) -> Apart:
        """Take a score apart. Raises ``EntityUnknown`` where the view shows nothing."""
        at, size, looking = await self._instant(entity, viewer, as_of)

        def folded(entries: list[Entry]) -> Apart:
            moment, records = _seen(entity, entries, at, looking, rules)
            taken = _taken(entity, records, moment.valid_from, rules)
            return Apart(moment, taken, as_of is not None, consented=looking.consented)

        found = await self._moments.folds.fold(entity, at, size, folded, charge)
        if found is None:
            raise unknown()
        model = rules.model(at, instants.zone_of(entity))
        if model.peers is None:
            return found
        await self._moments.settle(at)  # a ranking may be on its way
        ranked = await self._rankings.rank(model, found.taken, at)
        if ranked is None:
            return found
        since = max(found.moment.valid_from, ranked.ranked_at)
        return replace(found, moment=replace(found.moment, valid_from=since), ranked=ranked)

    async def suppose(
        self, entity: str, viewer: Viewer, rules: Rules, change: Change, charge: Charge = free
    ) -> Supposed:
        """Work out what a change, or time passing, would make of a score."""
        now, size, looking = await self._instant(entity, viewer, None)

        def folded(entries: list[Entry]) -> Supposed:
            moment, records = _seen(entity, entries, now, looking, rules)
            at = moment.valid_from if change.at is None else max(change.at, moment.valid_from)
            zone = instants.zone_of(entity)
            changed = [_supposed(record, change) for record in records]
            left = [record for record in changed if _visible(record, at, looking, rules, zone)]
            known = {(record.number, record.source) for record in records}
            return Supposed(
                moment,
                _taken(entity, records, moment.valid_from, rules),
                _taken(entity, left, at, rules),
                (change.repaired | change.revoked) - known,
            )

        found = await self._moments.folds.fold(entity, now, size, folded, charge)
        if found is None:
            raise unknown()
        return found

    async def _instant(
        self, entity: str, viewer: Viewer, as_of: datetime | None
    ) -> tuple[datetime, int, Viewer]:
        """Find a settled instant to fold up to, the length of the history, and as what it is looked at.

        Raises ``EntityUnknown`` as soon as for an unknown entity, and at the same charge, for a view that
        shows nothing, or for an instant that has passed never showed anything.
        """
        stored = await self._moments.current(entity, viewer.view, viewer.client)
        if stored is None or stored.valid_from is None or (as_of is None and stored.profile is None):
            raise unknown()
        looking = viewer.given(consent=stored.consented)
        if as_of is None:
            _, settled = await self._moments.horizon()
            return max(settled - TICK, stored.recorded_at), stored.events, looking
        if as_of > stored.recorded_at:
            await self._moments.settle(as_of)
        return as_of, stored.events, looking


def _seen(
    entity: str, entries: Sequence[Entry], at: datetime, viewer: Viewer, rules: Rules
) -> tuple[Moment, list[Record]]:
    """Find the moment of a view by some rules, and the records that it shows then."""
    past: Past = account_at(entity, entries, UNNAMED, at, rules)
    moment = past.account.views[viewer.view].moment()
    if moment is None or past.profile(viewer.view, rules) is None:
        raise unknown()
    records = [fold(held.entries, rules.catalogue) for held in past.account.held.values()]
    zone = past.account.zone
    return moment, [record for record in records if _visible(record, moment.valid_from, viewer, rules, zone)]


def _visible(record: Record, at: datetime, viewer: Viewer, rules: Rules, zone: ZoneInfo) -> bool:
    return viewer.counts(record, evaluate(record, at, rules, zone), rules.catalogue)


def _taken(entity: str, records: Sequence[Record], at: datetime, rules: Rules) -> TakenApart:
    zone = instants.zone_of(entity)
    return take_apart(records, at, rules.model(at, zone), rules.catalogue, zone)


def _supposed(record: Record, change: Change) -> Record:
    key = (record.number, record.source)
    if key in change.revoked:
        return replace(record, state=REVOKED)
    if key in change.repaired:
        return replace(record, state=REPAIRED)
    return record
