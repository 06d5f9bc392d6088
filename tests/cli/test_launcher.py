"""`./unbraid` sets up its environment once, reports what it does, and runs from any folder.

The tests use a checkout with a stub of the package and an empty lock file, so that setting up takes seconds.
"""

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
TOO_OLD = "exit 1  # like Python 3.10 in the version check"
PYTHON = os.path.realpath(sys.executable)
SET_UP = "unbraid: setting up "
BUILT = "unbraid: built the native library in "
NATIVE = Path("src", "unbraid", "native")
BUILD = runpy.run_path(str(ROOT / NATIVE / "build.py"))

COMMANDS = [
    (),
    *(
        (command,)
        for command in ("separate", "demucs", "models", "evaluate", "serve", "worker", "deploy", "completion")
    ),
    *(("models", command) for command in ("list", "pull", "path", "export", "import")),
]

has_library = pytest.mark.skipif(
    not BUILD["platform_supported"](), reason="the library exists only for Linux on x86-64"
)


def copy_checkout(folder: Path) -> Path:
    """Copy the launcher and requirements/, with a stub of the package and its library, and nothing to install."""
    shutil.copytree(ROOT / "requirements", folder / "requirements")
    shutil.copy(ROOT / "unbraid", folder)
    (folder / "requirements" / "run.lock").write_text("# nothing\n")
    (folder / "src" / "unbraid").mkdir(parents=True)
    (folder / "src" / "unbraid" / "__init__.py").write_text("")
    (folder / "src" / "unbraid" / "__main__.py").write_text(STUB)
    (folder / NATIVE / "sources").mkdir(parents=True)
    shutil.copy(ROOT / NATIVE / "build.py", folder / NATIVE)
    (folder / NATIVE / "sources" / "one.c").write_text("static inline int one(void) { return 1; }\n")
    return folder


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout before its first use."""
    return copy_checkout(tmp_path / "unbraid")


@pytest.fixture(scope="module")
def set_up_checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout in a folder with a space in its name, set up by two launchers at the same time."""
    folder = copy_checkout(tmp_path_factory.mktemp("my music") / "unbraid")
    command = [str(folder / "unbraid")]
    with (folder / "stderr").open("w") as stderr:
        both = [subprocess.Popen(command, stderr=stderr, stdout=subprocess.DEVNULL) for _ in "ab"]
        assert [process.wait(timeout=180) for process in both] == [0, 0]
    return folder


