"""``/operator``: the state of the service at a glance, for whoever runs it."""

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from aiohttp import web

from creditsvc.domain.schedule import Release
from creditsvc.ledger import cosigners, state
from creditsvc.ledger.releases import OFFICIAL
from creditsvc.ledger.state import State
from creditsvc.parent import SEQUENCER
from creditsvc.settings import Settings
from creditsvc.store import migrations
from creditsvc.web import metrics
from creditsvc.web.keys import LOOKUP_POOL, RULES, SCORES, SETTINGS
from creditsvc.web.site.answering import in_words
from creditsvc.web.site.home import LANGUAGE, PAGE_RESPONSE, html
from creditsvc.web.site.rendering import page

SILENT_AFTER_S = 30.0  # the sequencer notes that it is alive with every checkpoint, so each second unless set
COSIGNED_WITHIN = timedelta(minutes=10)
CALENDAR_LEFT = timedelta(days=30)  # 20 working days, the longest clock: from here on its end is not certain


@dataclass(frozen=True, slots=True)
class Vitals:
    """What the processes have counted and tell of themselves; ``processes`` by slot."""

    processes: dict[str, dict[str, float]] = field(default_factory=dict)
    starts: dict[str, int] = field(default_factory=dict)
    events: dict[str, int] = field(default_factory=dict)
    refusals: dict[str, int] = field(default_factory=dict)
    values: dict[str, float] = field(default_factory=dict)  # of metrics with no labels
    calendars: dict[str, datetime] = field(default_factory=dict)

    @property
    def workers(self) -> int:
        return len(self.processes.keys() - {SEQUENCER})


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something to see to: which text says it, with what values, and where on the page it stands."""

    text: str
    place: str
    values: Mapping[str, Any]


@in_words
async def show(request: web.Request) -> web.StreamResponse:
    """Show the state, and above it what needs attention."""
    settings = request.app[SETTINGS]
    vitals = await asyncio.to_thread(read_vitals)  # it reads a file or two per process
    async with request.app[LOOKUP_POOL].acquire() as connection:
        found = await state.read(connection, timedelta(days=settings.erase_after_days))
    missing = _missing(found)
    return page(
        request,
        "operator.html",
        keep="no-store",
        state=found,
        vitals=vitals,
        settings=settings,
        witnesses=[(name, found.witnesses.get(name)) for name in _witnesses(settings)],
        missing=missing,
        models=_models(request),
        troubles=[*troubles(found, vitals, settings, missing)],
        moment=lambda at_s: datetime.fromtimestamp(at_s, UTC),
        age=lambda at: None if at is None else max(found.now - at, timedelta(0)),
        erasures_max=state.ERASURES_MAX,
        revoked_days=state.REVOKED_WITHIN.days,
        expiring_days=state.EXPIRING_WITHIN.days,
        minutes=round(state.RATE_OVER.total_seconds() / 60),
    )


def read_vitals() -> Vitals:
    """Take from the metrics of all processes what the page tells."""
    found = Vitals()
    for family in metrics.registry().collect():
        for sample in family.samples:
            name, labels, value = sample.name, sample.labels, sample.value
            if name in {"creditsvc_process_start_time_seconds", "creditsvc_process_resident_memory_bytes"}:
                if value == 0:  # made, and not at work yet
                    continue
                short = "started" if "start" in name else "memory"
                found.processes.setdefault(labels.get("pid", "0"), {})[short] = value
            elif name == "creditsvc_process_starts_total":
                found.starts[labels["kind"]] = int(value)
            elif name == "creditsvc_events_total":
                found.events[labels["outcome"]] = int(value)
            elif name == "creditsvc_refusals_total":
                found.refusals[labels["problem"]] = int(value)
            elif name == "creditsvc_calendar_known_until_timestamp_seconds":
                found.calendars[labels["zone"]] = datetime.fromtimestamp(value, UTC)
            elif not labels:
                found.values[name] = value
    return found


def _missing(found: State) -> list[str]:
    done = {(row["number"], row["phase"]) for row in found.migrations}
    oldest = min((number for number, _ in done), default=0)
    known = [one for one in migrations.read_all() if one.number >= oldest]  # the last ones alone are read
    return [one.label for one in known if (one.number, one.phase) not in done]


def troubles(found: State, vitals: Vitals, settings: Settings, missing: list[str]) -> Iterator[Trouble]:
    """Find what somebody should see to, by the same reasons as the alerts in ``deploy/prometheus``."""
    yield from _of_log(found, vitals, settings)
    yield from _of_witnesses(found, settings)
    yield from _of_processes(vitals, settings)
    yield from _others(found, vitals, missing)


def _of_log(found: State, vitals: Vitals, settings: Settings) -> Iterator[Trouble]:
    log = found.log
    behind = log["size"] > (log["checkpoint_size"] or 0)
    silent = found.now - (log["drained_at"] or log["began_at"])
    if silent.total_seconds() > SILENT_AFTER_S + settings.log_interval_s:
        yield Trouble("operator.trouble.silent", "log", {"seconds": round(silent.total_seconds())})
    signed = found.now - (log["signed_at"] or log["began_at"])
    if behind and signed.total_seconds() > settings.log_max_delay_s:
        yield Trouble("operator.trouble.unsigned", "log", {"seconds": round(signed.total_seconds())})
    # From half of the promised delay on, events are put off: see `creditsvc.ledger.backlog`.
    if log["oldest"] is not None and log["oldest"].total_seconds() > settings.log_max_delay_s / 2:
        yield Trouble("operator.trouble.backlog", "log", {"seconds": round(log["oldest"].total_seconds())})
    if refused := int(vitals.values.get("creditsvc_log_refused", 0)):
        yield Trouble("operator.trouble.refused", "log", {"count": refused})


def _of_witnesses(found: State, settings: Settings) -> Iterator[Trouble]:
    for name in _witnesses(settings):
        last = found.witnesses.get(name)
        if last is None or (
            last["size"] < found.log["size"] and found.now - last["cosigned_at"] > COSIGNED_WITHIN
        ):
            yield Trouble("operator.trouble.witness", "witnesses", {"name": name})


def _witnesses(settings: Settings) -> list[str]:
    return [one.key.name for one in cosigners.parse(settings.log_witnesses)]


def _of_processes(vitals: Vitals, settings: Settings) -> Iterator[Trouble]:
    if vitals.processes and vitals.workers < settings.worker_count:
        values = {"count": vitals.workers, "wanted": settings.worker_count}
        yield Trouble("operator.trouble.workers", "processes", values)


def _others(found: State, vitals: Vitals, missing: list[str]) -> Iterator[Trouble]:
    if found.overdue:
        yield Trouble("operator.trouble.overdue", "clocks", {"count": found.overdue})
    if found.keys_expiring:
        count = sum(row["expiring"] for row in found.keys)
        yield Trouble("operator.trouble.expiring", "keys", {"count": count})
    if stuck := int(vitals.values.get("creditsvc_erasure_refused", 0)):
        yield Trouble("operator.trouble.erasure", "erasures", {"count": stuck})
    if missing:
        yield Trouble("operator.trouble.migrations", "database", {"labels": ", ".join(missing)})
    for zone, until in vitals.calendars.items():
        if until - found.now < CALENDAR_LEFT:
            known = {"zone": zone, "day": until.date().isoformat()}
            yield Trouble("operator.trouble.calendar", "clocks", known)


def _models(request: web.Request) -> list[dict[str, Any]]:
    today = datetime.now(UTC).date()
    official = request.app[RULES].model(datetime.now(UTC), ZoneInfo("UTC"))
    found = sorted(
        request.app[SCORES].releases,
        key=lambda one: (one.model.name != OFFICIAL, one.model.name, int(one.model.version)),
    )
    return [
        {
            "model": one.model,
            "announced_at": one.announced_at,
            "standing": _standing(one, today),
            "scores": (one.model.name, one.model.version) == (official.name, official.version),
        }
        for one in found
    ]


def _standing(release: Release, today: date) -> str:
    """Say whether a model is in force; a day is begun at other hours elsewhere, so this is by UTC."""
    day = release.model.in_force_from
    return "force" if day is None or day <= today else "announced"


ROUTES = (
    html(
        "/operator",
        show,
        name="operator-page",
        summary="The state of the service",
        roles=frozenset({"operator"}),
        parameters=(LANGUAGE,),
        responses={200: PAGE_RESPONSE},
    ),
)
