"""The house keeps its floors: imports go from later rooms to earlier ones only."""

import ast
from pathlib import Path

import funnel_stream

ROOT = Path(funnel_stream.__file__).parent

STAGES = (
    "leads", "qualification", "potential", "offers", "negotiation", "contracts", "beyond",
)  # fmt: skip
FLOORS = [
    {"errors"},
    {"documents", "human", "arrays"},
    {"windows.columns"},  # columns know numbers, not the funnel
    {"contract"},
    {"definition.time"},
    {"definition.fields", "definition.values"},
    {"definition.funnel"},
    {"definition"},
    {"facts.measures", "facts.rates", "facts.journey"},
    {"facts.spend"},
    {"facts.rules", "facts.expiry"},
    {"facts.blocks"},
    {"facts.ledger"},
    {"facts.deals"},
    {"facts"},
    {"windows.panes", "windows.breakdowns"},
    {"windows.totals"},
    {"windows.trends"},
    {"windows.tables"},
    {"windows"},
    {"kpis.scope", "kpis.intervals"},
    {"kpis.forms", "kpis.label_values"},
    {"kpis.quotients", "kpis.products", "kpis.kpi"},
    {"kpis.durations", "kpis.counted"},
    {f"kpis.{stage}" for stage in STAGES},
    {"kpis.catalogue"},
    {"kpis.samples", "kpis.contributions", "kpis.accounting", "kpis.reference"},
    {"kpis"},
    {"config", "replay"},
    {"testing"},
    {"answers"},
    {"connection"},
    {"reporting", "settings"},
    {"streaming", "exposition", "tools"},
    {"cli"},
    {"__main__"},
]
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}

HOME = {
    "faust": {"streaming.kafka"},
    "mode": {"streaming.kafka"},
    "aiokafka": {"streaming.kafka"},
    "confluent_kafka": {"tools"},
    "prometheus_client": {"exposition"},
    "jinja2": {"exposition"},
    "markupsafe": {"exposition"},
    "javaproperties": {"connection"},
    "aws_msk_iam_sasl_signer": {"connection"},
    "matplotlib": {"cli"},
    "pyarrow": {"cli"},
    "python_calamine": {"tools"},
}
"""Libraries of the edge, and the only packages that may know them."""


def room_of(path: Path) -> str:
    """The room of a file: a module of the packages whose modules have floors of their own."""
    return _room(".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"))


def _room(name: str) -> str:
    two = ".".join(name.split(".")[:2])
    return two if two in FLOOR else name.split(".")[0]


def imports_of(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are written in full"
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                file = ROOT.joinpath(*name.split(".")[1:]).with_suffix(".py")
                found.add(name if file.exists() else str(node.module))
    return found


def packages_of(path: Path) -> set[str]:
    """``streaming`` and ``streaming.kafka`` for a module of the latter."""
    parts = path.relative_to(ROOT).parts[:-1]
    return {".".join(parts[:depth]) for depth in range(1, len(parts) + 1)}


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
        and (room := _room(name.removeprefix("funnel_stream."))) in FLOOR
        and room != room_of(path)
        and FLOOR[room] >= FLOOR[room_of(path)]
    ]
    assert wrong == []


def types_of(path: Path) -> set[str]:
    """Names of the classes and type aliases of a file, without leading underscores."""
    found = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Subscript | ast.BinOp):
            found |= {name.id for name in node.targets if isinstance(name, ast.Name)}
    names = {name.lstrip("_") for name in found}
    return {name for name in names if name[:1].isupper() and not name.isupper()}


def test_a_type_name_means_one_thing() -> None:
    """A reader of one room need not ask which of several types a name stands for."""
    homes: dict[str, list[str]] = {}
    for path in modules():
        for name in types_of(path):
            homes.setdefault(name, []).append(str(path.relative_to(ROOT)))
    several = {name: files for name, files in homes.items() if len(files) > 1}
    assert several == {}


def test_the_edge_stays_at_the_edge() -> None:
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in modules()
        for name in imports_of(path)
        if (home := HOME.get(name.split(".")[0])) and not home.intersection(packages_of(path))
    ]
    assert wrong == []


def test_nobody_asks_which_form_a_kpi_has() -> None:
    """A form answers what others ask about a KPI; who knows its class would have to know all."""
    forms = {
        f"funnel_stream.kpis.{room}" for room in ("forms", "quotients", "durations", "products")
    }
    outside = [path for path in modules() if path.parent != ROOT / "kpis"]
    outside += (ROOT.parents[1] / "ops").rglob("*.py")
    wrong = [str(path) for path in outside for name in imports_of(path) if name in forms]
    assert wrong == []
    assert len(outside) > 150


def test_what_stands_on_the_log_does_not_know_kafka() -> None:
    """Nor the log in memory: either is handed to it."""
    port = [path for path in modules() if path.parent == ROOT / "streaming"]
    wrong = [
        f"{path.name} imports {name}"
        for path in port
        for name in imports_of(path)
        if name.startswith(("funnel_stream.streaming.kafka", "funnel_stream.streaming.memory"))
    ]
    assert len(port) > 10
    assert wrong == []
