"""What one deal adds to the figures, and how its journey is told."""

from collections import Counter
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from funnel_stream.answers.explanation import Counted, Explanation, as_json, explain, from_json
from funnel_stream.contract.timestamps import micros_of
from funnel_stream.definition import Definition
from funnel_stream.definition.values import Values
from funnel_stream.facts.deals import Deals
from funnel_stream.facts.rules import NONE, FactRules
from funnel_stream.kpis.catalogue import KPIS
from funnel_stream.kpis.contributions import contributions
from funnel_stream.kpis.samples import Sample, samples
from funnel_stream.replay.compute import as_record
from tests.funnels import NOW, at, computed, event, funnels, instants, lines, micros, stage

NOW_MS = int(NOW.timestamp() * 1000)
DEFINITION = Definition(
    dimensions=("channel", "channel+product"),
    stuck_after={"lead": "3d", "offer": "1h"},
    top_n=1000,
    base_currency="EUR",
    rates={"JPY": {"2026-03-01": "0.00613", "2026-03-20": "0.00598", "2026-05-01": "0.0061"}},
)
SPELLED = DEFINITION.model_copy(
    update={
        "values": {
            "channel": Values(fold_case=True, aliases={"c": "B", "paid": "B"}),
            "product": Values(keep="first"),
        }
    }
)
NOT_OF_DEALS = ("spend", "cost_per_lead", "pipeline_velocity", "won_value_per_day", "target")
"""Beginnings of the names of figures that are of no deals."""


def folded(
    events: list[dict[str, Any]], as_of: int | None = None, definition: Definition = DEFINITION
) -> Deals:
    deals = Deals(definition)
    records = [as_record(n, line, NOW_MS) for n, line in enumerate(lines(events), start=1)]
    deals.fold(records, until=as_of)
    return deals


def explained(
    events: list[dict[str, Any]],
    deal: str = "a",
    as_of: int | None = None,
    definition: Definition = DEFINITION,
) -> Explanation:
    deals = folded(events, as_of, definition)
    row = deals.row(deal.encode())
    assert row is not None
    return explain(deal, row, definition, deals.watermark if as_of is None else as_of)


def summed(deals: Deals, as_of: int, definition: Definition) -> dict[Any, float]:
    """What the explanations of all deals add up to, by metric and labels, as samples have them."""
    sums: Counter[Any] = Counter()
    for name in deals.names():
        row = deals.row(name)
        assert row is not None
        explanation = explain(name.decode(), row, definition, as_of)
        rules = FactRules(definition)
        journey = rules.lives(row)[-1]
        exact = contributions(
            rules.facts(journey), definition, rules.combination(journey)[0], as_of
        )
        for counted, contribution in zip(explanation.contributions, exact, strict=True):
            assert counted.value == contribution.value
            for window in counted.windows:
                if not window.inside:
                    continue
                labels = {"pipeline": explanation.pipeline, **counted.labels}
                if window.window != "now":
                    labels["window"] = window.window
                suffix = contribution.suffix
                value = Fraction(contribution.weight, contribution.scale)
                sums[contribution.kpi.metric + suffix, frozenset(labels.items())] += value
                for dimension, under in explanation.counts_under.items():
                    by = {**labels, "dimension": dimension, "value": under}
                    name_by = f"{contribution.kpi.metric}_breakdown{suffix}"
                    sums[name_by, frozenset(by.items())] += value
    return {key: float(total) for key, total in sums.items() if total}


def additive(found: list[Sample]) -> list[Sample]:
    """The figures of deals that sums are made of, with all that is not zero."""
    metrics = {sample.metric for sample in found}
    return [
        sample
        for sample in found
        if sample.value
        and not sample.metric.endswith("_quantile")
        and not {f"{sample.metric}_denominator", f"{sample.metric}_count"} & metrics
        and not sample.metric.removeprefix("funnel_").startswith(NOT_OF_DEALS)
    ]


@settings(max_examples=50)
@given(funnels(), instants, st.sampled_from([DEFINITION, SPELLED]))
def test_the_explanations_of_all_deals_add_up_to_every_figure(
    events: list[dict[str, Any]], as_of: int, definition: Definition
) -> None:
    wanted = {
        (metric, frozenset(labels.items())): value
        for metric, labels, value in additive(samples(computed(events, as_of, definition).snapshot))
    }
    assert summed(folded(events, as_of, definition), as_of, definition) == wanted


# --- how it is told -------------------------------------------------------------------------------


