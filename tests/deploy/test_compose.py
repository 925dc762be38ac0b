"""docker-compose.yml: a valid file whose parts agree with each other and with the program."""

import re
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from compose_spec import PyCompose
from ops.rules.rule import WEEKS

from funnel_stream import __version__
from funnel_stream.cli.main import app
from funnel_stream.config.load import load
from funnel_stream.connection import load_connection
from funnel_stream.settings import Settings, refuse_unknown_variables
from funnel_stream.streaming.kafka import topics as created_by_workers
from tests.programs import binary

ROOT = Path(__file__).parents[2]
COMPOSE = ROOT / "docker-compose.yml"
SPECIFICATION = "github.com/compose-spec/compose-go/v2/cmd@v2.10.2"
SERVICES = ["kafka", "topics", "worker", "simulator", "prometheus", "alertmanager", "grafana"]
ONCE = ["topics", "simulator"]


@cache
def compose() -> dict[str, Any]:
    """The file as Compose reads it where no variable is set."""
    text = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", COMPOSE.read_text(encoding="utf-8"))
    document: dict[str, Any] = yaml.safe_load(text.replace("$$", "$"))
    return document


def service(name: str) -> dict[str, Any]:
    found: dict[str, Any] = compose()["services"][name]
    return found


def mounts(name: str) -> dict[str, str]:
    """What is mounted where: a path of the repository or the name of a volume, by target."""
    parts = (volume.split(":") for volume in service(name).get("volumes", []))
    return {target: source for source, target, *_ in parts}


def flags(name: str) -> dict[str, str]:
    return dict(flag.split("=", 1) for flag in service(name)["command"])


def settings(path: str) -> Any:
    return yaml.safe_load((ROOT / "deploy" / path).read_text(encoding="utf-8"))


def refused(document: dict[str, Any]) -> str:
    """What a reader of the specification's types says of a file, nothing if it is right."""
    try:
        PyCompose.from_yaml(yaml.safe_dump(document)).validate()
    except ValueError as error:
        return str(error)
    return ""


def test_the_file_has_the_types_of_the_specification() -> None:
    assert refused(compose()) == ""


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("read_only: true", "readonly: true"),
        ("interval: 30s", "interval: 30 parsecs"),
        ("condition: service_healthy", "condition: healthy"),
    ],
)
def test_the_types_find_a_slip(right: str, wrong: str) -> None:
    text = yaml.safe_dump(compose())
    assert right in text
    assert refused(yaml.safe_load(text.replace(right, wrong)))


