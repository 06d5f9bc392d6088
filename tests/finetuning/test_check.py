"""`unbraid finetune --check`: one clear line for each song, and what to expect."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest

from unbraid.audio.encode import Encoder
from unbraid.cli.main import main
from unbraid.finetuning.check import check_songs, common_stems
from unbraid.finetuning.songs import Song, StemSound, read_song
from unbraid.finetuning.spool import Spool

RATE = 44_100
SECONDS = 7.0
WriteSong = Callable[..., Path]


def sound(seed: int, seconds: float = SECONDS, rate: int = RATE) -> np.ndarray:
    """Notes of noise, (2, samples): each quarter of a second has another level."""
    rng = np.random.default_rng(seed)
    levels = np.repeat(rng.uniform(0.01, 0.2, int(4 * seconds) + 1), rate // 4)[: int(seconds * rate)]
    noise = rng.standard_normal((2, len(levels))) * levels
    return np.asarray(noise, np.float32)


def write(path: Path, samples: np.ndarray, rate: int = RATE) -> None:
    with Encoder(path, sample_rate=rate, channels=len(samples)) as encoder:
        encoder.write(np.asarray(samples, np.float32))


@pytest.fixture
def write_song(tmp_path: Path) -> WriteSong:
    """Write the stems of a song below the folder `songs`, and return the song's folder."""

    def write_stems(name: str, stems: Mapping[str, np.ndarray], rate: int = RATE) -> Path:
        folder = tmp_path / "songs" / name
        folder.mkdir(parents=True)
        for stem, samples in stems.items():
            write(folder / stem, samples, rate)
        return folder

    return write_stems


def two_stems(seed: int) -> dict[str, np.ndarray]:
    return {"vocals.wav": sound(seed), "band.wav": sound(seed + 1)}


def problem_of(path: Path) -> str:
    problem = read_song(path).problem
    assert problem is not None
    assert "\n" not in problem
    return problem


def test_reads_any_format_rate_and_length(write_song: WriteSong, tmp_path: Path) -> None:
    song = write_song("a", {"vocals.flac": sound(1, rate=48_000), "band.mp3": sound(2, 9, 48_000)}, 48_000)
    write(song / "Keys.wav", sound(3, rate=22_050)[:1], 22_050)
    spool = Spool(tmp_path)
    found = read_song(song, spool)
    assert found.problem is None
    assert {name: round(stem.seconds, 1) for name, stem in found.stems.items()} == {
        "vocals": 7.0, "band": 9.0, "keys": 7.0
    }  # fmt: skip
    assert found.notes == ["ends before the others: vocals, keys. Silence is added."]
    keys, stored = found.stems["keys"], spool.sounds()
    assert len(stored) == spool.samples == sum(stem.samples for stem in found.stems.values())
    mono = stored[keys.start : keys.start + keys.samples].astype(np.float32)
    assert 0.05 < float(np.sqrt(np.mean(mono**2))) < 0.2
    np.testing.assert_array_equal(mono[:, 0], mono[:, 1])


def test_spool_has_no_name_and_forgets_bad_songs(write_song: WriteSong, tmp_path: Path) -> None:
    spool = Spool(tmp_path / "work")
    write_song("good", two_stems(1))
    bad = write_song("bad", {"vocals.wav": sound(1)})
    (bad / "band.wav").write_bytes(b"RIFF nothing")
    check = check_songs(tmp_path / "songs", spool)
    assert [song.problem is None for song in check.songs] == [False, True]
    assert spool.samples == sum(stem.samples for stem in check.used[0].stems.values())
    assert list((tmp_path / "work").iterdir()) == []


def test_unreadable_stem(write_song: WriteSong) -> None:
    song = write_song("a", {"vocals.wav": sound(1)})
    (song / "band.wav").write_bytes(b"")
    assert problem_of(song) == "band.wav is empty (0 bytes). Copy or download it again."
    (song / "band.wav").write_text("notes about the song " * 100)
    assert problem_of(song).startswith("band.wav ")


def test_silent_and_short_songs(write_song: WriteSong) -> None:
    silence = np.zeros((2, int(SECONDS * RATE)))
    assert "silent in all stems" in problem_of(write_song("a", {"x.wav": silence, "y.wav": silence}))
    assert "too short: 2.0 s" in problem_of(write_song("b", {"x.wav": sound(1, 2), "y.wav": sound(2, 2)}))
    assert "has only vocals" in problem_of(write_song("c", {"vocals.wav": sound(1)}))
    instrumental = read_song(write_song("d", {"vocals.wav": silence, "band.wav": sound(1)}))
    assert instrumental.problem is None
    assert instrumental.notes == ["silent here: vocals."]


