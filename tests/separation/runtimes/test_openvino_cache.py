"""A compiled network is kept on disk and taken from there; whatever lies there instead, stems come out as without."""

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
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of what is kept, empty; the disk has room."""
    monkeypatch.setenv("UNBRAID_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(openvino_cache, "SPARE", 0)
    return tmp_path / "cache" / "compiled"


def vocals(model: Path, **settings: int) -> np.ndarray:
    return Separator(model, **settings).separate(SONG)["vocals"]


ELSEWHERE = """
import sys
import numpy as np
from unbraid import Separator
song, stem = sys.argv[2:]
np.save(stem, Separator(sys.argv[1]).separate(np.load(song))["vocals"])
"""


def test_another_process_takes_what_is_kept_and_gives_the_same_samples(
    gains_folder: Path, kept: Path, tmp_path: Path
) -> None:
    expected = vocals(gains_folder)
    (file,) = kept.iterdir()
    before = file.stat()
    song, stem = tmp_path / "song.npy", tmp_path / "stem.npy"
    np.save(song, SONG)
    subprocess.run([sys.executable, "-c", ELSEWHERE, gains_folder, song, stem], check=True)
    assert np.array_equal(np.load(stem), expected)
    assert list(kept.iterdir()) == [file]
    assert file.stat().st_ino == before.st_ino  # not written anew
    assert file.stat().st_mtime_ns > before.st_mtime_ns  # but used


def test_what_is_kept_needs_no_graph(kept: Path, gains_folder: Path, tmp_path: Path) -> None:
    graph, shapes = gains_folder / "graph.onnx", {"spectrum": (1, 2, 257, 8, 2)}
    spectrum = np.random.default_rng(0).standard_normal(shapes["spectrum"]).astype(np.float32)
    answers = []
    for path in (graph, tmp_path / "gone.onnx"):
        runtime = OpenVinoRuntime(path, shapes, threads=1, jobs=1, description=b"the same")
        with runtime.run({"spectrum": spectrum}) as outputs:
            answers.append(outputs["spectra"].copy())
    assert np.array_equal(*answers)
    assert np.abs(answers[0]).max() > 0.1


def test_a_network_outlives_the_one_that_was_loaded_before_from_the_same_file(
    kept: Path, gains_folder: Path
) -> None:
    first, second = Separator(gains_folder), Separator(gains_folder)
    expected = first.separate(SONG)["vocals"]
    del first
    next(kept.iterdir()).unlink()
    assert np.array_equal(second.separate(SONG)["vocals"], expected)


def test_whatever_decides_how_a_network_is_compiled_has_a_file_of_its_own(
    kept: Path, gains_folder: Path, tmp_path: Path
) -> None:
    other = spectral_model(tmp_path / "other", (0.1, 0.2, 0.3, 0.4), normalise="scale")
    for model, settings in (
        (gains_folder, {}),
        (other, {}),
        (gains_folder, {"jobs": 1}),
        (gains_folder, {"threads": 1}),
    ):
        before = set(kept.glob("*.bin"))
        Separator(model, **settings)
        assert len(set(kept.glob("*.bin")) - before) == 1
    assert not np.array_equal(vocals(gains_folder), vocals(other))


def test_lengths_that_no_other_song_will_have_are_not_kept(kept: Path, tmp_path: Path) -> None:
    model = loudness_model(tmp_path / "loudness", fixed_length=False)
    separator = Separator(model)
    separator.separate(noise(2, 2 * SEGMENT + 1234))
    assert len(list(kept.iterdir())) == 1
    Separator(model, segment_s=0.1)
    assert len(list(kept.iterdir())) == 1


@pytest.mark.parametrize(
    "spoil",
    [
        lambda content: content[:-100],
        lambda content: content[: len(content) // 2],
        lambda content: b"",
        lambda content: bytes([content[0] ^ 1]) + content[1:],
        lambda content: content[:-1] + bytes([content[-1] ^ 1]),
        lambda content: b"\x00" * len(content),
    ],
    ids=["cut short", "half", "empty", "a bit of the network", "a bit of the checksum", "zeros"],
)
def test_what_is_not_whole_is_made_anew(kept: Path, gains_folder: Path, spoil: object) -> None:
    expected = vocals(gains_folder)
    (file,) = kept.iterdir()
    whole = file.read_bytes()
    openvino_cache._mapped.clear()
    spoiled = file.with_name("spoiled")
    spoiled.write_bytes(spoil(whole))  # type: ignore[operator]
    spoiled.replace(file)
    assert np.array_equal(vocals(gains_folder), expected)
    assert list(kept.iterdir()) == [file]
    assert openvino_cache._is_whole(np.fromfile(file, np.uint8))


def test_what_openvino_refuses_is_made_anew(kept: Path, gains_folder: Path) -> None:
    expected = vocals(gains_folder)
    (file,) = kept.iterdir()
    openvino_cache._mapped.clear()
    assert openvino_cache.keep(_Exported(b"of another version"), file)
    assert np.array_equal(vocals(gains_folder), expected)


class _Exported:
    """Stands for a compiled network whose export is `content`."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def export_model(self) -> object:
        from io import BytesIO

        return BytesIO(self._content)


def test_a_full_disk_keeps_nothing_and_stems_come_out(
    gains_folder: Path, tiny_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = vocals(gains_folder)
    monkeypatch.setattr(openvino_cache, "SPARE", 0)
    monkeypatch.setenv("UNBRAID_CACHE", str(tiny_disk))
    filler = tiny_disk / "filler"
    with pytest.raises(OSError, match="No space"), filler.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    assert np.array_equal(vocals(gains_folder), expected)
    assert [path for path in tiny_disk.rglob("*") if path.is_file()] == [filler]


def test_where_nothing_may_be_written_stems_come_out(
    gains_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("UNBRAID_CACHE", str(tmp_path / "file" / "cache"))
    assert np.abs(vocals(gains_folder)).max() > 0.01


def test_the_disk_keeps_what_it_has_to_spare(
    kept: Path, gains_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(openvino_cache, "SPARE", 1 << 60)
    Separator(gains_folder)
    assert not any(kept.iterdir())


def test_what_was_used_longest_ago_makes_room(
    kept: Path, gains_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import os

    files = []
    for number, jobs in enumerate((1, 2, 3)):
        Separator(gains_folder, jobs=jobs)
        files += set(kept.glob("*.bin")) - set(files)
        os.utime(files[-1], (1000 + number, 1000 + number))
    Separator(gains_folder, jobs=1)  # used again
    monkeypatch.setattr(openvino_cache, "ROOM", sum(file.stat().st_size for file in files))
    Separator(gains_folder, jobs=4)
    left = set(kept.glob("*.bin"))
    assert files[0] in left
    assert files[1] not in left
    assert files[2] in left or len(left) == 2
    assert sum(file.stat().st_size for file in left) <= openvino_cache.ROOM
