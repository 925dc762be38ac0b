"""``funnel-stream config``: whether a funnel.yaml is right, and what it comes to."""

import json
import sys
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import typer
import yaml

from funnel_stream.cli.main import flowing
from funnel_stream.cli.series_estimate import MANY, Estimate, estimate
from funnel_stream.config.load import load
from funnel_stream.definition import Definition
from funnel_stream.kpis.catalogue import broken_down

_ABOUT: Final = """Check a funnel.yaml and show the effective configuration.

Without FILE, the file named by FUNNEL_CONFIG; without that, the defaults, as for the worker.

\b
funnel-stream config check funnel.yaml
funnel-stream config show funnel.yaml --json
funnel-stream config show > funnel.yaml
"""

_CHECK: Final = """Check a funnel.yaml: every mistake with its line and how to fix it.

Example: funnel-stream config check funnel.yaml
"""

_SHOW: Final = """Show the effective configuration as YAML, including the defaults.

Comments at the end give the maximum number of KPI series on /metrics, and how it is made up:
values × (series in each window + series of the present), for totals and every breakdown.

\b
funnel-stream config show funnel.yaml
funnel-stream config show > funnel.yaml
"""

File = Annotated[
    Path | None,
    typer.Argument(
        metavar="FILE", envvar="FUNNEL_CONFIG", help="The funnel.yaml.", show_default=False
    ),
]

config = typer.Typer(
    add_completion=False, no_args_is_help=True, rich_markup_mode="rich", help=flowing(_ABOUT)
)


@config.command(help=flowing(_CHECK))
def check(file: File = None) -> None:
    definition = load(file)
    found = estimate(definition)
    about = (
        (len(definition.pipelines), "pipeline"),
        (len(definition.dimensions), "dimension"),
        (len(definition.windows), "window"),
        (len(definition.targets), "target"),
    )
    counts = ", ".join(f"{number} {what}{'' if number == 1 else 's'}" for number, what in about)
    name = "the defaults" if file is None else str(file)
    typer.echo(f"{name}: no mistakes; {counts}; at most {found.series:,} KPI series on /metrics")
    _warn(found)


@config.command(help=flowing(_SHOW))
def show(
    file: File = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of YAML.")] = False,
) -> None:
    definition = load(file)
    found = estimate(definition)
    if as_json:
        answer = {"configuration": effective(definition, "json"), "series": _as_json(found)}
        typer.echo(json.dumps(answer, indent=2, ensure_ascii=False))
    else:
        name = "the defaults" if file is None else str(file)
        text = yaml.dump(
            effective(definition, "python"),
            Dumper=_Dumper,
            sort_keys=False,
            allow_unicode=True,
            width=100,
        )
        typer.echo(f"# The effective configuration of {name}.\n{text}")
        typer.echo("\n".join(f"# {line}".rstrip() for line in _explained(found)))
    _warn(found)


def effective(definition: Definition, mode: Literal["json", "python"]) -> dict[str, Any]:
    """The configuration with everything written out, in the form of a funnel.yaml.

    What only says that there is nothing is left out, except for the keys of the file itself.
    """
    document = definition.model_dump(mode=mode)
    if definition.base_currency is None:
        del document["base_currency"]
    document["pipelines"] = {
        name: _without_empty(settings)
        | {
            "horizons": list(definition.horizons_of(name)),
            "stuck_after": dict(
                definition.stuck_after if (limits := settings["stuck_after"]) is None else limits
            ),
        }
        for name, settings in document["pipelines"].items()
    }
    document["values"] = {
        name: _without_empty(settings) for name, settings in document["values"].items()
    }
    document["targets"] = [_without_empty(target) for target in document["targets"]]
    document["export"] |= {
        "windows": list(definition.export_windows()),
        "dimensions": list(definition.export_dimensions()),
        "breakdown_windows": list(definition.breakdown_windows()),
        "matured_windows": list(definition.matured_windows()),
        "breakdown_kpis": list(broken_down(definition)),
    }
    return document


def _without_empty(part: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in part.items() if value not in (None, "", {})}


class _Dumper(yaml.SafeDumper):
    """Writes as people do: lists of texts in one line, rates as numbers."""


def _list(dumper: yaml.SafeDumper, items: Sequence[Any]) -> yaml.Node:
    flow = not any(isinstance(item, dict) for item in items)
    return dumper.represent_sequence("tag:yaml.org,2002:seq", items, flow_style=flow)


def _number(dumper: yaml.SafeDumper, number: Decimal) -> yaml.Node:
    text = format(number, "f")
    return dumper.represent_scalar(f"tag:yaml.org,2002:{'float' if '.' in text else 'int'}", text)


_Dumper.add_representer(list, _list)
_Dumper.add_representer(tuple, _list)
_Dumper.add_representer(Decimal, _number)
_Dumper.add_representer(date, lambda dumper, day: dumper.represent_date(day))


def _explained(found: Estimate) -> list[str]:
    lines = [f"KPI series on /metrics: at most {found.series:,}"]
    for pipeline, blocks in found.pipelines.items():
        lines.append(f"  pipeline {pipeline}: {sum(block.series for block in blocks):,}")
        for block in blocks:
            what = f"by {block.dimension}, {block.values} values" if block.dimension else "totals"
            each = " + ".join(f"{name} {number}" for name, number in block.each.items())
            times = f"{block.values} × " if block.dimension else ""
            lines.append(f"    {what}: {times}({each}) = {block.series:,}")
    lines += [f"  targets: {found.targets:,}"] if found.targets else []
    return [*lines, f"Every other pipeline that events name adds at most {found.other:,}."]


def _as_json(found: Estimate) -> dict[str, Any]:
    pipelines = {
        pipeline: [{**block._asdict(), "series": block.series} for block in blocks]
        for pipeline, blocks in found.pipelines.items()
    }
    return {
        "at_most": found.series,
        "pipelines": pipelines,
        "targets": found.targets,
        "every_other_pipeline": found.other,
    }


def _warn(found: Estimate) -> None:
    if found.series > MANY:
        print(
            f"warning: at most {found.series:,} series on /metrics are more than {MANY:,}; "
            "export fewer windows, dimensions or breakdown_kpis, or lower top_n",
            file=sys.stderr,
        )
