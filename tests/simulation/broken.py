"""Builds that are broken on purpose: would the simulation notice?

Each is a text of ``streaming/`` or ``reporting`` that is replaced by another, as somebody might
have written it. What it does is put in place in the running process, and taken back.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from inspect import getsource
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any, Final, NamedTuple


class Broken(NamedTuple):
    """A module of the package, what stands in it, and what would stand there in its place."""

    name: str
    module: str
    old: str
    new: str

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """As if the module read so. Raises ``ValueError`` if it does not have the text once."""
        module = import_module(f"funnel_stream.{self.module}")
        source = getsource(module)
        if source.count(self.old) != 1:
            raise ValueError(f"{self.name}: the text stands {source.count(self.old)} times")
        path = str(module.__file__)
        codes = dict(_codes(compile(source.replace(self.old, self.new), path, "exec")))
        former = {function: function.__code__ for function in _functions(module)}
        changed = [f for f, code in former.items() if _text(code) != _text(codes[f.__qualname__])]
        if not changed:
            raise ValueError(f"{self.name}: no function has changed")
        for function in changed:
            function.__code__ = codes[function.__qualname__]
        try:
            yield
        finally:
            for function in changed:
                function.__code__ = former[function]


def _codes(code: CodeType) -> Iterator[tuple[str, CodeType]]:
    for each in code.co_consts:
        if isinstance(each, CodeType):
            yield each.co_qualname, each
            yield from _codes(each)


def _functions(module: ModuleType) -> Iterator[FunctionType]:
    for value in vars(module).values():
        if isinstance(value, FunctionType) and _is_of(value, module):
            yield value
        elif isinstance(value, type) and value.__module__ == module.__name__:
            for member in vars(value).values():
                function = getattr(member, "__func__", member)
                if isinstance(function, FunctionType) and _is_of(function, module):
                    yield function


def _is_of(function: FunctionType, module: ModuleType) -> bool:
    """Not one that a decorator or a base class has made."""
    return Path(function.__code__.co_filename) == Path(str(module.__file__))


def _text(code: CodeType) -> tuple[Any, ...]:
    """What code does, wherever it stands."""
    constants = tuple(
        _text(each) if isinstance(each, CodeType) else each for each in code.co_consts
    )
    return code.co_code, code.co_names, code.co_varnames, constants


BROKEN: Final = (
    Broken(
        "the fence does not move",
        "streaming.changelog",
        "position = fence if piece is pieces[-1] else self._fence",
        "position = self._fence",
    ),
    Broken(
        "the fence moves with the first piece of a batch that is cut",
        "streaming.changelog",
        "position = fence if piece is pieces[-1] else self._fence",
        "position = fence",
    ),
    Broken(
        "tombstones are not written",
        "streaming.changelog",
        "for key, value in piece.items()]",
        "for key, value in piece.items() if value]",
    ),
    Broken(
        "rows of an outdated epoch count",
        "streaming.changelog",
        "if epoch < self.epoch:",
        "if False:",
    ),
    Broken(
        "outdated rows are not written again",
        "streaming.changelog",
        "        if keys:\n",
        "        if not keys:\n",
    ),
    Broken(
        "a foreign write is not noticed",
        "streaming.changelog",
        "if appended.offset != self.end:",
        "if False:",
    ),
    Broken(
        "the log is not read up to the claim",
        "streaming.recovery",
        "spans = {tp: Bounds(logs[tp].end, claim.offset + 1) for tp, claim in claims.items()}",
        "spans = {tp: Bounds(logs[tp].end, logs[tp].end) for tp in claims}",
    ),
    Broken(
        "events are read from one behind the fence",
        "streaming.recovery",
        "position = deals.fence + 1",
        "position = deals.fence + 2",
    ),
    Broken(
        "offsets are committed before they are written",
        "streaming.partition",
        "        self.position, self._highwater = batch.end, batch.highwater\n",
        "        self.position, self._highwater = batch.end, batch.highwater\n"
        "        self.acknowledged = batch.end\n",
    ),
    Broken(
        "dead letters and misrouted events are sent after the fence",
        "streaming.partition",
        "        await self._dead_letters.send(pending.rejected, pending.misrouted)\n"
        "        try:\n"
        "            await self._changelog.append(pending.changed, pending.fence)\n",
        "        try:\n"
        "            await self._changelog.append(pending.changed, pending.fence)\n"
        "            await self._dead_letters.send(pending.rejected, pending.misrouted)\n",
    ),
    Broken(
        "a dead letter does not have its record's value",
        "streaming.deadletters",
        "return ProducerRecord(record.key, record.value, headers, record.timestamp)",
        "return ProducerRecord(record.key, b'', headers, record.timestamp)",
    ),
    Broken(
        "dead letters lie on another partition",
        "streaming.deadletters",
        "await self._log.append(self._dead_letters, self._partition, small)",
        "await self._log.append(self._dead_letters, 0, small)",
    ),
    Broken(
        "after a foreign write the partition goes on",
        "streaming.partition",
        "            self.abandon()\n"
        "            self._on_foreign_write(self)\n"
        "            return\n",
        "            pass\n",
    ),
    Broken(
        "a snapshot counts before its end mark",
        "streaming.pane_log",
        "            source.new_begin = row\n            return None\n",
        "            source.new_begin = source.begin = row\n"
        "            source.complete = True\n"
        "            return Completed(number, True, [], Progress(0))\n",
    ),
    Broken(
        "facts of another generation are complete",
        "streaming.pane_log",
        "if not source.complete or source.begin.generation != generation",
        "if not source.complete",
    ),
    Broken(
        "rows that were deleted unread are passed over",
        "streaming.aggregate",
        "            tables.reader.skip()\n",
        "            pass\n",
    ),
    Broken(
        "figures are shown without a lease",
        "reporting",
        "return self._clock() - self._confirmed >= self._session_timeout",
        "return False",
    ),
)
