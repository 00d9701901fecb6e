"""The report as PDF: all its text in both languages, the same bytes each time, archival, and only text."""

import copy
import re
from concurrent.futures import ThreadPoolExecutor

import pytest

from creditsvc.errors import NotInstalled
from creditsvc.report import fonts
from creditsvc.report.number import Claim, write
from creditsvc.report.typesetting import Typesetter
from creditsvc.report.words import LANGUAGES, words
from tests.reports import BASE, HOSTILE, KEY, report, scanned, text_of, told, with_words


@pytest.fixture(scope="module")
def typesetter():
    """One for all tests here, as a worker has one; without fonts it says what to install."""
    return Typesetter()


def flowing(text):
    """Text without the ends of its lines: where they fall is the typesetter's business."""
    return re.sub(r"\s+", "", text)


@pytest.mark.parametrize("language", LANGUAGES)
def test_all_of_it_can_be_read_out_of_it(typesetter, language):
    made = report(language)
    text = flowing(text_of(typesetter.report(made)))
    expected = [made.name, made.number, made.grade.total, *made.grade.words, *made.meaning, *made.listings]
    expected += [line.words for line in made.grade.account] + [line.record for line in made.grade.account]
    expected += [fact.value for fact in made.who] + [one.label for one in made.counts]
    expected += [fact.value for entry in made.records for fact in entry.facts]
    expected += [mark for entry in made.records for mark in entry.marks]
    expected += [one for check in made.checks for one in (*check.words, *check.copied, *check.after)]
    assert [one for one in expected if flowing(one) not in text] == []


def test_a_record_s_number_is_copied_as_it_is_written(typesetter):
    assert "榕市监罚〔2026〕301号" in text_of(typesetter.report(report("zh")))


def test_every_page_says_which_of_how_many_it_is_and_of_which_report(typesetter):
    made = report("zh")
    pages = text_of(typesetter.report(made)).split("\f")[:-1]
    assert len(pages) >= 3
    for number, page in enumerate(pages, 1):
        assert f"第 {number} 页，共 {len(pages)} 页" in page
        assert made.number in flowing(page)


def test_equal_reports_are_equal_bytes_and_others_are_not(typesetter):
    once = typesetter.report(report())
    assert Typesetter().report(report()) == once
    with ThreadPoolExecutor(4) as threads:
        assert {*threads.map(typesetter.report, [report()] * 8)} == {once}
    given = copy.deepcopy(told())
    given.profile["name"] += "a"
    assert typesetter.report(report("zh", given)) != once


@pytest.mark.parametrize("name", HOSTILE)
def test_whatever_is_told_stays_text(typesetter, name):
    text = flowing(text_of(typesetter.report(report("en", with_words(name)))))
    wanted = flowing(name)
    if "\u202e" in name:  # readers of PDFs turn what is written from right to left
        wanted = wanted.replace("\u202e", "")
        text = text.replace("\u202e", "")
    assert text.count(wanted) >= 3 or text.count(wanted[::-1]) >= 3


def test_it_is_an_archival_tagged_document_that_names_its_language_and_title(typesetter):
    pdf = typesetter.report(report("zh"))
    assert re.search(rb"<pdfaid:part>2</pdfaid:part>\s*<pdfaid:conformance>A</pdfaid:conformance>", pdf)
    assert b"/MarkInfo" in pdf
    assert re.search(rb"/Lang\s*\(zh-CN\)", pdf)
    assert "公共信用信息报告 – 示例食品有限公司".encode() in pdf
    assert b"/JavaScript" not in pdf


def test_its_code_leads_back_to_where_it_is_checked(typesetter):
    pdf = typesetter.report(report("en"))
    assert f"/URI({report('en').link})".encode() in pdf
    without = typesetter.report(report("en", number=None))
    assert b"/URI" not in without
    assert words("en").say("no-number") in text_of(without)


@pytest.mark.parametrize("base", ["https://c.cn", BASE, f"http://127.0.0.1:8080/{'long/' * 20}"])
def test_its_code_can_be_read(typesetter, tmp_path, base):
    """Of any length: one mask is drawn for all."""
    made = report("zh", base_url=base)
    assert scanned(typesetter.report(made), tmp_path) == made.link


@pytest.mark.parametrize("language", LANGUAGES)
def test_nothing_runs_over_the_edge(typesetter, language):
    """Whatever is longest: words without a place to break, long numbers and addresses."""
    given = with_words("W" * 256)
    for one in given.records:
        one["record"] = "R" * 128
        one["source"] = "urn:agency:" + "a" * 200
    for one in given.score["contributions"]["items"]:
        one |= {"record": "R" * 128, "code": "c" * 64}
    number = write(Claim("lei:213800WSGIIZCXF1P572", report().at), KEY)
    made = report(language, given, base_url=f"{BASE}/{'long/' * 30}", number=number)
    pdf = typesetter.report(made)
    for box in re.finditer(r'xMin="([\d.]+)" .*?xMax="([\d.]+)"', text_of(pdf, "-bbox")):
        assert float(box[1]) > 50
        assert float(box[2]) < 595.28 - 50


def test_without_a_chinese_font_it_says_what_to_install(tmp_path, monkeypatch):
    with pytest.raises(NotInstalled, match=r"in CREDITSVC_FONTS_DIR .*apt-get install fonts-noto-cjk"):
        Typesetter(str(tmp_path))
    (tmp_path / "NotoSansCJK-Regular.ttc").write_bytes(b"not a font")
    fonts._find.cache_clear()
    with pytest.raises(NotInstalled, match="apt-get install fonts-noto-cjk"):
        Typesetter(str(tmp_path))
    monkeypatch.setattr(fonts, "USUAL", (tmp_path,))
    with pytest.raises(NotInstalled, match=r"^There is no font for Chinese: Noto Sans CJK SC\."):
        Typesetter()
