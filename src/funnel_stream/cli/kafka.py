"""The options by which every verb reaches Kafka, and what is told when it cannot be reached."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from funnel_stream.connection import Connection, load_connection
from funnel_stream.errors import BrokerError

Broker = Annotated[
    str | None,
    typer.Option(metavar="HOST:PORT", help="Kafka; several with commas. [default: localhost:9092]"),
]
KafkaConfig = Annotated[
    Path | None,
    typer.Option(
        "--kafka-config",
        metavar="FILE",
        help="Properties of the connection (TLS, login …), as Kafka's own clients read them.",
    ),
]
KafkaProperties = Annotated[
    list[str] | None,
    typer.Option(
        "--kafka",
        metavar="NAME=VALUE",
        help="One such property, like security.protocol=SSL; repeat it for more.",
    ),
]


def connection_by_options(
    broker: str | None, file: Path | None, properties: Sequence[str] | None
) -> Connection:
    """What the options and the environment come to; what of the file is not used is told.
    Raises ``ConfigError``."""
    connection = load_connection(broker=broker, file=file, properties=properties or ())
    if names := connection.passed_over:
        typer.echo(
            f"not used, since they do not concern the connection: {', '.join(names)}", err=True
        )
    return connection


@contextmanager
def diagnosing(connection: Connection) -> Iterator[None]:
    """Tells why the broker cannot be reached, if it cannot, in place of what a client says."""
    try:
        yield
    except BrokerError as error:
        # It takes a second to import.
        from funnel_stream.streaming.kafka.diagnosis import diagnose

        if found := asyncio.run(diagnose(connection)):
            raise found from error
        raise
