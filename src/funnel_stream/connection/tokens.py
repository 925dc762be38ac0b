"""Tokens for OAUTHBEARER: fetched when they are needed, kept until shortly before they expire."""

import base64
import json
import ssl
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from funnel_stream.connection.login import MskIam, OAuth
from funnel_stream.errors import BrokerError, ConfigError

_TIMEOUT_SECONDS: Final = 10.0
_USED_SHARE: Final = 0.8
"""Of a token's life; then the next one is fetched, as Kafka's own clients do."""
_DEFAULT_SECONDS: Final = 300.0
"""A token whose server does not say how long it lives."""


class Token(NamedTuple):
    """``expires``: Unix seconds."""

    value: str
    expires: float


class TokenSource:
    """One for all clients of a process, from any thread."""

    def __init__(self, login: OAuth | MskIam, clock: Callable[[], float] = time.time) -> None:
        self._login = login
        self._clock = clock
        self._lock = threading.Lock()
        self._token: Token | None = None
        self._renew_at = 0.0

    def token(self) -> Token:
        """A token that is still good for a while. Blocks while it is fetched.

        Raises ``BrokerError`` if none is to be had.
        """
        with self._lock:
            now = self._clock()
            if self._token is None or now >= self._renew_at:
                self._token = _fetched(self._login, now)
                self._renew_at = now + _USED_SHARE * (self._token.expires - now)
            return self._token


def _fetched(login: OAuth | MskIam, now: float) -> Token:
    return _signed(login) if isinstance(login, MskIam) else _granted(login, now)


def _granted(login: OAuth, now: float) -> Token:
    """RFC 6749, 4.4: the client credentials grant, with HTTP Basic as Kafka's clients do it."""
    form = {"grant_type": "client_credentials"}
    if login.scope:
        form["scope"] = login.scope
    credentials = [login.client_id, login.client_secret.get_secret_value()]
    if login.encodes_header:
        credentials = list(map(urllib.parse.quote_plus, credentials))
    basic = base64.b64encode(":".join(credentials).encode()).decode()
    request = urllib.request.Request(
        login.endpoint,
        urllib.parse.urlencode(form).encode(),
        {"Authorization": f"Basic {basic}", "Accept": "application/json"},
    )
    answer = _answered(login, request)
    value = answer.get("access_token") if isinstance(answer, dict) else None
    if not isinstance(value, str) or not value:
        raise BrokerError(f"{login.endpoint} answers without an access_token")
    seconds = answer.get("expires_in", _DEFAULT_SECONDS)
    try:
        return Token(value, now + float(seconds))
    except (TypeError, ValueError):
        raise BrokerError(f"{login.endpoint}: expires_in is {seconds!r}, no seconds") from None


def _answered(login: OAuth, request: urllib.request.Request) -> Any:
    try:
        context = ssl.create_default_context(cafile=login.ca_location)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(
            f"https.ca.location {login.ca_location} cannot be read: {error}"
        ) from None
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS, context=context) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        refused = error.code in (400, 401, 403)
        raise BrokerError(
            f"{login.endpoint} gives no token to {login.client_id}: HTTP {error.code}"
            + _why(error.read()),
            hint="Check sasl.oauthbearer.client.id, .client.secret and .scope."
            if refused
            else None,
        ) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise BrokerError(f"{login.endpoint} gives no token: {reason}") from None


def _why(body: bytes) -> str:
    """RFC 6749, 5.2: ``error`` and ``error_description``."""
    try:
        told = json.loads(body)
        why = told.get("error_description") or told.get("error")
    except (ValueError, AttributeError):
        return ""
    return f" ({why})" if why else ""


def _signed(login: MskIam) -> Token:
    """A URL that is signed with AWS credentials; nothing is asked of AWS for it, unless a role or
    the machine's own credentials have to be."""
    try:
        from aws_msk_iam_sasl_signer import MSKAuthTokenProvider
    except ImportError:
        raise ConfigError(
            "AWS_MSK_IAM needs the AWS signer", hint="pip install 'funnel-stream[msk]'"
        ) from None
    try:
        if login.role_arn:
            session = (login.role_session,) if login.role_session else ()
            value, expires_ms = MSKAuthTokenProvider.generate_auth_token_from_role_arn(
                login.region, login.role_arn, *session
            )
        elif login.profile:
            value, expires_ms = MSKAuthTokenProvider.generate_auth_token_from_profile(
                login.region, login.profile
            )
        else:
            value, expires_ms = MSKAuthTokenProvider.generate_auth_token(login.region)
    except Exception as error:  # botocore's many, none of which it exports here
        raise BrokerError(f"AWS credentials make no token for MSK: {error}") from None
    return Token(value, expires_ms / 1000)
