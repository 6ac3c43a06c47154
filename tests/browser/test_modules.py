"""The modules of the web client that need no page."""

import math
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from simplevoice.server.pages import PAGES
from tests.browser.visitor import Visitor, site
from tests.integration.daemon import Daemon

LIBRARIES = sorted(PAGES.keys() & {f"{name}.js" for name in (
    "connection", "metrics", "microphone", "playback", "resampler", "simplevoice", "texts", "view"
)})  # fmt: skip


@pytest.fixture
def blank(tab: Visitor, daemon: Daemon) -> Visitor:
    """A page of the server that runs nothing."""
    tab.page.route(f"{site(daemon)}blank", lambda route: route.fulfill(body="<p></p>", content_type="text/html"))
    tab.page.goto(f"{site(daemon)}blank")
    return tab


def run(tab: Visitor, module: str, body: str, argument: Any = None) -> Any:
    """Run the body of a function of a module and an argument."""
    script = f"async (argument) => {{ const module = await import('/{module}'); {body} }}"
    return tab.page.evaluate(script, argument)


@pytest.mark.parametrize("name", LIBRARIES)
def test_module_can_be_loaded_alone_and_does_nothing_then(blank: Visitor, name: str) -> None:
    assert run(blank, name, "return Object.keys(module);")
    assert blank.page.evaluate("document.body.innerHTML") == "<p></p>"


def keys(texts: Any) -> Any:
    """The keys of a tree of texts, none of which is empty."""
    if isinstance(texts, str):
        assert texts.strip()
        return None
    return {key: keys(value) for key, value in texts.items()}


def test_every_text_is_there_in_both_languages(blank: Visitor) -> None:
    texts = run(blank, "texts.js", "return module.TEXTS;")
    assert texts.keys() == {"ar", "en"}
    assert keys(texts["ar"]) == keys(texts["en"])


def test_every_text_that_the_page_names_exists(blank: Visitor) -> None:
    named = run(blank, "texts.js", """
      const page = new DOMParser().parseFromString(argument, "text/html");
      const roots = [page, ...[...page.querySelectorAll("template")].map((each) => each.content)];
      const names = roots.flatMap((root) => [...root.querySelectorAll("[data-text]")].map((each) => each.dataset.text));
      return names.filter((name) => typeof module.TEXTS.en[name] !== "string");
    """, PAGES["index.html"].body.decode())  # fmt: skip
    assert named == []


def resampled(tab: Visitor, rate: int, hz: float) -> tuple[int, float]:
    """Bring a second of a sine of full scale to 16 kHz, in pieces; gives the number of samples and their power, dB."""
    count, power = run(tab, "resampler.js", """
      const [rate, hz] = argument;
      const resampler = new module.Resampler(rate, 16000);
      const output = [];
      for (let from = 0; from < rate; from += 128) {
        const length = Math.min(128, rate - from);
        const sine = (_, i) => Math.sin(2 * Math.PI * hz * (from + i) / rate);
        output.push(...resampler.push(Float32Array.from({ length }, sine)));
      }
      const settled = output.slice(1000);
      return [output.length, settled.reduce((sum, sample) => sum + sample * sample, 0) / settled.length];
    """, [rate, hz])  # fmt: skip
    return count, 10 * math.log10(2 * power + 1e-12)


@pytest.mark.parametrize("rate", [16_000, 44_100, 48_000, 96_000, 8_000])
def test_resampler_keeps_speech_as_loud_and_as_long_as_it_is(blank: Visitor, rate: int) -> None:
    count, level = resampled(blank, rate, 1000)
    assert count == pytest.approx(16_000, abs=60)
    assert level == pytest.approx(0, abs=0.1)


@pytest.mark.parametrize("hz", [9_000, 12_000, 20_000])
def test_resampler_takes_away_what_would_come_back_as_another_tone(blank: Visitor, hz: int) -> None:
    assert resampled(blank, 48_000, hz)[1] < -50


def test_metrics_of_the_server_are_read_as_the_reference_parser_reads_them(blank: Visitor, daemon: Daemon) -> None:
    text = blank.page.request.get(f"{site(daemon)}metrics").text()
    expected = sorted(
        (sample.name, sorted(sample.labels.items()), sample.value)
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if math.isfinite(sample.value)
    )
    samples = run(blank, "metrics.js", "return module.parse(argument);", text)
    found = sorted(
        (each["name"], sorted(each["labels"].items()), each["value"])
        for each in samples
        if math.isfinite(each["value"])
    )
    assert found == expected


def test_quantile_lies_in_its_bucket(blank: Visitor) -> None:
    samples = [
        {"name": "t_bucket", "labels": {"le": le, "stage": stage}, "value": value}
        for stage, counts in {"a": (1, 3, 3), "b": (9, 9, 9)}.items()
        for le, value in zip(("0.1", "0.5", "+Inf"), counts, strict=True)
    ]
    body = """
      const buckets = module.histogram(argument, "t", { stage: "a" });
      return [buckets.map(({ count }) => count), module.quantile(buckets, 0.5), module.quantile([], 0.5)];
    """
    counts, median, of_nothing = run(blank, "metrics.js", body, samples)
    assert counts == [1, 2, 0]
    assert median == pytest.approx(0.2)
    assert of_nothing == 0
