"""The loop's time as the time of day."""

import asyncio

from funnel_stream.streaming.memory.clock import LoopClock


async def test_it_goes_on_with_the_loop() -> None:
    loop = asyncio.get_running_loop()
    clock = LoopClock(loop, 1_000_000.0)
    began = clock.wall()
    assert 1_000_000.0 <= began < 1_000_060.0
    monotonic, at = clock.monotonic(), loop.time()
    await asyncio.sleep(0.01)
    assert clock.wall() - began >= 0.009
    assert monotonic <= at <= clock.monotonic()


async def test_computing_takes_no_time() -> None:
    clock = LoopClock(asyncio.get_running_loop(), 0.0)
    began = clock.cpu()
    sum(range(10_000))
    assert clock.cpu() == began
