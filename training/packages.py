"""Sound files in Debian packages: `apt-get download` fetches one, and it is read without being installed."""

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
ARCHIVES = {".pk3", ".zip"}  # games keep their sounds in them
INT16_PEAK = 32_767


@dataclass(frozen=True)
class SoundFile:
    """A file of a package, not yet decoded. `path` within the package, and on within an archive in it."""

    path: PurePosixPath
    content: bytes

    def decoded(self, longest_s: float | None = None) -> NDArray[np.int16]:
        """int16 (samples, 2) at 44.1 kHz, the first `longest_s` seconds of it. Raises av.FFmpegError."""
        sound, _ = self._read("stereo", SAMPLE_RATE, longest_s)
        return (np.clip(sound, -1, 1) * INT16_PEAK).astype(np.int16)

    def mono(self) -> tuple[NDArray[np.float64], int]:
        """Samples (n,) and their rate, as recorded. Raises av.FFmpegError."""
        sound, rate = self._read("mono", None, None)
        return sound[:, 0].astype(np.float64), rate

    def _read(
        self, layout: str, rate: int | None, longest_s: float | None
    ) -> tuple[NDArray[np.float32], int]:
        form = "g722" if self.path.suffix == ".g722" else None  # headerless: nothing else tells
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
            raise av.InvalidDataError(0, "holds no sound", str(self.path))
        return np.concatenate(parts), rate


def fetch(package: str, folder: Path) -> Path:
    """The package's file in `folder`, downloaded unless it is there. Raises RuntimeError if apt can't."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (found := sorted(folder.glob(f"{package}_*.deb"))):
        done = subprocess.run(
            ["apt-get", "download", package], cwd=folder, capture_output=True, text=True, check=False
        )
        found = sorted(folder.glob(f"{package}_*.deb"))
        if done.returncode or not found:
            raise RuntimeError(f"apt-get download {package} failed: {done.stderr.strip()}")
    return found[-1]


def sounds(deb: Path, least_bytes: int = 0) -> Iterator[SoundFile]:
    """The sound files of a package in its order, archives opened; smaller ones are passed over."""
    unpacked = subprocess.Popen(["dpkg-deb", "--fsys-tarfile", str(deb)], stdout=subprocess.PIPE)
    with unpacked, tarfile.open(fileobj=unpacked.stdout, mode="r|") as files:
        for member in files:
            path = PurePosixPath(member.name)
            kind = path.suffix.lower()
            if not member.isfile() or member.size < least_bytes or kind not in SOUNDS | ARCHIVES:
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
                    if inner.suffix.lower() in SOUNDS and entry.file_size >= least_bytes:
                        yield SoundFile(path / inner, archive.read(entry))
