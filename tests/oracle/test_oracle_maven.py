"""Maven's CRM: straight from its tables by SQL, and through import and compute."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.oracle import oracle
from tests.oracle.from_tables import Move, Span, Tables

pytestmark = pytest.mark.data

FILES = ("sales_pipeline.csv", "products.csv", "accounts.csv")
ALL_CLOSED = "2018-01-01 00:00:00"
FROM_THE_FIRST = "2017-10-19 12:00:00"
"""The last day on which the first opportunity is still in the longest window."""
DIMENSIONS = ["owner", "product", "industry"]
CLOSED = "coalesce(won, lost)"
YEAR = {"pipeline": "default", "window": "365d"}

Answer = list[dict[str, Any]]


@pytest.fixture(scope="module")
def tables(maven: Path) -> Iterator[Tables]:
    with duckdb.connect() as database:
        for name in FILES:
            rows = f"FROM read_csv('{maven / name}', all_varchar = true)"
            database.execute(f"CREATE TABLE {Path(name).stem} AS {rows}")
        database.execute(
            """
            CREATE TABLE deals AS
            SELECT opportunity_id, sales_agent AS owner,
                CASE p.product WHEN 'GTXPro' THEN 'GTX Pro' ELSE p.product END AS product,
                CASE sector WHEN 'technolgy' THEN 'technology' ELSE sector END AS industry,
                engage_date::TIMESTAMP AS lead, lead AS qualified, lead AS potential, lead AS offer,
                if(deal_stage = 'Won', close_date::TIMESTAMP, NULL) AS won, won AS negotiation,
                if(deal_stage = 'Lost', close_date::TIMESTAMP, NULL) AS lost,
                100 * if(deal_stage = 'Won', close_value, sales_price)::BIGINT AS value,
                100 * sales_price::BIGINT AS list_price,
                deal_stage, close_value::BIGINT AS close_value, sales_price::BIGINT AS sales_price
            FROM sales_pipeline p
                JOIN products ON products.product = replace(p.product, 'GTXPro', 'GTX Pro')
                LEFT JOIN accounts ON accounts.account = p.account
            WHERE deal_stage <> 'Prospecting'
            """
        )
        moves = [
            Move("potential", "offer", "offer"),
            Move("offer", "won", "won"),
            Move("offer", "lost", "lost"),
        ]
        yield Tables(
            database,
            moves=moves,
            open_in="offer",
            stays={"potential": Span("potential", "offer"), "offer": Span("offer", CLOSED)},
            prepared=Span("potential", "offer"),
            currency="USD",
        )


@pytest.fixture(scope="module")
def events(maven: Path, imported: Callable[..., Path]) -> Path:
    return imported("maven_crm", *(maven / name for name in FILES))


def instant(as_of: str) -> str:
    return as_of.replace(" ", "T") + "Z"


def test_known_figures_from_the_tables(tables: Tables) -> None:
    figures = tables.figures(ALL_CLOSED, [])

    def value(metric: str, **labels: str) -> float:
        return figures[oracle.key(metric, YEAR | labels)].value

    assert value("funnel_deals_closed", outcome="won") == 4238
    assert value("funnel_deals_closed", outcome="lost") == 2473
    assert value("funnel_win_ratio") == 4238 / 6711
    assert value("funnel_deal_value", outcome="won", currency="USD") == 10_005_534
    cycle = value("funnel_time_to_close_seconds", outcome="won") / 86_400
    assert cycle == pytest.approx(51.78, abs=5e-3)
    above = tables.database.execute(
        "SELECT count(*) FROM deals WHERE deal_stage = 'Won' AND close_value > sales_price"
    ).fetchone()
    assert above == (2040,)


def test_known_prices_from_the_tables(tables: Tables) -> None:
    """Counted over the file: what was asked and paid for the won opportunities."""
    figures = tables.figures(ALL_CLOSED, [])
    row = tables.database.execute(
        """
        SELECT sum(close_value), sum(sales_price), avg((sales_price - close_value) / sales_price)
        FROM deals WHERE deal_stage = 'Won'
        """
    ).fetchone()
    assert row is not None
    paid, asked, discount = row

    def value(metric: str, **labels: str) -> float:
        return figures[oracle.key(metric, YEAR | labels)].value

    assert paid == 10_005_534
    retention = value("funnel_value_retention_ratio", currency="USD")
    assert retention == pytest.approx(paid / asked, rel=1e-12)
    assert value("funnel_value_retention_ratio_denominator", currency="USD") == asked
    assert value("funnel_discount_ratio") == pytest.approx(discount, rel=1e-12)
    assert value("funnel_discount_ratio_count") == 4238
    assert value("funnel_offer_acceptance_ratio", basis="period") == 4238 / 6711
    lost = {"reason": "__none__", "lost_from": "offer", "offered": "true"}
    assert value("funnel_lost_deals", **lost) == 2473
    still_open = {"pipeline": "default", "stage": "offer"}
    assert figures[oracle.key("funnel_open_deals", still_open)].value == 8800 - 500 - 6711


def test_compute_gives_the_figures_of_the_tables(
    tables: Tables, events: Path, compute: Callable[..., Answer]
) -> None:
    expected = tables.figures(FROM_THE_FIRST, DIMENSIONS)
    answer = compute(events, instant(FROM_THE_FIRST))
    oracle.compare(expected, answer, only=covered, source="maven")


def test_sql_over_the_events_gives_the_figures_of_the_tables_and_of_compute(
    tables: Tables, events: Path, compute: Callable[..., Answer]
) -> None:
    figures = oracle.figures(events, instant(ALL_CLOSED))
    oracle.compare(tables.figures(ALL_CLOSED, DIMENSIONS), oracle.samples(figures), only=covered)
    oracle.compare(figures, compute(events, instant(ALL_CLOSED)), source="maven")


def covered(name: oracle.Key) -> bool:
    return dict(name[1]).get("dimension", "owner") in DIMENSIONS
