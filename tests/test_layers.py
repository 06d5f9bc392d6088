"""Imports go one way, as the table in docs/architecture.md says, and there are no import cycles."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "src" / "unbraid"

ARCHITECTURE = Path(__file__).parents[1] / "docs" / "architecture.md"


def table() -> dict[str, set[str]]:
    """Read which parts each part may import from the table of packages in docs/architecture.md."""
    rows = re.findall(r"^\| `(\w+)` \| .+ \| (.+) \|$", ARCHITECTURE.read_text("utf-8"), re.MULTILINE)
    return {part: set(re.findall(r"\w+", imported)) for part, imported in rows}


MAY_IMPORT = table()


def imports(part: Path) -> Iterator[tuple[str, str]]:
    """Yield each file of a part with each part of the package that it imports, also inside functions."""
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


def test_the_table_lists_every_part() -> None:
    parts = {
        path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or (path / "__init__.py").is_file()
    }
    assert parts == MAY_IMPORT.keys()


def test_the_table_has_no_cycles() -> None:
    assert MAY_IMPORT["audio"] == {"errors", "files", "out_of_memory"}
    assert cycles_in(MAY_IMPORT) == []


@pytest.mark.parametrize("part", MAY_IMPORT)
def test_a_part_imports_only_what_the_table_allows(part: str) -> None:
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
    """Return the groups of modules that import each other, directly or indirectly."""
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
