"""All dashboards, what they ask, and the files that they are kept in."""

import json

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard

from ops.dashboards.breakdowns import breakdowns
from ops.dashboards.operations import operations
from ops.dashboards.overview import overview
from ops.dashboards.page import panels_of
from ops.dashboards.sales import sales
from ops.dashboards.stages import stage_page


def dashboards() -> list[Dashboard]:
    """Every dashboard, the overview first."""
    pages = (overview(), *map(stage_page, range(1, 7)), sales(), breakdowns(), operations())
    return [page.build() for page in pages]


def queries() -> list[tuple[str, str, str]]:
    """Uid of the dashboard, title of the panel and PromQL of every query, variables left in."""
    return [
        (board.uid or "", panel.title, target.expr)
        for board in dashboards()
        for panel in panels_of(board)
        for target in panel.targets
    ]


def files() -> dict[str, str]:
    """The text of each file by its name."""
    return {
        f"{board.uid}.json": json.dumps(board, cls=JSONEncoder, indent=1, ensure_ascii=False) + "\n"
        for board in dashboards()
    }
