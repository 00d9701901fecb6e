"""The application on a real port and a real database, within the test's own process."""

import socket
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import aiohttp
import pytest

from creditsvc.settings import Settings
from creditsvc.store.clients import Role, create_key
from creditsvc.store.database import connect
from creditsvc.web.access_log import AccessLog
from creditsvc.web.app import ROUTES, application
from creditsvc.web.fast_path import FastPath
from creditsvc.web.protocol import Listener
from creditsvc.web.routes import Route
from tests.making import ENTITY, SOURCE
from tests.sequencing import sequenced

ROLES: tuple[Role, ...] = ("agency", "partner", "entity", "auditor", "operator")


@dataclass
class Service:
    """Where it answers, and with what keys."""

    host: str
    port: int
    dsn: str
    session: aiohttp.ClientSession
    keys: dict[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    def headers(self, role: str) -> dict[str, str]:
        """What a caller of this role sends; `public` sends nothing."""
        return {} if role == "public" else {"Authorization": f"Bearer {self.keys[role]}"}


Serve = Callable[..., Awaitable[Service]]


@asynccontextmanager
async def served(dsn: str, settings: Settings, routes: Iterable[Route] = ROUTES) -> AsyncIterator[Service]:
    """The application, and the sequencer that stands beside it; the keys of the log are the test's own."""
    with tempfile.TemporaryDirectory() as data_dir:
        settings = replace(settings, data_dir=Path(data_dir))
        async with sequenced(dsn, settings.data_dir), _served(dsn, settings, routes) as running:
            yield running


@asynccontextmanager
async def _served(dsn: str, settings: Settings, routes: Iterable[Route]) -> AsyncIterator[Service]:
    listening = socket.create_server(("127.0.0.1", 0))
    host, port = listening.getsockname()[:2]
    listener = Listener(application(settings, dsn, routes), settings, AccessLog, fast_path=FastPath)
    await listener.start(listening)
    try:
        async with aiohttp.ClientSession(f"http://{host}:{port}", auto_decompress=True) as session:
            yield Service(host, port, dsn, session)
    finally:
        await listener.stop()


async def with_keys(service: Service) -> Service:
    """Make a key of every role: the agency's for `SOURCE`, the organisation's own for `ENTITY`."""
    connection = await connect(service.dsn)
    try:
        for role in ROLES:
            service.keys[role] = await create_key(
                connection,
                role,
                sources=[SOURCE] if role == "agency" else [],
                entity=ENTITY if role == "entity" else None,
            )
    finally:
        await connection.close()
    return service


@pytest.fixture(scope="session")
async def service(make_database: Callable[[], Awaitable[str]]) -> AsyncIterator[Service]:
    """One service for all tests that only ask; its limits are out of the way."""
    plenty = dict.fromkeys(
        ("anonymous_per_minute", "agency_per_minute", "partner_per_minute", "other_per_minute"), 10_000_000
    )
    settings = Settings(workers=1, drain_timeout_s=1, feed_wait_max_s=0.05, **plenty)
    async with served(await make_database(), settings) as running:
        yield await with_keys(running)


@pytest.fixture
async def serve(make_database: Callable[[], Awaitable[str]]) -> AsyncIterator[Serve]:
    """Make a service with the settings, and the routes, that a test needs."""
    async with AsyncExitStack() as stack:

        async def start(routes: Iterable[Route] = ROUTES, **given: object) -> Service:
            settings = Settings(**({"workers": 1, "drain_timeout_s": 1} | given))
            return await stack.enter_async_context(served(await make_database(), settings, routes))

        yield start
