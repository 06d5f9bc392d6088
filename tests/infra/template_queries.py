"""Query a template: resources by type, and the statements of policies."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

Template = dict[str, Any]
Properties = dict[str, Any]


def resources(template: Template, kind: str) -> dict[str, Properties]:
    """Return the properties of all resources of a type by logical id; `S3::Bucket` is `AWS::S3::Bucket`."""
    return {
        name: resource.get("Properties", {})
        for name, resource in template["Resources"].items()
        if resource["Type"] == f"AWS::{kind}"
    }


def one(template: Template, kind: str, prefix: str = "") -> Properties:
    """Return the properties of the only resource of a type whose logical id has this prefix."""
    found = [each for name, each in resources(template, kind).items() if name.startswith(prefix)]
    assert len(found) == 1, (kind, prefix, len(found))
    return found[0]


def listed(value: Any) -> list[Any]:
    """Return a value or a list of values as a list."""
    return value if isinstance(value, list) else [value]


def text(value: Any) -> str:
    """Return a value with its references written out: `{"Fn::GetAtt": ["A", "Arn"]}` is `<A.Arn>`."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        (name, inside), *_ = value.items()
        if name == "Ref":
            return f"<{inside}>"
        if name == "Fn::GetAtt":
            return f"<{'.'.join(listed(inside))}>"
        if name == "Fn::Join":
            return str(inside[0]).join(text(part) for part in inside[1])
    return json.dumps(value)


def statements(template: Template, role: str) -> list[dict[str, Any]]:
    """Return all statements of a role by its logical id."""
    properties = template["Resources"][role]["Properties"]
    assert "ManagedPolicyArns" not in properties, role
    documents = [policy["PolicyDocument"] for policy in properties.get("Policies", [])]
    documents += [
        policy["PolicyDocument"]
        for policy in resources(template, "IAM::Policy").values()
        if {"Ref": role} in policy["Roles"]
    ]
    return [statement for document in documents for statement in document["Statement"]]


def all_statements(template: Template) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every statement of every role, with the role."""
    for role in resources(template, "IAM::Role"):
        for statement in statements(template, role):
            yield role, statement


def role_of(template: Template, function: str) -> str:
    """Return the logical id of a function's role by the function's name."""
    (properties,) = (
        each for each in resources(template, "Lambda::Function").values() if each["FunctionName"] == function
    )
    return str(properties["Role"]["Fn::GetAtt"][0])


def condition_of(template: Template, kind: str) -> set[str | None]:
    """Return the conditions of all resources of a type."""
    return {
        resource.get("Condition")
        for resource in template["Resources"].values()
        if resource["Type"] == f"AWS::{kind}"
    }
