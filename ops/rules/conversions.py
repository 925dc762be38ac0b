"""Conversions: confidence bands of every ratio, and the statistic and alerts of a drop.

The statistic, its thresholds and the study that they come from: docs/alerting.md.
"""

from typing import Final

from funnel_stream.kpis.catalogue import KPIS
from ops.rules.rule import Alert, Group, Record, looked_up, together, weeks_before

CONFIDENCE: Final = 1.96
"""Standard deviations of a 95 % interval."""
FEWEST_DEALS: Final = 30
SMALLEST_DROP: Final = 0.01
"""Points: less is not worth waking anybody, however rare the conversion."""
FAIR: Final = 0.5
"""A horizon is fair to a step if so much of what converts at the longest one converts within it."""


class Level:
    """The total or the channels: how many deviations, and how much real rates vary from day to day
    (relative to the rate)."""

    def __init__(self, name: str, deviations: float, variation: float) -> None:
        self.name, self.deviations, self.variation = name, deviations, variation

    def __call__(self, metric: str, operation: str) -> str:
        return f"{self.name}:{metric}:{operation}"


TOTAL: Final = Level("pipeline", 3.5, 0.05)
CHANNEL: Final = Level("channel", 4.25, 0.06)

DEALS: Final = "funnel_matured_deals"
CONVERTED: Final = "funnel_matured_converted"
CONVERSION: Final = "funnel_matured_conversion"
DROP: Final = "funnel_conversion_drop"
DAYS: Final = {"24h": 1, "48h": 2, "7d": 7}
"""The windows that are compared with those of other weeks; all are summed from days."""
_STEP: Final = "pipeline, from_stage, to_stage, horizon"
_UNTESTED: Final = 'from_stage="lead", to_stage=~"potential|offer|negotiation"'
"""Tested are each step, sales conversion (lead to won) and acceptance (offer to won)."""


def wilson(x: str, n: str, ratio: str, sign: str) -> str:
    """A bound of Wilson's interval (1927) of ``x`` of ``n``, which are in the ``ratio``; ``sign``
    + or -.

    Where a period has more conversions than deals, it is no share: the band has its least width.
    """
    z = CONFIDENCE
    square = round(z * z, 4)
    return (
        f"(\n  {x} + {round(square / 2, 4)}\n"
        f"  {sign} {z} * sqrt(clamp_min({x} * (1 - {ratio}), 0)"
        f" + {round(square / 4, 4)})\n"
        f") / ({n} + {square})"
    )


def confidence() -> Group:
    """95 % bands of every ratio of the catalogue, in total."""
    rules = []
    for kpi in KPIS:
        if kpi.form.of_counts:
            x, n = f"{kpi.metric}_numerator", f"{kpi.metric}_denominator"
            for name, sign in (("lower", "-"), ("upper", "+")):
                band = wilson(x, n, f"{x} / ({n} > 0)", sign)
                rules.append(Record(f"pipeline:{kpi.metric}:wilson_{name}95", band))
    return Group("funnel-confidence", rules)


def _day(part: str) -> str:
    """The matured parts of the tested pairs of stages over a day: by channel, or as one where no
    breakdown is exported."""
    by_channel = f"funnel_conversion_ratio_breakdown_{part}"
    whole = f"funnel_conversion_ratio_{part}"
    of_day = 'basis="matured", window="24h"'
    of_channels = f'{of_day}, dimension="channel"'
    # Two reporters overlap for a moment when one takes over: the larger one, not both.
    one = f"max by ({_STEP}, channel)"
    return (
        f"{one} (label_replace(\n"
        f"  {by_channel}{{{of_channels}}}\n"
        f"  unless {by_channel}{{{_UNTESTED}}},\n"
        f'  "channel", "$1", "value", "(.*)"\n))\n'
        f"or {one} (label_replace(\n"
        f"  {whole}{{{of_day}}}\n"
        f"  unless {whole}{{{_UNTESTED}}}\n"
        f"  unless on (pipeline) {by_channel}{{{of_channels}}},\n"
        f'  "channel", "__all__", "", ""\n))'
    )


def drop_statistic() -> Group:
    """From the counts of a day to how improbable a drop is."""
    rules: list[Record] = []
    for metric, part in ((DEALS, "denominator"), (CONVERTED, "numerator")):
        name = CHANNEL(metric, "sum")
        rules.append(Record(name, _day(part), {"window": "24h"}))
        for window, days in list(DAYS.items())[1:]:
            offsets = ((str(day), f"{day}d" if day else "") for day in range(days))
            expr = together(f'{name}{{window="24h"}}', "day", offsets)
            rules.append(Record(name, expr, {"window": window}))
    for metric in (DEALS, CONVERTED):
        name = CHANNEL(metric, "baseline")
        rules.append(Record(name, weeks_before(CHANNEL(metric, "sum"))))
    rules += _sums_of_channels()
    for level in (CHANNEL, TOTAL):
        rules += _statistic(level)
    return Group("funnel-conversion-drop", rules)


def _sums_of_channels() -> list[Record]:
    n, x = CHANNEL(DEALS, "sum"), CHANNEL(CONVERTED, "sum")
    n0, x0 = CHANNEL(DEALS, "baseline"), CHANNEL(CONVERTED, "baseline")
    both = f"({n} + {n0} > 0)"
    parts = {
        "excess": f"({n} * {x0} - {n0} * {x}) / {both}",
        "variance": f"{n} * {n0} * ({x} + {x0}) * ({both} - {x} - {x0}) / {both} ^ 3",
        "weight": f"{n} * {n0} / {both}",
    }
    rules = [Record(CHANNEL(DROP, part), expr) for part, expr in parts.items()]
    rules += [
        Record(TOTAL(DROP, part), f"sum without (channel) ({CHANNEL(DROP, part)})")
        for part in parts
    ]
    return rules + [
        Record(TOTAL(metric, part), f"sum without (channel) ({CHANNEL(metric, part)})")
        for metric in (DEALS, CONVERTED)
        for part in ("sum", "baseline")
    ]


