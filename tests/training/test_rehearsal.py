"""The clips that `lite` rehearses while it is taught."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from training import rehearsal
from training.songs.render import STEMS
from training.voices import VoiceBank
from training.voices.tract import computed_voices
from unbraid.audio.decode import decode_all
from unbraid.finetuning.rehearsal import CLIP_SAMPLES


def test_a_clip_is_where_the_voice_is_loud(monkeypatch: pytest.MonkeyPatch) -> None:
    ramp = np.tile(np.linspace(0, 1, 3 * CLIP_SAMPLES, dtype=np.float32), (2, 1))

    song = SimpleNamespace(stems={name: ramp if name == "vocals" else -ramp for name in STEMS})
    monkeypatch.setattr(rehearsal, "render", lambda *_, **__: song)
    stems = rehearsal.clip(1, VoiceBank([]))
    assert {stem.shape for stem in stems.values()} == {(2, CLIP_SAMPLES)}
    np.testing.assert_array_equal(stems["drums"], -stems["vocals"])
    places = np.random.default_rng(1).integers(2 * CLIP_SAMPLES, size=rehearsal.TRIES)
    assert stems["vocals"][0, 0] == ramp[0, max(places)]


def test_stems_are_written_one_clip_after_another(tmp_path: Path) -> None:
    levels = {name: 0.1 * (1 + place) for place, name in enumerate(STEMS)}
    time = np.arange(CLIP_SAMPLES) / 44_100
    tone = np.tile(np.sin(2 * np.pi * 300 * time), (2, 1)).astype(np.float32)
    silence = np.zeros_like(tone)
    rehearsal.write(
        tmp_path, [dict.fromkeys(STEMS, silence), {n: level * tone for n, level in levels.items()}]
    )
    for name, level in levels.items():
        sound, decoder = decode_all(tmp_path / f"{name}.opus")
        half = 4 * decoder.sample_rate
        assert sound.shape[1] == pytest.approx(2 * half, abs=2)
        assert np.abs(sound[:, : half - 1000]).max() < 1e-3
        assert np.sqrt(np.mean(np.square(sound[:, half + 1000 :]))) == pytest.approx(
            level / np.sqrt(2), rel=0.05
        )


def test_only_voices_that_everyone_may_copy_sing() -> None:
    computed = VoiceBank(computed_voices(count=1))
    other = replace(computed.voices[0], name="espeak-ng-de-m5")
    names = {voice.name for voice in rehearsal.permissive(VoiceBank([*computed.voices, other])).voices}
    assert names == {"tract-00", *(f"tract-{16 + number}" for number in range(rehearsal.MORE_VOICES))}


def test_most_clips_have_a_voice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every second song has none."""
    monkeypatch.setattr(rehearsal, "clip", lambda seed, _: {"vocals": np.full((2, 9), seed % 2, np.float32)})
    sung = [bool(stems["vocals"].any()) for stems in rehearsal.clips(VoiceBank([]), 13)]
    assert len(sung) == 13
    assert sung.count(False) == 3
