"""A full-size HTDemucs with seeded weights, and what `demucs` makes of a song with it, computed once for all tests."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import demucs.api
import demucs.separate
import numpy as np
import pytest
from demucs.htdemucs import HTDemucs
from tests.conftest import WriteWave
from tests.models.published import HTDEMUCS, published, with_checksum
from tests.networks.peer import seeded

Result = tuple[Any, dict[str, Any]]


@dataclass(frozen=True)
class PublishedRun:
    """`repo`: folder with the bags `htdemucs` and `mine` of one network. `stems`: folder of the files by `demucs`.

    `result`: what `demucs.api` returned to the command for `song`.
    """

    repo: Path
    song: Path
    stems: Path
    result: Result


def options(repo: Path, song: Path, out: Path) -> list[str]:
    """Return options for both commands."""
    return ["--repo", str(repo), "--shifts", "0", "--float32", "-d", "cpu", str(song), "-o", str(out)]


@cache
def published_run(folder: Path, write_wave: WriteWave) -> PublishedRun:
    """Write the network and a song to subfolders of `folder`, and separate the song with the command `demucs`."""
    repo, out = folder / "published-run" / "repo", folder / "published-run" / "theirs"
    repo.mkdir(parents=True)
    state = seeded(lambda: HTDemucs(**HTDEMUCS)).state_dict()
    halves = {name: values.numpy().astype(np.float16) for name, values in state.items()}
    with_checksum(published(repo / "5eed.th", halves))
    for bag in ("htdemucs", "mine"):
        (repo / f"{bag}.yaml").write_text(json.dumps({"models": ["5eed"]}))
    song = write_wave(repo.with_name("song") / "song.wav", seconds=2)
    separate, results = demucs.api.Separator.separate_audio_file, list[Result]()

    def recorded(separator: demucs.api.Separator, file: Path) -> Result:
        results.append(separate(separator, file))
        return results[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demucs.api.Separator, "separate_audio_file", recorded)
        demucs.separate.main(options(repo, song, out))
    (result,) = results
    return PublishedRun(repo, song, out / "htdemucs" / "song", result)
