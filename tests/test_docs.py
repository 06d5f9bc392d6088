"""Links and file names in the documentation point to existing files."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]

LINK = re.compile(r"\]\(([^)#\s]+)(#[^)]*)?\)")
CODE = re.compile(r"`([^`\n]+)`")
# A word in code names one of our files if it begins with a folder of the repository or the package.
FOLDERS = {path.name for path in (ROOT, ROOT / "src" / "unbraid") for path in path.iterdir() if path.is_dir()}
# Folders that commands of the documentation create are not in the repository.
CREATED = ("runs", "stems", "separated", ".venv", ".venv-test", ".venv-train")


def links(page: Path) -> Iterator[str]:
    """Targets of the page's relative links and images."""
    for target, _ in LINK.findall(page.read_text("utf-8")):
        if "://" not in target and not target.startswith("mailto:"):
            yield unquote(target)


def named_files(page: Path) -> Iterator[str]:
    """Files and folders of the repository that the page names in code, and modules after `python -m`."""
    text = page.read_text("utf-8")
    for module in re.findall(r"(?:python3? -m |`)(unbraid(?:\.[a-z_]+)+)", text):
        yield "src/" + module.replace(".", "/")
    for module in re.findall(r"(?:python3? -m |`)(training(?:\.[a-z_]+)+)", text):
        yield module.replace(".", "/")
    words = [word for code in CODE.findall(text) for word in code.split()]
    words += [word for line in text.splitlines() if line.startswith("    ") for word in line.split()]
    for word in words:
        path = word.removeprefix("./").rstrip(",;:").removesuffix("/")
        first = path.split("/")[0]
        if re.fullmatch(r"[\w.+-]+(/[\w.+-]+)+", path) and first in FOLDERS and first not in CREATED:
            yield path


def exists(name: str) -> bool:
    """Whether a path in the repository or the package exists, or a name in one of its modules."""
    places = [place / name for place in (ROOT, ROOT / "src" / "unbraid")]
    # `unbraid.evaluation.sdr.sdr`: the last word may be a name in a module.
    return any(place.exists() or place.with_suffix(".py").is_file() for place in places) or any(
        place.parent.with_suffix(".py").is_file()
        and re.search(rf"\b{place.name}\b", place.parent.with_suffix(".py").read_text("utf-8"))
        for place in places
    )


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_relative_links_lead_to_files(page: Path) -> None:
    assert [target for target in links(page) if not (page.parent / target).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_named_files_exist(page: Path) -> None:
    assert [name for name in named_files(page) if not exists(name)] == []


def test_finds_links_and_files() -> None:
    manual, training = ROOT / "README.md", ROOT / "docs" / "training.md"
    assert "docs/stems.png" in list(links(manual))
    assert "../src/unbraid/models/bundled/lite/CARD.md" in list(links(training))
    assert {"training/songs", "src/unbraid/training/train"} <= set(named_files(training))
    assert not exists("src/unbraid/training/no_such_module")
