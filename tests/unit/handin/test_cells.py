"""What a cell says, in all the ways in which people write it."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from creditsvc.domain import catalogue
from creditsvc.handin.cells import Cell, converted, is_nothing
from creditsvc.handin.reasons import CellUnfit
from creditsvc.handin.workbook import shown_number
from creditsvc.loading.templates import Unfit

RULES = catalogue.load()


def says(holds, text, header=""):
    return converted(holds, Cell(text, header, RULES))


def fault(holds, text, header=""):
    with pytest.raises(CellUnfit) as caught:
        says(holds, text, header)
    return caught.value.code


@pytest.mark.parametrize(
    "text",
    [
        "2026-03-05",
        "2026-3-5",
        "2026/3/5",
        "2026.03.05",
        "2026年3月5日",
        "2026年03月05日",
        "2026 年 3 月 5 日",
        "2026年3月5号",
        "20260305",
        "２０２６－０３－０５",
        "2026-03-05 00:00:00",
        "2026/3/5 0:00",
        "2026-03-05T08:00:00+08:00",
        "二〇二六年三月五日",
        "二零二六年三月五日",
        "二○二六年三月五日",
    ],
)
def test_a_day_in_many_ways(text):
    assert says("date", text) == "2026-03-05"


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("二〇二五年十二月三十一日", "2025-12-31"),
        ("二〇二五年十月二十日", "2025-10-20"),
        ("二〇二五年一月十一日", "2025-01-11"),
    ],
)
def test_a_day_in_words(text, day):
    assert says("date", text) == day


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("5/3/2026", "year-first"),
        ("26-03-05", "year-first"),
        ("26年3月5日", "year-first"),
        ("2026-13-01", "no-such-day"),
        ("20260230", "no-such-day"),
        ("2026-03/05", "no-such-day"),
        ("二〇二六年十十月五日", "no-such-day"),
        ("46086", "bare-number"),
        ("2026305", "bare-number"),
        ("46086.5", "bare-number"),
        ("1900/1/5", "day-too-early"),
        ("91350100M000100Y43", "code-here"),
        ("榕市监罚〔2026〕1号", "not-a-date"),
        ("2026年3月", "not-a-date"),
    ],
)
def test_what_is_no_day_is_told_apart(text, code):
    assert fault("date", text) == code


@pytest.mark.parametrize(
    "text", ["2099-12-31", "2099/12/31", "2099年12月31日", "20991231", "9999-12-31", "长期", "永久"]
)
def test_an_end_that_never_comes(text):
    assert says("end", text) is None


def test_an_end_that_comes():
    assert says("end", "2098-12-31") == "2098-12-31"


@pytest.mark.parametrize(
    ("text", "header", "yuan"),
    [
        ("5", "罚款金额（万元）", "50000.00"),
        ("0.05", "罚款金额", "500.00"),
        ("12.34", "", "123400.00"),
        ("1,234,567.89", "罚款金额(元)", "1234567.89"),
        ("１２．５", "", "125000.00"),
        ("5万", "罚款金额（元）", "50000.00"),
        ("5 万元", "", "50000.00"),
        ("0.0012亿元", "", "120000.00"),
        ("500元", "罚款金额（万元）", "500.00"),
        ("人民币500元整", "", "500.00"),
        ("￥500.5元", "", "500.50"),
        ("0", "", "0.00"),
        ("500", "Fine (yuan)", "500.00"),
        ("5", "Fine (10,000 yuan)", "50000.00"),
    ],
)
def test_money_in_many_ways(text, header, yuan):
    assert says("money", text, header) == yuan


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("-5", "negative"),
        ("伍万元整", "money-in-words"),
        ("五百", "money-in-words"),
        ("12,34", "not-a-number"),
        ("5-6", "not-a-number"),
        ("1.2.3", "not-a-number"),
        ("1E5", "not-a-number"),
        ("9" * 31, "not-a-number"),
        ("1.123456789", "money-too-fine"),
    ],
)
def test_what_is_no_money_is_told_apart(text, code):
    assert fault("money", text) == code


@pytest.mark.parametrize(
    "text", ["— —", "——", "-", "－", "/", "／", "无", "暂无", "N/A", "null", " . ", "…", "*"]
)
def test_nothing_in_many_ways(text):
    assert is_nothing(text)


@pytest.mark.parametrize("text", ["0", "***", "无证经营", "-1", "a/b"])
def test_something(text):
    assert not is_nothing(text)


@pytest.mark.parametrize("text", ["一般", "一般失信", "一般 失信行为", "General", "general"])
def test_a_severity_in_many_ways(text):
    assert says("severity", text) == "general"


@pytest.mark.parametrize("text", ["法人及非法人组织", "企业法人", "非自然人", "个人独资企业", "Organisation"])
def test_kinds_of_subject_that_are_taken(text):
    assert says("subject-kind", text) is None


@pytest.mark.parametrize("text", ["自然人", "个体工商户", "个人", "公民", "Natural person"])
def test_kinds_of_subject_that_are_people(text):
    assert fault("subject-kind", text) == "natural-person"


def test_a_number_of_a_document_in_two_lines_is_one():
    assert says("line", "榕市监罚\n〔2026〕1号") == "榕市监罚〔2026〕1号"


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        ("0.30000000000000004", "0.3"),
        ("12.34", "12.34"),
        ("1E3", "1000"),
        ("-0.5", "-0.5"),
        ("0.0000001", "0.0000001"),
        ("5.0", "5"),
        ("110000400000624123", "1.10000400000624E+17"),
        ("1e400", "1.00000000000000E+400"),
    ],
)
def test_a_number_is_shown_as_a_spreadsheet_does(number, shown):
    assert shown_number(Decimal(number)) == shown


@given(
    st.sampled_from(
        ["text", "line", "code", "date", "end", "money", "severity", "subject-kind", "unrecorded"]
    ),
    st.one_of(
        st.text(max_size=60), st.from_regex(r"[0-9０-９一二十年月日./,:万元Xx-]{1,20}", fullmatch=True)
    ),
)
def test_any_text_is_read_or_unfit(holds, text):
    try:
        said = says(holds, text)
    except Unfit:
        return
    assert said is None or isinstance(said, str)
