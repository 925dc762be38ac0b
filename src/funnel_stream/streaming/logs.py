"""One readable line per event, and no storms: an outage is not worth a thousand lines."""

import logging
import sys
import time
from typing import Final

_PER_PERIOD: Final = 3
_PERIOD_SECONDS: Final = 10.0
_QUIET: Final = ("faust", "mode", "aiokafka")
"""Libraries of which only warnings are shown, unless all is."""


class StormFilter(logging.Filter):
    """Lets the same message pass a few times per period, then tells how many were held back."""

    def __init__(self) -> None:
        super().__init__()
        self._seen: dict[tuple[str, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno >= logging.CRITICAL:
            return True
        key = (record.name, str(record.msg))
        began, count = self._seen.get(key, (0.0, 0))
        now = time.monotonic()
        if now - began < _PERIOD_SECONDS:
            self._seen[key] = (began, count + 1)
            return count < _PER_PERIOD
        self._seen[key] = (now, 1)
        if count > _PER_PERIOD:
            record.msg = f"{record.getMessage()} (and {count - _PER_PERIOD} more like it)"
            record.args = None
        return True


class _Formatter(logging.Formatter):
    """Time, level, who, what; libraries' messages of several lines become one."""

    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format = "%s.%03dZ"
    converter = staticmethod(time.gmtime)

    def format(self, record: logging.LogRecord) -> str:
        record.message = " ".join(record.getMessage().split())
        line = (
            f"{self.formatTime(record)} {record.levelname:<8} "
            f"{record.name.removeprefix('funnel_stream.')}: {record.message}"
        )
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        return line


def set_up(level: str) -> None:
    """Log to stderr from this level on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Formatter())
    handler.addFilter(StormFilter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    if level != "debug":
        for name in _QUIET:
            logging.getLogger(name).setLevel(max(logging.WARNING, logging.getLogger().level))
