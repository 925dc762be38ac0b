"""Encryption: whom to trust, and who we are, in PEM. Java's own stores are refused, with the
command that converts them."""

import re
import ssl
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

from pydantic import SecretStr

from funnel_stream.connection.properties import CA, CERTIFICATE, KEY, PropertyValue
from funnel_stream.errors import ConfigError

_PEM_CERTIFICATE: Final = re.compile(
    r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.S
)
_PEM_KEY: Final = re.compile(
    r"-----BEGIN ([A-Z ]*)PRIVATE KEY-----.*?-----END \1PRIVATE KEY-----", re.S
)
_JKS: Final = (b"\xfe\xed\xfe\xed", b"\xce\xce\xce\xce")
_DER: Final = 0x30


@dataclass(frozen=True)
class Identity:
    """Who we are, for brokers that ask for a client's certificate."""

    certificates: str
    key: SecretStr
    password: SecretStr | None
    where: str


@dataclass(frozen=True)
class Tls:
    """``ca``: whom to trust, in PEM; without it, whom the system trusts. ``checks_host``: whether
    the broker's certificate has to be for the name under which we reach it."""

    ca: str | None = None
    identity: Identity | None = None
    checks_host: bool = True

    @cached_property
    def context(self) -> ssl.SSLContext:
        """One for all clients of a process.

        Raises ``ConfigError`` if certificate, key and password do not go together.
        """
        try:
            context = ssl.create_default_context(cadata=self.ca)
        except ssl.SSLError as error:
            raise ConfigError(f"the CA's certificates cannot be read: {_reason(error)}") from None
        context.check_hostname = self.checks_host
        if self.identity:
            _load(context, self.identity)
        return context


def tls_of(given: Mapping[str, PropertyValue]) -> Tls:
    """What ``ssl.…`` comes to. Raises ``ConfigError``."""
    if (verification := given.get("enable.ssl.certificate.verification")) and (
        verification.value.lower() != "true"
    ):
        raise ConfigError(
            f"{verification.where}: certificates are always verified",
            hint="Set ssl.ca.location to the certificate of the CA that signed the broker's.",
        )
    algorithm = given.get("ssl.endpoint.identification.algorithm")
    if algorithm and algorithm.value.lower() not in ("https", "", "none"):
        raise ConfigError(f"{algorithm.where} is {algorithm.value!r}: it must be https, or empty")
    protocol = given.get("ssl.protocol")
    if protocol and protocol.value not in ("TLS", "TLSv1.2", "TLSv1.3"):
        raise ConfigError(
            f"{protocol.where} is {protocol.value!r}: it must be TLS, TLSv1.2 or TLSv1.3"
        )
    tls = Tls(
        ca=_ca(given),
        identity=_identity(given),
        checks_host=algorithm is None or algorithm.value.lower() == "https",
    )
    _ = tls.context  # what does not go together is told now
    return tls


def _ca(given: Mapping[str, PropertyValue]) -> str | None:
    found = _only(given, CA)
    if found is None:
        return None
    name, value = found
    text = value.value if name.endswith("certificates") else _pem(value, _TRUSTED)
    certificates = _PEM_CERTIFICATE.findall(text)
    if not certificates:
        raise ConfigError(f"{value.where}: there is no certificate in it")
    return "\n".join(certificates) + "\n"


def _identity(given: Mapping[str, PropertyValue]) -> Identity | None:
    certificate = _only(given, CERTIFICATE)
    key = _only(given, KEY)
    if certificate is None:
        if key is not None:
            raise ConfigError(
                f"{key[1].where}: a key without a certificate (ssl.certificate.location)"
            )
        return None
    name, value = certificate
    text = value.value if name.endswith("chain") else _pem(value, _OWN)
    # Kafka's own PEM store has the key in the same file.
    key_text, key_where = text, value.where
    if key is not None:
        key_name, key_value = key
        key_where = key_value.where
        key_text = _pem(key_value, _OWN) if key_name.endswith("location") else key_value.value
    certificates, found = _PEM_CERTIFICATE.findall(text), _PEM_KEY.search(key_text)
    if not certificates:
        raise ConfigError(f"{value.where}: there is no certificate in it")
    if found is None:
        raise ConfigError(
            f"{key_where}: there is no private key in it", hint="Set ssl.key.location."
        )
    password = given.get("ssl.key.password")
    return Identity(
        certificates="\n".join(certificates) + "\n",
        key=SecretStr(found[0] + "\n"),
        password=SecretStr(password.value) if password else None,
        where=key_where,
    )


def _only(
    given: Mapping[str, PropertyValue], names: Sequence[str]
) -> tuple[str, PropertyValue] | None:
    """The one of these properties that is given."""
    found = [(name, given[name]) for name in names if name in given]
    if len(found) > 1:
        raise ConfigError(
            f"{found[0][1].where} and {found[1][1].where} mean the same: leave one of them out"
        )
    return found[0] if found else None


_TRUSTED: Final = (
    "keytool -list -rfc -keystore {store} > ca.pem",
    "ssl.ca.location=ca.pem in place of the truststore's properties",
)
_OWN: Final = (
    "keytool -importkeystore -srckeystore {store} -destkeystore client.p12 "
    "-deststoretype PKCS12 && openssl pkcs12 -in client.p12 -out client.pem",
    "ssl.keystore.type=PEM, ssl.keystore.location=client.pem and ssl.key.password",
)
_OWN_P12: Final = ("openssl pkcs12 -in {store} -out client.pem", _OWN[1])


def _pem(location: PropertyValue, conversion: tuple[str, str]) -> str:
    path = Path(location.value)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigError(
            f"{location.where}: {path} cannot be read: {error.strerror}",
            hint="Paths are relative to the directory in which funnel-stream runs.",
        ) from None
    kind = ""
    if content.startswith(_JKS):
        kind = "a Java keystore (JKS)"
    elif content[:1] and content[0] == _DER:
        kind = "a PKCS12 store"
        conversion = _OWN_P12 if conversion is _OWN else conversion
    if kind:
        command, then = conversion
        raise ConfigError(
            f"{location.where}: {path} is {kind}; certificates and keys are read as PEM only",
            hint=f"Convert it once: {command.format(store=path)} – and set {then}.",
        )
    return content.decode("latin-1")


def _load(context: ssl.SSLContext, identity: Identity) -> None:
    """OpenSSL reads files only: one of our own, gone as soon as it is read."""
    with tempfile.TemporaryDirectory(prefix="funnel-") as folder:
        path = Path(folder, "identity.pem")  # the folder is nobody else's
        path.write_text(identity.certificates + identity.key.get_secret_value(), encoding="latin-1")
        password = identity.password.get_secret_value() if identity.password else ""
        try:
            context.load_cert_chain(path, password=lambda: password)
        except ssl.SSLError as error:
            raise ConfigError(f"{identity.where}: {_key_problem(error, bool(password))}") from None
        except ValueError:  # OpenSSL does not ask for an empty one
            raise ConfigError(f"{identity.where}: {_key_problem(None, bool(password))}") from None


def _key_problem(error: ssl.SSLError | None, has_password: bool) -> str:
    if error and error.reason == "KEY_VALUES_MISMATCH":
        return "this key is not that of the certificate"
    if error is None or error.reason in ("BAD_DECRYPT", "BAD_PASSWORD_READ", None):
        if has_password:
            return "the key does not open with ssl.key.password"
        return "the key is encrypted: set ssl.key.password"
    return f"certificate or key cannot be read: {_reason(error)}"


def _reason(error: ssl.SSLError) -> str:
    return (error.reason or str(error)).replace("_", " ").lower()