def test_late_stem_and_missing_stem(write_song: WriteSong) -> None:
    vocals, band, drums = sound(1), sound(2), sound(3)
    late = np.pad(vocals, ((0, 0), (RATE // 2, 0)))[:, : vocals.shape[1]]
    song = write_song("late", {"vocals.wav": late, "band.wav": band, "mixture.wav": vocals + band})
    assert problem_of(song) == (
        "The stems of late don't fit its mixture: vocals starts 0.50 s too late. "
        "Export all stems from the same start."
    )
    song = write_song(
        "gap", {"vocals.wav": vocals, "band.wav": band, "mixture.wav": vocals + band + 1.5 * drums}
    )
    assert "don't add up to its mixture" in problem_of(song)
    song = write_song("good", {"vocals.wav": vocals, "band.wav": band, "mixture.wav": 0.5 * (vocals + band)})
    assert read_song(song).problem is None
    song = write_song(
        "limited", {"a.wav": vocals, "b.wav": band, "mixture.wav": np.tanh(3 * (vocals + band))}
    )
    assert read_song(song).problem is None


def test_names_unlike_those_of_the_other_songs(write_song: WriteSong, tmp_path: Path) -> None:
    for number in range(3):
        write_song(f"good{number}", two_stems(number))
    write_song("typo", {"vocal.wav": sound(7), "band.wav": sound(8)})
    write_song("lacks", {"band.wav": sound(7), "no_band.wav": sound(8)})
    write_song("more", {**two_stems(7), "choir.wav": sound(9)})
    write_song("twice", {**two_stems(7), "vocals.flac": sound(9)})
    check = check_songs(tmp_path / "songs")
    problems = {song.name: song.problem for song in check.songs if song.problem}
    assert check.stems == ("vocals", "band") or check.stems == ("band", "vocals")
    assert "Rename vocal to vocals." in str(problems["typo"])
    assert "has no vocals" in str(problems["lacks"])
    assert "also has choir" in str(problems["more"])
    assert "two files for vocals" in str(problems["twice"])
    assert check.held_out and set(check.held_out) <= {"good0", "good1", "good2"}


def test_most_songs_decide_the_stems() -> None:
    def song(names: str, seconds: float) -> Song:
        return Song("x", Path("x"), {name: StemSound(seconds, seconds, 0, 0) for name in names})

    assert common_stems([song("ab", 1), song("ab", 1), song("abc", 100)]) == ("a", "b")
    assert common_stems([song("ab", 1), song("abc", 100)]) == ("a", "b", "c")
    assert common_stems([Song("x", Path("x"), problem="broken")]) == ()


def test_command_prints_one_line_for_each_song(
    write_song: WriteSong, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(5):
        write_song(f"song{number}", {name: sound(number, 15) for name in ("vocals.wav", "band.wav")})
    (write_song("broken", {"vocals.wav": sound(1)}) / "band.wav").write_bytes(b"")
    (tmp_path / "songs" / "notes").mkdir()
    assert main(["finetune", str(tmp_path / "songs"), "--check"]) == 0
    text = capsys.readouterr().out
    lines = text.splitlines()
    assert lines[0] == "✗ broken: band.wav is empty (0 bytes). Copy or download it again."
    assert sum("Held out" in line for line in lines) == 1
    assert "notes has no stems: no audio files are in it." in lines
    assert "5 of 6 songs can be used: 1:15." in lines
    assert any(line.startswith("Very little: 1.2 minutes of") for line in lines)

    assert main(["finetune", str(tmp_path / "songs"), "--check", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["minutes"] == 1.25
    assert [song["usable"] for song in found["songs"]] == [False, True, True, True, True, True]


def test_command_fails_if_nothing_can_be_learnt(
    write_song: WriteSong, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_song("a", two_stems(1))
    assert main(["finetune", str(tmp_path / "songs"), "--check"]) == 1
    assert "shorter than a minute" in capsys.readouterr().out
    assert main(["finetune", str(tmp_path / "nowhere"), "--check"]) == 1
    assert "doesn't exist" in capsys.readouterr().err
