"""What a reader looks at: pipeline, window, basis, dimension and currency, all of it in the URL."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

from funnel_stream.contract.money import DECIMALS
from funnel_stream.definition import Definition
from funnel_stream.definition.time import Window, minutes_of
from funnel_stream.errors import UsageError
from funnel_stream.facts.measures import MATURED
from funnel_stream.kpis.contributions import BASES

PERIOD: Final = BASES[0]
COHORT: Final = BASES[1]


@dataclass(frozen=True)
class Choices:
    """What there is to choose from, as a reader may write it in the URL; the first is the default,
    but for windows and bases."""

    pipelines: tuple[str, ...]
    windows: tuple[Window, ...]
    bases: tuple[str, ...]
    dimensions: tuple[str, ...]
    currencies: tuple[str, ...]


@dataclass(frozen=True)
class View:
    """A reader's choice. ``basis``: ``period``, ``cohort`` or ``matured:7d`` with its horizon;
    ``default_basis``: that of the window by default. ``sort``: the column of the breakdown that
    orders it, empty for the first one."""

    pipeline: str
    window: Window
    basis: str
    default_basis: str
    dimension: str
    currency: str
    sort: str = ""
    ascending: bool = False

    @property
    def basis_labels(self) -> dict[str, str]:
        """The basis as the labels of a series."""
        name, _, horizon = self.basis.partition(":")
        return {"basis": name, "horizon": horizon} if horizon else {"basis": name}

    def link(self, path: str = "/", fragment: str = "", **changed: str) -> str:
        """The address of the same view but for what is ``changed``. Another window has its own
        usual basis: who looks at the usual one goes on with that."""
        default = "window" in changed and self.basis == self.default_basis
        query = {
            "pipeline": self.pipeline,
            "window": self.window.name,
            "basis": "" if default else self.basis,
            "dimension": self.dimension,
            "currency": self.currency,
            "sort": self.sort,
            "order": "asc" if self.ascending else "",
            **changed,
        }
        filled = {name: value for name, value in query.items() if value}
        return f"{path}?{urlencode(filled)}" + (f"#{fragment}" if fragment else "")


def basis_in_words(basis: str) -> str:
    """``matured after 7d``."""
    return basis.replace(":", " after ")


def basis_of(labels: Mapping[str, str]) -> str:
    """The basis that a series is of, as in a view: from its labels, or those of a question about
    it; empty if it has none."""
    basis, horizon = labels.get("basis", ""), labels.get("horizon")
    return f"{basis}:{horizon}" if basis and horizon else basis


def choices(
    definition: Definition, pipelines: Iterable[str], currencies: Iterable[str], pipeline: str
) -> Choices:
    """What a reader of a pipeline may choose; ``pipelines`` and ``currencies``: those that have
    anything, most of it first."""
    configured = list(definition.pipelines)
    matured = [f"{MATURED}:{horizon}" for horizon in definition.horizons_of(pipeline)]
    return Choices(
        pipelines=tuple(dict.fromkeys([*pipelines, *configured])),
        windows=definition.window_list(),
        bases=(*matured, COHORT, PERIOD),
        dimensions=definition.dimensions,
        currencies=tuple(currencies),
    )


def parse_view(query: Mapping[str, str], possible: Choices, definition: Definition) -> View:
    """The view that a query asks for; what it leaves out is as by default.

    Raises ``UsageError`` that names the parameter and what is allowed.
    """
    windows = {window.name: window for window in possible.windows}
    default = definition.export_windows() or definition.windows
    longest = max(default, key=lambda name: windows[name].minutes)
    currency = query.get("currency", "")
    if currency and currency not in DECIMALS:
        hint = "Write a code of ISO 4217 like EUR."
        raise UsageError(f"there is no currency {currency!r}", hint=hint)
    if query.get("basis") in _bases_of_other_pipelines(possible, definition):
        query = {**query, "basis": ""}
    pipeline = _choice("pipeline", query, possible.pipelines)
    window = windows[_choice("window", query, (longest, *windows))]
    basis = default_basis(definition, pipeline, window)
    return View(
        pipeline=pipeline,
        window=window,
        basis=_choice("basis", query, possible.bases, default=basis),
        default_basis=basis,
        dimension=_choice("dimension", query, possible.dimensions),
        # One that no deal has any more is no mistake: an old link may name it.
        currency=currency or next(iter(possible.currencies), ""),
        sort=query.get("sort", ""),
        ascending=query.get("order") == "asc",
    )


def default_basis(definition: Definition, pipeline: str, window: Window) -> str:
    """The basis of a window by default: matured at the longest horizon that it can judge, if it can
    judge any: young deals do not pull that down."""
    horizons = [
        name for name in definition.horizons_of(pipeline) if minutes_of(name) <= window.minutes
    ]
    if not window.judges or not horizons:
        return COHORT
    return f"{MATURED}:{max(horizons, key=minutes_of)}"


def _bases_of_other_pipelines(possible: Choices, definition: Definition) -> set[str]:
    """Bases that only other pipelines have: whoever changes the pipeline asks for them unawares."""
    names = {*definition.horizons}
    for pipeline in definition.pipelines:
        names.update(definition.horizons_of(pipeline))
    return {f"{MATURED}:{horizon}" for horizon in names} - {*possible.bases}


def _choice(
    name: str, query: Mapping[str, str], allowed: tuple[str, ...], *, default: str = ""
) -> str:
    requested = query.get(name)
    if not requested:
        return default or next(iter(allowed), "")
    if requested not in allowed:
        listed = ", ".join(dict.fromkeys(allowed)) or "none"
        raise UsageError(f"there is no {name} {requested!r}", hint=f"Allowed: {listed}.")
    return requested
