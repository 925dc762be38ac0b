"""What the demo shows: a worker's figures as something to look at in a terminal."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from rich import box
from rich.bar import Bar
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from funnel_stream import human
from funnel_stream.cli.figures import Figures
from funnel_stream.contract.event import LOST, STAGES, WON

PIPELINE: Final = "default"
WINDOW: Final = "30d"
WORKER_SERIES: Final = (
    "funnel_events_consumed_total",
    "funnel_events_duplicate_total",
    "funnel_events_rejected_total",
    "funnel_consumer_lag_records",
    "funnel_event_to_metric_seconds_sum",
    "funnel_event_to_metric_seconds_count",
    "funnel_state_rows",
)
"""What is read of the worker's own metrics."""
_NOW: Final = {"pipeline": PIPELINE}
"""The labels of KPIs of the present, which have no window."""
_BASE: Final = {**_NOW, "window": WINDOW}
_COLOURS: Final = ("cyan", "dark_cyan", "steel_blue1", "medium_purple1", "orchid", "green3")
_SPARKS: Final = "▁▂▃▄▅▆▇█"
SPARK_LENGTH: Final = 30


@dataclass(frozen=True)
class Moment:
    """The demo at one instant; ``speeds`` are events per second, oldest first."""

    figures: Figures
    speeds: Sequence[float]
    elapsed_s: float
    address: str

    @property
    def has_leads(self) -> bool:
        """Whether there is anything to see: the worker has read into the history."""
        return bool(self.figures.kpi("funnel_leads", **_BASE))


def screen(moment: Moment) -> RenderableType:
    """The whole view; it fits 80 columns and 24 lines, and uses more where there are more."""
    kpis, of_stream = main_kpis(moment.figures), stream_figures(moment)
    height = max(len(kpis), len(of_stream)) + 2
    halves = Table.grid(expand=True)
    halves.add_column(ratio=1)
    halves.add_column(ratio=1)
    halves.add_row(
        _panel("Last 30 days", _pairs(kpis, expand=True), height=height),
        _panel(
            "The stream",
            _pairs(of_stream, expand=True),
            height=height,
            subtitle=sparkline(moment.speeds),
        ),
    )
    title = f"Leads of the last 30 days in pipeline {PIPELINE}, and how far they have got"
    return Group(
        _panel(title, funnel(moment.figures)),
        halves,
        _panel("Money", money(moment.figures)),
        footer(moment),
    )


def _panel(
    title: str, content: RenderableType, *, height: int | None = None, subtitle: str = ""
) -> Panel:
    return Panel(
        content,
        title=f"[bold]{title}",
        title_align="left",
        subtitle=f"[cyan]{subtitle}" if subtitle else None,
        subtitle_align="right",
        border_style="dim",
        padding=(0, 2),
        height=height,
    )


def funnel(figures: Figures) -> Table:
    """One bar per stage: the cohort of the window's leads, stage by stage; all open deals too."""
    table = Table(box=None, expand=True, padding=(0, 1), pad_edge=False, header_style="dim")
    table.add_column("stage", no_wrap=True)
    table.add_column("", ratio=1)
    table.add_column("deals", justify="right", no_wrap=True)
    table.add_column("of leads", justify="right", no_wrap=True)
    table.add_column("of prior stage", justify="right", no_wrap=True)
    table.add_column("open now", justify="right", no_wrap=True)
    counts = _cohort(figures)
    leads = counts[0]
    for stage, (name, reached) in enumerate(zip(STAGES, counts, strict=False)):
        before = counts[stage - 1] if stage else None
        table.add_row(
            Text(name, style="bold"),
            Bar(max(leads or 0, 1), 0, reached or 0, color=_COLOURS[stage]),
            Text(human.count(reached), style="bold"),
            human.percent(_share(reached, leads)) if stage else "",
            Text(human.percent(_share(reached, before)), style=_COLOURS[stage]) if stage else "",
            human.count(figures.kpi("funnel_open_deals", **_NOW, stage=name))
            if stage < WON
            else "",
        )
    return table


def money(figures: Figures, *, expand: bool = True) -> Table:
    """What was won in the window, is open now and was paid for a lead: a column per currency."""
    rows = (
        ("won", _by_currency(figures, "funnel_deal_value", **_BASE, outcome="won")),
        ("open now", _by_currency(figures, "funnel_open_value", **_NOW)),
        ("cost per lead", _by_currency(figures, "funnel_cost_per_lead", **_BASE)),
    )
    currencies = sorted({currency for _, amounts in rows for currency in amounts})
    table = Table(box=None, expand=expand, padding=(0, 1), pad_edge=False, header_style="dim")
    table.add_column("", style="dim", no_wrap=True)
    for currency in currencies or [""]:
        table.add_column(currency, justify="right", no_wrap=True, ratio=1 if expand else None)
    for title, amounts in rows:
        shown = [human.money(amounts.get(currency)) for currency in currencies or [""]]
        table.add_row(title, *(Text(amount, style="bold") for amount in shown))
    return table


def _by_currency(figures: Figures, metric: str, **labels: str) -> dict[str, float]:
    sums: dict[str, float] = {}
    for sample in figures.kpis(metric, **labels):
        currency = sample["labels"]["currency"]
        sums[currency] = sums.get(currency, 0.0) + sample["value"]
    return sums


