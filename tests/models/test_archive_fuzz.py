"""A mutated file installs the exported models or gives one line of error, and never anything else."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.models.archive_models import content, imported

from unbraid.errors import ModelError
from unbraid.models.cache import cache_folder
from unbraid.models.tar import BLOCK

CASES = 80  # of each kind

Mutate = Callable[[bytes, random.Random], bytes]


def flip(archive: bytes, random: random.Random) -> bytes:
    """Change some bytes anywhere."""
    changed = bytearray(archive)
    for _ in range(random.randint(1, 8)):
        changed[random.randrange(len(changed))] = random.randrange(256)
    return bytes(changed)


def edit(archive: bytes, random: random.Random) -> bytes:
    """Change some bytes of a header, and correct its checksum."""
    starts = [
        start for start in range(0, len(archive), BLOCK) if archive[start + 257 : start + 262] == b"ustar"
    ]
    start = random.choice(starts)
    head = bytearray(archive[start : start + BLOCK])
    for _ in range(random.randint(1, 4)):
        # Name, size and type matter most.
        at = random.choice([random.randrange(40), random.randrange(124, 136), 156, random.randrange(BLOCK)])
        head[at] = random.choice([0, *b"/.01234567\x80\xffLKxgS", random.randrange(256)])
    head[148:156] = b"%06o\0 " % (256 + sum(head[:148]) + sum(head[156:]))
    return archive[:start] + bytes(head) + archive[start + BLOCK :]


def truncate(archive: bytes, random: random.Random) -> bytes:
    """Keep the beginning."""
    return archive[: random.randrange(len(archive))]


def join(archive: bytes, random: random.Random) -> bytes:
    """Join parts of the file, at blocks or anywhere."""
    step = random.choice([1, BLOCK])
    ends = [random.randrange(len(archive) // step) * step for _ in range(4)]
    return archive[: ends[0]] + archive[ends[1] :] + archive[: ends[2]] + archive[ends[3] :]


def describe(archive: bytes, random: random.Random) -> bytes:
    """Change a description without changing its length."""
    changed = bytearray(archive)
    start = archive.index(b"{")
    for _ in range(random.randint(1, 6)):
        at = start + random.randrange(700)
        if changed[at] not in b"\0\n ":
            changed[at] = random.choice(b'0123456789eE+-.,:[]{}"ntf\\\\/')
    return bytes(changed)


@pytest.mark.parametrize("mutate", [flip, edit, truncate, join, describe])
def test_installs_the_same_models_or_nothing(
    mutate: Mutate, cache: Path, exported: Path, other: Path, tmp_path: Path
) -> None:
    archive, errors = exported.read_bytes(), 0
    good = {path.name: content(path) for path in (cache / "models").iterdir() if path.is_dir()}
    outside = {path for path in tmp_path.rglob("*") if other.parent not in (path, *path.parents)}
    for seed in range(CASES):
        exported.write_bytes(mutate(archive, random.Random(seed)))
        try:
            problems = [model.problem for model in imported(exported) if model.problem]
        except ModelError as error:
            problems = [error.message]
        errors += bool(problems)
        assert all("\n" not in problem for problem in problems), seed
        for path in other.iterdir() if other.exists() else ():
            if path.suffix == ".lock":
                continue
            installed, expected = content(path), dict(good[path.name])
            # Only weights, and what else depends on nothing, may differ: their checksum is in the same file.
            for name in expected:
                if not name.endswith("model.json"):
                    assert installed.pop(name) == expected[name], (seed, name)
            assert installed.keys() == {name for name in expected if name.endswith("model.json")}, seed
            remove(path)
        assert {
            path for path in tmp_path.rglob("*") if other.parent not in (path, *path.parents)
        } == outside, seed
    assert errors > CASES / 10
    exported.write_bytes(archive)
    imported(exported)
    assert content(other) == content(cache / "models")


def remove(folder: Path) -> None:
    """Remove an installed model."""

    assert cache_folder() in folder.parents
    shutil.rmtree(folder)
