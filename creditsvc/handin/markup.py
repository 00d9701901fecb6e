"""The XML parts of an .xlsx (ISO/IEC 29500), read as a stream by small readers that take only what they need.

A library for whole workbooks would take a hostile one's styles, links and pictures too; none of that is
touched here. A document type declaration, which no spreadsheet writes and every trick with entities needs, is
refused by the parser where it begins. Parts are taken as UTF-8, as all programs write them.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, Protocol
from xml.parsers import expat  # no entity is ever expanded: see `_refuse_declaration`

from creditsvc.handin import bounds
from creditsvc.handin.bounds import unreadable

Attributes = Mapping[str, str]
_ESCAPED: Final = re.compile("_x([0-9A-Fa-f]{4})_")


class Part(Protocol):
    """Takes the events of one part; names come without their namespaces."""

    def start(self, name: str, attributes: Attributes) -> None: ...

    def end(self, name: str) -> None: ...

    def text(self, data: str) -> None: ...


class Allowance:
    """How much XML may still be read of one file."""

    def __init__(self) -> None:
        self.elements = bounds.ELEMENTS_MAX
        self.size_bytes = bounds.INFLATED_MAX_BYTES

    def spend(self, size_bytes: int) -> None:
        self.size_bytes -= size_bytes
        if self.size_bytes < 0:
            raise unreadable("inflated", limit=bounds.INFLATED_MAX_BYTES // 2**20)

    def element(self) -> None:
        self.elements -= 1
        if self.elements < 0:
            raise unreadable("cells", limit=bounds.ELEMENTS_MAX)


def feed(chunks: Iterable[bytes], part: Part, allowance: Allowance) -> Iterator[None]:
    """Read a part, with a pause after each chunk in which what it held can be taken."""
    parser = expat.ParserCreate("UTF-8", " ")
    parser.buffer_text = True

    def start(name: str, attributes: dict[str, str]) -> None:
        allowance.element()
        part.start(_local(name), {_local(key): value for key, value in attributes.items()})

    def end(name: str) -> None:
        part.end(_local(name))

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = part.text
    parser.StartDoctypeDeclHandler = _refuse_declaration
    fed_bytes = 0
    try:
        for chunk in chunks:
            parser.Parse(chunk, False)
            fed_bytes += len(chunk)
            if fed_bytes - parser.CurrentByteIndex > bounds.TOKEN_MAX_BYTES:  # of cells it is a few bytes
                raise unreadable("broken")
            yield
        parser.Parse(b"", True)
    except expat.ExpatError:
        raise unreadable("broken") from None
    yield


def _local(name: str) -> str:
    return name.rpartition(" ")[2]


def _refuse_declaration(*_: object) -> None:
    raise unreadable("declaration")


def unescaped(text: str) -> str:
    """Undo how OOXML writes characters that XML cannot hold: ``_x000D_`` is a carriage return."""
    return _ESCAPED.sub(_character, text) if "_x" in text else text


def _character(escaped: re.Match[str]) -> str:
    code = int(escaped[1], 16)
    return "\N{REPLACEMENT CHARACTER}" if 0xD800 <= code <= 0xDFFF else chr(code)


class Relations:
    """A part of relationships: what it leads to, by id and by the last word of the type."""

    def __init__(self) -> None:
        self.by_id: dict[str, str] = {}
        self.by_type: dict[str, str] = {}

    def start(self, name: str, attributes: Attributes) -> None:
        if name == "Relationship" and attributes.get("TargetMode") != "External":
            target = attributes.get("Target", "")
            self.by_id[attributes.get("Id", "")] = target
            self.by_type.setdefault(attributes.get("Type", "").rpartition("/")[2], target)

    def end(self, name: str) -> None:
        pass

    def text(self, data: str) -> None:
        pass


class Workbook:
    """The workbook: its visible sheets, each with its relationship, and from when it counts days."""

    def __init__(self) -> None:
        self.sheets: list[tuple[str, str]] = []
        self.from_1904 = False

    def start(self, name: str, attributes: Attributes) -> None:
        if name == "workbookPr":
            self.from_1904 = attributes.get("date1904") in {"1", "true"}
        elif name == "sheet" and attributes.get("state", "visible") == "visible":
            self.sheets.append((attributes.get("name", ""), attributes.get("id", "")))

    def end(self, name: str) -> None:
        pass

    def text(self, data: str) -> None:
        pass


class Strings:
    """The shared strings, without how they are pronounced."""

    def __init__(self) -> None:
        self.strings: list[str] = []
        self._pieces: list[str] = []
        self._taken = self._spoken = False

    def start(self, name: str, attributes: Attributes) -> None:  # noqa: ARG002
        if name == "si":
            self._pieces = []
        elif name == "rPh":
            self._spoken = True
        elif name == "t":
            self._taken = not self._spoken

    def end(self, name: str) -> None:
        if name == "si":
            self.strings.append(unescaped("".join(self._pieces)))
        elif name == "rPh":
            self._spoken = False
        elif name == "t":
            self._taken = False

    def text(self, data: str) -> None:
        if self._taken:
            self._pieces.append(data)


# Of the formats that every spreadsheet has without naming them: dates, with those of Chinese and Japanese.
_DATES: Final = frozenset({*range(14, 18), 22, *range(27, 37), *range(50, 59)})
_UNSPOKEN: Final = re.compile(r'"[^"]*"|\\.|_.|\*.|\[[^\]]*\]')


class Styles:
    """The styles: which of them show a number as a date."""

    def __init__(self) -> None:
        self.dates: list[bool] = []
        self._formats: dict[str, bool] = {}
        self._in_cells = False

    def start(self, name: str, attributes: Attributes) -> None:
        if name == "numFmt":
            self._formats[attributes.get("numFmtId", "")] = _shows_date(attributes.get("formatCode", ""))
        elif name == "cellXfs":
            self._in_cells = True
        elif name == "xf" and self._in_cells:
            number = attributes.get("numFmtId", "0")
            known = number.isdecimal() and len(number) <= 4 and int(number) in _DATES
            self.dates.append(self._formats.get(number, known))

    def end(self, name: str) -> None:
        if name == "cellXfs":
            self._in_cells = False

    def text(self, data: str) -> None:
        pass


def _shows_date(code: str) -> bool:
    spoken = _UNSPOKEN.sub("", code[:255].lower())
    return "y" in spoken or "d" in spoken or ("m" in spoken and not {"h", "s"} & set(spoken))
