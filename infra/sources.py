"""What the image is built from: the zip that is uploaded, and the name that its content gives the image."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from infra.zips import write_zip

ROOT = Path(__file__).resolve().parents[1]

IMAGE = (".dockerignore", "Dockerfile", "requirements", "src")
"""What is in the image, or says how it is made."""
BUILD = ("LICENSE", "README.md", "buildspec.yml", "hatch_build.py", "pyproject.toml", "tests")
"""What the build needs besides."""
# Compiled files, and the page of the web app as it was last built here: none of them is in the repository.
LEFT_OUT = ("__pycache__", "static", "_native.so")


def source_zip(path: Path) -> Path:
    """Write it to `path`."""
    return write_zip(path, {str(file.relative_to(ROOT)): file for file in _files(*IMAGE, *BUILD)})


def image_tag() -> str:
    """The same for the same image: a new one is only built when something has changed that is in it."""
    digest = hashlib.sha256()
    for file in _files(*IMAGE):
        digest.update(f"{file.relative_to(ROOT)}\0".encode() + hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()[:16]


def _files(*names: str) -> Iterator[Path]:
    for name in names:
        place = ROOT / name
        for file in [place] if place.is_file() else sorted(place.rglob("*")):
            if file.is_file() and not any(
                part.startswith(LEFT_OUT) for part in file.relative_to(place).parts
            ):
                yield file
