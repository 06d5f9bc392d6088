"""`./unbraid` makes its environment once, says what it does, and runs from anywhere: tried on a checkout with a stub
of the package and an empty lock file, so that an environment is a matter of seconds."""

from __future__ import annotations

import os
import runpy
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STUB = "import os, sys\nprint(*sys.argv[1:], os.getcwd(), sep='|')\nsys.exit(len(sys.argv) - 1)\n"
TOO_OLD = "exit 1  # as 3.10 does when it is asked whether it is new enough"
PYTHON = os.path.realpath(sys.executable)
SET_UP = "setting itself up in"
BUILT = "unbraid: built the native library in "
NATIVE = Path("src", "unbraid", "native")
BUILD = runpy.run_path(str(ROOT / NATIVE / "build.py"))

has_library = pytest.mark.skipif(
    not BUILD["possible"](), reason="there is a library for Linux on x86-64 alone"
)


def copy_checkout(folder: Path) -> Path:
    """The launcher and what it needs, with a stub of the package and of its library, and nothing to install."""
    shutil.copytree(ROOT / "requirements", folder / "requirements")
    shutil.copy(ROOT / "unbraid", folder)
    (folder / "requirements" / "run.lock").write_text("# nothing\n")
    (folder / "src" / "unbraid").mkdir(parents=True)
    (folder / "src" / "unbraid" / "__init__.py").write_text("")
    (folder / "src" / "unbraid" / "__main__.py").write_text(STUB)
    (folder / NATIVE / "sources").mkdir(parents=True)
    shutil.copy(ROOT / NATIVE / "build.py", folder / NATIVE)
    (folder / NATIVE / "sources" / "one.c").write_text("int one(void) { return 1; }\n")
    return folder


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout that has not been used yet."""
    return copy_checkout(tmp_path / "unbraid")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout, in a folder with a space in its name, whose first use was by two launchers at once."""
    folder = copy_checkout(tmp_path_factory.mktemp("my music") / "unbraid")
    command = [str(folder / "unbraid")]
    with (folder / "said").open("w") as said:
        both = [subprocess.Popen(command, stderr=said, stdout=subprocess.DEVNULL) for _ in "ab"]
        assert [process.wait(timeout=180) for process in both] == [0, 0]
    return folder


