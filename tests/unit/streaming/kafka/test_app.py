"""What our Faust application does otherwise than Faust."""

import asyncio

from funnel_stream.connection import Connection
from funnel_stream.reporting import Reporter
from funnel_stream.settings import Settings
from funnel_stream.streaming.kafka.app import build_app
from funnel_stream.streaming.system import OwnProcess


def test_batches_that_wait_are_kept_when_the_flow_goes_on_once_more() -> None:
    """One rebalance overtakes another: Faust lets the flow go on for both, one after the other."""

    async def overtaken() -> list[object]:
        app = build_app(Settings(), Connection(), {}, Reporter(session_timeout=10.0), OwnProcess())
        channel = app.topic("events")
        app.flow_control.resume()
        channel.queue.put_nowait("fetched in between")
        app.flow_control.resume()
        return [channel.queue.get_nowait() for _ in range(channel.queue.qsize())]

    assert asyncio.run(overtaken()) == ["fetched in between"]
