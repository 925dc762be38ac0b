"""Where properties come from, which of them counts, and what is refused."""

import traceback
from pathlib import Path
from typing import Any

import pytest

from funnel_stream.connection import Connection, load_connection
from funnel_stream.connection.login import Password
from funnel_stream.errors import ConfigError

SCRAM = """\
security.protocol=SASL_PLAINTEXT
sasl.mechanism=SCRAM-SHA-256
sasl.jaas.config=ScramLoginModule required username="file" password="hunter2";
"""
LOGIN = {
    "FUNNEL_KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT",
    "FUNNEL_KAFKA_SASL_MECHANISM": "PLAIN",
    "FUNNEL_KAFKA_SASL_USERNAME": "app",
    "FUNNEL_KAFKA_SASL_PASSWORD": "hunter2",
}


def of(
    environment: dict[str, str] | None = None, file: Path | None = None, **given: Any
) -> Connection:
    return load_connection(environment=environment or {}, file=file, **given)


def written(folder: Path, text: str) -> Path:
    file = folder / "client.properties"
    file.write_text(text, encoding="utf-8")
    return file


def refused(environment: dict[str, str] | None = None, **given: Any) -> ConfigError:
    with pytest.raises(ConfigError) as error:
        of(environment, **given)
    return error.value


def test_without_anything_it_is_the_broker_next_door() -> None:
    connection = of()
    assert connection.bootstrap_servers == "localhost:9092"
    assert connection.security_protocol == "PLAINTEXT"


def test_the_command_line_counts_before_the_environment_before_the_file(tmp_path: Path) -> None:
    file = written(tmp_path, "bootstrap.servers=a:1\nclient.id=file\nclient.rack=file\n")
    environment = {"FUNNEL_BROKER": "b:2", "FUNNEL_KAFKA_CLIENT_ID": "environment"}
    assert of(file=file).bootstrap_servers == "a:1"
    found = of(environment, file=file)
    assert (found.bootstrap_servers, found.client_id, found.client_rack) == (
        "b:2", "environment", "file",
    )  # fmt: skip
    found = of(environment, file=file, broker="c:3", properties=["client.id=flag"])
    assert (found.bootstrap_servers, found.client_id) == ("c:3", "flag")


def test_the_file_may_be_named_by_a_variable(tmp_path: Path) -> None:
    file = written(tmp_path, "client.id=file")
    assert of({"FUNNEL_KAFKA_CONFIG": str(file)}).client_id == "file"


def test_a_variable_replaces_a_part_of_the_file_s_login(tmp_path: Path) -> None:
    login = of({"FUNNEL_KAFKA_SASL_PASSWORD": "other"}, file=written(tmp_path, SCRAM)).login
    assert isinstance(login, Password)
    assert (login.username, login.password.get_secret_value()) == ("file", "other")


def test_a_variable_replaces_a_store_that_only_java_reads(tmp_path: Path) -> None:
    store = tmp_path / "trust.jks"
    store.write_bytes(b"\xfe\xed\xfe\xed")
    file = written(tmp_path, f"security.protocol=SSL\nssl.truststore.location={store}\n")
    missing = {"FUNNEL_KAFKA_SSL_CA_LOCATION": str(tmp_path / "none.pem")}
    assert "none.pem cannot be read: No such file" in refused(missing, file=file).message


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_a_secret_may_stand_in_a_file_of_its_own(tmp_path: Path, end: str) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"pa ss\\word" + end.encode())
    environment = {**LOGIN, "FUNNEL_KAFKA_SASL_PASSWORD_FILE": str(secret)}
    assert "FUNNEL_KAFKA_SASL_PASSWORD_FILE says again" in refused(environment).message
    del environment["FUNNEL_KAFKA_SASL_PASSWORD"]
    login = of(environment).login
    assert isinstance(login, Password)
    assert login.password.get_secret_value() == "pa ss\\word"


def test_a_secret_s_file_that_is_not_there_is_named() -> None:
    error = refused({"FUNNEL_KAFKA_SASL_PASSWORD_FILE": "/nowhere/secret"})
    assert error.message == (
        "FUNNEL_KAFKA_SASL_PASSWORD_FILE: /nowhere/secret cannot be read: No such file or directory"
    )


def test_secrets_are_shown_nowhere(tmp_path: Path) -> None:
    connection = of(LOGIN)
    assert "hunter2" not in f"{connection} {connection!r} {connection.login}"
    file = written(tmp_path, SCRAM + "ssl.key.password=hunter3\n")
    try:
        of(file=file)
    except ConfigError:
        told = traceback.format_exc()
    assert "ssl.key.password" in told
    assert "hunter" not in told


