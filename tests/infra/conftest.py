"""Templates synthesised once per combination of settings, with empty bundles."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
from infra.app import synthesised
from infra.settings import Settings

Template = dict[str, Any]
PAGE = "https://music.example.org"


@pytest.fixture(scope="session")
def synth(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Template]:
    """Return the main template for given settings: `synth(compute="gpu")`; with `stack="page"` that of the page."""
    folder = tmp_path_factory.mktemp("assemblies")
    empty = folder / "empty.zip"
    with zipfile.ZipFile(empty, "w") as file:
        file.writestr(zipfile.ZipInfo("empty"), "")

    @cache
    def templates(settings: Settings) -> dict[str, Template]:
        out = folder / str(len(list(folder.iterdir())))
        page = PAGE if settings.cloudfront else None
        path = synthesised(settings, empty, empty, "content", out, page)
        page = path.with_name(path.name.replace(".", "-page.", 1))
        return {
            name: json.loads(file.read_text("utf-8"))
            for name, file in (("main", path), ("page", page))
            if file.exists()
        }

    def template(stack: str = "main", **settings: object) -> Template:
        return templates(Settings.model_validate(settings))[stack]

    return template


CHOICES: dict[str, dict[str, object]] = {
    "defaults": {},
    "page elsewhere": {"site": PAGE},
    "page on CloudFront": {"cloudfront": True},
    "endpoint": {"compute": "gpu"},
    "cpu with sign-in": {
        "compute": "cpu",
        "keep_warm": True,
        "sign_in": True,
        "sender": "songs@example.org",
        "webhooks": True,
        "alarms": "me@example.org",
        "at_most_usd": 20,
    },
    "everything else": {
        "compute": "gpu",
        "site": PAGE,
        "sign_in": True,
        "at_most": 1,
        "instance": "ml.c7i.2xlarge",
        "budget": 5,
        "at_most_usd": 5,
    },
}


@pytest.fixture(params=CHOICES.values(), ids=CHOICES)
def template(synth: Callable[..., Template], request: pytest.FixtureRequest) -> Template:
    return synth(**request.param)
