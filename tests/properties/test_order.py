"""When and in which order events arrive, how often, and in how many pieces, changes no figure."""

import json
import random
from datetime import timedelta
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from funnel_stream.definition import Definition
from funnel_stream.tools.simulator import Simulator
from tests.funnels import START, computed, figures, micros
from tests.properties.stories import Story, stories
from tests.properties.streams import Stream, all_figures, at_once, differing

MANY = settings(max_examples=70)
FEW = settings(max_examples=45)
seeds = st.randoms(use_true_random=False)


@MANY
@given(stories(moments=1), seeds)
def test_order_and_duplicates_do_not_matter(story: Story, rng: random.Random) -> None:
    events, definition, [as_of] = story
    shuffled = events + rng.choices(events, k=len(events) // 2) if events else []
    rng.shuffle(shuffled)
    in_order = figures(computed(events, as_of, definition))
    assert differing(figures(computed(shuffled, as_of, definition)), in_order) == {}


@MANY
@given(stories(), seeds)
def test_incremental_equals_recomputed(story: Story, rng: random.Random) -> None:
    """Differences published at any moments, between any moves of time, end at the same figures."""
    events, definition, moments = story
    stream = Stream(definition)
    cuts = sorted(rng.choices(range(len(events) + 1), k=len(moments)))
    for (start, cut), moment in zip(pairwise([0, *cuts]), moments, strict=True):
        stream.fold(*events[start:cut])
        stream.publish()
        stream.advance(moment)
        expected = at_once(definition, events[:cut], moment)
        assert stream.snapshot().totals == expected.totals
        assert differing(all_figures(stream.snapshot()), all_figures(expected)) == {}


@FEW
@given(stories(moments=5))
def test_time_passes_without_events(story: Story) -> None:
    """Stuck deals, ages, rates of today, matured conversions: the clock alone moves them."""
    events, definition, moments = story
    stream = Stream(definition)
    stream.fold(*events)
    stream.publish()
    for moment in moments:
        stream.advance(moment)
        expected = at_once(definition, events, moment)
        assert stream.snapshot().totals == expected.totals
        assert differing(all_figures(stream.snapshot()), all_figures(expected)) == {}


@FEW
@given(stories(), seeds)
def test_a_late_event_restates_the_past(story: Story, rng: random.Random) -> None:
    """From its arrival on, the stream shows what one shows that had it in time; and so do the
    figures as of instants before it arrived."""
    events, definition, moments = story
    if not events:
        return
    late = rng.choice(events)
    in_time = sorted(events, key=lambda event: event["occurred_at"])
    others = [event for event in in_time if event is not late]
    punctual, surprised = Stream(definition), Stream(definition)
    arrival = rng.randrange(len(moments))
    punctual.fold(*in_time)
    surprised.fold(*others)
    for place, moment in enumerate(moments):
        if place == arrival:
            surprised.fold(late)
        for stream in (punctual, surprised):
            stream.publish()
            stream.advance(moment)
        if place >= arrival:
            ours, theirs = all_figures(surprised.snapshot()), all_figures(punctual.snapshot())
            assert differing(ours, theirs) == {}
        ours = figures(computed([*others, late], moment, definition))
        assert differing(ours, figures(computed(in_time, moment, definition))) == {}


def test_many_deals_day_by_day() -> None:
    """A company's 40 days, each published and shown by itself, are what they are at once."""
    definition = Definition(dimensions=("channel", "owner+product"), stuck_after={"offer": "3d"})
    simulator = Simulator(start=START, deals_per_day=30, seed=3)
    history = [json.loads(line) for line in simulator.history(START + timedelta(days=40))]
    stream = Stream(definition)
    size = len(history) // 40
    for day, start in enumerate(range(0, len(history), size), start=1):
        stream.fold(*history[start : start + size])
        stream.publish()
        stream.advance(micros(days=day))
        if day % 10 == 0:
            expected = at_once(definition, history[: start + size], micros(days=day))
            assert stream.snapshot().totals == expected.totals
