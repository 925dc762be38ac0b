"""Where properties of a connection come from: a file, the environment, the command line."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

import javaproperties

from funnel_stream.connection.properties import (
    ALIASES,
    NAMES,
    SECRET,
    PropertySource,
    concerns_connection,
    unknown,
)
from funnel_stream.errors import ConfigError

PREFIX: Final = "FUNNEL_KAFKA_"
FILE: Final = "_FILE"
"""Behind a variable's name: its value stands in that file."""
_LITERAL: Final = ("sasl.username", "sasl.password", "sasl.oauthbearer.client.secret")
"""Names that librdkafka has as well, which takes a backslash for itself; Java does not."""


def of_file(path: Path) -> PropertySource:
    """A properties file as Kafka's clients in Java read it. Raises ``ConfigError``."""
    try:
        # Java reads Latin-1, where what is not ASCII is escaped; people write UTF-8.
        text = path.read_text(encoding="utf-8")
        parsed = list(javaproperties.parse(text))
    except (OSError, UnicodeDecodeError, javaproperties.InvalidUEscapeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(f"{path} cannot be read: {reason}") from None
    source = PropertySource.empty()
    line = 1
    for each in parsed:
        where, line = f"{path}, line {line}", line + each.source.count("\n")
        if not isinstance(each, javaproperties.KeyValue):
            continue
        name, value = each.key, each.value.strip()
        if not concerns_connection(name, where):
            source.passed_over.append(name)
            continue
        if name in _LITERAL and "\\" in each.source:
            raise ConfigError(
                f"{where}: {name} has a backslash; librdkafka takes it as it stands, Java as the "
                "beginning of an escape",
                hint=f"Put the value into a file, and its path into {variable(name)}{FILE}.",
            )
        source.add(name, value, f"{where} ({name})")
    return source


def of_environment(environment: Mapping[str, str]) -> PropertySource:
    """``FUNNEL_KAFKA_SASL_PASSWORD`` for ``sasl.password``, or ``FUNNEL_KAFKA_SASL_PASSWORD_FILE``
    with the path of a file that has the value. Raises ``ConfigError``."""
    source = PropertySource.empty()
    for name in NAMES:
        plain, file = variable(name), variable(name) + FILE
        if plain in environment:
            source.add(name, environment[plain].strip(), plain)
        if path := environment.get(file):
            source.add(name, _content(Path(path), file), file)
    return source


def of_flags(properties: Iterable[str]) -> PropertySource:
    """``--kafka sasl.mechanism=PLAIN``. Secrets are refused: everybody on the machine sees them.
    Raises ``ConfigError``."""
    source = PropertySource.empty()
    for each in properties:
        name, equals, value = (part.strip() for part in each.partition("="))
        if not equals:
            raise ConfigError(f"--kafka takes name=value, not {name!r}")
        if name not in NAMES:
            raise unknown(name, "--kafka")
        if ALIASES.get(name, name) in SECRET:
            raise ConfigError(
                f"--kafka {name}: a secret on the command line is seen by everybody on the machine",
                hint=f"Set {variable(name)}; or {variable(name)}{FILE}, to a file that has it.",
            )
        source.add(name, value, f"--kafka {name}")
    return source


def variable(name: str) -> str:
    """The environment's name of a property."""
    return PREFIX + name.upper().replace(".", "_")


def variables() -> set[str]:
    """All that are known."""
    plain = set(map(variable, NAMES))
    return plain | {name + FILE for name in plain}


def _content(path: Path, where: str) -> str:
    try:
        return path.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise ConfigError(f"{where}: {path} cannot be read: {reason}") from None
