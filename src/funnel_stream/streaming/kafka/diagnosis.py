"""Why a broker cannot be reached, in one sentence, and what to do about it."""

import asyncio
import errno
import re
import socket
import ssl
from typing import Any, Final

from aiokafka import errors
from aiokafka.conn import create_conn
from aiokafka.protocol.metadata import MetadataRequest

from funnel_stream.connection import Connection
from funnel_stream.connection.login import OAuth, Password
from funnel_stream.errors import BrokerError, FunnelError
from funnel_stream.streaming.kafka.options import options_of

_SECONDS: Final = 10.0
_ALERT_SECONDS: Final = 3.0
_CALL_FAILED: Final = "Connect call failed"
_REFUSED: Final = f"[Errno {errno.ECONNREFUSED}]"
# X509_V_ERR_… of OpenSSL.
_EXPIRED, _NOT_YET_VALID, _WRONG_NAME, _WRONG_ADDRESS = 10, 9, 62, 64
_ALERTS: Final = {
    "certificate required": "asks for a client certificate, and none is set",
    "certificate expired": "refuses our client certificate: it has expired",
    "unknown ca": "refuses our client certificate: it does not trust who signed it",
    "bad certificate": "refuses our client certificate",
    "certificate unknown": "refuses our client certificate",
    "unsupported certificate": "refuses our client certificate: it is not one for clients",
}
"""What a broker says by a TLS alert, in OpenSSL's words."""


async def unreachable(connection: Connection, error: Exception) -> BrokerError:
    """What to tell when a client could not connect."""
    return await diagnose(connection) or BrokerError(f"Kafka cannot be reached: {error}")


async def diagnose(connection: Connection) -> BrokerError | None:
    """Ask every broker by itself; what is wrong with the first, or ``None`` if one answers."""
    options = options_of(connection)
    found = None
    for server in connection.bootstrap_servers.split(","):
        problem = await _Probe(connection, options, server.strip()).problem()
        if problem is None:
            return None
        found = found or problem
    return found


