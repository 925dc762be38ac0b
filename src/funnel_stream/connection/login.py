"""Logins: name and password, a token of an OAuth server, or one that AWS credentials make."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, get_args

from pydantic import SecretStr

from funnel_stream.connection.jaas import JAAS_MODULE
from funnel_stream.connection.properties import PropertyValue
from funnel_stream.errors import ConfigError

PasswordMechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]
MECHANISMS: Final = (*get_args(PasswordMechanism), "OAUTHBEARER", "AWS_MSK_IAM")

_OAUTH: Final = "sasl.oauthbearer."
_HANDLERS: Final = ("OAuthBearerLoginCallbackHandler", "IAMClientCallbackHandler")
"""Classes in Java that do what is done here without them."""
_MODULES: Final = {
    "PlainLoginModule": ("PLAIN",),
    "ScramLoginModule": ("SCRAM-SHA-256", "SCRAM-SHA-512"),
    "OAuthBearerLoginModule": ("OAUTHBEARER",),
    "IAMLoginModule": ("AWS_MSK_IAM",),
}
_MSK_REGION: Final = re.compile(r"\.(?:kafka|kafka-serverless)\.([a-z0-9-]+)\.amazonaws\.com")


@dataclass(frozen=True)
class Password:
    """SASL PLAIN or SCRAM."""

    mechanism: PasswordMechanism
    username: str
    password: SecretStr


@dataclass(frozen=True)
class OAuth:
    """SASL OAUTHBEARER with the client credentials grant (RFC 6749, 4.4)."""

    endpoint: str
    client_id: str
    client_secret: SecretStr
    scope: str | None = None
    extensions: Mapping[str, str] = field(default_factory=dict)
    encodes_header: bool = False
    """Whether id and secret are form-encoded in the header, as RFC 6749 (2.3.1) asks for; few
    servers do, and Kafka's clients have it off."""
    ca_location: str | None = None
    """Who has signed the certificate of the endpoint; else whom the system trusts."""


@dataclass(frozen=True)
class MskIam:
    """SASL OAUTHBEARER with a token that is signed with AWS credentials, as Amazon MSK takes it."""

    region: str
    profile: str | None = None
    role_arn: str | None = None
    role_session: str | None = None


Login = Password | OAuth | MskIam


def login_of(given: Mapping[str, PropertyValue]) -> Login:
    """What ``sasl.…`` comes to. Raises ``ConfigError``."""
    mechanism = _mechanism(given)
    match mechanism:
        case "OAUTHBEARER":
            return _oauth(given)
        case "AWS_MSK_IAM":
            return _msk_iam(given)
        case "PLAIN" | "SCRAM-SHA-256" | "SCRAM-SHA-512":
            return Password(
                mechanism,
                _needed(given, "sasl.username", mechanism).value,
                SecretStr(_needed(given, "sasl.password", mechanism).value),
            )
    where = given["sasl.mechanism"].where
    kerberos = " (Kerberos)" if mechanism == "GSSAPI" else ""
    raise ConfigError(
        f"{where}: the mechanism {mechanism}{kerberos} is not supported",
        hint=f"There is: {', '.join(MECHANISMS)}.",
    )


def _mechanism(given: Mapping[str, PropertyValue]) -> str:
    """As ``sasl.mechanism`` says, or the JAAS configuration where that is enough."""
    said = given.get("sasl.mechanism")
    module = given.get(JAAS_MODULE)
    possible = _MODULES.get(module.value, ()) if module else ()
    if module and not possible:
        raise ConfigError(
            f"{module.where}: logins by {module.value} are not supported",
            hint=f"There is: {', '.join(_MODULES)}.",
        )
    for name in ("sasl.login.callback.handler.class", "sasl.client.callback.handler.class"):
        if handler := given.get(name):
            simple = handler.value.rpartition(".")[2]
            if simple not in _HANDLERS:
                raise ConfigError(f"{handler.where}: {simple} runs in Java only")
    if said is None:
        if len(possible) == 1:
            return possible[0]
        raise ConfigError(
            "security.protocol asks for a login, but sasl.mechanism does not say which",
            hint=f"There is: {', '.join(MECHANISMS)}.",
        )
    mechanism = said.value.upper()
    if module and mechanism not in possible:
        raise ConfigError(
            f"{module.where} is a login by {' or '.join(possible)}, but {said.where} is {mechanism}"
        )
    return mechanism


def _oauth(given: Mapping[str, PropertyValue]) -> OAuth:
    if (method := given.get(_OAUTH + "method")) and method.value.lower() != "oidc":
        raise ConfigError(f"{method.where} is {method.value!r}: only oidc is supported")
    endpoint = _needed(given, _OAUTH + "token.endpoint.url", "OAUTHBEARER")
    if not re.match(r"https?://[^/\s]+", endpoint.value):
        raise ConfigError(f"{endpoint.where} is {endpoint.value!r}: it must be an https:// address")
    extensions = {}
    if text := given.get(_OAUTH + "extensions"):
        for each in filter(None, text.value.split(",")):
            name, equals, value = each.partition("=")
            if not equals:
                raise ConfigError(f"{text.where}: {each!r} is no name=value")
            extensions[name.strip()] = value.strip()
    scope, ca = given.get(_OAUTH + "scope"), given.get("https.ca.location")
    encodes = given.get(_OAUTH + "header.urlencode")
    if encodes and encodes.value.lower() not in ("true", "false"):
        raise ConfigError(f"{encodes.where} is {encodes.value!r}: it must be true or false")
    return OAuth(
        endpoint=endpoint.value,
        client_id=_needed(given, _OAUTH + "client.id", "OAUTHBEARER").value,
        client_secret=SecretStr(_needed(given, _OAUTH + "client.secret", "OAUTHBEARER").value),
        scope=scope.value if scope else None,
        extensions=extensions,
        encodes_header=encodes is not None and encodes.value.lower() == "true",
        ca_location=ca.value if ca else None,
    )


def _msk_iam(given: Mapping[str, PropertyValue]) -> MskIam:
    def optional(name: str) -> str | None:
        return given[name].value if name in given else None

    servers = given.get("bootstrap.servers")
    found = _MSK_REGION.search(servers.value) if servers else None
    region = (
        found[1] if found else os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    )
    if not region:
        raise ConfigError(
            "AWS_MSK_IAM needs the cluster's region: neither is it in the brokers' names, nor is "
            "AWS_REGION set"
        )
    return MskIam(region, optional("aws.profile"), optional("aws.role"), optional("aws.session"))


def _needed(given: Mapping[str, PropertyValue], name: str, mechanism: str) -> PropertyValue:
    if name in given and given[name].value:
        return given[name]
    raise ConfigError(
        f"a login by {mechanism} needs {name}",
        hint="It stands in a properties file, or in the variable that docs/kafka.md names.",
    )
