"""Template and code agree: routes, handlers, environment, tables, event sources."""

from __future__ import annotations

import importlib
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from infra.storage import KEPT_DAYS
from tests.infra.template_queries import Template, one, resources, text
from tests.simulators.moto_server import CONNECTIONS_TABLE, SESSIONS_TABLE, TTL, USAGE_TABLE

from unbraid.api.routes import ROUTES
from unbraid.aws.container.settings import ContainerSettings
from unbraid.aws.settings import PREFIX, Settings
from unbraid.container.__main__ import ALWAYS_OFFERED
from unbraid.jobs.limits import DAY, Limits

Synth = Callable[..., Template]

ROOT = Path(__file__).parents[2]

FUNCTIONS = {
    *(route.function for route in ROUTES),
    "connect",
    "disconnect",
    "on_invocation_end",
    "push",
    "upkeep",
}


def functions(template: Template) -> dict[str, dict[str, Any]]:
    """Return the Python functions by short name."""
    return {
        each["FunctionName"].removeprefix("unbraid-"): each
        for each in resources(template, "Lambda::Function").values()
        if each.get("PackageType") != "Image"
    }


def logical(template: Template, name: str) -> str:
    """Return the logical id of a function by its short name."""
    (found,) = (
        key
        for key, each in resources(template, "Lambda::Function").items()
        if each["FunctionName"] == f"unbraid-{name}"
    )
    return found


def targets(template: Template, api: str) -> dict[str, str]:
    """Map each route of an API to the logical id of its function."""
    found = {}
    integrations = resources(template, "ApiGatewayV2::Integration")
    for route in resources(template, "ApiGatewayV2::Route").values():
        if route["ApiId"]["Ref"].startswith(api):
            integration = integrations[text(route["Target"]).removeprefix("integrations/")[1:-1]]
            (uri,) = _gets(integration["IntegrationUri"])
            found[route["RouteKey"]] = uri
    return found


def _gets(value: Any) -> list[str]:
    if isinstance(value, dict):
        if "Fn::GetAtt" in value:
            return [value["Fn::GetAtt"][0]]
        return [found for inside in value.values() for found in _gets(inside)]
    return [found for inside in value for found in _gets(inside)] if isinstance(value, list) else []


def test_every_route_has_its_function(synth: Synth) -> None:
    template = synth()
    assert targets(template, "HttpApi") == {route.key: logical(template, route.function) for route in ROUTES}
    assert targets(template, "SocketApi") == {
        "$connect": logical(template, "connect"),
        "$default": logical(template, "connect"),
        "$disconnect": logical(template, "disconnect"),
    }


