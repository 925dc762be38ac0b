"""A target stands beside its KPI, whichever series it is set for."""

from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from funnel_stream.definition import Target
from funnel_stream.kpis.catalogue import KPIS
from funnel_stream.kpis.samples import Sample, samples
from tests.funnels import computed
from tests.properties.stories import Story, stories

SET_FOR = {
    f"{kpi.metric}{breakdown}{suffix}": (kpi.id, breakdown)
    for kpi in KPIS
    for breakdown in ("", "_breakdown")
    for suffix in ("", "_quantile")
}
"""Series that a target can be set for, with what its own series are called after."""


@settings(max_examples=60)
@given(
    stories(moments=1),
    st.randoms(use_true_random=False),
    st.sampled_from(["0", "0.3", "12"]),
    st.sampled_from(["least", "most"]),
)
def test_a_target_is_reported_with_what_is_attained_of_it(
    story: Story, rng: Any, wanted: str, at: Any
) -> None:
    """Value ÷ target, or target ÷ value where at most that is wanted; never by 0."""
    events, definition, [as_of] = story
    snapshot = computed(events, as_of, definition).snapshot
    metric, labels, value = rng.choice([each for each in samples(snapshot) if each[0] in SET_FOR])
    kpi, breakdown = SET_FOR[metric]
    own = {k: v for k, v in labels.items() if k not in ("pipeline", "window")}
    target = Target(
        kpi=kpi,
        value=Decimal(wanted),
        at=at,
        window=labels.get("window"),
        pipeline=labels["pipeline"],
        labels=own,
    )
    aimed = definition.model_copy(update={"targets": (target,)})
    found = samples(snapshot._replace(definition=aimed))
    named = labels | {"kpi": kpi}
    expected = [Sample(f"funnel_target{breakdown}", named, float(wanted))]
    if float(wanted) and (value or at == "least"):
        attained = value / float(wanted) if at == "least" else float(wanted) / value
        name = f"funnel_target_attainment_ratio{breakdown}"
        expected.append(Sample(name, named, attained))
    assert [each for each in found if each.metric.startswith("funnel_target")] == expected
