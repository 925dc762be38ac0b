"""Public data sets, and what the package's own command makes of them."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from typer.testing import CliRunner

from funnel_stream.cli.main import app
from tests.summary import pytest_terminal_summary

__all__ = ["pytest_terminal_summary"]

# How fast the machine is proves nothing.
settings.register_profile(
    "untimed", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("untimed")

ROOT = Path(__file__).parents[1]
SOURCES = {
    "olist": "Marketing Funnel by Olist (Kaggle: olistbr/marketing-funnel-olist)",
    "maven_crm": "CRM Sales Opportunities (Maven Analytics data playground)",
}


FOLDERS = {"broker": "integration", "ops": "ops", "ui": "ui"}
"""Where the tests with a marker lie, and no other: each folder is run by itself."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Say which tests stay in one process when several run: those of a file, which share what is
    expensive, and all with processes of their own, of which two at a time would be slow."""
    for item in items:
        folder = item.path.relative_to(ROOT / "tests").parts[0]
        for marker, home in FOLDERS.items():
            if (item.get_closest_marker(marker) is not None) != (folder == home):
                raise pytest.UsageError(f"{item.nodeid}: {marker} marks what is in tests/{home}")
        alone = item.get_closest_marker("broker")
        group = "processes" if alone else item.nodeid.partition("::")[0]
        item.add_marker(pytest.mark.xdist_group(group))


def run_verb(*arguments: str) -> str:
    """Run one verb of the command line in this process and return what it printed."""
    result = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
    assert result.exit_code == 0, f"{' '.join(arguments)}: exit {result.exit_code}\n{result.output}"
    return result.stdout


def data_folder(folder: str) -> Path:
    """Where a folder of public data is looked for."""
    return Path(os.environ.get("FUNNEL_TEST_DATA", ROOT.parent / "shared" / "data")) / folder


def public_data(folder: str) -> Path:
    """A folder of public data; without it an error where it must not be missing, else a skip."""
    data = data_folder(folder)
    if data.is_dir():
        return data
    reason = f"needs the public data set «{SOURCES[folder]}» in $FUNNEL_TEST_DATA/{folder}"
    if os.environ.get("CI"):
        raise FileNotFoundError(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def olist() -> Path:
    return public_data("olist")


@pytest.fixture(scope="session")
def maven() -> Path:
    return public_data("maven_crm")


@pytest.fixture(scope="session")
def imported(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """``import FILE… --mapping examples/NAME.yaml --out F``: the file of events."""

    def events(mapping: str, *tables: Path) -> Path:
        out = tmp_path_factory.mktemp("imported") / f"{mapping}.ndjson"
        files = [str(table) for table in tables]
        run_verb(
            "import",
            *files,
            "--mapping",
            str(ROOT / "examples" / f"{mapping}.yaml"),
            "--out",
            str(out),
        )
        return out

    return events
