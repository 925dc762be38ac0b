"""Who is told of what, in which words: the shipped configuration in a real Alertmanager."""

import re
import subprocess
from collections.abc import Iterator, Sequence
from datetime import datetime
from html import unescape
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml

from tests.deploy.mailbox import Mailbox
from tests.integration.processes import wait_until
from tests.ops.alertmanager import (
    DEADLINE,
    SHIPPED,
    Alertmanager,
    Config,
    Notification,
    Receiver,
    alert,
    shipped_config,
    told_to,
)
from tests.programs import binary

RULES = SHIPPED.parents[1] / "prometheus" / "rules"
COMMENTED = re.compile(r"^( *)#(?! \S)", re.MULTILINE)
"""Of what is commented out, not of what is said."""
Labels = dict[str, str]


def _alerts() -> dict[str, Labels]:
    """The labels of every alert that its rule gives it, by name."""
    files = [yaml.safe_load(path.read_text("utf-8")) for path in sorted(RULES.glob("*.yml"))]
    return {
        rule["alert"]: {"alertname": rule["alert"], **rule["labels"]}
        for file in files
        for group in file["groups"]
        for rule in group["rules"]
        if "alert" in rule
    }


ALERTS = _alerts()
RECEIVER = {"critical": "page", "warning": "team", "info": "deadman"}


def uncommented() -> str:
    """The shipped file with all integrations taken in."""
    return COMMENTED.sub(r"\1", SHIPPED.read_text("utf-8"))


