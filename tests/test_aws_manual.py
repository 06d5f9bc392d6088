"""docs/aws.md describes every option, alarm and metric of the AWS application, and no others."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import pytest
from tests.jobs.memory import Workspace

from unbraid.cli.deploy import add_parser
from unbraid.errors import TooLarge, http_status

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "aws.md").read_text("utf-8")


def first_cells(heading: str) -> set[str]:
    """Code in the first column of the tables below a heading."""
    part = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    rows = [line for line in part.splitlines() if line.startswith("| `")]
    return {name for row in rows for name in re.findall(r"`([^`]+)`", row.split(" | ")[0])}


def in_code(pattern: str, *folders: str) -> set[str]:
    """Matches of the pattern in the source files of the folders."""
    files = [file for folder in folders for file in sorted((ROOT / folder).rglob("*.py"))]
    return {found for file in files for found in re.findall(pattern, file.read_text("utf-8"))}


def test_every_option_of_deploy_is_described() -> None:
    commands = argparse.ArgumentParser().add_subparsers()
    add_parser(commands)
    actions = commands.choices["deploy"]._actions
    options = {option for action in actions for option in action.option_strings if option.startswith("--")}
    described = {name.split()[0] for name in first_cells("Deploy")}
    assert described == options - {"--help", "--out"}
    assert "`-o DIR`" in PAGE


def test_every_alarm_is_explained() -> None:
    alarms = {f"unbraid-{name}" for name in in_code(r'_alarm\(\s*"([a-z-]+)"', "infra")}
    assert len(alarms) > 5
    explained = {name for name in first_cells("Alarms") if name.startswith("unbraid-")}
    assert explained == alarms | {"unbraid-wake"}


def test_every_metric_of_the_application_is_named() -> None:
    metrics = in_code(r'\bcount\("(\w+)"', "src/unbraid/aws") | in_code(
        r'else "(Songs\w+)"', "src/unbraid/aws"
    )
    assert len(metrics) > 3
    assert {name for name in metrics if f"`{name}`" not in PAGE} == set()


def test_deployment_prints_the_variables_that_the_page_is_built_with() -> None:
    printed = in_code(r"(UNBRAID_[A-Z_]+_URLS?)=", "infra")
    used = set(re.findall(r"UNBRAID_[A-Z_]+_URLS?", (ROOT / "frontend" / "site.ts").read_text("utf-8")))
    assert printed == used == {name for name in used if f"`{name}`" in PAGE}


def test_limits_say_when_a_song_that_is_too_large_is_refused() -> None:
    workspace = Workspace()
    most = workspace.service.limits.max_bytes
    with pytest.raises(TooLarge) as at_upload:
        workspace.service.upload("Song.mp3", "audio/mpeg", size=most + 1)
    announced, unannounced = (
        workspace.service.upload("Song.mp3", "audio/mpeg", size=size).url for size in (most, None)
    )
    assert announced.endswith(f"&size={most}") and "&size=" not in unannounced
    limits = " ".join(PAGE.split("\n## Limits, and differences")[1].split("\n## ")[0].split())
    status = http_status(at_upload.value)
    assert (
        f"A song with more than {most >> 30} GB is refused before it is sent: `POST /upload` answers {status},"
        " and an upload link accepts exactly the announced size." in limits
    )
    assert "Without `fileSize`, a link accepts up to 5 GB" in limits
    assert "reckon" not in PAGE
