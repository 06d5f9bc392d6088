"""src/unbraid/native/build.py compiles the library if possible. Otherwise it prints one line and succeeds."""

from __future__ import annotations

import ctypes
import os
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.folders import everything_in

SCRIPT = Path(__file__).parents[2] / "src" / "unbraid" / "native" / "build.py"
BUILD = runpy.run_path(str(SCRIPT))
SUPPORTED = """
#include "shared.h"
#ifdef __AVX__
#error "compiled for AVX, but must run on any processor"
#endif
EXPORT int answer(void) { return ANSWER; }
"""
WIDE = """
#include <immintrin.h>
#include <stdint.h>
#include "shared.h"
// Sums of the products of 16 or 32 pairs.
#ifdef USE_AVX512_VNNI
EXPORT void product_avx512_vnni(const int16_t *a, const int16_t *b, int *sums) {
    __m512i zero = _mm512_setzero_si512();
    _mm512_storeu_si512(sums, _mm512_dpwssd_epi32(zero, _mm512_loadu_si512(a), _mm512_loadu_si512(b)));
}
#else
static __m256i load(const int16_t *x) { return _mm256_loadu_si256((const __m256i *)x); }
#ifdef USE_AVX_VNNI
EXPORT void product_avx_vnni(const int16_t *a, const int16_t *b, int *sums) {
    __m256i products = _mm256_dpwssd_avx_epi32(_mm256_setzero_si256(), load(a), load(b));
#else
EXPORT void product_avx2(const int16_t *a, const int16_t *b, int *sums) {
    __m256i products = _mm256_madd_epi16(load(a), load(b));
#endif
    _mm256_storeu_si256((__m256i *)sums, products);
}
#endif
"""
SHARED = '#define EXPORT __attribute__((visibility("default")))\n#define ANSWER 1\n'
FALLBACK = ": OpenVINO computes all networks\n"

pytestmark = pytest.mark.skipif(
    not BUILD["platform_supported"](), reason="the library exists only for Linux on x86-64"
)


def write_sources(folder: Path) -> Path:
    """Copy the script and write two small sources: one for any processor, one for each instruction set."""
    sources = folder / "sources"
    sources.mkdir(parents=True)
    shutil.copy(SCRIPT, folder)
    for name, text in (("supported.c", SUPPORTED), ("wide.c", WIDE), ("shared.h", SHARED)):
        (sources / name).write_text(text)
    return folder


@pytest.fixture
def native(tmp_path: Path) -> Path:
    return write_sources(tmp_path / "a folder")


