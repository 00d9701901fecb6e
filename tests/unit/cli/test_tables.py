"""Lists on a narrow terminal: nothing is cut off, and what a row is known by stays in one piece."""

import sys

from creditsvc.cli import tables

COLUMNS = ("key id", "client", "role", "bound to", "state", "made", "expires")
ROW = (
    "0123456789abcdef",
    "agency:urn:agency:cn-tj-samr",
    "agency",
    "urn:agency:cn-tj-samr",
    "live",
    "2026-03-05",
    "-",
)


def test_a_narrow_terminal_gets_every_character(monkeypatch, capsys):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "dumb")  # without the codes for bold
    tables.show(COLUMNS, [ROW], "none")
    shown = capsys.readouterr().out
    assert max(map(len, shown.splitlines())) <= 80
    assert "…" not in shown
    assert ROW[0] in shown
    folded = [line[len(ROW[0]) :].split() for line in shown.splitlines()[1:]]
    assert sorted("".join("".join(line) for line in folded)) == sorted("".join(ROW[1:]))
