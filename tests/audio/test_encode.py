"""An encoded stem decodes to the samples that were written: same length, in sync, same values."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.audio.sounds import KINDS, Kind, Sound, bursts, decode, lag, noise, write

from unbraid.audio.decode import Decoder
from unbraid.audio.encode import Encoder
from unbraid.audio.formats import FORMATS
from unbraid.audio.probe import probe
from unbraid.audio.resample import resampled_length
from unbraid.errors import SettingError


def encode(path: Path, sound: Sound, rate: int, **options: object) -> Path:
    with Encoder(
        path, sample_rate=rate, channels=sound.shape[0], format=path.suffix[1:], **options
    ) as encoder:  # type: ignore[arg-type]
        for start in range(0, sound.shape[1], 10_000):
            encoder.write(sound[:, start : start + 10_000])
    return path


def test_lists_the_formats_of_the_api_contract() -> None:
    assert FORMATS == ("wav", "flac", "mp3", "m4a", "opus")


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_every_input_to_every_output_keeps_length_and_position(
    tmp_path: Path, kind: Kind, format: str
) -> None:
    rate, channels = kind.rates[0], kind.channels[-1]
    original = bursts(rate // 4 + 321, channels, rate)
    song = decode(write(tmp_path / f"song.{kind.ending}", original, rate, kind))
    path = encode(tmp_path / f"stem.{format}", song, rate, samples=song.shape[1])
    stem = decode(path, rate=rate)
    assert stem.shape == song.shape
    assert abs(lag(original, stem)) < 0.5


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize(
    ("rate", "channels"), [(8000, 2), (22050, 1), (32000, 1), (48000, 1), (96000, 2), (192000, 2)]
)
def test_other_rates_keep_length_and_position(tmp_path: Path, format: str, rate: int, channels: int) -> None:
    sound = bursts(rate // 2 + 17, channels, rate)
    path = encode(tmp_path / f"stem.{format}", sound, rate)
    decoded = decode(path)
    assert decoded.shape == (channels, resampled_length(sound.shape[1], rate, probe(path).sample_rate))
    assert abs(lag(sound, decode(path, rate=rate))) < 0.5


@settings(max_examples=60, deadline=None)
@given(
    length=st.one_of(st.integers(1, 60), st.integers(1, 5000)),
    rate=st.sampled_from([8000, 16000, 22050, 24000, 44100, 48000, 64000, 96000]),
    channels=st.integers(1, 2),
    format=st.sampled_from(FORMATS),
    known=st.booleans(),
)
def test_any_length_survives_the_round_trip(
    tmp_path_factory: pytest.TempPathFactory, length: int, rate: int, channels: int, format: str, known: bool
) -> None:
    path = tmp_path_factory.mktemp("any") / f"stem.{format}"
    encode(path, noise(length, channels), rate, samples=length if known else None)
    written = probe(path)
    with Decoder(path) as decoder:
        decoded = np.concatenate(list(decoder), axis=1)
    assert decoder.warnings == []
    assert decoded.shape == (channels, resampled_length(length, rate, written.sample_rate))


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="needs the program ffmpeg")
@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize(("rate", "channels"), [(44100, 2), (48000, 1), (22050, 2)])
def test_ffmpeg_program_finds_the_same_length_and_position(
    tmp_path: Path, format: str, rate: int, channels: int
) -> None:
    sound = bursts(rate + 77, channels, rate)
    path = encode(tmp_path / f"stem.{format}", sound, rate, samples=sound.shape[1])
    command = ["ffmpeg", "-nostdin", "-v", "error", "-i", str(path), "-f", "f32le", "-"]
    raw = subprocess.run(command, capture_output=True, check=True).stdout
    decoded = np.frombuffer(raw, np.float32).reshape(-1, channels).T
    assert decoded.shape == (channels, resampled_length(sound.shape[1], rate, probe(path).sample_rate))
    if probe(path).sample_rate == rate:
        assert abs(lag(sound, decoded)) < 0.5


@pytest.mark.parametrize(
    ("format", "subtype", "bits"),
    [("wav", "16", 16), ("wav", "24", 24), ("flac", "16", 16), ("flac", "24", 24)],
)
def test_integers_survive_bit_by_bit(tmp_path: Path, format: str, subtype: str, bits: int) -> None:
    step = 2.0 ** (1 - bits)
    sound = (np.rint(noise(30_000, 2) / step) * step).astype(np.float32)
    sound[:, :4] = [[-1, 1 - step, 0, step], [-step, 0.5, -0.5, 0]]
    assert np.array_equal(decode(encode(tmp_path / f"stem.{format}", sound, 44100, subtype=subtype)), sound)


def test_floats_survive_bit_by_bit(tmp_path: Path) -> None:
    sound = noise(30_000, 2) * 30
    assert np.array_equal(decode(encode(tmp_path / "stem.wav", sound, 44100, subtype="float")), sound)


@pytest.mark.parametrize("subtype", ["16", "24"])
def test_integer_formats_clip_beyond_full_scale(tmp_path: Path, subtype: str) -> None:
    sound = np.array([[1.0, 2.5, -1.0, -7.0]], np.float32)
    top = 1 - 2.0 ** (1 - int(subtype))
    decoded = decode(encode(tmp_path / "stem.wav", sound, 44100, subtype=subtype))
    np.testing.assert_array_equal(decoded, np.array([[top, top, -1, -1]], np.float32))


@pytest.mark.parametrize("format", ["mp3", "m4a", "opus"])
def test_bit_rate_determines_the_size(tmp_path: Path, format: str) -> None:
    sound = noise(3 * 48000, 2)
    small = encode(tmp_path / f"small.{format}", sound, 48000, bitrate=64_000).stat().st_size
    large = encode(tmp_path / f"large.{format}", sound, 48000, bitrate=192_000).stat().st_size
    assert 2 * small < large < 4 * small
    assert small == pytest.approx(64_000 / 8 * 3, rel=0.25)


@pytest.mark.parametrize(
    ("format", "bitrate"),
    [
        *[("mp3", 321_000), ("mp3", 10), ("m4a", 10**6), ("opus", 5_000), ("wav", 128_000), ("flac", 1)],
        *[("mp3", 0), ("m4a", 0), ("opus", 0), ("wav", 0), ("mp3", -1)],
    ],
)
def test_rejects_bit_rate_out_of_range(tmp_path: Path, format: str, bitrate: int) -> None:
    with pytest.raises(SettingError, match=format):
        Encoder(tmp_path / "stem", sample_rate=44100, channels=2, format=format, bitrate=bitrate)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"format": "aiff"}, "Choose one of wav, flac, mp3, m4a, opus"),
        ({"format": "flac", "subtype": "float"}, "Choose one of 16, 24"),
        ({"format": "mp3", "subtype": "24"}, "mp3 has no 24 bit samples.*choose wav or flac"),
        ({"format": "m4a", "subtype": "float"}, "m4a has no float samples.*choose wav"),
        ({"format": "opus", "subtype": "8"}, "opus has no 8 samples"),
        ({"format": "wav", "subtype": "8"}, "Choose one of 16, 24, float"),
        ({"channels": 6}, "1 or 2 channels"),
    ],
)
def test_rejects_options_the_format_lacks(tmp_path: Path, options: dict[str, object], words: str) -> None:
    with pytest.raises(SettingError, match=words):
        Encoder(tmp_path / "stem", **{"sample_rate": 44100, "channels": 2, **options})  # type: ignore[arg-type]


def test_resamples_to_a_rate_of_the_codec(tmp_path: Path) -> None:
    def written(rate: int, format: str) -> int:
        with Encoder(tmp_path / "stem", sample_rate=rate, channels=1, format=format) as encoder:
            encoder.write(noise(rate // 10, 1))
        return encoder.sample_rate

    assert [written(44100, format) for format in FORMATS] == [44100, 44100, 44100, 44100, 48000]
    assert [written(96000, format) for format in FORMATS] == [96000, 96000, 48000, 96000, 48000]
    assert [written(37000, format) for format in FORMATS] == [37000, 37000, 44100, 44100, 48000]


def test_samples_written_counts_at_the_rate_of_the_file(tmp_path: Path) -> None:
    with Encoder(tmp_path / "stem.opus", sample_rate=24000, channels=1, format="opus") as encoder:
        encoder.write(noise(2400, 1))
    assert encoder.samples_written == 4800
