"""Writing a stem: a stream of float32 (channels, n) blocks to a WAV, FLAC, MP3, M4A or Opus file, whole or not at all."""

from __future__ import annotations

import os
import secrets
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Self

import av
import numpy as np
from av.audio.frame import AudioFrame

from unbraid.audio.formats import output_format
from unbraid.audio.resample import Block, Resampler
from unbraid.audio.samples import to_integers
from unbraid.errors import OutputError, SettingError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from os import PathLike

IO_BUFFER = 1 << 20  # bytes handed to the file at a time


class Encoder:
    """Writes blocks to `path`, which appears complete when `close` returns and never before.

    `sample_rate` (Hz) and `channels` (1 or 2) describe the blocks. A rate the format lacks is resampled;
    the attribute `sample_rate` is the one written. `bitrate` is in bit/s. `tags` are named as SoundInfo names them.
    The file decodes to exactly as many samples as were written, aligned with them.
    Raises SettingError for what the format can't do, OutputError for what the disk can't.
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
        tags: Mapping[str, str] | None = None,
        cover: bytes | None = None,
        cover_mime: str | None = None,
    ) -> None:
        if channels not in (1, 2):
            raise SettingError(f"A stem has 1 or 2 channels, not {channels}.")
        self.path = Path(path)
        self.format = output_format(format, subtype)
        self.sample_rate = self.format.rate_for(sample_rate)
        self.channels = channels
        self.samples_written = 0  # at `sample_rate`
        bitrate = self.format.bitrate_for(bitrate, self.sample_rate)
        self._resampler = Resampler(sample_rate, self.sample_rate, channels)
        self._bits = 24 if subtype == "24" else 16
        self._part, self._file = self._create_beside()
        try:
            options = {"rf64": "auto"} if format == "wav" else {}
            if format == "m4a":
                options["movie_timescale"] = str(self.sample_rate)  # else the edit list ends on a millisecond
            self._container = av.open(
                self._file, "w", format=self.format.container, options=options, buffer_size=IO_BUFFER
            )
            self._stream = self._container.add_stream(self.format.codec, rate=self.sample_rate)
            self._stream.layout = "mono" if channels == 1 else "stereo"
            self._stream.format = self.format.sample_format
            if bitrate:
                self._stream.bit_rate = bitrate
            if self._bits == 24 and format == "flac":
                self._stream.codec_context.options = {"bits_per_raw_sample": "24"}
            self._container.metadata.update(tags or {})
        except BaseException:
            self.abort()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.abort()

    def write(self, block: Block) -> None:
        """Append float32 (channels, n). Raises OutputError."""
        self._encode(self._resampler.push(block))

    def close(self) -> None:
        """Finish the file and put it in its place. Raises OutputError; then nothing is left."""
        try:
            self._encode(self._resampler.push(np.zeros((self.channels, 0), np.float32), last=True))
            self._container.start_encoding()
            self._container.mux(self._stream.encode(None))
            self._container.close()
            self._file.close()
            os.replace(self._part, self.path)
        except (OSError, av.FFmpegError) as error:
            self.abort()
            raise self._explain(error) from error
        except BaseException:
            self.abort()
            raise

    def abort(self) -> None:
        """Remove what was written so far."""
        try:
            self._file.close()
        except OSError:
            pass
        self._part.unlink(missing_ok=True)

    def _encode(self, block: Block) -> None:
        if block.shape[1] == 0:
            return
        kind = self.format.sample_format
        if kind == "s16":
            samples = to_integers(block, 16).astype(np.int16)
        elif kind == "s32":
            samples = to_integers(block, 24) << 8
        else:
            samples = block.astype(np.float32, copy=False)
        if kind != "fltp":
            samples = samples.T.reshape(1, -1)
        frame = AudioFrame.from_ndarray(
            np.ascontiguousarray(samples), format=kind, layout="mono" if self.channels == 1 else "stereo"
        )
        frame.sample_rate = self.sample_rate
        frame.pts = self.samples_written
        frame.time_base = Fraction(1, self.sample_rate)
        try:
            self._container.start_encoding()
            self._container.mux(self._stream.encode(frame))
        except (OSError, av.FFmpegError) as error:
            raise self._explain(error) from error
        self.samples_written += block.shape[1]

    def _create_beside(self) -> tuple[Path, IO[bytes]]:
        """A new file next to the target; its name is the target's, shortened when 255 bytes don't hold both."""
        ending = f".part-{secrets.token_hex(4)}"
        room = 255 - len(ending)
        stem = os.fsencode(self.path.name)[:room].decode("utf-8", "ignore")
        part = self.path.with_name(stem + ending)
        try:
            return part, open(part, "xb", buffering=0)
        except OSError as error:
            raise self._explain(error) from error

    def _explain(self, error: Exception) -> OutputError:
        return OutputError(f"{self.path} can't be written: {error}.")
