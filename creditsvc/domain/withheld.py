"""What a profile says to a partner to whom the organisation has not given its consent. Pure.

A profile is stored once for all whom the record is shared with. For that partner the counts of what asks for
consent are taken out of the bytes; nothing else in a profile tells of such records: they are no listings, the
official model does not score them, and they stand until they are withdrawn, so that the counts show whether
there are any.
"""

import re

from creditsvc.domain.catalogue import Catalogue

_OBJECTIONS = re.compile(rb'(?<="objections":)[0-9]+(?=,"records":")')


class Withholding:
    """Takes out what asks for consent, by a catalogue."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.classes = catalogue.asking_consent
        names = "|".join(map(re.escape, sorted(self.classes)))
        # A name in quotes is a member: within a text the quotes would be escaped.
        self._count = re.compile(rf'(?<="(?:{names})":)[1-9][0-9]*'.encode()) if names else None
        # Each alternative begins with all that is sought: ten times as fast as looking back at every digit.
        members = "|".join(f'"{re.escape(name)}":[1-9]' for name in sorted(self.classes))
        self._held = re.compile(members.encode()) if names else None

    def concerns(self, profile: bytes) -> bool:
        """Whether anything has to be taken out."""
        return self._held is not None and self._held.search(profile) is not None

    def without(self, profile: bytes, objected: int) -> bytes:
        """Take it out; ``objected``: so many of the records that ask for consent are objected to."""
        if self._count is None:
            return profile
        left = str(objections(profile) - objected).encode()
        return _OBJECTIONS.sub(left, self._count.sub(b"0", profile))


def objections(profile: bytes) -> int:
    """Give how many records a profile says are objected to."""
    found = _OBJECTIONS.search(profile)
    return 0 if found is None else int(found[0])
