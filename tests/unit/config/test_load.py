"""funnel.yaml: every mistake is told with its line, its key and what would be right."""

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from funnel_stream.config.load import load
from funnel_stream.definition import Definition
from funnel_stream.errors import ConfigError
from funnel_stream.kpis.catalogue import HEADLINES, broken_down

ROOT = Path(__file__).parents[3]


def written(path: Path, text: str) -> Path:
    (path / "funnel.yaml").write_text(text, encoding="utf-8")
    return path / "funnel.yaml"


def mistakes(path: Path, text: str) -> list[str]:
    """What is told of a file, each as ``line: key: message``."""
    file = written(path, text)
    with pytest.raises(ConfigError) as raised:
        load(file)
    told = raised.value.message.splitlines()
    if len(told) > 1:
        assert told.pop(0) == f"{file} has {len(told)} mistakes"
    for message in told:
        assert message.startswith(f"{file}:")
        for jargon in ("Value error", "Input", "valid", "pydantic", "tuple", "dictionary"):
            assert jargon not in message
    return [message.removeprefix(f"{file}:") for message in told]


def test_no_file_is_the_default_and_an_empty_file_too(tmp_path: Path) -> None:
    assert load(None) == load(written(tmp_path, "")) == Definition()
    assert load(written(tmp_path, "# only a remark\n")) == Definition()


def test_a_file_changes_what_it_names(tmp_path: Path) -> None:
    text = "aliases: {demo: potential}\nwindows: [6h, 30d]\ndimensions: [owner]\ntop_n: 5\n"
    definition = load(written(tmp_path, text))
    assert definition.aliases == {"demo": "potential"}
    assert [window.name for window in definition.window_list()] == ["6h", "30d"]
    assert (definition.dimensions, definition.top_n) == (("owner",), 5)


def test_texts_need_no_quotes(tmp_path: Path) -> None:
    text = (
        "aliases: {no: lost, 7: lead, 2026-01-31: won, 1.50: offer}\n"
        "pipelines: {direct: , on: {title: 'yes'}}\n"
        "base_currency: EUR\n"
        "rates: {USD: {2026-01-31: 0.10000000000, 2026-02-28: 1, 2026-03-01: '2e-3'}}\n"
    )
    definition = load(written(tmp_path, "\ufeff" + text.replace("\n", "\r\n")))
    assert list(definition.aliases) == ["no", "7", "2026-01-31", "1.50"]
    assert list(definition.pipelines) == ["direct", "on"]
    assert [str(rate) for rate in definition.rates["USD"].values()] == [
        "0.10000000000",
        "1",
        "0.002",
    ]


