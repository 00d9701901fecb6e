"""What is said of a record, put into words by the kind of its field: in reports and on pages. Pure."""

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

from creditsvc.domain.catalogue import Field
from creditsvc.report.words import Words

SITE = ("name", "postcode", "locality", "id")  # as an address is written, and not as JSON is ordered


def written(said: Words, known: Field, value: Any) -> str:
    """Write a value by its kind; what has no way of its own is text already."""
    by_kind: dict[str, Callable[[], str]] = {
        "date": lambda: said.day(date.fromisoformat(value)),
        "money": lambda: said.money(value["value"], value["currency"]),
        "code": lambda: said.title(known.values[value]),
        "organisation": lambda: organisation(value),
        "site": lambda: said.listed([value[part] for part in SITE if part in value]),
        "identifiers": lambda: said.listed(value),
        "violations": lambda: said.listed([_violation(said, one) for one in value]),
        "documents": lambda: said.listed([one["reference"] for one in value]),
    }
    return by_kind.get(known.kind, lambda: str(value))()


def organisation(value: Mapping[str, str]) -> str:
    identifier = value.get("id")
    return f"{value['name']} ({identifier})" if identifier else value["name"]


def _violation(said: Words, value: Mapping[str, Any]) -> str:
    told = [said.say("severity", severity=value["severity"])]
    if value.get("out_of_service"):
        told.append(said.say("out_of_service"))
    return f"{value['code']} ({said.listed(told)})"
