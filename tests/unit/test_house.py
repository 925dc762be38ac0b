"""The house keeps its floors: imports go from later rooms to earlier ones only."""

import ast
from pathlib import Path

import funnel_stream

ROOT = Path(funnel_stream.__file__).parent

FLOORS = [
    {"errors"},
    {"contract", "cells", "documents", "human", "intervals"},
    {"values"},
    {"definition"},
    {"rates", "journey"},
    {"spend"},
    {"facts", "expiry"},
    {"blocks"},
    {"ledger"},
    {"deals"},
    {"panes", "breakdowns"},
    {"totals"},
    {"past"},
    {"windows"},
    {"shapes"},
    {"catalogue"},
    {"samples", "accounting", "kpi_reference", "configuration", "config_schema"},
    {"compute"},
    {"history", "answers"},
    {"reporting", "settings"},
    {"streaming", "exposition", "tools"},
    {"cli"},
    {"__main__"},
]
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}

HOME = {
    "faust": {"streaming"},
    "mode": {"streaming"},
    "aiokafka": {"streaming", "tools", "cli"},
    "confluent_kafka": {"tools", "cli"},
    "prometheus_client": {"exposition"},
    "jinja2": {"exposition"},
    "markupsafe": {"exposition"},
    "matplotlib": {"cli"},
    "pyarrow": {"cli"},
    "python_calamine": {"tools"},
}
"""Libraries of the edge, and the only rooms that may know them."""


def room_of(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imports_of(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are written in full"
            module = node.module or ""
            found.add(module)
            if module == "funnel_stream":
                found |= {f"funnel_stream.{alias.name}" for alias in node.names}
    return found


def modules() -> list[Path]:
    return [path for path in sorted(ROOT.rglob("*.py")) if path != ROOT / "__init__.py"]


def test_every_room_has_a_floor() -> None:
    assert {room_of(path) for path in modules()} == set(FLOOR)


def test_imports_go_down_only() -> None:
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in modules()
        for name in imports_of(path)
        if name.startswith("funnel_stream.")
        and (room := name.split(".")[1]) in FLOOR
        and room != room_of(path)
        and FLOOR[room] >= FLOOR[room_of(path)]
    ]
    assert wrong == []


def test_the_edge_stays_at_the_edge() -> None:
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in modules()
        for name in imports_of(path)
        if room_of(path) not in HOME.get(name.split(".")[0], {room_of(path)})
    ]
    assert wrong == []
