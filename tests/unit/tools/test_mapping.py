"""A wrong mapping is refused with the key at fault and what would be right."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from funnel_stream.errors import ConfigError
from funnel_stream.tools.mapping import load

EXAMPLES = Path(__file__).parents[3] / "examples"


def minimal(**source: Any) -> dict[str, Any]:
    rows = {"deal_id": "id", "events": [{"stage": "lead", "at": "created"}]}
    return {"name": "crm", "sources": {"deals": rows | source}}


def written(tmp_path: Path, document: Any) -> Path:
    path = tmp_path / "mapping.yaml"
    path.write_text(document if isinstance(document, str) else yaml.safe_dump(document))
    return path


def event(**fields: Any) -> dict[str, Any]:
    return minimal(events=[{"stage": "lead", "at": "created"} | fields])


def column(**fields: Any) -> dict[str, Any]:
    return minimal(columns={"created": fields})


def constant(name: str, value: Any) -> dict[str, Any]:
    return event(attributes={name: {"constant": value}}) | {"currency": "EUR"}


def spend(**attributes: Any) -> dict[str, Any]:
    told = {
        name: value if isinstance(value, dict) else {"constant": value}
        for name, value in ({"channel": "web", "amount": "1"} | attributes).items()
    }
    rule = {"type": "spend_recorded", "at": "a", "attributes": told}
    return minimal(id_columns=["a"], events=[rule]) | {"currency": "EUR"}


@pytest.mark.parametrize("name", ["olist", "maven_crm"])
def test_the_examples_are_mappings(name: str) -> None:
    assert load(EXAMPLES / f"{name}.yaml").name == name


def test_the_least_mapping_takes_any_file_in_utc(tmp_path: Path) -> None:
    mapping = load(written(tmp_path, minimal()))
    assert mapping.timezone == "UTC"
    assert mapping.sources["deals"].file == "*"
    assert mapping.sources["deals"].events[0].label == "lead"


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ("sources: [", "is not YAML"),
        ("", "mapping.yaml:1: the file is empty"),
        ({"name": "crm"}, "sources: is missing"),
        (
            {"name": "my crm"} | {"sources": minimal()["sources"]},
            "mapping.yaml:1: name: 'my crm' is not a valid mapping name; it has 1 to 60 letters",
        ),
        (minimal() | {"timezone": "Warsaw"}, "timezone: 'Warsaw' is not a time zone"),
        (minimal() | {"currency": "dollars"}, "currency: 'dollars' is not in ISO 4217; write a"),
        (minimal() | {"curency": "USD"}, "unknown key 'curency'; did you mean 'currency'?"),
        (minimal(event=[]), "sources.deals: unknown key 'event'; did you mean 'events'?"),
        (minimal(events=[]), "sources.deals.events: is empty; it needs at least one"),
        (minimal(deal_id=None), "sources.deals: deal_id is missing"),
        (minimal(encoding="utf-9"), "sources.deals.encoding: 'utf-9' is not an encoding"),
        (minimal(encoding="hex"), "sources.deals.encoding: 'hex' is not an encoding"),
        (minimal(encoding="rot13"), "sources.deals.encoding: 'rot13' is not an encoding"),
        (minimal(encoding="idna"), "sources.deals.encoding: 'idna' is not an encoding"),
        (minimal(encoding="undefined"), "sources.deals.encoding: 'undefined' is not an encoding"),
        (minimal(encoding="a\0b"), "sources.deals.encoding: 'a\\x00b' is not an encoding"),
        (minimal(delimiter='"'), "sources.deals.delimiter: '\"' cannot separate columns"),
        (minimal(skip_rows=-1), "sources.deals.skip_rows: -1 is too small"),
        (minimal(footer_rows="all"), "sources.deals.footer_rows: 'all' is not a whole number"),
        (minimal(delimiter="||"), "sources.deals.delimiter: is too long; it has at most 1"),
        (
            minimal(events=[{"stage": "lead"}]),
            "mapping.yaml:6: sources.deals.events[0].at: is missing",
        ),
        (event(stage="leed"), "events[0]: 'leed' is not a valid stage; did you mean 'lead'?"),
        (event(stage={"column": "a", "constant": "lead"}), "stage: give either column or constant"),
        (event(type="won"), "events[0].type: 'won' is not one of stage_changed, deal_updated"),
        (event(type="deal_updated"), "an event of type deal_updated has no stage"),
        (event(stage=None), "an event of type stage_changed needs stage"),
        (event(outcome="held"), "an event of type stage_changed has no outcome"),
        (event(attributes={"chanel": "c"}), "has no attribute 'chanel'; did you mean 'channel'?"),
        (event(attributes={"channel": {"colum": "c"}}), "unknown key 'colum'"),
        (
            event(at={"column": "a", "fallback": "a"}),
            "events[0].at: fallback is 'a' itself; name another column",
        ),
        (event(at={"column": "a", "fallback": ["b"]}), "events[0].at.fallback: "),
        (event(at={"fallback": "b"}), "events[0].at.column: is missing"),
        (event(at={"column": "a", "falback": "b"}), "'falback'; did you mean 'fallback'?"),
        (event(when={"stage": True}), "events[0].when.stage: true is not text"),
        (
            minimal(events=[{"stage": "offer", "at": "a"}, {"stage": "offer", "at": "b"}]),
            "events: two are called 'offer'",
        ),
        (
            minimal(
                events=[{"type": "spend_recorded", "at": "a", "attributes": {"owner": "o"}}],
                id_columns=["a"],
            ),
            "an event of type spend_recorded has no attribute 'owner'",
        ),
        (column(decimal=",", thousands=","), "decimal and thousands are both ','"),
        (column(decimal="'"), 'columns.created.decimal: "\'" is not one of'),
        (column(thousands="x"), "thousands: 'x' is none of"),
        (column(dates="%d/%m"), "columns.created.dates: '%d/%m' has no day"),
        (column(dates="excell"), "did you mean 'excel'?"),
        (column(dates="%m/%Y"), "'%m/%Y' has no day; only spends with period: month"),
        (column(locale="dee"), "columns.created.locale: 'dee' is not one of"),
        (column(precision="hour"), "columns.created.precision: 'hour' is not one of"),
        (event(period="month"), "an event of type stage_changed has no period"),
        (
            minimal(
                events=[
                    {
                        "type": "spend_recorded",
                        "at": "a",
                        "period": "month",
                        "attributes": {"period_start": "a", "period_end": "b"},
                    }
                ],
                id_columns=["a"],
            ),
            "give either period or period_start and period_end",
        ),
        (minimal() | {"currency": "EUX"}, "mapping.yaml:1: currency: 'EUX' is not in ISO 4217"),
        (constant("owner", "x" * 1001), "events[0].attributes.owner: "),
        (constant("problems", ["x"] * 101), "attributes.problems: "),
        (constant("problems", "x" * 1001), "attributes.problems: "),
        (constant("first_touch_at", "soon"), "first_touch_at: 'soon' is not RFC 3339"),
        (constant("first_touch_at", "2026-01-05"), "first_touch_at: '2026-01-05' "),
        (constant("score", "high"), "attributes.score: 'high' is not a number here"),
        (constant("score", "1e10"), "attributes.score: "),
        (constant("amount", "1,5"), "attributes.amount: '1,5' is not a number here"),
        (constant("amount", "-1"), "attributes.amount: '-1' is not a decimal number of zero"),
        (constant("amount", "1.005"), "attributes.amount: '1.005' has more than the 2 decimals"),
        (constant("cost", "$1"), "attributes.cost: '$' stands beside the number, but the currency"),
        (constant("currency", "euro"), "attributes.currency: 'euro' is not in ISO 4217"),
        (
            event(attributes={"amount": {"constant": "1"}}),
            "attributes.amount: '1' has no currency; write currency: CODE in the mapping",
        ),
        (spend(channel=""), "events[0].attributes.channel: "),
        (spend(period_start="2026-01", period_end={"column": "a"}), "attributes.period_start: "),
        (
            spend(period_start="2026-02-01T00:00:00Z", period_end="2026-01-01T00:00:00Z"),
            "attributes.period_end: a period ends after its start",
        ),
        (minimal(lookups=[{"file": "b.csv"}]), "sources.deals.lookups[0].take: is missing"),
        (minimal(skip=[{"when": {"a": "b"}}]), "sources.deals.skip[0].because: is missing"),
    ],
)
def test_a_wrong_mapping_names_the_key(tmp_path: Path, document: Any, said: str) -> None:
    path = written(tmp_path, document)
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert said in caught.value.message
    assert str(path) in caught.value.message
    assert "Value error" not in caught.value.message


def test_every_wrong_key_is_named_at_once(tmp_path: Path) -> None:
    path = written(tmp_path, minimal(encoding="utf-9", delimiter="||") | {"timezone": "Warsaw"})
    with pytest.raises(ConfigError) as caught:
        load(path)
    first, *told = caught.value.message.splitlines()
    assert first == f"{path} has 3 mistakes"
    assert [line.removeprefix(f"{path}:").split(": ")[:2] for line in told] == [
        ["5", "sources.deals.delimiter"],
        ["6", "sources.deals.encoding"],
        ["10", "timezone"],
    ]


@pytest.mark.parametrize(
    "document",
    [
        constant("amount", "1 EUR"),
        constant("amount", "12.50"),
        constant("score", "7.5"),
        constant("problems", "slow"),
        constant("problems", ["slow", "dear"]),
        constant("first_touch_at", "2026-01-05T00:00:00+01:00"),
        event(attributes={"amount": {"constant": "€ 1"}}),
        event(attributes={"amount": {"constant": "1"}, "currency": "unit"}),
        event(attributes={"amount": {"constant": "1.005"}, "currency": {"constant": "KWD"}}),
        event(type="activity_recorded", stage=None, activity="call", outcome="held"),
        spend(),
        spend(amount={"column": "m"}, currency={"constant": "USD"}),
        spend(period_start="2026-01-01T00:00:00Z", period_end="2026-02-01T00:00:00Z"),
        spend(period_start="2026-01-01T00:00:00Z", period_end={"column": "a"}),
    ],
)
def test_constants_that_the_contract_takes_are_no_mistakes(tmp_path: Path, document: Any) -> None:
    assert load(written(tmp_path, document)).name == "crm"


def test_a_wrong_constant_is_told_with_its_own_line(tmp_path: Path) -> None:
    text = """
