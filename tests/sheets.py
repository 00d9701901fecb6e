"""Sheets as agencies hand them in, made by other means than its own: clean ones, and one of all dirt."""

import csv
import io
from collections.abc import Sequence
from datetime import date, datetime

from openpyxl import Workbook
from openpyxl.styles import Font

RESIDENT_ID = "11010519491231002X"  # the example of GB 11643
MOBILE = "13800138000"
PERSON = "张三丰"
SOURCE = "urn:agency:cn-example"

HEADERS = {
    "subject_name": "行政相对人名称",
    "subject_kind": "行政相对人类别",
    "subject_code": "行政相对人代码_1",
    "penalty_no": "行政处罚决定书文号",
    "violation": "违法行为类型",
    "facts": "违法事实",
    "basis": "处罚依据",
    "category": "处罚类别",
    "content": "处罚内容",
    "fine": "罚款金额（万元）",
    "confiscated": "没收金额（万元）",
    "suspended": "暂扣或吊销证照名称及编号",
    "decided_on": "处罚决定日期",
    "valid_until": "处罚有效期",
    "public_until": "公示截止期",
    "authority": "处罚机关",
    "authority_code": "处罚机关统一社会信用代码",
    "severity": "失信严重程度",
    "note": "备注",
}
PENALTY = {
    "subject_name": "示例餐饮管理有限公司",
    "subject_kind": "法人及非法人组织",
    "subject_code": "91350100M00010217R",
    "violation": "使用超过保质期的食品原料",
    "facts": "现场检查发现超过保质期的调味料三瓶。",
    "basis": "《中华人民共和国食品安全法》第一百二十四条",
    "category": "罚款",
    "content": "罚款人民币伍万元整",
    "fine": "5",
    "confiscated": "— —",
    "suspended": "无",
    "decided_on": "2026-03-05",
    "valid_until": "2099-12-31",
    "public_until": "2027/3/5",
    "authority": "示例市市场监督管理局",
    "authority_code": "11350100000001230F",
    "severity": "一般",
    "note": "/",
}
LICENCE_HEADERS = {
    "subject_name": "行政相对人名称",
    "subject_code": "行政相对人代码_1",
    "licence_title": "行政许可决定文书名称",
    "licence_decision_no": "行政许可决定文书号",
    "certificate": "许可证书名称",
    "licence_category": "许可类别",
    "licence_no": "许可编号",
    "licensed_on": "许可决定日期",
    "valid_from": "有效期自",
    "licence_valid_until": "有效期至",
    "licence_content": "许可内容",
    "licensor": "许可机关",
    "licensor_code": "许可机关统一社会信用代码",
    "note": "备注",
}
LICENCE = {
    "subject_name": "示例餐饮管理有限公司",
    "subject_code": "91350100M00010217R",
    "licence_title": "食品经营许可决定书",
    "licence_decision_no": "榕示市监食许〔2026〕2号",
    "certificate": "食品经营许可证",
    "licence_category": "普通",
    "licence_no": "JY23501000000002",
    "licensed_on": "2026-03-05",
    "valid_from": "2026-03-05",
    "licence_valid_until": "2031-03-04",
    "licence_content": "热食类食品制售",
    "licensor": "示例市市场监督管理局",
    "licensor_code": "11350100000001230F",
    "note": "",
}

EVENING = datetime(2027, 3, 5, 20, 30)  # noqa: DTZ001  as Excel has it
Cell = str | int | float | date | None
Grid = Sequence[Sequence[Cell]]


def as_csv(grid: Grid, encoding: str = "utf-8-sig", delimiter: str = ",") -> bytes:
    file = io.StringIO(newline="")
    writer = csv.writer(file, delimiter=delimiter)
    writer.writerows([_written(cell) for cell in row] for row in grid)
    return file.getvalue().encode(encoding)


def _written(cell: Cell) -> str:
    if isinstance(cell, datetime):
        return f"{cell:%Y/%m/%d %H:%M}"
    return f"{cell:%Y/%m/%d}" if isinstance(cell, date) else "" if cell is None else str(cell)


def as_xlsx(grid: Grid, hidden: Sequence[int] = (), merged: Sequence[str] = ()) -> bytes:
    book = Workbook()
    sheet = book.active
    for row in grid:
        sheet.append(list(row))
        for cell in sheet[sheet.max_row] if row else ():
            if isinstance(cell.value, str):
                cell.data_type = "s"  # and no formula, whatever it begins with
    for number in hidden:
        sheet.row_dimensions[number].hidden = True
    for cells in merged:
        sheet.merge_cells(cells)
    sheet["A1"].font = Font(bold=True)
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


FORMATS = {"csv": as_csv, "xlsx": as_xlsx}


