"""``python -m ops.study``: simulate years of funnels and write what the alarms did.

Writes the tables and pictures of docs/alerting.md and build/alert-study.json. Takes some minutes on
two cores; ``--quick`` does a part of it and prints it only.
"""

import argparse
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import numpy as np
from ops.study import olist, report
from ops.study.alarms import ALARMS, alarms, notified
from ops.study.market import HORIZONS
from ops.study.measure import DROPS, PLACES, Found, Quiet, run, tasks
from ops.study.statistic import HOURS
from rich.progress import track

_YEARS: Final = {"small": 24, "medium": 24, "large": 10}
_TRIALS: Final = {"small": 40, "medium": 60, "large": 16}
_DOCS: Final = Path("docs")
_BUILD: Final = Path("build")


@dataclass
class Olist:
    """What the alarms did on Olist's history: notifications by rule."""

    days: float
    leads: int
    notifications: dict[str, int]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m ops.study", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="A few years, printed only.")
    data = Path(os.environ.get("FUNNEL_TEST_DATA", "../shared/data")) / "olist"
    parser.add_argument("--olist", type=Path, default=data, help="Folder with Olist's CSV files.")
    given = parser.parse_args()
    years = dict.fromkeys(_YEARS, 2) if given.quick else _YEARS
    trials = {"medium": 4} if given.quick else _TRIALS
    number = sum(years.values()) + len(PLACES) * len(DROPS) * sum(trials.values())
    quiet: list[Quiet] = []
    found: list[Found] = []
    for result in track(run(tasks(years, trials)), "simulated funnels", total=number):
        if isinstance(result, Quiet):
            quiet.append(result)
        else:
            found.append(result)
    text = report.tables(quiet, found)
    print(text)
    real = _olist(given.olist, draw=not given.quick)
    if real is not None:
        print(f"\nOlist, {real.leads:,} leads in {real.days:.0f} days: {real.notifications}")
    if not given.quick:
        _write(text, quiet, found, real)


def _olist(folder: Path, *, draw: bool) -> Olist | None:
    if not folder.is_dir():
        print(f"\nNo Olist: {folder} is not a folder (--olist, or FUNNEL_TEST_DATA).")
        return None
    counts, first = olist.history(folder)
    if draw:
        report.draw_olist(counts, first, _DOCS / "alerting" / "olist.png")
    begins = (HORIZONS[-1] + 7) * HOURS  # a week of baseline for the longest horizon
    return Olist(
        counts.deals.shape[-1] / HOURS,
        int(counts.deals[0, 0].sum()),
        {name: alarms(notified(alarm(counts)), begins) for name, alarm in ALARMS.items()},
    )


def _write(text: str, quiet: list[Quiet], found: list[Found], real: Olist | None) -> None:
    if real is not None:
        counts = ", ".join(f"{name} {number}" for name, number in real.notifications.items())
        text += (
            f"\n\nOlist, {real.leads:,} leads in {real.days:.0f} days – notifications after the "
            f"first week of baseline: {counts}."
        )
    report.write_block(_DOCS / "alerting.md", text)
    report.pictures(quiet, found, _DOCS / "alerting")
    _BUILD.mkdir(exist_ok=True)
    document = {
        "quiet": [each._asdict() for each in quiet],
        "found": [_plain(each) for each in found],
        "olist": real and asdict(real),
    }
    (_BUILD / "alert-study.json").write_text(json.dumps(document, indent=1), encoding="utf-8")


def _plain(each: Found) -> dict[str, object]:
    """JSON has no infinity: what was never found is null."""
    finite = {
        key: {name: days if np.isfinite(days) else None for name, days in delays.items()}
        for key, delays in (("matured", each.matured), ("broke", each.broke))
    }
    return each._asdict() | finite


if __name__ == "__main__":
    main()
