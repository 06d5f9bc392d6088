"""`Separator.stream`: pieces of stems as they become final."""

from __future__ import annotations

import threading
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from tests.conftest import WriteWave
from tests.separation import user_script
from tests.separation.conftest import noise
from tests.separation.known_models import SEGMENT, SOURCES, loudness_model, spectral_model
from tests.separation.test_bags import bag

from unbraid import Separator, Stems
from unbraid.errors import Cancelled, InputError, SettingError

__all__ = ["bag"]

SONG = noise(2, 9 * SEGMENT + 13)


def joined(pieces: list[tuple[int, Stems]]) -> dict[str, np.ndarray]:
    """Check that the pieces follow one another, and concatenate them."""
    position = 0
    for start, stems in pieces:
        assert start == position
        (length,) = {stem.shape[1] for stem in stems.values()}
        assert length > 0
        position += length
    return {name: np.concatenate([stems[name] for _, stems in pieces], axis=1) for name in pieces[0][1]}


@pytest.mark.parametrize("rate", [44100, 48000, 22050])
@pytest.mark.parametrize("stems", [None, "vocals", "no_vocals,drums+bass,mix", "mix"])
@pytest.mark.parametrize("shifts", [0, 2])
def test_pieces_equal_the_separated_song(
    loudness_folder: Path, rate: int, stems: str | None, shifts: int
) -> None:
    separator = Separator(loudness_folder, shifts=shifts, threads=1)
    pieces = list(separator.stream(SONG, rate, stems=stems))
    expected = separator.separate(SONG, rate, stems=stems)
    found = joined(pieces)
    assert list(found) == list(expected)
    assert all(np.array_equal(found[name], expected[name]) for name in expected)
    assert {piece.sample_rate for _, piece in pieces} == {rate}
    assert len(pieces) > 1 or stems == "mix"


def test_bags_and_ensembles_equal_the_separated_song(bag: Path, tmp_path: Path) -> None:
    for name, gains in (("a", (0.1, 0.2, 0.3, 0.4)), ("b", (0.4, 0.3, 0.2, 0.1))):
        loudness_model(tmp_path / name, gains, name=name)
    ensemble = f"{tmp_path / 'a'}+{tmp_path / 'b'}"
    for separator in (Separator(bag, threads=1), Separator(ensemble, combine="max", threads=1)):
        found, expected = joined(list(separator.stream(SONG))), separator.separate(SONG)
        assert all(np.array_equal(found[name], expected[name]) for name in expected)


def test_the_first_piece_comes_before_the_last_segment_is_computed(
    loudness_folder: Path, computed: list[int]
) -> None:
    separator = Separator(loudness_folder, threads=1, jobs=1)
    stream = separator.stream(SONG)
    start, _ = next(stream)
    assert start == 0
    assert len(computed) <= 4
    stream.close()
    stopped = len(computed)
    assert stopped <= 4
    # The lock is free, and no thread goes on.
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("segment")]
    separator.separate(SONG[:, :100])
    assert len(computed) == stopped + 1


def test_other_songs_may_be_separated_between_two_pieces(separator: Separator) -> None:
    first, second = separator.stream(SONG, stems="drums"), separator.stream(SONG[:, ::-1], stems="bass")
    pairs = list(zip(first, second, strict=True))
    within = separator.separate(SONG)
    assert np.array_equal(joined([one for one, _ in pairs])["drums"], within["drums"])
    thread = threading.Thread(target=lambda: list(separator.stream(SONG)))
    stream = separator.stream(SONG)
    next(stream)
    thread.start()
    thread.join(30)
    assert not thread.is_alive()
    stream.close()


def test_memory_does_not_grow_with_the_song(tmp_path: Path) -> None:
    separator = Separator(spectral_model(tmp_path, normalise=False), threads=1, jobs=1)

    def peak(segments: int) -> int:
        song = np.zeros((2, segments * SEGMENT), np.int8)
        song[:, ::7] = 50
        tracemalloc.start()
        for _ in separator.stream(song):
            pass
        try:
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(30)
    # The stems of the longer song would take 4 x 2 x 4 bytes for each sample.
    assert peak(120) < peak(30) + 8 * SEGMENT * 30


def test_errors_come_early_and_cancelling_works(separator: Separator, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="doesn't exist"):
        separator.stream(tmp_path / "missing.wav")
    with pytest.raises(SettingError, match="no stem 'flute'"):
        separator.stream(SONG, stems="flute")
    with pytest.raises(SettingError, match=r"Second models \(then\) read a whole stem .* Use separate"):
        separator.stream(SONG, then={"vocals": "karaoke"})
    cancel = threading.Event()
    stream = separator.stream(SONG, cancel=cancel)
    next(stream)
    cancel.set()
    with pytest.raises(Cancelled):
        list(stream)


def test_progress_reaches_the_end(separator: Separator) -> None:
    fractions: list[float] = []
    for _ in separator.stream(SONG, progress=lambda progress: fractions.append(progress.fraction)):
        pass
    assert fractions == sorted(fractions)
    assert fractions[-1] == pytest.approx(0.96)


def test_a_typed_script_runs(separator: Separator, write_wave: WriteWave, tmp_path: Path) -> None:
    found = user_script.run(separator, write_wave(tmp_path / "song.wav"), tmp_path / "out")
    assert np.array_equal(found["streamed"], found["separated"])
    assert set(SOURCES) <= {path.stem for path in (tmp_path / "out" / "song").iterdir()}
