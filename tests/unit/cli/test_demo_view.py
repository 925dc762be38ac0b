"""What the demo draws, from literal figures."""

from typing import Any

from rich.console import Console, RenderableType

from funnel_stream.cli.demo_view import Moment, headline, screen, sparkline, summary
from funnel_stream.cli.figures import Figures

METRICS = """\
# HELP funnel_events_consumed_total Records.
# TYPE funnel_events_consumed_total counter
funnel_events_consumed_total 180123.0
funnel_events_duplicate_total 1201.0
funnel_events_rejected_total{reason="not_json"} 2.0
funnel_events_rejected_total{reason="too_large"} 1.0
funnel_consumer_lag_records{partition="0"} 12.0
funnel_consumer_lag_records{partition="1"} 3.0
funnel_state_rows{partition="0"} 30321.0
funnel_event_to_metric_seconds_sum 120.5
funnel_event_to_metric_seconds_count 110.0
"""


def sample(metric: str, value: float, **labels: str) -> Any:
    return now(metric, value, window="30d", **labels)


def now(metric: str, value: float, **labels: str) -> Any:
    return {
        "metric": f"funnel_{metric}",
        "labels": {"pipeline": "default", **labels},
        "value": value,
    }


OPEN = {"lead": 120, "qualified": 90, "potential": 60, "offer": 1_030, "negotiation": 0}
REACHED = {"qualified": 800, "potential": 500, "offer": 250, "negotiation": 100, "won": 50}
KPIS = [
    sample("leads", 1000),
    sample("leads", 77, pipeline="partner"),
    *[
        sample(
            "conversion_ratio_numerator", value, from_stage="lead", to_stage=stage, basis="cohort"
        )
        for stage, value in REACHED.items()
    ],
    sample("qualified_leads", 812),
    sample("offers_sent", 312),
    sample("deals_closed", 60, outcome="won"),
    sample("deals_closed", 240, outcome="lost"),
    sample("win_ratio", 0.2),
    sample("sales_conversion_ratio", 0.06, basis="period"),
    sample("negotiation_success_ratio", 0.615),
    sample("time_to_close_seconds_quantile", 1_600_000.0, outcome="won", quantile="0.5"),
    sample("deal_value", 345.25, outcome="won", currency="PLN"),
    sample("deal_value", 12_345_678.5, outcome="won", currency="EUR"),
    sample("deal_value", 99.0, outcome="lost", currency="USD"),
    sample("cost_per_lead", 17.253, currency="EUR"),
    sample("cost_per_lead", 3.1, currency="USD"),
    *[now("open_deals", value, stage=stage) for stage, value in OPEN.items()],
    now("open_deals", 7, stage="lead", pipeline="partner"),
    now("open_value", 1_500_000.0, stage="offer", currency="EUR"),
    now("open_value", 500_000.0, stage="negotiation", currency="EUR"),
    now("open_value", 1_234_567_890.0, stage="offer", currency="JPY"),
]
MOMENT = Moment(Figures(KPIS, METRICS), [0, 100, 400, 200], 92.5, "http://127.0.0.1:6066")
NOTHING = Moment(Figures(), [], 0.0, "http://127.0.0.1:6066")


SCREEN = """\
╭─ Leads of the last 30 days in pipeline default, and how far they have got ───╮
│  stage                            deals  of leads  of prior stage  open now  │
│  lead         ██████████████████  1,000                                 120  │
│  qualified    ██████████████▍       800    80.0 %          80.0 %        90  │
│  potential    █████████             500    50.0 %          62.5 %        60  │
│  offer        ████▌                 250    25.0 %          50.0 %     1,030  │
│  negotiation  █▊                    100    10.0 %          40.0 %         0  │
│  won          ▉                      50     5.0 %          50.0 %            │
╰──────────────────────────────────────────────────────────────────────────────╯
╭─ Last 30 days ───────────────────────╮╭─ The stream ─────────────────────────╮
│  Qualified in the window        812  ││  Events per second            200/s  │
│  Offers sent                    312  ││  Events consumed            180,123  │
│  Won / lost                60 / 240  ││  Duplicates / rejected    1,201 / 3  │
│  Win ratio                   20.0 %  ││  Lag (events)                    15  │
│  Negotiation success         61.5 %  ││  Event to metric (mean)       1.1 s  │
│  Time to close (median)      18.5 d  ││  Deals in state              30,321  │
╰──────────────────────────────────────╯╰─────────────────────────────── ▁▃█▅ ─╯
╭─ Money ──────────────────────────────────────────────────────────────────────╮
│                           EUR            JPY            PLN             USD  │
│  won               12,345,678              –         345.25               –  │
│  open now           2,000,000  1,234,567,890              –               –  │
│  cost per lead          17.25              –              –            3.10  │
╰──────────────────────────────────────────────────────────────────────────────╯
 01:32   http://127.0.0.1:6066/   /metrics   /api/kpis   Ctrl-C stops it"""

SUMMARY = """\
Leads of the last 30 days so far

  stage         deals   of leads   open now
 ───────────────────────────────────────────
  lead          1,000    100.0 %        120
  qualified       800     80.0 %         90
  potential       500     50.0 %         60
  offer           250     25.0 %      1,030
  negotiation     100     10.0 %          0
  won              50      5.0 %

                      EUR            JPY     PLN   USD
won            12,345,678              –  345.25     –
open now        2,000,000  1,234,567,890       –     –
cost per lead       17.25              –       –  3.10

Qualified in the window        812
Offers sent                    312
Won / lost                60 / 240
Win ratio                   20.0 %
Negotiation success         61.5 %
Time to close (median)      18.5 d
Events per second            200/s
Events consumed            180,123
Duplicates / rejected    1,201 / 3
Lag (events)                    15
Event to metric (mean)       1.1 s
Deals in state              30,321"""


def drawn(what: RenderableType, width: int) -> str:
    console = Console(width=width, force_terminal=False)
    with console.capture() as capture:
        console.print(what)
    return "\n".join(line.rstrip() for line in capture.get().splitlines())


def test_the_screen_on_80_columns_and_24_lines() -> None:
    assert drawn(screen(MOMENT), 80) == SCREEN
    assert len(SCREEN.splitlines()) == 24


def test_the_screen_before_the_first_figures() -> None:
    text = drawn(screen(NOTHING), 80)
    assert "Win ratio" in text
    assert "http://127.0.0.1:6066/ " in text
    assert "0" not in text.replace("127.0.0.1:6066", "").replace("30 days", "").replace("00:00", "")


def test_the_screen_uses_what_width_there_is() -> None:
    for width in (80, 100, 160):
        lines = drawn(screen(MOMENT), width).splitlines()
        assert max(map(len, lines)) == width


def test_the_summary_fits_a_log() -> None:
    assert drawn(summary(MOMENT), 80) == SUMMARY


def test_the_headline() -> None:
    assert headline(MOMENT) == (
        "   92 s  Events consumed: 180,123  Lag (events): 15  Leads: 1,000  Won / lost: 60 / 240  "
        "Win ratio: 20.0 %"
    )
    assert headline(NOTHING) == "    0 s  waiting for the first figures"


def test_sparkline() -> None:
    assert sparkline([0, 1, 2, 3, 4, 5, 6, 7]) == "▁▂▃▄▅▆▇█"
    assert sparkline([0, 0]) == "▁▁"
    assert sparkline([5, -1]) == "█▁"
    assert sparkline([]) == ""
    assert len(sparkline(range(1000))) == 30
