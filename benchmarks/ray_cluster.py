"""An environment with Ray and the storage libraries of `unbraid[ray]`, and a cluster of nodes in processes."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).parents[1]
ENVIRONMENT = Path.home() / ".cache/unbraid-benchmarks/ray"
PIP = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]


def ray_python() -> Path:
    """Create the environment, unless it exists, and return its Python."""
    python = ENVIRONMENT / "bin/python"
    lock = CHECKOUT / "requirements/run.lock"
    extra = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]["optional-dependencies"][
        "ray"
    ]
    stamp, content = ENVIRONMENT / "packages.txt", lock.read_text() + "\n".join(extra)
    if not (stamp.exists() and stamp.read_text() == content):
        subprocess.run([sys.executable, "-m", "venv", "--clear", ENVIRONMENT], check=True)
        subprocess.run([python, *PIP, "--no-deps", "--require-hashes", "-r", lock], check=True)
        subprocess.run([python, *PIP, *extra], check=True)
        stamp.write_text(content)
    return python


def environment(**others: str) -> dict[str, str]:
    """Return the variables of processes in the cluster, and of the command that uses it."""
    # Without a token: clusters of other processes have others.
    own = {"PYTHONPATH": str(CHECKOUT / "src"), "RAY_AUTH_MODE": "disabled", "PYTHONWARNINGS": "ignore"}
    return {**os.environ, **own, **others}


@dataclass(frozen=True)
class RayCluster:
    """A running cluster."""

    address: str
    process: subprocess.Popen[str]

    def kill_a_node(self) -> None:
        """Kill a random node, and start a new one."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write("kill\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "killed\n"


@contextmanager
def ray_cluster(
    python: Path, nodes: int, variables: Mapping[str, str], cores: float = 1
) -> Iterator[RayCluster]:
    """Run a cluster of `nodes`, each with `cores`."""
    command = [python, Path(__file__).with_name("ray_nodes.py"), str(nodes), str(cores)]
    with subprocess.Popen(
        command,
        env=variables,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        assert address, "the cluster did not start"
        try:
            yield RayCluster(address, process)
        finally:
            process.communicate()  # ends its input
