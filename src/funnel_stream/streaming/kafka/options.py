"""A connection, as aiokafka's clients take it."""

import asyncio
from typing import Any

from aiokafka.abc import AbstractTokenProvider
from aiokafka.errors import KafkaConnectionError

from funnel_stream.connection import Connection
from funnel_stream.connection.login import OAuth, Password
from funnel_stream.connection.tokens import TokenSource
from funnel_stream.errors import FunnelError

AiokafkaOptions = dict[str, Any]
"""Keyword arguments that all of aiokafka's clients have in common."""


class TokenProvider(AbstractTokenProvider):  # type: ignore[misc]
    """Tokens for aiokafka, which has it tried again whenever there is none."""

    def __init__(self, source: TokenSource, extensions: dict[str, str]) -> None:
        self._source = source
        self._extensions = extensions

    async def token(self) -> str:
        try:
            return (await asyncio.to_thread(self._source.token)).value
        except FunnelError as error:
            raise KafkaConnectionError(error.message) from error

    def extensions(self) -> dict[str, str]:
        return self._extensions


def options_of(connection: Connection) -> AiokafkaOptions:
    """To be shared by all clients of a process, so that a token is asked for once."""
    options: AiokafkaOptions = {
        "bootstrap_servers": connection.bootstrap_servers,
        "client_id": connection.client_id,
        "security_protocol": connection.security_protocol,
        "ssl_context": connection.tls.context if connection.tls else None,
    }
    login = connection.login
    if isinstance(login, Password):
        return options | {
            "sasl_mechanism": login.mechanism,
            "sasl_plain_username": login.username,
            "sasl_plain_password": login.password.get_secret_value(),
        }
    if login is not None:
        extensions = dict(login.extensions) if isinstance(login, OAuth) else {}
        provider = TokenProvider(TokenSource(login), extensions)
        return options | {"sasl_mechanism": "OAUTHBEARER", "sasl_oauth_token_provider": provider}
    return options
