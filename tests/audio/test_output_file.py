"""Stems are written atomically, and a failed write becomes an OutputError with advice."""

from __future__ import annotations

import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.audio.sounds import as_an_ordinary_user, decode, noise

from unbraid.audio.encode import Encoder
from unbraid.audio.formats import FORMATS
from unbraid.errors import OutputError
from unbraid.files.atomic import PART
from unbraid.files.oserrors import output_error


def encoder(path: Path, format: str = "wav") -> Encoder:
    return Encoder(path, sample_rate=48000, channels=2, format=format)


@contextmanager
def no_file_larger_than(size: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("format", FORMATS)
def test_file_appears_when_it_is_complete(tmp_path: Path, format: str) -> None:
    path = tmp_path / f"stem.{format}"
    with encoder(path, format) as stem:
        stem.write(noise(48000, 2))
        assert not path.exists()
        assert [p.name[: len(PART)] for p in tmp_path.iterdir()] == [PART]
    assert list(tmp_path.iterdir()) == [path]


def test_older_file_stays_until_then(tmp_path: Path) -> None:
    path = tmp_path / "stem.wav"
    path.write_bytes(b"old")
    stem = encoder(path)
    stem.write(noise(1000, 2))
    assert path.read_bytes() == b"old"
    stem.close()
    assert decode(path).shape == (2, 1000)


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("exception", [RuntimeError, KeyboardInterrupt])
def test_exception_leaves_nothing(tmp_path: Path, format: str, exception: type[BaseException]) -> None:
    with pytest.raises(exception), encoder(tmp_path / "stem", format) as stem:
        stem.write(noise(48000, 2))
        raise exception
    assert list(tmp_path.iterdir()) == []


def test_abort_leaves_nothing_and_can_be_repeated(tmp_path: Path) -> None:
    stem = encoder(tmp_path / "stem.wav")
    stem.write(noise(1000, 2))
    stem.abort()
    stem.abort()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("size_limit", [0, 100, 5_000, 40_000])
def test_file_beyond_the_size_limit_leaves_nothing(tmp_path: Path, format: str, size_limit: int) -> None:
    assert signal.getsignal(signal.SIGXFSZ) == signal.SIG_IGN  # Python's default: the write fails instead
    refused = pytest.raises(OutputError, match="too large")
    with no_file_larger_than(size_limit), refused, encoder(tmp_path / "stem", format) as stem:
        for _ in range(4):
            stem.write(noise(48000, 2))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_full_disk_is_called_full(tmp_path: Path) -> None:
    with pytest.raises(OSError) as caught, Path("/dev/full").open("wb", buffering=0) as full:
        full.write(b"x")
    message = output_error(tmp_path / "stem.wav", caught.value).message
    assert "is full" in message
    assert str(tmp_path) in message


def test_folder_without_write_permission_is_an_error() -> None:
    with as_an_ordinary_user() as folder:
        folder.chmod(0o555)
        with pytest.raises(OutputError, match="you have no permission"):
            encoder(folder / "stem.wav")
        folder.chmod(0o755)


def test_missing_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="doesn't exist"):
        encoder(tmp_path / "none" / "stem.wav")


def test_folder_with_the_name_of_the_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "stem.wav").mkdir()
    with pytest.raises(OutputError, match="is a folder"):
        encoder(tmp_path / "stem.wav")


@pytest.mark.parametrize(
    "name", ["n" * 251 + ".wav", "ж" * 125 + ".wav", "a" + "☃" * 83 + ".wav", "d é ☃ %s {0} \\ *.wav"]
)
def test_writes_long_and_unusual_names(tmp_path: Path, name: str) -> None:
    with encoder(tmp_path / name) as stem:
        stem.write(noise(100, 2))
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert decode(tmp_path / name).shape == (2, 100)


def test_too_long_name_is_an_error_before_any_work(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="too long"):
        encoder(tmp_path / ("n" * 252 + ".wav"))
