"""Build the native library for this checkout: `python native.py ENVIRONMENT [SOURCES]`.

If the processor can run the library, uses a compiler of this machine. If there is none, pip downloads one, checked by
the hash in compiler.lock, and it is removed after the build. Unbraid works without the library, so a failure is one
line. SOURCES, a checksum of the sources, is saved in ENVIRONMENT/native: the launcher doesn't try the same sources
again.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

HERE = Path(__file__).resolve().parent
LOCK = HERE / "compiler.lock"
# Fail quickly without a network.
FEW_RETRIES = ["--retries", "1", "--timeout", "15"]


def say(text: str) -> None:
    """Print a line on standard error: standard output belongs to the command that waits for the library."""
    sys.stderr.write(f"unbraid: {text}\n")


def builder() -> ModuleType:
    """Load src/unbraid/native/build.py without the package around it, whose dependencies may not be installed yet."""
    spec = spec_from_file_location(
        "unbraid_native_build", HERE.parent / "src" / "unbraid" / "native" / "build.py"
    )
    assert spec is not None and spec.loader is not None
    module = sys.modules[spec.name] = module_from_spec(spec)  # data classes look it up there
    spec.loader.exec_module(module)
    return module


@contextmanager
def downloaded_compiler(environment: Path) -> Iterator[Sequence[str]]:
    """Download a compiler and yield its command; remove it afterwards. Raises OSError, CalledProcessError."""
    say("downloading a C compiler for the native library (once; 101 MB, removed afterwards)")
    folder = environment / "compiler"
    python = str(folder / "bin" / "python")
    install = [python, "-I", "-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check"]
    install += ["--no-cache-dir", "--require-hashes", "--no-deps", "--only-binary", ":all:", *FEW_RETRIES]
    try:
        for command in (
            [sys.executable, "-I", "-m", "venv", "--clear", str(folder)],
            [*install, "-r", str(LOCK)],
        ):
            subprocess.run(command, check=True, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        yield [python, "-I", "-m", "ziglang", "cc"]
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def build(native: ModuleType, environment: Path, recorded: bool) -> str:
    """Build the library with an installed or a downloaded compiler. Return a message, or an empty string."""
    if not native.processor_supported():
        return ""
    started = time.monotonic()
    try:
        try:
            compiler = native.choose_compiler(native.find_compilers())
        except native.BuildError:
            if not os.access(native.FOLDER, os.W_OK):
                raise native.BuildError(f"no permission to write {native.FOLDER}") from None
            with downloaded_compiler(environment) as downloaded:
                native.build(downloaded)
        else:
            native.build(compiler)
    except native.BuildError as error:
        why = str(error)
    except subprocess.CalledProcessError as error:
        lines = (error.stderr or error.stdout or str(error)).strip().splitlines()
        why = f"no C compiler is installed, and the download of one failed: {lines[-1]}"
    except OSError as error:
        why = f"no C compiler is installed, and the download of one failed: {error}"
    else:
        return f"built the native library in {time.monotonic() - started:.0f} s"
    again = f". To try again, delete {environment / 'native'}" if recorded else ""
    return (
        f"the native library isn't available, so OpenVINO computes all networks, more slowly ({why}){again}"
    )


def main(arguments: Sequence[str]) -> None:
    """Build the library if needed. Only one process at a time does the work; others wait."""
    environment, sources = Path(arguments[0]), "".join(arguments[1:])
    record = environment / "native"
    native = builder()
    try:
        with record.open("a+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0)
            if sources and file.read() == sources:
                return
            if native.platform_supported() and not native.is_current():
                native.remove(native.library_path())
                if message := build(native, environment, bool(sources)):
                    say(message)
            file.truncate(0)
            file.write(sources)
    except OSError as error:
        if native.platform_supported() and not native.is_current():
            say(f"the native library isn't built: {error.filename}: {error.strerror}")
    except KeyboardInterrupt:
        say("Stopped while building the native library. The next run builds it again.")
        raise SystemExit(130) from None


if __name__ == "__main__":
    main(sys.argv[1:])
