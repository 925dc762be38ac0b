"""The study's tables and pictures for docs/alerting.md."""

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import matplotlib.pyplot as plt
import numpy as np
from ops.study.alarms import ALARMS, notified, ours
from ops.study.market import HORIZONS, Counts, Drop, Market
from ops.study.measure import DROPS, PLACES, SIZES, Found, Quiet
from ops.study.statistic import HOURS, Floats, compared, wilson

BEGIN: Final = "<!-- study: written by make alert-study -->"
END: Final = "<!-- /study -->"
_WEEKS: Final = 365 / 7
_COLORS: Final = {
    "ours": "#0072B2",
    "z > 3": "#56B4E9",
    "fixed threshold": "#D55E00",
    "week over week": "#999999",
}


def tables(quiet: Sequence[Quiet], found: Sequence[Found]) -> str:
    """Markdown: false alarms, and how soon drops are found."""
    return "\n".join([*_false_alarms(quiet), "", *_delays(found)])


def _false_alarms(quiet: Sequence[Quiet]) -> list[str]:
    lines = [
        "| funnel | years | " + " | ".join(ALARMS) + " |",
        "| --- | ---: |" + " ---: |" * len(ALARMS),
    ]
    for size, leads in SIZES.items():
        years = [each for each in quiet if each.size == size]
        if years:
            cells = [
                f"{_mean(y.notifications[name] for y in years):.1f} a year "
                f"({_mean(y.notifications[name] for y in years) / _WEEKS:.3f} a week; "
                f"{_mean(y.series[name] for y in years):,.1f} series)"
                for name in ALARMS
            ]
            lines.append(f"| {size}: {leads:,} leads a day | {len(years)} | {' | '.join(cells)} |")
    return lines


def _delays(found: Sequence[Found]) -> list[str]:
    lines = [
        "| funnel | what breaks | drop | found within 2 days of maturing | found at all | median "
        "days from maturing | from the break |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for size in SIZES:
        for place in PLACES:
            for drop in DROPS:
                trials = [
                    each
                    for each in found
                    if (each.size, each.place, each.drop) == (size, place.title, drop)
                ]
                if trials:
                    lines.append(_delay(size, place.title, drop, trials))
    return lines


def _delay(size: str, place: str, drop: float, trials: Sequence[Found]) -> str:
    matured = [each.matured["ours"] for each in trials]
    broke = [each.broke["ours"] for each in trials]
    soon = _mean(float(days <= 2) for days in matured)
    ever = _mean(float(np.isfinite(days)) for days in matured)
    return (
        f"| {size} | {place} | {drop:.0%} | {soon:.0%} | {ever:.0%} | "
        f"{_days(matured)} | {_days(broke)} |"
    )


def _days(delays: Sequence[float]) -> str:
    median = float(np.median(delays))
    return f"{median:.1f}" if np.isfinite(median) else "–"


def _mean(values: Iterable[float]) -> float:
    return float(np.mean(list(values)))


def write_block(document: Path, text: str) -> None:
    """Put the text between the markers of the document."""
    whole = document.read_text(encoding="utf-8")
    before, _, rest = whole.partition(BEGIN)
    _, _, after = rest.partition(END)
    document.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}", encoding="utf-8")


# --- pictures -----------------------------------------------------------------------------------


def pictures(quiet: Sequence[Quiet], found: Sequence[Found], folder: Path) -> None:
    plt.rcParams.update({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False})
    _trade(quiet, found, folder / "study.png")
    _one_drop(folder / "one_drop.png")


