"""Builds the native library for this checkout: `python native.py ENVIRONMENT [SOURCES]`.

With a compiler of this machine or, where there is none and the processor can run the library, with one that pip
fetches for this purpose, by the hash in compiler.lock, and that is gone afterwards. Whatever comes of it, Unbraid
works; it is said in a line, and the text SOURCES is kept as ENVIRONMENT/native, by which the launcher sees that
these sources have had their turn.
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
# Whoever is without a network shall not wait for long.
PATIENCE = ["--retries", "1", "--timeout", "15"]


def say(text: str) -> None:
    """One line on standard error: standard output belongs to the command that waits."""
    sys.stderr.write(f"unbraid: {text}\n")


def builder() -> ModuleType:
    """src/unbraid/native/build.py, without the package around it, which needs what may not be installed yet."""
    spec = spec_from_file_location("build", HERE.parent / "src" / "unbraid" / "native" / "build.py")
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@contextmanager
def fetched_compiler(environment: Path) -> Iterator[Sequence[str]]:
    """The command of a compiler that lasts as long as the context. Raises OSError or CalledProcessError."""
    say("fetching a C compiler for the native library (once; 101 MB, which are removed afterwards)")
    folder = environment / "compiler"
    python = str(folder / "bin" / "python")
    install = [python, "-I", "-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check"]
    install += ["--no-cache-dir", "--require-hashes", "--no-deps", "--only-binary", ":all:", *PATIENCE]
    try:
        for command in (
            [sys.executable, "-I", "-m", "venv", "--clear", str(folder)],
            [*install, "-r", str(LOCK)],
        ):
            subprocess.run(command, check=True, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        yield [python, "-I", "-m", "ziglang", "cc"]
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def build(native: ModuleType, environment: Path, remembered: bool) -> str:
    """Build the library, with whatever compiler there is or can be had; the words to say, or none."""
    started = time.monotonic()
    try:
        try:
            compiler = native.usable(native.candidates())
        except native.BuildError:
            if not native.useful():
                return ""
            if not os.access(native.FOLDER, os.W_OK):
                raise native.BuildError(f"{native.FOLDER} may not be written") from None
            with fetched_compiler(environment) as fetched:
                native.build(fetched)
        else:
            native.build(compiler)
    except native.BuildError as error:
        why = str(error)
    except subprocess.CalledProcessError as error:
        words = (error.stderr or error.stdout or str(error)).strip().splitlines()
        why = f"there is no C compiler, and none could be fetched: {words[-1]}"
    except OSError as error:
        why = f"there is no C compiler, and none could be fetched: {error}"
    else:
        return f"built the native library in {time.monotonic() - started:.0f} s"
    again = f"; to have it tried again, delete {environment / 'native'}" if remembered else ""
    return f"there is no native library, so that OpenVINO computes all networks, more slowly ({why}){again}"


def main(arguments: Sequence[str]) -> None:
    """Of several processes, one does the work and the others wait."""
    environment, sources = Path(arguments[0]), "".join(arguments[1:])
    record = environment / "native"
    native = builder()
    try:
        with record.open("a+") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            held.seek(0)
            if sources and held.read() == sources:
                return
            if native.possible() and not native.current():
                native.discard(native.library())
                if words := build(native, environment, bool(sources)):
                    say(words)
            held.truncate(0)
            held.write(sources)
    except OSError as error:
        if native.possible() and not native.current():
            say(f"the native library isn't built: {error.filename}: {error.strerror}")
    except KeyboardInterrupt:
        say("stopped while building the native library; the next start begins again")
        raise SystemExit(130) from None


if __name__ == "__main__":
    main(sys.argv[1:])
