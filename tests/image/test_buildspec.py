"""buildspec.yml follows CodeBuild's schema, and pushes only images that passed all checks."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

ROOT = Path(__file__).parents[2]
FILE = ROOT / "buildspec.yml"
PHASES = ("install", "pre_build", "build", "post_build")
STYLE = "{extends: default, rules: {line-length: {max: 120}}}"

# The used part of "Build specification reference for CodeBuild". Unused keys are rejected, and so are misspelt ones.
TEXTS = {"type": "array", "minItems": 1, "items": {"type": "string", "minLength": 1}}
PHASE = {
    "type": "object",
    "additionalProperties": False,
    "required": ["commands", "on-failure"],
    "properties": {"commands": TEXTS, "on-failure": {"const": "ABORT"}},
}
INSTALL = {
    **PHASE,
    "properties": {
        **PHASE["properties"],  # type: ignore[dict-item]
        "runtime-versions": {"type": "object", "additionalProperties": {"type": "string"}},
    },
}
SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "required": ["version", "phases"],
    "properties": {
        "version": {"const": 0.2},
        "env": {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "shell": {"enum": ["bash", "/bin/sh"]},
                "variables": {"type": "object", "additionalProperties": {"type": "string"}},
            },
        },
        "phases": {
            "type": "object",
            "additionalProperties": False,
            "required": list(PHASES),
            "properties": {name: INSTALL if name == "install" else PHASE for name in PHASES},
        },
    },
}
PROJECT = {
    "REPOSITORY": "1.dkr.ecr.eu-central-1.amazonaws.com/unbraid",
    "IMAGE_TAG": "new",
    "STACK": "unbraid",
}
TAGS = "failed\told\tnew\tolder\ttraining-new"
"""Images in the repository, as the command line prints them."""
CODEBUILD_VARIABLES = {"CODEBUILD_BUILD_SUCCEEDING"}


@pytest.fixture(scope="module")
def spec() -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(FILE.read_text("utf-8"))
    return content


def commands(spec: dict[str, Any]) -> list[str]:
    return [command for phase in PHASES for command in spec["phases"][phase]["commands"]]


def test_yamllint_finds_no_problems() -> None:
    lint = [sys.executable, "-m", "yamllint", "--strict", "-d", STYLE, FILE]
    done = subprocess.run(lint, capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("", 0)


def test_follows_the_schema_of_codebuild(spec: dict[str, Any]) -> None:
    jsonschema.validate(spec, SCHEMA)


@pytest.mark.parametrize(
    "introduce_error",
    [
        lambda spec: spec["phases"].update(postbuild=spec["phases"].pop("post_build")),
        lambda spec: spec["phases"]["build"].update(command=["docker push"]),
        lambda spec: spec["phases"]["build"]["commands"].append({"docker": "push"}),
        lambda spec: spec["phases"]["build"].pop("on-failure"),
        lambda spec: spec.update(version=0.1),
    ],
)
def test_the_schema_rejects_errors(introduce_error: Callable[[dict[str, Any]], object]) -> None:
    spec = yaml.safe_load(FILE.read_text("utf-8"))
    introduce_error(spec)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(spec, SCHEMA)


def test_every_used_variable_is_set(spec: dict[str, Any]) -> None:
    text = "\n".join(commands(spec))
    used = set(re.findall(r"\$\{?([A-Z_]+)", text))
    assigned = set(re.findall(r"^([A-Z_]+)=|for ([A-Z_]+) in|^ +([A-Z_]+)=", text, re.MULTILINE))
    own = {name for names in assigned for name in names if name}
    assert used == {*spec["env"]["variables"], *PROJECT, *CODEBUILD_VARIABLES, *own}


class Build:
    """Runs the commands like CodeBuild: in one shell, up to the first failing command of a phase.

    The last phase always runs. Fake programs record how they are called.
    """

    def __init__(
        self,
        folder: Path,
        spec: dict[str, Any],
        previous: str = "old",
        failing: str = "nothing",
        status: str = "UPDATE_COMPLETE",
        tag: str = PROJECT["IMAGE_TAG"],
    ) -> None:
        self._calls = folder / "calls"
        self._calls.touch()
        programs = folder / "programs"
        programs.mkdir()
        for name in ("aws", "docker", "python", "sleep"):
            self._fake(programs / name, name, failing, previous, status)
        venv = folder / ".venv-test" / "bin"
        venv.mkdir(parents=True)
        self._fake(venv / "python", "venv-python", failing, previous, status)
        lines = ["ok=1"]
        for phase in PHASES:
            if phase == "post_build":  # runs after an ABORT too, to show that it then does nothing
                lines.append("CODEBUILD_BUILD_SUCCEEDING=$ok; going=1")
            else:
                lines.append("going=$ok")
            lines += [
                f'if [ "$going" = 1 ]; then\n{command}\nif [ $? != 0 ]; then going=0; ok=0; fi; fi'
                for command in spec["phases"][phase]["commands"]
            ]
        lines.append('[ "$ok" = 1 ]')
        environment = {**spec["env"]["variables"], **PROJECT, "IMAGE_TAG": tag}
        environment["PATH"] = f"{programs}:{os.environ['PATH']}"
        ran = subprocess.run(
            ["bash", "-c", "\n".join(lines)],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        self.succeeded = ran.returncode == 0
        self.stderr = ran.stderr

    def _fake(self, file: Path, name: str, failing: str, previous: str, status: str) -> None:
        file.write_text(
            "#!/bin/sh\n"
            f'call="{name} $*"\n'
            f'echo "$call" >>"{self._calls}"\n'
            f'case "$call" in *"{failing}"*) exit 1 ;; esac\n'
            'case "$call" in *"manifest inspect"*) exit 1 ;;\n'
            f'*ParameterValue*) echo "{previous}" ;; *list-images*) echo "{TAGS}" ;;\n'
            f'*StackStatus*) echo {status} ;; "docker run"*) echo c1 ;;\n'
            "esac\n"
        )
        file.chmod(0o755)

    def calls(self, prefix: str) -> list[str]:
        """Return the recorded calls that start with `prefix`."""
        return [line for line in self._calls.read_text().splitlines() if line.startswith(prefix)]


def test_pushes_a_good_image_and_updates_the_stack(spec: dict[str, Any], tmp_path: Path) -> None:
    build = Build(tmp_path, spec)
    assert build.succeeded, build.stderr
    image = f"{PROJECT['REPOSITORY']}:new"
    assert build.calls("docker push") == [f"docker push {image}"]
    [command] = build.calls("docker build")
    assert f"--tag {image} ." in command
    assert "--build-arg DEVICE=gpu --build-arg MODELS=htdemucs spleeter spleeter_lite --build-arg" in command
    assert "--build-arg PAGE=none " in command  # CodeBuild has no sources of the page
    assert f"--cache-from {PROJECT['REPOSITORY']}:old" in command
    assert build.calls("aws cloudformation update-stack") == [
        "aws cloudformation update-stack --stack-name unbraid --use-previous-template"
        " --capabilities CAPABILITY_NAMED_IAM --parameters ParameterKey=ImageTag,ParameterValue=new"
    ]
    order = [
        build.calls(program)[0]
        for program in ("venv-python -m pytest", "docker build", "docker exec", "docker push")
    ]
    calls = (tmp_path / "calls").read_text().splitlines()
    assert sorted(order, key=calls.index) == order


@pytest.mark.parametrize(
    "failing", ["pip install", "-m pytest", "docker login", "docker build", "docker run", "docker exec"]
)
def test_a_failing_check_prevents_push_and_update(spec: dict[str, Any], tmp_path: Path, failing: str) -> None:
    build = Build(tmp_path, spec, failing=failing)
    assert not build.succeeded
    assert build.calls("docker push") == build.calls("aws cloudformation update-stack") == []


def test_a_failed_push_prevents_the_update(spec: dict[str, Any], tmp_path: Path) -> None:
    build = Build(tmp_path, spec, failing="docker push")
    assert not build.succeeded
    assert build.calls("aws cloudformation update-stack") == []


def test_the_first_build_has_no_cache_and_the_same_image_updates_nothing(
    spec: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / "first").mkdir()
    first = Build(tmp_path / "first", spec, previous="")
    assert first.succeeded, first.stderr
    assert f"--cache-from {PROJECT['REPOSITORY']}:none" in first.calls("docker build")[0]
    (tmp_path / "again").mkdir()
    again = Build(tmp_path / "again", spec, previous="new")
    assert again.succeeded, again.stderr
    assert again.calls("aws cloudformation update-stack") == []


def test_an_image_for_training_is_pushed_and_the_stack_keeps_its_image(
    spec: dict[str, Any], tmp_path: Path
) -> None:
    build = Build(tmp_path, spec, tag="training-0f1e")
    assert build.succeeded, build.stderr
    assert build.calls("docker push") == [f"docker push {PROJECT['REPOSITORY']}:training-0f1e"]
    assert build.calls("aws cloudformation update-stack") == []
    deleted = build.calls("aws ecr batch-delete-image")
    assert not [call for call in deleted if "imageTag=old " in f"{call} " or "training" in call]


def test_keeps_the_image_that_runs_and_the_new_one(spec: dict[str, Any], tmp_path: Path) -> None:
    build = Build(tmp_path, spec)  # it runs "old"; "failed" was pushed later and did not start
    assert build.succeeded, build.stderr
    deletions = build.calls("aws ecr batch-delete-image")
    assert [call.rpartition("imageTag=")[2] for call in deletions] == ["failed", "older"]
    assert all("--repository-name unbraid " in call for call in deletions)
    calls = (tmp_path / "calls").read_text().splitlines()
    settled = max(number for number, call in enumerate(calls) if "StackStatus" in call)
    assert calls.index(deletions[0]) > settled


def test_deletes_no_image_during_an_update_of_the_stack(spec: dict[str, Any], tmp_path: Path) -> None:
    """The old version of the function runs until the update ends, and perhaps again."""
    build = Build(tmp_path, spec, status="UPDATE_IN_PROGRESS")
    assert not build.succeeded
    assert build.calls("docker push")
    assert len(build.calls("sleep 20")) * 20 >= 1800
    assert build.calls("aws ecr batch-delete-image") == build.calls("aws cloudformation update-stack") == []


def test_the_test_environment_compiles_no_package_and_has_the_tested_versions(spec: dict[str, Any]) -> None:
    """pyworld has no binary builds. Its build needs a compiler and packages that no lock names."""
    (install,) = (command for command in spec["phases"]["install"]["commands"] if "pip install" in command)
    assert "--require-hashes" in install and "--only-binary :all:" in install
    (lock,) = re.findall(r"-r (\S+)", install)
    versions, tested = (locked(ROOT / name) for name in (lock, "requirements/test.lock"))
    assert "pyworld" not in versions
    assert versions.items() <= tested.items()
    needed = (ROOT / "requirements" / "image-test.in").read_text("utf-8")
    assert {re.split(r"[^\w-]", line)[0] for line in needed.splitlines() if line[0] != "#"} <= versions.keys()


def locked(file: Path) -> dict[str, str]:
    """Map each package in a lock file to its version."""
    return dict(re.findall(r"^([a-z0-9][a-z0-9._-]*)==(\S+)", file.read_text("utf-8"), re.MULTILINE))
