"""Life as it is: deals are erased, corrected, moved to another pipeline, reopened."""

import random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from funnel_stream.kpis.accounting import violations
from tests.funnels import Figures, at, computed, event, figures, micros, stage
from tests.properties.stories import Story, stories
from tests.properties.streams import Stream, all_figures, differing

FEW = settings(max_examples=60)
deals = st.integers(0, 4).map("d{}".format)
END = micros(days=150)
"""After everything that a funnel of 60 days does."""

Events = list[dict[str, Any]]


def without(events: Events, deal: str) -> Events:
    return [each for each in events if each.get("deal_id") != deal]


@FEW
@given(stories(moments=1), deals, st.randoms(use_true_random=False))
def test_an_erasure_leaves_no_trace(story: Story, deal: str, rng: random.Random) -> None:
    """Neither of what came before it nor of what comes late or again."""
    events, definition, [as_of] = story
    erasure = {"type": "deal_erased", "deal_id": deal}
    erased = list(events)
    for _ in range(rng.randrange(1, 3)):
        erased.insert(rng.randrange(len(erased) + 1), erasure)
    erased += [each for each in events if each.get("deal_id") == deal][:2]
    never_there = figures(computed(without(events, deal), as_of, definition))
    assert differing(figures(computed(erased, as_of, definition)), never_there) == {}

    live = Stream(definition)
    live.fold(*events)
    live.publish()
    live.advance(as_of)
    live.fold(erasure)
    live.publish()
    others = Stream(definition)
    others.fold(*without(events, deal))
    others.publish()
    others.advance(as_of)
    assert differing(all_figures(live.snapshot()), all_figures(others.snapshot())) == {}


_corrections = st.fixed_dictionaries(
    {},
    optional={
        "channel": st.sampled_from(["a", "b", "Ω", "new", "x" * 130]),
        "source": st.sampled_from(["a", "new"]),
        "product": st.sampled_from(["a", "b", "new"]),
        "owner": st.sampled_from(["a", "b", "new"]),
        "pipeline": st.sampled_from(["a", "b", "default"]),
        "lost_reason": st.sampled_from(["a", "price"]),
        "score": st.sampled_from([0, 5, 7.25]),
        "problems": st.lists(st.sampled_from(["price", "size"]), max_size=2),
        "desired_outcomes": st.lists(st.sampled_from(["time", "trust"]), max_size=2),
        "first_touch_at": st.sampled_from([at(days=-3), at(days=2), at(days=30, seconds=1)]),
        "offer_requested_at": st.sampled_from([at(days=1), at(days=20)]),
    },
)


@FEW
@given(stories(moments=1), deals, _corrections)
def test_a_corrected_deal_is_as_if_it_had_always_been_so(
    story: Story, deal: str, right: dict[str, Any]
) -> None:
    """Every attribute but money, which an offer has as it was at its time, and what is kept as it
    was first given. A reason is that of a closing, and known after it only."""
    events, definition, [as_of] = story
    right = {k: v for k, v in right.items() if k not in definition.first_touch()}
    wrong = [*events, event("deal_updated", deal, at(days=100), event_id="correction", **right)]
    always = [_without(each, right) if each.get("deal_id") == deal else each for each in events]
    reason = {k: v for k, v in right.items() if k == "lost_reason"}
    given = {k: v for k, v in right.items() if k not in reason}
    always.append(event("deal_updated", deal, at(days=-100), event_id="start", **given))
    always.append(event("deal_updated", deal, at(days=100), event_id="end", **reason))
    as_of = max(as_of, END)
    assert (
        differing(
            figures(computed(wrong, as_of, definition)),
            figures(computed(always, as_of, definition)),
        )
        == {}
    )


def _without(happened: dict[str, Any], names: dict[str, Any]) -> dict[str, Any]:
    """As if it had neither given nor cleared these."""
    left = {name: given for name, given in happened.items() if name not in names}
    if "cleared" in left:
        left["cleared"] = [name for name in left["cleared"] if name not in names]
    return left


def non_zero(found: Figures, *, without_pipeline: str = "") -> Figures:
    return {
        (metric, labels): value
        for (metric, labels), value in found.items()
        if value and ("pipeline", without_pipeline) not in labels
    }


@FEW
@given(stories(moments=1), deals)
def test_a_deal_that_moved_to_another_pipeline_left_nothing_behind(story: Story, deal: str) -> None:
    events, definition, [as_of] = story
    moved = [*events, event("deal_updated", deal, at(days=100), pipeline="elsewhere")]
    as_of = max(as_of, END)
    ours = non_zero(figures(computed(moved, as_of, definition)), without_pipeline="elsewhere")
    assert (
        differing(ours, non_zero(figures(computed(without(events, deal), as_of, definition)))) == {}
    )


CLOSING = (
    "deals_closed",
    "deal_value",
    "win_ratio",
    "time_to_close_seconds",
    "lost_deals",
    "lost_value",
    "negotiation_seconds",
    "negotiation_rounds",
    "negotiation_success_ratio",
    "discount_ratio",
    "value_retention_ratio",
    "margin_ratio",
)
"""KPIs of deals that were closed: an open deal has no part in them."""


def of_closings(found: Figures) -> Figures:
    """Totals alone: which values a breakdown shows depends on the leads."""
    return {
        (metric, labels): value
        for (metric, labels), value in non_zero(found).items()
        if "_breakdown" not in metric
        and (
            any(metric.startswith(f"funnel_{kpi}") for kpi in CLOSING)
            or (metric.startswith("funnel_offer_acceptance") and ("basis", "period") in labels)
        )
    }


@FEW
@given(stories(moments=1), deals, st.sampled_from(["lead", "offer", "negotiation"]))
def test_a_reopened_deal_has_no_closing(story: Story, deal: str, back: str) -> None:
    """Nor a reason for its loss, a value, a discount: as if it were not there."""
    events, definition, [as_of] = story
    as_of = max(as_of, END)
    reopened = [*events, stage(deal, back, at(days=100))]
    ours = of_closings(figures(computed(reopened, as_of, definition)))
    theirs = of_closings(figures(computed(without(events, deal), as_of, definition)))
    assert differing(ours, theirs) == {}


@FEW
@given(stories(moments=1))
def test_every_deal_that_reached_a_stage_has_one_fate(story: Story) -> None:
    events, definition, [as_of] = story
    assert violations(computed(events, as_of, definition).snapshot) == []
