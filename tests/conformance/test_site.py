"""Pages for people: both languages, nothing from elsewhere, nothing that the public may not know."""

import html
import itertools
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from html.parser import HTMLParser
from importlib import resources

import orjson
import pytest

from creditsvc.domain import catalogue
from creditsvc.domain.identifiers import SCHEMES
from creditsvc.settings import Settings
from creditsvc.web.site.language import LANGUAGES, preferred, words
from tests.conformance.conftest import Service, served, with_keys
from tests.conformance.test_log import push
from tests.making import CATALOGUE, ENTITY, OTHER_ENTITY, raw

MARKUP = '<b onclick="x()">坏&\'"</b>{{ 7 * 7 }}'
PERSON = "110101199003070011"
THIRD_ENTITY = "gb-coh:00445790"
# What may be said beside what must be, of the kinds of fields that are no plain text.
VALUES: dict[str, object] = {
    "money": {"value": "1234567.80", "currency": "CNY"},
    "organisation": {"id": "siren:552081317", "name": "某局"},
    "site": {"id": "55208131700013", "locality": "Paris"},
    "violations": [{"code": "395.8(e)", "severity": 5, "out_of_service": True}],
    "identifiers": ["siren:552081317"],
    "documents": [{"reference": "doc-1"}],
}
HIDDEN = {"severity": "minor", "decided_on": "2026-06-01"}  # not for the public
PAGES = [
    *(
        "/",
        "/?q=nothing+like+it",
        "/?q=91350100MOO01OOY43",
        "/?q=x",
        "/about",
        "/methods",
        "/statistics",
        "/reports",
        "/reports/nonsense",
    ),
    *(f"/entities/{ENTITY}/report",),
    *(f"/entities/{ENTITY}", f"/entities/{OTHER_ENTITY}", "/entities/siren:000000000", f"/?q={PERSON}"),
]
TEXTS = resources.files("creditsvc.web.site")


@pytest.fixture(scope="session")
async def site(make_database: Callable[[], Awaitable[str]]) -> AsyncIterator[Service]:
    """One organisation with something of most kinds, one of which nothing is public."""
    async with served(await make_database(), Settings(workers=1, drain_timeout_s=1)) as service:
        await with_keys(service)
        results = await push(
            service,
            raw("registration.changed", "registration", entity_name=MARKUP, status="active"),
            raw("penalty.imposed", "P1", severity="serious", decided_on="2026-03-01", title=MARKUP),
            raw("licence.granted", "L1", decided_on="2026-02-01", valid_until="2031-01-31"),
            raw("inspection.completed", "I1", decided_on="2026-02-02"),
            raw("objection.opened", "P1", objection="O1", ground="wrong"),
            raw("penalty.imposed", "H1", subject=OTHER_ENTITY, **HIDDEN),
        )
        assert [one["status"] for one in results["results"]] == ["accepted"] * 6
        yield service


async def get(service: Service, path: str, **headers: str) -> tuple[int, dict[str, str], str]:
    async with service.session.get(path, headers=headers, allow_redirects=False) as answer:
        return answer.status, dict(answer.headers), await answer.text()


