"""Sound files in Debian packages, and the backings, takes and voices made from them."""

import importlib.util
import io
import shutil
import subprocess
import zipfile
from pathlib import Path, PurePosixPath

import numpy as np
import pytest
from scipy.io import wavfile

from training import backings, takes
from training.packages import SoundFile, fetch, sounds
from training.voices import recordings
from training.voices.recordings import RecordedSpeaker
from training.voices.voice import Voice
from unbraid.models.lite import SAMPLE_RATE

pytestmark = pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="needs Debian's dpkg-deb")


def wav(seconds: float, rate: int, level: float = 0.1, seed: int = 0) -> bytes:
    noise = np.random.default_rng(seed).standard_normal(int(seconds * rate)) * level * 32767
    file = io.BytesIO()
    wavfile.write(file, rate, noise.clip(-32768, 32767).astype(np.int16))
    return file.getvalue()


def make_package(folder: Path, name: str, files: dict[str, bytes]) -> Path:
    """Build a package with some files, named like a download of apt."""
    root = folder / f"{name}-root"
    for path, content in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content)
    (root / "DEBIAN").mkdir()
    control = f"Package: {name}\nVersion: 1\nArchitecture: all\nMaintainer: a <a@b.c>\nDescription: sounds\n"
    (root / "DEBIAN" / "control").write_text(control)
    deb = folder / f"{name}_1_all.deb"
    subprocess.run(["dpkg-deb", "--build", "-Znone", str(root), str(deb)], check=True, capture_output=True)
    return deb


def zipped(**files: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in files.items():
            archive.writestr(f"{name}.wav", content)
    return file.getvalue()


def test_reads_sounds_in_packages_and_nested_archives(tmp_path: Path) -> None:
    files = {
        "usr/share/game/music/one.wav": wav(0.5, 22050),
        "usr/share/game/data.pk3": zipped(two=wav(1.0, SAMPLE_RATE), short=wav(0.01, 8000)),
        "usr/share/game/readme.txt": b"no sound" * 1000,
    }
    files_by_name = {file.path.name: file for file in sounds(make_package(tmp_path, "game", files), 2000)}
    assert files_by_name.keys() == {"one.wav", "two.wav"}
    assert files_by_name["two.wav"].decoded().shape == (SAMPLE_RATE, 2)
    assert len(files_by_name["two.wav"].decoded(0.1)) < SAMPLE_RATE // 2
    stereo = files_by_name["one.wav"].decoded()
    assert stereo.dtype == np.int16
    assert len(stereo) == pytest.approx(SAMPLE_RATE // 2, abs=50)
    sound, rate = files_by_name["one.wav"].mono()
    assert rate == 22050
    assert sound.std() == pytest.approx(0.1, rel=0.05)


def test_existing_package_is_not_downloaded(tmp_path: Path) -> None:
    deb = make_package(tmp_path, "game", {"usr/a.wav": wav(0.1, 8000)})
    assert fetch("game", tmp_path) == deb


def test_missing_package_raises(tmp_path: Path) -> None:
    with pytest.raises((RuntimeError, FileNotFoundError), match="apt-get"):
        fetch("no-such-package-anywhere", tmp_path)


def test_collects_long_pieces_and_sums_tracks(tmp_path: Path) -> None:
    guitar, band = wav(31, 16000, seed=1), wav(31, 16000, seed=2)
    files = {
        "usr/share/game/music/piece.wav": wav(31, 16000),
        "usr/share/game/music/piece_fast.wav": wav(31, 16000),
        "usr/share/game/music/jingle.wav": wav(20, 16000),
        "usr/share/game/sfx/wind.wav": wav(31, 16000),
        "usr/share/game/song/guitar.ogg": guitar,
        "usr/share/game/song/song.ogg": band,
    }
    (tmp_path / "packages").mkdir()
    make_package(tmp_path / "packages", "game", files)
    assert backings.collect("game", "train", tmp_path) == 2
    names = sorted(path.name for path in tmp_path.glob("*.npy"))
    assert names == ["train-game-music-piece.npy", "train-game-song-song.npy"]
    song = np.load(tmp_path / names[1])
    assert song.shape[1] == 2
    assert np.corrcoef(song[:SAMPLE_RATE, 0], _decoded(guitar)[:SAMPLE_RATE])[0, 1] == pytest.approx(
        0.7, abs=0.1
    )
    before = (tmp_path / names[0]).stat().st_mtime_ns
    assert backings.collect("game", "train", tmp_path) == 2
    assert (tmp_path / names[0]).stat().st_mtime_ns == before


def _decoded(content: bytes) -> np.ndarray:
    return SoundFile(PurePosixPath("a.wav"), content).decoded()[:, 0]


def test_existing_spoken_takes_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packages, out = tmp_path / "packages", tmp_path / "takes"
    packages.mkdir()
    out.mkdir()
    files = {f"usr/voices/ann/{number}.wav": wav(2, 16000, seed=number) for number in range(3)}
    make_package(packages, "game", {**files, "usr/voices/bob/1.wav": wav(2, 16000)})
    monkeypatch.setattr(takes, "RECORDED_SPEAKERS", (RecordedSpeaker("ann", "game", "/voices/ann/"),))
    monkeypatch.setattr(takes, "SPOKEN_S", 5.0)
    names = [path.name for path in takes.takes(out, packages, tmp_path, "train", range(0))]
    assert names == ["train-spoken-ann-0.npy", "train-spoken-ann-1.npy"]
    take = np.load(out / names[0])
    assert take.shape == (5 * SAMPLE_RATE, 2)
    assert np.abs(take).max() == pytest.approx(32768 / 2, abs=2)
    assert not list(takes.takes(out, packages, tmp_path, "train", range(0)))


@pytest.mark.skipif(importlib.util.find_spec("pyworld") is None, reason="needs pyworld")
def test_recorded_voice_is_saved_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packages, bank = tmp_path / "packages", tmp_path / "bank"
    packages.mkdir()
    rate = 16000
    time = np.arange(rate) / rate
    vowels = (
        sum(np.sin(2 * np.pi * 150 * k * time) / k for k in range(1, 30))
        * np.sin(2 * np.pi * 1.5 * time) ** 2
    )
    file = io.BytesIO()
    wavfile.write(file, rate, (vowels / np.abs(vowels).max() * 20000).astype(np.int16))
    make_package(packages, "game", {f"usr/ann/{number}.wav": file.getvalue() for number in range(10)})
    monkeypatch.setattr(recordings, "RECORDED_SPEAKERS", (RecordedSpeaker("ann", "game", "/ann/"),))
    (voice,) = recordings.record(bank, packages)
    assert voice.f0_hz == pytest.approx(150, rel=0.03)
    assert len(voice.syllables) == 30  # three swells in each of ten words
    assert Voice.load(bank / "ann.npz").name == "ann"
    assert not list(recordings.record(bank, packages))
