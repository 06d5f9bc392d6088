"""Changes of the endpoint that take two deployments: first without the image, then with it.

SageMaker refuses to update an endpoint to another instance type while its variant is registered for scaling (SageMaker
Developer Guide, "Update endpoints that use auto scaling"), and CloudFormation can't deregister it within an update.
Without the image, the stack has no endpoint.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from infra.account import Account
from infra.console import say

WITHOUT_IMAGE = ("--parameters", "ImageTag=")


def deployments(
    account: Account, template: Mapping[str, Any], parameters: Sequence[str]
) -> list[Sequence[str]]:
    """Return the CDK's parameters of each deployment to make; `parameters` are those of a single one."""
    running = account.image_tag()
    if running == "" or tuple(parameters) == WITHOUT_IMAGE:
        return [parameters]
    before, after = _instance_types(_deployed(account)), _instance_types(template)
    if not before or not after or before == after:
        return [parameters]
    say(
        f"the endpoint changes from {before} to {after}: it is deleted first, and songs wait for some minutes"
    )
    return [WITHOUT_IMAGE, parameters or ("--parameters", f"ImageTag={running}")]


def _deployed(account: Account) -> Mapping[str, Any]:
    """Return the template of the existing stack."""
    stack = account.stack()
    assert stack is not None
    template: Mapping[str, Any] = account.client("cloudformation").get_template(
        StackName=stack["StackName"], TemplateStage="Original"
    )["TemplateBody"]
    return template


def _instance_types(template: Mapping[str, Any]) -> str:
    """Return the instance types of the endpoint in a template, or an empty string without an endpoint."""
    return " ".join(
        variant["InstanceType"]
        for each in template["Resources"].values()
        if each["Type"] == "AWS::SageMaker::EndpointConfig"
        for variant in each["Properties"]["ProductionVariants"]
    )