def _cohort(figures: Figures) -> list[float | None]:
    """How many of the window's leads have reached each stage so far."""
    return [
        figures.kpi("funnel_leads", **_BASE),
        *(
            figures.kpi(
                "funnel_conversion_ratio_numerator",
                **_BASE,
                from_stage=STAGES[0],
                to_stage=stage,
                basis="cohort",
            )
            for stage in STAGES[1:LOST]
        ),
    ]


def _share(part: float | None, whole: float | None) -> float | None:
    return part / whole if part is not None and whole else None


def main_kpis(figures: Figures) -> list[tuple[str, str]]:
    """Title and value of the KPIs that a sales team asks for first."""

    def kpi(metric: str, **labels: str) -> float | None:
        return figures.kpi(metric, **_BASE, **labels)

    won, lost = (kpi("funnel_deals_closed", outcome=outcome) for outcome in ("won", "lost"))
    median = kpi("funnel_time_to_close_seconds_quantile", outcome="won", quantile="0.5")
    return [
        ("Qualified in the window", human.count(kpi("funnel_qualified_leads"))),
        ("Offers sent", human.count(kpi("funnel_offers_sent"))),
        ("Won / lost", f"{human.count(won)} / {human.count(lost)}"),
        ("Win ratio", human.percent(kpi("funnel_win_ratio"))),
        ("Negotiation success", human.percent(kpi("funnel_negotiation_success_ratio"))),
        ("Time to close (median)", human.seconds(median)),
    ]


def stream_figures(moment: Moment) -> list[tuple[str, str]]:
    """Title and value of what the worker says of itself."""
    worker_metric = moment.figures.worker_metric
    latency = _share(
        worker_metric("funnel_event_to_metric_seconds_sum"),
        worker_metric("funnel_event_to_metric_seconds_count"),
    )
    duplicates, rejected = (
        human.count(worker_metric(f"funnel_events_{fate}_total"))
        for fate in ("duplicate", "rejected")
    )
    return [
        ("Events per second", human.rate(moment.speeds[-1] if moment.speeds else None)),
        ("Events consumed", human.count(worker_metric("funnel_events_consumed_total"))),
        ("Duplicates / rejected", f"{duplicates} / {rejected}"),
        ("Lag (events)", human.count(worker_metric("funnel_consumer_lag_records"))),
        ("Event to metric (mean)", human.seconds(latency)),
        ("Deals in state", human.count(worker_metric("funnel_state_rows"))),
    ]


def footer(moment: Moment) -> Text:
    minutes, seconds = divmod(int(moment.elapsed_s), 60)
    return Text.assemble(
        (f" {minutes:02d}:{seconds:02d} ", "reverse"),
        "  ",
        (f"{moment.address}/", "cyan"),
        "   ",
        ("/metrics", "cyan"),
        "   ",
        ("/api/kpis", "cyan"),
        "   ",
        ("Ctrl-C stops it", "dim"),
        overflow="ellipsis",
        no_wrap=True,
    )


def headline(moment: Moment) -> str:
    """The moment in one line, for logs."""
    if not moment.has_leads:
        return f"{moment.elapsed_s:5.0f} s  waiting for the first figures"
    leads = human.count(moment.figures.kpi("funnel_leads", **_BASE))
    shown = {**dict(stream_figures(moment)), **dict(main_kpis(moment.figures)), "Leads": leads}
    titles = ("Events consumed", "Lag (events)", "Leads", "Won / lost", "Win ratio")
    return f"{moment.elapsed_s:5.0f} s  " + "  ".join(f"{t}: {shown[t]}" for t in titles)


def sparkline(values: Sequence[float]) -> str:
    """The last values as a row of bars; the highest is full, nothing is the lowest."""
    shown = values[-SPARK_LENGTH:]
    highest = max(shown, default=0.0) or 1.0
    top = len(_SPARKS) - 1
    return "".join(_SPARKS[round(top * max(value, 0.0) / highest)] for value in shown)


def summary(moment: Moment) -> RenderableType:
    """The closing tables, for logs and pipes as well."""
    table = Table(
        box=box.SIMPLE_HEAD,
        title="Leads of the last 30 days so far",
        title_justify="left",
    )
    table.add_column("stage")
    for column in ("deals", "of leads", "open now"):
        table.add_column(column, justify="right")
    counts = _cohort(moment.figures)
    for stage, (name, reached) in enumerate(zip(STAGES, counts, strict=False)):
        open_now = moment.figures.kpi("funnel_open_deals", **_NOW, stage=name)
        table.add_row(
            name,
            human.count(reached),
            human.percent(_share(reached, counts[0])),
            human.count(open_now) if stage < WON else "",
        )
    rows = _pairs([*main_kpis(moment.figures), *stream_figures(moment)], expand=False)
    return Group(table, money(moment.figures, expand=False), "", rows)


def _pairs(rows: Sequence[tuple[str, str]], *, expand: bool) -> Table:
    table = Table.grid(padding=(0, 2), expand=expand)
    table.add_column(style="dim", no_wrap=True, ratio=1)
    table.add_column(justify="right", no_wrap=True)
    for title, value in rows:
        table.add_row(title, Text(value, style="bold"))
    return table
