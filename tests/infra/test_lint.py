"""The template by other people's rules: cfn-lint's, and those of cdk-nag, without which nothing is synthesised."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from aws_cdk import App, Validations
from aws_cdk import aws_s3 as s3
from cdk_nag import AwsSolutionsChecks
from cfnlint.api import ManualArgs, lint
from infra.settings import Settings
from infra.stack import UnbraidStack
from tests.infra.conftest import CHOICES
from tests.infra.looking import Template

Synth = Callable[..., Template]


# Between them they have every kind of resource.
@pytest.mark.parametrize("chosen", ["as it comes", "without a card, with people"])
def test_cfn_lint_finds_nothing(synth: Synth, chosen: str) -> None:
    # Roles are named by those that use them, and waited for besides, which the CDK says to be sure.
    known = ManualArgs(ignore_checks=["W3005"], regions=["eu-central-1"])
    assert [str(match) for match in lint(json.dumps(synth(**CHOICES[chosen])), config=known)] == []


def test_cfn_lint_would_find_something() -> None:
    bucket = {"Type": "AWS::S3::Bucket", "Properties": {"BucketEncryption": "yes"}}
    assert lint(json.dumps({"Resources": {"Bucket": bucket}}))


def test_what_cdk_nag_finds_and_nobody_has_explained_stops_everything(tmp_path: Path) -> None:
    empty = tmp_path / "empty.zip"
    with zipfile.ZipFile(empty, "w") as file:
        file.writestr("empty", "")
    app = App(outdir=str(tmp_path / "out"), analytics_reporting=False)
    stack = UnbraidStack(app, Settings(), empty, empty, "content")
    s3.Bucket(stack, "Open")
    Validations.of(app).add_plugins(AwsSolutionsChecks(app))
    with pytest.raises(RuntimeError, match="S3 Bucket has server access logs disabled"):
        app.synth()
    report = (tmp_path / "out" / "validation-report.json").read_text("utf-8")
    assert "unbraid/Open/Resource" in report and "AwsSolutions-S10" in report
    assert "unbraid/Functions" not in report
