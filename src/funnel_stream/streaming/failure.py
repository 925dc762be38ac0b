"""Two ways to end: at once, when nothing in memory can be trusted; or in order, with a reason."""

import asyncio
import logging
import os
from collections.abc import Callable
from typing import NoReturn

from funnel_stream.errors import FunnelError

log = logging.getLogger(__name__)

Halt = Callable[[FunnelError], None]
"""Ends the worker in order: partitions are given back, the group is left, the reason is shown."""


def die(reason: str, error: BaseException | None = None) -> NoReturn:
    """End the process now, without a last write: the next start recovers from the changelog.

    For failed writes above all: a batch that timed out may still land, so whatever this process
    would do next could contradict it.
    """
    detail = f": {type(error).__name__}: {error}" if error else ""
    log.critical("%s%s. Ending the process; a restart recovers all of it.", reason, detail)
    logging.shutdown()
    os._exit(1)


def die_of_errors(task: asyncio.Task[None]) -> None:
    """Callback of a task that nobody awaits: an unexpected error must not go unnoticed."""
    if not task.cancelled() and (error := task.exception()):
        log.critical("%s failed", task.get_name(), exc_info=error)
        die(f"{task.get_name()} failed", error)
