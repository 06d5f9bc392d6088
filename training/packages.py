"""Read sound files from Debian packages, which are downloaded with `apt-get` but not installed."""

import io
import subprocess
import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import av
import numpy as np
from av.container import InputContainer
from numpy.typing import NDArray

from training.sound import SAMPLE_RATE

SOUNDS = {".ogg", ".oga", ".opus", ".mp3", ".wav", ".flac", ".g722"}
ARCHIVES = {".pk3", ".zip"}  # games store sounds in these
INT16_PEAK = 32_767


@dataclass(frozen=True)
class SoundFile:
    """An encoded sound file. `path` is relative to the package, and continues inside nested archives."""

    path: PurePosixPath
    content: bytes

    def decoded(self, longest_s: float | None = None) -> NDArray[np.int16]:
        """Decode the first `longest_s` seconds: int16 (samples, 2) at 44.1 kHz. Raises av.FFmpegError."""
        sound, _ = self._read("stereo", SAMPLE_RATE, longest_s)
        return (np.clip(sound, -1, 1) * INT16_PEAK).astype(np.int16)

    def mono(self) -> tuple[NDArray[np.float64], int]:
        """Decode to mono: samples (n,) and their original rate. Raises av.FFmpegError."""
        sound, rate = self._read("mono", None, None)
        return sound[:, 0].astype(np.float64), rate

    def _read(
        self, layout: str, rate: int | None, longest_s: float | None
    ) -> tuple[NDArray[np.float32], int]:
        form = "g722" if self.path.suffix == ".g722" else None  # has no header
        with av.open(io.BytesIO(self.content), format=form, metadata_errors="replace") as file:
            assert isinstance(file, InputContainer)
            rate = rate or file.streams.audio[0].rate
            resampler = av.AudioResampler("flt", layout, rate)
            parts: list[NDArray[np.float32]] = []
            for frame in file.decode(audio=0):
                for part in resampler.resample(frame):
                    sound = part.to_ndarray().reshape(-1, len(part.layout.channels))
                    parts.append(sound.astype(np.float32, copy=False))
                if longest_s is not None and sum(map(len, parts)) >= longest_s * rate:
                    break
        if not parts:
            raise av.InvalidDataError(0, "has no audio", str(self.path))
        return np.concatenate(parts), rate


def fetch(package: str, folder: Path) -> Path:
    """Download a package to `folder` unless it exists. Raises RuntimeError if the download fails."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (files := sorted(folder.glob(f"{package}_*.deb"))):
        done = subprocess.run(
            ["apt-get", "download", package], cwd=folder, capture_output=True, text=True, check=False
        )
        files = sorted(folder.glob(f"{package}_*.deb"))
        if done.returncode or not files:
            raise RuntimeError(f"apt-get download {package} failed: {done.stderr.strip()}")
    return files[-1]


def sounds(deb: Path, smallest_bytes: int = 0) -> Iterator[SoundFile]:
    """Yield the sound files of a package in order, also those in nested archives, except small ones."""
    unpacked = subprocess.Popen(["dpkg-deb", "--fsys-tarfile", str(deb)], stdout=subprocess.PIPE)
    with unpacked, tarfile.open(fileobj=unpacked.stdout, mode="r|") as files:
        for member in files:
            path = PurePosixPath(member.name)
            kind = path.suffix.lower()
            if not member.isfile() or member.size < smallest_bytes or kind not in SOUNDS | ARCHIVES:
                continue
            handle = files.extractfile(member)
            assert handle is not None
            content = handle.read()
            if kind in SOUNDS:
                yield SoundFile(path, content)
                continue
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                for entry in archive.infolist():
                    inner = PurePosixPath(entry.filename)
                    if inner.suffix.lower() in SOUNDS and entry.file_size >= smallest_bytes:
                        yield SoundFile(path / inner, archive.read(entry))