name: crm
sources:
  deals:
    deal_id: id
    events:
      - {stage: lead, at: created}
      - stage: won
        at: closed
        attributes:
          owner: owner
          first_touch_at: {constant: 2026-01-05}
"""
    with pytest.raises(ConfigError) as caught:
        load(written(tmp_path, text))
    assert "mapping.yaml:12: sources.deals.events[1].attributes.first_touch_at: " in str(
        caught.value
    )
    assert "write it like 2026-03-01T09:30:00Z" in caught.value.message


@pytest.mark.parametrize("merged", ["*money", "[*money, *money]", "{cost: b}"])
def test_keys_are_not_merged_and_that_is_said(tmp_path: Path, merged: str) -> None:
    text = f"""
name: crm
sources:
  deals:
    deal_id: id
    events:
      - {{stage: lead, at: created, attributes: &money {{amount: a}}}}
      - stage: won
        at: closed
        attributes:
          <<: {merged}
          owner: owner
"""
    path = written(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert caught.value.message == (
        f"{path}:11: sources.deals.events[1].attributes: << does not merge keys in YAML 1.2; "
        "write them out, or let an alias stand for the whole, like key: *name"
    )


def test_a_text_of_two_signs_is_one_as_any_other(tmp_path: Path) -> None:
    values = {"<<": "back", "=": "on"}
    for quote in ("", '"'):
        told = f"{{{quote}<<{quote}: back, {quote}={quote}: on}}"
        text = (
            f"name: crm\nsources: {{deals: {{deal_id: id, columns: {{a: {{values: {told}}}}}, "
            "events: [{stage: lead, at: created}]}}\n"
        )
        assert load(written(tmp_path, text)).sources["deals"].columns["a"].values == values


def test_texts_stay_as_they_are_written(tmp_path: Path) -> None:
    columns = "{paid: {values: {yes: 1.10, 007: no, 2026-03-01: 1e3}}}"
    text = (
        f"name: crm\nsources: {{deals: {{deal_id: id, columns: {columns}, "
        "events: [{stage: lead, at: created}]}}\n"
    )
    mapping = load(written(tmp_path, text))
    values = {"yes": "1.10", "007": "no", "2026-03-01": "1e3"}
    assert mapping.sources["deals"].columns["paid"].values == values


def test_a_missing_mapping_is_an_error_to_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.yaml cannot be read"):
        load(tmp_path / "nowhere.yaml")
