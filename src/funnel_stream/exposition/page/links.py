"""The way from a figure to the deals behind it."""

from collections.abc import Mapping
from typing import Final
from urllib.parse import urlencode

from funnel_stream.answers.question import parse_question
from funnel_stream.definition import Definition
from funnel_stream.errors import UsageError
from funnel_stream.exposition.page.view import View
from funnel_stream.kpis.kpi import Kpi

_MAX_CACHED: Final = 20_000


class DealLinks:
    """Addresses of lists of deals, each made once: a page has hundreds, and is rendered often."""

    def __init__(self, definition: Definition) -> None:
        self.definition = definition
        self._known: dict[tuple[object, ...], str] = {}

    def of(
        self,
        kpi: Kpi,
        labels: Mapping[str, str],
        view: View,
        *,
        value: str = "",
        part: str = "",
    ) -> str:
        """The address of the deals behind a series (``value``: of the view's dimension; ``part``:
        of a ratio); empty if it has none, or stands for several."""
        key = (
            kpi.id,
            *labels.items(),
            view.pipeline,
            view.window.name,
            value and view.dimension,
            value,
            part,
        )
        known = self._known.get(key)
        if known is None:
            if len(self._known) >= _MAX_CACHED:
                self._known.clear()
            known = self._known[key] = self._address(kpi, labels, view, value, part)
        return known

    def _address(
        self, kpi: Kpi, labels: Mapping[str, str], view: View, value: str, part: str
    ) -> str:
        parameters = {"kpi": kpi.id, **labels, "pipeline": view.pipeline}
        if not kpi.of_now:
            parameters["window"] = view.window.name
        if value:
            parameters |= {"dimension": view.dimension, "value": value}
        if part:
            parameters["part"] = part
        elif "_sum" in kpi.form.suffixes:
            parameters["part"] = "sum"  # what each deal has, not that it is one
        try:
            parse_question(parameters, self.definition)
        except UsageError:
            return ""
        return f"/deals?{urlencode(parameters)}"
