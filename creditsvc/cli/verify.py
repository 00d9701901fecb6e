"""`creditsvc verify`: whether saved answers of a service are what its log holds, offline."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import orjson

from creditsvc.cli.words import counted
from creditsvc.domain import catalogue, identifiers, instants
from creditsvc.domain.account import account_at
from creditsvc.domain.naming import VIEWS
from creditsvc.domain.records import Entry
from creditsvc.domain.replay import replay
from creditsvc.domain.schedule import Schedule
from creditsvc.domain.standing import Rules
from creditsvc.errors import Refusal
from creditsvc.ledger.releases import OFFICIAL
from creditsvc.loading.answers import printable
from creditsvc.verifier.evidence import Evidence
from creditsvc.verifier.notes import ED25519, VerifierKey
from creditsvc.verifier.wrong import Wrong
from scoring import engine

FILE_MAX_BYTES = 512 * 2**20
PROFILES_MAX = 100


@click.command(
    epilog="""\b
Examples:
  creditsvc verify --key log.example.org+0f1e2d3c+AZ... checkpoint event-3.tlog-proof
  creditsvc verify --key log.example.org+0f1e2d3c+AZ... evidence.json
  creditsvc verify creditsvc-log.json receipt.json event.json event-3.tlog-proof
  creditsvc verify --key log.example.org+0f1e2d3c+AZ... january.checkpoint consistency
