"""The CDK app: `python -m infra.app -o DIR` writes the template and the assets, all that a deployment needs."""

from __future__ import annotations

from pathlib import Path

from aws_cdk import App, Validations
from cdk_nag import AwsSolutionsChecks

from infra.settings import Settings
from infra.stack import UnbraidStack


def synthesised(settings: Settings, bundle: Path, source: Path, out: Path) -> Path:
    """Write template and assets to `out`, and give the template's path. Raises RuntimeError with cdk-nag's findings."""
    app = App(outdir=str(out), analytics_reporting=False)
    UnbraidStack(app, settings, bundle, source)
    Validations.of(app).add_plugins(AwsSolutionsChecks(app))
    return Path(app.synth().stacks[0].template_full_path)