def told(events: list[dict[str, Any]]) -> list[tuple[str, list[str]]]:
    return [(step.what, step.marks) for step in explained(events).journey]


def test_the_journey_is_in_order_and_says_what_is_remarkable() -> None:
    assert told(
        [
            stage("a", "qualified", at(days=1)),
            stage("a", "offer", at(days=3)),
            stage("a", "offer", at(days=4)),
            stage("a", "potential", at(days=2)),
            stage("a", "qualified", at(days=5)),
            stage("a", "qualified", at(days=6)),
            stage("a", "lost", at(days=7)),
            stage("a", "negotiation", at(days=8)),
            stage("a", "won", at(days=9)),
            stage("a", "lost", at(days=10)),
            event("activity_recorded", "a", at(days=8), activity="negotiation_round"),
            event("activity_recorded", "a", at(days=11), activity="call", outcome="no_show"),
            event("deal_updated", "a", at(days=12), owner="ann"),
        ]
    ) == [
        ("qualified entered", ["passed without an event: lead"]),
        ("potential entered", ["late: arrived after events that occurred later"]),
        ("offer sent", []),
        ("offer sent", ["another offer"]),
        ("qualified entered", ["moved back from offer"]),
        ("qualified entered", ["repeat: not a new entry"]),
        ("lost", []),
        ("negotiation entered", ["reopened: the closing as lost no longer counts"]),
        ("negotiation round held", ["late: arrived after events that occurred later"]),
        ("won", []),
        ("lost", ["instead of won: that closing no longer counts"]),
        ("call: no show", []),
        ("details given", []),
    ]
    assert told([stage("a", "lost", at())]) == [("lost", ["passed without an event: lead"])]


def test_a_correction_says_what_it_replaced_whenever_it_arrives() -> None:
    steps = explained(
        [
            stage("a", "lead", at(), owner="ann", problems=["x"], score=3),
            event("deal_updated", "a", at(days=2), owner="cleo", amount=2, currency="JPY"),
            event("deal_updated", "a", at(days=1), owner="bob", problems=[]),
        ]
    ).journey
    assert [{each.name: (each.before, each.value) for each in step.given} for step in steps] == [
        {"owner": (None, "ann"), "problems": (None, ["x"]), "score": (None, 3.0)},
        {"owner": ("ann", "bob"), "problems": (["x"], [])},
        {"owner": ("bob", "cleo"), "amount": (None, "2 JPY")},
    ]


STORY = [
    stage("a", "lead", at(hours=1), channel="web", first_touch_at=at(), score=50, problems=["p"]),
    stage("a", "potential", at(days=1), desired_outcomes=["o"], offer_requested_at=at(days=1)),
    event("activity_recorded", "a", at(days=1, hours=1), activity="meeting"),
    stage("a", "offer", at(days=2), amount=1200, currency="EUR"),
    stage("a", "negotiation", at(days=3)),
    stage("a", "won", at(days=4), amount=900, cost="100.50", currency="EUR"),
]


def test_what_was_derived() -> None:
    found = explained(STORY)
    assert (found.pipeline, found.stage) == ("default", "won")
    assert found.since == found.closing.at if found.closing else None
    assert [(each.stage, each.entered) for each in found.reached] == [
        ("lead", True),
        ("qualified", False),
        ("potential", True),
        ("offer", True),
        ("negotiation", True),
        ("won", True),
    ]
    assert found.offers[0].amount == found.original_amount == "1200.00 EUR"
    assert found.final_amount == "900.00 EUR"
    assert found.counts_under == {"channel": "web", "channel+product": f"web + {NONE}"}
    assert found.attributes["first_touch_at"] == "2026-03-02T00:00:00Z"
    assert found.attributes["cost"] == "100.50 EUR"
    lost = explained(
        [stage("a", "offer", at()), stage("a", "lost", at(days=1), lost_reason="price")]
    )
    assert lost.closing is not None
    assert (lost.closing.outcome, lost.closing.reason, lost.closing.lost_from) == (
        "lost",
        "price",
        "offer",
    )


def test_every_figure_of_deals_can_be_explained() -> None:
    stories = [
        explained(STORY),
        explained(STORY[:4], as_of=micros(days=30)),
        explained([*STORY[:5], stage("a", "lost", at(days=5))]),
    ]
    explainable = {each.kpi for story in stories for each in story.contributions}
    assert {kpi.id for kpi in KPIS} - explainable == set(NOT_OF_DEALS) - {"target"}
    for story in stories:
        assert from_json(as_json(story)) == story


