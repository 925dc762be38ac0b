"""Figures as people write them."""

from typing import Final

_TIMES: Final = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))
_WHOLE_FROM: Final = 10_000
"""Amounts from here on are shown without minor units."""
MISSING: Final = "–"


def count(value: float | None) -> str:
    """A number of things: ``12,345``."""
    return MISSING if value is None else f"{value:,.0f}"


def number_of(number: int, noun: str) -> str:
    """A number of things that have a name: ``1 row``, ``12,345 rows``."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def percent(value: float | None) -> str:
    """A ratio of 0–1 as per cent: ``12.3 %``."""
    return MISSING if value is None else f"{100 * value:,.1f} %"


def percents(lower: float, upper: float) -> str:
    """A range of ratios as per cent: ``9.6–15.7 %``."""
    return f"{100 * lower:,.1f}–{100 * upper:,.1f} %"


def money(value: float | None) -> str:
    """An amount in major units without its currency: ``1,234,568`` or ``934.50``."""
    if value is None:
        return MISSING
    return f"{value:,.0f}" if abs(value) >= _WHOLE_FROM else f"{value:,.2f}"


def seconds(value: float | None) -> str:
    """A duration in its largest unit that fits: ``18.4 d``, ``2.5 h``, ``120 ms``."""
    if value is None:
        return MISSING
    for size, unit in _TIMES:
        if abs(value) >= size:
            return f"{value / size:,.1f} {unit}"
    return f"{1000 * value:,.0f} ms" if value else "0 s"


def rate(value: float | None) -> str:
    """Things per second: ``1,234/s``."""
    return MISSING if value is None else f"{value:,.0f}/s"


def figure(unit: str, value: float | None) -> str:
    """A figure in a KPI's unit, which is left out where ``unit`` is not seconds or a ratio."""
    if value is None:
        return MISSING
    match unit:
        case "ratio":
            return percent(value)
        case "seconds":
            return seconds(value)
        case "money" | "money a day":
            return money(value)
        case "points" | "rounds":
            return f"{value:,.1f}"
    return count(value)
