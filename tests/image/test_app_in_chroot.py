"""The image's command `app` as in `deploy/compose.yaml`: as any user, with only /data and /tmp writable."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from pathlib import Path
from typing import Any

import pytest
import urllib3
from tests.aws.container.workspace import wait_for
from tests.image.chroot import chroot_command, first_process, running
from tests.image.steps import PATH, Stage

from unbraid.separation import Separator

pytestmark = pytest.mark.image
USER = "99:100"  # the user and group that Unraid runs containers as
PASSWORD = "four words or more"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder of the host that belongs to USER."""
    folder = tmp_path / "data"
    folder.mkdir(mode=0o755)
    os.chown(folder, *map(int, USER.split(":")))
    return folder


def app_command(image: Stage, data: Path, user: str, **settings: str) -> list[str]:
    variables = {"PATH": PATH, **image.environment, **settings}
    return chroot_command(
        image.root,
        [*image.entry, "app"],
        variables,
        user=user,
        folder=image.folder,
        mounted={data: "data"},
        read_only=True,
    )


def is_healthy(image: Stage, port: int, user: str = USER) -> bool:
    """Whether HEALTHCHECK succeeds."""
    variables = {"PATH": PATH, **image.environment, "UNBRAID_PORT": str(port)}
    check = chroot_command(image.root, image.check, variables, user=user, read_only=True)
    return subprocess.run(check, check=False).returncode == 0


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def separate(url: str, song: Path, headers: dict[str, str]) -> dict[str, bytes]:
    """Separate a song with `lite` over HTTP. Returns the content of each file by its name."""

    def call(path: str, body: object) -> dict[str, Any]:
        answer = urllib3.request("POST", url + path, json=body, headers=headers, retries=False)
        assert answer.status in (200, 202), answer.data
        return answer.json()  # type: ignore[no-any-return]

    upload = call("/upload", {"fileName": song.name, "fileType": "audio/wav"})
    sent = urllib3.request(
        "PUT", upload["uploadUrl"], body=song.read_bytes(), headers={"Content-Type": "audio/wav"}
    )
    assert sent.status == 200
    session = {"session_id": upload["sessionId"]}
    call("/process", {"sessionId": upload["sessionId"], "s3Key": upload["s3Key"], "model": "lite"})

    def files() -> list[dict[str, str]] | None:
        status = call("/status", session)
        assert status["status"] != "FAILED", status["error_message"]
        return status["output_files"] if status["status"] == "COMPLETED" else None

    return {
        file["filename"]: urllib3.request("GET", file["s3_url"], retries=False).data
        for file in wait_for(files)
    }


def test_the_app_separates_a_song_as_any_user_on_a_read_only_root(
    image: Stage, models: None, data: Path, song: Path, tmp_path: Path
) -> None:
    port, log = free_port(), tmp_path / "log"
    url, headers = f"http://127.0.0.1:{port}", {"Authorization": f"Bearer {PASSWORD}"}
    command = app_command(image, data, USER, UNBRAID_TOKEN=PASSWORD, UNBRAID_PORT=str(port))
    with running(command, log) as process:
        wait_for(lambda: is_healthy(image, port) or process.poll() is not None)
        assert process.poll() is None, log.read_text()
        inside = first_process(process)
        status = Path(f"/proc/{inside}/status").read_text()
        assert "Uid:\t99\t99\t99\t99" in status and "Gid:\t100\t100\t100\t100" in status
        assert urllib3.request("GET", url + "/models", retries=False).status == 401
        page = urllib3.request("GET", url + "/", headers=headers, retries=False)
        assert page.status == 200 and b"/assets/" in page.data
        models_here = urllib3.request("GET", url + "/models", headers=headers, retries=False).json()
        assert {one["name"] for one in models_here["models"] if one["installed"]} > {"lite", "spleeter"}
        assert models_here["downloads"] is True
        stems = separate(url, song, headers)
        local = Separator("lite").separate_to_files(song, tmp_path / "lite").files
        assert stems == {path.name: path.read_bytes() for path in local.values()}
        os.kill(inside, signal.SIGTERM)
        assert process.wait(20) == 128 + signal.SIGTERM
    assert not is_healthy(image, port)
    names = {path.name for path in data.iterdir()}
    assert {"unbraid.db", "objects", "secret", "cache"} <= names
    assert {(path.stat().st_uid, path.stat().st_gid) for path in data.rglob("*")} == {(99, 100)}


@pytest.mark.parametrize(
    ("user", "owner", "settings", "message"),
    [
        (USER, (99, 100), {}, "Set a password in UNBRAID_TOKEN, "),
        (USER, (0, 0), {"UNBRAID_TOKEN": PASSWORD}, "The container's user 99:100 may not write to /data. "),
        ("0:0", (0, 0), {}, "Set a password in UNBRAID_TOKEN, "),
    ],
)
def test_the_app_says_in_one_line_what_is_missing(
    image: Stage, data: Path, user: str, owner: tuple[int, int], settings: dict[str, str], message: str
) -> None:
    os.chown(data, *owner)
    done = subprocess.run(
        app_command(image, data, user, **settings), capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert done.stderr.startswith("unbraid: ") and message in done.stderr and done.stderr.count("\n") == 1
    if user == "0:0":  # an empty folder of root is given to the image's user
        assert data.stat().st_uid == 1000
