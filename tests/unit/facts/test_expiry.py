"""Deals leave the state when they are over, and nothing that comes later brings them back."""

import random
from collections import Counter
from typing import Any

import pytest

from funnel_stream.contract.event import LOST, WON
from funnel_stream.definition import Definition
from funnel_stream.facts import deals as deals_module
from funnel_stream.facts.deals import FENCE_KEY, Deals
from funnel_stream.facts.expiry import DueDays, Stubs, digest_of
from funnel_stream.facts.journey import Former, lives
from funnel_stream.replay.compute import LineRecord, as_record
from funnel_stream.streaming import changelog
from tests.funnels import NOW, at, event, lines, micros, stage

KEPT = Definition(closed_retention_days=10, windows=("24h",), horizons=("1d",))
DAY = 86_400_000_000


def records(*events: dict[str, Any]) -> list[LineRecord]:
    now_ms = int(NOW.timestamp() * 1000)
    return [as_record(n, line, now_ms) for n, line in enumerate(lines(list(events)))]


class State:
    """A partition's deals, and the changelog that they write."""

    def __init__(self, definition: Definition = KEPT, **options: Any) -> None:
        self.deals = Deals(definition, **options)
        self.changelog: dict[bytes, bytes] = {}
        self.counts: Counter[str] = Counter()
        self._definition, self._options = definition, options

    def fold(self, *events: dict[str, Any]) -> Counter[str]:
        """What these did; all that is written goes to the changelog."""
        fold = self.deals.fold(records(*events))
        assert not fold.rejected
        for key, row in fold.changed.items():
            if row is None:
                self.changelog.pop(key, None)
            else:
                self.changelog[key] = row
        self.changelog[FENCE_KEY] = fold.fence
        self.counts += fold.counts
        return fold.counts

    def day(self, days: float) -> Counter[str]:
        """Another deal, which stays open, is heard of then: twice, as few are looked at at once."""
        return self.fold(*(stage("tick", "lead", at(days=days)) for _ in range(2)))

    def restart(self) -> None:
        """Another worker takes over; the rows come in any order."""
        rows = list(self.changelog.items())
        random.Random(1).shuffle(rows)
        self.deals = Deals(self._definition, **self._options)
        for key, row in rows:
            self.deals.restore(key, row)
        for _ in self.deals.settle():
            pass

    def holds(self, deal: str) -> int:
        """How many deals of that id are held."""
        row = self.deals.row(deal.encode())
        return len(lives(row, self._definition.retention_us)) if row else 0


def test_a_closed_deal_leaves_and_an_open_one_does_not() -> None:
    state = State()
    spend = event(
        "spend_recorded", "", at(), channel="tv", amount=1, currency="EUR", event_id="spent"
    )
    del spend["deal_id"]
    state.fold(stage("closed", "won", at()), stage("open", "offer", at()), spend)
    assert state.day(10)["expired"] == 0
    assert state.day(11)["expired"] == 2
    assert b"deal/closed" not in state.changelog
    assert state.holds("open") == 1
    assert (state.deals.stubs, state.deals.untouched) == (1, 1)
    state.restart()
    assert (state.deals.stubs, state.deals.untouched) == (1, 1)


def test_a_deal_without_a_stage_leaves_too() -> None:
    state = State()
    state.fold(event("deal_updated", "bulk", at(), owner="x"))
    state.fold(event("activity_recorded", "called", at(), activity="call"))
    state.day(11)
    assert len(state.deals) == 1, "the one of the day"
    assert state.deals.stubs == 2


def test_the_gap_is_more_than_the_days_that_are_kept() -> None:
    for seconds, deals in ((0, 1), (1, 2)):
        for arrival in (1, -1):
            state = State()
            told = [stage("d", "lead", at(days=-1)), stage("d", "won", at())]
            told.append(stage("d", "lead", at(days=10, seconds=seconds)))
            state.fold(*told[::arrival])
            assert state.holds("d") == deals
            state.restart()
            assert state.holds("d") == deals


def test_what_comes_late_for_a_deal_that_left_is_dropped_and_starts_nothing() -> None:
    state = State()
    state.fold(stage("d", "lead", at(days=-1)), stage("d", "won", at()))
    state.day(11)
    for _ in range(2):
        again = state.fold(
            stage("d", "offer", at(hours=-3)),
            stage("d", "negotiation", at(days=10)),
            event("activity_recorded", "d", at(days=-300), activity="call"),
        )
        assert again == {"expired_dropped": 3}
        assert state.holds("d") == 0
        state.restart()
    assert state.fold(stage("d", "lead", at(days=10, seconds=1)))["accepted"] == 1
    assert state.holds("d") == 1
    # The new one knows whom it follows, also when it is stored.
    state.restart()
    assert state.fold(stage("d", "offer", at(days=10)))["expired_dropped"] == 1
    assert state.deals.stubs == 0


