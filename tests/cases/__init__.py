"""What people stumble over, by public reports: a small input each, and the figures that are right.

The inputs stand beside this file, as files of events. A test that asserts what is right belongs to
the file that is named for the rooms it is about.
"""

from pathlib import Path
from typing import Any

from funnel_stream.definition import Definition
from funnel_stream.replay.compute import Computed, compute
from tests.funnels import NOW

HERE = Path(__file__).parent


def case(name: str, as_of: int | None = None, **definition: Any) -> Computed:
    """``compute`` over the events of a case; ``definition`` is what stands in ``funnel.yaml``."""
    lines = (HERE / f"{name}.ndjson").read_bytes().splitlines()
    return compute(
        lines,
        Definition.model_validate(definition),
        as_of=as_of,
        now_ms=int(NOW.timestamp() * 1000),
    )