def start(
    checkout: Path, *arguments: str, cwd: Path | None = None, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the launcher until it exits."""
    command = [str(checkout / "unbraid"), *arguments]
    return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False)


def starts_setup(checkout: Path, env: dict[str, str] | None = None, arguments: tuple[str, ...] = ()) -> bool:
    """Whether the launcher starts to set up its environment. It is killed right after its first message."""
    with subprocess.Popen(
        [str(checkout / "unbraid"), *arguments],
        env=env,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stderr is not None
        message = process.stderr.readline()
        os.killpg(process.pid, signal.SIGKILL)
    return SET_UP in message


def with_only(folder: Path, **programs: str) -> dict[str, str]:
    """Return environment variables with a PATH of basic tools and `programs`: name -> file or lines of sh."""
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


@pytest.mark.parametrize(
    "arguments",
    [
        ("--version",),
        *((*command, "--help") for command in COMMANDS),
        ("separate", "song.wav", "-h"),
        ("separate", "--help-all"),
    ],
    ids=" ".join,
)
def test_help_of_every_command_installs_nothing(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    """The checkout has the real package, and only basic tools beside Python."""
    checkout = copy_checkout(tmp_path / "unbraid")
    shutil.rmtree(checkout / "src")
    (checkout / "src").symlink_to(ROOT / "src")
    done = start(checkout, *arguments, env=with_only(tmp_path / "bin", python3=PYTHON))
    assert not (checkout / ".venv").exists()
    assert (done.returncode, done.stderr) == (0, "")
    if "--help" in arguments:
        assert done.stdout.startswith(f"usage: {' '.join(('unbraid', *arguments[:-1]))} ")


def test_help_runs_with_the_environment_if_there_is_one(set_up_checkout: Path, tmp_path: Path) -> None:
    library = set_up_checkout / NATIVE / "_native.so"
    before = library.stat().st_mtime_ns if library.exists() else None
    done = start(set_up_checkout, "serve", "--help", env=with_only(tmp_path / "bin"))
    assert done.stdout == f"serve|--help|{Path.cwd()}\n"
    assert (library.stat().st_mtime_ns if library.exists() else None) == before


def test_a_song_called_help_is_no_request_for_help(checkout: Path) -> None:
    assert starts_setup(checkout, arguments=("separate", "--", "--help"))


def test_one_of_two_launchers_sets_up_and_the_other_waits(set_up_checkout: Path) -> None:
    messages = (set_up_checkout / "stderr").read_text()
    assert messages.count(SET_UP) == 1
    assert messages.count("waiting for another") == 1
    assert messages.count("ready after") == 1
    assert not list(set_up_checkout.glob(".venv/lib/python3*/site-packages/pip"))


def test_later_runs_pass_arguments_and_exit_code_through_silently(set_up_checkout: Path) -> None:
    done = start(set_up_checkout, "a b", "*", cwd=set_up_checkout.parent)
    assert (done.stdout, done.returncode, done.stderr) == (f"a b|*|{set_up_checkout.parent}\n", 2, "")


def test_runs_through_symlinks_from_a_folder_with_modules_of_the_same_names(
    set_up_checkout: Path, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for name in ("argparse.py", "unbraid.py"):
        (elsewhere / name).write_text("raise SystemExit('the wrong one')")
    (tmp_path / "relative").symlink_to(set_up_checkout / "unbraid")
    (elsewhere / "unbraid").symlink_to("../relative")
    env = {**os.environ, "PYTHONPATH": str(elsewhere)}
    for command in (["./unbraid"], ["sh", "unbraid"], [str(elsewhere / "unbraid")]):
        done = subprocess.run(command, cwd=elsewhere, env=env, capture_output=True, text=True, check=False)
        assert (done.stdout, done.stderr) == (f"{elsewhere}\n", "")


def test_runs_after_the_checkout_was_moved(set_up_checkout: Path) -> None:
    moved = set_up_checkout.rename(set_up_checkout.parent / "moved")
    done = start(moved)
    moved.rename(set_up_checkout)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_changed_lock_file_sets_up_again(set_up_checkout: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(set_up_checkout, tmp_path / "copy", symlinks=True)
    (copy / "requirements" / "run.lock").write_text("# nothing else\n")
    assert starts_setup(copy)


def test_a_removed_python_sets_up_again(set_up_checkout: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(set_up_checkout, tmp_path / "copy", symlinks=True)
    python = copy / ".venv" / "bin" / "python"
    python.unlink()
    python.symlink_to("/nowhere/python3.11")
    assert starts_setup(copy)


def test_an_interrupted_setup_starts_again(checkout: Path) -> None:
    assert starts_setup(checkout)
    assert not (checkout / ".venv" / "run.lock").exists()
    assert starts_setup(checkout)


@pytest.mark.parametrize(
    ("programs", "packages"),
    [
        ({}, "python3 python3-venv"),
        ({"python3": TOO_OLD}, "python3.11 python3.11-venv, or a newer one"),
    ],
)
def test_without_a_suitable_python_names_the_packages_to_install(
    programs: dict[str, str], packages: str, checkout: Path, tmp_path: Path
) -> None:
    done = start(checkout, env=with_only(tmp_path / "bin", **programs))
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        f"unbraid: Python 3.11 to 3.14 is missing. Install it (Debian and Ubuntu: sudo apt install {packages})"
    ]


def test_finds_a_newer_python_beside_an_old_one(checkout: Path, tmp_path: Path) -> None:
    programs = {"python3": TOO_OLD, "python3.12": f'exec {PYTHON} "$@"'}
    assert starts_setup(checkout, env=with_only(tmp_path / "bin", **programs))


def test_without_venv_names_the_package_to_install(checkout: Path, tmp_path: Path) -> None:
    # Debian ships ensurepip in a separate package. Hide it.
    hide = (
        "import sys, runpy; sys.modules['ensurepip'] = None; sys.argv = sys.argv[1:];"
        "runpy.run_path(sys.argv[0], run_name='__main__')"
    )
    program = f'[ "$2" = -c ] && exec {PYTHON} "$@"; shift; exec {PYTHON} -I -c "{hide}" "$@"'
    done = start(checkout, env=with_only(tmp_path / "bin", python3=program))
    assert done.returncode == 1
    assert done.stderr.endswith("-venv) and run this again\n")
    assert not (checkout / ".venv").exists()


def test_explains_a_package_that_is_unavailable() -> None:
    program = (
        "import sys; sys.path.insert(0, 'requirements'); from pathlib import Path; import install;"
        "install.pip_install(Path(sys.executable), ['--no-index', 'no-such-package-as-this'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "No matching distribution found for no-such-package-as-this" in done.stderr
    assert done.stderr.endswith("See the messages above, then run this again\n")


@pytest.mark.skipif(os.geteuid() == 0, reason="root can write anywhere")
def test_explains_a_checkout_without_write_permission(checkout: Path) -> None:
    checkout.chmod(0o555)
    try:
        done = start(checkout)
    finally:
        checkout.chmod(0o755)
    assert done.returncode == 1
    assert "no permission to write" in done.stderr


@has_library
def test_the_first_run_builds_the_native_library_if_possible(set_up_checkout: Path) -> None:
    can = BUILD["processor_supported"]()
    assert (set_up_checkout / "stderr").read_text().count(BUILT) == can
    assert (set_up_checkout / NATIVE / "_native.so").exists() == can


@has_library
@pytest.mark.skipif(not BUILD["find_compilers"](), reason="there is no C compiler")
def test_builds_changed_sources_and_reports_a_build_error_once(set_up_checkout: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(set_up_checkout, tmp_path / "copy", symlinks=True)
    source = copy / NATIVE / "sources" / "one.c"
    source.write_text("static inline int one(void) { return 2; }\n")
    first, second = (start(copy).stderr for _ in "ab")
    assert first.startswith(BUILT) and second == ""
    source.write_text("static inline int one(void) { return; nonsense }\n")
    broken, after = start(copy, "on"), start(copy, "on")
    assert (broken.stdout, broken.returncode) == (after.stdout, after.returncode)
    assert broken.stdout.startswith("on|") and broken.returncode == 1
    assert "OpenVINO computes all networks" in broken.stderr and "one.c" in broken.stderr
    assert (broken.stderr.count("\n"), after.stderr) == (1, "")
    assert not (copy / NATIVE / "_native.so").exists()


@has_library
@pytest.mark.skipif(
    not BUILD["processor_supported"](),
    reason="this processor can't run the library, so no compiler is fetched",
)
def test_works_without_a_compiler_and_without_a_network(set_up_checkout: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(set_up_checkout, tmp_path / "copy", symlinks=True)
    (copy / NATIVE / "sources" / "one.c").write_text("static inline int one(void) { return 3; }\n")
    env = with_only(tmp_path / "bin") | {
        "PIP_NO_INDEX": "1",
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_FIND_LINKS": "",
    }
    done, after = (start(copy, "on", env=env) for _ in "ab")
    assert (done.stdout[:3], done.returncode) == ("on|", 1)
    downloading, failed = done.stderr.splitlines()
    assert "downloading a C compiler" in downloading
    assert (
        "OpenVINO computes all networks" in failed and "No matching distribution found for ziglang" in failed
    )
    assert f"To try again, delete {copy}/.venv/native" in failed
    assert after.stderr == ""
    assert not (copy / ".venv" / "compiler").exists()


@has_library
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to mount")
def test_works_in_a_read_only_checkout_and_reports_it(set_up_checkout: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(set_up_checkout, tmp_path / "copy", symlinks=True)
    (copy / NATIVE / "sources" / "one.c").write_text("static inline int one(void) { return 4; }\n")
    lines = f"mount --bind {copy} {copy} && mount -o remount,bind,ro {copy} && exec {copy}/unbraid on"
    command = ["unshare", "--mount", "--propagation", "private", "sh", "-c", lines]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.stdout[:3], done.returncode) == ("on|", 1)
    assert done.stderr == (
        f"unbraid: the native library isn't built: {copy}/.venv/native: Read-only file system\n"
    )
