"""The bundle of the functions' code is small, complete and reproducible."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from infra.bundles import LOCK, START, bundle, own_files
from infra.sources import ROOT, image_tag, source_zip
from infra.zips import write_zip

from infra import sources
from unbraid.api.routes import ROUTES

LIMIT = 15_000_000
IN_LAMBDA = {"boto3", "botocore", "s3transfer", "jmespath", "dateutil", "six", "urllib3"}
"""Top-level packages of Lambda's own Python 3.13."""


@pytest.fixture(scope="module")
def zipped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the real bundle. Its libraries are downloaded once per lock file."""
    return bundle(tmp_path_factory.mktemp("bundle") / "functions.zip")


def test_the_bundle_is_below_15_mb(zipped: Path) -> None:
    assert 3_000_000 < zipped.stat().st_size < LIMIT


def test_compiled_libraries_match_lambdas_python_and_processor(zipped: Path) -> None:
    with zipfile.ZipFile(zipped) as file:
        libraries = [name for name in file.namelist() if name.endswith(".so")]
        machines = {int.from_bytes(file.read(name)[18:20], "little") for name in libraries}
    assert any("pydantic_core" in name for name in libraries)
    assert machines == {183}  # EM_AARCH64 in the header of ELF
    for name in libraries:
        assert re.search(r"\.(cpython-313-aarch64-linux-gnu|abi3)\.so$", name), name


def test_the_bundle_has_no_heavy_packages(zipped: Path) -> None:
    with zipfile.ZipFile(zipped) as file:
        names = file.namelist()
    parts = {name.split("/")[1] for name in names if name.startswith("unbraid/")}
    assert not parts & {"separation", "networks", "training", "evaluation", "web", "local", "cli"}
    assert {name for name in names if name.startswith("unbraid/audio/")} == {
        "unbraid/audio/__init__.py",
        "unbraid/audio/formats.py",
        "unbraid/audio/stem_names.py",
        "unbraid/audio/stem_words.py",
        "unbraid/audio/times.py",
    }
    assert not {name.split("/")[0] for name in names} & {"numpy", "av", "openvino", "fastapi", "botocore"}
    assert not [name for name in names if name.endswith((".bin", ".onnx", ".pyc"))]


def test_zips_are_reproducible(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("1")
    first = write_zip(tmp_path / "first.zip", {"b": tmp_path / "a", "a": tmp_path / "a"}).read_bytes()
    (tmp_path / "a").touch()
    assert (
        write_zip(tmp_path / "second.zip", {"a": tmp_path / "a", "b": tmp_path / "a"}).read_bytes() == first
    )
    (tmp_path / "a").write_text("2")
    assert write_zip(tmp_path / "third.zip", {"a": tmp_path / "a", "b": tmp_path / "a"}).read_bytes() != first


IMPORT_ALL = """
import importlib, pkgutil, sys
allowed = {*sys.stdlib_module_names, "unbraid", *sys.argv[3:]}

class OnlyAllowed:
    def find_spec(name, path=None, target=None):
        if name.partition(".")[0] not in allowed and not name.startswith("_sysconfigdata"):
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, OnlyAllowed)
sys.path.insert(0, sys.argv[1])
functions = importlib.import_module(sys.argv[2])
for module in pkgutil.iter_modules(functions.__path__):
    assert callable(importlib.import_module(f"{functions.__name__}.{module.name}").handler)
    print(module.name)
