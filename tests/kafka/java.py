"""Programs of Apache Kafka, as Java runs them."""

import os
from pathlib import Path

import pytest

from tests.programs import binary

JARS = Path(__file__).parents[2] / "build" / "kafka"
ARCHIVE = JARS / "classes.jsa"
"""Kafka's classes as Java has them in memory once they are loaded; halves the cost of a start."""
# What lives for minutes does not pay for a better compiler, nor for threads that collect garbage.
_QUICK = ("-Xshare:auto", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")


def command(main: str, *arguments: str, options: tuple[str, ...] = ()) -> list[str]:
    """The command that runs this class; without Java or the jars an error in CI, elsewhere a
    skip."""
    java = binary("java")
    jars = sorted(JARS.glob("*.jar"))
    if not jars:
        reason = "needs Apache Kafka; `make test-kafka` fetches it with Maven (Debian: maven)"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    if ARCHIVE.exists():
        options = (f"-XX:SharedArchiveFile={ARCHIVE}", *options)
    return [java, *_QUICK, *options, "-cp", os.pathsep.join(map(str, jars)), main, *arguments]
