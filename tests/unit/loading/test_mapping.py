"""The mapping language: what it makes of rows, and where it points when it cannot be right."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from creditsvc.loading import conversions
from creditsvc.loading.failures import MappingInvalid
from creditsvc.loading.mapping import FileMapping, RowUnfit
from creditsvc.loading.templates import Unfit

HEAD = """
[file]
absent = ["", "— —", "/", "无"]
[event]
id = "{no}"
source = "urn:agency:example"
type = { from = "{kind}", values = { "罚" = "credit.penalty.imposed", "许" = "credit.licence.granted" } }
subject = "uscc:{code|compact|upper}"
time = { from = "{day}", instant = ["%Y-%m-%d", "%Y/%m/%d"], zone = "Asia/Shanghai" }
"""
DATA = """
[event.data]
record = "{no}"
note = "{note?}"
until = { from = "{until?}", date = "%Y/%m/%d", absent = ["2099/12/31"] }
checked = { from = "{count?}", whole = true }
amount = { value = { from = "{fine?}", scale = 10000 }, currency = "CNY" }
authority = { name = "示例局" }
identifiers = ["lei:{lei?}", "gb-coh:{coh?}"]
"""
ROW = {"no": "1号", "kind": "罚", "code": " 91350100m000100y43 ", "day": "2026/3/5"}


def mapping(text: str = HEAD + DATA) -> FileMapping:
    return FileMapping.parse(text)


def test_row_becomes_event_and_what_is_absent_is_left_out():
    assert mapping().event(ROW | {"note": "— —", "fine": "/", "until": "2099/12/31"}) == {
        "specversion": "1.0",
        "id": "1号",
        "source": "urn:agency:example",
        "type": "credit.penalty.imposed",
        "subject": "uscc:91350100M000100Y43",
        "time": "2026-03-05T00:00:00+08:00",
        "datacontenttype": "application/json",
        "data": {"record": "1号", "authority": {"name": "示例局"}},
    }


def test_conversions_of_values_that_are_there():
    row = ROW | {"fine": "12.34", "until": "2027/1/2", "count": "3", "coh": "00445790", "note": " x "}
    data = mapping().event(row)["data"]
    assert data["amount"] == {"value": "123400.00", "currency": "CNY"}
    assert (data["until"], data["checked"], data["note"]) == ("2027-01-02", 3, "x")
    assert data["identifiers"] == ["gb-coh:00445790"]


def test_everything_wrong_with_a_row_is_told_at_once_and_without_its_values():
    row = {"no": "", "kind": "SECRET-1", "code": "x", "day": "SECRET-2", "fine": "SECRET-3", "count": "1.5"}
    with pytest.raises(RowUnfit) as refused:
        mapping().event(row)
    told = {(fault.pointer, fault.code) for fault in refused.value.violations}
    assert told == {
        ("/id", "missing"),
        ("/type", "not-in-table"),
        ("/time", "not-a-date"),
        ("/data/record", "missing"),
        ("/data/amount/value", "not-a-number"),
        ("/data/checked", "not-a-whole-number"),
    }
    assert not any("SECRET" in fault.detail for fault in refused.value.violations)


def test_attribute_that_comes_to_nothing_rejects_the_row():
    text = HEAD.replace('id = "{no}"', 'id = "{note?}"') + DATA
    with pytest.raises(RowUnfit) as refused:
        mapping(text).event(ROW)
    assert [(fault.pointer, fault.code) for fault in refused.value.violations] == [("/id", "missing")]


@pytest.mark.parametrize(
    ("change", "where", "word"),
    [
        (('id = "{no}"', ""), "event", "'id' is missing"),
        (('id = "{no}"', 'id = "{no"'), "event.id", "brace"),
        (('id = "{no}"', 'id = "{no|shout}"'), "event.id", "filter 'shout'"),
        (('id = "{no}"', "id = 1"), "event.id", "one text"),
        (('id = "{no}"', 'id = {from = "{no}", whole = true}'), "event.id", "one text"),
        (('id = "{no}"', 'id = "{no}"\ncolour = "red"'), "event.colour", "means nothing"),
        (('note = "{note?}"', 'note = {from = "{note}", scael = 1}'), "event.data.note", "scael"),
        (('note = "{note?}"', 'note = {from = "{note}", scale = 0}'), "event.data.note", "scale"),
        (('note = "{note?}"', 'note = {from = "{note}", scale = 1, whole = true}'), "event.data.note", "one"),
        (('note = "{note?}"', 'note = {from = "{note}", date = "%Q"}'), "event.data.note", "%Q"),
        (('note = "{note?}"', 'note = {from = "{n}", instant = "%Y"}'), "event.data.note", "zone"),
        (
            ('note = "{note?}"', 'note = {from = "{n}", instant = "%Y", zone = "Mars/X"}'),
            "event.data.note",
            "Mars",
        ),
        (('note = "{note?}"', 'note = {from = "{n}", zone = "UTC"}'), "event.data.note", "zone"),
        (('note = "{note?}"', "note = 1.5"), "event.data.note", "constant"),
        (('note = "{note?}"', "note = {}"), "event.data.note", "group"),
        (("[file]", "[flie]"), "flie", "no such section"),
        (("[file]", '[file]\nformat = "xls"'), "file.format", "ndjson"),
        (("[file]", '[file]\nencoding = "klingon"'), "file.encoding", "encoding"),
        (("[file]", '[file]\ndelimiter = "::"'), "file.delimiter", "one character"),
        (("[file]", "[file"), "mapping", "not TOML"),
        (
            ("[event.data]\nrecord", '[repeat]\ntime = "x"\nreason = "y"\n[event.data]\nxrecord'),
            "repeat",
            "record",
        ),
    ],
)
def test_mistakes_point_into_the_mapping(change, where, word):
    text = (HEAD + DATA).replace(*change)
    with pytest.raises(MappingInvalid) as refused:
        mapping(text)
    assert refused.value.where == where
    assert word in str(refused.value)


def test_column_that_the_file_lacks_is_named_with_its_place():
    with pytest.raises(MappingInvalid, match=r"\[event.data.amount.value\] column 'fine' is not in the file"):
        mapping().check_columns(["no", "kind", "code", "day", "note", "until", "count"])


@given(st.decimals(min_value=0, max_value=10**12, places=6), st.sampled_from([1, 100, 10_000]))
def test_scaling_is_exact_and_writes_at_least_two_decimals(value: Decimal, scale: int):
    written = conversions.scaled(Decimal(scale))(f"{value:f}")
    assert Decimal(str(written)) == value * scale
    assert len(str(written).partition(".")[2]) >= 2


@pytest.mark.parametrize("text", ["1,000", "1e5", "NaN", "", "½", "--1", "1_0", "1."])
def test_what_is_no_plain_decimal_is_not_guessed(text):
    with pytest.raises(Unfit):
        conversions.scaled(Decimal(1))(text)


def test_instants_take_the_offset_of_their_place_and_day():
    text = HEAD.replace("Asia/Shanghai", "Europe/Paris") + DATA
    assert mapping(text).event(ROW)["time"] == "2026-03-05T00:00:00+01:00"
    assert mapping(text).event(ROW | {"day": "2026-07-05"})["time"] == "2026-07-05T00:00:00+02:00"
    assert mapping().event(ROW | {"day": "1900-01-01"})["time"] == "1899-12-31T15:54:17+00:00"
