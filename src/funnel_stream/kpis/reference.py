"""The reference of all KPIs, written from the catalogue.

``python -m funnel_stream.kpis.reference [--check] [FILE]`` writes it (default ``docs/kpis.md``), or
checks that it is up to date.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from funnel_stream.contract.event import STAGES
from funnel_stream.definition import Definition
from funnel_stream.definition.fields import OPEN_STAGES
from funnel_stream.definition.time import Window
from funnel_stream.kpis.catalogue import ATTAINMENT, BY_ID, KPIS, TARGET
from funnel_stream.kpis.kpi import Kpi
from funnel_stream.kpis.scope import Scope

STAGE_TITLES: Final = {
    1: "Stage 1: lead",
    2: "Stage 2: qualification",
    3: "Stage 3: potential",
    4: "Stage 4: offers",
    5: "Stage 5: negotiation",
    6: "Stage 6: contract",
    0: "Across the stages",
}
"""Chapters of the catalogue in order, by ``Kpi.stage``."""

_EXAMPLE: Final = {
    "from_stage": "lead",
    "to_stage": "won",
    "basis": "cohort",
    "activity": "meeting",
    "currency": "EUR",
    "stage": "offer",
    "qualified": "true",
    "offered": "true",
}
"""Values that the example queries select; they leave other labels open."""

_ANY: Final = {
    "currency": "a currency of the events, or the base currency",
    "problem": "the top N, `__other__`",
    "outcome": "the top N, `__other__`",
    "reason": "the top N, `__other__`, `__none__` where no reason was given",
    "horizon": "only with `matured`: the configured ones, like `7d`",
}
"""What open labels hold: their values are not known beforehand."""

_UNITS: Final = {
    "ratio": "ratio, 0–1",
    "money": "money in major units of `currency`",
    "money a day": "money per day, in major units of `currency`",
}
_PER: Final = "; `period` is a number per deal of the other stage and may exceed 1"
_SUFFIXES: Final = (
    (
        "_numerator",
        "_denominator",
        "the parts of a ratio: divide sums of these, never average ratios",
    ),
    ("_sum", "_count", "the parts of a mean: the sum and the number of samples"),
    ("_quantile", "", 'p50 and p90 as `quantile="0.5"` and `quantile="0.9"`'),
)


def reference() -> str:
    """The whole document, in Markdown."""
    chapters = [_preface(), _overview()]
    for stage, title in STAGE_TITLES.items():
        chapters.append(f"## {title}\n")
        chapters += [_entry(kpi) for kpi in KPIS if kpi.stage == stage]
    chapters.append(_targets())
    return "\n".join(chapters)


# --- queries ------------------------------------------------------------------------------------


def queries(kpi: Kpi) -> Iterator[tuple[str, str]]:
    """Example PromQL of a KPI: what it answers, and the query."""
    form = kpi.form
    labels = {name: _EXAMPLE[name] for name in form.labels if name in _EXAMPLE}
    labels |= kpi.example
    if "horizon" in form.labels:
        matured = {"basis": "matured", "horizon": "7d"}
        yield "for comparisons and alerts", _selector(kpi, kpi_labels=labels | matured)
    yield "one pipeline", _selector(kpi, kpi_labels=labels)
    if form.quantiles:
        half = labels | {"quantile": "0.5"}
        yield "median", _selector(kpi, "_quantile", kpi_labels=half)
    yield "all pipelines together", _across(kpi, labels)
    if most := [name for name in form.labels if name in _ANY and name not in (*labels, "horizon")]:
        biggest = f"topk(5, sum by ({most[0]}) ({_selector(kpi, kpi_labels=labels)}))"
        yield "the five largest", biggest
    yield "by channel", _selector(kpi, by="channel", kpi_labels=labels)


def _selector(
    kpi: Kpi,
    suffix: str = "",
    *,
    kpi_labels: dict[str, str],
    pipeline: str = "default",
    by: str = "",
) -> str:
    """A series of a KPI; of all pipelines without ``pipeline``."""
    labels = {"pipeline": pipeline} if pipeline else {}
    if not kpi.of_now:
        labels["window"] = "30d"
    if by:
        labels["dimension"] = by
    text = ",".join(f'{name}="{value}"' for name, value in (labels | kpi_labels).items())
    return f"{kpi.metric}{'_breakdown' if by else ''}{suffix}" + (f"{{{text}}}" if text else "")


def _across(kpi: Kpi, labels: dict[str, str]) -> str:
    remaining = [name for name in kpi.form.labels if name not in labels and name != "horizon"]
    total = f"sum by ({', '.join(remaining)}) " if remaining else "sum"
    parts = kpi.form.parts
    sums = [
        f"{total}({_selector(kpi, part, kpi_labels=labels, pipeline='')})" for part in parts or [""]
    ]
    return " / ".join(sums)


# --- an entry -----------------------------------------------------------------------------------


def _entry(kpi: Kpi) -> str:
    facts = {
        "Formula": kpi.formula,
        "Unit": _unit(kpi),
        "Basis": _basis(kpi),
        "Labels": _labels(kpi),
        "Series": _series(kpi),
        "Breakdowns": _breakdowns(kpi),
    }
    lines = [f"### {kpi.title}", "", f"`{kpi.metric}` – {kpi.help}", ""]
    lines += [f"- **{name}:** {text}" for name, text in facts.items()]
    lines += ["", "```promql"]
    for answers, query in queries(kpi):
        lines += [f"# {answers}", query]
    return "\n".join([*lines, "```", ""])


def _unit(kpi: Kpi) -> str:
    text = _UNITS.get(kpi.unit, kpi.unit)
    if kpi.form.of_counts and not kpi.is_proportion({"basis": "period"}):
        text += _PER
    return text + (f"; {kpi.out_of_range}" if kpi.out_of_range else "")


def _basis(kpi: Kpi) -> str:
    if kpi.of_now:
        return "now; changes with the clock, even without events"
    if "horizon" in kpi.form.labels:
        return "`period`, `cohort`, `matured` (windows of 24 h and more)"
    if "basis" in kpi.form.labels:
        return "`period`, `cohort`"
    return kpi.form.basis


def _labels(kpi: Kpi) -> str:
    texts = ["`pipeline`"] + ([] if kpi.of_now else ["`window`"])
    closed = _closed_values(kpi)
    for name in kpi.form.labels:
        values = closed.get(name) or kpi.form.known.get(name, ())
        described = ", ".join(f"`{value}`" for value in values) if values else _ANY[name]
        limited = ", where `stuck_after` has a limit" if kpi.form.limited else ""
        texts.append(f"`{name}` ({described}{limited})")
    return ", ".join(texts)


def _closed_values(kpi: Kpi) -> dict[str, tuple[str, ...]]:
    """Values of the labels that are always there, in order: those of a funnel without a deal."""
    definition = Definition(stuck_after=dict.fromkeys(OPEN_STAGES, "7d"))
    window = None if kpi.of_now else Window.named("30d")
    empty = Scope(definition, "default", window, {}, now={}, as_of=0, tops={})
    found: dict[str, dict[str, None]] = {}
    for _, labels, _ in kpi.form.figures(empty):
        for name, value in labels.labels.items():
            if name != "horizon":
                found.setdefault(name, {})[value] = None
    return {name: tuple(sorted(values, key=_stage_rank)) for name, values in found.items()}


def _stage_rank(value: str) -> int:
    """Stages in order; anything else keeps its place."""
    return STAGES.index(value) if value in STAGES else -1


def _series(kpi: Kpi) -> str:
    suffixes = kpi.form.suffixes
    names = [f"`{kpi.metric}`"] + [f"`…{suffix}`" for suffix in suffixes if suffix]
    if kpi.form.quantiles:
        names[-1] += f" ({', '.join(f'`{quantile}`' for quantile in kpi.form.quantiles)})"
    return ", ".join(names)


def _breakdowns(kpi: Kpi) -> str:
    where = "on `/metrics`" if kpi.headline else "on `/metrics` if `breakdown_kpis` names it"
    return f"{_adding_up(kpi)}; {where}"


def _adding_up(kpi: Kpi) -> str:
    """Which breakdowns there are, and what in them adds up."""
    where = "every dimension"
    if kpi.form.dimensions:
        only = ", ".join(f"`{name}`" for name in kpi.form.dimensions)
        where = f"{only} only, as money is spent on a channel"
    return f"{where}; {kpi.form.adding_up}"


# --- the chapters around ------------------------------------------------------------------------


def _preface() -> str:
    definition = Definition()
    windows = "\n".join(
        f"| `{window.name}` | {_PANES[window.pane]} | {_covers(window)} |"
        for window in definition.window_list()
    )
    by = _listed(definition.export_dimensions())
    suffixes = "\n".join(
        f"| {' '.join(f'`…{name}`' for name in names if name)} | {text} |"
        for *names, text in _SUFFIXES
    )
    return f"""\
