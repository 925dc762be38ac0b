"""Faults in what counts as one value, and which value of a deal counts."""

from tests.mutants.fault import Fault

_FILE = "definition/values.py"

FAULTS = (
    Fault(
        "label-not-cut",
        _FILE,
        "self._meanings.get(compared, compared)[:LABEL_LENGTH]",
        "self._meanings.get(compared, compared)",
        "Two owners that differ after 120 characters are two values.",
    ),
    Fault(
        "doubled-space-is-another-value",
        _FILE,
        'return " ".join(text.split())',
        "return text.strip()",
        "Two spaces between two words make another channel, which looks the same.",
    ),
    Fault(
        "lower-is-not-folded",
        _FILE,
        "text.casefold() if",
        "text.lower() if",
        "STRASSE and Straße are two values although case is folded.",
    ),
    Fault(
        "alias-in-one-case",
        _FILE,
        "            self.compared(alias): value for alias, value in values.items()\n",
        "            cleaned(alias): value for alias, value in values.items()\n",
        "An alias that is written with a capital letter never matches where case is folded.",
    ),
    Fault(
        "spelling-of-the-target-ignored",
        _FILE,
        "{self.compared(value): value for value in values.values()} | ",
        "",
        "Bob Smith and bob smith are two owners where an alias leads to the first.",
    ),
    Fault(
        "spend-keeps-its-spelling",
        "facts/ledger.py",
        'Spend.of(self._rules.spellings["channel"][channel.decode()], event)',
        "Spend.of(channel.decode(), event)",
        "Money on an alias of a channel never meets the channel's leads.",
        ("oracle/test_values_by_hand.py",),
    ),
    Fault(
        "first-touch-by-arrival",
        "facts/journey.py",
        "    for event in _as_given(history):\n"
        "        if given := event.attributes:\n"
        "            for name in names &",
        "    for event in history:\n"
        "        if given := event.attributes:\n"
        "            for name in names &",
        "Of two first values of one instant the one of the lower stage holds, not of the lower id.",
        ("oracle/test_values_by_hand.py",),
    ),
    Fault(
        "first-touch-is-overwritten",
        "facts/journey.py",
        "known.setdefault(name, given[name])",
        "known[name] = given[name]",
        "The channel that brought a deal loses it to the one that was named last.",
        ("oracle/test_values_by_hand.py",),
    ),
    Fault(
        "first-touch-outlives-a-clearing",
        "facts/journey.py",
        'given.get("cleared", ())):\n                known.pop(name, None)\n',
        'given.get("cleared", ())):\n                pass\n',
        "A first channel that was taken back counts on.",
        ("unit/facts/test_journey.py",),
    ),
)
