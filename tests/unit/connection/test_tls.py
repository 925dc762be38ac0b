"""Certificates and keys, as files and as text; and what does not go together."""

import ssl
import tempfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from funnel_stream.connection.properties import PropertyValue
from funnel_stream.connection.tls import Tls, tls_of
from funnel_stream.errors import ConfigError
from tests.kafka.certificates import KEY_PASSWORD, Authority, Pair


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def client(authority: Authority) -> Pair:
    return authority.client("alice")


def of(given: Mapping[str, object]) -> Tls:
    return tls_of({f"ssl.{name}": PropertyValue(str(value), name) for name, value in given.items()})


def refused(given: Mapping[str, object]) -> str:
    with pytest.raises(ConfigError) as error:
        of(given)
    return error.value.message


def test_without_anything_the_system_is_trusted() -> None:
    context = of({}).context
    assert context.verify_mode == ssl.CERT_REQUIRED
    assert context.check_hostname


@pytest.mark.parametrize(("algorithm", "checks"), [("https", True), ("HTTPS", True), ("", False)])
def test_the_host_is_checked_unless_it_is_said_not_to(algorithm: str, checks: bool) -> None:
    context = of({"endpoint.identification.algorithm": algorithm}).context
    assert context.check_hostname == checks
    assert context.verify_mode == ssl.CERT_REQUIRED


@pytest.mark.parametrize("name", ["ca.location", "truststore.location", "truststore.certificates"])
def test_only_the_given_authority_is_trusted(authority: Authority, name: str) -> None:
    text = authority.certificate.read_text()
    context = of({name: text if name.endswith("certificates") else authority.certificate}).context
    trusted = context.get_ca_certs(binary_form=True)
    assert trusted == [ssl.PEM_cert_to_DER_cert(text)]


def test_a_listing_of_keytool_is_read(authority: Authority, tmp_path: Path) -> None:
    listing = tmp_path / "ca.pem"
    text = "Keystore type: PKCS12\n\nAlias name: caroot\n" + authority.certificate.read_text()
    listing.write_text(text + "\n\n*******\n")
    assert len(of({"ca.location": listing}).context.get_ca_certs()) == 1


def test_a_certificate_and_its_key(authority: Authority, client: Pair) -> None:
    of({"certificate.location": client.certificate, "key.location": client.key})
    of({"keystore.location": authority.both(client), "keystore.type": "PEM"})
    of(
        {
            "keystore.certificate.chain": client.certificate.read_text(),
            "keystore.key": client.key.read_text(),
        }
    )


def test_an_encrypted_key_needs_its_password(authority: Authority, client: Pair) -> None:
    given = {
        "certificate.location": client.certificate,
        "key.location": authority.encrypted(client).key,
    }
    of({**given, "key.password": KEY_PASSWORD})
    assert "does not open with ssl.key.password" in refused({**given, "key.password": "wrong"})
    assert "the key is encrypted: set ssl.key.password" in refused(given)


def test_nothing_of_a_key_stays_behind(
    client: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    tls = of({"certificate.location": client.certificate, "key.location": client.key})
    assert tls.context
    assert list(tmp_path.iterdir()) == []
    assert client.key.read_text().splitlines()[1] not in repr(tls)


def test_what_does_not_go_together_is_told(authority: Authority, client: Pair) -> None:
    other = authority.client("bob")
    wrong = {"certificate.location": client.certificate, "key.location": other.key}
    assert "this key is not that of the certificate" in refused(wrong)
    assert "no private key" in refused({"certificate.location": client.certificate})
    assert "a key without a certificate" in refused({"key.location": client.key})
    assert "no certificate in it" in refused({"ca.location": client.key})
    both = {"ca.location": client.certificate, "truststore.location": client.certificate}
    assert "mean the same" in refused(both)


@pytest.mark.parametrize("kind", ["JKS", "PKCS12"])
def test_real_stores_of_java_are_known(authority: Authority, client: Pair, kind: str) -> None:
    name = "a Java keystore (JKS)" if kind == "JKS" else "a PKCS12 store"
    assert name in refused({"truststore.location": authority.trust_store(kind)})
    assert name in refused({"keystore.location": authority.key_store(client, kind)})


def test_what_is_no_choice_is_told() -> None:
    assert "must be https, or empty" in refused({"endpoint.identification.algorithm": "ldap"})
    assert "must be TLS" in refused({"protocol": "SSLv3"})
