"""Weekly exports of a small CRM: what follows from them, against what the CRM itself says."""

import csv
import io
import tempfile
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from hypothesis import given
from hypothesis import strategies as st

from funnel_stream.contract.event import STAGES
from funnel_stream.definition import Definition
from funnel_stream.facts.journey import Journey
from funnel_stream.facts.rules import FactRules
from funnel_stream.replay.compute import Computed, as_record, compute, deals_of_file
from tests.funnels import Figures, figures
from tests.snapshots import Compared, Tables, compared, importing, mapped

BEGIN: Final = date(2026, 3, 2)
NOW: Final = datetime(2026, 11, 1, tzinfo=UTC)
MAPPING: Final = mapped("""
name: crm
sources:
  deals:
    file: deals*
    deal_id: id
    events:
      - {stage: lead, at: created, attributes: {owner: owner, amount: value, currency: currency}}
      - {stage: qualified, at: qualified, optional: true}
      - {stage: negotiation, at: negotiated, optional: true}
      - {stage: won, at: closed, when: {state: Won}, attributes: {amount: value, currency: currency}}
      - {stage: lost, at: closed, when: {state: Lost}, attributes: {lost_reason: why}}
  spends:
    file: spends*
    events:
      - {type: spend_recorded, at: day, attributes: {channel: channel, amount: cost, currency: {constant: EUR}}}
""")  # noqa: E501
COMPARED: Final = (
    "funnel_leads",
    "funnel_deals_closed",
    "funnel_deal_value",
    "funnel_lost_deals",
    "funnel_open_deals",
    "funnel_open_value",
    "funnel_win_ratio_numerator",
    "funnel_spend",
)
"""What depends on where every deal is and what is known of it, and not on how it came there."""


@dataclass
class Deal:
    """A row of the CRM. ``dated``: its closing was never undone, and its date mended once at most,
    not to a later one if it was ``late``, of a date before the export before the one that told it;
    what events cannot tell of others is in docs/importing.md. ``former``: a closing undone."""

    id: str
    created: int
    qualified: int | None = None
    negotiated: int | None = None
    state: str = "Open"
    closed: int | None = None
    value: int | None = None
    currency: str = "EUR"
    owner: str | None = None
    why: str | None = None
    mended: bool = False
    dated: bool = True
    late: bool = False
    former: tuple[str, int] | None = None

    def stage(self) -> str:
        if self.state != "Open":
            return self.state.lower()
        if self.negotiated is not None:
            return "negotiation"
        return "lead" if self.qualified is None else "qualified"


@dataclass
class Crm:
    deals: dict[str, Deal] = field(default_factory=dict)
    spends: list[tuple[int, str, int]] = field(default_factory=list)
    number: int = 0


owners = st.sampled_from([None, "Ann", "Bob", "Cid"])
values = st.none() | st.integers(0, 3).map(lambda hundreds: hundreds * 100)
reasons = st.sampled_from([None, "price", "time"])


def step(draw: st.DrawFn, crm: Crm, today: int, most: int) -> None:
    """Something that somebody does in the CRM on a day."""
    if len(crm.deals) < most and (not crm.deals or draw(st.booleans())):
        crm.number += 1
        name = f"D{crm.number}"
        crm.deals[name] = Deal(name, today, owner=draw(owners), value=draw(values))
        return
    deal = crm.deals[draw(st.sampled_from(sorted(crm.deals)))]
    entered = max(deal.created, deal.qualified or 0, deal.negotiated or 0)
    match draw(st.sampled_from(_possible(deal))):
        case "qualify":
            deal.qualified = today
        case "negotiate":
            deal.negotiated = today
        case "close":
            deal.state = draw(st.sampled_from(["Won", "Lost"]))
            former = deal.former[1] if deal.former else 0
            deal.closed = draw(st.integers(max(entered, former), today))
            deal.late = deal.closed < today // 7 * 7
            deal.why = draw(reasons)
        case "reopen":
            deal.former = deal.state, deal.closed or 0
            deal.state, deal.closed, deal.dated = "Open", None, False
        case "restore" if deal.former is not None:
            deal.state, deal.closed = deal.former
        case "mend the date":
            closed, deal.closed = deal.closed or 0, draw(st.integers(entered, today))
            out_of_sight = deal.mended or (deal.late and deal.closed > closed)
            deal.dated, deal.mended = deal.dated and not out_of_sight, True
        case "change the owner":
            deal.owner = draw(owners)
        case "change the value":
            deal.value, deal.currency = draw(values), draw(st.sampled_from(["EUR", "USD"]))
        case "change the reason":
            deal.why = draw(reasons)
        case "delete":
            del crm.deals[deal.id]
        case _:
            crm.spends.append((today, draw(st.sampled_from("ab")), draw(st.integers(1, 3))))