def only(found: Explanation, metric: str, **labels: str) -> Counted:
    [counted] = [
        each for each in found.contributions if (each.metric, each.labels) == (metric, labels)
    ]
    return counted


def test_a_contribution_has_its_panes_and_windows() -> None:
    leads = only(explained(STORY), "funnel_leads")
    assert leads.at.isoformat() == at(hours=1)
    assert [micros_of(start) for start in leads.panes.values()] == [
        micros(hours=1),
        micros(hours=1),
        micros(),
    ]
    windows = {each.window: each for each in leads.windows}
    assert [name for name, each in windows.items() if each.inside] == ["7d", "30d", "365d"]
    for name, length in (("1h", 1), ("24h", 24), ("7d", 7 * 24)):
        leaves = windows[name].leaves
        assert leaves is not None
        assert micros_of(windows[name].enters) == micros(hours=1)
        assert micros_of(leaves) == micros(hours=1 + length)
    year = windows["365d"]
    assert (micros_of(year.enters), year.leaves and micros_of(year.leaves)) == (
        micros(),
        micros(days=365),
    )


def test_a_matured_conversion_counts_when_its_horizon_has_passed() -> None:
    labels = {"from_stage": "lead", "to_stage": "won", "basis": "matured", "horizon": "7d"}
    matured = only(explained(STORY), "funnel_conversion_ratio_numerator", **labels)
    assert micros_of(matured.at) == micros(days=7, hours=1)
    assert list(matured.panes) == ["hour", "day"]
    assert micros_of(matured.panes["day"]) == micros(days=8)
    assert [each.window for each in matured.windows] == ["24h", "7d", "30d", "365d"]
    assert not any(each.inside for each in matured.windows)


def test_a_stuck_deal_is_told_beforehand() -> None:
    opened = [stage("a", "lead", at())]
    soon = only(explained(opened), "funnel_stuck_deals", stage="lead")
    assert soon.windows[0].window == "now"
    assert not soon.windows[0].inside
    assert micros_of(soon.windows[0].enters) == micros(days=3, minutes=1)
    late = only(explained(opened, as_of=micros(days=4)), "funnel_stuck_deals", stage="lead")
    assert late.windows[0].inside
    age = only(explained(opened, as_of=micros(days=4)), "funnel_open_age_seconds_sum", stage="lead")
    assert age.value == 4 * 86_400


@pytest.mark.parametrize(
    ("events", "note"),
    [
        ([stage("a", "lead", at())], "Not closed: the deal is still open in lead."),
        ([stage("a", "lead", at())], "No amount is known: the deal adds nothing to any value."),
        ([stage("a", "lost", at())],
         f"No reason was given for the loss: the deal counts under {NONE}."),
        ([stage("a", "lost", at()), stage("a", "offer", at(days=1))],
         "The deal was closed and is open again: the earlier closing no longer counts."),
        ([stage("a", "offer", at())],
         "No amount was known when the offers were sent: they add nothing to the offer value."),
        ([event("activity_recorded", "a", at(), activity="call")],
         "No event set a stage, so the deal is neither a lead nor open: "
         "only its activities count."),
        ([stage("a", "lead", at(), first_touch_at=at(hours=1))],
         "The first touch is later than the lead, so there is no acquisition time."),
        ([stage("a", "offer", at(), amount=1, currency="EUR"),
          stage("a", "won", at(days=1), amount=1, currency="JPY")],
         "Offer and contract are in different currencies: no discount and no value retention."),
    ],
)  # fmt: skip
def test_notes_answer_the_usual_doubts(events: list[dict[str, Any]], note: str) -> None:
    assert note in explained(events).notes
    assert note not in explained(STORY).notes


def test_the_end_of_the_calendar_is_no_error() -> None:
    last = stage("a", "lead", "9999-12-31T23:59:59Z")
    record = as_record(1, lines([last])[0], 253_402_300_799_000)
    deals = Deals(DEFINITION)
    deals.fold([record])
    row = deals.row(b"a")
    assert row
    found = explain("a", row, DEFINITION, deals.watermark)
    assert from_json(as_json(found)) == found


def test_an_outcome_said_again_is_told_as_that() -> None:
    assert told(
        [
            stage("a", "lead", at(days=-500)),
            stage("a", "won", at(days=-499)),
            stage("a", "won", at(days=1)),
            stage("a", "offer", at(days=2)),
        ]
    ) == [
        ("won reported again", ["repeat: the previous deal ended this way"]),
        ("offer sent", ["passed without an event: lead, qualified, potential"]),
    ]
