"""The image and the compose file fit the service. They are read: there may be no container engine here."""

import json
import os
import re
import shlex
import subprocess
import sys
import sysconfig
import threading
import tomllib
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import click
import pytest
import yaml

from creditsvc.cli import main
from creditsvc.settings import PREFIX, Settings

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
COMPOSE = yaml.safe_load((ROOT / "deploy/compose.yaml").read_text(encoding="utf-8"))
KNOWN = {PREFIX + field.name.upper() for field in fields(Settings)}


def instructions(name: str) -> list[str]:
    return re.findall(rf"^{name} +(.+)$", DOCKERFILE, re.MULTILINE)


def image_environment() -> dict[str, str]:
    last_stage = DOCKERFILE.rsplit("\nFROM ", 1)[1]
    given = re.findall(r"^ENV +(.+)$", last_stage, re.MULTILINE)
    return dict(word.split("=", 1) for line in given for word in shlex.split(line))


def test_every_setting_that_they_give_exists_and_can_be_read():
    image = {name: value for name, value in image_environment().items() if name.startswith(PREFIX)}
    composed = {
        name: value
        for name, value in COMPOSE["services"]["creditsvc"]["environment"].items()
        if name.startswith(PREFIX)
    }
    assert image.keys() | composed.keys() <= KNOWN
    settings = Settings.from_environment(image | composed)
    assert settings.host == "0.0.0.0"  # noqa: S104  inside a container
    assert settings.database_url == "postgresql://creditsvc@database:5432/creditsvc"


def test_the_image_starts_the_service():
    entry, command = json.loads(instructions("ENTRYPOINT")[0]), json.loads(instructions("CMD")[-1])
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert entry == ["creditsvc"]
    assert entry[0] in project["project"]["scripts"]
    assert command[0] in main.list_commands(click.Context(main))
    script = Path(sysconfig.get_path("scripts"), *entry)
    done = subprocess.run(
        [script, *command, "--help"], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "creditsvc serve" in done.stdout


def test_the_image_runs_as_nobody_in_particular():
    assert instructions("USER") == ["10001:10001"]
    assert "gid 10001" in DOCKERFILE
    assert "uid 10001" in DOCKERFILE


def test_the_builder_is_given_all_that_the_image_is_made_of():
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").split()
    assert "*" in ignored
    for line in instructions("COPY"):
        *sources, _ = [word for word in line.split() if not word.startswith("--")]
        if "--from=" in line:
            continue
        for source in sources:
            assert (ROOT / source).exists(), source
            assert f"!{source.split('/')[0]}" in ignored, source


@contextmanager
def answering(status: int) -> Iterator[int]:
    asked = []

    class Probe(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Probe) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()
    assert asked == ["/readyz"]


@pytest.mark.parametrize(("status", "healthy"), [(200, True), (503, False)])
def test_the_health_check_goes_by_readiness(status, healthy):
    check = json.loads(re.search(r"^HEALTHCHECK .*? CMD (\[.+\])$", DOCKERFILE, re.MULTILINE)[1])
    assert check[0] == "python"
    with answering(status) as port:
        # A proxy that does not exist: the check must not ask it.
        environment = os.environ | {"CREDITSVC_PORT": str(port), "http_proxy": "http://127.0.0.1:9"}
        done = subprocess.run([sys.executable, *check[1:]], env=environment, timeout=30, check=False)
    assert (done.returncode == 0) is healthy


def test_compose_waits_for_a_database_that_lasts():
    service, database = COMPOSE["services"]["creditsvc"], COMPOSE["services"]["database"]
    assert database["image"] == "postgres:18"
    assert service["depends_on"]["database"]["condition"] == "service_healthy"
    assert "pg_isready" in database["healthcheck"]["test"]
    volumes = {
        volume.split(":")[1]: volume.split(":")[0] for volume in database["volumes"] + service["volumes"]
    }
    assert volumes["/var/lib/postgresql"] in COMPOSE["volumes"]
    assert volumes[image_environment()["CREDITSVC_DATA_DIR"]] in COMPOSE["volumes"]
    assert (ROOT / "deploy" / volumes["/docker-entrypoint-initdb.d/database.sql"]).exists()
    assert float(service["stop_grace_period"].removesuffix("s")) > Settings().drain_timeout_s


def test_compose_holds_no_secret_and_opens_nothing_to_the_network():
    text = (ROOT / "deploy/compose.yaml").read_text(encoding="utf-8")
    assert all(value.startswith("${") for value in re.findall(r"^ +\w*PASSWORD: (.+)$", text, re.MULTILINE))
    assert [port for service in COMPOSE["services"].values() for port in service.get("ports", [])] == [
        "127.0.0.1:8080:8080"
    ]


def test_the_wheel_carries_what_the_service_reads(tmp_path):
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path],
        cwd=ROOT,
        capture_output=True,
        timeout=120,
        check=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    packed = set(zipfile.ZipFile(wheel).namelist())
    needed = {
        path.relative_to(ROOT).as_posix()
        for package in ("creditsvc", "schema", "scoring")
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert needed <= packed
