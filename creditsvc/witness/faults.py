"""What one look at a log finds."""

from collections.abc import Callable
from dataclasses import dataclass, field

FAULTS_MAX = 100  # more are not looked for


@dataclass(slots=True)
class Faults:
    """What was found: ``wrong`` stops cosigning, ``late`` is told, and how many entries were read in part.

    ``found`` hears of each that is wrong at once: whoever is at fault may see to it that a look never ends.
    """

    found: Callable[[str], None]
    wrong: list[str] = field(default_factory=list)
    late: list[str] = field(default_factory=list)
    parted: int = 0  # statements of organisations, whose words are not an auditor's to read

    @property
    def are_many(self) -> bool:
        return len(self.wrong) >= FAULTS_MAX

    def add(self, text: str) -> None:
        """Take in what is wrong, once."""
        if text not in self.wrong:
            self.wrong.append(text)
            self.found(text)
