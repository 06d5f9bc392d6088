"""Roles have the rights they need, as narrow as AWS allows."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from tests.infra.conftest import CHOICES
from tests.infra.template_queries import (
    Template,
    all_statements,
    listed,
    resources,
    role_of,
    statements,
    text,
)

Synth = Callable[..., Template]


def test_no_role_has_a_managed_policy_or_wildcard_action(template: Template) -> None:
    for role, statement in all_statements(template):
        assert statement["Effect"] == "Allow"
        assert "NotAction" not in statement and "NotResource" not in statement
        for action in listed(statement["Action"]):
            assert re.fullmatch(r"[a-z0-9-]+:[A-Za-z]+", action), (role, action)


# Actions that AWS can't restrict to a resource; infra/ gives the reasons. All others name their resource.
UNRESTRICTED = {
    "cloudwatch:GetMetricStatistics",
    "cloudwatch:PutMetricData",
    "ecr:GetAuthorizationToken",
    "lambda:ListEventSourceMappings",
    "xray:PutTelemetryRecords",
    "xray:PutTraceSegments",
}
PREFIXES = re.compile(
    r"<StorageSongs\w+\.Arn>/(inputs|outputs|kept|requests|answers|training)/\*"
    r"|.*:<SocketApi\w+>/events/POST/@connections/\*"
    r"|.*:stack/unbraid/\*"
    r"|.*:identity/\*"
    r"|.*:event-source-mapping:\*"
    r"|.*:function:unbraid-separate:\*"
    r"|.*:log-group:/aws/sagemaker/Endpoints/unbraid:log-stream:\*"
    r"|.*:log-group:/aws/sagemaker/TrainingJobs:log-stream:unbraid-\*"
)


def test_wildcard_resources_are_explained(template: Template) -> None:
    for role, statement in all_statements(template):
        for resource in map(text, listed(statement["Resource"])):
            if resource == "*":
                assert set(listed(statement["Action"])) <= UNRESTRICTED, role
            elif "*" in resource:
                assert PREFIXES.fullmatch(resource), (role, resource)


def test_metrics_may_be_written_only_for_endpoints_and_trainings(synth: Synth) -> None:
    found = [
        each["Condition"]
        for _, each in all_statements(synth(compute="gpu"))
        if each["Action"] == "cloudwatch:PutMetricData"
    ]
    names = [f"/aws/sagemaker/{kind}" for kind in ("TrainingJobs", "Endpoints")]
    assert found == [{"StringEquals": {"cloudwatch:namespace": name}} for name in names]


def test_every_function_has_its_own_role_for_lambda_only(template: Template) -> None:
    roles = [each["Role"]["Fn::GetAtt"][0] for each in resources(template, "Lambda::Function").values()]
    assert len(roles) == len(set(roles))
    for role in roles:
        document = template["Resources"][role]["Properties"]["AssumeRolePolicyDocument"]
        (statement,) = document["Statement"]
        assert statement["Principal"] == {"Service": "lambda.amazonaws.com"}


WRITES = {"dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem", "s3:PutObject", "s3:DeleteObject"}


@pytest.mark.parametrize("name", ["status", "history", "models", "config"])
def test_read_only_functions_may_write_nothing(synth: Synth, name: str) -> None:
    template = synth()
    (role,) = (
        each["Role"]["Fn::GetAtt"][0]
        for each in resources(template, "Lambda::Function").values()
        if each["FunctionName"] == f"unbraid-{name}"
    )
    allowed = {action for each in statements(template, role) for action in listed(each["Action"])}
    assert not allowed & WRITES


PARTS = {
    "upload": {"s3:PutObject", "s3:ListMultipartUploadParts", "s3:AbortMultipartUpload"},
    "process": {"s3:PutObject", "s3:GetObject", "s3:ListMultipartUploadParts"},
    "cleanup": {"s3:DeleteObject", "s3:AbortMultipartUpload"},
    "upkeep": {"s3:DeleteObject", "s3:AbortMultipartUpload"},
}


@pytest.mark.parametrize(("name", "actions"), PARTS.items())
def test_rights_on_songs_are_those_that_uploads_in_parts_need(
    synth: Synth, name: str, actions: set[str]
) -> None:
    template = synth()
    allowed = {
        action
        for each in statements(template, role_of(template, f"unbraid-{name}"))
        for action in listed(each["Action"])
        if any(text(resource).endswith("/inputs/*") for resource in listed(each["Resource"]))
    }
    assert allowed == actions


def test_only_functions_that_take_or_copy_songs_count_use_and_they_may_only_add(synth: Synth) -> None:
    template = synth()
    counting = {
        role: statement["Action"]
        for role, statement in all_statements(template)
        if any("StorageUsage" in text(resource) for resource in listed(statement["Resource"]))
    }
    assert counting == {
        role_of(template, f"unbraid-{name}"): "dynamodb:UpdateItem"
        for name in ("upload", "process", "library")
    }


def test_functions_have_no_url_and_only_known_callers(template: Template) -> None:
    assert resources(template, "Lambda::Url") == {}
    for permission in resources(template, "Lambda::Permission").values():
        assert permission["Principal"] in (
            "apigateway.amazonaws.com",
            "events.amazonaws.com",
            "sns.amazonaws.com",
        )
        source = text(permission["SourceArn"])
        assert re.search(
            r"<(HttpApi|SocketApi|Canary|CpuKeepWarm|FunctionsRecover|FunctionsSweep|SpendingLimit|Endpoint)\w*(\.Arn)?>",
            source,
        )


def test_the_build_may_update_this_stack_and_no_role(template: Template) -> None:
    (role,) = (name for name in resources(template, "IAM::Role") if name.startswith("Images"))
    actions = {action for each in statements(template, role) for action in listed(each["Action"])}
    assert {action for action in actions if action.startswith("cloudformation:")} == {
        "cloudformation:DescribeStacks",
        "cloudformation:UpdateStack",
    }
    assert not any(action.startswith(("iam:", "sts:", "lambda:")) for action in actions)


def test_email_is_sent_only_from_the_configured_address(synth: Synth) -> None:
    """A call of SESv2 SendEmail with a whole message needs SendRawEmail, on every identity that SES checks."""
    template = synth(**CHOICES["cpu with sign-in"])
    sends = [each for _, each in all_statements(template) if "ses:SendRawEmail" in listed(each["Action"])]
    assert sends
    for statement in sends:
        assert set(listed(statement["Action"])) == {"ses:SendEmail", "ses:SendRawEmail"}
        assert statement["Condition"] == {"StringEquals": {"ses:FromAddress": "songs@example.org"}}
        assert text(statement["Resource"]).endswith(":identity/*")
    others = [action for _, each in all_statements(synth()) for action in listed(each["Action"])]
    assert not [action for action in others if action.startswith("ses:")]
