"""The formats of the fuzzed files: all that FFmpeg's libraries in the test environment write and `unbraid` reads."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import NamedTuple

from tests.audio.sounds import KINDS, Kind, bursts, write
from tests.audio.test_leading_tag import FURTHER

FIXTURES = Path(__file__).parents[1] / "audio" / "fixtures"
OPUS = (48000,)
OTHERS = [
    Kind("mp2", "mp2", "mp2", "s16"),
    Kind("eac3", "eac3", "eac3", "fltp"),
    Kind("oga", "ogg", "libopus", "flt", OPUS),
    Kind("mka", "matroska", "vorbis", "fltp", channels=(2,)),
    Kind("mka", "matroska", "pcm_s16le", "s16"),
    Kind("mka", "matroska", "alac", "s16p"),
    Kind("mka", "matroska", "wavpack", "s16p"),
    Kind("mka", "matroska", "ac3", "fltp"),
    Kind("mkv", "matroska", "libopus", "flt", OPUS, pictures=True),
    Kind("webm", "webm", "vorbis", "fltp", channels=(2,)),
    Kind("mp4", "mp4", "libmp3lame", "fltp", pictures=True),
    Kind("mp4", "mp4", "ac3", "fltp", pictures=True),
    Kind("mp4", "mp4", "libopus", "flt", OPUS, pictures=True),
    Kind("mp4", "mp4", "flac", "s16", pictures=True),
    Kind("mp4", "mp4", "alac", "s16p", pictures=True),
    Kind("mov", "mov", "aac", "fltp", (44100, 48000, 22050), pictures=True),
    Kind("mov", "mov", "adpcm_ima_qt", "s16p", pictures=True),
    Kind("3gp", "3gp", "aac", "fltp", (44100, 48000, 22050)),
    Kind("3g2", "3g2", "aac", "fltp", (44100, 48000, 22050)),
    Kind("avi", "avi", "pcm_s16le", "s16", pictures=True),
    Kind("avi", "avi", "libmp3lame", "fltp", pictures=True),
    Kind("avi", "avi", "ac3", "fltp", pictures=True),
    Kind("ts", "mpegts", "mp2", "s16", pictures=True),
    Kind("ts", "mpegts", "aac", "fltp", (44100, 48000, 22050), pictures=True),
    Kind("ts", "mpegts", "ac3", "fltp", pictures=True),
    Kind("mpg", "mpeg", "mp2", "s16"),
    Kind("flv", "flv", "libmp3lame", "fltp", (44100,)),
    Kind("flv", "flv", "aac", "fltp", (44100, 48000)),
    Kind("nut", "nut", "pcm_s16le", "s16"),
    Kind("nut", "nut", "vorbis", "fltp", channels=(2,)),
    Kind("wma", "asf", "wmav1", "fltp", (44100, 22050), surplus=2048),
    Kind("wmv", "asf", "wmav2", "fltp", (44100,), pictures=True, surplus=2048),
    Kind("wav", "wav", "pcm_mulaw", "s16"),
    Kind("wav", "wav", "pcm_alaw", "s16"),
    Kind("wav", "wav", "adpcm_ms", "s16"),
    Kind("wav", "wav", "adpcm_ima_wav", "s16p"),
    Kind("w64", "w64", "pcm_f32le", "flt", surplus=1),
    Kind("aiff", "aiff", "pcm_s24be", "s32"),
    Kind("au", "au", "pcm_mulaw", "s16"),
    Kind("caf", "caf", "alac", "s16p"),
    Kind("caf", "caf", "pcm_s24le", "s32"),
    Kind("voc", "voc", "pcm_s16le", "s16"),
    Kind("rm", "rm", "ac3", "fltp"),
]
WRITTEN = {kind.name: kind for kind in [*KINDS, *FURTHER, *OTHERS]}
READ_ONLY = ("he-aac.m4a", "he-aac-v2.m4a", "he-aac.aac", "monkey.ape")
NAMES = (*WRITTEN, *READ_ONLY)

# Formats of which `cat` makes one longer recording. Of all others, the first part is the recording.
JOINABLE = frozenset(
    {
        *("mp3-libmp3lame", "mp2-mp2", "aac-aac", "ac3-ac3", "eac3-eac3", "he-aac.aac", "flac-flac"),
        *("ogg-vorbis", "opus-libopus", "oga-flac", "oga-libopus", "ts-mp2", "ts-aac", "ts-ac3"),
        *(kind.name for kind in WRITTEN.values() if kind.container in ("wav", "aiff")),
    }
)

# Samples of a frame. PCM has none; FFmpeg reads it in packets, whose incomplete last one is kept.
_FRAMES = {
    "libmp3lame": 1152, "mp2": 1152, "aac": 1024, "ac3": 1536, "eac3": 1536, "libopus": 960, "vorbis": 1024,
    "flac": 4608, "alac": 4096, "wmav1": 2048, "wmav2": 2048, "adpcm_ms": 2048, "adpcm_ima_wav": 2048,
    "adpcm_ima_qt": 64, "tta": 50156, "wavpack": 48000,
}  # fmt: skip
# Containers and codecs that can't say where the sound starts and ends: the encoder's delay and its last frame stay.
_UNTRIMMED = {
    *("adts", "ac3", "eac3", "mp2", "mpegts", "mpeg", "avi", "flv", "rm", "nut", "3gp", "3g2"),
    *("asf", "wmav1", "wmav2", "adpcm_ms", "adpcm_ima_wav", "adpcm_ima_qt", "vorbis", "ac3", "eac3", "mp2"),
}


class Part(NamedTuple):
    """A recording as an encoder wrote it."""

    content: bytes
    rate: int
    samples: int
    frame: int
    """Samples of the codec's frame; 1: PCM."""
    surplus: int
    """Samples by which the file may be longer than the recording, because its format can't say otherwise."""