def test_anchors_may_be_used(tmp_path: Path) -> None:
    text = "pipelines:\n  a: &a {horizons: [5d]}\n  b: *a\n"
    definition = load(written(tmp_path, text))
    assert definition.horizons_of("a") == definition.horizons_of("b") == ("5d",)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("windos: [1h]", "1: unknown key 'windos'; did you mean 'windows'?"),
        ("export: {window: [1h]}", "1: export: unknown key 'window'; did you mean 'windows'?"),
        (
            "pipelines:\n  direct:\n    alias: {}",
            "3: pipelines.direct: unknown key 'alias'; did you mean 'aliases'?",
        ),
        (
            "aliases:\n  demo: potental",
            "2: aliases.demo: 'potental' is not one of lead, qualified, potential, offer, "
            "negotiation, won, lost; did you mean 'potential'?",
        ),
        (
            "aliases:\n  demo: lead\n  offer: lead",
            "3: aliases.offer: offer is a stage itself, it cannot mean lead; remove the alias",
        ),
        (
            "pipelines:\n  a: {aliases: {won: lost}}",
            "2: pipelines.a.aliases.won: won is a stage itself, it cannot mean lost; remove the "
            "alias",
        ),
        (
            "windows:\n- 1h\n- 150m",
            "3: windows[1]: 150m is not a multiple of its panes of 60 minutes; write 2h or 3h",
        ),
        (
            "windows: [1y]",
            "1: windows[0]: '1y' is not a length; write a whole number and m, h or d, like 24h or "
            "30d",
        ),
        ("windows: [24]", "1: windows[0]: 24 is not a length; write 24m, 24h or 24d"),
        (
            "windows: [500d]",
            "1: windows[0]: 500d is longer than the 400d that panes are kept; write a shorter one",
        ),
        ("windows: []", "1: windows: is empty; it needs at least one entry"),
        ("windows: 24h", "1: windows: should be a list, not '24h'; write [24h]"),
        ("windows: [1h, 1h]", "1: windows: 1h is listed twice; keep one of them"),
        ("windows:", "1: windows: has no value; write one, or leave the key out"),
        (
            "dimensions: [chanel]",
            "1: dimensions[0]: 'chanel' is not a dimension; did you mean 'channel'?",
        ),
        (
            "dimensions: [owner × owner]",
            "1: dimensions[0]: 'owner × owner' names a dimension twice",
        ),
        ("top_n: 0", "1: top_n: 0 is too small; it must be at least 1"),
        ("top_n: 2.5", "1: top_n: 2.5 is not a whole number"),
        ("top_n: true", "1: top_n: true is not a whole number"),
        (
            "top_n_of:\n  problm: 3",
            "2: top_n_of.problm: 'problm' is neither a dimension nor a label; "
            "did you mean 'problem'?",
        ),
        (
            "dimensions: [channel, owner]\ntop_n_of:\n  owner: 3\n  channel × owner: 4",
            "4: top_n_of.channel × owner: channel+owner is not among the dimensions "
            "(channel, owner); add it there",
        ),
        (
            "values:\n  chanel: {fold_case: true}",
            "2: values.chanel: 'chanel' is not one of channel, source, contact_trigger, product, "
            "industry, segment, owner, closing_document; did you mean 'channel'?",
        ),
        (
            "values:\n  owner:\n    fold_case: yes",
            "3: values.owner.fold_case: 'yes' is neither true nor false",
        ),
        (
            "values:\n  channel:\n    aliases:\n      www: web\n      web: online",
            "4: values.channel.aliases.www: 'web' is itself an alias of 'online'; write 'online'",
        ),
        (
            "pipelines: [default]",
            "1: pipelines: should be a mapping (key: value), not a list",
        ),
        ("stuck_after: {won: 3d}", "1: stuck_after.won: 'won' is not one of lead, qualified, "
            "potential, offer, negotiation"),
        ("base_currency: eur", "1: base_currency: 'eur' is not in ISO 4217; write a code like EUR"),
        (
            "rates:\n  USD: {2026-01-01: 0.9}",
            "1: rates: there is no base_currency that they lead to; write base_currency: EUR",
        ),
        (
            "base_currency: EUR\nrates:\n  EUR: {2026-01-01: 1}",
            "3: rates.EUR: this is the base currency, it needs no rate; remove it",
        ),
        (
            "base_currency: EUR\nrates:\n  USD:\n    2026-02-30: 0.9",
            "4: rates.USD.2026-02-30: '2026-02-30' is not a date; write one like 2026-01-31",
        ),
        (
            "base_currency: EUR\nrates:\n  USD:\n    2026-02-03: 0,9",
            "4: rates.USD.2026-02-03: '0,9' is not a number",
        ),
        (
            "base_currency: EUR\nrates: {USD: {2026-02-03: 0}}",
            "2: rates.USD.2026-02-03: 0 is too small; it must be more than 0",
        ),
        (
            "base_currency: EUR\nrates: {USD: {2026-02-03: 0.1234567890123}}",
            "2: rates.USD.2026-02-03: 0.1234567890123 has more than 12 decimals",
        ),
        (
            "base_currency: EUR\nrates: {USD: {}}",
            "2: rates.USD: is empty; it needs at least one entry",
        ),
        (
            "export:\n  windows: [1h, 3d]",
            "2: export.windows[1]: 3d is not among the windows (1h, 24h, 7d, 30d, 365d); "
            "add it there",
        ),
        (
            "dimensions: [owner]\nexport: {dimensions: [channel]}",
            "2: export.dimensions[0]: channel is not among the dimensions (owner); add it there",
        ),
        (
            "export: {breakdown_kpis: [win_rate]}",
            "1: export.breakdown_kpis[0]: 'win_rate' is not a KPI; did you mean 'win_ratio'?",
        ),
        (
            "export: {breakdown_kpis: [funnel_win_ratio]}",
            "1: export.breakdown_kpis[0]: write win_ratio, without funnel_",
        ),
        (
            "closed_retention_days: 90",
            "1: closed_retention_days: 90 days are too few for the window 365d and the longest "
            "horizon: closed deals would leave it too early; write 395",
        ),
        (
            "windows: [1h]\ntop_n: 5\nwindows: [2h]",
            "3: windows: occurs twice, first in line 1; keep one of them",
        ),
        ("- a list", "1: should be a mapping (key: value), not a list"),
        ("a: &a [*a]", "1: unknown key 'a'"),
        ("top_n: !!python/name:os", "1: top_n: the tag !!python/name:os has no meaning here"),
        ("top_n: !!int x", "1: top_n: 'x' cannot be read as int"),
        ("~: 5", "1: a key must be a text; write it in quotes"),
        ("[a, b]: 5", "1: a key must be a text; write it in quotes"),
    ],
)  # fmt: skip
def test_a_mistake_is_told(tmp_path: Path, text: str, told: str) -> None:
    assert any(each.startswith(told) for each in mistakes(tmp_path, text))


