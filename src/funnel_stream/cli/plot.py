"""Pictures: the funnel, and KPIs over time. The only room that knows matplotlib."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from funnel_stream import human
from funnel_stream.cli.figure_files import written_whole
from funnel_stream.cli.plot_data import Curves, FunnelBars, PlotLine, title_of
from funnel_stream.contract.timestamps import moment
from funnel_stream.definition import Definition
from funnel_stream.definition.time import DAY, HOUR, minutes_of
from funnel_stream.errors import UsageError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_INK, _MUTED, _GRID = "#1f2933", "#6b7785", "#e4e7eb"
_BARS: Final = ("#12436d", "#1f5f8b", "#3a7ca5", "#5b9bbf", "#86b8d3", "#b5d3e4")
_COLOURS: Final = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00")
"""Okabe and Ito's palette, distinguishable with any kind of colour vision."""
_OTHERS_COLOUR = "#8b95a1"
_STYLE: Final = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "text.color": _INK,
    "axes.edgecolor": _GRID,
    "axes.labelcolor": _MUTED,
    "xtick.color": _MUTED,
    "ytick.color": _MUTED,
    "svg.hashsalt": "funnel-stream",
}
_FORMATS: Final = (".png", ".svg")
_ROW_INCHES, _FUNNEL_INCHES, _CURVES_INCHES = 4.4, 6.4, 7.2
_LABEL_HEIGHT: Final = 0.062
"""Least distance between the names of two lines, as a part of the height."""


def check_picture(path: Path) -> None:
    """Whether a picture of that name can be drawn. Raises ``UsageError``."""
    if path.suffix.lower() not in _FORMATS:
        raise UsageError(f"--plot {path}: its name must end in {' or '.join(_FORMATS)}")
    if not path.absolute().parent.is_dir():
        raise UsageError(f"{path} cannot be written: there is no such folder")
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise UsageError(
            "--plot needs matplotlib, which is not installed",
            hint="pip install 'funnel-stream[plot]'",
        ) from error


