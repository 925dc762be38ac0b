"""The list of faults, by the part of the core that they are in."""

from typing import Final

from tests.mutants.fault import Fault
from tests.mutants.faults import (
    contract,
    deals,
    facts,
    figures,
    journeys,
    money,
    values,
    windows,
)

FAULTS: Final[tuple[Fault, ...]] = (
    *contract.FAULTS,
    *journeys.FAULTS,
    *facts.FAULTS,
    *values.FAULTS,
    *money.FAULTS,
    *deals.FAULTS,
    *windows.FAULTS,
    *figures.FAULTS,
)
