"""A connection from the command line, else the environment, else a properties file."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from funnel_stream.connection.connection import Connection, connection_of
from funnel_stream.connection.jaas import expand_jaas
from funnel_stream.connection.properties import SAME, PropertySource, PropertyValue
from funnel_stream.connection.sources import of_environment, of_file, of_flags, variables

BROKER: Final = "FUNNEL_BROKER"
FILE: Final = "FUNNEL_KAFKA_CONFIG"
VARIABLES: Final = frozenset({BROKER, FILE} | variables())
"""The names of all variables that concern a connection."""


def load_connection(
    *,
    broker: str | None = None,
    file: Path | None = None,
    properties: Iterable[str] = (),
    environment: Mapping[str, str] = os.environ,
) -> Connection:
    """``broker``: as ``--broker`` says, ``file``: ``--kafka-config``, ``properties``: ``--kafka``.

    Raises ``ConfigError`` that says what is wrong, and where that stands.
    """
    path = file or (Path(environment[FILE]) if environment.get(FILE) else None)
    flags, variables = of_flags(properties), of_environment(environment)
    _add_broker(flags, broker, "--broker")
    _add_broker(variables, environment.get(BROKER), BROKER)
    of_path = of_file(path) if path else PropertySource.empty()
    given: dict[str, PropertyValue] = {}
    for source in (of_path, variables, flags):
        expand_jaas(source)
        _overlay(given, source.given)
    return connection_of(given, tuple(of_path.passed_over))


def _overlay(given: dict[str, PropertyValue], later: Mapping[str, PropertyValue]) -> None:
    """What a later source says takes the place of all that would say it in another way."""
    for names in SAME:
        if any(name in later for name in names):
            for name in names:
                given.pop(name, None)
    given |= later


def _add_broker(source: PropertySource, broker: str | None, where: str) -> None:
    if broker:
        source.add("bootstrap.servers", broker, where)
