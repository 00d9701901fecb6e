"""How a load shows itself: a bar on a terminal, else a line now and then."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

LINE_INTERVAL_S = 5.0


class Lines:
    """Plain lines on standard error, for logs."""

    def __init__(self) -> None:
        self.answered = 0
        self._rows = 0
        self._done = 0
        self._said_at = 0.0

    def begin(self, rows: int, done: int) -> None:
        self._rows, self._done = rows, done
        if done:
            self.notice(f"going on behind row {done:,}, where it was cut off")
        self._said_at = time.monotonic()

    def advance(self, rows: int) -> None:
        self.answered += rows
        if time.monotonic() - self._said_at >= LINE_INTERVAL_S:
            self._said_at = time.monotonic()
            self.notice(f"{self._done + self.answered:,} of {self._rows:,} rows answered")

    def notice(self, text: str) -> None:
        click.echo(text, err=True)


class Bar(Lines):
    """A bar with the rate and the time left."""

    def __init__(self, progress: Progress) -> None:
        super().__init__()
        self._progress = progress
        self._task: TaskID | None = None

    def begin(self, rows: int, done: int) -> None:
        super().begin(rows, done)
        self._task = self._progress.add_task("rows", total=rows, completed=done)

    def advance(self, rows: int) -> None:
        self.answered += rows
        if self._task is not None:
            self._progress.advance(self._task, rows)

    def notice(self, text: str) -> None:
        self._progress.console.print(text, markup=False, highlight=False)


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(f"{task.speed or 0:,.0f} rows/s")


@contextmanager
def monitor() -> Iterator[Lines]:
    """Give what suits standard error."""
    if not sys.stderr.isatty():
        yield Lines()
        return
    columns = (
        TextColumn("loading"),
        BarColumn(),
        MofNCompleteColumn(),
        _Rate(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        yield Bar(progress)
