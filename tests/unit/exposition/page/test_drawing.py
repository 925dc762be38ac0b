"""The geometry of the drawings: what is twice as much is drawn twice as long."""

import re
from itertools import pairwise

import pytest

from funnel_stream.exposition.page.drawing import FUNNEL_HEIGHT, FUNNEL_WIDTH, curve, funnel

Points = list[tuple[float, float]]
LOW, HIGH = 37.0, 3.0
"""Where the smallest and the largest value are drawn, in a box of 240 by 40."""


def strokes(path: str) -> list[Points]:
    """The points of each stroke of a path."""
    return [
        [(float(x), float(y)) for x, y in re.findall(r"(-?[\d.]+) (-?[\d.]+)", stroke)]
        for stroke in path.split("M")[1:]
    ]


def test_a_line_goes_from_the_oldest_to_the_newest() -> None:
    drawn = curve([0, 5, 10, 2, None])
    assert drawn.complete == "M0 37L60 20L120 3L180 30.2"
    assert drawn.area == "M0 37L60 20L120 3L180 30.2L180 40L0 40Z"
    assert drawn.end == ("180", "30.2")
    assert drawn.going_on == ""


def test_what_has_not_ended_is_drawn_apart() -> None:
    drawn = curve([0, 5, 10, 2])
    assert strokes(drawn.complete) == [[(0, LOW), (80, 20), (160, HIGH)]]
    assert strokes(drawn.going_on) == [[(160, HIGH), (240, 30.2)]]
    assert drawn.end == ("160", "3")


def test_what_has_not_ended_does_not_set_the_scale_and_stays_in_the_box() -> None:
    assert strokes(curve([0, 10, 1000]).complete) == [[(0, LOW), (120, HIGH)]]
    assert strokes(curve([0, 10, 1000]).going_on)[0][-1] == (240, HIGH)
    assert strokes(curve([0, 10, -5]).going_on)[0][-1] == (240, LOW)


def test_a_gap_is_no_zero() -> None:
    drawn = curve([4, 4, None, 2, 4, None, 4, None, None])
    assert strokes(drawn.complete) == [[(0, 3), (30, 3)], [(90, 20), (120, 3)], [(180, 3)]]
    assert drawn.area.count("Z") == 2, "there is nothing below a single point"
    assert drawn.end == ("180", "3")


def test_a_gap_at_the_end_is_bridged_by_what_goes_on_and_one_there_ends_the_line() -> None:
    drawn = curve([4, 2, None, 4])
    assert strokes(drawn.going_on) == [[(80, 20), (240, 3)]]
    assert drawn.end == ("80", "20")
    assert curve([4, 2, None]).going_on == ""
    assert curve([4, 2, None]).end == ("120", "20")


def test_zero_is_always_at_the_bottom_unless_something_is_below_it() -> None:
    assert strokes(curve([90, 100, None]).complete) == [[(0, 6.4), (120, 3)]]
    below = strokes(curve([-10, 0, 10, None]).complete)
    assert below == [[(0, LOW), (80, 20), (160, HIGH)]]
    assert strokes(curve([-10, -5, None]).complete)[0][0] == (0, LOW)


def test_nothing_but_zeros_is_a_line_at_the_bottom() -> None:
    assert strokes(curve([0, 0, 0]).complete) == [[(0, LOW), (120, LOW)]]


@pytest.mark.parametrize(
    "values", [[], [3], [3, 4], [None, None, None], [3, None, 9], [None, 3, None, 4]]
)
def test_fewer_than_two_ended_values_are_no_trend(values: list[float | None]) -> None:
    assert curve(values) == ("", "", "", None)


def test_sixty_values_fill_the_width() -> None:
    shown = curve([float(n) for n in range(60)])
    [drawn], [last] = strokes(shown.complete), strokes(shown.going_on)
    assert (len(drawn), drawn[0][0], last[-1][0]) == (59, 0, 240)
    steps = [after[0] - before[0] for before, after in pairwise(drawn)]
    assert max(steps) - min(steps) < 0.21


# --- the funnel -----------------------------------------------------------------------------------


def corners(points: str) -> Points:
    return [(float(x), float(y)) for x, y in (point.split(",") for point in points.split())]


def width(points: str, *, top: bool) -> float:
    first, second = corners(points)[:2] if top else reversed(corners(points)[2:])
    assert (first[0] + second[0]) / 2 == FUNNEL_WIDTH / 2, "it is symmetric"
    return second[0] - first[0]


def test_widths_are_shares_of_the_largest_count() -> None:
    slices = funnel([100, 50, 25, 0])
    assert [width(each.body, top=True) for each in slices] == [1000, 500, 250, 0]
    assert [width(each.body, top=False) for each in slices] == [1000, 500, 250, 0]
    passages = [each.passage for each in slices if each.passage]
    assert [width(each, top=True) for each in passages] == [1000, 500, 250]
    assert [width(each, top=False) for each in passages] == [500, 250, 0]
    assert slices[-1].passage == ""


def test_a_stage_fills_its_height_without_a_gap() -> None:
    first, last = funnel([2, 1])
    top, bottom = corners(first.body)[0][1], corners(first.body)[-1][1]
    assert top == 0
    assert corners(first.passage)[0][1] == bottom
    assert corners(first.passage)[-1][1] == FUNNEL_HEIGHT
    assert (corners(last.body)[0][1], corners(last.body)[-1][1]) == (0, FUNNEL_HEIGHT)


def test_a_later_stage_may_be_the_widest() -> None:
    assert [width(each.body, top=True) for each in funnel([5, 10])] == [500, 1000]


def test_an_empty_funnel_has_no_width() -> None:
    assert [width(each.body, top=True) for each in funnel([0, 0, 0])] == [0, 0, 0]
    assert funnel([]) == []
