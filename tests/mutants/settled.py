"""A pytest plugin that makes the tests of a faulty core quick and always the same.

Examples are drawn from a fixed seed and not shrunk: it is enough to know that one fails. What the
oracle says is remembered in ``$FUNNEL_ORACLE_ANSWERS``: it shares no code with the core, so its
answer to a file of events is the same for every fault.
"""

import hashlib
import os
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, Phase, settings

settings.register_profile(
    "settled",
    derandomize=True,
    database=None,
    deadline=None,
    phases=(Phase.explicit, Phase.generate),
    report_multiple_bugs=False,
    suppress_health_check=list(HealthCheck),
)


def pytest_configure() -> None:
    # Here, because the tests' own profile is loaded with their conftest.py.
    settings.load_profile("settled")
    if answers := os.environ.get("FUNNEL_ORACLE_ANSWERS"):
        _remember(Path(answers))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave out what asks the oracle alone, which no fault can change."""
    items[:] = [item for item in items if not item.name.endswith("[oracle]")]


def _remember(answers: Path) -> None:
    from tests.oracle import oracle  # here, because it needs DuckDB

    ask = oracle.figures
    own = b"".join(
        path.read_bytes()
        for path in sorted(Path(oracle.__file__).parent.iterdir())
        if path.suffix in (".sql", ".py")
    )

    def remembered(
        events: Path, as_of: str, config: Mapping[str, Any] | None = None
    ) -> dict[oracle.Key, oracle.Figure]:
        asked = [own, events.read_bytes(), as_of.encode()]
        asked.append(yaml.safe_dump(config and dict(config)).encode())
        name = hashlib.blake2b(b"\0".join(asked), digest_size=16).hexdigest()
        path = answers / name
        if path.exists():
            found: dict[oracle.Key, oracle.Figure] = pickle.loads(path.read_bytes())
            return found
        found = ask(events, as_of, config)
        unfinished = path.with_suffix(f".{os.getpid()}")
        unfinished.write_bytes(pickle.dumps(found))
        unfinished.replace(path)
        return found

    oracle.figures = remembered
