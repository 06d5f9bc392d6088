"""A new user clones the repository and separates a song, with the real lock file and a new environment."""

from __future__ import annotations

import ctypes
import json
import os
import re
import resource
import runpy
import shutil
import subprocess
import sys
import time
import wave
from pathlib import Path

import pytest
from tests.conftest import WriteWave

from unbraid.models import catalog

ROOT = Path(__file__).parents[2]

FIRST_RUN_S = 180
INSTALLED_MB = 450
LATER_START_S = 1.5
HELP_S = 0.3
NATIVE = Path("src", "unbraid", "native")
BUILD = runpy.run_path(str(ROOT / NATIVE / "build.py"))

needs_bundled_model = pytest.mark.skipif(
    not catalog()["lite"].installed, reason="the bundled model is not installed"
)


def clean_environment() -> dict[str, str]:
    """Return the environment variables without those of the tests' own environment."""
    return {
        name: value
        for name, value in os.environ.items()
        if name != "CC" and not name.startswith(("PYTHON", "VIRTUAL_ENV"))
    }


def without_compilers(folder: Path) -> str:
    """Return a PATH with all programs of this machine except C compilers."""
    folder.mkdir()
    for directory in os.environ["PATH"].split(os.pathsep):
        for program in Path(directory).glob("*"):
            link = folder / program.name
            if program.name not in ("cc", "gcc", "clang") and not link.is_symlink():
                link.symlink_to(program)
    return str(folder)


def tracked_files() -> list[str]:
    """List the files that a clone of the working tree would contain. Skip outside a git checkout."""
    if not (ROOT / ".git").exists() or shutil.which("git") is None:
        pytest.skip("this isn't a git checkout, so there is nothing to clone")
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:  # for example, the checkout of another user
        pytest.skip(f"git can't list this checkout: {listed.stderr.strip()}")
    return [name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh checkout before its first use."""
    folder = tmp_path_factory.mktemp("fresh") / "unbraid"
    for name in tracked_files():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def first_run(
    fresh: Path, model_folder: Path, write_wave: WriteWave
) -> tuple[subprocess.CompletedProcess[str], float]:
    """Run the first command without a C compiler; return its result and its time in seconds."""
    song = write_wave(fresh.parent / "song.wav", seconds=12.3)
    path = without_compilers(fresh.parent / "programs")
    out = str(fresh.parent / "out")
    started = time.monotonic()
    done = run(fresh, "separate", str(song), "--json", "-m", str(model_folder), "-o", out, PATH=path)
    return done, time.monotonic() - started


def run(fresh: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    command = [str(fresh / "unbraid"), *arguments]
    env = clean_environment() | variables
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False)


def frames(path: str | Path) -> int:
    with wave.open(str(path)) as file:
        return file.getnframes()


def processor_time(fresh: Path, *arguments: str, code: int, stderr: str) -> float:
    """Return the processor time of a command in seconds: the least of three runs.

    Unlike wall-clock time, it excludes other programs. Each run must exit with `code` and print `stderr`.
    """
    times = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = run(fresh, *arguments)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert (done.returncode, done.stderr) == (code, stderr)
        times.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(times)


def test_one_command_gives_stems_within_three_minutes(
    first_run: tuple[subprocess.CompletedProcess[str], float],
) -> None:
    done, seconds = first_run
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert {stem: frames(path) for stem, path in report["files"].items()} == {
        "vocals": round(12.3 * 44100),
        "no_vocals": round(12.3 * 44100),
    }
    assert "unbraid: setting up " in done.stderr
    assert seconds < FIRST_RUN_S


@pytest.mark.usefixtures("first_run")
def test_the_environment_is_small_and_without_pytorch(fresh: Path) -> None:
    files = [path for path in (fresh / ".venv").rglob("*") if path.is_file() and not path.is_symlink()]
    assert sum(path.stat().st_blocks * 512 for path in files) <= INSTALLED_MB * 2**20
    packages = {path.name for path in (fresh / ".venv").glob("lib/python3*/site-packages/*")}
    assert {"numpy", "av", "openvino", "soxr"} <= packages
    assert not {"torch", "onnxruntime", "scipy", "openvino_telemetry", "pip"} & packages


@pytest.mark.skipif(not BUILD["processor_supported"](), reason="this processor can't run the native library")
def test_builds_the_native_library_and_removes_the_compiler(
    fresh: Path, first_run: tuple[subprocess.CompletedProcess[str], float]
) -> None:
    assert "built the native library in" in first_run[0].stderr
    library = ctypes.CDLL(str(fresh / NATIVE / "_native.so"))
    assert library.native_supported(0) == 1
    assert not (fresh / ".venv" / "compiler").exists()


@pytest.mark.usefixtures("first_run")
def test_later_runs_start_quickly(fresh: Path, model_folder: Path) -> None:
    # The model is loaded before the first song is opened; use the bundled one if it is installed.
    model = [] if catalog()["lite"].installed else ["-m", str(model_folder)]
    missing = "unbraid: no-such-song: doesn't exist. Check the name and the folder.\n"
    command = ["separate", "--quiet", "no-such-song", *model]
    assert processor_time(fresh, *command, code=1, stderr=missing) < LATER_START_S
    assert processor_time(fresh, "--help", code=0, stderr="") < HELP_S


@needs_bundled_model
def test_separates_with_the_bundled_model_by_default(
    fresh: Path, first_run: tuple[subprocess.CompletedProcess[str], float]
) -> None:
    assert first_run[0].returncode == 0
    out = fresh.parent / "out-bundled"
    done = run(fresh, "separate", str(fresh.parent / "song.wav"), "--stems", "all", "-o", str(out))
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in (out / "song").glob("*.wav")) == [
        "bass.wav",
        "drums.wav",
        "other.wav",
        "vocals.wav",
    ]
    assert {frames(path) for path in (out / "song").glob("*.wav")} == {round(12.3 * 44100)}


def test_pip_install_gives_the_same_command(fresh: Path, model_folder: Path, write_wave: WriteWave) -> None:
    environment = fresh.parent / "installed"
    song = write_wave(fresh.parent / "other song.wav", seconds=3.0)
    subprocess.run([sys.executable, "-I", "-m", "venv", str(environment)], check=True)
    pip = [str(environment / "bin" / "python"), "-I", "-m", "pip", "install", "--quiet"]
    pip += ["--no-compile", str(fresh)]  # Python compiles the modules that the one command below imports
    subprocess.run(pip, env=clean_environment(), check=True, capture_output=True)
    built = BUILD["platform_supported"]() and bool(
        BUILD["find_compilers"]() or BUILD["processor_supported"]()
    )
    assert len([*environment.glob("lib/python3*/site-packages/unbraid/native/_native.so")]) == built
    assert not [*environment.glob("lib/python3*/site-packages/training")]  # the song factory
    [wheel] = environment.glob("lib/python3*/site-packages/unbraid-*.dist-info/WHEEL")
    # A wheel with the library is for this platform, and for every Python version.
    tag = r"py3-none-manylinux_2_\d+_x86_64" if built else "py3-none-any"
    assert re.search(rf"^Tag: {tag}$", wheel.read_text(), re.MULTILINE)
    out = fresh.parent / "out-installed"
    model = [] if catalog()["lite"].installed else ["-m", str(model_folder)]
    command = [str(environment / "bin" / "unbraid"), "separate", str(song), *model, "-o", str(out)]
    done = subprocess.run(
        command, cwd=fresh.parent, env=clean_environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert {frames(path) for path in (out / "other song").glob("*.wav")} == {3 * 44100}
