"""What the tests share: one broker for all of them, and what is needed to log in to it."""

from collections.abc import Iterator

import pytest

from tests.kafka.certificates import Authority
from tests.kafka.cluster import USERS, Cluster
from tests.kafka.token_server import Signer, TokenServer


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="session")
def signer(tmp_path_factory: pytest.TempPathFactory) -> Signer:
    return Signer(tmp_path_factory.mktemp("signer"))


@pytest.fixture(scope="session")
def token_server(signer: Signer) -> Iterator[TokenServer]:
    with TokenServer(signer, dict(USERS)) as server:
        yield server


@pytest.fixture(scope="session")
def cluster(
    tmp_path_factory: pytest.TempPathFactory, authority: Authority, signer: Signer
) -> Iterator[Cluster]:
    """One node."""
    with Cluster(tmp_path_factory.mktemp("cluster"), authority, signer) as kafka:
        yield kafka
