"""The dashboard and the alerts name what the service tells, and nothing else; and leave nothing of it out."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import orjson
import pytest
import yaml
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from prometheus_client.parser import text_string_to_metric_families

from creditsvc.web.app import ROUTES
from creditsvc.web.explanations import TEXTS
from creditsvc.witness.cosigning import Cosigner
from tests.making import SOURCE, raw
from tests.processes import BATCH, PATIENCE_S, Service, free_port, service
from tests.promql import NotPromQL, read

ROOT = Path(__file__).parents[2]
DASHBOARD = json.loads((ROOT / "deploy/grafana/creditsvc.json").read_text(encoding="utf-8"))
ALERTS = yaml.safe_load((ROOT / "deploy/prometheus/alerts.yaml").read_text(encoding="utf-8"))
SCRAPE = yaml.safe_load((ROOT / "deploy/prometheus/scrape.yaml").read_text(encoding="utf-8"))
RUNBOOK = (ROOT / "docs/operations.md").read_text(encoding="utf-8")
RULES = [rule for group in ALERTS["groups"] for rule in group["rules"]]
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
OF_PROMETHEUS = {"job", "instance"}  # labels that the scrape gives
# Metrics of our own that the dashboard leaves out, and why.
NOT_SHOWN: dict[str, str] = {}
# What each label may say, where that is written down somewhere.
SAYINGS = {
    "route": {route.path for route in ROUTES},
    "problem": {kind.slug for kind in TEXTS},
    "outcome": {"accepted", "duplicate", "rejected", "cosigned"},
}
SUFFIX = re.compile(r"_(bucket|sum|count|total)$")


def expressions() -> Iterator[tuple[str, str]]:
    for panel in PANELS:
        for target in panel["targets"]:
            yield panel["title"], target["expr"]
    for rule in RULES:
        yield rule["alert"], rule["expr"]


EXPRESSIONS = [*expressions()]


@pytest.fixture(scope="module")
async def told(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[dict[str, set[str]]]:
    """The metrics of a running service by the names of their samples, each with its labels.

    It has done something of everything that is counted by a label: taken events and refused some, asked a
    witness that is not there, and found an entry that cannot be placed.
    """
    gone = Cosigner("example.org/gone", Ed25519PrivateKey.generate()).key
    witness = f"{gone} http://127.0.0.1:{free_port()}"
    async with service(tmp_path_factory.mktemp("told") / "data", log_witnesses=witness) as running:
        await _do_something(running)
        async with running.database() as connection:
            await connection.execute("insert into log_pending (entity_id, sequence) values ('usdot:1', 9)")
        async with asyncio.timeout(PATIENCE_S):
            while True:
                found = await _scraped(running.url)
                if {"creditsvc_log_self_check_failures_total", "creditsvc_cases_open"} <= found.keys():
                    break
                await asyncio.sleep(0.2)
        yield found


async def _do_something(running: Service) -> None:
    keys = {
        "agency": await running.key("agency", sources=[SOURCE]),
        "partner": await running.key("partner"),
    }
    events = [
        raw("inspection.completed", "I1"),
        raw("objection.opened", "I1", objection="O1", ground="wrong"),
        {**raw("inspection.completed", "I2"), "specversion": "9"},
    ]
    sent = {"Authorization": f"Bearer {keys['agency']}", "Content-Type": BATCH}
    async with aiohttp.ClientSession(running.url) as session:
        async with session.post("/v1/events", data=orjson.dumps(events), headers=sent) as answer:
            assert answer.status == 200
        asked = {"Authorization": f"Bearer {keys['partner']}"}
        async with session.get("/v1/entities/usdot:1", headers=asked) as answer:
            assert answer.status == 404


async def _scraped(url: str) -> dict[str, set[str]]:
    async with aiohttp.ClientSession(url) as session, session.get("/metrics") as answer:
        text = await answer.text()
    found: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return {name: labels for name, labels in found.items() if name.startswith("creditsvc_")}


@pytest.mark.parametrize(("where", "text"), EXPRESSIONS)
async def test_every_name_and_label_is_one_that_the_service_tells(told, where: str, text: str):
    found = read(text)
    assert found.selectors
    for selector in found.selectors:
        if selector.name == "up":
            continue  # Prometheus's own
        assert selector.name in told, where
        labels = {label for label, _, _ in selector.matchers} | found.grouped.get(selector.name, set())
        assert labels - OF_PROMETHEUS <= told[selector.name], where
        assert "job" in labels, "another service's metrics stand beside ours"
        for label, operator, value in selector.matchers:
            if label in SAYINGS:
                assert operator in {"=", "!="}
                assert value in SAYINGS[label], where


async def test_every_metric_of_ours_is_on_the_dashboard_or_has_a_reason_not_to_be(told):
    shown = {
        SUFFIX.sub("", selector.name)
        for panel in PANELS
        for target in panel["targets"]
        for selector in read(target["expr"]).selectors
    }
    ours = {SUFFIX.sub("", name) for name in told}
    assert ours - shown == NOT_SHOWN.keys()
    assert len(ours) > 30


def test_legends_name_labels_that_are_there():
    for panel in PANELS:
        for target in panel["targets"]:
            named = set(re.findall(r"{{ *(\w+) *}}", target["legendFormat"]))
            found = read(target["expr"])
            kept = set().union(*found.grouped.values()) if found.grouped else None
            assert kept is None or named <= kept, panel["title"]


def test_the_dashboard_is_one():
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(ids) == len(set(ids))
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, f"{panel['title']} lies over another"
        taken |= cells
    assert all(panel["title"] and panel["fieldConfig"]["defaults"]["unit"] for panel in PANELS)
    variables = {one["name"] for one in DASHBOARD["templating"]["list"]}
    assert set(re.findall(r"\$\{?(\w+)", json.dumps(PANELS))) <= variables | {"__rate_interval"}


def test_each_alert_says_how_bad_what_and_what_to_do():
    names = [rule["alert"] for rule in RULES]
    assert len(names) == len(set(names))
    for rule in RULES:
        assert rule["labels"]["severity"] in {"critical", "warning"}
        assert rule["annotations"]["summary"]
        assert f"docs/operations.md#{rule['alert'].lower()}" in rule["annotations"]["description"]
        assert re.search(rf"^### {rule['alert']}$", RUNBOOK, re.MULTILINE)
    written = re.findall(r"^### (Creditsvc\w+)$", RUNBOOK, re.MULTILINE)
    assert sorted(written) == sorted(names), "no advice for what nobody is told of"


def test_each_threshold_says_why():
    lines = (ROOT / "deploy/prometheus/alerts.yaml").read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(lines):
        if "- alert:" in line:
            rule = lines[number : next(n for n in range(number, len(lines)) if "annotations:" in lines[n])]
            assert any(part.strip().startswith("# ") for part in rule), line


def test_prometheus_is_told_where_to_look():
    (job,) = SCRAPE["scrape_configs"]
    assert (job["job_name"], job["metrics_path"]) == ("creditsvc", "/metrics")
    assert [(ROOT / "deploy/prometheus" / file).exists() for file in SCRAPE["rule_files"]] == [True]


@pytest.mark.parametrize(
    "text",
    [
        "sum(rate(a[5m])",
        "sum by (x (rate(a[5m]))",
        "rate(a)",
        "rate(a[5q])",
        "a[5m]",
        'a{b="c}',
        "a{b}",
        "nosuchfunction(a)",
        "a + ",
        "histogram_quantile(a)",
        "a or 1",
        "sum(1)",
        "a b",
        "",
    ],
)
def test_what_is_no_expression_is_refused(text: str):
    with pytest.raises(NotPromQL):
        read(text)


def test_an_expression_is_read_whole():
    found = read('sum by (le) (rate(a_bucket{job="j", x!="y"}[5m])) / 2 > 0.5 unless max(b offset 10m) == 1')
    assert [one.name for one in found.selectors] == ["a_bucket", "b"]
    assert found.selectors[0].matchers == (("job", "=", "j"), ("x", "!=", "y"))
    assert found.grouped == {"a_bucket": {"le"}, "b": set()}
