"""Write finished stems to an array or to encoders. If the gain depends on the song's peak, spool them to disk first."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from math import prod
from pathlib import Path
from types import TracebackType
from typing import Protocol

import numpy as np

from unbraid.analysis import MusicAnalyser
from unbraid.audio.arrays import Floats
from unbraid.files.oserrors import report_output_errors
from unbraid.separation.stems import CLAMP, rescale_gain

# Samples per block that is read back and encoded (1.5 s at 44.1 kHz).
SPOOL_BLOCK = 1 << 16

# Half a step of 16 bits. A stem that never exceeds it is silence in a 16-bit file.
SILENT = 2.0**-16


class OpenStem(Protocol):
    """The file of a stem; see `unbraid.audio.encode.Encoder`."""

    def __enter__(self) -> OpenStem: ...

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def write(self, block: Floats) -> None:
        """Append a block, float32 (channels, n)."""
        ...


OpenEncoder = Callable[[str], OpenStem]
"""Create the encoder of the stem with that name."""


class StemWriter(Protocol):
    """Receiver of a song's stems, from start to end."""

    gain: float
    """Factor that the stems were multiplied by; final after `finish`."""

    def write(self, stems: Floats) -> None:
        """Write the next samples, (stems, channels, n)."""
        ...

    def finish(self, progress: Callable[[int], None]) -> None:
        """Complete the stems. `progress` receives the number of samples written so far."""
        ...


class StemListener(Protocol):
    """Receiver of a song's stems while it is separated, before the gain that keeps them from clipping."""

    def begin(self, names: Sequence[str], sample_rate: int, channels: int, samples: int) -> None:
        """Announce the stems: their names, rate in Hz, channels, and length in samples."""
        ...

    def write(self, stems: Floats) -> None:
        """Receive the next samples, float32 (stems, channels, n), which are final. They must not be changed."""
        ...

    def finish(self) -> None:
        """Learn that all samples were received, and that the gain isn't known yet."""
        ...


@dataclass
class ArrayWriter:
    """Writer into an array in memory: `stems` is (stems, channels, samples)."""

    stems: Floats
    gain: float = 1.0
    _position: int = 0

    def write(self, stems: Floats) -> None:
        """See `StemWriter.write`."""
        self.stems[..., self._position : self._position + stems.shape[-1]] = stems
        self._position += stems.shape[-1]

    def finish(self, progress: Callable[[int], None]) -> None:
        """See `StemWriter.finish`."""
        progress(self._position)


class DirectWriter:
    """Writer that encodes stems while the song is being separated.

    `clamp` limits samples to CLAMP. Otherwise integer formats clip samples beyond full scale (`to_integers` in
    `unbraid.audio.samples`), and float formats keep them.
    """

    gain = 1.0

    def __init__(
        self, names: Sequence[str], open_encoder: OpenEncoder, stack: ExitStack, *, clamp: bool
    ) -> None:
        # The stack closes the encoders on success, and aborts them on an error.
        self._encoders = [stack.enter_context(open_encoder(name)) for name in names]
        self._clamp = clamp
        self._position = 0

    def write(self, stems: Floats) -> None:
        """See `StemWriter.write`."""
        if self._clamp:
            stems = np.clip(stems, -CLAMP, CLAMP)
        for encoder, stem in zip(self._encoders, stems, strict=True):
            encoder.write(stem)
        self._position += stems.shape[-1]

    def finish(self, progress: Callable[[int], None]) -> None:
        """See `StemWriter.finish`."""
        progress(self._position)


