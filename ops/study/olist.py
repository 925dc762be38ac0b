"""The real history of Olist's marketing funnel (8,000 leads, 842 sellers won) as hourly counts."""

import csv
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import numpy as np
from ops.study.market import HORIZONS, Counts
from ops.study.statistic import HOURS

_LEADS: Final = "olist_marketing_qualified_leads_dataset.csv"
_CLOSED: Final = "olist_closed_deals_dataset.csv"


def hour(text: str) -> float:
    """Hours since 1970 of ``2018-02-01`` or ``2018-02-01 10:00:00``, UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() / 3600


def history(folder: Path) -> tuple[Counts, float]:
    """What matured of lead → won (one step × horizons × origins × hours), and the first hour."""
    won = {row["mql_id"]: hour(row["won_date"]) for row in _rows(folder / _CLOSED)}
    leads = [
        (hour(row["first_contact_date"]), row["origin"] or "unknown", won.get(row["mql_id"]))
        for row in _rows(folder / _LEADS)
    ]
    first = min(at for at, _, _ in leads)
    origins = sorted({origin for _, origin, _ in leads})
    # Deals that had not matured when the data ended say nothing.
    hours = int(max(max(at for at, _, _ in leads), max(won.values())) - first) + 1
    shape = 1, len(HORIZONS), len(origins), hours
    deals, converted = np.zeros(shape), np.zeros(shape)
    for at, origin, closed in leads:
        for place, horizon in enumerate(HORIZONS):
            matured = int(np.ceil(at - first + horizon * HOURS))
            if matured < hours:
                where = 0, place, origins.index(origin), matured
                deals[where] += 1
                # A few are won before their first contact was written down: a lead won at once.
                converted[where] += closed is not None and closed - at <= horizon * HOURS
    return Counts(deals, converted), first


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
