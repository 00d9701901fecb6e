"""What a report says in each language: texts as data, and how that language writes days and figures."""

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from fractions import Fraction
from importlib import resources
from typing import Literal, get_args
from zoneinfo import ZoneInfo

from creditsvc.domain.titles import Title
from scoring.exact import rounded

Language = Literal["zh", "en"]
LANGUAGES: tuple[Language, ...] = get_args(Language)

_MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July"),
    *("August", "September", "October", "November", "December"),
)
MINUS, ABOUT = "−", "≈"
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Words:
    """One language."""

    language: Language
    texts: Mapping[str, str]

    def say(self, name: str, /, **given: object) -> str:
        """Give a text with its blanks filled; what is filled in is never read as a text with blanks."""
        return self.texts[name].format_map(given) if given else self.texts[name]

    def known(self, name: str, otherwise: str) -> str:
        """Give a text that need not be there: a code of a model that nobody has put into words."""
        return self.texts.get(name, otherwise)

    def title(self, title: Title | Mapping[str, str]) -> str:
        """Give what the catalogue or a model calls a thing."""
        return title[self.language] if isinstance(title, Mapping) else getattr(title, self.language)

    def listed(self, names: list[str]) -> str:
        return ("、" if self.language == "zh" else ", ").join(names)

    def day(self, day: date) -> str:
        if self.language == "zh":
            return f"{day.year}年{day.month}月{day.day}日"
        return f"{day.day} {_MONTHS[day.month - 1]} {day.year}"

    def instant(self, instant: datetime, zone: ZoneInfo) -> str:
        """Write an instant as the clocks of a place show it, with their distance from UTC."""
        local = instant.astimezone(zone)
        distance = local.strftime("%z")
        between = " " if self.language == "zh" else ", "
        return f"{self.day(local)}{between}{local:%H:%M:%S} (UTC{distance[:3]}:{distance[3:5]})"

    def beginning(self, instant: datetime, zone: ZoneInfo) -> str:
        """Write the instant at which something begins: the day, where it begins with the day."""
        local = instant.astimezone(zone)
        return self.day(local) if local.time() == local.time().min else self.instant(instant, zone)

    def ending(self, instant: datetime, zone: ZoneInfo) -> str:
        """Write the instant at which something is over: its last day, where it ends with the day."""
        local = instant.astimezone(zone)
        if local.time() != local.time().min:
            return self.instant(instant, zone)
        return self.day((instant - _MICROSECOND).astimezone(zone))

    def money(self, value: str, currency: str) -> str:
        """Write an amount with its thousands set apart, every decimal as it was given."""
        whole, point, rest = value.partition(".")
        figure = f"{int(whole):,}{point}{rest}" if whole.lstrip("-").isdigit() else value
        if self.language == "zh" and currency == "CNY":
            return f"人民币 {figure} 元"
        return f"{figure} {currency}" if self.language == "zh" else f"{currency} {figure}"


@functools.cache
def words(language: Language) -> Words:
    """Give a language; ``KeyError`` for one that reports are not written in."""
    if language not in LANGUAGES:
        raise KeyError(language)
    file = resources.files("creditsvc.report") / "texts" / f"{language}.json"
    return Words(language, json.loads(file.read_text(encoding="utf-8")))


def figure(exact: str, *, signed: bool = False) -> str:
    """Write an exact number (``-40``, ``100/3``) as people read it: two decimals at most, and it says so."""
    number = Fraction(exact)
    short = Fraction(rounded(number, 2, "half-even"))
    text = f"{float(abs(short)):.2f}".rstrip("0").rstrip(".")
    sign = MINUS if short < 0 else "+" if signed and short > 0 else ""
    return f"{'' if short == number else ABOUT}{sign}{text}"
