"""Imports go one way: no part of the package knows of those above it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "src" / "unbraid"

# Part -> the parts it may import, from the bottom up.
MAY_IMPORT = {
    "errors": set(),
    "urls": set(),
    "environment": set(),
    "cores": set(),
    "out_of_memory": {"errors"},
    "files": {"errors"},
    "audio": {"errors", "files"},
    "models": {"errors", "files"},
    "networks": {"errors", "files", "models"},
    "native": {"errors"},
    "separation": {"cores", "errors", "out_of_memory", "files", "audio", "models", "native", "networks"},
    "evaluation": {"errors", "out_of_memory", "audio", "models", "separation"},
    "training": {"evaluation", "networks"},
    "jobs": {"cores", "errors", "out_of_memory", "files", "audio", "models", "separation"},
    "api": {"urls", "errors", "models", "jobs"},
    "local": {"urls", "cores", "environment", "errors", "out_of_memory", "files", "audio", "models", "jobs"},
    "web": {"urls", "errors", "models", "jobs", "api", "local"},
    "aws": {"environment", "errors", "files", "models", "separation", "jobs", "api"},
    "cli": {
        "errors",
        "out_of_memory",
        "files",
        "audio",
        "models",
        "separation",
        "evaluation",
        "jobs",
        "local",
        "web",
    },
    "__init__": {"errors", "separation"},
    "__main__": {"cli"},
}


def imports(part: Path) -> Iterator[tuple[str, str]]:
    """The file, and the part of the package that it imports, for every import anywhere in it."""
    for file in [part] if part.is_file() else sorted(part.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{file} has a relative import"
                names = [f"{node.module}.{alias.name}" for alias in node.names]
            for name in names:
                whole, _, rest = name.partition(".")
                if whole == "unbraid":
                    yield str(file.relative_to(PACKAGE)), rest.split(".")[0]


def test_every_part_has_its_place() -> None:
    parts = {
        path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or (path / "__init__.py").is_file()
    }
    assert parts == MAY_IMPORT.keys()


@pytest.mark.parametrize("part", MAY_IMPORT)
def test_a_part_imports_only_what_lies_below_it(part: str) -> None:
    folder = PACKAGE / part
    allowed = MAY_IMPORT[part] | {part, "__version__"}
    found = imports(folder if folder.is_dir() else folder.with_suffix(".py"))
    assert [f"{file}: {name}" for file, name in found if name not in allowed] == []
