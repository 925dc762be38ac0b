"""``funnel-stream worker``: the real thing, on a Kafka of your own."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from funnel_stream.cli.kafka import Broker, KafkaConfig, KafkaProperties, connection_by_options
from funnel_stream.settings import advertised_url as advertised
from funnel_stream.settings import load_settings


def worker(
    broker: Broker = None,
    kafka_config: KafkaConfig = None,
    kafka: KafkaProperties = None,
    http_host: Annotated[
        str | None, typer.Option(help="Address of /metrics. [default: 127.0.0.1]")
    ] = None,
    http_port: Annotated[
        str | None, typer.Option(help="Port of /metrics; 0 picks a free one. [default: 6066]")
    ] = None,
    advertised_url: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Where other workers reach this one. [default: http://HOST:PORT of /metrics]",
        ),
    ] = None,
    clock: Annotated[
        str | None,
        typer.Option(help="What 'now' is: wall, or event (newest seen). [default: wall]"),
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="The funnel's definition, funnel.yaml.")
    ] = None,
    group: Annotated[
        str | None, typer.Option(help="Kafka consumer group. [default: funnel-stream]")
    ] = None,
    session_timeout: Annotated[
        str | None,
        typer.Option(help="Seconds of silence before others take over. [default: 10]"),
    ] = None,
    log_level: Annotated[
        str | None, typer.Option(help="debug, info, warning or error. [default: info]")
    ] = None,
) -> None:
    """Consume funnel events from Kafka and serve every KPI on /metrics.

    Start as many workers as you like: the partitions are shared among them, and one of them
    reports the KPIs of the whole funnel; the others pass requests on to it. Kill any of them at
    any time: no event is lost or counted twice.

    Every option can also be set in the environment: FUNNEL_BROKER, FUNNEL_HTTP_PORT …; topics
    only there: FUNNEL_EVENTS_TOPIC, FUNNEL_DEAD_LETTERS_TOPIC, FUNNEL_CHANGELOG_TOPIC,
    FUNNEL_PANES_TOPIC, and for topics that have to be created FUNNEL_PARTITIONS and
    FUNNEL_REPLICATION; and FUNNEL_MAX_STUBS, how many ended deals are remembered.

    Example: funnel-stream worker --broker localhost:9092 --http-port 6066
    """
    settings = load_settings(
        http_host=http_host,
        http_port=http_port,
        advertised_url=advertised_url,
        clock=clock,
        config=config,
        group=group,
        session_timeout=session_timeout,
        log_level=log_level,
    )
    connection = connection_by_options(broker, kafka_config, kafka)
    # Faust and aiokafka take a second to import: not before the settings are known to be good.
    from funnel_stream.config.load import load
    from funnel_stream.exposition import server
    from funnel_stream.reporting import Reporter
    from funnel_stream.streaming import logs
    from funnel_stream.streaming.kafka.process import run_worker

    funnel = load(settings.config)
    logs.set_up(settings.log_level)
    reporter = Reporter(session_timeout=settings.session_timeout)
    serving = server.start(reporter, funnel, settings.http_host, settings.http_port)
    typer.echo(
        f"page at http://{settings.http_host}:{serving.port}/, metrics at /metrics", err=True
    )
    # The real port is known only now.
    settings = settings.model_copy(
        update={"advertised_url": advertised(settings, connection.bootstrap_servers, serving.port)}
    )
    try:
        asyncio.run(run_worker(settings, connection, funnel, reporter))
    finally:
        serving.stop()
