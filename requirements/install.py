"""Create an environment from lock files: `python install.py ENVIRONMENT LOCK [UNLOCKED…]`.

The environment gets exactly the packages in LOCK, checked by hash, and this checkout's `src` on its path. It is
complete when its copy of LOCK equals LOCK. That copy is written last, so an interrupted installation starts again.
UNLOCKED are further requirements files, installed with their dependencies and without hashes.

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
    """Print a line on standard error: standard output belongs to the command that needs the environment."""
    sys.stderr.write(f"unbraid: {text}\n")


def complete(environment: Path, locks: Sequence[Path]) -> bool:
    """Whether `environment` was built from these files and its interpreter still exists."""
    return (environment / "bin" / "python").exists() and all(
        (environment / lock.name).is_file() and (environment / lock.name).read_bytes() == lock.read_bytes()
        for lock in locks
    )


def pip_install(python: Path, arguments: Sequence[str]) -> None:
    """Run pip and print a line for each package. Print the whole output only if pip fails."""
    command = [str(python), "-I", "-m", "pip", "install", *PIP_OPTIONS, "--progress-bar", "off", *arguments]
    output: list[str] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as pip:
        assert pip.stdout is not None
        for line in pip.stdout:
            output.append(line)
            if match := WHEEL_LINE.match(line):
                name, version, size = match.groups()
                say(f"  {name} {version}" + (f", {size}" if size else ""))
    if pip.returncode == 0:
        return
    text = "".join(output)
    sys.stderr.write(text)
    if "No matching distribution" in text or "Could not find a version" in text:
        machine = f"Python {VERSION} on {sys.platform} {os.uname().machine}"
        reason = f"a package has no build for {machine}, or the package index is unreachable"
    else:
        reason = "pip failed"
    raise SystemExit(f"unbraid: setup failed: {reason}. See the messages above, then run this again")


def build(environment: Path, locks: Sequence[Path]) -> None:
    """Create `environment` from `locks`, the first one with hashes, and mark it complete."""
    started = time.monotonic()
    say(f"setting up {environment} (once, about a minute)")
    # The real path of the interpreter, so that `complete` notices when this version is removed.
    base = os.path.realpath(getattr(sys, "_base_executable", sys.executable))
    subprocess.run([base, "-I", "-m", "venv", "--clear", str(environment)], check=True)
    python = environment / "bin" / "python"
    # --no-deps: the lock file lists all packages; it omits openvino-telemetry on purpose.
    # Users need no compiler. Some packages of the tests are published only as source. Tests import a part of the 17,000
    # modules in their packages, so Python compiles a module when it is imported.
    options = ["--only-binary", ":all:"] if len(locks) == 1 else ["--no-compile"]
    pip_install(python, ["--require-hashes", "--no-deps", *options, "-r", str(locks[0])])
    for unlocked in locks[1:]:
        pip_install(python, [*options, "-r", str(unlocked)])
    packages = next(environment.glob("lib/python3*/site-packages"))
    source = Path(__file__).resolve().parent.parent / "src"
    # A relative path, so that the checkout can be moved.
    (packages / "unbraid.pth").write_text(os.path.relpath(source, packages) + "\n")
    if len(locks) == 1:
        # pip and setuptools aren't needed any more and take 20 MB.
        uninstall = ["-I", "-m", "pip", "uninstall", "--yes", "--quiet", "pip", "setuptools"]
        subprocess.run([str(python), *uninstall], check=True, stderr=subprocess.DEVNULL)
    for lock in locks:
        shutil.copyfile(lock, environment / lock.name)
    say(f"ready after {time.monotonic() - started:.0f} s")


def main(arguments: Sequence[str]) -> None:
    """Create the environment if needed. Only one process at a time does the work; others wait."""
    environment, locks = Path(arguments[0]), [Path(argument) for argument in arguments[1:]]
    if find_spec("venv") is None or find_spec("ensurepip") is None:
        raise SystemExit(
            f"unbraid: Python {VERSION} has no venv module. "
            f"Install it (Debian and Ubuntu: sudo apt install python{VERSION}-venv) and run this again"
        )
    try:
        environment.mkdir(exist_ok=True)
        with locks[0].open("r+b") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                say("waiting for another process that is setting up the same environment")
                fcntl.flock(lock, fcntl.LOCK_EX)
            if not complete(environment, locks):
                build(environment, locks)
    except PermissionError as error:
        raise SystemExit(
            f"unbraid: no permission to write {error.filename}. Run this once as the owner of {environment.parent}, "
            "or make your own copy of that folder"
        ) from None
    except subprocess.CalledProcessError:
        raise SystemExit(
            "unbraid: setup failed: Python could not create the environment. See the messages above"
        ) from None
    except KeyboardInterrupt:
        raise SystemExit("unbraid: Stopped during setup. The next run starts it again") from None


if __name__ == "__main__":
    main(sys.argv[1:])