def start(
    checkout: Path, *arguments: str, cwd: Path | None = None, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the launcher to its end."""
    command = [str(checkout / "unbraid"), *arguments]
    return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False)


def begins_to_set_up(checkout: Path, env: dict[str, str] | None = None) -> bool:
    """Whether the launcher begins to make its environment; it is killed as soon as it has said so."""
    with subprocess.Popen(
        [str(checkout / "unbraid")], env=env, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        assert process.stderr is not None
        said = process.stderr.readline()
        os.killpg(process.pid, signal.SIGKILL)
    return SET_UP in said


def only(folder: Path, **programs: str) -> dict[str, str]:
    """An environment whose PATH has a shell's tools and `programs`: name -> the file, or lines of sh, that it runs."""
    folder.mkdir()
    tools = {name: shutil.which(name) or "" for name in ("sh", "cat", "cksum", "cmp", "readlink")}
    for name, text in {**tools, **programs}.items():
        path = folder / name
        if text.startswith("/"):
            path.symlink_to(text)
        else:
            path.write_text(f"#!/bin/sh\n{text}\n")
            path.chmod(0o755)
    return {**os.environ, "PATH": str(folder)}


def test_of_two_at_once_one_sets_up_visibly_and_the_other_waits(made: Path) -> None:
    said = (made / "said").read_text()
    assert said.count(SET_UP) == 1
    assert said.count("waiting for another") == 1
    assert said.count("ready after") == 1
    assert not list(made.glob(".venv/lib/python3*/site-packages/pip"))


def test_later_uses_hand_everything_through_and_say_nothing(made: Path) -> None:
    done = start(made, "a b", "*", cwd=made.parent)
    assert (done.stdout, done.returncode, done.stderr) == (f"a b|*|{made.parent}\n", 2, "")


def test_it_runs_through_links_from_any_folder_whatever_lies_there(made: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for name in ("argparse.py", "unbraid.py"):
        (elsewhere / name).write_text("raise SystemExit('the wrong one')")
    (tmp_path / "relative").symlink_to(made / "unbraid")
    (elsewhere / "unbraid").symlink_to("../relative")
    env = {**os.environ, "PYTHONPATH": str(elsewhere)}
    for command in (["./unbraid"], ["sh", "unbraid"], [str(elsewhere / "unbraid")]):
        done = subprocess.run(command, cwd=elsewhere, env=env, capture_output=True, text=True, check=False)
        assert (done.stdout, done.stderr) == (f"{elsewhere}\n", "")


def test_a_moved_checkout_still_runs(made: Path) -> None:
    moved = made.rename(made.parent / "moved")
    done = start(moved)
    moved.rename(made)
    assert (done.returncode, done.stderr) == (0, "")


def test_another_lock_file_makes_it_anew(made: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(made, tmp_path / "copy", symlinks=True)
    (copy / "requirements" / "run.lock").write_text("# nothing else\n")
    assert begins_to_set_up(copy)


def test_a_python_that_is_gone_makes_it_anew(made: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(made, tmp_path / "copy", symlinks=True)
    python = copy / ".venv" / "bin" / "python"
    python.unlink()
    python.symlink_to("/nowhere/python3.11")
    assert begins_to_set_up(copy)


def test_an_interrupted_installation_begins_again(checkout: Path) -> None:
    assert begins_to_set_up(checkout)
    assert not (checkout / ".venv" / "run.lock").exists()
    assert begins_to_set_up(checkout)


@pytest.mark.parametrize(
    ("programs", "packages"),
    [
        ({}, "python3 python3-venv"),
        ({"python3": TOO_OLD}, "python3.11 python3.11-venv, or a newer one"),
    ],
)
def test_without_a_suitable_python_it_says_what_to_install(
    programs: dict[str, str], packages: str, checkout: Path, tmp_path: Path
) -> None:
    done = start(checkout, env=only(tmp_path / "bin", **programs))
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        f"unbraid: no Python 3.11 to 3.14 found: install one (Debian and Ubuntu: sudo apt install {packages})"
    ]


def test_a_newer_python_beside_an_old_one_is_found(checkout: Path, tmp_path: Path) -> None:
    programs = {"python3": TOO_OLD, "python3.12": f'exec {PYTHON} "$@"'}
    assert begins_to_set_up(checkout, env=only(tmp_path / "bin", **programs))


def test_a_python_without_venv_says_which_package_to_install(checkout: Path, tmp_path: Path) -> None:
    # Debian splits ensurepip off into a package of its own; here it is hidden.
    hide = (
        "import sys, runpy; sys.modules['ensurepip'] = None; sys.argv = sys.argv[1:];"
        "runpy.run_path(sys.argv[0], run_name='__main__')"
    )
    program = f'[ "$2" = -c ] && exec {PYTHON} "$@"; shift; exec {PYTHON} -I -c "{hide}" "$@"'
    done = start(checkout, env=only(tmp_path / "bin", python3=program))
    assert done.returncode == 1
    assert done.stderr.endswith("-venv) and run this again\n")
    assert not (checkout / ".venv").exists()


def test_a_package_that_cannot_be_had_is_explained() -> None:
    program = (
        "import sys; sys.path.insert(0, 'requirements'); from pathlib import Path; import install;"
        "install.pip_install(Path(sys.executable), ['--no-index', 'no-such-package-as-this'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "No matching distribution found for no-such-package-as-this" in done.stderr
    assert done.stderr.endswith("Run it again once that is mended\n")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_checkout_that_may_not_be_written_to_is_explained(checkout: Path) -> None:
    checkout.chmod(0o555)
    try:
        done = start(checkout)
    finally:
        checkout.chmod(0o755)
    assert done.returncode == 1
    assert "may not write" in done.stderr


@has_library
def test_the_first_use_builds_the_native_library_if_it_can(made: Path) -> None:
    can = bool(BUILD["candidates"]()) or BUILD["useful"]()
    assert (made / "said").read_text().count(BUILT) == can
    assert (made / NATIVE / "_native.so").exists() == can


@has_library
@pytest.mark.skipif(not BUILD["candidates"](), reason="there is no C compiler")
def test_changed_sources_are_built_by_the_next_use_and_an_error_in_them_is_told_once(
    made: Path, tmp_path: Path
) -> None:
    copy = shutil.copytree(made, tmp_path / "copy", symlinks=True)
    source = copy / NATIVE / "sources" / "one.c"
    source.write_text("int one(void) { return 2; }\n")
    said = [start(copy).stderr for _ in "ab"]
    assert said[0].startswith(BUILT) and said[1] == ""
    source.write_text("int one(void) { return; nonsense }\n")
    broken, after = start(copy, "on"), start(copy, "on")
    assert (broken.stdout, broken.returncode) == (after.stdout, after.returncode)
    assert broken.stdout.startswith("on|") and broken.returncode == 1
    assert "OpenVINO computes all networks" in broken.stderr and "one.c" in broken.stderr
    assert (broken.stderr.count("\n"), after.stderr) == (1, "")
    assert not (copy / NATIVE / "_native.so").exists()


@has_library
@pytest.mark.skipif(
    not BUILD["useful"](), reason="this processor can't run the library, so nothing is fetched"
)
def test_without_a_compiler_and_without_a_network_it_works_all_the_same(made: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(made, tmp_path / "copy", symlinks=True)
    (copy / NATIVE / "sources" / "one.c").write_text("int one(void) { return 3; }\n")
    env = only(tmp_path / "bin") | {"PIP_NO_INDEX": "1", "PIP_CONFIG_FILE": os.devnull, "PIP_FIND_LINKS": ""}
    done, after = (start(copy, "on", env=env) for _ in "ab")
    assert (done.stdout[:3], done.returncode) == ("on|", 1)
    fetching, none = done.stderr.splitlines()
    assert "fetching a C compiler" in fetching
    assert "OpenVINO computes all networks" in none and "No matching distribution found for ziglang" in none
    assert f"to have it tried again, delete {copy}/.venv/native" in none
    assert after.stderr == ""
    assert not (copy / ".venv" / "compiler").exists()


@has_library
@pytest.mark.skipif(os.geteuid() != 0, reason="takes a mount")
def test_a_checkout_that_can_only_be_read_says_so_and_works(made: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(made, tmp_path / "copy", symlinks=True)
    (copy / NATIVE / "sources" / "one.c").write_text("int one(void) { return 4; }\n")
    lines = f"mount --bind {copy} {copy} && mount -o remount,bind,ro {copy} && exec {copy}/unbraid on"
    command = ["unshare", "--mount", "--propagation", "private", "sh", "-c", lines]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.stdout[:3], done.returncode) == ("on|", 1)
    assert done.stderr == (
        f"unbraid: the native library isn't built: {copy}/.venv/native: Read-only file system\n"
    )
