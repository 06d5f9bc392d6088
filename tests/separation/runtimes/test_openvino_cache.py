"""Compiled networks are cached on disk. A damaged or missing cache changes no stem."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tests.separation.conftest import noise
from tests.separation.known_models import SEGMENT, loudness_model, spectral_model

from unbraid import Separator
from unbraid.separation.runtimes import openvino_cache
from unbraid.separation.runtimes.openvino import OpenVinoRuntime

SONG = noise(2, 3 * SEGMENT)


@pytest.fixture
def compiled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache of compiled networks, empty, on a disk with enough space."""
    monkeypatch.setenv("UNBRAID_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(openvino_cache, "FREE_BYTES", 0)
    return tmp_path / "cache" / "compiled"


def vocals(model: Path, **settings: int) -> np.ndarray:
    return Separator(model, **settings).separate(SONG)["vocals"]


SEPARATE = """
import sys
import numpy as np
from unbraid import Separator
song, stem = sys.argv[2:]
np.save(stem, Separator(sys.argv[1]).separate(np.load(song))["vocals"])
"""


def test_another_process_uses_the_cache_and_gives_the_same_samples(
    gains_folder: Path, compiled: Path, tmp_path: Path
) -> None:
    expected = vocals(gains_folder)
    (file,) = compiled.iterdir()
    before = file.stat()
    song, stem = tmp_path / "song.npy", tmp_path / "stem.npy"
    np.save(song, SONG)
    subprocess.run([sys.executable, "-c", SEPARATE, gains_folder, song, stem], check=True)
    assert np.array_equal(np.load(stem), expected)
    assert list(compiled.iterdir()) == [file]
    assert file.stat().st_ino == before.st_ino  # not rewritten
    assert file.stat().st_mtime_ns > before.st_mtime_ns  # its last use


def test_cached_network_needs_no_graph(compiled: Path, gains_folder: Path, tmp_path: Path) -> None:
    graph, shapes = gains_folder / "graph.onnx", {"spectrum": (1, 2, 257, 8, 2)}
    spectrum = np.random.default_rng(0).standard_normal(shapes["spectrum"]).astype(np.float32)
    answers = []
    for path in (graph, tmp_path / "gone.onnx"):
        runtime = OpenVinoRuntime(path, shapes, threads=1, jobs=1, description=b"same network")
        with runtime.run({"spectrum": spectrum}) as outputs:
            answers.append(outputs["spectra"].copy())
    assert np.array_equal(*answers)
    assert np.abs(answers[0]).max() > 0.1


def test_network_outlives_another_one_from_the_same_file(compiled: Path, gains_folder: Path) -> None:
    first, second = Separator(gains_folder), Separator(gains_folder)
    expected = first.separate(SONG)["vocals"]
    del first
    next(compiled.iterdir()).unlink()
    assert np.array_equal(second.separate(SONG)["vocals"], expected)


def test_model_and_settings_each_have_their_own_cache_file(
    compiled: Path, gains_folder: Path, tmp_path: Path
) -> None:
    other = spectral_model(tmp_path / "other", (0.1, 0.2, 0.3, 0.4), normalise="scale")
    for model, settings in (
        (gains_folder, {}),
        (other, {}),
        (gains_folder, {"jobs": 1, "threads": 3}),
        (gains_folder, {"jobs": 1, "threads": 5}),
    ):
        before = set(compiled.glob("*.bin"))
        Separator(model, **settings)
        assert len(set(compiled.glob("*.bin")) - before) == 1
    assert not np.array_equal(vocals(gains_folder), vocals(other))


@pytest.mark.parametrize("description", [b"a network", None], ids=["cached", "not cached"])
def test_concurrent_calls_share_no_compiled_graph(
    compiled: Path, gains_folder: Path, description: bytes | None
) -> None:
    """OpenVINO prepares calls of one graph in parallel, and sometimes one of them is wrong."""
    shapes = {"spectrum": (1, 2, 257, 8, 2)}
    runtime = OpenVinoRuntime(gains_folder / "graph.onnx", shapes, threads=6, jobs=2, description=description)
    assert [graph.get_property("NUM_STREAMS") for graph in runtime._compiled] == [1, 1]
    first, second = (noise(2, 257 * 16, seed).reshape(shapes["spectrum"]) for seed in range(2))
    with runtime.run({"spectrum": first}) as one, runtime.run({"spectrum": second}) as other:
        results = [one["spectra"].copy(), other["spectra"].copy()]
    for spectrum, expected in zip((second, first), results[::-1], strict=True):
        with runtime.run({"spectrum": spectrum}) as outputs:
            assert np.array_equal(outputs["spectra"], expected)


def test_unusual_lengths_are_not_cached(compiled: Path, tmp_path: Path) -> None:
    model = loudness_model(tmp_path / "loudness", fixed_length=False)
    separator = Separator(model)
    separator.separate(noise(2, 2 * SEGMENT + 1234))
    assert len(list(compiled.iterdir())) == 1
    Separator(model, segment_s=0.1)
    assert len(list(compiled.iterdir())) == 1


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[:-100],
        lambda content: content[: len(content) // 2],
        lambda content: b"",
        lambda content: bytes([content[0] ^ 1]) + content[1:],
        lambda content: content[:-1] + bytes([content[-1] ^ 1]),
        lambda content: b"\x00" * len(content),
    ],
    ids=["cut short", "half", "empty", "network bit flipped", "checksum bit flipped", "zeros"],
)
def test_damaged_cache_file_is_replaced(compiled: Path, gains_folder: Path, damage: object) -> None:
    expected = vocals(gains_folder)
    (file,) = compiled.iterdir()
    whole = file.read_bytes()
    openvino_cache._mapped.clear()
    damaged = file.with_name("damaged")
    damaged.write_bytes(damage(whole))  # type: ignore[operator]
    damaged.replace(file)
    assert np.array_equal(vocals(gains_folder), expected)
    assert list(compiled.iterdir()) == [file]
    assert openvino_cache._is_intact(np.fromfile(file, np.uint8))


