"""What can be chosen on top of the dashboards. All have the same, so that links keep the choice."""

from dataclasses import dataclass
from typing import Final

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import dashboard as models

from ops.dashboards.panels import SOURCE

_CLASSIC: Final = 5
"""Grafana's number for queries that are written as text."""


@dataclass(frozen=True)
class Variable:
    """``query``: where the values come from; without one it is a text. ``regex``: the value's part
    of an answer. ``shown``: on the dashboards that use it (others keep it for their links); else it
    follows from the others."""

    name: str
    label: str
    default: str
    help: str
    query: str = ""
    regex: str = ""
    shown: bool = True

    def builder(self, *, used: bool) -> Builder[models.VariableModel]:
        hide = models.VariableHide.HIDE_VARIABLE
        if used and self.shown:
            hide = models.VariableHide.DONT_HIDE
        current = models.VariableOption(selected=True, text=self.default, value=self.default)
        if self.query:
            query_model: dict[str, object] = {
                "qryType": _CLASSIC,
                "query": self.query,
                "refId": "PrometheusVariableQueryEditor-VariableQuery",
            }
            variable = dashboard.QueryVariable(self.name).query(query_model).datasource(SOURCE)
            variable.refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED).regex(self.regex)
            variable.label(self.label).description(self.help).hide(hide).current(current)
            # What follows from other choices is not kept in addresses, where it could contradict.
            variable.build().skip_url_sync = not self.shown
            return variable.sort(models.VariableSort.NATURAL_ASC)
        text = dashboard.TextBoxVariable(self.name).default_value(self.default)
        return text.label(self.label).description(self.help).hide(hide).current(current)


def _window_of(selector: str) -> str:
    """The chosen window if series of the selector have it, else a day, else one that they have."""
    counts = (
        f"count by (window) ({selector[:-1]},{window}}})"
        for window in ('window="$window"', 'window="24h"', 'window!=""')
    )
    return f"query_result({' or on () '.join(counts)})"


_MATURED: Final = '{pipeline="$pipeline",basis="matured"}'
_BREAKDOWNS: Final = '__name__=~"funnel_.+_breakdown",pipeline="$pipeline"'
_VALUE_OF_WINDOW: Final = '/window="([^"]+)"/'

VARIABLES: Final = (
    Variable(
        "pipeline",
        "Pipeline",
        "default",
        "The pipeline the figures are for.",
        'label_values({__name__=~"funnel_(leads|open_deals)"}, pipeline)',
    ),
    Variable(
        "window",
        "Window",
        "30d",
        "The period up to now that the figures cover; they are compared with the one before it.",
        'label_values(funnel_stage_entries{pipeline="$pipeline"}, window)',
    ),
    Variable(
        "horizon",
        "Horizon",
        "7d",
        "The age at which matured conversions judge a deal.",
        f"label_values(funnel_conversion_ratio{_MATURED}, horizon)",
    ),
    Variable(
        "currency",
        "Currency",
        "EUR",
        "The currency of all amounts shown.",
        'label_values({__name__=~"funnel_((open|offer|deal)_value|spend)",pipeline="$pipeline"}, '
        "currency)",
    ),
    Variable(
        "dimension",
        "Dimension",
        "channel",
        "What the figures are broken down by: the dimensions the worker exports.",
        f"label_values({{{_BREAKDOWNS}}}, dimension)",
    ),
    Variable(
        "kpi",
        "KPI",
        "funnel_leads_breakdown",
        "Any figure the worker exports by dimension.",
        "metrics(^funnel_.+_breakdown$)",
    ),
    Variable(
        "job",
        "Job",
        "funnel-stream",
        "The scrape job of the workers.",
        "label_values(funnel_reporting, job)",
    ),
    Variable(
        "matured_window",
        "Window of matured conversions",
        "30d",
        "The chosen window, or a day if that is shorter: nothing matures within an hour.",
        _window_of(f"funnel_conversion_ratio{_MATURED}"),
        _VALUE_OF_WINDOW,
        shown=False,
    ),
    Variable(
        "breakdown_window",
        "Window of breakdowns",
        "30d",
        "The chosen window if the worker exports breakdowns of it, otherwise one that it exports.",
        _window_of(f'{{{_BREAKDOWNS},basis!="matured"}}'),
        _VALUE_OF_WINDOW,
        shown=False,
    ),
    Variable(
        "matured_breakdown_window",
        "Window of matured conversions in breakdowns",
        "24h",
        "The chosen window if the worker exports it, otherwise usually a day.",
        _window_of(f"funnel_conversion_ratio_breakdown{_MATURED}"),
        _VALUE_OF_WINDOW,
        shown=False,
    ),
    Variable(
        "worker",
        "Worker",
        "http://localhost:6066",
        "Address at which your browser reaches a worker, for links to the deals behind a figure.",
    ),
)
"""In the order of the bar on top; a variable may ask for the ones before it."""

SOURCE_DEFAULT: Final = "prometheus"


def source() -> Builder[models.VariableModel]:
    """The data source."""
    current = models.VariableOption(selected=True, text="Prometheus", value=SOURCE_DEFAULT)
    variable = dashboard.DatasourceVariable("datasource").type("prometheus").current(current)
    return variable.label("Data source").description("The Prometheus that scrapes the workers.")


def defaults() -> dict[str, str]:
    """The value of every variable before anything is chosen, Grafana's own ones included."""
    chosen = {variable.name: variable.default for variable in VARIABLES}
    grafana = {"__rate_interval": "1m", "__interval": "1m", "__range": "1h"}
    return {"datasource": SOURCE_DEFAULT, **chosen, **grafana}


def resolved(expr: str) -> str:
    """A query as Grafana sends it while nothing is chosen."""
    for name, value in sorted(defaults().items(), key=lambda each: -len(each[0])):
        expr = expr.replace(f"${name}", value)
    return expr
