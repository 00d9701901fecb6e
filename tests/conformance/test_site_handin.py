"""Sheets handed in on the pages: every kind of dirt end to end, what is refused, and what is never shown."""

import csv
import io

import aiohttp
import openpyxl
import pytest

from creditsvc.handin import apart as work
from creditsvc.handin import bounds
from tests.conformance.conftest import Serve, Service
from tests.handing import (
    agencies,
    filled,
    handed_in,
    numbers,
    rejected,
    sent,
    signed,
)
from tests.making import OTHER_SOURCE, SOURCE
from tests.sheets import (
    DIRT,
    FIRST_DIRTY_ROW,
    MOBILE,
    PERSON,
    RESIDENT_ID,
    as_csv,
    as_xlsx,
    dirty,
    licences,
    penalties,
)

READY = sum(not found for _, found in DIRT.values())
ROWS = len(DIRT) + 2  # one twice, and a signature
RECORDS = "/v1/entities/uscc:91350100M00010217R/records?limit=100"
PRIVATE = (RESIDENT_ID, MOBILE, PERSON, "阿卜杜拉", "92350100MA00010217", RESIDENT_ID[:-1] + "3")


@pytest.fixture
async def running(serve: Serve) -> Service:
    return await agencies(await serve())


async def recorded(service: Service) -> int:
    async with service.session.get(RECORDS, headers=service.headers("agency")) as answer:
        return len((await answer.json())["items"]) if answer.status == 200 else 0


def private(text: str) -> list[str]:
    return [one for one in PRIVATE if one in text]


def rows_of(content: bytes, form: str) -> list[list[str]]:
    if form == "csv":
        return list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")))
    sheet = openpyxl.load_workbook(io.BytesIO(content), read_only=True).worksheets[0]
    return [[str(cell or "") for cell in row] for row in sheet.iter_rows(values_only=True)]


@pytest.mark.parametrize(("form", "language"), [("xlsx", "en"), ("csv", "zh")])
async def test_every_kind_of_dirt_is_told_and_what_is_ready_is_taken_once(
    running: Service, form, language, capsys, caplog
):
    async with await signed(running, "agency", language) as browser:
        name = f"{PERSON}{RESIDENT_ID}<b>.{form}"
        checked = await handed_in(browser, SOURCE, dirty(form), name=name)
        assert checked.status == 200
        ready, cleaned, refused = numbers(checked)
        assert (ready, refused) == (READY, ROWS - READY)
        assert 0 < cleaned <= READY
        assert await recorded(running) == 0
        for written in (
            "二〇二六年三月五日",
            "９１３５０１００Ｍ０００１０２１７Ｒ",
            "— —",
            "５００元",
            "长期",
        ):
            assert written in checked.html
        assert "1,234.5”" in checked.text
        assert "12,345,000.00" in checked.text

        done = await sent(browser, checked)
        assert (done.status, numbers(done)) == (200, [READY, 0, 0])
        assert "/entities/uscc:91350100M00010217R" in done.links
        assert await recorded(running) == READY
        again = await sent(browser, checked)
        assert numbers(again) == [0, READY, 0]
        assert await recorded(running) == READY

        for page in (checked, again):
            status, headers, content = await rejected(browser, page, form)
            assert status == 200
            assert headers["Content-Disposition"] == f'attachment; filename="rejected.{form}"'
            told = rows_of(content, form)
            assert [row[0] for row in told[1:]] == numbers_of_dirty_rows()
            assert private("\n".join(map(str, told))) == []
            assert "***" in str(told)
        for page in (checked, done, again):
            assert private(page.html) == []
            assert "no-store" in page.headers["Cache-Control"]
    captured = capsys.readouterr()
    assert private(captured.out + captured.err + caplog.text) == []


def numbers_of_dirty_rows() -> list[str]:
    first = FIRST_DIRTY_ROW
    places = [first + place for place, (_, found) in enumerate(DIRT.values()) if found]
    repeated = first + len(DIRT)
    return [str(number) for number in (*places, repeated, repeated + 3)]


