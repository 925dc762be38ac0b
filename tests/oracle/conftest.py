"""What is held against the oracle: the answers of the package's own command."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import run_verb

Answer = list[dict[str, Any]]


@pytest.fixture(scope="session")
def compute() -> Callable[..., Answer]:
    """``compute FILE --as-of T [more options] --json``, parsed."""

    def answer(events: Path, as_of: str, *options: str) -> Answer:
        parsed = json.loads(run_verb("compute", str(events), "--as-of", as_of, "--json", *options))
        assert isinstance(parsed, list)
        return parsed

    return answer
