"""Grafana dashboards as code: ``python -m ops.dashboards deploy/grafana/dashboards``."""

from ops.dashboards.boards import dashboards, files, queries
from ops.dashboards.variables import defaults, resolved

__all__ = ["dashboards", "defaults", "files", "queries", "resolved"]