async def test_what_was_rejected_is_mended_and_handed_in_again(running: Service):
    async with await signed(running, "agency") as browser:
        grid = penalties({}, {"decided_on": "5/3/2026"})
        page = await handed_in(browser, SOURCE, as_csv(grid), name="a.csv")
        assert numbers(page) == [1, 1, 1]  # the first is cleaned, too: its 2027/3/5
        _, _, content = await rejected(browser, page, "csv")
        mended = content.decode("utf-8-sig").replace("5/3/2026", "2026-03-05")
        assert "Write it as 2026-03-05" in page.text or "year first" in page.text
        page = await handed_in(browser, SOURCE, mended.encode(), name="b.csv")
        assert numbers(page)[0] == 1
        assert numbers(await sent(browser, page)) == [1, 0, 0]


async def test_what_the_service_alone_knows_is_told_row_by_row(running: Service):
    async with await signed(running, "agency", "zh") as browser:
        await sent(browser, await handed_in(browser, SOURCE, as_xlsx(penalties({}, {}))))
        page = await handed_in(browser, SOURCE, as_xlsx(penalties({}, {"fine": "6"}, {"fine": "x"})))
        assert (numbers(page)[0], numbers(page)[2]) == (2, 1)
        done = await sent(browser, page)
        assert numbers(done) == [0, 1, 1]
        assert "服务中已有这个组织的这个文号" in done.text
        _, _, content = await rejected(browser, done, "csv")
        assert [row[0] for row in rows_of(content, "csv")] == ["行", "3", "4"]


async def test_licences_too_and_a_formula_stays_a_text(running: Service):
    async with await signed(running, "agency") as browser:
        grid = licences({}, {"licensed_on": "x", "note": "=1+1", "licensor": "@SUM(A1)"})
        page = await handed_in(browser, SOURCE, as_csv(grid, "gb18030"), kind="licence", name="a.csv")
        _, _, content = await rejected(browser, page, "csv")
        (row,) = rows_of(content, "csv")[1:]
        assert {"'=1+1", "'@SUM(A1)"} <= set(row)
        assert numbers(await sent(browser, page))[0] == 1


MARKUP = "<script>alert(1)</script>"


async def test_nothing_of_a_sheet_is_taken_for_markup(running: Service):
    async with await signed(running, "agency") as browser:
        grid = penalties(
            {"subject_name": f"{MARKUP}公司", "fine": "1,5"}, {"penalty_no": MARKUP, "fine": "x"}
        )
        grid[0].append(MARKUP)
        page = await handed_in(browser, SOURCE, as_csv(grid), name=f'"{MARKUP}.csv')
        assert MARKUP not in page.html
        assert MARKUP in page.text
        assert MARKUP not in (await sent(browser, page)).html


BAD = {
    "empty": (b"", "penalty", 422, "The file is empty"),
    "no sheet": (b"%PDF-1.7", "penalty", 422, "neither an .xlsx nor a .csv"),
    "old": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "penalty", 422, "old .xls"),
    "damaged": (b"PK\x03\x04" + bytes(600), "penalty", 422, "damaged"),
    "other kind": (as_csv(penalties({})), "licence", 422, "other kind"),
    "no such column": (as_csv([row[:3] + row[4:] for row in penalties({})]), "penalty", 422, "missing"),
    "too large": (bytes(bounds.SHEET_MAX_BYTES + 1), "penalty", 413, "larger than 8 MB"),
    "far too large": (bytes(bounds.SHEET_MAX_BYTES * 3), "penalty", 413, "larger than 8 MB"),
}


async def test_a_file_that_cannot_be_taken_is_refused_in_words(service: Service):
    async with await signed(service, "agency") as browser:
        for content, kind, status, told in BAD.values():
            name = "a.csv" if content.startswith(b"\xef") else "a.xlsx"
            page = await handed_in(browser, SOURCE, content, kind=kind, name=name)
            assert (page.status, told in page.text) == (status, True), page.text
            assert page.form().fields["token"], "to try again"
            assert "Nothing was sent or kept" in page.text


