"""What tests tell beside whether they passed, for the end of a run.

It travels with their reports, since they may have run in several processes.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Final

import pytest

COMPARED: Final = "figures compared"
"""A property of a test: ``[KPI, source, how many figures]``."""
MEASURED: Final = "measured"
"""A property of a test: a line of text."""


def told(reporter: pytest.TerminalReporter, name: str) -> list[Any]:
    """The values of a property, of all tests that have ended, in the order of their reports."""
    return [
        value
        for reports in reporter.stats.values()
        for report in reports
        if getattr(report, "when", None) == "teardown"
        for key, value in report.user_properties
        if key == name
    ]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """How many figures were held against the oracle, and how fast the page was."""
    if compared := told(terminalreporter, COMPARED):
        terminalreporter.section("figures compared with the oracle")
        for line in table(compared):
            terminalreporter.write_line(line)
    if measured := told(terminalreporter, MEASURED):
        terminalreporter.section("how fast the page was")
        for line in measured:
            terminalreporter.write_line(line)


def table(compared: Iterable[tuple[str, str, int]]) -> list[str]:
    """Numbers of figures by KPI and by the source of the events, with their sums."""
    counts: Counter[tuple[str, str]] = Counter()
    for kpi, source, number in compared:
        counts[kpi, source] += number
    sources = sorted({source for _, source in counts})
    kpis = sorted({kpi for kpi, _ in counts})
    sums: Mapping[str, int] = {
        source: sum(counts[kpi, source] for kpi in kpis) for source in sources
    }
    return [
        f"{'KPI':<36}" + "".join(f"{source:>20}" for source in sources),
        *(
            f"{kpi:<36}" + "".join(f"{counts[kpi, source]:>20,}" for source in sources)
            for kpi in kpis
        ),
        f"{f'{len(kpis)} KPIs':<36}" + "".join(f"{sums[source]:>20,}" for source in sources),
    ]
