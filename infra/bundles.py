"""Bundle the functions' code: the modules of Unbraid that they import, and libraries built for Lambda's processor.

This needs neither Docker nor a compiler: pip downloads the wheels for Lambda's platform.
"""

from __future__ import annotations

import ast
import hashlib
import subprocess
import sys
import venv
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path

from infra.zips import write_zip
from unbraid.files.atomic import atomic_folder

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src"
LOCK = ROOT / "requirements" / "functions.lock"
MADE = Path(__file__).parent / ".made"
"""Downloaded libraries are cached here."""

START = "unbraid.aws.functions"
# In these packages, imports inside functions are followed too. In all others they load what only separating needs, such
# as NumPy, and Lambda functions don't separate.
FOLLOWED = ("unbraid.aws", "unbraid.api")

PLATFORMS = ("manylinux_2_28_aarch64", "manylinux_2_17_aarch64", "manylinux2014_aarch64")
"""Platforms that Amazon Linux 2023 runs; its glibc is 2.34."""
PYTHON = "3.13"
LEFT_OUT = ("*.pyc", "*.pyi", "RECORD", "INSTALLER", "REQUESTED", "direct_url.json")


def bundle(path: Path, made: Path = MADE, package: Mapping[str, Path] | None = None) -> Path:
    """Write the zip to `path`. `package`: further files of the package. Raises RuntimeError with pip's message."""
    files = dict(package or {}) | {str(file.relative_to(SOURCE)): file for file in own_files()}
    libraries = fetched(made)
    for file in libraries.rglob("*"):
        name = file.relative_to(libraries)
        if file.is_file() and name.parts[0] != "bin" and not any(map(file.match, LEFT_OUT)):
            files[str(name)] = file
    return write_zip(path, files)


def own_files() -> list[Path]:
    """The modules that the functions import, and the TOML and JSON tables in their folders."""
    modules: dict[str, Path] = {}
    waiting = [START, *(f"{START}.{file.stem}" for file in _file(START).parent.glob("*.py"))]
    while waiting:
        name = waiting.pop()
        file = _file(name)
        if name in modules or not file.is_file():
            continue
        modules[name] = file
        waiting += _imports(ast.parse(file.read_text("utf-8")), name.startswith(FOLLOWED))
        if "." in name:
            waiting.append(name.rpartition(".")[0])
    folders = {file.parent for file in modules.values()}
    tables = {
        table for folder in folders for ending in ("toml", "json") for table in folder.glob(f"*.{ending}")
    }
    return sorted({*modules.values(), *tables})


def fetched(made: Path) -> Path:
    """Folder of the libraries, downloaded once for each version of the lock file."""
    folder = made / f"functions-{hashlib.sha256(LOCK.read_bytes()).hexdigest()[:16]}"
    if folder.is_dir():
        return folder
    platforms = [option for platform in PLATFORMS for option in ("--platform", platform)]
    command = [*_pip(made), "install", "--quiet", "--no-input", "--disable-pip-version-check", "--no-compile"]
    command += ["--require-hashes", "--no-deps", "--only-binary", ":all:", "--implementation", "cp"]
    command += [*platforms, "--python-version", PYTHON, "-r", str(LOCK), "--target"]
    with atomic_folder(folder) as new:
        done = subprocess.run([*command, str(new)], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"the functions' libraries can't be fetched:\n{done.stderr.strip()}")
    return folder


def _pip(made: Path) -> list[str]:
    """The pip command. The environments that ./unbraid creates have no pip, so this creates one that has it."""
    if find_spec("pip") is not None:
        return [sys.executable, "-m", "pip"]
    environment = made / "pip"
    if not (environment / "bin" / "pip").exists():
        venv.create(environment, clear=True, with_pip=True)
    return [str(environment / "bin" / "python"), "-I", "-m", "pip"]


def _file(name: str) -> Path:
    place = SOURCE.joinpath(*name.split("."))
    package = place / "__init__.py"
    return package if package.is_file() else place.with_suffix(".py")


def _imports(node: ast.AST, everywhere: bool) -> Iterator[str]:
    """Imported names of `unbraid` below `node`: modules, and members of modules, which may be modules too."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            names = [alias.name for alias in child.names]
        elif isinstance(child, ast.ImportFrom) and child.module is not None:
            names = [child.module, *(f"{child.module}.{alias.name}" for alias in child.names)]
        elif _only_types(child) or (isinstance(child, ast.FunctionDef) and not everywhere):
            continue
        else:
            yield from _imports(child, everywhere)
            continue
        yield from (name for name in names if name.split(".")[0] == "unbraid")


def _only_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