def test_late_events_do_not_make_it_leave_later() -> None:
    state = State()
    state.fold(stage("d", "won", at()))
    state.day(11)
    state.fold(stage("d", "offer", at(days=9)))
    assert state.fold(stage("d", "lead", at(days=10, seconds=1)))["accepted"] == 1


def test_a_deal_that_came_back_goes_on_when_the_former_one_leaves() -> None:
    state = State()
    state.fold(stage("d", "won", at()), stage("d", "lead", at(days=10, hours=1)))
    assert state.holds("d") == 2
    assert state.day(11)["expired"] == 1
    assert (state.holds("d"), state.deals.stubs) == (1, 0)
    state.fold(stage("d", "lost", at(days=12)))
    assert state.day(23)["expired"] == 1
    assert (state.holds("d"), state.deals.stubs) == (0, 1)


@pytest.mark.parametrize("outcome", ["won", "lost"])
def test_an_outcome_that_is_said_again_starts_nothing(outcome: str) -> None:
    """A CRM saves thousands of old deals again."""
    state = State()
    ids = [f"d{n}" for n in range(40)]
    state.fold(*(stage(deal, outcome, at()) for deal in ids))
    state.day(11)
    before = facts_of(state.deals)
    again = state.fold(*(stage(deal, outcome, at(days=12), owner="x") for deal in ids))
    assert again["repeated_outcomes"] == 40
    assert facts_of(state.deals) == before
    state.restart()
    assert facts_of(state.deals) == before
    state.day(23)
    assert state.holds("d0") == 0
    assert state.deals.stubs == 40
    other = "lost" if outcome == "won" else "won"
    state.fold(stage("d1", other, at(days=24)))
    assert facts_of(state.deals) > before, "but another outcome does"


def facts_of(deals: Deals) -> int:
    return sum(len(block) for block in deals.snapshot())


def test_what_follows_an_outcome_said_again_is_a_new_deal() -> None:
    state = State()
    state.fold(stage("d", "lost", at()))
    state.day(11)
    state.fold(stage("d", "lost", at(days=12)), stage("d", "lead", at(days=13)))
    row = state.deals.row(b"d")
    assert row is not None
    [deal] = lives(row, KEPT.retention_us)
    assert deal.entered[LOST] == []
    assert deal.reached[0] == micros(days=13)
    assert (deal.first_at, deal.outcome) == (micros(days=12), None)


def test_newest_first_makes_no_phantom() -> None:
    story = [
        stage("d", "lead", at()),
        stage("d", "offer", at(days=1)),
        stage("d", "won", at(days=2)),
    ]
    for arrival in (1, -1):
        state = State()
        state.fold(*[*story, stage("new", "lead", at(days=300))][::arrival])
        assert state.counts["expired_dropped"] == 0
        state.day(301)
        assert state.holds("d") == 0
        assert state.deals.untouched == 0


def test_an_open_deal_that_is_touched_again_is_untouched_no_more() -> None:
    state = State()
    state.fold(stage("d", "offer", at()))
    state.day(11)
    assert state.deals.untouched == 1
    state.fold(event("activity_recorded", "d", at(days=12), activity="call"))
    assert state.deals.untouched == 0
    state.day(22)
    assert state.deals.untouched == 0
    state.day(24)
    assert state.deals.untouched == 1
    state.fold(stage("d", "won", at(days=25)))
    assert state.day(36)["expired"] >= 1
    assert (state.holds("d"), state.deals.untouched) == (0, 0)


def test_an_erased_deal_is_not_remembered_as_one_that_left() -> None:
    state = State()
    state.fold(stage("d", "won", at()), stage("open", "lead", at()))
    state.day(11)
    state.fold({"type": "deal_erased", "deal_id": "d"}, {"type": "deal_erased", "deal_id": "open"})
    assert (state.deals.stubs, state.deals.untouched) == (0, 0)
    assert not [key for key in state.changelog if key.startswith(b"stub/")]


def test_beyond_the_limit_those_that_left_first_are_forgotten() -> None:
    state = State(max_stubs=3)
    for n in range(5):
        state.fold(stage(f"d{n}", "won", at(days=n)))
    state.day(30)
    state.day(31)
    assert state.counts["expired"] == 5
    assert state.counts["stubs_evicted"] == 2
    assert state.deals.stubs == 3
    assert len([key for key in state.changelog if key.startswith(b"stub/")]) == 3
    assert state.fold(stage("d4", "lead", at()))["expired_dropped"] == 1
    assert state.fold(stage("d0", "lead", at()))["accepted"] == 1


