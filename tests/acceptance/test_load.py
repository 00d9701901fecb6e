"""Whole files through a whole service: real inspections, twice; a penalty sheet; cut off on the way."""

import csv
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from urllib.parse import quote

import asyncpg
import psutil
import pytest

from creditsvc.store import embedded
from tests.acceptance.commands import PATIENCE_S, ROOT, Installation
from tests.chance import CAMPAIGN
from tests.gates import gate
from tests.processes import free_port

INSPECTIONS = ROOT / "examples" / "alimconfiance" / "inspections_2017.csv"
MAPPING = ROOT / "examples" / "alimconfiance" / "mapping.toml"
SOURCE = "urn:agency:fr-dgal"
CORRECTED = "siren:351680558"
PART_ROWS = 400  # of a file that is cut off on the way

DIGEST = """
select count(*) as events,
       count(*) filter (where type = 'credit.record.corrected') as corrections,
       count(distinct (entity_id, record, source)) as records,
       count(distinct entity_id) as entities,
       (select count(*) from record) as record_rows,
       (select count(*) from entity) as entity_rows,
       md5(string_agg(encode(leaf_hash, 'hex'), '' order by entity_id, sequence)) as digest
from event
"""


def at(place: Path, workers: int = 1) -> Installation:
    settings = {"DATA_DIR": str(place / "var"), "PORT": str(free_port()), "WORKERS": str(workers)}
    return Installation(settings | {"LOG_LEVEL": "WARNING"})


def key_of(installed: Installation, source: str = SOURCE) -> str:
    return installed.run("keys", "create", "--role", "agency", "--source", source).stdout.strip()


def load_command(place: Path, url: str, *more: object, file: Path = INSPECTIONS) -> tuple[object, ...]:
    files = ("--state", place / "state", "--rejected", place / "rejected.csv")
    return ("load", file, "--mapping", MAPPING, "--url", url, *files, *more)


@dataclass(frozen=True)
class Part:
    """The head of the real file, and an organisation that first comes in the middle of it."""

    file: Path
    middle: str

    def command(self, place: Path, url: str) -> tuple[object, ...]:
        return load_command(place, url, "--batch", 20, "--concurrency", 2, file=self.file)


