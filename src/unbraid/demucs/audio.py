"""`demucs.audio`: save stems."""

from __future__ import annotations

from os import PathLike
from pathlib import Path

import numpy as np

from unbraid.audio.arrays import Floats
from unbraid.audio.encode import Encoder
from unbraid.audio.formats import FORMATS, subtypes
from unbraid.demucs.arrays import Sound, to_array
from unbraid.errors import SettingError
from unbraid.separation.array_song import ArraySong
from unbraid.separation.stems import CLAMP, rescale_gain

SUBTYPES = {16: "16", 24: "24", 32: "float"}
CLIP_MODES = ("rescale", "clamp", "tanh", "none")


def save_audio(
    wav: Sound,
    path: str | PathLike[str],
    samplerate: int,
    bitrate: int = 320,
    clip: str | None = "rescale",
    bits_per_sample: int = 16,
    as_float: bool = False,
    preset: int = 2,
) -> None:
    """Write samples (1 or 2 channels, n) to a file. Its extension is the format: wav, flac, mp3, m4a or opus.

    Args:
        bitrate: bit rate of MP3 in kbit/s.
        clip: treatment of samples beyond full scale: `rescale` the whole sound to 1 % below full scale, `clamp` it
            there, `tanh`, or `none` (the format clips them; float WAV keeps them).
        bits_per_sample: 16, 24 (WAV and FLAC) or 32 (WAV, as float). Formats that lack it use 16.
        as_float: write float samples (WAV).
        preset: ignored, as `--mp3-preset`.

    Raises SettingError and OutputError.
    """
    sound = ArraySong(to_array(wav), samplerate)
    format = Path(path).suffix[1:].lower()
    if format not in FORMATS:
        raise SettingError(
            f"{path} has no known extension. End it with {', '.join(f'.{name}' for name in FORMATS)}."
        )
    if bits_per_sample not in SUBTYPES:
        raise SettingError(f"bits_per_sample has to be 16, 24 or 32, not {bits_per_sample}.")
    subtype = "float" if as_float else SUBTYPES[bits_per_sample]
    level = _Level(sound, clip)
    with Encoder(
        path,
        sample_rate=samplerate,
        channels=sound.channels,
        format=format,
        subtype=subtype if subtype in subtypes(format) else "16",
        bitrate=1000 * bitrate if format == "mp3" else None,
        samples=sound.claimed_samples,
    ) as file:
        for block in sound.blocks():
            file.write(level.apply(block))


class _Level:
    """Treatment of samples beyond full scale. Raises SettingError for an unknown `mode`."""

    def __init__(self, sound: ArraySong, mode: str | None) -> None:
        self._mode = mode or "none"
        if self._mode not in CLIP_MODES:
            raise SettingError(f"There is no clip mode {mode!r}. Choose one of {', '.join(CLIP_MODES)}.")
        self._gain = np.float32(1)
        if self._mode == "rescale":
            peak = max((float(np.abs(block).max()) for block in sound.blocks()), default=0.0)
            self._gain = np.float32(rescale_gain(peak))

    def apply(self, block: Floats) -> Floats:
        """Return the block to write."""
        if self._mode == "clamp":
            return np.clip(block, -CLAMP, CLAMP)
        if self._mode == "tanh":
            return np.tanh(block)
        return block if self._gain == 1 else block * self._gain
