"""deploy/kubernetes: valid manifests that agree with each other, with the program and its rules."""

import re
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from ops.kubernetes import MANIFEST, RULES, prometheus_rule

from funnel_stream import __version__
from funnel_stream.config.load import load
from funnel_stream.connection import load_connection
from funnel_stream.definition import Definition
from funnel_stream.exposition.server import application
from funnel_stream.reporting import Reporter
from funnel_stream.settings import Settings, refuse_unknown_variables
from tests.programs import binary

ROOT = Path(__file__).parents[2]
BASE = ROOT / "deploy" / "kubernetes"
KUSTOMIZE = "sigs.k8s.io/kustomize/kustomize/v5@v5.5.0"
# The oldest that knows every field, and the newest.
KUBERNETES = ["1.29", kubernetes_validate.latest_version()]
JOB = "funnel-stream"
OF_THE_OPERATOR = {"ServiceMonitor", "PrometheusRule"}
KINDS = {
    *OF_THE_OPERATOR,
    "ConfigMap",
    "Deployment",
    "NetworkPolicy",
    "PodDisruptionBudget",
    "Service",
}


@cache
def built() -> list[dict[str, Any]]:
    """What would be applied; without a program that builds it an error in CI, else a skip."""
    program = binary("kustomize", "kubectl", "go")
    verbs = {
        "kustomize": ["build"],
        "kubectl": ["kustomize"],
        "go": ["run", KUSTOMIZE, "build"],
    }[Path(program).name]
    run = subprocess.run([program, *verbs, str(BASE)], capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stderr
    return list(yaml.safe_load_all(run.stdout))


def manifest(name: str) -> Any:
    return yaml.safe_load((BASE / f"{name}.yaml").read_text(encoding="utf-8"))


def pod() -> dict[str, Any]:
    spec: dict[str, Any] = manifest("deployment")["spec"]["template"]["spec"]
    return spec


def worker() -> dict[str, Any]:
    (container,) = pod()["containers"]
    result: dict[str, Any] = container
    return result


def settings_of_pods() -> dict[str, str]:
    """The variables from the generated config map."""
    generated = {each["name"]: each for each in manifest("kustomization")["configMapGenerator"]}
    literals = generated["funnel-stream-settings"]["literals"]
    return dict(literal.split("=", 1) for literal in literals)


@pytest.mark.parametrize("version", KUBERNETES)
def test_every_manifest_fits_the_schema_of_kubernetes(version: str) -> None:
    of_kubernetes = [each for each in built() if each["kind"] not in OF_THE_OPERATOR]
    assert {each["kind"] for each in built()} == KINDS
    for document in of_kubernetes:
        kubernetes_validate.validate(document, version, strict=True)


def test_the_schema_finds_a_slip() -> None:
    slip = manifest("deployment")
    slip["spec"]["template"]["spec"]["containers"][0]["readynessProbe"] = {}
    with pytest.raises(kubernetes_validate.ValidationError, match="readynessProbe"):
        kubernetes_validate.validate(slip, KUBERNETES[-1], strict=True)


def test_every_reference_leads_somewhere() -> None:
    by_kind = {kind: [each for each in built() if each["kind"] == kind] for kind in KINDS}
    maps = {each["metadata"]["name"]: each["data"] for each in by_kind["ConfigMap"]}
    (deployment,) = by_kind["Deployment"]
    spec = deployment["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    assert container["image"] == f"funnel-stream:{__version__}"

    (definition,) = spec["volumes"]
    (mounted,) = container["volumeMounts"]
    assert mounted["name"] == definition["name"]
    path = Path({each["name"]: each.get("value") for each in container["env"]}["FUNNEL_CONFIG"])
    assert str(path.parent) == mounted["mountPath"]
    assert path.name in maps[definition["configMap"]["name"]]

    settings, secret = container["envFrom"]
    assert settings["configMapRef"]["name"] in maps
    assert secret["secretRef"]["optional"] is True


def test_the_worker_takes_the_settings_and_the_definition(monkeypatch: pytest.MonkeyPatch) -> None:
    given = settings_of_pods()
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    refuse_unknown_variables(given)
    assert load_connection().bootstrap_servers == given["FUNNEL_BROKER"]
    assert load(BASE / "funnel.yaml").stuck_after


def test_a_pod_tells_the_others_where_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    names = [each["name"] for each in worker()["env"]]
    env = {each["name"]: each for each in worker()["env"]}
    assert env["POD_IP"]["valueFrom"] == {"fieldRef": {"fieldPath": "status.podIP"}}
    # Kubernetes puts in what stands before.
    assert names.index("POD_IP") < names.index("FUNNEL_ADVERTISED_URL")
    url = env["FUNNEL_ADVERTISED_URL"]["value"].replace("$(POD_IP)", "10.1.2.3")
    monkeypatch.setenv("FUNNEL_ADVERTISED_URL", url)
    (port,) = worker()["ports"]
    assert Settings().advertised_url == f"http://10.1.2.3:{port['containerPort']}"


def test_kubernetes_and_compose_begin_with_the_same_definition() -> None:
    assert (BASE / "funnel.yaml").read_text() == (ROOT / "deploy" / "funnel.yaml").read_text()


def test_selectors_find_the_pods() -> None:
    deployment = manifest("deployment")
    labels = deployment["spec"]["template"]["metadata"]["labels"].items()
    spread = pod()["topologySpreadConstraints"]
    selectors = [
        deployment["spec"]["selector"]["matchLabels"],
        manifest("service")["spec"]["selector"],
        manifest("pod-disruption-budget")["spec"]["selector"]["matchLabels"],
        manifest("network-policy")["spec"]["podSelector"]["matchLabels"],
        *(each["labelSelector"]["matchLabels"] for each in spread),
    ]
    assert all(selector and selector.items() <= labels for selector in selectors)


def test_probes_ask_what_the_worker_answers() -> None:
    routes = application(Reporter(), Definition()).router.resources()
    answered = {route.canonical for route in routes}
    probes = {name: worker()[f"{name}Probe"] for name in ("startup", "liveness", "readiness")}
    asked = {name: probe["httpGet"]["path"] for name, probe in probes.items()}
    assert asked == {"startup": "/readyz", "liveness": "/healthz", "readiness": "/readyz"}
    assert {*asked.values(), "/metrics"} <= answered
    (port,) = worker()["ports"]
    assert {probe["httpGet"]["port"] for probe in probes.values()} == {port["name"]}
    assert port["containerPort"] == Settings.model_fields["http_port"].default


def test_recovery_has_ten_minutes_before_a_pod_is_given_up() -> None:
    startup = worker()["startupProbe"]
    assert startup["periodSeconds"] * startup["failureThreshold"] >= 600


def test_pods_may_do_nothing_but_work() -> None:
    security, container = pod()["securityContext"], worker()["securityContext"]
    assert security["runAsNonRoot"] is True
    assert security["seccompProfile"] == {"type": "RuntimeDefault"}
    user = re.search(r"^USER (\d+):(\d+)$", (ROOT / "deploy/Dockerfile").read_text(), re.MULTILINE)
    assert user is not None
    assert (security["runAsUser"], security["runAsGroup"]) == tuple(map(int, user.groups()))
    assert container == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert pod()["automountServiceAccountToken"] is False
    # A service called funnel-http would else set FUNNEL_HTTP_PORT to tcp://….
    assert pod()["enableServiceLinks"] is False


def test_a_pod_has_a_share_of_memory_and_is_not_throttled() -> None:
    resources = worker()["resources"]
    assert {"cpu", "memory"} == resources["requests"].keys()
    assert {"memory"} == resources["limits"].keys()


def test_one_pod_can_go_while_others_work() -> None:
    replicas = manifest("deployment")["spec"]["replicas"]
    assert 0 < manifest("pod-disruption-budget")["spec"]["maxUnavailable"] < replicas


def test_the_network_lets_through_what_is_needed() -> None:
    policy = manifest("network-policy")["spec"]
    assert set(policy["policyTypes"]) == {"Ingress", "Egress"}
    (into,) = policy["ingress"]
    assert [port["port"] for port in into["ports"]] == [worker()["ports"][0]["name"]]
    names, kafka, others = policy["egress"]
    assert {(port["protocol"], port["port"]) for port in names["ports"]} == {
        ("UDP", 53),
        ("TCP", 53),
    }
    host, port = settings_of_pods()["FUNNEL_BROKER"].split(":")
    _, namespace, _ = host.split(".")
    (target,) = kafka["to"]
    assert target["namespaceSelector"]["matchLabels"] == {"kubernetes.io/metadata.name": namespace}
    assert [each["port"] for each in kafka["ports"]] == [int(port)]
    assert others["to"] == [{"podSelector": policy["podSelector"]}]
    assert others["ports"] == into["ports"]


def test_the_monitor_scrapes_as_prometheus_does() -> None:
    configuration = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text())
    (job,) = (each for each in configuration["scrape_configs"] if each["job_name"] == JOB)
    monitor, service = manifest("service-monitor")["spec"], manifest("service")
    labels = service["metadata"]["labels"]
    assert monitor["selector"]["matchLabels"].items() <= labels.items()
    assert labels[monitor["jobLabel"]] == job["job_name"]
    assert monitor["sampleLimit"] == job["sample_limit"]
    (endpoint,) = monitor["endpoints"]
    (port,) = service["spec"]["ports"]
    assert endpoint["port"] == port["name"]
    assert port["targetPort"] == worker()["ports"][0]["name"]
    interval = configuration["global"]["scrape_interval"]
    assert endpoint["interval"] == job.get("scrape_interval", interval)
    relabelings = [as_prometheus(each) for each in endpoint["metricRelabelings"]]
    assert all(each in relabelings for each in job["metric_relabel_configs"])
    # The operator adds the pod, which would break a KPI's history just as well.
    assert "pod" in {each["target_label"] for each in relabelings}


def as_prometheus(relabeling: dict[str, Any]) -> dict[str, Any]:
    """The operator's spelling of a relabelling as that of a scrape configuration."""
    return {
        re.sub("[A-Z]", lambda found: f"_{found[0].lower()}", key): value
        for key, value in relabeling.items()
    }


def test_the_rules_are_in_step() -> None:
    assert MANIFEST.read_text(encoding="utf-8") == prometheus_rule(), (
        "`python -m ops.kubernetes` writes it anew"
    )


def test_the_manifest_holds_every_group_of_every_file_once() -> None:
    files = sorted(RULES.glob("*.yml"))
    groups = [group for file in files for group in yaml.safe_load(file.read_text())["groups"]]
    made = yaml.safe_load(prometheus_rule())
    assert made["apiVersion"] == "monitoring.coreos.com/v1"
    assert made["kind"] == "PrometheusRule"
    assert made["spec"] == {"groups": groups}
    assert len({group["name"] for group in groups}) == len(groups) > 0


def test_a_query_keeps_its_lines(tmp_path: Path) -> None:
    for number, expr in enumerate(["1", "a\n  or b"]):
        rules = [{"record": "x", "expr": expr}]
        groups = [{"name": f"group{number}", "rules": rules}]
        (tmp_path / f"{number}.yml").write_text(yaml.safe_dump({"groups": groups}))
    text = prometheus_rule(tmp_path)
    assert text.index("group0") < text.index("group1")
    assert "expr: |-\n        a\n          or b\n" in text