def _trade(quiet: Sequence[Quiet], found: Sequence[Found], path: Path) -> None:
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
    for number, name in enumerate(ALARMS):
        rates = [
            _mean(y.notifications[name] for y in quiet if y.size == size) / _WEEKS for size in SIZES
        ]
        places = np.arange(len(SIZES)) + (number - 1.5) * 0.21
        bars = left.bar(places, np.maximum(rates, 0.001), 0.19, color=_COLORS[name], label=name)
        left.bar_label(bars, [f"{rate:.2g}" for rate in rates], fontsize=7)
    left.axhline(0.1, color="black", linewidth=0.8, linestyle=":")
    left.set_yscale("log")
    left.set_ylim(0.001, 1_000)
    left.set_xticks(range(len(SIZES)), [f"{s}\n{n:,} leads a day" for s, n in SIZES.items()])
    left.set_title("False alarms a week, all series together (goal: below 0.1)", fontsize=9)
    left.legend(frameon=False, fontsize=8)
    days = np.linspace(0, 14, 200)
    for drop, style in zip(DROPS, (":", "-.", "-", "--"), strict=True):
        delays = np.array(
            [
                each.matured["ours"]
                for each in found
                if (each.size, each.place, each.drop) == ("medium", PLACES[0].title, drop)
            ]
        )
        if len(delays):
            share = [float(np.mean(delays <= day)) for day in days]
            right.plot(days, share, style, color=_COLORS["ours"], label=f"{drop:.0%} drop")
    right.axvline(2, color="black", linewidth=0.8, linestyle=":")
    right.set(
        xlabel="days since the first deals that it hit matured", ylabel="found", ylim=(0, 1.02)
    )
    right.set_title(f"Ours, medium funnel, {PLACES[0].title}", fontsize=9)
    right.legend(frameon=False, fontsize=8)
    _save(figure, path)


def _one_drop(path: Path) -> None:
    drop = Drop(0, 0.3, 70, 14)
    counts = Market(SIZES["medium"], 100, 7).counts(drop)
    figure, axes = plt.subplots(figsize=(9, 3), layout="constrained")
    _draw(axes, counts, 0, 0, 56 * HOURS, lambda hour: hour / HOURS)
    axes.axvspan(drop.day, drop.day + drop.days, color="#D55E00", alpha=0.12, linewidth=0)
    axes.set(xlabel="day", ylabel="lead → qualified within a day")
    axes.set_title(
        "A simulated medium funnel: 30 % drop planted (shaded), the alarm (bars below)", fontsize=9
    )
    _save(figure, path)


def draw_olist(counts: Counts, first: float, path: Path) -> None:
    figure, axes = plt.subplots(figsize=(9, 3), layout="constrained")
    longest = len(HORIZONS) - 1

    def date(hour: float) -> np.datetime64:
        return np.datetime64(
            datetime.fromtimestamp((first + hour) * 3600, UTC).replace(tzinfo=None)
        )

    _draw(axes, counts, 0, longest, 35 * HOURS, date, window=7)
    # The first sellers were won at the end of 2017.
    axes.set(
        ylabel=f"lead → won within {HORIZONS[longest]} days",
        xlim=(np.datetime64("2017-12-15"), None),
        ylim=(-0.035, 0.25),
    )
    axes.set_title(
        "Olist: conversion of the last seven days, four-week baseline, alarms", fontsize=9
    )
    _save(figure, path)


def _draw(
    axes: plt.Axes,
    counts: Counts,
    step: int,
    horizon: int,
    begins: int,
    at: Callable[[float], object],
    window: int = 1,
) -> None:
    each = compared(counts.deals[step, horizon], counts.converted[step, horizon], window).together()
    hours = range(begins, each.n.shape[-1], 3)
    time = [at(hour) for hour in hours]

    def part(values: Floats) -> Floats:
        taken: Floats = values[begins::3]
        return taken

    with np.errstate(divide="ignore", invalid="ignore"):
        axes.plot(time, part(each.x / each.n), color=_COLORS["ours"], linewidth=1, label="now")
        axes.plot(time, part(each.x0 / each.n0), color="black", linewidth=0.8, label="baseline")
    bounds = [part(wilson(each.x, each.n, sign)) for sign in (-1, 1)]
    axes.fill_between(time, *bounds, color=_COLORS["ours"], alpha=0.15, linewidth=0)
    on = notified(ours(counts))[step, begins::3]
    low = float(np.nanmin(bounds[0]))
    axes.fill_between(time, low - 0.03, low - 0.015, where=on, color="#D55E00", linewidth=0)
    axes.legend(frameon=False, fontsize=8, loc="upper left")


def _save(figure: plt.Figure, path: Path) -> None:
    # Without the version of the program in it the same picture is the same file.
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110, metadata={"Software": None})
    plt.close(figure)
