"""A dashboard: lines of panels, variables on top, links to the others, alerts as annotations."""

import re
from typing import Any, Final

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import dashboard as models

from ops.dashboards.panels import SOURCE, Panel
from ops.dashboards.variables import VARIABLES, source

WIDTH: Final = 24
TAG: Final = "funnel"
STAGE_TAG: Final = "funnel-stage"

FIRING: Final = (
    'ALERTS{alertstate="firing",alertname=~"Funnel.*",alertname!="FunnelWatchdog",'
    'pipeline=~"$pipeline|"}'
)
"""Alerts of the pipeline and of the software; the watchdog always fires and says nothing."""

_OTHERS: Final = (
    ("Overview", "funnel-overview"),
    ("Sales", "funnel-sales"),
    ("Breakdowns", "funnel-breakdowns"),
    ("Operations", "funnel-operations"),
)


class _Alerts(models.AnnotationQuery):
    """Firing alerts, with what Grafana's Prometheus source reads beside the fields of the SDK."""

    def to_json(self) -> dict[str, object]:
        text = "{{from_stage}} {{to_stage}} {{stage}} {{channel}} {{window}} {{horizon}}"
        shown = {"titleFormat": "{{alertname}}", "textFormat": text, "tagKeys": "severity,pipeline"}
        return super().to_json() | shown


class _AlertsBuilder(Builder[models.AnnotationQuery]):
    def build(self) -> models.AnnotationQuery:
        return _Alerts(name="Alerts", datasource=SOURCE, enable=True, icon_color="red", expr=FIRING)


class Page:
    """One dashboard in the making. Panels are put down line by line, each of full width."""

    def __init__(
        self, uid: str, title: str, help: str, *, since: str = "now-7d", stage: bool = False
    ) -> None:
        self.uid, self.title = uid, title
        tags = [TAG, STAGE_TAG] if stage else [TAG]
        self._board = (
            dashboard.Dashboard(title)
            .uid(uid)
            .description(help)
            .tags(tags)
            .timezone("browser")
            .time(since, "now")
            .refresh("1m")
            .editable()
            .tooltip(models.DashboardCursorSync.CROSSHAIR)
            .annotation(_AlertsBuilder())
        )
        self._y = 0
        self._id = 0
        self._exprs: list[str] = []

    def row(self, title: str) -> None:
        """A headline over the lines that follow."""
        position = models.GridPos(x=0, y=self._y, w=WIDTH, h=1)
        self._board.with_row(dashboard.Row(title).id(self._next()).grid_pos(position))
        self._y += 1

    def line(self, height: int, *panels: Panel, widths: tuple[int, ...] = ()) -> None:
        """Panels side by side; equally wide unless ``widths`` says otherwise."""
        widths = widths or _equal(len(panels))
        assert sum(widths) == WIDTH, f"{self.uid}: {widths}"
        x = 0
        for panel, width in zip(panels, widths, strict=True):
            panel.id(self._next()).grid_pos(models.GridPos(x=x, y=self._y, w=width, h=height))
            self._exprs += [getattr(target, "expr", "") for target in panel.build().targets or ()]
            self._board.with_panel(panel)
            x += width
        self._y += height

    def lines(self, height: int, *panels: Panel, across: int = 2) -> None:
        """As many lines as it takes, with about as many panels each and at most ``across``."""
        count = -(-len(panels) // across)
        start = 0
        for number in range(count):
            size = len(panels) // count + (number < len(panels) % count)
            self.line(height, *panels[start : start + size])
            start += size

    def asks_for(self, metric: str) -> bool:
        """Whether a panel so far shows that metric."""
        return any(re.search(rf"\b{metric}\b", expr) for expr in self._exprs)

    def build(self) -> models.Dashboard:
        built = " ".join([*self._exprs, FIRING])
        used = {v.name for v in VARIABLES if f"${v.name}" in built or v.name == "worker"}
        # Windows that follow the chosen one are asked for instead of it.
        used |= {"window"} if any(name.endswith("_window") for name in used) else set()
        self._board.with_variable(source())
        for variable in VARIABLES:
            self._board.with_variable(variable.builder(used=variable.name in used))
        for title, uid in _OTHERS:
            if uid != self.uid:
                self._board.link(_link(title, uid))
        stages = dashboard.DashboardLink("Stages").type(models.DashboardLinkType.DASHBOARDS)
        stages.tags([STAGE_TAG]).as_dropdown(True).keep_time(True).include_vars(True)
        return self._board.link(stages).build()

    def _next(self) -> int:
        self._id += 1
        return self._id


def address(uid: str, **chosen: str) -> str:
    """Another dashboard with the same choices, apart from ``chosen``, for links in panels."""
    of_own = "".join(f"&var-{name}={value}" for name, value in chosen.items())
    kept = "".join(
        f"&${{{v.name}:queryparam}}" for v in VARIABLES if v.shown and v.name not in chosen
    )
    return f"/d/{uid}?${{__url_time_range}}{kept}{of_own}"


def _link(title: str, uid: str) -> dashboard.DashboardLink:
    link = dashboard.DashboardLink(title).type(models.DashboardLinkType.LINK).url(f"/d/{uid}")
    return link.icon("dashboard").keep_time(True).include_vars(True)


def _equal(count: int) -> tuple[int, ...]:
    """Widths of a line of equal panels; the first ones are wider where it does not come out."""
    width, more = divmod(WIDTH, count)
    return tuple(width + (position < more) for position in range(count))


def panels_of(board: models.Dashboard) -> list[Any]:
    """The panels of a dashboard without its headlines."""
    return [panel for panel in board.panels or [] if panel.type_val != "row"]
