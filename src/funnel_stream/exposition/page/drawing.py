"""Drawings as SVG geometry: lines of a trend, and the funnel's outline. Numbers in, paths out."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Final, NamedTuple

WIDTH: Final = 240.0
HEIGHT: Final = 40.0
_PADDING: Final = 3.0


class Curve(NamedTuple):
    """A trend in a box of ``WIDTH`` by ``HEIGHT``: what is complete, what is still going on, and
    the area below; ``end``: the last point that is complete. Empty paths where there is nothing."""

    complete: str
    going_on: str
    area: str
    end: tuple[str, str] | None


def curve(values: Sequence[float | None]) -> Curve:
    """The line of some values, oldest first; a gap where there is none. The last one is of a time
    that has not ended."""
    ended = values[:-1]
    known = [value for value in ended if value is not None]
    if all(None in pair for pair in pairwise(ended)):
        return Curve("", "", "", None)
    # What has not ended is in no proportion to the rest: it may leave the box, and is held there.
    low, high = min(0.0, *known), max(known)
    span = (high - low) or 1.0
    step = WIDTH / (len(values) - 1)

    def height(value: float) -> float:
        share = min(1.0, max(0.0, (value - low) / span))
        return _PADDING + (HEIGHT - 2 * _PADDING) * (1 - share)

    points = [
        None if value is None else (index * step, height(value))
        for index, value in enumerate(values)
    ]
    whole = points[:-1]
    last = [point for point in whole if point is not None][-1:]
    going = [*last, points[-1]] if points[-1] and last else []
    return Curve(
        complete=_path(whole),
        going_on=_path(going),
        area=_area(whole),
        end=(_number(last[0][0]), _number(last[0][1])) if last else None,
    )


Point = tuple[float, float]


def _path(points: Sequence[Point | None]) -> str:
    parts, pen_down = [], False
    for point in points:
        if point is not None:
            parts.append(f"{'L' if pen_down else 'M'}{_number(point[0])} {_number(point[1])}")
        pen_down = point is not None
    return "".join(parts)


def _area(points: Sequence[Point | None]) -> str:
    """Below the line, for each stretch without a gap."""
    stretches: list[list[Point]] = [[]]
    for point in points:
        if point is None:
            stretches.append([])
        else:
            stretches[-1].append(point)
    bottom = _number(HEIGHT)
    return "".join(
        f"{_path(stretch)}L{_number(stretch[-1][0])} {bottom}L{_number(stretch[0][0])} {bottom}Z"
        for stretch in stretches
        if len(stretch) > 1
    )


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


FUNNEL_WIDTH: Final = 1000
FUNNEL_HEIGHT: Final = 100
_NECK: Final = 62
"""How far down a stage keeps its width; from there it narrows to that of the next one."""


class Slice(NamedTuple):
    """One stage of the funnel in a box of ``FUNNEL_WIDTH`` by ``FUNNEL_HEIGHT``: its body and the
    passage to the next stage (empty for the last one)."""

    body: str
    passage: str


def funnel(counts: Sequence[float]) -> list[Slice]:
    """The outline of a funnel: every width is its count's share of the largest one."""
    largest = max(counts, default=0) or 1
    widths = [FUNNEL_WIDTH * count / largest for count in counts]
    slices = []
    for index, width in enumerate(widths):
        after = widths[index + 1] if index + 1 < len(widths) else None
        bottom = FUNNEL_HEIGHT if after is None else _NECK
        slices.append(
            Slice(
                body=_trapezoid(width, 0, width, bottom),
                passage="" if after is None else _trapezoid(width, _NECK, after, FUNNEL_HEIGHT),
            )
        )
    return slices


def _trapezoid(upper: float, top: float, lower: float, bottom: float) -> str:
    middle = FUNNEL_WIDTH / 2
    corners = [
        (middle - upper / 2, top),
        (middle + upper / 2, top),
        (middle + lower / 2, bottom),
        (middle - lower / 2, bottom),
    ]
    return " ".join(f"{_number(x)},{_number(y)}" for x, y in corners)