def amtool(*arguments: str) -> str:
    done = subprocess.run(
        [binary("amtool"), *arguments], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


# --- the file ---------------------------------------------------------------------------------


def test_the_shipped_file_is_valid_and_tells_nobody() -> None:
    amtool("check-config", str(SHIPPED))
    receivers = shipped_config()["receivers"]
    assert receivers == [{"name": "page"}, {"name": "team"}, {"name": "deadman"}]


def test_what_is_commented_out_is_valid_too(tmp_path: Path) -> None:
    file = tmp_path / "alertmanager.yml"
    file.write_text(yaml.safe_dump(shipped_config(uncommented())), encoding="utf-8")
    amtool("check-config", str(file))
    page = yaml.safe_load(uncommented())["receivers"][0]
    assert page.keys() == {"name", "pagerduty_configs", "slack_configs", "email_configs"}


def test_secrets_stand_in_files_only() -> None:
    found = re.findall(r"(\w*(?:api_url|password|key)\w*):", uncommented())
    assert found
    assert all(name.endswith("_file") for name in found)


@pytest.mark.parametrize("name", ALERTS)
def test_every_alert_goes_to_whom_its_severity_says(name: str) -> None:
    labels = ALERTS[name]
    pairs = [f"{label}={value}" for label, value in {**labels, "pipeline": "default"}.items()]
    told = amtool("config", "routes", "test", f"--config.file={SHIPPED}", *pairs)
    assert told.split() == [RECEIVER[labels["severity"]]]


def test_a_stranger_goes_to_the_team() -> None:
    told = amtool("config", "routes", "test", f"--config.file={SHIPPED}", "alertname=DiskFull")
    assert told.split() == ["team"]


def test_a_cause_is_known_before_what_it_inhibits_is_told() -> None:
    # Rules are evaluated once a minute, so a cause may fire a minute after its consequence.
    route = yaml.safe_load(SHIPPED.read_text("utf-8"))["route"]
    waits = {each["receiver"]: each["group_wait"] for each in (route, *route["routes"])}
    assert waits == {"team": "5m", "page": "90s", "deadman": "0s"}


# --- what silences what -----------------------------------------------------------------------


class Case(NamedTuple):
    """An alert that fires, what it inhibits, and what it leaves alone."""

    cause: Labels
    inhibited: list[Labels]
    left: list[Labels]


def of(name: str, **labels: str) -> Labels:
    return {**ALERTS[name], **labels}


def drop(pipeline: str, base: str, to: str, horizon: str = "1d", **more: str) -> Labels:
    name = "FunnelChannelConversionDrop" if "channel" in more else "FunnelConversionDrop"
    step = {"from_stage": base, "to_stage": to, "horizon": horizon, "window": "24h"}
    return of(name, pipeline=pipeline, **step, **more)


BUSINESS = [
    drop("default", "lead", "qualified"),
    drop("partner", "offer", "won", "30d", channel="fair"),
    of("FunnelCostPerLeadUp", pipeline="default", currency="EUR"),
    of("FunnelDealsStuck", pipeline="partner", stage="offer"),
    of("FunnelNoLeads", pipeline="default", window="1h"),
]
SOFTWARE = [
    of("FunnelDeadLetters", reason="not_json"),
    of("FunnelLagGrowing"),
    of("FunnelWatchdog"),
]
NO_EVENTS = of("FunnelNoEvents")
OUTAGES = "FunnelNoReporter", "FunnelStreamStalled", "FunnelHeartbeatLate"
HARMLESS = [name for name, labels in ALERTS.items() if labels["kind"] == "software"]
HARMLESS = sorted(set(HARMLESS).difference(OUTAGES))
CASES = {
    **{
        name: Case(of(name, instance="funnel:6066"), [*BUSINESS, NO_EVENTS], SOFTWARE)
        for name in OUTAGES
    },
    "FunnelNoEvents": Case(NO_EVENTS, BUSINESS, SOFTWARE),
    "FunnelNoLeads": Case(
        of("FunnelNoLeads", pipeline="default", window="24h"),
        [
            drop("default", "lead", "qualified"),
            drop("default", "offer", "won", channel="fair"),
            of("FunnelDiscountUp", pipeline="default"),
        ],
        [
            drop("partner", "lead", "qualified"),
            of("FunnelDiscountUp", pipeline="partner"),
            of("FunnelNoLeads", pipeline="other", window="24h"),
            *SOFTWARE,
        ],
    ),
    "FunnelConversionDrop": Case(
        drop("default", "lead", "qualified"),
        [
            drop("default", "lead", "qualified", channel="fair"),
            drop("default", "lead", "qualified", "30d", channel="paid_search"),
        ],
        [
            drop("default", "qualified", "potential", channel="fair"),
            drop("partner", "lead", "qualified", channel="fair"),
            drop("default", "lead", "won", "30d"),
            of("FunnelDiscountUp", pipeline="default"),
        ],
    ),
    "FunnelChannelConversionDrop": Case(
        drop("default", "lead", "qualified", channel="fair"),
        [],
        [
            drop("default", "lead", "qualified", channel="paid_search"),
            drop("default", "lead", "won"),
        ],
    ),
    **{name: Case(of(name), [], BUSINESS[:-1]) for name in HARMLESS},
}
CONTROL = drop("control", "lead", "won"), drop("control", "lead", "won", channel="fair")
"""The second is inhibited by the first, whatever else there is."""


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_an_outage_silences_what_it_causes_and_nothing_else(tmp_path: Path, case: Case) -> None:
    with Alertmanager(tmp_path, shipped_config()) as manager:
        manager.post(*map(alert, [case.cause, *case.inhibited, *case.left]))
        # Alerts are taken in one after the other: with these, all have been.
        manager.post(*map(alert, CONTROL))
        wait_until(lambda: _inhibitors(manager, CONTROL[1]), "the control", DEADLINE)
        [cause] = [each["fingerprint"] for each in manager.alerts() if each["labels"] == case.cause]
        for labels in case.inhibited:
            assert _inhibitors(manager, labels) == [cause], labels
        for labels in [case.cause, *case.left]:
            assert _inhibitors(manager, labels) == [], labels


def _inhibitors(manager: Alertmanager, labels: Labels) -> list[str]:
    found = [each for each in manager.alerts() if each["labels"] == labels]
    return list(found[0]["status"]["inhibitedBy"]) if found else []


# --- what is one notification -----------------------------------------------------------------


def test_an_outage_is_told_and_what_it_causes_is_not(tmp_path: Path) -> None:
    with (
        Receiver() as receiver,
        Alertmanager(tmp_path, told_to(shipped_config(), receiver.url)) as manager,
    ):
        manager.post(*map(alert, [NO_EVENTS, *BUSINESS]))
        receiver.wait_for(lambda arrived: bool(arrived), "the outage")
        # It waits as long as the others did, and began later.
        manager.post(alert(of("FunnelLagGrowing")))
        told = receiver.wait_for(lambda arrived: "/team" in paths(arrived), "the control")
    assert {name for each in told for name in names(each)} == {"FunnelNoEvents", "FunnelLagGrowing"}


def test_a_drop_of_a_step_is_one_notification(tmp_path: Path) -> None:
    one = [
        drop("default", "lead", "qualified", horizon, channel=channel)
        for horizon in ("1d", "7d")
        for channel in ("fair", "paid_search")
    ]
    other = [
        drop("default", "lead", "won", channel="fair"),
        drop("partner", "lead", "qualified", channel="fair"),
    ]
    with (
        Receiver() as receiver,
        Alertmanager(tmp_path, told_to(shipped_config(), receiver.url)) as manager,
    ):
        manager.post(*map(alert, [*one, *other]))
        told = receiver.wait_for(lambda arrived: len(arrived) >= 3, "three notifications")
    assert sorted(len(each.body["alerts"]) for each in told) == [1, 1, 4]


def test_the_dead_man_hears_of_the_watchdog(tmp_path: Path) -> None:
    with (
        Receiver() as receiver,
        Alertmanager(tmp_path, told_to(shipped_config(), receiver.url)) as manager,
    ):
        manager.post(alert(of("FunnelWatchdog")))
        [told, *_] = receiver.wait_for(lambda arrived: bool(arrived), "the watchdog")
    assert (told.path, names(told)) == ("/deadman", ["FunnelWatchdog"])


def paths(arrived: Sequence[Notification]) -> set[str]:
    return {each.path for each in arrived}


def names(notification: Notification) -> list[str]:
    return [each["labels"]["alertname"] for each in notification.body["alerts"]]


# --- the words --------------------------------------------------------------------------------

BOARD = "http://grafana.example/d/funnel-breakdowns?var-pipeline=default&var-window=7d"
RUNBOOK = "https://runbooks.example/FunnelChannelConversionDrop.md"
SILENCE = (
    "http://alertmanager.example/#/silences/new?filter=%7Balertname%3D%22FunnelChannel"
    "ConversionDrop%22%2Cfrom_stage%3D%22lead%22%2Cpipeline%3D%22north%20%26%20west%22"
    "%2Cto_stage%3D%22qualified%22%7D"
)


def dropped(channel: str) -> tuple[Labels, Labels]:
    """A drop in a channel, as Prometheus words it."""
    labels = drop("north & west", "lead", "qualified", channel=channel)
    return labels, {
        "summary": f"Lead quality (lead → qualified) in channel {channel} of pipeline north & west "
        "fell from 41.2% to 23.9%",
        "description": "Of the deals that reached lead in channel and became 1d old in the last "
        "24h, 23.9% got to qualified within 1d; in the same hours of the last four weeks 41.2% "
        "did.\n523 deals now, 2011 before; 6.3 deviations.\n",
        "runbook_url": RUNBOOK,
        "dashboard_url": BOARD,
    }


class Post(NamedTuple):
    """Where all notifications of a test arrive."""

    http: Receiver
    mail: Mailbox
    manager: Alertmanager

    def slack(self, count: int) -> list[dict[str, Any]]:
        def of_slack(arrived: Sequence[Notification]) -> list[dict[str, Any]]:
            return [each.body for each in arrived if each.path == "/slack"]

        told = self.http.wait_for(lambda arrived: len(of_slack(arrived)) >= count, "Slack")
        return of_slack(told)


@pytest.fixture
def post(tmp_path: Path) -> Iterator[Post]:
    """Alertmanager with all that is commented out in its file, and its secrets in theirs."""
    with Receiver() as http, Mailbox() as mail:
        config = shipped_config(uncommented())
        _secret(config["global"], "slack_api_url_file", tmp_path, f"{http.url}/slack")
        _secret(config["global"], "smtp_auth_password_file", tmp_path, "hush")
        config["global"] |= {"smtp_smarthost": mail.address, "smtp_require_tls": False}
        [pager] = config["receivers"][0]["pagerduty_configs"]
        _secret(pager, "routing_key_file", tmp_path, "key")
        pager["url"] = f"{http.url}/pagerduty"
        [deadman] = config["receivers"][2]["webhook_configs"]
        deadman["url"] = f"{http.url}/deadman"
        with Alertmanager(tmp_path, config) as manager:
            yield Post(http, mail, manager)


def _secret(section: Config, key: str, folder: Path, content: str) -> None:
    path = folder / Path(section[key]).name
    path.write_text(content, encoding="utf-8")
    section[key] = str(path)


def test_slack_shows_the_figures_since_when_and_where_to_look(post: Post) -> None:
    labels, annotations = dropped("paid_search")
    begun = alert(labels, annotations)
    post.manager.post(begun)
    [told] = post.slack(1)
    [attachment] = told["attachments"]
    since = datetime.fromisoformat(begun["startsAt"]).strftime("%a %-d %b %Y %H:%M UTC")
    assert told["channel"] == "#funnel"
    assert attachment["color"] == "warning"
    assert attachment["title"] == (
        "[WARNING] Lead quality (lead → qualified) in channel paid_search of pipeline "
        "north &amp; west fell from 41.2% to 23.9%"
    )
    assert attachment["title_link"] == BOARD
    assert attachment["text"] == (
        "Of the deals that reached lead in channel and became 1d old in the last 24h, 23.9% got "
        "to qualified within 1d; in the same hours of the last four weeks 41.2% did.\n"
        "523 deals now, 2011 before; 6.3 deviations.\n"
        f"since {since} · channel paid_search · from_stage lead · horizon 1d · "
        "pipeline north &amp; west · to_stage qualified · window 24h\n"
        f"<{BOARD.replace('&', '&amp;')}|Dashboard> · <{RUNBOOK}|Runbook>\n\n"
        f"<{SILENCE}|Silence>"
    )


def test_slack_is_told_when_it_is_over(post: Post) -> None:
    labels, annotations = dropped("fair")
    post.manager.post(alert(labels, annotations))
    post.slack(1)
    post.manager.post(alert(labels, annotations, ended=True))
    attachment = post.slack(2)[1]["attachments"][0]
    assert attachment["color"] == "good"
    assert attachment["title"].startswith("[RESOLVED] Lead quality (lead → qualified) in channel")
    assert re.match(r"since \w+ \d+ \w+ \d+ \d\d:\d\d UTC until \w+", attachment["text"])
    assert "Silence" not in attachment["text"]


def test_several_alerts_of_a_step_are_told_one_after_the_other(post: Post) -> None:
    post.manager.post(*(alert(*dropped(channel)) for channel in ("fair", "paid_search")))
    [told] = post.slack(1)
    [attachment] = told["attachments"]
    assert attachment["title"].endswith(" (2 alerts)")
    assert re.findall(r"\*Lead quality .* in channel (\w+) of", attachment["text"]) == [
        "fair",
        "paid_search",
    ]


def test_a_channel_named_like_a_mention_wakes_nobody(post: Post) -> None:
    post.manager.post(alert(*dropped("<!channel>")))
    [told] = post.slack(1)
    [attachment] = told["attachments"]
    for text in (attachment["title"], attachment["fallback"], attachment["text"]):
        assert "<!" not in text
        assert "&lt;!channel&gt;" in text


def test_a_mail_says_the_same_as_text_and_as_html(post: Post) -> None:
    post.manager.post(alert(*dropped("<b>ads</b>")))
    [mail] = post.mail.wait_for(lambda arrived: bool(arrived), "the mail")
    assert mail.password == "hush"
    assert mail.message["To"] == "funnel-team@example.com"
    assert mail.message["Subject"] == (
        "[WARNING] Lead quality (lead → qualified) in channel <b>ads</b> of pipeline north & west "
        "fell from 41.2% to 23.9%"
    )
    plain, html = mail.part("plain"), mail.part("html")
    assert "23.9% got to qualified within 1d" in plain
    assert "523 deals now, 2011 before" in plain
    assert " · channel <b>ads</b> · from_stage lead" in plain
    assert f"Dashboard: {BOARD}\nRunbook: {RUNBOOK}\n\nSilence: {SILENCE}" in plain
    assert "523 deals now, 2011 before" in html
    assert "channel &lt;b&gt;ads&lt;/b&gt; · from_stage lead" in html
    links = dict(reversed(pair) for pair in re.findall(r'<a href="([^"]*)">(\w+)</a>', html))
    assert unescape(links["Dashboard"]) == BOARD
    assert unescape(links["Runbook"]) == RUNBOOK
    assert _filter(unescape(links["Silence"])) == _filter(SILENCE)


def _filter(silence: str) -> list[str]:
    """What a silence is for, as the browser reads it."""
    return parse_qs(urlsplit(urlsplit(silence).fragment).query)["filter"]


def test_a_critical_alert_is_told_on_every_way(post: Post) -> None:
    summary = "No leads in pipeline default for 1h"
    labels = of("FunnelNoLeads", pipeline="default", window="1h")
    post.manager.post(alert(labels, {"summary": summary, "description": "At least 14.\n"}))
    [mail] = post.mail.wait_for(lambda arrived: bool(arrived), "the mail")
    told = post.http.wait_for(
        lambda arrived: {"/slack", "/pagerduty"} <= paths(arrived), "Slack and PagerDuty"
    )
    by = {each.path: each.body for each in told}
    assert mail.message["To"] == "on-call@example.com"
    assert mail.message["Subject"] == f"[CRITICAL] {summary}"
    assert by["/slack"]["channel"] == "#funnel-alerts"
    assert by["/slack"]["attachments"][0]["color"] == "danger"
    assert by["/pagerduty"]["routing_key"] == "key"
    assert by["/pagerduty"]["payload"]["summary"] == f"[CRITICAL] {summary}"
    assert "At least 14." in by["/pagerduty"]["payload"]["custom_details"]["figures"]
