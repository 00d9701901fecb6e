"""The report as PDF, set by typst: A4, PDF/A-2a (ISO 19005-2, level A: tagged, archival).

What stands in the report goes to typst as data and is never read as its language, so the name of an
organisation can hold whatever it likes. Equal reports come out as equal bytes.
"""

import json
import threading
from dataclasses import asdict
from pathlib import Path
from typing import Literal

import typst

from creditsvc.report import code, fonts
from creditsvc.report.document import Report

_TEMPLATES = Path(__file__).parent
STANDARD: Literal["a-2a"] = "a-2a"
_MM = 72 / 25.4
_PAGE_HEIGHT_MM = 297
# Where report.typ leaves room for the seal, on the first page: left, top, right, bottom, from the top left.
_SEAL_MM = (152, 65, 190, 103)


def seal_box() -> tuple[int, int, int, int]:
    """Say where the seal goes, in points from the lower left: left, bottom, right, top."""
    left, top, right, bottom = _SEAL_MM
    places = (left, _PAGE_HEIGHT_MM - bottom, right, _PAGE_HEIGHT_MM - top)
    return tuple(round(place * _MM) for place in places)  # type: ignore[return-value]


class Typesetter:
    """Sets one report after the other; the fonts are read once. Any thread may ask."""

    def __init__(self, fonts_dir: str = "") -> None:
        """Find the fonts; raises ``NotInstalled``."""
        found = fonts.find(fonts_dir)
        self._report = typst.Compiler(_TEMPLATES / "report.typ", font_paths=found, ignore_system_fonts=True)
        self._seal = typst.Compiler(_TEMPLATES / "seal.typ", font_paths=found, ignore_system_fonts=True)
        self._turn = threading.Lock()  # a compiler does one thing at a time

    def report(self, report: Report) -> bytes:
        """Set a report, not sealed yet."""
        data = asdict(report) | {
            "at": None,
            "code": None if report.link is None else code.svg(report.link),
        }
        return self._set(self._report, data, int(report.at.timestamp()))

    def seal(self, subject: str, words: tuple[str, ...]) -> bytes:
        """Draw a seal: whose it is around, what it is inside, in three lines at most."""
        return self._set(self._seal, {"subject": subject, "words": words}, 0)

    def _set(self, compiler: typst.Compiler, data: object, timestamp: int) -> bytes:
        with self._turn:
            made = compiler.compile(
                format="pdf",
                sys_inputs={"data": json.dumps(data, ensure_ascii=False)},
                pdf_standards=[STANDARD],
                timestamp=timestamp,
            )
        if not isinstance(made, bytes):
            raise TypeError("one document was asked for")
        return made
