"""Levels that matter to a team (time, cost, discount, value, stuck deals), and the flow of leads
and events."""

from dataclasses import dataclass
from typing import Final

from ops.rules.rule import JOB, Alert, Group, Record, looked_up, weeks_before

FEWEST: Final = 30
DEVIATIONS: Final = 5
"""A mean of n durations varies by about 1/√n of itself; so many of these are not chance."""
LARGER: Final = 1.3
POINTS: Final = 0.05
USUAL_LEADS: Final = 12
"""Where so many are expected, none at all happens by chance once in 160,000 times."""
USUAL_EVENTS: Final = 30
STUCK_SHARE: Final = 0.25


@dataclass(frozen=True)
class Watched:
    """A mean or quotient of the last seven days that is compared with its baseline.

    ``top`` ÷ ``bottom``; ``samples``: how much is behind it, and ``things`` what that is;
    ``worse``: whether it is so when it rises by a factor, when it rises by points or when it falls
    by points.
    """

    metric: str
    top: str
    bottom: str
    samples: str
    alert: str
    worse: str
    title: str
    shown: str
    dashboard: str
    things: str = "deals"
    labels: tuple[str, ...] = ("pipeline",)

    def record(self, operation: str) -> str:
        return f"pipeline:{self.metric}:{operation}"

    def records(self) -> list[Record]:
        bottom = f"({self.bottom} > 0)"
        before = f"({weeks_before(self.bottom)} > 0)"
        return [
            Record(self.record("7d"), f"{self.top} / {bottom}"),
            Record(self.record("7d_baseline"), f"{weeks_before(self.top)}\n/ {before}"),
            Record(self.record("7d_samples"), self.samples),
        ]

    def expr(self) -> str:
        now, before, n = (self.record(part) for part in ("7d", "7d_baseline", "7d_samples"))
        enough = f"and {n} >= {FEWEST}"
        if self.worse == "factor":
            return (
                f"{now} / {before} > {LARGER}\n{enough}\n"
                f"and {now} / {before} > 1 + {DEVIATIONS} / sqrt({n})"
            )
        first, second = (now, before) if self.worse == "up" else (before, now)
        return f"{first} - {second} > {POINTS}\n{enough}"


_WEEK: Final = 'window="7d"'
_BY_CURRENCY: Final = ("pipeline", "currency")


def _money_ratio(metric: str) -> tuple[str, str]:
    return f"{metric}_numerator{{{_WEEK}}}", f"{metric}_denominator{{{_WEEK}}}"


def _mean(metric: str, labels: str = _WEEK) -> tuple[str, str, str]:
    count = f"{metric}_count{{{labels}}}"
    return f"{metric}_sum{{{labels}}}", count, count


WATCHED: Final = (
    Watched(
        "funnel_time_to_close_seconds",
        *_mean("funnel_time_to_close_seconds", f'{_WEEK}, outcome="won"'),
        "FunnelTimeToCloseUp",
        "factor",
        "Time to close (won deals)",
        "humanizeDuration",
        "funnel-stage-6-contract",
    ),
    Watched(
        "funnel_negotiation_seconds",
        *_mean("funnel_negotiation_seconds"),
        "FunnelNegotiationTimeUp",
        "factor",
        "Negotiation time",
        "humanizeDuration",
        "funnel-stage-5-negotiation",
    ),
    Watched(
        "funnel_cost_per_lead",
        *_money_ratio("funnel_cost_per_lead"),
        f"funnel_cost_per_lead_denominator{{{_WEEK}}}",
        "FunnelCostPerLeadUp",
        "factor",
        "Cost per lead ({{ $labels.currency }})",
        'printf "%.2f"',
        "funnel-stage-1-lead",
        "leads",
        _BY_CURRENCY,
    ),
    Watched(
        "funnel_discount_ratio",
        *_mean("funnel_discount_ratio"),
        "FunnelDiscountUp",
        "up",
        "Discount",
        "humanizePercentage",
        "funnel-stage-5-negotiation",
    ),
    Watched(
        "funnel_value_retention_ratio",
        *_money_ratio("funnel_value_retention_ratio"),
        # Deals won are not counted by currency; offers sent tell whether it is a rare one.
        f"funnel_offer_value_count{{{_WEEK}}}",
        "FunnelValueRetentionDown",
        "down",
        "Value retention ({{ $labels.currency }})",
        "humanizePercentage",
        "funnel-stage-5-negotiation",
        "offers in that currency",
        _BY_CURRENCY,
    ),
)


