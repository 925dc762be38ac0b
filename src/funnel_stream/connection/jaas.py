"""``sasl.jaas.config``, as Kafka's clients in Java are given a login: a module and its options."""

import re
from typing import Final, NamedTuple

from funnel_stream.connection.properties import PropertySource
from funnel_stream.errors import ConfigError

_ENTRY: Final = re.compile(
    r"\s*([\w.$]+)\s+(?:required|requisite|sufficient|optional)\b(.*);\s*", re.S
)
_OPTION: Final = re.compile(
    r"""\s+([\w.$-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)'|([^\s"';]+))""", re.S
)
_ESCAPED: Final = re.compile(r"\\(.)", re.S)
_CONTROL: Final = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}


JAAS_MODULE: Final = "jaas.module"
"""The name under which the module of a JAAS configuration is kept."""
_OPTIONS: Final = {
    "username": "sasl.username",
    "password": "sasl.password",
    "clientId": "sasl.oauthbearer.client.id",
    "clientSecret": "sasl.oauthbearer.client.secret",
    "scope": "sasl.oauthbearer.scope",
    "awsProfileName": "aws.profile",
    "awsRoleArn": "aws.role",
    "awsRoleSessionName": "aws.session",
}
_NO_MATTER: Final = ("awsStsRegion", "awsDebugCreds")
_EXTENSION: Final = "extension_"


class JaasEntry(NamedTuple):
    """``module``: the name of its class without the package."""

    module: str
    options: dict[str, str]


def parse_jaas(text: str, where: str) -> JaasEntry:
    """The one entry of a ``sasl.jaas.config``. Raises ``ConfigError``, which quotes nothing of it:
    there are secrets in it."""
    entry = _ENTRY.fullmatch(text)
    if entry is None:
        raise _unreadable(where, 'it must be: LoginModule required name="value" …;')
    rest, position = entry[2], 0
    options: dict[str, str] = {}
    while option := _OPTION.match(rest, position):
        position = option.end()
        name, double, single, bare = option.groups()
        quoted = double if double is not None else single
        if name in options:
            raise _unreadable(where, f"{name} stands there twice")
        options[name] = bare if quoted is None else _ESCAPED.sub(_unescaped, quoted)
    if rest[position:].strip():
        after = f"after {list(options)[-1]}" if options else "after the module"
        raise _unreadable(where, f'what stands {after} is no name="value"')
    return JaasEntry(entry[1].rpartition(".")[2], options)


def expand_jaas(source: PropertySource) -> None:
    """Put the options of ``sasl.jaas.config`` under the names that they have outside of it."""
    jaas = source.given.pop("sasl.jaas.config", None)
    if jaas is None:
        return
    entry = parse_jaas(jaas.value, jaas.where)
    source.add(JAAS_MODULE, entry.module, jaas.where)
    extensions = []
    for option, value in entry.options.items():
        if name := _OPTIONS.get(option):
            source.add(name, value, f"{jaas.where}, {option}")
        elif option.startswith(_EXTENSION):
            extensions.append(f"{option.removeprefix(_EXTENSION)}={value}")
        elif option not in _NO_MATTER:
            raise ConfigError(f"{jaas.where}: the option {option} is not known here")
    if extensions:
        source.add("sasl.oauthbearer.extensions", ",".join(extensions), jaas.where)


def _unescaped(match: re.Match[str]) -> str:
    return _CONTROL.get(match[1], match[1])


def _unreadable(where: str, why: str) -> ConfigError:
    return ConfigError(f"{where} cannot be read as a JAAS configuration: {why}")
