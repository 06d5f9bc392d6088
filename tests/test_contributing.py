"""The recipes of CONTRIBUTING.md and the map in docs/architecture.md agree with the tree."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text("utf-8")

PATH = re.compile(r"`((?:[\w.-]+/)+[\w.-]*|[\w-]+\.(?:py|toml|ts|tsx|md))`")


def sections(text: str, level: str) -> dict[str, str]:
    """Headings of one level, each with the text below it."""
    parts = re.split(rf"^{level} (.+)$", text, flags=re.MULTILINE)
    return {title: body.split("\n## ")[0] for title, body in zip(parts[1::2], parts[2::2], strict=True)}


def steps(text: str) -> list[str]:
    """Items of a numbered list; continuation lines belong to their item."""
    return re.findall(r"^\d+\. (.+(?:\n {3}.+)*)", text, re.MULTILINE)


def step_paths(recipe: str) -> set[str]:
    """Source files that the numbered steps of a recipe name."""
    found = PATH.findall("\n".join(steps(RECIPES[recipe])))
    return {path for path in found if path.startswith("src/")}


RECIPES = {title: body for title, body in sections(CONTRIBUTING, "###").items() if title.startswith("Add ")}
FLOWS = sections(ARCHITECTURE, "###")


def test_names_a_recipe_for_each_common_change() -> None:
    assert list(RECIPES) == [
        "Add a model family",
        "Add an output format",
        "Add an API endpoint",
        "Add a storage adapter",
        "Add a page component",
    ]


@pytest.mark.parametrize("title", RECIPES)
def test_every_path_of_a_recipe_exists(title: str) -> None:
    paths = PATH.findall(RECIPES[title])
    assert len(paths) >= 2
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_a_model_family_needs_at_most_three_source_files() -> None:
    paths = step_paths("Add a model family")
    assert 1 <= len(paths) <= 3


def test_an_endpoint_needs_at_most_three_source_files_and_the_manual() -> None:
    assert len(step_paths("Add an API endpoint")) <= 3
    assert "docs/api.md" in PATH.findall(RECIPES["Add an API endpoint"])


@pytest.mark.parametrize(
    "title",
    [
        "Command line: from a song to its stems",
        "Web app: from a request to a worker",
        "AWS: from a request to the container",
    ],
)
def test_a_flow_is_short_and_names_files_that_exist(title: str) -> None:
    found = steps(FLOWS[title])
    assert 3 <= len(found) <= 8
    for step in found:
        paths = PATH.findall(step)
        assert paths, step
        assert [
            path
            for path in paths
            if not (ROOT / path).exists() and not (ROOT / "src/unbraid" / path).exists()
        ] == []


def test_the_map_lists_every_package() -> None:
    package = ROOT / "src" / "unbraid"
    folders = {path.name for path in package.iterdir() if (path / "__init__.py").is_file()}
    listed = set(re.findall(r"^\| `(\w+)/?` \|", ARCHITECTURE, re.MULTILINE))
    assert folders <= listed


def test_lists_each_decision_once_in_order() -> None:
    folder = ROOT / "docs" / "decisions"
    listed = re.findall(r"^\| \[(\d{4})\]\((\S+)\)", (folder / "README.md").read_text("utf-8"), re.MULTILINE)
    pages = sorted(page.name for page in folder.glob("0*.md"))
    assert [page for _, page in listed] == pages
    assert all(page.startswith(number) for number, page in listed)
