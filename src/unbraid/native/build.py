"""Compiles `sources/` into `_native.so` beside this file: `python build.py`.

Runs on a bare Python >= 3.11, before anything is installed. The library computes a network on processors with
AVX-512 VNNI; without it OpenVINO does, so that whatever is in the way here is said in one line and is no failure.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
ANY_PROCESSOR = ("supported.c", "stamp.c")
"""Compiled for every x86-64: the first says whether the rest may be called."""

FLAGS = (
    "-std=c11",
    "-O3",
    "-fPIC",
    "-fvisibility=hidden",
    "-ffp-contract=fast",
    "-fno-math-errno",
    "-pthread",
)
WIDE = (
    *("-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl", "-mavx512vnni", "-mfma", "-mf16c"),
    "-mprefer-vector-width=512",
)
# LLVM makes two instructions of each vpdpwssd unless it is told that the one is fast.
WIDE_CLANG = ("-Xclang", "-target-feature", "-Xclang", "+fast-dpwssd")
# Zig compiles for this very processor, and for its own C library, unless it is told otherwise.
ZIG = ("-target", "x86_64-linux-gnu.2.28")
LINK = ("-shared", "-s", "-Wl,-z,defs", "-lm")

PROBE = """
#include <immintrin.h>
#include <math.h>
#include <pthread.h>
__m512i probe(__m512i a, __m512i b, __m512i c) { return _mm512_dpwssd_epi32(a, b, c); }
"""
PROCESSOR = {"avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512_vnni", "fma", "f16c"}
MARK = "unbraid native sources "
"""Precedes, in the library, the hash of what it was compiled from."""


class BuildError(Exception):
    """The library could not be built; the words say why, in less than a line."""


def possible() -> bool:
    """Whether there can be a library for this machine: Linux on x86-64."""
    return sys.platform == "linux" and platform.machine() == "x86_64" and sys.maxsize > 2**32


def useful() -> bool:
    """Whether this processor can run it."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return False
    flags = next((line.partition(":")[2].split() for line in lines if line.startswith("flags")), [])
    return set(flags) >= PROCESSOR


def library(folder: Path = FOLDER) -> Path:
    """Where the library is, or would be."""
    return folder / "_native.so"


def current(folder: Path = FOLDER) -> bool:
    """Whether the library is there, compiled from the sources as they are."""
    file = library(folder)
    return file.is_file() and _stamp(folder).encode() in file.read_bytes()


def candidates() -> list[list[str]]:
    """Compilers of this machine: the one that `$CC` names, or else those that usually have these names."""
    if named := shlex.split(os.environ.get("CC", "")):
        return [named]
    return [[found] for name in ("cc", "gcc", "clang") if (found := shutil.which(name))]


def usable(compilers: Iterable[Sequence[str]]) -> Sequence[str]:
    """The first of them that knows the instructions and has C's headers. Raises BuildError where none does."""
    why = "there is no C compiler"
    for compiler in compilers:
        try:
            with tempfile.TemporaryDirectory() as scratch:
                source = Path(scratch) / "probe.c"
                source.write_text(PROBE)
                _compile(compiler, source, _wide(compiler, Path(scratch)), Path(scratch))
            return compiler
        except BuildError as error:
            why = str(error)
        except OSError as error:
            why = f"{error.filename or tempfile.gettempdir()}: {error.strerror}"
    raise BuildError(why)


def build(compiler: Sequence[str], folder: Path = FOLDER) -> None:
    """Put the library in its place, whole, or raise BuildError and leave none that is older than its sources."""
    new = folder / f"_native.so.{os.getpid()}"
    try:
        # Whether it may be written at all is known before the work is done.
        new.touch()
        with tempfile.TemporaryDirectory() as scratch:
            stamp = Path(scratch) / "stamp.c"
            stamp.write_text(
                f'__attribute__((visibility("default"))) const char native_sources[] = "{_stamp(folder)}";\n'
            )
            sources = [*sorted((folder / "sources").glob("*.c")), stamp]
            wide = _wide(compiler, Path(scratch))
            objects = [
                _compile(compiler, source, () if source.name in ANY_PROCESSOR else wide, Path(scratch))
                for source in sources
            ]
            linked = Path(scratch) / "linked.so"
            # Zig compiles its run-time library as it does what it is linked with.
            _run(compiler, [*FLAGS, *map(str, objects), *LINK, "-o", str(linked)], Path(scratch))
            shutil.copyfile(linked, new)
        new.chmod(0o755)
        new.replace(library(folder))
    except OSError as error:
        raise BuildError(f"{error.filename2 or error.filename or folder}: {error.strerror}") from None
    finally:
        discard(new)
        if not current(folder):
            discard(library(folder))


def discard(file: Path) -> None:
    """Remove it, if it is there and may be removed."""
    try:
        file.unlink(missing_ok=True)
    except OSError:
        return


def _stamp(folder: Path) -> str:
    """What the library says of itself: by names and contents of all sources, and flags."""
    digest = hashlib.sha256(repr((FLAGS, WIDE, WIDE_CLANG, ZIG, LINK)).encode())
    for file in sorted((folder / "sources").glob("*.[ch]")):
        digest.update(f"{file.name}\0".encode() + hashlib.sha256(file.read_bytes()).digest())
    return MARK + digest.hexdigest()


def _wide(compiler: Sequence[str], scratch: Path) -> Sequence[str]:
    """Flags for AVX-512 VNNI."""
    return (*WIDE, *WIDE_CLANG) if "clang" in _run(compiler, ["--version"], scratch) else WIDE


def _compile(compiler: Sequence[str], source: Path, wide: Sequence[str], scratch: Path) -> Path:
    """The object file."""
    made = scratch / f"{source.stem}.o"
    _run(compiler, [*FLAGS, *wide, "-c", str(source), "-o", str(made)], scratch)
    return made


def _run(compiler: Sequence[str], arguments: Sequence[str], scratch: Path) -> str:
    """What it prints. Raises BuildError with the first error that it names."""
    zig = ZIG if any(Path(word).name in ("zig", "ziglang") for word in compiler) else ()
    caches = {"ZIG_GLOBAL_CACHE_DIR": str(scratch / "zig"), "ZIG_LOCAL_CACHE_DIR": str(scratch / "zig")}
    try:
        done = subprocess.run(
            [*compiler, *zig, *arguments],
            env={**os.environ, **caches, "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
    except OSError as error:
        raise BuildError(f"{compiler[0]}: {error.strerror}") from None
    if done.returncode:
        lines = [line.strip() for line in done.stdout.splitlines() if line.strip()]
        said = (
            [line for line in lines if "error: " in line or "undefined " in line]
            or lines
            or [f"status {done.returncode}"]
        )
        # Where the objects lie is nothing to anybody.
        raise BuildError(f"{Path(compiler[0]).name}: {said[0].replace(f'{scratch}{os.sep}', '')}")
    return done.stdout


def main() -> None:
    """Build it where it is missing or older than its sources, and say so."""
    if not possible():
        outcome = "there is no native library for this kind of machine: OpenVINO computes all networks"
    elif current():
        outcome = "the native library is up to date"
    else:
        started = time.monotonic()
        try:
            compiler = usable(candidates())
            build(compiler)
            outcome = (
                f"built the native library with {shlex.join(compiler)} ({time.monotonic() - started:.0f} s)"
            )
        except BuildError as error:
            discard(library())
            outcome = f"no native library ({error}): OpenVINO computes all networks"
    sys.stderr.write(f"unbraid: {outcome}\n")


if __name__ == "__main__":
    main()
