"""A report from end to end: what the service answers over HTTP, put into words, set, sealed and checked."""

import asyncio
import io
import json
from datetime import UTC, datetime

import pytest
from pyhanko.pdf_utils.reader import PdfFileReader

from creditsvc.domain import instants
from creditsvc.report.content import Asked, Told, compose
from creditsvc.report.html import article
from creditsvc.report.kept import number_key
from creditsvc.report.number import Claim, read, standing, write
from creditsvc.report.press import Press
from creditsvc.report.words import LANGUAGES
from creditsvc.settings import Settings
from tests.conformance.conftest import Service, served, with_keys
from tests.making import CATALOGUE, ENTITY, raw
from tests.reports import text_of

NAME = '示例 #eval("1") <b>有限公司</b>'
NOW = datetime.now(UTC)
TODAY = NOW.date().isoformat()


@pytest.fixture(scope="module")
async def running(make_database):
    async with served(await make_database(), Settings()) as service:
        await with_keys(service)
        await push(
            service,
            raw("penalty.imposed", "P1", entity_name=NAME, severity="serious", decided_on=TODAY),
            raw("honour.granted", "H1", decided_on=TODAY, title="守合同重信用企业"),
            raw("contract.performed", "C1"),
        )
        yield service


async def push(service: Service, *events):
    headers = {**service.headers("agency"), "Content-Type": "application/cloudevents-batch+json"}
    async with service.session.post("/v1/events", data=json.dumps(events), headers=headers) as answer:
        found = await answer.json()
        assert [one["status"] for one in found["results"]] == ["accepted"] * len(events), found


async def told(service: Service) -> Told:
    """As a page asks: the profile first, then all else as of what it holds since."""
    profile = await get(service, f"/v1/entities/{ENTITY}")
    since = f"as_of={profile['valid_from']}"
    records = await get(service, f"/v1/entities/{ENTITY}/records?{since}")
    score = await get(service, f"/v1/entities/{ENTITY}/score?{since}")
    models = (await get(service, "/v1/models"))["items"]
    (model,) = (one for one in models if (one["name"], one["version"]) == (score["model"], score["version"]))
    return Told(profile, records["items"], score, model)


async def get(service: Service, path: str):
    async with service.session.get(path) as answer:
        assert answer.status == 200, path
        return await answer.json()


def since(given: Told):
    return instants.parse(given.profile["valid_from"])


@pytest.mark.parametrize("language", LANGUAGES)
async def test_what_the_service_answers_becomes_a_sealed_report(running: Service, language, tmp_path):
    settings = Settings(data_dir=tmp_path)
    press, key, given = Press(settings), number_key(settings), await told(running)
    number = write(Claim(ENTITY, since(given)), key)
    made = compose(given, Asked(NOW, language, running.url, number, press.seal_name()), CATALOGUE)
    assert {entry.number for entry in made.records} == {"P1", "H1", "C1"}
    assert "&lt;b&gt;" in article(made)
    pdf = await asyncio.to_thread(press.pdf, made)
    assert len(PdfFileReader(io.BytesIO(pdf)).embedded_signatures) == 1
    text = text_of(pdf)
    assert NAME in text
    assert "守合同重信用企业" in text
    assert number in text


async def test_its_number_is_genuine_until_something_is_stated(running: Service, tmp_path):
    key, given = number_key(Settings(data_dir=tmp_path)), await told(running)
    claim = read(write(Claim(ENTITY, since(given)), key), key)
    assert standing(claim, since(given)) == "genuine"
    await push(running, raw("inspection.completed", "I1", outcome="satisfactory", decided_on=TODAY))
    assert standing(claim, since(await told(running))) == "superseded"
    assert (
        await get(running, f"/v1/entities/{ENTITY}?as_of={instants.text(claim.valid_from)}")
    ) == given.profile
    elsewhere = number_key(Settings(data_dir=tmp_path / "other"))
    assert standing(read(write(claim, key), elsewhere), since(given)) == "unknown"


async def test_what_the_public_is_not_shown_leaves_a_number_genuine(running: Service, tmp_path):
    key, given = number_key(Settings(data_dir=tmp_path)), await told(running)
    claim = read(write(Claim(ENTITY, since(given)), key), key)
    await push(running, raw("penalty.imposed", "P0", severity="minor", category="警告", decided_on=TODAY))
    assert standing(claim, since(await told(running))) == "genuine"
