"""The table of ``compute``: no ratio and no mean without what it is of."""

import io
import re
from collections import Counter
from functools import cache

import pytest
from rich.console import Console

from funnel_stream import human
from funnel_stream.cli.kpi_table import kpi_tables
from funnel_stream.definition import Definition
from funnel_stream.kpis.catalogue import BY_ID, KPIS
from funnel_stream.kpis.samples import Sample, samples
from funnel_stream.replay.compute import Computed
from tests.funnels import at, computed, micros, stage

DEFINITION = Definition(dimensions=("channel",), windows=("24h", "7d", "30d"))
WIDE = 250


@cache
def sold() -> Computed:
    """Six leads of two channels in sixteen days: three are won, one is lost, two are open."""
    events = []
    for n, outcome in enumerate(("won", "won", "won", "lost", "", "")):
        channel, priced = "fair" if n % 2 else "web", {"amount": 100 + n, "currency": "EUR"}
        events.append(stage(f"{n}", "lead", at(days=3 * n), channel=channel, score=n))
        if outcome:
            events.append(stage(f"{n}", "offer", at(days=3 * n + 1), cost=40, **priced))
            events.append(stage(f"{n}", "negotiation", at(days=3 * n + 1)))
            events.append(stage(f"{n}", outcome, at(days=3 * n + 2)))
    return computed(events, micros(days=16), DEFINITION)


def table(*windows: str, by: str = "", width: int = WIDE) -> list[str]:
    """The lines as they are printed, with single blanks."""
    console = Console(width=width, file=io.StringIO(), record=True)
    found = samples(sold().snapshot, dimension=by)
    for each in kpi_tables(found, DEFINITION, windows, by=by or None, console=console, brief=False):
        console.print(each)
    return [" ".join(line.split()) for line in console.export_text().splitlines()]


def of_how_many(found: list[Sample], window: str) -> Counter[str]:
    """Every ratio and mean of a window and of now, with what it is of, as it is to be written."""
    parts = {(each.metric, frozenset(each.labels.items())): each.value for each in found}
    wanted: Counter[str] = Counter()
    for metric, labels, value in found:
        kpi = BY_ID.get(metric.removeprefix("funnel_").removesuffix("_breakdown"))
        if kpi is None or labels.get("window", window) != window:
            continue
        for suffix in ("_denominator", "_count"):
            size = parts.get((metric + suffix, frozenset(labels.items())))
            if size is not None:
                of_money = kpi.id in ("value_retention_ratio", "margin_ratio")
                number = human.money(size) if of_money else human.count(size)
                wanted[f"{human.figure(kpi.unit, value)} of {number}"] += 1
    return wanted


@pytest.mark.parametrize("by", ["", "channel"])
def test_every_ratio_and_mean_says_of_how_many(by: str) -> None:
    wanted = of_how_many(samples(sold().snapshot, dimension=by), "30d")
    written = " | ".join(table("30d", by=by))
    whole = r"(?<![\d,.]){}(?![\d,.])"
    seen = Counter({text: len(re.findall(whole.format(text), written)) for text in wanted})
    assert seen == wanted
    ratios = sum(kpi.unit == "ratio" for kpi in KPIS)
    assert wanted.total() > 2 * ratios


def test_a_proportion_says_how_sure_it_is_where_there_is_room() -> None:
    wide = table("30d")
    assert "KPI 30d 95 % interval" in wide
    assert "Win ratio 75.0 % of 4 30.1–95.4 %" in wide
    sales = wide.index("Sales conversion")
    assert wide[sales + 1 : sales + 3] == ["period 50.0 % of 6", "cohort 50.0 % of 6 18.8–81.2 %"]
    assert "EUR 60.4 % of 303.00" in wide[wide.index("Margin") :]
    assert "Win ratio 75.0 % of 4" in table("30d", width=80)


def test_of_many_windows_each_says_of_how_many() -> None:
    assert "Win ratio – 0.0 % of 1 0.0–79.3 % 75.0 % of 4 30.1–95.4 %" in table("24h", "7d", "30d")
    assert "Win ratio – 0.0 % of 1 75.0 % of 4" in table("24h", "7d", "30d", width=110)
    narrow = table("24h", "7d", "30d", width=80)
    assert narrow[narrow.index("Win ratio – 0.0 % 75.0 %") + 1] == "of 1 of 4"


def test_what_is_so_now_says_of_how_many() -> None:
    assert "lead 2 2.5 d of 2" in table("30d")
    now = table("30d", by="channel")
    assert now[now.index("web", now.index("Pipeline default now, by channel")) + 1] == (
        "lead 1 4.0 d of 1"
    )