class Outline(HTMLParser):
    """What a page is made of, as far as a reader without eyes depends on it."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("path", PAGES)
async def test_every_page_stands_on_its_own(site: Service, path: str, language: str):
    status, headers, page = await get(site, path, **{"Accept-Language": language})
    assert status in {200, 404, 422}
    assert headers["Content-Language"][:2] == language
    assert headers["Content-Type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "unsafe" not in headers["Content-Security-Policy"]
    outline = Outline(page)
    assert outline.all("html") == [{"lang": "zh-CN" if language == "zh" else "en"}]
    assert page.partition("</head>")[0].count("<title>") == 1
    for once in ("h1", "main", "header", "footer"):
        found = [one for one in outline.all(once) if one.get("class") != "report-head"]  # of an article
        assert len(found) == 1, once
    assert outline.tags.index(("a", {"class": "skip", "href": "#main"})) < outline.tags.index(
        ("main", {"id": "main", "tabindex": "-1"})
    )
    labelled = {label["for"] for label in outline.all("label")}
    assert {field["id"] for field in outline.all("input")} <= labelled
    ids = [attributes["id"] for _, attributes in outline.tags if "id" in attributes]
    assert len(ids) == len(set(ids)), "each id once"
    for _, attributes in outline.tags:
        assert not {name for name in attributes if name.startswith("on") or name == "style"}
    for link in (*outline.all("a"), *outline.all("link"), *outline.all("img"), *outline.all("script")):
        address = (link.get("href") or link.get("src") or "").removeprefix(site.url)
        assert address.startswith(("/", "#", "?")), address
    assert [script for script in outline.all("script") if not script.get("src")] == []


async def test_what_a_page_is_made_of_is_there_and_kept_for_ever(site: Service):
    _, _, page = await get(site, "/")
    found = set(re.findall(r'"(/assets/[^"]+)"', page))
    assert len(found) == 3
    for path in found:
        status, headers, body = await get(site, path)
        assert (status, "immutable" in headers["Cache-Control"]) == (200, True)
        assert "http" not in body.replace("http://www.w3.org/2000/svg", "")
    assert (await get(site, "/assets/site.0000000000000000.css"))[0] == 404


@pytest.mark.parametrize("path", ["/nowhere", f"/hand/{PERSON}", f"/x?q={PERSON}"])
async def test_at_an_address_that_leads_nowhere_a_browser_is_given_a_page(site: Service, path: str):
    status, headers, page = await get(site, path, Accept="text/html,*/*;q=0.8")
    assert (status, headers["Cache-Control"]) == (404, "no-store")
    assert words("en")("problem.not-found.told") in page
    assert PERSON not in page
    assert ("a", {"class": "button", "href": "/"}) in Outline(page).tags
    for where, accepted in ((path, "*/*"), ("/v1/nowhere", "text/html"), ("/.well-known/x", "text/html")):
        status, headers, _ = await get(site, where, Accept=accepted)
        assert (status, headers["Content-Type"]) == (404, "application/problem+json")


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ("en-GB", "en"),
        ("fr", "en"),
        ("fr;q=1, zh-Hant;q=0.5", "zh"),
        ("en;q=0.5,zh;q=0.7", "zh"),
        ("", "en"),
        ("zh;q=0", "en"),
        ("zh;q=x, ;;;=,", "en"),
        ("*", "en"),
    ],
)
def test_the_browsers_language_is_read(accepted, language):
    assert preferred(accepted) == language


async def test_the_switch_is_kept(site: Service):
    _, headers, page = await get(site, "/?language=zh", **{"Accept-Language": "en"})
    assert 'lang="zh-CN"' in page
    cookie = headers["Set-Cookie"]
    assert {"HttpOnly", "SameSite=Lax"} <= {part.strip() for part in cookie.split(";")}
    _, _, kept = await get(site, "/about", Cookie=cookie.partition(";")[0], **{"Accept-Language": "en"})
    assert '<html lang="zh-CN">' in kept
    assert (await get(site, "/?language=fr"))[0] == 200


def test_both_languages_say_the_same_things():
    texts = {language: words(language).texts for language in LANGUAGES}
    assert texts["zh"].keys() == texts["en"].keys()
    for key, text in texts["zh"].items():
        blanks, others = (sorted(re.findall(r"{(\w+)[:}]", one)) for one in (text, texts["en"][key]))
        assert blanks == others, key
        assert text.strip()


def test_every_text_that_a_template_names_is_there_and_none_is_idle():
    named, begun = set(), set()
    for file in TEXTS.joinpath("templates").iterdir():
        content = file.read_text(encoding="utf-8")
        named |= set(re.findall(r"""\bt\(["']([^"']+)["'](?! \+)""", content))
        begun |= set(re.findall(r"""\bt(?:\.maybe)?\(["']([^"']+\.)["'] \+""", content))
    texts = words("en").texts
    assert named <= texts.keys()
    code = "".join(file.read_text(encoding="utf-8") for file in TEXTS.iterdir() if file.name.endswith(".py"))
    named |= {key for key in texts if f'"{key}"' in code}
    given = {"problem.", "wrong.", "objection.", "repair."}  # named by refusals, and by the kind of a case
    assert [key for key in texts if key not in named and not key.startswith((*begun, *given))] == []


async def test_an_organisations_page_tells_what_is_public_of_it(site: Service):
    status, _, page = await get(site, f"/entities/{ENTITY}", **{"Accept-Language": "en"})
    assert status == 200
    async with site.session.get(f"/v1/entities/{ENTITY}/records") as answer:
        records = (await answer.json())["items"]
    async with site.session.get(f"/v1/entities/{ENTITY}/score") as answer:
        score = await answer.json()
    titles = catalogue.load()
    for record in records:
        assert html.escape(titles.types[record["type"]].title.en) in page
        assert html.escape(record["record"]) in page
    for share in score["contributions"]["items"]:
        assert words("en")(f"reason.{share['code']}") in page
    assert f"{score['value']} of 1000" in page
    assert "Under objection" in page
    assert "Objection O1" in page
    assert page.count("<li><time") == len(records) + 1, "each event once"


async def test_whatever_it_is_called_comes_out_as_text(site: Service):
    for path in (f"/entities/{ENTITY}", "/?q=坏", f"/?q={ENTITY}"):
        _, _, page = await get(site, path)
        assert "<b onclick" not in page
        assert "49</b>" not in page
    _, _, page = await get(site, "/", **{"Accept-Language": '"><script>'})
    assert "<script>" not in page
    _, _, page = await get(site, "/?q=%22%3E%3Cscript%3Ealert(1)%3C/script%3E")
    assert "<script>alert" not in page


async def test_what_is_hidden_reads_like_what_is_unknown(site: Service):
    unknown = SCHEMES["siren"].example
    pages = []
    for entity in (OTHER_ENTITY, f"siren:{unknown}"):
        status, _, page = await get(site, f"/entities/{entity}")
        assert status == 404
        assert "not proof of compliance" in page
        pages.append(page.replace(entity.partition(":")[2], ""))
    if OTHER_ENTITY.partition(":")[2] != unknown:
        assert pages[0] == pages[1]


@pytest.mark.parametrize("path", ["/?q={}", "/entities/uscc:{}"])
async def test_a_person_is_refused_and_not_repeated(site: Service, path: str):
    status, _, page = await get(site, path.format(PERSON))
    assert status == 422
    assert PERSON not in page
    assert words("en")("problem.natural-person") in page


async def test_a_code_leads_to_its_organisation_and_a_mistyped_one_too(site: Service):
    code = ENTITY.partition(":")[2]
    for typed in (code, code.lower(), ENTITY):
        status, headers, _ = await get(site, f"/?q={typed}")
        assert (status, headers["Location"]) == (303, f"/entities/{ENTITY}")
    status, _, page = await get(site, "/?q=91350100MOO01OOY43")
    assert (status, f'href="/entities/{ENTITY}"' in page) == (200, True)
    assert "<mark>" in page
    status, _, page = await get(site, f"/?q={OTHER_ENTITY}")
    assert (status, "nothing is on record" in page) == (200, True)
    for language, said in (("en", "check digits do not fit"), ("zh", "校验码不符")):
        status, _, page = await get(site, "/?q=55208131766523", **{"Accept-Language": language})
        assert (status, said in page, "SIRET" in page or "法国营业机构识别码" in page) == (200, True, True)


async def test_a_day_shows_what_was_public_at_its_end(site: Service):
    status, _, page = await get(site, f"/entities/{ENTITY}?on=2020-01-01")
    assert (status, "2020-01-01" in page) == (404, True)
    for wrong in ("2999-01-01", "1066-10-14", "yesterday", "2026-02-30"):
        assert (await get(site, f"/entities/{ENTITY}?on={wrong}"))[0] == 400
    assert (await get(site, f"/entities/{ENTITY}?on="))[0] == 200


async def test_the_interface_does_not_list_pages(site: Service):
    async with site.session.get("/openapi.json") as answer:
        paths = orjson.loads(await answer.read())["paths"]
    assert "/" not in paths
    assert "/entities/{entity}" not in paths


async def test_a_report_leads_back_to_its_page_by_its_number(site: Service):
    status, _, page = await get(site, f"/entities/{ENTITY}/report", **{"Accept-Language": "en"})
    assert status == 200
    number = re.search(r"/reports/([^\"<\s&]+)", page)[1]
    status, _, checked = await get(site, f"/reports/{number}", **{"Accept-Language": "en"})
    assert (status, words("en")("check.genuine") in checked) == (200, True)
    status, headers, _ = await get(site, f"/reports?number={number.replace('-', '+-')}")
    assert (status, headers["Location"]) == (303, f"/reports/{number}")
    wrong = number[:-1] + ("0" if number[-1] != "0" else "1")
    status, _, checked = await get(site, f"/reports/{wrong}", **{"Accept-Language": "en"})
    assert (status, words("en")("check.misread") in checked) == (404, True)
    assert wrong not in checked
    await push(site, raw("honour.granted", "later"))
    _, _, checked = await get(site, f"/reports/{number}", **{"Accept-Language": "en"})
    assert words("en")("check.superseded") in checked


async def test_a_report_is_given_as_a_pdf_of_the_language_asked_for(site: Service):
    for language in LANGUAGES:
        path = f"/entities/{ENTITY}/report.pdf?language={language}"
        async with site.session.get(path) as answer:
            body = await answer.read()
            assert (answer.status, answer.content_type) == (200, "application/pdf"), body
            assert f"{language}.pdf" in answer.headers["Content-Disposition"]
        assert body.startswith(b"%PDF")
        assert b"/ByteRange" in body, "sealed"
    assert (await get(site, f"/entities/{OTHER_ENTITY}/report.pdf"))[0] == 404


def examples() -> list[dict[str, object]]:
    """Give an event of each type that makes a record, with everything in it that one may say."""
    found = []
    for kind in CATALOGUE.types.values():
        if kind.role in {"opens", "states"} and kind.name.startswith("credit."):
            name = kind.name.removeprefix("credit.")
            kinds = {one: CATALOGUE.fields[one].kind for one in kind.required | kind.optional}
            data = {one: VALUES[kinds[one]] for one in kinds if kinds[one] in VALUES} | kind.example
            data.pop("record", None)
            found.append(raw(name, f"X-{name}", subject=THIRD_ENTITY, **data))
    return found


async def test_a_record_of_every_type_is_shown_on_the_page_and_in_the_report(site: Service):
    sent = examples()
    assert len(sent) > 15
    results = await push(site, *sent)
    assert {one["status"] for one in results["results"]} == {"accepted"}, results
    async with site.session.get(f"/v1/entities/{THIRD_ENTITY}/records?limit=1000") as answer:
        records = (await answer.json())["items"]
    pages = (f"/entities/{THIRD_ENTITY}", f"/entities/{THIRD_ENTITY}/report")
    for path, language in itertools.product(pages, LANGUAGES):
        status, _, page = await get(site, path, **{"Accept-Language": language})
        assert status == 200
        assert [one["record"] for one in records if one["record"] not in page] == []
        assert not re.search(r"\{&#39;|\[\{|&#39;:", page), "something is written as Python writes it"
