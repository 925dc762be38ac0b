"""The KPIs a third time: SQL directly over a table with one row per deal.

The real funnels need neither events nor journeys: their tables say when each deal got where. A
table ``deals`` with one row per deal (timestamps in UTC) has the columns ``lead, qualified,
potential, offer, negotiation, won`` (when it was reached), ``lost``, ``moves_…`` as named below,
``value`` (minor units) and one column per breakdown.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import duckdb

from tests.oracle.oracle import Figure, Key, key

STAGES = ("lead", "qualified", "potential", "offer", "negotiation", "won")
PAIRS = [(a, b) for i, a in enumerate(STAGES) for b in STAGES[i + 1 :]]
MATURED = [(a, b) for a, b in PAIRS if a == "lead" or (a, b) == ("offer", "won")] + [
    (a, b) for a, b in pairwise(STAGES[1:])
]
ALL_MOVES = [(a, b) for a in (*STAGES, "lost") for b in (*STAGES, "lost") if a != b]
WINDOWS = (
    ("1h", "1 hour", "minute"),
    ("24h", "24 hours", "hour"),
    ("7d", "168 hours", "hour"),
    ("30d", "720 hours", "hour"),
    ("365d", "365 days", "day"),
)


class Move(NamedTuple):
    """One kind of move, and the column that says when it took place."""

    from_stage: str
    to_stage: str
    at: str


class Series(NamedTuple):
    """A series by its SQL aggregates: a count, or a numerator over a denominator."""

    name: str
    labels: dict[str, str]
    top: str
    base: str | None = None


class Tables:
    """Figures of the table ``deals`` of a database, for one set of moves and one currency."""

    def __init__(
        self,
        database: duckdb.DuckDBPyConnection,
        *,
        moves: Sequence[Move],
        explicit: Sequence[str],
        currency: str | None = None,
    ) -> None:
        """``explicit``: the stages that have events of their own."""
        self.database = database
        self.moves = {(move.from_stage, move.to_stage): move.at for move in moves}
        self.offer = "offer" if "offer" in explicit else "NULL::TIMESTAMP"
        self.negotiation = "negotiation IS NOT NULL" if "negotiation" in explicit else "false"
        self.currency = currency

    def figures(self, as_of: str, dimensions: Sequence[str]) -> dict[Key, Figure]:
        """Totals and breakdowns by ``dimensions``, as of an instant (UTC, ``YYYY-MM-DD …``)."""
        known = [f"if({c} <= as_of, {c}, NULL) AS {c}" for c in (*STAGES, "lost")]
        self.database.execute(
            f"""
            CREATE OR REPLACE TEMP TABLE seen AS
            SELECT * REPLACE ({", ".join(known)})
            FROM (SELECT *, TIMESTAMP '{as_of}' AS as_of FROM deals) WHERE lead <= as_of
            """
        )
        result: dict[Key, Figure] = {}
        for dimension in ("", *dimensions):
            self._group_by(dimension)
            for name, length, pane in WINDOWS:
                result |= self._window(dimension, name, length, pane)
        return result

    def _group_by(self, dimension: str) -> None:
        column = dimension or "''"
        self.database.execute(
            f"""
            CREATE OR REPLACE TEMP TABLE grouped AS
            WITH top AS (
                SELECT {column} AS v FROM seen WHERE v IS NOT NULL GROUP BY v
                ORDER BY count(*) FILTER (lead >= date_trunc('day', as_of) - INTERVAL '364 days')
                    DESC, v
                LIMIT 20
            )
            SELECT *, CASE WHEN {column} IS NULL THEN '__none__'
                WHEN {column} IN (FROM top) THEN {column} ELSE '__other__' END AS grp
            FROM seen
            """
        )

    def _window(self, dimension: str, name: str, length: str, pane: str) -> dict[Key, Figure]:
        series = list(self._series(pane, matured=name != "1h"))
        duration = {o: f"(epoch_us({o}) - epoch_us(lead))" for o in ("won", "lost")}
        times = [
            f"list({duration[o]} ORDER BY {duration[o]}) FILTER ({inside(o)})"
            for o in ("won", "lost")
        ]
        values = [f"sum(value) FILTER ({inside(o)})" for o in ("won", "lost")]
        columns = [s.top for s in series] + [s.base or "NULL" for s in series] + times + values
        rows = self.database.execute(
            f"""
            SELECT grp, {", ".join(columns)}
            FROM (SELECT *, date_trunc('{pane}', as_of) AS last_pane,
                  last_pane - INTERVAL '{length}' + INTERVAL '1 {pane}' AS begins FROM grouped)
            GROUP BY grp
            """
        ).fetchall()
        result: dict[Key, Figure] = {}
        for grp, *cells in rows:
            common = {"pipeline": "default", "window": name}
            if dimension:
                common |= {"dimension": dimension, "value": grp}
            row = Row(common)
            for s, top, base in zip(series, cells, cells[len(series) :], strict=False):
                row.count(s, top) if base is None else row.quotient(s, top, base)
            for outcome, spent, value in zip(
                ("won", "lost"), cells[-4:-2], cells[-2:], strict=True
            ):
                row.times({"outcome": outcome}, spent or [])
                if value:
                    labels = {"outcome": outcome, "currency": str(self.currency)}
                    row.add("funnel_deal_value", "", labels, value / 100, "exact")
            result |= row.figures
        return result

    def _series(self, pane: str, *, matured: bool) -> list[Series]:
        reached = {stage: f"count(*) FILTER ({inside(stage)})" for stage in STAGES}
        lost = f"count(*) FILTER ({inside('lost')})"
        got_there = {(a, b): f"count(*) FILTER ({inside(a)} AND {b} IS NOT NULL)" for a, b in PAIRS}
        period, cohort = {"basis": "period"}, {"basis": "cohort"}
        quality = ("lead", "qualified")
        negotiated_won = f"count(*) FILTER ({inside('won')} AND {self.negotiation})"
        negotiated_lost = f"count(*) FILTER ({inside('lost')} AND {self.negotiation})"
        result = [
            Series("funnel_leads", {}, reached["lead"]),
            Series("funnel_qualified_leads", {}, reached["qualified"]),
            Series("funnel_offers_sent", {}, f"count(*) FILTER ({inside(self.offer)})"),
            Series("funnel_deals_closed", {"outcome": "won"}, reached["won"]),
            Series("funnel_deals_closed", {"outcome": "lost"}, lost),
            Series("funnel_win_ratio", {}, reached["won"], f"{reached['won']} + {lost}"),
            Series(
                "funnel_negotiation_success_ratio",
                {},
                negotiated_won,
                f"{negotiated_won} + {negotiated_lost}",
            ),
            Series("funnel_lead_quality_ratio", period, reached["qualified"], reached["lead"]),
            Series("funnel_lead_quality_ratio", cohort, got_there[quality], reached["lead"]),
            Series("funnel_sales_conversion_ratio", period, reached["won"], reached["lead"]),
            Series(
                "funnel_sales_conversion_ratio", cohort, got_there["lead", "won"], reached["lead"]
            ),
        ]
        result += [Series("funnel_stage_entries", {"stage": s}, reached[s]) for s in STAGES]
        for a, b in ALL_MOVES:
            at = self.moves.get((a, b), "NULL::TIMESTAMP")
            labels = {"from_stage": a, "to_stage": b}
            result.append(Series("funnel_transitions", labels, f"count(*) FILTER ({inside(at)})"))
        for a, b in PAIRS:
            labels = {"from_stage": a, "to_stage": b}
            conversion = "funnel_conversion_ratio"
            result.append(Series(conversion, labels | period, reached[b], reached[a]))
            result.append(Series(conversion, labels | cohort, got_there[a, b], reached[a]))
            for days in (1, 7, 30) if matured and (a, b) in MATURED else ():
                old = f"count(*) FILTER ({settled(a, days, pane)})"
                soon = f"{b} - {a} <= INTERVAL '{days} days'"
                done = f"count(*) FILTER ({settled(a, days, pane)} AND {soon})"
                labels_h = labels | {"basis": "matured", "horizon": f"{days}d"}
                result.append(Series(conversion, labels_h, done, old))
        return result


class Row:
    """The figures of one group of deals in one window; applies the rules of what may be shown."""

    def __init__(self, common: dict[str, str]) -> None:
        self.common = common
        self.total = "dimension" not in common
        self.figures: dict[Key, Figure] = {}

    def add(
        self, name: str, suffix: str, labels: dict[str, str], value: float, precision: str
    ) -> None:
        metric = name + ("" if self.total else "_breakdown") + suffix
        self.figures[key(metric, self.common | labels)] = Figure(value, precision)

    def count(self, s: Series, n: int) -> None:
        if n or self.total:
            self.add(s.name, "", s.labels, n, "exact")

    def quotient(self, s: Series, top: int, base: int) -> None:
        if base:
            self.add(s.name, "", s.labels, top / base, "relative")
        if top or base or self.total:
            self.add(s.name, "_numerator", s.labels, top, "exact")
            self.add(s.name, "_denominator", s.labels, base, "exact")

    def times(self, labels: dict[str, str], spent: list[int]) -> None:
        """``spent``: microseconds, ascending."""
        name, n = "funnel_time_to_close_seconds", len(spent)
        if n or self.total:
            self.add(name, "_sum", labels, sum(spent) / 1e6, "relative")
            self.add(name, "_count", labels, n, "exact")
        if n:
            self.add(name, "", labels, sum(spent) / n / 1e6, "relative")
            median, ninth = spent[-(-n // 2) - 1], spent[-(-9 * n // 10) - 1]
            self.add(name, "_quantile", labels | {"quantile": "0.5"}, median / 1e6, "quantile")
            self.add(name, "_quantile", labels | {"quantile": "0.9"}, ninth / 1e6, "quantile")


def inside(at: str) -> str:
    return f"coalesce({at} BETWEEN begins AND as_of, false)"


def settled(stage: str, days: int, pane: str) -> str:
    """In the window by the first pane that starts ``days`` days after the stage was reached."""
    due = f"({stage} + INTERVAL '{days} days')"
    first = f"(date_trunc('{pane}', {due} - INTERVAL '1 microsecond') + INTERVAL '1 {pane}')"
    return f"coalesce({first} BETWEEN begins AND last_pane, false)"
