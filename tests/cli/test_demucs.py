"""`unbraid demucs`: the commands that demucs tests, and what works better here: errors, names, levels."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import demucs.audio
import numpy as np
import pytest
import torch
from tests.audio.tagged import tags_of
from tests.cli.conftest import write
from tests.conftest import WriteWave
from tests.separation.conftest import noise, read
from tests.separation.known_models import SOURCES, spectral_model

from unbraid.audio.encode import Encoder
from unbraid.audio.probe import probe
from unbraid.cli import running
from unbraid.cli.main import main
from unbraid.cli.progress import Silence
from unbraid.separation import Progress, find_songs
from unbraid.separation.record_cache import records_folder

# The gains don't add up to 1, so the sum of the other stems differs from the song minus the stem.
GAINS = (0.4, 0.3, 0.2, 0.05)
Demucs = Callable[..., int]


@pytest.fixture
def demucs_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Demucs:
    """Run `unbraid demucs` in `tmp_path`, by default with a model called `known`; returns its exit code."""
    spectral_model(tmp_path / "models" / "known", GAINS)
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str | Path) -> int:
        words = [str(argument) for argument in arguments]
        model = [] if {"-n", "-s"} & set(words) else ["-n", "models/known"]
        try:
            return main(["demucs", *model, *words])
        except SystemExit as leave:  # as argparse does
            assert isinstance(leave.code, int)
            return leave.code

    return run


@pytest.fixture
def song(write_wave: WriteWave, tmp_path: Path) -> Path:
    return write_wave(tmp_path / "song.mp3.wav", seconds=0.5)


def files_in(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def largest_difference(one: np.ndarray, other: np.ndarray) -> float:
    """Return the largest difference of two signals."""
    return float(np.abs(one - other).max())


@pytest.mark.parametrize(
    ("options", "stems"),
    [
        ([], ["bass.wav", "drums.wav", "other.wav", "vocals.wav"]),
        (["--two-stems=vocals"], ["no_vocals.wav", "vocals.wav"]),
        (["--mp3"], ["bass.mp3", "drums.mp3", "other.mp3", "vocals.mp3"]),
        (["--flac", "--int24"], ["bass.flac", "drums.flac", "other.flac", "vocals.flac"]),
        (["--int24", "--clip-mode", "clamp"], ["bass.wav", "drums.wav", "other.wav", "vocals.wav"]),
        (["--mp3", "--mp3-bitrate", "320k"], ["bass.mp3", "drums.mp3", "other.mp3", "vocals.mp3"]),
        (["--segment", "0.13"], ["bass.wav", "drums.wav", "other.wav", "vocals.wav"]),
        (["--segment", "8"], ["bass.wav", "drums.wav", "other.wav", "vocals.wav"]),
    ],
    ids=str,
)
def test_commands_from_scripts_run_unchanged(
    options: list[str], stems: list[str], demucs_command: Demucs, song: Path, tmp_path: Path
) -> None:
    assert demucs_command(*options, song) == 0
    assert files_in(tmp_path / "separated") == [f"known/song.mp3/{stem}" for stem in stems]


def test_works_with_the_bundled_model(demucs_command: Demucs, song: Path, tmp_path: Path) -> None:
    assert demucs_command("-n", "lite", "--two-stems=vocals", song) == 0
    assert files_in(tmp_path / "separated") == ["lite/song.mp3/no_vocals.wav", "lite/song.mp3/vocals.wav"]


@pytest.mark.parametrize(
    ("method", "rest", "gain"),
    [("add", "no_vocals", 0.9), ("minus", "minus_vocals", 0.95), ("none", None, 0)],
)
def test_other_method_adds_subtracts_or_omits_the_rest(
    method: str, rest: str | None, gain: float, demucs_command: Demucs, song: Path, tmp_path: Path
) -> None:
    assert demucs_command("--two-stems", "vocals", "--other-method", method, "--float32", song) == 0
    folder = tmp_path / "separated" / "known" / "song.mp3"
    assert files_in(folder) == sorted(f"{stem}.wav" for stem in ("vocals", rest) if stem)
    if rest:
        assert largest_difference(read(folder / f"{rest}.wav"), gain * read(song)) < 1e-3
    assert largest_difference(read(folder / "vocals.wav"), 0.05 * read(song)) < 1e-3


@pytest.mark.parametrize("mode", ["rescale", "clamp", "none"])
def test_each_stem_has_the_same_level_as_in_demucs(mode: str, demucs_command: Demucs, tmp_path: Path) -> None:
    masks = (4.0, 2.1, 1.9, 0.5)
    spectral_model(tmp_path / "models" / "loud", masks)
    mixture = noise(2, 20000)
    write(tmp_path / "song.wav", mixture)
    arguments = ("-n", "models/loud", "--float32", "--shifts", "0", "--clip-mode", mode, "song.wav")
    assert demucs_command(*arguments) == 0
    for stem, mask in zip(SOURCES, masks, strict=True):
        expected = demucs.audio.prevent_clip(torch.from_numpy(mask * mixture), mode).numpy()
        actual = read(tmp_path / "separated" / "loud" / "song" / f"{stem}.wav")
        assert largest_difference(actual, expected) < 2e-3  # the masks are float16


def test_a_mono_song_gives_stereo_stems_at_the_rate_of_the_model(
    demucs_command: Demucs, write_wave: WriteWave, tmp_path: Path
) -> None:
    write_wave(tmp_path / "mono.wav", seconds=0.3, sample_rate=22050, channels=1)
    assert demucs_command("mono.wav") == 0
    info = probe(tmp_path / "separated" / "known" / "mono" / "vocals.wav")
    assert (info.sample_rate, info.channels, info.duration_s) == (44100, 2, pytest.approx(0.3))


def test_the_same_command_gives_the_same_stems(demucs_command: Demucs, song: Path, tmp_path: Path) -> None:
    for out in ("one", "two"):
        assert demucs_command("-o", out, "--shifts", "2", song) == 0
    one, two = (tmp_path / out / "known" / "song.mp3" / "vocals.wav" for out in ("one", "two"))
    assert one.read_bytes() == two.read_bytes()


def test_no_split_changes_nothing(demucs_command: Demucs, song: Path, tmp_path: Path) -> None:
    assert demucs_command("-o", "cut", song) == 0
    assert demucs_command("-o", "whole", "--no-split", song) == 0
    cut, whole = (tmp_path / out / "known" / "song.mp3" / "vocals.wav" for out in ("cut", "whole"))
    assert cut.read_bytes() == whole.read_bytes()


def test_stems_have_the_tags_of_the_song(demucs_command: Demucs, tmp_path: Path) -> None:
    tags = tags_of({"title": "Пісня", "artist": "A; B"})
    with Encoder(tmp_path / "song.flac", sample_rate=44100, channels=2, format="flac", tags=tags) as file:
        file.write(noise(2, 5000))
    assert demucs_command("song.flac", "--mp3") == 0
    for stem in (tmp_path / "separated" / "known" / "song").iterdir():
        assert probe(stem).tags.texts == tags.texts


def test_a_failing_or_missing_song_does_not_stop_the_others(
    demucs_command: Demucs, song: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "text.mp3").write_text("not music at all")
    assert demucs_command("missing.mp3", "text.mp3", "models", song) == 1
    assert {Path(name).parts[1] for name in files_in(tmp_path / "separated")} == {"song.mp3"}
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("unbraid: ")]
    assert [line.split(":")[1].strip() for line in errors] == ["missing.mp3", "text.mp3", "models"]
    assert "doesn't exist" in errors[0]


def test_songs_with_the_same_name_do_not_overwrite_each_other(
    demucs_command: Demucs, write_wave: WriteWave, tmp_path: Path
) -> None:
    songs = [write_wave(tmp_path / folder / "song.wav", seconds=0.1) for folder in ("live", "studio")]
    assert demucs_command(*songs, "--two-stems=vocals", "--other-method=none") == 0
    assert files_in(tmp_path / "separated") == ["known/song (2)/vocals.wav", "known/song/vocals.wav"]


def test_replaces_older_stems_only(demucs_command: Demucs, song: Path, tmp_path: Path) -> None:
    folder = tmp_path / "separated" / "known" / "song.mp3"
    folder.mkdir(parents=True)
    (folder / "vocals.wav").write_text("old")
    (folder / "notes.txt").write_text("mine")
    assert demucs_command(song) == 0
    assert len(read(folder / "vocals.wav")) == 2
    assert (folder / "notes.txt").read_text() == "mine"


class Interrupting(Silence):
    """A display that sends Ctrl-C when the progress reaches `at`."""

    def __init__(self, at: float) -> None:
        self.at = at

    def update(self, progress: Progress) -> None:
        if progress.fraction >= self.at:
            self.at = 2
            os.kill(os.getpid(), signal.SIGINT)
            # Signals arrive in the main thread; this may be another one.
            assert signal.getsignal(signal.SIGINT).__self__.wait(30)  # type: ignore[union-attr]


@pytest.mark.parametrize("share", [0.5, 0.96])
def test_ctrl_c_leaves_no_files(
    share: float, demucs_command: Demucs, song: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "choose_display", lambda quiet: Interrupting(share))
    assert demucs_command(song) == 128 + signal.SIGINT
    assert not (tmp_path / "separated").exists()


def test_ctrl_c_stops_a_download(
    demucs_command: Demucs, song: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def download(*_: Any, downloading: Callable[[int, int], None], **__: Any) -> None:
        downloading(0, 2)
        os.kill(os.getpid(), signal.SIGINT)
        downloading(1, 2)
        raise AssertionError

    monkeypatch.setattr("unbraid.separation.Separator", download)
    assert demucs_command(song) == 128 + signal.SIGINT


def test_messages_go_to_standard_error(song: Path, model_folder: Path, tmp_path: Path) -> None:
    arguments = ["-n", str(model_folder), "--two-stems=vocals", "--flac", "--int24", song.name, "missing.mp3"]
    done = subprocess.run(
        [sys.executable, "-m", "unbraid", "demucs", *arguments],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    folder = f"separated/{model_folder.name}/song.mp3"
    assert any(
        line.startswith(f"{folder}: vocals.flac and no_vocals.flac (") for line in done.stderr.splitlines()
    )
    assert "missing.mp3: doesn't exist" in done.stderr
    assert probe(tmp_path / folder / "vocals.flac").codec == "flac"


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_completion_scripts_contain_the_command_and_its_options(
    shell: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    for word in ("demucs", "--two-stems", "--other-method", "minus", "--mp3-preset"):
        assert word in script


@pytest.mark.parametrize(
    ("options", "word", "code"),
    [
        (["--two-stems", "guitar"], "guitar", 1),
        (["--two-stems", "all"], "drums, bass", 1),
        (["-n", "no-such-model"], "no-such-model", 1),
        (["-n", "htdemucs"], "htdemucs", 1),  # not installed, and tests download nothing
        (["-n", "hf://someone/some_model"], "--repo", 1),
        (["-n", "hf://adefossez/htdemucs"], "htdemucs", 1),
        (["-n", "mdx"], "mdx is a Demucs model of an older generation", 1),
        (["-n", "mdx_q"], "Use htdemucs", 1),
        (["-n", "hf://adefossez/mdx_q"], "or mdx_extra", 1),
        (["-n", "0d19c1c6"], "Use htdemucs", 1),
        (["-n", "mdx_extra"], "e51eebcc-c1b80bdd.th", 1),  # not installed
        (["-n", "hf://adefossez/mdx_extra_q"], "83fc094f-4a16d450.th", 1),
        (["-n", "83fc094f"], "83fc094f-4a16d450.th", 1),
        (["-n", "mdx", "--repo", "models"], "Use htdemucs", 1),
        (["-s", "955717e8"], "htdemucs", 1),
        (["-s", "f7e0c4bc"], "f7e0c4bc-ba3fe64a.th", 1),
        (["--repo", "nowhere"], "nowhere", 1),
        (["-d", "quantum"], "quantum", 1),
        (["--overlap", "1"], "overlap", 1),
        (["--segment", "0"], "segment", 1),
        (["--shifts", "-1"], "shifts", 1),
        (["--mp3", "--mp3-bitrate", "9999"], "kbit/s", 1),
        (["--filename", "{title}/{stem}.{ext}"], "{title}", 1),
        (["--filename", "{track}.{ext}"], "{stem}", 1),
        (["--filename", "{track}/{stem}"], ".{ext}", 1),
        (["-d", "cuda:7"], "cuda:7", 1),
        (["--segment", "long"], "--segment", 2),
        (["--mp3-bitrate", "high"], "invalid number of kbit/s value: 'high'", 2),
        (["--mp3", "--flac"], "--mp3", 2),
        (["--karaoke"], "--karaoke", 2),
    ],
    ids=str,
)
def test_reports_invalid_options_in_one_line_before_any_work(
    options: list[str],
    word: str,
    code: int,
    demucs_command: Demucs,
    song: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert demucs_command(song, *options) == code
    lines = capsys.readouterr().err.splitlines()
    assert word in lines[-1]
    assert code == 2 or len(lines) == 1
    assert not (tmp_path / "separated").exists()


def test_without_songs_reports_an_error(demucs_command: Demucs, capsys: pytest.CaptureFixture[str]) -> None:
    assert demucs_command() == 1
    assert capsys.readouterr().err.startswith("unbraid: No song.")


def test_names_a_file_that_blocks_a_folder(
    demucs_command: Demucs, song: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "taken").write_text("")
    assert demucs_command(song, "-o", "taken") == 1
    assert "taken" in capsys.readouterr().err
    assert demucs_command(song, "--filename", "../../{stem}.wav", "--two-stems", "vocals") == 0
    (tmp_path / "vocals.wav").unlink()
    (tmp_path / "vocals.wav").mkdir()
    assert demucs_command(song, "--filename", "../../{stem}.wav", "--two-stems", "vocals") == 1
    assert "is a folder" in capsys.readouterr().err


def test_verbose_prints_the_model_and_the_segments(
    demucs_command: Demucs, song: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert demucs_command("-v", song) == 0
    first = capsys.readouterr().err.splitlines()[0]
    assert "models/known" in first
    assert "overlap 0.25, shifts 1" in first


def test_no_stem_replaces_a_song_of_the_same_command(
    demucs_command: Demucs, write_wave: WriteWave, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "separated" / "known"
    vocals = write_wave(folder / "vocals.wav", seconds=0.2)
    (tmp_path / "link.wav").symlink_to(vocals)
    other = write_wave(tmp_path / "other.wav", seconds=0.2)
    before = vocals.read_bytes()
    assert demucs_command("--filename", "{stem}.{ext}", vocals) == 1
    assert demucs_command("--filename", "{stem}.{ext}", "link.wav") == 1
    for line in capsys.readouterr().err.splitlines():
        assert "separated/known/vocals.wav is a song of this command, and a stem would replace it." in line
    assert files_in(folder) == ["vocals.wav"]
    assert demucs_command("--filename", "{stem}.{track}.{ext}", vocals, other) == 0
    write_wave(folder / "vocals.other.wav", seconds=0.2)
    # Only the song whose stem would replace another song is refused.
    template = "{stem}.{track}.{ext}"
    assert demucs_command("--filename", template, other, folder / "vocals.other.wav", other) == 1
    assert vocals.read_bytes() == before
    assert "drums.vocals.other.wav" in files_in(folder)


def test_stems_of_two_songs_are_never_mixed(
    demucs_command: Demucs, write_wave: WriteWave, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = write_wave(tmp_path / "a" / "x.wav", seconds=0.2)
    second = write_wave(tmp_path / "b" / "x.wav", seconds=0.3)
    for _ in range(2):
        assert demucs_command(first) == 0
        assert "warning" not in capsys.readouterr().err
    for _ in range(2):
        assert demucs_command("--two-stems", "vocals", second) == 0
        assert (
            "x.wav: warning: has its stems in separated/known/x (2), because separated/known/x has those of another"
            " song." in capsys.readouterr().err
        )
    two = ["known/x (2)/no_vocals.wav", "known/x (2)/vocals.wav"]
    four = [f"known/x/{stem}.wav" for stem in sorted(SOURCES)]
    assert files_in(tmp_path / "separated") == two + four


def test_the_same_song_again_replaces_all_its_stems(
    demucs_command: Demucs, song: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert demucs_command(song) == 0
    (tmp_path / "separated/known/song.mp3/notes.txt").write_text("mine")
    assert demucs_command("--two-stems", "vocals", "--flac", song) == 0
    assert "warning" not in capsys.readouterr().err
    files = [f"known/song.mp3/{name}" for name in ("no_vocals.flac", "notes.txt", "vocals.flac")]
    assert files_in(tmp_path / "separated") == files


def test_stems_without_a_record_are_replaced_if_none_would_stay(
    demucs_command: Demucs, song: Path, tmp_path: Path
) -> None:
    assert demucs_command(song) == 0
    shutil.rmtree(records_folder())  # as after a run of demucs itself
    assert demucs_command(song) == 0
    shutil.rmtree(records_folder())
    assert demucs_command("--two-stems", "vocals", song) == 0
    folders = {Path(name).parts[1] for name in files_in(tmp_path / "separated")}
    assert folders == {"song.mp3", "song.mp3 (2)"}


@pytest.mark.parametrize("template", ["{track}/{stem}.{ext}", "{track} {stem}.{ext}"])
def test_its_stems_are_no_songs_of_a_folder(
    demucs_command: Demucs, song: Path, tmp_path: Path, template: str
) -> None:
    assert demucs_command("--filename", template, song) == 0
    own = tmp_path / "separated" / "known" / "vocals.wav"
    shutil.copy(song, own)
    assert [str(found) for found in find_songs([tmp_path / "separated"])] == [str(own)]


def test_says_which_stems_were_lowered(
    demucs_command: Demucs, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path / "loud.wav", noise(2, 20000, peak=4.0))  # stems are 0.4, 0.3, 0.2 and 0.05 of the song
    assert demucs_command("loud.wav") == 0
    assert (
        "unbraid: loud.wav: warning: has stems that were lowered to prevent clipping: drums.wav by 4.2 dB,"
        " bass.wav by 1.7 dB.\n" in capsys.readouterr().err
    )
