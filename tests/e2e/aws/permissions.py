"""Whom a template lets invoke a function."""

from __future__ import annotations

from fnmatch import fnmatchcase

from tests.e2e.aws.template import ACCOUNT, REGION, Template


def may_invoke(template: Template, function: str, api: str, stage: str, route: str) -> bool:
    """Whether API Gateway may, for a route such as `POST/upload`. `function`: its ARN, as integrations have it."""
    source = f"arn:aws:execute-api:{REGION}:{ACCOUNT}:{api}/{stage}/{route}"
    return _allows(template, function, "apigateway.amazonaws.com", source)


def may_deliver(template: Template, function: str, service: str, source: str) -> bool:
    """Whether another service may, such as `sns.amazonaws.com` for the topic `source`."""
    return _allows(template, function, service, source)


def _allows(template: Template, function: str, service: str, source: str) -> bool:
    for said in template.of_type("AWS::Lambda::Permission").values():
        names = (function, function.rpartition(":")[2])
        right = said["Action"] == "lambda:InvokeFunction" and said["Principal"] == service
        if right and said["FunctionName"] in names and fnmatchcase(source, said.get("SourceArn", "*")):
            return True
    return False
