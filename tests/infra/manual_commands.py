"""Commands in the pages of the manual, and whether they are valid."""

from __future__ import annotations

import argparse
import re
import shlex
from collections.abc import Iterator

import botocore.session
from botocore import xform_name
from infra.sources import ROOT

from unbraid.cli.deploy import add_parser

ANY_COMMAND = {"query", "output", "region", "profile"}
FILES = {("lambda", "invoke")}
"""Commands that also name a file for the answer."""
ONLY_IN_THE_CLI = {("logs", "tail"): {"since", "filter-pattern", "follow", "format"}}
"""Commands of the AWS command line that aren't operations of an API (AWS CLI Command Reference)."""
SERVICES = {"deploy": "codedeploy", "s3api": "s3"}
"""Names of services in the command line that differ from those in botocore."""


def commands(text: str) -> Iterator[str]:
    """Yield the commands of a text, then those inside them: `$(aws …)`. Outputs and comments in HTML are left out."""
    text = re.sub(r"<!-- output: .*?<!-- end -->", "", text, flags=re.DOTALL)
    for line in text.splitlines():
        if line.startswith("    ") and not line.startswith("    unbraid: "):
            yield line.strip()
            yield from re.findall(r"\$\((aws .*?--output text)\)", line)


def check_command(command: str) -> None:
    """Check a command of a page. Raises AssertionError, ValueError or SystemExit."""
    program, *words = shlex.split(command)
    if program == "./unbraid":
        parser = argparse.ArgumentParser()
        add_parser(parser.add_subparsers())
        parser.parse_args(words)  # exits if it is wrong
    elif program == "aws":
        check_aws(words)
    elif program == "python3":
        assert (ROOT / words[0]).is_file()
    else:
        assert program in ("git", "export")


def check_aws(words: list[str]) -> None:
    """Check service, operation and options by botocore's descriptions of the services."""
    service, operation, *rest = words
    if (service, operation) in FILES:
        assert rest.pop().endswith(".json")
    options = {word[2:] for word in rest if word.startswith("--")} - ANY_COMMAND
    assert (rest or ["--"])[0].startswith("--") or (service, operation) in ONLY_IN_THE_CLI
    if (service, operation) in ONLY_IN_THE_CLI:
        assert options <= ONLY_IN_THE_CLI[service, operation]
        return
    model = botocore.session.get_session().get_service_model(SERVICES.get(service, service))
    (name,) = (each for each in model.operation_names if xform_name(each, "-") == operation)
    shape = model.operation_model(name).input_shape
    assert shape is not None
    members = {xform_name(member, "-") for member in shape.members}
    assert options <= members, options - members
    assert {xform_name(member, "-") for member in shape.required_members} <= options