<!-- Generated by `make docs`: edit the entries in src/funnel_stream/kpis instead. -->
# KPI reference

Every KPI in funnel-stream, by the stage of the funnel it belongs to: {len(KPIS)} in all, each as a
total and broken down. The figures are the same wherever you read them: the worker's `/metrics` and
`/api/kpis`, `funnel-stream compute` and its history.

## How to read the figures

**Pipeline and window.** Every figure has a `pipeline`. Nearly every one has a `window`: it covers
what happened in a period of that length up to now. Windows slide in panes (UTC) and include the
current pane and as many before it as make up the length.

| window | slides by | covers |
| --- | --- | --- |
{windows}

`funnel.yaml` can define others. To keep a large funnel below 10,000 series, `/metrics` shows the
totals of windows up to 31 days, and breakdowns of the longest of these by {by} for some KPIs
(change this with `export:` in `funnel.yaml`). Matured conversions are broken down over the shortest
window that has them, for alerts. `/api/kpis` and `compute` have everything.

**Now.** KPIs of the present have no `window`: they describe this instant and change with the clock,
even without events. These are
{_listed(tuple(kpi.metric for kpi in KPIS if kpi.of_now))}.

**Basis.** There are three ways to ask how many leads became customers. The label `basis` tells them
apart:

- `period`: customers won in the window per lead of the window. What happened recently, no matter
  to which deals. It is not a share and may exceed 1, as the customers need not be the same deals as
  the leads.
