"""Generate sounds, write them to files of every format, and measure delays."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
from numpy.typing import NDArray

from unbraid.audio.decode import Decoder
from unbraid.audio.resample import Resampler

Sound = NDArray[np.float32]


@lru_cache(maxsize=32)  # read-only, because many tests use the same sounds
def bursts(samples: int, channels: int, rate: int, seed: int = 0) -> Sound:
    """Generate (channels, samples) of short noise bursts at irregular times. All codecs keep their onsets."""
    rng = np.random.default_rng(seed)
    sound = np.zeros((channels, samples), np.float32)
    length = rate // 50
    decay = np.exp(-np.arange(length) / (length / 5))
    at = rate // 30
    while at + length < samples:
        noise = rng.standard_normal((channels, length + 8))
        smooth = sum(
            noise[:, shift : shift + length] * weight for shift, weight in enumerate(np.hanning(11)[1:-1] / 5)
        )
        sound[:, at : at + length] = smooth * decay * 0.25
        at += int(rate * rng.uniform(0.03, 0.12))
    np.clip(sound, -0.95, 0.95, out=sound)
    sound.flags.writeable = False
    return sound


@lru_cache(maxsize=32)
def noise(samples: int, channels: int, seed: int = 0) -> Sound:
    """Generate (channels, samples) of noise, read-only."""
    sound = (np.random.default_rng(seed).standard_normal((channels, samples)) * 0.1).astype(np.float32)
    sound.flags.writeable = False
    return sound


def lag(reference: Sound, other: Sound) -> float:
    """Measure the delay of the first channel of `other` in samples, to 1/16, by the peak of the cross-correlation."""
    size = 1 << int(np.ceil(np.log2(reference.shape[1] + other.shape[1])))
    product = np.fft.rfft(other[0], size) * np.fft.rfft(reference[0], size).conj()
    peak = int(np.fft.irfft(product, size).argmax())
    # Between samples, the correlation is that of its spectrum, shifted. Near the peak alone, this takes a quarter of
    # the time of a transform with 16 times as many points.
    frequencies = np.arange(len(product)) * (2j * np.pi / size)
    shifted, step = product * np.exp(frequencies * (peak - 1)), np.exp(frequencies / 16)
    values = []
    for _ in range(2 * 16 + 1):
        values.append(shifted.real[1:-1].sum() * 2 + shifted.real[0] + shifted.real[-1])
        shifted *= step
    nearest = peak if peak < size // 2 else peak - size
    return nearest - 1 + int(np.argmax(values)) / 16


def decode(path: Path, rate: int | None = None, **options: int) -> Sound:
    """Decode a file completely, resampled to `rate` (Hz; None: unchanged)."""
    with Decoder(path, **options) as decoder:
        sound = np.concatenate(list(decoder), axis=1)
    return Resampler(decoder.sample_rate, rate or decoder.sample_rate, len(sound)).push(sound, last=True)


@contextmanager
def as_an_ordinary_user() -> Iterator[Path]:
    """Give up root's right to read and write everything, and yield a folder that belongs to the user."""
    ordinary = 65534
    root = os.geteuid() == 0
    with tempfile.TemporaryDirectory() as name:
        if root:
            os.chown(name, ordinary, ordinary)
            os.seteuid(ordinary)
        try:
            yield Path(name)
        finally:
            if root:
                os.seteuid(0)


class Kind(NamedTuple):
    """A file format, and how FFmpeg's libraries write it."""

    ending: str
    container: str
    codec: str
    format: str
    rates: tuple[int, ...] = (44100, 48000, 32000)
    channels: tuple[int, ...] = (1, 2)
    pictures: bool = False
    surplus: int = 0  # samples of padding at the end that this format can't declare

    @property
    def name(self) -> str:
        return f"{self.ending}-{self.codec}"


OPUS, MP4_RATES = (48000,), (44100, 48000, 22050)
KINDS = [
    Kind("mp3", "mp3", "libmp3lame", "fltp"),
    Kind("wav", "wav", "pcm_u8", "u8"),
    Kind("wav", "wav", "pcm_s16le", "s16"),
    Kind("wav", "wav", "pcm_s24le", "s32"),
    Kind("wav", "wav", "pcm_s32le", "s32"),
    Kind("wav", "wav", "pcm_f32le", "flt"),
    Kind("wav", "wav", "pcm_f64le", "dbl"),
    Kind("w64", "w64", "pcm_s16le", "s16", surplus=3),
    Kind("flac", "flac", "flac", "s16"),
    Kind("ogg", "ogg", "vorbis", "fltp", channels=(2,), surplus=63),  # a limitation of FFmpeg's own encoder
    Kind("opus", "opus", "libopus", "flt", OPUS),
    Kind("m4a", "ipod", "aac", "fltp", MP4_RATES),
    Kind("m4a", "ipod", "alac", "s16p"),
    Kind("aiff", "aiff", "pcm_s16be", "s16"),
    Kind("wma", "asf", "wmav2", "fltp", (44100, 22050), surplus=2048),
    Kind("mp4", "mp4", "aac", "fltp", MP4_RATES, pictures=True),
    Kind("mov", "mov", "pcm_s16le", "s16", pictures=True),
    Kind("mkv", "matroska", "flac", "s16", pictures=True),
    Kind("mkv", "matroska", "aac", "fltp", MP4_RATES, pictures=True, surplus=1024),
    Kind("mkv", "matroska", "libmp3lame", "fltp", pictures=True),
    Kind("webm", "webm", "libopus", "flt", OPUS),
]


