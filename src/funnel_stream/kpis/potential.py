"""Stage 3: what customers need, and what is done to find out."""

from typing import Final

from funnel_stream.contract.event import ACTIVITIES, ACTIVITY_OUTCOMES
from funnel_stream.facts.measures import ACTIVITY, DESIRED_OUTCOME, PROBLEM
from funnel_stream.facts.rules import EFFECTS
from funnel_stream.kpis.forms import Counts, Listing
from funnel_stream.kpis.kpi import Kpi
from funnel_stream.kpis.quotients import Fraction, Quotient, count, fixed
from funnel_stream.kpis.scope import CellIds


def _activities(activity: str, outcome: str, *effects: str) -> CellIds:
    return tuple(ACTIVITY.cell(activity, outcome, effect) for effect in effects or EFFECTS)


POTENTIAL: Final = (
    Kpi(
        "problems",
        3,
        "Problems and challenges",
        "Deals that reached potential, by the problems they named.",
        "deals whose reached(potential) falls in the window, for each distinct problem; a deal may "
        "count under several",
        "deals",
        Listing(measure=PROBLEM, labels=("problem",)),
    ),
    Kpi(
        "desired_outcomes",
        3,
        "Desired outcomes",
        "Deals that reached potential, by the outcomes they want.",
        "deals whose reached(potential) falls in the window, for each distinct desired outcome; a "
        "deal may count under several",
        "deals",
        Listing(measure=DESIRED_OUTCOME, labels=("outcome",)),
    ),
    Kpi(
        "activities",
        3,
        "Activities",
        "Meetings, audits, calls and negotiation rounds, held or not.",
        "activities in the window",
        "activities",
        Counts(
            counted={
                (activity, outcome): _activities(activity, outcome)
                for activity in ACTIVITIES
                for outcome in ACTIVITY_OUTCOMES
            },
            labels=("activity", "outcome"),
        ),
        example={"outcome": "held"},
    ),
    Kpi(
        "activity_conversion_ratio",
        3,
        "Activity conversion",
        "Share of meetings, audits and calls after which the deal moved on.",
        "of the activities held in the window on deals open in a stage at the time: the share "
        "followed within 30 d (activity_horizon) by an entry into a later stage than that one",
        "ratio",
        Quotient(
            rule=fixed(
                *(
                    Fraction(
                        {"activity": activity},
                        count(*_activities(activity, "held", "followed")),
                        _activities(activity, "held", "followed", "unfollowed"),
                    )
                    for activity in ACTIVITIES
                )
            ),
            labels=("activity",),
        ),
    ),
)
