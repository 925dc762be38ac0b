"""Panels of a KPI, as its entry in the catalogue says: title, help, unit, and what its form has.

A KPI that is added to the catalogue gets its panels from here; nothing names it.
"""

from collections.abc import Mapping
from dataclasses import replace
from math import prod
from typing import Final

from funnel_stream.kpis.catalogue import BY_ID
from funnel_stream.kpis.kpi import Kpi
from ops.dashboards import panels
from ops.dashboards.panels import Column, Link, Look, Panel, Query
from ops.dashboards.promql import Figure, difference, first_of, marked, ratio_change, with_zeros

UNITS: Final = {"seconds": "s", "ratio": "percentunit"}
"""Grafana's units; all others are plain numbers, with the currency of money in the title."""

_FEW: Final = 3
"""So many series leave room for their bands and for lines of the period before."""
_READABLE: Final = 8
"""More series than that are ranked instead."""
_MANY: Final = 1_000
_BASES: Final = ("period", "cohort", "matured")
_RANKS: Final = 12


def figure(kpi: Kpi, suffix: str = "", *, window: str = "$window", **where: str) -> Figure:
    """The series of a KPI, with some labels fixed; money in the chosen currency."""
    if "currency" in kpi.form.labels:
        where.setdefault("currency", "$currency")
    labels = tuple(name for name in kpi.form.labels if where.get(name, "~")[0] == "~")
    if where.get("basis", "matured") != "matured":
        labels = tuple(name for name in labels if name != "horizon")
    return Figure(f"{kpi.metric}{suffix}", labels, where, "" if kpi.of_now else window)


def explained(kpi: Kpi) -> str:
    """The description of a panel: what the KPI means, and how it is defined."""
    return f"{kpi.help}\n\n{kpi.formula[0].upper()}{kpi.formula[1:]}."


def look(kpi: Kpi, title: str = "", *, links: tuple[Link, ...] = ()) -> Look:
    money = " · $currency" if kpi.unit.startswith("money") else ""
    return Look(
        title=f"{title or kpi.title}{money}",
        help=explained(kpi),
        unit=UNITS.get(kpi.unit, "short"),
        decimals=1 if kpi.unit == "ratio" else None,
        links=links,
    )


def kpi_panels(kpi: Kpi) -> list[Panel]:
    """One panel if there are few series; else two that belong side by side."""
    count = _series(kpi)
    if kpi.form.of_counts:
        return [_shares(kpi)] if count <= _FEW else [trend(kpi), intervals(kpi)]
    if kpi.form.quantiles:
        return [times(kpi)] if count <= _FEW else [trend(kpi)]
    return [trend(kpi)] if count <= _READABLE else [ranking(kpi), _leaders(kpi)]


def has_headline(kpi: Kpi) -> bool:
    """Its series fit into one stat."""
    return _series(kpi) <= 2


# --- one panel each -------------------------------------------------------------------------------


def headline(
    kpi: Kpi,
    title: str = "",
    *,
    of: Figure | None = None,
    zeros: Figure | None = None,
    **where: str,
) -> Panel:
    """The figure now, and by how much it has changed against the period before.

    ``zeros``: where these are, the figure is 0 even if it has no series.
    """
    of = of or figure(kpi, **where)
    now = with_zeros(of, zeros) if zeros else of.now()
    expr = first_of(marked(now, "now"), marked(ratio_change(of), "change"))
    shown = look(kpi, title, links=deals(kpi, of))
    return panels.stat(shown, Query(expr, _legend(of, "period")))


def trend(kpi: Kpi, title: str = "", *, stacked: bool = False, **where: str) -> Panel:
    """Lines over time; of a few series the period before and the target as well."""
    of = figure(kpi, **where)
    shown = look(kpi, title, links=deals(kpi, of))
    if stacked or _series(kpi, where) > _FEW:
        query = Query(of.now(), _legend(of))
    else:
        query = Query(versus(kpi, of), _legend(of, "period"))
    return panels.lines(shown, query, stacked=stacked)


def times(kpi: Kpi, title: str = "", **where: str) -> Panel:
    """The mean of a duration against the period before; how long half and nine of ten took."""
    mean = figure(kpi, **where)
    legend = f"{_legend(mean)} mean {{{{period}}}}".strip()
    queries = [Query(versus(kpi, mean, quantile=""), legend)]
    for value, name in (("0.5", "half within"), ("0.9", "9 of 10 within")):
        at = figure(kpi, "_quantile", quantile=value, **where)
        queries.append(Query(at.now(), f"{_legend(at)} {name}".strip()))
    return panels.lines(look(kpi, title, links=deals(kpi, mean)), *queries)


def ranking(kpi: Kpi, title: str = "", by: tuple[str, ...] = (), **where: str) -> Panel:
    """The largest series as bars, summed over the labels that are not in ``by``."""
    of = figure(kpi, **where)
    of = of.by(*by) if by else of
    expr = f"sort_desc(topk({_RANKS}, {of.now()}))"
    return panels.bars(look(kpi, title, links=deals(kpi, of)), Query(expr, _legend(of)))


def intervals(kpi: Kpi) -> Panel:
    """Every series of a ratio with its 95 % interval and the number of deals behind it."""
    of = figure(kpi).bare()
    counted = figure(kpi, "_denominator").bare()
    shown = look(kpi, f"{kpi.title}: confidence")
    columns = [
        Column("ratio", of.now(), "percentunit", 1),
        *_band_columns(kpi, of),
        Column("of", counted.now(), "short", 0),
        Column("change", difference(of), "percentunit", 1, thresholds=panels.GROWTH),
    ]
    return panels.table(shown, {name: name for name in of.labels}, *columns)


