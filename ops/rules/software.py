"""Alerts on funnel-stream itself: whether its figures can be believed."""

from typing import Final

from ops.rules.rule import JOB, Alert, Group

LAG: Final = 10_000
RECOVERY_SECONDS: Final = 300
SERIES: Final = 12_000
"""The default configuration stays below 10,000 for one pipeline."""
_BOARD: Final = "funnel-operations"


def _sum(metric: str, by: str = "") -> str:
    return f"sum{f' by ({by})' if by else ''} ({metric}{{{JOB}}})"


def software() -> Group:
    lag = _sum("funnel_consumer_lag_records", "instance")
    consumed = f"sum by (instance) (increase(funnel_events_consumed_total{{{JOB}}}[5m]))"
    all_lag = _sum("funnel_consumer_lag_records")
    as_of = f"max(funnel_as_of_timestamp_seconds{{{JOB}}})"
    return Group(
        "funnel-software-alerts",
        [
            Alert(
                "FunnelScrapeFailing",
                f"up{{{JOB}}} == 0 or absent(up{{{JOB}}})",
                "critical",
                "software",
                'Prometheus cannot read {{ or $labels.instance "any worker" }}',
                "A worker is down, unreachable or no longer found. If it was the one that "
                "reports, there are no figures until another takes over.\n",
                _BOARD,
                hold="2m",
            ),
            Alert(
                "FunnelNoReporter",
                f"{_sum('funnel_reporting')} == 0",
                "critical",
                "software",
                "No worker reports the KPIs",
                "Workers are up, but none of them reports: the one that should is still "
                "recovering, or group membership is unstable. Dashboards are empty in the "
                "meantime.\n",
                _BOARD,
                hold="5m",
            ),
            Alert(
                "FunnelTwoReporters",
                f"{_sum('funnel_reporting')} > 1",
                "critical",
                "software",
                "{{ $value }} workers report the KPIs at the same time",
                "Their figures are mixed up. Either two groups run on the same data, or the "
                "fencing of a worker that lost its partitions has failed.\n",
                _BOARD,
                hold="2m",
            ),
            Alert(
                "FunnelStreamStalled",
                f"{lag} > 0\nand {consumed} == 0",
                "critical",
                "software",
                "{{ $labels.instance }} has records to read but reads none",
                "{{ $value }} records are waiting, and none has been consumed for five minutes.\n",
                _BOARD,
                hold="5m",
            ),
            Alert(
                "FunnelLagGrowing",
                f"{all_lag} > {LAG}\nand {all_lag} > {_offset(all_lag, '10m')}",
                "warning",
                "software",
                "The figures are falling behind: {{ $value | humanize }} records of lag and "
                "growing",
                "Records arrive faster than they are read. Start more workers, up to the number of "
                "partitions.\n",
                _BOARD,
                hold="15m",
            ),
            Alert(
                "FunnelDeadLetters",
                f"sum by (reason) (increase(funnel_events_rejected_total{{{JOB}}}[15m])) > 0",
                "warning",
                "software",
                "Events are rejected: {{ $labels.reason }}",
                'About {{ $value | printf "%.0f" }} records in 15 minutes went to the dead-letter '
                "topic because of {{ $labels.reason }}. No figure includes them.\n",
                _BOARD,
            ),
            Alert(
                "FunnelRecoverySlow",
                f"funnel_recovery_seconds{{{JOB}}} > {RECOVERY_SECONDS}\n"
                f"and increase(funnel_assignments_total{{{JOB}}}[1h]) > 0",
                "warning",
                "software",
                "{{ $labels.instance }} took {{ $value | humanizeDuration }} to recover",
                "That is the time from the assignment of its partitions until their state was "
                "restored. Until then the figures stood still.\n",
                _BOARD,
            ),
            Alert(
                "FunnelInvariantViolated",
                f"funnel_invariant_violations_total{{{JOB}}} > 0",
                "critical",
                "software",
                "The stage accounting does not add up for {{ $value }} deals",
                "Some of the deals that reached a stage are not accounted for exactly once. This "
                "is a defect in funnel-stream.\n",
                _BOARD,
            ),
            Alert(
                "FunnelHeartbeatLate",
                f"{as_of} == {_offset(as_of, '5m')}",
                "critical",
                "software",
                "The figures have stood still for five minutes",
                "The instant that the figures refer to has not moved since "
                "{{ $value | humanizeTimestamp }}.\n",
                _BOARD,
                hold="1m",
            ),
            Alert(
                "FunnelSeriesBudgetExceeded",
                f'count by (pipeline) ({{__name__=~"funnel_.+", pipeline!=""}}) > {SERIES}',
                "warning",
                "software",
                "Pipeline {{ $labels.pipeline }} has {{ $value | humanize }} series",
                "More than a default configuration can produce. `funnel-stream config show` shows "
                "where they come from; `export:` in funnel.yaml limits them.\n",
                _BOARD,
                hold="15m",
            ),
            Alert(
                "FunnelWatchdog",
                "vector(1)",
                "info",
                "software",
                "Alerting works",
                "This alert always fires. If it stops, Prometheus or Alertmanager is down.\n",
                _BOARD,
            ),
        ],
    )


def _offset(expr: str, offset: str) -> str:
    """The same sum or maximum so long ago."""
    return f"{expr[:-1]} offset {offset})"
