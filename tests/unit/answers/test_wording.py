"""How an explanation and a question are put into words."""

from datetime import datetime, timedelta

import pytest

from funnel_stream.answers import wording
from funnel_stream.answers.question import parse_question
from funnel_stream.answers.wording import text
from funnel_stream.definition import Definition
from funnel_stream.definition.values import Values
from tests.funnels import at, event, stage
from tests.unit.answers.test_explanation import explained


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ({}, ""),
        ({"from_stage": "lead", "to_stage": "won", "basis": "cohort"}, "lead → won · cohort"),
        ({"basis": "matured", "horizon": "7d"}, "matured 7d"),
        ({"from_stage": "offer"}, "from offer"),
        ({"to_stage": "offer"}, "to offer"),
        ({"reason": "price", "lost_from": "offer", "offered": "true"},
         "price · from offer · with an offer"),
        ({"offered": "false"}, "without an offer"),
        ({"qualified": "false"}, "not qualified"),
        ({"reason": "true"}, "true"),
    ],
)  # fmt: skip
def test_labels_in_words_whichever_are_given(labels: dict[str, str], words: str) -> None:
    assert text(wording.labelled(labels)) == words


def test_what_others_wrote_stands_apart() -> None:
    labels = {"reason": "no · money", "lost_from": "offer"}
    assert [piece.text for piece in wording.labelled(labels) if piece.foreign] == ["no · money"]
    [step, correction] = explained(
        [stage("a", "lead", at(), owner="ann"), stage("a", "won", at(days=1), owner="bob")]
    ).journey
    assert [text(detail) for detail in wording.details(step)] == ["owner ann"]
    [detail] = wording.details(correction)
    assert text(detail) == "corrected owner ann → bob"
    assert [piece.text for piece in detail if piece.foreign] == ["ann", "bob"]


def test_what_is_taken_away_is_told() -> None:
    steps = explained(
        [
            stage("a", "lead", at(), owner="ann"),
            event("deal_updated", "a", at(days=1), cleared=["owner", "lost_reason"]),
            stage("a", "won", at(days=2), owner="bob"),
        ]
    ).journey
    words = [[text(detail) for detail in wording.details(step)] for step in steps]
    assert words == [["owner ann"], ["cleared owner ann", "cleared lost reason"], ["owner bob"]]


def test_a_reason_after_a_reopening_corrects_none() -> None:
    found = explained(
        [
            stage("a", "lost", at(), lost_reason="price"),
            event("deal_updated", "a", at(hours=1), lost_reason="size"),
            stage("a", "offer", at(days=1)),
            stage("a", "lost", at(days=2), lost_reason="time"),
        ]
    )
    words = [text(detail) for step in found.journey for detail in wording.details(step)]
    assert words == [
        "lost reason price",
        "corrected lost reason price → size",
        "lost reason time",
    ]


def test_a_later_value_is_no_correction_where_the_first_holds() -> None:
    events = [
        stage("a", "lead", at(), owner="ann"),
        stage("a", "offer", at(days=1), owner="bob"),
        stage("a", "won", at(days=2), owner="ann"),
    ]
    first = Definition(values={"owner": Values(keep="first")})
    found = explained(events, definition=first)
    told = [text(detail) for step in found.journey for detail in wording.details(step)]
    assert told == ["owner ann", "owner bob, ann was first", "owner ann"]
    assert found.counts_under["owner"] == found.attributes["owner"] == "ann"


def test_every_time_in_a_text_is_known_as_one() -> None:
    found = explained([stage("a", "offer", at(days=1)), stage("a", "won", at(days=2))])
    phrases = [line for each in wording.derived(found) for line in each.lines]
    phrases += [phrase for each in wording.times(found) for phrase in (*each.panes, *each.windows)]
    written = [piece for phrase in phrases for piece in phrase]
    dated = [piece for piece in written if "2026-" in piece.text]
    assert dated
    assert all(piece.at and piece.text in wording.instant_text(piece.at) for piece in dated)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"kpi": "open_deals"}, ""),
        ({"kpi": "open_deals", "stage": "offer"}, "offer"),
        ({"kpi": "transitions", "from_stage": "offer", "window": "7d"}, "from offer · 7d"),
        ({"kpi": "win_ratio", "window": "30d", "pipeline": "eu", "dimension": "channel",
          "value": "fair"}, "30d · pipeline eu · channel fair"),
    ],
)  # fmt: skip
def test_a_question_in_words(asked: dict[str, str], words: str) -> None:
    assert text(wording.describe_question(parse_question(asked, Definition()))) == words


def test_seconds_are_shown_where_there_are_some() -> None:
    noon = datetime(2026, 3, 2, 12)
    assert wording.instant_text(noon) == "2026-03-02 12:00"
    assert wording.instant_text(noon + timedelta(seconds=5)) == "2026-03-02 12:00:05"
