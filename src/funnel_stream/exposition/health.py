"""``/healthz`` and ``/readyz``: may this worker live, and may it be counted on?"""

from http import HTTPStatus
from typing import Any

from funnel_stream.reporting import Reporter

HealthResponse = tuple[HTTPStatus, dict[str, Any]]


def liveness(reporter: Reporter) -> HealthResponse:
    """503 when the stream has work but does none: a restart is called for."""
    if reporter.alive():
        return HTTPStatus.OK, {"alive": True}
    return HTTPStatus.SERVICE_UNAVAILABLE, {"alive": False, "reason": "the stream is stuck"}


def readiness(reporter: Reporter) -> HealthResponse:
    """200 once all that is assigned has been recovered; else 503 and what is waited for."""
    ready, reason = reporter.ready()
    status = HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE
    return status, {"ready": ready, "reason": reason, "reporting": reporter.reporting()}
