"""Encode float32 (channels, n) blocks to a WAV, FLAC, MP3, M4A or Opus file, atomically."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, cast

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from numpy.typing import NDArray

from unbraid.audio.arrays import Floats
from unbraid.audio.formats import AAC_FRAME, output_format
from unbraid.audio.lame import declare_length
from unbraid.audio.output_file import OutputFile
from unbraid.audio.resample import Resampler, resampled_length
from unbraid.audio.samples import interleaved, to_integers
from unbraid.audio.tags.model import Tags
from unbraid.audio.tags.write import TagWriter
from unbraid.errors import SettingError

if TYPE_CHECKING:
    from os import PathLike

# Samples. FFmpeg plays nothing of an M4A if its edit list begins and ends in the same frame.
SHORTEST_ALIGNED = 4 * AAC_FRAME
IO_BUFFER = 1 << 18  # bytes that FFmpeg collects before it writes them


class Encoder:
    """Encoder of blocks to the file `path`, which appears complete when `close` returns.

    `sample_rate` (Hz) and `channels` (1 or 2) describe the blocks. If the format doesn't support that rate, they are
    resampled; the attribute `sample_rate` is the rate of the file. `bitrate` is in bit/s. `tags` are those of a song; a
    format drops tags that it doesn't support.

    The file decodes to exactly the written samples. `samples` is their number, if it is known in advance. M4A needs it:
    FFmpeg and many players play the last frame to its end, even if the file declares padding there. If the number is
    known, the encoder puts silence that all players skip before the first sample, so that the last sample ends a
    frame.

    Raises SettingError if the format can't do this, and OutputError if the file can't be written; no file remains.
    """

    def __init__(
        self,
        path: str | PathLike[str],
        *,
        sample_rate: int,
        channels: int,
        format: str = "wav",
        subtype: str = "16",
        bitrate: int | None = None,
        tags: Tags | None = None,
        samples: int | None = None,
    ) -> None:
        if channels not in (1, 2):
            raise SettingError(f"A stem has 1 or 2 channels, not {channels}.")
        self.path = Path(path)
        self.format = output_format(format, subtype)
        self.sample_rate = self.format.rate_for(sample_rate)
        self.channels = channels
        bitrate = self.format.bitrate_for(bitrate, self.sample_rate)
        self._layout = "mono" if channels == 1 else "stereo"
        self._resampler = Resampler(sample_rate, self.sample_rate, channels)
        self._encoded = 0
        if format == "m4a" and samples is not None and samples >= SHORTEST_ALIGNED:
            self._encoded = -(-resampled_length(samples, sample_rate, self.sample_rate) % AAC_FRAME)
        self._tags = TagWriter(
            self.format.name, tags or Tags(), None if samples is None else 1000 * samples // sample_rate
        )
        self._part = OutputFile(self.path)
        with self._part.discard_on_error():
            self._container = av.open(
                self._part.file,
                "w",
                format=self.format.container,
                options=self.format.container_options(self.sample_rate) | self._tags.options,
                buffer_size=IO_BUFFER,
                metadata_errors="replace",
            )
            stream = self._container.add_stream(self.format.codec, rate=self.sample_rate)
            self._stream = cast(AudioStream, stream)
            self._stream.layout = self._layout
            self._stream.format = self.format.sample_format
            if bitrate:
                self._stream.bit_rate = bitrate
            self._stream.codec_context.options = self.format.codec_options(bitrate, subtype)
            self._tags.prepare(self._container)
            self._container.start_encoding()
            self._encode(np.zeros((channels, -self._encoded), np.float32))

    @property
    def samples_written(self) -> int:
        """Number of samples so far, at `sample_rate`."""
        return max(0, self._encoded)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.abort()

    def write(self, block: Floats) -> None:
        """Append a block, float32 (channels, n). Raises OutputError."""
        with self._part.discard_on_error():
            self._encode(self._resampler.push(block))

    def add_tags(self, texts: Mapping[str, tuple[str, ...]]) -> None:
        """Add tags that the song lacks, such as `bpm`; see `Tags.texts`. Call it before `close`."""
        self._tags.add(texts)

    def close(self) -> None:
        """Finish the file and publish it. Raises OutputError."""
        with self._part.discard_on_error():
            self._encode(self._resampler.push(np.zeros((self.channels, 0), np.float32), last=True))
            self._container.mux(self._stream.encode(None))
            self._container.close()
            self._tags.finish(self._part.file)
            if self.format.name == "mp3":
                declare_length(self._part.file, self.samples_written)
        self._part.commit()

    def abort(self) -> None:
        """Remove the unfinished file."""
        self._part.discard()

    def _encode(self, block: Floats) -> None:
        if block.shape[1] == 0:
            return
        kind = self.format.sample_format
        samples: NDArray[Any] = block.astype(np.float32, copy=False)
        if kind == "s16":
            samples = to_integers(block, 16)
        elif kind == "s32":
            samples = to_integers(block, 24) << 8  # FFmpeg expects 24 bits in the upper part of 32
        planar = kind.endswith("p")
        samples = np.ascontiguousarray(samples) if planar else interleaved(samples)
        frame = AudioFrame.from_ndarray(samples, format=kind, layout=self._layout)
        frame.sample_rate = self.sample_rate
        frame.pts = self._encoded
        frame.time_base = Fraction(1, self.sample_rate)
        self._encoded += block.shape[1]
        self._container.mux(self._stream.encode(frame))
