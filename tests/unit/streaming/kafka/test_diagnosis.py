"""What asyncio says of a name with several addresses; real brokers: ``tests/kafka``."""

import pytest

from funnel_stream.connection import Connection
from funnel_stream.errors import BrokerError
from funnel_stream.streaming.kafka import diagnosis
from funnel_stream.streaming.kafka.diagnosis import diagnose

REFUSED = (
    "Multiple exceptions: [Errno 111] Connect call failed ('::1', 9092, 0, 0), "
    "[Errno 111] Connect call failed ('127.0.0.1', 9092)"
)
UNREACHABLE = "[Errno 113] Connect call failed ('10.1.2.3', 9092)"


@pytest.mark.parametrize(
    ("error", "why"),
    [(OSError(REFUSED), "nothing listens there"), (OSError(UNREACHABLE), UNREACHABLE)],
)
async def test_a_call_that_fails_is_not_taken_for_a_broker_that_hangs_up(
    monkeypatch: pytest.MonkeyPatch, error: OSError, why: str
) -> None:
    async def failing(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(diagnosis, "create_conn", failing)
    found = await diagnose(Connection("kafka:9092"))
    assert isinstance(found, BrokerError)
    assert found.message == f"no broker answers at kafka:9092: {why}"
