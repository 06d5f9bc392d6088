"""Makes an environment from lock files: `python install.py ENVIRONMENT LOCK [UNLOCKED…]`.

The environment gets exactly what LOCK names, by hash, and this checkout's `src` on its path. It is complete
when the copy of LOCK inside it equals LOCK; that copy is written last, so that an interrupted installation is
simply started again. UNLOCKED are further requirements files, installed with their dependencies, without hashes.

Runs on a bare Python >= 3.11, before anything is installed.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

# "  Downloading numpy-2.4.6-cp311-….whl (16.6 MB)" or "Processing /wheels/numpy-2.4.6-….whl (from …)"
WHEEL_LINE = re.compile(
    r"\s*(?:Downloading|Using cached|Processing) (?:\S*/)?([^-\s/]+)-([^-\s]+)-\S+\.whl(?: \((\d.*)\))?"
)
VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
PIP_OPTIONS = ["--no-input", "--disable-pip-version-check", "--no-warn-script-location"]


def say(text: str) -> None:
    """One line on standard error: standard output belongs to the command that waits for the environment."""
    sys.stderr.write(f"unbraid: {text}\n")


def complete(environment: Path, locks: Sequence[Path]) -> bool:
    """Whether `environment` was finished from just these files, and its interpreter is still there."""
    return (environment / "bin" / "python").exists() and all(
        (environment / lock.name).is_file() and (environment / lock.name).read_bytes() == lock.read_bytes()
        for lock in locks
    )


def pip_install(python: Path, arguments: Sequence[str]) -> None:
    """Run pip, showing each download as a line; its whole output only when it fails."""
    command = [str(python), "-I", "-m", "pip", "install", *PIP_OPTIONS, "--progress-bar", "off", *arguments]
    output: list[str] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as pip:
        assert pip.stdout is not None
        for line in pip.stdout:
            output.append(line)
            if found := WHEEL_LINE.match(line):
                name, version, size = found.groups()
                say(f"  {name} {version}" + (f", {size}" if size else ""))
    if pip.returncode == 0:
        return
    text = "".join(output)
    sys.stderr.write(text)
    if "No matching distribution" in text or "Could not find a version" in text:
        machine = f"Python {VERSION} on {sys.platform} {os.uname().machine}"
        reason = f"a package has no build for {machine}, or the package index could not be reached: see above"
    else:
        reason = "see pip's words above"
    raise SystemExit(f"unbraid: could not set itself up, {reason}. Run it again once that is mended")


def build(environment: Path, locks: Sequence[Path]) -> None:
    """Make `environment` anew from `locks`, the first with hashes, and mark it complete."""
    started = time.monotonic()
    say(f"setting itself up in {environment} (once, about a minute)")
    # The interpreter behind every link, so that it is missed when that version goes away.
    base = os.path.realpath(getattr(sys, "_base_executable", sys.executable))
    subprocess.run([base, "-I", "-m", "venv", "--clear", str(environment)], check=True)
    python = environment / "bin" / "python"
    # --no-deps: the lock file is the whole list (openvino's telemetry is left out of it on purpose).
    # What users run needs no compiler; some of what the tests need is published as source alone.
    builds = ["--only-binary", ":all:"] if len(locks) == 1 else []
    pip_install(python, ["--require-hashes", "--no-deps", *builds, "-r", str(locks[0])])
    for unlocked in locks[1:]:
        pip_install(python, ["-r", str(unlocked)])
    packages = next(environment.glob("lib/python3*/site-packages"))
    source = Path(__file__).resolve().parent.parent / "src"
    # Relative, so that the whole checkout can be moved.
    (packages / "unbraid.pth").write_text(os.path.relpath(source, packages) + "\n")
    if len(locks) == 1:
        # Nothing is installed into the finished environment; without pip and setuptools it is 20 MB smaller.
        uninstall = ["-I", "-m", "pip", "uninstall", "--yes", "--quiet", "pip", "setuptools"]
        subprocess.run([str(python), *uninstall], check=True, stderr=subprocess.DEVNULL)
    for lock in locks:
        shutil.copyfile(lock, environment / lock.name)
    say(f"ready after {time.monotonic() - started:.0f} s")


def main(arguments: Sequence[str]) -> None:
    """Make sure the environment is there; of several processes, one does the work and the others wait."""
    environment, locks = Path(arguments[0]), [Path(argument) for argument in arguments[1:]]
    if find_spec("venv") is None or find_spec("ensurepip") is None:
        raise SystemExit(
            f"unbraid: Python {VERSION} is here without its venv module: "
            f"install it (Debian and Ubuntu: sudo apt install python{VERSION}-venv) and run this again"
        )
    try:
        environment.mkdir(exist_ok=True)
        with locks[0].open("r+b") as held:
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                say("waiting for another unbraid that is setting itself up")
                fcntl.flock(held, fcntl.LOCK_EX)
            if not complete(environment, locks):
                build(environment, locks)
    except PermissionError as error:
        raise SystemExit(
            f"unbraid: may not write {error.filename}: run it once as the owner of {environment.parent}, "
            "or copy that folder to a place of your own"
        ) from None
    except subprocess.CalledProcessError:
        raise SystemExit("unbraid: could not make its environment: see Python's words above") from None
    except KeyboardInterrupt:
        raise SystemExit("unbraid: stopped while setting itself up; the next start begins again") from None


if __name__ == "__main__":
    main(sys.argv[1:])
