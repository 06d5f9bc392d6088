"""`lite` rehearses clips of other songs while it learns."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.finetuning.synthetic import write_tiny_model

from unbraid.evaluation.sdr import sdr
from unbraid.finetuning import teach
from unbraid.finetuning.bases import student_of
from unbraid.finetuning.material import Tracks
from unbraid.finetuning.plan import Plan
from unbraid.finetuning.rehearsal import CLIP_SAMPLES, FOLDER, SHARE, clips
from unbraid.finetuning.student import LARGE, SMALL
from unbraid.finetuning.teach import SummedPool
from unbraid.models import find_model

STEMS = ("drums", "bass", "other", "vocals")
AUDIBLE = 1e-4  # mean square: -40 dB


@pytest.fixture(scope="module")
def rehearsed() -> list[Tracks]:
    return clips()


def test_clips_are_short_songs_with_all_stems(rehearsed: list[Tracks]) -> None:
    assert len(rehearsed) == 120
    for clip in rehearsed:
        assert {name: stem.shape for name, stem in clip.stems.items()} == dict.fromkeys(
            STEMS, (CLIP_SAMPLES, 2)
        )
    for name in STEMS:
        audible = [
            float(np.square(clip.stems[name], dtype=np.float32).mean()) > AUDIBLE for clip in rehearsed
        ]
        assert sum(audible) >= 70, name
    assert sum(file.stat().st_size for file in FOLDER.glob("*.opus")) < 7e6  # they are in the package


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
    for model, stems, rehearses, share in (
        (lite, ("vocals", "other", "bass", "drums"), True, 1.0),
        (lite, ("kick", "snare", "rest"), False, 1.0),
        (tiny, ("low", "high"), False, 0.8),
    ):
        student = student_of(model, stems, seed=0)
        assert student.rehearsal == (SHARE if rehearses else 0)
        assert student.share == share
        # Songs that aren't changed much are learnt by heart, unless other songs are rehearsed.
        assert student.variation == (SMALL if rehearses else LARGE)


def test_the_best_weights_are_those_that_forget_little(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One clip of five is never learnt from. What it loses counts as much as what the user's songs gain."""
    tiny = find_model(write_tiny_model(tmp_path / "tiny"))
    noise = np.random.default_rng(0).normal(0, 0.1, (7, 2, 80_000, 2)).astype(np.float16)
    tracks = [Tracks(str(n), {"low": low, "high": high}) for n, (low, high) in enumerate(noise)]
    monkeypatch.setattr(teach, "clips", lambda: tracks[1:])
    student = replace(student_of(tiny, ("low", "high"), seed=0), rehearsal=0.5)
    plan = Plan("tiny", "", {"low": ["low"], "high": ["high"]}, [], 0, None, False, "cpu", False, 4, 1)
    teacher = teach.Teacher(plan, student, tracks[:1], tracks[:1], tmp_path, lambda _: None)
    assert teacher.known is not None
    assert len(teacher.known.crops) == 2
    drawn = {id(song[0]) for song in teacher.batches.pool.songs}
    assert drawn == {id(tracks[number].stems["low"]) for number in (0, 2, 3, 4, 5)}

    gained, known = iter([1.0, 2.0, 1.9, 2.1, 2.2]), iter([5.0, 4.5, 4.9, 5.2, 4.8])
    monkeypatch.setattr(teacher.scoring, "scores", lambda *_: {"mean": next(gained)})
    monkeypatch.setattr(teacher.known, "scores", lambda *_: {"mean": next(known)})
    steps = []
    monkeypatch.setattr(
        teacher, "event", lambda event: steps.append(event["steps"]) if event.get("best") else None
    )
    teacher.teach()
    assert steps == [0, 1, 2, 3]  # 1.0, 1.5, 1.8, 2.1 and 2.0 dB
    assert teacher.progress.best_step == 3


def test_the_share_of_other_songs_is_drawn() -> None:
    own, other = (
        Tracks(name, {"a": np.full((9, 2), level, np.float16)}) for name, level in (("x", 1), ("y", 2))
    )
    rng = np.random.default_rng(0)
    for share in (0.0, 0.25, 1.0):
        pool = SummedPool([own], {"a": ["a"]}, [other, other], share)
        drawn = [pool.crop(pool.pick(rng), 0, 0, 1)[0, 0] for _ in range(2000)]
        assert np.mean(np.equal(drawn, 2)) == pytest.approx(share, abs=0.05)
