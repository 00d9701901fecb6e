"""Whatever the bytes are: they are read or refused, never anything else."""

import io
import zipfile
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from creditsvc.domain import catalogue, events
from creditsvc.errors import SheetUnreadable
from creditsvc.handin import giving
from creditsvc.handin.checking import check
from creditsvc.handin.columns import KIND_NAMES
from creditsvc.handin.reading import read
from creditsvc.handin.texts import LANGUAGES
from creditsvc.handin.writing import FORMATS
from tests.sheets import HEADERS, LICENCE_HEADERS, SOURCE, as_csv, as_xlsx, dirty

NOW = datetime(2026, 11, 23, tzinfo=UTC)
RULES = catalogue.load()
XLSX = dirty("xlsx")
PARTS = {
    name: zipfile.ZipFile(io.BytesIO(XLSX)).read(name)
    for name in zipfile.ZipFile(io.BytesIO(XLSX)).namelist()
}
SOON = settings(deadline=timedelta(seconds=10), max_examples=40)

cells = st.one_of(
    st.text(max_size=40),
    st.sampled_from(
        ["91350100M00010217R", "2026-03-05", "5", "一般", "11010519491231002X", "— —", "=1+1", "13800138000"]
    ),
    st.from_regex(r"[0-9０-９一二十年月日./,:万元-]{1,12}", fullmatch=True),
)


def handle(content, name, kind):
    """All that is done with a file; gives what came of it."""
    try:
        sheet = read(content, name, kind)
    except SheetUnreadable:
        return None
    checked = check(sheet, SOURCE, NOW, RULES)
    for row in checked.ready:
        events.decode(row.event, RULES, NOW, max_bytes=64 * 1024)
    for reason in (*checked.reasons, *checked.notices, *(one for row in checked.rows for one in row.reasons)):
        for language in LANGUAGES:
            assert reason.text(language)
            assert reason.remedy(language)
    return checked


@SOON
@given(st.binary(max_size=3_000), st.sampled_from(["a.csv", "a.xlsx", "", "\0"]), st.sampled_from(KIND_NAMES))
def test_any_bytes(content, name, kind):
    handle(content, name, kind)


@SOON
@given(st.binary(max_size=300))
def test_any_bytes_after_the_mark_of_an_archive(content):
    handle(b"PK\x03\x04" + content, "a.xlsx", "penalty")


@SOON
@given(st.data())
def test_any_few_bytes_of_an_archive_changed(data):
    content = bytearray(XLSX)
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(4, len(content) - 1))] = data.draw(st.integers(0, 255))
    handle(bytes(content), "a.xlsx", "penalty")


@SOON
@given(st.data())
def test_any_bytes_of_its_parts_changed(data):
    name = data.draw(st.sampled_from(sorted(name for name in PARTS if "theme" not in name)))
    part = bytearray(PARTS[name])
    for _ in range(data.draw(st.integers(1, 6))):
        place = data.draw(st.integers(0, len(part)))
        part[place : place + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=4))
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as packed:
        for other, content in PARTS.items():
            packed.writestr(other, bytes(part) if other == name else content)
    handle(file.getvalue(), "a.xlsx", "penalty")


@SOON
@given(
    st.sampled_from([("penalty", HEADERS), ("licence", LICENCE_HEADERS)]).flatmap(
        lambda kind: st.tuples(
            st.just(kind),
            st.lists(st.lists(cells, min_size=3, max_size=len(kind[1])), min_size=1, max_size=4),
        )
    ),
    st.sampled_from(FORMATS),
    st.sampled_from(LANGUAGES),
)
def test_any_cells(sheet, form, language):
    (kind, headers), rows = sheet
    head = list(headers.values())
    content = as_csv([head, *rows])
    if form == "xlsx":
        content = as_xlsx([head, *([printable(cell) for cell in row] for row in rows)])
    checked = handle(content, f"a.{form}", kind)
    if checked is not None and checked.rejected:
        given = giving.rejected(checked, language, form)
        assert len(read(given, f"b.{form}", kind).rows) == len(checked.rejected)
        assert "11010519491231002X" not in repr(read(given, f"b.{form}", kind).rows[0].values)


def printable(text):
    return "".join(one for one in text if one.isprintable())
