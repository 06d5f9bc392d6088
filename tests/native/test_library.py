"""The library is loaded with the best instruction set of the processor, or with the one that a variable names."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.native.networks import LIBRARIES, needs_library

from unbraid.errors import SettingError
from unbraid.native.build import FOLDER, library_path, processor_sets, sources_stamp
from unbraid.native.library import INSTRUCTION_SETS, INSTRUCTIONS, load_libraries, native_library

SOURCE = Path(__file__).parents[2] / "src"
CHOSEN = "from unbraid.native.library import native_library; print(native_library().instructions)"


@needs_library
def test_cpuid_finds_the_instruction_sets_of_the_operating_system() -> None:
    supported = ctypes.CDLL(str(library_path())).native_supported
    assert [name for number, name in enumerate(INSTRUCTION_SETS) if supported(number)] == processor_sets()
    assert not supported(-1) and not supported(len(INSTRUCTION_SETS))


@needs_library
def test_chooses_the_fastest_instruction_set() -> None:
    done = subprocess.run(
        [sys.executable, "-c", CHOSEN],
        env={"PYTHONPATH": str(SOURCE)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == LIBRARIES[-1].instructions


@pytest.mark.parametrize("instructions", [library.instructions for library in LIBRARIES])
def test_variable_chooses_an_instruction_set(instructions: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(INSTRUCTIONS, instructions)
    chosen = native_library.__wrapped__()
    assert chosen is not None and chosen.instructions == instructions


def test_variable_turns_the_library_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(INSTRUCTIONS, "none")
    assert native_library.__wrapped__() is None


def test_rejects_an_unknown_instruction_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(INSTRUCTIONS, "sse2")
    with pytest.raises(SettingError, match=r"'sse2'. Choose one of avx2, avx_vnni, avx512_vnni, none"):
        native_library.__wrapped__()


def test_rejects_an_unavailable_instruction_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unbraid.native.library.load_libraries", lambda: LIBRARIES[:1])
    monkeypatch.setenv(INSTRUCTIONS, "avx512_vnni")
    with pytest.raises(SettingError, match=r"which this computer can't use. Available: "):
        native_library.__wrapped__()


def test_missing_or_damaged_library_has_no_instruction_sets(tmp_path: Path) -> None:
    assert load_libraries(tmp_path) == []
    for content in (os.urandom(100), os.urandom(100) + sources_stamp().encode()):
        library_path(tmp_path).write_bytes(content)
        assert load_libraries(tmp_path) == []


@needs_library
def test_outdated_library_is_not_loaded(tmp_path: Path) -> None:
    shutil.copytree(FOLDER / "sources", tmp_path / "sources")
    shutil.copy(library_path(), tmp_path)
    assert load_libraries(tmp_path)
    with (tmp_path / "sources" / "arena.h").open("a") as source:
        source.write("// changed\n")
    assert load_libraries(tmp_path) == []
    shutil.rmtree(tmp_path / "sources")  # an installation without sources
    assert load_libraries(tmp_path)
