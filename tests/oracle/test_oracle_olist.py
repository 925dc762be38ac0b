"""Olist's real funnel: straight from its tables by SQL, and through import and compute."""

import csv
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.oracle import oracle
from tests.oracle.from_tables import Move, Span, Tables

pytestmark = pytest.mark.data

LEADS = "olist_marketing_qualified_leads_dataset.csv"
CLOSED = "olist_closed_deals_dataset.csv"

LEADS_AND_WON = {
    "organic_search": (2296, 271),
    "paid_search": (1586, 195),
    "social": (1350, 75),
    "unknown": (1099, 179),
    "direct_traffic": (499, 56),
    "email": (493, 15),
    "referral": (284, 24),
    "other": (150, 4),
    "display": (118, 6),
    "other_publicities": (65, 3),
    "__none__": (60, 14),
}
ALL_LEADS = "2018-06-01 00:00:00"
"""After the last lead and while the first one is still in the longest window."""
ALL_WON = "2018-11-15 00:00:00"

Answer = list[dict[str, Any]]


@pytest.fixture(scope="module")
def tables(olist: Path) -> Iterator[Tables]:
    with duckdb.connect() as database:
        database.execute(
            f"""
            CREATE TABLE deals AS
            WITH leads AS (FROM read_csv('{olist / LEADS}', all_varchar = true)),
                closed AS (FROM read_csv('{olist / CLOSED}', all_varchar = true))
            SELECT mql_id, nullif(origin, '') AS channel, nullif(business_segment, '') AS segment,
                nullif(sr_id, '') AS owner, won_date::TIMESTAMP AS won,
                least(first_contact_date::TIMESTAMP, won) AS lead,
                won AS qualified, won AS potential, won AS offer, won AS negotiation,
                NULL::TIMESTAMP AS lost, NULL::BIGINT AS value, NULL::BIGINT AS list_price
            FROM leads LEFT JOIN closed USING (mql_id)
            """
        )
        yield Tables(
            database,
            moves=[Move("lead", "won", "won")],
            open_in="lead",
            stays={"lead": Span("lead", "won")},
        )


@pytest.fixture(scope="module")
def events(olist: Path, imported: Callable[..., Path]) -> Path:
    return imported("olist", olist / LEADS, olist / CLOSED)


def instant(as_of: str) -> str:
    return as_of.replace(" ", "T") + "Z"


def test_known_figures_from_the_tables(tables: Tables) -> None:
    at_end = tables.figures(ALL_LEADS, ["channel"])
    won = tables.figures(ALL_WON, ["channel"])
    year = {"pipeline": "default", "window": "365d"}
    assert at_end[oracle.key("funnel_leads", year)].value == 8000
    assert won[oracle.key("funnel_deals_closed", year | {"outcome": "won"})].value == 842
    for channel, expected in LEADS_AND_WON.items():
        of = year | {"dimension": "channel", "value": channel}
        leads = at_end[oracle.key("funnel_leads_breakdown", of)].value
        closed = won[oracle.key("funnel_deals_closed_breakdown", of | {"outcome": "won"})].value
        assert (leads, closed) == expected, channel
    name, labels = "funnel_time_to_close_seconds", year | {"outcome": "won"}
    assert won[oracle.key(name, labels)].value / 86_400 == pytest.approx(49.102, abs=5e-4)
    median = tables.database.execute(
        "SELECT median(epoch(won) - epoch(lead)) FROM deals"
    ).fetchone()
    assert median is not None
    assert median[0] / 86_400 == pytest.approx(14.65, abs=5e-3)  # between the 421st and 422nd
    discrete = won[oracle.key(f"{name}_quantile", labels | {"quantile": "0.5"})].value
    assert discrete / 86_400 == pytest.approx(14.579, abs=5e-4)  # the 421st


def test_open_leads_from_the_tables(tables: Tables) -> None:
    """8,000 leads, of which 842 were won; the others are open for ever."""
    figures = tables.figures(ALL_WON, [])
    total = {"pipeline": "default", "stage": "lead"}
    assert figures[oracle.key("funnel_open_deals", total)].value == 8000 - 842
    row = tables.database.execute(
        """
        SELECT sum(epoch(TIMESTAMP '2018-11-15') - epoch(lead)) / count(*) FROM deals
        WHERE won IS NULL
        """
    ).fetchone()
    assert row is not None
    age = figures[oracle.key("funnel_open_age_seconds", total)]
    assert age.agrees(row[0])


@pytest.mark.parametrize(
    ("as_of", "dimensions"),
    [
        ("2017-12-31 23:59:59.999999", ["channel"]),
        (ALL_LEADS, ["channel"]),
        ("2019-05-30 12:00:00", ["segment"]),
    ],
)
def test_compute_gives_the_figures_of_the_tables(
    tables: Tables, events: Path, compute: Callable[..., Answer], as_of: str, dimensions: list[str]
) -> None:
    expected = tables.figures(as_of, dimensions)
    answer = compute(events, instant(as_of))
    oracle.compare(expected, answer, only=in_dimensions(dimensions), source="olist")


def test_sql_over_the_events_gives_the_figures_of_the_tables_and_of_compute(
    tables: Tables, events: Path, compute: Callable[..., Answer]
) -> None:
    figures = oracle.figures(events, instant(ALL_WON))
    dimensions = ["channel", "segment", "owner"]
    expected = tables.figures(ALL_WON, dimensions)
    oracle.compare(expected, oracle.samples(figures), only=in_dimensions(dimensions))
    oracle.compare(figures, compute(events, instant(ALL_WON)), source="olist")


def in_dimensions(dimensions: list[str]) -> Callable[[oracle.Key], bool]:
    """The totals and the breakdowns by these dimensions."""
    return lambda name: dict(name[1]).get("dimension", dimensions[0]) in dimensions


def test_one_window_and_one_dimension_can_be_asked_for(
    tables: Tables, events: Path, compute: Callable[..., Answer]
) -> None:
    def asked_for(name: oracle.Key) -> bool:
        """What is open now has no window and is always told."""
        labels = {"window": "365d"} | dict(name[1])
        return {"window": "365d", "dimension": "channel"}.items() <= labels.items()

    expected = tables.figures(ALL_WON, ["channel"])
    wanted = {name: figure for name, figure in expected.items() if asked_for(name)}
    assert wanted
    answer = compute(events, instant(ALL_WON), "--window", "365d", "--dimension", "channel")
    oracle.compare(wanted, answer)


def test_the_deal_won_before_its_first_contact_is_no_reopened_deal(
    olist: Path, events: Path
) -> None:
    with (olist / CLOSED).open(encoding="utf-8") as file:
        won = {row["mql_id"]: row["won_date"] for row in csv.DictReader(file)}
    trap = next(deal for deal in won if deal.startswith("b91cf881"))
    lines = [line for line in events.read_text("utf-8").splitlines() if trap in line]
    assert len(lines) == 2
    assert all(won[trap].replace(" ", "T") in line for line in lines)
