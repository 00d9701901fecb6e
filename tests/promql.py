"""Reads PromQL as far as dashboards and alerts here use it, and refuses what it does not know.

For tests: they need the names and labels in an expression, and that it is one.
"""

import re
from dataclasses import dataclass, field

_TOKEN = re.compile(
    r"""\s*(?:
    (?P<string>"(?:[^"\\]|\\.)*")
  | (?P<duration>\[\s*(?:[0-9]+(?:ms|[smhdwy])|\$__rate_interval)(?:\s*:\s*[0-9]+[smhd])?\s*\])
  | (?P<span>[0-9]+(?:ms|[smhdwy])\b)
  | (?P<number>[0-9]+(?:\.[0-9]+)?)
  | (?P<name>[A-Za-z_:][A-Za-z0-9_:]*)
  | (?P<sign>=~|!~|!=|==|<=|>=|[-+*/%^(){},=<>])
    )""",
    re.VERBOSE,
)
_AGGREGATIONS = frozenset({"sum", "min", "max", "avg", "count", "topk", "bottomk", "stddev", "quantile"})
# How many arguments each function takes, and whether the first is a range.
_FUNCTIONS = {
    "rate": (1, True),
    "increase": (1, True),
    "min_over_time": (1, True),
    "max_over_time": (1, True),
    "absent": (1, False),
    "histogram_quantile": (2, False),
    "time": (0, False),
}
# Binary operators from the loosest to the tightest.
_LEVELS = (
    ("or",),
    ("and", "unless"),
    ("==", "!=", "<=", ">=", "<", ">"),
    ("+", "-"),
    ("*", "/", "%"),
    ("^",),
)


class NotPromQL(ValueError):  # noqa: N818  it says what the text is
    """It does not read as PromQL; the text says where."""


@dataclass(frozen=True)
class Selector:
    """A metric with its matchers, as (label, operator, value)."""

    name: str
    matchers: tuple[tuple[str, str, str], ...] = ()


@dataclass
class Read:
    """What an expression names: metrics, and labels that series are grouped by and matched on."""

    selectors: list[Selector] = field(default_factory=list)
    grouped: dict[str, set[str]] = field(default_factory=dict)  # by metric, the labels of its aggregations


def read(text: str) -> Read:
    """Read a whole expression; ``NotPromQL`` if it is none."""
    reader = _Reader(text)
    kind = reader.expression()
    if reader.kind != "end":
        raise NotPromQL(f"{reader.value!r} is too much in {text!r}")
    if kind == "range":
        raise NotPromQL(f"{text!r} is a range, which nothing can draw")
    return reader.found


class _Reader:
    def __init__(self, text: str) -> None:
        self.found = Read()
        self._tokens = [*_tokens(text)]
        self._place = 0

    @property
    def kind(self) -> str:
        return self._tokens[self._place][0]

    @property
    def value(self) -> str:
        return self._tokens[self._place][1]

    def _take(self, *values: str) -> str | None:
        if self.kind in {"sign", "name"} and self.value in values:
            self._place += 1
            return self._tokens[self._place - 1][1]
        return None

    def _need(self, value: str) -> None:
        if self._take(value) is None:
            raise NotPromQL(f"{value!r} is missing before {self.value!r}")

    def _any(self, kind: str) -> str:
        if self.kind != kind:
            raise NotPromQL(f"a {kind} is missing before {self.value!r}")
        self._place += 1
        return self._tokens[self._place - 1][1]

    def expression(self, level: int = 0) -> str:
        """Read operators of a level and tighter; gives what comes out: scalar, vector or range."""
        if level == len(_LEVELS):
            return self._unary()
        left = self.expression(level + 1)
        while self._take(*_LEVELS[level]):
            self._take("bool")
            if self._take("on", "ignoring"):
                self._labels()
            right = self.expression(level + 1)
            if "range" in {left, right}:
                raise NotPromQL("operators take no range")
            if level < 2 and "scalar" in {left, right}:
                raise NotPromQL("sets are of vectors")
            left = "vector" if "vector" in {left, right} else "scalar"
        return left

    def _unary(self) -> str:
        if self._take("-"):
            return self._unary()
        kind = self._primary()
        if self.kind == "duration":
            if kind != "vector":
                raise NotPromQL("only a vector has a range")
            self._place += 1
            kind = "range"
        if self._take("offset"):
            self._any("span")
        return kind

    def _primary(self) -> str:
        if self.kind == "number":
            self._place += 1
            return "scalar"
        if self._take("("):
            kind = self.expression()
            self._need(")")
            return kind
        name = self._any("name")
        if name in _AGGREGATIONS:
            return self._aggregation()
        if name in _FUNCTIONS:
            return self._function(name)
        self.found.selectors.append(Selector(name, self._matchers() if self._take("{") else ()))
        return "vector"

    def _aggregation(self) -> str:
        labels = self._labels() if self._take("by", "without") else None
        first = len(self.found.selectors)
        self._need("(")
        if self.expression() != "vector":
            raise NotPromQL("aggregations are of vectors")
        self._need(")")
        if labels is None and self._take("by", "without"):
            labels = self._labels()
        for selector in self.found.selectors[first:]:
            self.found.grouped.setdefault(selector.name, set()).update(labels or ())
        return "vector"

    def _function(self, name: str) -> str:
        number, ranged = _FUNCTIONS[name]
        kinds: list[str] = []
        self._need("(")
        while not self._take(")"):
            if kinds:
                self._need(",")
            kinds.append(self.expression())
        if len(kinds) != number or (ranged and kinds[0] != "range") or (not ranged and "range" in kinds):
            raise NotPromQL(f"{name} takes other arguments than {kinds}")
        return "scalar" if name == "time" else "vector"

    def _labels(self) -> list[str]:
        self._need("(")
        labels: list[str] = []
        while not self._take(")"):
            if labels:
                self._need(",")
            labels.append(self._any("name"))
        return labels

    def _matchers(self) -> tuple[tuple[str, str, str], ...]:
        found: list[tuple[str, str, str]] = []
        while not self._take("}"):
            if found:
                self._need(",")
            label = self._any("name")
            operator = self._take("=", "!=", "=~", "!~")
            if operator is None:
                raise NotPromQL(f"an operator is missing behind {label!r}")
            found.append((label, operator, self._any("string")[1:-1]))
        return tuple(found)


def _tokens(text: str) -> list[tuple[str, str]]:
    found, place, text = [], 0, text.strip()
    while place < len(text):
        match = _TOKEN.match(text, place)
        if match is None:
            raise NotPromQL(f"{text[place:]!r} cannot be read")
        found.append((str(match.lastgroup), match[str(match.lastgroup)]))
        place = match.end()
    return [*found, ("end", "the end")]
