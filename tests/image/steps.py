"""Run the steps of a Dockerfile in folders instead of layers: each stage is a copy of the stage it starts from.

There is no isolation and no cache as in Docker. A folder replaces the base image.
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
from tests.image.chroot import chroot_command

# Variables of this machine that Docker builds also receive: proxies and the package indexes.
MACHINE_VARIABLES = (
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "PIP_INDEX_URL",
    "NPM_CONFIG_REGISTRY",
)
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")


@dataclass
class Stage:
    """State of a stage, or of the finished image."""

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
    """Command of HEALTHCHECK."""

    def expand(self, text: str) -> str:
        """Return `text` with its variables replaced."""
        expanded: str = WordSplitter(text, args=self.arguments, envs=self.environment).dequote()
        return expanded

    def pairs(self, text: str) -> dict[str, str]:
        """Parse the names and values of ENV and LABEL."""
        return dict(
            extract_key_values(
                env_replace=True, args=self.arguments, envs=self.environment, instruction_value=text
            )
        )


class Steps:
    """Builds the last stage of `dockerfile`, and the stages it needs, in `folder`; `base` replaces the base image."""

    def __init__(self, dockerfile: Path, base: Path, folder: Path, arguments: Mapping[str, str]) -> None:
        self._context, self._base, self._folder = dockerfile.parent, base, folder
        self._arguments = dict(arguments)
        parsed = DockerfileParser(path=str(dockerfile)).structure
        steps = [(step["instruction"], step["value"]) for step in parsed if step["instruction"] != "COMMENT"]
        first = next(number for number, (name, _) in enumerate(steps) if name == "FROM")
        self._global_arguments = self._values([value for name, value in steps[:first] if name == "ARG"])
        self._stages: dict[str, list[tuple[str, str]]] = {}
        for name, value in steps:
            if name == "FROM":
                image, _, alias = value.partition(" AS ")
                self._last = alias or "image"
                self._stages[self._last] = [("FROM", image)]
            elif self._stages:
                self._stages[self._last].append((name, value))
        self._done: dict[str, Stage] = {}
        lines = (self._context / ".dockerignore").read_text("utf-8").splitlines()
        patterns = [line for line in lines if line and not line.startswith("#")]
        self._sent: frozenset[str] = frozenset(exclude_paths(str(self._context), patterns))

    def image(self) -> Stage:
        """Build and return the last stage."""
        return self._stage(self._last)

    def _values(self, declared: Sequence[str]) -> dict[str, str]:
        pairs = (value.partition("=") for value in declared)
        return {name: self._arguments.get(name, default.strip('"')) for name, _, default in pairs}

    def _stage(self, name: str) -> Stage:
        if name not in self._done:
            (_, origin), *steps = self._stages[name]
            origin = WordSplitter(origin, args=self._global_arguments, envs={}).dequote()
            root = self._folder / name
            if origin in self._stages:
                parent = self._stage(origin)
                _copy(parent.root, root)
                stage = Stage(root, environment=dict(parent.environment), labels=dict(parent.labels))
                stage.user, stage.folder = parent.user, parent.folder
            else:
                assert "@sha256:" in origin, f"{origin} is neither a stage nor pinned"
                _copy(self._base, root)
                stage = Stage(root)
            for instruction, value in steps:
                getattr(self, f"_{instruction.lower()}")(stage, value)
            self._done[name] = stage
        return self._done[name]

    def _arg(self, stage: Stage, value: str) -> None:
        stage.arguments |= self._values([value])

    def _env(self, stage: Stage, value: str) -> None:
        stage.environment |= stage.pairs(value)

    def _label(self, stage: Stage, value: str) -> None:
        stage.labels |= stage.pairs(value)

    def _user(self, stage: Stage, value: str) -> None:
        stage.user = stage.expand(value)

    def _workdir(self, stage: Stage, value: str) -> None:
        stage.folder = stage.expand(value)
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
        words = [stage.expand(word) for word in shlex.split(value)]
        options, (source, target) = words[:-2], words[-2:]
        destination = stage.root / target[1:]
        if options:
            (origin,) = options
            _copy(self._stage(origin.removeprefix("--from=")).root / source[1:], destination)
            return
        if target.endswith("/"):
            destination /= Path(source).name
        files = [path for path in self._sent if path == source or path.startswith(f"{source}/")]
        assert files, f".dockerignore excludes {source} from the build"
        for path in files:
            if (self._context / path).is_file():
                file = destination if path == source else destination / os.path.relpath(path, source)
                file.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(self._context / path, file)

    def _run(self, stage: Stage, value: str) -> None:
        machine = {name: os.environ[name] for name in MACHINE_VARIABLES if name in os.environ}
        environment = {"PATH": PATH, **machine, **stage.arguments, **stage.environment}
        mounted = {}
        if CERTIFICATES.is_file():
            environment |= dict.fromkeys(("PIP_CERT", "NODE_EXTRA_CA_CERTS"), "/run/certificates.crt")
            mounted[CERTIFICATES] = "run/certificates.crt"
        mounted[Path("/etc/resolv.conf")] = "etc/resolv.conf"
        command = chroot_command(
            stage.root,
            ["/bin/sh", "-c", value],
            environment,
            user=stage.user,
            folder=stage.folder,
            mounted=mounted,
        )
        done = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )
        assert done.returncode == 0, f"RUN {value}\n{done.stdout[-4000:]}"

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"unknown instruction: {name}")


def _exec_form(value: str) -> list[str]:
    words: list[str] = json.loads(value)
    return words


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(["cp", "--archive", "--reflink=auto", "--no-target-directory", source, target], check=True)
