"""What a run came to: a table for the terminal, JSON for programs, a page and a picture for the documents."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
from rich.table import Table

from tests.bench.figures import Finding

PAGE = Path(__file__).with_name("page.md")

WORDS = {"aim": "aim reached", "goal": "goal reached", "miss": "missed", "-": "-"}
COLOURS = {"aim": "green", "goal": "cyan", "miss": "red", "-": "dim"}


@dataclass(slots=True)
class Run:
    """A run: on what, of what size, how, and what was found."""

    machine: dict[str, str]
    data: dict[str, Any]
    generator: str
    turn_s: float
    rounds: int
    remarks: list[str] = field(default_factory=list)
    findings: Sequence[Finding] = ()

    def document(self) -> bytes:
        """Write everything as JSON."""
        return orjson.dumps(
            {
                "machine": self.machine,
                "data": self.data,
                "generator": self.generator,
                "turn_s": self.turn_s,
                "rounds": self.rounds,
                "remarks": self.remarks,
                "findings": [
                    {
                        "key": one.goal.key,
                        "what": one.goal.what,
                        "unit": one.goal.unit or "ratio",
                        "goal": one.goal.least,
                        "aim": one.goal.aim,
                        "lower_is_better": one.goal.lower,
                        "measured": one.measured,
                        "verdict": one.verdict,
                        "beside": one.beside,
                        "rounds": one.rounds,
                    }
                    for one in self.findings
                ],
            },
            option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE,
        )

    def conditions(self) -> list[str]:
        """Say what the figures hold for, a sentence each."""
        of = self.machine
        held = f"{self.data['entities']:,} organisations with {self.data['events']:,} events"
        hardware = f"{of['cores']} cores ({of['processor']}), {of['memory']}, {of['system']}"
        turns = f"{self.rounds} rounds in turns of {self.turn_s:.0f} s, medians"
        told = [
            held,
            f"{hardware}, Python {of['python']}, commit {of['commit']}",
            f"load by {self.generator} on the same cores; {turns}",
            f"load average {of['busy']} before anything of this was started",
        ]
        return told + self.remarks


def table(run: Run) -> Table:
    """Draw the table for a terminal."""
    drawn = Table(
        title="Against the goals", box=None, header_style="bold", caption="\n".join(run.conditions())
    )
    drawn.caption_justify = "left"
    for column in ("", "goal", "aim", "measured", "", "beside"):
        drawn.add_column(column, justify="right" if column in {"goal", "aim", "measured"} else "left")
    for one in run.findings:
        goal, colour = one.goal, COLOURS[one.verdict]
        drawn.add_row(
            goal.what,
            goal.bound(goal.least),
            goal.bound(goal.aim),
            f"[{colour}]{goal.text(one.measured)}[/]",
            f"[{colour}]{WORDS[one.verdict]}[/]",
            one.beside,
        )
    return drawn


def page(run: Run, logged: int) -> str:
    """Write the page that is kept in the documents."""
    rows = [
        f"| {one.goal.what} | {one.goal.bound(one.goal.least)} | {one.goal.bound(one.goal.aim)} "
        f"| **{one.goal.text(one.measured)}** | {WORDS[one.verdict]} | {one.beside} |"
        for one in run.findings
    ]
    conditions = "\n".join(f"- {line}" for line in run.conditions())
    return PAGE.read_text(encoding="utf-8").format(conditions=conditions, rows="\n".join(rows), logged=logged)
