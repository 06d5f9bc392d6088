"""The native library passes the sanitizers for addresses, undefined behaviour and threads: `./test -m long`.

All widths that run here, and both widths with emulated intrinsics. Blocks of an arena have a gap between them, so that
access beyond a block is found.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.native.compiled import compile_library, compiler

from unbraid.native.build import platform_supported, processor_sets

ROOT = Path(__file__).parents[2]
SCRIPT = Path(__file__).with_name("run_library.py")
ADDRESSES = ("-fsanitize=address,undefined", "-fno-sanitize-recover=undefined", "-DARENA_GAP=64", "-g")
THREADS = ("-fsanitize=thread", "-g")

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(
        not platform_supported() or compiler() is None, reason="there is no C compiler for the library"
    ),
]


def run_with(
    runtime: str, library: Path, instructions: str, samples: int
) -> subprocess.CompletedProcess[str]:
    """Run the library in Python, with the sanitizer's run-time library loaded first."""
    command = compiler()
    assert command is not None
    found = subprocess.run(
        [*command, f"-print-file-name={runtime}"], capture_output=True, text=True, check=True
    ).stdout.strip()
    if not Path(found).is_absolute():
        pytest.skip(f"the compiler has no {runtime}")
    # Python's own memory is not checked for leaks.
    environment = os.environ | {
        "LD_PRELOAD": found,
        "ASAN_OPTIONS": "detect_leaks=0",
        "TSAN_OPTIONS": "halt_on_error=1",
        "OPENBLAS_NUM_THREADS": "1",
        "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}",
    }
    return subprocess.run(
        # Without address randomisation: ThreadSanitizer rejects some layouts.
        ["setarch", "-R", sys.executable, str(SCRIPT), str(library), instructions, str(samples)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


VARIANTS = [(name, True) for name in ("avx2", "avx512_vnni")] + [(name, False) for name in processor_sets()]


@pytest.mark.parametrize(("instructions", "emulated"), VARIANTS)
def test_accesses_only_its_own_memory(instructions: str, emulated: bool, tmp_path: Path) -> None:
    library = compile_library(tmp_path / "a", instructions, emulated=emulated, flags=ADDRESSES)
    done = run_with("libasan.so", library, instructions, 1025 if emulated else 10_011)
    assert (done.returncode, done.stdout) == (0, "finished\n"), done.stderr[-4000:]


@pytest.mark.parametrize("instructions", processor_sets() or ["avx2"])
def test_threads_share_no_data_without_a_lock(instructions: str, tmp_path: Path) -> None:
    library = compile_library(tmp_path / "t", instructions, emulated=not processor_sets(), flags=THREADS)
    done = run_with("libtsan.so", library, instructions, 1025)
    assert (done.returncode, done.stdout) == (0, "finished\n"), done.stderr[-4000:]


def test_sanitizer_finds_access_beyond_a_block(tmp_path: Path) -> None:
    """The check itself can fail: the script writes beyond a block if asked to."""
    library = compile_library(tmp_path / "a", "avx2", emulated=True, flags=ADDRESSES)
    done = run_with("libasan.so", library, "avx2", 0)
    assert done.returncode != 0 and "AddressSanitizer" in done.stderr
