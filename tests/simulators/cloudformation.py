"""A CloudFormation template with its references resolved, and names such as the service would generate.

Follows https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/intrinsic-function-reference.html.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

REGION = "eu-central-1"
ACCOUNT = "123456789012"

_PSEUDO = {
    "AWS::Region": REGION,
    "AWS::AccountId": ACCOUNT,
    "AWS::Partition": "aws",
    "AWS::URLSuffix": "amazonaws.com",
    "AWS::StackName": "unbraid",
    "AWS::StackId": f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/unbraid/1",
}
# Properties that name a resource.
_NAMED_BY = (
    "BucketName",
    "TableName",
    "TopicName",
    "QueueName",
    "FunctionName",
    "RoleName",
    "EndpointName",
    "EndpointConfigName",
    "ModelName",
    "LogGroupName",
)
_ARNS = {
    "AWS::S3::Bucket": "arn:aws:s3:::{name}",
    "AWS::DynamoDB::Table": f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{{name}}",
    "AWS::DynamoDB::GlobalTable": f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{{name}}",
    "AWS::SNS::Topic": f"arn:aws:sns:{REGION}:{ACCOUNT}:{{name}}",
    "AWS::SQS::Queue": f"arn:aws:sqs:{REGION}:{ACCOUNT}:{{name}}",
    "AWS::Lambda::Function": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{{name}}",
    "AWS::Lambda::Alias": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{{name}}",
    "AWS::Lambda::Version": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{{name}}",
    "AWS::IAM::Role": f"arn:aws:iam::{ACCOUNT}:role/{{name}}",
    "AWS::Logs::LogGroup": f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{{name}}:*",
    "AWS::SageMaker::Endpoint": f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:endpoint/{{name}}",
}
# `Ref` of these types is the ARN. `Ref` of a queue is its URL, and of all other types the name.
_REF_IS_ARN = {"AWS::SNS::Topic", "AWS::SageMaker::Endpoint", "AWS::Lambda::Alias", "AWS::Lambda::Version"}
_NO_VALUE = object()


class Template:
    """A template with its parameters.

    Tests fill in three tables. `names`: names of resources by logical id. `attributes`: values of `Fn::GetAtt` that
    only the service can know, by `LOGICAL.ATTRIBUTE`. `addresses`: local URLs by the URL prefix that they replace.
    """

    def __init__(self, template: Mapping[str, Any], parameters: Mapping[str, str]) -> None:
        self._resources: dict[str, Any] = template["Resources"]
        self._conditions: dict[str, Any] = template.get("Conditions", {})
        self._mappings: dict[str, Any] = template.get("Mappings", {})
        self._outputs: dict[str, Any] = template.get("Outputs", {})
        defaults = {
            name: properties.get("Default", "") for name, properties in template.get("Parameters", {}).items()
        }
        self._parameters = defaults | dict(parameters)
        self.names: dict[str, str] = {}
        self.attributes: dict[str, str] = {}
        self.addresses: dict[str, str] = {}

    def of_type(self, *kinds: str) -> dict[str, dict[str, Any]]:
        """Resolved properties, by logical id, of the resources of these types whose condition holds."""
        return {logical: self.properties(logical) for logical in self.ids(*kinds)}

    def ids(self, *kinds: str) -> list[str]:
        """Logical ids of the resources of these types whose condition holds."""
        return [
            logical
            for logical, resource in self._resources.items()
            if resource["Type"] in kinds and self._holds(resource.get("Condition"))
        ]

    def output(self, name: str) -> Any:
        """Resolved value of an output of the stack."""
        return self.resolved(self._outputs[name]["Value"])

    def properties(self, logical: str) -> dict[str, Any]:
        """Resolved properties of one resource."""
        return self.resolved(self._resources[logical].get("Properties", {}))  # type: ignore[no-any-return]

    def name(self, logical: str) -> str:
        """Physical name of the resource."""
        if logical in self.names:
            return self.names[logical]
        properties = self._resources[logical].get("Properties", {})
        kind = self._resources[logical]["Type"]
        if kind in ("AWS::Lambda::Alias", "AWS::Lambda::Version"):
            # A new function has one version.
            return f"{self.resolved(properties['FunctionName'])}:{properties.get('Name', '1')}"
        for key in _NAMED_BY:
            if key in properties:
                return str(self.resolved(properties[key]))
        name = f"unbraid-{logical}"
        return name.lower()[:63] if kind == "AWS::S3::Bucket" else name[:64]

    def arn(self, logical: str) -> str:
        """Amazon Resource Name of the resource."""
        kind = self._resources[logical]["Type"]
        service = kind.split("::")[1].lower()
        pattern = _ARNS.get(kind, f"arn:aws:{service}:{REGION}:{ACCOUNT}:{{name}}")
        return pattern.format(name=self.name(logical))

    def resolved(self, value: Any) -> Any:
        """`value` with all intrinsic functions replaced by their results."""
        found = self._resolved(value)
        return None if found is _NO_VALUE else found

    def _resolved(self, value: Any) -> Any:
        if isinstance(value, list):
            return [item for item in map(self._resolved, value) if item is not _NO_VALUE]
        if isinstance(value, dict):
            if len(value) == 1:
                ((key, argument),) = value.items()
                if key == "Ref" or key.startswith("Fn::"):
                    return self._localized(self._function(key, argument))
            resolved = {key: self._resolved(item) for key, item in value.items()}
            return {key: item for key, item in resolved.items() if item is not _NO_VALUE}
        return self._localized(value)

    def _localized(self, value: Any) -> Any:
        if isinstance(value, str):
            for remote, local in self.addresses.items():
                if value.startswith(remote):
                    return local + value.removeprefix(remote)
        return value

    def _function(self, key: str, argument: Any) -> Any:
        match key:
            case "Ref":
                return self._ref(argument)
            case "Fn::GetAtt":
                logical, attribute = argument.split(".", 1) if isinstance(argument, str) else argument
                return self._attribute(logical, attribute)
            case "Fn::Join":
                between, parts = argument
                return between.join(map(str, self._resolved(parts)))
            case "Fn::Sub":
                return self._substituted(argument)
            case "Fn::If":
                condition, yes, no = argument
                return self._resolved(yes if self._holds(condition) else no)
            case "Fn::Select":
                index, items = argument
                return self._resolved(items)[int(index)]
            case "Fn::Split":
                by, text = argument
                return self._resolved(text).split(by)
            case "Fn::FindInMap":
                name, first, second = self._resolved(argument)
                return self._mappings[name][first][second]
        raise NotImplementedError(key)

    def _ref(self, logical: str) -> Any:
        if logical == "AWS::NoValue":
            return _NO_VALUE
        if logical in _PSEUDO:
            return _PSEUDO[logical]
        if logical in self._parameters:
            return self._parameters[logical]
        kind = self._resources[logical]["Type"]
        if kind == "AWS::SQS::Queue":
            return f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/{self.name(logical)}"
        return self.arn(logical) if kind in _REF_IS_ARN else self.name(logical)

    def _attribute(self, logical: str, attribute: str) -> str:
        known = self.attributes.get(f"{logical}.{attribute}")
        if known is not None:
            return known
        if attribute in ("Arn", "TopicArn"):
            return self.arn(logical)
        if attribute == "Version":
            return self.name(logical).rpartition(":")[2]
        if attribute.endswith("Name"):
            return self.name(logical)
        return f"{logical}.{attribute}"

    def _substituted(self, argument: Any) -> str:
        text, variables = (argument, {}) if isinstance(argument, str) else argument

        def replace(found: re.Match[str]) -> str:
            name = found[1]
            if name in variables:
                return str(self._resolved(variables[name]))
            return str(self._attribute(*name.split(".", 1)) if "." in name else self._ref(name))

        return re.sub(r"\$\{([^!}]+)\}", replace, text)

    def _holds(self, condition: Any) -> bool:
        if condition is None:
            return True
        if isinstance(condition, str):
            return self._holds(self._conditions[condition])
        ((key, argument),) = condition.items()
        match key:
            case "Condition":
                return self._holds(argument)
            case "Fn::Equals":
                return bool(self._resolved(argument[0]) == self._resolved(argument[1]))
            case "Fn::Not":
                return not self._holds(argument[0])
            case "Fn::And":
                return all(map(self._holds, argument))
            case "Fn::Or":
                return any(map(self._holds, argument))
        raise NotImplementedError(key)