TARGET = (
    "windows: [1h, 30d]\npipelines: {default: , partner: {stuck_after: {offer: 9d}}}\ntargets:\n- "
)


@pytest.mark.parametrize(
    ("target", "told"),
    [
        ("{kpi: win_rate, value: 1}", ".kpi: 'win_rate' is not a KPI; did you mean 'win_ratio'?"),
        ("{kpi: win_ratio, window: 30d}", ".value: is missing"),
        ("{kpi: leads, value: many, window: 30d}", ".value: 'many' is not a number"),
        ("{kpi: leads, value: -1, window: 30d}", ".value: -1 is too small; it must be at least 0"),
        (
            "{kpi: win_ratio, value: 25, window: 30d}",
            ".value: a ratio is a number like 0.25, not 25 per cent",
        ),
        (
            "{kpi: leads, value: 1, at: lst, window: 30d}",
            ".at: 'lst' is not one of least, most; did you mean 'least'?",
        ),
        (
            "{kpi: leads, value: 1}",
            ".window: is missing: leads has one; write one of 1h, 30d",
        ),
        (
            "{kpi: leads, value: 1, window: 7d}",
            ".window: 7d is not among the windows (1h, 30d); add it there",
        ),
        (
            "{kpi: open_deals, value: 1, window: 30d, labels: {stage: offer}}",
            ".window: open_deals describes the present and has no window; remove it",
        ),
        (
            "{kpi: leads, value: 1, window: 30d, pipeline: partners}",
            ".pipeline: 'partners' is not among the pipelines (default, partner); add it there",
        ),
        (
            "{kpi: leads, value: 1, window: 30d, labels: {basis: cohort}}",
            ".labels.basis: leads has no label 'basis'; remove it",
        ),
        (
            "{kpi: win_ratio, value: 1, window: 30d, labels: {basis: cohort}}",
            ".labels.basis: win_ratio has no label 'basis'; remove it",
        ),
        (
            "{kpi: lead_quality_ratio, value: 1, window: 30d}",
            ".labels.basis: is missing; write one of period, cohort",
        ),
        (
            "{kpi: lead_quality_ratio, value: 1, window: 30d, labels: {basis: cohrt}}",
            ".labels.basis: 'cohrt' is not one of period, cohort; did you mean 'cohort'?",
        ),
        (
            "{kpi: lead_quality_ratio, value: 1, window: 30d, labels: {basis: cohort, bases: b}}",
            ".labels.bases: lead_quality_ratio has no label 'bases'; did you mean 'basis'?",
        ),
        (
            "{kpi: conversion_ratio, value: 1, window: 30d, "
            "labels: {from_stage: lead, to_stage: won, basis: matured}}",
            ".labels.horizon: is missing; write one of 1d, 7d, 30d",
        ),
        (
            "{kpi: conversion_ratio, value: 1, window: 30d, "
            "labels: {from_stage: lead, to_stage: won, basis: matured, horizon: 99h}}",
            ".labels.horizon: '99h' is not one of 1d, 7d, 30d",
        ),
        (
            "{kpi: conversion_ratio, value: 1, window: 30d, "
            "labels: {from_stage: lead, to_stage: won, basis: cohort, horizon: 7d}}",
            ".labels.horizon: conversion_ratio has none with from_stage: lead, to_stage: won, "
            "basis: cohort; remove it",
        ),
        (
            "{kpi: conversion_ratio, value: 1, window: 30d, "
            "labels: {from_stage: offer, to_stage: lead, basis: cohort}}",
            ".labels.to_stage: 'lead' is not one of negotiation, won",
        ),
        (
            "{kpi: deal_value, value: 1, window: 30d, labels: {outcome: win, currency: EUR}}",
            ".labels.outcome: 'win' is not one of won, lost; did you mean 'won'?",
        ),
        (
            "{kpi: lost_deals, value: 1, window: 30d, "
            "labels: {reason: price, lost_from: lost, offered: 'true'}}",
            ".labels.lost_from: 'lost' is not one of "
            "lead, qualified, potential, offer, negotiation, won",
        ),
        (
            "{kpi: lost_value, value: 1, window: 30d, "
            "labels: {reason: price, lost_from: won, offered: 'yes', currency: EUR}}",
            ".labels.offered: 'yes' is not one of true, false",
        ),
        (
            "{kpi: open_value, value: 1, labels: {stage: won, currency: EUR}}",
            ".labels.stage: 'won' is not one of lead, qualified, potential, offer, negotiation",
        ),
        (
            "{kpi: lead_score, value: 1, window: 30d, labels: {qualified: maybe}}",
            ".labels.qualified: 'maybe' is not one of true, false",
        ),
        (
            "{kpi: activities, value: 1, window: 30d, labels: {activity: call, outcome: won}}",
            ".labels.outcome: 'won' is not one of held, no_show",
        ),
        (
            "{kpi: transitions, value: 1, window: 30d, labels: {from_stage: won, to_stage: won}}",
            ".labels.to_stage: 'won' is not one of "
            "lead, qualified, potential, offer, negotiation, lost",
        ),
        (
            "{kpi: deal_value, value: 1, window: 30d, labels: {outcome: won}}",
            ".labels.currency: is missing; write a code like EUR",
        ),
        (
            "{kpi: deal_value, value: 1, window: 30d, labels: {outcome: won, currency: euro}}",
            ".labels.currency: 'euro' is not in ISO 4217; write a code like EUR",
        ),
        (
            "{kpi: problems, value: 1, window: 30d}",
            ".labels.problem: is missing; write its text",
        ),
        (
            "{kpi: stuck_deals, value: 1, labels: {stage: offer}}",
            ".labels: no stage of this pipeline has a limit; write one into stuck_after",
        ),
        (
            "{kpi: stuck_deals, value: 1, pipeline: partner, labels: {stage: lead}}",
            ".labels.stage: 'lead' is not one of offer",
        ),
        (
            "{kpi: leads, value: 1, window: 30d, labels: {dimension: channel}}",
            ".labels.value: is missing; dimension and value belong together",
        ),
        (
            "{kpi: leads, value: 1, window: 30d, labels: {dimension: chanel, value: web}}",
            ".labels.dimension: leads has no breakdown by 'chanel'; did you mean 'channel'?",
        ),
        (
            "{kpi: leads, value: 1, window: 30d, labels: {dimension: channel, value: 'a  fair '}}",
            ".labels.value: 'a  fair ' counts as 'a fair'; write that",
        ),
        (
            "{kpi: cost_per_lead, value: 1, window: 30d, "
            "labels: {dimension: owner, value: Anna, currency: EUR}}",
            ".labels.dimension: cost_per_lead has no breakdown by 'owner'; there is: channel",
        ),
        (
            "{kpi: time_to_close_seconds, value: 1, window: 30d, "
            "labels: {outcome: won, quantile: '0.99'}}",
            ".labels.quantile: '0.99' is not one of 0.5, 0.9",
        ),
        (
            "{kpi: time_to_close_seconds, value: 1, window: 30d, "
            "labels: {outcome: won, quantile: 0.9}}",
            ".labels.quantile: 0.9 is not text; put it in quotes if it is meant",
        ),
        (
            "{kpi: leads, value: 1, window: 1h}\n- {kpi: leads, value: 2, window: 1h}",
            ": the same series has a target in line 4; keep one of them",
        ),
        ("leads", ": should be a mapping (key: value), not 'leads'"),
    ],
)
def test_a_mistake_in_a_target_is_told(tmp_path: Path, target: str, told: str) -> None:
    (said,) = mistakes(tmp_path, TARGET + target)
    index = 1 if "line 4" in told else 0
    assert said == f"{4 + index}: targets[{index}]{told}"