def _possible(deal: Deal) -> list[str]:
    """What may be done with a deal; the more often it is listed, the more often it is."""
    always = ["change the owner", "change the value", "delete", "spend"]
    if deal.state != "Open":
        return [*always, *["reopen"] * 3, "mend the date", "change the reason"]
    possible = [*always, "close", "close"]
    # A closing of before another stage would be none: that opens the deal again.
    if deal.former is not None and deal.former[1] >= max(deal.qualified or 0, deal.negotiated or 0):
        possible += ["restore"] * 3
    if deal.negotiated is None:
        possible += ["negotiate"] + ["qualify"] * (deal.qualified is None)
    return possible


def day(number: int | None) -> str:
    return "" if number is None else (BEGIN + timedelta(days=number)).isoformat()


def written(header: str, rows: list[list[Any]]) -> str:
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(header.split())
    writer.writerows(rows)
    return text.getvalue()


def exported(crm: Crm, today: int) -> Tables:
    """The files; something is spent on the very day of each, so that each tells of later times."""
    deals = [
        [
            *(d.id, day(d.created), day(d.qualified), day(d.negotiated), d.state, day(d.closed)),
            *(d.value, d.currency, d.owner, d.why),
        ]
        for d in crm.deals.values()
    ]
    header = "id created qualified negotiated state closed value currency owner why"
    spends = [[day(at), channel, cost] for at, channel, cost in crm.spends]
    spends += [[day(each), "c", 1] for each in range(6, today + 1, 7)]
    return {
        "deals.csv": written(header, deals),
        "spends.csv": written("day channel cost", spends),
    }


def correct_spends(draw: st.DrawFn, crm: Crm) -> None:
    """Advertisers restate what was spent, mostly upwards."""
    for place, (at, channel, cost) in enumerate(crm.spends):
        if draw(st.integers(0, 4)) == 0:
            crm.spends[place] = at, channel, max(1, cost + draw(st.sampled_from([-1, 1, 2])))


Weeks = list[tuple[Tables, Crm]]


@st.composite
def histories(draw: st.DrawFn) -> Weeks:
    """The CRM as it was exported at the end of some weeks."""
    crm = Crm()
    weeks: Weeks = []
    most = draw(st.integers(1, 3))
    for week in range(draw(st.integers(2, 5))):
        for today in sorted(draw(st.lists(st.integers(0, 6), min_size=1, max_size=4))):
            step(draw, crm, 7 * week + today, most)
        correct_spends(draw, crm)
        deals = {name: Deal(**vars(deal)) for name, deal in crm.deals.items()}
        weeks.append((exported(crm, 7 * week + 6), Crm(deals, list(crm.spends))))
    return weeks


def moment(week: int) -> datetime:
    """When a week was exported."""
    return datetime.combine(BEGIN, datetime.min.time(), UTC) + timedelta(weeks=week + 1)


def stream_of(folder: Path, weeks: Weeks) -> tuple[list[bytes], list[Compared]]:
    """The first export, and what each later one adds."""
    (first, _), *_ = weeks
    stream = list(importing(folder / "first", MAPPING, first, moment(0)).lines())
    steps = []
    for week in range(1, len(weeks)):
        old, new = weeks[week - 1][0], weeks[week][0]
        steps.append(compared(folder, MAPPING, old, new, moment(week), "erase"))
        stream += steps[-1].lines
    return stream, steps


