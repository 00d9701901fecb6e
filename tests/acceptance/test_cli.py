"""Commands as scripts rely on them: what is on standard output, and the exit status."""

import re

import pytest
from click.testing import CliRunner, Result

from creditsvc.cli import main
from tests.acceptance.commands import ROOT, Installation

SOURCE = "urn:agency:cn-tj-samr"
LEAVES = [
    ("serve",),
    ("migrate",),
    ("agencies", "add"),
    ("agencies", "list"),
    ("keys", "create"),
    ("keys", "list"),
    ("keys", "revoke"),
    ("load",),
    ("show",),
    ("desk",),
    ("fsck",),
]


@pytest.fixture
def installed(database: str, tmp_path) -> Installation:
    return Installation({"DATABASE_URL": database, "DATA_DIR": str(tmp_path / "var")})


@pytest.fixture(scope="module")
def nothing(tmp_path_factory) -> Installation:
    """No database there, and none that could be started."""
    data_dir = tmp_path_factory.mktemp("nothing") / "var"
    return Installation({"DATABASE_URL": "postgresql://x@127.0.0.1:9/x", "DATA_DIR": str(data_dir)})


def called(installed: Installation, *arguments: str) -> Result:
    """Call a command as the process does, within this one: for what ends before it has done anything."""
    return CliRunner().invoke(main, arguments, prog_name="creditsvc", env=installed.environment)


@pytest.mark.parametrize("command", LEAVES, ids=" ".join)
def test_every_command_explains_itself(nothing, command):
    done = called(nothing, *command, "--help")
    assert done.exit_code == 0
    assert f"Usage: creditsvc {' '.join(command)}" in done.stdout.replace("\n", " ")
    assert re.search(r"Examples?:|The id is|Tab-separated", done.stdout)


def test_wrong_calls_end_with_status_2_and_nothing_on_standard_output(nothing):
    calls = [
        ("frobnicate",),
        ("keys", "create"),
        ("keys", "create", "--role", "king"),
        ("keys", "create", "--role", "agency"),
        ("keys", "create", "--role", "agency", "--source", "nonsense"),
        ("keys", "create", "--role", "partner", "--source", SOURCE),
        ("keys", "create", "--role", "entity"),
        ("keys", "create", "--role", "partner", "--expires", "0"),
        ("keys", "create", "--role", "partner", "--purpose", "two words"),
        ("load", "absent.csv", "--mapping", "absent.toml"),
        ("load", __file__, "--mapping", __file__),
        ("load", __file__, "--mapping", __file__, "--key", "k", "--url", "localhost"),
        ("load", __file__, "--mapping", __file__, "--key", "k", "--rejected", __file__),
        ("migrate", "--phase", "pre", "--rollback-to", "0"),
        ("show", "siren:552081317", "--url", "localhost"),
        ("show", "siren:552081317", "--as-of", "yesterday"),
        ("show", "foo"),
        ("desk",),
        ("desk", "--agency", SOURCE, "--url", "localhost"),
        ("desk", "--agency", SOURCE, "--kind", "wish"),
    ]
    for call in calls:
        result = called(nothing, *call)
        assert (result.exit_code, result.stdout) == (2, ""), call
        assert "Error: " in result.stderr
    done = nothing.run(*calls[0])
    assert (done.returncode, done.stdout, done.stderr) == (2, "", called(nothing, *calls[0]).stderr)
    assert nothing.run("keys", "list", CREDITSVC_PORT="eighty").returncode == 2


def test_failures_end_with_status_1_and_say_so(nothing):
    for call in [("keys", "list"), ("agencies", "list"), ("migrate",), ("fsck",)]:
        done = nothing.run(*call)
        assert (done.returncode, done.stdout) == (1, ""), call
        assert done.stderr.strip()
    for call in [("show", "siren:552081317"), ("desk", "--agency", SOURCE)]:
        done = nothing.run(*call, "--url", "http://127.0.0.1:9")
        assert done.returncode == 1
        assert "is it running" in done.stderr
        assert done.stderr.count("http://127.0.0.1:9") == 1


def test_commands_beside_a_service_make_no_database_where_there_is_none(tmp_path):
    elsewhere = Installation({"DATA_DIR": str(tmp_path / "var")})
    for call in [("keys", "list"), ("agencies", "list"), ("fsck",), ("models", "refold")]:
        done = elsewhere.run(*call)
        assert (done.returncode, done.stdout) == (1, ""), call
        assert f"no data in {tmp_path}/var: run this where the service runs" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_time_that_cannot_be_read_is_told_with_an_example(nothing):
    done = nothing.run("show", "siren:552081317", "--as-of", "yesterday")
    assert "such as 2026-03-01T00:00:00Z" in done.stderr


