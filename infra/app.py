"""The CDK app: synthesise the CloudFormation template and its assets."""

from __future__ import annotations

import tempfile
from pathlib import Path

from aws_cdk import App, Validations
from cdk_nag import AwsSolutionsChecks

from infra.bundles import bundle
from infra.settings import Settings
from infra.sources import image_tag, source_zip
from infra.stack import UnbraidStack


def assembled(settings: Settings, out: Path) -> Path:
    """Build the assets, write them and the template to `out`, and return the template's path. Raises RuntimeError."""
    with tempfile.TemporaryDirectory() as folder:
        code, source = bundle(Path(folder, "functions.zip")), source_zip(Path(folder, "source.zip"))
        return synthesised(settings, code, source, image_tag(), out)


def synthesised(settings: Settings, code: Path, source: Path, content: str, out: Path) -> Path:
    """Write the template for existing assets. Raises RuntimeError if cdk-nag has an unexplained finding."""
    app = App(outdir=str(out), analytics_reporting=False)
    UnbraidStack(app, settings, code, source, content)
    Validations.of(app).add_plugins(AwsSolutionsChecks(app))
    return Path(app.synth().stacks[0].template_full_path)
