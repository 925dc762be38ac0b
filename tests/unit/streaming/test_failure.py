"""Tasks that nobody awaits do not fail in silence."""

import asyncio

from funnel_stream.streaming.failure import dies_of_errors
from tests.unit.streaming.worlds import DeathError, RecordedProcess


async def ended(coroutine_error: BaseException | None, *, cancel: bool = False) -> list[str]:
    """How a process dies whose task ends so."""
    process = RecordedProcess()
    started = asyncio.Event()

    async def work() -> None:
        started.set()
        if cancel:
            await asyncio.sleep(60)
        if coroutine_error:
            raise coroutine_error

    loop = asyncio.get_running_loop()
    raised: list[object] = []
    loop.set_exception_handler(lambda _, context: raised.append(context.get("exception")))
    task = asyncio.create_task(work(), name="fold 3")
    task.add_done_callback(dies_of_errors(process))
    await started.wait()
    if cancel:
        task.cancel()
    await asyncio.wait({task})
    await asyncio.sleep(0)
    assert [type(error) for error in raised] == [DeathError] * len(process.deaths)
    return process.deaths


async def test_an_error_is_the_end() -> None:
    assert await ended(ValueError("x")) == ["fold 3 failed"]


async def test_an_end_is_not() -> None:
    assert await ended(None) == []


async def test_nor_is_being_cancelled() -> None:
    assert await ended(None, cancel=True) == []
