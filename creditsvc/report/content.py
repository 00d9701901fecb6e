"""What stands in a report: the answers of the service on one organisation, put into words. Pure.

A report says nothing that the answers do not say, and everything in it is of one moment: the profile, the
records and the score have to be of one ``valid_from``.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal
from zoneinfo import ZoneInfo

from creditsvc.domain import instants
from creditsvc.domain.catalogue import Catalogue
from creditsvc.domain.identifiers import SCHEMES
from creditsvc.report.document import Check, Count, Entry, Fact, Report
from creditsvc.report.entries import Entries
from creditsvc.report.grades import grade
from creditsvc.report.words import Language, Words, words

MOST_RECORDS = 200  # a hundred pages or so; the rest is one address away


@dataclass(frozen=True, slots=True)
class Told:
    """What the service answered, of one ``valid_from``, each as its JSON.

    The profile; the items of its records in the order of `/records`, all or, of a long history, the last; its
    score taken apart by the official model, one page of contributions at least, or as its profile has it
    (``grades.of_profile``); that model's item in ``/v1/models``; what agencies are called, by source; and how
    many records there are, where ``records`` are not all.
    """

    profile: Mapping[str, Any]
    records: Sequence[Mapping[str, Any]]
    score: Mapping[str, Any]
    model: Mapping[str, Any]
    agencies: Mapping[str, str] = field(default_factory=dict)
    whole: bool = True
    count: int | None = None


@dataclass(frozen=True, slots=True)
class SealName:
    """Whose seal the PDF will carry, and whether it is only for trying things out."""

    subject: str
    test: bool


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked for: the instant and the language, where the service answers, and the report's number.

    ``number`` is None for a view of somebody's own. ``base_url`` has no slash at its end.
    """

    at: datetime
    language: Language
    base_url: str
    number: str | None
    seal: SealName | None = None


def compose(told: Told, asked: Asked, catalogue: Catalogue) -> Report:
    """Write a report; ``ValueError`` where the answers are not of one moment or of one organisation."""
    profile = told.profile
    for name in ("entity", "valid_from"):
        if told.score[name] != profile[name]:
            raise ValueError(f"the answers differ in {name}")
    said, zone = words(asked.language), instants.zone_of(profile["entity"])
    entries = Entries(said, catalogue, zone, told.agencies)
    latest = sorted(told.records[-MOST_RECORDS:], key=_decided, reverse=True)
    shown = tuple(entries.entry(record) for record in latest)
    return Report(
        language=asked.language,
        entity=profile["entity"],
        name=profile["name"] or said.say("name.missing"),
        at=asked.at,
        issuer="" if asked.seal is None else asked.seal.subject,
        number=asked.number,
        link=_link(asked),
        who=tuple(_who(profile, asked, said, zone)),
        grade=grade(told.score, told.model, said, zone, asked.base_url),
        counts=_counts(profile, said, catalogue),
        stands=tuple(_stands(profile, said, catalogue)),
        listings=tuple(_listings(profile, said, catalogue, zone)),
        records=shown,
        records_more=_more(shown, told, said, asked),
        meaning=tuple(_meaning(said, asked)),
        checks=tuple(_checks(profile, asked, said)),
        words=said.texts,
    )


def _decided(record: Mapping[str, Any]) -> tuple[str, str]:
    """Order records by the day they were decided on, or took effect."""
    return (record["data"].get("decided_on") or record["time"] or "", record["record"])


def _link(asked: Asked) -> str | None:
    return None if asked.number is None else f"{asked.base_url}/reports/{asked.number}"


