"""Lists for people as tables, for scripts as tab-separated lines."""

import sys
from collections.abc import Iterable, Sequence
from itertools import zip_longest

from rich.console import Console
from rich.table import Table
from rich.text import Text


def show(
    columns: Sequence[str], rows: Iterable[Sequence[str]], empty: str, styles: Sequence[str] = ()
) -> None:
    """Print a list on standard output: aligned on a terminal (Chinese takes two cells), else a line a row.

    ``styles``: how each row looks on a terminal, such as "red".
    """
    found = list(rows)
    if not sys.stdout.isatty():
        for row in found:
            print("\t".join(row))
        return
    if not found:
        print(empty, file=sys.stderr)
        return
    table = Table(box=None, header_style="bold", pad_edge=False)
    for number, name in enumerate(columns):
        # What a row is known by stays whole, to be copied; the rest goes on in the next line.
        table.add_column(name, no_wrap=number == 0, overflow="fold")
    for row, style in zip_longest(found, styles, fillvalue=""):
        table.add_row(*(Text(cell) for cell in row), style=style)  # as text: brackets in a name are no markup
    Console().print(table)
