"""Bags of networks: load only the needed ones, one at a time, and leave no temporary files."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
from tests.separation.conftest import WriteSong, noise, read
from tests.separation.known_models import SEGMENT, SOURCES, bag_of, loudness_model

from unbraid import Separator
from unbraid.errors import Cancelled, OutputError
from unbraid.separation import Progress

ONE_EACH = {name: tuple(float(name == source) for source in SOURCES) for name in SOURCES}


@pytest.fixture(scope="module")
def bag(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bag with one network for each source, each with its own gains."""
    folder = bag_of(tmp_path_factory.mktemp("models"), ONE_EACH, loudness_model)
    for number, name in enumerate(ONE_EACH, start=1):
        loudness_model(folder / name, (0.1 * number, 0.2 * number, 0.3 * number, 0.4 * number))
    return folder


def test_loads_only_networks_that_contribute_to_the_chosen_stems(bag: Path, loaded: list[str]) -> None:
    separator = Separator(bag, threads=1)
    separator.separate(noise(2, 2 * SEGMENT), stems="vocals")
    separator.separate(noise(2, 2 * SEGMENT), stems="vocals")
    assert loaded == ["vocals"]
    separator.separate(noise(2, 2 * SEGMENT))
    assert loaded == ["vocals", *SOURCES]


@pytest.mark.parametrize("shifts", [0, 2])
def test_a_single_stem_equals_the_stem_among_all(bag: Path, shifts: int) -> None:
    song = noise(2, 5 * SEGMENT + 11)
    separator = Separator(bag, shifts=shifts, threads=1)
    stems = separator.separate(song)
    for name in SOURCES:
        assert np.array_equal(separator.separate(song, stems=name)[name], stems[name])


def test_files_equal_the_arrays_and_temporary_files_are_removed(
    bag: Path, write_song: WriteSong, tmp_path: Path
) -> None:
    song = write_song(noise(2, 5 * SEGMENT), 48000)
    separator = Separator(bag, threads=1)
    files = separator.separate_to_files(song, tmp_path / "out", stems="all", subtype="float").files
    stems = separator.separate(song)
    for name in SOURCES:
        assert np.allclose(read(files[name]), stems[name], atol=1e-6)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["song"]


def test_progress_increases_through_all_networks(bag: Path, write_song: WriteSong, tmp_path: Path) -> None:
    reports: list[Progress] = []
    song = write_song(noise(2, 10 * SEGMENT))
    Separator(bag, threads=1).separate_to_files(song, tmp_path, stems="all", progress=reports.append)
    fractions = [report.fraction for report in reports]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    assert len({fraction for fraction in fractions if 0.1 < fraction < 0.9}) > 20
    assert max(report.seconds_done for report in reports) == pytest.approx(10 * SEGMENT / 44100)


def test_a_bag_can_be_cancelled_during_any_network(bag: Path, write_song: WriteSong, tmp_path: Path) -> None:
    song = write_song(noise(2, 10 * SEGMENT))
    separator = Separator(bag, threads=1)
    for share in (0.2, 0.5, 0.8):
        cancel = threading.Event()

        def stop(report: Progress, share: float = share, cancel: threading.Event = cancel) -> None:
            if report.fraction > share:
                cancel.set()

        with pytest.raises(Cancelled):
            separator.separate_to_files(song, tmp_path / "out", stems="all", progress=stop, cancel=cancel)
        assert not (tmp_path / "out").exists()


def test_a_disk_full_before_the_last_network_is_an_output_error(
    bag: Path, write_song: WriteSong, tmp_path: Path
) -> None:
    """A limit on the file size simulates a full disk."""
    resource = pytest.importorskip("resource")
    song = write_song(noise(2, 300000))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, limits[1]))
    try:
        with pytest.raises(OutputError, match=r"too large for the disk\. Choose another output folder"):
            Separator(bag, threads=1).separate_to_files(song, tmp_path / "out", stems="all", clip_mode="none")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert [path.name for path in tmp_path.iterdir()] == ["song.wav"]


def test_concurrent_songs_give_the_same_stems_as_single_songs(bag: Path) -> None:
    separator = Separator(bag, threads=1)
    songs = [noise(2, 3 * SEGMENT, seed=seed) for seed in range(3)]
    alone = [separator.separate(song) for song in songs]
    together: list[object] = [None] * 3

    def work(index: int) -> None:
        together[index] = separator.separate(songs[index])

    threads = [threading.Thread(target=work, args=(index,)) for index in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for expected, actual in zip(alone, together, strict=True):
        assert all(np.array_equal(expected[name], actual[name]) for name in SOURCES)  # type: ignore[index]