@pytest.mark.parametrize(
    "target",
    [
        "{kpi: win_ratio, value: 0.3, window: 30d}",
        "{kpi: win_ratio, value: 3e-1, at: most, window: 30d, pipeline: partner}",
        "{kpi: open_deals, value: 5, labels: {stage: offer}}",
        "{kpi: stuck_deals, value: 5, at: most, pipeline: partner, labels: {stage: offer}}",
        "{kpi: lost_deals, value: 5, at: most, window: 30d, "
        "labels: {reason: price, lost_from: offer, offered: 'true'}}",
        "{kpi: desired_outcomes, value: 5, window: 30d, labels: {outcome: more time}}",
        "{kpi: conversion_ratio, value: 0.1, window: 30d, "
        "labels: {from_stage: lead, to_stage: won, basis: matured, horizon: 7d}}",
        "{kpi: time_to_close_seconds, value: 86400, at: most, window: 30d, "
        "labels: {outcome: won, quantile: '0.5', dimension: owner, value: Anna}}",
        "{kpi: cost_per_lead, value: 100, at: most, window: 30d, "
        "labels: {dimension: channel, value: fair, currency: EUR}}",
        "{kpi: value_retention_ratio, value: 1.1, window: 30d, labels: {currency: EUR}}",
    ],
)
def test_a_target_is_any_series(tmp_path: Path, target: str) -> None:
    assert len(load(written(tmp_path, TARGET + target)).targets) == 1


