"""Log groups of earlier deployments don't stop the next one. Moto's server is AWS."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
import urllib3
from infra.account import Account
from infra.leftovers import delete_log_groups
from infra.settings import STACK
from tests.simulators.moto_server import aws, moto_url

__all__ = ["aws", "moto_url"]

TEMPLATE = {
    "Resources": {
        "UploadLog": {
            "Type": "AWS::Logs::LogGroup",
            "Properties": {"LogGroupName": "/aws/lambda/unbraid-upload"},
        },
        "Generated": {"Type": "AWS::Logs::LogGroup"},
        "Topic": {"Type": "AWS::SNS::Topic"},
    }
}


@pytest.fixture
def account(aws: str) -> Iterator[Account]:
    """Return an empty account."""
    urllib3.request("POST", f"{aws}/moto-api/reset")
    yield Account.opened()
    urllib3.request("POST", f"{aws}/moto-api/reset")


def names(account: Account) -> set[str]:
    return {group["logGroupName"] for group in account.client("logs").describe_log_groups()["logGroups"]}


def test_deletes_only_leftovers_that_the_template_would_create(account: Account) -> None:
    logs = account.client("logs")
    for name in ("/aws/lambda/unbraid-upload", "/aws/lambda/unbraid-upload-mine", "/aws/lambda/other"):
        logs.create_log_group(logGroupName=name)
    assert delete_log_groups(account, TEMPLATE) == ["/aws/lambda/unbraid-upload"]
    assert names(account) == {"/aws/lambda/unbraid-upload-mine", "/aws/lambda/other"}


def test_keeps_the_log_groups_of_the_stack(account: Account) -> None:
    account.client("cloudformation").create_stack(StackName=STACK, TemplateBody=json.dumps(TEMPLATE))
    assert "/aws/lambda/unbraid-upload" in names(account)
    assert delete_log_groups(account, TEMPLATE) == []
    assert "/aws/lambda/unbraid-upload" in names(account)
