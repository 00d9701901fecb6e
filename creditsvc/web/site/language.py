"""In which language a page speaks: the one asked for, else the one kept, else the browser's."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Literal, get_args

from aiohttp import web

from creditsvc.domain.identifiers import Scheme
from creditsvc.domain.titles import Title

Language = Literal["zh", "en"]
LANGUAGES: tuple[Language, ...] = get_args(Language)
COOKIE = "language"
KEPT_S = 365 * 86_400


class Count(int):
    """A number that texts may name a thing by: ``{days:day|days}`` says "1 day" and "2 days"."""

    def __format__(self, shape: str) -> str:
        if "|" not in shape:
            return super().__format__(shape)
        one, many = shape.split("|")
        return f"{int(self)} {one if self == 1 else many}"


@dataclass(frozen=True, slots=True)
class Words:
    """All that a page says, in one language."""

    language: Language
    texts: Mapping[str, str]

    def __call__(self, key: str, **values: Any) -> str:
        """Say what stands under a key, with values put in their places; ``KeyError`` for no such key."""
        counted = {name: Count(value) if isinstance(value, int) else value for name, value in values.items()}
        return self.texts[key].format(**counted)

    def maybe(self, key: str, otherwise: str) -> str:
        """Say what stands under a key that data names, or else that."""
        return self.texts.get(key, otherwise)

    def title(self, title: Title | Mapping[str, str]) -> str:
        """Say what data calls a thing."""
        if isinstance(title, Title):
            return title.zh if self.language == "zh" else title.en
        return title[self.language]

    def scheme(self, scheme: Scheme) -> str:
        return scheme.title_zh if self.language == "zh" else scheme.title_en


@cache
def words(language: Language) -> Words:
    text = resources.files(__package__).joinpath("texts", f"{language}.json").read_text(encoding="utf-8")
    return Words(language, json.loads(text))


def language_of(request: web.Request) -> Language:
    """Choose the language of an answer: ``?language=``, the cookie, ``Accept-Language``, English."""
    for given in (request.query.get("language"), request.cookies.get(COOKIE)):
        if given in LANGUAGES:
            return given
    return preferred(request.headers.get("Accept-Language", ""))


def preferred(accepted: str) -> Language:
    """Find which of ours an Accept-Language header likes best (RFC 9110, section 12.5.4)."""
    best: tuple[float, Language] = (0.0, "en")
    for part in accepted.split(",")[:20]:
        tag, _, parameter = part.partition(";")
        language = tag.strip().lower().partition("-")[0]
        if language in LANGUAGES and (weight := _weight(parameter)) > best[0]:
            best = (weight, "zh" if language == "zh" else "en")
    return best[1]


def _weight(parameter: str) -> float:
    name, _, value = parameter.strip().partition("=")
    if name != "q":
        return 1.0
    try:
        return min(1.0, float(value))
    except ValueError:
        return 0.0