def draw(
    path: Path,
    definition: Definition,
    as_of: int,
    funnels: Sequence[tuple[FunnelBars, Sequence[Curves]]],
    *,
    times: Sequence[int] = (),
    windows: tuple[str, str],
    by: str = "",
) -> None:
    """Draw a row for each pipeline: its funnel, and beside it its KPIs over time.

    ``windows``: of the funnel and of the KPIs. The same figures give the same bytes.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    columns = 1 + max(len(curves) for _, curves in funnels)
    widths = [_FUNNEL_INCHES] + [_CURVES_INCHES] * (columns - 1)
    several = len(funnels) > 1 or bool(definition.pipelines.keys() - {"default"})
    with rc_context(_STYLE):
        height = _ROW_INCHES * len(funnels) + 0.5
        figure = Figure(figsize=(sum(widths), height), layout="constrained")
        figure.get_layout_engine().set(w_pad=0.25, h_pad=0.2)
        grid = figure.subplots(len(funnels), columns, squeeze=False, width_ratios=widths)
        colours: dict[str, dict[str, str]] = {}
        for row, (funnel, curves) in zip(grid, funnels, strict=True):
            name = title_of(definition, funnel.pipeline) if several else ""
            _draw_funnel(row[0], funnel, windows[0], name)
            for axes, each in zip(row[1:], curves, strict=True):
                known = colours.setdefault(each.kpi.id, {})
                _draw_curves(axes, each, times, windows[1], by, name, known)
        subtitle = f"As of {_day(moment(as_of))} UTC · funnel-stream"
        figure.text(0.995, 0.005, subtitle, ha="right", va="bottom", fontsize=7.5, color=_MUTED)
        with written_whole(path) as file:
            kind = path.suffix.lower().removeprefix(".")
            undated = {"Date": None} if kind == "svg" else {"Software": None}
            figure.savefig(file, format=kind, dpi=160, metadata=undated, facecolor="white")


def _titles(axes: "Axes", title: str, subtitle: str) -> None:
    axes.set_title(f"{title}\n", loc="left", fontsize=13, fontweight="bold", color=_INK, pad=4)
    axes.text(0, 1.03, subtitle, transform=axes.transAxes, fontsize=9, color=_MUTED)


def _window(name: str) -> str:
    """``30d`` as ``30 days``."""
    minutes = minutes_of(name)
    for size, unit in ((DAY, "day"), (HOUR, "hour"), (1, "minute")):
        if minutes % size == 0:
            number = minutes // size
            return unit if number == 1 else f"{number} {unit}s"
    raise AssertionError("a minute divides everything")


def _day(when: datetime) -> str:
    return f"{when.day} {when:%b %Y}" + (f", {when:%H:%M}" if when.hour or when.minute else "")


# --- the funnel ---------------------------------------------------------------------------------


def _draw_funnel(axes: "Axes", funnel: FunnelBars, window: str, pipeline: str) -> None:
    leads = funnel.reached[0]
    title = f"The funnel of {pipeline}" if pipeline else "The funnel"
    _titles(axes, title, f"Leads of the last {_window(window)}, and how far they have got")
    positions = range(len(funnel.stages))
    axes.barh(positions, funnel.reached, height=0.62, color=_BARS)
    widest = max(leads, 1)
    for position, count in zip(positions, funnel.reached, strict=True):
        text = human.count(count)
        if position and leads:
            text += f"   {human.percent(count / leads)} of leads"
        inside = count > 0.62 * widest
        axes.annotate(
            text,
            (count, position),
            xytext=(-8 if inside else 8, 0),
            textcoords="offset points",
            ha="right" if inside else "left",
            va="center",
            fontsize=10,
            color="white" if inside else _INK,
        )
    for position, share in enumerate(funnel.conversions()):
        if share is not None:
            axes.annotate(
                f"↓ {human.percent(share)} moved on",
                (0, position + 0.5),
                xytext=(6, 0),
                textcoords="offset points",
                va="center",
                fontsize=7.5,
                color=_MUTED,
            )
    axes.set_yticks(positions, funnel.stages, fontsize=10.5, color=_INK)
    axes.set_ylim(len(funnel.stages) - 0.55, -0.5)
    axes.set_xlim(0, widest * 1.04)
    axes.set_xticks([])
    axes.tick_params(length=0)
    for side in ("top", "right", "bottom", "left"):
        axes.spines[side].set_visible(False)


# --- KPIs over time -----------------------------------------------------------------------------


def _draw_curves(
    axes: "Axes",
    curves: Curves,
    times: Sequence[int],
    window: str,
    by: str,
    pipeline: str,
    known: dict[str, str],
) -> None:
    """``known``: colours by name in the pictures of the KPI's other pipelines; is added to."""
    kpi = curves.kpi
    when = [moment(at) for at in times]
    unit, scale = _unit(kpi.unit, curves)
    cut = "now" if kpi.of_now else f"last {_window(window)} at each point"
    subtitle = [kpi.help.rstrip("."), cut, curves.detail, f"by {by}" if by else "", unit]
    title = f"{kpi.title}: {pipeline}" if pipeline else kpi.title
    _titles(axes, title, " · ".join(part for part in subtitle if part))
    colours = colours_of([line.name for line in curves.lines if not line.others], known)
    ends = []
    for line in curves.lines:
        colour = _OTHERS_COLOUR if line.others else colours[line.name]
        values = [value / scale for value in line.values]
        style: dict[str, Any] = {"linestyle": (0, (4, 2))} if line.others else {}
        marker = "o" if len(when) < 3 else None
        axes.plot(when, values, color=colour, linewidth=1.8, marker=marker, markersize=4, **style)
        if (last := _last(values)) is not None and line.name:
            ends.append((last, line.name, colour))
    _scale_axes(axes, curves, kpi.unit, when)
    _name_lines(axes, ends)
    if not any(not isnan(value) for line in curves.lines for value in line.values):
        axes.text(0.5, 0.5, "nothing in this period", transform=axes.transAxes, ha="center",
                  color=_MUTED)  # fmt: skip


