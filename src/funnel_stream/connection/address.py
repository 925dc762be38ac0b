"""Addresses of brokers."""

from typing import Annotated

from pydantic import StringConstraints

_HOST = r"(\[[0-9a-fA-F:]+\]|[A-Za-z0-9._-]+):\d{1,5}"

Address = Annotated[
    str, StringConstraints(strip_whitespace=True, pattern=rf"^{_HOST}(,\s*{_HOST})*$")
]
"""``host:port``, several with commas."""
