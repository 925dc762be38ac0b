"""Everything that can go wrong, and what the user sees.

FunnelError                 any of the below: message, hint, exit code 1
├── UsageError              a wrong option or file name on the command line (exit code 2)
├── ConfigError             funnel.yaml, a mapping or a setting says something impossible
├── InputError              a file of events or a CSV cannot be read at all
├── BrokerError             Kafka cannot be reached or refuses
└── StateError              the changelog and the events no longer fit together: the worker
                            refuses to start rather than to count wrongly

Bad *records* are no errors: they become a ``contract.Rejection`` and a dead letter.
"""


def printable(text: str) -> str:
    """A text on one line of a terminal: signs that it would obey, or not show, are escaped."""
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


class FunnelError(Exception):
    """An error that a user can act on: one sentence, and what to do next."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n{self.hint}" if self.hint else self.message


class UsageError(FunnelError):
    """A wrong option, argument or file name."""

    exit_code = 2


class ConfigError(FunnelError):
    """A configuration file or setting that cannot be meant."""


class InputError(FunnelError):
    """An input file that cannot be read as a whole."""


class BrokerError(FunnelError):
    """The broker cannot be reached, or lacks what is needed."""


class StateError(FunnelError):
    """Changelog, events and configuration no longer fit together."""