async def test_forms_that_no_page_of_ours_has_are_refused(service: Service):
    good = as_csv(penalties({}))
    async with await signed(service, "agency") as browser:
        start = await browser.get("/hand-in")
        token = start.forms[-1].fields["token"]

        async def tried(form: object, **headers: str) -> int:
            given = {"Origin": browser.url} | {name.replace("_", "-"): text for name, text in headers.items()}
            return (await browser.ask("POST", "/hand-in/check", form, **given)).status

        def one(**fields: str) -> aiohttp.FormData:
            form = filled(fields.pop("source", SOURCE), good, fields.pop("kind", "penalty"), "a.csv")
            for name, text in ({"token": token} | fields).items():
                form.add_field(name, text)
            return form

        assert await tried(one()) == 200
        assert await tried(one(token=token[1:])) == 403
        assert await tried(one(), Origin="http://evil.example") == 403
        assert await tried(one(), Sec_Fetch_Site="cross-site") == 403
        assert await tried(one(source=OTHER_SOURCE)) == 403
        assert await tried(one(kind="people")) == 400
        assert await tried(one(more="x" * 2000)) == 400
        assert await tried({"token": token}) == 415
        for body in (
            b"",
            b"--b--",
            b"--b\r\n\r\n",
            b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\nx',
        ):
            assert await tried(body, Content_Type="multipart/form-data; boundary=b") in {400, 403}
        assert await tried(b"x", Content_Type="multipart/form-data") == 400


async def test_a_full_sheet_makes_a_page_that_can_be_used(running: Service):
    rows = [{"penalty_no": f"榕示市监罚〔2026〕{n}号"} for n in range(bounds.ROWS_MAX - 200)]
    wrong = [{"penalty_no": f"错〔2026〕{n}号", "severity": "x"} for n in range(200)]
    async with await signed(running, "agency") as browser:
        page = await handed_in(browser, SOURCE, as_csv(penalties(*rows, *wrong)), name="full.csv")
        assert (numbers(page)[0], numbers(page)[2]) == (len(rows), 200)
        assert page.tags.count("tr") == 2 * (work.SHOWN_ROWS + 1)
        assert len(page.html) < 1_000_000
        done = await sent(browser, page)
        assert numbers(done) == [len(rows), 0, 0]
        assert done.tags.count("progress") > 10
        _, _, content = await rejected(browser, done, "csv")
        assert len(rows_of(content, "csv")) == 201


@pytest.mark.parametrize("language", ["en", "zh"])
async def test_templates_are_given_and_can_be_handed_in(service: Service, language):
    async with await signed(service, "agency", language) as browser:
        page = await browser.get("/hand-in")
        links = [link for link in page.links if "/template?" in link]
        assert len(links) == 4
        for link in links:
            async with browser.session.get(f"{browser.url}{link}") as answer:
                assert answer.status == 200
                content = await answer.read()
                kind, form = answer.url.query["kind"], answer.url.query["form"]
                assert answer.headers["Content-Disposition"].endswith(f'"{kind}-{language}.{form}"')
            (header, example) = rows_of(content, form)
            assert len(header) == len(example) > 10
        shown = await handed_in(browser, SOURCE, content, kind=kind, name=f"a.{form}")
        assert numbers(shown) == [0, 0, 1]
        assert (await browser.get("/hand-in/template?kind=x&form=xlsx")).status == 400


async def test_whoever_comes_back_by_its_address_begins_again(service: Service):
    async with await signed(service, "agency") as browser:
        for what in ("check", "send", "rejected"):
            page = await browser.get(f"/hand-in/{what}?language=zh")
            assert (page.status, page.url) == (200, f"{service.url}/hand-in?language=zh")
        shown = await handed_in(browser, SOURCE, as_csv(penalties({})), name="a.csv")
        assert "/hand-in?language=en" in shown.links  # it speaks Chinese by now


async def test_navigation_leads_there(service: Service):
    async with await signed(service, "agency") as browser:
        assert {"/desk", "/hand-in"} <= set((await browser.get("/")).links)
        assert "/operator" not in (await browser.get("/")).links
    async with await signed(service, "operator") as browser:
        assert {"/desk", "/operator"} <= set((await browser.get("/")).links)
        assert "/hand-in" not in (await browser.get("/")).links
