"""Cells that a spreadsheet would take for a formula (OWASP, "CSV Injection"), marked to be only read."""

from typing import Final

_BEGINNINGS: Final = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")


def neutral(text: str) -> str:
    """Put an apostrophe before a text that begins as a formula does, full-width signs included."""
    return f"'{text}" if text.startswith(_BEGINNINGS) else text
