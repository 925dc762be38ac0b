"""The state of the service: how late it is, what it refused, which part of the data is here."""

from collections.abc import Iterable
from dataclasses import dataclass

from funnel_stream import human
from funnel_stream.contract.timestamps import moment
from funnel_stream.reporting import Operations, Reporter
from funnel_stream.windows.tables import Snapshot


@dataclass(frozen=True)
class Fact:
    """A line of the list: what it is, its value, and more about it."""

    name: str
    value: str
    more: str = ""


@dataclass(frozen=True)
class Service:
    """``rejected``: dead letters by reason, most of them first."""

    facts: list[Fact]
    rejected: list[Fact]


def service(snapshot: Snapshot, reporter: Reporter) -> Service:
    """The state of this worker, and of the funnel as it knows it."""
    operations = reporter.operations()
    rejected = sorted(operations.rejected.items(), key=lambda item: -item[1])
    return Service(
        facts=list(_facts(snapshot, reporter, operations)),
        rejected=[Fact(reason, human.count(number)) for reason, number in rejected if number],
    )


def _facts(snapshot: Snapshot, reporter: Reporter, operations: Operations) -> Iterable[Fact]:
    age = (snapshot.as_of - operations.newest) / 1e6
    if operations.newest:
        at = f"at {moment(operations.newest):%Y-%m-%d %H:%M:%S} UTC"
        yield Fact("Last event", f"{human.seconds(max(0.0, age))} ago", at)
    else:
        yield Fact("Last event", "none yet")
    lag = sum(operations.lag.values())
    yield Fact("Lag", f"{human.count(lag)} events", "" if lag else "the figures include all events")
    latency = operations.latency
    if latency.count:
        mean = human.seconds(latency.sum / latency.count)
        yield Fact("From event to figure", mean, "on average")
    refused = sum(operations.rejected.values())
    more = "kept in the dead-letter topic with the reason" if refused else "nothing was rejected"
    yield Fact("Dead letters", human.count(refused), more)
    if amended := sum(operations.amended.values()):
        yield Fact(
            "Amended", human.count(amended), "an amount was rounded or left out, for example"
        )
    yield Fact("Events consumed", human.count(operations.events), "since this worker started")
    yield Fact("Duplicates", human.count(operations.duplicates), "already known, changed nothing")
    if held := reporter.held():
        numbers = ", ".join(map(str, sorted(held.deals))) or "none"
        every = len(held.deals) == held.partitions
        part = "all of them" if every else "other workers hold the others"
        of = f"{len(held.deals)} of {held.partitions}"
        yield Fact("Partitions held here", of, part if every else f"{numbers}; {part}")
        yield Fact("Deals held here", human.count(sum(operations.state_rows.values())))
        untouched = sum(operations.untouched.values())
        more = "open, without an event for closed_retention_days" if untouched else ""
        yield Fact("Untouched deals held here", human.count(untouched), more)
    wrong = operations.invariant_violations
    yield Fact(
        "Figures that do not add up",
        human.count(wrong),
        "" if wrong else "every deal is accounted for once",
    )