def penalties(*rows: dict[str, Cell], headers: dict[str, str] = HEADERS) -> list[list[Cell]]:
    """A grid of penalties, each a clean one but for what is given; numbered unless its number is given."""
    return [list(headers.values())] + [
        [{"penalty_no": f"榕示市监罚〔2026〕{number}号", **PENALTY, **row}.get(key) for key in headers]
        for number, row in enumerate(rows, 1)
    ]


def licences(*rows: dict[str, Cell]) -> list[list[Cell]]:
    return [list(LICENCE_HEADERS.values())] + [
        [{**LICENCE, **row}.get(key) for key in LICENCE_HEADERS] for row in rows
    ]


# Every kind of dirt: what is changed in a clean row, and the columns with the codes of what is found.
DIRT: dict[str, tuple[dict[str, Cell], list[tuple[str | None, str]]]] = {
    "nothing written in many ways": (
        {"fine": "－", "suspended": "N/A", "note": "— —", "valid_until": "/"},
        [],
    ),
    "a date in words": ({"decided_on": "二〇二六年三月五日"}, []),
    "a day of Excel": ({"decided_on": date(2026, 3, 5), "public_until": EVENING}, []),
    "full-width digits": (
        {
            "subject_code": "９１３５０１００Ｍ０００１０２１７Ｒ",
            "decided_on": "２０２６年３月５日",
            "fine": "５",
        },
        [],
    ),
    "spaces in a code": ({"subject_code": " 9135 0100 M000 1021 7r "}, []),
    "commas in money": ({"fine": "1,234.5"}, []),
    "a unit in money": ({"fine": "５００元", "confiscated": "￥3.2万元"}, []),
    "no end": ({"valid_until": "长期", "public_until": "9999-12-31"}, []),
    "a formula's text": ({"note": "=cmd|' /C calc'!A0"}, []),
    "two faults": (
        {"decided_on": "5/3/2026", "severity": "很重"},
        [("decided_on", "year-first"), ("severity", "severity")],
    ),
    "nothing where something is required": ({"authority": "— —"}, [("authority", "missing")]),
    "an end before its begin": ({"valid_until": "2026-03-04"}, [("valid_until", "end-before-begin")]),
    "a code where a date stands": ({"decided_on": "91350100M00010217R"}, [("decided_on", "code-here")]),
    "a date where a code stands": ({"authority_code": "2026-03-05"}, [("authority_code", "date-here")]),
    "no such day": ({"decided_on": "2026-02-30"}, [("decided_on", "no-such-day")]),
    "a day to come": ({"decided_on": "2027-01-01"}, [("decided_on", "future")]),
    "a number for a date": ({"decided_on": "440100"}, [("decided_on", "bare-number")]),
    "a day before all law": ({"decided_on": "1900-01-05"}, [("decided_on", "day-too-early")]),
    "no date at all": ({"decided_on": "三月"}, [("decided_on", "not-a-date")]),
    "a wrong check digit": ({"subject_code": "91350100M00010217T"}, [("subject_code", "code-place")]),
    "a wrong character that can be told": (
        {"subject_code": "C1350100M00010217R"},
        [("subject_code", "code-slip")],
    ),
    "a letter that no code has": ({"subject_code": "91350100MO0010217R"}, [("subject_code", "code-slip")]),
    "letters that no code has": (
        {"subject_code": "9135O10OMO001O217R"},
        [("subject_code", "code-character")],
    ),
    "a letter in the region": ({"subject_code": "91A50100M00010317R"}, [("subject_code", "code-region")]),
    "an unknown kind of organisation": (
        {"subject_code": "97350100M00010317R"},
        [("subject_code", "code-head")],
    ),
    "two characters exchanged": ({"subject_code": "91350100M00010271R"}, [("subject_code", "code-swapped")]),
    "too short a code": ({"subject_code": "91350100M00010217"}, [("subject_code", "code-length")]),
    "an old number of registration": (
        {"subject_code": "440301103456789"},
        [("subject_code", "registration-number")],
    ),
    "an old organisation code": ({"subject_code": "M0001021-7"}, [("subject_code", "organisation-code")]),
    "a code that became a number": (
        {"subject_code": "9.1350100000001E+17"},
        [("subject_code", "digits-lost")],
    ),
    "name and code swapped": (
        {"subject_name": "91350100M00010217R", "subject_code": "示例餐饮管理有限公司"},
        [("subject_code", "swapped")],
    ),
    "words for a code": ({"authority_code": "市场监督管理局"}, [("authority_code", "text-here")]),
    "money in words": ({"fine": "伍万元整"}, [("fine", "money-in-words")]),
    "money that is none": ({"fine": "约5"}, [("fine", "not-a-number")]),
    "money below nothing": ({"fine": "-5"}, [("fine", "negative")]),
    "money finer than money": ({"fine": "0.000000001"}, [("fine", "money-too-fine")]),
    "yuan in a column of ten thousands": (
        {"fine": "50000", "content": "罚款人民币50,000元整"},
        [("fine", "amount-in-yuan")],
    ),
    "ten thousands in words and column": ({"content": "罚款5万元"}, []),
    "yuan in words, ten thousands in the column": ({"content": "没收5元，罚款50,000.00元"}, []),
    "an unknown severity": ({"severity": "特别严重"}, [("severity", "severity")]),
    "an unknown kind of subject": ({"subject_kind": "其他"}, [("subject_kind", "subject-kind")]),
    "too long a text": ({"note": "长" * 2001}, [("note", "too-long")]),
    "an error of the spreadsheet": ({"authority": "#N/A"}, [("authority", "cell-error")]),
    "what was masked before": ({"facts": "***"}, [("facts", "masked")]),
    "a person by the kind": (
        {"subject_kind": "自然人", "subject_name": PERSON},
        [("subject_kind", "natural-person")],
    ),
    "a sole trader by the kind": ({"subject_kind": "个体工商户"}, [("subject_kind", "natural-person")]),
    "a person by the number": (
        {"subject_name": PERSON, "subject_code": RESIDENT_ID},
        [("subject_code", "natural-person")],
    ),
    "a person by a mistyped number": (
        {"subject_name": PERSON, "subject_code": RESIDENT_ID[:-1] + "3"},
        [("subject_code", "natural-person")],
    ),
    "a person without a number": (
        {"subject_name": PERSON, "subject_code": "/"},
        [("subject_code", "natural-person")],
    ),
    "a person with a long name": (
        {"subject_name": "阿卜杜拉·买买提·艾力", "subject_code": "无"},
        [("subject_code", "natural-person")],
    ),
    "a person in every column": (
        {"subject_kind": "自然人", "penalty_no": PERSON, "authority": PERSON, "decided_on": PERSON},
        [("subject_kind", "natural-person")],
    ),
    "an organisation with a short name and no code": (
        {"subject_name": "示例大学", "subject_code": "/"},
        [("subject_code", "missing")],
    ),
    "marks of direction around a code": ({"subject_code": "\u202d91350100M00010217R\u202c"}, []),
    "a person as the authority": ({"authority_code": RESIDENT_ID}, [("authority_code", "person-id")]),
    "a person as the authority, mistyped": (
        {"authority_code": RESIDENT_ID[:-1] + "3", "authority": PERSON},
        [("authority_code", "natural-person")],
    ),
    "a sole trader as the authority": (
        {"authority_code": "92350100MA00010217"},
        [("authority_code", "natural-person")],
    ),
    "a person's number in too long a text": ({"note": f"{RESIDENT_ID}，" * 300}, [("note", "too-long")]),
    "a sole trader": ({"subject_code": "92350100MA00010217"}, [("subject_code", "natural-person")]),
    "a person's number in a name": (
        {"subject_name": f"{PERSON}{RESIDENT_ID}"},
        [("subject_code", "natural-person")],
    ),
    "a person's number in a text": ({"facts": f"经营者{PERSON}（{RESIDENT_ID}）"}, [("facts", "person-id")]),
    "a telephone number in a text": ({"note": f"联系{MOBILE}"}, [("note", "person-phone")]),
    "a telephone number where money stands": ({"fine": MOBILE}, [("fine", "person-phone")]),
    "a telephone number in groups where money stands": (
        {"confiscated": f"{MOBILE[:3]} {MOBILE[3:7]} {MOBILE[7:]}"},
        [("confiscated", "person-phone")],
    ),
    "a telephone number with a name where money stands": (
        {"fine": f"{PERSON}{MOBILE}"},
        [("fine", "person-phone")],
    ),
    "a fine of thousands of millions": ({"fine": "18,228,000,000元", "confiscated": "18228000000元"}, []),
    "a person's number where a date stands": ({"valid_until": RESIDENT_ID}, [("valid_until", "person-id")]),
}
TITLES: Grid = (
    ["行政处罚信息公示表（2026年3月）"],
    [f"填报单位：示例市市场监督管理局  填表人：{PERSON}"],
    [],
)
FIRST_DIRTY_ROW = len(TITLES) + 2


def dirty(form: str) -> bytes:
    """A sheet of all of it in order: titles above, columns about people, one row twice, a signature below."""
    headers = {"place": "序号", **HEADERS, "person": "法定代表人", "person_id": "法定代表人身份证号"}
    rows = [changes | {"person": PERSON, "person_id": RESIDENT_ID} for changes, _ in DIRT.values()]
    grid = penalties(*rows, rows[1] | {"penalty_no": "榕示市监罚〔2026〕2号"}, headers=headers)
    signature: list[Cell] = [None, f"填表人：{PERSON}"]
    whole = [*TITLES, *grid, [], [], signature]
    return as_xlsx(whole, hidden=[5], merged=["A1:T1"]) if form == "xlsx" else as_csv(whole, "gb18030")
