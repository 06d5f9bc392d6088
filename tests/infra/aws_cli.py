"""Run the commands of AWS's command line that the pages name, against moto: as much of its syntax as they use."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from typing import Any

import boto3
import jmespath
from botocore import xform_name
from botocore.model import Shape
from tests.infra.manual_commands import ANY_COMMAND, SERVICES

LACKING = {
    "application-autoscaling describe-scaling-activities",
    "cloudwatch describe-alarm-history",
    "deploy stop-deployment",
    "lambda invoke",
    "sesv2 get-account",
}
"""Operations that moto lacks, or for which it needs Docker."""


def supported(command: str) -> bool:
    """Whether a command can be run here."""
    words = shlex.split(command)
    return words[0] == "aws" and " ".join(words[1:3]) not in LACKING


def aws(command: str) -> Any:
    """Run a command and return its answer, after `--query`. Commands in `$( )` run first."""
    command = re.sub(r'"\$\((aws .*?)\)"', lambda found: shlex.quote(str(aws(found[1]))), command)
    _, service, operation, *rest = shlex.split(command)
    options = dict(_options(rest))
    query, output = options.pop("query", [""])[0], options.pop("output", ["json"])[0]
    if (service, operation) == ("logs", "tail"):
        return _tail(rest[0], options)
    client = boto3.client(SERVICES.get(service, service))  # type: ignore[call-overload]
    (name,) = (
        each for each in client.meta.service_model.operation_names if xform_name(each, "-") == operation
    )
    shape = client.meta.service_model.operation_model(name).input_shape
    members = {xform_name(member, "-"): member for member in shape.members}
    parameters = {
        members[option]: _value(shape.members[members[option]], words)
        for option, words in options.items()
        if option not in ANY_COMMAND
    }
    answer = getattr(client, xform_name(name))(**parameters)
    answer.pop("ResponseMetadata", None)
    found = jmespath.search(query, answer) if query else answer
    return "\t".join(map(str, found)) if output == "text" and isinstance(found, list) else found


def _options(words: list[str]) -> Iterator[tuple[str, list[str]]]:
    """Yield each option with the words after it."""
    names = [number for number, word in enumerate(words) if word.startswith("--")]
    for number, following in zip(names, [*names[1:], len(words)], strict=False):
        yield words[number][2:], words[number + 1 : following]


def _value(shape: Shape, words: list[str]) -> Any:
    """Convert the words after an option to the type of its parameter."""
    match shape.type_name:
        case "integer" | "long":
            return int(words[0])
        case "list":
            return [_value(shape.member, [word]) for word in words]  # type: ignore[attr-defined]
        case "map":
            return json.loads(words[0])
        case "structure":
            pairs = dict(word.split("=", 1) for word in words[0].split(","))
            members = shape.members  # type: ignore[attr-defined]
            return {key: _value(members[key], [text]) for key, text in pairs.items()}
        case _:
            return words[0]


def _tail(group: str, options: dict[str, list[str]]) -> list[str]:
    """Return the messages of a log group, as `aws logs tail` prints them. Moto doesn't filter JSON."""
    pattern = options.get("filter-pattern", [""])[0]
    events = boto3.client("logs").filter_log_events(logGroupName=group, filterPattern=pattern)["events"]
    return [str(event["message"]) for event in events]
