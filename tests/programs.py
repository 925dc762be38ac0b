"""Programs that tests need beside Python."""

import os
import shutil

import pytest


def binary(*names: str) -> str:
    """The path of the first of these programs that there is; without any an error in CI, elsewhere
    a skip."""
    for name in names:
        if found := shutil.which(name):
            return found
    reason = f"needs the program {' or '.join(names)}"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)
