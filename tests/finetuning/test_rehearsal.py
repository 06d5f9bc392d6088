"""`lite` rehearses clips of other songs while it learns."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from tests.finetuning.synthetic import write_tiny_model

from unbraid.evaluation.sdr import sdr
from unbraid.finetuning.bases import student_of
from unbraid.finetuning.material import Tracks
from unbraid.finetuning.rehearsal import CLIP_SAMPLES, FOLDER, SHARE, clips
from unbraid.finetuning.teach import SummedPool
from unbraid.models import find_model

STEMS = ("drums", "bass", "other", "vocals")
AUDIBLE = 1e-4  # mean square: -40 dB


@pytest.fixture(scope="module")
def rehearsed() -> list[Tracks]:
    return clips()


def test_clips_are_short_songs_with_all_stems(rehearsed: list[Tracks]) -> None:
    assert len(rehearsed) == 60
    for clip in rehearsed:
        assert {name: stem.shape for name, stem in clip.stems.items()} == dict.fromkeys(
            STEMS, (CLIP_SAMPLES, 2)
        )
    for name in STEMS:
        audible = [
            float(np.square(clip.stems[name], dtype=np.float32).mean()) > AUDIBLE for clip in rehearsed
        ]
        assert sum(audible) >= 35, name
    assert sum(file.stat().st_size for file in FOLDER.glob("*.opus")) < 3.5e6  # they are in the package


def test_lite_knows_the_clips(rehearsed: list[Tracks]) -> None:
    """Each stem is under its name, and aligned with the others."""
    student = student_of(find_model("lite"), STEMS, seed=0)
    gains = {name: [] for name in STEMS}
    for clip in rehearsed[:10]:
        stems = [clip.stems[name].T.astype(np.float32) for name in STEMS]
        mixture = np.sum(stems, axis=0)
        estimates = student.objective.separate(student.network.eval(), mixture, torch.device("cpu"))
        for name, stem, estimate in zip(STEMS, stems, estimates, strict=True):
            if np.square(stem).mean() > AUDIBLE:
                gains[name].append(sdr(stem, estimate) - sdr(stem, mixture))
    for name, values in gains.items():
        assert np.median(values) > 3, name


def test_only_lite_with_its_stems_rehearses(tmp_path: Path) -> None:
    lite, tiny = find_model("lite"), find_model(write_tiny_model(tmp_path / "tiny"))
    assert student_of(lite, ("vocals", "other", "bass", "drums"), seed=0).rehearsal == SHARE
    assert student_of(lite, ("kick", "snare", "rest"), seed=0).rehearsal == 0
    assert student_of(tiny, ("low", "high"), seed=0).rehearsal == 0


def test_the_share_of_other_songs_is_drawn() -> None:
    own, other = (
        Tracks(name, {"a": np.full((9, 2), level, np.float16)}) for name, level in (("x", 1), ("y", 2))
    )
    rng = np.random.default_rng(0)
    for share in (0.0, 0.25, 1.0):
        pool = SummedPool([own], {"a": ["a"]}, [other, other], share)
        drawn = [pool.crop(pool.pick(rng), 0, 0, 1)[0, 0] for _ in range(2000)]
        assert np.mean(np.equal(drawn, 2)) == pytest.approx(share, abs=0.05)