def _level_alert(of: Watched) -> Alert:
    now, before = (
        looked_up(of.record(part), of.labels, of.shown) for part in ("7d", "7d_baseline")
    )
    number = looked_up(of.record("7d_samples"), of.labels, 'printf "%.0f"')
    went = "fell" if of.worse == "down" else "rose"
    by_currency = "currency" in of.labels
    currency = "&var-currency={{ $labels.currency | urlquery }}" if by_currency else ""
    return Alert(
        of.alert,
        of.expr(),
        "warning",
        "level",
        f"{of.title} of pipeline {{{{ $labels.pipeline }}}} {went} from {before} to {now}",
        f"{now} over the last seven days, {before} over the same days of the previous weeks; "
        f"{number} {of.things} in these seven days.\n",
        f"{of.dashboard}?var-pipeline={{{{ $labels.pipeline | urlquery }}}}&var-window=7d"
        + currency,
        hold="2h",
        keep="6h",
    )


def levels() -> Group:
    """What the level alerts compare."""
    return Group("funnel-levels", [record for of in WATCHED for record in of.records()])


def level_alerts() -> Group:
    return Group("funnel-level-alerts", [*map(_level_alert, WATCHED), _stuck()])


def _stuck() -> Alert:
    return Alert(
        "FunnelDealsStuck",
        f"funnel_stuck_deals >= 10\n"
        f"and funnel_stuck_deals > {STUCK_SHARE} * funnel_open_deals\n"
        f"and funnel_stuck_deals > {LARGER} * (funnel_stuck_deals offset 7d)",
        "warning",
        "level",
        "{{ $value }} deals are stuck in {{ $labels.stage }} of pipeline {{ $labels.pipeline }}",
        f"More than {STUCK_SHARE:.0%} of the open deals in the stage have been there longer than "
        "stuck_after in funnel.yaml allows, and clearly more than a week ago.\n",
        "funnel-sales?var-pipeline={{ $labels.pipeline | urlquery }}",
        hold="2h",
        keep="6h",
    )


_LEADS: Final = 'funnel_leads{window=~"1h|24h"}'


def flow() -> Group:
    """What usually comes: leads in this hour and day of the week, events in this hour."""
    consumed = f"sum(increase(funnel_events_consumed_total{{{JOB}}}[1h]))"
    return Group(
        "funnel-flow",
        [
            Record("pipeline:funnel_leads:usual", weeks_before(_LEADS, "min")),
            Record("job:funnel_events_consumed:increase1h", consumed),
            Record(
                "job:funnel_events_consumed:usual1h",
                weeks_before("job:funnel_events_consumed:increase1h", "min"),
            ),
        ],
    )


def flow_alerts() -> Group:
    return Group(
        "funnel-flow-alerts",
        [
            Alert(
                "FunnelNoLeads",
                f"{_LEADS} == 0\nand pipeline:funnel_leads:usual >= {USUAL_LEADS}",
                "critical",
                "flow",
                "No leads in pipeline {{ $labels.pipeline }} for {{ $labels.window }}",
                "In the same hours of each of the previous weeks there were at least "
                + looked_up("pipeline:funnel_leads:usual", ("pipeline", "window"), 'printf "%.0f"')
                + ". Are the applications that send leads working?\n",
                "funnel-overview?var-pipeline={{ $labels.pipeline | urlquery }}&var-window=24h",
                hold="10m",
                keep="5m",
            ),
            Alert(
                "FunnelNoEvents",
                "job:funnel_events_consumed:increase1h == 0\n"
                f"and job:funnel_events_consumed:usual1h >= {USUAL_EVENTS}",
                "critical",
                "flow",
                "No events at all for an hour",
                "In this hour of each of the previous weeks there were at least "
                '{{ with query "job:funnel_events_consumed:usual1h" }}'
                '{{ . | first | value | printf "%.0f" }}{{ end }} events. The '
                "figures currently show nothing new.\n",
                "funnel-operations",
                hold="10m",
                keep="5m",
            ),
        ],
    )
