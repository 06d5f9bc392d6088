"""Write stem files for DJ programs: one MP4 with the mixture and four stems as its tracks.

The form is that of Native Instruments' stem files, as DJ programs read them:

- Five stereo audio tracks of one sample rate, codec, length and encoder delay: the mixture, then four stems. Only the
  first track is enabled, so that other players play the mixture. Mixxx (`src/sources/soundsourcestem.cpp`) refuses a
  file with another number of audio tracks, or with a mono one.
- The box moov/udta/stem has JSON: `version` 1, four `stems` with `name` and `color` (#RRGGBB), and `mastering_dsp`, a
  compressor and a limiter by which a program masters the sum of the stems. Mixxx (`src/track/steminfoimporter.cpp`)
  requires the version and the names.
- The name ends with `.stem.mp4`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from fractions import Fraction
from os import PathLike
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Any, Self, cast

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from numpy.typing import NDArray

from unbraid.audio.arrays import Floats
from unbraid.audio.encode import IO_BUFFER, SHORTEST_ALIGNED
from unbraid.audio.formats import AAC_FRAME, stem_format
from unbraid.audio.output_file import OutputFile
from unbraid.audio.samples import to_integers
from unbraid.audio.stem_names import STEM_FILE_PARTS, STEM_FILE_TRACKS
from unbraid.audio.tags.model import Tags
from unbraid.audio.tags.write import TagWriter

CHANNELS = 2
# The colours that Traktor and Mixxx give stems without one.
_COLOURS = ("#009E73", "#D55E00", "#CC79A7", "#56B4E9")
# Switched off: the stems of a finished recording add up to its master. The values are the format's usual ones.
_MASTERING = {
    "compressor": {
        "enabled": False,
        "ratio": 3,
        "output_gain": 0.5,
        "threshold": 0,
        "attack": 0.003,
        "input_gain": 0.5,
        "release": 0.3,
        "hp_cutoff": 300,
        "dry_wet": 50,
    },
    "limiter": {"enabled": False, "release": 0.05, "threshold": 0, "ceiling": -0.35},
}


def manifest() -> bytes:
    """Return the content of the box moov/udta/stem."""
    stems = [
        {"name": name.capitalize(), "color": colour}
        for name, colour in zip(STEM_FILE_PARTS, _COLOURS, strict=True)
    ]
    return json.dumps({"version": 1, "mastering_dsp": _MASTERING, "stems": stems}).encode()


class StemFile:
    """Writer of the stem file `path`, which appears complete when the context ends.

    `sample_rate` (Hz) is one of the format's. `samples` is the length of each track. `subtype`: None for AAC of
    `bitrate` (bit/s), "16" or "24" for ALAC. All tracks decode to exactly their samples and are aligned.

    Raises SettingError if the format can't do this, and OutputError if the file can't be written; no file remains.
    """

    def __init__(
        self,
        path: str | PathLike[str],
        *,
        sample_rate: int,
        samples: int,
        subtype: str | None = None,
        bitrate: int | None = None,
        tags: Tags | None = None,
    ) -> None:
        self.path, self.sample_rate = Path(path), sample_rate
        self.format = stem_format(subtype)
        bitrate = self.format.bitrate_for(bitrate, sample_rate)
        self._tags = TagWriter(self.format.name, tags or Tags())
        self._lock = Lock()  # of the container
        self._part = OutputFile(self.path)
        # As in `Encoder`: silence that players skip, so that the last sample ends a frame of AAC.
        padding = -samples % AAC_FRAME if self.format.codec == "aac" and samples >= SHORTEST_ALIGNED else 0
        with self._part.discard_on_error():
            self._container = av.open(
                self._part.file,
                "w",
                format=self.format.container,
                options=self.format.container_options(sample_rate),
                buffer_size=IO_BUFFER,
            )
            streams = [self._add_stream(name, bitrate, subtype) for name in STEM_FILE_TRACKS]
            self._container.start_encoding()
            self._tracks = dict(zip(STEM_FILE_TRACKS, streams, strict=True))
            self._position = dict.fromkeys(STEM_FILE_TRACKS, -padding)
            for name in STEM_FILE_TRACKS:
                self.write(name, np.zeros((CHANNELS, padding), np.float32))

    def track(self, name: str) -> StemTrack:
        """Return the writer of one track."""
        return StemTrack(self, name)

    def add_tags(self, texts: Mapping[str, tuple[str, ...]]) -> None:
        """See `Encoder.add_tags`."""
        self._tags.add(texts)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self._part.discard()
            return
        with self._part.discard_on_error():
            for stream in self._tracks.values():
                self._container.mux(stream.encode(None))
            self._container.close()
            self._tags.finish(self._part.file, {"stem": manifest()})
        self._part.commit()

    def write(self, name: str, block: Floats) -> None:
        """Append a block, float32 (2, n), to a track. Thread-safe for different tracks. Raises OutputError."""
        if block.shape[1] == 0:
            return
        kind = self.format.sample_format
        samples: NDArray[Any] = block.astype(np.float32, copy=False)
        if kind == "s16p":
            samples = to_integers(block, 16)
        elif kind == "s32p":
            samples = to_integers(block, 24) << 8  # FFmpeg expects 24 bits in the upper part of 32
        frame = AudioFrame.from_ndarray(np.ascontiguousarray(samples), format=kind, layout="stereo")
        frame.sample_rate = self.sample_rate
        frame.pts, frame.time_base = self._position[name], Fraction(1, self.sample_rate)
        self._position[name] += block.shape[1]
        with self._part.discard_on_error():
            packets = self._tracks[name].encode(frame)
            with self._lock:
                self._container.mux(packets)

    def _add_stream(self, name: str, bitrate: int | None, subtype: str | None) -> AudioStream:
        stream = cast(AudioStream, self._container.add_stream(self.format.codec, rate=self.sample_rate))
        stream.metadata["handler_name"] = name.capitalize()  # players list the tracks by it
        stream.layout, stream.format = "stereo", self.format.sample_format
        if bitrate:
            stream.bit_rate = bitrate
        stream.codec_context.options = self.format.codec_options(bitrate, subtype or "")
        return stream


class StemTrack:
    """Writer of one track. Used like an Encoder."""

    def __init__(self, file: StemFile, name: str) -> None:
        self._file, self._name = file, name

    def __enter__(self) -> StemTrack:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        """The file ends all tracks together."""

    def write(self, block: Floats) -> None:
        """Append a block, float32 (2, n). Raises OutputError."""
        self._file.write(self._name, block)
