"""The KPI catalogue: one entry per KPI, from which metrics, API and documentation follow.

How figures come out of a row of cells is the entry's shape; everything else (total and
breakdowns, windows, pipelines, names and suffixes) is the same for all and lives in ``samples``.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Final, NamedTuple

from funnel_stream.contract.event import LEAD, LOST, QUALIFIED, STAGES, WON
from funnel_stream.definition import DAY
from funnel_stream.facts import MATURED_TARGETS, cell_id
from funnel_stream.shapes import Amounts, CellIds, Counts, Durations, Ratio, Ratios, Shape


@dataclass(frozen=True)
class Kpi:
    """One entry of the catalogue.

    ``id``: the metric's name without ``funnel_``. ``unit``: ``deals``, ``offers``, ``moves``,
    ``ratio``, ``seconds`` or ``money``. ``stage``: of the six of the funnel, 0 for beyond.
    ``formula``: the definition, as a sentence.
    """

    id: str
    stage: int
    title: str
    help: str
    formula: str
    unit: str
    shape: Shape

    @property
    def metric(self) -> str:
        return f"funnel_{self.id}"


# --- what the entries are made of ---------------------------------------------------------------

_PIPELINE_STAGES = STAGES[:LOST]


def _reached(stage: int) -> CellIds:
    return (cell_id("reached", STAGES[stage]),)


def _got_from(base: int, to: int) -> CellIds:
    return tuple(cell_id("progress", STAGES[base], far) for far in _PIPELINE_STAGES[to:])


def _closed(outcomes: tuple[str, ...], *, negotiated_only: bool = False) -> CellIds:
    return tuple(
        cell_id("closed", outcome, offered, negotiated)
        for outcome in outcomes
        for offered in ("true", "false")
        for negotiated in (("true",) if negotiated_only else ("true", "false"))
    )


def _by_period_and_cohort(base: int, to: int, **labels: str) -> tuple[Ratio, Ratio]:
    return (
        Ratio({**labels, "basis": "period"}, _reached(to), _reached(base)),
        Ratio({**labels, "basis": "cohort"}, _got_from(base, to), _reached(base)),
    )


@cache
def _conversions(horizons: tuple[str, ...]) -> tuple[Ratio, ...]:
    found: list[Ratio] = []
    for base in range(WON):
        for to in range(base + 1, WON + 1):
            labels = {"from_stage": STAGES[base], "to_stage": STAGES[to]}
            found += _by_period_and_cohort(base, to, **labels)
            if to in MATURED_TARGETS[base]:
                found += [_matured(base, to, name, labels) for name in horizons]
    return tuple(found)


def _matured(base: int, to: int, horizon: str, labels: dict[str, str]) -> Ratio:
    cells = [cell_id("matured", STAGES[base], horizon, far) for far in _PIPELINE_STAGES]
    return Ratio(
        {**labels, "basis": "matured", "horizon": horizon},
        tuple(cells[to:]),
        tuple(cells[base:]),
        shortest_window=DAY,
    )


def _fixed(*series: Ratio) -> Callable[[tuple[str, ...]], tuple[Ratio, ...]]:
    return lambda horizons: series


_BOTH = ("won", "lost")

KPIS: Final[tuple[Kpi, ...]] = (
    Kpi(
        "leads",
        1,
        "Leads",
        "Deals that entered the funnel.",
        "deals whose reached(lead) is in the window",
        "deals",
        Counts({(): _reached(LEAD)}),
    ),
    Kpi(
        "conversion_ratio",
        1,
        "Conversion between stages",
        "Share of deals that got from one stage to a later one.",
        "period: reached(to) in the window ÷ reached(from) in the window; cohort: of the deals "
        "that reached from in the window, the share that has reached to; matured: the same, each "
        "deal counted when its horizon has passed, as converted if it got there within it",
        "ratio",
        Ratios(_conversions, ("from_stage", "to_stage", "basis", "horizon")),
    ),
    Kpi(
        "qualified_leads",
        2,
        "Qualified leads",
        "Deals that were qualified.",
        "deals whose reached(qualified) is in the window",
        "deals",
        Counts({(): _reached(QUALIFIED)}),
    ),
    Kpi(
        "lead_quality_ratio",
        2,
        "Lead quality",
        "Share of leads that were qualified: how good marketing's leads are.",
        "qualified ÷ leads, of the window's facts (period) or of the window's leads (cohort)",
        "ratio",
        Ratios(_fixed(*_by_period_and_cohort(LEAD, QUALIFIED)), ("basis",)),
    ),
    Kpi(
        "offers_sent",
        4,
        "Offers sent",
        "Offers sent; a second offer to the same deal counts again.",
        "entries into offer in the window",
        "offers",
        Counts({(): (cell_id("offer_sent"),)}),
    ),
    Kpi(
        "negotiation_success_ratio",
        5,
        "Negotiation success",
        "Share of negotiated deals that were won.",
        "won ÷ closed, of the deals closed in the window that entered negotiation",
        "ratio",
        Ratios(
            _fixed(
                Ratio(
                    {},
                    _closed(("won",), negotiated_only=True),
                    _closed(_BOTH, negotiated_only=True),
                )
            )
        ),
    ),
    Kpi(
        "sales_conversion_ratio",
        6,
        "Sales conversion",
        "Share of leads that became customers.",
        "won ÷ leads, of the window's facts (period) or of the window's leads (cohort)",
        "ratio",
        Ratios(_fixed(*_by_period_and_cohort(LEAD, WON)), ("basis",)),
    ),
    Kpi(
        "win_ratio",
        6,
        "Win ratio",
        "Share of closed deals that were won.",
        "won ÷ closed, of the deals closed in the window",
        "ratio",
        Ratios(_fixed(Ratio({}, _closed(("won",)), _closed(_BOTH)))),
    ),
    Kpi(
        "time_to_close_seconds",
        6,
        "Time to close",
        "Time from becoming a lead to the closing.",
        "closing − reached(lead), of the deals closed in the window",
        "seconds",
        Durations("time_to_close", ("outcome",), _BOTH),
    ),
    Kpi(
        "deals_closed",
        6,
        "Deals closed",
        "Deals that were won or lost.",
        "deals whose closing is in the window",
        "deals",
        Counts({(outcome,): _closed((outcome,)) for outcome in _BOTH}, ("outcome",)),
    ),
    Kpi(
        "deal_value",
        6,
        "Value of closed deals",
        "Value of the deals won and lost.",
        "Σ final amounts of the deals closed in the window",
        "money",
        Amounts("deal_value", ("outcome", "currency")),
    ),
    Kpi(
        "stage_entries",
        0,
        "Stage entries",
        "Deals that reached a stage; a skipped stage counts as passed.",
        "deals whose reached(stage) is in the window",
        "deals",
        Counts({(name,): _reached(s) for s, name in enumerate(_PIPELINE_STAGES)}, ("stage",)),
    ),
    Kpi(
        "transitions",
        0,
        "Transitions",
        "Moves between different stages, backward moves and reopenings included.",
        "moves in the window",
        "moves",
        Counts(
            {
                (before, after): (cell_id("transition", before, after),)
                for before in STAGES
                for after in STAGES
                if before != after
            },
            ("from_stage", "to_stage"),
        ),
    ),
)


class Family(NamedTuple):
    """A series name that may appear, with what is to be said about it."""

    name: str
    kind: str
    help: str
    unit: str
    kpi: str


_SUFFIX_HELP: Final = {
    "": "",
    "_numerator": " (numerator)",
    "_denominator": " (denominator)",
    "_sum": " (sum)",
    "_count": " (number of samples)",
    "_quantile": " (quantile, within 2 %)",
}


def families() -> list[Family]:
    """Every KPI series name, in the order of the catalogue."""
    return [
        Family(
            f"{kpi.metric}{breakdown}{suffix}",
            "gauge",
            f"{kpi.help}{_SUFFIX_HELP[suffix]}{' By dimension.' if breakdown else ''}",
            kpi.unit,
            kpi.id,
        )
        for kpi in KPIS
        for breakdown in ("", "_breakdown")
        for suffix in kpi.shape.suffixes
    ]