class RescalingWriter:
    """Writer that spools stems as float32 to the file `spool`, and encodes them once the song's peak is known.

    All stems get the same gain, so they still add up to the (quieter) song. The spool takes 4 bytes of disk per stem,
    channel and sample, and almost no time. Without it, a song that exceeds full scale would be separated twice.
    """

    def __init__(
        self, names: Sequence[str], open_encoder: OpenEncoder, stack: ExitStack, spool: Path
    ) -> None:
        self.gain = 1.0
        # Open the encoders now, so that a failure shows before the work and not after it.
        self._encoders = [stack.enter_context(open_encoder(name)) for name in names]
        self._peak = 0.0
        self._shapes: list[tuple[int, ...]] = []
        self._path = spool
        with report_output_errors(spool):
            # Unbuffered: a full disk is noticed by `write`, not when the file is closed.
            self._spool = stack.enter_context(spool.open("w+b", buffering=0))

    def write(self, stems: Floats) -> None:
        """See `StemWriter.write`."""
        self._shapes.append(stems.shape)
        self._peak = max(self._peak, float(stems.max(initial=0.0)), -float(stems.min(initial=0.0)))
        rest = np.ascontiguousarray(stems).reshape(-1).view(np.uint8).data
        with report_output_errors(self._path):
            while rest:  # an unbuffered file may write only a part
                rest = rest[self._spool.write(rest) :]

    def finish(self, progress: Callable[[int], None]) -> None:
        """See `StemWriter.finish`."""
        self.gain = rescale_gain(self._peak)
        position = 0
        with ThreadPoolExecutor(len(self._encoders), thread_name_prefix="encode") as pool:
            for block in self._spooled():
                # One stem per thread. list() waits for all and re-raises exceptions.
                list(pool.map(self._encode, self._encoders, block))
                position += block.shape[-1]
                progress(position)

    def _encode(self, encoder: OpenStem, stem: Floats) -> None:
        if self.gain < 1:
            stem *= np.float32(self.gain)
        encoder.write(stem)

    def _spooled(self) -> Iterator[Floats]:
        """Read the stems from the start, as blocks (stems, channels, n)."""
        before = 0
        for *rows, samples in self._shapes:
            for start in range(0, samples, SPOOL_BLOCK):
                block = np.empty((*rows, min(SPOOL_BLOCK, samples - start)), np.float32)
                # Each written block lies in the file row by row: stem by stem, channel by channel.
                for row, values in enumerate(block.reshape(prod(rows), -1)):
                    self._spool.seek((before + row * samples + start) * values.itemsize)
                    self._spool.readinto(values.data)
                yield block
            before += prod(rows) * samples


class Analysed:
    """A writer that passes stems on to `writer`, and to the `analyser` of tempo and key."""

    def __init__(self, writer: StemWriter, analyser: MusicAnalyser) -> None:
        self._writer = writer
        self._analyser = analyser
        self.gain = 1.0

    def write(self, stems: Floats) -> None:
        """See `StemWriter.write`."""
        self._analyser.push(stems)
        self._writer.write(stems)

    def finish(self, progress: Callable[[int], None]) -> None:
        """See `StemWriter.finish`."""
        self._writer.finish(progress)
        self.gain = self._writer.gain


class LeftOver:
    """A writer that passes stems on to `writer`, and finds out whether the last of them is silent."""

    def __init__(self, writer: StemWriter) -> None:
        self._writer = writer
        self.gain = 1.0
        self.is_silent = True

    def write(self, stems: Floats) -> None:
        """See `StemWriter.write`."""
        self.is_silent = self.is_silent and float(np.abs(stems[-1]).max(initial=0.0)) <= SILENT
        self._writer.write(stems)

    def finish(self, progress: Callable[[int], None]) -> None:
        """See `StemWriter.finish`."""
        self._writer.finish(progress)
        self.gain = self._writer.gain


class Heard:
    """A writer that passes stems on to `writer`, and to a listener."""

    def __init__(self, writer: StemWriter, listener: StemListener) -> None:
        self._writer = writer
        self._listener = listener
        self.gain = 1.0

    def write(self, stems: Floats) -> None:
        """See `StemWriter.write`."""
        self._listener.write(stems)
        self._writer.write(stems)

    def finish(self, progress: Callable[[int], None]) -> None:
        """See `StemWriter.finish`."""
        self._listener.finish()
        self._writer.finish(progress)
        self.gain = self._writer.gain
