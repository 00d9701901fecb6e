"""The picture: for each goal a bar, as long as what was measured is in relation to it."""

import math
from collections.abc import Sequence
from xml.sax.saxutils import escape

from tests.bench.figures import Finding

WIDTH, ROW, TOP = 860, 30, 46
LABELS, BARS = 400, 330  # pixels: of the words, and of the bars
DECADES = 1.0  # to either side of the goal
STYLE = """\
text{font:13px system-ui,sans-serif;fill:#1f2328}.n{font-variant-numeric:tabular-nums}.q{fill:#59636e}
.aim{fill:#1a7f37}.goal{fill:#0969da}.miss{fill:#cf222e}line{stroke:#818b98;stroke-dasharray:3 3}
@media(prefers-color-scheme:dark){text{fill:#e6edf3}.q{fill:#9198a1}.aim{fill:#3fb950}.goal{fill:#4493f8}
.miss{fill:#f85149}}"""


def better(finding: Finding, than: float) -> float:
    """Tell how many times better than a bound it is; below 1 it is worse."""
    if finding.goal.lower:
        return than / finding.measured if finding.measured > 0 else math.inf
    return finding.measured / than


def _place(times: float) -> float:
    """Give the pixel of so many times a goal, on a logarithmic scale around it."""
    decades = max(-DECADES, min(DECADES, math.log10(times) if times > 0 else -DECADES))
    return LABELS + BARS * (decades + DECADES) / (2 * DECADES)


def draw(findings: Sequence[Finding]) -> str:
    """Draw what has a goal; readable on light and on dark ground."""
    shown = [one for one in findings if one.goal.least is not None and not math.isnan(one.measured)]
    height = TOP + ROW * len(shown) + 12
    middle = _place(1)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img"',
        f'aria-label="What was measured, in relation to the goals"><style>{STYLE}</style>',
        f'<text x="{middle}" y="18" text-anchor="middle">the goal</text>',
        f'<text class="q" x="{LABELS - 8}" y="18" text-anchor="end">short dashes: the aim</text>',
        f'<text class="q" x="{LABELS}" y="18">10 times worse</text>',
        f'<text class="q" x="{LABELS + BARS}" y="18" text-anchor="end">10 times better</text>',
        f'<line x1="{middle}" x2="{middle}" y1="26" y2="{height - 8}"/>',
    ]
    for place, one in enumerate(shown):
        parts += _bar(one, TOP + ROW * place, middle)
    return "\n".join([*parts, "</svg>\n"])


def _bar(one: Finding, top: int, middle: float) -> list[str]:
    assert one.goal.least is not None
    assert one.goal.aim is not None
    end = _place(better(one, one.goal.least))
    aim = _place(_times(one))
    left, width = min(end, middle), max(2.0, abs(end - middle))
    base = top + 14
    return [
        f'<text x="{LABELS - 8}" y="{base}" text-anchor="end">{escape(_short(one.goal.what))}</text>',
        f'<rect class="{one.verdict}" x="{left:.1f}" y="{top + 2}" width="{width:.1f}" height="16" rx="2"/>',
        f'<line x1="{aim:.1f}" x2="{aim:.1f}" y1="{top}" y2="{top + 20}"/>',
        f'<text class="n" x="{LABELS + BARS + 10}" y="{base}">{escape(one.goal.text(one.measured))}</text>',
    ]


def _times(one: Finding) -> float:
    """Tell how many times better than the goal the aim is."""
    least, aim = one.goal.least or 1.0, one.goal.aim or 1.0
    return least / aim if one.goal.lower else aim / least


def _short(what: str) -> str:
    return what if len(what) <= 52 else what[:51].rstrip(" ,") + "…"
