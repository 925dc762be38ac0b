"""What all pages share: addresses that change with the content, and how much a browser loads."""

import gzip
from importlib.resources import files
from pathlib import Path

import pytest
from jinja2 import UndefinedError

from funnel_stream.exposition import page as page_room
from funnel_stream.exposition.page import site
from funnel_stream.exposition.page.site import STATIC, render


def test_a_page_loads_less_than_a_hundred_kilobytes() -> None:
    """Style, script and all templates together, as they are sent."""
    room = files(page_room)
    sources = [
        file.read_bytes()
        for folder in ("static", "templates")
        for file in (room / folder).iterdir()
    ]
    assert len(sources) > 10
    assert sum(len(gzip.compress(source, compresslevel=1)) for source in sources) < 100_000


def test_addresses_change_with_the_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(site, "files", lambda package: tmp_path)
    (tmp_path / "static").mkdir()

    def address(content: bytes) -> str:
        (tmp_path / "static" / "page.css").write_bytes(content)
        return site._static_files()["page.css"].address

    first = address(b"a {}")
    assert first.startswith("/static/page.css?v=")
    assert address(b"b {}") != first
    assert address(b"a {}") == first


def test_every_page_loads_the_files_of_the_site() -> None:
    html = render("message.html", title="t", reason="r", advices=[], live=False, links=[])
    assert {file.address for file in STATIC.values() if file.address in html} == {
        file.address for file in STATIC.values()
    }


def test_whatever_is_put_into_a_page_is_escaped() -> None:
    harm = "<script>\"'&"
    html = render(
        "message.html",
        title=harm,
        reason=harm,
        advices=[harm],
        live=False,
        links=[{"address": harm, "text": harm}],
    )
    assert '<script>"' not in html
    assert html.count("&lt;script&gt;&#34;&#39;&amp;") == 6


def test_a_name_that_a_template_does_not_know_is_a_mistake_not_a_gap() -> None:
    with pytest.raises(UndefinedError):
        render("message.html", title="t")
