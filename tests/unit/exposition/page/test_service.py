"""The state of the service as the page tells it."""

from funnel_stream.exposition.page.service import Fact, service
from funnel_stream.reporting import Reporter
from tests.funnels import at, computed, micros, stage
from tests.unit.exposition.test_deals_api import holding
from tests.unit.exposition.workers import busy, idle, reporting

SNAPSHOT = computed([stage("a", "lead", at())], micros(days=2)).snapshot


def facts(reporter: Reporter) -> dict[str, tuple[str, str]]:
    return {fact.name: (fact.value, fact.more) for fact in service(SNAPSHOT, reporter).facts}


def test_a_worker_that_has_done_nothing_yet() -> None:
    assert facts(idle()) == {
        "Last event": ("none yet", ""),
        "Lag": ("0 events", "the figures include all events"),
        "Dead letters": ("0", "nothing was rejected"),
        "Events consumed": ("0", "since this worker started"),
        "Duplicates": ("0", "already known, changed nothing"),
        "Figures that do not add up": ("0", "every deal is accounted for once"),
    }


def test_a_worker_that_has_done_a_bit_of_everything() -> None:
    reporter = busy()
    reporter.observe_partition(2, lag=1200, rows=1)
    reporter.count_violations(2)
    found = facts(reporter)
    assert found["Lag"] == ("1,205 events", "")
    assert found["From event to figure"] == ("3.3 min", "on average")
    assert found["Dead letters"] == ("1", "kept in the dead-letter topic with the reason")
    assert found["Events consumed"][0] == "607"
    assert found["Amended"] == ("2", "an amount was rounded or left out, for example")
    assert found["Duplicates"][0] == "2"
    assert found["Figures that do not add up"] == ("2", "")


def test_how_old_the_last_event_is() -> None:
    reporter = reporting()
    reporter.publish(SNAPSHOT, newest=micros(days=1, hours=21, minutes=30))
    assert facts(reporter)["Last event"] == ("2.5 h ago", "at 2026-03-03 21:30:00 UTC")
    reporter.publish(SNAPSHOT, newest=micros(days=2, seconds=5))
    assert facts(reporter)["Last event"][0] == "0 s ago", "clocks differ"


def test_which_part_of_the_deals_is_here() -> None:
    some = holding(1, 3)
    some.observe_partition(1, lag=0, rows=11)
    some.observe_partition(3, lag=2, rows=1200)
    assert facts(some)["Partitions held here"] == ("2 of 4", "1, 3; other workers hold the others")
    assert facts(some)["Deals held here"] == ("1,211", "")
    assert facts(holding(0, 1, count=2))["Partitions held here"] == ("2 of 2", "all of them")
    none = ("0 of 4", "none; other workers hold the others")
    assert facts(holding())["Partitions held here"] == none


def test_refusals_by_reason_most_of_them_first() -> None:
    reporter = idle()
    reporter.count_batch(9, {}, {"not_json": 2, "too_large": 0, "no_deal_id": 5}, {})
    shown = service(SNAPSHOT, reporter)
    assert shown.rejected == [Fact("no_deal_id", "5"), Fact("not_json", "2")]
    assert facts(reporter)["Dead letters"][0] == "7"
