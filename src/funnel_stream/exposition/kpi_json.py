"""KPIs as JSON, the same from ``/api/kpis`` and from ``compute --json``."""

from collections.abc import Iterable

import msgspec

from funnel_stream.kpis.samples import Sample

_encode = msgspec.json.Encoder().encode


def kpi_json(found: Iterable[Sample]) -> bytes:
    """An array of ``{"metric", "labels", "value"}``, one element a line."""
    elements = [
        _encode({"metric": metric, "labels": labels, "value": value})
        for metric, labels, value in found
    ]
    return b"[\n" + b",\n".join(elements) + b"\n]\n" if elements else b"[]\n"
