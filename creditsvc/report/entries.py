"""A record of a report: its fields as the catalogue calls them, its publicity, its cases. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

from creditsvc.domain import instants
from creditsvc.domain.catalogue import Catalogue
from creditsvc.domain.moves import OPEN
from creditsvc.report.document import Entry, Fact
from creditsvc.report.values import organisation, written
from creditsvc.report.words import Words

# Said in the entry's head or in lines of their own.
_ELSEWHERE = frozenset({"record", "entity_name", "title", "authority", "decided_on", "public_until"})
_COPIED = frozenset({"licence_no", "case_no"})


@dataclass(frozen=True)
class Entries:
    """How records are put into words in one language, for one organisation."""

    said: Words
    catalogue: Catalogue
    zone: ZoneInfo
    agencies: Mapping[str, str]

    def entry(self, record: Mapping[str, Any]) -> Entry:
        said, data = self.said, record["data"]
        opened = self.catalogue.types[record["type"]]
        kind = said.title(self.catalogue.classes[record["class"]].title)
        return Entry(
            kind=kind,
            title=data.get("title") or said.title(opened.title),
            number=record["record"],
            state=said.say(f"state.{record['state']}"),
            standing=record["state"] == "standing",
            marks=tuple(self._marks(record)),
            facts=tuple(self._facts(record)),
        )

    def _marks(self, record: Mapping[str, Any]) -> Iterator[str]:
        if record["objected"]:
            yield self.said.say("mark.objected")
        if self.catalogue.classes[record["class"]].listing and record["state"] == "standing":
            yield self.said.say("mark.listing")
        if any(case["kind"] == "repair" and case["state"] in OPEN["repair"] for case in record["cases"]):
            yield self.said.say("mark.repair")

    def _facts(self, record: Mapping[str, Any]) -> Iterator[Fact]:
        said, data = self.said, record["data"]
        yield Fact(said.say("record.number"), record["record"])
        if "authority" in data:
            yield Fact(said.say("record.authority"), organisation(data["authority"]))
        source, called = record["source"], self.agencies.get(record["source"])
        named = called and called != source  # an agency that was given no name is called by its source
        yield Fact(said.say("record.source"), f"{called} ({source})" if named else source, code=not named)
        if "decided_on" in data:
            yield Fact(said.say("record.decided_on"), said.day(date.fromisoformat(data["decided_on"])))
        else:
            day = instants.parse(record["time"]).astimezone(self.zone).date()
            yield Fact(said.say("record.took_effect"), said.day(day))
        for name, known in self.catalogue.fields.items():
            if name in data and name not in _ELSEWHERE:
                yield Fact(said.title(known.title), written(said, known, data[name]), code=name in _COPIED)
        yield from self._publicity(record["publicity"])
        if record["cases"]:
            cases = "\n".join(self._case(case) for case in record["cases"])
            yield Fact(said.say("record.cases"), cases)

    def _publicity(self, told: Mapping[str, Any]) -> Iterator[Fact]:
        said = self.said
        rule = self.catalogue.rule_titles.get(told["rule"] or "")
        if told["until"] is None:
            term = said.say("record.publicity.open") if rule is None else said.title(rule)
        else:
            until = said.ending(instants.parse(told["until"]), self.zone)
            term = said.say("record.publicity.until", until=until)
            if rule is not None:
                term = said.say("record.publicity.rule", term=term, rule=said.title(rule))
        yield Fact(said.say("record.publicity"), term)
        if told["repairable_from"] is not None:
            day = said.beginning(instants.parse(told["repairable_from"]), self.zone)
            yield Fact(said.say("record.repairable"), said.say("record.repairable.from", day=day))

    def _case(self, case: Mapping[str, Any]) -> str:
        said = self.said
        state = said.say(f"case.state.{case['state']}")
        since = said.day(instants.parse(case["since"]).astimezone(self.zone).date())
        text = said.say(f"case.{case['kind']}", number=case["number"], state=state, since=since)
        grounds = self.catalogue.fields["ground"].values
        if case["ground"] in grounds:
            ground = said.say("case.ground", ground=said.title(grounds[case["ground"]]))
            text += ("；" if said.language == "zh" else "; ") + ground
        return text
