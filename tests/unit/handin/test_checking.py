"""Every kind of dirt, in both formats: what becomes of a row, and that no person's data comes out."""

import csv
import io
import re
from datetime import UTC, datetime

import orjson
import pytest

from creditsvc.domain import catalogue, events
from creditsvc.handin import giving
from creditsvc.handin.checking import Checked, check
from creditsvc.handin.reading import read
from creditsvc.handin.texts import LANGUAGES
from creditsvc.settings import Settings
from tests.sheets import (
    DIRT,
    FIRST_DIRTY_ROW,
    FORMATS,
    HEADERS,
    MOBILE,
    PERSON,
    RESIDENT_ID,
    SOURCE,
    as_csv,
    as_xlsx,
    dirty,
    licences,
    penalties,
)

NOW = datetime(2026, 11, 23, tzinfo=UTC)
RULES = catalogue.load()


def checked(content: bytes, kind: str = "penalty", source: str = SOURCE) -> Checked:
    return check(read(content, "sheet", kind), source, NOW, RULES)


def found(row):
    return [(reason.column, reason.code) for reason in row.reasons]


def said(row):
    """All that people may be shown of a row."""
    texts = [
        f(language) for reason in row.reasons for language in LANGUAGES for f in (reason.text, reason.remedy)
    ]
    return [*texts, *row.shown.values(), orjson.dumps(row.event).decode(), repr(row)]


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("name", DIRT)
def test_dirt_is_read_or_told(name, form):
    changes, expected = DIRT[name]
    (row,) = checked(FORMATS[form](penalties(changes))).rows
    assert sorted(found(row), key=str) == sorted(expected, key=str)
    assert (row.event is None) == bool(expected)
    told = "\n".join(said(row))
    assert RESIDENT_ID[:-1] not in told
    assert MOBILE not in told
    if "a person" in name:
        assert PERSON not in told


@pytest.mark.parametrize("form", FORMATS)
def test_a_sheet_of_all_of_it_is_checked_row_by_row(form):
    result = checked(dirty(form))
    assert result.reasons == ()
    codes = [notice.code for notice in result.notices]
    assert codes == ["personal-columns", "hidden-rows"] if form == "xlsx" else ["personal-columns"]
    assert result.notices[0].figures == {"headers": "法定代表人"}
    rows = {row.number: row for row in result.rows}
    for number, (_, expected) in enumerate(DIRT.values(), FIRST_DIRTY_ROW):
        assert sorted(found(rows[number]), key=str) == sorted(expected, key=str), number
    again, signature = FIRST_DIRTY_ROW + len(DIRT), FIRST_DIRTY_ROW + len(DIRT) + 3
    assert found(rows[again]) == [("penalty_no", "repeated")]
    assert rows[again].reasons[0].figures == {"row": FIRST_DIRTY_ROW + 1}
    assert found(rows[signature]) == [(None, "stray")]
    assert sorted(rows) == [*range(FIRST_DIRTY_ROW, again + 1), signature]
    assert len(result.ready) == sum(not expected for _, expected in DIRT.values())


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("form", FORMATS)
def test_what_is_given_back_names_nobody(form, language):
    given = giving.rejected(checked(dirty("xlsx")), language, form)
    sheet = read(given, f"rejected.{form}", "penalty")
    told = "\n".join(text for row in sheet.rows for text in row.values.values())
    assert RESIDENT_ID[:-1] not in told
    assert MOBILE not in told
    assert PERSON not in told
    assert "***" in told
    assert (sheet.personal, sheet.unknown) == ((), ())


@pytest.mark.parametrize("form", FORMATS)
def test_what_is_given_back_can_be_mended_and_handed_in(form):
    first = checked(as_xlsx(penalties({"severity": "很重", "note": "=1+1"}, {})))
    given = giving.rejected(first, "zh", "csv").decode("utf-8-sig").replace("很重", "严重")
    grid = list(csv.reader(io.StringIO(given, newline="")))
    (row,) = checked(FORMATS[form](grid)).rows
    assert found(row) == []
    assert row.event["data"]["severity"] == "serious"
    assert row.event["data"]["note"] in {"=1+1", "'=1+1"}


