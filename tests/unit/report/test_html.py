"""The report as a part of a page: whatever it tells is text, and it keeps to a strict policy."""

import itertools
import re
from html.parser import HTMLParser

import pytest

from creditsvc.report.html import article, style
from creditsvc.report.words import LANGUAGES
from tests.reports import HOSTILE, report, told, with_words


class Read(HTMLParser):
    """What a browser makes of it: elements, and the text of the whole."""

    def __init__(self, page):
        super().__init__()
        self.elements, self.text, self.open = [], "", []
        self.feed(str(page))
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in {"br", "path", "rect"}:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in {"path", "rect"}:
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


@pytest.mark.parametrize("language", LANGUAGES)
def test_it_holds_the_whole_report_and_closes_what_it_opens(language):
    made = report(language)
    read = Read(article(made))
    assert read.open == []
    assert read.elements[0] == ("article", {"class": "report", "lang": {"zh": "zh-CN", "en": "en"}[language]})
    for entry in made.records:
        for fact in entry.facts:
            assert fact.value.split("\n")[0] in read.text
    for said in (made.name, made.number, made.grade.total, *made.meaning, *made.listings):
        assert said in read.text


def test_headings_go_down_one_at_a_time():
    levels = [int(tag[1]) for tag, _ in Read(article(report())).elements if re.fullmatch(r"h\d", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(later <= earlier + 1 for earlier, later in itertools.pairwise(levels))


@pytest.mark.parametrize("words", HOSTILE)
def test_whatever_is_told_stays_text(words):
    plain, hostile = (Read(article(report("en", with_words(one)))) for one in ("name", words))
    assert [tag for tag, _ in hostile.elements] == [tag for tag, _ in plain.elements]
    assert words in hostile.text


def test_it_needs_no_script_no_style_of_its_own_and_nothing_from_elsewhere():
    read = Read(article(report()))
    tags = {tag for tag, _ in read.elements}
    assert tags.isdisjoint({"script", "style", "link", "img", "iframe", "form", "object"})
    names = {name for _, attributes in read.elements for name in attributes}
    assert "style" not in names
    assert not [name for name in names if name.startswith("on")]
    assert "url(" not in style()
    assert "@import" not in style()
    leads = {attributes["href"] for tag, attributes in read.elements if tag == "a"}
    assert leads == {report().link}


def test_every_class_that_it_uses_and_no_other_has_a_style():
    used = set()
    for given in (told(), told("clean")):
        for _, attributes in Read(article(report("zh", given))).elements:
            used |= {*(attributes.get("class") or "").split()}
    used -= {"segno", "qrline"}  # on the lines of the code to photograph
    assert {name for name in used if not name.startswith("report")} == set()  # a page's own are not met
    styled = {*re.findall(r"\.([a-z][a-z-]+)", style())}
    assert styled - used <= {"report-tone-good", "report-tone-fair", "report-tone-poor"}
    assert used - styled == set()


def test_without_a_number_there_is_no_code():
    read = Read(article(report(number=None)))
    assert "a" not in {tag for tag, _ in read.elements}
