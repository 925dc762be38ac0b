"""The KPI reference: in step with the catalogue, and its queries ask for what there is."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from funnel_stream.definition import Definition, Target
from funnel_stream.definition.fields import OPEN_STAGES
from funnel_stream.kpis.catalogue import KPIS, families
from funnel_stream.kpis.kpi import Kpi
from funnel_stream.kpis.reference import STAGE_TITLES, main, queries, reference
from funnel_stream.kpis.samples import samples
from funnel_stream.replay.compute import compute
from funnel_stream.tools.simulator import Simulator

FILE = Path(__file__).parents[3] / "docs" / "kpis.md"
END = datetime(2026, 3, 1, tzinfo=UTC)
SELECTOR = re.compile(r"(funnel_\w+)\{([^{}]*)\}")
LABEL = re.compile(r'(\w+)="([^"]*)"')

Selector = tuple[str, dict[str, str]]


def selectors(text: str) -> Iterator[Selector]:
    for metric, labels in SELECTOR.findall(text):
        yield metric, dict(LABEL.findall(labels))


@pytest.fixture(scope="module")
def shown() -> list[Selector]:
    """Every series of two months of a simulated company."""
    definition = Definition(
        stuck_after=dict.fromkeys(OPEN_STAGES, "1d"),
        targets=(Target(kpi="win_ratio", value="0.3", window="30d"),),  # type: ignore[arg-type]
    )
    lines = Simulator(start=END - timedelta(days=60), deals_per_day=40).history(END)
    computed = compute(lines, definition, as_of=None, now_ms=round(END.timestamp() * 1000))
    return [(metric, labels) for metric, labels, _ in samples(computed.snapshot)]


def test_the_file_is_in_step() -> None:
    assert FILE.read_text(encoding="utf-8") == reference(), "run `make docs`"


def test_every_kpi_has_its_entry_under_its_stage() -> None:
    chapters = re.split(r"^## ", reference(), flags=re.MULTILINE)
    for kpi in KPIS:
        (chapter,) = [text for text in chapters if f"\n### {kpi.title}\n" in text]
        assert chapter.startswith(STAGE_TITLES[kpi.stage])
        assert f"`{kpi.metric}` – {kpi.help}" in chapter


def test_links_of_the_overview_lead_somewhere() -> None:
    text = reference()
    there = {
        re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")
        for title in re.findall(r"^### (.*)$", text, flags=re.MULTILINE)
    }
    assert set(re.findall(r"\]\(#([^)]*)\)", text)) == there
    assert len(there) == len(KPIS)


@pytest.mark.parametrize("kpi", KPIS, ids=lambda kpi: kpi.id)
def test_queries_name_families_and_labels_that_exist(kpi: Kpi) -> None:
    names = {family.name for family in families() if family.kpi == kpi.id}
    asked = [each for _, query in queries(kpi) for each in selectors(query)]
    assert len(asked) >= 3
    for metric, labels in asked:
        assert metric in names
        allowed = {"pipeline", *kpi.form.labels}
        allowed |= set() if kpi.of_now else {"window"}
        allowed |= {"dimension", "value"} if "_breakdown" in metric else set()
        allowed |= {"quantile"} if metric.endswith("_quantile") else set()
        assert labels.keys() <= allowed
        assert ("window" in labels) == (not kpi.of_now), "windows must not be summed up"
    grouped = {
        name.strip()
        for _, query in queries(kpi)
        for names_in in re.findall(r"by \(([^)]*)\)", query)
        for name in names_in.split(",")
    }
    assert grouped <= set(kpi.form.labels)


def test_every_query_has_an_answer(shown: list[Selector]) -> None:
    unanswered = [
        (metric, labels)
        for metric, labels in selectors(reference())
        if "value" not in labels
        and not any(metric == name and labels.items() <= known.items() for name, known in shown)
    ]
    assert unanswered == []


def test_check_tells_what_is_out_of_step(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "kpis.md"
    assert main(["--check", str(file)]) == 1
    assert "make docs" in capsys.readouterr().err
    assert main([str(file)]) == 0
    assert main(["--check", str(file)]) == 0


def test_a_ratio_of_different_deals_is_never_called_a_share() -> None:
    """ "Won per lead": the deals that were won in a window need not be its leads."""
    period = {"basis": "period"}
    ratios = [kpi for kpi in KPIS if kpi.form.of_counts and not kpi.is_proportion(period)]
    assert ratios
    for kpi in ratios:
        assert re.search(r" per .*\(period\)", kpi.help), kpi.help
        assert not kpi.help.startswith("Share")
        of_period = re.match(r"period: ([^;]*);", kpi.formula)
        assert of_period, kpi.formula
        assert " per " in of_period[1]
        assert "share" not in of_period[1]
