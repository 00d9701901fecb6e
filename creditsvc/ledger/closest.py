"""The names closest in length that have all bigrams of a query, in time that what is common does not set.

Names are indexed by their bigrams and their length together. What is rare is found by its rarest bigrams, of
all lengths at once. What is common is taken up from the shortest names on, until there are enough; and of a
length that is crowded with it, it is met soon by looking through the names in order. What is common is told
by a sample: wrong, it costs time and changes no answer.
"""

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from time import monotonic

from creditsvc.domain.naming import View
from creditsvc.ledger.entries import Row
from creditsvc.ledger.folds import SQL
from creditsvc.store.database import Pool

MOST = 200  # of one query: who has more matches is asked for a longer name
LENGTHS = tuple(range(1, 41))  # the last stands for all that are longer
RARE = 20  # in the sample: what fewer names have is rare
COUNTED = 400  # in the sample: what as many names have is common
RAREST = 4  # bigrams that names are looked for by, at most: what remains is read with the names
ENOUGH = 4 * MOST  # matches by the sample, so that there are likely to be as many as are wanted
CROWD = 8_000  # matches of one length: more are better not all fetched and sorted
LEAD = 10_240  # names, in order, before the first match: beyond it they are better fetched all the same
LOOKED_THROUGH = 16_000  # names, in order: then the matches are fetched after all
KNOWN_S = 3_600.0
MOST_KNOWN = 20_000  # bigrams


class Closest:
    """Finds names; remembers for an hour how common bigrams are."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._counts: dict[str, int] = {}
        self._forget_at_s = 0.0

    async def names(self, view: View, wanted: Sequence[str], upto: datetime) -> list[Row]:
        """Find the closest that are or were in use by an instant, in the order of answers."""
        by, rare = await self._rarest(wanted)
        asked = Asked(view, wanted, by, upto)
        if rare:
            return await self._matching(asked, LENGTHS)
        async with self._pool.acquire() as connection:
            crowds = await connection.fetch(SQL.crowds, view, wanted, CROWD, LEAD)
        counts = {row["length"]: row["names"] for row in crowds}
        soon = {row["length"] for row in crowds if row["before"] is not None and row["before"] < LEAD}
        rows: list[Row] = []
        for lengths in steps(counts, soon):
            more = await self._crowded(asked, lengths[0]) if lengths[0] in soon else []
            rows += more if len(more) == MOST else await self._matching(asked, lengths)
            if len(rows) >= MOST:
                break
        return rows[:MOST]

    async def _crowded(self, asked: "Asked", length: int) -> list[Row]:
        """Look through the names of a length in order, for a while; fewer than ``MOST`` mean nothing."""
        async with self._pool.acquire() as connection:
            return await connection.fetch(
                SQL.crowded_names, asked.view, length, asked.wanted, asked.upto, LOOKED_THROUGH, MOST
            )

    async def _matching(self, asked: "Asked", lengths: Sequence[int]) -> list[Row]:
        """Find the closest of these lengths."""
        others = None if len(asked.by) == len(asked.wanted) else asked.wanted
        async with self._pool.acquire() as connection:
            return await connection.fetch(
                SQL.matching_names, asked.view, asked.by, lengths, others, asked.upto, MOST
            )

    async def _rarest(self, wanted: Sequence[str]) -> tuple[Sequence[str], bool]:
        """Give the bigrams of a query to look for, and whether they are rare."""
        if monotonic() >= self._forget_at_s or len(self._counts) > MOST_KNOWN:
            self._counts.clear()
            self._forget_at_s = monotonic() + KNOWN_S
        unknown = [gram for gram in wanted if gram not in self._counts]
        if unknown:
            async with self._pool.acquire() as connection:
                counted = await connection.fetch(SQL.gram_counts, unknown, COUNTED)
            self._counts |= {row["gram"]: row["names"] for row in counted}
        counts = {gram: self._counts.get(gram, COUNTED) for gram in wanted}
        few = sorted((gram for gram in wanted if counts[gram] < COUNTED), key=counts.__getitem__)
        rare = bool(few) and counts[few[0]] < RARE
        return (few[:RAREST] if rare or len(few) > 1 else wanted), rare


@dataclass(frozen=True, slots=True)
class Asked:
    """What is searched: all bigrams ``wanted``, looked for ``by`` some, in use by an instant."""

    view: View
    wanted: Sequence[str]
    by: Sequence[str]
    upto: datetime


def steps(counts: Mapping[int, int], soon: AbstractSet[int]) -> Iterator[Sequence[int]]:
    """Cut the lengths into parts to be looked at one after another, by how many matches each may have.

    A length of which many are met ``soon`` comes by itself.
    """
    part: list[int] = []
    matches = 0
    for length in LENGTHS:
        if part and (length in soon or matches >= ENOUGH):
            yield part
            part, matches = [], 0
        if length in soon:
            yield [length]
        else:
            part.append(length)
            matches += counts.get(length, 0)
    if part:
        yield part
