"""Fuzzed files of every format: no crash, no hang, no wrong length, no changed input, nothing left behind.

`fuzz_checks` has the bounds. The short form checks four files of each format. The long form
(`./test -m stress -s tests/stress/test_fuzzed_files.py`) checks 20,000 files; STRESS_FILES, STRESS_PROCESSES and
STRESS_SEED change it. A finding starts with the file's seed: `python -m tests.stress.fuzz_worker FOLDER SEED 1`
repeats it alone, and `python -m tests.stress.fuzzed_files FOLDER SEED` writes the file.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from tests.stress import fuzz_worker
from tests.stress.fuzz_checks import check, plain_decode
from tests.stress.fuzz_formats import NAMES, frame_of, part, rates_and_channels
from tests.stress.fuzz_worker import Child, run
from tests.stress.fuzzed_files import fuzzed_file
from tests.stress.run_options import SEED, option

SEEDS_PER_RUN = 1_000_000


@pytest.mark.parametrize(
    ("files", "processes"),
    [
        pytest.param(4 * len(NAMES), 1, id="short"),
        pytest.param(
            int(option("FILES", 20_000)), int(option("PROCESSES", 2)), id="long", marks=pytest.mark.stress
        ),
    ],
)
def test_every_fuzzed_file_is_read_completely_or_refused(
    tmp_path: Path, model_folder: Path, files: int, processes: int
) -> None:
    first = SEED * SEEDS_PER_RUN
    findings = run(tmp_path, model_folder, range(first, first + files), processes)
    for column in range(3):
        print(dict(findings.by(column)))
    print(f"{files} files; the slowest took {findings.slowest[0]:.2f} s: {findings.slowest[1]}")
    assert findings.problems == []
    assert set(findings.by(0)) == set(NAMES)


def test_the_same_seed_makes_the_same_file(tmp_path: Path) -> None:
    for seed in range(len(NAMES)):
        one = fuzzed_file(seed, tmp_path)
        part.cache_clear()
        assert fuzzed_file(seed, tmp_path).content == one.content


@pytest.mark.parametrize("name", NAMES)
def test_the_reference_finds_what_was_recorded(tmp_path: Path, name: str) -> None:
    """FFmpeg alone reads each intact file, within a frame and what its format can't declare."""
    one = part(tmp_path, name, *rates_and_channels(name)[0], seed=1)
    (tmp_path / "song").write_bytes(one.content)
    plain = plain_decode(tmp_path / "song", 0, "")
    assert plain is not None
    frames = 2 * max(plain.frame_s, frame_of(name) / one.rate)
    assert abs(plain.seconds - one.samples / one.rate) <= frames + one.surplus / one.rate
    assert plain.failed == 0


@pytest.mark.parametrize(
    ("seed", "name", "changes"),
    [
        # One bit is flipped in the rate of the second recording: 35,908 instead of 44,100 Hz.
        (711_752, "wav-pcm_s16le", {"flip"}),
        # 0.06 s are left of the first recording, at 32 kHz. FFmpeg reads the second with its rate instead of 48 kHz.
        (853_955, "wav-pcm_f32le", {"remove", "truncate"}),
        # 0.25 s are left of the first recording, and the second has no header. FFmpeg reads its bytes out of step.
        (907_789, "wav-adpcm_ms", {"truncate", "behead"}),
    ],
)
def test_each_joined_wav_is_as_long_as_its_own_rate_says(
    tmp_path: Path, model_folder: Path, seed: int, name: str, changes: set[str]
) -> None:
    folder, songs = tmp_path / "parts", tmp_path / "songs"
    folder.mkdir()
    songs.mkdir()
    file = fuzzed_file(seed, folder)
    assert file.name == name
    assert changes | {"join 2"} <= set(file.changes)
    assert check(file, songs, model_folder) == ("read", [])


def test_packets_of_a_damaged_codec_get_no_silence_for_frames_they_never_had(
    tmp_path: Path, model_folder: Path
) -> None:
    """One bit is flipped in the codec of a WAV. FFmpeg reads IMC, whose packets have any number of frames."""
    (tmp_path / "songs").mkdir()
    file = fuzzed_file(916_352, tmp_path)
    assert file.name == "wav-pcm_s16le"
    assert "flip" in file.changes
    assert check(file, tmp_path / "songs", model_folder) == ("read", [])


def test_damaged_links_of_an_ogg_are_read_together_if_none_has_their_rate(
    tmp_path: Path, model_folder: Path
) -> None:
    """The first two of three recordings have damaged headers, and the third has another rate."""
    (tmp_path / "songs").mkdir()
    file = fuzzed_file(1_203_009, tmp_path)
    assert file.name == "ogg-vorbis"
    assert [part.rate for part in file.intact_parts] == [48000, 48000, 32000]
    assert check(file, tmp_path / "songs", model_folder) == ("read", [])


def test_tables_of_an_mp4_without_its_start_are_bytes_between_frames(
    tmp_path: Path, model_folder: Path
) -> None:
    """FFmpeg reads it as MP3, and makes one packet of all bytes up to the next frame."""
    (tmp_path / "songs").mkdir()
    file = fuzzed_file(960_868, tmp_path)
    assert file.name == "mp4-libmp3lame"
    assert file.changes == ("join 2", "flip", "behead", "behead")
    assert check(file, tmp_path / "songs", model_folder) == ("read", [])


@pytest.mark.parametrize(
    ("program", "finding"),
    [
        ("import os, sys; sys.stdin.readline(); os.abort()", "crashed: exit code -6"),
        ("import sys, time; sys.stdin.readline(); time.sleep(600)", "hung"),
    ],
)
def test_crashes_and_hangs_of_the_child_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str, finding: str
) -> None:
    monkeypatch.setattr(fuzz_worker, "LONGEST_S", 0.5 if finding == "hung" else 60)
    answer = Child(tmp_path, command=[sys.executable, "-c", program]).check(0)
    assert isinstance(answer, str)
    assert answer.startswith(finding)