def test_all_mistakes_are_told_at_once_in_the_order_of_lines(tmp_path: Path) -> None:
    text = """\
export:
  windows: [3d]
  dimensions: [chanel]
windows: [1h, 150m]
horizons: [7d]
targets:
- {kpi: conversion, value: 0.1, window: 1h}
- {kpi: leads, value: 5, window: 1h, pipeline: partner}
- {kpi: leads, window: 1h}
aliases: {won: lost}
aliases: {demo: lead}
top_m: 5
"""
    assert [each.split(": ")[:2] for each in mistakes(tmp_path, text)] == [
        ["3", "export.dimensions[0]"],
        ["4", "windows[1]"],
        ["7", "targets[0].kpi"],
        ["8", "targets[1].pipeline"],
        ["9", "targets[2].value"],
        ["10", "aliases.won"],
        ["11", "aliases"],
        ["12", "unknown key 'top_m'; did you mean 'top_n'?"],
    ]


def test_what_depends_on_a_mistake_is_no_mistake_of_its_own(tmp_path: Path) -> None:
    text = (
        "windows: [150m]\ntargets: [{kpi: leads, value: 5, window: 150m}]\nexport: {windows: [4h]}"
    )
    told = mistakes(tmp_path, text)
    assert all("150m is not a multiple" in each for each in told)


