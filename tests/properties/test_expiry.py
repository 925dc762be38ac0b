"""Years of a funnel: what a deal is does not depend on when one hears of it."""

import random
from typing import Any, Final

from hypothesis import given, settings
from hypothesis import strategies as st

from funnel_stream.definition import Definition
from funnel_stream.definition.fields import OPEN_STAGES
from tests.funnels import Figures, at, computed, event, figures, micros, stage
from tests.properties.streams import Stream, all_figures, differing

DEFINITION: Final = Definition(dimensions=("channel",), top_n=3)
FIRST_DAY, LAST_DAY = -800, 440
"""Days of the history, as seen from the start of the story: three years and five months."""
END: Final = micros(days=LAST_DAY + 10)
_GAPS: Final = (1, 30, 200, 399, 400, 401, 500)
_SECONDS: Final = (0, 0, 1, -1, 3_600)
_PATHS: Final = (
    ("lead", "offer", "won"),
    ("lead", "lost"),
    ("offer",),
    ("won",),
    ("lost",),
    ("won", "lost"),
    (),
)

Events = list[dict[str, Any]]


def years(rng: random.Random, deals: int) -> Events:
    """A history in the order of time: deals that are closed and come back after about the time for
    which they are kept, are only talked to, are saved again long after; and money spent."""
    found = [each for n in range(deals) for each in _deal(rng, f"d{n}")]
    for n in range(rng.randrange(4)):
        when = at(days=rng.randrange(FIRST_DAY, LAST_DAY))
        spend = event("spend_recorded", "", when, channel="a", amount=7 * n, currency="EUR")
        found.append({name: value for name, value in spend.items() if name != "deal_id"})
    return sorted(found, key=lambda each: each["occurred_at"])


def _deal(rng: random.Random, deal: str) -> Events:
    day, found = float(rng.randrange(FIRST_DAY, LAST_DAY)), Events()
    while day < LAST_DAY:
        for name in rng.choice(_PATHS):
            channel = {"channel": rng.choice("ab")} if rng.random() < 0.3 else {}
            found.append(stage(deal, name, at(days=day), **channel))
            day += rng.choice((0, 0.5, 3, 40))
        if rng.random() < 0.3:
            found.append(event("activity_recorded", deal, at(days=day), activity="call"))
        if rng.random() < 0.3:
            found.append(event("deal_updated", deal, at(days=day), channel=rng.choice("ab")))
        day += rng.choice(_GAPS) + rng.choice(_SECONDS) / 86_400
        if rng.random() < 0.4:
            break
    return [each for each in found if each["occurred_at"] < at(days=LAST_DAY)]


def in_another_order(rng: random.Random, events: Events) -> Events:
    """As they arrive: newest first, all mixed up, a few late, or the file twice."""
    arriving = list(events)
    match rng.randrange(5):
        case 0:
            arriving.reverse()
        case 1:
            rng.shuffle(arriving)
        case 2:
            for _ in range(rng.randrange(1, 4)):
                if arriving:
                    late = arriving.pop(rng.randrange(len(arriving)))
                    arriving.insert(rng.randrange(len(arriving) + 1), late)
        case 3:
            arriving += arriving
        case _:
            arriving += rng.sample(arriving, min(3, len(arriving)))
    return arriving


histories = st.builds(
    years, st.integers(0, 1 << 32).map(random.Random), st.sampled_from([1, 3, 12])
)
seeds = st.integers(0, 1 << 32).map(random.Random)


@settings(max_examples=150)
@given(histories, seeds)
def test_a_file_means_the_same_in_every_order(events: Events, rng: random.Random) -> None:
    in_order = figures(computed(events, END, DEFINITION))
    again = computed(in_another_order(rng, events), END, DEFINITION)
    assert differing(figures(again), in_order) == {}
    assert again.counts["expired_dropped"] == 0


@settings(max_examples=250)
@given(histories, seeds, st.sampled_from([1, 4]))
def test_a_stream_shows_what_the_file_does(
    events: Events, rng: random.Random, partitions: int
) -> None:
    """Wherever nothing was dropped; and a deal that is not open is open nowhere."""
    expected = figures(computed(events, END, DEFINITION))
    stream = Stream(DEFINITION, partitions)
    arriving, dropped = in_another_order(rng, events), 0
    while arriving:
        size = rng.choice((1, 5, 100))
        some, arriving = arriving[:size], arriving[size:]
        counts = stream.fold(*some)
        dropped += counts["expired_dropped"]
        if rng.random() < 0.1:
            stream.publish()
        if rng.random() < 0.1:
            stream.hand_over(rng.randrange(partitions), rng)
    stream.publish()
    stream.advance(END)
    shown = all_figures(stream.snapshot())
    if not dropped:
        assert differing(shown, expected) == {}
    for name in OPEN_STAGES:
        assert open_in(shown, name) <= open_in(expected, name)


def open_in(found: Figures, name: str) -> float:
    labels = {"pipeline": "default", "stage": name}
    return found.get(("funnel_open_deals", frozenset(labels.items())), 0.0)
