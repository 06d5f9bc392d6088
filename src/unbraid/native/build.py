"""Compile `sources/` into `_native.so` beside this file: `python build.py [--any-processor]`.

Runs on a bare Python >= 3.11, before anything is installed. The library computes HTDemucs, MDX-Net and Roformers on
processors with AVX2, and faster with AVX-VNNI or AVX-512 VNNI: the sources are compiled once for each of these
instruction sets. Without the library, OpenVINO computes them. So a failed build prints one line and is not an error. A
processor that can't run the library compiles nothing, except with `--any-processor`, for an image or a package.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
ANY_PROCESSOR = ("supported.c", "thread_pool.c", "stamp.c")
"""Sources compiled once, for any x86-64. supported.c checks which instruction sets the processor has."""

FLAGS = (
    "-std=c11",
    "-O3",
    "-fPIC",
    "-fvisibility=hidden",
    "-ffp-contract=fast",
    "-fno-math-errno",
    "-pthread",
)
# Without this feature, LLVM splits each vpdpwssd into two instructions.
FAST_CLANG = ("-Xclang", "-target-feature", "-Xclang", "+fast-dpwssd")


@dataclass(frozen=True)
class InstructionSet:
    """Instructions that the sources are compiled for."""

    flags: tuple[str, ...]
    clang_flags: tuple[str, ...]
    probe: str
    """A function that the compiler must be able to compile."""
    processor: frozenset[str]
    """Flags of /proc/cpuinfo."""


PROBE = """
#include <immintrin.h>
#include <math.h>
#include <pthread.h>
"""
AVX2_FLAGS = ("-mavx2", "-mfma", "-mf16c")
AVX2_PROCESSOR = frozenset({"avx2", "fma", "f16c"})
INSTRUCTION_SETS = {
    "avx2": InstructionSet(
        flags=("-DUSE_AVX2", *AVX2_FLAGS),
        clang_flags=(),
        probe="__m256i probe(__m256i a, __m256i b) { return _mm256_madd_epi16(a, b); }",
        processor=AVX2_PROCESSOR,
    ),
    "avx_vnni": InstructionSet(
        flags=("-DUSE_AVX_VNNI", *AVX2_FLAGS, "-mavxvnni"),
        clang_flags=FAST_CLANG,
        # Also checks the assembler.
        probe="""
__m256i probe(__m256i a, __m256i b, __m256i c) {
    __asm__("%{vex%} vpdpwssd %2, %1, %0" : "+x"(a) : "x"(b), "x"(c));
    return a;
}
""",
        processor=AVX2_PROCESSOR | {"avx_vnni"},
    ),
    "avx512_vnni": InstructionSet(
        flags=(
            "-DUSE_AVX512_VNNI",
            *("-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl", "-mavx512vnni", "-mfma", "-mf16c"),
            "-mprefer-vector-width=512",
        ),
        clang_flags=FAST_CLANG,
        probe="__m512i probe(__m512i a, __m512i b, __m512i c) { return _mm512_dpwssd_epi32(a, b, c); }",
        processor=AVX2_PROCESSOR | {"avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512_vnni"},
    ),
}
"""The sources are compiled for each of them that the compiler supports. The first one is required."""
# By default Zig compiles for this processor only, and for its own C library.
ZIG = ("-target", "x86_64-linux-gnu.2.28")
LINK = ("-shared", "-s", "-Wl,-z,defs", "-lm")

MARK = "unbraid native sources "
"""Text in the library before the hash of its sources."""
STAMP = re.compile(re.escape(MARK.encode()) + rb"[0-9a-f]{64}")

CHECK = """
import ctypes, sys
library = ctypes.CDLL(sys.argv[1])
for number, name in enumerate(sys.argv[2:]):
    check = getattr(library, f"native_check_{name}", None)
    if check and library.native_supported(number) and not check():
        sys.exit(f"wrong results with {name}")
