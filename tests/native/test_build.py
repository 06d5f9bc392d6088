"""src/unbraid/native/build.py compiles the library where it can, and where it can't says so in a line and succeeds."""

from __future__ import annotations

import ctypes
import os
import runpy
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.folders import everything_in

SCRIPT = Path(__file__).parents[2] / "src" / "unbraid" / "native" / "build.py"
BUILD = runpy.run_path(str(SCRIPT))
SUPPORTED = """
#include "shared.h"
#ifdef __AVX__
#error "this one runs everywhere"
#endif
SEEN int answer(void) { return ANSWER; }
"""
WIDE = """
#include <immintrin.h>
#include <stdint.h>
#include "shared.h"
// Sum of the products of 32 pairs.
SEEN int product(const int16_t *a, const int16_t *b) {
    __m512i sums = _mm512_dpwssd_epi32(_mm512_setzero_si512(), _mm512_loadu_si512(a), _mm512_loadu_si512(b));
    return _mm512_reduce_add_epi32(sums);
}
"""
SHARED = '#define SEEN __attribute__((visibility("default")))\n#define ANSWER 1\n'
INSTEAD = ": OpenVINO computes all networks\n"

Said = Callable[..., str]

pytestmark = pytest.mark.skipif(
    not BUILD["possible"](), reason="there is a library for Linux on x86-64 alone"
)


def lay_out(folder: Path) -> Path:
    """The script with two small sources: one for every processor, one for AVX-512 VNNI."""
    sources = folder / "sources"
    sources.mkdir(parents=True)
    shutil.copy(SCRIPT, folder)
    for name, text in (("supported.c", SUPPORTED), ("wide.c", WIDE), ("shared.h", SHARED)):
        (sources / name).write_text(text)
    return folder


@pytest.fixture
def native(tmp_path: Path) -> Path:
    return lay_out(tmp_path / "a folder")


def build(folder: Path, **variables: str) -> str:
    """What the script says; it has to succeed, in one line."""
    env = {name: value for name, value in os.environ.items() if name != "CC"} | variables
    done = subprocess.run(
        [sys.executable, "-I", str(folder / "build.py")], env=env, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (0, "", 1), done.stderr
    return done.stderr


def compiler(folder: Path, text: str) -> str:
    """A program of these lines of sh."""
    path = folder / "compiler"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def answer(folder: Path) -> int:
    """Of the library as it stands there; a copy is loaded, as one of the same name would not be read again."""
    copy = shutil.copy(folder / "_native.so", folder / f"copy-{len(everything_in(folder))}.so")
    return int(ctypes.CDLL(copy).answer())


needs_compiler = pytest.mark.skipif(
    not any(shutil.which(name) for name in ("cc", "gcc", "clang")), reason="there is no C compiler"
)


@needs_compiler
def test_it_compiles_a_library_that_computes(native: Path) -> None:
    assert build(native).startswith("unbraid: built the native library with ")
    assert everything_in(native) == sorted(
        [
            "_native.so",
            "build.py",
            "sources",
            *(f"sources/{n}" for n in ("shared.h", "supported.c", "wide.c")),
        ]
    )
    assert answer(native) == 1
    if BUILD["useful"]():
        numbers = (ctypes.c_int16 * 32)(*range(-5, 27))
        library = ctypes.CDLL(str(native / "_native.so"))
        assert library.product(numbers, numbers) == sum(number * number for number in range(-5, 27))


@needs_compiler
def test_it_compiles_again_when_a_source_has_changed_and_only_then(native: Path) -> None:
    build(native)
    made = (native / "_native.so").stat().st_mtime_ns
    (native / "sources" / "wide.c").touch()
    assert build(native) == "unbraid: the native library is up to date\n"
    assert (native / "_native.so").stat().st_mtime_ns == made
    (native / "sources" / "shared.h").write_text(SHARED.replace("ANSWER 1", "ANSWER 2"))
    assert "built" in build(native)
    assert answer(native) == 2


@pytest.mark.parametrize(
    ("program", "why"),
    [
        (
            "echo 'cc: error: unrecognized option -mavx512vnni'; exit 1",
            "compiler: cc: error: unrecognized option",
        ),
        ("exit 3", "compiler: status 3"),
        (None, "/nowhere/cc: No such file or directory"),
    ],
)
def test_a_compiler_that_will_not_do_is_no_failure(
    program: str | None, why: str, native: Path, tmp_path: Path
) -> None:
    said = build(native, CC=compiler(tmp_path, program) if program else "/nowhere/cc")
    assert said.startswith(f"unbraid: no native library ({why}") and said.endswith(INSTEAD)
    assert not (native / "_native.so").exists()


def test_without_a_compiler_it_says_so(native: Path, tmp_path: Path) -> None:
    assert (
        build(native, PATH=str(tmp_path)) == f"unbraid: no native library (there is no C compiler){INSTEAD}"
    )


@needs_compiler
def test_one_that_lacks_the_instructions_gives_way_to_one_that_has_them(native: Path, tmp_path: Path) -> None:
    (tmp_path / "cc").symlink_to(compiler(tmp_path, "exit 1"))
    said = build(native, PATH=f"{tmp_path}:{os.environ['PATH']}")
    assert "built the native library with /" in said and str(tmp_path) not in said


@needs_compiler
def test_an_error_in_a_source_is_named_and_leaves_no_library_of_older_sources(native: Path) -> None:
    build(native)
    (native / "sources" / "wide.c").write_text("int wrong(void) { return nothing; }\n")
    before = everything_in(native / "sources")
    said = build(native)
    assert "wide.c:1:" in said and "nothing" in said and said.endswith(INSTEAD)
    assert everything_in(native) == sorted(["build.py", "sources", *(f"sources/{name}" for name in before)])


@needs_compiler
def test_a_folder_that_may_not_be_written_stays_as_it_is(tiny_disk: Path) -> None:
    native = lay_out(tiny_disk / "native")
    before = everything_in(native)
    subprocess.run(["mount", "-o", "remount,ro", tiny_disk], check=True)
    assert build(native).endswith(f"Read-only file system){INSTEAD}")
    assert everything_in(native) == before


@needs_compiler
def test_a_disk_that_is_full_gets_no_half_library(tiny_disk: Path) -> None:
    native = lay_out(tiny_disk / "native")
    space = os.statvfs(tiny_disk)
    (tiny_disk / "full").write_bytes(bytes(space.f_bavail * space.f_frsize))
    said = build(native)
    assert said.endswith(INSTEAD) and "No space left" in said
    assert not [name for name in everything_in(native) if "_native" in name]


def test_other_machines_are_left_alone(native: Path) -> None:
    program = (
        "import platform, runpy; platform.machine = lambda: 'aarch64';"
        f"runpy.run_path({str(native / 'build.py')!r}, run_name='__main__')"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (
        0,
        "unbraid: there is no native library for this kind of machine: OpenVINO computes all networks\n",
    )
