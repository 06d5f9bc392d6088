"""Make the files that let a page draw and play a stem without downloading all of it.

The waveform is JSON in the format of BBC's audiowaveform, version 2 (its doc/DataFormat.md), with both channels merged.
The sound is one file of chunks. Each chunk is a complete FLAC file of CHUNK_S, so a page can fetch it by its byte range
and decode it separately, exact to the sample. The JSON describes the chunks under `play`: `chunk_samples` in each but
the last, `samples` in total, and `offsets` in bytes; the last offset is the end of the chunks. `gain` is the factor
that all stems of the song were multiplied by, so that none clips.

A finer waveform follows the chunks, for a page that shows a few seconds of the song: minimum and maximum in turn, one
signed byte each. The JSON describes it under `fine`: `samples_per_pixel`, `offset` in bytes, and `length` in pairs.
`beats` has the beats of the song in seconds, if there are any.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from numpy.typing import NDArray

from unbraid.audio.blocks import equal_blocks, resampled
from unbraid.audio.decode import Decoder
from unbraid.audio.output_file import OutputFile
from unbraid.audio.samples import to_integers
from unbraid.jobs.playable import CHUNK_S

MOST_PAIRS = 4000  # more columns than any screen has
FINEST = 64  # samples per pair at first
FINE = 256  # samples per pair of the finer waveform: 172 columns for a second at 44.1 kHz, in 0.34 kB
RATES = (8000, 192_000)  # Hz; lowest and highest that browsers must play (Web Audio), with a margin above

Floats = NDArray[np.float32]


def make(
    stem: Path,
    play: Path,
    peaks: Path,
    report: Callable[[float], object] | None = None,
    beats: Iterable[float] = (),
    gain: float = 1.0,
) -> None:
    """Read the file `stem` once and write `play` and `peaks`, both atomically. Raises InputError, OutputError.

    `report` receives the seconds done, several times a second; it may raise to stop the work. `beats` are the times of
    the song's beats in seconds. `gain` is the factor that the stem was multiplied by.
    """
    with Decoder(stem) as decoder:
        rate = min(max(decoder.sample_rate, RATES[0]), RATES[1])
        blocks = resampled(decoder, decoder.sample_rate, rate, decoder.channels)
        preview = Preview(play, peaks, rate)
        with preview.discard_on_error():
            for piece in equal_blocks(blocks, CHUNK_S * rate):
                preview.add(piece)
                if report is not None:
                    report(preview.samples / rate)
            preview.finish(beats, gain)


class Preview:
    """The two files of one stem, made chunk by chunk at `rate` Hz; see `make`. Raises OutputError."""

    def __init__(self, play: Path, peaks: Path, rate: int) -> None:
        self.samples = 0
        self._rate, self._peaks = rate, peaks
        self._waveform, self._fine = Waveform(), Pairs(FINE)
        self._fine_levels: list[bytes] = []
        self._offsets = [0]
        self._part = OutputFile(play)

    def add(self, chunk: Floats) -> bytes:
        """Append the next chunk, (channels, n): CHUNK_S long, unless it is the last. Return it as a FLAC file."""
        flac = _flac(chunk, self._rate)
        self._waveform.add(chunk)
        self._fine_levels.append(_bytes(self._fine.add(chunk)))
        self.samples += chunk.shape[1]
        self._offsets.append(self._offsets[-1] + self._part.file.write(flac))
        return flac

    def finish(self, beats: Iterable[float] = (), gain: float = 1.0) -> None:
        """Write the rest; both files appear."""
        self._fine_levels.append(_bytes(self._fine.last()))
        with self.discard_on_error():
            fine_size = self._part.file.write(b"".join(self._fine_levels))
        self._part.commit()
        described = self._waveform.to_json(self._rate)
        described["play"] = {
            "chunk_samples": CHUNK_S * self._rate,
            "samples": self.samples,
            "offsets": self._offsets,
            "gain": gain,
        }
        fine = {"samples_per_pixel": FINE, "offset": self._offsets[-1], "length": fine_size // 2}
        described["fine"] = fine
        if times := [round(float(beat), 3) for beat in beats]:
            described["beats"] = times
        text = OutputFile(self._peaks)
        with text.discard_on_error():
            text.file.write(json.dumps(described, separators=(",", ":")).encode())
        text.commit()

    def discard(self) -> None:
        """Remove the unfinished file."""
        self._part.discard()

    def discard_on_error(self) -> AbstractContextManager[None]:
        """Return a context that removes the unfinished file on any error inside."""
        return self._part.discard_on_error()


class Waveform:
    """Minimum and maximum of equally long stretches of a sound. When there are too many, they double in length."""

    def __init__(self) -> None:
        self._per = FINEST  # samples per pair
        self._pairs = np.zeros((2, 0), np.float32)  # (minimum and maximum, pairs)
        self._rest = np.zeros((2, 0), np.float32)  # the same for samples that don't fill a pair yet

    def add(self, block: Floats) -> None:
        """Add the next samples, (channels, n)."""
        rest = np.concatenate([self._rest, [block.min(axis=0), block.max(axis=0)]], axis=1)
        whole = rest.shape[1] // self._per * self._per
        self._rest = rest[:, whole:]
        self._pairs = np.concatenate([self._pairs, _merged(rest[:, :whole], self._per)], axis=1)
        while self._pairs.shape[1] >= MOST_PAIRS:
            even = self._pairs.shape[1] // 2 * 2
            odd = np.repeat(self._pairs[:, even:], self._per, axis=1)
            self._rest = np.concatenate([odd, self._rest], axis=1)
            self._pairs = _merged(self._pairs[:, :even], 2)
            self._per *= 2

    def to_json(self, sample_rate: int) -> dict[str, object]:
        """Return the waveform as audiowaveform's JSON."""
        pairs = self._pairs
        if self._rest.shape[1]:
            pairs = np.concatenate([pairs, _merged(self._rest, self._rest.shape[1])], axis=1)
        levels = _levels(pairs)
        return {
            "version": 2,
            "channels": 1,
            "sample_rate": sample_rate,
            "samples_per_pixel": self._per,
            "bits": 8,
            "length": levels.shape[1],
            "data": levels.T.reshape(-1).tolist(),
        }


