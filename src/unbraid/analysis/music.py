"""Tempo, beats and key of a song, from its stems as they are written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unbraid.analysis.key import Pitches, find_key
from unbraid.analysis.onsets import OnsetStrength
from unbraid.analysis.tempo import Beats, find_beats
from unbraid.audio.arrays import Floats
from unbraid.audio.stem_names import DRUMS, MIX, MIXTURE, VOCALS

LONGEST_S = 3600
"""The first hour of a song is analysed. A longer recording has no single tempo and key."""

# Correlation of the onsets one beat apart. Noise stays below 0.03, songs are above 0.2.
_CLEAR = 0.12
# The beat of the other instruments counts if it is that much clearer than that of the drums.
_CLEARER = 1.25
_BLOCK_S = 10


@dataclass(frozen=True, slots=True)
class Music:
    """Tempo, beats and key of a song. What the song doesn't have is None or empty."""

    bpm: float | None = None
    """Beats per minute, rounded to a tenth. It may be half or twice what a listener taps."""
    key: str | None = None
    """The key, such as `A minor`."""
    beats: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0), compare=False)
    """Times of the beats in seconds, (beats,)."""
    short_key: str | None = None
    """The key in the form of tags, such as `Am`."""

    @property
    def texts(self) -> dict[str, tuple[str, ...]]:
        """Tags of the song; see `unbraid.audio.tags.model.Tags.texts`."""
        found = {"bpm": None if self.bpm is None else f"{self.bpm:g}", "initial_key": self.short_key}
        return {name: (text,) for name, text in found.items() if text is not None}

    @property
    def values(self) -> dict[str, Any]:
        """The fields as JSON has them; `from_values` reads them. Beats are rounded to milliseconds."""
        return {**asdict(self), "beats": [round(float(beat), 3) for beat in self.beats]}

    @classmethod
    def from_values(cls, values: Mapping[str, Any]) -> Music:
        """Return the music that has these `values`. Missing ones are unknown."""
        return cls(**{**values, "beats": np.asarray(values.get("beats", ()), np.float64)})


class MusicAnalyser:
    """Analyser of the stems `names` at `sample_rate` (Hz), which arrive in blocks.

    The beat is that of the drums, or that of all but the vocals if it is clearer. The key is that of all stems but
    drums and vocals; of the song itself, if there are no others. Memory: 3.2 kB for each second of the first hour.
    """

    def __init__(self, names: Sequence[str], sample_rate: int) -> None:
        parts = [set(name.split("+")) for name in names]
        self._drums = [number for number, part in enumerate(parts) if part == {DRUMS}]
        others = [number for number, part in enumerate(parts) if not part & {DRUMS, VOCALS, MIX, MIXTURE}]
        song = [number for number, part in enumerate(parts) if part & {MIX, MIXTURE}]
        self._others = others or song or [number for number in range(len(names)) if number not in self._drums]
        self._left = LONGEST_S * sample_rate
        self._drum_onsets, self._onsets = OnsetStrength(sample_rate), OnsetStrength(sample_rate)
        self._pitches = Pitches(sample_rate)

    def push(self, stems: Floats) -> None:
        """Append the next samples of the stems, (stems, channels, n)."""
        stems = stems[..., : self._left]
        self._left -= stems.shape[-1]
        if stems.shape[-1]:
            self._push(_mono(stems, self._drums), _mono(stems, self._others))

    def finish(self) -> Music:
        """Return the result. Call it once, after the last block."""
        nothing = np.zeros(0, np.float32)
        self._push(nothing, nothing, last=True)
        beats, key = self._beats(), find_key(self._pitches)
        return Music(
            None if beats is None else round(beats.bpm, 1),
            None if key is None else key.name,
            np.zeros(0) if beats is None else beats.times_s,
            None if key is None else key.short_name,
        )

    def _push(self, drums: Floats, others: Floats, last: bool = False) -> None:
        self._pitches.push(others, last)
        self._onsets.push(others, last)
        if self._drums:
            self._drum_onsets.push(drums, last)

    def _beats(self) -> Beats | None:
        drums, others = (find_beats(onsets.values) for onsets in (self._drum_onsets, self._onsets))
        best = drums
        if others and (drums is None or others.confidence > _CLEARER * drums.confidence):
            best = others
        return best if best and best.confidence >= _CLEAR else None


def analyse_stems(stems: Mapping[str, Floats], sample_rate: int) -> Music:
    """Find tempo, beats and key of a song from its stems, float32 (channels, samples) of equal length."""
    analyser = MusicAnalyser(list(stems), sample_rate)
    whole, block = np.stack(list(stems.values())), _BLOCK_S * sample_rate
    for start in range(0, whole.shape[-1], block):
        analyser.push(whole[..., start : start + block])
    return analyser.finish()


def _mono(stems: Floats, which: Sequence[int]) -> Floats:
    """Add up the chosen stems and average their channels: (n,)."""
    total: Floats = stems[list(which)].mean(axis=1).sum(axis=0)
    return total