@pytest.mark.parametrize(
    ("text", "where", "advice"),
    [
        ("windows: [1h", ":1:13: this is not YAML: ", "not closed"),
        ("top_n: 5\n\twindows: [1h]", ":2:1: this is not YAML: ", "not with tabs"),
        ("top_n: 5\naliases: a: b", ":2:11: this is not YAML: ", "colon"),
        ("top_n: 5\n  windows: [1h]", ":2:10: this is not YAML: ", "indentation"),
        ("windows: *w", ":1:10: this is not YAML: ", ""),
        ("top_n: 5\n---\ntop_n: 6", ":2:1: this is not YAML: ", ""),
        ("top_n: \x00", " is not YAML: ", ""),
    ],
)
def test_what_is_no_yaml_is_told_with_line_and_column(
    tmp_path: Path, text: str, where: str, advice: str
) -> None:
    path = written(tmp_path, text)
    with pytest.raises(ConfigError) as raised:
        load(path)
    assert raised.value.message.startswith(f"{path}{where}")
    assert advice in (raised.value.hint or "")


def test_what_is_nested_too_deeply_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nested too deeply"):
        load(written(tmp_path, "a: " + "[" * 5000))


EXAMPLE = yaml.safe_load((ROOT / "examples" / "funnel.yaml").read_text(encoding="utf-8"))
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.decimals(allow_nan=False, allow_infinity=False).map(str),
    st.sampled_from(["offer", "won", "30d", "channel", "channel+owner", "EUR", "leads", "24h"]),
    st.text(max_size=5),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(SCALARS, inner, max_size=3),
    max_leaves=5,
)


@st.composite
def spoilt(draw: st.DrawFn) -> Any:
    """The example with something else somewhere in it."""
    document = deepcopy(EXAMPLE)
    for _ in range(draw(st.integers(1, 3))):
        owner, key = document, draw(st.sampled_from(sorted(document)))
        while isinstance(owner[key], dict | list) and owner[key] and draw(st.booleans()):
            owner = owner[key]
            keys = list(owner) if isinstance(owner, dict) else list(range(len(owner)))
            key = draw(st.sampled_from(keys))
        owner[key] = draw(VALUES)
    return document


@given(spoilt())
@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_stands_there_it_is_taken_or_told(tmp_path: Path, document: Any) -> None:
    path = written(tmp_path, yaml.safe_dump(document, allow_unicode=True))
    try:
        load(path)
    except ConfigError as error:
        told = error.message.splitlines()
        lines = path.read_text(encoding="utf-8").count("\n")
        for message in told[1:] if len(told) > 1 else told:
            number = message.removeprefix(f"{path}:").split(":")[0]
            assert 1 <= int(number) <= lines, message


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path / "nowhere.yaml")


def test_a_file_of_other_bytes_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "funnel.yaml").write_bytes(b"top_n: \xff")
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path / "funnel.yaml")


def test_the_kpis_of_the_default_export_exist() -> None:
    assert broken_down(Definition()) == HEADLINES


# --- documentation and example ------------------------------------------------------------------

DOCUMENT = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
BLOCKS = [part.split("\n```")[0] for part in DOCUMENT.split("```yaml\n")[1:]]


def test_the_defaults_in_the_document_are_the_defaults(tmp_path: Path) -> None:
    export = {"breakdown_kpis": HEADLINES}
    assert load(written(tmp_path, BLOCKS[0])) == Definition.model_validate({"export": export})
    assert set(yaml.safe_load(BLOCKS[0])) == set(Definition.model_fields)


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_everything_in_the_document_is_right(tmp_path: Path, number: int) -> None:
    assert load(written(tmp_path, BLOCKS[number]))


def test_the_message_in_the_document_is_what_is_told(tmp_path: Path) -> None:
    text = "windows:\n- 1h\n- 150m\npipelines: {direct: {alias: {}}}"
    for told in mistakes(tmp_path, text):
        assert told.split(": ", 1)[1] in DOCUMENT


def test_the_example_uses_every_key() -> None:
    text = (ROOT / "examples" / "funnel.yaml").read_text(encoding="utf-8")
    assert set(yaml.safe_load(text)) == set(Definition.model_fields)
    assert load(ROOT / "examples" / "funnel.yaml").pipelines.keys() == {"direct", "partner"}
