"""Something is wrong here, and repair: what the pages say, what their forms hand in, and what they refuse."""

import re
import shlex
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

import orjson
import pytest

from creditsvc.domain.parties import party
from creditsvc.store.clients import create_key
from creditsvc.store.database import connect
from tests.browsing import Browser, Page
from tests.conformance.conftest import Serve, Service, with_keys
from tests.conformance.test_desk import push
from tests.making import CATALOGUE, ENTITY, OTHER_ENTITY, OTHER_SOURCE, SOURCE, raw
from tests.sequencing import settled

RESIDENT = "11010519491231002X"  # the example of GB 11643
MOBILE = "138 1234 5678"
MARKUP = "<script>alert(1)</script>\"'&{{7*7}}"
ONE = f"/entities/{ENTITY}"
OLD = (datetime.now(UTC).date() - timedelta(days=200)).isoformat()  # its minimum of three months is over
NEW = (datetime.now(UTC).date() - timedelta(days=5)).isoformat()
TERMS = {"category": "罚款", "severity": "general"}


def of(path: str, record: str = "P1", source: str = SOURCE, entity: str = ENTITY) -> str:
    return f"/entities/{entity}/{path}?{urlencode({'record': record, 'source': source})}"


OBJECTION, REPAIR = of("objection"), of("repair")


@pytest.fixture
async def running(serve: Serve) -> Service:
    service = await with_keys(await serve())
    connection = await connect(service.dsn)
    for role, source in [("another agency", [OTHER_SOURCE]), ("both", ["urn:agency:a", "urn:agency:b"])]:
        service.keys[role] = await create_key(connection, "agency", client_id=role, sources=source)
    await connection.close()
    await push(
        service,
        raw("penalty.imposed", "P1", decided_on=OLD, **TERMS),
        raw("penalty.imposed", "P2", decided_on=NEW, **TERMS),
        raw("licence.granted", "L<1>&'2", entity_name=MARKUP),
        raw("penalty.imposed", "P3", subject=OTHER_ENTITY, decided_on=NEW, **TERMS),
    )
    return service


async def history(service: Service, role: str = "operator", entity: str = ENTITY):
    headers = service.headers(role)
    async with service.session.get(f"/v1/entities/{entity}/history?limit=100", headers=headers) as answer:
        return [item["event"] for item in orjson.loads(await answer.read())["items"]]


async def signed(service: Service, browser: Browser, role: str, path: str) -> Page:
    await browser.sign_in(service.keys[role])
    return await browser.get(path)


def number_of(page: Page) -> str:
    found = re.search(r"WEB-[A-Z]{10}", page.text)
    assert found is not None
    return found[0]


TOLD = {
    "en": (
        *("The organisation may object", "It costs nothing", "5 working days", "30 days", "Sign in"),
        *("whoever runs this service makes one", "marked as objected to at once"),
    ),
    "zh": (
        "该组织可以提出异议",
        "不收取任何费用",
        "5 个工作日",
        "30 日",
        "登录",
        "由本服务的运营者核实身份后制作",
        "立即对所有人标注",
    ),
}


@pytest.mark.parametrize("language", ["en", "zh"])
async def test_anybody_is_told_who_may_object_how_it_goes_on_and_by_when(running: Service, language):
    async with Browser(running.url, language) as browser:
        organisation = await browser.get(ONE)
        (link,) = [link for link in organisation.links if "record=P1" in link and "/objection" in link]
        page = await browser.get(link)
        assert page.status == 200
        assert [told for told in TOLD[language] if told.lower() not in page.text.lower()] == []
        assert CATALOGUE.procedures["objection"][-1].source in page.text
        assert not [form for form in page.forms if form.method == "post"]
        assert f'lang="{"zh-CN" if language == "zh" else "en"}"' in page.html


async def test_the_request_to_copy_works_as_it_stands(running: Service):
    for path in (OBJECTION, REPAIR):
        async with Browser(running.url) as browser:
            (command,) = (await browser.get(path)).pre
        words = shlex.split(command.replace("\\\n", ""))
        assert words[:3] == ["curl", "-sS", f"{running.url}/v1/events"]
        body = words[words.index("-d") + 1]
        headers = running.headers("entity") | {"Content-Type": "application/cloudevents+json"}
        async with running.session.post("/v1/events", data=body.encode(), headers=headers) as answer:
            assert answer.status == 201, await answer.text()


