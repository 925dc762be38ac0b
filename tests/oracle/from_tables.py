"""The KPIs a third time: SQL directly over a table with one row per deal.

The real funnels need neither events nor journeys: their tables say when each deal got where. A
table ``deals`` with one row per deal (timestamps in UTC) has the columns ``lead, qualified,
potential, offer, negotiation, won`` (when it was reached), ``lost``, ``value`` (final amount) and
``list_price`` (amount of the offer, both in minor units) and one column per breakdown.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

import duckdb

from tests.oracle.oracle import Figure, Key
from tests.oracle.series import (
    Count,
    Mean,
    Money,
    Open,
    Quotient,
    Ratio,
    Row,
    Series,
    Velocity,
    WonPerDay,
    inside,
)

STAGES = ("lead", "qualified", "potential", "offer", "negotiation", "won")
OPEN = STAGES[:5]
PAIRS = [(a, b) for i, a in enumerate(STAGES) for b in STAGES[i + 1 :]]
MATURED = [(a, b) for a, b in PAIRS if a == "lead" or (a, b) == ("offer", "won")] + [
    (a, b) for a, b in pairwise(STAGES[1:])
]
ALL_MOVES = [(a, b) for a in (*STAGES, "lost") for b in (*STAGES, "lost") if a != b]
ACTIVITIES = ("meeting", "audit", "call", "negotiation_round")
WINDOWS = (
    ("1h", "1 hour", "minute"),
    ("24h", "24 hours", "hour"),
    ("7d", "168 hours", "hour"),
    ("30d", "720 hours", "hour"),
    ("365d", "365 days", "day"),
)
NEVER = "NULL::TIMESTAMP"


class Move(NamedTuple):
    """One kind of move, and the column that says when it took place."""

    from_stage: str
    to_stage: str
    at: str


class Span(NamedTuple):
    """A duration from one time to another; it belongs to the window of the later one."""

    begins: str
    ends: str


NO_SPAN = Span(NEVER, NEVER)


class Tables:
    """Figures of the table ``deals`` of a database, whose deals know few kinds of moves."""

    def __init__(
        self,
        database: duckdb.DuckDBPyConnection,
        *,
        moves: Sequence[Move],
        open_in: str,
        stays: Mapping[str, Span],
        prepared: Span = NO_SPAN,
        currency: str | None = None,
    ) -> None:
        """``open_in``: the stage of all deals that are not closed. ``stays``: of the stages that
        have events of their own. There is an offer if it was ``prepared``; ``currency``: of all
        amounts."""
        self.database = database
        self.moves = {(move.from_stage, move.to_stage): move.at for move in moves}
        self.open_in = open_in
        self.stays = stays
        self.prepared = prepared
        self.offer = prepared.ends
        self.money = {"currency": currency or ""}

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
                series = list(self._series(pane, matured=name != "1h"))
                result |= self._window({"window": name}, dimension, series, length, pane)
            result |= self._window({}, dimension, list(self._present()), "1 hour", "minute")
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

    def _window(
        self,
        window: dict[str, str],
        dimension: str,
        series: Sequence[Series],
        length: str,
        pane: str,
    ) -> dict[Key, Figure]:
        columns = [column for s in series for column in s.columns()]
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
            common = {"pipeline": "default"} | window
            if dimension:
                common |= {"dimension": dimension, "value": grp}
            row, values = Row(common), iter(cells)
            for s in series:
                s.show(row, *(next(values) for _ in s.columns()))
            result |= row.figures
        return result

    def _series(self, pane: str, *, matured: bool) -> Iterator[Series]:
        yield from self._counts()
        yield from self._conversions(pane, matured=matured)
        yield from self._times()
        yield from self._amounts()

    def _counts(self) -> Iterator[Series]:
        offered = f"{self.offer} IS NOT NULL"
        yield Count("leads", {}, reached("lead"))
        yield Count("qualified_leads", {}, reached("qualified"))
        yield Count("offers_sent", {}, reached(self.offer))
        yield Count("deals_offered", {}, reached(self.offer))
        for outcome in ("won", "lost"):
            yield Count("deals_closed", {"outcome": outcome}, reached(outcome))
        for stage in STAGES:
            yield Count("stage_entries", {"stage": stage}, reached(stage))
        for a, b in ALL_MOVES:
            at = self.moves.get((a, b), NEVER)
            yield Count("transitions", {"from_stage": a, "to_stage": b}, reached(at))
        for activity in ACTIVITIES:
            for outcome in ("held", "no_show"):
                yield Count("activities", {"activity": activity, "outcome": outcome}, "0")
            yield Ratio("activity_conversion_ratio", {"activity": activity}, "0", "0")
        for known, condition in (("true", offered), ("false", f"NOT ({offered})")):
            labels = {"reason": "__none__", "lost_from": self.open_in, "offered": known}
            lost = f"{inside('lost')} AND {condition}"
            yield Open("lost_deals", labels, f"count(*) FILTER ({lost})")
            yield Money("lost_value", labels | self.money, f"sum(value) FILTER ({lost})")

    def _conversions(self, pane: str, *, matured: bool) -> Iterator[Series]:
        leads, won, period, cohort = reached("lead"), reached("won"), {"basis": "period"}, {
            "basis": "cohort"}  # fmt: skip
        offers, closed = f"{self.offer} IS NOT NULL", f"({inside('won')} OR {inside('lost')})"
        yield Ratio("win_ratio", {}, won, f"{won} + {reached('lost')}")
        yield Ratio("negotiation_success_ratio", {}, "0", "0")
        yield Ratio("lead_quality_ratio", period, reached("qualified"), leads)
        yield Ratio("lead_quality_ratio", cohort, came("lead", "qualified"), leads)
        yield Ratio("sales_conversion_ratio", period, won, leads)
        yield Ratio("sales_conversion_ratio", cohort, came("lead", "won"), leads)
        yield Ratio(
            "offer_acceptance_ratio",
            period,
            f"count(*) FILTER ({inside('won')} AND {offers})",
            f"count(*) FILTER ({closed} AND {offers})",
        )
        yield Ratio("offer_acceptance_ratio", cohort, came(self.offer, "won"), reached(self.offer))
        for a, b in PAIRS:
            labels = {"from_stage": a, "to_stage": b}
            yield Ratio("conversion_ratio", labels | period, reached(b), reached(a))
            yield Ratio("conversion_ratio", labels | cohort, came(a, b), reached(a))
            for days in (1, 7, 30) if matured and (a, b) in MATURED else ():
                old = f"count(*) FILTER ({settled(a, days, pane)})"
                soon = f"{b} - {a} <= INTERVAL '{days} days'"
                done = f"count(*) FILTER ({settled(a, days, pane)} AND {soon})"
                horizon = {"basis": "matured", "horizon": f"{days}d"}
                yield Ratio("conversion_ratio", labels | horizon, done, old)

    def _times(self) -> Iterator[Series]:
        yield lasted("lead_acquisition_seconds", {}, NO_SPAN)
        yield lasted("offer_preparation_seconds", {}, self.prepared)
        yield lasted("negotiation_seconds", {}, NO_SPAN)
        yield Mean("negotiation_rounds", {}, "NULL", NEVER)
        for outcome in ("won", "lost"):
            yield lasted("time_to_close_seconds", {"outcome": outcome}, Span("lead", outcome))
        for stage in OPEN:
            span = self.stays.get(stage, NO_SPAN)
            yield lasted("stage_duration_seconds", {"stage": stage}, span)
        for known in ("true", "false"):
            yield Mean("lead_score", {"qualified": known}, "NULL", NEVER)

    def _amounts(self) -> Iterator[Series]:
        for outcome in ("won", "lost"):
            closed = f"sum(value) FILTER ({inside(outcome)})"
            yield Money("deal_value", {"outcome": outcome} | self.money, closed)
        total, number = (f"{f}(list_price) FILTER ({inside(self.offer)})" for f in ("sum", "count"))
        yield Quotient("offer_value", self.money, total, number, 1, ("_sum", "_count"))
        offered = f"list_price > 0 AND {self.offer} IS NOT NULL"
        discount = f"if({offered}, (list_price - value) / list_price, NULL)"
        yield Mean("discount_ratio", {}, discount, "won", precision="discount")
        sold = f"{inside('won')} AND {offered} AND value IS NOT NULL"
        kept, asked = (f"sum({part}) FILTER ({sold})" for part in ("value", "list_price"))
        parts = ("_numerator", "_denominator")
        yield Quotient("value_retention_ratio", self.money, kept, asked, 100, parts)
        yield Velocity(self.money, "won IS NULL AND lost IS NULL")
        yield WonPerDay(self.money)

    def _present(self) -> Iterator[Series]:
        now_open = "won IS NULL AND lost IS NULL"
        for stage in OPEN:
            here = now_open if stage == self.open_in else "false"
            yield Count("open_deals", {"stage": stage}, f"count(*) FILTER ({here})")
            age = f"if({here}, epoch_us(as_of) - epoch_us({stage}), NULL)"
            yield Mean("open_age_seconds", {"stage": stage}, age, "as_of", 1_000_000)
        value = f"sum(list_price) FILTER ({now_open})"
        yield Money("open_value", {"stage": self.open_in} | self.money, value)


def lasted(name: str, labels: dict[str, str], span: Span) -> Mean:
    duration = f"(epoch_us({span.ends}) - epoch_us({span.begins}))"
    return Mean(name, labels, duration, span.ends, 1_000_000)


def reached(at: str) -> str:
    return f"count(*) FILTER ({inside(at)})"


def came(base: str, stage: str) -> str:
    return f"count(*) FILTER ({inside(base)} AND {stage} IS NOT NULL)"


def settled(stage: str, days: int, pane: str) -> str:
    """In the window by the first pane that starts ``days`` days after the stage was reached."""
    due = f"({stage} + INTERVAL '{days} days')"
    first = f"(date_trunc('{pane}', {due} - INTERVAL '1 microsecond') + INTERVAL '1 {pane}')"
    return f"coalesce({first} BETWEEN begins AND last_pane, false)"