def test_a_day_on_which_very_many_are_due_is_taken_in_parts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(deals_module, "_AT_ONCE", 3)
    state = State()
    state.fold(*(stage(f"d{n}", "won", at()) for n in range(10)))
    left = [state.fold(stage("tick", "lead", at(days=11 + n)))["expired"] for n in range(4)]
    assert left == [3, 3, 3, 1]


def test_days_on_which_nothing_is_due_cost_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    state = State(Definition())
    looked: list[bytes] = []
    state.fold(*(stage(f"d{n}", ("offer", "won")[n % 2], at(days=n / 3)) for n in range(100)))
    usual = Deals._expire
    monkeypatch.setattr(
        Deals, "_expire", lambda self, key, fold: (looked.append(key), usual(self, key, fold))
    )
    for day in range(40, 400):
        state.day(day)
    assert looked == []
    for day in range(400, 440):
        state.day(day)
    assert len([key for key in looked if key.startswith(b"deal/d")]) == 100


def test_stubs_tell_when_and_how() -> None:
    stubs = Stubs(10)
    for outcome in (None, WON, LOST):
        stubs.put(digest_of(b"x"), Former(7 * DAY + 1, outcome))
        assert stubs.get(digest_of(b"x")) == Former(7 * DAY + 1, outcome)
    assert stubs.pop(digest_of(b"x"))
    assert not stubs.pop(digest_of(b"x"))
    assert stubs.get(digest_of(b"x")) is None


def test_a_key_is_due_on_the_day_that_begins_after() -> None:
    due = DueDays()
    due.pass_to(5)
    for key, when in ((b"a", 0), (b"b", 6 * DAY - 1), (b"c", 6 * DAY), (b"d", 9 * DAY)):
        due.add(key, when)
    due.pass_to(6)
    assert list(due.over) == [b"a", b"b"]
    due.over.clear()
    due.pass_to(8)
    assert list(due.over) == [b"c"]


def test_an_erasure_forgets_only_who_left_before_it() -> None:
    """What occurred later was not erased: it stays known that it did, and how it ended."""
    erasure = {"type": "deal_erased", "deal_id": "d", "occurred_at": at(days=-5)}
    for back in (False, True):
        state = State()
        state.fold(stage("d", "won", at()))
        state.day(11)
        if back:
            assert state.fold(stage("d", "won", at(days=12)))["repeated_outcomes"] == 1
        before = facts_of(state.deals)
        state.fold(erasure)
        state.restart()
        assert facts_of(state.deals) == before
        assert state.fold(stage("d", "offer", at(days=-1)))["expired_dropped"] == 1
        state.fold(erasure | {"occurred_at": at(days=20)})
        assert (state.holds("d"), state.deals.stubs) == (0, 0)


def test_a_row_that_remembers_is_no_deal_however_long_deals_are_kept() -> None:
    """Whoever keeps them for longer from now on does not see the former ones rise."""
    state = State()
    state.fold(stage("d", "won", at()))
    state.day(11)
    state.fold(stage("d", "won", at(days=12)))
    row = state.deals.row(b"d")
    assert row is not None
    [deal] = lives(row, 1000 * DAY)
    assert (deal.stage, deal.outcome, deal.attributes) == (None, WON, {})


def test_the_reason_said_again_is_not_that_of_the_next_loss() -> None:
    state = State(Definition())
    state.fold(
        stage("d", "lost", at(days=-500), lost_reason="old"),
        stage("d", "lost", at(), lost_reason="old"),
        stage("d", "lead", at(days=1)),
        stage("d", "lost", at(days=2)),
    )
    row = state.deals.row(b"d")
    assert row is not None
    assert "lost_reason" not in lives(row, Definition().retention_us)[-1].attributes


def test_who_left_and_what_remembers_him_are_written_together() -> None:
    """A batch that does not fit is written in pieces, and a worker may die between two of them."""
    state = State()
    state.fold(stage("d", "lead", at(days=-1)), stage("d", "won", at()))
    fold = state.deals.fold(
        records(
            stage("d", "offer", at(hours=-9)),
            *(stage(f"fat{n}", "lead", at(hours=1), owner="x" * 900) for n in range(1500)),
            stage("tick", "lead", at(days=11)),
            stage("tick", "lead", at(days=11)),
        )
    )
    pieces = list(changelog._cut(fold.changed))
    assert len(pieces) > 1
    [stub] = [key for key in fold.changed if key.startswith(b"stub/")]
    assert [{b"deal/d", stub} & piece.keys() for piece in pieces if b"deal/d" in piece] == [
        {b"deal/d", stub}
    ]
