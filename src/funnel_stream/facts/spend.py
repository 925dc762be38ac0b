"""Spend: amounts spread evenly over a period, and how much of them falls into which panes."""

from collections import Counter
from collections.abc import Iterable, Iterator
from copy import copy
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from funnel_stream.arrays import Ints
from funnel_stream.contract.event import Event
from funnel_stream.definition import Definition
from funnel_stream.definition.time import DAY_US, MINUTE_US, Span
from funnel_stream.definition.values import LABEL_LENGTH
from funnel_stream.facts.measures import SPEND
from funnel_stream.facts.rates import Money, Rates


class Spend(NamedTuple):
    """An amount in minor units, spread evenly from ``start`` to ``end`` (µs, half-open).

    One without a period has ``start == end``: all of it belongs to that instant.
    """

    pipeline: str
    channel: str
    minor: int
    currency: str
    start: int
    end: int

    @classmethod
    def of(cls, channel: str, event: Event) -> "Spend":
        """What an event says about a channel, which is given as its value."""
        given = event.attributes or {}
        minor, currency = given["amount"]
        return cls(
            pipeline=given.get("pipeline", "default")[:LABEL_LENGTH],
            channel=channel,
            minor=minor,
            currency=currency,
            start=given.get("period_start", event.at),
            end=given.get("period_end", event.at),
        )

    def until(self, at: int) -> int:
        """Minor units spent before an instant, rounded down."""
        if at <= self.start:
            return 0
        if at >= self.end:
            return self.minor
        return self.minor * (at - self.start) // (self.end - self.start)


SpendChange = tuple[Spend, int]
"""A spend, and how often it is added: −1 takes it back."""

Shares = dict[tuple[str, str], dict[int, int]]
"""By pipeline and channel: minor units by cell."""


class _Columns(NamedTuple):
    """Spends in columns: ``label`` is an index into the labels, ``times`` how often each counts."""

    start: Ints
    end: Ints
    minor: Ints
    label: Ints
    times: Ints

    def take(self, rows: npt.NDArray[np.bool_] | npt.NDArray[np.intp]) -> "_Columns":
        return _Columns(*(column[rows] for column in self))

    def joined(self, other: "_Columns") -> "_Columns":
        """Both; equal spends are one that counts more often, or not at all."""
        both = _Columns(*(np.concatenate(pair) for pair in zip(self, other, strict=True)))
        if not (other.times < 0).any():
            return both
        order = np.lexsort(both[:4])
        both = both.take(order)
        new = np.logical_or.reduce([column[1:] != column[:-1] for column in both[:4]])
        firsts = np.flatnonzero(np.r_[True, new])
        both = both.take(firsts)._replace(times=np.add.reduceat(both.times, firsts))
        return both.take(both.times != 0)


_NOTHING: Final = _Columns(*(np.zeros(0, dtype=np.int64) for _ in range(5)))


class SpendBook:
    """The spends of every source partition.

    A span of panes is asked for by ``(size in minutes, first, last)``, both panes included.
    """

    def __init__(self, definition: Definition) -> None:
        self._rates = Rates(definition)
        self._labels: list[tuple[str, str, str]] = []
        self._label_ids: dict[tuple[str, str, str], int] = {}
        self._sources: dict[int, _Columns] = {}
        self._oldest = 0

    def add(self, source: int, changes: Iterable[SpendChange]) -> _Columns:
        """Take changes in; gives them in columns, to be asked for shares."""
        rows = [
            (spend.start, spend.end, spend.minor, self._label(spend), times)
            for spend, times in changes
            if spend.end >= self._oldest
        ]
        if not rows:
            return _NOTHING
        added = _Columns(*np.array(rows, dtype=np.int64).T)
        self._sources[source] = self._sources.get(source, _NOTHING).joined(added)
        return added

    def remove(self, source: int) -> _Columns:
        """Drop all of a source; gives what it was."""
        return self._sources.pop(source, _NOTHING)

    def forget(self, before: int) -> None:
        """Drop what ended before an instant (µs), for good."""
        self._oldest = max(self._oldest, before)
        for source, spends in self._sources.items():
            past = spends.end < self._oldest
            if past.any():
                self._sources[source] = spends.take(~past)

    def frozen(self) -> "SpendBook":
        """The book as it is, for a reader in another thread."""
        book = copy(self)
        book._sources = dict(self._sources)
        return book

    def shares_of_all(self, span: Span) -> Shares:
        """What of all spends falls into a span of panes."""
        found: Shares = {}
        for spends in self._sources.values():
            self._add_shares(spends, span, found)
        return found

    def shares(self, spends: _Columns, span: Span) -> Shares:
        """What of these spends falls into a span of panes."""
        found: Shares = {}
        self._add_shares(spends, span, found)
        return found

    def _add_shares(self, spends: _Columns, span: Span, found: Shares) -> None:
        since, until = span.begins * MINUTE_US, span.ends * MINUTE_US
        inside = np.flatnonzero((spends.start < until) & (spends.end >= since))
        for start, end, minor, label, times in zip(*_lists(spends.take(inside)), strict=True):
            pipeline, channel, currency = self._labels[label]
            spend = Spend(pipeline, channel, minor, currency, start, end)
            if self._rates.is_dated(currency):
                parts = self._converted(spend, span.size, since, until)
            else:
                parts = iter([(spend.until(until) - spend.until(since), currency)])
            for part, label_currency in parts:
                cells = found.setdefault((pipeline, channel), {})
                cell = SPEND.cell(label_currency)
                cells[cell] = cells.get(cell, 0) + times * part

    def _converted(self, spend: Spend, size: int, since: int, until: int) -> Iterator[Money]:
        """Each pane's share at the rate of the pane's day. Within a day the shares of equal panes
        differ by one minor unit at most, so that few conversions are needed."""
        step = size * MINUTE_US
        pane = max(since, spend.start // step * step)
        stop = min(until, max(spend.end, spend.start + 1))
        alike: Counter[tuple[int, int]] = Counter()
        before = spend.until(pane)
        while pane < stop:
            after = spend.until(pane + step)
            alike[pane // DAY_US, after - before] += 1
            pane, before = pane + step, after
        for (day, share), times in alike.items():
            converted, currency = self._rates.convert(share, spend.currency, day * DAY_US)
            yield converted * times, currency

    def _label(self, spend: Spend) -> int:
        label = spend.pipeline, spend.channel, spend.currency
        known = self._label_ids.get(label)
        if known is None:
            known = self._label_ids[label] = len(self._labels)
            self._labels.append(label)
        return known


def _lists(spends: _Columns) -> list[list[int]]:
    return [column.tolist() for column in spends]
