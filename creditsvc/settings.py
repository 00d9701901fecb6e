"""Every setting of the service, in one place, each with its reason. All come from the environment."""

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Self

PREFIX = "CREDITSVC_"
PORT_MAX = 65_535
# 0: any free port, one process per core, as many connections as open files allow
_AT_LEAST = {"access_kept_years": 5}
_MAY_BE_ZERO = frozenset(
    {"port", "workers", "connections_max", "address_connections_max", "erase_after_days"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What can be set; the name in the environment is the field's in capitals behind ``CREDITSVC_``."""

    host: str = "127.0.0.1"  # loopback, so that trying it exposes nothing
    port: int = 8080
    database_url: str = ""  # a PostgreSQL DSN; unset: the embedded server in data_dir
    data_dir: Path = Path("var")  # where the embedded server and the log's key live
    workers: int = 0  # processes; 0: one per core
    embedded_user: str = ""  # whom the embedded server runs as when started by root; unset: found

    event_max_bytes: int = 64 * 1024  # one event, canonical
    batch_max_events: int = 5_000
    body_max_bytes: int = 16 * 1024 * 1024  # 5,000 events of 3 KiB; bounds a worker's memory
    bodies_max_bytes: int = 64 * 1024 * 1024  # in flight in one worker before it answers 503
    body_timeout_s: float = 30.0  # a slow body is cut off after this
    header_timeout_s: float = 10.0  # so is a connection that sends no whole request head
    keepalive_timeout_s: float = 30.0  # idle connections are closed; aiohttp's own default is over an hour
    drain_timeout_s: float = 15.0  # on SIGTERM, requests in flight get this long

    connections_max: int = 0  # of clients, per worker; 0: what the limit of open files allows, 10,000 at most
    address_connections_max: int = 0  # of those, of one address; 0: half
    lookup_connections: int = 4  # per worker, for reading
    append_connections: int = 2  # per worker, for writing: more transactions than cores only queue
    statement_timeout_ms: int = 20_000  # no statement outlives this
    queue_max_events: int = 20_000  # events waiting for append in one worker before it answers 503

    log_origin: str = ""  # its name for good: a URL without the scheme; unset: made from its key
    log_interval_s: float = 1.0  # between checkpoints, while events come
    log_max_delay_s: float = 60.0  # what a receipt promises: from recorded to in the log
    log_pending_max: int = 200_000  # events waiting for the log before it answers 503
    feed_wait_max_s: float = 30.0  # a reader that waits longer is answered; below a proxy's patience
    log_witnesses: str = ""  # who is asked to cosign: "<verifier key> <URL>", one a line

    seal_file: str = ""  # PKCS #12, with which reports are sealed; unset: a test certificate, made here
    seal_passphrase_file: str = ""  # a file, since the environment is shown to more eyes than files are
    fonts_dir: str = ""  # where the Chinese fonts of reports are; unset: where systems have them

    site_secret_file: str = ""  # what sessions of the pages are sealed with: one for all hosts
    site_secure: bool = False  # browsers come by HTTPS, though requests do not: a proxy has TLS

    purpose_required: bool = False  # refuse partners who do not say what they ask for
    erase_after_days: int = (
        30  # from when a record retires: time to correct it, and for readers to hear of it
    )
    access_kept_years: int = 5  # who looked; 5 at least (Shenzhen), 10 in Zhejiang

    anonymous_per_minute: int = 6_000  # per address
    agency_per_minute: int = 60_000  # per key, requests
    partner_per_minute: int = 600_000
    other_per_minute: int = 6_000  # entity, auditor, operator
    metrics_agencies: bool = False  # name agencies in /metrics: only where the public cannot scrape it
    public_url: str = ""  # where people reach the service; empty: as each request came, and no seal but here
    trust_forwarded: bool = False  # the address is in X-Forwarded-For: only behind a proxy of yours
    log_level: str = "INFO"

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> Self:
        """Read the settings; ``ValueError`` names the variable that cannot be used, and what it must be."""
        given: dict[str, object] = {}
        for field in fields(cls):
            name = PREFIX + field.name.upper()
            text = environ.get(name)
            if text is None or text == "":
                continue
            try:
                given[field.name] = _convert(field.name, text, type(field.default))
            except ValueError as error:
                message = f"{name} must be {error}"
                raise ValueError(message) from error
        return cls(**given)  # type: ignore[arg-type]

    @property
    def worker_count(self) -> int:
        return self.workers or os.cpu_count() or 1


def _convert(name: str, text: str, kind: type) -> object:
    """Read a value; ``ValueError`` says in words what it must be."""
    if kind is bool:
        return _truth(text)
    if kind is int or kind is float:
        return _number(name, text, kind)
    return kind(text)


def _truth(text: str) -> bool:
    if text.lower() not in {"0", "1", "false", "true", "no", "yes"}:
        raise ValueError("true or false")
    return text.lower() in {"1", "true", "yes"}


def _number(name: str, text: str, kind: type[int] | type[float]) -> float:
    """Read a count, a size or seconds: all are above 0, but for what 0 has a meaning for."""
    wanted = "a whole number" if kind is int else "a number"
    if name == "port":
        wanted += f" from 0 to {PORT_MAX}"
    elif name in _AT_LEAST:
        wanted += f", {_AT_LEAST[name]} or more"
    else:
        wanted += ", 0 or more" if name in _MAY_BE_ZERO else " above 0"
    try:
        number = kind(text)
    except ValueError:
        raise ValueError(wanted) from None
    too_small = number < _AT_LEAST.get(name, 0) or (number == 0 and name not in _MAY_BE_ZERO)
    if too_small or not math.isfinite(number) or (name == "port" and number > PORT_MAX):
        raise ValueError(wanted)
    return number
