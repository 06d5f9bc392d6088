"""What CodeBuild is told: in its words, and in such an order that nothing is pushed that hasn't proved good."""

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

# "Build specification reference for CodeBuild", as far as it is used here; what isn't used is unknown, as slips are.
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
OF_CODEBUILD = {"CODEBUILD_BUILD_SUCCEEDING"}


@pytest.fixture(scope="module")
def spec() -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load(FILE.read_text("utf-8"))
    return read


def commands(spec: dict[str, Any]) -> list[str]:
    return [command for phase in PHASES for command in spec["phases"][phase]["commands"]]


def test_yamllint_finds_nothing() -> None:
    lint = [sys.executable, "-m", "yamllint", "--strict", "-d", STYLE, FILE]
    found = subprocess.run(lint, capture_output=True, text=True, check=False)
    assert (found.stdout, found.returncode) == ("", 0)


def test_its_words_are_those_of_codebuild(spec: dict[str, Any]) -> None:
    jsonschema.validate(spec, SCHEMA)


@pytest.mark.parametrize(
    "slip",
    [
        lambda spec: spec["phases"].update(postbuild=spec["phases"].pop("post_build")),
        lambda spec: spec["phases"]["build"].update(command=["docker push"]),
        lambda spec: spec["phases"]["build"]["commands"].append({"docker": "push"}),
        lambda spec: spec["phases"]["build"].pop("on-failure"),
        lambda spec: spec.update(version=0.1),
    ],
)
def test_a_slip_would_be_found(slip: Callable[[dict[str, Any]], object]) -> None:
    spec = yaml.safe_load(FILE.read_text("utf-8"))
    slip(spec)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(spec, SCHEMA)


def test_every_variable_is_set_by_somebody(spec: dict[str, Any]) -> None:
    text = "\n".join(commands(spec))
    used = set(re.findall(r"\$\{?([A-Z_]+)", text))
    own = set(re.findall(r"^([A-Z_]+)=|for ([A-Z_]+) in|^ +([A-Z_]+)=", text, re.MULTILINE))
    made = {name for names in own for name in names if name}
    assert used == {*spec["env"]["variables"], *PROJECT, *OF_CODEBUILD, *made}


class Build:
    """A run of the commands as CodeBuild has them run: one shell, a phase ends with the first command that fails, and
    the last phase is come to all the same. Programs are stand-ins that write down how they were called."""

    def __init__(
        self, folder: Path, spec: dict[str, Any], previous: str = "old", failing: str = "nothing"
    ) -> None:
        self._calls = folder / "calls"
        self._calls.touch()
        programs = folder / "programs"
        programs.mkdir()
        for name in ("aws", "docker", "python", "sleep"):
            self._stand_in(programs / name, name, failing, previous)
        venv = folder / ".venv-test" / "bin"
        venv.mkdir(parents=True)
        self._stand_in(venv / "python", "venv-python", failing, previous)
        lines = ["ok=1"]
        for phase in PHASES:
            if phase == "post_build":  # whether CodeBuild comes here after an ABORT or not, it does no harm
                lines.append("CODEBUILD_BUILD_SUCCEEDING=$ok; still=1")
            else:
                lines.append("still=$ok")
            lines += [
                f'if [ "$still" = 1 ]; then\n{command}\nif [ $? != 0 ]; then still=0; ok=0; fi; fi'
                for command in spec["phases"][phase]["commands"]
            ]
        lines.append('[ "$ok" = 1 ]')
        environment = {**spec["env"]["variables"], **PROJECT, "PATH": f"{programs}:{os.environ['PATH']}"}
        ran = subprocess.run(
            ["bash", "-c", "\n".join(lines)],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        self.succeeded = ran.returncode == 0
        self.said = ran.stderr

    def _stand_in(self, file: Path, name: str, failing: str, previous: str) -> None:
        file.write_text(
            "#!/bin/sh\n"
            f'call="{name} $*"\n'
            f'echo "$call" >>"{self._calls}"\n'
            f'case "$call" in *"{failing}"*) exit 1 ;; esac\n'
            'case "$call" in *"manifest inspect"*) exit 1 ;;\n'
            f'*ParameterValue*) echo "{previous}" ;; *StackStatus*) echo UPDATE_COMPLETE ;; "docker run"*) echo c1 ;;\n'
            "esac\n"
        )
        file.chmod(0o755)

    def called(self, beginning: str) -> list[str]:
        """Calls that begin so."""
        return [line for line in self._calls.read_text().splitlines() if line.startswith(beginning)]


def test_what_is_good_is_pushed_under_its_tag_and_taken_by_the_stack(
    spec: dict[str, Any], tmp_path: Path
) -> None:
    build = Build(tmp_path, spec)
    assert build.succeeded, build.said
    image = f"{PROJECT['REPOSITORY']}:new"
    assert build.called("docker push") == [f"docker push {image}"]
    [made] = build.called("docker build")
    assert f"--tag {image} ." in made
    assert "--build-arg DEVICE=gpu --build-arg MODELS=htdemucs" in made
    assert f"--cache-from {PROJECT['REPOSITORY']}:old" in made
    assert build.called("aws cloudformation update-stack") == [
        "aws cloudformation update-stack --stack-name unbraid --use-previous-template"
        " --capabilities CAPABILITY_NAMED_IAM --parameters ParameterKey=ImageTag,ParameterValue=new"
    ]
    order = [
        build.called(one)[0]
        for one in ("venv-python -m pytest", "docker build", "docker exec", "docker push")
    ]
    calls = (tmp_path / "calls").read_text().splitlines()
    assert sorted(order, key=calls.index) == order


@pytest.mark.parametrize(
    "failing", ["pip install", "-m pytest", "docker login", "docker build", "docker run", "docker exec"]
)
def test_what_isnt_good_is_neither_pushed_nor_taken(
    spec: dict[str, Any], tmp_path: Path, failing: str
) -> None:
    build = Build(tmp_path, spec, failing=failing)
    assert not build.succeeded
    assert build.called("docker push") == build.called("aws cloudformation update-stack") == []


def test_what_isnt_pushed_isnt_taken(spec: dict[str, Any], tmp_path: Path) -> None:
    build = Build(tmp_path, spec, failing="docker push")
    assert not build.succeeded
    assert build.called("aws cloudformation update-stack") == []


def test_the_first_image_has_none_before_it_and_the_same_is_not_taken_twice(
    spec: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / "first").mkdir()
    first = Build(tmp_path / "first", spec, previous="")
    assert first.succeeded, first.said
    assert f"--cache-from {PROJECT['REPOSITORY']}:none" in first.called("docker build")[0]
    (tmp_path / "again").mkdir()
    again = Build(tmp_path / "again", spec, previous="new")
    assert again.succeeded, again.said
    assert again.called("aws cloudformation update-stack") == []
