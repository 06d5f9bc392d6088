"""`unbraid.demucs` as a command and as the function `demucs.separate.main`."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.conftest import WriteWave

import unbraid.demucs
from unbraid.demucs.separate import main


@pytest.fixture
def song(write_wave: WriteWave, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return write_wave(tmp_path / "song.wav", seconds=0.3)


def stems(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*.wav"))


@pytest.mark.parametrize("module", ["unbraid.demucs", "unbraid.demucs.separate"])
def test_the_module_runs_as_the_command(module: str, song: Path, model_folder: Path) -> None:
    command = [
        sys.executable,
        "-m",
        module,
        "-n",
        str(model_folder),
        "--two-stems=vocals",
        "-o",
        "out",
        str(song),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")
    assert stems(song.parent / "out") == [
        f"{model_folder.name}/song/{stem}.wav" for stem in ("no_vocals", "vocals")
    ]
    missing = subprocess.run([*command[:-1], "missing.mp3"], capture_output=True, text=True, check=False)
    assert missing.returncode == 1
    assert "missing.mp3: doesn't exist" in missing.stderr


def test_the_function_takes_options_and_returns(song: Path, model_folder: Path) -> None:
    assert main(["--two-stems", "vocals", "-n", str(model_folder), "-o", "out", song]) is None
    assert len(stems(song.parent / "out")) == 2


def test_the_function_uses_the_options_of_the_process(
    song: Path, model_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["demucs", "-n", str(model_folder), str(song)])
    unbraid.demucs.separate.main()
    assert len(stems(song.parent / "separated")) == 4


@pytest.mark.parametrize(("options", "code"), [(["missing.mp3"], 1), (["-n", "mdx"], 1), (["--karaoke"], 2)])
def test_a_failure_exits_with_the_code_of_the_command(
    options: list[str], code: int, song: Path, model_folder: Path
) -> None:
    with pytest.raises(SystemExit) as exit:
        main(["-n", str(model_folder), *options, str(song)])
    assert exit.value.code == code


def test_the_function_works_in_a_thread(song: Path, model_folder: Path) -> None:
    with ThreadPoolExecutor(1) as pool:
        pool.submit(main, ["-n", str(model_folder), "-o", "out", str(song)]).result()
    assert len(stems(song.parent / "out")) == 4


def test_modules_are_attributes_of_the_package() -> None:
    assert unbraid.demucs.api.save_audio is unbraid.demucs.audio.save_audio
    with pytest.raises(AttributeError, match="pretrained"):
        unbraid.demucs.pretrained  # noqa: B018
