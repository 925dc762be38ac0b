"""The layers of proof that a fault has to get past, and in which order their files are asked."""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from tests.mutants.fault import Fault

LAYERS: Final[dict[str, tuple[str, ...]]] = {
    "figures": (
        "unit/kpis/test_catalogue.py",
        "unit/kpis/test_faults.py",
        "unit/facts/test_journey.py",
        "unit/kpis/test_samples.py",
        "unit/facts/test_rates.py",
        "unit/facts/test_spend.py",
        "unit/facts/test_deals.py",
        "unit/facts/test_expiry.py",
        "unit/definition/test_definition.py",
        "unit/definition/test_time.py",
        "unit/definition/test_values.py",
        "unit/windows/columns/test_sums.py",
        "unit/windows/columns/test_lookup.py",
        "unit/windows/columns/test_packed.py",
        "unit/windows/test_tables.py",
        "unit/windows/test_panes.py",
        "unit/windows/test_trends.py",
        "unit/contract/test_decode.py",
        "unit/contract/test_amendments.py",
        "unit/contract/test_money.py",
        "unit/contract/test_blanks.py",
        "unit/exposition/page/test_notes.py",
        "unit/exposition/page/test_funnel.py",
        "cases/test_page.py",
    ),
    "oracle": (
        "oracle/test_stages_by_hand.py",
        "oracle/test_journeys_by_hand.py",
        "oracle/test_windows_by_hand.py",
        "oracle/test_now_by_hand.py",
        "oracle/test_money_by_hand.py",
        "oracle/test_breakdowns_by_hand.py",
        "oracle/test_values_by_hand.py",
        "oracle/test_reading_by_hand.py",
        "oracle/test_oracle_random.py",
    ),
    "properties": (
        "properties/test_windows.py",
        "properties/test_past.py",
        "properties/test_life.py",
        "properties/test_order.py",
        "properties/test_expiry.py",
        "properties/test_values.py",
        "properties/test_breakdowns.py",
        "properties/test_quantiles.py",
        "properties/test_machine.py",
    ),
}
"""Figures worked out by hand, the comparison with SQL, and what holds for all events."""

_OF_FORMS: Final = (
    "unit/kpis/test_samples.py",
    "unit/kpis/test_catalogue.py",
    "oracle/test_stages_by_hand.py",
    "oracle/test_now_by_hand.py",
    "properties/test_breakdowns.py",
)
_OF_ENTRIES: Final = (
    "unit/kpis/test_catalogue.py",
    "oracle/test_stages_by_hand.py",
    "oracle/test_windows_by_hand.py",
    "properties/test_breakdowns.py",
)
_FIRST: Final[dict[str, tuple[str, ...]]] = {
    "facts/journey.py": (
        "unit/facts/test_journey.py",
        "unit/kpis/test_catalogue.py",
        "oracle/test_journeys_by_hand.py",
        "oracle/test_stages_by_hand.py",
        "properties/test_order.py",
        "properties/test_life.py",
    ),
    "facts/rules.py": (
        "unit/kpis/test_catalogue.py",
        "unit/kpis/test_faults.py",
        "oracle/test_stages_by_hand.py",
        "properties/test_life.py",
    ),
    "definition/values.py": ("unit/definition/test_values.py", "oracle/test_values_by_hand.py"),
    "facts/rates.py": ("unit/facts/test_rates.py", "oracle/test_money_by_hand.py"),
    "facts/spend.py": (
        "unit/facts/test_spend.py",
        "oracle/test_money_by_hand.py",
        "properties/test_windows.py",
    ),
    "facts/deals.py": (
        "unit/facts/test_deals.py",
        "unit/facts/test_expiry.py",
        "oracle/test_reading_by_hand.py",
        "properties/test_life.py",
    ),
    "facts/blocks.py": (
        "unit/kpis/test_faults.py",
        "unit/windows/test_tables.py",
        "properties/test_order.py",
    ),
    "windows/breakdowns.py": (
        "unit/windows/test_tables.py",
        "oracle/test_breakdowns_by_hand.py",
        "properties/test_windows.py",
    ),
    "windows/panes.py": (
        "unit/windows/test_panes.py",
        "unit/windows/test_tables.py",
        "oracle/test_windows_by_hand.py",
        "properties/test_windows.py",
    ),
    "windows/columns/sums.py": (
        "unit/windows/columns/test_sums.py",
        "unit/windows/test_tables.py",
        "properties/test_windows.py",
    ),
    "windows/columns/lookup.py": (
        "unit/windows/columns/test_lookup.py",
        "unit/windows/test_tables.py",
        "properties/test_windows.py",
    ),
    "windows/columns/packed.py": (
        "unit/windows/columns/test_packed.py",
        "unit/windows/test_panes.py",
        "unit/windows/test_trends.py",
        "properties/test_windows.py",
    ),
    "windows/trends.py": ("unit/windows/test_trends.py", "properties/test_past.py"),
    "windows/totals.py": ("unit/windows/test_tables.py", "properties/test_windows.py"),
    "windows/tables.py": (
        "unit/windows/test_tables.py",
        "unit/facts/test_spend.py",
        "oracle/test_windows_by_hand.py",
        "properties/test_windows.py",
    ),
    "facts/measures.py": ("unit/kpis/test_samples.py", "properties/test_quantiles.py"),
    "kpis/scope.py": ("unit/kpis/test_samples.py", "properties/test_breakdowns.py"),
    "kpis/forms.py": _OF_FORMS,
    "kpis/quotients.py": _OF_FORMS,
    "kpis/durations.py": ("properties/test_quantiles.py", "oracle/test_windows_by_hand.py"),
    "kpis/products.py": _OF_FORMS,
    "kpis/counted.py": _OF_ENTRIES,
    "kpis/leads.py": _OF_ENTRIES,
    "kpis/potential.py": _OF_ENTRIES,
    "kpis/samples.py": (
        "unit/kpis/test_samples.py",
        "unit/kpis/test_catalogue.py",
        "oracle/test_breakdowns_by_hand.py",
        "properties/test_breakdowns.py",
    ),
    "definition/funnel.py": (
        "unit/definition/test_definition.py",
        "oracle/test_windows_by_hand.py",
    ),
    "definition/time.py": (
        "unit/definition/test_time.py",
        "unit/definition/test_definition.py",
        "oracle/test_windows_by_hand.py",
    ),
    "replay/compute.py": (
        "unit/kpis/test_catalogue.py",
        "oracle/test_windows_by_hand.py",
        "properties/test_expiry.py",
    ),
    "contract/decode.py": (
        "unit/contract/test_decode.py",
        "unit/contract/test_blanks.py",
        "oracle/test_reading_by_hand.py",
    ),
}
"""By file of the core: who is likely to notice a fault in it."""


def rounds(fault: Fault, files: tuple[str, ...]) -> list[list[str]]:
    """A layer's files in two lots: those likely to notice a fault, then the others."""
    likely = (*fault.look, *(_FIRST.get(fault.file, ())))
    first = [file for file in dict.fromkeys(likely) if file in files]
    return [lot for lot in (first, [file for file in files if file not in first]) if lot]


def absent(tests: Path) -> list[str]:
    """Files that are named here and do not exist."""
    named = {file for files in LAYERS.values() for file in files}
    return sorted(file for file in named if not (tests / file).is_file())


def never_asked(faults: Iterable[Fault]) -> list[str]:
    """Files that are said to notice a fault and are in no layer."""
    asked = {file for files in LAYERS.values() for file in files}
    likely = (*(fault.look for fault in faults), *_FIRST.values())
    return sorted({file for files in likely for file in files} - asked)
