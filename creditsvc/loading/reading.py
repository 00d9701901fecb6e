"""Rows out of CSV and NDJSON files, plain or gzipped, one at a time."""

import csv
import gzip
import hashlib
import json
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, TextIO, cast

from creditsvc.errors import Violation
from creditsvc.loading.failures import LoadStopped, MappingInvalid
from creditsvc.loading.mapping import FileFormat, Format

LINE_MAX_CHARS = 1024 * 1024  # an event is at most 64 KiB: a longer line is no row, and memory is bounded

_SUFFIXES: dict[str, Format] = {
    ".csv": "csv",
    ".ndjson": "ndjson",
    ".jsonl": "ndjson",
}


@dataclass(frozen=True, slots=True)
class SourceRow:
    """One row: its number from 1 (in CSV the first under the header), its values by column, or its fault."""

    number: int
    values: dict[str, str]
    fault: Violation | None = None


def sha256_of(path: Path) -> str:
    """Digest the file as it lies there, compressed or not."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def header_of(path: Path, form: FileFormat) -> list[str] | None:
    """Give the columns of a CSV file; None for NDJSON, where each row has its own."""
    if _format_of(path, form) == "ndjson":
        return None
    with _opened(path, form) as file, _readable(form, 0):
        return _header(csv.reader(file, delimiter=form.delimiter, strict=True))


def rows_of(path: Path, form: FileFormat) -> Iterator[SourceRow]:
    """Read the file row by row. ``LoadStopped`` names the row from which on it cannot be read."""
    read = _ndjson_rows if _format_of(path, form) == "ndjson" else _csv_rows
    with _opened(path, form) as file:
        yield from read(file, form)


def _format_of(path: Path, form: FileFormat) -> Format:
    if form.format is not None:
        return form.format
    name = path.with_suffix("") if path.suffix == ".gz" else path
    try:
        return _SUFFIXES[name.suffix.lower()]
    except KeyError:
        raise MappingInvalid(
            "file", 'the file\'s name does not say its format: add format = "csv" or "ndjson"'
        ) from None


@contextmanager
def _opened(path: Path, form: FileFormat) -> Iterator[TextIO]:
    # A byte order mark is no part of the first column's name.
    encoding = "utf-8-sig" if form.encoding.lower() in {"utf-8", "utf8"} else form.encoding
    if path.suffix == ".gz":
        with gzip.open(path, "rt", encoding=encoding, newline="") as file:
            yield cast("TextIO", file)
    else:
        with path.open(encoding=encoding, newline="") as file:
            yield file


@contextmanager
def _readable(form: FileFormat, number: int) -> Iterator[None]:
    """Say what goes wrong in reading row ``number`` so that it can be mended."""
    try:
        yield
    except UnicodeError:
        _stop(number, f"the file is not {form.encoding}: set `encoding` under [file] in the mapping")
    except csv.Error as error:
        _stop(number, f"this is not CSV with the delimiter {form.delimiter!r}: {error}")
    except (EOFError, gzip.BadGzipFile, zlib.error):
        _stop(number, "the file is cut short or not gzip")


def _stop(number: int, what: str) -> NoReturn:
    raise LoadStopped(f"in {f'row {number}' if number else 'the header'}: {what}") from None


def _header(reader: Iterator[list[str]]) -> list[str]:
    header = [name.strip() for name in next(reader, [])]
    if not header:
        raise LoadStopped("the file is empty: its first line names the columns")
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        raise LoadStopped(f"the header names the column '{twice[0]}' twice")
    return header


def _csv_rows(file: TextIO, form: FileFormat) -> Iterator[SourceRow]:
    reader = csv.reader(file, delimiter=form.delimiter, strict=True)
    with _readable(form, 0):
        header = _header(reader)
    number = 0
    while True:
        number += 1
        with _readable(form, number):
            cells = next(reader, None)
        if cells is None:
            return
        if not cells:  # an empty line
            number -= 1
        elif len(cells) == len(header):
            yield SourceRow(number, dict(zip(header, cells, strict=True)))
        else:
            fault = Violation(
                "", "row-malformed", f"the row has {len(cells)} cells, the header {len(header)}"
            )
            yield SourceRow(number, {}, fault)


def _ndjson_rows(file: TextIO, form: FileFormat) -> Iterator[SourceRow]:
    number = 0
    while True:
        number += 1
        with _readable(form, number):
            line = file.readline(LINE_MAX_CHARS)
        if not line:
            return
        if len(line) == LINE_MAX_CHARS:
            _stop(number, f"the line is longer than {LINE_MAX_CHARS:,} characters")
        if line.isspace():
            number -= 1
        else:
            yield _ndjson_row(number, line)


def _ndjson_row(number: int, line: str) -> SourceRow:
    try:
        # Numbers as they are written: 0.10 is an amount, not a float.
        row = json.loads(line, parse_float=str, parse_int=str, parse_constant=_no_constant)
        if isinstance(row, dict):
            return SourceRow(number, dict(_flat("", row)))
    except (ValueError, RecursionError):
        pass
    return SourceRow(number, {}, Violation("", "row-malformed", "the line is not a JSON object"))


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _flat(prefix: str, value: Any) -> Iterator[tuple[str, str]]:
    """Columns of nested values: ``site.name``, ``items.0``."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _flat(f"{prefix}.{name}" if prefix else name, inner)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _flat(f"{prefix}.{index}", inner)
    elif isinstance(value, bool):
        yield prefix, "true" if value else "false"
    elif value is not None:
        yield prefix, value
