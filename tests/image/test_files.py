"""What the image is built by: pinned, by hash, without rights that it doesn't need."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from docker.utils.build import exclude_paths
from dockerfile_parse import DockerfileParser

ROOT = Path(__file__).parents[2]
REQUIREMENTS = ROOT / "requirements"
STEPS = [
    (step["instruction"], step["value"]) for step in DockerfileParser(path=str(ROOT / "Dockerfile")).structure
]


def locked(name: str) -> dict[str, str]:
    """Package -> version in a lock file."""
    return dict(
        re.findall(r"^([a-z0-9][a-z0-9._-]*)==(\S+)", (REQUIREMENTS / name).read_text("utf-8"), re.MULTILINE)
    )


def test_hadolint_finds_nothing_in_the_dockerfile() -> None:
    found = subprocess.run(
        [Path(sys.executable).with_name("hadolint"), ROOT / "Dockerfile"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (found.stdout, found.returncode) == ("", 0)


def test_every_image_that_is_begun_from_is_pinned_by_its_digest_or_a_stage() -> None:
    stages = {value.partition(" AS ")[2] for name, value in STEPS if name == "FROM"}
    origins = {value.partition(" AS ")[0] for name, value in STEPS if name == "FROM"}
    outside = origins - stages - {"${DEVICE}"}
    assert [
        re.fullmatch(r"public\.ecr\.aws/docker/library/debian:\S+-slim@sha256:[0-9a-f]{64}", o) is None
        for o in outside
    ] == [False]
    assert {"gpu", "cpu"} < stages


def test_what_runs_in_the_end_is_no_root_and_takes_serve_as_its_argument() -> None:
    last = STEPS[max(place for place, (name, _) in enumerate(STEPS) if name == "FROM") :]
    said = dict(last)
    assert said["USER"] == "1000:1000"
    assert json.loads(said["ENTRYPOINT"]) == ["python3", "-m", "unbraid.aws.container"]
    assert json.loads(said["CMD"]) == ["serve"]
    assert said["EXPOSE"] == "8080"
    assert "HEALTHCHECK" in said


def test_only_what_is_copied_is_sent_to_the_build_and_nothing_that_was_made_here() -> None:
    patterns = [
        line for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines() if line and line[0] != "#"
    ]
    sent = {path for path in exclude_paths(str(ROOT), patterns) if (ROOT / path).is_file()}
    tops = {path.split("/")[0] for path in sent} - {"Dockerfile", ".dockerignore"}
    assert tops == {"requirements", "src"}
    assert {path for path in sent if path.startswith("requirements/")} == {
        "requirements/image.lock",
        "requirements/image-gpu.lock",
    }
    assert "src/unbraid/aws/container/server.py" in sent
    assert "src/unbraid/native/build.py" in sent
    assert [
        path for path in sent if "__pycache__" in path or "/static/" in path or "_native.so" in path
    ] == []


def test_the_image_has_the_versions_that_everybody_has() -> None:
    image, run = locked("image.lock"), locked("run.lock")
    assert {name: image.get(name) for name in run} == run
    assert {"boto3", "aws-lambda-powertools", "awslambdaric", "openvino"} <= image.keys()


def test_cuda_is_12_and_apart_from_the_rest() -> None:
    gpu = locked("image-gpu.lock")
    assert gpu.keys() & locked("image.lock").keys() == set()
    nvidia = {name for name in gpu if name.startswith("nvidia-")}
    assert "torch" in gpu and nvidia
    assert [name for name in nvidia if not name.endswith("-cu12")] == []


@pytest.mark.parametrize("name", ["image.lock", "image-gpu.lock"])
def test_every_package_is_locked_by_hash_and_none_by_where_it_lies(name: str) -> None:
    text = (REQUIREMENTS / name).read_text("utf-8")
    for requirement in re.split(r"\n(?=[a-z0-9])", text.strip()):
        assert re.fullmatch(r"\S+==\S+( \\\n    --hash=sha256:[0-9a-f]{64})+", requirement), requirement
