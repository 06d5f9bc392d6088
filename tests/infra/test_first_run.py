"""docs/aws-first-run.md: its commands are valid, name what the deployment creates, and fit into half an hour."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from types import ModuleType

import pytest
from infra.settings import Settings
from infra.sources import ROOT
from tests.infra.manual_commands import check_command, commands
from tests.infra.template_queries import Template, resources
from tests.infra.test_manual import QUOTED

Synth = Callable[..., Template]

PAGE = (ROOT / "docs" / "aws-first-run.md").read_text("utf-8")
STEPS = re.findall(r"^## (\d+)\. (.+?)\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
COMMANDS = list(dict.fromkeys(commands(PAGE)))
DEPLOYED = {"canary": True}
"""Settings of the deployment that decide names. The others are amounts."""


@pytest.fixture(scope="module")
def plan() -> Iterator[ModuleType]:
    """`benchmarks/cost_first_run.py`."""
    sys.path.insert(0, str(ROOT / "benchmarks"))
    yield import_module("cost_first_run")
    sys.path.remove(str(ROOT / "benchmarks"))


def test_the_checklist_takes_at_most_half_an_hour(plan: ModuleType) -> None:
    assert [(int(number), name) for number, name, _ in STEPS] == [
        (number, step.name) for number, step in enumerate(plan.steps(), 1)
    ]
    assert sum(step.minutes for step in plan.steps()) <= 30


@pytest.mark.parametrize(("number", "text"), [(number, text) for number, _, text in STEPS])
def test_every_step_says_what_to_see_and_what_to_do_otherwise(number: str, text: str) -> None:
    assert list(commands(text)), number
    assert text.count("**You see**") == text.count("**If not**") == 1, number


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_are_valid(command: str) -> None:
    check_command(command)


def test_quoted_messages_are_those_of_the_commands() -> None:
    printed = "\n".join(QUOTED.values()).splitlines()
    quoted = re.findall(r"^    (unbraid: .+)$", PAGE, re.MULTILINE)
    assert len(quoted) > 3
    assert [line for line in quoted if line not in printed] == []


def test_commands_name_what_the_deployment_creates(synth: Synth, plan: ModuleType) -> None:
    (words,) = (shlex.split(each) for each in COMMANDS if each.startswith("./unbraid deploy --canary"))
    assert words[2:] == ["--canary", "--at-most-usd", "2", "--budget", "5"]
    template = synth(**DEPLOYED)
    groups = {each["LogGroupName"] for each in resources(template, "Logs::LogGroup").values()}
    functions = {each["FunctionName"] for each in resources(template, "Lambda::Function").values()}
    joined = "\n".join(COMMANDS)
    assert set(re.findall(r"(?:logs tail|--log-group-name) (\S+)", joined)) <= groups
    assert set(re.findall(r"--function-name (\S+)", joined)) <= functions
    assert len(resources(template, "CloudWatch::Alarm")) == plan.ALARMS
    (repository,) = resources(template, "ECR::Repository").values()
    assert f"repositoryName=='{repository['RepositoryName']}'" in joined
    assert Settings.model_validate(DEPLOYED).memory == plan.MEMORY_MB


def test_the_last_step_looks_for_everything_that_has_a_name_or_a_tag(synth: Synth) -> None:
    """Names of log groups, buckets and the repository begin with that of the stack; its tag is on all the rest."""
    template = synth(**DEPLOYED)
    for each in resources(template, "Logs::LogGroup").values():
        assert "unbraid" in each["LogGroupName"]
    (bucket,) = resources(template, "S3::Bucket").values()
    assert bucket["BucketName"]["Fn::Join"][1][0] == "unbraid-"
    for table in resources(template, "DynamoDB::Table").values():
        assert {"Key": "application", "Value": "unbraid"} in table["Tags"]
