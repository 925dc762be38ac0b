"""Files as those who rent out Kafka hand them to their customers, unchanged."""

from pathlib import Path

import pytest

from funnel_stream.connection import Connection, load_connection
from funnel_stream.connection.login import MskIam, OAuth, Password
from funnel_stream.errors import ConfigError

CONFLUENT_JAVA = """\
# Required connection configs for Kafka producer, consumer, and admin
bootstrap.servers=pkc-abcde.eu-central-1.aws.confluent.cloud:9092
security.protocol=SASL_SSL
sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required username='KEY' \
password='s3cr/et+==';
sasl.mechanism=PLAIN
# Required for correctness in Apache Kafka clients prior to 2.6
client.dns.lookup=use_all_dns_ips

# Best practice for higher availability in Apache Kafka clients prior to 3.0
session.timeout.ms=45000

# Best practice for Kafka producer to prevent data loss
acks=all
client.id=ccloud-java-client-1
"""
CONFLUENT_LIBRDKAFKA = """\
bootstrap.servers=pkc-abcde.eu-central-1.aws.confluent.cloud:9092
security.protocol=SASL_SSL
sasl.mechanisms=PLAIN
sasl.username=KEY
sasl.password=s3cr/et+==
session.timeout.ms=45000
client.id=ccloud-python-client-1
"""
CONFLUENT_OAUTH = """\
bootstrap.servers=pkc-abcde.eu-central-1.aws.confluent.cloud:9092
security.protocol=SASL_SSL
sasl.oauthbearer.token.endpoint.url=https://idp.example/oauth2/token
sasl.login.callback.handler.class=org.apache.kafka.common.security.oauthbearer.secured.\\
  OAuthBearerLoginCallbackHandler
sasl.mechanism=OAUTHBEARER
sasl.jaas.config=org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required \\
  clientId='app' \\
  scope='api://kafka/.default' \\
  clientSecret='secret' \\
  extension_logicalCluster='lkc-123' \\
  extension_identityPoolId='pool-456';
"""
MSK_SCRAM = """\
security.protocol=SASL_SSL
sasl.mechanism=SCRAM-SHA-512
sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required \\
  username="alice" \\
  password="alice-\\\\"secret\\\\"";
"""
MSK_IAM = """\
security.protocol = SASL_SSL
sasl.mechanism = AWS_MSK_IAM
sasl.jaas.config = software.amazon.msk.auth.iam.IAMLoginModule required;
sasl.client.callback.handler.class = software.amazon.msk.auth.iam.IAMClientCallbackHandler
"""
MSK_BROKERS = "b-1.funnel.abc123.c2.kafka.eu-west-1.amazonaws.com:9098"
AIVEN_SASL = """\
security.protocol=SASL_SSL
sasl.mechanism=SCRAM-SHA-256
sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required \
username="avnadmin" password="pw";
"""


def loaded(folder: Path, text: str, **given: str) -> Connection:
    file = folder / "client.properties"
    file.write_text(text, encoding="utf-8")
    return load_connection(file=file, environment={}, **given)  # type: ignore[arg-type]


@pytest.mark.parametrize("text", [CONFLUENT_JAVA, CONFLUENT_LIBRDKAFKA])
def test_confluent_cloud(tmp_path: Path, text: str) -> None:
    connection = loaded(tmp_path, text)
    assert connection.bootstrap_servers == "pkc-abcde.eu-central-1.aws.confluent.cloud:9092"
    assert connection.security_protocol == "SASL_SSL"
    assert connection.tls
    assert connection.tls.checks_host
    assert isinstance(connection.login, Password)
    assert connection.login.mechanism == "PLAIN"
    assert connection.login.username == "KEY"
    assert connection.login.password.get_secret_value() == "s3cr/et+=="
    assert connection.client_id.startswith("ccloud-")
    assert "session.timeout.ms" in connection.passed_over


def test_confluent_cloud_with_oauth(tmp_path: Path) -> None:
    login = loaded(tmp_path, CONFLUENT_OAUTH).login
    assert isinstance(login, OAuth)
    assert login.endpoint == "https://idp.example/oauth2/token"
    assert (login.client_id, login.client_secret.get_secret_value()) == ("app", "secret")
    assert login.scope == "api://kafka/.default"
    assert login.extensions == {"logicalCluster": "lkc-123", "identityPoolId": "pool-456"}


def test_amazon_msk_with_scram(tmp_path: Path) -> None:
    login = loaded(tmp_path, MSK_SCRAM).login
    assert isinstance(login, Password)
    assert login.mechanism == "SCRAM-SHA-512"
    assert login.password.get_secret_value() == 'alice-"secret"'


def test_amazon_msk_with_iam(tmp_path: Path) -> None:
    connection = loaded(tmp_path, MSK_IAM, broker=MSK_BROKERS)
    assert connection.login == MskIam("eu-west-1")


def test_amazon_msk_with_a_role(tmp_path: Path) -> None:
    role = 'required awsRoleArn="arn:aws:iam::1:role/reader" awsRoleSessionName="funnel";'
    login = loaded(tmp_path, MSK_IAM.replace("required;", role), broker=MSK_BROKERS).login
    assert login == MskIam("eu-west-1", None, "arn:aws:iam::1:role/reader", "funnel")


def test_amazon_msk_without_a_region(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ConfigError, match="region"):
        loaded(tmp_path, MSK_IAM)


def test_aiven(tmp_path: Path) -> None:
    login = loaded(tmp_path, AIVEN_SASL).login
    assert isinstance(login, Password)
    assert (login.mechanism, login.username) == ("SCRAM-SHA-256", "avnadmin")


@pytest.mark.parametrize(
    ("content", "kind", "command"),
    [
        (b"\xfe\xed\xfe\xed\0\0\0\2", "JKS", "keytool -list -rfc -keystore"),
        (b"\x30\x82\x05\x30\x02", "PKCS12", "keytool -list -rfc -keystore"),
    ],
)
def test_a_truststore_of_java_is_refused_with_what_converts_it(
    tmp_path: Path, content: bytes, kind: str, command: str
) -> None:
    store = tmp_path / "client.truststore.jks"
    store.write_bytes(content)
    text = f"security.protocol=SSL\nssl.truststore.location={store}\nssl.truststore.password=pw\n"
    with pytest.raises(ConfigError, match=kind) as error:
        loaded(tmp_path, text)
    assert "line 2 (ssl.truststore.location)" in error.value.message
    assert f"{command} {store}" in str(error.value.hint)


@pytest.mark.parametrize(
    ("content", "command"),
    [
        (b"\xfe\xed\xfe\xed\0\0\0\2", "keytool -importkeystore -srckeystore"),
        (b"\x30\x82\x05\x30\x02", "openssl pkcs12 -in"),
    ],
)
def test_a_keystore_of_java_is_refused_with_what_converts_it(
    tmp_path: Path, content: bytes, command: str
) -> None:
    store = tmp_path / "client.keystore.p12"
    store.write_bytes(content)
    text = f"security.protocol=SSL\nssl.keystore.location={store}\nssl.keystore.type=PKCS12\n"
    with pytest.raises(ConfigError) as error:
        loaded(tmp_path, text)
    assert str(error.value.hint).startswith(f"Convert it once: {command} {store}")
