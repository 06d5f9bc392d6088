"""Decode any audio or video file to a stream of float32 blocks, in sync with the original to the sample."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import av
import numpy as np
from av.audio.frame import AudioFrame
from numpy.typing import NDArray

from unbraid.audio.arrays import Floats
from unbraid.audio.header_length import (
    exact_length,
    is_cut_off,
    is_one_page_of_vorbis,
    left_out_s,
    trusted_duration,
)
from unbraid.audio.probe import SoundInfo, open_sound, probe
from unbraid.audio.samples import mix_channels, to_float
from unbraid.audio.timeline import Timeline
from unbraid.errors import InputError, SettingError, SongWarning

if TYPE_CHECKING:
    from os import PathLike

BLOCK_S = 1.0  # length of a block; long enough that the overhead of a call is negligible
MAX_ERRORS_IN_A_ROW = 1000  # unreadable packets (about 25 s of MP3) after which decoding stops
MAX_PADDING_FRAMES = 2  # frames beyond the length in the header; if more follow, the header is wrong
TOLERANCE_S = (
    0.25  # allowed error of a header's length without a warning: some count frames, or include padding
)

_KINDS = {"u8": "u1", "s16": "i2", "s32": "i4", "s64": "i8", "flt": "f4", "dbl": "f8"}  # FFmpeg's to numpy's

# Samples of silence to insert before a frame, the frame, and those of its samples that belong to the song, in FFmpeg's
# layout.
Piece = tuple[int, AudioFrame, NDArray[Any]]


class Decoder:
    """Iterable over an audio stream of a file, once: float32 blocks (channels, n) of about a second, n at least 1.

    `channels` is 1 or 2; by default 1 for a mono file and 2 for others. `stream` is the number of the audio stream,
    from 0. `info` saves probing the file again. `warnings` and `samples_decoded` (at the file's rate) grow while
    iterating.

    Raises SettingError if the stream doesn't exist, and InputError when opened or, if nothing can be decoded, when
    iterated.
    """

    def __init__(
        self,
        path: str | PathLike[str],
        *,
        channels: int | None = None,
        stream: int | None = None,
        info: SoundInfo | None = None,
    ) -> None:
        if channels not in (None, 1, 2):
            raise SettingError(f"Audio is decoded to 1 or 2 channels, not {channels}.")
        self.info = info or probe(path, stream)
        self.warnings: list[SongWarning] = []
        self.samples_decoded = 0
        self.sample_rate = self.info.sample_rate  # Hz
        self.channels = channels or min(self.info.channels, 2)
        self._path = Path(path)
        self._name = self._path.name
        self._container, self._stream = open_sound(path, stream, self.info)
        self._trusted_s = trusted_duration(self._path, self._container, self._stream)
        length, tolerance = exact_length(self._path, self._container, self._stream, self._trusted_s)
        one_page = is_one_page_of_vorbis(self._path, self._container, self._stream)
        self._timeline = Timeline(self._container, self._stream, length, tolerance, untrimmed=one_page)
        self._length_is_wrong = self._damaged = False
        self._silenced = 0
        if self.info.channels > 2:
            self._warn(f"has {self.info.channels} channels; they are mixed to stereo.")
        left_out = left_out_s(self._container, self._stream)
        if left_out > TOLERANCE_S:
            self._warn(
                f"was trimmed in an editor. Players skip {_clock(left_out)} of it, and so do the stems."
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Release the file."""
        self._container.close()

    def __iter__(self) -> Iterator[Floats]:
        for block in self._blocks():
            self.samples_decoded += block.shape[1]
            yield self._without_nan(block)
        if self.samples_decoded == 0:
            raise InputError(
                "has no audio that can be decoded. Copy or download it again.", subject=self._name
            )
        self._warn_at_end()

    def _blocks(self) -> Iterator[Floats]:
        """Join frames to blocks of about BLOCK_S, convert them to float and mix their channels."""
        enough = int(BLOCK_S * self.info.sample_rate)
        waiting: list[NDArray[Any]] = []
        samples = 0
        first: AudioFrame | None = None
        for silence, frame, array in self._without_padding():
            if first is not None and (silence or samples >= enough or not _alike(first, frame)):
                yield self._join(waiting, first)
                waiting, samples, first = [], 0, None
            for start in range(0, silence, enough):
                yield np.zeros((self.channels, min(enough, silence - start)), np.float32)
            if array.shape[1]:
                first = first or frame
                waiting.append(array)
                samples += frame.samples
        if first is not None:
            yield self._join(waiting, first)

    def _join(self, arrays: list[NDArray[Any]], like: AudioFrame) -> Floats:
        joined = arrays[0] if len(arrays) == 1 else np.concatenate(arrays, axis=1)
        block = to_float(joined, like.layout.nb_channels, like.format.is_planar)
        return mix_channels(block, [channel.name for channel in like.layout.channels], self.channels)

    def _without_padding(self) -> Iterator[Piece]:
        """Yield the pieces of `_frames` up to the length in the header.

        If more follow than an encoder's padding, the header is wrong: yield all.
        """
        surplus_pieces: list[Piece] = []
        longest = 0
        for silence, frame, array in self._frames():
            surplus = self._timeline.surplus
            longest = max(longest, frame.samples)
            if surplus > MAX_PADDING_FRAMES * longest:
                self._length_is_wrong = True
            if surplus == 0 or self._length_is_wrong:
                yield from surplus_pieces
                surplus_pieces = []
                yield silence, frame, array
            elif surplus_pieces:
                surplus_pieces.append((silence, frame, array))
            else:
                end = max(0, array.shape[1] - surplus * _width(frame))
                yield silence, frame, array[:, :end]
                surplus_pieces.append((0, frame, array[:, end:]))

    def _frames(self) -> Iterator[Piece]:
        """Decode all frames. Leave out the padding that the packets' durations and the encoder's delay declare."""
        errors = 0
        packets = self._container.demux(self._stream)
        while errors <= MAX_ERRORS_IN_A_ROW:
            packet = None
            try:
                packet = next(packets)
                self._timeline.note_packet(packet)
                frames = packet.decode()
            except StopIteration:
                return
            except MemoryError:  # FFmpeg's MemoryError is an FFmpegError too
                raise
            except av.FFmpegError:
                errors += 1
                self._damaged = True
                if packet is None:
                    packets = self._container.demux(self._stream)
                else:
                    self._timeline.note_failure(packet)
                continue
            errors = 0
            for frame in frames:
                if frame.sample_rate != self.info.sample_rate:
                    self._warn("changes its sample rate; only the part before that is used.")
                    return
                silence, start, count = self._timeline.place(frame)
                if count:
                    array = _samples(frame)
                    if count < frame.samples:
                        array = array[:, start * _width(frame) : (start + count) * _width(frame)]
                    yield silence, frame, array

    def _without_nan(self, block: Floats) -> Floats:
        finite = np.isfinite(block)
        if not finite.all():
            self._silenced += int(block.size - np.count_nonzero(finite))
            block = np.where(finite, block, np.float32(0))
        return block

    def _warn_at_end(self) -> None:
        if self._silenced:
            self._warn(f"has {self._silenced} samples that are not numbers (NaN); they became silence.")
        actual_s = self.samples_decoded / self.info.sample_rate
        claimed_s = self._trusted_s
        cut_off = claimed_s is not None and actual_s < claimed_s - TOLERANCE_S
        if self._timeline.missing or (self._damaged and not cut_off):
            missing_s = self._timeline.missing / self.info.sample_rate
            self._warn(f"is damaged; {missing_s:.2f} s that can't be decoded became silence.")
        if claimed_s is not None and cut_off:
            self._warn(
                f"is cut off or damaged: its header says {_clock(claimed_s)},"
                f" but only {_clock(actual_s)} can be decoded."
            )
        elif claimed_s is not None and (self._length_is_wrong or actual_s > claimed_s + TOLERANCE_S):
            self._warn(
                f"has a wrong length in its header, {_clock(claimed_s)}; all {_clock(actual_s)} are used."
            )
        elif is_cut_off(self._path, self.info.container):
            self._warn(f"is cut off; the remaining {_clock(actual_s)} are used.")

    def _warn(self, reason: str) -> None:
        self.warnings.append(SongWarning(self._name, reason))


def _samples(frame: AudioFrame) -> NDArray[Any]:
    """Return the samples, (channels, n) or (1, n * channels). `frame.to_ndarray()` takes two to ten times as long."""
    kind = np.dtype(_KINDS[frame.format.packed.name])
    count = frame.samples * _width(frame)
    # PyAV's type hints don't say that a plane is a buffer.
    planes = [np.frombuffer(plane, kind, count) for plane in frame.planes]  # type: ignore[call-overload]
    return planes[0][None] if len(planes) == 1 else np.array(planes)


def _width(frame: AudioFrame) -> int:
    """Columns per sample in the array of `frame`."""
    return 1 if frame.format.is_planar else frame.layout.nb_channels


def _alike(one: AudioFrame, other: AudioFrame) -> bool:
    return one.format.name == other.format.name and one.layout.name == other.layout.name


def _clock(seconds: float) -> str:
    """Format 75.25 as 1:15.2"""
    minutes, tenths = divmod(int(seconds * 10), 600)
    return f"{minutes}:{tenths // 10:02d}.{tenths % 10}"