@pytest.mark.parametrize("form", FORMATS)
def test_what_is_found_ready_is_what_ingest_takes(form):
    for content, kind in ((dirty(form), "penalty"), (FORMATS[form](licences({})), "licence")):
        ready = checked(content, kind).ready
        assert ready
        for row in ready:
            event = events.decode(row.event, RULES, NOW, max_bytes=Settings().event_max_bytes)
            assert (event.source, event.entity) == (SOURCE, "uscc:91350100M00010217R")


@pytest.mark.parametrize("form", FORMATS)
def test_a_penalty_becomes_its_event(form):
    changes = {
        "fine": "1,234.5",
        "confiscated": "0.36",
        "suspended": "排污许可证 7号",
        "public_until": "2027.3.5",
    }
    (row,) = checked(FORMATS[form](penalties(changes))).rows
    event = dict(row.event)
    assert re.fullmatch(
        "sheet/[a-p]{40}", event.pop("id")
    )  # no figures: they may look like a person's number
    assert event == {
        "specversion": "1.0",
        "source": SOURCE,
        "type": "credit.penalty.imposed",
        "subject": "uscc:91350100M00010217R",
        "time": "2026-03-05T00:00:00+08:00",
        "datacontenttype": "application/json",
        "data": {
            "record": "榕示市监罚〔2026〕1号",
            "entity_name": "示例餐饮管理有限公司",
            "violation": "使用超过保质期的食品原料",
            "facts": "现场检查发现超过保质期的调味料三瓶。",
            "basis": "《中华人民共和国食品安全法》第一百二十四条",
            "category": "罚款",
            "content": "罚款人民币伍万元整",
            "licence_suspended": "排污许可证 7号",
            "decided_on": "2026-03-05",
            "public_until": "2027-03-05",
            "severity": "general",
            "authority": {"id": "uscc:11350100000001230F", "name": "示例市市场监督管理局"},
            "amount": {"value": "12345000.00", "currency": "CNY"},
            "confiscated": {"value": "3600.00", "currency": "CNY"},
        },
    }


@pytest.mark.parametrize("form", FORMATS)
def test_a_licence_becomes_its_event(form):
    (row,) = checked(FORMATS[form](licences({"licence_valid_until": "长期"})), "licence").rows
    assert row.event["type"] == "credit.licence.granted"
    assert row.event["data"] == {
        "record": "榕示市监食许〔2026〕2号",
        "entity_name": "示例餐饮管理有限公司",
        "title": "食品经营许可决定书",
        "certificate": "食品经营许可证",
        "licence_no": "JY23501000000002",
        "category": "普通",
        "content": "热食类食品制售",
        "decided_on": "2026-03-05",
        "valid_from": "2026-03-05",
        "authority": {"id": "uscc:11350100000001230F", "name": "示例市市场监督管理局"},
    }


def test_a_licence_that_ends_before_it_begins_is_told_once():
    (row,) = checked(as_csv(licences({"licence_valid_until": "2021-03-04"})), "licence").rows
    assert found(row) == [("licence_valid_until", "end-before-begin")]


def test_the_same_row_is_the_same_event_in_any_format_and_another_when_anything_differs():
    def identity(content, source=SOURCE):
        return checked(content, source=source).rows[0].event["id"]

    first = identity(as_csv(penalties({})))
    assert identity(as_xlsx(penalties({"fine": 5, "decided_on": "2026年3月5日"}))) == first
    assert identity(as_csv(penalties({}), "gb18030")) == first
    others = {
        identity(as_csv(penalties({"note": "补充"}))),
        identity(as_csv(penalties({"subject_code": "91350100M000100Y43"}))),
        identity(as_csv(penalties({})), source="urn:agency:cn-other"),
    }
    assert len(others) == 3
    assert first not in others


def test_two_rows_of_one_number_that_contradict_are_both_refused():
    same = {"penalty_no": "一号"}
    result = checked(as_csv(penalties(same, same | {"fine": "6"}, {})))
    assert [found(row) for row in result.rows] == [
        [("penalty_no", "record-twice")],
        [("penalty_no", "record-twice")],
        [],
    ]
    assert [row.reasons[0].figures["row"] for row in result.rejected] == [3, 2]


