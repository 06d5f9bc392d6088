"""The steps of the Dockerfile, run in a chroot, give a working container on a read-only root, without root's rights.

Needs minutes, the network and root, so only `./test -m image` runs it: without CUDA, with the models that a package
index has.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from tests.aws.container.workspace import AwsWorkspace, LocalContainer, wait_for
from tests.image.chroot import chroot_command, first_process, running
from tests.image.steps import PATH, Stage

from unbraid.jobs.session import State, new_id
from unbraid.separation import Separator

ROOT = Path(__file__).parents[2]
LAMBDA_USER = "993:990"  # Lambda ignores USER and runs images as this user

pytestmark = pytest.mark.image


@pytest.fixture
def workspace(aws: str) -> AwsWorkspace:
    return AwsWorkspace()


def environment(image: Stage, workspace: AwsWorkspace) -> dict[str, str]:
    """Return the environment of a container: the image's variables and those that the deployment sets."""
    aws = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
    deployment = {name: value for name, value in workspace.environment.items() if name != "UNBRAID_MODELS"}
    return {"PATH": PATH, **image.environment, **aws, **deployment, "UNBRAID_PORT": "0"}


def test_the_image_meets_the_requirements_of_sagemaker_and_lambda(image: Stage) -> None:
    assert (image.user, image.ports) == ("0:0", ["8000 8080"])
    assert [*image.entry, *image.command] == ["python3", "-m", "unbraid.container", "serve"]
    tools = (
        "gcc",
        "cc",
        "c++",
        "g++",
        "clang",
        "ld",
        "as",
        "make",
        "pip",
        "pip3",
        "curl",
        "wget",
        "node",
        "npm",
    )
    assert [tool for tool in tools if (image.root / "usr/bin" / tool).exists()] == []
    assert not (image.root / "opt/pip").exists()
    assert image.environment["UNBRAID_IMAGE_MODELS"] == "spleeter spleeter_lite"
    files = {path.relative_to(image.root / "opt/models") for path in (image.root / "opt/models").rglob("*.*")}
    assert {str(path) for path in files if path.suffix != ".lock"} == {
        f"models/spleeter/{name}" for name in ("model.json", "graph.onnx", "weights.bin")
    }
    program = (
        "import ctypes; print(ctypes.CDLL('/opt/unbraid/unbraid/native/_native.so').native_supported(0))"
    )
    loaded = subprocess.run(
        chroot_command(image.root, ["python3", "-c", program], {"PATH": PATH}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (loaded.stdout.strip().isdigit(), loaded.stderr) == (True, "")
    writable = [
        path
        for path in (image.root / "opt").rglob("*")
        if not path.is_symlink() and path.stat().st_mode & 0o022
    ]
    assert writable == []


def test_the_server_writes_the_same_stems_and_stops_on_sigterm(
    image: Stage, models: None, workspace: AwsWorkspace, song: Path, tmp_path: Path
) -> None:
    variables = environment(image, workspace)
    command = chroot_command(
        image.root, [*image.entry, "serve"], variables, user=image.user, folder=image.folder, read_only=True
    )
    with running(command, tmp_path / "log") as process:
        container = LocalContainer(process, tmp_path / "log")
        container.wait_until_ready()
        inside = first_process(process)
        status = Path(f"/proc/{inside}/status").read_text()
        assert "Uid:\t1000\t1000\t1000\t1000" in status and "Gid:\t1000\t1000\t1000\t1000" in status
        assert "CapEff:\t0000000000000000" in status
        port = container.url.rpartition(":")[2]
        health = chroot_command(image.root, image.check, {**variables, "UNBRAID_PORT": port}, user=image.user)
        assert subprocess.run(health, check=False).returncode == 0
        session = workspace.submit(song)
        answer = container.invoke(workspace.request_for(session))
        assert answer[0] == 200, container.log()
        assert compare(workspace, answer[1]["output_files"], song, tmp_path, "lite")
        request = workspace.request_for(session)
        adhoc = {name: request[name] for name in ("input_s3_uri", "output_s3_prefix")}
        answer = container.invoke({**adhoc, "session_id": new_id(), "model": "spleeter"})
        assert answer[0] == 200, container.log()
        assert compare(workspace, answer[1]["output_files"], song, tmp_path, "spleeter")
        os.kill(inside, signal.SIGTERM)
        assert process.wait(15) == 0
        health = chroot_command(image.root, image.check, {**variables, "UNBRAID_PORT": port}, user=image.user)
        assert subprocess.run(health, check=False).returncode == 1


def test_the_function_answers_lambda(
    image: Stage, workspace: AwsWorkspace, song: Path, tmp_path: Path
) -> None:
    session = workspace.submit(song)
    record = {
        "messageId": "one",
        "body": json.dumps(workspace.request_for(session)),
        "eventSource": "aws:sqs",
    }
    with runtime({"Records": [record]}) as (address, answers):
        variables = {**environment(image, workspace), "AWS_LAMBDA_RUNTIME_API": address}
        command = chroot_command(
            image.root, [*image.entry, "function"], variables, user=LAMBDA_USER, read_only=True
        )
        with running(command, tmp_path / "log"):
            wait_for(lambda: answers or None)
    assert answers == {"/2018-06-01/runtime/invocation/1/response": {"batchItemFailures": []}}, (
        tmp_path / "log"
    ).read_text()
    assert workspace.session(session.id).state == State.COMPLETED
    files = [
        {"filename": name, "s3_uri": f"s3://{workspace.bucket}/outputs/{session.id}/{name}"}
        for name in ("vocals.wav", "no_vocals.wav")
    ]
    assert compare(workspace, files, song, tmp_path, "lite")


def compare(
    workspace: AwsWorkspace, files: list[dict[str, str]], song: Path, folder: Path, model: str
) -> bool:
    """Whether the files equal, byte for byte, those that this machine separates from the song."""
    local = Separator(model).separate_to_files(song, folder / model).files
    assert [file["filename"] for file in files] == ["vocals.wav", "no_vocals.wav"]
    return all(
        workspace.download(file["s3_uri"]) == local[Path(file["filename"]).stem].read_bytes()
        for file in files
    )


@contextmanager
def runtime(event: Mapping[str, object]) -> Iterator[tuple[str, dict[str, object]]]:
    """Simulate Lambda's runtime API: send one event, and record the answers by path."""
    answers: dict[str, object] = {}
    events, finished = [event], threading.Event()

    class Api(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if not events:
                finished.wait(60)
                return
            body = json.dumps(events.pop()).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Lambda-Runtime-Aws-Request-Id", "1")
            self.send_header("Lambda-Runtime-Deadline-Ms", str(round((time.time() + 900) * 1000)))
            self.send_header(
                "Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:eu-central-1:1:function:cpu"
            )
            self.send_header("Lambda-Runtime-Trace-Id", "Root=1-0-0;Sampled=0")
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self) -> None:
            answers[self.path] = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(202)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Api)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"127.0.0.1:{server.server_port}", answers
    finally:
        finished.set()
        server.shutdown()
