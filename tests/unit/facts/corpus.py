"""The facts of a fixed corpus of events, as a digest: ``python -m tests.unit.facts.corpus``.

``corpus.ndjson`` is committed as it is and never generated anew, so that it cannot drift. Lines may
be added at its end where events learn to say something new.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from funnel_stream.definition import RULES_VERSION, Definition
from funnel_stream.facts.deals import Deals
from funnel_stream.facts.measures import CELLS
from funnel_stream.facts.spend import Spend
from funnel_stream.replay.compute import as_record

LINES: Final = Path(__file__).with_name("corpus.ndjson").read_bytes().splitlines()
DEFINITION: Final[dict[str, Any]] = {
    "aliases": {"enquiry": "lead"},
    "pipelines": {
        "default": {},
        "partner": {"horizons": ["2d", "36h"], "stuck_after": {"qualified": "3d"}},
    },
    "values": {
        "channel": {"fold_case": True, "aliases": {"adwords": "paid search"}},
        "product": {"keep": "first"},
    },
    "horizons": ["1d", "7d"],
    "stuck_after": {"lead": "1d", "offer": "7d", "negotiation": "36h"},
    "activity_horizon": "10d",
    "base_currency": "EUR",
    "rates": {
        "USD": {"2025-01-01": "0.9", "2026-01-20": "0.93", "2026-03-10": "0.876543"},
        "PLN": {"2025-12-15": "0.23"},
        "JPY": {"2026-02-01": "0.0061"},
    },
}
NOW_MS: Final = 1_800_000_000_000
"""After all of it."""
_AT_ONCE: Final = 25

Fact = tuple[tuple[str, ...], tuple[str, ...], int]
"""Whose it is (pipeline and dimensions), its cell, its minute."""


def facts() -> tuple[Counter[Fact], Counter[Spend]]:
    """All facts with their weights, and all spends, as the sum of what changed now and then;
    nothing that differs between processes."""
    deals = Deals(Definition.model_validate(DEFINITION))
    weights: Counter[Fact] = Counter()
    spends: Counter[Spend] = Counter()
    for start in range(0, len(LINES), _AT_ONCE):
        some = LINES[start : start + _AT_ONCE]
        fold = deals.fold([as_record(start + n, line, NOW_MS) for n, line in enumerate(some)])
        assert fold.rejected == []
        for block in deals.take_changes():
            columns = (block.combination, block.cell, block.minute, block.weight)
            for owner, cell, minute, weight in zip(*map(list, columns), strict=True):
                weights[block.combinations[owner], CELLS[cell], int(minute)] += int(weight)
            for spend, times in block.spends:
                spends[spend] += times
    return weights, spends


def digest() -> str:
    """Of all facts and spends, in the order of their texts."""
    return hashlib.blake2b("\n".join(sorted(_texts())).encode(), digest_size=16).hexdigest()


def _texts() -> Iterator[str]:
    weights, spends = facts()
    for fact, weight in weights.items():
        if weight:
            yield json.dumps(["fact", *fact, weight])
    for spend, times in spends.items():
        yield json.dumps(["spend", *spend, times])


if __name__ == "__main__":
    print(f'    {RULES_VERSION}: "{digest()}",')
