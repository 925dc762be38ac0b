"""The shipped rules, routes and dashboards in the real Prometheus and Alertmanager, on a company
whose days take seconds: lead quality of one channel breaks for a day, then all is silent."""

import re
from collections.abc import Iterator

import numpy as np
import pytest
import yaml
from ops.dashboards import queries, resolved
from ops.rules.conversions import CHANNEL, DROP
from ops.study import statistic

from tests.ops.company import CHANNEL as BROKEN_CHANNEL
from tests.ops.prometheus import DEPLOYED
from tests.ops.scene import Scene, scene, selectors

pytestmark = pytest.mark.ops

DROPPED = "FunnelChannelConversionDrop"
HOUR = 3600.0


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with scene(tmp_path_factory.mktemp("ops")) as story:
        yield story


def test_the_drop_raises_exactly_its_alert(seen: Scene) -> None:
    told = seen.told()
    assert {alert["labels"]["alertname"] for alert in told} == {DROPPED, "FunnelNoEvents"}
    drops = [alert["labels"] for alert in told if alert["labels"]["alertname"] == DROPPED]
    step = {
        "pipeline": "default",
        "from_stage": "lead",
        "to_stage": "qualified",
        "channel": BROKEN_CHANNEL,
        "severity": "warning",
        "kind": "drop",
    }
    assert all(step.items() <= labels.items() for labels in drops)
    # Only the day after which a lead is judged has passed for those that were hit.
    assert {labels["horizon"] for labels in drops} == {"1d"}


def test_it_says_what_the_events_say(seen: Scene) -> None:
    first = next(a for a in seen.told() if a["labels"]["alertname"] == DROPPED)
    assert first["labels"]["window"] == "24h"
    said = re.search(
        r"in channel (\w+) and became 1d old in the last 24h, ([\d.]+)% got to qualified within "
        r"1d; in the same hours of the previous weeks it was ([\d.]+)%\.\n"
        r"(\d+) deals now, (\d+) before; ([\d.]+) standard deviations",
        first["annotations"]["description"],
    )
    assert said, first["annotations"]["description"]
    assert said[1] == BROKEN_CHANNEL
    now, before, deals, usual, deviations = map(float, said.groups()[1:])
    # The window slides on from the evaluation until the message is here: some hours.
    as_of = seen.moments["drop"].as_of
    hours = [as_of - hour * HOUR for hour in np.arange(0, 8, 0.5)]
    counted = [seen.company.matured(at, 24 * HOUR, 24 * HOUR) for at in hours]
    week_ago = [seen.company.matured(at - 7 * 24 * HOUR, 24 * HOUR, 24 * HOUR) for at in hours]
    assert _near(deals, [n for n, _ in counted], 0.03)
    assert _near(now, [100 * x / n for n, x in counted], 0.06)
    assert _near(usual, [n for n, _ in week_ago], 0.03)
    assert _near(before, [100 * x / n for n, x in week_ago], 0.06)
    assert deviations > CHANNEL.deviations
    where = f"in channel {BROKEN_CHANNEL} of pipeline default"
    summary = first["annotations"]["summary"]
    assert summary.startswith(f"Lead quality (lead → qualified) {where} fell from ")
    assert first["annotations"]["runbook_url"].endswith(f"/{DROPPED}.md")
    assert "/d/funnel-breakdowns?var-pipeline=default&" in first["annotations"]["dashboard_url"]


def _near(said: float, counted: list[float], tolerance: float) -> bool:
    """Within what was counted while the window slid; a few deals change their channel later."""
    return min(counted) * (1 - tolerance) <= said <= max(counted) * (1 + tolerance)


def test_an_outage_is_told_and_silences_the_drop(seen: Scene) -> None:
    (silence,) = seen.moments["outage"].named("FunnelNoEvents")
    drops = seen.moments["outage"].named(DROPPED)
    assert drops
    for drop in drops:
        assert drop["status"]["state"] == "suppressed"
        assert drop["status"]["inhibitedBy"] == [silence["fingerprint"]]
    assert not seen.moments["events again"].named("FunnelNoEvents")


def test_it_ends_after_the_recovery(seen: Scene) -> None:
    assert any(
        alert["status"]["state"] == "active" for alert in seen.moments["drop"].named(DROPPED)
    )
    for name in ("recovered", "end"):
        assert {alert["labels"]["alertname"] for alert in seen.moments[name].alerts} == {
            "FunnelWatchdog"
        }
    assert seen.told()[-1]["status"] == "resolved"


def test_the_watchdog_always_tells(seen: Scene) -> None:
    told = seen.receiver.wait_for(lambda told: True, "anything")
    assert any(n.path == "/deadman" and n.body["status"] == "firing" for n in told)


def test_the_study_and_prometheus_have_one_statistic(seen: Scene) -> None:
    """Each z that the rules recorded is the study's, of the counts that they recorded."""
    parts = ("deals:sum", "converted:sum", "deals:baseline", "converted:baseline")
    recorded = [_recorded(seen, f"channel:funnel_matured_{part}") for part in parts]
    compared = 0
    for key, z in _recorded(seen, CHANNEL(DROP, "zscore")).items():
        n, x, n0, x0 = (np.array([of[key]]) for of in recorded)
        drop = statistic.dropped(statistic.Compared(n, x, n0, x0), CHANNEL)
        if not np.isfinite(z) or not drop.ratio:
            continue
        assert z == pytest.approx(float(drop.z[0]), rel=1e-9)
        compared += 1
    assert compared > 100


def _recorded(seen: Scene, name: str) -> dict[tuple[object, ...], float]:
    """By labels and time of evaluation, over the last ten hours."""
    return {
        (tuple(sorted((k, v) for k, v in series["metric"].items() if k != "__name__")), at): float(
            v
        )
        for series in seen.prometheus.query(f"{name}[{round(10 * seen.hour)}s] @ {seen.ended}")
        for at, v in series["values"]
    }


@pytest.mark.parametrize(("board", "panel", "expr"), queries())
def test_every_panel_has_data(seen: Scene, board: str, panel: str, expr: str) -> None:
    assert seen.prometheus.query(resolved(expr))


RULES = [
    pytest.param(rule, id=rule.get("record") or rule["alert"])
    for file in sorted((DEPLOYED / "rules").glob("*.yml"))
    for group in yaml.safe_load(file.read_text(encoding="utf-8"))["groups"]
    for rule in group["rules"]
]


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_has_data(seen: Scene, rule: dict[str, str]) -> None:
    """What was recorded is there; an alert, which is mostly silent, has all the series it reads."""
    if "record" in rule:
        labels = ",".join(f'{k}="{v}"' for k, v in rule.get("labels", {}).items())
        assert seen.prometheus.query(f"{rule['record']}{{{labels}}}")
        return
    seen.prometheus.query(rule["expr"])  # it can be evaluated
    read = selectors(rule["expr"])
    assert read or rule["alert"] == "FunnelWatchdog"
    for selector in read:
        assert seen.prometheus.query(selector), selector


def test_no_rule_failed(seen: Scene) -> None:
    groups = seen.prometheus.ask("rules")["groups"]
    assert len(groups) >= 8
    failed = [(r["name"], r["lastError"]) for g in groups for r in g["rules"] if r.get("lastError")]
    assert failed == []


def test_rules_keep_up(seen: Scene) -> None:
    """Evaluated sixty times as often as shipped, beside all other programs of the story, each group
    is on time more often than not."""
    missed = seen.prometheus.missed()
    assert len(missed) >= 8
    assert {group: share for group, share in missed.items() if share >= 0.5} == {}
