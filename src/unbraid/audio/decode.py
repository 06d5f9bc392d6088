"""A song's sound as a stream of float32 blocks, whatever the file: sample n is sample n of what was once encoded.

Encoders put silence before the sound (their delay) and after it (to fill the last frame). FFmpeg drops what LAME headers,
Opus and Matroska headers and MP4 edit lists declare at the start, and most of what is declared at the end; the rest is in
`ending.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import av
import numpy as np
from av.audio.frame import AudioFrame
from numpy.typing import NDArray

from unbraid.audio.ending import Ending
from unbraid.audio.probe import open_sound, probe
from unbraid.audio.resample import Block, Resampler
from unbraid.audio.samples import mix_channels, to_float
from unbraid.errors import InputError

if TYPE_CHECKING:
    from os import PathLike

BLOCK_S = 1.0  # length of a block; long enough that the cost of a call doesn't count
MAX_ERRORS_IN_A_ROW = 1000  # unreadable packets (about 25 s of MP3) after which the rest is given up


class Decoder:
    """Iterates over the sound of a file as float32 (channels, n) blocks of about a second, n at least 1.

    `sample_rate` (Hz) resamples; `channels` is 1 or 2, by default 1 for a mono file and else 2; `stream` counts the
    file's sound streams from 0. Raises InputError, on opening or, when the file holds no sound at all, on iterating.

    `info` is the SoundInfo; `warnings` (one line each) and `samples_decoded` (at the file's rate) grow as decoding goes.
    """

    def __init__(
        self,
        path: str | PathLike[str],
        *,
        sample_rate: int | None = None,
        channels: int | None = None,
        stream: int | None = None,
    ) -> None:
        self.info = probe(path, stream)
        self.warnings: list[str] = []
        self.samples_decoded = 0
        self.sample_rate = sample_rate or self.info.sample_rate
        self.channels = channels or min(self.info.channels, 2)
        self._name = Path(path).name
        self._container, self._stream = open_sound(path, stream)
        self._ending = Ending(Path(path), self._container, self._stream)
        self._damaged = self._silenced = 0
        if self.info.channels > 2:
            self.warnings.append(f"{self._name} has {self.info.channels} channels; they are mixed to stereo.")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Release the file."""
        self._container.close()

    def __iter__(self) -> Iterator[Block]:
        resampler = Resampler(self.info.sample_rate, self.sample_rate, self.channels)
        for block in self._blocks():
            self.samples_decoded += block.shape[1]
            resampled = resampler.push(self._without_nan(block))
            if resampled.shape[1]:
                yield resampled
        if self.samples_decoded == 0:
            raise InputError(f"{self._name} holds no sound that can be decoded. Copy or download it again.")
        if self.sample_rate != self.info.sample_rate:
            tail = resampler.push(np.zeros((self.channels, 0), np.float32), last=True)
            if tail.shape[1]:
                yield tail
        self._warn_at_end()

    def _blocks(self) -> Iterator[Block]:
        """Frames joined to blocks of about BLOCK_S, converted and mixed, at the file's rate."""
        waiting: list[NDArray[Any]] = []
        samples, kind = 0, None
        enough = int(BLOCK_S * self.info.sample_rate)
        for frame, kept in self._frames():
            frame_kind = (frame.format.name, frame.layout.name)
            if waiting and (samples >= enough or frame_kind != kind):
                yield self._join(waiting, last_frame)
                waiting, samples = [], 0
            kind, last_frame = frame_kind, frame
            planar = frame.format.is_planar
            array = frame.to_ndarray()
            if kept < frame.samples:
                array = array[:, : kept if planar else kept * frame.layout.nb_channels]
            waiting.append(array)
            samples += kept
        if waiting:
            yield self._join(waiting, last_frame)

    def _join(self, arrays: list[NDArray[Any]], like: AudioFrame) -> Block:
        joined = arrays[0] if len(arrays) == 1 else np.concatenate(arrays, axis=1)
        block = to_float(joined, like.layout.nb_channels, like.format.is_planar)
        return mix_channels(block, [channel.name for channel in like.layout.channels], self.channels)

    def _frames(self) -> Iterator[tuple[AudioFrame, int]]:
        """Decoded frames with the number of samples of each that belong to the song."""
        produced = errors = 0
        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets)
                self._ending.see(packet)
                frames = packet.decode()
                errors = 0
            except StopIteration:
                return
            except av.FFmpegError:
                self._damaged += 1
                errors += 1
                if errors > MAX_ERRORS_IN_A_ROW:
                    return
                packets = self._container.demux(self._stream)
                continue
            for frame in frames:
                kept = self._ending.keep(produced, frame)
                if kept > 0:
                    produced += kept
                    yield frame, kept

    def _without_nan(self, block: Block) -> Block:
        finite = np.isfinite(block)
        if not finite.all():
            self._silenced += int(block.size - np.count_nonzero(finite))
            block = np.where(finite, block, np.float32(0))
        return block

    def _warn_at_end(self) -> None:
        if self._silenced:
            self.warnings.append(
                f"{self._silenced} samples of {self._name} are no numbers; they became silence."
            )
        if self._damaged:
            self.warnings.append(f"{self._name} is damaged in {self._damaged} places; the rest is used.")
        self.warnings.extend(self._ending.warnings(self._name, self.samples_decoded, self.info))
