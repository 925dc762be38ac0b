"""``make bench-import``: rows per second and peak memory of ``import``, up to a million rows.

The table is one that a CRM might export: dates of days, amounts with thousands, two currencies. The
command runs in a process of its own; memory is its peak, time its CPU time.
"""

import argparse
import csv
import json
import os
import random
import sys
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.table import Table

MAPPING = """\
name: bench
timezone: Europe/Berlin
sources:
  deals:
    deal_id: Deal ID
    columns:
      Amount: {thousands: ","}
    events:
      - stage: lead
        at: Created
        attributes: {channel: Channel, owner: Owner, amount: Amount, currency: Currency}
      - {stage: won, at: Closed, when: {Stage: Won}}
      - {stage: lost, at: Closed, when: {Stage: Lost}}
"""
HEADER = ("Deal ID", "Created", "Closed", "Stage", "Amount", "Currency", "Channel", "Owner")
STAGES = ("Lead", "Qualified", "Proposal", "Won", "Lost")


def rows(number: int) -> Iterator[tuple[str, ...]]:
    """Deals of 900 days; the same for every run."""
    chance = random.Random(1)
    for i in range(number):
        created = date(2023, 1, 1) + timedelta(days=chance.randrange(900))
        closed = created + timedelta(days=chance.randrange(1, 90))
        stage = chance.choice(STAGES)
        yield (
            f"D{i}",
            created.isoformat(),
            closed.isoformat() if stage in ("Won", "Lost") else "",
            stage,
            f"{chance.randrange(10_000, 9_999_999) / 100:,.2f}",
            chance.choice(("EUR", "USD")),
            chance.choice(("web", "fair", "ads", "partner")),
            f"owner {chance.randrange(50)}",
        )


def measured(folder: Path, number: int) -> dict[str, float]:
    """CPU seconds, rows per second and peak memory (MB) of one import."""
    table, mapping = folder / "deals.csv", folder / "mapping.yaml"
    mapping.write_text(MAPPING)
    with table.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(HEADER)
        writer.writerows(rows(number))
    command = [sys.executable, "-m", "funnel_stream", "import", "--mapping", str(mapping)]
    child = os.posix_spawn(
        sys.executable, [*command, "--out", str(folder / "events.ndjson"), str(table)], os.environ
    )
    _, status, usage = os.wait4(child, 0)
    if status:
        raise SystemExit(f"import failed: {os.waitstatus_to_exitcode(status)}")
    seconds = usage.ru_utime + usage.ru_stime
    return {
        "rows": number,
        "cpu_s": round(seconds, 1),
        "rows_per_s": round(number / seconds),
        "peak_mb": round(usage.ru_maxrss / 1024),
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench-import", description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    given = parser.parse_args()
    found = []
    for number in given.rows:
        with TemporaryDirectory() as folder:
            found.append(measured(Path(folder), number))
    Path("build").mkdir(exist_ok=True)
    Path("build", "import.json").write_text(json.dumps(found, indent=2) + "\n")
    shown = Table("rows", "CPU", "rows/s", "peak memory")
    for one in found:
        shown.add_row(
            f"{one['rows']:,}",
            f"{one['cpu_s']:,.1f} s",
            f"{one['rows_per_s']:,}",
            f"{one['peak_mb']:,} MB",
        )
    Console().print(shown)


if __name__ == "__main__":
    main()
