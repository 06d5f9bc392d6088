"""Decoded sample n is encoded sample n, for every file format."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import pytest
from pedalboard.io import AudioFile
from tests.audio.sounds import KINDS, Kind, bursts, decode, lag, noise, write

from unbraid.audio.decode import Decoder
from unbraid.audio.probe import probe
from unbraid.audio.resample import resampled_length
from unbraid.errors import SettingError

WAV16 = Kind("wav", "wav", "pcm_s16le", "s16")
WAV24 = Kind("wav", "wav", "pcm_s24le", "s32")
WAV_FLOAT = Kind("wav", "wav", "pcm_f32le", "flt")


@pytest.mark.parametrize(
    ("kind", "rate", "channels"),
    [(kind, rate, channels) for kind in KINDS for rate in kind.rates for channels in kind.channels],
    ids=lambda value: value.name if isinstance(value, Kind) else str(value),
)
def test_length_and_position_equal_the_original(tmp_path: Path, kind: Kind, rate: int, channels: int) -> None:
    sound = bursts(rate + 321, channels, rate)
    path = write(tmp_path / f"song.{kind.ending}", sound, rate, kind)
    with Decoder(path) as decoder:
        decoded = np.concatenate(list(decoder), axis=1)
    assert decoder.warnings == []
    assert decoder.samples_decoded == decoded.shape[1]
    assert (decoder.sample_rate, decoded.shape[0], decoded.dtype) == (rate, channels, np.float32)
    assert 0 <= decoded.shape[1] - sound.shape[1] <= kind.surplus
    assert abs(lag(sound, decoded)) < 0.5


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("length", [1, 20, 128, 200, 5000, 44421, 3 * 44100 + 17])
def test_decodes_every_sample_of_libvorbis(tmp_path: Path, length: int, channels: int) -> None:
    sound = bursts(length, channels, 44100) if length > 5000 else noise(length, channels)
    with AudioFile(str(tmp_path / "song.ogg"), "w", 44100, channels) as ogg:  # pedalboard has libvorbis
        ogg.write(sound)
    with Decoder(tmp_path / "song.ogg") as decoder:
        decoded = np.concatenate(list(decoder), axis=1)
    assert decoded.shape == sound.shape
    assert decoder.warnings == []
    if length > 100:
        assert abs(lag(sound, decoded)) < 0.5


def test_decodes_every_sample_of_w64_whose_length_excludes_padding(tmp_path: Path) -> None:
    sound = noise(4001, 1)
    path = write(tmp_path / "song.w64", sound, 44100, Kind("w64", "w64", "pcm_s16le", "s16"))
    content = path.read_bytes()
    length = content.index(b"data") + 16  # after the chunk's GUID; the length includes the GUID and itself
    path.write_bytes(content[:length] + (2 * 4001 + 24).to_bytes(8, "little") + content[length + 8 :])
    assert decode(path).shape == sound.shape


@pytest.mark.parametrize("rate", [8000, 11025, 88200, 96000, 192000])
def test_decodes_rates_from_8_to_192_khz(tmp_path: Path, rate: int) -> None:
    sound = bursts(rate // 2, 2, rate)
    path = write(tmp_path / "song.wav", sound, rate, WAV16)
    assert decode(path).shape == sound.shape
    resampled = decode(path, rate=44100)
    assert resampled.shape[1] == resampled_length(sound.shape[1], rate, 44100)


@pytest.mark.parametrize(
    ("kind", "step"),
    [
        (Kind("wav", "wav", "pcm_u8", "u8"), 2**-7),
        (WAV16, 2**-15),
        (WAV24, 2**-23),
        (WAV_FLOAT, 2**-24),
        (Kind("flac", "flac", "flac", "s16"), 2**-15),
        (Kind("m4a", "ipod", "alac", "s32p"), 2**-23),
    ],
    ids=lambda value: value.name if isinstance(value, Kind) else "",
)
def test_lossless_formats_keep_every_bit(tmp_path: Path, kind: Kind, step: float) -> None:
    sound = (np.rint(noise(5000, 2) / step) * step).astype(np.float32)
    assert np.array_equal(decode(write(tmp_path / f"song.{kind.ending}", sound, 44100, kind)), sound)


def test_finds_compressed_audio_in_samples_of_wav(tmp_path: Path) -> None:
    sound = bursts(44100, 2, 44100)
    hidden = write(tmp_path / "song.ac3", sound, 44100, Kind("ac3", "ac3", "ac3", "fltp")).read_bytes()
    path = tmp_path / "song.wav"
    with wave.open(str(path), "wb") as wav:  # as on a DTS CD, for players with a decoder
        wav.setparams((2, 2, 44100, 0, "NONE", ""))
        wav.writeframes(hidden[: len(hidden) // 4 * 4])
    info = probe(path)
    assert info.codec == "ac3"
    for known in (None, info):
        decoded = decode(path, info=known)
        assert decoded.shape[0] == 2
        assert decoded.shape[1] >= 44100
        assert abs(lag(sound, decoded)) < 1000


def test_probing_again_is_not_needed(tmp_path: Path) -> None:
    path = write(tmp_path / "song.wav", noise(100_000, 2), 44100, WAV16)
    assert np.array_equal(decode(path, info=probe(path)), decode(path))


@pytest.mark.parametrize("channels", range(3, 9))
def test_mixes_surround_to_stereo_with_warning(tmp_path: Path, channels: int) -> None:
    layout = {3: "3.0", 4: "quad", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1"}[channels]
    sound = noise(3000, channels)
    path = write(tmp_path / "song.wav", sound, 48000, WAV_FLOAT, layout=layout)
    with Decoder(path) as decoder:
        decoded = np.concatenate(list(decoder), axis=1)
    assert decoded.shape == (2, 3000)
    assert len(decoder.warnings) == 1
    assert str(channels) in str(decoder.warnings[0])


def test_mixes_surround_by_itu_r_bs_775(tmp_path: Path) -> None:
    sound = noise(1000, 6)  # left, right, centre, low frequencies, back left, back right
    path = write(tmp_path / "song.wav", sound, 48000, WAV_FLOAT, layout="5.1")
    left, right, centre, _, back_left, back_right = sound
    expected = np.stack([left + 0.5**0.5 * (centre + back_left), right + 0.5**0.5 * (centre + back_right)])
    np.testing.assert_allclose(decode(path), expected, atol=1e-6)


def test_decodes_to_mono_or_stereo_on_request(tmp_path: Path) -> None:
    sound = noise(1000, 2)
    stereo = write(tmp_path / "stereo.wav", sound, 48000, WAV_FLOAT)
    mono = write(tmp_path / "mono.wav", sound[:1], 48000, WAV_FLOAT)
    np.testing.assert_allclose(decode(stereo, channels=1)[0], sound.mean(axis=0), atol=1e-7)
    assert np.array_equal(decode(mono, channels=2), np.repeat(sound[:1], 2, axis=0))
    with pytest.raises(SettingError):
        Decoder(stereo, channels=3)


def test_selects_one_of_several_audio_streams(tmp_path: Path) -> None:
    sound = noise(4000, 2)
    path = write(
        tmp_path / "video.mkv", sound, 48000, Kind("mkv", "matroska", "flac", "s16", pictures=True), streams=3
    )
    assert probe(path).streams == 3
    assert not decode(path).any()
    assert abs(decode(path, stream=2) - sound).max() <= 2**-16
    with pytest.raises(SettingError, match="It has 3"):
        Decoder(path, stream=3)


def test_nan_and_infinity_become_silence_with_one_warning(tmp_path: Path) -> None:
    sound = noise(100_000, 2)
    broken = sound.copy()
    broken[0, 10], broken[1, 70_000], broken[1, 99_999] = np.nan, np.inf, -np.inf
    with Decoder(write(tmp_path / "song.wav", broken, 44100, WAV_FLOAT)) as decoder:
        decoded = np.concatenate(list(decoder), axis=1)
    assert len(decoder.warnings) == 1
    assert "3 samples" in str(decoder.warnings[0])
    assert np.array_equal(decoded, np.where(np.isfinite(broken), sound, 0))


@pytest.mark.filterwarnings("error")
def test_doubles_beyond_the_range_of_floats_become_silence_without_messages_of_numpy(tmp_path: Path) -> None:
    sound = np.array([[0.5, 1e300, -1e300, 0.25]])
    kind = Kind("wav", "wav", "pcm_f64le", "dbl")
    with Decoder(write(tmp_path / "song.wav", sound, 44100, kind)) as decoder:
        decoded = np.concatenate(list(decoder), axis=1)
    assert decoded.tolist() == [[0.5, 0, 0, 0.25]]
    assert "2 samples" in str(decoder.warnings[0])


def test_dc_offset_is_unchanged(tmp_path: Path) -> None:
    sound = np.full((2, 5000), 0.25, np.float32)
    assert np.array_equal(decode(write(tmp_path / "song.wav", sound, 44100, WAV16)), sound)
    resampled = decode(tmp_path / "song.wav", rate=48000)
    np.testing.assert_allclose(resampled[:, 1000:-1000], 0.25, atol=1e-6)


def test_keeps_floats_beyond_full_scale(tmp_path: Path) -> None:
    sound = noise(1000, 2) * 50
    assert np.array_equal(decode(write(tmp_path / "song.wav", sound, 44100, WAV_FLOAT)), sound)


def test_blocks_are_short_in_long_songs(tmp_path: Path) -> None:
    path = write(
        tmp_path / "song.flac",
        np.zeros((2, 30 * 8000), np.float32),
        8000,
        Kind("flac", "flac", "flac", "s16"),
    )
    with Decoder(path) as decoder:
        lengths = [block.shape[1] for block in decoder]
    assert len(lengths) > 10
    assert max(lengths) < 2 * 8000


def test_probe_reports_the_header(tmp_path: Path) -> None:
    kind = Kind("mp4", "mp4", "aac", "fltp", pictures=True)
    info = probe(write(tmp_path / "video.mp4", bursts(44100, 2, 44100), 44100, kind))
    assert (info.codec, info.sample_rate, info.channels, info.streams) == ("aac", 44100, 2, 1)
    assert info.duration_s == pytest.approx(1, abs=0.01)


def test_probe_reports_length_of_wav_beyond_4_gib(tmp_path: Path) -> None:
    frames = 1_200_000_000  # of 4 bytes: 7.6 hours
    path = tmp_path / "long.wav"
    sizes = (
        (4 * frames + 72).to_bytes(8, "little")
        + (4 * frames).to_bytes(8, "little")
        + frames.to_bytes(8, "little")
    )
    form = (1).to_bytes(2, "little") + (2).to_bytes(2, "little") + (44100).to_bytes(4, "little")
    form += (4 * 44100).to_bytes(4, "little") + (4).to_bytes(2, "little") + (16).to_bytes(2, "little")
    head = b"RF64\xff\xff\xff\xffWAVEds64" + (28).to_bytes(4, "little") + sizes + bytes(4)
    head += b"fmt " + (16).to_bytes(4, "little") + form + b"data\xff\xff\xff\xff"
    with path.open("wb") as file:
        file.write(head)
        file.truncate(len(head) + 4 * frames)  # sparse: takes no space on disk
    assert probe(path).duration_s == pytest.approx(frames / 44100)
