"""Make a corpus of files of two seconds of noise bursts, each broken in one way.

>>> for broken in make_corpus(folder): separate(broken.path)   # doctest: +SKIP

`make_corpus` needs only the package and its dependencies, and takes less than a second.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from tests.audio.boxes import with_length
from tests.audio.sounds import Kind, Sound, bursts, noise, write

from unbraid.audio.encode import Encoder

RATE = 44100
LENGTH = 2 * RATE


@dataclass(frozen=True)
class BrokenFile:
    """A broken file, and the expected error, warning and length."""

    path: Path
    error: str | None = None
    """Part of the error message; None: the file can be separated."""
    warning: str | None = None
    """Part of a warning; None: there are no warnings."""
    samples: tuple[int, int] | None = None
    """Lowest and highest number of samples that may be decoded."""


def make_corpus(folder: Path) -> list[BrokenFile]:
    """Write all files into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    return [*_unreadable(folder), *_damaged(folder), *_odd(folder)]


def _unreadable(folder: Path) -> Iterator[BrokenFile]:
    def file(name: str, content: bytes) -> Path:
        (folder / name).write_bytes(content)
        return folder / name

    rng = np.random.default_rng(0)
    yield BrokenFile(folder / "missing.mp3", error="doesn't exist")
    (folder / "folder.mp3").mkdir(exist_ok=True)
    yield BrokenFile(folder / "folder.mp3", error="is a folder")
    yield BrokenFile(file("empty.wav", b""), error="is empty")
    yield BrokenFile(
        file("text.mp3", b"These are the words of a song.\n" * 200), error="can't be read as audio"
    )
    yield BrokenFile(
        file("page.m4a", b"<!doctype html><html><body>404 Not Found</body></html>\n"), error="can't be read"
    )
    yield BrokenFile(file("noise.flac", rng.bytes(20_000)), error="can't be")
    yield BrokenFile(file("zeros.ogg", bytes(20_000)), error="can't be read as audio")
    yield BrokenFile(
        file("list.mp3", b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nsong.wav\n"), error="can't be read"
    )
    wav = _encoded(folder, "wav")
    yield BrokenFile(file("header-only.wav", wav[: wav.index(b"data") + 8]), error="no audio")
    yield BrokenFile(file("half-a-header.wav", wav[:20]), error="can't be read as audio")
    yield BrokenFile(
        file("end-missing.m4a", _encoded(folder, "m4a")[:30_000]), error="can't be read as audio"
    )
    yield BrokenFile(_silent_video(folder / "silent-video.mp4"), error="no audio")
    yield BrokenFile(_picture(folder / "picture.mp3"), error="can't be read as audio")


def _damaged(folder: Path) -> Iterator[BrokenFile]:
    def file(name: str, content: bytes) -> Path:
        (folder / name).write_bytes(content)
        return folder / name

    half = (LENGTH // 4, LENGTH * 3 // 4)  # half of the bytes; the sound isn't spread evenly over them
    for ending in ("wav", "flac", "mp3", "opus"):
        content = _encoded(folder, ending)
        cut = file(f"cut-off.{ending}", content[: len(content) // 2])
        yield BrokenFile(cut, warning="cut off", samples=(0, 2 * LENGTH) if ending == "opus" else half)
    mp3 = _encoded(folder, "mp3")
    garbage = np.random.default_rng(0).bytes(8_000)
    middle = len(mp3) // 2
    damaged = mp3[:middle] + garbage + mp3[middle + len(garbage) :]
    yield BrokenFile(file("garbage-in-the-middle.mp3", damaged), warning="damaged", samples=(LENGTH, LENGTH))
    hole = mp3[:middle] + bytes(8_000) + mp3[middle + 8_000 :]
    yield BrokenFile(file("hole-in-the-middle.mp3", hole), warning="damaged", samples=(LENGTH, LENGTH))
    flac = _encoded(folder, "flac")
    yield BrokenFile(
        file("claims-half.flac", _with_samples(flac, LENGTH // 2)),
        warning="wrong length",
        samples=(LENGTH, LENGTH),
    )
    yield BrokenFile(
        file("claims-double.flac", _with_samples(flac, 2 * LENGTH)),
        warning="header says",
        samples=(LENGTH, LENGTH),
    )
    m4a = with_length(_encoded(folder, "m4a"), b"mdhd", LENGTH // 3)
    yield BrokenFile(file("claims-a-third.m4a", m4a), warning="wrong length", samples=(LENGTH, LENGTH))
    wav = _encoded(folder, "wav")
    at = wav.index(b"data") + 4
    long = wav[:at] + (2**31).to_bytes(4, "little") + wav[at + 4 :]
    long = long[:4] + (2**31 + at).to_bytes(4, "little") + long[8:]
    yield BrokenFile(file("claims-hours.wav", long), warning="cut off", samples=(LENGTH, LENGTH))
    unknown = wav[:4] + b"\xff\xff\xff\xff" + wav[8:at] + b"\xff\xff\xff\xff" + wav[at + 4 :]
    yield BrokenFile(file("length-unknown.wav", unknown), samples=(LENGTH, LENGTH))
    nan = _sound().copy()
    nan[0, 1000:1010], nan[1, 5000] = np.nan, np.inf
    path = write(folder / "not-numbers.wav", nan, RATE, Kind("wav", "wav", "pcm_f32le", "flt"))
    yield BrokenFile(path, warning="not numbers", samples=(LENGTH, LENGTH))


def _odd(folder: Path) -> Iterator[BrokenFile]:
    """Yield unusual but correct files."""
    wav = Kind("wav", "wav", "pcm_s16le", "s16")

    def file(name: str, sound: Sound, rate: int = RATE, layout: str | None = None) -> BrokenFile:
        path = write(folder / name, sound, rate, wav, layout=layout)
        return BrokenFile(path, samples=(sound.shape[1], sound.shape[1]))

    yield file("ten-samples.wav", noise(10, 2))
    yield file("one-sample.wav", noise(1, 1))
    yield file("silence.wav", np.zeros((2, LENGTH), np.float32))
    yield file("one-channel.wav", _sound()[:1])
    yield file("dc-offset.wav", _sound() * 0.5 + 0.3)
    yield file("full-scale.wav", np.sign(_sound()))
    yield file("8-khz.wav", noise(8000, 1), 8000)
    yield file("192-khz.wav", noise(96000, 2), 192000)
    eight = file("eight-channels.wav", noise(LENGTH, 8), layout="7.1")
    yield BrokenFile(eight.path, warning="8 channels", samples=eight.samples)
    yield file("Пісня — 歌 ☃ 'quoted' & 100%.wav", _sound())
    yield file(f"{'long name ' * 30}"[:251] + ".wav", _sound())
    yield file("http: no address.wav", _sound())


def _sound() -> Sound:
    return bursts(LENGTH, 2, RATE)


def _encoded(folder: Path, format: str) -> bytes:
    path = folder / f"whole.{format}"
    with Encoder(path, sample_rate=RATE, channels=2, format=format) as encoder:
        encoder.write(_sound())
    content = path.read_bytes()
    path.unlink()
    return content


def _with_samples(flac: bytes, samples: int) -> bytes:
    """Change the number of samples in a FLAC: the last 36 bits before the checksum in STREAMINFO (RFC 9639, 8.2)."""
    at = flac.index(b"fLaC") + 8 + 13
    field = int.from_bytes(flac[at : at + 5], "big") >> 36 << 36 | samples
    return flac[:at] + field.to_bytes(5, "big") + flac[at + 5 :]


def _silent_video(path: Path) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10, width=32, height=32, pix_fmt="yuv420p")
        for index in range(10):
            image = av.VideoFrame.from_ndarray(np.full((32, 32, 3), 20 * index, np.uint8))
            image.pts, image.time_base = index, Fraction(1, 10)
            container.mux(stream.encode(image))
        container.mux(stream.encode(None))
    return path


def _picture(path: Path) -> Path:
    path.write_bytes(png())
    return path


def png() -> bytes:
    """Encode a small PNG."""
    codec = av.CodecContext.create("png", "w")
    codec.width, codec.height, codec.pix_fmt, codec.time_base = 8, 8, "rgb24", Fraction(1)  # type: ignore[attr-defined]
    image = av.VideoFrame.from_ndarray(np.full((8, 8, 3), 128, np.uint8))
    return b"".join(bytes(packet) for packet in [*codec.encode(image), *codec.encode(None)])  # type: ignore[attr-defined]