def test_cache_file_that_openvino_rejects_is_replaced(compiled: Path, gains_folder: Path) -> None:
    expected = vocals(gains_folder)
    (file,) = compiled.iterdir()
    openvino_cache._mapped.clear()
    assert openvino_cache.store_compiled(_FakeNetwork(b"of another version"), file)
    assert np.array_equal(vocals(gains_folder), expected)


class _FakeNetwork:
    """A compiled network whose export is `content`."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def export_model(self) -> object:
        from io import BytesIO

        return BytesIO(self._content)


def test_full_disk_caches_nothing_and_separates(
    gains_folder: Path, tiny_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = vocals(gains_folder)
    monkeypatch.setattr(openvino_cache, "FREE_BYTES", 0)
    monkeypatch.setenv("UNBRAID_CACHE", str(tiny_disk))
    filler = tiny_disk / "filler"
    with pytest.raises(OSError, match="No space"), filler.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    assert np.array_equal(vocals(gains_folder), expected)
    assert [path for path in tiny_disk.rglob("*") if path.is_file()] == [filler]


def test_unwritable_cache_separates(
    gains_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("UNBRAID_CACHE", str(tmp_path / "file" / "cache"))
    assert np.abs(vocals(gains_folder)).max() > 0.01


def test_nothing_is_cached_when_the_disk_is_nearly_full(
    compiled: Path, gains_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(openvino_cache, "FREE_BYTES", 1 << 60)
    Separator(gains_folder)
    assert not any(compiled.iterdir())


def test_least_recently_used_file_is_evicted(
    compiled: Path, gains_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import os

    files = []
    for number, threads in enumerate((1, 2, 3)):
        Separator(gains_folder, jobs=1, threads=threads)
        files += set(compiled.glob("*.bin")) - set(files)
        os.utime(files[-1], (1000 + number, 1000 + number))
    Separator(gains_folder, jobs=1, threads=1)  # used again
    monkeypatch.setattr(openvino_cache, "CACHE_BYTES", sum(file.stat().st_size for file in files))
    Separator(gains_folder, jobs=1, threads=4)
    left = set(compiled.glob("*.bin"))
    assert files[0] in left
    assert files[1] not in left
    assert files[2] in left or len(left) == 2
    assert sum(file.stat().st_size for file in left) <= openvino_cache.CACHE_BYTES
