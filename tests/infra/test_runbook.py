"""docs/aws-runbook.md has a section for every alarm, and its commands are valid and name what exists."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable

import pytest
from infra.sources import ROOT
from tests.infra.manual_commands import check_aws, check_command, commands
from tests.infra.template_queries import Template, resources

Synth = Callable[..., Template]

PAGE = (ROOT / "docs" / "aws-runbook.md").read_text("utf-8")
SECTIONS = dict(re.findall(r"^## (\S+)\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL))
EVERYTHING: tuple[dict[str, object], ...] = (
    {"compute": "gpu", "at_most_usd": 20, "canary": True},
    {"keep_warm": True, "sign_in": True, "sender": "songs@example.org"},
)
"""Settings whose templates have all alarms and functions between them."""

COMMANDS = sorted(set(commands(PAGE)))


def alarms(synth: Synth) -> set[str]:
    """Return the names of all alarms."""
    templates = [synth(**settings) for settings in EVERYTHING]
    return {
        each["AlarmName"]
        for template in templates
        for each in resources(template, "CloudWatch::Alarm").values()
    }


def test_every_alarm_has_a_section_with_a_command(synth: Synth) -> None:
    assert len(alarms(synth)) >= 9
    assert SECTIONS.keys() - {"Budget", "Spending-limit"} == alarms(synth)
    for name, section in SECTIONS.items():
        assert list(commands(section)), name


def test_alarms_name_their_section(synth: Synth) -> None:
    for settings in EVERYTHING:
        for each in resources(synth(**settings), "CloudWatch::Alarm").values():
            if each["AlarmName"] != "unbraid-wake":
                assert each["AlarmDescription"].endswith(f"docs/aws-runbook.md#{each['AlarmName']}")


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_are_valid(command: str) -> None:
    check_command(command)


@pytest.mark.parametrize(
    "command",
    [
        "sqs receive-messages --queue-url x",
        "sqs receive-message --queue x",
        "sqs receive-message",
        "logs tail x --tail 3",
    ],
)
def test_invalid_commands_are_found(command: str) -> None:
    with pytest.raises((AssertionError, ValueError)):
        check_aws(shlex.split(command))


def test_commands_name_what_the_template_creates(synth: Synth) -> None:
    templates = [synth(**settings) for settings in EVERYTHING]
    groups = {
        each["LogGroupName"]
        for template in templates
        for each in resources(template, "Logs::LogGroup").values()
    }
    outputs = {name for template in templates for name in template["Outputs"]}
    (variant,) = resources(templates[0], "SageMaker::EndpointConfig").values()
    target = f"endpoint/unbraid/variant/{variant['ProductionVariants'][0]['VariantName']}"
    (endpoint,) = resources(templates[0], "SageMaker::Endpoint").values()
    joined = "\n".join(COMMANDS)
    assert set(re.findall(r"logs tail (\S+)", joined)) <= groups
    functions = {
        each["FunctionName"]
        for template in templates
        for each in resources(template, "Lambda::Function").values()
    }
    assert set(re.findall(r"--function-name (\S+)", joined)) <= functions
    assert set(re.findall(r"OutputKey==`(\w+)`", joined)) <= outputs
    assert set(re.findall(r"--resource-id (\S+)", joined)) == {target}
    assert set(re.findall(r"--endpoint-name (\S+)", joined)) == {endpoint["EndpointName"]}
    assert set(re.findall(r"--alarm-name (\S+)", joined)) <= alarms(synth)
    for start in re.findall(r"starts_with\(LogicalResourceId, `(\w+)`\)", joined):
        assert [name for name in templates[0]["Resources"] if name.startswith(start)], start
