"""From samples as codecs keep them to float32 (channels, samples) of full scale 1, and back.

A 16 or 24 bit integer becomes float32 and the same integer again without loss: integer / 2**(bits-1) is exact in
float32's 24 bit mantissa.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unbraid.audio.resample import Block

# Where a loudspeaker stands in stereo, as (left, right) gains: ITU-R BS.775-3, table 2 (downmix of 3/2 to 2/0). The low
# frequency channel is left out, as that recommendation does; a centre at the back counts half to each side.
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
# Files that don't say where their channels belong: the usual order for that many.
_USUAL_LAYOUTS: dict[int, tuple[str, ...]] = {
    3: ("FL", "FR", "FC"),
    4: ("FL", "FR", "BL", "BR"),
    5: ("FL", "FR", "FC", "BL", "BR"),
    6: ("FL", "FR", "FC", "LFE", "BL", "BR"),
    7: ("FL", "FR", "FC", "LFE", "BC", "SL", "SR"),
    8: ("FL", "FR", "FC", "LFE", "BL", "BR", "SL", "SR"),
}


def to_float(samples: NDArray[Any], channels: int, planar: bool) -> Block:
    """Decoder's samples, (channels, n) when `planar` else (1, n * channels) interleaved, as float32 (channels, n)."""
    if not planar:
        samples = samples.reshape(-1, channels).T
    if samples.dtype == np.uint8:
        return (np.ascontiguousarray(samples, dtype=np.float32) - np.float32(128)) * np.float32(2**-7)
    block: Block = np.ascontiguousarray(samples, dtype=np.float32)
    if samples.dtype == np.int16:
        block *= np.float32(2**-15)
    elif samples.dtype == np.int32:
        block *= np.float32(2**-31)
    return block


def to_integers(block: Block, bits: int) -> NDArray[Any]:
    """Float32 (channels, n) rounded to integers of `bits`, clipped to their range: int16 or int32 (channels, n).

    No dither: it would make unchanged samples differ from the input's, and what separation leaves behind lies far above
    the rounding noise of 16 bit (-98 dB of full scale).
    """
    full_scale = float(2 ** (bits - 1))
    wide = block.astype(np.float64) if bits > 16 else block  # float32 rounds 24 bit full scale - 1 up
    scaled = wide * full_scale
    np.rint(scaled, out=scaled)
    np.clip(scaled, -full_scale, full_scale - 1, out=scaled)
    return scaled.astype(np.int16 if bits == 16 else np.int32)


def interleaved(samples: NDArray[Any]) -> NDArray[Any]:
    """(channels, n) as (1, n * channels), the channels of each moment beside each other."""
    beside = np.empty(samples.shape[::-1], samples.dtype)
    for channel, values in enumerate(
        samples
    ):  # four times as fast as one assignment of the whole turned round
        beside[:, channel] = values
    return beside.reshape(1, -1)


def mix_channels(block: Block, layout: Sequence[str], channels: int) -> Block:
    """`block` (len(layout), n) with loudspeakers as `layout` names them, brought to 1 or 2 channels.

    Stereo from mono is the same on both sides; mono is the mean of stereo's sides; more go to stereo by ITU-R BS.775.
    """
    stored = block.shape[0]
    if stored == channels:
        return block
    if stored == 1:
        return np.repeat(block, channels, axis=0)
    stereo = block if stored == 2 else (stereo_matrix(layout) @ block).astype(np.float32, copy=False)
    if channels == 1:
        mean: Block = stereo.mean(axis=0, keepdims=True, dtype=np.float32)
        return mean
    return stereo


def stereo_matrix(layout: Sequence[str]) -> NDArray[np.float32]:
    """Gains (2, channels) from loudspeakers to stereo; channels without a known place alternate left and right."""
    names = layout if all(name in _SPEAKERS for name in layout) else _USUAL_LAYOUTS.get(len(layout))
    if names is None:
        gains = [(1.0, 0.0) if index % 2 == 0 else (0.0, 1.0) for index in range(len(layout))]
    else:
        gains = [_SPEAKERS[name] for name in names]
    return np.array(gains, dtype=np.float32).T