_written: dict[Hashable, bytes] = {}
"""Contents of the files that `write` has written last: many tests use the same ones."""
KEPT = 64


def write(
    path: Path,
    sound: Sound,
    rate: int,
    kind: Kind,
    streams: int = 1,
    layout: str | None = None,
    metadata: dict[str, str] | None = None,
    serial: int | None = None,
) -> Path:
    """Write (channels, samples) to the last of `streams` audio streams; the others are silent.

    With `serial`, the same call writes the same bytes: Ogg's streams get this number instead of a random one.
    """
    is_ogg = kind.container in ("ogg", "oga", "opus")
    key = (sound.tobytes(), sound.shape, rate, kind, streams, layout, repr(metadata), serial)
    if is_ogg and serial is None:
        _encode(path, sound, rate, kind, streams, layout, metadata, serial)
    elif key in _written:
        path.write_bytes(_written[key])
    else:
        _encode(path, sound, rate, kind, streams, layout, metadata, serial)
        if len(_written) == KEPT:
            del _written[next(iter(_written))]
        _written[key] = path.read_bytes()
    return path


def _encode(
    path: Path,
    sound: Sound,
    rate: int,
    kind: Kind,
    streams: int,
    layout: str | None,
    metadata: dict[str, str] | None,
    serial: int | None,
) -> None:
    layout = layout or ("mono" if sound.shape[0] == 1 else "stereo")
    is_repeatable = serial is not None and kind.container in ("ogg", "oga", "opus", "matroska", "webm")
    options = {"serial_offset": str(serial)} if is_repeatable and kind.container.startswith("o") else {}
    with av.open(str(path), "w", format=kind.container, options=options) as container:
        container.metadata.update(metadata or {})
        if is_repeatable:
            container.flags |= av.container.Flags.bitexact.value
        pictures = (
            container.add_stream("mpeg4", rate=10, width=32, height=32, pix_fmt="yuv420p")
            if kind.pictures
            else None
        )
        audio_streams = []
        for _ in range(streams):
            stream = container.add_stream(kind.codec, rate=rate)
            stream.layout, stream.format = layout, kind.format
            if kind.codec not in ("flac", "alac") and not kind.codec.startswith("pcm"):
                stream.bit_rate = 128_000
            stream.codec_context.options = {"strict": "-2"}
            audio_streams.append(stream)
        if pictures is not None and kind.container == "webm":
            pictures.codec_context.options = {"strict": "-2"}
        container.start_encoding()
        if pictures is not None:
            for index in range(10 * sound.shape[1] // rate + 3):
                image = av.VideoFrame.from_ndarray(np.full((32, 32, 3), index, np.uint8))
                image.pts, image.time_base = index, Fraction(1, 10)
                container.mux(pictures.encode(image))
            container.mux(pictures.encode(None))
        for number, stream in enumerate(audio_streams):
            frame = av.AudioFrame.from_ndarray(
                as_stored(sound if number == streams - 1 else 0 * sound, kind.format), kind.format, layout
            )
            frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
            container.mux(stream.encode(frame))
            container.mux(stream.encode(None))


def as_stored(sound: Sound, format: str) -> NDArray[np.generic]:
    """Convert to FFmpeg's sample `format`."""
    wide = sound.astype(np.float64)
    stored: NDArray[np.generic]
    match format.rstrip("p"):
        case "u8":
            stored = np.clip(np.rint(wide * 128) + 128, 0, 255).astype(np.uint8)
        case "s16":
            stored = np.clip(np.rint(wide * 2**15), -(2**15), 2**15 - 1).astype(np.int16)
        case "s32":
            stored = np.clip(np.rint(wide * 2**31), -(2**31), 2**31 - 1).astype(np.int32)
        case "dbl":
            stored = wide
        case _:
            stored = sound
    if not format.endswith("p"):
        stored = stored.T.reshape(1, -1)
    return np.ascontiguousarray(stored)
