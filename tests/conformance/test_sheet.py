"""A sheet with every kind of dirt, handed in to a real service: what is found ready is taken, once."""

import asyncio
import csv
import io
from pathlib import Path

import pytest
from click.testing import CliRunner

from creditsvc.cli import main
from tests.conformance.conftest import Serve, with_keys
from tests.making import SOURCE
from tests.sheets import DIRT, as_csv, as_xlsx, dirty, licences, penalties

READY = sum(not found for _, found in DIRT.values())


async def handed_in(service, path: Path, kind: str = "penalty", *arguments: str):
    call = ["sheet", "check", str(path), "--kind", kind, "--source", SOURCE, "--send", "--url", service.url]
    key = {"CREDITSVC_KEY": service.keys["agency"]}
    return await asyncio.to_thread(CliRunner().invoke, main, [*call, *arguments], env=key)


@pytest.mark.parametrize("form", ["xlsx", "csv"])
async def test_what_is_ready_is_taken_and_the_rest_is_given_back(form, serve: Serve, tmp_path):
    service = await with_keys(await serve())
    path, rejected = tmp_path / f"sheet.{form}", tmp_path / "rejected.csv"
    path.write_bytes(dirty(form))
    done = await handed_in(service, path, "penalty", "--rejected", str(rejected))
    assert done.exit_code == 1, done.output
    assert f"{READY} accepted, 0 there already, 0 rejected by the service" in done.stderr
    async with service.session.get(
        "/v1/entities/uscc:91350100M00010217R/records?limit=100", headers=service.headers("agency")
    ) as answer:
        assert answer.status == 200
        assert len((await answer.json())["items"]) == READY

    again = await handed_in(service, path, "penalty", "--rejected", str(rejected))
    assert f"0 accepted, {READY} there already, 0 rejected by the service" in again.stderr


async def test_another_row_of_a_number_that_stands_is_given_back(serve: Serve, tmp_path):
    service = await with_keys(await serve())
    path, rejected = tmp_path / "sheet.xlsx", tmp_path / "rejected.csv"
    path.write_bytes(as_xlsx(penalties({}, {})))
    assert (await handed_in(service, path)).exit_code == 0
    path.write_bytes(as_xlsx(penalties({}, {"fine": "6"})))
    done = await handed_in(service, path, "penalty", "--language", "zh", "--rejected", str(rejected))
    assert done.exit_code == 1
    assert "0 accepted, 1 there already, 1 rejected by the service" in done.stderr
    assert done.stdout.startswith("3\t行政处罚决定书文号\trecord-exists\t服务中已有这个组织的这个文号")
    given = list(csv.reader(io.StringIO(rejected.read_text(encoding="utf-8-sig"), newline="")))
    assert [row[0] for row in given] == ["行", "3"]


async def test_licences_are_taken(serve: Serve, tmp_path):
    service = await with_keys(await serve())
    path = tmp_path / "sheet.csv"
    path.write_bytes(as_csv(licences({}), "gb18030"))
    done = await handed_in(service, path, "licence")
    assert (done.exit_code, done.stdout) == (0, "")
    assert "1 accepted" in done.stderr


async def test_the_key_of_another_agency_is_told(serve: Serve, tmp_path):
    service = await with_keys(await serve())
    path = tmp_path / "sheet.csv"
    path.write_bytes(as_csv(penalties({})))
    call = ["sheet", "check", str(path), "--kind", "penalty", "--source", "urn:agency:other", "--send"]
    done = await asyncio.to_thread(
        CliRunner().invoke, main, [*call, "--url", service.url], env={"CREDITSVC_KEY": service.keys["agency"]}
    )
    assert done.exit_code == 1
    assert "1 rejected" in done.stderr
