"""What the texts of one column look like: seen once, in bounded memory."""

from collections import Counter
from collections.abc import Mapping
from typing import Final
from zlib import crc32

from funnel_stream.tools.spreadsheets import Rounded
from funnel_stream.tools.suggestion.dates import DateEvidence
from funnel_stream.tools.suggestion.names import looks_dated
from funnel_stream.tools.suggestion.numbers import NumberEvidence

LIMIT: Final = 1000
"""So many different texts of a column are kept."""
_KEPT_LENGTH: Final = 300
"""Longer texts are no stage, no key and no example."""
GAPS: Final = frozenset(
    {"-", "--", "–", "—", "n/a", "#n/a", "na", "nan", "null", "none", "(none)", "(blank)"}
    | {"(empty)", "(no value)", "k.a.", "\\n", "not set", "(not set)"}
)
"""Texts that mean no value."""


class Profile:
    """A column: how many rows have a text, which texts, and what they can be read as.

    Of more than ``LIMIT`` different texts those are kept whose checksum divides by a power of two:
    a fair sample of the texts, with the exact number of rows of each.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.rows = 0
        self.filled = 0
        self.longest = 0
        self.rounded = False
        self.gaps: Counter[str] = Counter()
        self.kept: dict[str, int] = {}
        self.dates = DateEvidence(numbers=looks_dated(name))
        self.numbers = NumberEvidence()
        self.mask = 0

    def add(self, texts: Mapping[str, int]) -> None:
        """Take texts with the number of rows that have them."""
        kept, mask = self.kept, self.mask
        for raw, number in texts.items():
            self.rows += number
            text = raw.strip()
            if not text:
                continue
            if text.casefold() in GAPS:
                self.gaps[text] += number
                continue
            self.filled += number
            if text in kept:
                kept[text] += number
                self.dates.count(text, number)
                self.numbers.count(text, number)
                continue
            self.longest = max(self.longest, len(text))
            self.rounded = self.rounded or isinstance(raw, Rounded)
            self.dates.count(text, number)
            self.numbers.count(text, number)
            if len(text) <= _KEPT_LENGTH and not (mask and crc32(text.encode()) & mask):
                kept[text] = number
                if len(kept) > LIMIT:
                    self._thin_out()
                    kept, mask = self.kept, self.mask

    def _thin_out(self) -> None:
        while len(self.kept) > LIMIT:
            self.mask = 2 * self.mask + 1
            self.kept = {
                text: number
                for text, number in self.kept.items()
                if not crc32(text.encode()) & self.mask
            }

    def kept_at(self, mask: int) -> set[str]:
        """The texts kept with a (larger) mask, so that two columns can be compared."""
        return {text for text in self.kept if not (mask and crc32(text.encode()) & mask)}

    @property
    def sampled(self) -> bool:
        """Whether there are more texts than are kept."""
        return self.mask > 0

    @property
    def distinct(self) -> int:
        """How many different texts there are; an estimate where they are sampled."""
        return len(self.kept) * (self.mask + 1)

    @property
    def repeats(self) -> float:
        """Rows of a text, on average; 0 where there is none."""
        return sum(self.kept.values()) / len(self.kept) if self.kept else 0.0

    @property
    def missing(self) -> int:
        """Rows without a text."""
        return self.rows - self.filled

    def common(self, most: int) -> list[tuple[str, int]]:
        """The texts of most rows, with their number."""
        return sorted(self.kept.items(), key=lambda one: (-one[1], one[0]))[:most]