"""
"""Program that loads a library, and computes products with each instruction set that this processor supports."""


class BuildError(Exception):
    """The library could not be built. The message is part of a line."""


def platform_supported() -> bool:
    """Whether the library exists for this platform: Linux on x86-64."""
    return sys.platform == "linux" and platform.machine() == "x86_64" and sys.maxsize > 2**32


def processor_sets() -> list[str]:
    """Return the names of the instruction sets that this processor has."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return []
    flags = set(next((line.partition(":")[2].split() for line in lines if line.startswith("flags")), []))
    return [name for name, instructions in INSTRUCTION_SETS.items() if flags >= instructions.processor]


def processor_supported() -> bool:
    """Whether this processor can run the library."""
    return bool(processor_sets())


def library_path(folder: Path = FOLDER) -> Path:
    """Return the path of the library, which may not exist."""
    return folder / "_native.so"


def is_current(folder: Path = FOLDER) -> bool:
    """Whether the library exists and was compiled from the present sources.

    An installation without sources has nothing to compare, so any library with a stamp is current.
    """
    stamp = library_stamp(library_path(folder))
    return stamp is not None and (stamp == sources_stamp(folder) or not (folder / "sources").is_dir())


def library_stamp(file: Path) -> str | None:
    """Return the stamp of the sources that a library was compiled from, without loading it; None if it has none."""
    try:
        found = STAMP.search(file.read_bytes())
    except OSError:
        return None
    return found[0].decode() if found else None


def find_compilers() -> list[list[str]]:
    """Return the compilers to try: `$CC` if it is set, otherwise those of cc, gcc and clang that are installed.

    Raises BuildError if the quotes in `$CC` don't match.
    """
    try:
        named = shlex.split(os.environ.get("CC", ""))
    except ValueError as error:
        raise BuildError(f"CC={os.environ['CC']}: {error}") from None
    if named:
        return [named]
    return [[path] for name in ("cc", "gcc", "clang") if (path := shutil.which(name))]


def choose_compiler(compilers: Iterable[Sequence[str]]) -> Sequence[str]:
    """Return the first compiler that has C's headers and supports AVX2. Raises BuildError if none does."""
    reason = "there is no C compiler"
    for compiler in compilers:
        try:
            with tempfile.TemporaryDirectory() as scratch:
                _probe(compiler, "avx2", Path(scratch))
            return compiler
        except BuildError as error:
            reason = str(error)
        except OSError as error:
            reason = _problem_of(error, None)
    raise BuildError(reason)


def build(compiler: Sequence[str], folder: Path = FOLDER) -> None:
    """Build the library, check it in another process, and install it atomically.

    Raises BuildError, after removing an outdated library.
    """
    new = None
    try:
        # Fail before the compilation if the folder is not writable. The name is unique, as two containers that share
        # the folder may have the same process id.
        descriptor, name = tempfile.mkstemp(prefix="_native.so.", dir=folder)
        os.close(descriptor)
        new = Path(name)
        with tempfile.TemporaryDirectory() as scratch:
            stamp = Path(scratch) / "stamp.c"
            stamp.write_text(
                f'__attribute__((visibility("default"))) const char native_sources[] = "{sources_stamp(folder)}";\n'
            )
            sets = _supported_sets(compiler, Path(scratch))
            jobs = [
                (source, name)
                for source in [*sorted((folder / "sources").glob("*.c")), stamp]
                for name in ([None] if source.name in ANY_PROCESSOR else sets)
            ]
            with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
                objects = list(pool.map(lambda job: _compile(compiler, job[0], job[1], Path(scratch)), jobs))
            linked = Path(scratch) / "linked.so"
            # Pass FLAGS too, because Zig compiles its run-time library in this step.
            _run(compiler, [*FLAGS, *map(str, objects), *LINK, "-o", str(linked)], Path(scratch))
            check(linked)
            shutil.copyfile(linked, new)
        new.chmod(0o755)
        new.replace(library_path(folder))
    except OSError as error:
        raise BuildError(_problem_of(error, folder)) from None
    finally:
        if new is not None:
            remove(new)
        if not is_current(folder):
            remove(library_path(folder))