def _band_columns(kpi: Kpi, of: Figure) -> list[Column]:
    """The bounds of a ratio's 95 % interval; none where it is no share."""
    if "basis" in of.labels:
        shares = [basis for basis in _BASES if kpi.is_proportion({"basis": basis})]
        of = replace(of, where={**of.where, "basis": f"~{'|'.join(shares)}"})
    return [
        Column("low", of.recorded("wilson_lower95").now(), "percentunit", 1),
        Column("high", of.recorded("wilson_upper95").now(), "percentunit", 1),
    ]


def versus(kpi: Kpi, of: Figure, **target: str) -> str:
    """The figure now, in the period before, and where it is to be, marked as such.

    One query, so that there is an answer as long as the figure exists: on a new Prometheus there is
    no period before, and hardly anybody sets every target.
    """
    aim = Figure("funnel_target", of.labels, {"kpi": kpi.id, **of.where, **target}, of.window)
    return first_of(
        marked(of.now(), "now"), marked(of.before(), "before"), marked(aim.now(), "target")
    )


def with_bands(kpi: Kpi, panel_look: Look, named: Mapping[str, tuple[Query, Figure]]) -> Panel:
    """Ratios over time: by name a query and the figure whose 95 % band it is in, if it is a
    share."""
    queries = []
    shares = [name for name, (_, of) in named.items() if kpi.is_proportion(of.where)]
    for name, (query, of) in named.items():
        queries.append(query)
        for bound in ("lower", "upper") if name in shares else ():
            recorded = of.recorded(f"wilson_{bound}95").now()
            queries.append(Query(recorded, f"{name} {bound}".strip()))
    panel = panels.lines(panel_look, *queries)
    for name, colour in zip(named, panels.SERIES_COLOURS, strict=False):
        panels.coloured(panel, name, colour)
        if name in shares:
            panels.band(panel, name, colour)
    return panel


def _shares(kpi: Kpi) -> Panel:
    """A few ratios with their bands."""
    each = kpi.form.series(()) or []
    named = {}
    for labels in each:
        of = figure(kpi, **labels)
        name = " ".join(labels.values())
        named[name] = Query(versus(kpi, of), f"{name} {{{{period}}}}".strip()), of
    links = deals(kpi, figure(kpi))
    # The fixed labels are dropped by the query, so links are set for each name.
    shown = with_bands(kpi, look(kpi, links=() if len(named) > 1 else links), named)
    if len(named) > 1:
        for labels in each:
            name = " ".join(labels.values())
            panels.override(shown, f"{name} now", links=deals(kpi, figure(kpi, **labels)))
    return shown


def _leaders(kpi: Kpi) -> Panel:
    """The largest series over time."""
    of = figure(kpi)
    shown = look(kpi, f"{kpi.title} over time", links=deals(kpi, of))
    return panels.lines(shown, Query(f"topk(6, {of.now()})", _legend(of)))


def _legend(of: Figure, *more: str) -> str:
    return " ".join(f"{{{{{name}}}}}" for name in (*of.labels, *more))


def _series(kpi: Kpi, where: Mapping[str, str] | None = None) -> int:
    """How many series a total has in one window and currency."""
    fixed, form = where or {}, kpi.form
    known = form.series(("7d",))
    if known is None:
        free = [name for name in form.labels if name != "currency" and name not in fixed]
        return prod(len(form.known[name]) if name in form.known else _MANY for name in free)
    return sum(
        all(series.get(name, value) == value for name, value in fixed.items()) for series in known
    )


# --- the deals behind a figure --------------------------------------------------------------------


def deals(kpi: Kpi, of: Figure, **at: str) -> tuple[Link, ...]:
    """Links to the worker's ``/api/deals``, for series that carry the figure's labels.

    ``at``: parameters that are not labels of the series, such as those of a breakdown, or that a
    table's row tells instead.
    """
    instead = kpi.no_deals.instead if kpi.no_deals else {"kpi": kpi.id}
    if not instead:
        return ()
    target_kpi = BY_ID[instead["kpi"]] if kpi.no_deals else kpi
    given = {**instead, "pipeline": "${pipeline:percentencode}"}
    if of.window and not target_kpi.of_now:
        given["window"] = "${__field.labels.window}"
    else:
        at.pop("window", None)
    for name in target_kpi.form.labels:
        if name in of.labels and name not in of.where:
            given[name] = f"${{__field.labels.{name}:percentencode}}"
        elif name in of.where:
            given[name] = _in_links(of.where[name])
    given |= at
    if target_kpi.form.of_counts:
        return (
            Link("Deals that converted", api_deals(**given, part="numerator")),
            Link("All deals", api_deals(**given, part="denominator")),
        )
    return (Link("Deals behind this figure", api_deals(**given)),)


def api_deals(**target_kpi: str) -> str:
    """The worker's address of the deals behind a figure."""
    return "${worker}/api/deals?" + "&".join(
        f"{name}={value}" for name, value in target_kpi.items()
    )


def _in_links(value: str) -> str:
    """A variable as links write it; what is written so already stays."""
    is_variable = value.startswith("$") and not value.startswith("${")
    return f"${{{value[1:]}:percentencode}}" if is_variable else value