def _who(profile: Mapping[str, Any], asked: Asked, said: Words, zone: ZoneInfo) -> Iterator[Fact]:
    scheme, _, value = profile["entity"].partition(":")
    known = SCHEMES[scheme]
    yield Fact(said.say("who.name"), profile["name"] or said.say("name.missing"))
    yield Fact(known.title_zh if said.language == "zh" else known.title_en, value, code=True)
    yield Fact(said.say("who.status"), said.say(f"who.status.{profile['status']}"))
    yield Fact(said.say("who.at"), said.instant(asked.at, zone))
    yield Fact(said.say("who.since"), said.instant(instants.parse(profile["valid_from"]), zone))
    until = profile["valid_until"]
    over = said.say("who.until.never") if until is None else said.beginning(instants.parse(until), zone)
    yield Fact(said.say("who.until"), over)
    if asked.number is not None:
        yield Fact(said.say("who.view"), said.say("who.view.public"))


def _counts(profile: Mapping[str, Any], said: Words, catalogue: Catalogue) -> tuple[Count, ...]:
    standing: Mapping[str, int] = profile["standing"]
    return tuple(
        Count(said.title(catalogue.classes[name].title), count) for name, count in standing.items() if count
    )


def _stands(profile: Mapping[str, Any], said: Words, catalogue: Catalogue) -> Iterator[str]:
    """Say which classes have nothing: of those that the public may see at all."""
    standing: Mapping[str, int] = profile["standing"]
    if profile["objections"]:
        yield said.say("stands.objections", count=profile["objections"])
    if not any(standing.values()):
        yield said.say("stands.empty")
        return
    none = [
        said.title(known.title)
        for name, known in catalogue.classes.items()
        if not standing.get(name) and catalogue.publicity[known.publicity].kind != "never"
    ]
    if none:
        yield said.say("stands.none", classes=said.listed(none))


def _listings(profile: Mapping[str, Any], said: Words, catalogue: Catalogue, zone: ZoneInfo) -> Iterator[str]:
    for one in profile["listings"]:
        since = said.beginning(instants.parse(one["since"]), zone)
        kind = said.title(catalogue.classes[one["class"]].title)
        yield said.say("stands.listing", kind=kind, since=since, record=one["record"])


def _more(shown: Sequence[Entry], told: Told, said: Words, asked: Asked) -> str:
    count = len(told.records) if told.whole else told.count
    if count == 0:
        return said.say("records.empty")
    if count == len(shown):
        return ""
    link = f"{asked.base_url}{told.profile['records']}?as_of={told.profile['valid_from']}"
    if not shown:
        return said.say("records.elsewhere", link=link)
    if count is None:
        return said.say("records.last", shown=len(shown), link=link)
    return said.say("records.more", shown=len(shown), count=count, link=link)


def _meaning(said: Words, asked: Asked) -> Iterator[str]:
    for name in ("is", "nothing", "not-shown", "objected", "score", "people"):
        yield said.say(f"meaning.{name}")
    yield said.say("meaning.wrong", link=asked.base_url)


def _checks(profile: Mapping[str, Any], asked: Asked, said: Words) -> Iterator[Check]:
    base, entity = asked.base_url, profile["entity"]
    link = _link(asked)
    if link is None:
        yield Check(said.say("check.number"), (said.say("check.no-number"),))
    else:
        yield Check(
            said.say("check.number"),
            (said.say("check.number.words"),),
            (link,),
            tuple(_outcome(said, name) for name in ("genuine", "superseded", "unknown")),
            (said.say("check.compare"),),
        )
    if asked.seal is not None:
        told = [said.say("check.seal.words", subject=asked.seal.subject)]
        if asked.seal.test:
            told.append(said.say("check.seal.test"))
        yield Check(said.say("check.seal"), tuple(told))
    again = f"{base}/v1/entities/{entity}?as_of={profile['valid_from']}"
    yield Check(said.say("check.again"), (said.say("check.again.words"),), (again,))
    yield Check(
        said.say("check.log"),
        (said.say("check.log.words"),),
        (
            f"{base}/v1/log/checkpoint",
            f"{base}/v1/entities/{entity}/proofs",
            f"creditsvc evidence {entity} --url {base} --output evidence.json",
            "creditsvc verify evidence.json",
        ),
    )


def _outcome(said: Words, name: Literal["genuine", "superseded", "unknown"]) -> Fact:
    return Fact(said.say(f"check.{name}"), said.say(f"check.{name}.words"))
