"""How much a sheet may hold, and the refusal of one that holds more or cannot be read."""

from collections.abc import Mapping

from creditsvc.errors import SheetUnreadable, Violation
from creditsvc.handin.texts import Figure, Language, say

SHEET_MAX_BYTES = 8 * 1024 * 1024
INFLATED_MAX_BYTES = 64 * 1024 * 1024  # of all parts of an .xlsx that are read, together
ELEMENTS_MAX = 2_000_000  # of XML in them; a full sheet has a fifth of it
# Of XML without an end: the parser reads it again from its begin with every piece that comes.
TOKEN_MAX_BYTES = 1024 * 1024
PARTS_MAX = 1_000  # of an .xlsx
TABS_MAX = 20
ROWS_MAX = 5_000
ROWS_LOOKED_AT_MAX = 100_000  # with the empty ones
COLUMNS_MAX = 100
CELL_MAX_CHARS = 32_767  # as Excel has it
TEXT_MAX_CHARS = 6_000_000  # of all cells that are taken, for each is searched for people's numbers

# Of what was checked, as a browser carries it until it is sent; a full sheet has a tenth of it.
PACKED_MAX_BYTES = 6 * 1024 * 1024
UNPACKED_MAX_BYTES = 48 * 1024 * 1024
TIME_MAX_S = 120  # of the work on one; a full sheet takes three seconds of a processor


def unreadable(code: str, **figures: Figure) -> SheetUnreadable:
    """Make the refusal of a sheet: a code under which each language has what is wrong and what to do."""
    detail = sentence(code, figures, "en")
    return SheetUnreadable(code, figures, detail, [Violation("", code, detail)])


def too_slow() -> SheetUnreadable:
    return unreadable("slow", limit=TIME_MAX_S)


def told(refusal: SheetUnreadable, language: Language) -> str:
    """Say in a language why a sheet was refused, and what to do."""
    return sentence(refusal.code, refusal.figures, language)


def sentence(code: str, figures: Mapping[str, Figure], language: Language) -> str:
    joint = "" if language == "zh" else " "
    return joint.join(say(language, f"sheet.{code}.{part}", figures) for part in ("text", "remedy"))