import unbraid.api.signin
from unbraid.models import catalog
assert all(entry.download_size > 0 or entry.installed for entry in catalog().values())
assert functions.__file__.startswith(sys.argv[1])
"""


def test_every_handler_loads_from_the_bundle_alone(zipped: Path, tmp_path: Path) -> None:
    """Run on this machine, with its own builds of just the libraries in the bundle."""
    with zipfile.ZipFile(zipped) as file:
        file.extractall(tmp_path, [name for name in file.namelist() if name.startswith("unbraid/")])
        carried = {re.split(r"[/.]", name)[0] for name in file.namelist()} | IN_LAMBDA
    done = subprocess.run(
        [sys.executable, "-I", "-c", IMPORT_ALL, tmp_path, START, *carried],
        capture_output=True,
        text=True,
        check=False,
        env={"AWS_DEFAULT_REGION": "eu-central-1", "PATH": "/usr/bin:/bin"},
    )
    assert done.returncode == 0, done.stderr
    assert {
        *(route.function for route in ROUTES),
        "canary",
        "connect",
        "disconnect",
        "on_invocation_end",
        "prove",
        "push",
        "spending",
        "upkeep",
    } == set(done.stdout.split())


def test_libraries_are_pinned_by_hash() -> None:
    lines = LOCK.read_text("utf-8").splitlines()
    named = [line for line in lines if re.match(r"\w", line)]
    assert named and all(re.match(r"[\w.-]+==[\w.]+( ; .+)? \\$", line) for line in named)
    # pip would evaluate markers for the machine that deploys, not for Lambda.
    assert not [line for line in named if re.search("sys_platform|platform_machine|python_.*version", line)]
    assert not {line.split("==")[0] for line in named} & {"boto3", "botocore", "numpy"}


@pytest.mark.parametrize("name", ["deploy", "functions"])
def test_deployed_versions_are_the_tested_versions(name: str) -> None:
    def versions(lock: str) -> dict[str, str]:
        found = re.findall(
            r"^([\w.-]+)==(\S+)", (ROOT / "requirements" / lock).read_text("utf-8"), re.MULTILINE
        )
        return dict(found)

    ours, tested = versions(f"{name}.lock"), versions("test.lock")
    assert ours
    assert {package: version for package, version in ours.items() if tested.get(package) != version} == {}


def test_the_image_source_holds_everything_the_dockerfile_copies(tmp_path: Path) -> None:
    """Except for the page, which the build in AWS leaves out."""
    assert "--build-arg PAGE=none" in (ROOT / "buildspec.yml").read_text("utf-8")
    with zipfile.ZipFile(source_zip(tmp_path / "source.zip")) as file:
        names = set(file.namelist())
    assert {"Dockerfile", "buildspec.yml", ".dockerignore", "src/unbraid/__init__.py"} <= names
    for line in (ROOT / "Dockerfile").read_text("utf-8").splitlines():
        if line.startswith("COPY ") and "--from" not in line:
            for name in line.split()[1:-1]:
                if name.startswith("frontend"):
                    continue
                assert any(each == name or each.startswith(f"{name}/") for each in names), name
    made = ("__pycache__", "/static/", ".git/", "_native.so")
    assert not [name for name in names if any(part in name for part in made)]


def test_the_image_tag_depends_on_content_and_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("src", "requirements", "tests"):
        (tmp_path / name).mkdir()
    code, test = tmp_path / "src" / "code.py", tmp_path / "tests" / "test_code.py"
    code.write_text("1")
    test.write_text("1")
    monkeypatch.setattr(sources, "ROOT", tmp_path)
    before = image_tag(["htdemucs"])
    assert re.fullmatch(r"[0-9a-f]{16}", before)
    test.write_text("2")
    assert image_tag(["htdemucs"]) == before
    code.write_text("2")
    assert image_tag(["htdemucs"]) != before
    assert image_tag(["htdemucs", "spleeter"]) != image_tag(["htdemucs"])
    code.rename(code.with_name("other.py"))
    assert image_tag(["htdemucs"]) != before


def test_the_bundle_holds_only_imported_modules() -> None:
    names = {str(file.relative_to(ROOT / "src/unbraid")) for file in own_files()}
    assert {"__init__.py", "jobs/service.py", "models/catalog.toml", "aws/functions/push.py"} <= names
    assert not [
        name for name in names if name.startswith(("aws/container", "jobs/runner", "jobs/separators"))
    ]
