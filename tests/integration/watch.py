"""Who reports, seen from outside, all the time."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tests.integration.processes import Worker


class Watch:
    """Asks workers whether they show KPIs; ``doubles`` are the moments at which several did."""

    def __init__(self, workers: list[Worker]) -> None:
        self.rounds = 0
        self.seen: set[int] = set()
        """Ports of workers that have reported."""
        self.doubles: list[str] = []
        self._workers = workers
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def _look(self) -> None:
        while not self._end.wait(0.02):
            self._round()

    def _round(self) -> None:
        workers = list(self._workers)
        there = [worker for worker in workers if _reports(worker)]
        self.rounds += 1
        self.seen.update(worker.port for worker in there)
        # Not asked at the same moment: one may have taken over from the other in between. Then the
        # former does not report any more.
        if len(there) > 1 and all(map(_reports, there)):
            self.doubles.append(f"{[worker.port for worker in there]} in round {self.rounds}")


def _reports(worker: Worker) -> bool:
    return worker.running and worker.reports(timeout=1.0)


@contextmanager
def watching(workers: list[Worker]) -> Iterator[Watch]:
    """Watch as long as the block lasts; workers may be added. Fails if ever two reported."""
    watch = Watch(workers)
    watch._thread.start()
    try:
        yield watch
    finally:
        watch._end.set()
        watch._thread.join()
    assert watch.rounds > 20
    assert watch.doubles == []