class Pairs:
    """Minimum and maximum of every `per` samples of a sound, (2, pairs)."""

    def __init__(self, per: int) -> None:
        self._per = per
        self._rest = np.zeros((2, 0), np.float32)  # of samples that don't fill a pair yet

    def add(self, block: Floats) -> Floats:
        """Add the next samples, (channels, n). Return the pairs that are complete."""
        rest = np.concatenate([self._rest, [block.min(axis=0), block.max(axis=0)]], axis=1)
        whole = rest.shape[1] // self._per * self._per
        self._rest = rest[:, whole:]
        return _merged(rest[:, :whole], self._per)

    def last(self) -> Floats:
        """Return the pair of the samples that are left, if there are any."""
        return _merged(self._rest, max(1, self._rest.shape[1]))


def _levels(pairs: Floats) -> NDArray[np.int8]:
    return np.clip(np.rint(pairs * 128), -128, 127).astype(np.int8)


def _bytes(pairs: Floats) -> bytes:
    return _levels(pairs).T.tobytes()


def _merged(pairs: Floats, count: int) -> Floats:
    """Merge each `count` pairs: (2, n * count) to (2, n)."""
    lowest, highest = pairs.reshape(2, -1, count)
    merged: Floats = np.stack([lowest.min(axis=1), highest.max(axis=1)])
    return merged


def _flac(piece: Floats, rate: int) -> bytes:
    """Encode (channels, n) samples as a 16-bit FLAC file."""
    file = io.BytesIO()
    layout = "mono" if piece.shape[0] == 1 else "stereo"
    # Otherwise FFmpeg reserves 8 KiB for tags in each file.
    with av.open(file, "w", format="flac", options={"metadata_header_padding": "0"}) as container:
        stream = container.add_stream("flac", rate=rate)
        assert isinstance(stream, AudioStream)
        stream.layout, stream.format = layout, "s16"
        samples = to_integers(piece, 16).astype(np.int16).T.reshape(1, -1)
        frame = AudioFrame.from_ndarray(np.ascontiguousarray(samples), format="s16", layout=layout)
        frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return file.getvalue()
