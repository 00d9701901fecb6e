"""What a run of the benchmark is told as: the table, the page, the picture, the figures."""

import xml.etree.ElementTree as ET

import orjson
import pytest
from rich.console import Console

from tests.bench import __main__ as command
from tests.bench import picture, report
from tests.bench.figures import GOALS, Finding
from tests.bench.peers import pgbench

MACHINE = dict.fromkeys(("cores", "processor", "memory", "system", "python", "busy", "commit"), "x")
FINDINGS = [Finding(GOALS["pgbench"], 0.2, "2/s against 10/s"), Finding(GOALS["p99"], 3.0, rounds=[3.0])]


def run():
    return report.Run(
        MACHINE, {"entities": 20_000, "events": 40_000}, "wrk", 5.0, 3, ["a remark"], [*FINDINGS]
    )


def test_the_table_names_goal_measure_and_verdict():
    console = Console(width=200, record=True, file=None, quiet=False, force_terminal=False)
    with console.capture() as shown:
        console.print(report.table(run()))
    text = shown.get()
    assert "≥ 0.35" in text
    assert "missed" in text
    assert "aim reached" in text
    assert "20,000 organisations with 40,000 events" in text
    assert "a remark" in text


def test_the_page_has_a_row_for_each_finding():
    page = report.page(run(), 3_000_000)
    assert "| **0.20** | missed | 2/s against 10/s |" in page
    assert "| **3.00 ms** | aim reached |" in page
    assert "3,000,000 of the copied events" in page


def test_the_figures_are_complete():
    document = orjson.loads(run().document())
    assert [one["key"] for one in document["findings"]] == ["pgbench", "p99"]
    assert document["findings"][1]["verdict"] == "aim"


def test_the_picture_is_well_formed_and_has_a_bar_for_each_goal():
    drawn = ET.fromstring(picture.draw([*FINDINGS, Finding(GOALS["constant"], 0.5)]))  # noqa: S314  ours
    bars = drawn.findall("{http://www.w3.org/2000/svg}rect")
    assert [bar.get("class") for bar in bars] == ["miss", "aim"]
    assert all(float(bar.get("width", "0")) > 0 for bar in bars)


def test_what_pgbench_prints_is_read():
    said = "latency average = 0.815 ms\nlatency stddev = 1\ntps = 39238.9 (without initial connection time)\n"
    assert pgbench.read(said) == pgbench.Selected(39238.9, 0.815)
    with pytest.raises(RuntimeError, match="did not say"):
        pgbench.read("connection to server failed")


@pytest.mark.parametrize(
    ("room", "minutes", "fits"),
    [
        (10**15, 1e6, (10_000_000, 5.0, "")),
        (10**11, 1e6, (10_000_000, 3.8, "the disk")),
        (10**10, 1e6, (1_552_000, 1.0, "the disk")),
        (10**15, 60, (10_000_000, 2.0, "the time")),
        (10**15, 10, (2_272_000, 1.0, "the time")),
        (0, 10, (0, 1.0, "the disk")),
    ],
)
def test_a_large_data_set_is_cut_down_to_what_fits_events_first(room, minutes, fits):
    assert command.fitting(10_000_000, 5.0, room, minutes) == fits


def test_quick_is_small_and_turns_are_counted():
    wanted = command.asked(command.parse(["--quick", "--rounds", "2", "--only", "lookups"]))
    assert wanted.size.entities == 20_000
    assert command.turns(wanted) == 8
