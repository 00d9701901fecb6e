"""Many profiles at once: one query for all of them, and the ordinary way for the few that need it."""

import asyncio
from collections.abc import Sequence

from creditsvc.domain.standing import Rules
from creditsvc.domain.withheld import Withholding, objections
from creditsvc.errors import EntityUnknown
from creditsvc.ledger.folds import SQL
from creditsvc.ledger.moments import Moments
from creditsvc.store.database import Pool

NOTHING = b""  # how the query says that there is nothing to show


class Batches:
    """Fetches profiles of the present in the view of those with whom records are shared.

    A query begins after the request did: so it sees every event whose receipt was given before.
    """

    def __init__(self, pool: Pool, moments: Moments, rules: Rules, *, connections: int) -> None:
        self._pool = pool
        self._moments = moments
        self._known = rules.schedule.announcements, len(rules.schedule.releases)
        self._withholding = Withholding(rules.catalogue)
        self._turn = asyncio.Semaphore(connections)

    async def profiles(self, entities: Sequence[str], client: str | None) -> dict[str, bytes]:
        """Find the profiles of those of which anything is shown, for a partner by its consent.

        Raises what `Moments.at` does, unless it is that nothing is shown.
        """
        announcements, releases = self._known
        async with self._turn, self._pool.acquire() as connection:
            row = await connection.fetchrow(SQL.shared_batch, " ".join(entities), *announcements, releases)
            found: dict[str, bytes | None] = {}
            if row is not None and row["entities"] is not None:
                found = dict(zip(row["entities"], row["profiles"], strict=True))
            asking = [] if client is None else self._asking_consent(found)
            consented = await connection.fetch(SQL.consenting, asking, client) if asking else []
        for entity in set(asking).difference(row["entity_id"] for row in consented):
            found[entity] = self._without(found[entity] or NOTHING)
        apart = [entity for entity, profile in found.items() if profile is None]
        if apart:
            found |= await self._one_by_one(apart, client)
        return {entity: profile for entity, profile in found.items() if profile}

    def _asking_consent(self, found: dict[str, bytes | None]) -> list[str]:
        concerns = self._withholding.concerns
        return [entity for entity, profile in found.items() if profile and concerns(profile)]

    def _without(self, profile: bytes) -> bytes | None:
        """Take out what asks for consent; null where the history must tell what of it is objected to."""
        return None if objections(profile) else self._withholding.without(profile, 0)

    async def _one_by_one(self, entities: Sequence[str], client: str | None) -> dict[str, bytes | None]:
        """Look up those that time has outrun, that follow a release unknown here, or that must be folded."""
        found: dict[str, bytes | None] = {}

        async def one(entity: str) -> None:
            try:
                found[entity] = (await self._moments.at(entity, "shared", None, client=client)).profile
            except EntityUnknown:
                found[entity] = NOTHING

        try:
            async with asyncio.TaskGroup() as tasks:
                for entity in entities:
                    tasks.create_task(one(entity))
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from None
        return found
