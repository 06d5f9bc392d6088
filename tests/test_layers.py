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
    "evaluation": {"errors", "audio", "separation"},
    "training": {"evaluation", "networks"},
    "jobs": {"cores", "errors", "out_of_memory", "files", "audio", "models", "separation"},
    "api": {"urls", "errors", "audio", "models", "jobs"},
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


def module_graph() -> dict[str, set[str]]:
    """Module -> the modules of the package that it imports anywhere, except for type checking and `__version__`."""
    names = {
        ".".join(["unbraid", *path.relative_to(PACKAGE).with_suffix("").parts]).removesuffix(
            ".__init__"
        ): path
        for path in PACKAGE.rglob("*.py")
    }
    graph: dict[str, set[str]] = {name: set() for name in names}
    for name, path in names.items():
        pending: list[ast.AST] = [ast.parse(path.read_text("utf-8"))]
        while pending:
            node = pending.pop()
            if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
                continue
            pending += ast.iter_child_nodes(node)
            if isinstance(node, ast.Import):
                imported = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                whole = [f"{node.module}.{alias.name}" for alias in node.names]
                whole = [one for one in whole if one != "unbraid.__version__"]
                imported = [one if one in names else str(node.module) for one in whole]
            else:
                continue
            graph[name].update(one for one in imported if one in names)
    return graph


def cycles_in(graph: dict[str, set[str]]) -> list[set[str]]:
    """The groups of modules that import each other, directly or through others."""
    reach = {}
    for start in graph:
        seen: set[str] = set()
        pending = list(graph[start])
        while pending:
            if (name := pending.pop()) not in seen:
                seen.add(name)
                pending += graph[name]
        reach[start] = seen
    groups = {frozenset(other for other in reach[name] if name in reach[other]) for name in graph}
    return [set(group) for group in groups if group]


def test_finds_import_cycles() -> None:
    graph = {"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"a"}}
    assert cycles_in(graph) == [{"b", "c"}]


def test_modules_have_no_import_cycles() -> None:
    graph = module_graph()
    assert "unbraid.separation.runtimes.pytorch" in graph["unbraid.separation.runtimes.choose"]
    assert cycles_in(graph) == []
