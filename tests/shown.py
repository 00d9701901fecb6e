"""Answers as a page of the documents shows them, shortened, and whether what comes is such an answer.

`…` stands for what was left out: a value, a part of a text, the other members of an object or a list, lines.
An instant stands for one of another day, though everywhere for the same; a day for some day.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

LEFT_OUT = "…"
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
BLOCK = re.compile(r"^```(?P<kind>sh|json|text)\n(?P<content>.*?)^```$", re.MULTILINE | re.DOTALL)
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|…(?P<object>\s*\})?')
_IN_TEXT = re.compile(
    rf"(?P<instant>{INSTANT.pattern})|(?P<day>\d{{4}}-\d\d-\d\d)|(?P<hour>\b\d\d:\d\d\b)"
    r"|(?P<left_out>[ \t]*…[ \t]*)|(?P<blank>[ \t]+)"
)
_AS_PATTERN = {
    "instant": f"({INSTANT.pattern})",
    "day": r"\d{4}-\d\d-\d\d",
    "hour": r"\d\d:\d\d",
    "left_out": ".*",
    "blank": r"[ \t]+",
}


@dataclass
class Step:
    """Commands of a page, and the answers that it shows behind them: (json or text, as shown)."""

    commands: str
    answers: list[tuple[str, str]] = field(default_factory=list)


def steps(page: str) -> list[Step]:
    """List the steps of a page in their order."""
    found: list[Step] = []
    for block in BLOCK.finditer(page):
        if block["kind"] == "sh":
            found.append(Step(block["content"]))
        else:
            found[-1].answers.append((block["kind"], block["content"]))
    return found


def documents(written: str) -> list[Any]:
    """Read the JSON documents of a block, in which a bare `…` may stand for members."""
    text = _TOKEN.sub(_whole, written).strip()
    found, decoder = [], json.JSONDecoder()
    while text:
        document, end = decoder.raw_decode(text)
        found.append(document)
        text = text[end:].lstrip()
    return found


def _whole(token: re.Match[str]) -> str:
    if token[0][0] == '"':
        return token[0]
    return '"…": null}' if token["object"] else '"…"'


class Comparison:
    """Compares all answers of a page: an instant that it shows twice has to come twice."""

    def __init__(self) -> None:
        self._instants: dict[str, str] = {}

    def faults(self, step: Step, told: str) -> list[str]:
        """Tell where what a step said is not what the page shows."""
        if not step.answers:
            return [f"nothing is shown of {told!r}"] if told else []
        ((kind, shown),) = step.answers
        if kind == "text":
            return [*self._text(shown.strip(), told.strip(), "text")]
        expected, came = documents(shown), [json.loads(line) for line in told.splitlines()]
        if len(expected) != len(came):
            return [f"{len(expected)} answers are shown, {len(came)} came: {told}"]
        return [
            fault
            for place, pair in enumerate(zip(expected, came, strict=True))
            for fault in self._value(*pair, f"answer {place + 1}")
        ]

    def _value(self, shown: Any, told: Any, at: str) -> Iterator[str]:
        match shown, told:
            case dict(), dict():
                yield from self._members(shown, told, at)
            case list(), list():
                yield from self._items(shown, told, at)
            case str(), _ if shown == LEFT_OUT:
                return
            case str(), str():
                yield from self._text(shown, told, at)
            case _ if type(shown) is not type(told) or shown != told:
                yield f"{at}: {shown!r} is shown, {told!r} came"

    def _members(self, shown: dict[str, Any], told: dict[str, Any], at: str) -> Iterator[str]:
        names = shown.keys() - {LEFT_OUT}
        yield from (f"{at}/{name}: is shown and did not come" for name in names - told.keys())
        if LEFT_OUT not in shown:
            yield from (f"{at}/{name}: came and is not shown" for name in told.keys() - names)
        for name in sorted(names & told.keys()):
            yield from self._value(shown[name], told[name], f"{at}/{name}")

    def _items(self, shown: list[Any], told: list[Any], at: str) -> Iterator[str]:
        whole = [item for item in shown if item != LEFT_OUT]
        if len(whole) > len(told) or (len(whole) == len(shown) < len(told)):
            yield f"{at}: {len(shown)} are shown, {len(told)} came: {told}"
            return
        for place, (one, other) in enumerate(zip(whole, told, strict=False)):
            yield from self._value(one, other, f"{at}/{place}")

    def _text(self, shown: str, told: str, at: str) -> Iterator[str]:
        pattern = "\n".join(map(_pattern, shown.split("\n"))).replace(f"{_LINES}\n", _LINES)
        found = re.fullmatch(pattern, told)
        if found is None:
            yield f"{at}: {shown!r} is shown, {told!r} came"
            return
        for instant, came in zip(INSTANT.findall(shown), found.groups(), strict=True):
            if self._instants.setdefault(instant, came) != came:
                yield f"{at}: {instant} was {self._instants[instant]} before and is {came} now"


_LINES = r"(?:.*\n)*?"


def _pattern(line: str) -> str:
    if line == LEFT_OUT:
        return _LINES
    parts, end = [], 0
    for found in _IN_TEXT.finditer(line):
        parts += [re.escape(line[end : found.start()]), _AS_PATTERN[str(found.lastgroup)]]
        end = found.end()
    return "".join([*parts, re.escape(line[end:])])
