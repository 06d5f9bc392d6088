"""Decode one part of a file to FFmpeg's frames, without padding and without gaps."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import av
import numpy as np
from av.audio.frame import AudioFrame
from numpy.typing import NDArray

from unbraid.audio.file_view import FilePart
from unbraid.audio.header_length import (
    exact_length,
    first_page_end,
    is_cut_off,
    is_one_page_of_vorbis,
    left_out_s,
    trusted_duration,
)
from unbraid.audio.open_part import OpenSound
from unbraid.audio.packet_times import PacketTimes
from unbraid.audio.timeline import Timeline
from unbraid.audio.wav_links import unread_bytes

MAX_ERRORS_IN_A_ROW = 1000  # unreadable packets (about 25 s of MP3) after which decoding stops
MAX_PADDING_FRAMES = 2  # frames beyond the length in the header; if more follow, the header is wrong

_KINDS = {"u8": "u1", "s16": "i2", "s32": "i4", "s64": "i8", "flt": "f4", "dbl": "f8"}  # FFmpeg's to numpy's

# Samples of silence to insert before a frame, the frame, and those of its samples that belong to the song, in FFmpeg's
# layout. Both are at the rate of the frame, which may change from frame to frame.
Piece = tuple[int, AudioFrame, NDArray[Any]]


class PartDecoder:
    """Iterable over the pieces of an open part of a file, once. `close` closes the part's container."""

    def __init__(self, opened: OpenSound) -> None:
        part, self._container, self._stream = opened
        self._claimed_s = trusted_duration(part, self._container, self._stream)
        length, tolerance = exact_length(part, self._container, self._stream, self._claimed_s)
        self._timeline = Timeline(
            self._container,
            self._stream,
            length,
            tolerance,
            untrimmed=is_one_page_of_vorbis(part, self._container, self._stream),
            first_page_end=first_page_end(part, self._container, self._stream),
        )
        self.left_out_s = left_out_s(self._container, self._stream)
        """Seconds that the header tells players to skip."""
        self.is_cut_off = is_cut_off(part, self._container.format.name)
        self.unread_s = self._unread_s(part)
        """Length in seconds of what follows after the end in the header of a WAV or AIFF file, if it is sound."""
        self.has_wrong_length = False
        """Whether more than padding follows after the length in the header; known after iterating."""
        self._failed_packets = self._failed_reads = 0
        self.has_later_stream = False
        """Whether there are packets of a stream that starts later and can't be read; known after iterating."""

    def _unread_s(self, part: FilePart) -> float:
        if self._container.format.name not in ("wav", "aiff"):
            return 0.0
        with part.open() as file:
            return unread_bytes(file) / ((self._stream.codec_context.bit_rate or 8) / 8)

    @property
    def claimed_s(self) -> float | None:
        """Length in a reliable header in seconds; None if there is none. Exact after iterating."""
        return None if self._claimed_s is None else self._claimed_s - self._timeline.late_start_s

    @property
    def is_damaged(self) -> bool:
        """Whether packets were unreadable; known after iterating. Bytes behind a complete recording are no damage."""
        return self._failed_packets > 0 or (self._failed_reads > 0 and not self._timeline.is_complete)

    @property
    def missing_s(self) -> float:
        """Seconds of silence inserted for unreadable packets so far."""
        return self._timeline.missing_s

    def close(self) -> None:
        """Release the file."""
        self._container.close()

    def __iter__(self) -> Iterator[Piece]:
        """Yield the pieces of `_frames` up to the length in the header.

        If more follow than an encoder's padding, the header is wrong: yield all.
        """
        surplus_pieces: list[Piece] = []
        longest = 0
        for silence, frame, array in self._frames():
            surplus = self._timeline.surplus
            longest = max(longest, frame.samples)
            if surplus > MAX_PADDING_FRAMES * longest:
                self.has_wrong_length = True
            if surplus == 0 or self.has_wrong_length:
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
        packets = PacketTimes(self._container, self._stream)
        while errors <= MAX_ERRORS_IN_A_ROW:
            packet = None
            try:
                packet = next(packets)
                self._timeline.note_packet(packet)
                frames = packet.decode()
            except StopIteration:
                return
            except IndexError:  # PyAV knows only the streams that FFmpeg found when it opened the file
                self.has_later_stream = True
                continue
            except MemoryError:  # FFmpeg's MemoryError is an FFmpegError too
                raise
            except av.FFmpegError:
                errors += 1
                if packet is None:
                    self._failed_reads += 1
                else:
                    self._failed_packets += 1
                    self._timeline.note_failure(packet)
                continue
            errors = 0
            self._timeline.note_frames(packet, frames)
            for frame in frames:
                silence, start, count = self._timeline.place(frame)
                if count:
                    array = _samples(frame)
                    if count < frame.samples:
                        array = array[:, start * _width(frame) : (start + count) * _width(frame)]
                    yield silence, frame, array


def alike(one: AudioFrame, other: AudioFrame) -> bool:
    """Whether two frames have the same rate, channels and type of samples."""
    return (
        one.format.name == other.format.name
        and one.layout.name == other.layout.name
        and one.sample_rate == other.sample_rate
    )


def _samples(frame: AudioFrame) -> NDArray[Any]:
    """Return the samples, (channels, n) or (1, n * channels). `frame.to_ndarray()` takes two to ten times as long."""
    kind = np.dtype(_KINDS[frame.format.packed.name])
    count = frame.samples * _width(frame)
    # Above 8 channels PyAV may list planes that don't exist. Its type hints don't say that a plane is a buffer.
    existing = frame.planes[: frame.layout.nb_channels if frame.format.is_planar else 1]
    planes = [np.frombuffer(plane, kind, count) for plane in existing]  # type: ignore[call-overload]
    return planes[0][None] if len(planes) == 1 else np.array(planes)


def _width(frame: AudioFrame) -> int:
    """Columns per sample in the array of `frame`."""
    return 1 if frame.format.is_planar else frame.layout.nb_channels
