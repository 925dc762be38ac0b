"""``/api/kpis``: the KPIs as JSON."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

import msgspec

from funnel_stream.errors import UsageError
from funnel_stream.exposition.kpi_json import kpi_json
from funnel_stream.kpis.samples import samples
from funnel_stream.reporting import Reporter

JsonResponse = tuple[HTTPStatus, bytes]
"""Status and body, in JSON."""

_PARAMETERS: Final = ("window", "dimension")


def kpis(reporter: Reporter, query: Mapping[str, str]) -> JsonResponse:
    """The figures for a query of ``window`` and ``dimension``, both optional.

    400 says what is allowed, 503 why this worker has no figures to show.
    """
    if unknown := [name for name in query if name not in _PARAMETERS]:
        return HTTPStatus.BAD_REQUEST, problem(
            f"there is no parameter {unknown[0]!r}",
            f"Allowed: {', '.join(_PARAMETERS)}.",
        )
    snapshot = reporter.snapshot()
    if snapshot is None:
        return _not_reporting(reporter)
    try:
        body = kpi_json(samples(snapshot, **{name: query[name] for name in query}))
    except UsageError as error:
        return HTTPStatus.BAD_REQUEST, problem(error.message, error.hint or "")
    return HTTPStatus.OK, body


def _not_reporting(reporter: Reporter) -> JsonResponse:
    ready, reason = reporter.ready()
    return HTTPStatus.SERVICE_UNAVAILABLE, problem(
        "this worker does not report the KPIs",
        "Another worker of the group does." if ready else reason,
    )


def problem(message: str, reason: str) -> bytes:
    """The body of an error response."""
    return msgspec.json.encode({"error": message, "reason": reason}) + b"\n"
