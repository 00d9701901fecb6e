"""The pieces of the benchmark on real processes: its data set, its load, a peer."""

from dataclasses import replace
from pathlib import Path

import pytest

from creditsvc.ledger import fsck
from creditsvc.settings import Settings
from creditsvc.store import embedded
from tests.bench import dataset, load, machine, measures
from tests.bench.dataset import Size
from tests.bench.organisations import FIRST, SCHEMES, organisation
from tests.bench.peers import pgbench, running
from tests.processes import service

EACH = 60
SIZE = Size(EACH, 2.0, compared=False)


@pytest.fixture(scope="module")
async def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("bench") / "data"
    await dataset.build(directory, SIZE)
    return directory


async def test_fsck_finds_nothing_wrong_with_copies(data_dir):
    async with embedded.server(Settings(data_dir=data_dir), own=False) as dsn:
        report = await fsck.examine(dsn, None, progress=lambda *_: None)
    assert report.faults == []
    assert report.entities == 2 * EACH


async def test_a_data_set_of_another_size_is_not_taken_for_this_one(data_dir):
    await dataset.build(data_dir, SIZE)
    with pytest.raises(ValueError, match="another size"):
        await dataset.build(data_dir, replace(SIZE, each=EACH + 1))


async def test_the_service_answers_for_copies_and_takes_their_events(data_dir, tmp_path, monkeypatch):
    """By the generator of our own, which needs nothing installed."""
    monkeypatch.setattr(load, "generator", lambda: "tests.bench.generator")
    async with service(data_dir) as one, running.constant(tmp_path / "constant.log") as constant:
        socket_dir = str(embedded.socket_directory.read_note(data_dir / "postgresql.socket"))
        bench = measures.Bench(one, socket_dir, None, constant, EACH, 0.5, 1, tmp_path, lambda _: None)
        await measures.warm(bench)
        for url in (one.url, constant):
            assert (await bench.load(bench.numbers(url), "")).requests > 0
        for size in (1, 10):
            assert (await bench.load(measures.events(bench, size), "")).requests > 0
        assert not (await measures._outcomes(bench)).get("rejected")
        await measures.batches(bench)
        script = pgbench.write(tmp_path / "select.sql")
        assert (await pgbench.run(socket_dir, script, first=FIRST, count=EACH, seconds=1)).per_s > 0
        measures.memory(bench)
        monkeypatch.setattr(measures, "STARTS", 1)
        await measures.starts(bench)
    assert [one.goal.key for one in bench.findings] == ["lookups", "memory", "start"]
    assert all(one.measured > 0 for one in bench.findings)


def test_organisations_are_all_different():
    many = [organisation(scheme, number) for scheme in SCHEMES for number in range(0, 5_000_000, 997)]
    assert len({one.entity for one in many}) == len(many)
    assert len({one.name for one in many}) > 0.99 * len(many)


def test_the_commit_is_named():
    assert machine.commit()
