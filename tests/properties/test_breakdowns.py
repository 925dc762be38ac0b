"""Breakdowns add up to their total, whichever values are shown; means and ratios to their parts."""

from collections import Counter, defaultdict
from typing import Any

from hypothesis import given, settings

from funnel_stream.kpis.samples import Sample, samples
from funnel_stream.kpis.scope import OTHER
from funnel_stream.windows.tables import NONE, Snapshot
from tests.funnels import computed
from tests.properties.stories import Story, stories
from tests.properties.streams import Stream, differing
from tests.properties.sums import SUMS, same, unreconciled

FEW = settings(max_examples=60)
SHOW_ALL = 10_000
OPEN_LABELS = {
    "funnel_problems": ("problem", "problem"),
    "funnel_desired_outcomes": ("outcome", "outcome"),
    "funnel_lost_deals": ("reason", "reason"),
    "funnel_lost_value": ("reason", "reason"),
}
"""Metrics with a label that anybody can invent: the label, and what limits it."""


@FEW
@given(stories())
def test_the_values_of_a_dimension_sum_to_the_total(story: Story) -> None:
    """At every instant, while windows slide, deals arrive and other values come to the top."""
    events, definition, moments = story
    stream = Stream(definition)
    for place, moment in enumerate(moments):
        stream.fold(*events[place :: len(moments)])
        stream.publish()
        stream.advance(moment)
        found = samples(stream.snapshot())
        assert unreconciled(found, definition) == []
        for (_, name), values in values_shown(found).items():
            assert len(values) <= definition.top_n_in(name)


def values_shown(found: list[Sample]) -> dict[tuple[str, str], set[str]]:
    """By pipeline and dimension or open label: the values that stand for themselves."""
    values: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for metric, labels, _ in found:
        if "dimension" in labels:
            values[labels["pipeline"], labels["dimension"]].add(labels["value"])
        if metric.replace("_breakdown", "") in OPEN_LABELS:
            label, limit = OPEN_LABELS[metric.replace("_breakdown", "")]
            values[labels["pipeline"], limit].add(labels[label])
    return {key: shown - {OTHER, NONE} for key, shown in values.items()}


def with_all_values(snapshot: Snapshot) -> Snapshot:
    """The same totals, with every value shown."""
    everything = snapshot.definition.model_copy(update={"top_n": SHOW_ALL, "top_n_of": {}})
    return snapshot._replace(definition=everything)


@FEW
@given(stories(moments=1))
def test_how_many_values_are_shown_changes_no_sum(story: Story) -> None:
    """What is shown of a value is what it is; the rest is what the others are together."""
    events, definition, [as_of] = story
    snapshot = computed(events, as_of, definition).snapshot
    few, all_of_them = samples(snapshot), samples(with_all_values(snapshot))
    assert not any(OTHER in labels.values() for _, labels, _ in all_of_them)
    kept = values_shown(few)
    folded: defaultdict[Any, float] = defaultdict(float)
    for metric, labels, value in all_of_them:
        if metric in SUMS:
            folded[metric, frozenset(_folded(metric, labels, kept).items())] += value
    ours = {
        (metric, frozenset(labels.items())): value
        for metric, labels, value in few
        if metric in SUMS
    }
    # Ratios, means and quantiles of what is shown are the same, too.
    alone = {
        (metric, frozenset(labels.items())): value
        for metric, labels, value in all_of_them
        if labels == _folded(metric, labels, kept)
    }
    unfolded = {
        (metric, frozenset(labels.items())): value
        for metric, labels, value in few
        if OTHER not in labels.values()
    }
    assert differing(unfolded, alone) == {}
    # Only sums that were not zero before can have become a part of the rest, or be shown as zero.
    for key in ours.keys() | folded.keys():
        assert same(ours.get(key, 0.0), folded.get(key, 0.0)), key


def _folded(
    metric: str, labels: dict[str, str], kept: dict[tuple[str, str], set[str]]
) -> dict[str, str]:
    pipeline, found = labels["pipeline"], dict(labels)
    if "dimension" in labels and labels["value"] != NONE:
        shown = kept.get((pipeline, labels["dimension"]), set())
        found["value"] = labels["value"] if labels["value"] in shown else OTHER
    if metric.replace("_breakdown", "") in OPEN_LABELS:
        label, limit = OPEN_LABELS[metric.replace("_breakdown", "")]
        if labels[label] != NONE:
            shown = kept.get((pipeline, limit), set())
            found[label] = labels[label] if labels[label] in shown else OTHER
    return found


@FEW
@given(stories(moments=1))
def test_the_values_with_the_most_leads_are_shown(story: Story) -> None:
    """One set for all KPIs and windows, by the longest window; problems, outcomes and reasons by
    their own count there. Ties by name."""
    events, definition, [as_of] = story
    snapshot = computed(events, as_of, definition).snapshot
    everything = samples(with_all_values(snapshot))
    longest = definition.longest_window().name
    counts: defaultdict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for metric, labels, value in everything:
        pipeline, weight = labels["pipeline"], value if labels.get("window") == longest else 0
        if "dimension" in labels:
            leads = weight if metric == "funnel_leads_breakdown" else 0
            counts[pipeline, labels["dimension"]][labels["value"]] += round(leads)
        elif metric in OPEN_LABELS:
            label, limit = OPEN_LABELS[metric]
            number = 0 if metric == "funnel_lost_value" else weight
            counts[pipeline, limit][labels[label]] += round(number)
    wanted = {
        (pipeline, name): set(
            sorted(found.keys() - {NONE}, key=lambda value: (-found[value], value))[
                : definition.top_n_in(name)
            ]
        )
        for (pipeline, name), found in counts.items()
    }
    assert values_shown(samples(snapshot)) == wanted


@FEW
@given(stories(moments=1))
def test_means_and_ratios_are_their_parts(story: Story) -> None:
    """There is a mean or a ratio where there is anything to divide by, and nowhere else."""
    events, definition, [as_of] = story
    found = {
        (metric, frozenset(labels.items())): value
        for metric, labels, value in samples(computed(events, as_of, definition).snapshot)
    }
    expected = {}
    for (metric, labels), value in found.items():
        for top, bottom in (("_sum", "_count"), ("_numerator", "_denominator")):
            if metric.endswith(bottom) and value:
                name = metric.removesuffix(bottom)
                expected[name, labels] = found[name + top, labels] / value
    divided = {name for name, _ in expected}
    shown = {key: value for key, value in found.items() if key[0] in divided}
    wrong = {key for key in differing(shown, expected) if not _close(key, shown, expected)}
    assert wrong == set()


def _close(key: Any, ours: dict[Any, float], theirs: dict[Any, float]) -> bool:
    return key in ours and key in theirs and same(ours[key], theirs[key])