def test_a_secret_on_the_command_line_is_refused() -> None:
    error = refused(properties=["sasl.password=hunter2"])
    assert "hunter2" not in str(error)
    assert "FUNNEL_KAFKA_SASL_PASSWORD_FILE" in str(error.hint)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("securty.protocol=SSL", "line 1: securty.protocol is no property of a connection"),
        ("a=1\n\nssl.cipher.suites=X", "line 3: ssl.cipher.suites is no property"),
        ("sasl.mechanims=PLAIN", "did you mean sasl.mechanism"),
    ],
)
def test_what_may_be_meant_for_the_connection_is_never_passed_over(
    tmp_path: Path, text: str, message: str
) -> None:
    assert message in refused(file=written(tmp_path, text)).message


def test_what_concerns_producers_and_consumers_is_passed_over(tmp_path: Path) -> None:
    text = "acks=all\nauto.offset.reset=earliest\nclient.id=x\n"
    assert of(file=written(tmp_path, text)).passed_over == ("acks", "auto.offset.reset")


@pytest.mark.parametrize(
    "text",
    [
        "client.id=a\nclient.id=b",
        "sasl.mechanism=PLAIN\nsasl.mechanisms=PLAIN",
        SCRAM + "sasl.username=other\n",
    ],
)
def test_what_is_said_twice_is_refused(tmp_path: Path, text: str) -> None:
    assert "says again what" in refused(file=written(tmp_path, text)).message


def test_a_backslash_in_a_password_has_two_meanings(tmp_path: Path) -> None:
    text = "security.protocol=SASL_SSL\nsasl.mechanism=PLAIN\nsasl.username=a\nsasl.password=b\\c\n"
    error = refused(file=written(tmp_path, text))
    assert "line 4: sasl.password has a backslash" in error.message
    assert "FUNNEL_KAFKA_SASL_PASSWORD_FILE" in str(error.hint)


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"SECURITY_PROTOCOL": "TLS"}, "FUNNEL_KAFKA_SECURITY_PROTOCOL is 'TLS': it must be"),
        ({"SASL_USERNAME": "app"}, "FUNNEL_KAFKA_SASL_USERNAME is given, but security.protocol is"),
        (
            {"SECURITY_PROTOCOL": "SSL", "SASL_PASSWORD": "x"},
            "FUNNEL_KAFKA_SASL_PASSWORD is given, but FUNNEL_KAFKA_SECURITY_PROTOCOL is SSL",
        ),
        ({"SSL_CA_LOCATION": "x"}, "FUNNEL_KAFKA_SSL_CA_LOCATION is given, but"),
        ({"SECURITY_PROTOCOL": "SASL_SSL"}, "sasl.mechanism does not say which"),
        (
            {"SECURITY_PROTOCOL": "SASL_SSL", "SASL_MECHANISM": "GSSAPI"},
            "the mechanism GSSAPI (Kerberos) is not supported",
        ),
        (
            {"SECURITY_PROTOCOL": "SASL_SSL", "SASL_MECHANISM": "PLAIN", "SASL_USERNAME": "a"},
            "a login by PLAIN needs sasl.password",
        ),
        (
            {
                "SECURITY_PROTOCOL": "SASL_SSL",
                "SASL_MECHANISM": "PLAIN",
                "SASL_JAAS_CONFIG": "ScramLoginModule required username=a password=b;",
            },
            "FUNNEL_KAFKA_SASL_JAAS_CONFIG is a login by SCRAM-SHA-256 or SCRAM-SHA-512, but",
        ),
        (
            {
                "SECURITY_PROTOCOL": "SASL_SSL",
                "SASL_JAAS_CONFIG": "com.sun.security.auth.module.Krb5LoginModule required;",
            },
            "logins by Krb5LoginModule are not supported",
        ),
        (
            {
                "SECURITY_PROTOCOL": "SSL",
                "ENABLE_SSL_CERTIFICATE_VERIFICATION": "false",
            },
            "certificates are always verified",
        ),
    ],
)
def test_what_cannot_be_meant_is_refused(environment: dict[str, str], message: str) -> None:
    given = {f"FUNNEL_KAFKA_{name}": value for name, value in environment.items()}
    assert message in refused(given).message


@pytest.mark.parametrize("broker", ["localhost", "a:b", "http://a:1", "a:1,,b:2"])
def test_an_address_that_is_none_is_refused(broker: str) -> None:
    assert refused(broker=broker).message.startswith(f"--broker is {broker!r}: it must be")


def test_a_flag_that_is_no_property_is_refused() -> None:
    assert "did you mean client.rack" in refused(properties=["client.rak=a"]).message
    assert "--kafka takes name=value" in refused(properties=["client.rack"]).message
