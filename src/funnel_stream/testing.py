"""For tests of applications that publish events: feed events, ask for figures, without Kafka.

>>> funnel = FunnelTestDriver()
>>> funnel.feed(
...     {"type": "stage_changed", "event_id": "1", "deal_id": "D-7", "stage": "lead",
...      "occurred_at": "2026-03-02T09:00:00Z", "channel": "fair"},
... )
[]
>>> funnel.figure("funnel_leads", window="30d", at="2026-03-03T00:00:00Z")
1
>>> funnel.figure("funnel_leads", window="30d", at="2026-05-01T00:00:00Z")
0

The figures are made by the same code as those of ``funnel-stream compute``, which are those of the
workers. Nothing is kept between two questions: each reads all events once.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from funnel_stream.contract import Rejection, timestamps
from funnel_stream.contract.models import FunnelEvent
from funnel_stream.definition import Definition
from funnel_stream.kpis.samples import Sample, samples
from funnel_stream.replay.compute import compute

__all__ = ["FunnelTestDriver"]

Given = Mapping[str, Any] | FunnelEvent | bytes
InstantLike = datetime | str
"""A datetime with an offset from UTC, or RFC 3339."""


class FunnelTestDriver:
    """A funnel that has read what it was fed, in that order.

    ``definition``: as ``funnel.yaml`` has it (``funnel_stream.config.load.load`` reads one);
    without it, the defaults. ``now``: when the events are published; what lies ahead of it is
    rejected. Without it that is the time of feeding.
    """

    def __init__(
        self, definition: Definition | None = None, *, now: InstantLike | None = None
    ) -> None:
        self.definition = definition or Definition()
        self._now = None if now is None else _micros(now)
        self._lines: list[bytes] = []

    def feed(self, *events: Given) -> list[Rejection]:
        """Publish events: as dictionaries, as models of ``funnel_stream.contract``, or as the bytes
        of a record's value. Gives why the funnel rejects some of them; the rest counts.

        A ``deal_erased`` event stands for the record with the value null that erases a deal.
        """
        before = len(self._lines)
        self._lines += map(_line, events)
        now_ms = self._now_ms()
        computed = compute(self._lines, self.definition, as_of=None, now_ms=now_ms)
        return [rejection for number, rejection in computed.rejected if number > before]

    def figures(
        self,
        *,
        at: InstantLike | None = None,
        window: str | None = None,
        dimension: str | None = None,
    ) -> list[Sample]:
        """The figures as of an instant, of one window or of all; of one dimension, of ``""`` (the
        totals) or of all. Without an instant: as of the last event.

        Raises ``UsageError`` for a window or a dimension that is not configured.
        """
        as_of = None if at is None else _micros(at)
        computed = compute(self._lines, self.definition, as_of=as_of, now_ms=self._now_ms())
        return samples(computed.snapshot, window=window, dimension=dimension)

    def figure(self, metric: str, *, at: InstantLike | None = None, **labels: str) -> float | None:
        """The one figure of a metric with these labels, ``None`` if there is none.

        Labels that are not given may have any value, but ``pipeline``, which is ``default`` then.
        Raises ``ValueError`` if several figures have them.
        """
        wanted = {"pipeline": "default", **labels}.items()
        found = [
            sample
            for sample in self.figures(at=at)
            if sample.metric == metric and wanted <= sample.labels.items()
        ]
        if len(found) > 1:
            shown = "; ".join(str(dict(sample.labels)) for sample in found[:3])
            raise ValueError(f"{len(found)} figures of {metric} have these labels, such as {shown}")
        return found[0].value if found else None

    def _now_ms(self) -> int:
        now = self._now if self._now is not None else timestamps.micros_of(datetime.now(UTC))
        return now // 1000


def _line(event: Given) -> bytes:
    if isinstance(event, bytes):
        return event.replace(b"\n", b" ")
    if isinstance(event, FunnelEvent):
        return event.value()
    return json.dumps(event).encode()


def _micros(instant: InstantLike) -> int:
    if isinstance(instant, str):
        return timestamps.parse(instant, "at")
    if instant.utcoffset() is None:
        raise ValueError(f"{instant} has no offset from UTC")
    return timestamps.micros_of(instant)
