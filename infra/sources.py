"""The source of the image: the zip to upload, and the tag derived from its content."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from infra.zips import write_zip

ROOT = Path(__file__).resolve().parents[1]

IMAGE = (".dockerignore", "Dockerfile", "requirements", "src")
"""Files that are in the image or define its build."""
BUILD = ("LICENSE", "README.md", "buildspec.yml", "hatch_build.py", "pyproject.toml", "tests")
"""Further files that the build needs."""
# Compiled files and the built page, which are not in the repository.
EXCLUDED = ("__pycache__", "static", "_native.so")


def source_zip(path: Path) -> Path:
    """Write the zip to `path`."""
    return write_zip(path, {str(file.relative_to(ROOT)): file for file in _files(*IMAGE, *BUILD)})


def image_tag(models: Sequence[str]) -> str:
    """Return a hash of the image's files and models: a new image is built only if one of them has changed."""
    digest = hashlib.sha256(" ".join(models).encode())
    for file in _files(*IMAGE):
        digest.update(f"{file.relative_to(ROOT)}\0".encode() + hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()[:16]


def _files(*names: str) -> Iterator[Path]:
    for name in names:
        place = ROOT / name
        for file in [place] if place.is_file() else sorted(place.rglob("*")):
            if file.is_file() and not any(
                part.startswith(EXCLUDED) for part in file.relative_to(place).parts
            ):
                yield file
