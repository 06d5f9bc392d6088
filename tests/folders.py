"""What stands in a folder, for tests of what is left there."""

from __future__ import annotations

from pathlib import Path


def everything_in(folder: Path) -> list[str]:
    """Paths from `folder` of all that is below it."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def all_but_locks_in(folder: Path) -> list[str]:
    """Names of all that is directly in it, without the locks that are left beside what they kept."""
    return sorted(path.name for path in folder.iterdir() if path.suffix != ".lock")
