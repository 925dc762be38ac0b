"""Operations: whether the service keeps up, loses nothing and reports correctly."""

from typing import Final

from funnel_stream.cli.series_estimate import MANY
from funnel_stream.exposition.operations import WORKER_METRICS
from ops.dashboards import panels
from ops.dashboards.overview import age_of_figures, alert_count, alert_list
from ops.dashboards.page import Page
from ops.dashboards.panels import Look, Panel, Query, Steps

_MEANING: Final = {metric.name: metric.help for metric in WORKER_METRICS}
_OF: Final = '{job="$job"}'
_RATE: Final = "$__rate_interval"
_QUANTILES: Final = (("0.5", "half within"), ("0.9", "9 of 10 within"), ("0.99", "99 % within"))


def operations() -> Page:
    page = Page(
        "funnel-operations",
        "Operations",
        "Whether the service keeps up, loses nothing and reports correctly.",
        since="now-6h",
    )
    page.line(
        4,
        _number("Workers up", "Workers that Prometheus can reach.", f"sum(up{_OF})", _UP),
        _number(
            "Reporters",
            "Workers that report the KPIs; there must be exactly one.",
            f"sum(funnel_reporting{_OF})",
            ((None, "red"), (1, "green"), (2, "red")),
        ),
        age_of_figures(),
        _number(
            "Lag",
            "Records of the events topic that are not yet in the state, over all partitions.",
            f"sum(max by (partition) (funnel_consumer_lag_records{_OF}))",
            ((None, "green"), (10_000, "orange"), (100_000, "red")),
        ),
        _number(
            "Dead letters, last hour",
            "Records that were rejected and went to the dead-letter topic.",
            f"sum(increase(funnel_events_rejected_total{_OF}[1h])) or vector(0)",
            ((None, "green"), (1, "orange"), (100, "red")),
        ),
        _number(
            "Invariant violations",
            "Deals that the stage accounting cannot explain. Anything but 0 is a defect.",
            f"sum(funnel_invariant_violations_total{_OF})",
            panels.GOOD_IS_ZERO,
        ),
        alert_count(),
        _version(),
    )
    page.row("Does it keep up?")
    page.line(8, _rates(), _lag(), _latency())
    page.line(8, _batches(), _ticks(), alert_list())
    page.row("Does it lose anything?")
    page.line(8, _rejected(), _unusual())
    page.row("Is it stable?")
    page.line(8, _reporting(), _recovery(), _assignments(), _rows())
    page.row("Scrapes and the process")
    page.line(8, _scrape(), _series())
    page.line(8, _memory(), _cpu(), _files())
    return page


_UP: Final[Steps] = ((None, "red"), (1, "green"))


def _number(title: str, help: str, expr: str, thresholds: Steps) -> Panel:
    shown = Look(title, help, "short", 0, thresholds=thresholds)
    return panels.stat(shown, Query(expr, title), name_shown=False)


def _each(title: str, help: str, unit: str, expr: str, legend: str = "{{instance}}") -> Panel:
    return panels.lines(Look(title, help, unit), Query(expr, legend))


def _rate(metric: str, by: str) -> str:
    return f"sum by ({by}) (rate({metric}{_OF}[{_RATE}]))"


def _version() -> Panel:
    shown = Look(
        "Version", "The running versions; one, unless a release is being rolled out.", "short"
    )
    expr = f"count by (version) (funnel_build_info{_OF})"
    return panels.stat(shown, Query(expr, "{{version}}"))


def _rates() -> Panel:
    help = _MEANING["funnel_events_consumed"]
    return _each("Events", help, "cps", _rate("funnel_events_consumed_total", "instance"))


def _lag() -> Panel:
    help = _MEANING["funnel_consumer_lag_records"]
    expr = f"max by (partition) (funnel_consumer_lag_records{_OF})"
    return _each("Lag by partition", help, "short", expr, "{{partition}}")


def _latency() -> Panel:
    help = _MEANING["funnel_event_to_metric_seconds"]
    buckets = _rate("funnel_event_to_metric_seconds_bucket", "le")
    queries = [Query(f"histogram_quantile({q}, {buckets})", name) for q, name in _QUANTILES]
    return panels.lines(Look("From event to metric", help, "s"), *queries)


