"""Starts Kafka once, so that Java keeps its classes ready for the times to come; `make test-kafka`
does it after the jars have been fetched."""

import os
import tempfile
from pathlib import Path

from tests.kafka.certificates import Authority
from tests.kafka.cluster import Cluster
from tests.kafka.java import ARCHIVE
from tests.kafka.token_server import Signer


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        made = folder / ARCHIVE.name
        os.environ["JAVA_TOOL_OPTIONS"] = f"-XX:ArchiveClassesAtExit={made}"
        with Cluster(folder / "cluster", Authority(folder), Signer(folder)) as cluster:
            cluster.nodes[1].stop()
        ARCHIVE.write_bytes(made.read_bytes())


if __name__ == "__main__":
    main()