"""
)
@click.option("--key", metavar="VKEY", help="The log's verifier key, as it is published.")
@click.option("--receipt-key", metavar="VKEY", help="The verifier key for receipts.")
@click.option("--witness", metavar="VKEY", multiple=True, help="A witness's verifier key; may be repeated.")
@click.argument(
    "files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
def command(
    key: str | None, receipt_key: str | None, witness: tuple[str, ...], files: tuple[Path, ...]
) -> None:
    """Check saved answers of a service, offline.

    Each is checked by itself and against all others given. FILES are what it answered, in any order:
    checkpoints, proofs, proofs of consistency (with the older checkpoint), receipts (with the event as it
    was sent), pages of history and of proofs, profiles (with the history),
    /.well-known/creditsvc-log.json, and what `creditsvc evidence` writes. A key that is not given is taken
    from the well-known document, on trust. With --witness it says whether that witness has cosigned the
    checkpoints. Says what is shown and what is not, and names every entry that is wrong. Exit status 0 when
    nothing is wrong, 1 when something is.
    """
    witnesses = [found for one in witness if (found := _key(one, "--witness")) is not None]
    evidence = Evidence(_key(key, "--key"), _key(receipt_key, "--receipt-key"), witnesses, _subject)
    if evidence.log is not None and evidence.log.key.algorithm != ED25519:
        raise click.BadParameter("not a log's key; a witness's is given as --witness", param_hint="--key")
    for path in files:
        _read(evidence, path)
    evidence.check()
    _check_profiles(evidence)
    for line in evidence.report():
        print(printable(line))
    for fault in evidence.faults():
        print(printable(fault))
    if evidence.faults():
        click.echo(f"{counted(len(evidence.faults()), 'fault')} found", err=True)
        raise click.exceptions.Exit(1)
    click.echo("nothing wrong found", err=True)


def _subject(written: str) -> str:
    """Write an organisation in its one way; as it is where nobody can be called so."""
    try:
        return identifiers.parse(written)
    except Refusal:
        return written


def _key(written: str | None, hint: str) -> VerifierKey | None:
    try:
        return None if written is None else VerifierKey.parse(written)
    except Wrong as wrong:
        raise click.BadParameter("not a verifier key, as they are published", param_hint=hint) from wrong


def _read(evidence: Evidence, path: Path) -> None:
    with path.open("rb") as file:
        content = file.read(FILE_MAX_BYTES + 1)
    if len(content) > FILE_MAX_BYTES:
        evidence.wrong.append(f"{path}: longer than {FILE_MAX_BYTES} bytes")
        return
    try:
        evidence.take(str(path), content.decode())
    except UnicodeDecodeError:
        evidence.wrong.append(f"{path}: this is not UTF-8")


def _check_profiles(evidence: Evidence) -> None:
    """Check one profile of each organisation, for each is folded from all its events."""
    folded: set[str] = set()
    for where, profile in evidence.given.get("profile", []):
        entity = str(profile.get("entity"))
        if entity in folded or len(folded) == PROFILES_MAX:
            evidence.missing.append(f"{where}: too many profiles at once: give one of each organisation")
            continue
        folded.add(entity)
        _check_profile(evidence, where, profile)


def _check_profile(evidence: Evidence, where: str, profile: Mapping[str, Any]) -> None:
    """Fold a profile again from the events of its history, and hold it to what they come to."""
    try:
        for said in _shown(evidence, profile):
            evidence.shown[where, said] += 1
    except Wrong as wrong:
        evidence.wrong.append(f"{where}: {wrong}")
    except (KeyError, TypeError, AttributeError, ValueError, OverflowError, RecursionError) as error:
        evidence.wrong.append(f"{where}: cannot be folded from the events given ({type(error).__name__})")


def _shown(evidence: Evidence, profile: Mapping[str, Any]) -> Iterator[str]:
    entity, at = profile["entity"], instants.parse(profile["valid_from"])
    rules = Rules(catalogue.load(), _schedule(profile["score"]))
    entries = [_entry(item, rules) for _, item in sorted(evidence.events.get(entity, {}).items())]
    entries = [entry for entry in entries if entry.recorded_at <= at]
    erased = sum(name.startswith(f"{entity} event ") for name in evidence.erased)
    if erased and not entries:
        yield f"{entity}: not shown: what its profile follows from, for its events were erased"
        return
    if not entries and _says_nothing(profile):
        yield f"{entity}: not shown: that nothing stands in this view, for none of its events is shown in it"
        return
    if not entries:
        raise Wrong(f"{entity}: nothing of the history that the profile is folded from is given")
    told, differing = _nearest(entity, profile, _folded(entity, entries, rules, profile["valid_from"]))
    sequences = [entry.sequence for entry in entries]
    complete = sequences == [*range(1, len(entries) + 1)] and profile["version"] <= len(entries)
    open_ = {
        name for name in differing if _may_differ(name, profile.get(name), told.get(name), complete=complete)
    }
    if wrong := sorted(differing - open_):
        raise Wrong(f"{entity}: {', '.join(wrong)}: not what its {counted(len(entries), 'event')} come to")
    names = ", ".join(sorted(told.keys() - open_))
    yield f"{entity}: {names}: what its {counted(len(entries), 'event')} come to"
    if open_:
        yield f"{entity}: {', '.join(sorted(open_))}: not shown, for more than the events given tells of them"
    if not complete:
        gaps = f"sequences have gaps, of which {erased} were erased" if erased else "sequences have gaps"
        yield f"{entity}: not shown: that no other event stands in this view, for {gaps}"
    if any(f"{entity} event {entry.sequence}" not in evidence.placed for entry in entries):
        yield f"{entity}: not shown: that these events are in the log, for proofs are missing"


def _says_nothing(profile: Mapping[str, Any]) -> bool:
    """Whether it tells of no record, as the profile of an organisation whose every record was withdrawn."""
    told = (*profile["standing"].values(), profile["objections"], profile["listings"])
    return not any((*told, profile["score"]["factors"]))


def _schedule(score: Mapping[str, Any]) -> Schedule:
    """Take the model that the profile names; which one was in force is told by the log of no service."""
    name, version = score["model"], score["version"]
    if name != OFFICIAL or version not in engine.released().get(name, ()):
        raise Wrong(f"its model is not one that this software has as {OFFICIAL}")
    return Schedule.always(engine.load(name, version))


def _entry(item: Mapping[str, Any], rules: Rules) -> Entry:
    event = item["event"]
    return Entry(
        sequence=item["sequence"],
        recorded_at=instants.parse(item["recorded_at"]),
        source=event["source"],
        id=event["id"],
        type=event["type"],
        time=instants.parse(event["time"]),
        record=rules.catalogue.types[event["type"]].record_of(event["data"]),
        data=event["data"],
    )


def _folded(entity: str, entries: Sequence[Entry], rules: Rules, valid_from: str) -> list[dict[str, Any]]:
    """Fold the profiles of both views, since a profile does not tell whose it is."""
    replayed = replay(entity, entries, rules)
    flagged = [
        replace(entry, touches_public=touches)
        for entry, touches in zip(entries, replayed.touches, strict=True)
    ]
    past = account_at(entity, flagged, replayed.namings, instants.parse(valid_from), rules)
    profiles = [past.profile(view, rules) for view in VIEWS]
    return [orjson.loads(profile) for profile in profiles if profile is not None]


def _nearest(
    entity: str, profile: Mapping[str, Any], folded: Sequence[dict[str, Any]]
) -> tuple[dict[str, Any], set[str]]:
    """Find the view in which the fewest members differ, and which those are."""
    if not folded:
        raise Wrong(f"{entity}: its events come to nothing that would be shown")
    found = [({name for name in told if told[name] != profile.get(name)}, told) for told in folded]
    differing, told = min(found, key=lambda one: len(one[0]))
    return told, differing | (profile.keys() - told.keys())


def _may_differ(name: str, stated: Any, told: Any, *, complete: bool) -> bool:
    """Tell whether something that is not among the events given may be the reason of a difference.

    Events that this view does not see may have counted, named the organisation, or moved the instant; so may
    the announcement of a model, which also ends an answer earlier.
    """
    match name:
        case "valid_from":
            return bool(stated >= told)
        case "valid_until":
            return stated is not None and (told is None or bool(stated <= told))
        case "version":
            return not complete and bool(stated >= told)
    return name in {"name", "status"} and not complete