@pytest.mark.parametrize("group", [(), ("keys",), ("agencies",), ("models",)])
def test_what_a_command_does_is_said_whole_in_the_list_of_them(nothing, group):
    listed = nothing.run(*group, "--help", COLUMNS="80").stdout.partition("Commands:")[2]
    assert listed
    assert "..." not in listed


def test_life_of_a_key(installed):
    created = installed.run("keys", "create", "--role", "agency", "--source", SOURCE, "--expires", "30")
    assert created.returncode == 0
    assert re.fullmatch(r"[0-9a-f]{16}\.[A-Za-z0-9_-]{32}\n", created.stdout), "the key alone"
    key_id, secret = created.stdout.strip().split(".")
    assert installed.run("keys", "create", "--role", "agency", "--source", SOURCE).returncode == 0
    third = installed.run("keys", "create", "--role", "agency", "--source", SOURCE)
    assert (third.returncode, third.stdout) == (1, "")
    assert f"`creditsvc keys revoke {key_id}`" in third.stderr
    listed = installed.run("keys", "list").stdout
    assert len(listed.splitlines()) == 2
    assert f"{key_id}\tagency:{SOURCE}\tagency\t{SOURCE}\tlive\t" in listed
    assert secret not in listed
    assert installed.run("keys", "revoke", key_id).returncode == 0
    assert f"{key_id}\tagency:{SOURCE}\tagency\t{SOURCE}\trevoked\t" in installed.run("keys", "list").stdout
    assert installed.run("keys", "revoke", "0000").returncode == 1


def test_agencies_are_named_and_listed(installed):
    added = installed.run("agencies", "add", "--source", SOURCE, "--name", "天津市市场监督管理委员会")
    assert added.returncode == 0
    assert "keys create" in added.stdout
    assert installed.run("agencies", "list").stdout == f"{SOURCE}\t天津市市场监督管理委员会\t0\n"
    assert installed.run("agencies", "add", "--source", "nonsense", "--name", "x").returncode == 1


def test_person_is_no_entity_and_is_not_repeated(installed):
    for given in ("uscc:92350100MA2XXXXX1R", "uscc:11010519491231002X"):
        done = installed.run("keys", "create", "--role", "entity", "--entity", given)
        assert (done.returncode, done.stdout) == (2, "")
        assert given.partition(":")[2] not in done.stderr


def test_schema_goes_down_and_up_and_its_absence_is_said(installed):
    assert "up to date" in installed.run("migrate").stdout
    assert "undone" in installed.run("migrate", "--rollback-to", "0").stdout
    missing = installed.run("keys", "list")
    assert missing.returncode == 1
    assert "creditsvc migrate" in missing.stderr
    assert "migrating" in installed.run("migrate").stdout
    assert installed.run("keys", "list").returncode == 0


def test_fsck_of_an_empty_ledger_is_clean(installed):
    done = installed.run("fsck", "--progress")
    assert (done.returncode, done.stdout) == (0, "")
    assert "clean, 0 organisations checked" in done.stderr


def test_rehearsal_sends_nothing_and_needs_no_key(nothing, tmp_path):
    sheet = ROOT / "examples" / "sheets" / "penalties"
    report = tmp_path / "rejected.csv"
    done = nothing.run(
        *("load", f"{sheet}.csv", "--mapping", f"{sheet}.toml", "--dry-run", "--rejected", report)
    )
    assert done.returncode == 1
    assert "4 would be sent" in done.stderr
    assert "榕示市监罚〔2026〕1号" in done.stdout
    assert {line.split(",")[0] for line in report.read_text("utf-8").splitlines()} == {"row", "5"}
    assert "440100" not in report.read_text("utf-8")


def test_mistake_in_the_mapping_points_into_it(nothing, tmp_path):
    (tmp_path / "m.toml").write_text(
        '[event]\nid = "{x}"\nsource = "s"\ntype = "t"\nsubject = "u"\n'
        'time = "v"\ndata = { record = "{x}" }\n'
    )
    (tmp_path / "f.csv").write_text("a,b\n1,2\n")
    done = nothing.run("load", tmp_path / "f.csv", "--mapping", tmp_path / "m.toml", "--key", "k")
    assert done.returncode == 1
    assert "[event.id] column 'x' is not in the file; it has a, b" in done.stderr
