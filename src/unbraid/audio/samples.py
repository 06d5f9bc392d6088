"""Convert between the sample formats of codecs and float32 (channels, samples) with full scale 1.

16- and 24-bit integers survive the round trip: integer / 2**(bits-1) is exact in float32's 24-bit mantissa.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unbraid.audio.arrays import Floats

# (left, right) gains of each loudspeaker in stereo: ITU-R BS.775-3, table 2 (downmix of 3/2 to 2/0). As in that
# recommendation, the low-frequency channel is dropped. A back centre counts half to each side.
_HALF_POWER = float(np.sqrt(0.5))
_SPEAKERS: dict[str, tuple[float, float]] = {
    "FL": (1.0, 0.0),
    "FR": (0.0, 1.0),
    "FC": (_HALF_POWER, _HALF_POWER),
    "LFE": (0.0, 0.0),
    "LFE2": (0.0, 0.0),
    "BL": (_HALF_POWER, 0.0),
    "BR": (0.0, _HALF_POWER),
    "SL": (_HALF_POWER, 0.0),
    "SR": (0.0, _HALF_POWER),
    "FLC": (1.0, 0.0),
    "FRC": (0.0, 1.0),
    "BC": (0.5, 0.5),
    "TFL": (_HALF_POWER, 0.0),
    "TFR": (0.0, _HALF_POWER),
    "TBL": (_HALF_POWER, 0.0),
    "TBR": (0.0, _HALF_POWER),
    "WL": (_HALF_POWER, 0.0),
    "WR": (0.0, _HALF_POWER),
    "DL": (1.0, 0.0),
    "DR": (0.0, 1.0),
}
# Usual order of channels by their number, for files that don't declare an order.
_USUAL_LAYOUTS: dict[int, tuple[str, ...]] = {
    3: ("FL", "FR", "FC"),
    4: ("FL", "FR", "BL", "BR"),
    5: ("FL", "FR", "FC", "BL", "BR"),
    6: ("FL", "FR", "FC", "LFE", "BL", "BR"),
    7: ("FL", "FR", "FC", "LFE", "BC", "SL", "SR"),
    8: ("FL", "FR", "FC", "LFE", "BL", "BR", "SL", "SR"),
}


def to_float(samples: NDArray[Any], channels: int, planar: bool) -> Floats:
    """Convert samples, (channels, n) if `planar` or else interleaved (1, n * channels), to float32 (channels, n)."""
    if not planar:
        samples = samples.reshape(-1, channels).T
    if samples.dtype == np.uint8:
        return (np.ascontiguousarray(samples, dtype=np.float32) - np.float32(128)) * np.float32(2**-7)
    with np.errstate(
        over="ignore", invalid="ignore"
    ):  # float64 beyond float32 becomes infinite, without a message
        block: Floats = np.ascontiguousarray(samples, dtype=np.float32)
    if samples.dtype == np.int16:
        block *= np.float32(2**-15)
    elif samples.dtype == np.int32:
        block *= np.float32(2**-31)
    return block


def to_integers(block: Floats, bits: int) -> NDArray[Any]:
    """Round float32 (channels, n) to integers of `bits`, clipped to their range: int16 or int32 (channels, n).

    There is no dither: it would change samples that equal the input's. Artefacts of separation are far louder than the
    rounding noise of 16 bits (-98 dB of full scale).
    """
    full_scale = float(2 ** (bits - 1))
    wide = block.astype(np.float64) if bits > 16 else block  # float32 would round 24-bit (full scale - 1) up
    scaled = wide * full_scale
    np.rint(scaled, out=scaled)
    np.clip(scaled, -full_scale, full_scale - 1, out=scaled)
    return scaled.astype(np.int16 if bits == 16 else np.int32)


def interleaved(samples: NDArray[Any]) -> NDArray[Any]:
    """Interleave (channels, n) to (1, n * channels)."""
    interleaved = np.empty(samples.shape[::-1], samples.dtype)
    # Four times as fast as assigning the whole transposed array.
    for channel, values in enumerate(samples):
        interleaved[:, channel] = values
    return interleaved.reshape(1, -1)


def mix_channels(block: Floats, layout: Sequence[str], channels: int) -> Floats:
    """Mix `block` (len(layout), n) to 1 or 2 channels. `layout`: the loudspeaker of each channel, in FFmpeg's names.

    Mono to stereo: a copy in each channel. Stereo to mono: the mean. Surround is mixed to stereo as in ITU-R BS.775.
    """
    stored = block.shape[0]
    if stored == channels:
        return block
    if stored == 1:
        return np.repeat(block, channels, axis=0)
    stereo = block if stored == 2 else (stereo_matrix(layout) @ block).astype(np.float32, copy=False)
    if channels == 1:
        mean: Floats = stereo.mean(axis=0, keepdims=True, dtype=np.float32)
        return mean
    return stereo


def stereo_matrix(layout: Sequence[str]) -> NDArray[np.float32]:
    """Return gains (2, channels) to mix to stereo. Channels of unknown position alternate between left and right."""
    names = layout if all(name in _SPEAKERS for name in layout) else _USUAL_LAYOUTS.get(len(layout))
    if names is None:
        gains = [(1.0, 0.0) if index % 2 == 0 else (0.0, 1.0) for index in range(len(layout))]
    else:
        gains = [_SPEAKERS[name] for name in names]
    return np.array(gains, dtype=np.float32).T
