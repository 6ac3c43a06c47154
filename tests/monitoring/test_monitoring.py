"""What is handed to operators speaks of metrics that there are: alert rules, dashboard, documentation."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from simplevoice.config import Config
from simplevoice.observation import Progress
from simplevoice.server.app import create_app
from simplevoice.server.keys import METRICS
from tests.fakes.engines import FakeEngines
from tests.unit.test_observation import report
from tests.unit.test_service import make_service

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
ALERTS, DASHBOARD, PAGE = DOCS / "monitoring/alerts.yml", DOCS / "monitoring/grafana.json", DOCS / "monitoring.md"
NAME = re.compile(r"\b(?:simplevoice|process)_[a-z_]+\b(?!\s*:)")


async def exposition() -> str:
    """A scrape in which every metric has a sample."""
    service = make_service(FakeEngines())
    app = create_app(Config(), service)
    await service.start()
    metrics = app[METRICS]
    work = Progress(1, 10, 300, 400, 500, 2000, hallucinated=True, stt="whisper", llm="llama", tts=("edge",))
    metrics.turn_ended(report(work=work))
    metrics.turn_ended(report(work=work, kind="speech"))
    metrics.request_refused(401)
    metrics.connection_closed(1000)
    text = (await metrics.render()).decode()
    await service.close()
    return text


def row(family: Metric) -> str:
    """The line of the page's table for a metric."""
    name = f"{family.name}_total" if family.type == "counter" else family.name
    labels = dict.fromkeys(label for sample in family.samples for label in sample.labels if label != "le")
    return f"| `{name}` | {family.type} | {', '.join(labels)} | {family.documentation} |"


async def families() -> list[Metric]:
    return list(text_string_to_metric_families(await exposition()))


def expressions(dashboard: dict[str, Any]) -> Iterator[str]:
    yield from (query["expr"] for panel in dashboard["panels"] for query in panel.get("targets", ()))
    yield from (query["expr"] for query in dashboard["annotations"]["list"])
    for variable in dashboard["templating"]["list"]:
        query = variable["query"]
        yield query["query"] if isinstance(query, dict) else ""


async def known() -> set[str]:
    return {sample.name for family in await families() for sample in family.samples}


async def test_every_metric_that_an_alert_names_is_there() -> None:
    rules = "\n".join(line for line in ALERTS.read_text().splitlines() if not line.lstrip().startswith("#"))
    named = set(NAME.findall(rules))
    assert len(named) > 10
    assert named <= await known()


async def test_every_metric_that_the_dashboard_names_is_there_and_none_is_left_out() -> None:
    dashboard = json.loads(DASHBOARD.read_text())
    named = {name for expression in expressions(dashboard) for name in NAME.findall(expression)}
    samples = await known()
    assert named <= samples
    shown = {
        sample for sample in samples if sample.startswith("simplevoice_") and not sample.endswith(("_sum", "_count"))
    }
    assert shown <= named


def test_the_dashboard_fits_together() -> None:
    dashboard = json.loads(DASHBOARD.read_text())
    panels = dashboard["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert place["x"] + place["w"] <= 24
        assert not cells & taken
        taken |= cells


async def test_the_page_describes_every_metric_as_it_is() -> None:
    page = PAGE.read_text().splitlines()
    described = [line for line in page if re.match(r"\| `(simplevoice|process)_", line)]
    assert described == [row(family) for family in await families()]


async def test_documented_labels_hold_no_id() -> None:
    labels = {label for family in await families() for sample in family.samples for label in sample.labels}
    assert not {label for label in labels if label.endswith("id")}


pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the figures of the process come from /proc")
promtool = pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool (Debian: prometheus) is not installed")


def run_promtool(*args: str, text: str | None = None) -> None:
    done = subprocess.run(["promtool", *args], input=text, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@promtool
def test_promtool_takes_the_alert_rules() -> None:
    run_promtool("check", "rules", str(ALERTS))


@promtool
def test_alerts_fire_when_they_should_and_only_then() -> None:
    run_promtool("test", "rules", "tests/monitoring/alerts_test.yml")


@promtool
async def test_promtool_has_nothing_to_say_about_the_metrics() -> None:
    run_promtool("check", "metrics", text=await exposition())


@promtool
def test_promtool_takes_the_queries_of_the_dashboard(tmp_path: Path) -> None:
    dashboard = json.loads(DASHBOARD.read_text())
    queries = [query["expr"] for panel in dashboard["panels"] for query in panel.get("targets", ())]
    filled = [re.sub(r"\$(job|instance)", ".*", query).replace("$__rate_interval", "5m") for query in queries]
    rules = [{"record": f"panel:{n}", "expr": query} for n, query in enumerate(filled)]
    file = tmp_path / "queries.yml"
    file.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))
    run_promtool("check", "rules", str(file))
