"""Why a row cannot be taken: a column, a rule, and how each language says it. Never a value of the row."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from creditsvc.handin import columns
from creditsvc.handin.texts import Figure, Language, say, texts
from creditsvc.loading.templates import Unfit


class CellUnfit(Unfit):
    """A cell that cannot become what its column holds; the figures go into the texts of the code."""

    def __init__(self, code: str, **figures: Figure) -> None:
        super().__init__(code, "")
        self.figures = figures


@dataclass(frozen=True, slots=True)
class Reason:
    """One thing wrong with a row, or with the whole sheet.

    ``column`` is a column's key, None where it is of the row. A figure named ``other`` is one, too.
    """

    column: str | None
    code: str
    figures: Mapping[str, Figure] = field(default_factory=dict)

    def text(self, language: Language) -> str:
        """Say what is wrong."""
        return self._said(language, "text")

    def remedy(self, language: Language) -> str:
        """Say what to do about it."""
        return self._said(language, "remedy")

    def label(self, language: Language) -> str:
        """Name the column; nothing where the reason is of the row."""
        return "" if self.column is None else columns.column(self.column).label(language)

    def _said(self, language: Language, part: str) -> str:
        figures = dict(self.figures)
        if "other" in figures:
            figures["other"] = columns.column(str(figures["other"])).label(language)
        key = f"row.{self.code}.{part}"
        return say(language, key if key in texts(language) else f"row.refused.{part}", figures)
