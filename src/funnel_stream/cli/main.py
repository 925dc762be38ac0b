"""The command ``funnel-stream``: one verb per file of this folder, imported when asked for."""

import inspect
import os
import sys
from importlib import import_module
from typing import Annotated, Any, Final

import typer
from typer.core import TyperGroup

from funnel_stream import __version__
from funnel_stream.errors import FunnelError, printable

VERBS: Final = {
    "demo": "See it work: broker, worker and a simulated sales team, in one terminal.",
    "worker": "Consume funnel events from Kafka and serve every KPI on /metrics.",
    "broker": "Run the embedded broker in the foreground, until Ctrl-C.",
    "emit": "Publish a file of events to Kafka, keyed as the contract says.",
    "simulate": "Generate a realistic history of deals: into a file, or to Kafka and then live.",
    "import": "Turn tables (CSV, XLSX) into funnel events, by a mapping of their columns.",
    "config": "Check a funnel.yaml and show the effective configuration.",
    "compute": "Compute the KPIs of a file of events, without a broker.",
    "explain": "Explain one deal: its journey, and every figure it counts in.",
}
"""Every verb with its summary. The file is named for the verb, as is the function in it (with an
underscore where Python has the word already), or the ``Typer`` of a verb with verbs of its own."""

HELP: Final = """Live KPIs of a marketing-and-sales funnel, from Kafka events to Prometheus metrics.

\b
Start here:
  funnel-stream demo                            everything, nothing to install
  funnel-stream worker --broker localhost:9092  the real thing, on your Kafka
  funnel-stream emit events.ndjson --broker localhost:9092
  funnel-stream compute events.ndjson           the same KPIs, no broker

Every command has its own help: [bold]funnel-stream compute --help[/bold]
"""

EPILOG: Final = """Exit codes: 0 success, 1 failure (stderr says why), 2 invalid command line, \
130 interrupted."""

_HELP: Final = ["-h", "--help"]


class _Verbs(TyperGroup):
    """Imports the file of a verb only when that verb runs, so that ``--help`` is quick."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name, command, rest = super().resolve_command(ctx, args)
        return name, _load(name) if command and name else command, rest


def _load(verb: str) -> Any:
    name = "import_" if verb == "import" else verb
    function = getattr(import_module(f"funnel_stream.cli.{name}"), name)
    if isinstance(function, typer.Typer):
        return typer.main.get_command(function)
    single = typer.Typer(add_completion=False, rich_markup_mode="rich")
    single.command(verb, help=flowing(function.__doc__ or ""))(function)
    return typer.main.get_command(single)


def flowing(docstring: str) -> str:
    """The text with lines as long as the terminal allows; those of a ``\\b`` paragraph stay."""
    paragraphs = inspect.cleandoc(docstring).split("\n\n")
    return "\n\n".join(
        text if text.startswith("\b") else text.replace("\n", " ") for text in paragraphs
    )


def _show_version(requested: bool) -> None:
    if requested:
        typer.echo(f"funnel-stream {__version__}")
        raise typer.Exit


def _root(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    from funnel_stream.settings import refuse_unknown_variables

    if not set(_HELP) & set(sys.argv):
        refuse_unknown_variables(os.environ)


def _placeholder() -> None:
    raise NotImplementedError("replaced by the verb's own function before it runs")


app = typer.Typer(
    cls=_Verbs,
    callback=_root,
    help=HELP,
    epilog=EPILOG,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": _HELP},
)
for _verb, _summary in VERBS.items():
    app.command(_verb, help=_summary)(_placeholder)


def main() -> None:
    """Run the command line; every foreseeable error ends in one readable line and a hint."""
    code: int | str | None = 0
    try:
        app(prog_name="funnel-stream")
    except SystemExit as end:
        code = end.code
    except KeyboardInterrupt:
        code = 130
    except BrokenPipeError:
        code = 1
    except FunnelError as error:
        _print_error(f"error: {error.message}")
        if error.hint:
            _print_error(f"hint: {error.hint}")
        code = error.exit_code
    _flush()
    sys.exit(code)


def _print_error(lines: str) -> None:
    # They quote files, and those may hold what a terminal obeys.
    for line in lines.split("\n"):
        print(printable(line), file=sys.stderr)


def _flush() -> None:
    """Whoever read our output may have left (``| head``): that is no error worth a traceback."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    main()
