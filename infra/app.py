"""The CDK app: what is uploaded, and the template that says what AWS makes of it."""

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
    """Write template and assets to `out`; the template's path. Raises RuntimeError."""
    with tempfile.TemporaryDirectory() as folder:
        code, source = bundle(Path(folder, "functions.zip")), source_zip(Path(folder, "source.zip"))
        return synthesised(settings, code, source, image_tag(), out)


def synthesised(settings: Settings, code: Path, source: Path, content: str, out: Path) -> Path:
    """The same with zips that are there. Raises RuntimeError where cdk-nag finds something unexplained."""
    app = App(outdir=str(out), analytics_reporting=False)
    UnbraidStack(app, settings, code, source, content)
    Validations.of(app).add_plugins(AwsSolutionsChecks(app))
    return Path(app.synth().stacks[0].template_full_path)
