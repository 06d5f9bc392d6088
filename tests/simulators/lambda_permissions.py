"""Check whether the template's `AWS::Lambda::Permission` resources let a service invoke a function.

Follows https://docs.aws.amazon.com/lambda/latest/dg/access-control-resource-based.html.
"""

from __future__ import annotations

from fnmatch import fnmatchcase

from tests.simulators.cloudformation import ACCOUNT, REGION, Template


def may_invoke(template: Template, function: str, api: str, stage: str, route: str) -> bool:
    """Whether API Gateway may invoke `function`, an ARN, for a route such as `POST/upload`."""
    source = f"arn:aws:execute-api:{REGION}:{ACCOUNT}:{api}/{stage}/{route}"
    return _allows(template, function, "apigateway.amazonaws.com", source)


def may_deliver(template: Template, function: str, service: str, source: str) -> bool:
    """Whether another service may invoke `function`, such as `sns.amazonaws.com` for the topic `source`."""
    return _allows(template, function, service, source)


def _allows(template: Template, function: str, service: str, source: str) -> bool:
    names = (function, function.rpartition(":")[2])
    return any(
        permission["Action"] == "lambda:InvokeFunction"
        and permission["Principal"] == service
        and permission["FunctionName"] in names
        and fnmatchcase(source, permission.get("SourceArn", "*"))
        for permission in template.of_type("AWS::Lambda::Permission").values()
    )
