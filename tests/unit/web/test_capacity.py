"""What a worker takes on at a time, and for whom it keeps room."""

import asyncio
import resource

import pytest

from creditsvc.errors import Unavailable
from creditsvc.settings import Settings
from creditsvc.web.capacity import CONNECTIONS_ENOUGH, Bodies, Connections, Share, connections_for

SETTINGS = Settings(body_max_bytes=100, bodies_max_bytes=1000)


def test_bodies_beyond_the_bytes_are_refused_until_some_are_released():
    bodies = Bodies(SETTINGS)
    bodies.hold(900, public=False)
    with pytest.raises(Unavailable) as refused:
        bodies.hold(101, public=False)
    assert refused.value.retry_after_s
    bodies.release(900, public=False)
    bodies.hold(1000, public=False)


def test_callers_without_a_key_leave_room_for_those_with_one():
    bodies = Bodies(SETTINGS)
    bodies.hold(250, public=True)
    with pytest.raises(Unavailable):
        bodies.hold(1, public=True)
    bodies.hold(750, public=False)


def test_an_empty_body_is_taken_even_then():
    bodies = Bodies(SETTINGS)
    bodies.hold(1000, public=False)
    bodies.hold(0, public=True)


def test_the_longest_body_fits_packed_and_unpacked():
    Bodies(Settings(body_max_bytes=100, bodies_max_bytes=1)).hold(200, public=False)


async def test_a_share_is_held_until_its_task_is_done():
    bodies = Bodies(SETTINGS)

    async def answer() -> None:
        share = Share(bodies, public=False)
        share.reach(300)
        share.reach(200)
        assert bodies.held == 300
        with pytest.raises(Unavailable):
            share.reach(1001)
        share.reach(1000)

    task = asyncio.create_task(answer())
    await task
    await asyncio.sleep(0)
    assert task.done()
    assert bodies.held == 0


def test_connections_beyond_the_most_are_refused_the_newest_first():
    connections = Connections(Settings(connections_max=2, address_connections_max=2))
    assert connections.admit("a")
    assert connections.admit("b")
    assert not connections.admit("c")
    connections.leave("a")
    assert connections.admit("c")


def test_one_address_leaves_half_to_the_others():
    connections = Connections(Settings(connections_max=4))
    assert [connections.admit("a") for _ in range(3)] == [True, True, False]
    assert [connections.admit("b") for _ in range(3)] == [True, True, False]


def test_a_proxy_has_all():
    connections = Connections(Settings(connections_max=4, trust_forwarded=True))
    assert [connections.admit("a") for _ in range(5)] == [True, True, True, True, False]


@pytest.mark.parametrize(
    ("open_files", "most"), [(64, 32), (1024, 896), (1 << 20, CONNECTIONS_ENOUGH), (1, 1)]
)
def test_the_most_follows_from_the_limit_of_open_files(open_files, most):
    assert connections_for(open_files) == most


def test_no_limit_of_open_files_is_no_limitless_service():
    assert connections_for(resource.RLIM_INFINITY) == CONNECTIONS_ENOUGH
