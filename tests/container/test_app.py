"""The command `app` of the image: whose rights it takes, which folder it writes to, and what it says if it can't."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from unbraid.container import app
from unbraid.container.data_folder import check_writable
from unbraid.errors import SettingError

SOURCE = Path(__file__).parents[2] / "src"
AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can change its user")
# The modules are loaded first: another user can't read the Python of root's home folder.
BECOME = """
import os, sys
from pathlib import Path
from unbraid.container.data_folder import become_owner, check_writable
from unbraid.errors import SettingError
if len(sys.argv) > 2:
    user, group = map(int, sys.argv[2].split(":"))
    os.setgroups([])
    os.setresgid(group, group, group)
    os.setresuid(user, user, user)
try:
    become_owner(Path(sys.argv[1]))
    check_writable(Path(sys.argv[1]))
    print(os.getresuid(), os.getresgid(), os.getgroups())
except SettingError as error:
    print(error.message)
"""


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder that any user can reach."""
    for parent in (tmp_path, *tmp_path.parents):
        if parent.stat().st_uid == os.geteuid() and not parent.stat().st_mode & 0o1:
            parent.chmod(0o711)
    folder = tmp_path / "data"
    folder.mkdir(mode=0o755)
    return folder


def prepare(data: Path, *user: str) -> str:
    """Prepare the folder in a process of its own; return its user, or the error."""
    command = [sys.executable, "-c", BECOME, str(data), *user]
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.strip()


@AS_ROOT
def test_root_becomes_the_owner_of_the_folder(data: Path) -> None:
    (data / "song").touch()
    os.chown(data, 99, 100)
    assert prepare(data) == "(99, 99, 99) (100, 100, 100) []"


@AS_ROOT
@pytest.mark.parametrize("of_file_system", [[], ["lost+found"]])
def test_an_empty_folder_of_root_is_given_to_the_user_of_the_image(
    data: Path, of_file_system: list[str]
) -> None:
    for name in of_file_system:
        (data / name).mkdir(mode=0o700)
    assert prepare(data) == "(1000, 1000, 1000) (1000, 1000, 1000) []"
    assert (data.stat().st_uid, data.stat().st_gid) == (1000, 1000)


@AS_ROOT
def test_files_of_root_are_not_given_away(data: Path) -> None:
    (data / "song").touch()
    assert prepare(data).startswith(
        f"The folder {data} belongs to root and isn't empty. Give it to user 1000"
    )
    assert data.stat().st_uid == 0


@AS_ROOT
def test_another_user_stays_and_is_named_if_it_may_not_write(data: Path) -> None:
    os.chown(data, 99, 100)
    assert prepare(data, "99:100") == "(99, 99, 99) (100, 100, 100) []"
    line = prepare(data, "568:568")
    assert line.startswith(f"The container's user 568:568 may not write to {data}. ") and "--user" in line


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=r"The folder .*/data is missing\. Mount one: docker run -v"):
        check_writable(tmp_path / "data")


def test_listens_on_the_network_with_all_data_in_one_folder(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands: list[list[str]] = []
    monkeypatch.setattr("unbraid.container.app.become_owner", lambda _: None)
    monkeypatch.setattr("unbraid.cli.main.main", lambda command: commands.append(command) or 0)
    monkeypatch.setenv("UNBRAID_DATA", str(data))
    monkeypatch.setenv("UNBRAID_CACHE", "")
    monkeypatch.setenv("UNBRAID_OWN_MODELS", "")
    monkeypatch.delenv("UNBRAID_PORT", raising=False)
    assert app.run_app() == 0
    assert commands == [["serve", "--data", str(data), "--host", "0.0.0.0", "--port", "8000"]]
    assert os.environ["UNBRAID_CACHE"] == str(data / "cache")
    assert os.environ["UNBRAID_OWN_MODELS"] == str(data / "models")
    monkeypatch.setenv("UNBRAID_CACHE", str(tmp_path / "models"))
    monkeypatch.setenv("UNBRAID_PORT", "9000")
    app.run_app()
    assert commands[1][-1] == "9000"
    assert os.environ["UNBRAID_CACHE"] == str(tmp_path / "models")


def test_without_a_password_the_app_says_what_to_set(data: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("UNBRAID_")}
    environment |= {"PYTHONPATH": str(SOURCE), "UNBRAID_DATA": str(data), "UNBRAID_PORT": "0"}
    os.chown(data, 1000, 1000) if os.geteuid() == 0 else None
    command = [sys.executable, "-m", "unbraid.container", "app"]
    if os.geteuid() == 0:  # stay root: other users can't read the Python of root's home folder
        program = (
            "import os; os.geteuid = lambda: 1; from unbraid.container.app import run_app; exit(run_app())"
        )
        command = [sys.executable, "-c", program]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert done.stderr.startswith(
        "unbraid: On 0.0.0.0 anyone on the network could use this server. Set a password"
    )
    assert "UNBRAID_TOKEN" in done.stderr and "UNBRAID_INSECURE=1" in done.stderr
    assert done.stderr.count("\n") == 1