- `cohort`: of the leads *of the window*, the share that are customers by now. Recent leads have had
  little time, so short windows look worse than they are.
- `matured`: a lead counts once it is as old as the `horizon`, as converted if it got there within
  the horizon. Recent deals never pull it down: use this one for comparisons and alerts.

Where no basis is given, it is the period: what happened in the window. So 5,575 qualified leads
(`funnel_qualified_leads`) may appear next to 5,487 of the window's leads that are qualified by now
(the numerator on the cohort basis): the rest became leads before the window.

A ratio whose numerator counts some of what its denominator counts is a share, and `compute` shows
its 95 % confidence interval (Wilson). A ratio of counts of different deals has none.

**Parts.** Every ratio and mean comes with its parts.

| suffix | what |
| --- | --- |
{suffixes}

Quantiles come from histograms that can be added up: the result is the value at rank ⌈q·n⌉, off by
at most 2 % and never beyond what the exact sum allows. A value of exactly 0 is exact, and so is a
single sample. Quantiles cannot be combined across pipelines in PromQL.

**Breakdowns.** A total and its breakdown are two metric families, so that a sum never counts twice:
`funnel_leads` and `funnel_leads_breakdown{{dimension="channel",value="fair"}}`. Suffixes come last:
`funnel_win_ratio_breakdown_numerator`. Dimensions are
{_listed(definition.dimensions)}
and the combinations in `funnel.yaml`: `dimension="channel+product"`, `value="fair + gtx"`. Values
are those known now: a corrected attribute moves the deal's figures, past ones included, unless
`funnel.yaml` says that the first value counts. White space around a value is ignored and repeated
spaces within it count as one; `funnel.yaml` can declare further spellings to be the same value.

The top N values (default {definition.top_n}) by leads in the longest window are shown, the same set
for all KPIs and windows. The rest are `__other__`, computed from summed parts. A missing value is
`__none__`, which is always shown. `problem`, the `outcome` of desired outcomes and `reason` are
limited in the same way, each by its own count.

**Zeros and gaps.** Counts whose labels are known beforehand are 0 where nothing happened.
Breakdowns and open labels (currency, reason, problem) appear only when they are not 0. A ratio or
mean of nothing has no series: it is neither 0 nor NaN.

**Money** is in major units (EUR 12.50 is 12.5), summed exactly. Every currency has its own series,
unless `funnel.yaml` sets a base currency with rates: then each amount is converted at the rate of
its day.

**In PromQL.** `{_selector(BY_ID["leads"], kpi_labels={})} offset 1w` is the figure a week ago. Do
not use `rate` or `increase`: the figures are gauges whose windows already slide.
"""


_PANES: Final = {1: "a minute", 60: "an hour", 1440: "a day"}


def _covers(window: Window) -> str:
    unit = {1: "minutes", 60: "hours", 1440: "days"}[window.pane]
    return f"the current {unit.removesuffix('s')} and the {window.panes - 1} {unit} before it"


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _overview() -> str:
    rows = [
        f"| {STAGE_TITLES[stage]} | [{kpi.title}](#{_anchor(kpi.title)}) | `{kpi.metric}` |"
        for stage in STAGE_TITLES
        for kpi in KPIS
        if kpi.stage == stage
    ]
    return "\n".join(
        ["## All KPIs", "", "| stage | KPI | metric |", "| --- | --- | --- |", *rows, ""]
    )


def _anchor(title: str) -> str:
    """As GitHub makes it."""
    kept = "".join(letter for letter in title.lower() if letter.isalnum() or letter in " -_")
    return kept.replace(" ", "-")


def _targets() -> str:
    example = 'kpi="win_ratio",pipeline="default",window="30d"'
    return f"""\
## Targets

`funnel_{TARGET}{{kpi}}` is the target of a KPI as set under `targets:` in `funnel.yaml`;
`funnel_{ATTAINMENT}{{kpi}}` is how much of it has been attained: KPI ÷ target, or target ÷ KPI
where the target is an upper limit (*at most*), so that 1 and above is good. Both carry the
pipeline, the window and the labels the target is set for; a target for a breakdown is in
`…_breakdown`. There is no attainment where the KPI has no value or the divisor is 0.

```promql
funnel_{TARGET}{{{example}}}
funnel_{ATTAINMENT}{{{example}}} < 1
```
"""


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m funnel_stream.kpis.reference",
        description="Write or check the KPI reference.",
    )
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if out of date")
    parser.add_argument("file", nargs="?", type=Path, default=Path("docs/kpis.md"))
    given = parser.parse_args(arguments)
    if given.check:
        if given.file.is_file() and given.file.read_text(encoding="utf-8") == reference():
            return 0
        print(f"{given.file} is out of date: run `make docs`", file=sys.stderr)
        return 1
    given.file.write_text(reference(), encoding="utf-8", newline="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
