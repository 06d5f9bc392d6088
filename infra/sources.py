"""The source of the image: the zip to upload, and the tag derived from its content."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from infra.models import names
from infra.own_models import own_models
from infra.zips import write_zip

ROOT = Path(__file__).resolve().parents[1]

IMAGE = (".dockerignore", "Dockerfile", "requirements", "src")
"""Files that are in the image or define its build."""
BUILD = ("LICENSE", "README.md", "buildspec.yml", "hatch_build.py", "pyproject.toml", "tests")
"""Further files that the build needs."""
# Compiled files and the built page, which are not in the repository.
EXCLUDED = ("__pycache__", "static", "_native.so")


def source_zip(path: Path, package: Mapping[str, Path] | None = None) -> Path:
    """Write the zip to `path`. `package`: further files of the package, by their path in it."""
    files = {str(file.relative_to(ROOT)): file for file in _files(*IMAGE, *BUILD)}
    return write_zip(path, files | {f"src/{name}": file for name, file in (package or {}).items()})


def image_tag(models: Sequence[str]) -> str:
    """Return a hash of the image's files and models: a new image is built only if one of them has changed."""
    digest = hashlib.sha256(" ".join(names(models)).encode())
    for own in own_models(models):
        for name, file in own.files():
            digest.update(f"{name}\0".encode() + hashlib.sha256(file.read_bytes()).digest())
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
