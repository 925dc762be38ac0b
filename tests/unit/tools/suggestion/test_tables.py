"""What is told of files before anything is understood."""

from pathlib import Path

import pytest

from funnel_stream.errors import FunnelError
from tests.unit.tools.suggestion.test_import_suggest import invoke

HEAD = "Deal ID,Stage,Created,Close Date,Owner\n"


@pytest.mark.parametrize("encoding", ["cp1252", "utf-8"])
def test_a_zero_byte_is_told_before_the_encoding(tmp_path: Path, encoding: str) -> None:
    rows = "1,Won,2026-01-10,2026-01-20,José\n2,Won,2026-01-10,2026-01-20,A\0b\n"
    (tmp_path / "d.csv").write_bytes((HEAD + rows).encode(encoding))
    with pytest.raises(FunnelError) as caught:
        invoke("--suggest", str(tmp_path / "d.csv"))
    assert "row 3 holds a zero byte" in caught.value.message
    assert "take the zero bytes out" in str(caught.value.hint)


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_an_encoding_full_of_zero_bytes_is_named(tmp_path: Path, encoding: str) -> None:
    rows = "1,Won,2026-01-10,2026-01-20,José\n"
    (tmp_path / "d.csv").write_bytes((HEAD + rows).encode(encoding))
    with pytest.raises(FunnelError) as caught:
        invoke("--suggest", str(tmp_path / "d.csv"))
    assert f"looks like {encoding}" in caught.value.message
