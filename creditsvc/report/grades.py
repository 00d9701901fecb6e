"""The grade of a report and its reasons in words, with what each counts. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

from creditsvc.domain import instants
from creditsvc.report.document import Band, Grade, Reason
from creditsvc.report.words import Words, figure
from scoring.exact import written

MOST_REASONS = 12  # those that weigh most; the others are one line together
_TONES = ("good", "fair", "poor", "bad")


def grade(
    score: Mapping[str, Any], model: Mapping[str, Any], said: Words, zone: ZoneInfo, base_url: str
) -> Grade:
    """Put a score taken apart into words; ``model`` is its item in ``/v1/models``."""
    rated = score["grade"] != "unrated"
    bands = tuple(_bands(score, model["rules"], said))
    return Grade(
        letter=score["grade"] if rated else said.say("grade.unrated"),
        tone=_tone(score["grade"], bands),
        value=said.say("none") if score["value"] is None else figure(str(score["value"])),
        words=tuple(_words(score, model, said, base_url)),
        bands=bands,
        account=tuple(_account(score, said, zone)) if rated else (),
        total=said.say("none") if score["value"] is None else figure(str(score["value"])),
    )


def of_profile(profile: Mapping[str, Any]) -> dict[str, Any]:
    """Give the score of a history too long to be taken apart: what its profile has, and no start."""
    score = profile["score"]
    items = [{**one, "share": str(one["points"]), "objected": False} for one in score["factors"]]
    contributions = {"items": items, "next": None}
    return {**score, "start": None, "rank": None, "adjustments": {}, "contributions": contributions}


def _words(score: Mapping[str, Any], model: Mapping[str, Any], said: Words, base_url: str) -> Iterator[str]:
    if score["grade"] == "unrated":
        yield said.say("grade.unrated.words")
    elif score["value"] is None:
        yield said.say("grade.worded.words", grade=score["grade"])
    elif score["start"] is None:
        link = f"{base_url}/v1/entities/{score['entity']}/score?as_of={score['valid_from']}"
        yield said.say("grade.long.words", value=figure(str(score["value"])), grade=score["grade"], link=link)
    else:
        start, value = figure(str(score["start"])), figure(str(score["value"]))
        yield said.say("grade.rated.words", start=start, value=value, grade=score["grade"])
    settling = [_reason(one["code"], said) for one in model["rules"].get("overrides", ())]
    if settling and score["grade"] != "unrated":
        yield said.say("grade.override.words", codes=said.listed(settling))
    if score["rank"] is not None:
        yield said.say("grade.rank.words", **score["rank"])
    yield said.say(
        "grade.model",
        title=said.title(model["title"]),
        name=score["model"],
        version=score["version"],
        link=f"{base_url}/v1/models",
    )


def _bands(score: Mapping[str, Any], rules: Mapping[str, Any], said: Words) -> Iterator[Band]:
    for one in rules.get("grades", ()):
        bound = next(name for name in ("at_least", "above") if name in one)
        text = said.say(f"grade.band.{bound}", bound=figure(one[bound]))
        yield Band(one["grade"], text, one["grade"] == score["grade"])


def _tone(given: str, bands: Sequence[Band]) -> str:
    """Say how good a grade is by its place among all; grades in words have a colour of their own."""
    places = [place for place, band in enumerate(bands) if band.grade == given]
    if not places or len(bands) < 2:
        return "neutral"
    bounds = [band.grade for band in bands]
    share = places[0] / (len(bounds) - 1)
    if bounds[0] == "red":  # listed from the worst
        share = 1 - share
    return _TONES[round(share * (len(_TONES) - 1))]


def _account(score: Mapping[str, Any], said: Words, zone: ZoneInfo) -> Iterator[Reason]:
    """List what adds up to the value: the start, the strongest shares, the others together, adjustments."""
    contributions = score["contributions"]
    shown = contributions["items"][:MOST_REASONS]
    most = max((abs(Fraction(one["share"])) for one in shown), default=Fraction(1)) or Fraction(1)
    if score["start"] is not None:
        yield Reason(said.say("reason.start"), "", figure(str(score["start"])), 0)
    for one in shown:
        share = Fraction(one["share"])
        until = one["until"]
        yield Reason(
            words=_reason(one["code"], said),
            record=one["record"],
            share=figure(one["share"], signed=True),
            weight=float(share / most),
            until="" if until is None else said.beginning(instants.parse(until), zone),
            mark=said.say("reason.objected") if one["objected"] else "",
        )
    yield from _rest(score, shown, said)
    for name, amount in score["adjustments"].items():
        yield Reason(_adjustment(name, said), "", figure(amount, signed=True), 0)


def _rest(score: Mapping[str, Any], shown: Sequence[Mapping[str, Any]], said: Words) -> Iterator[Reason]:
    """Add up what is not shown: from the value where there is one, so that pages not read count too."""
    contributions = score["contributions"]
    hidden = contributions["items"][len(shown) :]
    if not hidden and contributions["next"] is None:
        return
    if contributions["next"] is None:
        name, rest = said.say("reason.rest", count=len(hidden)), sum(Fraction(one["share"]) for one in hidden)
    elif score["value"] is None:
        return
    else:
        known = [*(one["share"] for one in shown), *score["adjustments"].values()]
        value = Fraction(str(score["value"])) - Fraction(str(score["start"]))
        name, rest = said.say("reason.rest.many"), value - sum(map(Fraction, known))
    yield Reason(name, "", figure(written(Fraction(rest)), signed=True), 0)


def _reason(code: str, said: Words) -> str:
    return said.known(f"code.{code}", code)


def _adjustment(name: str, said: Words) -> str:
    kind, _, group = name.partition("-")
    if kind == "cap":
        return said.say("adjustment.cap", group=said.known(f"group.{group}", group))
    return said.known(f"adjustment.{name}", said.say("adjustment.other", name=name))
