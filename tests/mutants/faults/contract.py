"""Faults in what is made of an event's details."""

from tests.mutants.fault import Fault

_DECODE, _MONEY = "contract/decode.py", "contract/money.py"
_UNIT = ("unit/contract/test_amendments.py", "unit/contract/test_money.py")

FAULTS = (
    Fault(
        "halves-rounded-up",
        _MONEY,
        "to_integral_value(ROUND_HALF_EVEN",
        'to_integral_value("ROUND_HALF_UP"',
        "Sums of rounded amounts drift upwards.",
        _UNIT,
    ),
    Fault(
        "tiny-amounts-are-exact",
        _MONEY,
        "        return 0, True\n",
        "        return 0, False\n",
        "An amount of 0.00001 becomes 0, and nobody is told.",
        _UNIT,
    ),
    Fault(
        "left-out-in-silence",
        _DECODE,
        "                reasons.append(Amendment.UNREADABLE_AMOUNT)\n",
        "                pass\n",
        "Deals lose their amounts, and no counter moves.",
        _UNIT,
    ),
    Fault(
        "cleared-after-given",
        "facts/journey.py",
        "            known.update(given)\n    known.pop",
        "            known = given | known\n    known.pop",
        "An event that clears the owner and names the new one leaves the deal without.",
        _UNIT,
    ),
    Fault(
        "pipeline-cleared",
        "contract/event.py",
        "CLEARABLE: Final = (\n",
        'CLEARABLE: Final = (\n    "pipeline",\n',
        "A deal falls back to the default pipeline, with all of its figures.",
        _UNIT,
    ),
    Fault(
        "amended-before-accepted",
        "facts/deals.py",
        '            result.counts["duplicates"] += 1\n',
        '            result.counts["duplicates"] += 1\n'
        "            result.amended.update(reasons)\n",
        "A repeated record counts as amended again.",
        ("unit/facts/test_deals.py",),
    ),
)