def colours_of(names: Sequence[str], known: dict[str, str]) -> dict[str, str]:
    """A colour for each name: the known one, unless another name here has it too; new ones are
    added to the known."""
    found: dict[str, str] = {}
    for name in sorted(names, key=lambda name: name not in known):
        free = [colour for colour in _COLOURS if colour not in found.values()]
        colour = known.get(name, "")
        if colour not in free:
            colour = min(free, key=list(known.values()).count)
        found[name] = colour
        known.setdefault(name, colour)
    return found


def _unit(unit: str, curves: Curves) -> tuple[str, float]:
    """What the axis says, and what figures are divided by."""
    if unit != "seconds":
        return ("" if unit == "ratio" else unit), 1.0
    longest = max((v for v in _figures(curves.lines)), default=0.0)
    for size, name in ((86_400, "days"), (3_600, "hours"), (60, "minutes")):
        if longest >= 2 * size:
            return name, size
    return "seconds", 1.0


def _figures(lines: Iterable[PlotLine]) -> list[float]:
    return [value for line in lines for value in line.values if not isnan(value)]


def _last(values: Sequence[float]) -> float | None:
    return next((value for value in reversed(values) if not isnan(value)), None)


def _scale_axes(axes: "Axes", curves: Curves, unit: str, when: Sequence[datetime]) -> None:
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    found = _figures(curves.lines)
    if min(found, default=0) >= 0:
        axes.set_ylim(bottom=0)
        if not max(found, default=0):
            axes.set_ylim(0, 1)
    written = (
        (lambda value, _: f"{100 * value:,.4g} %")
        if unit == "ratio"
        else (lambda value, _: f"{value:,.6g}")
    )
    axes.yaxis.set_major_formatter(FuncFormatter(written))
    axes.yaxis.set_major_locator(MaxNLocator(6, integer=unit in ("deals", "leads", "offers")))
    dates = AutoDateLocator(minticks=3, maxticks=8, tz="UTC")
    axes.xaxis.set_major_locator(dates)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(dates, tz="UTC"))
    if len(when) > 1:
        axes.set_xlim(when[0], when[-1])
    axes.grid(axis="y", color=_GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(length=0, labelsize=9)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)


def _name_lines(axes: "Axes", ends: Sequence[tuple[float, str, str]]) -> None:
    """Each line's name at its end, moved apart where they would cover each other."""
    bottom, top = axes.get_ylim()
    height = top - bottom
    desired = sorted(((value - bottom) / height, name, colour) for value, name, colour in ends)
    positions = spread([position for position, _, _ in desired], _LABEL_HEIGHT)
    for position, (_, name, colour) in zip(positions, desired, strict=True):
        short = name if len(name) <= 24 else f"{name[:23]}…"
        axes.annotate(
            short,
            (1, position),
            xycoords="axes fraction",
            xytext=(6, 0),
            textcoords="offset points",
            va="center",
            fontsize=9,
            color=colour,
        )


def spread(positions: Sequence[float], distance: float) -> list[float]:
    """Ascending places moved as little as possible (in squares) to lie a distance apart; then
    down, so that none lies above 1."""
    # Without the distances to keep, places must not descend: neighbours that do are averaged.
    groups: list[tuple[float, int]] = []
    for number, position in enumerate(positions):
        total, size = position - number * distance, 1
        while groups and groups[-1][0] / groups[-1][1] > total / size:
            former = groups.pop()
            total, size = total + former[0], size + former[1]
        groups.append((total, size))
    level = [total / size for total, size in groups for _ in range(size)]
    highest = 1 - (len(positions) - 1) * distance
    return [min(position, highest) + number * distance for number, position in enumerate(level)]
