"""The machine that a worker really runs on: its clocks, and the process."""

import logging
import os
import time
from typing import NoReturn

from funnel_stream.reporting import monotonic
from funnel_stream.streaming import heap

log = logging.getLogger(__name__)


class SystemClock:
    """The clocks of this machine."""

    def monotonic(self) -> float:
        return monotonic()

    def wall(self) -> float:
        return time.time()

    def cpu(self) -> float:
        return time.thread_time()


class OwnProcess:
    """The process that this code runs in."""

    def die(self, reason: str, error: BaseException | None = None) -> NoReturn:
        detail = f": {type(error).__name__}: {error}" if error else ""
        log.critical("%s%s. Ending the process; a restart recovers all of it.", reason, detail)
        logging.shutdown()
        os._exit(1)

    def give_back(self) -> None:
        heap.give_back()