def computed(lines: list[bytes], keep: str, as_of: datetime) -> Computed:
    definition = Definition.model_validate(
        {"windows": ["365d"], "dimensions": ["owner"], "values": {"owner": {"keep": keep}}}
    )
    micros = round(as_of.timestamp() * 1e6)
    return compute(lines, definition, as_of=micros, now_ms=round(NOW.timestamp() * 1000))


def journeys(lines: list[bytes]) -> dict[str, Journey]:
    deals = deals_of_file(Definition())
    now_ms = round(NOW.timestamp() * 1000)
    deals.fold([as_record(n, line, now_ms) for n, line in enumerate(lines, 1)])
    rules = FactRules(Definition())
    return {name.decode(): rules.lives(deals.row(name) or b"")[-1] for name in deals.names()}


@given(histories(), st.sampled_from(["first", "last"]))
def test_after_every_week_the_figures_are_those_of_the_crm(weeks: Weeks, keep: str) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        stream, steps = stream_of(folder, weeks)
        last = importing(folder / "last", MAPPING, weeks[-1][0], NOW)
        alone = list(last.lines())
    until = moment(len(weeks))
    result = computed(stream, keep, until)
    assert not result.rejected
    got, want = (
        {
            key: value
            for key, value in found.items()
            if key[0].removesuffix("_breakdown") in COMPARED
        }
        for found in (figures(result), figures(computed(alone, keep, until)))
    )
    if any(too_much(one) for one in steps):
        got, want = (without_spend(found) for found in (got, want))
    assert got == want
    check_deals(weeks, stream, steps)


def too_much(one: Compared) -> bool:
    """Whether a sum was told that is less than the one before."""
    return any(reject.field == "amount" for reject in one.report.rejects)


def without_spend(found: Figures) -> Figures:
    return {key: value for key, value in found.items() if "spend" not in key[0]}


def check_deals(weeks: Weeks, stream: list[bytes], steps: list[Compared]) -> None:
    """Deal by deal, against the CRM itself."""
    crm = weeks[-1][1]
    found = journeys(stream)
    assert found.keys() == crm.deals.keys()
    told = " ".join(
        one.message for each in steps for one in each.report.rejects if one.field != "amount"
    )
    for name, deal in crm.deals.items():
        journey = found[name]
        assert journey.stage is not None
        assert STAGES[journey.stage] == deal.stage()
        amount = journey.attributes.get("amount")
        assert (amount and tuple(amount)) == (
            None if deal.value is None else (deal.value * 100, deal.currency)
        )
        assert journey.attributes.get("owner") == deal.owner
        if deal.state == "Lost":
            assert journey.attributes.get("lost_reason") == deal.why
        if deal.dated and deal.closed is not None and f"{name}:" not in told:
            closed = datetime.fromisoformat(day(deal.closed)).replace(tzinfo=UTC)
            assert journey.closed_at is not None
            assert journey.closed_at // 60_000_000 == closed.timestamp() // 60


@given(histories())
def test_the_same_step_twice_changes_nothing(weeks: Weeks) -> None:
    with tempfile.TemporaryDirectory() as name:
        stream, steps = stream_of(Path(name), weeks)
        again = compared(
            Path(name), MAPPING, weeks[-2][0], weeks[-1][0], moment(len(weeks) - 1), "erase"
        )
    assert again.lines == steps[-1].lines
    until = moment(len(weeks))
    once, twice = computed(stream, "last", until), computed(stream + again.lines, "last", until)
    assert figures(once) == figures(twice)
    assert not twice.rejected


@given(histories())
def test_an_export_compared_with_itself_says_nothing(weeks: Weeks) -> None:
    with tempfile.TemporaryDirectory() as name:
        one = compared(Path(name), MAPPING, weeks[-1][0], weeks[-1][0], moment(len(weeks)))
    assert one.lines == []
    assert not one.left_out()
