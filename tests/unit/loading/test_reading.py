"""Rows out of files as they really are."""

import gzip

import pytest

from creditsvc.loading.failures import LoadStopped
from creditsvc.loading.mapping import FileFormat
from creditsvc.loading.reading import header_of, rows_of

CSV = FileFormat("csv")


def write(path, content: bytes):
    path.write_bytes(content)
    return path


def test_csv_with_mark_quotes_and_empty_lines(tmp_path):
    file = write(tmp_path / "a.csv", '\ufeffname, no \r\n"a ""b""\nc",1\r\n\r\nd,2\r\n'.encode())
    assert header_of(file, FileFormat()) == ["name", "no"]
    rows = list(rows_of(file, FileFormat()))
    assert [(row.number, row.values) for row in rows] == [
        (1, {"name": 'a "b"\nc', "no": "1"}),
        (2, {"name": "d", "no": "2"}),
    ]


def test_gb18030_and_semicolons_and_gzip(tmp_path):
    file = write(tmp_path / "a.csv.gz", gzip.compress("名称;号\n示例;1\n".encode("gb18030"), mtime=0))
    rows = list(rows_of(file, FileFormat(encoding="gb18030", delimiter=";")))
    assert rows[0].values == {"名称": "示例", "号": "1"}


def test_row_of_another_length_is_its_own_fault(tmp_path):
    file = write(tmp_path / "a.csv", b"a,b\n1,2\n1,2,3\n1\n4,5\n")
    assert [row.fault and row.fault.code for row in rows_of(file, CSV)] == [
        None,
        "row-malformed",
        "row-malformed",
        None,
    ]


def test_ndjson_flattens_and_keeps_numbers_as_written(tmp_path):
    line = b'{"a": {"b": 0.10, "c": [true, null, "x"]}, "d": 10000000000000000000001}\n'
    file = write(tmp_path / "a.jsonl", line + b'\n[1]\n{"a": NaN}\nnot json\n' + b"[" * 50_000 + b"\n")
    first, *others = rows_of(file, FileFormat())
    assert first.values == {"a.b": "0.10", "a.c.0": "true", "a.c.2": "x", "d": "10000000000000000000001"}
    assert [row.number for row in others] == [2, 3, 4, 5]
    assert all(row.fault is not None for row in others)


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.csv", b"", "empty"),
        ("a.csv", b"a,a\n1,2\n", "twice"),
        ("a.csv", b"a,b\n1,2\n\xff\xfe,3\n", "not utf-8"),
        ("a.csv", b'a,b\n1,2\n"x"y,3\n', "row 2"),
        ("a.csv.gz", b"plain", "gzip"),
        ("a.csv.gz", gzip.compress(b"a,b\n" + b"1,2\n" * 9999, mtime=0)[:-20], "cut short"),
        ("a.ndjson", b'{"a": "' + b"x" * 2**20 + b'"}\n', "longer"),
        ("a.xlsx", b"", "format"),
    ],
)
def test_file_that_cannot_be_read_says_where_and_why(tmp_path, name, content, told):
    file = write(tmp_path / name, content)
    with pytest.raises(LoadStopped, match=told):
        list(rows_of(file, FileFormat()))