@pytest.fixture(scope="module")
def part(tmp_path_factory) -> Part:
    file = tmp_path_factory.mktemp("part") / "inspections.csv"
    with INSPECTIONS.open(encoding="utf-8", newline="") as whole:
        lines = [*islice(whole, PART_ROWS + 1)]
    file.write_text("".join(lines), encoding="utf-8", newline="")
    sirens = [row["siren"] for row in csv.DictReader(lines)]
    middle = next(siren for siren in sirens[PART_ROWS // 2 :] if siren not in sirens[: PART_ROWS // 2])
    return Part(file, f"siren:{middle}")


@asynccontextmanager
async def database(installed: Installation) -> AsyncIterator[asyncpg.Connection]:
    dsn = await embedded.attach(Path(installed.settings["DATA_DIR"]))
    assert dsn is not None
    connection = await asyncpg.connect(dsn, server_settings={"search_path": "creditsvc"})
    try:
        yield connection
    finally:
        connection.terminate()  # its server may have been killed meanwhile: there is nobody to say goodbye to


@asynccontextmanager
async def half_loaded(
    installed: Installation, part: Part, *command: object
) -> AsyncIterator["subprocess.Popen[str]"]:
    """Load it, and hold the load up in the middle for the time of the block; who reads on ends it."""
    async with database(installed) as connection, gate(connection, part.middle) as held:
        loading = installed.start(*command, CREDITSVC_KEY=key_of(installed))
        try:
            await held.reached(loading.poll)
            yield loading
        except BaseException:
            loading.kill()
            loading.communicate()
            raise


async def digest(installed: Installation) -> asyncpg.Record:
    async with database(installed) as connection:
        row = await connection.fetchrow(DIGEST)
        assert row is not None
        return row


@pytest.fixture(scope="module")
def running(tmp_path_factory) -> Iterator[tuple[Installation, str, int]]:
    installed = at(tmp_path_factory.mktemp("served"), workers=2)
    with installed.serving() as (url, process):
        yield installed, url, process.pid


@pytest.fixture(scope="module")
def served(running) -> tuple[Installation, str]:
    return running[:2]


async def test_real_inspections_come_out_as_records_and_corrections_and_twice_as_duplicates(served, tmp_path):
    installed, url = served
    key = key_of(installed)
    first = installed.run(*load_command(tmp_path, url), CREDITSVC_KEY=key)
    assert first.stdout.startswith("4,982 rows: 4,982 accepted, 0 duplicates, 0 rejected;"), first.stderr
    assert first.returncode == 0
    once = await digest(installed)
    assert dict(once) | {"digest": ""} == {
        "events": 4982,
        "corrections": 14,
        "records": 4968,
        "entities": 3841,
        "record_rows": 4968,
        "entity_rows": 3841,
        "digest": "",
    }
    second = installed.run(*load_command(tmp_path, url), CREDITSVC_KEY=key)
    assert second.stdout.startswith("4,982 rows: 0 accepted, 4,982 duplicates, 0 rejected;")
    assert await digest(installed) == once
    assert list(tmp_path.iterdir()) == [], "no state is left, and no report without rejected rows"
    shown = installed.run("show", CORRECTED, "--url", url)
    assert "SARL LES VIVIERS DU PRADIC" in shown.stdout
    assert "record.corrected: outcome = satisfactory" in shown.stdout
    before = installed.run("show", CORRECTED, "--url", url, "--as-of", "2020-01-01T00:00:00Z")
    assert before.returncode == 1
    checked = installed.run("fsck")
    assert checked.returncode == 0
    assert "clean, 3,841 organisations, 4,982 entries" in checked.stderr


def test_penalty_sheet_is_loaded_and_its_bad_row_reported_without_its_values(served, tmp_path):
    installed, url = served
    sheet = ROOT / "examples" / "sheets" / "penalties"
    report = tmp_path / "rejected.csv"
    command = ("load", f"{sheet}.csv", "--mapping", f"{sheet}.toml", "--url", url, "--state", tmp_path / "s")
    key = key_of(installed, "urn:agency:example-credit-office")
    done = installed.run(*command, "--rejected", report, "--key", key)
    assert done.stdout.startswith("5 rows: 4 accepted, 0 duplicates, 1 rejected;"), done.stderr
    assert done.returncode == 1
    assert str(report) in done.stderr
    assert "most often: /data/decided_on: the value is not a date" in done.stderr
    assert "(1 row)" in done.stderr
    assert "5,/time,not-a-date" in report.read_text("utf-8")
    assert "440100" not in report.read_text("utf-8")
    with urllib.request.urlopen(f"{url}/v1/entities/uscc:91350100M00010217R/records") as answer:  # noqa: S310
        assert '"amount":{"currency":"CNY","value":"123400.00"}' in answer.read().decode()
    with urllib.request.urlopen(f"{url}/v1/entities?name={quote('示例餐饮')}") as answer:  # noqa: S310
        assert "uscc:91350100M00010217R" in answer.read().decode()
    assert "示例餐饮管理有限公司" in installed.run("show", "uscc:91350100M00010217R", "--url", url).stdout


def test_rows_the_service_refuses_are_reported_by_its_own_reasons(served, tmp_path):
    installed, url = served
    (tmp_path / "m.toml").write_text(
        f'[event]\nid = "{{id}}"\nsource = "{SOURCE}"\ntype = "credit.inspection.completed"\n'
        'subject = "{who}"\ntime = "2026-03-05T00:00:00Z"\n'
        'data = { record = "{id}", outcome = "satisfactory", note = "{note?}" }\n'
    )
    person = "11010519491231002X"
    rows = [
        "id,who,note",
        "fresh-1,siren:552081317,",
        f"fresh-2,uscc:{person},",
        f"fresh-3,siren:552081317,seen by {person}",
    ]
    (tmp_path / "f.csv").write_text("\n".join(rows))
    command = ("load", tmp_path / "f.csv", "--mapping", tmp_path / "m.toml", "--url", url)
    done = installed.run(*command, CREDITSVC_KEY=key_of(installed))
    assert "1 accepted" in done.stdout
    assert "2 rejected" in done.stdout
    report = (tmp_path / "f.csv.rejected.csv").read_text("utf-8")
    assert re.search(r"^2,/subject,", report, re.MULTILINE)
    assert re.search(r"^3,/data/note,", report, re.MULTILINE)
    assert person not in report + done.stdout + done.stderr


def test_key_that_opens_nothing_stops_the_load_and_says_what_to_do(served, tmp_path):
    installed, url = served
    done = installed.run(*load_command(tmp_path, url), CREDITSVC_KEY="0000.nobody")
    assert (done.returncode, done.stdout) == (1, "")
    assert "creditsvc keys create" in done.stderr
    assert ".." not in done.stderr


async def test_load_cut_off_by_ctrl_c_goes_on_where_it_was(part, tmp_path):
    installed = at(tmp_path)
    with installed.serving() as (url, _):
        command = part.command(tmp_path, url)
        async with half_loaded(installed, part, *command) as loading:
            wait_for(tmp_path / "state", loading)
            loading.send_signal(signal.SIGINT)
        _, said = loading.communicate(timeout=PATIENCE_S)
        assert loading.returncode == 128 + signal.SIGINT
        assert "give the same command again" in said
        done = installed.run(*command, CREDITSVC_KEY=key_of(installed))
        assert "going on behind row" in done.stderr
        assert done.stdout.startswith(f"{PART_ROWS} rows: ")
        assert done.returncode == 0
        assert (await digest(installed))["events"] == PART_ROWS


@pytest.mark.skipif(
    not CAMPAIGN, reason="both at once are killed in test_faults_load; each by itself: make campaign"
)
async def test_service_killed_under_a_load_loses_nothing_acknowledged(part, tmp_path):
    installed = at(tmp_path)
    with installed.serving() as (url, process):
        async with half_loaded(installed, part, *part.command(tmp_path, url)) as loading:
            process.kill()
            process.wait()
            assert loading.poll() is None, "killed in the middle"
    with installed.serving():
        said, notices = loading.communicate(timeout=PATIENCE_S)
        assert said.startswith(f"{PART_ROWS} rows: "), notices
        assert (await digest(installed))["events"] == PART_ROWS
        assert installed.run("fsck").returncode == 0


@pytest.mark.skipif(
    not CAMPAIGN, reason="both at once are killed in test_faults_load; each by itself: make campaign"
)
async def test_postgresql_killed_under_a_load_loses_nothing_acknowledged(part, tmp_path):
    installed = at(tmp_path)
    with installed.serving() as (url, process):
        async with half_loaded(installed, part, *part.command(tmp_path, url)) as loading:
            children = psutil.Process(process.pid).children()
            (postmaster,) = (child for child in children if child.name().startswith("postgres"))
            postmaster.kill()
            assert loading.poll() is None, "killed in the middle"
        said, notices = loading.communicate(timeout=PATIENCE_S)
        assert said.startswith(f"{PART_ROWS} rows: "), notices
        assert (await digest(installed))["events"] == PART_ROWS
        assert installed.run("fsck").returncode == 0


async def test_state_of_a_ledger_that_is_gone_does_not_leave_a_hole(part, tmp_path):
    installed = at(tmp_path)
    with installed.serving() as (url, _):
        command = part.command(tmp_path, url)
        async with half_loaded(installed, part, *command) as loading:
            wait_for(tmp_path / "state", loading)
            loading.terminate()
            loading.communicate(timeout=PATIENCE_S)
    anew = Installation(installed.settings | {"DATA_DIR": str(tmp_path / "anew")})
    with anew.serving():
        done = anew.run(*command, CREDITSVC_KEY=key_of(anew))
        assert "starting anew" in done.stderr
        assert (await digest(anew))["events"] == PART_ROWS


def test_example_runs_and_the_printed_requests_work_as_printed(tmp_path):
    environment = at(tmp_path).environment
    with (tmp_path / "said").open("w+", encoding="utf-8") as said:
        running = subprocess.Popen(
            [sys.executable, ROOT / "examples" / "run.py"], cwd=tmp_path, env=environment, stdout=said
        )
        try:
            wait_for_text(tmp_path / "said", "Ctrl-C", running)
            requests = re.findall(r"^  (curl .+)$", (tmp_path / "said").read_text("utf-8"), re.MULTILINE)
            assert len(requests) == 3
            pages = re.findall(
                r"^(?:To look up in a browser|The interface, to read): (http://.+)$",
                (tmp_path / "said").read_text("utf-8"),
                re.MULTILINE,
            )
            assert len(pages) == 2
            for page in pages:
                with urllib.request.urlopen(page) as answer:  # noqa: S310  printed by our own command
                    assert answer.headers["Content-Type"].startswith("text/html")
            for request in requests:
                url = re.search(r"http://[^' ]+", request)
                assert url is not None
                with urllib.request.urlopen(url[0]) as answer:  # noqa: S310  printed by our own command
                    assert b"siren:" in answer.read()
        finally:
            running.terminate()
            assert running.wait(PATIENCE_S) == 0


def run_example(place: Path, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, ROOT / "examples" / "run.py"],
        cwd=place,
        env=at(place).environment | more,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


def test_example_tells_a_setting_that_cannot_be_used(tmp_path):
    done = run_example(tmp_path, CREDITSVC_PORT="abc")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "Error: CREDITSVC_PORT must be a whole number from 0 to 65535\n"


def test_second_example_on_the_same_data_is_told_who_owns_them(running, tmp_path):
    installed, _, owner = running
    directory = installed.settings["DATA_DIR"]
    done = run_example(tmp_path, CREDITSVC_DATA_DIR=directory)
    assert done.returncode == 1
    assert f"Process {owner} owns {directory}; waiting" in done.stderr
    assert "set CREDITSVC_DATA_DIR to another" in done.stderr


def wait_for(path: Path, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not path.exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.005)


def wait_for_text(path: Path, text: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while text not in path.read_text("utf-8"):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
