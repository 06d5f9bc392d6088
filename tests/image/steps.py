"""The steps of a Dockerfile, taken in folders instead of layers: each stage is a copy of the one that it begins from.

Of Docker's own there is neither isolation nor cache, and the base image is whatever folder stands for it.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from docker.utils.build import exclude_paths
from dockerfile_parse import DockerfileParser
from dockerfile_parse.util import WordSplitter, extract_key_values
from tests.image.chroot import entered

# Of the machine, as for Docker's own builds: where packages come from and how they are fetched.
PASSED_ON = (
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "PIP_INDEX_URL",
)
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")


@dataclass
class Stage:
    """What has become of a stage, or of the image in the end."""

    root: Path
    arguments: dict[str, str] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    user: str = "0:0"
    folder: str = "/"
    ports: list[str] = field(default_factory=list)
    entry: list[str] = field(default_factory=list)
    command: list[str] = field(default_factory=list)
    check: list[str] = field(default_factory=list)
    """Of HEALTHCHECK."""

    def said(self, text: str) -> str:
        """The text with the variables that are known here."""
        words: str = WordSplitter(text, args=self.arguments, envs=self.environment).dequote()
        return words

    def named(self, text: str) -> dict[str, str]:
        """Names and values of ENV and LABEL."""
        return dict(
            extract_key_values(
                env_replace=True, args=self.arguments, envs=self.environment, instruction_value=text
            )
        )


class Steps:
    """Builds the last stage of `dockerfile`, and those that it needs, in `folder`; `base` stands for its base image."""

    def __init__(self, dockerfile: Path, base: Path, folder: Path, arguments: Mapping[str, str]) -> None:
        self._context, self._base, self._folder = dockerfile.parent, base, folder
        self._arguments = dict(arguments)
        parsed = DockerfileParser(path=str(dockerfile)).structure
        steps = [(step["instruction"], step["value"]) for step in parsed if step["instruction"] != "COMMENT"]
        self._before = self._given([value for name, value in steps if name == "ARG"][:1])
        self._stages: dict[str, list[tuple[str, str]]] = {}
        for name, value in steps:
            if name == "FROM":
                image, _, alias = value.partition(" AS ")
                self._last = alias or "image"
                self._stages[self._last] = [("FROM", image)]
            elif self._stages:
                self._stages[self._last].append((name, value))
        self._done: dict[str, Stage] = {}
        patterns = (self._context / ".dockerignore").read_text("utf-8").splitlines()
        ignoring = [line for line in patterns if line and not line.startswith("#")]
        self._sent: frozenset[str] = frozenset(exclude_paths(str(self._context), ignoring))

    def image(self) -> Stage:
        """The last stage."""
        return self._stage(self._last)

    def _given(self, declared: Sequence[str]) -> dict[str, str]:
        pairs = (value.partition("=") for value in declared)
        return {name: self._arguments.get(name, default.strip('"')) for name, _, default in pairs}

    def _stage(self, name: str) -> Stage:
        if name not in self._done:
            (_, origin), *steps = self._stages[name]
            origin = WordSplitter(origin, args=self._before, envs={}).dequote()
            root = self._folder / name
            if origin in self._stages:
                before = self._stage(origin)
                _copy(before.root, root)
                stage = Stage(root, environment=dict(before.environment), labels=dict(before.labels))
                stage.user, stage.folder = before.user, before.folder
            else:
                assert "@sha256:" in origin, f"{origin} is neither a stage nor pinned"
                _copy(self._base, root)
                stage = Stage(root)
            for instruction, value in steps:
                getattr(self, f"_{instruction.lower()}")(stage, value)
            self._done[name] = stage
        return self._done[name]

    def _arg(self, stage: Stage, value: str) -> None:
        stage.arguments |= self._given([value])

    def _env(self, stage: Stage, value: str) -> None:
        stage.environment |= stage.named(value)

    def _label(self, stage: Stage, value: str) -> None:
        stage.labels |= stage.named(value)

    def _user(self, stage: Stage, value: str) -> None:
        stage.user = stage.said(value)

    def _workdir(self, stage: Stage, value: str) -> None:
        stage.folder = stage.said(value)
        assert (stage.root / stage.folder[1:]).is_dir()

    def _expose(self, stage: Stage, value: str) -> None:
        stage.ports.append(value)

    def _entrypoint(self, stage: Stage, value: str) -> None:
        stage.entry = _exec_form(value)

    def _cmd(self, stage: Stage, value: str) -> None:
        stage.command = _exec_form(value)

    def _healthcheck(self, stage: Stage, value: str) -> None:
        stage.check = _exec_form(value.partition("CMD ")[2])

    def _copy(self, stage: Stage, value: str) -> None:
        words = [stage.said(word) for word in shlex.split(value)]
        options, (source, target) = words[:-2], words[-2:]
        place = stage.root / target[1:]
        if options:
            (origin,) = options
            _copy(self._stage(origin.removeprefix("--from=")).root / source[1:], place)
            return
        if target.endswith("/"):
            place /= Path(source).name
        files = [path for path in self._sent if path == source or path.startswith(f"{source}/")]
        assert files, f"{source} is kept from the build by .dockerignore"
        for path in files:
            if (self._context / path).is_file():
                copied = place / os.path.relpath(path, source)
                copied = place if path == source else copied
                copied.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(self._context / path, copied)

    def _run(self, stage: Stage, value: str) -> None:
        passed = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        environment = {"PATH": PATH, **passed, **stage.arguments, **stage.environment}
        brought = {}
        if CERTIFICATES.is_file():
            environment["PIP_CERT"] = "/run/certificates.crt"
            brought[CERTIFICATES] = "run/certificates.crt"
        brought[Path("/etc/resolv.conf")] = "etc/resolv.conf"
        command = entered(
            stage.root,
            ["/bin/sh", "-c", value],
            environment,
            user=stage.user,
            folder=stage.folder,
            brought=brought,
        )
        done = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )
        assert done.returncode == 0, f"RUN {value}\n{done.stdout[-4000:]}"

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"a step that isn't known here: {name}")


def _exec_form(value: str) -> list[str]:
    words: list[str] = json.loads(value)
    return words


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(["cp", "--archive", "--reflink=auto", "--no-target-directory", source, target], check=True)
