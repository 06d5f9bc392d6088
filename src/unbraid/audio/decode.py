"""Decode any audio or video file to a stream of float32 blocks, in sync with the original to the sample."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from av.audio.frame import AudioFrame
from numpy.typing import NDArray

from unbraid.audio.arrays import Floats
from unbraid.audio.blocks import resampled
from unbraid.audio.find_parts import find_parts
from unbraid.audio.open_part import open_part
from unbraid.audio.part_decoder import PartDecoder, alike
from unbraid.audio.probe import SoundInfo, probe
from unbraid.audio.samples import mix_channels, to_float
from unbraid.errors import InputError, SettingError, SongWarning

if TYPE_CHECKING:
    from os import PathLike

BLOCK_S = 1.0  # length of a block; long enough that the overhead of a call is negligible
TOLERANCE_S = (
    0.25  # allowed error of a header's length without a warning: some count frames, or include padding
)


class Decoder:
    """Iterable over an audio stream of a file, once: float32 blocks (channels, n) of about a second, n at least 1.

    A stream may change on its way: joined files, chained Ogg. Later parts are resampled to the first rate, and mixed
    to the same channels.

    `channels` is 1 or 2; by default 1 for a file that starts in mono, else 2. `stream` is the number of the audio
    stream, from 0. `info` saves probing the file again. `warnings`, `samples_decoded` (at the first rate) and `widest`,
    the most channels of a part (1 or 2), grow while iterating.

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
        parts = find_parts(path, stream)
        first, *self._other_parts = parts.readable
        self._number_of_parts, self._damaged_parts = parts.all, parts.damaged
        self.warnings: list[SongWarning] = []
        self.samples_decoded = 0
        self.sample_rate = self.info.sample_rate  # Hz
        self.channels = channels or min(self.info.channels, 2)
        self.widest = min(self.info.channels, 2)
        self._channels_are_chosen = channels is not None
        self._name = Path(path).name
        self._stream = stream
        self._parts = [PartDecoder(open_part(first, stream, self.info.is_plain_pcm))]
        self._silenced = 0
        self._surround = 0
        self._note_channels(self.info.channels)
        left_out_s = self._parts[0].left_out_s
        if left_out_s > TOLERANCE_S:
            self._warn(
                f"was trimmed in an editor. Players skip {_clock(left_out_s)} of it, and so do the stems."
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Release the file."""
        for part in self._parts:
            part.close()

    def __iter__(self) -> Iterator[Floats]:
        for rate, blocks in groupby(self._blocks(), key=itemgetter(0)):
            finite = (self._without_nan(block) for _, block in blocks)
            for block in resampled(finite, rate, self.sample_rate, self.channels):
                self.samples_decoded += block.shape[1]
                yield block
        if self.samples_decoded == 0:
            raise InputError(
                "has no audio that can be decoded. Copy or download it again.", subject=self._name
            )
        self._warn_at_end()

    def _blocks(self) -> Iterator[tuple[int, Floats]]:
        """Join frames to blocks of about BLOCK_S, convert them to float and mix their channels.

        Yield each block after its sample rate in Hz.
        """
        for part in self._decoded_parts():
            waiting: list[NDArray[Any]] = []
            samples = 0
            first: AudioFrame | None = None
            for silence, frame, array in part:
                enough = int(BLOCK_S * frame.sample_rate)
                if first is not None and (silence or samples >= enough or not alike(first, frame)):
                    yield first.sample_rate, self._join(waiting, first)
                    waiting, samples, first = [], 0, None
                for start in range(0, silence, enough):
                    zeros = np.zeros((self.channels, min(enough, silence - start)), np.float32)
                    yield frame.sample_rate, zeros
                if array.shape[1]:
                    first = first or frame
                    waiting.append(array)
                    samples += frame.samples
            if first is not None:
                yield first.sample_rate, self._join(waiting, first)

    def _decoded_parts(self) -> Iterator[PartDecoder]:
        """Yield the open part, then open, yield and close the others."""
        yield self._parts[0]
        for file_part in self._other_parts:
            part = PartDecoder(open_part(file_part, self._stream))
            self._parts.append(part)
            yield part
            part.close()

    def _join(self, arrays: list[NDArray[Any]], like: AudioFrame) -> Floats:
        self._note_channels(like.layout.nb_channels)
        joined = arrays[0] if len(arrays) == 1 else np.concatenate(arrays, axis=1)
        block = to_float(joined, like.layout.nb_channels, like.format.is_planar)
        return mix_channels(block, [channel.name for channel in like.layout.channels], self.channels)

    def _note_channels(self, channels: int) -> None:
        if channels > 2 and not self._surround:
            self._surround = channels
            self._warn(f"has {channels} channels; they are mixed to stereo.")
        if self.widest < min(channels, 2):
            self.widest = 2
            if not self._channels_are_chosen and self.channels == 1:
                self._warn("starts in mono and continues in stereo; all of it was read as mono.")

    def _without_nan(self, block: Floats) -> Floats:
        finite = np.isfinite(block)
        if not finite.all():
            self._silenced += int(block.size - np.count_nonzero(finite))
            block = np.where(finite, block, np.float32(0))
        return block

    def _warn_at_end(self) -> None:
        if self._silenced:
            self._warn(f"has {self._silenced} samples that are not numbers (NaN); they became silence.")
        actual_s = self.samples_decoded / self.sample_rate
        claims_s = [part.claimed_s for part in self._parts]
        claimed_s = sum(claim_s or 0 for claim_s in claims_s) if None not in claims_s else None
        cut_off = claimed_s is not None and actual_s < claimed_s - TOLERANCE_S
        missing_s = sum(part.missing_s for part in self._parts)
        if missing_s or (any(part.is_damaged for part in self._parts) and not cut_off):
            self._warn(f"is damaged; {missing_s:.2f} s that can't be decoded became silence.")
        if any(part.has_later_stream for part in self._parts):
            self._warn(
                "has a stream that starts later and isn't read. If sound is missing, convert it to WAV."
            )
        if any(part.unread_s > TOLERANCE_S for part in self._parts):
            self._warn(
                "has bytes after the end that its header declares; they aren't read. If sound is missing,"
                " copy or download it again."
            )
        if self._damaged_parts:
            of = f"{self._damaged_parts} of its {self._number_of_parts} parts"
            damaged = "its start" if self._number_of_parts == 1 else f"the start of {of}"
            self._warn(f"is damaged; {damaged} can't be read. Copy or download it again.")
        if claimed_s is not None and cut_off:
            self._warn(
                f"is cut off or damaged: its header says {_clock(claimed_s)},"
                f" but only {_clock(actual_s)} can be decoded."
            )
        elif claimed_s is not None and (
            any(part.has_wrong_length for part in self._parts) or actual_s > claimed_s + TOLERANCE_S
        ):
            self._warn(
                f"has a wrong length in its header, {_clock(claimed_s)}; all {_clock(actual_s)} are used."
            )
        elif any(part.is_cut_off for part in self._parts):
            self._warn(f"is cut off; the remaining {_clock(actual_s)} are used.")

    def _warn(self, reason: str) -> None:
        self.warnings.append(SongWarning(self._name, reason))


def decode_all(path: str | PathLike[str], stream: int | None = None) -> tuple[Floats, Decoder]:
    """Decode a stream into memory, (channels, samples), in stereo if any part of it is. Return the closed decoder too.

    MP3 and AAC show only while they are decoded that they continue in stereo. They are decoded again then.
    """
    for channels in (None, 2):
        with Decoder(path, channels=channels, stream=stream) as decoder:
            sound = np.concatenate(list(decoder), axis=1)
        if decoder.widest <= decoder.channels:
            break
    return sound, decoder


def _clock(seconds: float) -> str:
    """Format 75.25 as 1:15.2"""
    minutes, tenths = divmod(int(seconds * 10), 600)
    return f"{minutes}:{tenths // 10:02d}.{tenths % 10}"