def test_one_decision_may_be_about_two_organisations():
    same = {"penalty_no": "一号"}
    result = checked(as_csv(penalties(same, same | {"subject_code": "91350100M000100Y43"})))
    assert len({row.event["id"] for row in result.ready}) == 2


@pytest.mark.parametrize(
    ("header", "fine"),
    [("罚款金额(元)", "500"), ("罚款金额", "0.05"), ("罚款金额 [万元]", "0.05"), ("罚 款", "500元")],
)
def test_the_header_says_what_money_is_counted_in(header, fine):
    (row,) = checked(as_csv(penalties({"fine": fine}, headers=HEADERS | {"fine": header}))).rows
    assert row.event["data"]["amount"] == {"value": "500.00", "currency": "CNY"}


@pytest.mark.parametrize(
    "changes",
    [
        {"subject_code": "统一社会信用代码"},
        {"subject_code": "*行政相对人代码＿１（统一社会信用代码） "},
        {"penalty_no": "行政处罚\n决定书文号【必填】", "severity": "失信严重程度(轻微/一般/严重)"},
        {"subject_name": " 行政 相对人 名称"},
    ],
)
@pytest.mark.parametrize("form", FORMATS)
def test_headers_are_known_in_many_spellings(changes, form):
    (row,) = checked(FORMATS[form](penalties({}, headers=HEADERS | changes))).rows
    assert found(row) == []


def test_a_missing_column_is_told_with_the_header_that_was_probably_meant():
    headers = HEADERS | {"severity": "失信程度级别", "decided_on": "完全不同"}
    result = checked(as_csv(penalties({}, headers=headers)))
    assert result.rows == ()
    told = {reason.column: (reason.code, dict(reason.figures)) for reason in result.reasons}
    assert told == {
        "severity": ("column-misspelt", {"header": "失信程度级别"}),
        "decided_on": ("column-missing", {}),
    }
    assert [(notice.code, notice.figures["headers"]) for notice in result.notices] == [
        ("unknown-columns", "完全不同, 失信程度级别")
    ]


def test_two_columns_for_one_are_told():
    result = checked(as_csv(penalties({}, headers=HEADERS | {"note": "处罚类别"})))
    assert [(reason.column, reason.code) for reason in result.reasons] == [("category", "column-twice")]


@pytest.mark.parametrize(
    ("headers", "told"),
    [
        ([f"联系电话 {RESIDENT_ID}"], {"personal-columns": "联系电话"}),
        ([RESIDENT_ID], {"unknown-columns": "***"}),
        ([RESIDENT_ID[:12], RESIDENT_ID[12:]], {"unknown-columns": "***, 31002X"}),
        ([RESIDENT_ID[at : at + 5] for at in range(0, 18, 5)], {"unknown-columns": "***"}),
        ([MOBILE[:5], f"-- {MOBILE[5:9]}", f"（{MOBILE[9:]}）"], {"unknown-columns": "***"}),
        (["处罚部门", "2026年第3批"], {"unknown-columns": "处罚部门, 2026年第3批"}),
        ([f"本表由{PERSON}于今年三月填写，如有问题请直接与其联系，不胜感激之至"], {"unknown-columns": "***"}),
        ([f"法定代表人（{PERSON}）", f"法定代表人{PERSON}"], {"personal-columns": "法定代表人"}),
    ],
)
def test_a_person_in_headers_is_not_told(headers, told):
    grid = penalties({})
    result = checked(as_csv([[*row, *headers] for row in grid]))
    assert {notice.code: notice.figures["headers"] for notice in result.notices} == told


def test_a_number_beside_the_name_of_a_column_is_not_given_back():
    for number in (MOBILE, f"{MOBILE[:3]} {MOBILE[3:7]} {MOBILE[7:]}"):
        headers = HEADERS | {"fine": f"罚款金额（元）（{number}）", "note": f"备注（{RESIDENT_ID[:12]}）"}
        result = checked(
            as_csv(penalties({"fine": "500", "severity": "x"}, {"fine": "500"}, headers=headers))
        )
        assert not re.search(r"\d{3}", "".join(result.headers.values()))
        assert result.ready[0].event["data"]["amount"]["value"] == "500.00"
        back = read(giving.rejected(result, "zh", "csv"), "b.csv", "penalty")
        assert back.headers.keys() == result.headers.keys()