def test_cloudfront_forwards_every_route(synth: Synth) -> None:
    config = one(synth(stack="page", cloudfront=True), "CloudFront::Distribution")["DistributionConfig"]
    paths = {behaviour["PathPattern"] for behaviour in config["CacheBehaviors"]}
    assert paths == {route.path.replace("{sessionId}", "*") for route in ROUTES}


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_every_handler_exists(synth: Synth, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    function = functions(synth(compute="gpu"))[name]
    module, _, handler = function["Handler"].rpartition(".")
    assert callable(getattr(importlib.import_module(module), handler))


def test_functions_run_python_on_arm_with_traces(synth: Synth) -> None:
    template = synth(compute="gpu")
    assert functions(template).keys() == FUNCTIONS
    for function in functions(template).values():
        assert (function["Runtime"], function["Architectures"]) == ("python3.13", ["arm64"])
        assert function["TracingConfig"] == {"Mode": "Active"}


def test_api_functions_time_out_before_the_api(synth: Synth) -> None:
    for route in ROUTES:
        assert functions(synth())[route.function]["Timeout"] < 30


USE_LIMITS = {"usage", "songs_per_hour", "proxy_secret"}
COMMON = {"bucket", "table", "connections", "topic", "site", "socket_url", "socket_api", "models"}


@pytest.mark.parametrize(
    ("settings", "extra"),
    [
        ({"compute": "gpu"}, {"endpoint"}),
        ({}, {"queue_url"}),
        (
            {"compute": "gpu", "sign_in": True, "sender": "songs@example.org", "webhooks": True},
            {"endpoint", "oidc_issuer", "oidc_client_id", "sender", "webhook_secret"},
        ),
    ],
)
def test_every_environment_has_all_settings(synth: Synth, settings: dict[str, Any], extra: set[str]) -> None:
    template = synth(**settings)
    # The function that proves a new image knows only the version that it calls.
    environments = [
        each["Environment"]["Variables"] for name, each in functions(template).items() if name != "prove"
    ]
    environments += [
        each["Environment"]["Variables"]
        for each in resources(template, "Lambda::Function").values()
        if each.get("PackageType") == "Image"
    ]
    environments += [
        each["PrimaryContainer"]["Environment"] for each in resources(template, "SageMaker::Model").values()
    ]
    # Without an endpoint there is nothing to hear from it, but the function that separates.
    assert len(environments) == len(FUNCTIONS) + (1 if "compute" in settings else 0)
    counting = [
        functions(template)[name]["Environment"]["Variables"] for name in ("upload", "process", "library")
    ]
    for variables in environments:
        names = {name.removeprefix(PREFIX).lower() for name in variables if name.startswith(PREFIX)}
        assert names == COMMON | extra | (USE_LIMITS if variables in counting else set())
        assert names <= Settings.model_fields.keys() <= ContainerSettings.model_fields.keys()


def test_the_limit_of_songs_reaches_the_functions(synth: Synth) -> None:
    for settings, limit in (({}, "200"), ({"songs_per_hour": 500}, "500")):
        for name in ("upload", "process"):
            variables = functions(synth(**settings))[name]["Environment"]["Variables"]
            assert variables["UNBRAID_SONGS_PER_HOUR"] == limit


def test_the_settings_accept_the_environment(synth: Synth, monkeypatch: pytest.MonkeyPatch) -> None:
    template = synth(sign_in=True, sender="songs@example.org", webhooks=True)
    for name, value in functions(template)["process"]["Environment"]["Variables"].items():
        # Like CloudFormation, replace each reference by some word.
        monkeypatch.setenv(name, text(value).replace("<", "").replace(">", "").replace("::", "-"))
    settings = Settings.load()
    assert settings.notify_rights.sends_email
    assert settings.notify_rights.webhooks
    assert settings.limits.models == ("auto", "fast", "lite", "spleeter", "spleeter_lite")


def test_users_may_choose_the_models_that_the_build_downloads(synth: Synth) -> None:
    template = synth(compute="gpu")
    build = one(template, "CodeBuild::Project")["Environment"]["EnvironmentVariables"]
    (downloaded,) = (variable["Value"] for variable in build if variable["Name"] == "MODELS")
    offered = functions(template)["process"]["Environment"]["Variables"]["UNBRAID_MODELS"]
    assert offered == f"auto fast lite {downloaded}"
    template = synth(models=("htdemucs", "htdemucs_ft", "spleeter:2stems", "htdemucs"))
    build = one(template, "CodeBuild::Project")["Environment"]["EnvironmentVariables"]
    assert {"Name": "MODELS", "Type": "PLAINTEXT", "Value": "htdemucs htdemucs_ft spleeter"} in [
        {"Type": "PLAINTEXT", **variable} for variable in build
    ]
    offered = functions(template)["process"]["Environment"]["Variables"]["UNBRAID_MODELS"]
    assert offered == "auto fast lite htdemucs htdemucs_ft spleeter"
    dockerfile = (ROOT / "Dockerfile").read_text("utf-8")
    assert dockerfile.count(f'ARG MODELS="{downloaded}"') == dockerfile.count("ARG MODELS") == 2
    assert 'UNBRAID_IMAGE_MODELS="${MODELS}"' in dockerfile  # the container offers them: unbraid.container
    assert ALWAYS_OFFERED == "auto fast lite"


@pytest.mark.parametrize(
    ("name", "definition"),
    [("Sessions", SESSIONS_TABLE), ("Connections", CONNECTIONS_TABLE), ("Usage", USAGE_TABLE)],
)
def test_tables_equal_those_of_the_store_tests(synth: Synth, name: str, definition: dict[str, Any]) -> None:
    table = one(synth(), "DynamoDB::Table", f"Storage{name}")

    def normalised(each: dict[str, Any]) -> str:
        attributes = sorted(each["AttributeDefinitions"], key=lambda one: str(one["AttributeName"]))
        indexes = sorted(each.get("GlobalSecondaryIndexes", []), key=lambda one: str(one["IndexName"]))
        return json.dumps([attributes, each["KeySchema"], indexes, each["BillingMode"]], sort_keys=True)

    assert normalised(table) == normalised(definition)
    assert table["TimeToLiveSpecification"]["AttributeName"] == TTL


def test_the_bucket_keeps_files_longer_than_any_session() -> None:
    limits = Limits()
    assert (limits.upload_s + limits.results_s) / DAY <= KEPT_DAYS - 1
    assert math.ceil(KEPT_DAYS) == KEPT_DAYS


def test_session_changes_are_pushed_in_order_with_retries_and_a_dead_letter_queue(synth: Synth) -> None:
    template = synth(compute="gpu")
    mapping = one(template, "Lambda::EventSourceMapping")
    (table,) = (name for name in resources(template, "DynamoDB::Table") if name.startswith("StorageSessions"))
    assert mapping["EventSourceArn"] == {"Fn::GetAtt": [table, "StreamArn"]}
    assert mapping["FunctionName"] == {"Ref": logical(template, "push")}
    assert mapping["BisectBatchOnFunctionError"] is True
    assert mapping["MaximumRetryAttempts"] == 3
    assert mapping["MaximumRecordAgeInSeconds"] == 300
    assert text(mapping["DestinationConfig"]["OnFailure"]["Destination"]).startswith("<DeadLetters")
    stream = resources(template, "DynamoDB::Table")[table]["StreamSpecification"]
    assert stream == {"StreamViewType": "KEYS_ONLY"}


def test_upkeep_runs_on_a_schedule(synth: Synth) -> None:
    called = {}
    template = synth()
    for rule in resources(template, "Events::Rule").values():
        (target,) = rule["Targets"]
        assert target["Arn"]["Fn::GetAtt"][0] == logical(template, "upkeep")
        called[json.loads(target["Input"])["task"]] = rule["ScheduleExpression"]
    assert called == {"recover": "rate(1 minute)", "sweep": "rate(1 hour)"}


def test_background_functions_have_a_dead_letter_queue(synth: Synth) -> None:
    template = synth(compute="gpu")
    configured = {
        text(each["FunctionName"])[1:-1]: text(each["DestinationConfig"]["OnFailure"]["Destination"])
        for each in resources(template, "Lambda::EventInvokeConfig").values()
    }
    assert configured.keys() == {logical(template, name) for name in ("push", "upkeep", "on_invocation_end")}
    assert all(queue.startswith("<DeadLetters") for queue in configured.values())


def test_the_config_function_knows_the_url_of_the_websocket(synth: Synth) -> None:
    template = synth()
    variables = functions(template)["config"]["Environment"]["Variables"]
    stage = one(template, "ApiGatewayV2::Stage", "SocketApi")["StageName"]
    assert text(variables["UNBRAID_SOCKET_URL"]).startswith("wss://<SocketApi")
    assert text(variables["UNBRAID_SOCKET_URL"]).endswith(f"/{stage}")
    assert text(variables["UNBRAID_SOCKET_API"]) == text(variables["UNBRAID_SOCKET_URL"]).replace(
        "wss://", "https://"
    )