def test_the_file_fits_the_schema_of_the_specification() -> None:
    """As docker compose checks it, by its own library. Needs go: an error in CI, else a skip."""
    command = [binary("go"), "run", SPECIFICATION, str(COMPOSE)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stderr


def test_what_is_to_run_is_there() -> None:
    assert list(compose()["services"]) == SERVICES
    assert [name for name in SERVICES if "profiles" in service(name)] == ["simulator"]
    assert service("simulator")["profiles"] == ["demo"]


@pytest.mark.parametrize("name", SERVICES)
def test_images_are_pinned(name: str) -> None:
    image, tag = service(name)["image"].rsplit(":", 1)
    assert re.fullmatch(r"v?\d+\.\d+\.\d+", tag)
    assert image != "funnel-stream" or tag == __version__


@pytest.mark.parametrize("name", SERVICES)
def test_nobody_is_root_or_may_more_than_needed(name: str) -> None:
    user, _ = service(name)["user"].split(":")
    assert int(user) > 0
    assert service(name)["cap_drop"] == ["ALL"]
    assert service(name)["security_opt"] == ["no-new-privileges:true"]
    # Kafka's image writes its configuration when it starts.
    assert service(name).get("read_only", False) is (name not in ("kafka", "topics"))


@pytest.mark.parametrize("name", SERVICES)
def test_ports_are_open_on_this_machine_alone(name: str) -> None:
    for port in service(name).get("ports", []):
        assert re.fullmatch(r"127\.0\.0\.1:(\d+):\1", port)


@pytest.mark.parametrize("name", SERVICES)
def test_what_serves_comes_back_and_what_runs_once_does_not(name: str) -> None:
    assert service(name)["restart"] == ("no" if name in ONCE else "unless-stopped")


@pytest.mark.parametrize("name", SERVICES)
def test_all_but_the_topics_are_asked_how_they_are(name: str) -> None:
    if name == "worker":
        assert "\nHEALTHCHECK " in (ROOT / service(name)["build"]["dockerfile"]).read_text()
    assert ("healthcheck" in service(name)) is (name not in ("worker", "topics"))
    assert service(name).get("healthcheck", {"test": ["CMD"]})["test"][0] == "CMD"


@pytest.mark.parametrize("name", SERVICES)
def test_what_is_waited_for_can_happen(name: str) -> None:
    for other, wait in service(name).get("depends_on", {}).items():
        once = other in ONCE
        assert wait == {"condition": f"service_{'completed_successfully' if once else 'healthy'}"}
        assert once or "healthcheck" in service(other)


def test_what_is_mounted_is_there() -> None:
    sources = [source for name in SERVICES for source in mounts(name).values()]
    missing = [path for path in sources if path[0] == "." and not (ROOT / path).exists()]
    assert missing == []
    assert {path for path in sources if path[0] != "."} == compose()["volumes"].keys()


@pytest.mark.parametrize(
    ("name", "configuration_flag", "storage_flag"),
    [
        ("prometheus", "--config.file", "--storage.tsdb.path"),
        ("alertmanager", "--config.file", "--storage.path"),
    ],
)
def test_programs_find_their_configuration_and_keep_their_data(
    name: str, configuration_flag: str, storage_flag: str
) -> None:
    file = Path(flags(name)[configuration_flag])
    assert (ROOT / mounts(name)[str(file.parent)] / file.name).is_file()
    assert mounts(name)[flags(name)[storage_flag]] in compose()["volumes"]


def test_kafka_keeps_its_data() -> None:
    assert mounts("kafka")[service("kafka")["environment"]["KAFKA_LOG_DIRS"]] == "kafka"


def test_prometheus_remembers_the_weeks_that_alerts_compare_with() -> None:
    days = int(flags("prometheus")["--storage.tsdb.retention.time"].removesuffix("d"))
    assert days >= 7 * (max(WEEKS) + 1)


def test_prometheus_finds_workers_and_alertmanager() -> None:
    prometheus = settings("prometheus/prometheus.yml")
    (job,) = (job for job in prometheus["scrape_configs"] if job["job_name"] == "funnel-stream")
    (found,) = job["dns_sd_configs"]
    assert set(found["names"]) == {"worker"}
    assert f"127.0.0.1:{found['port']}:{found['port']}" in service("worker")["ports"]
    (managers,) = prometheus["alerting"]["alertmanagers"]
    assert managers["static_configs"] == [{"targets": ["alertmanager:9093"]}]
    assert service("alertmanager")["ports"] == ["127.0.0.1:9093:9093"]


def test_grafana_finds_its_sources_and_dashboards() -> None:
    (file,) = (ROOT / mounts("grafana")["/etc/grafana/provisioning"] / "datasources").iterdir()
    for source in yaml.safe_load(file.read_text())["datasources"]:
        name, port = re.fullmatch(r"http://(\w+):(\d+)", source["url"]).groups()  # type: ignore[union-attr]
        assert service(name)["ports"] == [f"127.0.0.1:{port}:{port}"]
    (file,) = (ROOT / mounts("grafana")["/etc/grafana/provisioning"] / "dashboards").iterdir()
    (provider,) = yaml.safe_load(file.read_text())["providers"]
    dashboards = mounts("grafana")[provider["options"]["path"]]
    home = Path(service("grafana")["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
    assert str(home.parent) == provider["options"]["path"]
    assert (ROOT / dashboards / home.name).is_file()


def test_the_worker_takes_its_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    given = service("worker")["environment"]
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    refuse_unknown_variables(given)
    host, port = load_connection().bootstrap_servers.split(":")
    assert f"INTERNAL://{host}:{port}" in kafka_listens()
    file = mounts("worker")[given["FUNNEL_CONFIG"]]
    assert load(ROOT / file).stuck_after


def kafka_listens() -> list[str]:
    advertised: str = service("kafka")["environment"]["KAFKA_ADVERTISED_LISTENERS"]
    return advertised.split(",")


def test_kafka_is_reached_from_outside_at_the_port_that_is_open() -> None:
    assert "EXTERNAL://localhost:9094" in kafka_listens()
    assert service("kafka")["ports"] == ["127.0.0.1:9094:9094"]


@pytest.mark.parametrize("name", ["worker", "simulator"])
def test_the_command_line_is_understood(name: str) -> None:
    verbs: Any = typer.main.get_command(app)
    verb, command, rest = verbs.resolve_command(typer.Context(verbs), service(name)["command"])
    assert command.make_context(verb, rest).params.get("broker") in (None, "kafka:9092")


def test_the_simulator_is_well_while_it_is_connected_to_kafka() -> None:
    (_, *program, pattern, connections) = service("simulator")["healthcheck"]["test"]
    assert (program, connections) == (["grep", "-q"], "/proc/net/tcp")
    _, port = service("simulator")["command"][2].split(":")
    established, listening = f"0100007F:{int(port):04X} 01 ", f"0100007F:{int(port):04X} 0A "
    asked = [
        subprocess.run([*program, pattern], input=f"   0: 0200000A:A1B2 {line}00000000", text=True)
        for line in (established, listening)
    ]
    assert [run.returncode for run in asked] == [0, 1]


def test_the_topics_are_those_that_a_worker_creates(tmp_path: Path) -> None:
    """The service's own script, run with a stand-in that notes what Kafka's tool is asked."""
    shell, options = service("topics")["entrypoint"]
    (script,) = service("topics")["command"]
    tool, noted = tmp_path / "kafka-topics.sh", tmp_path / "noted"
    tool.write_text(f'#!/bin/sh\necho "$@" >> {noted}\n')
    tool.chmod(0o755)
    here = script.replace("/opt/kafka/bin/kafka-topics.sh", str(tool))
    assert here != script
    partitions = service("topics")["environment"]["PARTITIONS"]
    subprocess.run([shell, options, here], env={"PARTITIONS": str(partitions)}, check=True)

    asked = [line.split() for line in noted.read_text().splitlines()]
    assert all(words[:4] == asked[0][:4] for words in asked)
    assert asked[0][:4] == ["--bootstrap-server", "kafka:9092", "--create", "--if-not-exists"]
    wanted = created_by_workers._needed(Settings(), Settings().partitions)
    assert [described(words[4:]) for words in asked] == [
        (topic.name, topic.num_partitions, topic.topic_configs or {}) for topic in wanted
    ]


def described(words: list[str]) -> tuple[str, int, dict[str, str]]:
    pairs = list(zip(words[::2], words[1::2], strict=True))
    one = {flag: value for flag, value in pairs if flag != "--config"}
    configs = dict(value.split("=", 1) for flag, value in pairs if flag == "--config")
    assert one.keys() == {"--topic", "--partitions"}
    return one["--topic"], int(one["--partitions"]), configs


def test_a_topic_that_cannot_be_created_fails_the_start(tmp_path: Path) -> None:
    shell, options = service("topics")["entrypoint"]
    (script,) = service("topics")["command"]
    tool = tmp_path / "kafka-topics.sh"
    tool.write_text('#!/bin/sh\ncase "$*" in *funnel.events.dlq*) exit 1;; esac\n')
    tool.chmod(0o755)
    here = script.replace("/opt/kafka/bin/kafka-topics.sh", str(tool))
    assert subprocess.run([shell, options, here], env={"PARTITIONS": "8"}).returncode == 1
