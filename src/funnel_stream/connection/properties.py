"""The properties that a connection may have: Kafka's own names, and those of librdkafka."""

from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final, NamedTuple

from funnel_stream.errors import ConfigError

ALIASES: Final = {
    "sasl.mechanisms": "sasl.mechanism",
    "sasl.oauthbearer.client.credentials.client.id": "sasl.oauthbearer.client.id",
    "sasl.oauthbearer.client.credentials.client.secret": "sasl.oauthbearer.client.secret",
    "ssl.ca.pem": "ssl.truststore.certificates",
    "ssl.certificate.pem": "ssl.keystore.certificate.chain",
    "ssl.key.pem": "ssl.keystore.key",
    "metadata.broker.list": "bootstrap.servers",
}
"""Other names of the same thing: librdkafka's, and those of Kafka 4.2."""

SECRET: Final = frozenset(
    {
        "sasl.password",
        "sasl.jaas.config",
        "sasl.oauthbearer.client.secret",
        "ssl.key.password",
        "ssl.keystore.password",
        "ssl.truststore.password",
        "ssl.keystore.key",
    }
)

KNOWN: Final = SECRET | {
    "bootstrap.servers",
    "client.id",
    "client.rack",
    "enable.ssl.certificate.verification",
    "group.instance.id",
    "https.ca.location",
    "sasl.client.callback.handler.class",
    "sasl.login.callback.handler.class",
    "sasl.mechanism",
    "sasl.oauthbearer.client.id",
    "sasl.oauthbearer.extensions",
    "sasl.oauthbearer.header.urlencode",
    "sasl.oauthbearer.method",
    "sasl.oauthbearer.scope",
    "sasl.oauthbearer.token.endpoint.url",
    "sasl.username",
    "security.protocol",
    "ssl.ca.location",
    "ssl.certificate.location",
    "ssl.endpoint.identification.algorithm",
    "ssl.key.location",
    "ssl.keystore.certificate.chain",
    "ssl.keystore.location",
    "ssl.keystore.type",
    "ssl.protocol",
    "ssl.truststore.certificates",
    "ssl.truststore.location",
    "ssl.truststore.type",
}
CA: Final = ("ssl.ca.location", "ssl.truststore.location", "ssl.truststore.certificates")
CERTIFICATE: Final = (
    "ssl.certificate.location",
    "ssl.keystore.location",
    "ssl.keystore.certificate.chain",
)
KEY: Final = ("ssl.key.location", "ssl.keystore.key")
SAME: Final = (CA, CERTIFICATE, KEY)
"""Names that say the same thing in different ways."""
NAMES: Final = sorted(KNOWN | ALIASES.keys())

_SECURITY: Final = ("security.", "sasl.", "ssl.", "https.", "enable.ssl.")
"""What begins so is never passed over: it may be what keeps a connection safe."""


class PropertyValue(NamedTuple):
    """A value, and where it stands, for messages."""

    value: str
    where: str


@dataclass
class PropertySource:
    """What one file, or the environment, or the command line says, by canonical name."""

    given: dict[str, PropertyValue]
    passed_over: list[str]
    """Names of a properties file that do not concern the connection."""

    @classmethod
    def empty(cls) -> "PropertySource":
        return cls({}, [])

    def add(self, name: str, value: str, where: str) -> None:
        """Take a property. Raises ``ConfigError`` if it stands there twice, by whatever names."""
        canonical = ALIASES.get(name, name)
        if canonical in self.given:
            first = self.given[canonical].where
            raise ConfigError(f"{where} says again what {first} says: leave one of them out")
        self.given[canonical] = PropertyValue(value, where)


def concerns_connection(name: str, where: str) -> bool:
    """Whether a property is one of ours; ``False`` for what only producers and consumers in Java
    care about (``acks`` …). Raises ``ConfigError`` for what might be meant for us."""
    if name in KNOWN or name in ALIASES:
        return True
    near = get_close_matches(name, NAMES, n=1, cutoff=0.85)
    if near or name.startswith(_SECURITY):
        raise unknown(name, where)
    return False


def unknown(name: str, where: str) -> ConfigError:
    near = get_close_matches(name, NAMES, n=1)
    meant = f"; did you mean {near[0]}?" if near else ""
    return ConfigError(
        f"{where}: {name} is no property of a connection that is known here{meant}",
        hint="docs/kafka.md lists them all.",
    )
