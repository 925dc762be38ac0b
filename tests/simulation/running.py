"""Many schedules one after the other, in several processes."""

import gc
import logging
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from typing import Final, NamedTuple

from tests.simulation.broken import Broken
from tests.simulation.events import expect
from tests.simulation.plan import draw
from tests.simulation.shrink import failure

_CHUNK: Final = 200
_COLLECTED_EVERY: Final = 20


class Failure(NamedTuple):
    """A seed whose schedule fails, and how."""

    seed: int
    what: str


@contextmanager
def quietly() -> Iterator[None]:
    """Nothing is logged, and garbage is looked for between two schedules alone: what has died in a
    schedule leaves tasks and coroutines in the middle of something."""
    logging.disable(logging.CRITICAL)
    gc.disable()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        finally:
            gc.unfreeze()
            gc.enable()
            logging.disable(logging.NOTSET)


def failures(seeds: Iterable[int]) -> Iterator[Failure]:
    """Those of these seeds that fail."""
    for number, seed in enumerate(seeds):
        if what := failure(draw(seed)):
            yield Failure(seed, what)
        if number % _COLLECTED_EVERY == 0:
            gc.collect()
            gc.freeze()  # what is left is kept for long, and need not be looked at again


def in_processes(seeds: range, processes: int) -> Iterator[tuple[int, list[Failure]]]:
    """How many have been run, again and again, and which of them failed.

    A process runs some hundreds and is gone, and its garbage with it; the lists of events and what
    they come to are made before, once for all.
    """
    chunks = [seeds[start : start + _CHUNK] for start in range(0, len(seeds), _CHUNK)]
    if len(chunks) > 1:
        expect()
    with get_context("fork").Pool(processes, maxtasksperchild=1) as pool:
        for chunk, found in zip(chunks, pool.imap(_failures, chunks), strict=True):
            yield len(chunk), found


def _failures(seeds: range) -> list[Failure]:
    with quietly():
        found = ((seed, failure(draw(seed))) for seed in seeds)
        return [Failure(seed, what) for seed, what in found if what]


def caught_after(broken: Broken, seeds: range) -> Failure | None:
    """The first failure of a build that is broken on purpose."""
    with quietly(), broken.in_place():
        return next(failures(seeds), None)
