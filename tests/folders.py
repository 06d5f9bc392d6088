"""List folders, for tests that nothing is left behind."""

from __future__ import annotations

from pathlib import Path


def everything_in(folder: Path) -> list[str]:
    """List the paths of all files and folders below `folder`, relative to it."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def all_but_locks_in(folder: Path) -> list[str]:
    """List the names in `folder`, except lock files, which stay."""
    return sorted(path.name for path in folder.iterdir() if path.suffix != ".lock")