def check(library: Path) -> None:
    """Load a library in another process, and run its checks. Raises BuildError if the process fails.

    A library that was compiled with a sanitizer, for another processor, or by a faulty compiler ends the process.
    """
    done = subprocess.run(
        [sys.executable, "-I", "-c", CHECK, str(library), *INSTRUCTION_SETS],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    if done.returncode < 0:
        raise BuildError(f"the new library crashed: {signal.strsignal(-done.returncode)}")
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip()] or [f"status {done.returncode}"]
        message = lines[-1].replace(f"{library.parent}{os.sep}", "")
        raise BuildError(f"the new library doesn't work: {message}")


def remove(file: Path) -> None:
    """Remove a file if it exists and the folder is writable."""
    try:
        file.unlink(missing_ok=True)
    except OSError:
        return


def sources_stamp(folder: Path = FOLDER) -> str:
    """Return MARK and a hash of the flags, and of the names and contents of all sources."""
    digest = hashlib.sha256(repr((FLAGS, *_all_flags(), ZIG, LINK)).encode())
    for file in sorted((folder / "sources").glob("*.[ch]")):
        digest.update(f"{file.name}\0".encode() + hashlib.sha256(file.read_bytes()).digest())
    return MARK + digest.hexdigest()


def _problem_of(error: OSError, folder: Path | None) -> str:
    """Return the file and the cause of an error, for one line."""
    file = error.filename2 or error.filename or folder
    return f"{file}: {error.strerror}" if file else str(error.strerror or error)


def _all_flags() -> list[tuple[str, tuple[str, ...], tuple[str, ...]]]:
    return [(name, one.flags, one.clang_flags) for name, one in INSTRUCTION_SETS.items()]


def _supported_sets(compiler: Sequence[str], scratch: Path) -> list[str]:
    """Return the names of the instruction sets that the compiler supports, and its assembler."""
    found = []
    for name in INSTRUCTION_SETS:
        try:
            _probe(compiler, name, scratch)
        except BuildError:
            continue
        found.append(name)
    return found


def _probe(compiler: Sequence[str], name: str, scratch: Path) -> None:
    """Raise BuildError if the compiler does not support an instruction set."""
    source = scratch / "probe.c"
    source.write_text(PROBE + INSTRUCTION_SETS[name].probe)
    _compile(compiler, source, name, scratch)


def _compile(compiler: Sequence[str], source: Path, name: str | None, scratch: Path) -> Path:
    """Compile one source for an instruction set, or for any processor (None), and return the object file."""
    object_file = scratch / f"{source.stem}.{name}.o"
    flags: tuple[str, ...] = ()
    if name is not None:
        instructions = INSTRUCTION_SETS[name]
        clang = "clang" in _run(compiler, ["--version"], scratch)
        flags = instructions.flags + (instructions.clang_flags if clang else ())
    _run(compiler, [*FLAGS, *flags, "-c", str(source), "-o", str(object_file)], scratch)
    return object_file


def _run(compiler: Sequence[str], arguments: Sequence[str], scratch: Path) -> str:
    """Run the compiler and return its output. Raises BuildError with its first error message."""
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
        errors = [line for line in lines if "error: " in line or "undefined " in line]
        message = (errors or lines or [f"status {done.returncode}"])[0]
        # Remove the temporary folder's path.
        raise BuildError(f"{Path(compiler[0]).name}: {message.replace(f'{scratch}{os.sep}', '')}")
    return done.stdout


def main(arguments: Sequence[str]) -> None:
    """Build the library if it is missing or outdated, and print the outcome."""
    if not platform_supported():
        outcome = "there is no native library for this kind of machine: OpenVINO computes all networks"
    elif is_current():
        outcome = "the native library is up to date"
    elif not processor_supported() and "--any-processor" not in arguments:
        outcome = "the native library needs a processor with AVX2: OpenVINO computes all networks"
    else:
        started = time.monotonic()
        try:
            compiler = choose_compiler(find_compilers())
            build(compiler)
            outcome = (
                f"built the native library with {shlex.join(compiler)} ({time.monotonic() - started:.0f} s)"
            )
        except BuildError as error:
            remove(library_path())
            outcome = f"no native library ({error}): OpenVINO computes all networks"
    sys.stderr.write(f"unbraid: {outcome}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
