"""Probes tell the truth, whatever it is, and cost next to nothing."""

import os
import signal

import pytest

from creditsvc.settings import Settings
from creditsvc.store.database import connect
from creditsvc.store.embedded import EmbeddedServer
from creditsvc.store.migrations import migrate
from creditsvc.web import probes
from tests.conformance.conftest import Serve, Service, served


async def why_not(service: Service) -> str:
    async with service.session.get("/readyz") as answer:
        problem = await answer.json()
        assert answer.status == 503
        assert answer.content_type == "application/problem+json"
        assert "Retry-After" in answer.headers
        return str(problem["detail"])


async def is_live(service: Service) -> bool:
    async with service.session.get("/livez") as answer:
        return answer.status == 200


@pytest.fixture
async def service(serve: Serve, monkeypatch) -> Service:
    monkeypatch.setattr(probes, "REMEMBER_S", 0.0)
    return await serve(lookup_connections=1, append_connections=1)


async def test_ready_when_all_is_well(service: Service):
    async with service.session.get("/readyz") as answer:
        assert await answer.json() == {"status": "ok"}
        assert answer.headers["Cache-Control"] == "no-store"


async def test_not_ready_without_the_migrations_this_code_needs(service: Service):
    connection = await connect(service.dsn)
    await connection.execute("delete from migration")
    assert "0001_foundation.pre" in await why_not(service)
    await connection.execute("drop schema creditsvc cascade")
    assert "no schema" in await why_not(service)
    await connection.close()
    assert await is_live(service)


async def test_not_ready_without_the_database(tmp_path, monkeypatch):
    monkeypatch.setattr(probes, "REMEMBER_S", 0.0)
    server = await EmbeddedServer.start(tmp_path)
    await migrate(server.dsn, report=lambda _: None)
    async with served(server.dsn, Settings(workers=1, drain_timeout_s=1)) as service:
        os.kill(server.pid, signal.SIGKILL)
        await server.stop()
        assert "database" in await why_not(service)
        assert await is_live(service)
        async with service.session.get("/v1/entities/siren:552081317") as answer:
            assert answer.status == 503
            assert answer.content_type == "application/problem+json"
        server = await EmbeddedServer.start(tmp_path)
        async with service.session.get("/readyz") as answer:
            assert answer.status == 200, "and the pools find it again by themselves"
    await server.stop()


async def test_a_probe_soon_after_another_asks_nobody(serve: Serve):
    service = await serve()
    async with service.session.get("/readyz") as answer:
        assert answer.status == 200
    connection = await connect(service.dsn)
    await connection.execute("delete from migration")
    await connection.close()
    async with service.session.get("/readyz") as answer:
        assert answer.status == 200