async def test_the_organisation_objects_and_has_its_receipt(running: Service):
    async with Browser(running.url) as browser:
        page = await signed(running, browser, "entity", OBJECTION)
        assert "open already" not in page.text
        form = page.form()
        assert {"ground"} <= form.required
        assert set(form.options["ground"]) - {""} == set(CATALOGUE.fields["ground"].values)
        typed = {
            "ground": "differs-from-source",
            "reason": "One line\r\nand another",
            "evidence__0__reference": "Decision, page 2",
            "evidence__0__sha256": "9F" * 32,
            "evidence__2__reference": "Letter",
        }
        page = await browser.send(page, form, **typed)
        assert (page.status, "Received" in page.text) == (201, True)
        number = number_of(page)
        again = await browser.send(page, form, **typed)
        assert (again.status, number_of(again)) == (200, number), "sent twice it is one"
        assert "recorded before" in again.text
        opened = (await history(running))[-1]
        assert opened["source"] == party(ENTITY)
        assert opened["data"] == {
            "record": "P1",
            "record_source": SOURCE,
            "objection": number,
            "ground": "differs-from-source",
            "reason": "One line\nand another",
            "evidence": [{"reference": "Decision, page 2", "sha256": "9f" * 32}, {"reference": "Letter"}],
        }
        assert "Under objection" in (await browser.get(ONE)).text
        await settled(running.dsn)
        (prove,) = [link for link in page.links if "/events/" in link]
        assert "Yes." in (await browser.get(prove)).text
        assert number in (await browser.get(f"{ONE}/cases")).text
        assert "open already" in (await browser.get(OBJECTION)).text


async def test_the_same_form_with_other_words_is_no_second_objection(running: Service):
    async with Browser(running.url, "zh") as browser:
        page = await signed(running, browser, "entity", OBJECTION)
        form = page.form()
        assert (await browser.send(page, form, ground="wrong")).status == 201
        page = await browser.send(page, form, ground="duplicate")
        assert page.status == 409
        assert "此表单已以其他内容提交过" in page.text


async def test_an_agency_objects_for_the_organisation_as_whom_it_says(running: Service):
    async with Browser(running.url) as browser:
        page = await signed(running, browser, "both", OBJECTION)
        page = await browser.send(page, page.form(), ground="wrong", speaker="urn:agency:b")
        assert page.status == 201
        assert (await history(running))[-1]["source"] == "urn:agency:b"
        page = await browser.get(OBJECTION)
        page = await browser.send(page, page.form(), ground="wrong", speaker=SOURCE)
        assert page.status == 201
        assert (await history(running))[-1]["source"] == "urn:agency:a", "never as another"


@pytest.mark.parametrize("language", ["en", "zh"])
async def test_what_is_left_out_is_named_at_its_field(running: Service, language):
    async with Browser(running.url, language) as browser:
        page = await signed(running, browser, "entity", OBJECTION)
        page = await browser.send(page, page.form(), ground="", reason=MARKUP)
        assert page.status == 422
        assert {"en": "This field is required", "zh": "必须填写"}[language] in page.text
        title = CATALOGUE.fields["ground"].title
        assert (title.zh if language == "zh" else title.en) in page.text
        assert 'aria-invalid="true" aria-describedby="f-ground-wrong"' in page.html
        assert page.form().fields["reason"] == MARKUP, "what was typed is kept"
        assert "<script>alert" not in page.html
        assert (await browser.send(page, page.form(), ground="wrong")).status == 201


PERSONS = [
    *({"reason": f"see {RESIDENT}"}, {"reason": MOBILE}, {"evidence__0__reference": RESIDENT}),
    *({"note": "1101０51949１231002x"}, {"id": RESIDENT}, {"number": RESIDENT}),
]