class _Probe:
    """One attempt to connect to one broker, log in and ask for what it has."""

    def __init__(self, connection: Connection, options: dict[str, Any], server: str) -> None:
        host, _, port = server.rpartition(":")
        self._host, self._port = host.strip("[]"), int(port)
        self._server = server
        self._connection = connection
        self._options = {key: of for key, of in options.items() if key != "bootstrap_servers"}

    async def problem(self) -> BrokerError | None:
        try:
            conn = await create_conn(
                self._host, self._port, request_timeout_ms=int(_SECONDS * 1000), **self._options
            )
        except (OSError, errors.KafkaError) as error:
            return await self._told(error)
        try:
            await conn.send(MetadataRequest([]))
        except (errors.KafkaError, TimeoutError) as error:
            return await self._told(error)
        finally:
            conn.close()
        return None

    async def _told(self, error: Exception) -> BrokerError:
        if isinstance(error, ssl.SSLCertVerificationError):
            return self._certificate(error)
        if found := self._alert(str(error)):
            return found
        if isinstance(
            error, errors.SaslAuthenticationFailed | errors.UnsupportedSaslMechanismError
        ):
            return self._login(error)
        if isinstance(error, errors.IllegalSaslStateError):
            plain = "SSL" if self._connection.tls else "PLAINTEXT"
            return BrokerError(
                f"{self._server} asks for no login, and security.protocol is "
                f"{self._connection.security_protocol}",
                hint=f"Another port? If no login is meant, set security.protocol to {plain}.",
            )
        if isinstance(error, errors.KafkaConnectionError) and isinstance(
            error.__cause__, FunnelError
        ):
            cause = error.__cause__
            return BrokerError(cause.message, hint=cause.hint)
        if isinstance(error, socket.gaierror):
            return BrokerError(
                f"the name {self._host} of a broker is not known here",
                hint="Is it spelled right? Some clusters have names in a private network only.",
            )
        # Of a name with several addresses asyncio tells all failures, in one OSError.
        if isinstance(error, OSError) and _CALL_FAILED in str(error):
            refused = isinstance(error, ConnectionRefusedError) or _REFUSED in str(error)
            why = "nothing listens there" if refused else str(error)
            return BrokerError(
                f"no broker answers at {self._server}: {why}",
                hint="Is it running? FUNNEL_BROKER or --broker says where to look.",
            )
        if isinstance(error, TimeoutError):
            return BrokerError(
                f"no broker answers at {self._server} within {_SECONDS:.0f} s",
                hint="A firewall, a security group, or an address in another network?",
            )
        return await self._hung_up(error)

    def _certificate(self, error: ssl.SSLCertVerificationError) -> BrokerError:
        match error.verify_code:
            case code if code == _EXPIRED:
                what, hint = "has expired", "The broker needs a new one; is our clock right?"
            case code if code == _NOT_YET_VALID:
                what, hint = "is not valid yet", "Is our clock right?"
            case code if code in (_WRONG_NAME, _WRONG_ADDRESS):
                what = f"is not for {self._host}"
                hint = "Use a name that is in it; ssl.endpoint.identification.algorithm= (empty) \
trusts any that the CA has signed."
            case _:
                what = f"is not trusted ({error.verify_message})"
                hint = "Set ssl.ca.location to the certificate of the CA that has signed it (PEM)."
        return BrokerError(f"the certificate of {self._server} {what}", hint=hint)

    def _alert(self, text: str) -> BrokerError | None:
        words = text.lower().replace("_", " ")
        for alert, what in _ALERTS.items():
            if alert in words and "alert" in words:
                return BrokerError(
                    f"{self._server} {what}",
                    hint="Set ssl.certificate.location and ssl.key.location (PEM).",
                )
        return None

    def _login(self, error: errors.KafkaError) -> BrokerError:
        login = self._connection.login
        if isinstance(error, errors.UnsupportedSaslMechanismError):
            offered = re.search(r"\[.*\]", str(error))
            among = f"; it offers {offered[0]}" if offered else ""
            return BrokerError(
                f"{self._server} takes no login by {self._options['sasl_mechanism']}{among}",
                hint="Set sasl.mechanism to one that it takes.",
            )
        who = "this token"
        if isinstance(login, Password):
            who = f"{login.username} ({login.mechanism})"
        elif isinstance(login, OAuth):
            who = f"the token of {login.client_id}"
        return BrokerError(
            f"{self._server} refuses {who}: {_said(error)}",
            hint="A wrong password, a user that is not known there, or another mechanism?",
        )

    async def _hung_up(self, error: Exception) -> BrokerError:
        """The broker has closed the connection without a word: what does it speak?"""
        speaks_tls = await asyncio.to_thread(_speaks_tls, self._host, self._port)
        ours = self._connection.security_protocol
        if speaks_tls and not self._connection.tls:
            wanted = "SASL_SSL" if self._connection.login else "SSL (or SASL_SSL, with a login)"
            return BrokerError(
                f"{self._server} speaks TLS, and security.protocol is {ours}",
                hint=f"Set security.protocol to {wanted}.",
            )
        if self._connection.tls and not speaks_tls:
            wanted = "SASL_PLAINTEXT" if self._connection.login else "PLAINTEXT"
            return BrokerError(
                f"{self._server} does not speak TLS, and security.protocol is {ours}",
                hint=f"Another port? If plain text is meant, set security.protocol to {wanted}.",
            )
        if self._connection.tls:
            context = self._connection.tls.context
            said = await asyncio.to_thread(_said_by_alert, self._host, self._port, context)
            if found := self._alert(said):
                return found
        if not self._connection.login:
            return BrokerError(
                f"{self._server} ends the connection as soon as it is asked something",
                hint="It may want a login (security.protocol=SASL_SSL and sasl.mechanism), or be "
                "no Kafka broker.",
            )
        return BrokerError(f"{self._server} ends the connection: {_said(error)}")


def _said(error: Exception) -> str:
    """The broker's own words, without the name of the error in front of them."""
    return re.sub(r"^\[Error \d+\] \w+: ", "", str(error))


def _said_by_alert(host: str, port: int, context: ssl.SSLContext) -> str:
    """What a broker says after the handshake of TLS 1.3, in which it looks at our certificate."""
    try:
        with (
            socket.create_connection((host, port), timeout=_ALERT_SECONDS) as plain,
            context.wrap_socket(plain, server_hostname=host) as secure,
        ):
            secure.recv(1)
    except (OSError, ValueError) as error:
        return str(error)
    return ""


def _speaks_tls(host: str, port: int) -> bool:
    """Whether a handshake gets as far as a certificate, whoever has signed it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with (
            socket.create_connection((host, port), timeout=_SECONDS) as plain,
            context.wrap_socket(plain, server_hostname=host),
        ):
            return True
    except (OSError, ValueError):
        return False
