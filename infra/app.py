"""The CDK app: synthesise the CloudFormation template and its assets."""

from __future__ import annotations

import secrets
import tempfile
from pathlib import Path

from aws_cdk import App, Validations
from cdk_nag import AwsSolutionsChecks

from infra.bundles import bundle
from infra.own_models import own_models, table
from infra.page_stack import PageStack
from infra.settings import Settings
from infra.sources import image_tag, source_zip
from infra.stack import UnbraidStack


def assembled(
    settings: Settings, out: Path, page: str | None = None, proxy_secret: str | None = None
) -> Path:
    """Build the assets, write them and the templates to `out`, and return the path of the first. Raises RuntimeError.

    `page`: origin of the page on CloudFront, if it exists already. `proxy_secret`: the secret of the existing stack;
    None: a new one.
    """
    with tempfile.TemporaryDirectory() as folder:
        own = own_models(settings.image_models)
        package = table(own, Path(folder))
        code = bundle(Path(folder, "functions.zip"), package=package)
        source = source_zip(
            Path(folder, "source.zip"), package | dict(f for model in own for f in model.files())
        )
        return synthesised(settings, code, source, image_tag(settings.image_models), out, page, proxy_secret)


def synthesised(
    settings: Settings,
    code: Path,
    source: Path,
    content: str,
    out: Path,
    page: str | None = None,
    proxy_secret: str | None = None,
) -> Path:
    """Write the templates for existing assets. Raises RuntimeError if cdk-nag has an unexplained finding."""
    app = App(outdir=str(out), analytics_reporting=False)
    proxy_secret = proxy_secret or secrets.token_urlsafe(32)
    stack = UnbraidStack(app, settings, code, source, content, page, proxy_secret)
    if settings.cloudfront:
        PageStack(app, settings, stack.files, proxy_secret)
    Validations.of(app).add_plugins(AwsSolutionsChecks(app))
    return Path(app.synth().get_stack_by_name(settings.name).template_full_path)
