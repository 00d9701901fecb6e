"""What is said of sheets, in each language: a JSON file of texts under keys, the same keys in each."""

import json
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Literal, get_args

Language = Literal["zh", "en"]
LANGUAGES: tuple[Language, ...] = get_args(Language)
Figure = str | int


@cache
def texts(language: Language) -> Mapping[str, str]:
    """Give every text of a language by its key."""
    content = resources.files(__package__).joinpath(f"{language}.json").read_text(encoding="utf-8")
    loaded: Mapping[str, str] = json.loads(content)
    return loaded


def say(language: Language, key: str, figures: Mapping[str, Figure] | None = None) -> str:
    """Say what stands under a key, with figures put in their places; ``KeyError`` for no such key."""
    return texts(language)[key].format_map(dict(figures or {}))
