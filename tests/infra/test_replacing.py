"""Changing the endpoint's instance type takes two deployments. Moto's server is AWS."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import urllib3
from infra.account import Account
from infra.replacing import deployments
from infra.settings import STACK
from tests.simulators.moto_server import aws, moto_url

__all__ = ["aws", "moto_url"]

SAME = ("--parameters", "ImageTag=new-gpu")


@pytest.fixture
def account(aws: str) -> Iterator[Account]:
    """Return an empty account."""
    urllib3.request("POST", f"{aws}/moto-api/reset")
    yield Account.opened()
    urllib3.request("POST", f"{aws}/moto-api/reset")


def template(instance: str | None) -> dict[str, Any]:
    """Return a template with an endpoint configuration under the condition of ours, or without one."""
    resources: dict[str, Any] = {"Topic": {"Type": "AWS::SNS::Topic"}}
    if instance is not None:
        resources["Config"] = {
            "Type": "AWS::SageMaker::EndpointConfig",
            "Condition": "Never",
            "Properties": {"ProductionVariants": [{"InstanceType": instance}]},
        }
    return {
        "Parameters": {"ImageTag": {"Type": "String", "Default": ""}},
        "Conditions": {"Never": {"Fn::Equals": ["a", "b"]}},
        "Resources": resources,
    }


def deploy(account: Account, instance: str | None, tag: str) -> None:
    account.client("cloudformation").create_stack(
        StackName=STACK,
        TemplateBody=json.dumps(template(instance)),
        Parameters=[{"ParameterKey": "ImageTag", "ParameterValue": tag}],
    )


def test_another_instance_type_is_deployed_without_the_image_first(
    account: Account, synth: Callable[..., dict[str, Any]]
) -> None:
    deploy(account, "ml.g4dn.xlarge", "old-gpu")
    after = synth(compute="gpu", instance="ml.g5.xlarge")
    assert deployments(account, after, SAME) == [("--parameters", "ImageTag="), SAME]
    # A new image that isn't built yet: the running one comes back meanwhile.
    assert deployments(account, after, ()) == [
        ("--parameters", "ImageTag="),
        ("--parameters", "ImageTag=old-gpu"),
    ]


@pytest.mark.parametrize(
    ("before", "tag", "after", "parameters"),
    [
        ("ml.g4dn.xlarge", "old-gpu", "ml.g4dn.xlarge", SAME),  # the same type: an ordinary update
        ("ml.g4dn.xlarge", "", "ml.g5.xlarge", SAME),  # no image, so no endpoint
        ("ml.g4dn.xlarge", "old-gpu", None, ("--parameters", "ImageTag=")),  # to --compute cpu
        (None, "old-cpu", "ml.g5.xlarge", ("--parameters", "ImageTag=")),  # from --compute cpu
    ],
)
def test_any_other_change_is_one_deployment(
    account: Account, before: str | None, tag: str, after: str | None, parameters: tuple[str, ...]
) -> None:
    deploy(account, before, tag)
    assert deployments(account, template(after), parameters) == [parameters]


def test_a_new_stack_is_one_deployment(account: Account) -> None:
    assert deployments(account, template("ml.g5.xlarge"), ()) == [()]
