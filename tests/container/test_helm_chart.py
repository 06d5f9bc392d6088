"""The Helm chart names only settings that exist, and renders to what Kubernetes accepts.

Helm and the schemas are installed at the first run of the long tests: `./test -m long tests/container`.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.container.helm import helm, problems

ROOT = Path(__file__).parents[2]
CHART = ROOT / "deploy/helm/unbraid"
SETTINGS, SCALE = ((ROOT / "docs" / name).read_text("utf-8") for name in ("settings.md", "scale.md"))
MANUAL = set(re.findall(r"^\| `(UNBRAID_[A-Z_]+)`", SETTINGS, re.MULTILINE))
STORE = set(re.findall(r"`(AWS_[A-Z_]+)`", SCALE))
# Without these, an app on several machines doesn't work.
NEEDED = {
    "UNBRAID_DATABASE_URL",
    "UNBRAID_STORE",
    "UNBRAID_LINK_SECRET",
    "UNBRAID_WORKERS",
    "UNBRAID_DRAIN_S",
}
VALUES: dict[str, Any] = {
    "existingSecret": "unbraid",
    "settings": {"UNBRAID_STORE": "s3://bucket/prefix", "UNBRAID_PUBLIC_URL": "https://music.example.org"},
}
EVERYTHING: dict[str, Any] = {
    **VALUES,
    "gpuWorkers": {"enabled": True, "nodeSelector": {"pool": "gpu"}},
    "ingress": {"enabled": True, "host": "music.example.org", "tlsSecret": "tls", "className": "nginx"},
    "networkPolicy": {"enabled": True, "fromNamespaces": ["ingress"], "egressPorts": [5432, 443, 8333]},
    "image": {"pullSecrets": [{"name": "registry"}]},
}
OWN_KINDS = {"ScaledObject", "TriggerAuthentication"}  # of KEDA: not in the schemas of Kubernetes

long = pytest.mark.long


def chart_files() -> list[Path]:
    return [path for path in CHART.rglob("*") if path.is_file()]


def test_names_exactly_the_settings_of_the_manual() -> None:
    named = {
        name
        for path in chart_files()
        for name in re.findall(r"\b(?:UNBRAID|AWS)_[A-Z_0-9]+", path.read_text("utf-8"))
    }
    assert named - MANUAL - STORE == set()
    assert named >= NEEDED
    assert {"AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"} <= named


def test_secrets_are_no_values() -> None:
    settings = yaml.safe_load((CHART / "values.yaml").read_text("utf-8"))["settings"]
    assert not [name for name in settings if re.search(r"SECRET|TOKEN|PASSWORD|KEY|DATABASE", name)]


def render(values: dict[str, Any]) -> list[dict[str, Any]]:
    files = helm(CHART, values)["files"]
    return [one for text in files.values() for one in yaml.safe_load_all(text) if one]


def of_kind(documents: list[dict[str, Any]], kind: str) -> dict[str, dict[str, Any]]:
    return {one["metadata"]["name"]: one for one in documents if one["kind"] == kind}


@long
def test_helm_lint_finds_nothing() -> None:
    for values in (VALUES, EVERYTHING):
        lint = helm(CHART, values)["lint"]
        assert lint["errors"] == []
        assert [one["error"] for one in lint["messages"]] == ["icon is recommended"]


@long
@pytest.mark.parametrize("values", [VALUES, EVERYTHING, {**VALUES, "autoscaling": {"enabled": False}}])
def test_documents_have_the_schemas_of_kubernetes(values: dict[str, Any]) -> None:
    documents = [one for one in render(values) if one["kind"] not in OWN_KINDS]
    assert {one["kind"] for one in documents} >= {"Deployment", "Service", "NetworkPolicy"}
    assert problems(yaml.safe_dump_all(documents)) == ""
    documents[0]["spec"]["unknown"] = 1
    assert "unknown" in problems(yaml.safe_dump_all(documents))


@long
@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({**VALUES, "existingSecret": ""}, "existingSecret is missing"),
        ({"existingSecret": "unbraid"}, "settings.UNBRAID_STORE is missing"),
    ],
)
def test_missing_values_are_named(values: dict[str, Any], message: str) -> None:
    with pytest.raises(subprocess.CalledProcessError) as caught:
        helm(CHART, values)
    assert message in caught.value.stderr


@long
def test_no_pod_has_rights_that_it_does_not_need() -> None:
    deployments = of_kind(render(EVERYTHING), "Deployment")
    assert deployments.keys() == {"demo-server", "demo-worker", "demo-gpu-worker"}
    for deployment in deployments.values():
        pod = deployment["spec"]["template"]["spec"]
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        (container,) = pod["containers"]
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert {mount["mountPath"] for mount in container["volumeMounts"]} == {"/data", "/tmp"}
        assert container["envFrom"] == [{"secretRef": {"name": "unbraid"}}]
        assert container["startupProbe"] and container["livenessProbe"]
    gpu = deployments["demo-gpu-worker"]["spec"]["template"]["spec"]
    assert gpu["containers"][0]["image"] == "unbraid:gpu"
    assert gpu["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == 1
    assert gpu["nodeSelector"] == {"pool": "gpu"}


@long
def test_workers_follow_the_queue_and_have_time_to_finish() -> None:
    documents = render(EVERYTHING)
    scaled = of_kind(documents, "ScaledObject")
    assert scaled.keys() == {"demo-worker", "demo-gpu-worker"}
    for name, one in scaled.items():
        spec = one["spec"]
        (trigger,) = spec["triggers"]
        assert (trigger["type"], spec["scaleTargetRef"]["name"]) == ("postgresql", name)
        login = of_kind(documents, "TriggerAuthentication")[trigger["authenticationRef"]["name"]]
        assert login["spec"]["secretTargetRef"][0]["key"] == "UNBRAID_DATABASE_URL"
        deployment = of_kind(documents, "Deployment")[name]["spec"]
        assert "replicas" not in deployment  # the scaler sets them
        pod = deployment["template"]["spec"]
        environment = {one["name"]: one["value"] for one in pod["containers"][0]["env"]}
        assert pod["terminationGracePeriodSeconds"] > int(environment["UNBRAID_DRAIN_S"]) + 10
        assert environment["UNBRAID_WORKERS"] == trigger["metadata"]["targetQueryValue"] == "1"
    assert of_kind(documents, "PodDisruptionBudget").keys() == {"demo-server", *scaled}
    cards_only = render({**EVERYTHING, "workers": {"enabled": False}})
    assert of_kind(cards_only, "ScaledObject").keys() == {"demo-gpu-worker"}


@long
def test_the_query_of_the_scaler_counts_waiting_songs_and_songs_in_work(postgres_url: str) -> None:
    import psycopg
    from tests.contract.test_job_store import session

    from unbraid.jobs.session import State
    from unbraid.local.sql import SqlStore

    store = SqlStore(postgres_url)
    for state in State:
        store.add(session(state=state))
    store.close()
    query = of_kind(render(VALUES), "ScaledObject")["demo-worker"]["spec"]["triggers"][0]["metadata"]["query"]
    with psycopg.connect(postgres_url) as db:
        assert db.execute(query).fetchone() == (2,)
