"""How many connections each worker has, told to the others in memory that they share.

A connection stays with the worker that took it, for hours where an agency or a partner keeps it. Left to the
kernel, whoever wakes first takes all that have come, often all four of four, and another core has nothing to
do. So a worker that has more than another lets that one go first.
"""

import mmap
import os
import sys
import tempfile

_WORD_BYTES = 4
ABSENT = 2**32 - 1  # what stands for a worker that takes none: nobody waits for it


class Balance:
    """The counts of all workers, of which one is ours.

    Each is one aligned word that its worker alone writes while it runs, so no lock is needed; who reads
    another's a moment late is a connection off.
    """

    def __init__(self, descriptor: int | None = None, place: int = 0) -> None:
        """Take a place in what ``shared`` gave; without it there is nobody to share with."""
        memory = bytearray(_WORD_BYTES) if descriptor is None else mmap.mmap(descriptor, 0)
        self._counts = memoryview(memory).cast("I")
        self._place = place

    def begin(self) -> None:
        """Say that we take connections, and have none yet."""
        self._counts[self._place] = 0

    def end(self) -> None:
        """Say that we take no more; the parent says it of whoever is gone."""
        self._counts[self._place] = ABSENT

    def come(self) -> None:
        """Count a connection that we have taken."""
        self._counts[self._place] += 1

    def leave(self) -> None:
        """Count one out; those that are left when we take no more need not be."""
        if self._counts[self._place] != ABSENT:
            self._counts[self._place] -= 1

    def is_behind_another(self) -> bool:
        """Whether another should take the next: it has fewer."""
        return min(self._counts) < self._counts[self._place]


def shared(places: int) -> int:
    """Make the memory of so many workers; gives the descriptor that they inherit. None takes any yet."""
    with tempfile.TemporaryFile() as file:
        file.write(ABSENT.to_bytes(_WORD_BYTES, sys.byteorder) * places)
        file.flush()
        return os.dup(file.fileno())
