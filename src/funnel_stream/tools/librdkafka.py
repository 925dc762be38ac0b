"""A connection, as clients of librdkafka take it."""

from typing import Any

from confluent_kafka import KafkaException

from funnel_stream.connection import Connection
from funnel_stream.connection.login import OAuth, Password
from funnel_stream.connection.tls import Tls
from funnel_stream.connection.tokens import TokenSource
from funnel_stream.errors import FunnelError

LibrdkafkaOptions = dict[str, Any]


def librdkafka_options(connection: Connection) -> LibrdkafkaOptions:
    """Configuration of a producer, consumer or administrator."""
    options: LibrdkafkaOptions = {
        "bootstrap.servers": connection.bootstrap_servers,
        "client.id": connection.client_id,
        "security.protocol": connection.security_protocol,
    }
    if connection.tls:
        options |= _of_tls(connection.tls)
    login = connection.login
    if isinstance(login, Password):
        return options | {
            "sasl.mechanism": login.mechanism,
            "sasl.username": login.username,
            "sasl.password": login.password.get_secret_value(),
        }
    if login is None:
        return options
    source = TokenSource(login)
    extensions = dict(login.extensions) if isinstance(login, OAuth) else {}

    def token(_: str) -> tuple[str, float, str, dict[str, str]]:
        try:
            value, expires = source.token()
        except FunnelError as error:
            raise KafkaException(error.message) from error
        return value, expires, "", extensions

    return options | {"sasl.mechanism": "OAUTHBEARER", "oauth_cb": token}


def _of_tls(tls: Tls) -> LibrdkafkaOptions:
    options = {"ssl.endpoint.identification.algorithm": "https" if tls.checks_host else "none"}
    if tls.ca:
        options["ssl.ca.pem"] = tls.ca
    if own := tls.identity:
        options["ssl.certificate.pem"] = own.certificates
        options["ssl.key.pem"] = own.key.get_secret_value()
        if own.password:
            options["ssl.key.password"] = own.password.get_secret_value()
    return options