@pytest.mark.parametrize("typed", PERSONS, ids=str)
@pytest.mark.parametrize("language", ["en", "zh"])
async def test_a_persons_number_is_refused_and_comes_back_nowhere(running: Service, typed, language):
    async with Browser(running.url, language) as browser:
        page = await signed(running, browser, "entity", OBJECTION)
        page = await browser.send(page, page.form(), ground="wrong", **typed)
        assert page.status == 422
        assert {"en": "holds what looks like a person's", "zh": "疑似"}[language] in page.text
        for value in typed.values():
            assert value not in page.html
            assert value.removeprefix("see ") not in page.html
        assert page.form().fields["ground"] == "wrong"
    assert len(await history(running)) == 3


async def test_what_is_too_much_is_refused_in_words(running: Service):
    async with Browser(running.url) as browser:
        page = await signed(running, browser, "entity", OBJECTION)
        form = page.form()
        refused = await browser.send(page, form, ground="wrong", reason="长" * 2_001)
        assert (refused.status, "At most 2000 characters" in refused.text) == (422, True)
        assert refused.form().fields["reason"] == "长" * 2_001
        refused = await browser.send(page, form, ground="wrong", reason="a" * 100_000)
        assert (refused.status, "at most 65536 bytes" in refused.text) == (413, True)
        refused = await browser.send(page, form, ground="wrong", reason="a" * 300_000)
        assert (refused.status, refused.headers["Content-Type"].partition(";")[0]) == (413, "text/html")
        for hostile in ("\x00", "\ud800".encode("utf-8", "surrogatepass").decode("latin-1"), "a\x07"):
            refused = await browser.send(page, form, ground="wrong", reason=hostile)
            assert refused.status in {400, 422}, hostile
    assert len(await history(running)) == 3


FIELDS = (
    "id",
    "time",
    "number",
    "ground",
    "reason",
    "note",
    "evidence.0.reference",
    "evidence.2.sha256",
    "speaker",
)


async def test_markup_in_every_field_comes_out_as_text(running: Service):
    async with Browser(running.url) as browser:
        page = await signed(running, browser, "entity", OBJECTION)
        page = await browser.send(page, page.form(), **dict.fromkeys(FIELDS, MARKUP))
        assert page.status == 422
        assert page.tags.count("script") == 1, "the one of every page"
        assert MARKUP not in page.html
        assert "49" not in page.form().fields["reason"]
        page = await browser.get(OBJECTION)
        number = '"><script>alert(2)</script>'
        page = await browser.send(page, page.form(), ground="wrong", reason=MARKUP, number=number)
        assert page.status == 201
        assert page.tags.count("script") == 1
        assert number in page.text
        for path in (ONE, OBJECTION, f"{ONE}/cases", of("objection", "L<1>&'2")):
            found = await browser.get(path)
            assert (found.status, found.tags.count("script")) == (200, 1), path


async def test_a_record_with_odd_characters_can_be_objected_to(running: Service):
    async with Browser(running.url) as browser:
        await browser.sign_in(running.keys["entity"])
        (link,) = [
            link for link in (await browser.get(ONE)).links if "/objection" in link and "L%3C1" in link
        ]
        page = await browser.get(link)
        assert (await browser.send(page, page.form(), ground="wrong")).status == 201
        assert (await history(running))[-1]["data"]["record"] == "L<1>&'2"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (f"{ONE}/objection", 400),
        (f"{ONE}/objection?record=P1", 400),
        (of("objection", "P9"), 404),
        (of("objection", "P1", OTHER_SOURCE), 404),
        (of("objection", MARKUP), 404),
        (of("objection", RESIDENT), 404),
        (of("objection", "P1\0"), 400),
        (of("objection", entity="usdot:777123"), 404),
        (of("objection", entity="siren:1"), 404),
        (of("objection", entity=f"uscc:{RESIDENT}"), 422),
        (OBJECTION + "&other=1", 400),
    ],
)
@pytest.mark.parametrize("role", ["public", "entity"])
async def test_what_is_not_there_is_said_in_words(running: Service, path, status, role):
    async with Browser(running.url) as browser:
        if role != "public":
            await browser.sign_in(running.keys[role])
        page = await browser.get(path)
        assert (page.status, page.headers["Content-Type"].partition(";")[0]) == (status, "text/html")
        assert MARKUP not in page.html
        assert RESIDENT not in page.html