def frame_of(name: str) -> int:
    """Return the samples of a frame of a format."""
    if name in READ_ONLY:
        return 73728 if name.endswith("ape") else 2048
    return _FRAMES.get(WRITTEN[name].codec, 1)


def rates_and_channels(name: str) -> list[tuple[int, int]]:
    """Return the rates in Hz and numbers of channels in which a format is written."""
    if name in READ_ONLY:
        return [(44100, 2)]
    kind = WRITTEN[name]
    return [(rate, channels) for rate in kind.rates for channels in kind.channels]


def streams_of(name: str) -> int:
    """Return the most audio streams that a file of a format is written with."""
    return 3 if name not in READ_ONLY and WRITTEN[name].pictures else 1


@cache
def part(
    folder: Path,
    name: str,
    rate: int,
    channels: int,
    seed: int,
    streams: int = 1,
    tags: tuple[tuple[str, str], ...] = (),
) -> Part:
    """Write 0.15 to 0.75 s of `bursts` (a fixture: its whole length). The same arguments give the same bytes."""
    if name in READ_ONLY:
        samples = 8000 if name.endswith("ape") else 44100
        surplus = 5058 + 2048 if name == "he-aac.aac" else 0
        return Part((FIXTURES / name).read_bytes(), 44100, samples, frame_of(name), surplus)
    kind = WRITTEN[name]
    samples = rate * (3 + 4 * (seed % 4)) // 20 + 7 * seed
    sound = bursts(samples, channels, rate, seed)
    path = write(
        folder / f"part.{kind.ending}", sound, rate, kind, streams, metadata=dict(tags), serial=100 + seed
    )
    content = path.read_bytes()
    path.unlink()
    frame = frame_of(name)
    untrimmed = _UNTRIMMED & {kind.container, kind.codec}
    surplus = max(kind.surplus, 3 * frame if untrimmed and frame > 1 else 0)
    return Part(content, rate, samples, frame, surplus)


def joint_surplus(name: str) -> int:
    """Return the samples by which each further part may be longer than its recording.

    FFmpeg trims delay and padding only at the ends of the file. The further parts of an MP3 also keep a header frame.
    """
    if name in READ_ONLY or WRITTEN[name].container in ("ogg", "flac"):
        return 0
    frame = frame_of(name)
    return 3 * frame if WRITTEN[name].codec == "libmp3lame" else 2 * frame if frame > 1 else 0
