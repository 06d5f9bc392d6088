"""cfn-lint and cdk-nag find nothing unexplained in the template."""

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
from tests.infra.template_queries import Template

Synth = Callable[..., Template]


# These three have every type of resource between them.
@pytest.mark.parametrize(
    "settings",
    [CHOICES["endpoint"], CHOICES["cpu with sign-in"], {"stack": "page", **CHOICES["page on CloudFront"]}],
    ids=["gpu", "cpu with sign-in", "page"],
)
def test_cfn_lint_finds_nothing(synth: Synth, settings: dict[str, object]) -> None:
    # The CDK adds explicit dependencies on roles, although references already imply them.
    known = ManualArgs(ignore_checks=["W3005"], regions=["eu-central-1", "us-east-1"])
    assert [str(match) for match in lint(json.dumps(synth(**settings)), config=known)] == []


def test_cfn_lint_can_fail() -> None:
    bucket = {"Type": "AWS::S3::Bucket", "Properties": {"BucketEncryption": "yes"}}
    assert lint(json.dumps({"Resources": {"Bucket": bucket}}))


def test_an_unexplained_cdk_nag_finding_fails(tmp_path: Path) -> None:
    empty = tmp_path / "empty.zip"
    with zipfile.ZipFile(empty, "w") as file:
        file.writestr("empty", "")
    app = App(outdir=str(tmp_path / "out"), analytics_reporting=False)
    stack = UnbraidStack(app, Settings(), empty, empty, "content", None, "secret")
    s3.Bucket(stack, "Open")
    Validations.of(app).add_plugins(AwsSolutionsChecks(app))
    with pytest.raises(RuntimeError, match="S3 Bucket has server access logs disabled"):
        app.synth()
    report = (tmp_path / "out" / "validation-report.json").read_text("utf-8")
    assert "unbraid/Open/Resource" in report and "AwsSolutions-S10" in report
    assert "unbraid/Functions" not in report
