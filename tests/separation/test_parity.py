"""Published files give the stems of demucs 4.1.0. `benchmarks/parity.py` compares all models."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest
import torch
from demucs.apply import apply_model
from demucs.hdemucs import HDemucs
from demucs.htdemucs import HTDemucs
from tests.models.published import HDEMUCS_MMI, published
from tests.networks.peer import music, seeded
from tests.separation.conftest import level_db
from tests.separation.engines import LIMITS_DB, choose

from unbraid import Separator
from unbraid.native.library import native_library

SIX = ["drums", "bass", "other", "vocals", "guitar", "piano"]
# htdemucs_6s, the smallest of the published networks.
ARGUMENTS = {
    "sources": SIX, "audio_channels": 2, "samplerate": 44100, "segment": Fraction(39, 5), "channels": 48,
    "nfft": 4096, "depth": 4, "dconv_mode": 3, "bottom_channels": 0, "t_layers": 5, "t_heads": 8,
    "t_hidden_scale": 4.0, "t_dropout": 0.02,
}  # fmt: skip


def test_hdemucs_gives_the_stems_of_demucs_for_segments_of_any_length(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UNBRAID_CACHE", str(tmp_path / "cache"))
    network = seeded(lambda: HDemucs(**HDEMUCS_MMI))
    state = {name: value.half().numpy() for name, value in network.state_dict().items()}
    (tmp_path / "repo").mkdir()
    published(tmp_path / "repo" / "75fc33f5.th", state, HDEMUCS_MMI, "HDemucs")
    song = music(110_000)[0].numpy()  # one segment of 2 s and a shorter one
    mix = song.mean(axis=0)
    mean, deviation = mix.mean(), mix.std(ddof=1) + 1e-8
    with torch.no_grad():
        normalised = torch.from_numpy((song - mean) / deviation)[None]
        expected = (
            apply_model(network, normalised, shifts=0, overlap=0.25, segment=2.0)[0].numpy() * deviation
            + mean
        )
    separator = Separator("75fc33f5", repo=tmp_path / "repo", device="cpu", segment_s=2)
    for actual, true in zip(separator.separate(song).values(), expected, strict=True):
        assert level_db(actual - true, true) < -80


def test_htdemucs_gives_the_stems_of_demucs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNBRAID_CACHE", str(tmp_path / "cache"))
    network = seeded(lambda: HTDemucs(**ARGUMENTS))
    state = {name: value.half() for name, value in network.state_dict().items()}
    package = {"klass": HTDemucs, "args": (), "kwargs": ARGUMENTS, "state": state}
    (tmp_path / "repo").mkdir()
    torch.save(package, tmp_path / "repo" / "0123abcd.th")
    song = music(50_000)[0].numpy()
    mix = song.mean(axis=0)
    mean, deviation = mix.mean(), mix.std(ddof=1) + 1e-8
    with torch.no_grad():
        normalised = torch.from_numpy((song - mean) / deviation)[None]
        expected = apply_model(network, normalised, shifts=0, overlap=0.25)[0].numpy() * deviation + mean
    engines = ["openvino"] if native_library() is None else ["native", "openvino"]
    for engine in engines:
        with monkeypatch.context() as patch:
            choose(engine, patch)
            stems = Separator("0123abcd", repo=tmp_path / "repo", device="cpu").separate(song)
        assert tuple(stems) == tuple(SIX)
        for actual, true in zip(stems.values(), expected, strict=True):
            assert level_db(actual - true, true) < LIMITS_DB[engine]
