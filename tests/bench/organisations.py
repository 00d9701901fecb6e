"""Organisations that never were: identifiers that are valid, names to search, histories to fold.

By number, the same in every run. Half are companies of the United Kingdom, whose numbers any program can
count up (so ``pgbench`` can ask for them), half are Chinese ones.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from creditsvc.domain.identifiers import uscc
from tests.making import CATALOGUE

SOURCE = "urn:agency:bench"
Scheme = Literal["gb-coh", "uscc"]
SCHEMES: tuple[Scheme, ...] = ("gb-coh", "uscc")
FIRST = 40_000_000  # of the companies' numbers; what they look like is in no example of an event
KINDS = (
    "licence.granted",
    "penalty.imposed",
    "inspection.completed",
    "honour.granted",
    "contract.performed",
    "rating.issued",
    "commitment.made",
    "abnormal.listed",
)
LONGEST = 40  # events of an ordinary history

_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXY"
_CONSONANTS, _VOWELS = "bcdfghjklmnprstvz", "aeiou"
_SYLLABLES = [c + v for c in _CONSONANTS for v in _VOWELS]
_TRADES = tuple(
    """
    Foods Haulage Logistics Joinery Catering Textiles Bakery Plastics Engineering Motors Dairy Optics Timber
    Chemicals Printing Roofing Shipping Brewery Ceramics Tools Packaging Pharma Seafood Metals Energy
    """.split()  # noqa: SIM905  words are read as words
)
_CHARACTERS = "恒鑫盛泰丰瑞宏达华信诚茂源和顺兴隆永昌嘉禾润泽海川云峰明辉安康德惠佳美乐福春晓新远景天成金玉"
_PAIRS = (  # of places, then of trades
    "天津北京上海重庆福州厦门泉州杭州宁波苏州南京无锡广州深圳东莞佛山成都武汉长沙西安",
    "食品贸易物流建材餐饮纺织机械化工电子医药农业印刷家具服装包装科技能源汽车",
)
_PLACES, _TRADES_CN = (tuple(text[at : at + 2] for at in range(0, len(text), 2)) for text in _PAIRS)


@dataclass(frozen=True, slots=True)
class Organisation:
    """One of them; ``value`` is the identifier behind its scheme."""

    scheme: Scheme
    value: str
    name: str

    @property
    def entity(self) -> str:
        return f"{self.scheme}:{self.value}"


def organisation(scheme: Scheme, number: int) -> Organisation:
    """Give the one with a number, below ten million."""
    mixed = number * 2_654_435_761 % 2**32  # neighbours in number are none in name
    if scheme == "gb-coh":
        return Organisation(scheme, str(FIRST + number), _latin(mixed))
    return Organisation(scheme, code(number), _chinese(mixed))


def code(number: int) -> str:
    """Write a unified social credit code with its two check characters."""
    start = f"91310000M{_LETTERS[number // 10**6]}{number % 10**6:06d}"
    start += uscc._organisation_check(start + "00")
    return start + uscc._code_check(start + "0")


def _latin(mixed: int) -> str:
    many = len(_SYLLABLES)
    coined = "".join(_SYLLABLES[mixed // many**place % many] for place in range(3))
    return f"{coined.capitalize()} {_TRADES[mixed // many**3 % len(_TRADES)]} Limited"


def _chinese(mixed: int) -> str:
    many = len(_CHARACTERS)
    coined = "".join(_CHARACTERS[mixed // many**place % many] for place in range(3))
    place = _PLACES[mixed // many**3 % len(_PLACES)]
    return f"{place}{coined}{_TRADES_CN[mixed % len(_TRADES_CN)]}有限公司"


def lengths(count: int, mean: float) -> list[int]:
    """Give the lengths of histories: most are short, few are long; in sum what the mean asks for."""
    chance = random.Random(2026)
    found = [min(LONGEST, 1 + int(chance.expovariate(1 / max(mean - 0.5, 0.1)))) for _ in range(count)]
    while sum(found) != round(mean * count):
        place = chance.randrange(count)
        found[place] = max(1, found[place] + (1 if sum(found) < mean * count else -1))
    return found


def history(of: Organisation, events: int, *, now: datetime | None = None) -> Iterator[dict[str, Any]]:
    """Give its events as agencies would send them: all kinds in turn, about as long as real ones.

    Every identity, of the events and of the records, holds the organisation's own identifier.
    """
    chance = random.Random(of.value)
    today = now or datetime.now(UTC)
    for number in range(events):
        kind = CATALOGUE.types["credit." + KINDS[(number + chance.randrange(2)) % len(KINDS)]]
        day = today - timedelta(days=chance.randrange(20, 300))
        data = dict(kind.example) | {"record": f"{of.value}/{number}", "entity_name": of.name}
        if "decided_on" in data:
            data["decided_on"] = day.date().isoformat()
        yield {
            "specversion": "1.0",
            "id": f"{of.value}/{number}",
            "source": SOURCE,
            "type": kind.name,
            "subject": of.entity,
            "time": day.replace(microsecond=0).isoformat(),
            "datacontenttype": "application/json",
            "data": data,
        }
