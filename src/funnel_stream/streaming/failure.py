"""What ends a worker: a reason that the user must see, or an error that nobody foresaw."""

import asyncio
import logging
from collections.abc import Callable

from funnel_stream.errors import FunnelError
from funnel_stream.streaming.log import Process

log = logging.getLogger(__name__)

Halt = Callable[[FunnelError], None]
"""Ends the worker in order: partitions are given back, the group is left, the reason is shown."""


def dies_of_errors(process: Process) -> Callable[[asyncio.Task[None]], None]:
    """Callback of tasks that nobody awaits: an unexpected error must not go unnoticed."""

    def ended(task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()):
            log.critical("%s failed", task.get_name(), exc_info=error)
            process.die(f"{task.get_name()} failed", error)

    return ended
