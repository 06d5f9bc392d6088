"""The Dockerfile and the lock files: pinned, checked by hash, without unneeded rights."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from docker.utils.build import exclude_paths
from dockerfile_parse import DockerfileParser

from unbraid.container.__main__ import ALWAYS_OFFERED, IMAGE_MODELS, MODELS_FOLDER
from unbraid.models import catalog
from unbraid.models.auto import AUTO, FAST
from unbraid.models.cache import INCLUDED
from unbraid.process_user import USER

ROOT = Path(__file__).parents[2]
REQUIREMENTS = ROOT / "requirements"
STEPS = [
    (step["instruction"], step["value"]) for step in DockerfileParser(path=str(ROOT / "Dockerfile")).structure
]


def locked(name: str) -> dict[str, str]:
    """Map each package in a lock file to its version."""
    return dict(
        re.findall(r"^([a-z0-9][a-z0-9._-]*)==(\S+)", (REQUIREMENTS / name).read_text("utf-8"), re.MULTILINE)
    )


def test_hadolint_finds_no_problems() -> None:
    lint = subprocess.run(
        [Path(sys.executable).with_name("hadolint"), ROOT / "Dockerfile"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (lint.stdout, lint.returncode) == ("", 0)


def test_every_base_image_is_pinned_by_digest_or_is_a_stage() -> None:
    stages = {value.partition(" AS ")[2] for name, value in STEPS if name == "FROM"}
    origins = {value.partition(" AS ")[0] for name, value in STEPS if name == "FROM"}
    outside = origins - stages - {"${DEVICE}", "page-${PAGE}"}
    assert [
        re.fullmatch(r"public\.ecr\.aws/docker/library/debian:\S+-slim@sha256:[0-9a-f]{64}", o) is None
        for o in outside
    ] == [False]
    assert {"gpu", "cpu", "page-built", "page-none"} < stages


def test_the_build_pulls_nothing_from_docker_hub() -> None:
    """Docker Hub answers anonymous builds in AWS with 429. A `# syntax=` line pulls its frontend from there."""
    lines = (ROOT / "Dockerfile").read_text("utf-8").splitlines()
    assert [line for line in lines if re.match(r"#\s*syntax\s*=", line, re.IGNORECASE)] == []


def test_the_image_starts_as_root_for_sagemaker_and_serves_by_default() -> None:
    last = STEPS[max(number for number, (name, _) in enumerate(STEPS) if name == "FROM") :]
    instructions = dict(last)
    assert [value for name, value in STEPS if name == "USER"] == []
    assert f"useradd --uid {USER} --user-group" in "\n".join(value for name, value in STEPS if name == "RUN")
    assert json.loads(instructions["ENTRYPOINT"]) == ["python3", "-m", "unbraid.container"]
    assert json.loads(instructions["CMD"]) == ["serve"]
    assert instructions["EXPOSE"] == "8000 8080"
    assert instructions["HEALTHCHECK"].endswith('CMD ["python3", "-m", "unbraid.container", "health"]')


def test_the_image_has_all_models_of_its_bags_and_offers_them() -> None:
    defaults = [
        shlex.split(value)[0].partition("=")[2]
        for name, value in STEPS
        if (name, value[:6]) == ("ARG", "MODELS")
    ]
    buildspec = yaml.safe_load((ROOT / "buildspec.yml").read_text("utf-8"))
    assert {*defaults, buildspec["env"]["variables"]["MODELS"]} == {defaults[0]}
    entries = [catalog()[name] for name in defaults[0].split()]
    assert {"htdemucs", "spleeter"} < {entry.name for entry in entries}
    bundled = {entry.name for entry in catalog().values() if entry.folder and not entry.members}
    assert {member.name for entry in entries for member in entry.members} <= bundled | set(
        defaults[0].split()
    )
    environment = "\n".join(value for name, value in STEPS if name == "ENV")
    assert re.findall(rf'{IMAGE_MODELS}="(.+)"', environment) == ["${MODELS}"]
    assert ALWAYS_OFFERED.split() == [AUTO, FAST, *bundled]
    # `app` finds the same models beside those that it downloads.
    assert re.findall(rf"{INCLUDED}=(\S+)", environment) == [f"{MODELS_FOLDER}/models"]


def test_the_build_context_has_only_files_that_are_copied() -> None:
    patterns = [
        line for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines() if line and line[0] != "#"
    ]
    sent = {path for path in exclude_paths(str(ROOT), patterns) if (ROOT / path).is_file()}
    folders = {path.split("/")[0] for path in sent} - {"Dockerfile", ".dockerignore"}
    assert folders - {"frontend"} == {"requirements", "src"}
    if (ROOT / "frontend").is_dir():  # not in the build in AWS, which leaves out the page
        assert {"frontend/package-lock.json", "frontend/index.html", "frontend/public/favicon.svg"} <= sent
    assert {path for path in sent if path.startswith("requirements/")} == {
        "requirements/image.lock",
        "requirements/image-gpu.lock",
    }
    assert "src/unbraid/aws/container/server.py" in sent
    assert "src/unbraid/native/build.py" in sent
    assert [
        path
        for path in sent
        if any(part in path for part in ("__pycache__", "/static/", "_native.so", "node_modules"))
    ] == []


def test_the_image_has_the_versions_of_the_run_lock() -> None:
    image, run = locked("image.lock"), locked("run.lock")
    assert {name: image.get(name) for name in run} == run
    assert {"boto3", "aws-lambda-powertools", "awslambdaric", "openvino"} <= image.keys()


def test_cuda_is_12_and_in_a_separate_lock() -> None:
    gpu = locked("image-gpu.lock")
    assert gpu.keys() & locked("image.lock").keys() == set()
    nvidia = {name for name in gpu if name.startswith("nvidia-")}
    assert "torch" in gpu and nvidia
    assert [name for name in nvidia if not name.endswith("-cu12")] == []


@pytest.mark.parametrize("name", ["image.lock", "image-gpu.lock"])
def test_every_package_is_locked_by_hash_without_a_url(name: str) -> None:
    text = (REQUIREMENTS / name).read_text("utf-8")
    for requirement in re.split(r"\n(?=[a-z0-9])", text.strip()):
        assert re.fullmatch(r"\S+==\S+( \\\n    --hash=sha256:[0-9a-f]{64})+", requirement), requirement
