"""Fixtures of the tests that use one service, started once for them all, by its interface alone."""

import aiohttp
import pytest

from tests.interface import Interface, new_subject
from tests.making import ENTITY, OTHER_SOURCE, SOURCE
from tests.processes import service


@pytest.fixture(scope="session")
async def shared_service(tmp_path_factory):
    """A service of two workers that nobody hurts; it logs all it has to say."""
    async with service(tmp_path_factory.mktemp("shared") / "var", log_level="DEBUG") as one:
        yield one


@pytest.fixture(scope="session")
async def shared_keys(shared_service):
    return {
        "agency": await shared_service.key("agency", sources=[SOURCE]),
        "another agency": await shared_service.key("agency", sources=[OTHER_SOURCE]),
        "partner": await shared_service.key("partner"),
        "auditor": await shared_service.key("auditor"),
        "operator": await shared_service.key("operator"),
        "itself": await shared_service.key("entity", entity=ENTITY),
    }


@pytest.fixture
async def api(shared_service, shared_keys):
    """Every caller of the shared service."""
    async with aiohttp.ClientSession() as session:
        yield Interface(shared_service, session, shared_keys)


@pytest.fixture
def subject():
    return new_subject()
