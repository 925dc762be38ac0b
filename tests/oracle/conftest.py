"""What is held against the oracle: the answers of the package's own command."""

import json
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import run_verb
from tests.oracle import oracle
from tests.oracle.asking import NOON, Ask, Figures
from tests.oracle.funnels import Line, instant, write
from tests.summary import COMPARED

Answer = list[dict[str, Any]]


@pytest.fixture(autouse=True)
def counted(record_property: Callable[[str, object], None]) -> Iterator[None]:
    """Tells how many figures the test has held against the oracle."""
    before = oracle.COMPARED.copy()
    yield
    for (kpi, source), number in (oracle.COMPARED - before).items():
        record_property(COMPARED, [kpi, source, number])


@pytest.fixture(scope="session")
def compute() -> Callable[..., Answer]:
    """``compute FILE --as-of T [more options] --json``, parsed."""

    def answer(events: Path, as_of: str, *options: str) -> Answer:
        parsed = json.loads(run_verb("compute", str(events), "--as-of", as_of, "--json", *options))
        assert isinstance(parsed, list)
        return parsed

    return answer


@cache
def by_oracle(
    text: bytes, as_of: str, config: str | None, path: Path
) -> dict[oracle.Key, oracle.Figure]:
    path.write_bytes(text)
    return oracle.figures(path, as_of, None if config is None else yaml.safe_load(config))


@pytest.fixture(scope="session")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("oracle") / "events.ndjson"


@pytest.fixture(params=["oracle", "compute"])
def ask(
    request: pytest.FixtureRequest, tmp_path: Path, scratch: Path, compute: Callable[..., Answer]
) -> Ask:
    """Figures by the oracle, then by the package, which has to give all that the oracle gives."""

    def answer(
        lines: list[Line], as_of: str = NOON, config: Mapping[str, Any] | None = None
    ) -> Figures:
        path = write(tmp_path / "events.ndjson", lines)
        text = None if config is None else yaml.safe_dump(config, allow_unicode=True)
        figures = by_oracle(path.read_bytes(), instant(as_of), text, scratch)
        if request.param == "oracle":
            return Figures({name: figure.value for name, figure in figures.items()})
        options = []
        if text is not None:
            (tmp_path / "funnel.yaml").write_text(text, encoding="utf-8")
            options = ["--config", str(tmp_path / "funnel.yaml")]
        samples = compute(path, instant(as_of), *options)
        oracle.compare(figures, samples, source="by hand")
        return Figures({oracle.key(s["metric"], s["labels"]): s["value"] for s in samples})

    return answer
