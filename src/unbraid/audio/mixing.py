"""Add up stems of a song, each with its own gain, in constant memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from unbraid.audio.arrays import Floats
from unbraid.audio.blocks import equal_blocks, resampled
from unbraid.audio.decode import BLOCK_S, Decoder
from unbraid.audio.probe import SoundInfo, probe
from unbraid.errors import SettingError

# A mix that would clip is scaled to this peak, as a fraction of full scale. Lossy codecs overshoot a little.
CEILING = 0.99

Report = Callable[[float], object]
"""Callback with the seconds done so far. It may raise an exception to stop the work."""


class Mix:
    """Sum of `stems`, pairs of file and gain, at the sample rate of the first. Mono if all are mono, else stereo.

    Shorter files are padded with silence. Raises InputError; SettingError if there are no stems.
    """

    def __init__(self, stems: Sequence[tuple[Path, float]]) -> None:
        if not stems:
            raise SettingError("A mix needs at least one stem. Choose one.")
        self._stems = [(path, np.float32(gain)) for path, gain in stems]
        infos = [probe(path) for path, _ in stems]
        self.info: SoundInfo = infos[0]
        self.sample_rate = self.info.sample_rate  # Hz
        self.channels = min(2, max(info.channels for info in infos))
        self.gain = 1.0
        self.samples: int | None = None

    def measure(self, report: Report | None = None) -> None:
        """Read all stems once. Set `samples` to the length of the mix, and `gain` so that it doesn't clip.

        If a mono stem continues in stereo, so that the mix becomes stereo, read them again.
        """
        channels = self.channels
        peak, samples = 0.0, 0
        for block in self._sums():
            peak = max(peak, float(np.abs(block).max(initial=0.0)))
            samples += block.shape[1]
            if report is not None:
                report(samples / self.sample_rate)
        if self.channels > channels:
            self.measure(report)
            return
        self.samples = samples
        self.gain = CEILING / peak if peak > 1 else 1.0

    def blocks(self) -> Iterator[Floats]:
        """Yield the mix from its start, times `gain`, as float32 (channels, n) blocks of a second."""
        gain = np.float32(self.gain)
        for block in self._sums():
            yield block * gain

    def _sums(self) -> Iterator[Floats]:
        length = int(BLOCK_S * self.sample_rate)
        decoders = [Decoder(path, channels=self.channels) for path, _ in self._stems]
        with ExitStack() as stack:
            streams = [equal_blocks(self._stem(stack.enter_context(decoder)), length) for decoder in decoders]
            while True:
                blocks = [next(stream, None) for stream in streams]
                longest = max((block.shape[1] for block in blocks if block is not None), default=0)
                if longest == 0:
                    self.channels = max(self.channels, *(decoder.widest for decoder in decoders))
                    return
                total = np.zeros((self.channels, longest), np.float32)
                for block, (_, gain) in zip(blocks, self._stems, strict=True):
                    if block is not None:
                        total[:, : block.shape[1]] += block * gain
                yield total

    def _stem(self, decoder: Decoder) -> Iterator[Floats]:
        return resampled(decoder, decoder.sample_rate, self.sample_rate, self.channels)
