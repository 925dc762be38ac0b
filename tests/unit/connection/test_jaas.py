"""``sasl.jaas.config``: what Kafka's own clients take, and what is refused without a secret."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from funnel_stream.connection.jaas import parse_jaas
from funnel_stream.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("a.b.M required;", {}),
        ('M required username="a" password="b";', {"username": "a", "password": "b"}),
        ("  M  sufficient\n username='a'\tpassword = b ; ", {"username": "a", "password": "b"}),
        ("M required password='a;b\"c';", {"password": 'a;b"c'}),
        (r'M required password="a\"b\\c\td";', {"password": 'a"b\\c\td'}),
        ("M optional password='';", {"password": ""}),
    ],
)
def test_it_reads_what_java_reads(text: str, options: dict[str, str]) -> None:
    entry = parse_jaas(text, "here")
    assert entry.module in ("M",)
    assert entry.options == options


@given(st.text(st.characters(blacklist_categories=("Cs", "Cc")), max_size=20))
def test_any_password_comes_through_quoted(password: str) -> None:
    quoted = password.replace("\\", "\\\\").replace('"', '\\"')
    assert (
        parse_jaas(f'M required password="{quoted}" a=b;', "here").options["password"] == password
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "M;",
        'M required username="a"',
        'M required password="secret;',
        "M required secret;",
        'M required password="secret"secret;',
        "M required password='secret' password='secret';",
        "M required password=a; N required password=secret;",
    ],
)
def test_what_cannot_be_read_is_told_without_the_secret(text: str) -> None:
    with pytest.raises(ConfigError, match="cannot be read as a JAAS") as error:
        parse_jaas(text, "here")
    assert "secret" not in str(error.value)