@pytest.mark.parametrize(
    ("role", "path", "told"),
    [
        ("entity", of("objection", "P3", entity=OTHER_ENTITY), "speaks for itself only"),
        ("partner", OBJECTION, "is for looking up"),
        ("auditor", OBJECTION, "is for looking up"),
        ("operator", OBJECTION, "is for looking up"),
        ("another agency", REPAIR, "Only the agency that handed the record in"),
    ],
)
async def test_who_may_not_is_told_why_and_gets_no_form(running: Service, role, path, told):
    async with Browser(running.url) as browser:
        page = await signed(running, browser, role, path)
        assert (page.status, told in page.text) == (200, True)
        assert [form.action for form in page.forms if form.method == "post"] == ["/sign-out"]
        out = next(form for form in page.forms if form.action == "/sign-out")
        sent = out.fields | {"ground": "wrong", "commitment": "c", "evidence.0.reference": "r"}
        refused = await browser.ask("POST", path, sent, Origin=running.url)
        assert refused.status == 403
    assert len(await history(running)) == 3


async def test_who_is_not_signed_in_hands_nothing_in(running: Service):
    async with Browser(running.url) as browser:
        page = await browser.ask("POST", OBJECTION, {"ground": "wrong"}, Origin=running.url)
        assert (page.status, "Sign in first" in page.text) == (401, True)
    assert len(await history(running)) == 3


async def test_an_objection_needs_the_forms_token(running: Service):
    async with Browser(running.url) as browser:
        page = await signed(running, browser, "entity", OBJECTION)
        for refused in (
            await browser.send(page, page.form(), ground="wrong", token="x"),  # noqa: S106
            await browser.send(page, page.form(), ground="wrong", origin="https://evil.example"),
        ):
            assert refused.status == 403
    assert len(await history(running)) == 3


@pytest.mark.parametrize("language", ["en", "zh"])
async def test_repair_is_applied_for_once_the_minimum_is_over(running: Service, language):
    async with Browser(running.url, language) as browser:
        await browser.sign_in(running.keys["entity"])
        links = (await browser.get(ONE)).links
        assert [link for link in links if "/repair" in link] == [REPAIR.replace(":agency:", "%3Aagency%3A")]
        page = await browser.get(of("repair", "P2"))
        assert {"en": "minimum period is not over", "zh": "最短公示期尚未届满"}[language] in page.text
        assert not [form for form in page.forms if "commitment" in form.fields]
        page = await browser.get(of("repair", "L<1>&'2"))
        assert {"en": "No rule says", "zh": "没有规定此类记录可以修复"}[language] in page.text
        page = await browser.get(REPAIR)
        assert {"commitment", "evidence.0.reference"} <= page.form().required
        refused = await browser.send(page, page.form(), commitment="We keep the law")
        assert refused.status == 422
        page = await browser.send(
            refused, refused.form(), commitment="We keep the law", evidence__0__reference="Receipt 1"
        )
        assert page.status == 201
        assert (await history(running))[-1]["data"] == {
            "record": "P1",
            "record_source": SOURCE,
            "repair": number_of(page),
            "commitment": "We keep the law",
            "evidence": [{"reference": "Receipt 1"}],
        }
        page = await browser.get(REPAIR)
        page = await browser.send(page, page.form(), commitment="Again", evidence__0__reference="Receipt 1")
        assert page.status == 409
        assert {"en": "open already", "zh": "案件现在不允许此操作"}[language] in page.text


async def test_of_a_withdrawn_record_there_is_nothing_to_object_to(running: Service):
    await push(running, raw("record.revoked", "P1", reason="in error"))
    async with Browser(running.url) as browser:
        assert (await browser.get(OBJECTION)).status == 404
        page = await signed(running, browser, "entity", OBJECTION)
        assert "nothing to object to" in page.text
        assert not [form for form in page.forms if "ground" in form.fields]
