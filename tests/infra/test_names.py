"""Two deployments in one account share no physical name: another region, or another name in the same region."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.infra.template_queries import Template, text

Synth = Callable[..., Template]

GLOBAL = ("AWS::Budgets::", "AWS::CloudFront::", "AWS::IAM::", "AWS::S3::Bucket")
"""Types whose names are unique in an account or in the world, and not only in a region."""
WITHIN = {"AttributeName", "DeploymentConfigName", "MetricName", "StageName", "VariantName"}
"""Keys of names that belong to the resource itself, or to AWS."""
FULL = {"sign_in": True, "sender": "songs@example.org", "alarms": "me@example.org", "at_most_usd": 20}
CANARY = {"canary": True, "sign_in": False, "sender": None}


def named(value: Any, depth: int = 0) -> Iterator[tuple[int, str]]:
    """Yield every string under a key such as `Name`, `FunctionName` or `Domain`, with its depth."""
    for key, inside in value.items() if isinstance(value, dict) else ():
        if key in WITHIN:
            continue
        if re.fullmatch(r"(\w*Name|Domain)", key) and not str(inside).startswith("{'Fn::GetAtt'"):
            yield depth, text(inside)
        elif isinstance(inside, dict):
            yield from named(inside, depth + 1)


def names(template: Template, region: str) -> set[tuple[str, str, str]]:
    """Return type, scope and physical name of every resource that has a fixed name, and of every export."""
    found = set()
    for resource in template["Resources"].values():
        if resource["Type"] in ("AWS::ApiGatewayV2::Authorizer", "AWS::Lambda::Alias"):
            continue  # its name belongs to its API or function
        for depth, name in named(resource.get("Properties", {})):
            if depth <= 2 and not name.startswith("<"):
                scope = "everywhere" if resource["Type"].startswith(GLOBAL) else region
                found.add((resource["Type"], scope, name.replace("<AWS::Region>", region)))
    for output in template["Outputs"].values():
        if "Export" in output:
            found.add(("export", region, output["Export"]["Name"]))
    return found


@pytest.mark.parametrize("choices", [{"compute": "gpu"}, {"keep_warm": True}, CANARY])
def test_a_second_region_or_name_beside_the_first_shares_no_name(
    synth: Synth, choices: dict[str, object]
) -> None:
    deployments = {}
    for name, region in (("unbraid", "eu-central-1"), ("unbraid", "us-east-1"), ("staging", "eu-central-1")):
        settings = {"name": name, "cloudfront": True, **FULL, **choices}
        deployments[name, region] = names(synth(**settings), region) | names(
            synth(stack="page", **settings), region
        )
    for (first, mine), (second, others) in itertools.combinations(deployments.items(), 2):
        assert mine & others == set(), (first, second)


def test_finds_the_names_that_are_unique_in_an_account(synth: Synth) -> None:
    found = names(synth(cloudfront=True, **FULL), "eu-central-1")
    found |= names(synth(stack="page", cloudfront=True, **FULL), "eu-central-1")
    assert {(kind, name) for kind, scope, name in found if scope == "everywhere"} == {
        ("AWS::Budgets::Budget", "unbraid-eu-central-1"),
        ("AWS::CloudFront::OriginAccessControl", "unbraid-eu-central-1"),
        ("AWS::CloudFront::ResponseHeadersPolicy", "unbraid-eu-central-1"),
        ("AWS::S3::Bucket", "unbraid-<AWS::AccountId>-eu-central-1"),
    }
    assert ("AWS::Lambda::Function", "eu-central-1", "unbraid-process") in found


@pytest.mark.parametrize("settings", [{"compute": "gpu"}, {"keep_warm": True}, {"cloudfront": True}, CANARY])
def test_every_name_derives_from_the_name_of_the_deployment(
    synth: Synth, settings: dict[str, object]
) -> None:
    settings = {"name": "staging", **FULL, **settings}
    templates = [synth(**settings)]
    if "cloudfront" in settings:
        templates.append(synth(stack="page", **settings))
    for template in templates:
        template = {part: template[part] for part in ("Resources", "Outputs")}
        # What may say "unbraid": the Python package and settings of the application, and headings of the manual.
        left = re.sub(r"unbraid\.aws\.functions\.\w+|aws-runbook\.md#[\w-]+", "", json.dumps(template))
        assert re.findall(r".{20}[Uu]nbraid.{20}", left) == []


def test_metrics_of_two_deployments_are_apart(synth: Synth) -> None:
    for name, namespace in (("unbraid", "Unbraid"), ("staging", "Staging")):
        content = json.dumps(synth(name=name))
        assert f'"POWERTOOLS_METRICS_NAMESPACE": "{namespace}"' in content
        assert f'"Namespace": "{namespace}"' in content
