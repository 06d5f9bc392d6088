"""Compile the native library for tests: with its kernels, with emulated intrinsics, or with sanitizers."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from ctypes import CDLL
from pathlib import Path

from unbraid.native import build

HERE = Path(__file__).parent
# vector_size changes how functions pass vectors, but all of these are inlined.
EMULATION = ("-DEMULATED_INTRINSICS", f"-I{HERE / 'emulated'}", "-Wno-psabi")
KERNELS = ("attention.c", "matmul.c", "packing.c", "thread_pool.c")
"""Sources that kernels.c needs."""
MDX_KERNELS = ("mdx_layers.c", "thread_pool.c", "winograd.c")
"""Sources that mdx_kernels.c needs."""


def compiler() -> Sequence[str] | None:
    """Return a compiler for the library, or None."""
    try:
        return build.choose_compiler(build.find_compilers())
    except build.BuildError:
        return None


def load_kernels(
    variant: tuple[str, bool],
    emulated_library: Callable[[str], Path],
    folder: Path,
    names: Sequence[str],
    kernels: str,
) -> CDLL:
    """Load the functions of the file `kernels` for a variant: (instruction set, emulated).

    A real library is compiled in `folder` from `kernels` and the sources `names`.
    """
    name, emulated = variant
    file = (
        emulated_library(name)
        if emulated
        else compile_library(folder / name, name, emulated=False, names=names, kernels=[kernels])
    )
    return CDLL(str(file))


def compile_library(
    folder: Path,
    instructions: str,
    *,
    emulated: bool,
    names: Sequence[str] = ("*.c",),
    kernels: Sequence[str] = ("kernels.c", "mdx_kernels.c"),
    flags: Sequence[str] = (),
) -> Path:
    """Compile sources of the library for one instruction set, and `kernels` of this folder, into `folder`."""
    command = compiler()
    assert command is not None
    folder.mkdir()
    chosen = build.INSTRUCTION_SETS[instructions].flags
    if emulated:
        chosen = (*(flag for flag in chosen if flag.startswith("-DUSE_")), *EMULATION)
    sources = build.FOLDER / "sources"
    files = [file for name in names for file in sorted(sources.glob(name))]

    def compile_source(source: Path) -> str:
        own = () if source.name in build.ANY_PROCESSOR else chosen
        object_file = folder / f"{source.stem}.o"
        subprocess.run(
            [*command, *build.FLAGS, "-O1", *flags, *own, f"-I{sources}", "-c", source, "-o", object_file],
            check=True,
        )
        return str(object_file)

    with ThreadPoolExecutor(2) as pool:
        objects = list(pool.map(compile_source, [*files, *(HERE / name for name in kernels)]))
    library = folder / "library.so"
    subprocess.run([*command, *flags, *objects, *build.LINK, "-o", library], check=True)
    return library