def _batches() -> Panel:
    help = (
        "Records folded into the state per batch. Large ones mean that the worker is catching up."
    )
    buckets = _rate("funnel_batch_size_records_bucket", "le")
    queries = [Query(f"histogram_quantile({q}, {buckets})", name) for q, name in _QUANTILES]
    return panels.lines(Look("Batch size", help, "short"), *queries)


def _ticks() -> Panel:
    help = (
        "Batches of changed facts published for the windows, at most about one a second per worker."
    )
    expr = _rate("funnel_fact_batches_published_total", "instance")
    return _each("Batches of facts", help, "cps", expr)


def _rejected() -> Panel:
    rejected = _rate("funnel_events_rejected_total", "reason")
    none = 'label_replace(vector(0), "reason", "none", "", "")'
    help = "Records that went to the dead-letter topic, by reason. Each is stored with its reason."
    expr = f"{rejected} > 0 or on () {none}"
    return _each("Dead letters by reason", help, "cps", expr, "{{reason}}")


def _unusual() -> Panel:
    kinds = {
        "duplicate": "already known",
        "late": "late",
        "misrouted": "on the wrong partition",
        "erased": "of erased deals",
        "expired": "of deals that have left",
        "repeated_outcome": "repeated outcome",
        "amended": "amended",
    }
    shown = Look(
        "Unusual events",
        "Already known: they change nothing. Late: they count like any other. On the wrong "
        "partition: re-published to the right one. Of erased deals, or of deals that have left: "
        "dropped. Repeated outcome, long after the deal ended: it starts no new deal. Amended: an "
        "amount was rounded or left out; the rest counts.",
        "cps",
    )
    queries = [
        Query(f"sum(rate(funnel_events_{kind}_total{_OF}[{_RATE}]))", name)
        for kind, name in kinds.items()
    ]
    return panels.lines(shown, *queries)


def _reporting() -> Panel:
    help = _MEANING["funnel_reporting"]
    return _each("Who reports", help, "short", f"max by (instance) (funnel_reporting{_OF})")


def _recovery() -> Panel:
    help = _MEANING["funnel_recovery_seconds"]
    expr = f"max by (instance) (funnel_recovery_seconds{_OF})"
    return _each("Recovery", help, "s", expr)


def _assignments() -> Panel:
    help = "Assignments of partitions to a worker within an hour; many of them are a bad sign."
    expr = f"sum by (instance) (increase(funnel_assignments_total{_OF}[1h]))"
    return _each("Assignments per hour", help, "short", expr)


def _rows() -> Panel:
    shown = Look(
        "Rows of state",
        "Journeys and spend rows in the state, by partition; also the deals that left and are "
        "remembered, and the open deals that have not been touched for as long as closed deals "
        "are kept.",
        "short",
    )
    kinds = {
        "state_rows": "{{partition}}",
        "stubs": "left {{partition}}",
        "untouched_deals": "untouched {{partition}}",
    }
    queries = [
        Query(f"max by (partition) (funnel_{kind}{_OF})", name) for kind, name in kinds.items()
    ]
    return panels.lines(shown, *queries)


def _scrape() -> Panel:
    help = "How long Prometheus takes to read a worker's metrics."
    return _each("Scrape duration", help, "s", f"max by (instance) (scrape_duration_seconds{_OF})")


def _series() -> Panel:
    shown = Look(
        "Series",
        f"Series that a worker exports. The budget is {MANY:,}: above it, export less in "
        "funnel.yaml.",
        "short",
    )
    expr = f"max by (instance) (scrape_samples_scraped{_OF})"
    budget = Query(f"vector({MANY})", "budget target")
    return panels.lines(shown, Query(expr, "{{instance}}"), budget)


def _memory() -> Panel:
    help = "Resident memory of a worker; it grows with the number of deals it holds."
    expr = f"max by (instance) (process_resident_memory_bytes{_OF})"
    return _each("Memory", help, "bytes", expr)


def _cpu() -> Panel:
    help = "Cores that a worker uses; the stream itself runs on one."
    return _each("CPU", help, "short", _rate("process_cpu_seconds_total", "instance"))


def _files() -> Panel:
    help = "Open files and connections of a worker, as a share of its limit."
    expr = f"max by (instance) (process_open_fds{_OF} / process_max_fds{_OF})"
    return _each("Open files", help, "percentunit", expr)
