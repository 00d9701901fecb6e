"""What is said of a record, put into words by the kind of its field: in reports and on pages. Pure."""

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

from creditsvc.domain.catalogue import Field
from creditsvc.report.words import Words

SITE = ("name", "postcode", "locality", "id")  # as an address is written, and not as JSON is ordered


def written(said: Words, known: Field, value: Any) -> str:
    """Write a value by its kind; what has no way of its own is text already."""
    way = _WAYS.get(known.kind)
    return str(value) if way is None else way(said, known, value)


def organisation(value: Mapping[str, str]) -> str:
    identifier = value.get("id")
    return f"{value['name']} ({identifier})" if identifier else value["name"]


def _violation(said: Words, value: Mapping[str, Any]) -> str:
    told = [said.say("severity", severity=value["severity"])]
    if value.get("out_of_service"):
        told.append(said.say("out_of_service"))
    return f"{value['code']} ({said.listed(told)})"


_WAYS: Mapping[str, Callable[[Words, Field, Any], str]] = {
    "date": lambda said, _, value: said.day(date.fromisoformat(value)),
    "money": lambda said, _, value: said.money(value["value"], value["currency"]),
    "code": lambda said, known, value: said.title(known.values[value]),
    "organisation": lambda _, __, value: organisation(value),
    "site": lambda said, _, value: said.listed([value[part] for part in SITE if part in value]),
    "identifiers": lambda said, _, value: said.listed(value),
    "violations": lambda said, _, value: said.listed([_violation(said, one) for one in value]),
    "documents": lambda said, _, value: said.listed([one["reference"] for one in value]),
}