def build(folder: Path, *arguments: str, **variables: str) -> str:
    """Run the script, which must succeed. Returns the one line that it prints."""
    env = {name: value for name, value in os.environ.items() if name != "CC"} | variables
    done = subprocess.run(
        [sys.executable, "-I", str(folder / "build.py"), *arguments],
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (0, "", 1), done.stderr
    return done.stderr


def compiler(folder: Path, text: str) -> str:
    """Write a shell script that acts as the compiler."""
    path = folder / "compiler"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def answer(folder: Path) -> int:
    """Call `answer` of the library. Loads a copy, as a library with the same path is loaded only once."""
    copy = shutil.copy(folder / "_native.so", folder / f"copy-{len(everything_in(folder))}.so")
    return int(ctypes.CDLL(copy).answer())


needs_compiler = pytest.mark.skipif(
    not any(shutil.which(name) for name in ("cc", "gcc", "clang")), reason="there is no C compiler"
)


@needs_compiler
def test_compiles_a_working_library(native: Path) -> None:
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
    numbers = (ctypes.c_int16 * 32)(*range(-5, 27))
    library = ctypes.CDLL(str(native / "_native.so"))
    for name in BUILD["processor_sets"]():
        pairs = 16 if name == "avx512_vnni" else 8
        sums = (ctypes.c_int32 * pairs)()
        library[f"product_{name}"](numbers, numbers, sums)
        assert list(sums) == [numbers[i] ** 2 + numbers[i + 1] ** 2 for i in range(0, 2 * pairs, 2)]


@needs_compiler
def test_compiles_again_only_when_a_source_has_changed(native: Path) -> None:
    build(native)
    built_at = (native / "_native.so").stat().st_mtime_ns
    (native / "sources" / "wide.c").touch()
    assert build(native) == "unbraid: the native library is up to date\n"
    assert (native / "_native.so").stat().st_mtime_ns == built_at
    (native / "sources" / "shared.h").write_text(SHARED.replace("ANSWER 1", "ANSWER 2"))
    assert "built" in build(native)
    assert answer(native) == 2


@pytest.mark.parametrize(
    ("program", "why"),
    [
        (
            "echo 'cc: error: unrecognized option -mavx2'; exit 1",
            "compiler: cc: error: unrecognized option",
        ),
        ("exit 3", "compiler: status 3"),
        (None, "/nowhere/cc: No such file or directory"),
    ],
)
def test_failing_compiler_is_not_an_error(
    program: str | None, why: str, native: Path, tmp_path: Path
) -> None:
    output = build(native, CC=compiler(tmp_path, program) if program else "/nowhere/cc")
    assert output.startswith(f"unbraid: no native library ({why}") and output.endswith(FALLBACK)
    assert not (native / "_native.so").exists()


@needs_compiler
@pytest.mark.parametrize(
    ("variables", "why"),
    [
        ({"CC": "cc '-O2"}, "CC=cc '-O2: No closing quotation"),
        ({"TMPDIR": "/nowhere", "TEST_NO_TEMPORARY_FOLDER": "1"}, "No usable temporary directory"),
        ({"CC": "cc -fsanitize=address"}, ""),
    ],
)
def test_unusable_environment_is_reported(variables: dict[str, str], why: str, native: Path) -> None:
    if "TEST_NO_TEMPORARY_FOLDER" in variables:
        # As with read-only folders, whatever the user's permissions.
        (native / "build.py").write_text(
            (native / "build.py")
            .read_text()
            .replace(
                "import tempfile\n",
                "import tempfile\ntempfile._candidate_tempdir_list = lambda: ['/nowhere']\n",
            )
        )
    output = build(native, **variables)
    assert output.startswith("unbraid: no native library (") and why in output, output
    assert output.endswith(FALLBACK)
    assert not (native / "_native.so").exists()


@needs_compiler
@pytest.mark.parametrize(
    ("code", "why"),
    [
        ('__asm__("ud2"); return 1;', "the new library crashed: Illegal instruction"),
        ("return 0;", "the new library doesn't work: wrong results with avx2"),
    ],
)
def test_library_that_fails_its_check_is_not_installed(code: str, why: str, native: Path) -> None:
    with (native / "sources" / "supported.c").open("a") as source:
        source.write(
            f"EXPORT int native_supported(int set) {{ return set == 0; }}\n"
            f"EXPORT int native_check_avx2(void) {{ {code} }}\n"
        )
    assert build(native) == f"unbraid: no native library ({why}){FALLBACK}"
    assert everything_in(native) == [
        "build.py",
        "sources",
        "sources/shared.h",
        "sources/supported.c",
        "sources/wide.c",
    ]


@needs_compiler
def test_processor_without_the_instructions_compiles_nothing(native: Path, tmp_path: Path) -> None:
    script = (native / "build.py").read_text()
    (native / "build.py").write_text(script.replace('"/proc/cpuinfo"', repr(str(tmp_path / "cpuinfo"))))
    (tmp_path / "cpuinfo").write_text("flags : fpu sse sse2\n")
    log = tmp_path / "log"
    cc = compiler(tmp_path, f'echo >>"{log}"; exec cc "$@"')
    assert build(native, CC=cc) == f"unbraid: the native library needs a processor with AVX2{FALLBACK}"
    assert not log.exists()
    # An image is built for other processors.
    assert "built" in build(native, "--any-processor", CC=cc)


def test_launcher_compiles_nothing_on_such_a_processor(tmp_path: Path) -> None:
    native = write_sources(tmp_path / "src" / "unbraid" / "native")
    (native / "build.py").write_text(
        (native / "build.py").read_text().replace('"/proc/cpuinfo"', repr(str(tmp_path / "cpuinfo")))
    )
    (tmp_path / "cpuinfo").write_text("flags : fpu sse sse2\n")
    requirements = tmp_path / "requirements"
    requirements.mkdir()
    shutil.copy(SCRIPT.parents[3] / "requirements" / "native.py", requirements)
    log = tmp_path / "log"
    done = subprocess.run(
        [sys.executable, "-I", str(requirements / "native.py"), str(tmp_path)],
        env={**os.environ, "CC": compiler(tmp_path, f'echo >>"{log}"; exec cc "$@"')},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr, log.exists()) == (0, "", False)
    assert not (native / "_native.so").exists()


@needs_compiler
def test_processes_with_the_same_id_share_a_folder(native: Path, tmp_path: Path) -> None:
    """Two containers that build in the same folder can have the same process id."""
    (native / "build.py").write_text(
        (native / "build.py").read_text().replace("import os\n", "import os\nos.getpid = lambda: 7\n")
    )
    (native / "_native.so.7").write_text("unfinished library of the other container")
    assert "built" in build(native)
    assert (native / "_native.so.7").read_text() == "unfinished library of the other container"
    assert answer(native) == 1


def test_reports_a_missing_compiler(native: Path, tmp_path: Path) -> None:
    assert (
        build(native, PATH=str(tmp_path)) == f"unbraid: no native library (there is no C compiler){FALLBACK}"
    )


@needs_compiler
def test_skips_a_compiler_that_lacks_the_instructions(native: Path, tmp_path: Path) -> None:
    (tmp_path / "cc").symlink_to(compiler(tmp_path, "exit 1"))
    output = build(native, PATH=f"{tmp_path}:{os.environ['PATH']}")
    assert "built the native library with /" in output and str(tmp_path) not in output


@needs_compiler
@pytest.mark.parametrize("option", ["-mavxvnni", "-mavx512vnni"])
def test_leaves_out_instruction_sets_that_the_compiler_lacks(
    option: str, native: Path, tmp_path: Path
) -> None:
    refuse = (
        f'case " $* " in *" {option} "*) echo "cc: error: unrecognized option"; exit 1;; esac; exec cc "$@"'
    )
    assert "built" in build(native, CC=compiler(tmp_path, refuse))
    library = ctypes.CDLL(str(native / "_native.so"))
    missing = {"-mavxvnni": "avx_vnni", "-mavx512vnni": "avx512_vnni"}[option]
    for name in BUILD["INSTRUCTION_SETS"]:
        assert hasattr(library, f"product_{name}") == (name != missing)


@needs_compiler
def test_source_error_is_reported_and_removes_the_outdated_library(native: Path) -> None:
    build(native)
    (native / "sources" / "wide.c").write_text("int wrong(void) { return nothing; }\n")
    before = everything_in(native / "sources")
    output = build(native)
    assert "wide.c:1:" in output and "nothing" in output and output.endswith(FALLBACK)
    assert everything_in(native) == sorted(["build.py", "sources", *(f"sources/{name}" for name in before)])


@needs_compiler
def test_read_only_folder_stays_unchanged(tiny_disk: Path) -> None:
    native = write_sources(tiny_disk / "native")
    before = everything_in(native)
    subprocess.run(["mount", "-o", "remount,ro", tiny_disk], check=True)
    assert build(native).endswith(f"Read-only file system){FALLBACK}")
    assert everything_in(native) == before


@needs_compiler
def test_full_disk_leaves_no_partial_library(tiny_disk: Path) -> None:
    native = write_sources(tiny_disk / "native")
    space = os.statvfs(tiny_disk)
    (tiny_disk / "full").write_bytes(bytes(space.f_bavail * space.f_frsize))
    output = build(native)
    assert output.endswith(FALLBACK) and "No space left" in output
    assert not [name for name in everything_in(native) if "_native" in name]


def test_unsupported_platform_is_reported(native: Path) -> None:
    program = (
        "import platform, runpy; platform.machine = lambda: 'aarch64';"
        f"runpy.run_path({str(native / 'build.py')!r}, run_name='__main__')"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (
        0,
        "unbraid: there is no native library for this kind of machine: OpenVINO computes all networks\n",
    )
