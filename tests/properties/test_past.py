"""Trends are the facts of each bucket, taken literally; the window before is the same, earlier."""

from collections import Counter
from typing import Any

from hypothesis import given, settings

from funnel_stream.definition.time import RETENTION, Window
from funnel_stream.facts.measures import CELLS
from funnel_stream.windows.tables import Cells, Row
from tests.properties.stories import MINUTE_US, Story, stories
from tests.properties.test_windows import held, in_window, non_zero, spent_in


@settings(max_examples=40)
@given(stories(moments=4))
def test_trends_are_the_facts_of_their_buckets(story: Story) -> None:
    _, definition, moments = story
    tables, facts, spends = held(story)
    pipelines = {row.pipeline for rows, *_ in facts for row in rows} | {"nobody's"}

    def expected(pipeline: str, size: int, panes: int, last: int) -> dict[Any, int]:
        """What so many panes up to ``last`` hold."""
        window, end = Window("", panes, size), last * size * MINUTE_US
        sums: Counter[Any] = Counter(in_window(facts, window, end))
        sums.update(spent_in(spends, definition, window, end))
        mine = {cell: total for (row, cell), total in sums.items() if row == Row(pipeline)}
        return non_zero(Counter(mine))

    for moment in moments:
        tables.advance(moment)
        past = tables.snapshot().past
        for window in definition.window_list():
            size, panes = window.grain
            last = past.minute // size
            for pipeline in pipelines:
                trend = past.trend(pipeline, window)
                assert trend.starts[-1] + trend.minutes == (last + 1) * size
                for start, cells in zip(trend.starts, trend.buckets, strict=True):
                    many = trend.minutes // size
                    assert named(cells) == expected(pipeline, size, many, start // size + many - 1)
                assert named(trend.whole) == expected(pipeline, size, panes - 1, last - 1)
                if last >= 2 * panes:  # not in the first hours since the epoch
                    assert (trend.before is None) == (2 * panes > RETENTION[size])
                if trend.before is not None:
                    before = expected(pipeline, size, panes - 1, last - panes - 1)
                    assert named(trend.before) == before


def named(cells: Cells) -> dict[Any, int]:
    return {CELLS[cell]: total for cell, total in cells.items()}
