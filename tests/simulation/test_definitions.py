"""Another definition of the funnel needs no migration, and two at a time are never mixed."""

from collections.abc import Callable
from pathlib import Path

import pytest

from funnel_stream.config.load import load
from funnel_stream.definition import Definition
from tests.integration.stories import RICH, simulated, written
from tests.simulation.broken import Broken
from tests.simulation.stage import computed, staged

EVENTS = 2_000
PLAIN = Definition(dimensions=("channel", "owner"), windows=("1h", "24h", "30d"), horizons=("3d",))


@pytest.fixture(scope="module")
def lines() -> list[bytes]:
    return simulated(EVENTS, deals_per_day=6)


@pytest.fixture
def rich(tmp_path: Path) -> Definition:
    return load(written(tmp_path, RICH))


def test_another_definition_needs_no_migration(lines: list[bytes], rich: Definition) -> None:
    """Other dimensions, windows, horizons, limits and currencies: for the past, too, and back."""
    half, rest = lines[: EVENTS // 2], lines[EVENTS // 2 :]
    with staged() as stage:
        worker = stage.start(PLAIN)
        stage.publish(half)
        stage.wait_figures(worker, computed(half, PLAIN))
        stage.stop(worker)

        worker = stage.start(rich)
        stage.wait_figures(worker, computed(half, rich))
        stage.publish(rest)
        stage.wait_figures(worker, computed(lines, rich))
        worker.crash(0.0)

        worker = stage.start(PLAIN)
        stage.wait_figures(worker, computed(lines, PLAIN))


@pytest.mark.parametrize("survivor", [0, 1], ids=["first", "second"])
def test_workers_of_different_definitions_show_nothing(
    lines: list[bytes], rich: Definition, survivor: int
) -> None:
    """One of them has the panes, and the facts of the other one are not what it counts."""
    definitions = PLAIN, rich
    expected = [computed(lines, definition) for definition in definitions]
    with staged() as stage:
        first = stage.start(PLAIN)
        stage.publish(lines)
        stage.wait_figures(first, expected[0])
        workers = first, stage.start(rich)

        def refused() -> bool:
            for worker, its_own in zip(workers, expected, strict=True):
                assert stage.shown_by(worker) in (None, its_own)
            return any("definition" in worker.reporter.ready()[1] for worker in workers)

        stage.until(refused, "either to say why it shows nothing")
        stage.pass_time(10)
        assert refused()
        assert not any(worker.reporter.reporting() for worker in workers)
        stage.stop(workers[1 - survivor])
        stage.wait_figures(workers[survivor], expected[survivor])


MIXED = Broken(
    "facts of another definition count",
    "streaming.pane_log",
    "ours = source.new_begin.fingerprint == self._fingerprint",
    "ours = True",
)
FORGOTTEN = Broken(
    "erasures are forgotten with the worker",
    "streaming.changelog",
    "for key, value in piece.items()]",
    "for key, value in piece.items() if value]",
)


@pytest.mark.parametrize(
    ("story", "broken"),
    [
        (test_another_definition_needs_no_migration, FORGOTTEN),
        (lambda *given: test_workers_of_different_definitions_show_nothing(*given, 0), MIXED),
        (lambda *given: test_workers_of_different_definitions_show_nothing(*given, 1), MIXED),
    ],
)
def test_a_broken_build_is_noticed(
    story: Callable[..., None], broken: Broken, lines: list[bytes], rich: Definition
) -> None:
    with broken.in_place(), pytest.raises(AssertionError):
        story(lines, rich)
