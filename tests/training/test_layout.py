"""The song factory stays outside the package, and its modules have no import cycle."""

import ast
import tomllib
from graphlib import TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).parents[2]
FACTORY = {
    ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): file
    for file in (ROOT / "training").rglob("*.py")
}


def imported_modules(file: Path) -> set[str]:
    """Dotted names of the modules that a file imports anywhere."""
    names = set()
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            submodules = {f"{node.module}.{alias.name}" for alias in node.names}
            names |= {name if name in FACTORY else str(node.module) for name in submodules}
    return names


def test_package_does_not_import_the_factory() -> None:
    files = (ROOT / "src").rglob("*.py")
    assert [
        file for file in files if any(f"{n}.".startswith("training.") for n in imported_modules(file))
    ] == []


def test_wheel_and_sdist_leave_the_factory_out() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    targets = project["tool"]["hatch"]["build"]["targets"]
    assert targets["wheel"]["packages"] == ["src/unbraid"]
    assert {"/src", "/docs"} <= set(targets["sdist"]["include"])
    assert not {"/", "/*", "/training"} & set(targets["sdist"]["include"])


def test_factory_has_no_import_cycle() -> None:
    graph = {name: imported_modules(file) & FACTORY.keys() for name, file in FACTORY.items()}
    assert graph["training.voices.bank"] >= {"training.voices.timbre", "training.voices.voice"}
    TopologicalSorter(graph).prepare()  # raises CycleError
