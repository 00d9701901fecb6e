"""The columns of a "double publicity" (双公示) sheet: which are taken, and how their headers are written.

``columns.json`` is the data. A header is known whatever its brackets, spaces, marks and width of letters.
"""

import difflib
import json
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import resources
from typing import Any, Literal, get_args

from creditsvc.domain.titles import Title
from creditsvc.handin.texts import Language

KindName = Literal["penalty", "licence"]
KIND_NAMES: tuple[KindName, ...] = get_args(KindName)

_BRACKETS = re.compile(r"\([^()]*\)|\[[^\[\]]*\]|【[^【】]*】|〔[^〔〕]*〕|<[^<>]*>")
_HEADER_MAX_CHARS = 80  # longer is a sentence, not a header
_LIKENESS = 0.6  # of two headers, for one to be taken for the other misspelt


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its key here, what its cells hold (``cells.py``), and what people are told of it."""

    key: str
    title: Title
    holds: str
    also: tuple[str, ...]
    note: Title
    choices: Mapping[str, tuple[str, ...]]  # by language, where only some words are taken

    def label(self, language: Language) -> str:
        return titled(self.title, language)


@dataclass(frozen=True)  # without slots, for what is worked out once
class Kind:
    """A kind of sheet. ``spans`` are pairs of columns of which the second cannot lie before the first."""

    name: KindName
    title: Title
    columns: Mapping[str, Column]
    required: frozenset[str]
    spans: tuple[tuple[str, str], ...]
    example: Mapping[str, str]

    @cached_property
    def by_header(self) -> Mapping[str, str]:
        """The keys of the columns by every spelling of their headers, reduced."""
        return {
            spelling: key
            for key, column in self.columns.items()
            for header in (column.title.zh, column.title.en, *column.also)
            for spelling in {reduced(header), _letters(header)}
        }

    def key_of(self, header: str) -> str | None:
        """Tell which column a header names; None where it names none that is taken."""
        if len(header) > _HEADER_MAX_CHARS:
            return None
        return self.by_header.get(reduced(header)) or self.by_header.get(_letters(header))

    def meant(self, key: str, headers: Iterable[str]) -> str | None:
        """Find the header that was probably meant for a column: misspelt, or a part of its name."""
        known = {reduced(header): header for header in headers if len(header) <= _HEADER_MAX_CHARS}
        column = self.columns[key]
        best: tuple[float, str] = (_LIKENESS, "")
        for written in (column.title.zh, column.title.en, *column.also):
            wanted = reduced(written)
            for name in difflib.get_close_matches(wanted, known, n=1, cutoff=_LIKENESS):
                best = max(best, (difflib.SequenceMatcher(None, wanted, name).ratio(), known[name]))
        return best[1] or None


def titled(title: Title, language: Language) -> str:
    return title.zh if language == "zh" else title.en


@cache
def _data() -> Mapping[str, Any]:
    text = resources.files(__package__).joinpath("columns.json").read_text(encoding="utf-8")
    loaded: Mapping[str, Any] = json.loads(text)
    return loaded


@cache
def kind(name: KindName) -> Kind:
    """Give a kind of sheet; ``KeyError`` for no such kind."""
    entry = _data()["kinds"][name]
    return Kind(
        name=name,
        title=Title(**entry["title"]),
        columns={key: column(key) for key in entry["order"]},
        required=frozenset(entry["required"]),
        spans=tuple((first, last) for first, last in entry["spans"]),
        example=entry["example"],
    )


def personal_word(header: str) -> str | None:
    """Give the word by which a column is known to be about people; its cells are dropped unread."""
    plain = reduced(header)
    words: list[str] = _data()["personal"]
    return next((word for word in words if word in plain), None)


def is_unrecorded(header: str) -> bool:
    """Tell whether a column is known and of no use here, so that nobody needs to be told."""
    return reduced(header) in _unrecorded()


@cache
def _unrecorded() -> frozenset[str]:
    return frozenset(map(reduced, _data()["unrecorded"]))


def in_yuan(header: str) -> bool:
    """Tell whether a header says that its amounts are in yuan; in 万元, ten thousands, unless it does."""
    plain = unicodedata.normalize("NFKC", header).casefold()
    return ("元" in plain or "yuan" in plain) and "万" not in plain and "10" not in plain


def reduced(header: str) -> str:
    """Reduce a header to what tells it apart: without brackets and what is in them, marks and spaces."""
    plain = unicodedata.normalize("NFKC", header[: 2 * _HEADER_MAX_CHARS]).casefold()
    bare = "".join(filter(str.isalnum, _BRACKETS.sub("", plain)))
    return bare or _letters(header)


def _letters(header: str) -> str:
    plain = unicodedata.normalize("NFKC", header[: 2 * _HEADER_MAX_CHARS]).casefold()
    return "".join(filter(str.isalnum, plain))


@cache
def column(key: str) -> Column:
    entry = _data()["columns"][key]
    return Column(
        key=key,
        title=Title(zh=entry["zh"], en=entry["en"]),
        holds=entry["holds"],
        also=tuple(entry["also"]),
        note=Title(**entry["note"]),
        choices={language: tuple(words) for language, words in entry.get("choices", {}).items()},
    )
