"""Log groups that an earlier deployment left behind.

CloudFormation doesn't adopt an existing log group: the deployment fails with "already exists" and rolls back. Services
create groups again when late lines arrive after the stack is deleted, and a failed deletion leaves them too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from infra.account import Account
from infra.console import say


def delete_log_groups(account: Account, template: Mapping[str, Any]) -> list[str]:
    """Delete existing log groups that the template names and the stack doesn't own; return their names."""
    owned = set(_owned(account))
    logs = account.client("logs")
    leftovers = []
    for name in sorted(_named(template) - owned):
        groups = logs.describe_log_groups(logGroupNamePrefix=name)["logGroups"]
        if any(group["logGroupName"] == name for group in groups):
            say(f"deleting the log group {name}, which an earlier deployment left behind")
            logs.delete_log_group(logGroupName=name)
            leftovers.append(name)
    return leftovers


def _named(template: Mapping[str, Any]) -> set[str]:
    """Return the fixed names of log groups in a template."""
    names = (
        each.get("Properties", {}).get("LogGroupName")
        for each in template["Resources"].values()
        if each["Type"] == "AWS::Logs::LogGroup"
    )
    return {name for name in names if isinstance(name, str)}


def _owned(account: Account) -> Iterator[str]:
    """Yield the physical names of the log groups of the deployed stack."""
    stack = account.stack()
    if stack is None:
        return
    pages = account.client("cloudformation").get_paginator("list_stack_resources")
    for page in pages.paginate(StackName=stack["StackName"]):
        for resource in page["StackResourceSummaries"]:
            if resource["ResourceType"] == "AWS::Logs::LogGroup" and "PhysicalResourceId" in resource:
                yield resource["PhysicalResourceId"]