def _statistic(level: Level) -> list[Record]:
    weight = f"({level(DROP, 'weight')} > 0)"
    rate = f"{level(CONVERTED, 'baseline')} / ({level(DEALS, 'baseline')} > 0)"
    return [
        Record(level(CONVERSION, "baseline"), rate),
        Record(
            level(CONVERSION, "ratio"),
            f"{level(CONVERTED, 'sum')} / ({level(DEALS, 'sum')} > 0)",
        ),
        Record(level(DROP, "ratio"), f"{level(DROP, 'excess')} / {weight}"),
        Record(
            level(DROP, "zscore"),
            f"{level(DROP, 'ratio')} / sqrt(\n"
            f"  {level(DROP, 'variance')} / {weight} ^ 2\n"
            f"  + ({level.variation} * {level(CONVERSION, 'baseline')}) ^ 2\n"
            f"  * (1 + {level(DEALS, 'sum')} / {level(DEALS, 'baseline')})\n"
            ")",
        ),
        Record(
            level(CONVERSION, "wilson_upper95"),
            wilson(level(CONVERTED, "sum"), level(DEALS, "sum"), level(CONVERSION, "ratio"), "+"),
        ),
        Record(
            level(CONVERSION, "wilson_lower95_baseline"),
            wilson(
                level(CONVERTED, "baseline"),
                level(DEALS, "baseline"),
                level(CONVERSION, "baseline"),
                "-",
            ),
        ),
    ]


def _dropped(level: Level) -> str:
    selected = 'channel!="__all__"' if level is CHANNEL else ""
    of_step = TOTAL(CONVERSION, "baseline")
    steps = f"on ({_STEP}, window)"
    return (
        # Where no breakdown is exported, the total says it.
        f"{level(DROP, 'zscore')}{{{selected}}} > {level.deviations}\n"
        f"and {level(DROP, 'ratio')} > {SMALLEST_DROP}\n"
        f"and {level(DEALS, 'sum')} >= {FEWEST_DEALS}\n"
        f"and {level(DEALS, 'baseline')} >= {FEWEST_DEALS}\n"
        f"and {level(CONVERSION, 'wilson_upper95')}"
        f" < {level(CONVERSION, 'wilson_lower95_baseline')}\n"
        f"and {steps} ({of_step}\n"
        f"  >= ignoring (horizon) group_left {FAIR} * max without (horizon) ({of_step}))"
    )


_PAIRS: Final = (
    ("lead", "qualified", "Lead quality"),
    ("lead", "won", "Sales conversion"),
    ("offer", "won", "Offer acceptance"),
    ("negotiation", "won", "Negotiation success"),
)


def _named() -> str:
    """What people call the step."""
    names = "".join(
        f'{{{{ {"else " if number else ""}if and (eq $labels.from_stage "{base}") '
        f'(eq $labels.to_stage "{to}") }}}}{name}'
        for number, (base, to, name) in enumerate(_PAIRS)
    )
    return f"{names}{{{{ else }}}}Conversion{{{{ end }}}}"


def _looked_up(series: str, level: Level, shown: str) -> str:
    labels = ["pipeline", "from_stage", "to_stage", "horizon", "window"]
    return looked_up(series, [*labels, "channel"] if level is CHANNEL else labels, shown)


def _alert(name: str, level: Level) -> Alert:
    where = " in channel {{ $labels.channel }}" if level is CHANNEL else ""
    before = _looked_up(level(CONVERSION, "baseline"), level, "humanizePercentage")
    now = _looked_up(level(CONVERSION, "ratio"), level, "humanizePercentage")
    deals = _looked_up(level(DEALS, "sum"), level, 'printf "%.0f"')
    usual = _looked_up(level(DEALS, "baseline"), level, 'printf "%.0f"')
    step = "{{ $labels.from_stage }} → {{ $labels.to_stage }}"
    board = "funnel-breakdowns" if level is CHANNEL else "funnel-overview"
    return Alert(
        name,
        _dropped(level),
        "warning" if level is CHANNEL else "critical",
        "drop",
        f"{_named()} ({step}){where} of pipeline {{{{ $labels.pipeline }}}} fell from {before} to "
        f"{now}",
        f"Of the deals that reached {{{{ $labels.from_stage }}}}{where} and became "
        "{{ $labels.horizon }} old in the last {{ $labels.window }}, "
        f"{now} got to {{{{ $labels.to_stage }}}} within {{{{ $labels.horizon }}}}; in the same "
        f"hours of the previous weeks it was {before}.\n"
        f'{deals} deals now, {usual} before; {{{{ $value | printf "%.1f" }}}} standard deviations, '
        "allowing for chance and the usual ups and downs of the rate.\n",
        f"{board}?var-pipeline={{{{ $labels.pipeline | urlquery }}}}&var-window=7d"
        + ("&var-dimension=channel" if level is CHANNEL else ""),
        hold="1h",
        keep="6h",
    )


def drop_alerts() -> Group:
    return Group(
        "funnel-conversion-drop-alerts",
        [
            _alert("FunnelConversionDrop", TOTAL),
            _alert("FunnelChannelConversionDrop", CHANNEL),
        ],
    )
